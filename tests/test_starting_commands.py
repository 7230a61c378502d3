"""The commands one begins with, in this process: init, token, demo, sandbox, serve, doctor, completion."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from canvas_archive.canvas import CanvasClient
from canvas_archive.cli import doctor
from canvas_archive.cli.completion import HOW
from canvas_archive.cli.doctor import Finding
from canvas_archive.errors import EXIT_INTERRUPTED, NotPermitted
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.store import Archive
from tests.folder_keyring import Keyring
from tests.terminal_support import on_screen
from tests.ux_support import say

pytestmark = pytest.mark.sampled


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(conversations=3) as running:
        yield running


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system keyring, and the file that it is."""
    place = tmp_path / "keyring.json"
    monkeypatch.setenv("FOLDER_KEYRING", str(place))
    monkeypatch.setattr("keyring.core._keyring_backend", Keyring())
    return place


@pytest.fixture
def mail(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of the sandbox's owner, named by the variable."""
    folder = tmp_path / "mail"
    monkeypatch.setenv("CANVAS_ARCHIVE", str(folder))
    Archive.create(folder, base_url=sandbox.url, user_id=sandbox.user_id, name="Jules").close()
    return folder


# -- init --------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_init_asks_for_address_and_token_and_keeps_the_token(
    sandbox: Sandbox, tmp_path: Path, keyring: Path
) -> None:
    folder = tmp_path / "mail"
    code, written = on_screen(
        ("init", "--archive", str(folder)), typed=f"{sandbox.url}\n  {sandbox.token} \n"
    )
    assert code == 0, written
    assert "Canvas address" in written and "New Access Token" in written and "Created an archive" in written
    assert list(json.loads(keyring.read_text()).values()) == [sandbox.token]
    code, written = on_screen(("sync", "-q"), CANVAS_ARCHIVE=str(folder))
    assert code == 0, written


