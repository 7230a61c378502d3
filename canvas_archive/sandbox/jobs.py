"""Work Canvas does later: batch updates with their Progress, and bulk messages sent in the background.

Jobs take a step each time :meth:`Jobs.advance` is called, which the server does before it answers a request.
So the same calls always find the same states: queued, running, then done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from canvas_archive.sandbox.mailbox import SentMessage

Step = Callable[[str], "str | None"]
NOT_PARTICIPATING = "The user is not participating in this conversation"


@dataclass(slots=True)
class BatchProgress:
    """A batch update. ``perform`` does one item and returns why it failed, or ``None``."""

    id: int
    user_id: int
    created_at: datetime
    items: list[str]
    perform: Step
    workflow_state: str = "queued"
    completion: float = 0.0
    message: str | None = None
    updated_at: datetime | None = None
    done: int = 0
    succeeded: int = 0
    failures: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """A bulk message: one conversation for each recipient. ``deliver`` sends to one of them."""

    id: int
    user_id: int
    message: SentMessage
    recipient_ids: list[int]
    tags: list[str]
    deliver: Callable[[int], None]
    workflow_state: str = "created"
    done: int = 0

    @property
    def completion(self) -> float:
        """Return the finished part, 0 to 1."""
        return round(self.done / len(self.recipient_ids), 4) if self.recipient_ids else 1.0


class Jobs:
    """The queue. ``steps`` is how many requests a job takes from running to done."""

    def __init__(self) -> None:
        self.progresses: dict[int, BatchProgress] = {}
        self.batches: dict[int, Batch] = {}
        self.queued_calls: list[Callable[[], object]] = []
        self.steps = 1
        self.paused = False

    def advance(self, now: datetime) -> None:
        """Let every unfinished job do its next part."""
        if self.paused:
            return
        calls, self.queued_calls = self.queued_calls, []
        for call in calls:
            call()
        for progress in self.progresses.values():
            if progress.workflow_state in ("queued", "running"):
                self._advance_progress(progress, now)
        for batch in self.batches.values():
            if batch.workflow_state in ("created", "sending"):
                self._advance_batch(batch)

    def finish(self, now: datetime) -> None:
        """Run everything to its end."""
        paused, self.paused = self.paused, False
        while self.busy:
            self.advance(now)
        self.paused = paused

    @property
    def busy(self) -> bool:
        """Return whether anything is unfinished."""
        return (
            bool(self.queued_calls)
            or any(one.workflow_state in ("queued", "running") for one in self.progresses.values())
            or any(one.workflow_state in ("created", "sending") for one in self.batches.values())
        )

    def _advance_progress(self, progress: BatchProgress, now: datetime) -> None:
        progress.updated_at = now
        if progress.workflow_state == "queued" and progress.items:
            progress.workflow_state = "running"
            self._perform(progress, self._part(len(progress.items), whole=False))
            return
        progress.workflow_state = "running"
        self._perform(progress, self._part(len(progress.items), whole=self.steps <= 1))
        if progress.done >= len(progress.items):
            progress.completion = 100.0
            progress.workflow_state = "completed" if progress.succeeded else "failed"
            noun = "conversation" if progress.succeeded == 1 else "conversations"
            lines = [f"{progress.succeeded} {noun} processed"]
            lines += [f"{reason}: {', '.join(ids)}" for reason, ids in progress.failures.items()]
            progress.message = "\n".join(lines)

    def _part(self, total: int, *, whole: bool) -> int:
        return total if whole else max(total // (self.steps + 1), 1)

    def _perform(self, progress: BatchProgress, count: int) -> None:
        every = max(len(progress.items) // 20, 4)
        for item in progress.items[progress.done : progress.done + count]:
            reason = progress.perform(item)
            if reason is None:
                progress.succeeded += 1
            else:
                progress.failures.setdefault(reason, []).append(item)
            progress.done += 1
            if progress.done % every == 0:
                progress.completion = round(100.0 * progress.done / len(progress.items), 4)

    def _advance_batch(self, batch: Batch) -> None:
        batch.workflow_state = "sending"
        for recipient in batch.recipient_ids[
            batch.done : batch.done + self._part(len(batch.recipient_ids), whole=False)
        ]:
            batch.deliver(recipient)
            batch.done += 1
        if batch.done >= len(batch.recipient_ids):
            batch.workflow_state = "sent"
