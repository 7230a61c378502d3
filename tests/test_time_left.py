"""The time left is true: replays of recorded syncs, and work whose total grows or that sleeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.cli.time_left import Pace, SyncTimeLeft

RECORDED = Path(__file__).parent / "data"
RUNS = ("first_sync", "resumed_sync")
"""Syncs of 1,500 conversations at 400 ms, throttled, with files and index."""

TICK = 0.5
WITHIN, SECONDS = 0.3, 5.0
"""How far an estimate may be from the truth: the part of it, or at the end so many seconds."""


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def replayed(name: str, nap: tuple[float, float]) -> Iterator[tuple[float, float, float | None]]:
    """Yield, twice a second, the part that is over, the seconds that were left, and the estimate.

    ``nap`` is when the machine falls asleep, and for how long.
    """
    events = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    end, clock = events[-1][0], Clock()
    estimate, slept = SyncTimeLeft(clock), 0.0
    at, pending = 0.0, list(events[:-1])
    while at < end:
        at += TICK
        if nap[1] and not slept and at >= nap[0]:
            slept = nap[1]
        while pending and pending[0][0] <= at:
            seconds, what, *numbers = pending.pop(0)
            clock.now = 1000.0 + seconds + slept
            if what in ("conversations", "files", "unindexed", "indexed"):
                getattr(estimate, what)(*numbers)
        clock.now = 1000.0 + at + slept
        yield at / end, end - at, estimate.seconds()


@pytest.mark.parametrize("nap", [(0.0, 0.0), (40.0, 7200.0)], ids=["awake", "slept for two hours"])
@pytest.mark.parametrize("name", RUNS)
def test_after_a_tenth_the_estimate_is_within_thirty_percent(name: str, nap: tuple[float, float]) -> None:
    wrong = [
        (round(part, 2), round(left, 1), guess)
        for part, left, guess in replayed(name, nap)
        if part >= 0.1 and (guess is None or abs(guess - left) > max(WITHIN * left, SECONDS))
    ]
    assert wrong == []


def test_a_total_that_grows_changes_no_pace() -> None:
    clock = Clock()
    pace = Pace(clock)
    for done in range(60):
        pace.note(done)
        clock.now += 1
    assert pace.seconds(100) == pytest.approx(100)
    assert pace.seconds(1000) == pytest.approx(1000)


def test_a_stall_shows_and_a_new_pace_is_seen() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.seconds(10) is None
    for done in range(100):
        pace.note(done)
        clock.now += 0.1
    fast = pace.seconds(100)
    clock.now += 20
    stalled = pace.seconds(100)
    assert fast == pytest.approx(10, rel=0.05) and stalled is not None and stalled > 2 * fast
    for done in range(100, 200):
        pace.note(done)
        clock.now += 1
    assert pace.seconds(100) == pytest.approx(100, rel=0.35)


def test_what_begins_anew_is_judged_anew() -> None:
    clock = Clock()
    pace = Pace(clock)
    for done in (0, 10, 20, 0):
        pace.note(done)
        clock.now += 1
    assert pace.seconds(5) is None


def test_files_of_earlier_runs_are_not_expected_of_each_conversation() -> None:
    clock = Clock()
    left = SyncTimeLeft(clock)
    left.files(0, 200)
    for done in range(1, 51):
        clock.now += 1
        left.conversations(done, 100)
        left.files(done, 200)
    assert left.seconds() == pytest.approx(
        125, rel=0.01
    )  # 50 and 150 files, each as three: 500 at four a second
