"""An edit is an UPDATE: what the triggers do for any client, and the functions around the journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.store import Archive, Ingest, edits, transaction
from canvas_archive.store.edits import EditOutcome
from tests.store_support import TickingClock, conversation, create, message

pytestmark = pytest.mark.sampled


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Open an archive with conversations 1 (read), 2 (unread, private) and 3 (archived, starred)."""
    with create(tmp_path / "mail") as made:
        ingest = Ingest(made.db, TickingClock())
        ingest.save_conversation(conversation(1, message(100)))
        ingest.save_conversation(conversation(2, message(200), workflow_state="unread", private=True))
        ingest.save_conversation(conversation(3, message(300), workflow_state="archived", starred=True))
        yield made


@pytest.fixture
def client(archive: Archive) -> Iterator[sqlite3.Connection]:
    """Connect as any other program would: Python's sqlite3 and nothing set."""
    with closing(sqlite3.connect(archive.db_path, isolation_level=None)) as db:
        yield db


def journal(db: sqlite3.Connection) -> list[tuple[object, ...]]:
    query = "SELECT conversation_id, field, base_value, value, state, detail FROM edits ORDER BY id"
    return [tuple(row) for row in db.execute(query)]


def flags(db: sqlite3.Connection, conversation_id: int = 1) -> tuple[object, ...]:
    query = "SELECT starred, workflow_state, subscribed FROM conversations WHERE id = ?"
    return tuple(db.execute(query, (conversation_id,)).fetchone())


def test_an_update_is_journalled(client: sqlite3.Connection) -> None:
    client.execute("UPDATE conversations SET starred = 1, workflow_state = 'archived' WHERE id = 1")
    assert sorted(journal(client), key=str) == [
        (1, "starred", "0", "1", "pending", None),
        (1, "workflow_state", "read", "archived", "pending", None),
    ]
    assert client.execute("SELECT DISTINCT origin FROM edits").fetchall() == [("sql",)]
    waiting = client.execute("SELECT conversation_id, subject, value FROM pending_edits ORDER BY value")
    assert waiting.fetchall() == [(1, "Midterm", "1"), (1, "Midterm", "archived")]


def test_one_update_over_many_rows(client: sqlite3.Connection) -> None:
    client.execute("UPDATE conversations SET workflow_state = 'archived' WHERE context_name LIKE 'BIO%'")
    assert [row[0] for row in journal(client)] == [1, 2]


def test_setting_it_back_discards(client: sqlite3.Connection) -> None:
    client.execute("UPDATE conversations SET workflow_state = 'unread' WHERE id = 1")
    client.execute("UPDATE conversations SET workflow_state = 'archived' WHERE id = 1")
    assert journal(client) == [(1, "workflow_state", "read", "archived", "pending", None)]
    client.execute("UPDATE conversations SET workflow_state = 'read' WHERE id = 1")
    assert journal(client) == [(1, "workflow_state", "read", "archived", "discarded", "set back")]
    client.execute("UPDATE conversations SET workflow_state = 'archived' WHERE id = 1")
    assert [row[4] for row in journal(client)] == ["discarded", "pending"]


def test_setting_the_same_value_is_no_edit(client: sqlite3.Connection) -> None:
    client.execute("UPDATE conversations SET starred = starred, subject = 'x'")
    assert journal(client) == []


@pytest.mark.parametrize(
    "assignment",
    ["starred = 2", "workflow_state = 'deleted'", "subscribed = NULL", "starred = 'yes'"],
)
def test_nonsense_is_refused(client: sqlite3.Connection, assignment: str) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        client.execute(f"UPDATE conversations SET {assignment} WHERE id = 1")
    assert journal(client) == [] and flags(client) == (0, "read", 1)


def test_a_private_conversation_has_no_subscription(client: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="private conversation has no subscription"):
        client.execute("UPDATE conversations SET subscribed = 0 WHERE id = 2")
    client.execute("UPDATE conversations SET subscribed = 0 WHERE id = 1")
    assert journal(client) == [(1, "subscribed", "1", "0", "pending", None)]


