"""The history of runs, the ledger of problems, and the summaries that a sync compares with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from canvas_archive.clock import iso, parse_iso
from canvas_archive.store import Archive, Ingest, runs
from canvas_archive.store.summaries import (
    fingerprint,
    lasting_fingerprint,
    stored_fingerprints,
    stored_summaries,
)
from tests.store_support import NOON, TickingClock, conversation, create, message

LASTING = 2454449067847690972


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Open a new archive for writing."""
    with create(tmp_path / "mail") as made:
        yield made


def finish(archive: Archive, run: int, status: str, complete: bool, clock: TickingClock) -> None:
    runs.finish_run(
        archive.db,
        run,
        status=status,
        complete=complete,
        requests=6,
        bytes_=1000,
        counts={"new": 1},
        error=None,
        clock=clock,
    )


def test_a_run_is_written_down(archive: Archive) -> None:
    clock = TickingClock()
    run = runs.start_run(archive.db, "quick", clock)
    runs.finish_run(
        archive.db, run, "partial", False, 6, 1000, {"b": 1, "a": 2}, "broken \ud800", clock=clock
    )
    row = archive.db.execute("SELECT * FROM sync_runs").fetchone()
    assert (row["mode"], row["status"], row["complete"], row["requests"]) == ("quick", "partial", 0, 6)
    assert (row["bytes"], row["counts"], row["error"]) == (1000, '{"a":2,"b":1}', "broken \ufffd")
    assert row["started_at"] < row["finished_at"]


def test_a_run_of_a_dead_process_is_marked(archive: Archive) -> None:
    clock = TickingClock()
    dead = runs.start_run(archive.db, "full", clock)
    runs.start_run(archive.db, "full", clock)
    states = dict(archive.db.execute("SELECT id, status FROM sync_runs").fetchall())
    assert states == {dead: "interrupted", dead + 1: "running"}
    assert archive.db.execute("SELECT finished_at FROM sync_runs").fetchone()[0] is not None


def test_only_a_complete_full_sweep_counts(archive: Archive) -> None:
    clock = TickingClock()
    assert runs.last_complete_full(archive.db) is None
    for mode, complete in (("full", True), ("full", False), ("quick", True)):
        finish(archive, runs.start_run(archive.db, mode, clock), "ok", complete, clock)
    assert runs.last_complete_full(archive.db) == NOON + timedelta(seconds=1), "its beginning"


def test_the_ledger_counts_attempts(archive: Archive) -> None:
    clock = TickingClock()
    runs.record_problem(archive.db, "conversation", 5, "first", clock)
    runs.record_problem(archive.db, "attachment", 5, "other", clock)
    runs.record_problem(archive.db, "conversation", "5", "again", clock)
    (problem,) = runs.open_problems(archive.db, "conversation")
    assert (problem.item_id, problem.error, problem.attempts) == ("5", "again", 2)
    assert problem.first_at == iso(NOON + timedelta(seconds=1)) < problem.last_at
    assert [found.kind for found in runs.open_problems(archive.db)] == ["attachment", "conversation"]
    assert runs.clear_problem(archive.db, "conversation", 5)
    assert not runs.clear_problem(archive.db, "conversation", 5)
    assert len(runs.open_problems(archive.db)) == 1


class SetClock(TickingClock):
    """A clock that shows the time it is set to."""

    moment = NOON

    def now(self) -> datetime:
        return self.moment


def test_a_problem_rests_for_an_hour_a_day_and_then_weeks(archive: Archive) -> None:
    clock, rests = SetClock(), []
    for _ in range(6):
        runs.record_problem(archive.db, "attachment", 5, "broken", clock)
        (problem,) = runs.open_problems(archive.db)
        rests.append(parse_iso(problem.next_at) - clock.moment if problem.next_at else None)
    day, week = timedelta(days=1), timedelta(days=7)
    assert rests == [None, timedelta(hours=1), day, week, week, week]
    for _ in range(6):
        runs.record_problem(archive.db, "list", "inbox", "broken", clock)
    assert runs.open_problems(archive.db, "list")[0].next_at == iso(NOON + day), "lists matter to all"


def due(archive: Archive, clock: TickingClock, *, everything: bool = False) -> list[str]:
    found = runs.due_problems(archive.db, "attachment", clock, everything=everything)
    return [problem.item_id for problem in found]


def test_what_is_due_and_what_rests(archive: Archive) -> None:
    clock = SetClock()
    for item, failures in (("once", 1), ("twice", 2), ("thrice", 3)):
        for _ in range(failures):
            runs.record_problem(archive.db, "attachment", item, "broken", clock)
    assert due(archive, clock) == ["once"]
    assert runs.resting_ids(archive.db, "attachment", clock) == {"twice", "thrice"}
    assert runs.resting_ids(archive.db, "conversation", clock) == set()
    assert due(archive, clock, everything=True) == ["once", "thrice", "twice"]
    clock.moment += timedelta(hours=1)
    assert due(archive, clock) == ["once", "twice"]
    clock.moment -= timedelta(days=900)
    assert due(archive, clock) == ["once", "thrice", "twice"], "that far ahead only a wrong clock writes"


