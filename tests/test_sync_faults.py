"""Everything that can go wrong on the way, made to happen: nothing is lost, and the exit code tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.errors import (
    CanvasProblem,
    ItemsFailed,
    MalformedAnswer,
    TokenRefused,
    Unreachable,
)
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from tests.sync_support import Pair, assert_equal, bind
from tests.test_sync_changes import inbox_group
from tests.test_sync_moving import content_of, truth_of

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]

SHOW = r"^/api/v1/conversations/\d+"
LIST = r"^/api/v1/conversations\?"


class QuickClock:
    """The real time, but nobody waits: sleeping only moves the clock on."""

    def __init__(self) -> None:
        from canvas_archive.clock import SYSTEM

        self._system = SYSTEM
        self.slept = 0.0

    def now(self) -> Any:
        from datetime import timedelta

        return self._system.now() + timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        return self._system.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """An empty archive and its sandbox."""
    with Sandbox(conversations=40) as sandbox:
        yield bind(sandbox, tmp_path / "archive", monkeypatch)


PASSING = [
    Fault("status", SHOW, status=500, times=3),
    Fault("status", SHOW, status=502, times=3),
    Fault("status", LIST, status=503, times=3),
    Fault("reset", SHOW, times=3),
    Fault("abort", LIST, times=2),
    Fault("truncate", SHOW, times=3),
    Fault("truncate", LIST, times=2),
    Fault("invalid_json", SHOW, times=2),
    Fault("throttle_403", SHOW, times=6),
    Fault("throttle_429", SHOW, times=6, retry_after="2"),
    Fault("throttle_429", LIST, times=2),
    Fault("slow", SHOW, times=2, delay=0.01),
    Fault("duplicate_rows", LIST, times=2),
]


@pytest.mark.parametrize(
    "fault", PASSING, ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.match[-4:]}"
)
def test_trouble_that_passes_leaves_no_trace(pair: Pair, fault: Fault) -> None:
    pair.sandbox.faults.add(fault)
    report = pair.sync(mode="full", attachments=False, clock=QuickClock()).report
    assert report.problems == []
    assert_equal(pair)
    assert pair.one("SELECT count(*) FROM problems") == 0


def test_a_dropped_row_is_fetched_all_the_same(pair: Pair) -> None:
    pair.sandbox.faults.add(Fault("drop_row", LIST, times=1))
    pair.sync(mode="full", attachments=False, clock=QuickClock())
    assert_equal(pair)


def test_an_item_that_keeps_failing_is_recorded_tried_once_more_and_rests(pair: Pair) -> None:
    id_ = pair.sandbox.school.ids("inbox")[7]
    pair.sandbox.faults.add(Fault("invalid_json", rf"^/api/v1/conversations/{id_}\b", times=None))
    result = pair.sync(mode="full", attachments=False, check=False, clock=QuickClock())
    assert isinstance(result.error, ItemsFailed) and result.error.exit_code == 5
    assert [(p.kind, p.id) for p in result.report.problems] == [("conversation", str(id_))]
    assert pair.one("SELECT attempts FROM problems WHERE item_id = ?", str(id_)) == 1
    assert pair.one("SELECT status FROM sync_runs ORDER BY id DESC") == "partial"
    assert len(content_of(pair)) == len(truth_of(pair)) - 1
    pair.sync(mode="quick", attachments=False, check=False, clock=QuickClock())
    assert pair.one("SELECT attempts FROM problems WHERE item_id = ?", str(id_)) == 2
    pair.sandbox.faults.clear()
    pair.sandbox.log.clear()
    result = pair.sync(mode="quick", attachments=False, clock=QuickClock())
    assert (result.report.resting, result.report.requests) == (1, 6)
    pair.sandbox.log.clear()
    pair.sync(mode="quick", attachments=False, clock=QuickClock(), retry=True)
    shows = [entry for entry in pair.sandbox.log.api if entry.path.endswith(str(id_))]
    assert len(shows) == 1
    assert pair.one("SELECT count(*) FROM problems") == 0
    assert_equal(pair)


def test_a_wrong_type_never_stores_half_a_conversation(pair: Pair) -> None:
    id_ = pair.sandbox.school.ids("inbox")[3]
    pair.sandbox.faults.add(
        Fault("wrong_type", rf"^/api/v1/conversations/{id_}\b", times=None, field="message_count")
    )
    result = pair.sync(mode="full", attachments=False, check=False, clock=QuickClock())
    assert isinstance(result.error, ItemsFailed)
    assert str(id_) in {p.id for p in result.report.problems}
    assert pair.one("SELECT count(*) FROM messages WHERE conversation_id = ?", id_) == 0


def test_canvas_going_away_ends_with_4_and_keeps_what_was_done(pair: Pair) -> None:
    pair.sandbox.faults.add(Fault("abort", "", times=None, after=20))
    result = pair.sync(
        mode="full", attachments=False, check=False, clock=QuickClock(), patience_minutes=1, jobs=2
    )
    assert isinstance(result.error, Unreachable) and result.error.exit_code == 4
    done = pair.one("SELECT count(*) FROM conversations WHERE fetched_at IS NOT NULL")
    assert 0 < done < len(truth_of(pair))
    assert pair.one("SELECT status FROM sync_runs ORDER BY id DESC") == "failed"
    pair.sandbox.faults.clear()
    pair.sandbox.log.clear()
    pair.sync(mode="full", attachments=False, clock=QuickClock())
    shows = [entry for entry in pair.sandbox.log.api if entry.path.rpartition("/")[2].isdigit()]
    assert len(shows) == len(truth_of(pair)) - done
    assert_equal(pair)


def test_throttling_without_end_is_given_up_after_the_patience(pair: Pair) -> None:
    pair.sandbox.faults.add(Fault("throttle_429", "", times=None, after=10))
    clock = QuickClock()
    result = pair.sync(mode="full", attachments=False, check=False, clock=clock, patience_minutes=2)
    assert isinstance(result.error, CanvasProblem) and result.error.exit_code == 4
    assert clock.slept >= 60


@pytest.mark.sampled
def test_a_token_revoked_midway_ends_with_3(pair: Pair) -> None:
    pair.sandbox.faults.add(Fault("revoke_token", SHOW, times=1, after=10))
    result = pair.sync(mode="full", attachments=False, check=False, clock=QuickClock())
    assert isinstance(result.error, TokenRefused) and result.error.exit_code == 3
    assert "New Access Token" in str(result.error)
    assert pair.one("SELECT count(*) FROM conversations WHERE fetched_at IS NOT NULL") > 0


@pytest.mark.sampled
def test_a_login_page_instead_of_a_list_removes_nothing(pair: Pair) -> None:
    pair.sync(mode="full", attachments=False)
    pair.sandbox.faults.add(Fault("html_login", LIST, times=None))
    result = pair.sync(mode="full", attachments=False, check=False, clock=QuickClock())
    assert result.error is not None and result.error.exit_code in (4, 5)
    assert pair.one("SELECT count(*) FROM conversations WHERE removed_at IS NOT NULL") == 0
    assert pair.one("SELECT complete FROM sync_runs ORDER BY id DESC") == 0


def test_a_next_link_to_another_host_gets_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(conversations=130) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        sandbox.faults.add(Fault("foreign_next", LIST, times=None))
        result = pair.sync(mode="full", attachments=False, check=False, clock=QuickClock())
        assert isinstance(result.error, ItemsFailed) and not result.report.complete
        assert "not sent there" in result.report.problems[0].error
        assert sandbox.leaked_tokens == []


def test_a_next_link_in_a_loop_is_an_error_not_a_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(conversations=130) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        sandbox.faults.add(Fault("loop_next", LIST, times=None))
        result = pair.sync(mode="full", attachments=False, check=False, clock=QuickClock())
        assert isinstance(result.error, (ItemsFailed, MalformedAnswer))
        assert pair.one("SELECT complete FROM sync_runs ORDER BY id DESC") == 0


def test_a_ghost_in_the_id_list_is_not_asked_for_at_every_sync(pair: Pair) -> None:
    pair.sync(mode="full", attachments=False)
    id_ = inbox_group(pair)
    school = pair.sandbox.school
    other = pair.others(id_)[0]
    ghost = school.start_conversation(other, [pair.owner], "Ghost", "Its record will be damaged.")
    school.orphan(ghost)
    pair.sync(mode="quick", attachments=False)
    assert pair.sync(mode="quick", attachments=False).report.requests == 6
    assert pair.one("SELECT count(*) FROM conversations WHERE id = ?", ghost) == 0


def test_a_stored_conversation_that_becomes_a_ghost_is_marked_once_and_comes_back(pair: Pair) -> None:
    pair.sync(mode="full", attachments=False)
    id_, school = inbox_group(pair), pair.sandbox.school
    school.receive(id_, pair.others(id_)[0], "The last one.")
    school.orphan(id_)
    pair.sync(mode="full", attachments=False)
    pair.sync(mode="full", attachments=False, refetch=True)
    assert pair.one("SELECT removed_at FROM conversations WHERE id = ?", id_) is not None
    assert pair.sync(mode="quick", attachments=False).report.requests == 6
    school.state.orphans.clear()
    school.receive(id_, pair.others(id_)[0], "Repaired.")
    pair.sync(mode="quick", attachments=False)
    assert_equal(pair)


def test_a_list_that_failed_is_forgotten_once_it_succeeds(pair: Pair) -> None:
    pair.sync(mode="full", attachments=False)
    pair.sandbox.faults.add(Fault("invalid_json", LIST, times=None))
    pair.sync(mode="quick", attachments=False, check=False, clock=QuickClock())
    assert pair.one("SELECT count(*) FROM problems WHERE kind = 'list'") > 0
    pair.sandbox.faults.clear()
    pair.sync(mode="quick", attachments=False)
    assert pair.one("SELECT count(*) FROM problems") == 0