@pytest.mark.parametrize("table", ["conversations", "messages", "edits", "revisions"])
def test_nothing_is_deleted(archive: Archive, client: sqlite3.Connection, table: str) -> None:
    client.execute("UPDATE conversations SET starred = 1 WHERE id = 1")
    Ingest(archive.db, TickingClock()).mark_removed(3)
    with pytest.raises(sqlite3.IntegrityError):
        client.execute(f"DELETE FROM {table}")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        client.execute("UPDATE revisions SET before = '{}'")


# -- the syncer's writes --------------------------------------------------------------------------


def test_the_syncer_makes_no_edits(archive: Archive) -> None:
    ingest = Ingest(archive.db, TickingClock())
    ingest.save_conversation(conversation(1, message(100), starred=True, workflow_state="unread"))
    ingest.save_summary(replace(conversation(2, message(200), subscribed=False, private=True), messages=None))
    ingest.save_flags(3, starred=False, workflow_state="read")
    assert journal(archive.db) == []
    assert flags(archive.db) == (1, "unread", 1)
    assert flags(archive.db, 3) == (0, "read", 1)


def test_a_wish_outlives_what_canvas_says_of_other_fields(archive: Archive) -> None:
    archive.db.execute("UPDATE conversations SET starred = 1 WHERE id = 1")
    ingest = Ingest(archive.db, TickingClock())
    ingest.save_conversation(conversation(1, message(100), workflow_state="unread"))
    assert flags(archive.db) == (1, "unread", 1)
    assert journal(archive.db) == [(1, "starred", "0", "1", "pending", None)]


def test_a_wish_outlives_a_change_of_its_own_field(archive: Archive) -> None:
    archive.db.execute("UPDATE conversations SET workflow_state = 'archived' WHERE id = 1")
    Ingest(archive.db, TickingClock()).save_flags(1, workflow_state="unread")
    assert flags(archive.db)[1] == "archived"
    remote = archive.db.execute("SELECT remote_workflow_state FROM conversations WHERE id = 1").fetchone()
    assert remote[0] == "unread"
    assert journal(archive.db) == [(1, "workflow_state", "read", "archived", "pending", None)]


def test_a_wish_that_canvas_already_has_is_settled(archive: Archive) -> None:
    archive.db.execute("UPDATE conversations SET starred = 1, workflow_state = 'archived' WHERE id = 1")
    Ingest(archive.db, TickingClock()).save_conversation(conversation(1, message(100), starred=True))
    assert sorted(journal(archive.db), key=str) == [
        (1, "starred", "0", "1", "pushed", "already so on Canvas"),
        (1, "workflow_state", "read", "archived", "pending", None),
    ]
    assert flags(archive.db) == (1, "archived", 1)


# -- the functions --------------------------------------------------------------------------------


def test_recording_an_edit_names_its_origin(archive: Archive) -> None:
    with transaction(archive.db):
        assert edits.record_edit(archive.db, 1, "starred", True, "cli") is EditOutcome.RECORDED
        assert edits.record_edit(archive.db, 1, "starred", "1", "cli") is EditOutcome.UNCHANGED
    (edit,) = edits.pending_edits(archive.db)
    assert (edit.conversation_id, edit.field, edit.base_value, edit.value) == (1, "starred", "0", "1")
    assert edit.origin == "cli"
    assert edits.record_edit(archive.db, 1, "starred", 0, "web") is EditOutcome.SET_BACK
    assert edits.pending_edits(archive.db) == []


def test_edits_that_cannot_be_made_are_refused_with_a_reason(archive: Archive) -> None:
    outcome = edits.record_edit(archive.db, 2, "subscribed", False, "cli")
    assert outcome is EditOutcome.REFUSED_PRIVATE and outcome.refused and "private" in outcome.reason
    Ingest(archive.db, TickingClock()).mark_removed(1)
    outcome = edits.record_edit(archive.db, 1, "starred", True, "cli")
    assert outcome is EditOutcome.REFUSED_REMOVED and "no longer on Canvas" in outcome.reason
    assert edits.list_edits(archive.db) == []
    assert not EditOutcome.RECORDED.refused and EditOutcome.RECORDED.reason == ""


