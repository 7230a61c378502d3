"""Pulling a mailbox: one thread decides and writes, others list, show and download.

A conversation is stored whole or not at all, as soon as it arrives. A killed run loses at most what was in
flight; the next run sees from the stored fingerprints what is finished and does not ask for it again.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from canvas_archive.errors import (
    ApiError,
    ArchiveError,
    BadRequest,
    MalformedAnswer,
    MassRemoval,
    NotFound,
    NotPermitted,
    ServerFailure,
)
from canvas_archive.model import Conversation
from canvas_archive.store import Ingest, runs, transaction
from canvas_archive.store.connection import connect_readonly
from canvas_archive.store.summaries import stored_summaries
from canvas_archive.sync import file_queue, listing, plan
from canvas_archive.sync.arrivals import Arrivals
from canvas_archive.sync.attachments import Files
from canvas_archive.sync.downloads import Downloads
from canvas_archive.sync.file_tasks import FileResult
from canvas_archive.sync.jobs import FileJob, Job, ListJob, RecheckJob, ShowJob
from canvas_archive.sync.listing import Listed, Mode, Page
from canvas_archive.sync.owner import check_account
from canvas_archive.sync.plan import ConfirmRemoval, Fetch, UpdateFlags
from canvas_archive.sync.report import Problem, Report
from canvas_archive.sync.workers import Crew, Outcome, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from canvas_archive.canvas import CanvasClient, ConversationPage
    from canvas_archive.canvas.client import Scope
    from canvas_archive.clock import Clock
    from canvas_archive.store import Archive
    from canvas_archive.sync.file_tasks import FileTask
    from canvas_archive.sync.plan import Reason
    from canvas_archive.sync.progress import Progress

GHOST = "ghost"
"""Ledger kind of ids that a list names and ``show`` does not know: not problems, and not asked for again
by quick syncs."""

_LEFT_UNFINISHED = """
SELECT coalesce((SELECT complete = 0 FROM sync_runs WHERE id < ? ORDER BY id DESC LIMIT 1), 0)
"""
_UNNAMED_COURSES = "SELECT EXISTS (SELECT 1 FROM contexts WHERE kind = 'course' AND course_code IS NULL)"

FAREWELL_SECONDS = 1.5
"""How long a run that ends early waits for requests that are under way."""

IDLE_SECONDS = 0.5
"""How long to wait for an outcome before looking whether somebody ended the run."""

BROKEN_IN_A_ROW = 8
"""So many items failing one after another is no longer about the items: Canvas is gone."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to pull. ``jobs`` is the number of conversations fetched at a time at most."""

    mode: Mode
    jobs: int = 8
    attachments: bool = True
    max_attachment_bytes: int | None = None
    refetch: bool = False
    allow_mass_removal: bool = False


