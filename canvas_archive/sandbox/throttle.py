"""Canvas's leaky bucket: what each token has used, and when a request is turned away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

HIGH_WATER = 600.0
MAXIMUM = 800.0
OUTFLOW = 10.0
UP_FRONT = 50.0
IDLE_SECONDS = 3600.0


@dataclass(slots=True)
class Bucket:
    """How full one token's bucket was, and when."""

    level: float = 0.0
    at: float = 0.0


class Throttle:
    """The buckets. When not ``enforced`` they are counted and reported, but no request is refused.

    ``status`` is what a throttled request gets: 429 as hosted Canvas answers today, or 403 as older ones do.
    ``cost_of`` gives the price of a finished request; Canvas's is its processor and database seconds.
    """

    def __init__(self, clock: Callable[[], float], *, enforced: bool = False) -> None:
        self.clock = clock
        self.enforced = enforced
        self.status = 429
        self.retry_after: int | None = None
        self.high_water = HIGH_WATER
        self.outflow = OUTFLOW
        self.blocked: set[str] = set()
        self.cost_of: Callable[[str, str], float] = lambda method, path: 0.05 if method == "GET" else 0.1
        self._buckets: dict[str, Bucket] = {}

    def _leaked(self, key: str) -> Bucket:
        now = self.clock()
        bucket = self._buckets.setdefault(key, Bucket(0.0, now))
        idle = now - bucket.at
        bucket.level = 0.0 if idle > IDLE_SECONDS else max(bucket.level - idle * self.outflow, 0.0)
        bucket.at = now
        return bucket

    def admit(self, key: str) -> bool:
        """Take the up-front cost; return whether the request may go on."""
        if key in self.blocked:
            return False
        bucket = self._leaked(key)
        bucket.level = min(bucket.level + UP_FRONT, MAXIMUM)
        return not (self.enforced and bucket.level >= self.high_water)

    def settle(self, key: str, cost: float) -> None:
        """Give the up-front cost back and take the real one (0 for a request that was turned away)."""
        bucket = self._leaked(key)
        bucket.level = min(max(bucket.level - UP_FRONT + cost, 0.0), MAXIMUM)

    def fill(self, key: str, level: float) -> None:
        """Set the level of a bucket, as if other programs had used the same token."""
        bucket = self._leaked(key)
        bucket.level = min(level, MAXIMUM)

    def remaining(self, key: str) -> float:
        """Return what the header ``X-Rate-Limit-Remaining`` says."""
        return 0.0 if key in self.blocked else self.high_water - self._leaked(key).level
