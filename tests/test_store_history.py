"""Whatever Canvas answers, in whatever order: nothing once stored is ever lost."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canvas_archive.model import Conversation, Message
from canvas_archive.store import Ingest, transaction
from canvas_archive.store.rows import distinct_messages
from canvas_archive.store.summaries import fingerprint, stored_fingerprints, stored_summaries
from tests.store_support import TickingClock, conversation, fresh_database, message, person

BODIES = st.sampled_from(["one", "two", "três", "\ud800", ""])
PEOPLE = st.integers(20, 23)


@st.composite
def messages(draw: st.DrawFn, depth: int = 1) -> Message:
    inner = draw(st.lists(messages(depth=depth - 1), max_size=2)) if depth else []
    return message(
        draw(st.integers(100, 106)),
        draw(BODIES),
        author=draw(PEOPLE),
        generated=draw(st.booleans()) if depth else False,
        participating_user_ids=tuple(draw(st.sets(PEOPLE, max_size=3))),
        forwarded_messages=tuple(inner),
    )


@st.composite
def answers(draw: st.DrawFn) -> Conversation:
    thread = draw(st.lists(messages(), max_size=4, unique_by=lambda m: m.id))
    return conversation(
        draw(st.integers(1, 2)),
        *thread,
        workflow_state=draw(st.sampled_from(["read", "unread", "archived"])),
        starred=draw(st.booleans()),
        subject=draw(st.sampled_from(["Midterm", None])),
        participants=tuple(person(i) for i in draw(st.lists(PEOPLE, unique=True, max_size=3))),
    )


STEPS = st.lists(
    st.tuples(answers(), st.sampled_from(["whole", "partial", "row", "removed", "rolled back"])),
    min_size=1,
    max_size=6,
)


@pytest.mark.thorough
@pytest.mark.uncounted
@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_no_message_and_no_body_is_ever_lost(steps: list[tuple[Conversation, str]]) -> None:
    told: dict[int, set[str]] = {}
    with closing(fresh_database()) as db:
        ingest = Ingest(db, TickingClock())
        for answer, kind in steps:
            if kind == "rolled back":
                db.execute("BEGIN")
                ingest.save_conversation(answer)
                db.execute("ROLLBACK")
                continue
            with transaction(db):
                if kind == "removed":
                    ingest.mark_removed(answer.id)
                    continue
                if kind == "row":
                    ingest.save_summary(replace(answer, messages=None))
                    continue
                ingest.save_conversation(answer, complete=kind == "whole")
            for found in distinct_messages(answer.messages or ()).values():
                bodies = told.setdefault(found.id, set())
                if found.generated:
                    continue  # worded anew for every reader: only the first counts, and may be another's
                bodies.add(found.body.replace("\ud800", "\ufffd"))
            if kind == "whole":
                row = stored_summaries(db)[answer.id]
                assert stored_fingerprints(db, [answer.id]) == {answer.id: fingerprint(answer)}
                assert row.fetched and not row.removed
                shown = db.execute(
                    "SELECT id FROM messages WHERE conversation_id = ? AND removed_at IS NULL", (answer.id,)
                )
                assert {r[0] for r in shown} == {m.id for m in answer.messages or ()}
        kept: dict[int, set[str]] = {
            row[0]: {row[1]} for row in db.execute("SELECT id, body FROM messages").fetchall()
        }
        generated = {
            row[0] for row in db.execute("SELECT id FROM messages WHERE generated = 1").fetchall()
        } | {
            m.id
            for answer, _ in steps
            for m in distinct_messages(answer.messages or ()).values()
            if m.generated
        }
        for row in db.execute("SELECT id, before FROM revisions WHERE \"table\" = 'messages'").fetchall():
            kept[int(row[0])].add(json.loads(row[1]).get("body"))
        assert kept.keys() == told.keys()
        for message_id, bodies in told.items():
            if message_id not in generated:
                assert bodies <= kept[message_id]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert db.execute("SELECT count(*) FROM edits").fetchone()[0] == 0


@pytest.mark.uncounted
@settings(max_examples=40, deadline=None)
@given(st.lists(answers(), min_size=1, max_size=4))
def test_repeating_the_last_answer_changes_nothing(sequence: list[Conversation]) -> None:
    with closing(fresh_database()) as db:
        ingest = Ingest(db, TickingClock())
        for answer in sequence:
            ingest.save_conversation(answer)
        count = db.execute("SELECT count(*) FROM revisions").fetchone()[0]
        saved = Ingest(db, TickingClock()).save_conversation(sequence[-1])
        assert not saved.changed and not saved.new and saved.new_messages == 0
        assert db.execute("SELECT count(*) FROM revisions").fetchone()[0] == count
