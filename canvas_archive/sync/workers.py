"""Worker pools: threads that make requests while one thread writes.

Work is a callable, and its outcome is a value on the queue that the writing thread reads. A worker never
raises: an error is an outcome, too. The threads are daemons, so Ctrl-C does not wait for a request. Waits for
a throttled Canvas end as soon as ``stop`` is set.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from canvas_archive.clock import Clock

T = TypeVar("T")


class Stopped(Exception):
    """Raised inside a worker whose wait was cut short because the run is ending."""


class StoppableClock:
    """A clock whose sleeps end, with ``Stopped``, when the run is stopped."""

    def __init__(self, clock: Clock, stop: threading.Event, *, real_waits: bool) -> None:
        self._clock = clock
        self._stop = stop
        self._real_waits = real_waits

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return seconds from some fixed point, never going back."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is stopped meanwhile."""
        if self._real_waits:
            self._stop.wait(seconds)
        else:
            self._clock.sleep(seconds)
        if self._stop.is_set():
            raise Stopped


@dataclass(frozen=True, slots=True)
class JobOutcome(Generic[T]):
    """The outcome of one job: ``error`` is ``None`` on success."""

    job: T
    value: object
    error: Exception | None


class WorkerPool(Generic[T]):
    """A fixed number of worker threads, started as work arrives."""

    def __init__(self, size: int, name: str, results: queue.SimpleQueue[JobOutcome[T]]) -> None:
        self._size = size
        self._name = name
        self._results = results
        self._work: queue.SimpleQueue[tuple[T, Callable[[], object]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def submit(self, job: T, call: Callable[[], object]) -> None:
        """Queue one job; its outcome will appear on the results queue."""
        if len(self._threads) < self._size:
            thread = threading.Thread(
                target=self._loop, name=f"{self._name}-{len(self._threads) + 1}", daemon=True
            )
            thread.start()
            # After the start: a Ctrl-C during it must not leave a thread that cannot be joined.
            self._threads.append(thread)
        self._work.put((job, call))

    def _loop(self) -> None:
        while (item := self._work.get()) is not None:
            job, call = item
            if self._stopped:
                continue
            try:
                outcome: JobOutcome[T] = JobOutcome(job, call(), None)
            except Exception as error:
                outcome = JobOutcome(job, None, error)
            self._results.put(outcome)

    def stop(self) -> None:
        """End the threads after their current job. Queued jobs are dropped."""
        self._stopped = True
        for _ in self._threads:
            self._work.put(None)

    def join(self, until: float) -> None:
        """Wait for the threads to end, at most until that moment of ``time.monotonic``."""
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
