"""Whether Canvas as a whole answers: checked when one request fails."""

from __future__ import annotations

import threading
from collections.abc import Callable

from canvas_archive.clock import Clock

GOOD_SECONDS = 5.0
"""For how many seconds an answer to the question holds."""


class Probe:
    """Makes one cheap request for all threads: one at a time, and not again while its answer is recent."""

    def __init__(self, ask: Callable[[], bool], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._answer = False
        self._asked_at: float | None = None

    def canvas_answers(self) -> bool:
        """Return whether Canvas answers, as of a few seconds ago at most."""
        with self._one_at_a_time:
            if self._asked_at is None or self._clock.monotonic() - self._asked_at >= GOOD_SECONDS:
                self._answer = self._ask()
                self._asked_at = self._clock.monotonic()
            return self._answer
