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

BROKEN_REQUEST_TRIES = 8
"""Attempts before a request that keeps failing while Canvas answers others counts as failed for good."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause the client makes: for how many seconds, why, and until when."""

    seconds: float
    reason: str
    until: datetime


OnWait = Callable[[Wait], None]


class Waiter:
    """Makes pauses through the injected clock and tells about them."""

    def __init__(self, clock: Clock, on_wait: OnWait | None, stats: Stats) -> None:
        self._clock = clock
        self._on_wait = on_wait
        self._stats = stats

    def wait(self, seconds: float, reason: str) -> None:
        """Report the pause, then make it. A longer pause is reported once, before it begins."""
        if self._on_wait is not None:
            self._on_wait(Wait(seconds, reason, self._clock.now() + timedelta(seconds=seconds)))
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


class Effort:
    """The patience of one request: counts its failures and the time since the last progress."""

    def __init__(self, clock: Clock, patience: float) -> None:
        self._clock = clock
        self._patience = patience
        self._since: float | None = None
        self.attempts = 0

    def fail(self, progress_at: float | None = None) -> None:
        """Count a failure. ``progress_at``: when something last went forward, if that counts as progress."""
        now = self._clock.monotonic()
        self.attempts += 1
        if self._since is None or (progress_at is not None and progress_at > self._since):
            self._since = now

    def progressed(self) -> None:
        """Begin anew: the last attempt went forward a good way."""
        self.attempts = 0
        self._since = None

    @property
    def since(self) -> float:
        """When the failures began (the clock's monotonic seconds)."""
        return self._clock.monotonic() if self._since is None else self._since

    @property
    def left(self) -> float:
        """Seconds of patience left."""
        return self._patience - (self._clock.monotonic() - self.since)
