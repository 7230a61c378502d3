"""The report of a push: counted while it runs, printed and turned into an exit code at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canvas_archive.errors import ArchiveError, ConflictsLeft, ItemsFailed
from canvas_archive.sync.merge import AlreadySo, Ask, TargetGone, Yield

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canvas_archive.sync.merge import Decision, PendingEdit
    from canvas_archive.sync.report import ReportedProblem


@dataclass(slots=True)
class PushReport:
    """What a push did, or with ``dry_run`` would do.

    ``requests`` are the requests that write, one line each; ``planned`` are the edits of a ``dry_run``.
    ``pushed`` and the other counts are edits; ``sent_messages`` counts messages of the outbox, ``recognised``
    those found on Canvas after a crash.
    """

    dry_run: bool = False
    requests: list[str] = field(default_factory=list)
    planned: list[PendingEdit] = field(default_factory=list)
    pushed: int = 0
    already: int = 0
    conflicts: int = 0
    gone: int = 0
    pending: int = 0
    asked: int = 0
    repushed: int = 0
    reverted: int = 0
    sent_messages: int = 0
    recognised: int = 0
    queued_messages: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[ReportedProblem] = field(default_factory=list)

    def note_decisions(self, decisions: Iterable[Decision]) -> None:
        """Count the edits that are not sent, and note what a person should know before the rest is."""
        for decision in decisions:
            edit = decision.edit
            where = f"Conversation {edit.conversation_id}:"
            if isinstance(decision, TargetGone):
                self.gone += 1
                self.notes.append(f"{where} it is no longer on Canvas.")
            elif isinstance(decision, AlreadySo):
                self.already += 1
            elif isinstance(decision, Yield):
                self.conflicts += 1
                self.notes.append(f"{where} {decision.detail}.")
            elif isinstance(decision, Ask):
                self.asked += 1
                self.notes.append(
                    f"{where} {edit.field} is {decision.remote} on Canvas, was {edit.base}, and you want "
                    f"{edit.value}."
                )
            elif edit.again:
                self.notes.append(f"{undone(edit.conversation_id)} It is archived once more.")

    def summary(self) -> str:
        """Return the last line a person reads."""
        if self.dry_run:
            planned = _count(len(self.planned), "edit")
            waiting = f" and {_count(self.queued_messages, 'message')}" if self.queued_messages else ""
            return f"{planned}{waiting} would be sent; nothing was."
        edits = [
            f"{self.pushed:,} pushed",
            *([f"{self.already:,} already so on Canvas"] if self.already else []),
            *([f"{self.conflicts:,} yielded to Canvas"] if self.conflicts else []),
            *([f"{self.gone:,} gone from Canvas"] if self.gone else []),
            *([f"{self.repushed:,} pushed again"] if self.repushed else []),
            *([f"{self.reverted:,} reverted by Canvas"] if self.reverted else []),
            f"{self.pending:,} pending",
        ]
        line = "Nothing waits to be sent." if self._is_idle() else f"Edits: {', '.join(edits)}."
        messages = [
            *([f"{self.sent_messages:,} sent"] if self.sent_messages else []),
            *([f"{self.recognised:,} found to be sent already"] if self.recognised else []),
            *([f"{self.queued_messages:,} waiting"] if self.queued_messages else []),
        ]
        return f"{line} Messages: {', '.join(messages)}." if messages else line

    def _is_idle(self) -> bool:
        counts = (self.pushed, self.already, self.conflicts, self.gone, self.repushed, self.reverted)
        return not any(counts) and not self.pending and not self._has_messages()

    def _has_messages(self) -> bool:
        return bool(self.sent_messages or self.recognised or self.queued_messages)

    def error(self) -> ArchiveError | None:
        """Return the error that the command should end with; ``None`` for success."""
        if self.problems:
            return ItemsFailed(
                f"{_count(len(self.problems), 'item')} could not be sent; what was not refused for good "
                "is tried again by the next push."
            )
        if self.asked:
            return ConflictsLeft(
                f"{_count(self.asked, 'conflict')} left for you to decide: run push with "
                "--on-conflict local, or with --on-conflict remote."
            )
        return None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def undone(conversation_id: int) -> str:
    """Return the sentence that says what Canvas has."""
    return f"Conversation {conversation_id}: archived from here, unread on Canvas again, with no new message."
