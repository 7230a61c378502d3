"""How long work shows its progress: rows on a terminal, plain lines or nothing elsewhere."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from canvas_archive.cli.context import Settings, console
from canvas_archive.sync.progress import SyncProgress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_archive.cli.progress_display import ProgressDisplay
    from canvas_archive.export.checks import ProgressCallback

_LONG_WAIT = 5.0
"""Waits of so many seconds are a line on standard error, where there is no display."""


@contextlib.contextmanager
def progress_display(settings: Settings) -> Iterator[ProgressDisplay | None]:
    """Yield the display of rows on the terminal; ``None`` where none are shown."""
    if not settings.show_progress:
        yield None
        return
    from canvas_archive.cli.progress_display import ProgressDisplay

    with ProgressDisplay(console(stderr=True)) as shown:
        yield shown


@contextlib.contextmanager
def steps(settings: Settings) -> Iterator[ProgressCallback]:
    """Yield the callback that shows one step after the other, where progress is wanted."""
    with progress_display(settings) as shown:
        yield shown.step if shown is not None else show_nothing


def show_nothing(what: str, done: int, total: int) -> None:
    """Show nothing."""


class PlainLines(SyncProgress):
    """Waits and phases as lines on standard error, for a log or a pipe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def phase(self, text: str) -> None:
        """Name the phase, with ``-v``."""
        self._settings.note(f"{text} …", level=1)

    def conversations(self, done: int, total: int) -> None:
        """Count, with ``-vv``."""
        self._count(done, total, "conversations")

    def files(self, done: int, total: int) -> None:
        """Count, with ``-vv``."""
        self._count(done, total, "attachments")

    def indexed(self, done: int, total: int) -> None:
        """Count, with ``-vv``."""
        self._count(done, total, "messages indexed")

    def waiting(self, seconds: float, reason: str) -> None:
        """Report a long wait."""
        if seconds >= _LONG_WAIT:
            self._settings.note(f"Waiting {seconds:.0f} s: {reason}")

    def _count(self, done: int, total: int, what: str) -> None:
        if total and done and done % 100 == 0:
            self._settings.note(f"  {done:,} of {total:,} {what}", level=2)


class _OnDisplay(SyncProgress):
    """A sync on the terminal: its phase, the attachments below it, waits below both."""

    def __init__(self, shown: ProgressDisplay) -> None:
        from canvas_archive.cli.time_left import SyncTimeLeft

        self._shown = shown
        self._left = SyncTimeLeft(shown.clock)
        shown.estimate(self._left.seconds)

    def phase(self, text: str) -> None:
        """Begin a phase."""
        self._shown.drop(1)
        self._shown.step(text)

    def conversations(self, done: int, total: int) -> None:
        """Count in the first row."""
        self._left.conversations(done, total)
        self._shown.step("Conversations", done, total)

    def files(self, done: int, total: int) -> None:
        """Count in the second row."""
        self._left.files(done, total)
        self._shown.step("Attachments", done, total, row=1)

    def unindexed(self, messages: int) -> None:
        """Let the estimate count them."""
        self._left.unindexed(messages)

    def indexed(self, done: int, total: int) -> None:
        """Count in the first row."""
        self._left.indexed(done, total)
        self._shown.step("Indexing", done, total)

    def texts(self, done: int, total: int) -> None:
        """Count in the first row."""
        self._shown.step("Reading attached files", done, total)

    def waiting(self, seconds: float, reason: str) -> None:
        """Show the wait for as long as it lasts."""
        self._shown.wait(seconds, reason)


@contextlib.contextmanager
def sync_progress(settings: Settings) -> Iterator[SyncProgress]:
    """Yield the progress of a sync or a push: rows on a terminal, else lines."""
    with progress_display(settings) as shown:
        yield PlainLines(settings) if shown is None else _OnDisplay(shown)
