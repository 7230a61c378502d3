"""What the commands around edits share: how they report a push, and which acts were left unanswered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.cli.terminal import one_line, printable

if TYPE_CHECKING:
    from canvas_archive.cli.context import Settings
    from canvas_archive.store import Archive
    from canvas_archive.sync.push_report import PushReport

ASK_OVER = 20
"""More changes than that at once are asked about."""


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
