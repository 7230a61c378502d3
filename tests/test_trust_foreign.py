"""An archive from somebody else is read and nothing more: not written to, not run, not believed."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from canvas_archive.clock import SYSTEM
from canvas_archive.errors import BadInput, NotAdopted, UnusableFile, VerificationFailed
from canvas_archive.export.backup import backup
from canvas_archive.export.restore import restore
from canvas_archive.search.index import opened as searching
from canvas_archive.store import Archive, Ingest
from canvas_archive.store.adoption import state_file
from canvas_archive.store.config import read_config, write_config
from canvas_archive.web import server
from tests.hostile_support import assert_inert, on_terminal
from tests.trust_support import TALLY
from tests.web_support import Visitor, make_archive

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]

CONVERSATION = 800001
ALLOW = "--allow-incomplete"


class Attacker:
    """A machine that waits for somebody's token."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # every method is answered the same
                heard.append(f"{self.path} {self.headers.get('Authorization')}")
                self.send_response(401)
                self.end_headers()

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def attacker() -> Iterator[Attacker]:
    made = Attacker()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive as another person made it, with an index."""
    return make_archive(tmp_path_factory.mktemp("foreign") / "template")


@pytest.fixture
def own(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that is this person's own."""
    folder = tmp_path / "archive"
    shutil.copytree(template, folder)
    monkeypatch.setenv("CANVAS_ARCHIVE", str(folder))
    return folder


