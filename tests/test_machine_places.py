"""Odd surroundings: no home, media that can only be read, odd letters in paths, a locale without letters."""

from __future__ import annotations

import asyncio
import codecs
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from canvas_archive.errors import ArchiveError, BadInput, MachineTrouble
from canvas_archive.export.formats import FORMATS
from canvas_archive.machine import machine_trouble
from canvas_archive.places import data_folder, expanded, state_folder
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import connect_readonly
from canvas_archive.sync.service import SyncOptions, sync
from tests.docs_support import REPOSITORY
from tests.ux_support import say

pytestmark = pytest.mark.sampled

STRANGER = 54321
"""A user id without an entry among the system's users."""


def _open_to_all(place: str) -> bool:
    """Return whether any user may go through every folder on the way."""
    return all(path.stat().st_mode & 0o001 for path in (Path(place), *Path(place).parents))


as_another = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or not shutil.which("setpriv") or not _open_to_all(sys.prefix),
    reason="only root can be another, who needs to reach this Python",
)

BECOME = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", sys.executable, "-c"]

SCRIPT = """
import json, sys
from canvas_archive.cli import run
for call in json.loads(sys.argv[1]):
    print("CALL", flush=True)
    print("CODE", run(call), flush=True)
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(conversations=4) as made:
        yield made


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that another user of the machine can reach, and owns."""
    if subprocess.run([*BECOME, "import canvas_archive"], cwd=REPOSITORY, check=False).returncode:
        pytest.skip("another user cannot run this Python")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, STRANGER, STRANGER)
        yield folder


