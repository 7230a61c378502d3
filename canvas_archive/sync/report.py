"""The report of a sync: counted while it runs, printed and recorded at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canvas_archive.store.runs import item_name

if TYPE_CHECKING:
    from canvas_archive.model import JsonObject


@dataclass(frozen=True, slots=True)
class ReportedProblem:
    """One item that was tried and failed: it stays in the ledger and is tried again later."""

    kind: str
    id: str
    error: str

    @property
    def name(self) -> str:
        """Return the name that commands give the item, such as ``attachment 512``."""
        return item_name(self.kind, self.id)


@dataclass(slots=True)
class Report:
    """The counts of one run. ``seconds`` is wall time; ``bytes`` is what came over the network.

    ``untried`` conversations were left to the next run; ``resting`` and ``accepted`` problems were not tried.
    Of attachments: ``gone`` were found deleted on Canvas, ``refused`` are locked there or over the limit,
    ``untried_files`` were left for later because their host fails (``resting_hosts``). ``texts`` is how
    Canvas sends bodies (``store/texts.py``).
    """

    mode: str
    dry_run: bool = False
    complete: bool = False
    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0
    new: int = 0
    changed: int = 0
    removed: int = 0
    flags: int = 0
    total: int = 0
    new_messages: int = 0
    stored: int = 0
    failed: int = 0
    gone: int = 0
    refused: int = 0
    pending: int = 0
    untried_files: int = 0
    resting_hosts: list[str] = field(default_factory=list)
    edits_pending: int = 0
    edits_pushed: int = 0
    edits_conflicts: int = 0
    reverted: int = 0
    untried: int = 0
    resting: int = 0
    accepted: int = 0
    indexed: int = 0
    texts: JsonObject | None = None
    derived_again: int | None = None
    actions: list[str] = field(default_factory=list)
    problems: list[ReportedProblem] = field(default_factory=list)

    def counts(self) -> JsonObject:
        """Return what ``sync_runs.counts`` records, which ``--json`` prints, too."""
        counted: JsonObject = {
            "conversations": {
                "new": self.new,
                "changed": self.changed,
                "flags": self.flags,
                "removed": self.removed,
                "total": self.total,
            },
            "messages": {"new": self.new_messages},
            "attachments": {
                "stored": self.stored,
                "failed": self.failed,
                "gone": self.gone,
                "refused": self.refused,
                "pending": self.pending,
                "untried": self.untried_files,
            },
            "edits": {
                "pending": self.edits_pending,
                "pushed": self.edits_pushed,
                "conflicts": self.edits_conflicts,
                "reverted": self.reverted,
            },
            "index": {"added": self.indexed},
            "untried": self.untried,
            "resting": self.resting,
            "accepted": self.accepted,
            "problems": len(self.problems),
        }
        if self.texts is not None:
            counted["texts"] = self.texts
        if self.derived_again is not None:
            counted["derived_again"] = self.derived_again
        return counted

    def summary(self) -> str:
        """Return the last line a person reads."""
        verb = "would change" if self.dry_run else "changed"
        parts = [
            f"{self.new:,} new",
            f"{self.changed:,} {verb}",
            *([f"{self.flags:,} with new flags"] if self.flags else []),
            *([f"{self.removed:,} gone from Canvas"] if self.removed else []),
        ]
        line = f"{self.total:,} conversations: {', '.join(parts)}; {self.new_messages:,} new messages"
        if self.stored or self.failed or self.gone or self.refused or self.pending:
            line += f"; attachments: {self.stored:,} stored"
            line += f", {self.failed:,} failed" if self.failed else ""
            line += f", {self.gone:,} no longer on Canvas" if self.gone else ""
            line += f", {self.refused:,} refused" if self.refused else ""
            waiting = max(0, self.pending - self.failed)
            line += f", {waiting:,} pending" if waiting else ""
        if self.untried_files:
            number = "1 file is" if self.untried_files == 1 else f"{self.untried_files:,} files are"
            line += f"; {number} left for later, because of {', '.join(self.resting_hosts)}"
        if self.edits_pushed or self.edits_pending or self.edits_conflicts:
            line += (
                f"; edits: {self.edits_pushed:,} pushed, {self.edits_pending:,} pending, "
                f"{self.edits_conflicts:,} conflicts"
            )
        return f"{line} ({self.mode}, {self._requests()}, {self.seconds:.1f} s)."

    def _requests(self) -> str:
        return f"{self.requests:,} request{'' if self.requests == 1 else 's'}"