def test_an_accepted_problem_stays_in_the_ledger_and_is_never_due(archive: Archive) -> None:
    clock = SetClock()
    runs.record_problem(archive.db, "attachment", 5, "broken", clock)
    assert not runs.accept_problem(archive.db, "conversation", 5, clock)
    assert runs.accept_problem(archive.db, "attachment", 5, clock)
    assert due(archive, clock, everything=True) == []
    assert runs.resting_ids(archive.db, "attachment", clock) == {"5"}
    (problem,) = runs.open_problems(archive.db)
    assert (problem.error, problem.accepted_at) == ("broken", iso(NOON))
    runs.record_problem(archive.db, "attachment", 5, "broken anew", clock)
    (problem,) = runs.open_problems(archive.db)
    assert (problem.accepted_at, problem.attempts) == (None, 2)


def test_a_retry_makes_a_problem_due_at_once(archive: Archive) -> None:
    clock = SetClock()
    for _ in range(4):
        runs.record_problem(archive.db, "attachment", 5, "broken", clock)
    assert due(archive, clock) == []
    assert runs.retry_problem(archive.db, "attachment", 5)
    assert due(archive, clock) == ["5"]
    runs.accept_problem(archive.db, "attachment", 5, clock)
    assert runs.retry_problem(archive.db, "attachment", 5)
    assert due(archive, clock) == ["5"]
    assert not runs.retry_problem(archive.db, "attachment", 6)


def test_what_was_left_out_is_due_without_counting_as_a_try(archive: Archive) -> None:
    clock = SetClock()
    runs.record_untried(archive.db, "attachment", 5, "not tried", clock)
    assert due(archive, clock) == ["5"]
    runs.record_problem(archive.db, "attachment", 5, "broken", clock, fingerprint=7)
    runs.record_untried(archive.db, "attachment", 5, "not tried", clock)
    (problem,) = runs.open_problems(archive.db)
    assert (problem.error, problem.attempts, problem.next_at, problem.fingerprint) == ("broken", 1, None, 7)


def test_a_stored_summary_says_what_a_sync_must_know(archive: Archive) -> None:
    ingest = Ingest(archive.db, TickingClock())
    answer = conversation(
        1, message(100), properties=("b", "a"), audience=(30, 20), workflow_state="unread", starred=True
    )
    ingest.save_conversation(answer)
    ingest.save_summary(replace(conversation(2, audience=()), messages=None, subject=None))
    archive.db.execute("UPDATE conversations SET workflow_state = 'archived' WHERE id = 1")
    found = stored_summaries(archive.db)
    assert (found[1].workflow_state, found[1].starred, found[1].subscribed) == ("unread", True, True)
    assert (found[1].fetched, found[1].removed) == (True, False)
    assert not found[2].fetched
    assert stored_fingerprints(archive.db, [1, 2, 3]) == {
        1: fingerprint(replace(answer, messages=None)),
        2: fingerprint(conversation(2, audience=(), subject=None)),
    }


def test_the_fingerprint_sees_content_and_nothing_else() -> None:
    base = conversation(1, message(100), audience=(20, 30), properties=("attachments", "last_author"))
    known = fingerprint(base)
    same = replace(
        base,
        audience=(30, 20),
        properties=("last_author", "attachments"),
        workflow_state="archived",
        starred=True,
        subscribed=False,
        context_name="Nickname",
        avatar_url="https://x",
        participants=(),
        extra={"visible": True},
        messages=None,
    )
    assert fingerprint(same) == known
    different = (
        {"message_count": 9},
        {"last_message_at": "2026-01-01T00:00:00Z"},
        {"last_authored_message_at": "2026-01-01T00:00:00Z"},
        {"last_message": "x"},
        {"last_authored_message": "x"},
        {"audience": (20,)},
        {"properties": ()},
        {"subject": None},
        {"context_code": None},
    )
    lasting = lasting_fingerprint(base)
    assert lasting_fingerprint(same) == lasting == LASTING, "the same in every process"
    for take, of_base in ((fingerprint, known), (lasting_fingerprint, lasting)):
        prints = {take(replace(base, **change)) for change in different}  # type: ignore[arg-type]
        assert len(prints) == len(different) and of_base not in prints
        assert -(2**63) <= of_base < 2**63


def test_odd_text_has_one_fingerprint_before_and_after_storing(archive: Archive) -> None:
    answer = conversation(1, message(100), subject="half \ud83d", last_message="\ud83c\udf93 é")
    Ingest(archive.db, TickingClock()).save_conversation(answer)
    assert stored_fingerprints(archive.db, [1]) == {1: fingerprint(answer)}
