"""Which hosts of files answer: after a few failures in a row, no more files of a host are tried.

A host is Canvas itself, for attachments and for recordings separately, or the origin that a file's address or
a redirect leads to. The ledger has what a run learns of a host, for the next run.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LEDGER = "file_host"
"""Ledger kind of hosts whose files are not asked for before the time of the next try."""

FAILURES = 3
"""After so many failures in a row, the rest of a host's files is not tried in this run."""

LOST_SECONDS = 60.0
"""After failed tries of so many seconds, all together, the rest of a host's files is not tried either."""

LED_TO_RESTING = 3
"""After so many files in a row that Canvas sends on to a host that rests, Canvas is not asked for more."""


class HostRests(Exception):
    """A file's address leads to a host that is not asked now."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class FileHosts:
    """Counts the failures of the hosts of files. Thread-safe.

    ``resting`` are hosts that failed in earlier runs and are not due: only new files are asked of them, and
    the first failure ends that, too.
    """

    def __init__(self, resting: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._resting = set(resting)
        self._failures = Counter(dict.fromkeys(self._resting, FAILURES - 1))
        self._all_failures: Counter[str] = Counter()
        self._lost: defaultdict[str, float] = defaultdict(float)
        self._led_to_resting: Counter[str] = Counter()
        self.failing: dict[str, str] = {}
        """The hosts that this run found failing, and the sentence of the last failure of each."""

    def rests(self, host: str, *, anew: bool) -> bool:
        """Return whether a host is not asked now; ``anew``: a new file is to be fetched from it."""
        with self._lock:
            return host in self.failing or (host in self._resting and not anew)

    def is_doubtful(self, host: str) -> bool:
        """Return whether a request to a host is made once only: it failed last, or often in this run."""
        with self._lock:
            return self._failures[host] > 0 or self._all_failures[host] >= FAILURES

    def answered(self, hosts: Iterable[str]) -> None:
        """Note that hosts answer."""
        with self._lock:
            for host in hosts:
                self._failures[host] = self._led_to_resting[host] = 0
                self._resting.discard(host)
                if self._lost[host] < LOST_SECONDS:
                    self.failing.pop(host, None)

    def failed(self, host: str, sentence: str, seconds: float = 0.0) -> None:
        """Count a failure of a host: it broke off, did not answer or answered with 5xx, after ``seconds``."""
        with self._lock:
            self._failures[host] += 1
            self._all_failures[host] += 1
            self._lost[host] += seconds
            if self._failures[host] >= FAILURES or self._lost[host] >= LOST_SECONDS:
                self.failing[host] = sentence

    def why(self, host: str) -> str:
        """Return why a host rests."""
        with self._lock:
            return self._why(host)

    def _why(self, host: str) -> str:
        return self.failing.get(host, f"{host} did not answer in earlier runs")

    def led_to_resting(self, entrance: str, host: str) -> str:
        """Note that an address at ``entrance`` leads to a host that rests; return why that one does."""
        with self._lock:
            reason = self._why(host)
            self._led_to_resting[entrance] += 1
            if self._led_to_resting[entrance] >= LED_TO_RESTING:
                self.failing[entrance] = reason
            return reason