def test_init_without_a_keyring_says_how_to_give_the_token(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    code, written = on_screen(("init", sandbox.url, "--archive", str(folder)), typed=f"{sandbox.token}\n")
    assert code == 0 and "There is no system keyring" in written and "CANVAS_API_TOKEN" in written


def test_init_for_somebody_else_needs_somebody_who_may(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone = next(
        id_ for id_ in sandbox.school.state.people if id_ not in (sandbox.user_id, sandbox.school.admin_id)
    )
    call = ["init", sandbox.url, "--as-user", str(someone), "--archive", str(tmp_path / "mail")]
    monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
    refused = say(call)
    assert refused.code == 4 and f"may not act as user {someone}" in refused.err
    assert not (tmp_path / "mail").exists()
    monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.admin_token)
    made = say([*call, "--json"])
    assert made.code == 0 and json.loads(made.out)["user_id"] == someone


def test_the_archive_is_in_the_data_folder_unless_said_otherwise(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda name, appauthor: tmp_path / name)
    monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
    assert say(["init", sandbox.url, "--no-progress"]).code == 0
    assert Path(json.loads(say(["status", "--json"]).out)["archive"]) == tmp_path / "canvas-archive"


# -- token -------------------------------------------------------------------------------------------------


def test_a_new_token_is_asked_for_checked_and_kept(
    sandbox: Sandbox, mail: Path, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, written = on_screen(("token",), typed=f"{sandbox.token}\n")
    assert code == 0 and "is in the system keyring" in written, written
    assert list(json.loads(keyring.read_text()).values()) == [sandbox.token]
    monkeypatch.setenv("CANVAS_API_TOKEN", "another")
    code, written = on_screen(("token",), typed=f"{sandbox.token}\n")
    assert code == 0 and "CANVAS_API_TOKEN is set to another token" in written


def test_a_token_that_is_none_or_somebody_elses_or_cannot_be_kept(sandbox: Sandbox, mail: Path) -> None:
    assert (say(["token"]).code, "No token was given" in say(["token"]).err) == (2, True)
    code, written = on_screen(("token",), typed=f"{sandbox.admin_token}\n")
    assert code == 9, written
    code, written = on_screen(("token",), typed=f"{sandbox.token}\n")
    assert code == EXIT_INTERRUPTED and "no system keyring" in written and "Nothing was done." in written


# -- demo --------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_demo_serves_what_it_pulled_and_forgets_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def serve(folder: Path, **options: Any) -> None:
        seen.update(options, archive=folder, token=os.environ["CANVAS_API_TOKEN"])
        with Archive.open(folder) as archive:
            seen["count"] = archive.db.execute("SELECT count(*) FROM conversations").fetchone()[0]
        options["ready"]("http://127.0.0.1:1/")

    monkeypatch.setattr("canvas_archive.web.server.serve_archive", serve)
    said = say(["demo", "--conversations", "3"])
    assert said.code == 0 and said.out == "http://127.0.0.1:1/\n"
    assert "3 conversations: 3 new" in said.err and "works once" in said.err
    assert seen["count"] == 3 and seen["token"] and "CANVAS_API_TOKEN" not in os.environ
    assert not seen["archive"].exists()


@pytest.mark.thorough
def test_demo_gives_back_the_token_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_API_TOKEN", "mine")
    said = say(["demo", "--conversations", "3", "--no-serve", "--archive", str(tmp_path / "demo")])
    assert said.code == 0 and f"--archive {tmp_path / 'demo'}" in said.out
    assert os.environ["CANVAS_API_TOKEN"] == "mine"
    code, written = on_screen(("demo", "--conversations", "3", "--no-serve", "--json"))
    assert code == 0 and "Writing the mailbox" in written and "Conversations" in written
    assert '"new": 3' in written


def test_a_demo_whose_sync_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Sandbox.start

    def troubled(sandbox: Sandbox) -> Sandbox:
        sandbox.faults.add(Fault("invalid_json", r"^/api/v1/conversations/\d+", times=None))
        return start(sandbox)

    monkeypatch.setattr(Sandbox, "start", troubled)
    monkeypatch.setattr("canvas_archive.canvas.waiting.LONGEST_PAUSE", 0.01)
    said = say(["demo", "--conversations", "1", "--no-serve"])
    assert said.code == 5 and "failed" in said.err


# -- sandbox and serve -------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the end is interrupted at once."""

    class Never:
        def wait(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("canvas_archive.cli.sandbox.threading", SimpleNamespace(Event=Never))


@pytest.mark.usefixtures("interrupted")
def test_the_sandbox_says_where_it_is_and_who_has_mail(tmp_path: Path) -> None:
    said = say(
        [
            "sandbox", "--conversations", "3", "--latency", "1",
            "--token-file", str(tmp_path / "token"), "--custodians", str(tmp_path / "people.csv"),
        ]
    )  # fmt: skip
    assert said.code == EXIT_INTERRUPTED and "The sandbox is ready" in said.err
    told = json.loads(said.out)
    assert (tmp_path / "token").read_text() == f"{told['token']}\n" and told["admin_token"]
    lines = (tmp_path / "people.csv").read_text().splitlines()
    assert lines[0] == "user_id,name" and f"{told['user_id']},Jules Marchetti" in lines


@pytest.mark.usefixtures("interrupted")
def test_a_sandbox_for_others_is_warned_of_and_files_may_be_refused(tmp_path: Path) -> None:
    assert (
        "whoever can reach this machine" in say(["sandbox", "--conversations", "1", "--host", "0.0.0.0"]).err
    )
    for option, what in (("--token-file", "The token"), ("--custodians", "The list")):
        said = say(["sandbox", "--conversations", "1", option, str(tmp_path / "none" / "file")])
        assert said.code == 2 and f"{what} cannot be written to" in said.err


def test_a_port_that_is_taken(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    said = say(["sandbox", "--conversations", "1", "--port", port])
    assert said.code == 2 and f"cannot listen on 127.0.0.1 port {port}" in said.err


@pytest.mark.parametrize(("login", "told"), [([], "The link works once"), (["--no-login"], "Press Ctrl-C")])
def test_serve_prints_the_address_and_what_it_is_worth(
    mail: Path, monkeypatch: pytest.MonkeyPatch, login: list[str], told: str
) -> None:
    monkeypatch.setattr(
        "canvas_archive.web.server.serve_archive", lambda folder, **options: options["ready"]("http://x/")
    )
    said = say(["serve", "--no-open", *login])
    assert said.code == 0 and said.out == "http://x/\n" and said.err.startswith(told)
    assert "is not encrypted" in say(["serve", "--no-open", "--host", "0.0.0.0"]).err


# -- doctor ------------------------------------------------------------------------------------------------


def findings(*arguments: str) -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in json.loads(say(["doctor", "--json", *arguments]).out)["checks"]}


@pytest.mark.thorough
def test_doctor_tells_when_the_token_expires(
    sandbox: Sandbox, mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
    assert findings()["expiry"]["detail"] == "this token does not expire"
    for days, state in ((3, "warning"), (90, "ok")):
        at = datetime.now(timezone.utc) + timedelta(days=days, hours=1)
        sandbox.tokens.limit(sandbox.token, at.isoformat(timespec="seconds").replace("+00:00", "Z"))
        told = findings()["expiry"]
        assert told["state"] == state and f"expires on {at:%Y-%m-%d}" in told["detail"]


def test_a_school_that_tells_nothing_of_tokens(
    sandbox: Sandbox, mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(client: CanvasClient) -> None:
        raise NotPermitted("not for you", status=403)

    monkeypatch.setattr(CanvasClient, "current_token", refuse)
    monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
    assert findings()["expiry"]["state"] == "skipped"


def test_a_wrong_token_is_found_before_anything_that_needs_it(
    mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_API_TOKEN", "no-token-of-this-canvas")
    assert findings()["Canvas"]["state"] == "failed"
    assert "expiry" not in findings()


@pytest.mark.parametrize(
    ("date", "told"),
    [
        (None, Finding("clock", "skipped", "Canvas told no time")),
        ("the day after", Finding("clock", "skipped", "Canvas told no time")),
        ("%a, %d %b %Y %H:%M:%S GMT", Finding("clock", "ok", "agrees with Canvas")),
        # An offset of -0000 makes a time without a zone of it.
        ("%a, %d %b %Y %H:%M:%S -0000", Finding("clock", "ok", "agrees with Canvas")),
    ],
)
def test_what_canvas_says_of_the_time(date: str | None, told: Finding) -> None:
    assert doctor._clock(date and f"{datetime.now(timezone.utc):{date}}") == told


@pytest.mark.parametrize(("minutes", "way"), [(10, "behind"), (-10, "ahead of")])
def test_a_clock_that_is_wrong(minutes: int, way: str) -> None:
    canvas = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    found = doctor._clock(format_datetime(canvas))
    assert found.state == "warning" and found.detail.startswith(f"10 minutes {way} Canvas")


def test_a_file_that_goes_away_meanwhile_is_not_open_to_others(
    mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mail / "open").touch(mode=0o644)
    (mail / "link").symlink_to("nowhere")
    rglob = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda path, pattern: [*rglob(path, pattern), path / "gone.part"])
    detail = findings("--offline")["permissions"]["detail"]
    assert "open" in detail and "gone.part" not in detail and "link" not in detail


def test_doctor_where_others_may_read_everything(mail: Path) -> None:
    for name in ("one", "two", "three", "four"):
        (mail / name).touch(mode=0o644)
        (mail / name).chmod(0o644)
    assert "and 1 more" in findings("--offline")["permissions"]["detail"]


def test_a_full_disk_is_told_before_it_is_met(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(mail)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000))
    assert findings("--offline")["disk"]["state"] == "warning"


# -- completion --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", list(HOW))
def test_the_script_for_a_shell(shell: str) -> None:
    said = say(["completion", shell])
    assert said.code == 0 and "_CANVAS_ARCHIVE_COMPLETE" in said.out and f"{shell}_" in said.out
