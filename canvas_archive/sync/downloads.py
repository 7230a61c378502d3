"""The files of a pull: downloaded beside it by a few threads, settled one by one by the writing thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from canvas_archive.clock import iso
from canvas_archive.store import runs, transaction
from canvas_archive.sync.file_hosts import LEDGER
from canvas_archive.sync.file_tasks import Ending, FileResult
from canvas_archive.sync.report import ReportedProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from canvas_archive.clock import Clock
    from canvas_archive.store import Archive, Ingest
    from canvas_archive.sync.attachments import Files
    from canvas_archive.sync.file_tasks import FileTask
    from canvas_archive.sync.progress import SyncProgress
    from canvas_archive.sync.report import Report


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
        progress: SyncProgress,
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
        self._queued: set[tuple[str, str]] = set()
        self._settled = 0
        self._recorded: set[str] = set()

    def enqueue(self, tasks: Iterable[FileTask]) -> None:
        """Have these downloaded, each once in a run."""
        for task in tasks:
            if (task.kind, task.key) not in self._queued:
                self._queued.add((task.kind, task.key))
                self._submit(task, partial(self._files.fetch, task))

    def settle(self, task: FileTask, result: FileResult) -> None:
        """Record how a download ended, in a transaction of its own."""
        result = self._files.place(task, result)
        ending, sentence = result.ending, result.sentence or result.ending.value
        with transaction(self._db):
            if ending is not Ending.UNTRIED:
                self._files.record(task, result, self._ingest, iso(self._clock.now()))
            if (
                ending.is_failure
                or ending is Ending.UPLOADING
                or (ending is Ending.UNTRIED and result.sentence)
            ):
                runs.record_problem(self._db, task.kind, task.key, sentence, self._clock)
            elif ending is not Ending.UNTRIED:
                runs.clear_problem(self._db, task.kind, task.key)
            self._record_hosts(result)
        self._count(task, result, sentence)

    def _record_hosts(self, result: FileResult) -> None:
        """Keep for the next run which hosts fail, and which do no more."""
        for host in result.hosts if result.ending is Ending.STORED else ():
            runs.clear_problem(self._db, LEDGER, host)
        for host, sentence in list(self._files.hosts.failing.items()):
            if host not in self._recorded:
                self._recorded.add(host)
                runs.record_problem(self._db, LEDGER, host, sentence, self._clock)

    def _count(self, task: FileTask, result: FileResult, sentence: str) -> None:
        report, ending = self._report, result.ending
        self._settled += 1
        if ending.is_failure:
            report.failed += 1
            report.problems.append(ReportedProblem(task.kind, task.key, sentence))
        elif ending is Ending.STORED:
            report.stored += 1
        elif ending is Ending.GONE:
            report.gone += 1
        elif ending is Ending.UNTRIED:
            report.untried_files += 1
            report.resting_hosts += [host for host in result.hosts if host not in report.resting_hosts]
        elif ending is not Ending.UPLOADING:
            report.refused += 1
        self._progress.files(self._settled, len(self._queued))
