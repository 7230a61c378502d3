"""How the cost of a letter grows with the text it is in, next to a pass over the text that only counts.

``ours`` and ``peer`` are nanoseconds of processor time for each byte, at 8 KB and at 1 MB.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tests.benchmarks.figures import Plan, Row, by_turns, median
from tests.growth_support import PLACES, put, texts

SMALL = 8 * 1024
LARGE = 1024 * 1024
MOST = 4.0
"""A byte of a large text costs at most so many times what a byte of a small one costs."""


def rows(plan: Plan) -> Iterator[Row]:
    """Yield a row for each place that meets foreign text, with the text that costs it most."""
    large = plan.size(LARGE, 4 * SMALL)
    n = plan.size(3, 1)
    for name in PLACES:
        yield _row(name, large, n)


def _row(name: str, large: int, n: int) -> Row:
    samples = list(zip(texts(name, SMALL, own=True), texts(name, large, own=True), strict=True))
    small, text = max(samples, key=lambda sample: _nanoseconds(lambda: put(name, sample[1]), 1))
    calls: list[Callable[[], float]] = [
        lambda: _nanoseconds(lambda: put(name, small), max(1, large // SMALL // 8)) / _size(small),
        lambda: _nanoseconds(lambda: put(name, text), 1) / _size(text),
        lambda: _nanoseconds(lambda: _peer(small), max(1, large // SMALL // 8)) / _size(small),
        lambda: _nanoseconds(lambda: _peer(text), 1) / _size(text),
    ]
    first, last, peer_first, peer_last = map(median, by_turns(calls, n))
    growth, peer_growth = last / first, peer_last / peer_first
    return Row(
        name,
        f"{first:,.1f} to {last:,.1f} ns a byte: grows {growth:.2f} times",
        f"{peer_first:,.1f} to {peer_last:,.1f} ns a byte: {peer_growth:.2f} times",
        peer_last / last,
        n,
        f"≤ {MOST:g} times",
        growth <= MOST,
        growth,
        peer_growth,
        "times",
    )


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _peer(text: str) -> int:
    """Go over a text character by character, as plain Python does."""
    return sum(1 for character in text if character == "\0")


def _nanoseconds(call: Callable[[], object], times: int) -> float:
    began = time.process_time_ns()
    for _ in range(times):
        call()
    return max(1, time.process_time_ns() - began) / times
