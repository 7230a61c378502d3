"""Saving several answers at once leaves the same archive as saving them one by one."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Attachment, Conversation, MediaComment, Message
from canvas_archive.store import Ingest, transaction
from canvas_archive.store.insertion import SIZES, Insertion
from tests.store_support import NOON, OWNER, conversation, fresh_database, message, person

TABLES = {
    "users": "*",
    "contexts": "*",
    "conversations": "*",
    "conversation_participants": "*",
    "conversation_contexts": "*",
    "messages": "*",
    "message_recipients": "*",
    "forwarded_messages": "*",
    "attachments": "*",
    "message_attachments": "*",
    "media_comments": "*",
    # A person known by id alone and named by the next answer of a group is named from the start.
    "revisions": '"table", id, seen_at, before, after FROM revisions WHERE "table" <> \'users\' '
    "OR json_extract(before, '$.name') NOT NULL --",
    "index_queue": "DISTINCT message_id",
}


class Standing:
    """A clock that stands still, so that both ways give the same dates."""

    def now(self) -> datetime:
        """Return noon."""
        return NOON

    def monotonic(self) -> float:
        """Return zero."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Do not wait."""


def contents(db: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return what every table holds, sorted; the revisions of one thing stay in their order."""
    found = {
        table: [tuple(row) for row in db.execute(f"SELECT {what} FROM {table}")]
        for table, what in TABLES.items()
    }
    return {
        table: sorted(rows, key=(lambda row: row[:2]) if table == "revisions" else repr)
        for table, rows in found.items()
    }


# Few ids and few names, so that the same things come up again and again, and not always told the same way.
files = st.builds(
    Attachment,
    st.sampled_from([501, 502]),
    st.sampled_from(["a.pdf", "b.pdf"]),
    url=st.sampled_from(["", "u"]),
)
plain = st.builds(
    lambda id_, body, author, to, attached, media: message(
        id_, body, author=author, participating_user_ids=to, attachments=attached, media_comment=media
    ),
    st.integers(0, 6).map(lambda n: n and 100 + n),
    st.sampled_from(["One", "Two"]),
    st.sampled_from([20, 21]),
    st.sampled_from([(OWNER,), (20, 21, 20), ()]),
    st.lists(files, max_size=2).map(tuple),
    st.sampled_from(
        [None, None, MediaComment("m-1", "audio", "Voice"), MediaComment("m-1", "audio", "Song")]
    ),
)
messages = st.builds(
    lambda outer, inner: replace(outer, forwarded_messages=tuple(inner)), plain, st.lists(plain, max_size=2)
)
conversations = st.builds(
    lambda id_, thread, names, subject, context: conversation(
        id_,
        *thread,
        subject=subject,
        participants=tuple(person(20 + at, name) for at, name in enumerate(names)),
        context_name=context,
    ),
    st.integers(1, 5),
    st.lists(messages, max_size=3),
    st.lists(st.sampled_from(["Ann", "Bo"]), max_size=3),
    st.sampled_from(["Hello", "Other"]),
    st.sampled_from([None, "BIO 101", "BIO 102"]),
)


@pytest.mark.thorough
@pytest.mark.uncounted
@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(conversations, min_size=1, max_size=6), min_size=1, max_size=3))
def test_together_or_one_by_one_is_the_same(groups: list[list[Conversation]]) -> None:
    single, grouped = fresh_database(), fresh_database()
    one_by_one, together = Ingest(single, Standing()), Ingest(grouped, Standing())
    for group in groups:
        with transaction(single):
            expected = [one_by_one.save_conversation(conv) for conv in group]
        with transaction(grouped):
            assert together.save_conversations(group) == expected
        assert contents(grouped) == contents(single)
    assert grouped.execute("PRAGMA foreign_key_check").fetchall() == []
    single.close()
    grouped.close()


def test_a_row_of_a_list_has_no_thread_to_insert() -> None:
    db = fresh_database()
    ingest = Ingest(db, Standing())
    row = replace(conversation(2), messages=None)
    saved = ingest.save_conversations([conversation(1, message(100)), row])
    assert [(one.new, one.new_messages) for one in saved] == [(True, 1), (True, 0)]
    assert db.execute("SELECT id FROM conversations WHERE fetched_at IS NULL").fetchone()[0] == 2
    db.close()


def test_an_unknown_state_is_refused_before_anything_of_the_group_is_written() -> None:
    db = fresh_database()
    bad = conversation(2, message(101), workflow_state="vanished")
    with pytest.raises(MalformedAnswer, match="unknown state"):
        Ingest(db, Standing()).save_conversations([conversation(1, message(100)), bad])
    assert db.execute("SELECT count(*) FROM users").fetchone()[0] == 0
    db.close()


def test_a_group_that_fails_leaves_no_revision_for_the_next() -> None:
    db = fresh_database()
    ingest = Ingest(db, Standing())
    ingest.save_conversations([conversation(1, message(100))])
    renamed = conversation(2, message(101), participants=(person(20, "Somebody else"),))
    broken = conversation(3, Message(102, 20, "2026-03-09T12:00:00Z", None))  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError), transaction(db):
        ingest.save_conversations([renamed, broken])
    assert ingest.save_conversations([conversation(1, message(100))])[0].changed is False
    assert db.execute("SELECT count(*) FROM revisions").fetchone()[0] == 0
    assert db.execute("SELECT name FROM users WHERE id = 20").fetchone()[0] == "Person 20"
    db.close()


@pytest.mark.parametrize("count", [0, 1, SIZES[1], SIZES[0] - 1, SIZES[0], 3 * SIZES[0] + SIZES[1] + 2])
def test_any_number_of_rows_is_inserted_in_their_order(count: int) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (seq INTEGER PRIMARY KEY, a, b)")
    rows = [(number, f"text {number}") for number in range(count)]
    Insertion("t", ("a", "b")).run(db.cursor(), rows)
    assert db.execute("SELECT a, b FROM t ORDER BY seq").fetchall() == rows
    db.close()
