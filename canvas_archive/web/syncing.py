"""A sync or a push begun on a page. Both call ``show`` with lines of text, each a sentence.

Pages import this module when a button is pressed, and never before: reading mail needs no network code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from canvas_archive.clock import SYSTEM
from canvas_archive.errors import ConflictsLeft
from canvas_archive.machine import machine_errors_converted
from canvas_archive.store import Archive
from canvas_archive.sync.consent import Shown, changed_since
from canvas_archive.sync.progress import SyncProgress
from canvas_archive.sync.push import push_archive
from canvas_archive.sync.push_report import PushReport
from canvas_archive.sync.service import open_client, sync

EVERY = 25


class ProgressLines(SyncProgress):
    """Progress as lines of text."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._last = 0

    def phase(self, text: str) -> None:
        """Show what is being done now."""
        self._show(f"{text}…")

    def conversations(self, done: int, total: int) -> None:
        """Show every 25th conversation, and the last."""
        if total and (done == total or done - self._last >= EVERY):
            self._last = done
            self._show(f"{done:,} of {total:,} conversations")

    def waiting(self, seconds: float, reason: str) -> None:
        """Show for how long Canvas makes us wait."""
        self._show(f"Waiting {seconds:.0f} s: {reason}")


def sync_now(folder: Path, show: Callable[[str], None]) -> None:
    """Sync. Raises ArchiveError for what the sync could not do, after its counts were shown."""
    result = sync(folder, progress=ProgressLines(show), clock=SYSTEM)
    for line in (*result.notes, result.report.summary()):
        show(line)
    if result.error is not None:
        raise result.error


def push_work(
    edits: Mapping[int, str], messages: Mapping[int, str]
) -> Callable[[Path, Callable[[str], None]], None]:
    """Return the work that sends these edits and messages, as far as they are still what a page showed."""
    return partial(push_now, Shown(edits, messages))


def push_now(shown: Shown, folder: Path, show: Callable[[str], None]) -> None:
    """Push what a page showed. A conflict that Canvas turns out to have is left for the person to decide.

    Raises ArchiveError for what the push could not do, after its counts were shown.
    """
    report, progress = PushReport(), ProgressLines(show)
    progress.phase("Reading what Canvas has")
    with (
        machine_errors_converted(),
        Archive.open(folder, write=True) as archive,
        open_client(archive, progress=progress) as client,
    ):
        try:
            push_archive(archive, client, SYSTEM, policy="ask", shown=shown, report=report)
        finally:
            failures = [problem.error for problem in report.problems]
            for line in (*report.notes, *failures, report.summary()):
                show(line)
        changed = changed_since(archive.db, shown)
    if changed:
        show(f"Not sent, because changed since the page showed it: {changed}.")
    if report.asked:
        show(f"Not sent, because Canvas has changed, too: {report.asked}. Decide under Needs a look.")
    error = report.error()
    if error is not None and not isinstance(error, ConflictsLeft):
        raise error
