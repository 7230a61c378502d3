"""Threads that arrive together share a commit; one that cannot be stored costs no other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from canvas_archive.model import Conversation, MediaComment
from canvas_archive.store import Archive, Ingest
from canvas_archive.store.runs import open_problems, record_problem
from canvas_archive.sync import arrivals
from canvas_archive.sync.arrivals import MOST_TOGETHER, Arrivals
from canvas_archive.sync.report import Report
from canvas_archive.sync.texts import RunTexts
from tests.store_support import TickingClock, conversation, create, message


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Open a new archive for writing."""
    with create(tmp_path / "mail") as made:
        yield made


@pytest.fixture
def waiting(archive: Archive) -> Arrivals:
    """Return a place for threads to wait."""
    clock = TickingClock()
    texts = RunTexts(archive.db, clock, 1, Report("full"))
    return Arrivals(archive.db, Ingest(archive.db, clock), texts, ("conversation", "ghost"))


def broken(conversation_id: int) -> Conversation:
    """Return a thread that the database refuses."""
    return conversation(conversation_id, replace(message(999), created_at=None))  # type: ignore[arg-type]


def stored_ids(archive: Archive) -> list[int]:
    return [row[0] for row in archive.db.execute("SELECT id FROM conversations ORDER BY id")]


def test_all_that_wait_are_one_transaction(archive: Archive, waiting: Arrivals) -> None:
    commits = []
    archive.db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    for number in (1, 2, 3):
        waiting.add(conversation(number, message(100 + number)))
    assert stored_ids(archive) == []
    stored = list(waiting.store())
    archive.db.set_trace_callback(None)
    assert len(commits) == 1 and stored_ids(archive) == [1, 2, 3]
    assert [one.conversation.id for one in stored] == [1, 2, 3] and all(one.saved.new for one in stored)
    assert list(waiting.store()) == []


def test_what_is_stored_is_struck_off_the_ledger(archive: Archive, waiting: Arrivals) -> None:
    for kind, item in (("conversation", 1), ("ghost", 2), ("conversation", 3), ("attachment", 1)):
        record_problem(archive.db, kind, item, "broken", TickingClock())
    for number in (1, 2):
        waiting.add(conversation(number, message(100 + number)))
    assert len(list(waiting.store())) == 2
    left = {(problem.kind, problem.item_id) for problem in open_problems(archive.db)}
    assert left == {("conversation", "3"), ("attachment", "1")}


def test_one_that_cannot_be_stored_costs_no_other_before_it(archive: Archive, waiting: Arrivals) -> None:
    for one in (conversation(1, message(101)), broken(2), conversation(3, message(103))):
        waiting.add(one)
    done = []
    with pytest.raises(sqlite3.IntegrityError):
        done.extend(one.conversation.id for one in waiting.store())
    assert stored_ids(archive) == [1]
    waiting.add(broken(4))
    with pytest.raises(sqlite3.IntegrityError):
        list(waiting.store())
    assert stored_ids(archive) == [1]


def test_a_group_that_fails_where_each_of_it_does_not_is_stored_one_by_one(
    archive: Archive, waiting: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Ingest.save_conversations

    def only_one(self: Ingest, group: list[Conversation]) -> object:
        if len(group) > 1:
            raise sqlite3.OperationalError("too much at a time")
        return save(self, group)

    monkeypatch.setattr(Ingest, "save_conversations", only_one)
    for number in (1, 2, 3):
        waiting.add(conversation(number, message(100 + number)))
    assert [one.conversation.id for one in waiting.store()] == [1, 2, 3]
    assert stored_ids(archive) == [1, 2, 3]


def test_a_thread_waits_for_a_moment_and_a_large_group_not_at_all(
    waiting: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(arrivals.time, "monotonic", lambda: now)
    assert waiting.patience is None
    waiting.add(conversation(1, message(101)))
    assert waiting.patience == pytest.approx(arrivals.MOMENT_SECONDS)
    now += arrivals.MOMENT_SECONDS / 2
    waiting.add(conversation(2, message(102)))
    assert waiting.patience == pytest.approx(arrivals.MOMENT_SECONDS / 2)
    now += arrivals.MOMENT_SECONDS
    assert waiting.patience == 0.0
    list(waiting.store())
    for number in range(MOST_TOGETHER):
        waiting.add(conversation(number + 3, message(number + 103)))
    assert waiting.patience == 0.0


def test_only_files_and_recordings_are_worth_looking_for(waiting: Arrivals) -> None:
    media = MediaComment("m-1", "audio")
    waiting.add(conversation(1, message(101)))
    waiting.add(conversation(2, message(102, media_comment=media)))
    assert [one.may_bring_files for one in waiting.store()] == [False, True]
