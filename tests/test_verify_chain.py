"""The hash chain and the receipts: what Canvas changes is lawful, what anybody else changes is found."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.derive import compare, fold
from canvas_archive.derive.compare import check_derived
from canvas_archive.model import Attachment, Conversation, MediaComment, Message, Participant
from canvas_archive.store import Archive, transaction
from canvas_archive.store.chain import GENESIS, chain_head, check_chain, extend_chain, has_head
from canvas_archive.store.edits import settle_edit
from canvas_archive.store.ingest import Ingest
from canvas_archive.store.journal import check_journal_entries
from canvas_archive.store.runs import finish_run, start_run
from tests.export_support import OWNER, FixedClock
from tests.store_support import received

pytestmark = pytest.mark.sampled

CLOCK = FixedClock()
MESSAGE = Message(
    10, 1, "2026-03-01T10:00:00Z", "The first text", participating_user_ids=(1, OWNER),
    attachments=(Attachment(5, "a.pdf", "a.pdf", "application/pdf", 3),),
)  # fmt: skip
CONVERSATION = Conversation(
    100, "unread", subject="Hello", message_count=1, last_message_at="2026-03-01T10:00:00Z",
    participants=(Participant(1, "Ann"), Participant(OWNER, "Olivia")), messages=(MESSAGE,),
)  # fmt: skip


def sync(archive: Archive, *conversations: Conversation) -> int:
    """Save what a run would, and close the run the way a sync does."""
    with transaction(archive.db):
        run = start_run(archive.db, "full", CLOCK)
        ingest = Ingest(archive.db, CLOCK, run)
        for conversation in conversations:
            ingest.save_conversation(received(conversation))
        finish_run(archive.db, run, "ok", True, 1, 1, {}, None, clock=CLOCK)
        return extend_chain(archive.db, clock=CLOCK)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.create(
        tmp_path / "a", base_url="https://school.example.edu", user_id=OWNER, name="Olivia", clock=CLOCK
    ) as made:
        sync(made, CONVERSATION)
        yield made


def faults(archive: Archive) -> list[tuple[str, int]]:
    found = [(fault.source, fault.row_key) for fault in check_chain(archive.db)]
    found += [(fault.table, int(fault.key)) for fault in check_journal_entries(archive.db).faults]
    derived = check_derived(archive.db).faults
    return found + [(fault.table, int(fault.row.partition("/")[0])) for fault in derived]


def tamper(archive: Archive, *statements: str) -> None:
    """Change rows the way somebody does who knows how to get around triggers."""
    triggers = archive.db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    archive.db.execute("PRAGMA foreign_keys = OFF")
    for (name,) in map(tuple, triggers):
        archive.db.execute(f'DROP TRIGGER "{name}"')
    for statement in statements:
        archive.db.execute(statement)


def test_everything_canvas_does_is_lawful(archive: Archive) -> None:
    assert faults(archive) == []
    edited = dataclasses.replace(MESSAGE, body="Another text")
    reply = Message(11, OWNER, "2026-03-02T10:00:00Z", "A reply", participating_user_ids=(1,))
    renamed = dataclasses.replace(
        CONVERSATION,
        subject="Changed",
        message_count=2,
        participants=(Participant(1, "Anna"), Participant(OWNER, "Olivia")),
        messages=(reply, edited),
    )
    sync(archive, renamed)
    assert faults(archive) == []
    with transaction(archive.db):
        Ingest(archive.db, CLOCK).save_attachment_state(5, "stored", sha256="ab" * 32, stored_size=3)
    assert faults(archive) == []
    sync(archive, dataclasses.replace(renamed, messages=(edited,)))
    assert faults(archive) == []


def test_a_second_call_finds_nothing_new(archive: Archive) -> None:
    head = chain_head(archive.db)
    assert head.seq > 0
    with transaction(archive.db):
        assert extend_chain(archive.db, clock=CLOCK) == 0
    assert chain_head(archive.db) == head


def test_an_empty_archive_has_an_empty_chain(tmp_path: Path) -> None:
    with Archive.create(
        tmp_path / "b", base_url="https://school.example.edu", user_id=OWNER, name="O", clock=CLOCK
    ) as made:
        assert chain_head(made.db).chain == GENESIS
        assert check_chain(made.db) == []


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        ("UPDATE messages SET body = 'The first tex_' WHERE id = 10", ("messages", 10)),
        ("UPDATE messages SET created_at = '2020-01-01T00:00:00Z' WHERE id = 10", ("messages", 10)),
        ("UPDATE messages SET author_id = 7 WHERE id = 10", ("messages", 10)),
        ("UPDATE users SET name = 'Somebody' WHERE id = 1", ("users", 1)),
        ("UPDATE conversations SET subject = 'Other' WHERE id = 100", ("conversations", 100)),
        ("UPDATE attachments SET display_name = 'b' WHERE id = 5", ("attachments", 5)),
        ("DELETE FROM messages WHERE id = 10", ("messages", 10)),
        (
            "INSERT INTO messages (id, conversation_id, author_id, created_at, body, first_seen_at) "
            "VALUES (12, 100, 1, '2026-03-01T10:00:00Z', 'forged', '')",
            ("messages", 12),
        ),
        ("UPDATE sync_runs SET requests = 99", ("sync_runs", 1)),
        ("DELETE FROM sync_runs WHERE id = 1", ("sync_runs", 1)),
        ("UPDATE receipts SET salt = zeroblob(16)", ("receipts", 2)),
        ("UPDATE receipts SET at = '2020-01-01T00:00:00Z'", ("receipts", 2)),
        ("UPDATE receipts SET payload = zeroblob(32) WHERE id = 2", ("receipts", 2)),
        ("DELETE FROM receipts", ("receipts", 2)),
    ],
)  # fmt: skip
def test_tampering_is_found_and_the_row_named(archive: Archive, statement: str, bad: tuple[str, int]) -> None:
    tamper(archive, statement)
    assert bad in faults(archive)


RICH = dataclasses.replace(
    MESSAGE,
    id=20,
    media_comment=MediaComment("m-1", "audio", "Voice", "audio/mp4", "https://school.example.edu/m"),
    forwarded_messages=(Message(15, 1, "2026-02-01T10:00:00Z", "Forwarded"),),
    extra={"locale": "en", "preview_url": "https://school.example.edu/p"},
)
RICHER = dataclasses.replace(CONVERSATION, id=200, messages=(RICH,), last_message="Voice")


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        ("DELETE FROM message_attachments WHERE message_id = 20", ("message_attachments", 20)),
        ("INSERT INTO message_attachments VALUES (10, 6, 0)", ("message_attachments", 10)),
        ("DELETE FROM message_recipients WHERE message_id = 20 AND user_id = 1", ("message_recipients", 20)),
        (
            "UPDATE message_recipients SET user_id = 99 WHERE message_id = 20 AND user_id = 1",
            ("message_recipients", 20),
        ),
        ("DELETE FROM forwarded_messages", ("forwarded_messages", 20)),
        ("DELETE FROM media_comments", ("media_comments", 20)),
        ("UPDATE media_comments SET display_name = 'Other'", ("media_comments", 20)),
        ("UPDATE messages SET extra = json_set(extra, '$.locale', 'fr') WHERE id = 20", ("messages", 20)),
        ("UPDATE messages SET conversation_id = 100 WHERE id = 20", ("messages", 20)),
        ("UPDATE messages SET removed_at = '2026-03-05T10:00:00Z' WHERE id = 10", ("messages", 10)),
        ("DELETE FROM conversation_participants WHERE user_id = 1", ("conversation_participants", 200)),
        ("INSERT INTO conversation_participants VALUES (100, 99, 2, 1)", ("conversation_participants", 100)),
        ("UPDATE conversations SET remote_workflow_state = 'read'", ("conversations", 100)),
        ("UPDATE conversations SET remote_starred = 1, starred = 1", ("conversations", 100)),
        ("UPDATE conversations SET message_count = 2 WHERE id = 100", ("conversations", 100)),
        ("UPDATE conversations SET last_message = 'Text' WHERE id = 200", ("conversations", 200)),
        ("UPDATE conversations SET extra = '{\"a\":1}' WHERE id = 200", ("conversations", 200)),
        ("UPDATE attachments SET size = 4 WHERE id = 5", ("attachments", 5)),
        ("UPDATE users SET pronouns = 'they/them' WHERE id = 1", ("users", 1)),
    ],
)
def test_what_hangs_on_a_row_is_named(archive: Archive, statement: str, bad: tuple[str, int]) -> None:
    sync(archive, RICHER)
    assert faults(archive) == []
    tamper(archive, statement)
    assert bad in faults(archive)


def test_what_canvas_adds_to_a_known_row_is_lawful(archive: Archive) -> None:
    plain = Message(30, 1, "2026-03-03T10:00:00Z", "Plain", participating_user_ids=(1,))
    alone = dataclasses.replace(
        CONVERSATION, id=300, messages=(plain,), participants=(Participant(1, "Ann"),)
    )
    sync(archive, alone)
    grown = dataclasses.replace(
        plain,
        participating_user_ids=(1, OWNER),
        attachments=MESSAGE.attachments,
        media_comment=RICH.media_comment,
        forwarded_messages=RICH.forwarded_messages,
    )
    more = dataclasses.replace(alone, participants=CONVERSATION.participants, messages=(grown,))
    with transaction(archive.db):
        Ingest(archive.db, CLOCK).save_conversation(received(more))
    assert faults(archive) == []
    sync(archive)
    assert faults(archive) == []
    renamed = dataclasses.replace(MediaComment("m-1", "audio"), display_name="Song")
    sync(
        archive,
        dataclasses.replace(more, messages=(dataclasses.replace(grown, media_comment=renamed),)),
    )
    assert faults(archive) == []
    sync(archive, dataclasses.replace(more, participants=alone.participants))
    assert faults(archive) == []


def test_a_plain_update_before_the_next_run_is_still_found(archive: Archive) -> None:
    archive.db.execute("UPDATE messages SET body = 'quietly changed' WHERE id = 10")
    sync(archive)
    assert ("messages", 10) in faults(archive)


def edit_then_push(archive: Archive) -> None:
    archive.db.execute("UPDATE conversations SET starred = 1 WHERE id = 100")
    sync(archive)
    with transaction(archive.db):
        assert settle_edit(archive.db, 1, "pushed", None, "1", CLOCK)
        Ingest(archive.db, CLOCK).save_flags(100, starred=True)
    sync(archive)


def test_the_life_of_an_edit_is_lawful(archive: Archive) -> None:
    edit_then_push(archive)
    assert faults(archive) == []
    with transaction(archive.db):
        assert settle_edit(archive.db, 1, "reverted", None, "1", CLOCK)
    assert faults(archive) == []
    sync(archive)
    assert faults(archive) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE edits SET value = '0'",
        "UPDATE edits SET state = 'discarded'",
        "UPDATE edits SET detail = 'it was not me'",
        "UPDATE edits SET conversation_id = 101",
        "DELETE FROM edits",
    ],
)
def test_a_settled_edit_cannot_be_changed(archive: Archive, statement: str) -> None:
    edit_then_push(archive)
    tamper(archive, statement)
    assert ("edits", 1) in faults(archive)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "UPDATE evidence_chain SET state = 'gone' WHERE source = 'sync_runs'",
            "record 1 does not match its own state",
        ),
        (
            "UPDATE evidence_chain SET content = NULL WHERE source = 'sync_runs'",
            "record 1 does not match its own digest",
        ),
        (
            "UPDATE evidence_chain SET previous = digest WHERE seq = 3",
            "record 3 does not follow the one before it",
        ),
    ],
)
def test_the_sentence_says_what_does_not_fit(archive: Archive, statement: str, sentence: str) -> None:
    edit_then_push(archive)
    tamper(archive, statement)
    assert sentence in [fault.sentence for fault in check_chain(archive.db)]


def test_an_edit_that_waits_is_recorded_once(archive: Archive) -> None:
    archive.db.execute("UPDATE conversations SET starred = 1 WHERE id = 100")
    with transaction(archive.db):
        assert extend_chain(archive.db, clock=CLOCK) == 1
        assert extend_chain(archive.db, clock=CLOCK) == 0
    assert faults(archive) == []


def test_comparing_ends_after_so_many_faults(archive: Archive) -> None:
    tamper(archive, "UPDATE users SET name = 'Somebody'")
    assert len(check_derived(archive.db).faults) == 2
    assert len(check_derived(archive.db, most_faults=1).faults) == 1


def test_a_changed_edit_is_found_even_after_the_next_run(archive: Archive) -> None:
    edit_then_push(archive)
    archive.db.execute("UPDATE edits SET state = 'discarded'")
    sync(archive)
    assert ("edits", 1) in faults(archive)


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        ("UPDATE revisions SET after = '{}' WHERE revision = 1", 1),
        ("DELETE FROM revisions WHERE revision = 1", 1),
        ("DELETE FROM evidence_chain WHERE source = 'revisions' AND row_key = 1", 1),
    ],
)
def test_a_revision_cannot_be_changed(archive: Archive, statement: str, bad: int) -> None:
    sync(
        archive,
        dataclasses.replace(CONVERSATION, messages=(dataclasses.replace(MESSAGE, body="Changed"),)),
        dataclasses.replace(CONVERSATION, subject="Also", messages=(MESSAGE,)),
    )
    tamper(archive, statement)
    assert ("revisions", bad) in faults(archive)


def test_the_first_bad_row_comes_first(archive: Archive) -> None:
    sync(archive)
    sync(archive)
    tamper(
        archive, "UPDATE evidence_chain SET digest = replace(digest, substr(digest, 1, 1), 'x') WHERE seq = 2"
    )
    first = check_chain(archive.db)[0]
    assert "record 2" in first.sentence


def test_a_head_noted_earlier_must_still_be_there(archive: Archive) -> None:
    noted = chain_head(archive.db).chain
    sync(archive)
    assert has_head(archive.db, noted) and has_head(archive.db, GENESIS)
    assert not has_head(archive.db, "f" * 64)


@pytest.mark.parametrize("table", ["evidence_chain", "receipts"])
def test_the_tables_are_append_only(archive: Archive, table: str) -> None:
    column = "digest" if table == "evidence_chain" else "salt"
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        archive.db.execute(f"UPDATE {table} SET {column} = {column}")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        archive.db.execute(f"DELETE FROM {table}")


def test_how_far_the_comparison_is_can_be_heard(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "_PROGRESS_EVERY", 2)
    monkeypatch.setattr(compare, "_PROGRESS_EVERY", 5)
    heard: list[tuple[int, int]] = []
    check_derived(archive.db, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(2, 4), *[(2, 4)] * (len(heard) - 1)] and len(heard) > 1
