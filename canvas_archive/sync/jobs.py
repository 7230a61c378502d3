"""The jobs of a pull: one thread lists, others fetch conversations and download files.

Each job comes back as an outcome, which the writing thread reads.
"""

from __future__ import annotations

import queue
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from canvas_archive.errors import ServerFailure, Unanswered
from canvas_archive.sync.listing import ListPage
from canvas_archive.sync.workers import JobOutcome, Stopped, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.canvas.client import Scope
    from canvas_archive.model import Conversation
    from canvas_archive.sync.file_tasks import FileTask
    from canvas_archive.sync.plan import Reason

BROKEN_IN_A_ROW = 3
"""After so many conversations in a row that Canvas fails on, the rest is left to the next run."""

CLOSE_SECONDS = 1.5
"""How long a run that ends early waits for requests that are under way."""

IDLE_SECONDS = 0.5
"""How long to wait for an outcome before checking whether the run was stopped."""

MOST_DOWNLOADS = 3


@dataclass(frozen=True, slots=True)
class ListJob:
    """List one scope."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class RecheckJob:
    """Read one scope's ids again."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class ShowJob:
    """Fetch one conversation."""

    conversation_id: int
    reason: Reason | Literal["missing"]


@dataclass(frozen=True, slots=True)
class FileJob:
    """Download one file."""

    task: FileTask


Job: TypeAlias = ListJob | RecheckJob | ShowJob | FileJob | ListPage
"""A ``ListPage`` is no job of its own: a list job passes on each of its pages while it runs."""


class Jobs:
    """Three pools of threads and the queue of their outcomes. At most ``shows`` conversations at a time."""

    def __init__(self, shows: int) -> None:
        self._outcomes: queue.SimpleQueue[JobOutcome[Job]] = queue.SimpleQueue()
        self._lists: WorkerPool[Job] = WorkerPool(1, "list", self._outcomes)
        self._shows: WorkerPool[Job] = WorkerPool(shows, "show", self._outcomes)
        self._files: WorkerPool[Job] = WorkerPool(max(1, min(MOST_DOWNLOADS, shows)), "file", self._outcomes)
        self._open = 0
        self._open_lists = 0

    def submit(self, job: Job, call: Callable[[], object]) -> None:
        """Run ``call`` in a thread of the job's kind."""
        pool = self._shows if isinstance(job, ShowJob) else self._files
        if isinstance(job, (ListJob, RecheckJob)):
            pool = self._lists
            self._open_lists += 1
        self._open += 1
        pool.submit(job, call)

    def pass_on(self, page: ListPage) -> None:
        """Give a page to the writing thread; called in the thread that lists."""
        self._outcomes.put(JobOutcome(page, None, None))

    def are_open(self, *, lists_only: bool) -> bool:
        """Return whether any job, or any list, has no outcome yet."""
        return (self._open_lists if lists_only else self._open) > 0

    def next_outcome(self, seconds: float | None) -> JobOutcome[Job] | None:
        """Return the next outcome; ``None`` when there is none within the time."""
        try:
            outcome = self._outcomes.get(timeout=IDLE_SECONDS if seconds is None else seconds)
        except queue.Empty:
            return None
        if not isinstance(outcome.job, ListPage):
            self._open -= 1
            self._open_lists -= isinstance(outcome.job, (ListJob, RecheckJob))
        return outcome

    def close(self) -> None:
        """End the threads. Requests under way get a moment, so that no connection is torn."""
        pools = (self._lists, self._shows, self._files)
        for pool in pools:
            pool.stop()
        until = time.monotonic() + CLOSE_SECONDS
        for pool in pools:
            pool.join(until)


class ConversationFetcher:
    """Fetches conversations, until Canvas fails on several in a row; used by several threads."""

    def __init__(self, client: CanvasClient) -> None:
        self._client = client
        self._broken_in_a_row = 0

    def fetch(self, conversation_id: int, *, once: bool = False) -> Conversation:
        """Return a conversation with its messages. ``once``: with one try, since it failed in an earlier run.

        Raises Stopped when the conversation is left to the next run, and the errors of the client.

        :calls: GET /api/v1/conversations/:id
        """
        if self._broken_in_a_row >= BROKEN_IN_A_ROW:
            raise Stopped
        broken = False
        try:
            with self._client.one_try() if once else nullcontext():
                return self._client.conversation(conversation_id, auto_mark_as_read=False)
        except (ServerFailure, Unanswered):
            broken = True
            raise
        finally:
            self._broken_in_a_row = self._broken_in_a_row + 1 if broken else 0