@pytest.fixture
def foreign(own: Path, tmp_path: Path, attacker: Attacker, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy on the machine of somebody who never saw it: it names the attacker's Canvas and command."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody"))
    monkeypatch.setenv("CANVAS_API_TOKEN", "a-token-of-mine")
    execute(own, "UPDATE account SET base_url = ?", attacker.url)
    set_command(own, tmp_path / "ran", base_url=attacker.url)
    attacker.heard.clear()
    return own


def set_command(folder: Path, canary: Path, **changes: Any) -> None:
    """Give the archive a token_command that leaves a trace when it is run."""
    from dataclasses import replace

    command = f"{sys.executable} -c \"open('{canary}', 'w'); print('stolen')\""
    path = folder / "config.toml"
    write_config(path, replace(read_config(path), token_command=command, **changes))


def execute(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        db.execute(statement, values)
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def contents(folder: Path) -> dict[str, str]:
    """Return the hash of every file in a folder; what a reader of SQLite leaves beside a database aside."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


READING = (
    ["list"],
    ["show", CONVERSATION],
    ["status"],
    ["edits", "--all"],
    ["sql", "SELECT * FROM inbox LIMIT 5"],
    ["search", "--list-saved"],
    ["verify"],
    ["doctor", "--offline"],
)
REFUSED = (
    ["star", 700001],
    ["archive", 700001],
    ["subscribe", 700001],
    ["edits", "discard", "--all"],
    ["index"],
    ["index", "--rebuild"],
    ["search", "room"],
    ["search", "room", "--save", "x"],
    ["search", "--forget", "x"],
    ["sync"],
    ["sync", "-n"],
    ["sync", "--full"],
    ["push"],
    ["push", "-n"],
    ["recipients", "a"],
    ["unread-count"],
    ["batches"],
    ["send", "--to", "2", "--body", "x"],
    ["send", "--to", "Hana", "--body", "x"],
    ["send", "--queue", "--to", "2", "--body", "x"],
    ["reply", CONVERSATION, "--body", "x", "-y"],
    ["reply", CONVERSATION, "--queue", "--body", "x", "-y"],
    ["add-recipients", CONVERSATION, "2", "-y"],
    ["remove-messages", CONVERSATION, "5001", "-y"],
    ["delete", CONVERSATION, "-y"],
    ["mark-all-read", "-y"],
    ["verify", "--remote"],
    ["doctor"],
    ["star", "--query", "room"],
)


@pytest.mark.parametrize("in_environment", [True, False])
def test_it_is_read_and_nothing_of_it_is_run_or_told(
    foreign: Path, tmp_path: Path, attacker: Attacker, in_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_environment:
        monkeypatch.delenv("CANVAS_API_TOKEN")
    monkeypatch.setattr(searching, "OpenIndex", _never)
    before = contents(foreign)
    for arguments in READING:
        shown = on_terminal(*arguments)
        assert shown.code in (0, 8) and b"Unexpected" not in shown.raw, (arguments, shown.text)
    for arguments in REFUSED:
        shown = on_terminal(*arguments)
        assert shown.code in (2, 9), (arguments, shown.text)
        assert "adopt" in shown.text or shown.code == 2, (arguments, shown.text)
        assert_inert(shown)
        TALLY["hostile inputs: commands on somebody else's archive"] += 1
    token = on_terminal("token", text="a-token-of-mine\n")
    assert token.code == 9
    exported = on_terminal(
        "export", tmp_path / "out", "-f", "jsonl", "-f", "html", "--bag", "--allow-incomplete"
    )
    assert exported.code == 0, exported.text
    assert attacker.heard == []
    assert not (tmp_path / "ran").exists()
    assert contents(foreign) == before


def _never(*values: object) -> object:
    raise AssertionError("the index was opened")


def test_its_pages_can_be_read_but_change_nothing(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "OpenIndex", _never)
    before = contents(foreign)
    visitor = Visitor(server.build(foreign, host="127.0.0.1", port=8001, login=False))
    try:
        for path in ("/mail", f"/mail/c/{CONVERSATION}", "/mail/people", "/mail/status", "/archive/inbox"):
            assert visitor.get(path).status_code == 200
        assert visitor.get("/mail/search?q=room").status_code < 500
        for path, fields in (
            ("/mail/edit", {"do": "star:700005"}),
            ("/mail/search/save", {"name": "x", "q": "room"}),
            ("/mail/status/sync", {}),
            ("/mail/status/push", {}),
            ("/mail/edits/discard", {"id": "1"}),
            ("/mail/edits/keep", {"edit": "1"}),
            ("/mail/outbox", {"do": "again:1"}),
            ("/mail/c/700005/reply", {"body": "x", "all": "1"}),
            ("/mail/new/queue", {"to": "Hana Mensah", "body": "x"}),
            ("/mail/outbox/1", {"body": "x"}),
        ):
            answer = visitor.post(path, fields)
            assert answer.status_code < 500, (path, answer.status_code)
    finally:
        visitor.close()
    assert contents(foreign) == before


def test_adopting_it_is_a_decision_and_then_everything_works(
    foreign: Path, tmp_path: Path, attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = on_terminal("adopt")
    assert asked.code == 2 and "Nothing was done" in asked.text
    assert attacker.url in asked.text and "token" in asked.text and "/ran" in asked.text
    shown = on_terminal("adopt", "-y", "--json")
    assert shown.code == 0, shown.text
    assert json.loads(shown.text)["base_url"] == attacker.url
    assert state_file().stat().st_mode & 0o077 == 0
    opened: list[object] = []
    real = searching.OpenIndex
    monkeypatch.setattr(searching, "OpenIndex", lambda *values: (opened.append(values), real(*values))[1])
    found = on_terminal("search", "room")
    assert found.code == 0 and "Building it" in found.text and opened
    assert on_terminal("star", 700001).code == 0
    monkeypatch.delenv("CANVAS_API_TOKEN")
    assert on_terminal("sync").code == 4  # the attacker's machine is no Canvas
    assert (tmp_path / "ran").exists() and attacker.heard
    assert on_terminal("adopt", "-y").code == 0


def test_a_token_command_that_changed_is_not_run(own: Path, tmp_path: Path) -> None:
    set_command(own, tmp_path / "ran")
    for arguments in (["sync"], ["unread-count"], ["doctor"], ["push", "-n"]):
        shown = on_terminal(*arguments)
        assert shown.code == 9 and "token_command" in shown.text and "adopt" in shown.text, shown.text
    assert not (tmp_path / "ran").exists()
    assert on_terminal("star", 700001).code == 0  # the archive itself is still one's own


def test_a_token_command_given_to_init_is_agreed_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from canvas_archive.sandbox import Sandbox

    with Sandbox(conversations=3) as sandbox:
        (tmp_path / "token").write_text(sandbox.token)
        command = f"cat {tmp_path / 'token'}"
        folder = tmp_path / "made"
        made = on_terminal("--archive", folder, "init", sandbox.url, "--token-command", command)
        assert made.code == 0, made.text
        assert on_terminal("--archive", folder, "sync").code == 0


def test_a_copy_that_was_moved_or_restored_stays_one_s_own(own: Path, tmp_path: Path) -> None:
    backup(own, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored")
    own.rename(tmp_path / "moved")
    for name in ("restored", "moved"):
        with Archive.open(tmp_path / name, write=True) as archive:
            assert archive.adopted


def test_a_backup_restored_on_another_machine_is_adopted_before_it_is_used(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(own, tmp_path / "backup")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    shown = on_terminal("restore", tmp_path / "backup", tmp_path / "restored")
    assert shown.code == 0 and "canvas-archive adopt" in shown.text
    with pytest.raises(NotAdopted):
        Archive.open(tmp_path / "restored", write=True)
    assert on_terminal("--archive", tmp_path / "restored", "adopt", "-y").code == 0
    Archive.open(tmp_path / "restored", write=True).close()


def test_where_nothing_can_be_remembered_no_archive_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(BadInput, match="remembers which archives are yours"):
        Archive.create(tmp_path / "new", base_url="https://a.example", user_id=1, name=None)
    assert not (tmp_path / "new" / "archive.db").exists()


def test_in_a_container_the_environment_says_that_the_archive_is_one_s_own(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_command(own, tmp_path / "ran")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert on_terminal("star", 700001).code == 9
    monkeypatch.setenv("CANVAS_ARCHIVE_ADOPTED", "1")
    assert on_terminal("star", 700001).code == 0
    on_terminal("sync")
    assert (tmp_path / "ran").exists()
    Archive.create(tmp_path / "new", base_url="https://a.example", user_id=1, name=None).close()
    Archive.open(tmp_path / "new", write=True).close()


# -- what comes with it: pickles, triggers, views ----------------------------------------------------------


class _Bomb:
    """Unpickled, it would leave a trace."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self._canary}",))


