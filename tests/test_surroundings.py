"""What one test needs of its process does not reach the next: a browser's loop, the count of lines."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType, SimpleNamespace

import pytest

from tests.conftest import without_the_loop_of_a_browser
from tests.line_counting import without_counting_lines, without_counting_the_sandbox


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


def test_a_sandbox_s_thread_is_counted_only_where_it_is_tested(request: pytest.FixtureRequest) -> None:
    counted: list[str] = []

    def count(frame: FrameType, event: str, argument: object) -> None:
        counted.append(threading.current_thread().name)

    def run_both() -> list[str]:
        counted.clear()
        for name in ("sandbox", "another"):
            thread = threading.Thread(target=len, args=("",), name=name)
            thread.start()
            thread.join()
        return sorted(set(counted))

    before = threading.gettrace()
    threading.settrace(count)
    try:
        with without_counting_the_sandbox(request.node):
            assert run_both() == ["another"]
        assert run_both() == ["another", "sandbox"]
        of_the_sandbox = SimpleNamespace(path=Path("test_sandbox_world.py"))
        with without_counting_the_sandbox(of_the_sandbox):  # type: ignore[arg-type]
            assert run_both() == ["another", "sandbox"]
    finally:
        threading.settrace(before)  # type: ignore[arg-type]


IN_A_SHELL_THAT_IGNORES = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", sys.argv[1]])
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_what_the_shell_ignores_is_not_ignored_in_what_a_test_starts(repository: Path) -> None:
    name = "tests/test_surroundings.py::test_a_process_meets_signals_as_usual"
    command = [sys.executable, "-c", IN_A_SHELL_THAT_IGNORES, name]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_process_meets_signals_as_usual() -> None:
    code = "import signal as s; print(s.getsignal(s.SIGHUP), s.getsignal(s.SIGTERM), s.getsignal(s.SIGINT))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{signal.SIG_DFL} {signal.SIG_DFL} {signal.default_int_handler}\n"
