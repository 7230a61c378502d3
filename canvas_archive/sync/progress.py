"""How a run shows its progress: the command line draws bars, a web page gets lines."""

from __future__ import annotations


class SyncProgress:
    """Callbacks of a run; this one shows nothing. The writing thread calls all but ``waiting``."""

    def phase(self, text: str) -> None:
        """Show what is being done now."""

    def conversations(self, done: int, total: int) -> None:
        """Show how many of the conversations to fetch are stored."""

    def files(self, done: int, total: int) -> None:
        """Show how many of the attachments to fetch are settled."""

    def unindexed(self, messages: int) -> None:
        """Note how many messages of earlier runs wait to be indexed at the end of this one."""

    def indexed(self, done: int, total: int) -> None:
        """Show how many of the messages that are new to search are indexed."""

    def texts(self, done: int, total: int) -> None:
        """Show how many of the new files have been read for the search."""

    def waiting(self, seconds: float, reason: str) -> None:
        """Show that Canvas makes us wait. Called from any thread."""