class Pull:
    """One pull. ``run`` may be called once."""

    def __init__(
        self,
        archive: Archive,
        client: CanvasClient,
        options: Options,
        progress: Progress,
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
        self._arrivals = Arrivals(archive.db, self._ingest, ("conversation", GHOST))
        self._results: queue.SimpleQueue[Outcome[Job]] = queue.SimpleQueue()
        self._lister: Crew[Job] = Crew(1, "list", self._results)
        self._shows: Crew[Job] = Crew(options.jobs, "show", self._results)
        self._downloads: Crew[Job] = Crew(max(1, min(3, options.jobs)), "file", self._results)
        self._listed = Listed(options.mode)
        self._wanted: set[int] = set()
        self._open = 0
        self._open_lists = 0
        self._flagged: set[int] = set()
        self._shown = 0
        self._show_total = 0
        self._broken_in_a_row = 0
        self.report = Report(options.mode)
        self._files = Files(archive, client, options.max_attachment_bytes, clock)
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
        self._ghosts = {int(p.item_id) for p in runs.open_problems(self._db, GHOST)}
        try:
            self._retry_problems()
            self._progress.phase("Conversations")
            self._submit_lists()
            self._drain(lists_only=True)
            if self._listed.complete:
                self._after_listing()
                self._forget_list_problems()
            self._recheck()
            self._drain(lists_only=True)
            guarded = self._confirm_removals()
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
        self.report.flags = len(self._flagged - self._wanted)
        self.report.complete = self._listed.complete and not guarded
        if guarded:
            raise MassRemoval(guarded)
        return self.report

    def _retry_problems(self) -> None:
        for problem in runs.open_problems(self._db, "conversation"):
            self._fetch(int(problem.item_id), "retry")
        if self._options.attachments:
            full = self._options.mode == "full"
            self._downloaded.enqueue(file_queue.unfinished(self._archive, self._clock, full=full))

    def _submit_lists(self) -> None:
        for scope, per_page in listing.QUICK_SCOPES if self._options.mode == "quick" else listing.FULL_SCOPES:
            self._submit(self._lister, ListJob(scope), partial(self._list, scope, per_page))

    def _list(self, scope: Scope, per_page: int) -> None:
        """Run in the lister's thread: hand over page after page."""
        to_the_end = self._options.mode == "full" or (self._deep and per_page > 1)
        for page in listing.pages_of(self._client, scope, per_page):
            self._results.put(Outcome(page, None, None))
            if self._stop.is_set():
                raise Stopped
            if not to_the_end and (per_page == 1 or self._holds_nothing_new(page.content)):
                return

    def _holds_nothing_new(self, content: ConversationPage) -> bool:
        """Run in the lister's thread, which reads over a connection of its own."""
        with closing(connect_readonly(self._archive.db_path)) as db:
            stored = listing.fingerprints_of(content, db)
        # What is being fetched was new when its row was judged, whatever is stored of it by now. So this is
        # asked after reading, not before.
        if any(row.id in self._wanted for row in content.conversations):
            return False
        return listing.holds_nothing_new(content, self._known, stored)

    def _after_listing(self) -> None:
        """Act on what only all lists together tell."""
        members = self._listed.membership()
        self._perform(
            action
            for action in plan.fetches_from_ids(members.everything(), self._known)
            if action.conversation_id not in self._ghosts or self._options.mode == "full"
        )
        if self._options.mode == "quick":
            self._perform(plan.flags_from_membership(self._known, members, skip=self._wanted))
        if self._options.refetch:
            self._perform(Fetch(id_, "asked") for id_, summary in self._known.items() if not summary.removed)

    def _forget_list_problems(self) -> None:
        told_now = {problem.id for problem in self.report.problems if problem.kind == "list"}
        with transaction(self._db):
            for problem in runs.open_problems(self._db, "list"):
                if problem.item_id not in told_now:
                    runs.clear_problem(self._db, "list", problem.item_id)

    def _recheck(self) -> None:
        if self._listed.failed:
            return
        for scope in self._listed.recheck_scopes():
            self._submit(self._lister, RecheckJob(scope), partial(listing.read_ids, self._client, scope))

    def _confirm_removals(self) -> str | None:
        """Ask ``show`` for what no list names; return the guard's sentence when there is too much of it."""
        if not self._listed.complete:
            return None
        listed = self._listed.membership().everything()
        missing = [id_ for id_ in plan.removal_candidates(self._known, listed) if id_ not in self._wanted]
        present = sum(1 for summary in self._known.values() if not summary.removed)
        if plan.is_mass_removal(len(missing), present) and not self._options.allow_mass_removal:
            return (
                f"Canvas no longer lists {len(missing):,} of the {present:,} conversations in this archive. "
                "Nothing was marked as removed. If that is right, run sync again with --allow-mass-removal."
            )
        self._perform(ConfirmRemoval(id_) for id_ in missing)
        return None

    def _name_courses(self) -> None:
        """Learn the codes, names and terms of courses; a token that may not see them does without.

        :calls: GET /api/v1/courses
        """
        if self._options.mode == "quick" and not (
            self.report.new and self._db.execute(_UNNAMED_COURSES).fetchone()[0]
        ):
            return
        try:
            courses = list(self._client.courses())
        except (ApiError, MalformedAnswer):
            return
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
        self._submit(
            self._shows,
            ShowJob(conversation_id, reason),
            partial(self._client.conversation, conversation_id, auto_mark_as_read=False),
        )

    def _submit_file(self, task: FileTask, call: Callable[[], FileResult]) -> None:
        self._submit(self._downloads, FileJob(task), call)

    def _submit(self, crew: Crew[Job], job: Job, call: Callable[[], object]) -> None:
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
            if isinstance(outcome.job, Page):
                self._take_page(outcome.job)
                continue
            self._open -= 1
            self._open_lists -= isinstance(outcome.job, (ListJob, RecheckJob))
            if isinstance(outcome.error, Stopped):
                continue
            if outcome.error is not None and not isinstance(outcome.error, ArchiveError):
                raise outcome.error
            self._take(outcome.job, outcome.value, outcome.error)

    def _awaits_something(self, lists_only: bool) -> bool:
        if (self._open_lists if lists_only else self._open) == 0:
            self._store_arrivals()  # which may bring files to download
        return (self._open_lists if lists_only else self._open) > 0

    def _next_outcome(self) -> Outcome[Job] | None:
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
                raise error
            if isinstance(value, FileResult):
                self._downloaded.settle(job.task, value)
        elif isinstance(job, ListJob):
            self._take_listed(job.scope, error)
        elif isinstance(job, RecheckJob):
            self._take_recheck(job.scope, value, error)

    def _take_page(self, page: Page) -> None:
        self._listed.add(page)
        self._judge_rows(page.content)

    def _judge_rows(self, content: ConversationPage) -> None:
        settled = []
        stored = listing.fingerprints_of(content, self._db)
        for row in content.conversations:
            if row.id in self._wanted:
                continue
            action = plan.judge_row(row, self._known.get(row.id), stored.get(row.id))
            if isinstance(action, Fetch):
                self._fetch(row.id, action.reason)
            else:
                settled.append(row)
        with transaction(self._db):
            saved = self._ingest.save_summaries(settled)
        self._flagged.update(row.id for row, what in zip(settled, saved, strict=True) if what.changed)
        for bad in content.malformed:
            if bad.id is not None:
                self._fetch(bad.id, "slipped")
            else:
                self._problem("list", f"row of {len(content.conversations)}", bad.sentence)
        self._progress.conversations(self._shown, self._show_total)

    def _take_listed(self, scope: Scope, error: ArchiveError | None) -> None:
        if error is None:
            return
        if isinstance(error, (MalformedAnswer, BadRequest, NotPermitted, NotFound)):
            self._listed.failed[scope] = str(error)
            self._problem("list", scope, str(error))
            return
        raise error

    def _take_recheck(self, scope: Scope, value: object, error: ArchiveError | None) -> None:
        if error is not None:
            self._take_listed(scope, error)
            return
        content: ConversationPage = value  # type: ignore[assignment]
        order = content.all_ids or ()
        pages = self._listed.pages.get(scope, 1)
        depth = None if self._options.mode == "full" else pages * listing.PAGE
        seen = self._listed.seen.get(scope, set())
        for id_ in plan.slipped(order, depth, seen):
            if id_ not in self._ghosts:
                self._fetch(id_, "slipped")
        self._listed.ids[scope] = order
        self._judge_rows(content)

    def _take_refused(self, job: ShowJob, error: ArchiveError | None) -> None:
        id_ = job.conversation_id
        self._shown += 1
        if isinstance(error, NotFound):
            self._broken_in_a_row = 0
            self._gone(id_, listed=job.reason != "missing")
        elif isinstance(error, (MalformedAnswer, BadRequest, NotPermitted, ServerFailure)):
            self._problem("conversation", str(id_), str(error))
            if isinstance(error, ServerFailure):
                self._broken_in_a_row += 1
                if self._broken_in_a_row >= BROKEN_IN_A_ROW:
                    raise error
        elif error is not None:
            raise error
        self._progress.conversations(self._shown, self._show_total)

    def _store_arrivals(self) -> None:
        for stored in self._arrivals.store():
            saved = stored.saved
            self._broken_in_a_row = 0
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
            runs.clear_problem(self._db, "conversation", str(conversation_id))
            if listed:
                runs.record_problem(
                    self._db, GHOST, str(conversation_id), "listed, but not found", self._clock
                )
            if summary is not None and not summary.removed:
                self._ingest.mark_removed(conversation_id)
                self.report.removed += 1

    def _problem(self, kind: str, item_id: str, sentence: str) -> None:
        with transaction(self._db):
            runs.record_problem(self._db, kind, item_id, sentence, self._clock)
        self.report.problems.append(Problem(kind, item_id, sentence))
