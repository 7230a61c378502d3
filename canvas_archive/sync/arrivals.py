"""Storing the conversations that have arrived: those that arrive close together share a commit.

A commit costs as much as writing several conversations. So one waits for the next, for at most 25 ms, and not
at all when no other job is open. A killed run loses only those, and the next run fetches them again.
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
    from canvas_archive.sync.texts import RunTexts

MOST_TOGETHER = 64
"""A group never grows beyond this, however fast Canvas answers."""

MOMENT_SECONDS = 0.025
"""How long a conversation may wait for others."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A conversation that is now in the archive, and what saving it did."""

    conversation: Conversation
    saved: SaveResult

    @property
    def may_bring_files(self) -> bool:
        """Return whether it may have new files to download."""
        messages = self.conversation.messages or ()
        return bool(self.saved.new_attachment_ids) or any(message.media_comment for message in messages)


class Arrivals:
    """Conversations that were fetched and are not stored yet; used by the writing thread alone.

    ``clears`` are the kinds of problems that a stored conversation ends.
    """

    def __init__(
        self, db: sqlite3.Connection, ingest: Ingest, texts: RunTexts, clears: Sequence[str]
    ) -> None:
        self._db = db
        self._ingest = ingest
        self._texts = texts
        self._clears = tuple(clears)
        self._waiting: list[Conversation] = []
        self._since = 0.0

    def add(self, conversation: Conversation) -> None:
        """Add one."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(conversation)

    @property
    def patience(self) -> float | None:
        """Return for how many seconds to wait for others; ``None`` when there is none to store."""
        if not self._waiting:
            return None
        if len(self._waiting) >= MOST_TOGETHER:
            return 0.0
        return max(0.0, self._since + MOMENT_SECONDS - time.monotonic())

    def store(self) -> Iterator[Stored]:
        """Store all that have arrived; yield each one when it is committed.

        When a group fails, each gets a transaction of its own. So a conversation that cannot be stored (a
        defect) costs no other. Its error is then raised.
        """
        group, self._waiting = self._waiting, []
        if not group:
            return
        group = list(self._texts.as_typed(group))
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
            runs.clear_problems(self._db, self._clears, [str(one.id) for one in group])
        return [Stored(one, what) for one, what in zip(group, saved, strict=True)]
