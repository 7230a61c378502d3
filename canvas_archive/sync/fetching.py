"""Fetching one conversation after another, until Canvas fails on several in a row."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from canvas_archive.errors import ServerFailure, Unanswered
from canvas_archive.sync.workers import Stopped

if TYPE_CHECKING:
    from canvas_archive.canvas import CanvasClient
    from canvas_archive.model import Conversation

BROKEN_IN_A_ROW = 3
"""After so many conversations in a row that Canvas fails on, the rest is left to the next run."""


class ConversationFetcher:
    """Fetches conversations; used by several threads."""

    def __init__(self, client: CanvasClient) -> None:
        self._client = client
        self._broken_in_a_row = 0

    def fetch(self, conversation_id: int, *, once: bool = False) -> Conversation:
        """Return a conversation with its messages. ``once``: with one try, since it failed in an earlier run.

        Raises Stopped when the conversation is left to the next run, and the errors of the client.

        :calls: GET /api/v1/conversations/:id
        """
        if self._broken_in_a_row >= BROKEN_IN_A_ROW:
            raise Stopped
        broken = False
        try:
            with self._client.one_try() if once else nullcontext():
                return self._client.conversation(conversation_id, auto_mark_as_read=False)
        except (ServerFailure, Unanswered):
            broken = True
            raise
        finally:
            self._broken_in_a_row = self._broken_in_a_row + 1 if broken else 0