def _plant_pickles(folder: Path, canary: Path) -> int:
    """Put the bomb into every file of the index, and make the archive's record agree with each."""
    bomb = pickle.dumps(_Bomb(canary), 2)
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        record = json.loads(db.execute("SELECT record FROM index_state").fetchone()[0])
        planted = 0
        for path in sorted((folder / "search").iterdir()):
            data = path.read_bytes()
            if path.suffix == ".trm":
                # The tail: a length, before it the pickled extras and the positions.
                length = int.from_bytes(data[-4:], "big", signed=True)
                tail = bomb + data[-4 - length : -4]
                data = data[: -4 - length] + tail + len(tail).to_bytes(4, "big", signed=True)
            elif path.suffix == ".toc":
                at = data.find(b"\x80")
                data = data[:at] + bomb + data[at:]
            else:
                data = bomb + data
            path.write_bytes(data)
            planted += 1
            digest = hashlib.sha256(data).hexdigest()
            if path.name in record["files"]:
                record["files"][path.name] = [len(data), digest]
        db.execute("UPDATE index_state SET record = ?", (json.dumps(record),))
        db.commit()
    return planted


@pytest.mark.parametrize("known", [True, False])
def test_a_planted_pickle_is_never_run(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Not even where the archive is taken for one's own: the index's unpickler runs nothing."""
    canary = tmp_path / "exploded"
    assert _plant_pickles(own, canary) >= 3
    if not known:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody"))
    for arguments in (
        ["status"],
        ["doctor", "--offline"],
        ["verify"],
        ["index", "--check"],
        ["search", "room"],
        ["search", "room*", "--facets"],
        ["index"],
        ["export", tmp_path / "out", "-f", "csv", "--query", "room"],
    ):
        shown = on_terminal(*arguments)
        assert b"Unexpected error" not in shown.raw, shown.text
        assert not canary.exists(), arguments
    visitor = Visitor(server.build(own, host="127.0.0.1", port=8001, login=False))
    try:
        for path in ("/mail/search?q=room", "/mail/search?q=room&year=2026", "/mail"):
            assert visitor.get(path).status_code < 500
    finally:
        visitor.close()
    assert not canary.exists()
    TALLY["hostile inputs: pickles in an index"] += 3


TRIGGERS = (
    "CREATE TRIGGER evil AFTER INSERT ON edits BEGIN UPDATE conversations SET starred = 1; END",
    "CREATE TRIGGER evil AFTER UPDATE ON conversations BEGIN DELETE FROM saved_searches; END",
    "CREATE TRIGGER evil AFTER INSERT ON messages BEGIN SELECT load_extension('/tmp/evil'); END",
    "CREATE TRIGGER evil AFTER INSERT ON users BEGIN SELECT writefile('/tmp/evil', 'x'); END",
)
CHANGED = (
    ("DROP VIEW inbox", "CREATE VIEW inbox AS SELECT load_extension('/tmp/evil') AS id"),
    (
        "DROP TRIGGER messages_kept",
        "CREATE TRIGGER messages_kept BEFORE DELETE ON messages BEGIN SELECT 1; END",
    ),
    ("DROP TRIGGER edits_kept",),
)


@pytest.mark.sampled
@pytest.mark.parametrize("statements", [*((one,) for one in TRIGGERS), *CHANGED])
def test_a_planted_trigger_or_view_is_reported_and_not_adopted(
    foreign: Path, statements: tuple[str, ...]
) -> None:
    for statement in statements:
        execute(foreign, statement)
    shown = on_terminal("verify")
    name = re.search(r"(?:TRIGGER|VIEW) (\w+)", statements[0])
    assert name is not None
    assert shown.code == 8 and name[1] in shown.text
    refused = on_terminal("adopt", "-y")
    assert refused.code == 9 and "Nothing was written" in refused.text and name[1] in refused.text
    with pytest.raises(NotAdopted):
        Archive.open(foreign, write=True)
    TALLY["hostile inputs: triggers and views"] += 1


BOMB = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT count(*) AS id, max(i) AS subject FROM n"
)


def test_a_view_that_never_ends_is_stopped(foreign: Path) -> None:
    execute(foreign, "DROP VIEW threads")
    execute(foreign, f"CREATE VIEW threads AS {BOMB}")
    shown = on_terminal("sql", "SELECT * FROM threads", "--timeout", "0.2")
    assert shown.code == 2 and "stopped" in shown.text
    visitor = Visitor(server.build(foreign, host="127.0.0.1", port=8001, login=False))
    try:
        assert visitor.get("/mail").status_code == 200
        visitor.datasette._settings["sql_time_limit_ms"] = 100
        assert visitor.get("/archive/threads").status_code < 500
    finally:
        visitor.close()


def test_the_address_of_the_configuration_counts_for_nothing(foreign: Path, attacker: Attacker) -> None:
    from dataclasses import replace

    path = foreign / "config.toml"
    write_config(path, replace(read_config(path), base_url="https://school.example"))
    refused = on_terminal("adopt", "-y")
    assert refused.code == 9 and "another Canvas" in refused.text


# -- links --------------------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["archive.db", "config.toml", "lock", "files", "search"])
def test_nothing_is_written_through_a_link(own: Path, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (own / name).exists() and (own / name).rename(elsewhere)
    if name == "lock":
        elsewhere.write_text("precious")
    (own / name).symlink_to(elsewhere)
    before = contents(elsewhere) if elsewhere.is_dir() else elsewhere.read_bytes()
    for arguments in (
        ["sync"],
        ["index", "--rebuild"],
        ["search", "--forget", "x"],
        ["push"],
        ["adopt", "-y"],
    ):
        shown = on_terminal(*arguments)
        assert shown.code == 9 and "symbolic link" in shown.text, (arguments, shown.text)
    assert (contents(elsewhere) if elsewhere.is_dir() else elsewhere.read_bytes()) == before
    assert on_terminal("list").code == 9
    TALLY["hostile inputs: links in an archive"] += 1


@pytest.mark.parametrize("name", ["archive.db-wal", "archive.db-shm"])
def test_sqlite_is_not_led_elsewhere(own: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "precious").write_text("precious")
    (own / name).unlink(missing_ok=True)
    (own / name).symlink_to(tmp_path / "precious")
    shown = on_terminal("list")
    assert shown.code == 9 and "symbolic link" in shown.text
    assert (tmp_path / "precious").read_text() == "precious"
    TALLY["hostile inputs: links in an archive"] += 1


SECRET = b"root:x:0:0: this is not part of the archive"


@pytest.fixture(params=["file", "folder"])
def linked(own: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """An archive that claims a file of the machine's for an attachment, down to its hash."""
    digest = hashlib.sha256(SECRET).hexdigest()
    outside = tmp_path / "outside" / digest[:2]
    outside.mkdir(parents=True)
    (outside / digest).write_bytes(SECRET)
    folder = own / "files" / digest[:2]
    if request.param == "folder":
        shutil.rmtree(folder, ignore_errors=True)
        folder.symlink_to(outside)
    else:
        folder.mkdir(exist_ok=True)
        (folder / digest).symlink_to(outside / digest)
    with Archive.open(own, write=True) as archive:
        stored = Ingest(archive.db, SYSTEM)
        stored.save_attachment_state(9001, "stored", sha256=digest, stored_size=len(SECRET))
    TALLY["hostile inputs: links in an archive"] += 1
    return own


def test_reading_does_not_follow_a_link_out(linked: Path, tmp_path: Path) -> None:
    visitor = Visitor(server.build(linked, host="127.0.0.1", port=8001, login=False))
    try:
        answer = visitor.get("/mail/files/9001")
        assert answer.status_code == 404 and b"root:x" not in answer.content
        assert b"root:x" not in visitor.get(f"/mail/c/{CONVERSATION}.eml").content
    finally:
        visitor.close()
    formats = ("jsonl", "csv", "mbox", "eml", "html", "rsmf")
    wanted = [word for name in formats for word in ("-f", name)]
    shown = on_terminal("export", tmp_path / "out", *wanted, "--bag")
    assert shown.code == 5 and "missing on the disk" in shown.text, shown.text
    assert on_terminal("backup", tmp_path / "backup").code == 5
    checked = on_terminal("verify", "-v")
    assert checked.code == 8 and "is a link" in checked.text
    encoded = (b"root:x:0:0", b"cm9vdDp4OjA6MDogdGhpcyBpcyBub3Qg")
    for folder in ("out", "backup"):
        for path in (tmp_path / folder).rglob("*"):
            assert not path.is_symlink(), path
            if path.is_file():
                assert not any(words in path.read_bytes() for words in encoded), path


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "..", "A" * 64, "0" * 63])
def test_a_hash_that_is_none_leads_nowhere(own: Path, tmp_path: Path, name: str) -> None:
    with closing(sqlite3.connect(own / "archive.db")) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(
            "UPDATE attachments SET sha256 = ?, stored_size = 1, state = 'stored' WHERE id = 9001", (name,)
        )
        db.commit()
    checked = on_terminal("verify")
    assert checked.code == 8 and b"Unexpected" not in checked.raw
    assert on_terminal("export", tmp_path / "out", "-f", "html").code in (5, 8)
    assert on_terminal("backup", tmp_path / "backup").code in (5, 8)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("out", "backup")) == [
        "archive"
    ]
    TALLY["hostile inputs: hashes that are paths"] += 1


