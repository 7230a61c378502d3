"""How a run shows itself while it works; the command line draws bars, the web page streams lines."""

from __future__ import annotations

from typing import Protocol


class SyncProgress(Protocol):
    """What the runner tells. Called from the writing thread, except ``waiting`` (from any)."""

    def phase(self, text: str) -> None:
        """Say what is being done now."""

    def conversations(self, done: int, total: int) -> None:
        """Tell how many of the conversations that need fetching are stored."""

    def files(self, done: int, total: int) -> None:
        """Tell how many of the attachments that need fetching are settled."""

    def indexed(self, done: int, total: int) -> None:
        """Tell how many of the messages that search does not know yet are indexed."""

    def waiting(self, seconds: float, reason: str) -> None:
        """Say that Canvas makes us wait."""


class Silent:
    """Shows nothing."""

    def phase(self, text: str) -> None:
        """Say nothing."""

    def conversations(self, done: int, total: int) -> None:
        """Say nothing."""

    def files(self, done: int, total: int) -> None:
        """Say nothing."""

    def indexed(self, done: int, total: int) -> None:
        """Say nothing."""

    def waiting(self, seconds: float, reason: str) -> None:
        """Say nothing."""
