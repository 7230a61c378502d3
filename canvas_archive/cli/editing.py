"""What the commands around edits share: writing beside a running sync, and how a push is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from canvas_archive.cli.terminal import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_archive.cli.context import Settings
    from canvas_archive.store import Archive
    from canvas_archive.sync.push_report import PushReport

ASK_OVER = 20
"""More changes than that at once are asked about."""


@contextmanager
def brief_write(archive: Archive) -> Iterator[sqlite3.Connection]:
    """Yield a connection within one write transaction, without the writer's lock: a sync goes on meanwhile.

    Raises NotAdopted for somebody else's archive, ArchiveLocked when another process keeps the database
    for longer than SQLite's patience.
    """
    from canvas_archive.errors import ArchiveLocked
    from canvas_archive.store import transaction
    from canvas_archive.store.connection import connect_writable

    archive.require_adopted()
    with closing(connect_writable(archive.db_path)) as db:
        try:
            with transaction(db):
                yield db
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
            raise ArchiveLocked(
                "The archive is being written to all the time, probably by a sync. Nothing was changed; "
                "try again in a moment."
            ) from error


def note_left(settings: Settings, archive: Archive) -> None:
    """Say which acts on Canvas an earlier process began and left without an answer."""
    from canvas_archive.clock import SYSTEM
    from canvas_archive.sync.acts import settle_unfinished

    for sentence in settle_unfinished(archive, SYSTEM):
        settings.warn(sentence)


def show_report(settings: Settings, report: PushReport) -> None:
    """Write what a push did to standard error: notes, problems, the summary."""
    for note in report.notes:
        settings.note(note)
    for problem in report.problems[:10]:
        what = "Conversation" if problem.kind == "edit" else "Message"
        settings.warn(f"{what} {problem.id}: {printable(problem.error)}")
    if len(report.problems) > 10:
        settings.warn(f"and {len(report.problems) - 10:,} more.")
    settings.note(report.summary())


def subject_line(text: str | None) -> str:
    """Return a subject as one harmless line."""
    return one_line(text or "(no subject)")
