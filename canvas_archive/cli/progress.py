"""The progress bar of the terminal, and plain lines where there is none."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_archive.cli.context import Settings
    from canvas_archive.sync.progress import Progress


class PlainLines:
    """Waits and phases as lines on standard error: what a log or a pipe wants to see."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def phase(self, text: str) -> None:
        """Name the phase, with ``-v``."""
        self._settings.note(f"{text} …", level=1)

    def conversations(self, done: int, total: int) -> None:
        """Count, with ``-vv``."""
        if total and done and done % 100 == 0:
            self._settings.note(f"  {done:,} of {total:,} conversations", level=2)

    def files(self, done: int, total: int) -> None:
        """Count, with ``-vv``."""
        if total and done and done % 100 == 0:
            self._settings.note(f"  {done:,} of {total:,} attachments", level=2)

    def waiting(self, seconds: float, reason: str) -> None:
        """Say so when a wait is long enough to wonder about."""
        if seconds >= 5:
            self._settings.note(f"Waiting {seconds:.0f} s: {reason}")


@contextlib.contextmanager
def sync_progress(settings: Settings) -> Iterator[Progress]:
    """Yield what shows a sync: bars with counts and time left on a terminal, else lines."""
    if not settings.show_progress:
        yield PlainLines(settings)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    from canvas_archive.cli.context import console

    with Bars(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console(stderr=True),
        transient=True,
    ) as bars:

        class Shown:
            """Bars for conversations and attachments."""

            def __init__(self) -> None:
                self._main = bars.add_task("Connecting", total=None)
                self._files: TaskID | None = None

            def phase(self, text: str) -> None:
                bars.update(self._main, description=text)

            def conversations(self, done: int, total: int) -> None:
                bars.update(self._main, completed=done, total=total or None)

            def files(self, done: int, total: int) -> None:
                if self._files is None:
                    self._files = bars.add_task("Attachments", total=total)
                bars.update(self._files, completed=done, total=total)

            def waiting(self, seconds: float, reason: str) -> None:
                if seconds >= 1:
                    bars.update(self._main, description=f"Waiting {seconds:.0f} s ({reason})")

        yield Shown()
