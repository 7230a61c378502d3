"""The history of runs, the ledger of problems, and the summaries that a sync compares with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from canvas_archive.clock import iso
from canvas_archive.store import Archive, Ingest, runs
from canvas_archive.store.summaries import fingerprint, stored_fingerprints, stored_summaries
from tests.store_support import NOON, TickingClock, conversation, create, message


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
    assert [found.kind for found in runs.open_problems(archive.db)] == ["conversation", "attachment"]
    assert runs.clear_problem(archive.db, "conversation", 5)
    assert not runs.clear_problem(archive.db, "conversation", 5)
    assert len(runs.open_problems(archive.db)) == 1


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
    prints = {fingerprint(replace(base, **change)) for change in different}  # type: ignore[arg-type]
    assert len(prints) == len(different) and known not in prints
    assert -(2**63) <= known < 2**63


def test_odd_text_has_one_fingerprint_before_and_after_storing(archive: Archive) -> None:
    answer = conversation(1, message(100), subject="half \ud83d", last_message="\ud83c\udf93 é")
    Ingest(archive.db, TickingClock()).save_conversation(answer)
    assert stored_fingerprints(archive.db, [1]) == {1: fingerprint(answer)}