def as_stranger(calls: list[list[str]], **environment: str) -> list[tuple[int, str]]:
    """Run commands as a user without a name; return each one's exit code and what it wrote."""
    done = subprocess.run(
        [*BECOME, SCRIPT, json.dumps(calls)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        cwd="/", text=True, timeout=300, check=False,
    )  # fmt: skip
    said = [part.rpartition("CODE ") for part in done.stdout.split("CALL\n")[1:]]
    assert len(said) == len(calls), done.stdout
    return [(int(code), text) for text, _, code in said]


# -- no home -----------------------------------------------------------------------------------------------


@pytest.mark.thorough
@as_another
def test_a_user_without_home_or_name(sandbox: Sandbox, shared: Path) -> None:
    given = {"CANVAS_API_TOKEN": sandbox.token, "CANVAS_API_URL": sandbox.url}
    folder = str(shared / "mail")
    named = ["--archive", folder]
    (no_place, no_tilde, init, doctor) = as_stranger(
        [["status"], ["--archive", "~/mail", "status"], [*named, "init", sandbox.url], [*named, "doctor"]],
        **given,
    )
    assert no_place == (2, no_place[1]) and "--archive or CANVAS_ARCHIVE" in no_place[1]
    assert no_tilde == (2, "Error: ~/mail cannot be found: this user has no home. Write the path in full.\n")
    assert init[0] == 2 and "XDG_STATE_HOME" in init[1] and "CANVAS_ARCHIVE_ADOPTED=1" in init[1]
    assert doctor[0] == 2 and "warn  home" in doctor[1] and "TLS" in doctor[1]
    calls = [
        [*named, *rest]
        for rest in (
            ["-q", "init", sandbox.url],
            ["-q", "sync"],
            ["status"],
            ["search", "the"],
            ["verify", "-q"],
            ["-q", "backup", f"{folder}-backup"],
            ["-q", "export", f"{folder}-export", "--format", "html"],
            ["doctor"],
        )
    ]
    for call, (code, text) in zip(
        calls, as_stranger(calls, CANVAS_ARCHIVE_ADOPTED="1", **given), strict=True
    ):
        assert code == 0, (call, text)
    assert sorted(path.name for path in shared.iterdir()) == ["mail", "mail-backup", "mail-export"]


def test_folders_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("canvas_archive.places.home", lambda: None)
    for variable, folder in (("XDG_DATA_HOME", data_folder), ("XDG_STATE_HOME", state_folder)):
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(BadInput, match="no home folder"):
            folder()
        monkeypatch.setenv(variable, "some/where")
        with pytest.raises(BadInput, match=f"{variable} is 'some/where', which is not a whole path"):
            folder()
        monkeypatch.setenv(variable, str(tmp_path))
        assert folder() == tmp_path / "canvas-archive"


def test_a_tilde_that_means_nobody() -> None:
    assert expanded("~/mail") == Path.home() / "mail"
    assert expanded("~nobody-of-that-name/mail") == Path("~nobody-of-that-name/mail")


# -- media that can only be read ---------------------------------------------------------------------------


@pytest.mark.thorough
@as_another
def test_an_archive_on_a_medium_that_can_only_be_read(sandbox: Sandbox, shared: Path) -> None:
    given = {"CANVAS_API_TOKEN": sandbox.token, "CANVAS_API_URL": sandbox.url, "CANVAS_ARCHIVE_ADOPTED": "1"}
    folder = shared / "mail"
    named = ["--archive", str(folder)]
    assert [code for code, _ in as_stranger([[*named, "init", sandbox.url], [*named, "sync"]], **given)] == [
        0,
        0,
    ]
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    calls = {
        ("status",): (0, ""),
        ("list",): (0, ""),
        ("search", "the"): (0, ""),
        ("sql", "SELECT count(*) FROM messages"): (0, ""),
        ("index", "--check"): (0, ""),
        ("-q", "export", f"{folder}-export", "--format", "jsonl"): (0, ""),
        ("-q", "backup", f"{folder}-backup"): (0, ""),
        ("-q", "restore", f"{folder}-backup", f"{folder}-restored"): (0, ""),
        ("doctor", "--offline"): (0, "can only be read: reading, export and backup work"),
        ("sync",): (1, "may not be read or written by you"),
        ("star", "700001"): (1, ""),
        ("index", "--rebuild"): (1, "may not be read or written by you"),
    }
    said = as_stranger([[*named, *call] for call in calls], **given)
    for (call, (code, sentence)), (ended, text) in zip(calls.items(), said, strict=True):
        assert ended == code and sentence in text and "Unexpected" not in text, (call, ended, text)
    # A log that was left behind: empty it says nothing, else it cannot be read there.
    (folder / "archive.db-wal").touch(mode=0o444)
    assert as_stranger([[*named, "status"]], **given)[0][0] == 0
    (folder / "archive.db-wal").write_bytes(b"\0" * 4096)
    ((code, text),) = as_stranger([[*named, "status"]], **given)
    assert code == 1 and "changes wait in archive.db-wal. Copy the whole folder" in text


# -- paths -------------------------------------------------------------------------------------------------

NAMES = (
    "C# course",
    "a?b&c=d",
    "mail%20archive",
    "mail archive",
    "it's é",
    "-dash",
    "file:x",
    "back\\slash",
    "..dots..",
)


@pytest.fixture(scope="module")
def pulled(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pulled") / "mail"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANVAS_API_TOKEN", sandbox.token)
        assert say(["--archive", str(folder), "init", sandbox.url]).code == 0
        assert sync(folder, SyncOptions(index=True)).error is None
    return folder


async def _statuses(datasette: Any) -> list[int]:
    await datasette.invoke_startup()
    transport = httpx.ASGITransport(app=datasette.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        pages = ("/mail", "/mail/search?q=the", "/archive", "/archive/threads.json")
        return [(await client.get(page)).status_code for page in pages]


def every_format(name: str) -> list[str]:
    formats = [word for one in FORMATS for word in ("--format", one)]
    return ["--archive", name, "export", *formats, "--bag", "--", f"{name}.export"]


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="names that only POSIX allows")
def test_letters_in_a_path_that_mean_something_in_an_address(
    pulled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from canvas_archive.web.server import build

    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        shutil.copytree(pulled, tmp_path / name)
        with closing(connect_readonly(tmp_path / name / "archive.db")) as db:
            assert db.execute("SELECT count(*) FROM conversations").fetchone()[0] == 4
        datasette = build(Path(name), host="127.0.0.1", port=0, login=False)
        try:
            assert asyncio.run(_statuses(datasette)) == [200] * 4, name
            assert datasette.databases["archive"].connect().execute("PRAGMA database_list").fetchone()[
                2
            ] == str(tmp_path / name / "archive.db")
        finally:
            for database in datasette.databases.values():
                database.close()
            datasette.executor.shutdown(wait=False)
        # Relative, as a person types it.
        for call in (
            ["--archive", name, "backup", "--", f"{name}.backup"],
            ["restore", "--", f"{name}.backup", f"{name}.again"],
            ["verify", "--", f"{name}.backup"],
            *([every_format(name)] if name in ("file:x", "C# course") else []),
        ):
            assert say(call).code == 0, call
    made = {f"{name}{end}" for name in NAMES for end in ("", ".backup", ".again")}
    made |= {"file:x.export", "C# course.export"}
    assert {path.name for path in tmp_path.iterdir()} == made


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names that are no UTF-8")
def test_a_path_that_is_no_utf_8(pulled: Path, tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/P\xf6st")
    shutil.copytree(pulled, folder)
    for call in (["status"], ["search", "the"], ["index"], ["doctor", "--offline"]):
        said = say(["--archive", folder, *call])
        assert said.code == 0, said


# -- locales -----------------------------------------------------------------------------------------------


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(REPOSITORY)}


def test_a_locale_without_letters_begins_again_in_utf_8(pulled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Pöst 日本"
    shutil.copytree(pulled, folder)
    done = subprocess.run(
        [sys.executable, "-m", "canvas_archive", "--archive", folder, "sql", "--csv", "SELECT 'é日' AS a"],
        env={**os.environ, **C_LOCALE},
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.decode("utf-8").split() == ["a", "é日"]


def test_a_name_that_the_locale_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    with pytest.raises(UnicodeEncodeError) as caught:
        codecs.encode("日本.txt", "latin-1")
    told = machine_trouble(caught.value)
    assert isinstance(told, MachineTrouble) and "LC_ALL=C.UTF-8" in str(told) and str(told).isascii()
    with pytest.raises(UnicodeEncodeError) as caught:
        codecs.encode("日本.txt", "ascii")
    assert machine_trouble(caught.value) is None


# -- doctor ------------------------------------------------------------------------------------------------

ODD: dict[str, tuple[dict[str, str], str, str]] = {
    "a proxy that is none": ({"HTTPS_PROXY": "ftp://x"}, "proxy", "HTTPS_PROXY names a proxy of a kind"),
    "a proxy": (
        {"HTTPS_PROXY": "http://ada:hunter2@p:1"},
        "proxy",
        "through the proxy http://p:1 (HTTPS_PROXY)",
    ),
    "certificates that are none": ({"SSL_CERT_FILE": "/no/such.pem"}, "certificates", "/no/such.pem"),
    "a log of keys": ({"SSLKEYLOGFILE": "/tmp/keys"}, "TLS", "SSLKEYLOGFILE is set"),
    "a keyring that is none": (
        {"PYTHON_KEYRING_BACKEND": "none.Such"},
        "keyring",
        "PYTHON_KEYRING_BACKEND names",
    ),
    "a state folder that is none": ({"XDG_STATE_HOME": "here"}, "home", "XDG_STATE_HOME is 'here'"),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("archive", ["none", "one"])
def test_doctor_names_what_is_odd_and_comes_to_its_end(
    case: str, archive: str, pulled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings, name, sentence = ODD[case]
    for variable, value in surroundings.items():
        monkeypatch.setenv(variable, value)
    folder = tmp_path / "none" if archive == "none" else pulled
    said = say(["--archive", str(folder), "doctor", "--offline", "--json"])
    found = {one["name"]: one["detail"] for one in json.loads(said.out)["checks"]}
    assert set(found) >= {
        "versions",
        "disk",
        "archive",
        "home",
        "locale",
        "keyring",
        "proxy",
        "certificates",
        "TLS",
    }
    # A Canvas on this machine needs no proxy.
    assert sentence in found[name] or (archive == "one" and name == "proxy"), found
    assert "hunter2" not in said.out


def test_doctor_survives_its_own_checks(pulled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Any:
        raise ZeroDivisionError("unheard of")

    for name in ("_home", "_keyring", "_locale", "_tls"):
        monkeypatch.setattr(f"canvas_archive.cli.surroundings.{name}", fails)
    monkeypatch.setattr("canvas_archive.cli.doctor._archive", fails)
    monkeypatch.setattr(shutil, "disk_usage", fails)
    said = say(["--archive", str(pulled), "doctor", "--offline"])
    assert said.code == 0 and said.out.count("cannot be looked at (ZeroDivisionError: unheard of)") == 6
    assert "skip  Canvas" in said.out


def test_a_lock_that_the_machine_refuses_says_what_the_machine_says(
    pulled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    def refused(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", str(pulled / "lock"))

    monkeypatch.setattr(FileLock, "acquire", refused)
    said = say(["--archive", str(pulled), "sync"])
    assert said.code == 1 and "is on a disk that can only be read" in said.err
    assert issubclass(MachineTrouble, ArchiveError)
