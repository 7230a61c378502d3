"""How long to wait, and when to stop waiting."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from canvas_archive.clock import Clock

LONGEST_PAUSE = 30.0
"""No single backoff is longer than this many seconds (a server's own Retry-After may be)."""

FIRST_CONTACT_TRIES = 4
"""Attempts to connect before a client that never got an answer gives up: a mistyped address ends soon."""

ITEM_TRIES = 6
"""Attempts before a request that keeps failing while Canvas answers others counts as failed."""

SILENT_TRIES = 2
"""The same for a request whose answer does not come, since each attempt takes SILENCE_SECONDS."""

ITEM_SECONDS = 20.0
"""Seconds that such a request waits between its attempts at most, all waits together."""

SILENCE_SECONDS = 20.0
"""An attempt ends when the network brings no byte for this many seconds."""

WRITE_SILENCE = 3.0
"""How many times longer an answer to something that must not be sent twice is waited for."""

SLOWEST_BYTES = 20 * 1024
"""An attempt ends when SILENCE_SECONDS bring fewer bytes of its answer than this."""


@dataclass(frozen=True, slots=True)
class RetryWait:
    """A pause the client makes: for how many seconds, why, and until when."""

    seconds: float
    reason: str
    until: datetime


OnWait = Callable[[RetryWait], None]


class Waiter:
    """Makes pauses through the injected clock, and reports them."""

    def __init__(self, clock: Clock, on_wait: OnWait | None, stats: Stats) -> None:
        self._clock = clock
        self._on_wait = on_wait
        self._stats = stats

    def wait(self, seconds: float, reason: str) -> None:
        """Report the pause, then make it. A longer pause is reported once, before it begins."""
        if self._on_wait is not None:
            self._on_wait(RetryWait(seconds, reason, self._clock.now() + timedelta(seconds=seconds)))
        self._stats.add(waits=1, waited=seconds)
        self._clock.sleep(seconds)


class Stats:
    """What a client did so far; safe to read from any thread.

    ``requests`` counts every request sent, retries included; ``bytes`` the body bytes received, as they
    travelled; ``retries`` the requests repeated; ``waits`` and ``waited`` the pauses and their seconds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.bytes = 0
        self.retries = 0
        self.waits = 0
        self.waited = 0.0

    def add(
        self, *, requests: int = 0, bytes: int = 0, retries: int = 0, waits: int = 0, waited: float = 0.0
    ) -> None:
        """Add to the counts."""
        with self._lock:
            self.requests += requests
            self.bytes += bytes
            self.retries += retries
            self.waits += waits
            self.waited += waited


def backoff(attempt: int, rng: random.Random) -> float:
    """Return the pause before the next attempt: full jitter below 1, 2, 4, ... 30 s (``attempt`` from 1)."""
    return rng.uniform(0.0, min(LONGEST_PAUSE, float(2 ** min(attempt - 1, 10))))


def retry_after(header: str | None, now: datetime) -> float | None:
    """Return the seconds a ``Retry-After`` header asks for (a number or a date), if it is usable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit() and len(text) <= 12:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - now).total_seconds())


class ArrivalRate:
    """Finds out that an answer arrives too slowly to be worth waiting for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self._bytes = 0

    def too_slow(self, size: int) -> bool:
        """Count bytes that arrived; return whether the last SILENCE_SECONDS brought too few."""
        self._bytes += size
        now = self._clock.monotonic()
        if now - self._since < SILENCE_SECONDS:
            return False
        slow = self._bytes < SLOWEST_BYTES
        self._since, self._bytes = now, 0
        return slow


class RetryBudget:
    """What one request may cost: the patience with Canvas, and less while Canvas answers other requests.

    ``tries`` is how often the request is made at most while Canvas answers others.
    """

    def __init__(self, clock: Clock, patience: float, tries: int = ITEM_TRIES) -> None:
        self._clock = clock
        self._patience = patience
        self._tries = tries
        self._since: float | None = None
        self._alone_tries = 0
        self._alone_waited = 0.0
        self.attempts = 0

    def fail(self, progress_at: float | None = None) -> None:
        """Count a failure. ``progress_at``: when something last went forward, if that counts as progress."""
        now = self._clock.monotonic()
        self.attempts += 1
        self._alone_tries += 1
        if self._since is None or (progress_at is not None and progress_at > self._since):
            self._since = now

    def progressed(self) -> None:
        """Start again: the last attempt made progress."""
        self.attempts = 0
        self._since = None
        self.canvas_is_away()

    def canvas_is_away(self) -> None:
        """Reset the failures of the request: Canvas does not answer other requests either."""
        self._alone_tries = 0
        self._alone_waited = 0.0

    def wait_alone(self, seconds: float) -> float:
        """Count a wait of at most that many seconds, made while Canvas answers others; return its length."""
        seconds = min(seconds, self.left_alone)
        self._alone_waited += seconds
        return seconds

    def is_last(self, most_tries: int | None) -> bool:
        """Return whether the request failed as often as it may while Canvas answers others."""
        return self._alone_tries >= min(self._tries, most_tries or ITEM_TRIES) or self.left_alone <= 0

    @property
    def left_alone(self) -> float:
        """Seconds left for waits while Canvas answers other requests."""
        return min(self.left, ITEM_SECONDS - self._alone_waited)

    @property
    def since(self) -> float:
        """When the failures began (the clock's monotonic seconds)."""
        return self._clock.monotonic() if self._since is None else self._since

    @property
    def left(self) -> float:
        """Seconds of patience left."""
        return self._patience - (self._clock.monotonic() - self.since)
