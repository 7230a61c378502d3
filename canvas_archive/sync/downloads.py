"""The files of a pull: downloaded by a few threads, recorded one by one by the writing thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from canvas_archive.errors import UnusableFile
from canvas_archive.store import runs, transaction
from canvas_archive.store.blobs import StoredBlob, part_path, place_blob
from canvas_archive.sync import file_tasks
from canvas_archive.sync.attachments import Files
from canvas_archive.sync.file_hosts import LEDGER
from canvas_archive.sync.file_tasks import Ending, FileResult
from canvas_archive.sync.report import ReportedProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.clock import Clock
    from canvas_archive.store import Archive, Ingest
    from canvas_archive.store.ingest import SaveResult
    from canvas_archive.sync.file_tasks import FileTask
    from canvas_archive.sync.progress import SyncProgress
    from canvas_archive.sync.report import Report


class Downloads:
    """Queues, counts and records; used by the writing thread alone.

    ``submit`` gives a task, and the call that downloads it, to the threads. ``everything``: also what rests.
    """

    def __init__(
        self,
        archive: Archive,
        client: CanvasClient,
        max_bytes: int | None,
        ingest: Ingest,
        report: Report,
        progress: SyncProgress,
        clock: Clock,
        submit: Callable[[FileTask, Callable[[], FileResult]], None],
        *,
        everything: bool,
    ) -> None:
        self._archive = archive
        self._db = archive.db
        self._files = Files(archive, client, max_bytes, clock, everything=everything)
        self._everything = everything
        self._ingest = ingest
        self._report = report
        self._progress = progress
        self._clock = clock
        self._submit = submit
        self._queued: set[tuple[str, str]] = set()
        self._settled = 0
        self._recorded: set[str] = set()

    def enqueue_unfinished(self, *, full: bool) -> None:
        """Download what earlier runs left undone; ``full``: also what may have changed on Canvas."""
        tasks = file_tasks.unfinished_tasks(
            self._archive, self._clock, full=full, everything=self._everything
        )
        self._enqueue(tasks)

    def enqueue_new(self, conversation_id: int, saved: SaveResult) -> None:
        """Download the new files of a conversation that was just stored."""
        self._enqueue(file_tasks.new_tasks(self._db, conversation_id, saved.new_attachment_ids))

    def _enqueue(self, tasks: Iterable[FileTask]) -> None:
        before = len(self._queued)
        for task in tasks:
            if (task.kind, task.key) not in self._queued:
                self._queued.add((task.kind, task.key))
                self._submit(task, partial(self._files.fetch, task))
        if len(self._queued) > before:
            self._progress.files(self._settled, len(self._queued))

    def settle(self, task: FileTask, result: FileResult) -> None:
        """Record how a download ended, in a transaction of its own."""
        result = place(self._archive.files_dir, task, result)
        ending, sentence = result.ending, result.sentence or result.ending.value
        with transaction(self._db):
            if ending is not Ending.UNTRIED:
                self._record(task, result)
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

    def _record(self, task: FileTask, result: FileResult) -> None:
        state = result.ending.state
        if task.kind == "attachment":
            self._ingest.save_attachment_state(
                int(task.key),
                state,
                sha256=result.sha256,
                stored_size=result.size,
                error=result.sentence,
                url=result.url,
                record=result.record,
            )
            return
        message_id, _, media_id = task.key.partition("/")
        self._ingest.save_media_state(
            int(message_id),
            media_id,
            state,
            sha256=result.sha256,
            stored_size=result.size,
            error=result.sentence,
        )

    def _record_hosts(self, result: FileResult) -> None:
        """Store for the next run which hosts fail, and which answer again."""
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


def place(files_dir: Path, task: FileTask, result: FileResult) -> FileResult:
    """Rename the bytes that came to their hash. Return how the download ended with that."""
    if result.sha256 is None or result.size is None:
        return result
    finished = StoredBlob(result.sha256, result.size, part_path(files_dir, task.part_number), known=False)
    try:
        place_blob(files_dir, finished)
    except UnusableFile as error:
        return FileResult(Ending.PLACE, str(error))
    return result
