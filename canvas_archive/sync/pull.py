"""Pulling a mailbox: one thread decides and writes, others list, show and download.

A conversation is stored whole or not at all, as soon as it arrives. A killed run loses at most what was in
flight; the next run sees from the stored fingerprints what is finished and does not ask for it again.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from canvas_archive.errors import (
    ArchiveError,
    CanvasProblem,
    MassRemoval,
    NotFound,
    NotPermitted,
)
from canvas_archive.model import Conversation
from canvas_archive.store import Ingest, runs, transaction
from canvas_archive.store.connection import connect_readonly
from canvas_archive.store.runs import GHOST
from canvas_archive.store.summaries import stored_summaries
from canvas_archive.sync import file_queue, listing, plan
from canvas_archive.sync.arrivals import Arrivals
from canvas_archive.sync.attachments import Files
from canvas_archive.sync.downloads import Downloads
from canvas_archive.sync.fetching import ConversationFetcher
from canvas_archive.sync.file_tasks import Ending, FileResult
from canvas_archive.sync.jobs import FileJob, Job, ListJob, RecheckJob, ShowJob
from canvas_archive.sync.ledger import CONVERSATION, COURSES, LIST, Ledger
from canvas_archive.sync.listing import Listed, ListPage, Mode
from canvas_archive.sync.owner import check_account
from canvas_archive.sync.plan import ConfirmRemoval, Fetch, UpdateFlags
from canvas_archive.sync.report import Report, ReportedProblem
from canvas_archive.sync.workers import JobOutcome, Stopped, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from canvas_archive.canvas import CanvasClient, ConversationPage
    from canvas_archive.canvas.client import Scope
    from canvas_archive.clock import Clock
    from canvas_archive.store import Archive
    from canvas_archive.sync.file_tasks import FileTask
    from canvas_archive.sync.plan import Reason
    from canvas_archive.sync.progress import SyncProgress

_LEFT_UNFINISHED = """
SELECT coalesce((SELECT complete = 0 AND status NOT IN ('ok', 'partial')
                 FROM sync_runs WHERE id < ? ORDER BY id DESC LIMIT 1), 0)
