"""The files of a pull: downloaded beside it by a few threads, settled one by one by the writing thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from canvas_archive.clock import iso
from canvas_archive.store import runs, transaction
from canvas_archive.sync.attachments import FileResult
from canvas_archive.sync.report import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from canvas_archive.clock import Clock
    from canvas_archive.store import Archive, Ingest
    from canvas_archive.sync.attachments import Files, FileTask
    from canvas_archive.sync.progress import Progress
    from canvas_archive.sync.report import Report

AWAY_IN_A_ROW = 8
"""So many downloads in a row to which their host does not answer: it is away, and not asked again."""


class Downloads:
    """Queues, counts and records; used by the writing thread alone.

    ``submit`` gives a task, and the call that downloads it, to the threads.
    """

    def __init__(
        self,
        archive: Archive,
        files: Files,
        ingest: Ingest,
        report: Report,
        progress: Progress,
        clock: Clock,
        submit: Callable[[FileTask, Callable[[], FileResult]], None],
    ) -> None:
        self._db = archive.db
        self._files = files
        self._ingest = ingest
        self._report = report
        self._progress = progress
        self._clock = clock
        self._submit = submit
        self._queued = 0
        self._away = 0

    def enqueue(self, tasks: Iterable[FileTask]) -> None:
        """Have these downloaded."""
        for task in tasks:
            self._queued += 1
            self._submit(task, partial(self._files.fetch, task))

    def settle(self, task: FileTask, result: FileResult) -> None:
        """Record how a download ended, in a transaction of its own."""
        self._away = self._away + 1 if result.host_away else 0
        if self._away >= AWAY_IN_A_ROW:
            self._files.given_up = True
        failure = (result.error or "failed") if result.state == "failed" else None
        with transaction(self._db):
            self._files.record(task, result, self._ingest, iso(self._clock.now()))
            if failure is None:
                runs.clear_problem(self._db, task.kind, task.key)
            else:
                runs.record_problem(self._db, task.kind, task.key, failure, self._clock)
        report = self._report
        if failure is not None:
            report.failed += 1
            report.problems.append(Problem(task.kind, task.key, failure))
        elif result.state == "stored":
            report.stored += 1
        elif result.state == "gone":
            report.gone += 1
        else:
            report.refused += 1
        self._progress.files(report.stored + report.failed + report.gone + report.refused, self._queued)
