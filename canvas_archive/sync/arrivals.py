"""Storing the threads that have arrived: those that arrive within a moment of each other share a commit.

A commit costs as much as writing several threads. So a thread waits for the next ones, but no longer than a
fortieth of a second, and not at all when nothing else is under way: what a killed run loses, and asks for
again the next time, is what was in flight at that moment.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canvas_archive.store import runs, transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from canvas_archive.model import Conversation
    from canvas_archive.store import Ingest
    from canvas_archive.store.ingest import SaveResult

MOST_TOGETHER = 64
"""A group never grows beyond this, however fast Canvas answers."""

MOMENT_SECONDS = 0.025
"""How long a thread that has arrived may wait for company."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One thread that is in the archive now, and what saving it did."""

    conversation: Conversation
    saved: SaveResult

    @property
    def may_bring_files(self) -> bool:
        """Return whether there may be something new to download."""
        messages = self.conversation.messages or ()
        return bool(self.saved.new_attachment_ids) or any(message.media_comment for message in messages)


class Arrivals:
    """Threads that Canvas answered with and that are not stored yet; used by the writing thread alone.

    ``struck_off`` are the kinds of ledger entries that a stored conversation ends.
    """

    def __init__(self, db: sqlite3.Connection, ingest: Ingest, struck_off: Sequence[str]) -> None:
        self._db = db
        self._ingest = ingest
        self._struck_off = tuple(struck_off)
        self._waiting: list[Conversation] = []
        self._since = 0.0

    def add(self, conversation: Conversation) -> None:
        """Take one in."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(conversation)

    @property
    def patience(self) -> float | None:
        """For how many seconds more threads may be waited for; ``None`` when there are none to store."""
        if not self._waiting:
            return None
        if len(self._waiting) >= MOST_TOGETHER:
            return 0.0
        return max(0.0, self._since + MOMENT_SECONDS - time.monotonic())

    def store(self) -> Iterator[Stored]:
        """Store all that wait, yielding each one when it is committed.

        When a group fails, each of it gets a transaction of its own, so that an answer that cannot be stored
        (a defect) costs no other; its error is then raised.
        """
        group, self._waiting = self._waiting, []
        if not group:
            return
        try:
            stored = self._store(group)
        except Exception:
            if len(group) == 1:
                raise
            for one in group:
                yield from self._store([one])
            return
        yield from stored

    def _store(self, group: list[Conversation]) -> list[Stored]:
        with transaction(self._db):
            saved = self._ingest.save_conversations(group)
            runs.clear_problems(self._db, self._struck_off, [str(one.id) for one in group])
        return [Stored(one, what) for one, what in zip(group, saved, strict=True)]
