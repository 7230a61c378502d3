"""How many requests may be under way: learned from what Canvas reports and refuses.

Canvas keeps a leaky bucket per token. Every request puts 50 units in at its start and takes them back at its
end, leaving what it really cost; the bucket leaks 10 units a second; a request that would overflow it is
refused. So the limit is on what is under way at once; ``X-Rate-Limit-Remaining`` says how much room is left.
"""

from __future__ import annotations

import math
import random
import threading
from dataclasses import dataclass

from canvas_archive.canvas.waiting import LONGEST_PAUSE, Waiter
from canvas_archive.clock import Clock

UP_FRONT_UNITS = 50.0
LEAK_PER_SECOND = 10.0
FIRST_WINDOW = 4
_ROOM_FOR_ONE = UP_FRONT_UNITS + 10.0


@dataclass(frozen=True, slots=True)
class RequestSlot:
    """The right to have one request under way."""

    number: int


def units(header: str | None) -> float | None:
    """Read a header that counts units of the bucket; ``None`` when it is missing or no number."""
    try:
        value = float(header) if header is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class Limiter:
    """Lets as many requests start as the window and the bucket allow; the threads beyond wait their turn.

    The window starts at 4, grows by one for every full window of clean answers up to ``concurrency`` and
    halves when Canvas throttles. After a throttled answer everything pauses, and then one request goes alone
    until Canvas has answered one.
    """

    def __init__(self, concurrency: int, clock: Clock, waiter: Waiter, rng: random.Random) -> None:
        self._concurrency = max(1, concurrency)
        self._clock = clock
        self._waiter = waiter
        self._rng = rng
        self._turn = threading.Condition()
        self._window = min(FIRST_WINDOW, self._concurrency)
        self._clean = 0
        self._under_way = 0
        self._started = 0
        self._remaining: float | None = None
        self._cost = 0.0  # of a request, averaged
        self._most_remaining = 0.0
        self._reported_at = 0.0
        self._paused_until = -math.inf
        self._throttles = 0  # in a row
        self._last_halving = 0  # the number of requests started when the window was last halved
        self._someone_sleeps = False
        self.last_success: float | None = None

    @property
    def allowed_in_flight(self) -> int:
        """How many requests may be under way now, at least one."""
        with self._turn:
            return self._allowed()

    @property
    def in_flight(self) -> int:
        """How many requests are under way now."""
        with self._turn:
            return self._under_way

    def _estimate(self) -> float | None:
        """The room in the bucket: what was last reported, and what has leaked since."""
        if self._remaining is None:
            return None
        leaked = LEAK_PER_SECOND * (self._clock.monotonic() - self._reported_at)
        return min(self._remaining + leaked, max(self._most_remaining, self._remaining))

    def _allowed(self) -> int:
        if self._throttles:
            return 1
        room = self._estimate()
        if room is None:
            return self._window
        return max(1, min(self._window, int(room // max(UP_FRONT_UNITS, self._cost))))

    def _pause(self) -> tuple[float, str]:
        """How long nothing may start, and why."""
        now = self._clock.monotonic()
        if self._paused_until > now:
            return self._paused_until - now, "Canvas asks to slow down"
        if self._remaining is not None and self._under_way == 0:
            # Others' refunds come with their answers; with none under way only the leak makes room.
            # A whole bucket smaller than what one request needs would never have room: do not wait for it.
            leaked = LEAK_PER_SECOND * (now - self._reported_at)
            missing = (_ROOM_FOR_ONE - self._remaining - leaked) / LEAK_PER_SECOND
            if missing > 0 and not self._throttles:
                return min(missing, LONGEST_PAUSE), "the rate limit is nearly used up"
        return 0.0, ""

    def acquire(self) -> RequestSlot:
        """Wait until a request may start, and count it as under way. Return the slot with ``release``."""
        with self._turn:
            while True:
                seconds, reason = self._pause()
                if seconds > 0:
                    if self._someone_sleeps:
                        self._turn.wait()
                    else:
                        self._sleep(seconds, reason)
                elif self._under_way < self._allowed():
                    self._under_way += 1
                    self._started += 1
                    return RequestSlot(self._started)
                else:
                    self._turn.wait()

    def _sleep(self, seconds: float, reason: str) -> None:
        """Sleep for all threads that wait: one of them does, so the pause is made and reported once."""
        self._someone_sleeps = True
        self._turn.release()
        try:
            self._waiter.wait(seconds, reason)
        finally:
            self._turn.acquire()
            self._someone_sleeps = False
            self._turn.notify_all()

    def release(
        self, slot: RequestSlot, *, clean: bool, remaining: float | None = None, cost: float | None = None
    ) -> None:
        """Return a slot. ``clean``: Canvas answered without throttling or failing.

        ``remaining`` and ``cost`` are what Canvas reported, in units of the bucket.
        """
        with self._turn:
            self._under_way -= 1
            if cost is not None:
                self._cost += (max(0.0, cost) - self._cost) / 4
            if remaining is not None:
                self._remaining = remaining
                self._most_remaining = max(self._most_remaining, remaining)
                self._reported_at = self._clock.monotonic()
            if clean:
                if slot.number > self._last_halving:
                    self._throttles = 0
                self.last_success = self._clock.monotonic()
                self._clean += 1
                if self._clean >= self._window and self._window < self._concurrency:
                    self._window += 1
                    self._clean = 0
            else:
                self._clean = 0
            self._turn.notify_all()

    def throttled(self, slot: RequestSlot, asked: float | None) -> float:
        """Take note of a throttled answer to the request of that slot; return the seconds to pause.

        ``asked`` is what Retry-After said. Several requests refused in one burst count once.
        """
        with self._turn:
            now = self._clock.monotonic()
            if slot.number > self._last_halving:
                self._last_halving = self._started
                self._window = max(1, self._window // 2)
                self._throttles += 1
            delay = min(LONGEST_PAUSE, 2.0 * float(2 ** min(self._throttles, 8))) * self._rng.uniform(
                0.5, 1.0
            )
            if asked is not None:
                # A server that asks for a second again and again means more.
                delay = max(asked, 1.0 if self._throttles <= 3 else delay)
            self._clean = 0
            return max(delay, self._paused_until - now)

    def pause(self, seconds: float) -> None:
        """Let nothing start for that many seconds."""
        with self._turn:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