def test_a_backup_copies_nothing_that_a_link_leads_to(own: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    (own / "redaction.key").symlink_to(tmp_path / "secret")
    with pytest.raises(UnusableFile, match="symbolic link"):
        backup(own, tmp_path / "backup")
    (own / "redaction.key").unlink()
    backup(own, tmp_path / "backup")
    blob = next((tmp_path / "backup" / "files").rglob("[0-9a-f]" * 64))
    blob.rename(tmp_path / "moved")
    blob.symlink_to(tmp_path / "moved")
    with pytest.raises(UnusableFile, match="symbolic link"):
        restore(tmp_path / "backup", tmp_path / "restored")


def test_a_manifest_that_leads_out_of_a_backup_is_refused(own: Path, tmp_path: Path) -> None:
    backup(own, tmp_path / "backup")
    digest = hashlib.sha256(SECRET).hexdigest()
    (tmp_path / "secret").write_bytes(SECRET)
    for name in ("../secret", "files/../../secret", str(tmp_path / "secret")):
        manifest = tmp_path / "backup" / "manifest-sha256.txt"
        before = manifest.read_text()
        manifest.write_text(f"{before}{digest}  {name}\n")
        with pytest.raises(VerificationFailed):
            restore(tmp_path / "backup", tmp_path / "restored")
        assert not (tmp_path / "restored").exists()
        manifest.write_text(before)


def test_a_leftover_with_a_link_is_no_place_for_a_new_archive(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(UnusableFile):
        Archive.create(tmp_path / "new", base_url="https://a.example", user_id=1, name=None)
    assert (tmp_path / "precious").read_text() == "precious"
