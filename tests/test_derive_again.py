"""A newer parser: the next sync derives the rows of an archive again, once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from canvas_archive.canvas import parse
from canvas_archive.cli import run
from canvas_archive.derive import fold
from canvas_archive.derive.again import derive_again, is_derived
from canvas_archive.derive.compare import check_derived
from canvas_archive.model import Conversation, Json
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive, transaction
from canvas_archive.store.chain import check_chain
from canvas_archive.store.receipts import read_receipts
from tests.sandbox_support import small_mailbox
from tests.store_support import TickingClock
from tests.sync_support import Pair, bind

READ = parse.conversation


def read_otherwise(value: Json) -> Conversation:
    """Read a conversation as a newer parser might: another subject, and one person fewer."""
    read = READ(value)
    return replace(read, subject=f"{read.subject} (anew)", participants=read.participants[:-1])


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    with Sandbox(mailbox=small_mailbox()) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        pair.sync(mode="full")
        yield pair


@pytest.fixture
def newer(synced: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, after the first sync, the parser is a newer one."""
    monkeypatch.setattr(fold, "PARSER", 2)
    monkeypatch.setattr(parse, "conversation", read_otherwise)


def opened(pair: Pair) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(pair.folder / "archive.db"))


def test_a_newer_parser_derives_every_row_again_in_one_recorded_run(
    synced: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = synced.sandbox.school.ids("inbox")[0]
    with Archive.open(synced.folder, write=True) as archive:
        archive.db.execute("UPDATE conversations SET starred = 1 - starred WHERE id = ?", (first,))
    with opened(synced) as db:
        (before,) = db.execute("SELECT subject FROM conversations WHERE id = ?", (first,)).fetchone()
        (joined,) = db.execute("SELECT count(*) FROM conversation_participants").fetchone()
        edits = db.execute("SELECT * FROM edits").fetchall()
    monkeypatch.setattr(fold, "PARSER", 2)
    monkeypatch.setattr(parse, "conversation", read_otherwise)
    verify = ["--archive", str(synced.folder), "verify", "--no-files"]
    assert run(verify) == 8
    assert "An older version of this program made them: sync, and verify again" in capsys.readouterr().out
    synced.sync(mode="quick")
    assert run(verify) == 0, capsys.readouterr().out
    with opened(synced) as db:
        (after,) = db.execute("SELECT subject FROM conversations WHERE id = ?", (first,)).fetchone()
        counts = db.execute("SELECT counts FROM sync_runs ORDER BY id").fetchall()
        assert after == f"{before} (anew)"
        assert db.execute("SELECT count(*) FROM conversation_participants").fetchone()[0] < joined
        assert db.execute("SELECT * FROM edits").fetchall() == edits
        assert json.loads(counts[-1][0])["derived_again"] >= 12
        assert "derived_again" not in json.loads(counts[0][0])
        assert check_chain(db) == []
        kinds = [one.kind for one in read_receipts(db)]
        replaced = [one.payload for one in read_receipts(db) if one.kind == "replaced"]
    assert before in json.dumps(replaced)  # nothing is lost
    synced.sync(mode="quick")
    with opened(synced) as db:
        assert [one.kind for one in read_receipts(db)] == kinds, "it was derived once"


@pytest.mark.usefixtures("newer")
def test_a_message_that_no_receipt_explains_stays_and_is_named(synced: Pair) -> None:
    with Archive.open(synced.folder, write=True) as archive:
        archive.db.execute(
            "INSERT INTO messages (id, author_id, created_at, body, first_seen_at) "
            "SELECT 999, author_id, created_at, 'Forged', first_seen_at FROM messages LIMIT 1"
        )
        archive.db.execute("INSERT INTO sync_runs (mode, started_at) VALUES ('quick', '')")
        assert derive_again(archive.db, TickingClock(), 2) > 0
        assert is_derived(archive.db)
        named = [(one.table, one.row, one.sentence) for one in check_derived(archive.db).faults]
    assert named == [("messages", "999", "no receipt explains the row")]


@pytest.mark.usefixtures("newer")
def test_what_is_interrupted_leaves_the_archive_as_it_was(
    synced: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canvas_archive.derive.again._LAST_NUMBER", "no SQL")
    with Archive.open(synced.folder, write=True) as archive:
        before = list(archive.db.iterdump())
        with pytest.raises(sqlite3.OperationalError):
            derive_again(archive.db, TickingClock(), 1)
        assert list(archive.db.iterdump()) == before
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), transaction(archive.db):
            archive.db.execute("""INSERT INTO revisions ("table", id, seen_at, before, after)
                VALUES ('messages', '1', '', '{}', '{}')""")
            archive.db.execute("UPDATE revisions SET id = '2'")
