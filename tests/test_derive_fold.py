"""The rows of an archive are a fold over its receipts, whatever the history was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canvas_archive.canvas import parse
from canvas_archive.derive.compare import check_derived
from canvas_archive.model import Attachment, Conversation, Course, MediaComment
from canvas_archive.store import Ingest, transaction
from canvas_archive.store.receipts import read_receipts
from tests.store_support import (
    TickingClock,
    as_json,
    conversation,
    fresh_database,
    message,
    person,
    received,
)
from tests.test_store_ingest_groups import Standing, conversations


def explained(db: object) -> list[tuple[str, str, str]]:
    """Return what the receipts do not explain."""
    return [(one.table, one.row, one.sentence) for one in check_derived(db).faults]  # type: ignore[arg-type]


flags = st.fixed_dictionaries(
    {},
    optional={
        "starred": st.booleans(),
        "workflow_state": st.sampled_from(["read", "unread", "archived"]),
        "subscribed": st.booleans(),
    },
)
ids = st.integers(1, 5)
steps = st.one_of(
    st.tuples(st.just("threads"), st.lists(conversations, min_size=1, max_size=5)),
    st.tuples(st.just("rows"), st.lists(conversations, min_size=1, max_size=4)),
    st.tuples(st.just("part"), conversations),
    st.tuples(st.just("flags"), st.tuples(ids, flags)),
    st.tuples(st.just("removed"), ids),
    st.tuples(st.just("messages"), st.tuples(ids, st.lists(st.integers(101, 106), max_size=3))),
    st.tuples(st.just("courses"), st.sampled_from(["BIO 101", "BIO 102", None])),
    st.tuples(st.just("file"), st.sampled_from(["gone", "failed", "pending"])),
    st.tuples(st.just("media"), st.sampled_from(["gone", "failed"])),
    st.tuples(st.just("edit"), ids),
    st.tuples(st.just("undone"), st.lists(conversations, min_size=1, max_size=3)),
    st.tuples(st.just("run"), st.just(None)),
)


class Failing(Exception):
    """What makes a transaction fall back."""


def perform(db: object, ingest: Ingest, what: str, given_: object) -> None:
    """Take one step of a history."""
    if what == "threads":
        ingest.save_conversations([received(conv) for conv in given_])  # type: ignore[attr-defined]
    elif what == "rows":
        ingest.save_summaries([received(replace(conv, messages=None)) for conv in given_])  # type: ignore[attr-defined]
    elif what == "part":
        ingest.save_conversation(received(given_), complete=False)  # type: ignore[arg-type]
    elif what == "flags":
        ingest.save_flags(given_[0], **given_[1])  # type: ignore[index]
    elif what == "removed":
        ingest.mark_removed(given_)  # type: ignore[arg-type]
    elif what == "messages":
        ingest.mark_messages_removed(*given_)  # type: ignore[misc]
    elif what == "courses":
        raw = {"id": 12, "name": given_, "course_code": "B" if given_ == "BIO 102" else None}
        ingest.save_courses([parse.course(raw)])  # type: ignore[arg-type]
    elif what == "file":
        ingest.save_attachment_state(501, given_, error="Lost.", url="v?verifier=1")  # type: ignore[arg-type]
    elif what == "media":
        ingest.save_media_state(101, "m-1", given_, error="Lost.")  # type: ignore[arg-type]
    elif what == "edit":
        db.execute("UPDATE conversations SET starred = 1 - starred WHERE id = ?", (given_,))  # type: ignore[attr-defined]


@pytest.mark.thorough
@pytest.mark.uncounted
@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=8), st.booleans())
def test_any_history_follows_from_its_receipts(history: list[tuple[str, object]], standing: bool) -> None:
    db = fresh_database()
    clock = Standing() if standing else TickingClock()
    ingest, runs = Ingest(db, clock), 0
    for what, given_ in history:
        if what == "run":
            runs += 1
            db.execute("INSERT INTO sync_runs (mode, started_at) VALUES ('full', '')")
            ingest = Ingest(db, clock, runs)
        elif what == "undone":
            with pytest.raises(Failing), transaction(db):
                ingest.save_conversations([received(conv) for conv in given_])  # type: ignore[attr-defined]
                raise Failing
        else:
            with transaction(db):
                perform(db, ingest, what, given_)
    assert explained(db) == []
    db.close()


def test_the_json_of_a_value_reads_as_the_value() -> None:
    media = MediaComment("m-1", "audio", "Voice")
    whole = conversation(1, message(100, attachments=(Attachment(501, "a.pdf"),), media_comment=media))
    assert parse.conversation(as_json(whole)) == whole


def test_what_changes_nothing_leaves_no_receipt() -> None:
    db = fresh_database()
    ingest = Ingest(db, TickingClock())
    whole = received(conversation(1, message(100)))
    course = parse.course({"id": 12, "name": "BIO 101", "course_code": "B"})
    ingest.save_conversation(whole)
    ingest.save_courses([course, Course(13)])
    kinds = [one.kind for one in read_receipts(db)]
    row = replace(whole, messages=None)
    ingest.save_summary(row)
    ingest.save_summaries([row])
    ingest.save_flags(1, workflow_state="read")
    ingest.save_answered_flags(row)
    ingest.save_courses([course])
    ingest.mark_messages_removed(1, [999])
    assert kinds == ["account", "thread", "courses"]
    assert [one.kind for one in read_receipts(db)] == kinds
    db.close()


def test_the_first_row_of_a_run_names_a_person() -> None:
    db = fresh_database()
    ingest = Ingest(db, TickingClock())
    rows = []
    for number in (1, 2):
        whole = conversation(number, message(100 + number))
        ingest.save_conversation(received(whole))
        rows.append(replace(whole, messages=None))
    ingest = Ingest(db, TickingClock())
    renamed: Conversation = replace(rows[1], participants=(person(20, "Cached"),), workflow_state="unread")
    ingest.save_summaries([received(rows[0]), received(renamed)])
    assert db.execute("SELECT name FROM users WHERE id = 20").fetchone()[0] == "Person 20"
    assert [one.kind for one in read_receipts(db)][-1] == "row_unnamed"
    assert explained(db) == []
    db.close()