"""
_UNNAMED_COURSES = "SELECT EXISTS (SELECT 1 FROM contexts WHERE kind = 'course' AND course_code IS NULL)"

FAREWELL_SECONDS = 1.5
"""How long a run that ends early waits for requests that are under way."""

IDLE_SECONDS = 0.5
"""How long to wait for an outcome before looking whether somebody ended the run."""


@dataclass(frozen=True, slots=True)
class PullOptions:
    """How to pull. ``jobs`` is the number of conversations fetched at a time at most."""

    mode: Mode
    jobs: int = 8
    attachments: bool = True
    max_attachment_bytes: int | None = None
    refetch: bool = False
    allow_mass_removal: bool = False
    retry: bool = False


class Pull:
    """One pull. ``run`` may be called once."""

    def __init__(
        self,
        archive: Archive,
        client: CanvasClient,
        options: PullOptions,
        progress: SyncProgress,
        clock: Clock,
        stop: threading.Event,
        run_id: int,
    ) -> None:
        self._archive = archive
        self._client = client
        self._options = options
        self._progress = progress
        self._clock = clock
        self._stop = stop
        self._db = archive.db
        self._run_id = run_id
        self._ingest = Ingest(archive.db, clock, run_id)
        self._arrivals = Arrivals(archive.db, self._ingest, (CONVERSATION, GHOST))
        self._results: queue.SimpleQueue[JobOutcome[Job]] = queue.SimpleQueue()
        self._lister: WorkerPool[Job] = WorkerPool(1, "list", self._results)
        self._shows: WorkerPool[Job] = WorkerPool(options.jobs, "show", self._results)
        self._downloads: WorkerPool[Job] = WorkerPool(max(1, min(3, options.jobs)), "file", self._results)
        self._ledger = Ledger(archive.db, clock, everything=options.retry)
        self._listed = Listed(options.mode)
        self._wanted: set[int] = set()
        self._open = 0
        self._open_lists = 0
        self._flagged: set[int] = set()
        self._shown = 0
        self._show_total = 0
        self._fetcher = ConversationFetcher(client)
        self._postponed: dict[int, Reason | Literal["missing"]] = {}
        self._left_out: list[int] = []
        self._stays_deep = False
        self.report = Report(options.mode)
        self._files = Files(archive, client, options.max_attachment_bytes, clock, everything=options.retry)
        self._downloaded = Downloads(
            archive, self._files, self._ingest, self.report, progress, clock, self._submit_file
        )

    # -- the run ---------------------------------------------------------------------------------

    def run(self) -> Report:
        """Pull everything that changed and return the counts.

        Raises CredentialProblem or CanvasProblem when Canvas is out of reach (what was done stays),
        MassRemoval when the guard held the removals back.
        """
        check_account(self._archive, self._client)
        self._known = stored_summaries(self._db)
        # A run that was cut short may have stored the top of a list and not what lay below it: then "nothing
        # new on this page" means nothing, and the lists are read to their ends.
        self._deep = bool(self._db.execute(_LEFT_UNFINISHED, (self._run_id,)).fetchone()[0])
        try:
            if self._options.attachments:
                full, retry = self._options.mode == "full", self._options.retry
                self._downloaded.enqueue(
                    file_queue.unfinished(self._archive, self._clock, full=full, everything=retry)
                )
            self._progress.phase("Conversations")
            self._submit_lists()
            self._drain(lists_only=True)
            self._after_listing()
            self._recheck()
            self._drain(lists_only=True)
            guarded = self._confirm_removals()
            self._retry_problems()
            self._drain()
            self._name_courses()
        except BaseException:
            self._stop.set()  # workers that wait for a throttled Canvas end now
            raise
        finally:
            crews = (self._lister, self._shows, self._downloads)
            for crew in crews:
                crew.stop()
            # What is under way gets a moment to finish, so that no connection is torn from under it.
            until = time.monotonic() + FAREWELL_SECONDS
            for crew in crews:
                crew.join(until)
        self._ledger.record_untried(self._left_out)
        self.report.flags = len(self._flagged - self._wanted)
        self.report.complete = (
            self._listed.complete and not guarded and not self._stays_deep and not self.report.untried
        )
        if guarded:
            raise MassRemoval(guarded)
        return self.report

    def _retry_problems(self) -> None:
        """Try what failed in earlier runs and is due: last, so that it holds up nothing else."""
        for id_ in self._ledger.due:
            self._fetch(id_, "retry")
        for id_, reason in self._postponed.items():
            self._submit(self._shows, ShowJob(id_, reason), partial(self._fetcher.fetch, id_, once=True))

    def _submit_lists(self) -> None:
        for scope, per_page in listing.QUICK_SCOPES if self._options.mode == "quick" else listing.FULL_SCOPES:
            self._submit(self._lister, ListJob(scope), partial(self._list, scope, per_page))

    def _list(self, scope: Scope, per_page: int) -> bool:
        """Run in the lister's thread: hand over page after page. Return whether the last one was read."""
        failed_before = self._ledger.knows_list(scope)
        to_the_end = self._options.mode == "full"
        if per_page > 1 and not to_the_end and (self._deep or failed_before):
            # What lies below a page that rests may have changed unseen: until it is read, no run is complete.
            to_the_end = not self._ledger.rests_list(scope)
            self._stays_deep = self._stays_deep or not to_the_end
        with self._client.one_try() if failed_before else nullcontext():
            for page in listing.pages_of(self._client, scope, per_page):
                self._results.put(JobOutcome(page, None, None))
                if self._stop.is_set():
                    raise Stopped
                if not to_the_end and (per_page == 1 or self._holds_nothing_new(page.content)):
                    return False
        return True

    def _holds_nothing_new(self, content: ConversationPage) -> bool:
        """Run in the lister's thread, which reads over a connection of its own."""
        with closing(connect_readonly(self._archive.db_path)) as db:
            stored = listing.fingerprints_of(content, db)
        # What is being fetched was new when its row was judged, whatever is stored of it by now. So this is
        # asked after reading, not before.
        if any(row.id in self._wanted for row in content.conversations):
            return False
        return listing.holds_nothing_new(content, self._known, stored, self._ledger)

    def _after_listing(self) -> None:
        """Act on what only all lists together tell, as far as they could be read."""
        members = self._listed.membership()
        self._perform(
            action
            for action in plan.fetches_from_ids(members.everything(), self._known)
            if not self._ledger.rests(action.conversation_id) and self._asks_for_ghost(action.conversation_id)
        )
        if self._options.mode == "quick":
            flags = plan.flags_from_membership(self._known, members, skip=self._wanted)
            self._perform(self._fetched_if_unseen(one) for one in list(flags))
        if self._options.refetch:
            self._perform(
                Fetch(id_, "asked")
                for id_, summary in self._known.items()
                if not summary.removed and not self._ledger.accepted(id_)
            )

    def _asks_for_ghost(self, conversation_id: int) -> bool:
        return self._options.mode == "full" or conversation_id not in self._ledger.ghosts

    def _fetched_if_unseen(self, flags: UpdateFlags) -> plan.Action:
        """Have a conversation fetched that became unread, and whose row is on a page that cannot be read."""
        unseen = self._listed.failed and flags.workflow_state == "unread"
        if unseen and not self._ledger.rests(flags.conversation_id):
            return Fetch(flags.conversation_id, "changed")
        return flags

    def _recheck(self) -> None:
        for scope in self._listed.recheck_scopes():
            self._submit(self._lister, RecheckJob(scope), partial(listing.read_ids, self._client, scope))

    def _confirm_removals(self) -> str | None:
        """Ask ``show`` for what no list names; return the guard's sentence when there is too much of it."""
        if not self._listed.names_everything:
            return None
        listed = self._listed.membership().everything()
        missing = [id_ for id_ in plan.removal_candidates(self._known, listed) if id_ not in self._wanted]
        present = sum(1 for summary in self._known.values() if not summary.removed)
        if plan.is_mass_removal(len(missing), present) and not self._options.allow_mass_removal:
            return (
                f"Canvas no longer lists {len(missing):,} of the {present:,} conversations in this archive. "
                "Nothing was marked as removed. If that is right, run sync again with --allow-mass-removal."
            )
        self._perform(ConfirmRemoval(id_) for id_ in missing if not self._ledger.rests(id_))
        return None

    def _name_courses(self) -> None:
        """Learn the codes, names and terms of courses; a token that may not see them does without.

        :calls: GET /api/v1/courses
        """
        if self._options.mode == "quick" and not (
            self.report.new and self._db.execute(_UNNAMED_COURSES).fetchone()[0]
        ):
            return
        if self._ledger.rests_list(COURSES):
            return
        try:
            with self._client.one_try() if self._ledger.knows_list(COURSES) else nullcontext():
                courses = list(self._client.courses())
        except (NotPermitted, NotFound):
            courses = []
        except CanvasProblem as error:
            self._list_failed(COURSES, str(self._of_item(error)))
            return
        self._ledger.clear_list(COURSES, to_the_end=True)
        with transaction(self._db):
            self._ingest.save_courses(courses)

    # -- actions ---------------------------------------------------------------------------------

    def _perform(self, actions: Iterable[plan.Action]) -> None:
        flags: list[UpdateFlags] = []
        for action in actions:
            if isinstance(action, Fetch):
                self._fetch(action.conversation_id, action.reason)
            elif isinstance(action, ConfirmRemoval):
                self._fetch(action.conversation_id, "missing")
            else:
                flags.append(action)
        if flags:
            with transaction(self._db):
                for flag in flags:
                    self._ingest.save_flags(
                        flag.conversation_id,
                        starred=flag.starred,
                        workflow_state=flag.workflow_state,
                        subscribed=flag.subscribed,
                    )
            self._flagged.update(flag.conversation_id for flag in flags)

    def _fetch(self, conversation_id: int, reason: Reason | Literal["missing"]) -> None:
        if conversation_id in self._wanted:
            return
        self._wanted.add(conversation_id)
        self._show_total += 1
        if self._ledger.knows(conversation_id):
            self._postponed[conversation_id] = reason
            return
        self._submit(
            self._shows, ShowJob(conversation_id, reason), partial(self._fetcher.fetch, conversation_id)
        )

    def _submit_file(self, task: FileTask, call: Callable[[], FileResult]) -> None:
        self._submit(self._downloads, FileJob(task), call)

    def _submit(self, crew: WorkerPool[Job], job: Job, call: Callable[[], object]) -> None:
        self._open += 1
        self._open_lists += isinstance(job, (ListJob, RecheckJob))
        crew.submit(job, call)

    # -- outcomes --------------------------------------------------------------------------------

    def _drain(self, *, lists_only: bool = False) -> None:
        """Handle outcomes until no list, or nothing at all, is open any more."""
        while self._awaits_something(lists_only):
            if self._stop.is_set():
                # Somebody else ends this run; going on would take what was not asked for as not there.
                raise KeyboardInterrupt
            outcome = self._next_outcome()
            if outcome is None:
                continue
            if isinstance(outcome.job, ShowJob) and isinstance(outcome.value, Conversation):
                self._open -= 1
                self._arrivals.add(outcome.value)
                continue
            self._store_arrivals()
            if isinstance(outcome.job, ListPage):
                self._take_page(outcome.job)
                continue
            self._open -= 1
            self._open_lists -= isinstance(outcome.job, (ListJob, RecheckJob))
            if isinstance(outcome.error, Stopped):
                self._left_untried(outcome.job)
                continue
            if outcome.error is not None and not isinstance(outcome.error, ArchiveError):
                raise outcome.error
            self._take(outcome.job, outcome.value, outcome.error)

    def _awaits_something(self, lists_only: bool) -> bool:
        if (self._open_lists if lists_only else self._open) == 0:
            self._store_arrivals()  # which may bring files to download
        return (self._open_lists if lists_only else self._open) > 0

    def _next_outcome(self) -> JobOutcome[Job] | None:
        """Return the next outcome, storing what has arrived when the time for that comes; ``None``: none."""
        patience = self._arrivals.patience
        if patience == 0.0:
            self._store_arrivals()
            patience = None
        try:
            return self._results.get(timeout=IDLE_SECONDS if patience is None else patience)
        except queue.Empty:
            self._store_arrivals()
            return None

    def _take(self, job: Job, value: object, error: ArchiveError | None) -> None:
        if isinstance(job, ShowJob):
            self._take_refused(job, error)
        elif isinstance(job, FileJob):
            if error is not None:
                value = FileResult(Ending.WRONG, str(self._of_item(error)))
            if isinstance(value, FileResult):
                self._downloaded.settle(job.task, value)
        elif isinstance(job, ListJob):
            self._take_listed(job.scope, error, to_the_end=value is True)
        elif isinstance(job, RecheckJob):
            self._take_recheck(job.scope, value, error)

    def _take_page(self, page: ListPage) -> None:
        self._listed.add(page)
        self._judge_rows(page.scope, page.content)

    def _judge_rows(self, scope: Scope, content: ConversationPage) -> None:
        settled, resting = [], []
        stored = listing.fingerprints_of(content, self._db)
        for row in content.conversations:
            self._ledger.take_row(row)
            if row.id in self._wanted:
                continue
            if self._ledger.rests_unchanged(row):
                resting.append(row)
                continue
            action = plan.judge_row(row, self._known.get(row.id), stored.get(row.id))
            if isinstance(action, Fetch):
                self._fetch(row.id, action.reason)
            else:
                settled.append(row)
        with transaction(self._db):
            saved = self._ingest.save_summaries(settled)
        self._flagged.update(row.id for row, what in zip(settled, saved, strict=True) if what.changed)
        # What rests was not fetched, so its row must not pass for what is stored: the flags alone are taken.
        flags = (plan.flags_of_row(row, self._known.get(row.id)) for row in resting)
        self._perform(one for one in flags if one is not None)
        for bad in content.malformed:
            if bad.id is None:  # the list of ids names its conversation
                self._list_failed(f"{scope}/row", bad.sentence)
            elif not self._ledger.rests(bad.id):
                self._fetch(bad.id, "slipped")
        self._progress.conversations(self._shown, self._show_total)

    def _take_listed(self, scope: Scope, error: ArchiveError | None, *, to_the_end: bool) -> None:
        if error is None:
            self._ledger.clear_list(scope, to_the_end=to_the_end)
            return
        self._listed.failed.add(scope)
        pages = self._listed.pages.get(scope, 0)
        self._list_failed(f"{scope}/page-{pages + 1}" if pages else scope, str(self._of_item(error)))

    def _list_failed(self, item: str, sentence: str) -> None:
        if self._ledger.record_list(item, sentence):
            self.report.problems.append(ReportedProblem(LIST, item, sentence))

    def _of_item(self, error: ArchiveError) -> ArchiveError:
        """Return an error that concerns one item alone; raise any other one, which ends the run."""
        if isinstance(error, CanvasProblem) and error.item_alone:
            return error
        raise error

    def _take_recheck(self, scope: Scope, value: object, error: ArchiveError | None) -> None:
        if error is not None:
            self._listed.failed.add(scope)
            self._list_failed(f"{scope}/recheck", str(self._of_item(error)))
            return
        content: ConversationPage = value  # type: ignore[assignment]
        order = content.all_ids or ()
        pages = self._listed.pages.get(scope, 1)
        depth = None if self._options.mode == "full" else pages * listing.PAGE
        seen = self._listed.seen.get(scope, set())
        for id_ in plan.slipped(order, depth, seen):
            if id_ not in self._ledger.ghosts and not self._ledger.rests(id_):
                self._fetch(id_, "slipped")
        self._listed.ids[scope] = order
        self._judge_rows(scope, content)

    def _take_refused(self, job: ShowJob, error: ArchiveError | None) -> None:
        id_ = job.conversation_id
        self._shown += 1
        if isinstance(error, NotFound):
            self._gone(id_, listed=job.reason != "missing")
        elif error is not None:
            sentence = str(self._of_item(error))
            self._ledger.record_conversation(id_, sentence)
            self.report.problems.append(ReportedProblem(CONVERSATION, str(id_), sentence))
        self._progress.conversations(self._shown, self._show_total)

    def _store_arrivals(self) -> None:
        for stored in self._arrivals.store():
            saved = stored.saved
            self._shown += 1
            self.report.new += saved.new
            self.report.changed += saved.changed and not saved.new
            self.report.new_messages += saved.new_messages
            if self._options.attachments and stored.may_bring_files:
                id_ = stored.conversation.id
                self._downloaded.enqueue(file_queue.brought(self._db, id_, saved.new_attachment_ids))
            self._progress.conversations(self._shown, self._show_total)

    def _gone(self, conversation_id: int, *, listed: bool) -> None:
        summary = self._known.get(conversation_id)
        with transaction(self._db):
            runs.clear_problem(self._db, CONVERSATION, str(conversation_id))
            if listed:
                runs.record_problem(
                    self._db, GHOST, str(conversation_id), "listed, but not found", self._clock
                )
            if summary is not None and not summary.removed:
                self._ingest.mark_removed(conversation_id)
                self.report.removed += 1

    def _left_untried(self, job: Job) -> None:
        """Leave a conversation to the next run, which must come to know of it."""
        if not isinstance(job, ShowJob):
            return
        self._shown += 1
        id_ = job.conversation_id
        if self._ledger.knows(id_):
            return  # it stays due
        self.report.untried += 1
        summary = self._known.get(id_)
        if summary is not None and summary.fetched and not summary.removed and job.reason != "missing":
            self._left_out.append(id_)
