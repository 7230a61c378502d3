"""forget, names of archives, and the log: what is deleted, found and written down, and what is not."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from canvas_archive.cli import forget, run_log
from canvas_archive.cli.archive_names import named_folder
from canvas_archive.cli.context import Settings
from canvas_archive.cli.interruption import what_is_kept
from canvas_archive.cli.main import cli
from canvas_archive.cli.registry import COMMANDS
from canvas_archive.cli.run_log import log_file
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from canvas_archive.store.drafts import SavedDraft, incoming, new_id, save_draft, take_file
from tests.store_support import create
from tests.ux_support import say

URL = "https://school.example"


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    """An archive without conversations."""
    create(tmp_path / "mail", base_url=URL).close()
    return tmp_path / "mail"


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive with files, an index, and a log."""
    with Sandbox(conversations=12) as sandbox:
        monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
        monkeypatch.setenv("CANVAS_ARCHIVE", str(tmp_path / "mail"))
        assert say(["init", sandbox.url]).code == 0
        assert say(["sync"]).code == 0
        assert say(["recipients", "Astrid"]).code == 0
    return tmp_path / "mail"


# -- forget ------------------------------------------------------------------------------------------------


def test_an_archive_is_deleted_with_its_log(synced: Path) -> None:
    log = log_file(synced)
    assert log.is_file()
    said = say(["forget", str(synced), "-y"])
    assert said.code == 0 and "was deleted" in said.err
    assert not synced.exists() and not log.exists()


def test_nobody_is_there_to_be_asked(mail: Path) -> None:
    said = say(["forget", str(mail)])
    assert said.code == 2 and "add -y" in said.err and (mail / "archive.db").exists()


def test_a_person_types_the_name(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forget, "can_ask", lambda: True)
    assert CliRunner().invoke(cli, ["forget", str(mail)], input="mial\n").exit_code == 1
    assert (mail / "archive.db").exists()
    assert CliRunner().invoke(cli, ["forget", str(mail)], input="mail\n").exit_code == 0
    assert not mail.exists()


def test_drafts_are_of_the_archive_and_named_before_they_are_deleted(mail: Path) -> None:
    draft = save_draft(mail, SavedDraft(new_id(), body="Not finished"))
    arrived = incoming(mail) / f"{new_id()}.part"
    arrived.write_bytes(b"file")
    take_file(mail, draft.id, arrived, "ab" * 32)
    (incoming(mail) / f"{new_id()}.part").write_bytes(b"half a fi")
    (mail / "drafts" / draft.id / "draft.json.partial").write_text("{")
    said = say(["forget", str(mail)])
    assert said.code == 2 and "never sent: 1 draft" in said.err and "edit" not in said.err
    assert say(["forget", str(mail), "-y"]).code == 0
    assert not mail.exists()


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "files/x",
        "files/.incoming/a",
        "search/mine.txt",
        "sub/deep",
        "drafts/notes.txt",
        "drafts/.incoming/mine.txt",
        "drafts/0123456789abcdef01234567/mine.txt",
        "drafts/0123456789abcdef01234567/sub/deep",
        "drafts/mine/draft.json",
    ],
)
def test_what_is_not_of_the_archive_is_named_and_stops_it(mail: Path, name: str) -> None:
    (mail / name).parent.mkdir(parents=True, exist_ok=True)
    (mail / name).write_text("mine")
    before = sorted(mail.rglob("*"))
    said = say(["forget", str(mail), "-y"])
    assert said.code == 9 and name in said.err
    assert sorted(mail.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix", reason="links")
@pytest.mark.parametrize("name", ["files/0a", "search/MAIN_1.pst", "signatures", "archive.db-wal"])
def test_no_link_is_followed(mail: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0a0a").write_text("precious")
    (mail / name).unlink(missing_ok=True)
    (mail / name).symlink_to(outside)
    said = say(["forget", str(mail), "-y"])
    assert said.code == 9 and (outside / "0a0a").read_text() == "precious" and (mail / "archive.db").exists()


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_to_an_archive_is_no_archive(mail: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(mail)
    assert say(["forget", str(tmp_path / "link"), "-y"]).code == 9
    assert (mail / "archive.db").exists()


def test_an_archive_in_use_and_a_folder_that_is_none_stay(mail: Path, tmp_path: Path) -> None:
    with Archive.open(mail, write=True):
        assert say(["forget", str(mail), "-y"]).code == 7
    assert (mail / "archive.db").exists()
    (tmp_path / "papers").mkdir()
    for none in (tmp_path / "papers", tmp_path / "nothing"):
        assert say(["forget", str(none), "-y"]).code == 2
    assert (tmp_path / "papers").is_dir()


# -- names -------------------------------------------------------------------------------------------------


def test_an_archive_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    with Sandbox(conversations=3) as sandbox:
        monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
        assert say(["init", "--archive", "work", sandbox.url]).code == 0
    assert (named_folder() / "work" / "archive.db").is_file() and not (tmp_path / "work").exists()
    assert json.loads(say(["status", "--archive", "work", "--json"]).out)["archive"].endswith("work")
    listed = json.loads(say(["archives", "--archive", "work", "--json"]).out)["archives"]
    assert [(Path(one["archive"]).name, one["current"]) for one in listed] == [("work", True)]
    (tmp_path / "work").mkdir()
    said = say(["status", "--archive", "work"])
    assert said.code == 2 and "./work" in said.err
    assert "There is no archive in" in say(["status", "--archive", "./work"]).err
    (tmp_path / "work").rmdir()
    assert say(["forget", "work", "-y"]).code == 0
    assert "There is no archive" in say(["status", "--archive", "work"]).err


def test_a_folder_that_exists_is_that_folder(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mail.parent)
    assert json.loads(say(["status", "--archive", "mail", "--json"]).out)["archive"] == str(mail)


# -- the log -----------------------------------------------------------------------------------------------


def test_the_log_has_requests_and_no_secrets(synced: Path) -> None:
    text = log_file(synced).read_text()
    assert "begin sync" in text and " -> 200 in " in text and "end sync: exit code 0" in text
    token = os.environ["CANVAS_API_TOKEN"]
    assert token not in text and "?" not in text and "Astrid" not in text and "search=" not in text
    if os.name == "posix":
        assert stat.S_IMODE(log_file(synced).stat().st_mode) == 0o600
    last = say(["log", "--last"]).out.splitlines()
    assert "begin recipients" in last[0] and "/search/recipients -> 200" in last[1] and len(last) == 3


def test_the_log_stays_small(synced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "MOST_BYTES", 300)
    for _ in range(8):
        say(["star", "700001"])
    log = log_file(synced)
    files = sorted(log.parent.glob(f"{log.name}*"))
    assert [one.name for one in files] == [log.name, f"{log.name}.1"]
    assert sum(one.stat().st_size for one in files) < 1500
    assert "begin star" in say(["log", "--last"]).out


def test_a_log_that_cannot_be_written_stops_nothing(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_file(mail).mkdir(parents=True)
    assert say(["index", "--archive", str(mail)]).code == 0
    assert say(["log", "--last", "--archive", str(mail)]).code == 0


def test_no_archive_has_no_log(tmp_path: Path) -> None:
    assert say(["sync", "--archive", str(tmp_path / "none")]).code == 2
    assert not log_file(tmp_path / "none").exists()


# -- interruptions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupted_command_says_what_is_left(command: str, tmp_path: Path) -> None:
    settings = Settings(archive=tmp_path, command=command)
    assert what_is_kept(settings, KeyboardInterrupt()) not in ("", "Interrupted.")
