"""Which lines ``--cov`` counts: not those of a test marked ``uncounted``, nor all of the sandbox's.

Without ``--cov`` nothing here does anything.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

import canvas_archive

OF_THE_SANDBOX = ("test_sandbox_", "test_sample_", "test_client_")
"""The beginnings of the files whose tests say what the sandbox does."""


def pytest_collection_finish() -> None:
    """Import the whole package first: what an uncounted test imported would seem never to be run."""
    if _coverage() is not None:
        for module in pkgutil.walk_packages(canvas_archive.__path__, "canvas_archive."):
            importlib.import_module(module.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Count, from its setup to its teardown, only those lines of a test that are to be counted."""
    with without_counting_lines(item), without_counting_the_sandbox(item):
        return (yield)


@contextmanager
def without_counting_lines(item: pytest.Item) -> Iterator[None]:
    """Run what is marked ``uncounted`` at full speed: coverage makes it take twice as long."""
    stopped: list[Any] = []
    if item.get_closest_marker("uncounted"):
        # Two of them in a process of a parallel run: pytest-cov's own lies below, and would go on counting.
        while (coverage := _coverage()) is not None:
            coverage.stop()
            stopped.append(coverage)
    try:
        yield
    finally:
        for coverage in reversed(stopped):
            coverage.start()


@contextmanager
def without_counting_the_sandbox(item: pytest.Item) -> Iterator[None]:
    """Count the lines of a sandbox's thread only where the sandbox is what is tested.

    Elsewhere it is the peer, and counting its lines would take most of the time.
    """
    count = threading.gettrace()
    if count is None or item.path.name.startswith(OF_THE_SANDBOX):
        yield
        return

    def count_elsewhere(frame: FrameType, event: str, argument: Any) -> Any:
        if threading.current_thread().name == "sandbox":
            sys.settrace(None)
            return None
        return count(frame, event, argument)

    threading.settrace(count_elsewhere)
    try:
        yield
    finally:
        threading.settrace(count)


def _coverage() -> Any:
    """Return what counts lines in this process, or None."""
    try:
        from coverage import Coverage
    except ImportError:
        return None
    return Coverage.current()
