"""What one test needs of its process does not reach the next: a browser's loop, the count of lines."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.conftest import without_counting_lines, without_the_loop_of_a_browser


async def _one() -> int:
    return 1


def test_a_test_without_a_browser_meets_no_loop_of_one(request: pytest.FixtureRequest) -> None:
    before = asyncio._get_running_loop()
    loop = asyncio.new_event_loop()

    async def as_playwright_leaves_it() -> None:
        with without_the_loop_of_a_browser(request.node):
            assert asyncio.run(_one()) == 1
        assert asyncio.get_running_loop() is loop

    try:
        loop.run_until_complete(as_playwright_leaves_it())
    finally:
        loop.close()
    assert asyncio._get_running_loop() is before


def test_a_browser_is_started_in_one_place() -> None:
    """A second Playwright in a process finds the loop of the first, and gives up."""
    folder = Path(__file__).parent
    starting = [
        path.name
        for path in folder.rglob("*.py")
        if re.search(r"\bsync_playwright\(\)", path.read_text("utf-8"))
    ]
    assert starting == ["conftest.py"]


def test_what_is_marked_uncounted_adds_no_covered_lines(request: pytest.FixtureRequest) -> None:
    coverage = pytest.importorskip("coverage").Coverage
    own = None
    if coverage.current() is None:
        own = coverage(data_file=None, config_file=False, include=[__file__])
        own.start()
    counting = sys.gettrace()
    try:
        assert counting is not None
        with without_counting_lines(request.node):
            assert sys.gettrace() is counting  # not marked: nothing changes
        request.applymarker(pytest.mark.uncounted)
        with without_counting_lines(request.node):
            assert sys.gettrace() is None
        assert type(sys.gettrace()) is type(counting)
    finally:
        if own is not None:
            own.stop()
