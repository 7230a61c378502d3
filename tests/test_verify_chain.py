"""The hash chain and the seals: what Canvas changes is lawful, what anybody else changes is found."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canvas_archive.model import Attachment, Conversation, MediaComment, Message, Participant
from canvas_archive.store import Archive, chain, seals, transaction
from canvas_archive.store.chain import GENESIS, chain_head, check_chain, extend_chain, has_head
from canvas_archive.store.edits import settle_edit
from canvas_archive.store.ingest import Ingest
from canvas_archive.store.journal import check_journal_entries
from canvas_archive.store.runs import finish_run, start_run
from canvas_archive.store.sealed_rows import digest_of
from canvas_archive.store.seals import Block, check_seals
from tests.export_support import OWNER, FixedClock

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
            ingest.save_conversation(conversation)
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
    return found + [(fault.kind, fault.key) for fault in check_seals(archive.db).faults]


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


def test_before_the_next_run_seals_it_a_lawful_change_is_no_fault(archive: Archive) -> None:
    with transaction(archive.db):
        Ingest(archive.db, CLOCK).save_conversation(
            dataclasses.replace(CONVERSATION, messages=(dataclasses.replace(MESSAGE, body="Changed"),))
        )
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
        ("UPDATE seals SET digest = zeroblob(32) WHERE kind = 'messages'", ("messages", 10)),
        ("UPDATE seals SET digest = zeroblob(32) WHERE kind = 'messages'", ("seals", 1)),
        ("DELETE FROM seals", ("seals", 1)),
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
        ("DELETE FROM message_attachments WHERE message_id = 20", ("messages", 20)),
        ("INSERT INTO message_attachments VALUES (10, 6, 0)", ("messages", 10)),
        ("DELETE FROM message_recipients WHERE message_id = 20 AND user_id = 1", ("messages", 20)),
        (
            "UPDATE message_recipients SET user_id = 99 WHERE message_id = 20 AND user_id = 1",
            ("messages", 20),
        ),
        ("DELETE FROM forwarded_messages", ("messages", 20)),
        ("DELETE FROM media_comments", ("messages", 20)),
        ("UPDATE media_comments SET display_name = 'Other'", ("messages", 20)),
        ("UPDATE messages SET extra = json_set(extra, '$.locale', 'fr') WHERE id = 20", ("messages", 20)),
        ("UPDATE messages SET conversation_id = 100 WHERE id = 20", ("messages", 20)),
        ("UPDATE messages SET removed_at = '2026-03-05T10:00:00Z' WHERE id = 10", ("messages", 10)),
        ("DELETE FROM conversation_participants WHERE user_id = 1", ("conversations", 200)),
        ("INSERT INTO conversation_participants VALUES (100, 99, 2)", ("conversations", 100)),
        ("UPDATE conversations SET remote_workflow_state = 'read'", ("conversations", 100)),
        ("UPDATE conversations SET remote_starred = 1, starred = 1", ("conversations", 100)),
        ("UPDATE conversations SET message_count = 2 WHERE id = 100", ("conversations", 100)),
        ("UPDATE conversations SET last_message = 'Text' WHERE id = 200", ("conversations", 200)),
        ("UPDATE conversations SET extra = '{\"a\":1}' WHERE id = 200", ("conversations", 200)),
        ("UPDATE attachments SET size = 4 WHERE id = 5", ("attachments", 5)),
        ("UPDATE users SET pronouns = 'they/them' WHERE id = 1", ("users", 1)),
    ],
)
def test_what_hangs_on_a_row_is_sealed_with_it(
    archive: Archive, statement: str, bad: tuple[str, int]
) -> None:
    sync(archive, RICHER)
    assert faults(archive) == []
    tamper(archive, statement)
    assert bad in faults(archive)


def test_what_changes_without_a_revision_is_not_sealed(archive: Archive) -> None:
    sync(archive, RICHER)
    for statement in (
        "UPDATE messages SET extra = json_set(extra, '$.preview_url', 'https://elsewhere') WHERE id = 20",
        "UPDATE attachments SET url = 'https://elsewhere', state = 'gone'",
        "UPDATE media_comments SET url = 'https://elsewhere', state = 'gone'",
        "UPDATE message_attachments SET position = 3",
        "UPDATE conversation_participants SET position = position + 1",
        "UPDATE conversations SET starred = 1, workflow_state = 'archived', fetched_at = NULL",
    ):
        archive.db.execute(statement)
    assert faults(archive) == []


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
        Ingest(archive.db, CLOCK).save_conversation(more)
    assert faults(archive) == []
    sync(archive)
    assert faults(archive) == []
    home = dataclasses.replace(CONVERSATION, id=400, messages=RICH.forwarded_messages)
    renamed = dataclasses.replace(MediaComment("m-1", "audio"), display_name="Song")
    sync(
        archive,
        home,
        dataclasses.replace(more, messages=(dataclasses.replace(grown, media_comment=renamed),)),
    )
    assert faults(archive) == []
    sync(archive, dataclasses.replace(more, participants=alone.participants))
    assert faults(archive) == []


def test_seals_of_the_first_form_still_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Archive.create(
        tmp_path / "old", base_url="https://school.example.edu", user_id=OWNER, name="O", clock=CLOCK
    ) as old:
        with monkeypatch.context() as patch:
            patch.setattr(seals, "FORM", 1)
            patch.setattr(chain, "_block_row", block_row_of_the_first_form)
            sync(old, CONVERSATION, RICHER)
        assert "form" not in json.loads(last_block(old))
        assert faults(old) == []
        old.db.execute("DELETE FROM message_attachments WHERE message_id = 10")
        assert faults(old) == []  # the first form knew no lists
        changed = dataclasses.replace(RICH, body="Another text")
        sync(old, dataclasses.replace(RICHER, messages=(changed,)))
        assert json.loads(last_block(old))["form"] == 2
        assert faults(old) == []
        tamper(
            old,
            "UPDATE messages SET body = 'The first tex_' WHERE id = 10",
            "DELETE FROM message_attachments WHERE message_id = 20",
        )
        assert {("messages", 10), ("messages", 20)} <= set(faults(old))


def block_row_of_the_first_form(block: Block) -> dict[str, object]:
    """Return the record of a block as versions wrote it that knew one form only."""
    return {"block": block.number, "digest": block.digest, "revision": block.revision, **block.counts}


def last_block(archive: Archive) -> str:
    row = archive.db.execute(
        "SELECT content FROM evidence_chain WHERE source = 'seals' ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return str(row[0])


def test_a_plain_update_sealed_by_the_next_run_is_still_found(archive: Archive) -> None:
    archive.db.execute("UPDATE messages SET body = 'quietly changed' WHERE id = 10")
    sync(archive)
    assert ("messages", 10) in faults(archive)


def test_a_new_seal_without_a_revision_is_found(archive: Archive) -> None:
    archive.db.execute("UPDATE messages SET body = 'quietly changed' WHERE id = 10")
    archive.db.execute("INSERT INTO seal_queue VALUES ('messages', 10)")
    sync(archive)
    assert ("messages", 10) in faults(archive)


@pytest.mark.thorough
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text()))
)
def test_a_seal_is_the_hash_of_the_row_as_json(values: list[object]) -> None:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    assert digest_of(values) == hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


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


def test_checking_the_seals_ends_after_so_many_faults(archive: Archive) -> None:
    tamper(archive, "UPDATE users SET name = 'Somebody'")
    assert len(check_seals(archive.db).faults) == 2
    assert len(check_seals(archive.db, most_faults=1).faults) == 1


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


@pytest.mark.parametrize("table", ["evidence_chain", "seals"])
def test_the_tables_are_append_only(archive: Archive, table: str) -> None:
    column = "digest"
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        archive.db.execute(f"UPDATE {table} SET {column} = {column}")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        archive.db.execute(f"DELETE FROM {table}")


def test_how_far_the_comparison_with_the_seals_is_can_be_heard(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "_BATCH", 2)
    heard: list[tuple[int, int]] = []
    report = check_seals(archive.db, progress=lambda done, total: heard.append((done, total)))
    sealed = archive.db.execute("SELECT count(*) FROM seals").fetchone()[0]
    assert heard == [(done, sealed) for done in range(2, report.matching + 1, 2)] and heard
