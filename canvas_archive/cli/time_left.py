"""How long work still takes. Pure: the time comes from the caller's clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

_LEAST_WINDOW = 20.0
_LEAST_SECONDS = 0.5
_STALLED = 3.0
_ASLEEP = 30.0
"""Nobody asks for so many seconds only where the machine slept: a display asks several times a second."""

_ENOUGH = 10
"""Conversations after which the number of files in them says how many there will be."""

_FILE_WEIGHT = 3.0
"""A file takes as long as so many conversations: its address is asked for, then its bytes come."""

_MESSAGES = 4
"""The messages of a conversation, until they are counted."""

_INDEX_SECONDS = 0.0022
"""What indexing a message takes, until it has begun."""

_INDEX_TAIL = 0.6
"""What writing the index down takes, as a part of the time that the messages took."""


class Pace:
    """How fast work goes, judged by the last part of it. A total that grows changes nothing.

    The time that the machine slept does not count.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked = clock()
        self._slept = 0.0
        self._samples: deque[tuple[float, float]] = deque()

    def note(self, done: float) -> None:
        """Note that so much is done now. Less than before begins anew."""
        now = self._now()
        if self._samples and done < self._samples[-1][1]:
            self._samples.clear()
        if self._samples and done == self._samples[-1][1]:
            return
        self._samples.append((now, done))
        window = max(_LEAST_WINDOW, (now - self._samples[0][0]) * 0.8)
        while len(self._samples) > 2 and now - self._samples[1][0] > window:
            self._samples.popleft()

    def lasted(self, seconds: float) -> bool:
        """Return whether the work has been observed for so long."""
        return bool(self._samples) and self._now() - self._samples[0][0] >= seconds

    def idle(self) -> float:
        """Return how long ago something was done last."""
        return self._now() - self._samples[-1][0] if self._samples else 0.0

    def seconds(self, left: float, *, until_now: bool = True) -> float | None:
        """Return how long so much more takes; ``None`` while nothing is known.

        ``until_now``: a stall counts, too.
        """
        now = self._now()
        if not self._samples:
            return None
        (begun, first), (last, done) = self._samples[0], self._samples[-1]
        ended = now if until_now and now - last > _STALLED else last
        if done <= first or ended - begun < _LEAST_SECONDS:
            return None
        return left * (ended - begun) / (done - first)

    def _now(self) -> float:
        now = self._clock()
        if now - self._asked > _ASLEEP:
            self._slept += now - self._asked
        self._asked = now
        return now - self._slept


class SyncTimeLeft:
    """How long a sync still takes: conversations, the files that come with them, and the index."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._pace = Pace(clock)
        self._files_alone = Pace(clock)
        self._index = Pace(clock)
        self._conversations = self._files = (0, 0)
        self._earlier_files = 0
        self._unindexed = 0
        self._indexed: tuple[int, int] | None = None

    def conversations(self, done: int, total: int) -> None:
        """Note how many conversations are stored."""
        self._conversations = done, total
        self._note()

    def files(self, done: int, total: int) -> None:
        """Note how many files are settled."""
        if not self._conversations[0]:
            self._earlier_files = total
        self._files = done, total
        self._note()

    def unindexed(self, messages: int) -> None:
        """Note how many messages wait to be indexed from earlier runs."""
        self._unindexed = messages

    def indexed(self, done: int, total: int) -> None:
        """Note how many messages are indexed."""
        self._indexed = done, total
        self._index.note(done)

    def seconds(self) -> float | None:
        """Return how long all of it still takes; ``None`` while nothing is known."""
        if self._indexed is not None:
            done, total = self._indexed
            rest = self._index.seconds(total - done + total * _INDEX_TAIL, until_now=False)
            if rest is None:  # it has just begun
                return self._index_seconds()
            return max(0.0, rest - (self._index.idle() if done >= total else 0.0))
        done, total = self._conversations
        files = self._expected_files() - self._files[0]
        network: float | None = 0.0
        if total > done or files > 0:
            alone = (
                self._files_alone.seconds(files) if total <= done and self._files_alone.lasted(5) else None
            )
            network = alone or self._pace.seconds(total - done + files * _FILE_WEIGHT)
        return None if network is None else network + self._index_seconds()

    def _index_seconds(self) -> float:
        return (self._unindexed + self._conversations[1] * _MESSAGES) * _INDEX_SECONDS

    def _expected_files(self) -> float:
        done, total = self._conversations
        found = self._files[1] - self._earlier_files
        return self._earlier_files + (found * total / done if _ENOUGH <= done < total else found)

    def _note(self) -> None:
        done, total = self._conversations
        self._pace.note(done + self._files[0] * _FILE_WEIGHT)
        if total and done >= total:
            self._files_alone.note(self._files[0])