def test_an_edit_of_a_conversation_since_removed_can_be_taken_back(archive: Archive) -> None:
    edits.record_edit(archive.db, 1, "starred", True, "cli")
    Ingest(archive.db, TickingClock()).mark_removed(1)
    assert edits.record_edit(archive.db, 1, "starred", False, "cli") is EditOutcome.SET_BACK


@pytest.mark.parametrize(
    ("conversation_id", "field", "value"),
    [
        (99, "starred", "1"),
        (1, "subject", "x"),
        (1, "starred", "2"),
        (1, "workflow_state", "deleted"),
        (1, "workflow_state", ""),
    ],
)
def test_recording_nonsense_is_an_error(
    archive: Archive, conversation_id: int, field: str, value: str
) -> None:
    with pytest.raises(BadInput):
        edits.record_edit(archive.db, conversation_id, field, value, "cli")


def test_discarding_puts_the_column_back(archive: Archive) -> None:
    edits.record_edit(archive.db, 1, "starred", True, "cli")
    edits.record_edit(archive.db, 1, "workflow_state", "archived", "cli")
    edits.record_edit(archive.db, 3, "starred", False, "cli")
    Ingest(archive.db, TickingClock()).save_flags(1, workflow_state="unread")
    first = edits.pending_edits(archive.db)[0]
    assert edits.discard_edits(archive.db, [first.id, 999]) == 1
    assert flags(archive.db) == (0, "archived", 1)
    assert edits.discard_edits(archive.db) == 2
    assert flags(archive.db) == (0, "unread", 1), "back to what Canvas has now"
    assert flags(archive.db, 3) == (1, "archived", 1)
    assert {edit.detail for edit in edits.list_edits(archive.db, ["discarded"])} == {"discarded"}
    assert edits.discard_edits(archive.db) == 0


def test_settling_expects_the_value_that_was_sent(archive: Archive) -> None:
    edits.record_edit(archive.db, 1, "workflow_state", "archived", "cli")
    (edit,) = edits.pending_edits(archive.db)
    edits.record_edit(archive.db, 1, "workflow_state", "unread", "web")
    assert not edits.settle_edit(archive.db, edit.id, "pushed", None, "archived", TickingClock())
    assert edits.pending_edits(archive.db)[0].value == "unread"
    assert edits.settle_edit(archive.db, edit.id, "pushed", "done", "unread", TickingClock())
    (settled,) = edits.list_edits(archive.db, ["pushed"])
    assert (settled.detail, settled.settled_at) == ("done", "2026-03-09T12:00:01Z")
    Ingest(archive.db, TickingClock()).save_flags(1, workflow_state="unread")
    assert flags(archive.db)[1] == "unread"
    assert edits.settle_edit(archive.db, edit.id, "reverted", "undone by Canvas", "unread")
    assert [edit.state for edit in edits.list_edits(archive.db)] == ["reverted"]


def test_a_lost_conflict_follows_canvas_without_a_new_edit(archive: Archive) -> None:
    edits.record_edit(archive.db, 1, "workflow_state", "archived", "cli")
    (edit,) = edits.pending_edits(archive.db)
    edits.settle_edit(archive.db, edit.id, "conflict", "a message arrived", "archived")
    Ingest(archive.db, TickingClock()).save_flags(1, workflow_state="unread")
    assert flags(archive.db)[1] == "unread"
    assert [edit.state for edit in edits.list_edits(archive.db)] == ["conflict"]


def test_unknown_states_are_errors(archive: Archive) -> None:
    with pytest.raises(BadInput, match="no edit state 'sent'"):
        edits.list_edits(archive.db, ["sent"])
    with pytest.raises(BadInput, match="cannot be settled as 'pending'"):
        edits.settle_edit(archive.db, 1, "pending", None, "1")
