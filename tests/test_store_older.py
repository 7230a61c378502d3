"""Archives of versions that sealed their rows: each sound row gets a receipt, and nothing else does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.derive.compare import check_derived
from canvas_archive.export.checks import check_contents, check_evidence
from canvas_archive.model import Attachment, Message, Participant
from canvas_archive.store import Ingest, transaction
from canvas_archive.store.chain import check_chain, extend_chain, has_head
from canvas_archive.store.migrations import MIGRATIONS
from canvas_archive.store.receipts import read_receipts
from tests.export_support import FixedClock
from tests.store_support import conversation, received

ROWS = Path(__file__).parent / "golden" / "rows-of-schema-5.sql"
SEALED = 5
FORGERIES = [
    ("UPDATE messages SET body = 'Forged' WHERE id = 20", ("messages", "20")),
    ("DELETE FROM message_recipients WHERE message_id = 20 AND user_id = 1", ("messages", "20")),
    ("UPDATE users SET name = 'Somebody' WHERE id = 1", ("users", "1")),
    ("UPDATE conversations SET subject = 'Forged' WHERE id = 200", ("conversations", "200")),
    ("INSERT INTO users (id, name, first_seen_at) VALUES (9, 'Nobody', '')", ("users", "9")),
    ("UPDATE revisions SET after = '{}' WHERE revision = 1", ("revisions", "1")),
    ("UPDATE seals SET digest = zeroblob(32) WHERE kind = 'messages' AND key = 20", ("messages", "20")),
]


@pytest.fixture
def older() -> Iterator[sqlite3.Connection]:
    """A database of schema 5, as an earlier version left it after three syncs."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    for step in MIGRATIONS[:SEALED]:
        step.apply(db)
    db.executescript(ROWS.read_text(encoding="utf-8"))
    db.execute("DELETE FROM seal_queue")  # the triggers take what is inserted for news
    db.execute(f"PRAGMA user_version = {SEALED}")
    yield db
    db.close()


def upgrade(db: sqlite3.Connection) -> None:
    """Apply the migrations that follow."""
    for step in MIGRATIONS[SEALED:]:
        step.apply(db)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def forge(db: sqlite3.Connection, statement: str) -> None:
    """Change rows without the triggers."""
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in map(tuple, triggers):
        db.execute(f"DROP TRIGGER {name}")
    db.execute(statement)
    for _, text in map(tuple, triggers):
        db.execute(text)


def test_every_sound_row_gets_a_receipt(older: sqlite3.Connection) -> None:
    heads = [row[0] for row in older.execute("SELECT chain FROM evidence_chain")]
    upgrade(older)
    assert {one.source for one in read_receipts(older)} == {"migration"}
    checked = check_derived(older)
    assert checked.faults == [] and checked.rows == 23
    assert check_chain(older) == []
    assert all(has_head(older, head) for head in heads), "heads that were noted earlier still count"
    assert older.execute("SELECT starred, remote_starred FROM conversations").fetchone()[:] == (1, 0)
    with transaction(older):
        extend_chain(older, clock=FixedClock())
    assert check_chain(older) == []


@pytest.mark.parametrize(("statement", "row"), FORGERIES)
def test_a_row_that_does_not_match_its_seal_gets_none(
    older: sqlite3.Connection, statement: str, row: tuple[str, str]
) -> None:
    forge(older, statement)
    upgrade(older)
    assert row in [(fault.table, fault.row) for fault in check_derived(older).faults]


@pytest.mark.parametrize(("statement", "row"), FORGERIES)
def test_a_copy_that_an_older_version_made_is_checked_by_its_seals(
    older: sqlite3.Connection, statement: str, row: tuple[str, str]
) -> None:
    def named() -> list[str]:
        checks = (check_evidence(older, None), check_contents(older, lambda name, done, total: None))
        return [item for check in checks for item in check.items]

    assert named() == []
    forge(older, statement)
    assert [item for item in named() if item.startswith(f"{row[0]} {row[1]}:")]


def test_text_that_is_none_does_not_keep_an_archive_from_opening(older: sqlite3.Connection) -> None:
    forge(older, "UPDATE messages SET body = CAST(x'41ff42' AS TEXT) WHERE id = 20")
    upgrade(older)
    older.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    assert ("messages", "20") in [(fault.table, fault.row) for fault in check_derived(older).faults]


def test_what_canvas_says_later_follows_the_rows(older: sqlite3.Connection) -> None:
    upgrade(older)
    older.execute("PRAGMA foreign_keys = ON")
    changed = Message(10, 1, "2026-03-01T10:00:00Z", "A third text", participating_user_ids=(1, 7))
    added = Message(11, 7, "2026-03-02T10:00:00Z", "New", attachments=(Attachment(5, "b.pdf"),))
    with transaction(older):
        answer = conversation(100, changed, added, participants=(Participant(1, "Anna"),))
        Ingest(older, FixedClock()).save_conversation(received(answer))
    assert check_derived(older).faults == []
    assert [one.source for one in read_receipts(older)][-1] == "api"
    checked = check_contents(older, lambda name, done, total: None)
    assert checked.ok and "; 1 conversations as an older version left them" in checked.detail
