"""Pulling a mailbox: one thread decides and writes, others list, show and download.

A conversation is stored whole or not at all, as soon as it arrives. A killed run loses at most what was in
flight. The stored fingerprints show the next run what is finished.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from canvas_archive.errors import ArchiveError, CanvasProblem, MassRemoval, NotFound, NotPermitted
from canvas_archive.model import Conversation
from canvas_archive.store import Ingest, transaction
from canvas_archive.store.runs import GHOST
from canvas_archive.store.summaries import stored_summaries
from canvas_archive.sync import listing, plan
from canvas_archive.sync.arrivals import Arrivals
from canvas_archive.sync.downloads import Downloads
from canvas_archive.sync.file_tasks import Ending, FileResult
from canvas_archive.sync.jobs import ConversationFetcher, FileJob, Job, Jobs, ListJob, RecheckJob, ShowJob
from canvas_archive.sync.ledger import CONVERSATION, COURSES, Ledger
from canvas_archive.sync.listing import Listed, ListReader, Mode
from canvas_archive.sync.owner import check_account
from canvas_archive.sync.plan import ConfirmRemoval, Fetch, UpdateFlags
from canvas_archive.sync.report import Report
from canvas_archive.sync.texts import RunTexts
from canvas_archive.sync.workers import Stopped

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from canvas_archive.canvas import CanvasClient, ConversationPage
    from canvas_archive.canvas.client import Scope
    from canvas_archive.clock import Clock
    from canvas_archive.store import Archive
    from canvas_archive.sync.plan import Reason
    from canvas_archive.sync.progress import SyncProgress

_UNNAMED_COURSES = "SELECT EXISTS (SELECT 1 FROM contexts WHERE kind = 'course' AND course_code IS NULL)"


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
        self._jobs = Jobs(options.jobs)
        self.report = Report(options.mode)
        self._texts = RunTexts(archive.db, clock, run_id, self.report)
        self._arrivals = Arrivals(archive.db, self._ingest, self._texts, (CONVERSATION, GHOST))
        self._ledger = Ledger(archive.db, clock, self.report, everything=options.retry)
        self._listed = Listed(options.mode)
        self._wanted: set[int] = set()
        self._flagged: set[int] = set()
        self._shown = 0
        self._show_total = 0
        self._foreseen: set[int] = set()
        """What page 1 of a list names and no row has asked for yet."""
        self._fetcher = ConversationFetcher(client)
        self._postponed: dict[int, Reason | Literal["missing"]] = {}
        self._left_out: list[int] = []
        self._downloads = Downloads(
            archive,
            client,
            options.max_attachment_bytes,
            self._ingest,
            self.report,
            progress,
            clock,
            lambda task, call: self._jobs.submit(FileJob(task), call),
            everything=options.retry,
        )

    # -- the run ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the connection."""
        self._ingest.close()
        self._texts.close()

    def run(self) -> Report:
        """Pull everything that changed and return the counts.

        Raises CredentialProblem or CanvasProblem when Canvas is out of reach (what was done stays),
        MassRemoval when the guard held the removals back.
        """
        owner = check_account(self._archive, self._client)
        with transaction(self._db):
            self._ingest.save_user(owner)
        self._known = stored_summaries(self._db)
        reader = ListReader(
            self._client,
            self._archive.db_path,
            self._options.mode,
            self._ledger,
            self._known,
            self._wanted,
            listing.was_cut_short(self._db, self._run_id),
            self._jobs.pass_on,
            self._stop,
        )
        try:
            if self._options.attachments:
                self._downloads.enqueue_unfinished(full=self._options.mode == "full")
            self._progress.phase("Conversations")
            scopes = listing.QUICK_SCOPES if self._options.mode == "quick" else listing.FULL_SCOPES
            for scope, per_page in scopes:
                self._jobs.submit(ListJob(scope), partial(reader.read, scope, per_page))
            self._drain(lists_only=True)
            self._after_listing()
            for scope in self._listed.recheck_scopes():
                self._jobs.submit(RecheckJob(scope), partial(listing.read_ids, self._client, scope))
            self._drain(lists_only=True)
            self._note_lists()
            guarded = self._confirm_removals()
            self._retry_problems()
            self._drain()
            self._settle_texts()
            self._name_courses()
        except BaseException:
            self._stop.set()  # workers that wait for a throttled Canvas end now
            raise
        finally:
            self._jobs.close()
        self._ledger.record_untried(self._left_out)
        self.report.flags = len(self._flagged - self._wanted)
        self.report.complete = (
            self._listed.complete and not guarded and not reader.left_unread and not self.report.untried
        )
        if guarded:
            raise MassRemoval(guarded)
        return self.report

    def _retry_problems(self) -> None:
        """Try what failed in earlier runs and is due. It comes last, so that it delays nothing else."""
        for id_ in self._ledger.due:
            self._fetch(id_, "retry")
        for id_, reason in self._postponed.items():
            self._jobs.submit(ShowJob(id_, reason), partial(self._fetcher.fetch, id_, once=True))

    def _settle_texts(self) -> None:
        """Decide how Canvas sends bodies, after fetching again what that depends on."""
        for id_ in self._texts.to_fetch_again():
            self._wanted.discard(id_)
            self._fetch(id_, "asked")
        self._drain()
        self._texts.decide()

    def _after_listing(self) -> None:
        """Act on what only all lists together show, as far as they could be read."""
        self._foreseen.clear()
        members = self._listed.membership()
        self._perform(
            action
            for action in plan.fetches_from_ids(members.everything(), self._known)
            if not self._ledger.rests(action.conversation_id)
            and (self._options.mode == "full" or action.conversation_id not in self._ledger.ghosts)
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

    def _fetched_if_unseen(self, flags: UpdateFlags) -> plan.Action:
        """Return a fetch for a conversation that became unread and whose row is on an unreadable page."""
        unseen = self._listed.failed and flags.workflow_state == "unread"
        if unseen and not self._ledger.rests(flags.conversation_id):
            return Fetch(flags.conversation_id, "changed")
        return flags

    def _note_lists(self) -> None:
        """Store which conversations each list names, for the lists that could be read."""
        with transaction(self._db):
            for scope, ids in asdict(self._listed.membership()).items():
                if ids is not None:
                    self._ingest.save_ids(scope, ids)

    def _confirm_removals(self) -> str | None:
        """Fetch the conversations that no list has. Return the guard's sentence when they are too many."""
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
        """Store the codes, names and terms of courses, where the token may list them.

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
            self._ledger.record_list(COURSES, self._sentence(error))
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
                    self._ingest.save_flags(**asdict(flag))
            self._flagged.update(flag.conversation_id for flag in flags)

    def _fetch(self, conversation_id: int, reason: Reason | Literal["missing"]) -> None:
        if conversation_id in self._wanted:
            return
        self._wanted.add(conversation_id)
        self._foreseen.discard(conversation_id)
        self._show_total += 1
        if self._ledger.knows(conversation_id):
            self._postponed[conversation_id] = reason
            return
        self._jobs.submit(ShowJob(conversation_id, reason), partial(self._fetcher.fetch, conversation_id))

    # -- outcomes --------------------------------------------------------------------------------

    def _drain(self, *, lists_only: bool = False) -> None:
        """Handle outcomes until no list, or nothing at all, is open any more."""
        while self._awaits_something(lists_only):
            if self._stop.is_set():
                # Another thread ends this run. To go on would take what was not asked for as missing.
                raise KeyboardInterrupt
            if self._arrivals.patience == 0.0:
                self._store_arrivals()
            outcome = self._jobs.next_outcome(self._arrivals.patience)
            if outcome is not None and isinstance(outcome.value, Conversation):
                self._arrivals.add(outcome.value)
                continue
            self._store_arrivals()
            if outcome is None:
                continue
            if isinstance(outcome.error, Stopped):
                self._left_untried(outcome.job)
            elif outcome.error is None or isinstance(outcome.error, ArchiveError):
                self._take(outcome.job, outcome.value, outcome.error)
            else:
                raise outcome.error

    def _awaits_something(self, lists_only: bool) -> bool:
        if not self._jobs.are_open(lists_only=lists_only):
            self._store_arrivals()  # which may bring files to download
        return self._jobs.are_open(lists_only=lists_only)

    def _take(self, job: Job, value: object, error: ArchiveError | None) -> None:
        if isinstance(job, ShowJob):
            self._take_refused(job, error)
        elif isinstance(job, FileJob):
            if error is not None:
                value = FileResult(Ending.WRONG, self._sentence(error))
            if isinstance(value, FileResult):
                self._downloads.settle(job.task, value)
        elif isinstance(job, ListJob):
            self._take_listed(job.scope, error, to_the_end=value is True)
        elif isinstance(job, RecheckJob):
            self._take_recheck(job.scope, value, error)
        else:
            self._listed.add(job)
            self._foresee(job.content)
            self._judge_rows(job.scope, job.content)

    def _foresee(self, content: ConversationPage) -> None:
        """Count what the list's ids say will be fetched, before its other pages are read."""
        for id_ in content.all_ids or ():
            summary = self._known.get(id_)
            is_new = summary is None or not summary.fetched or self._options.refetch
            if is_new and id_ not in self._wanted and not self._ledger.rests(id_):
                self._foreseen.add(id_)

    def _show_progress(self) -> None:
        self._progress.conversations(self._shown, self._show_total + len(self._foreseen))

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
        # What rests was not fetched, so only the flags of its row are stored, not its fingerprint.
        flags = (plan.flags_of_row(row, self._known.get(row.id)) for row in resting)
        self._perform(one for one in flags if one is not None)
        for bad in content.malformed:
            if bad.id is None:  # the list of ids names its conversation
                self._ledger.record_list(f"{scope}/row", bad.sentence)
            elif not self._ledger.rests(bad.id):
                self._fetch(bad.id, "slipped")
        self._show_progress()

    def _take_listed(self, scope: Scope, error: ArchiveError | None, *, to_the_end: bool) -> None:
        if error is None:
            self._ledger.clear_list(scope, to_the_end=to_the_end)
            return
        self._listed.failed.add(scope)
        pages = self._listed.pages.get(scope, 0)
        item = f"{scope}/page-{pages + 1}" if pages else scope
        self._ledger.record_list(item, self._sentence(error))

    def _sentence(self, error: ArchiveError) -> str:
        """Return what an error says of one item; raise an error that is about more, which ends the run."""
        if isinstance(error, CanvasProblem) and error.item_alone:
            return str(error)
        raise error

    def _take_recheck(self, scope: Scope, value: object, error: ArchiveError | None) -> None:
        if error is not None:
            self._listed.failed.add(scope)
            self._ledger.record_list(f"{scope}/recheck", self._sentence(error))
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
            self._ledger.record_conversation(id_, self._sentence(error))
        self._show_progress()

    def _store_arrivals(self) -> None:
        for stored in self._arrivals.store():
            saved = stored.saved
            self._shown += 1
            self.report.new += saved.new
            self.report.changed += saved.changed and not saved.new
            self.report.new_messages += saved.new_messages
            if self._options.attachments and stored.may_bring_files:
                self._downloads.enqueue_new(stored.conversation.id, saved)
            self._show_progress()

    def _gone(self, conversation_id: int, *, listed: bool) -> None:
        summary = self._known.get(conversation_id)
        with transaction(self._db):
            self._ledger.record_absent(conversation_id, listed=listed)
            if summary is not None and not summary.removed:
                self._ingest.mark_removed(conversation_id, unlisted=not listed)
                self.report.removed += 1

    def _left_untried(self, job: Job) -> None:
        """Leave a conversation to the next run, and record that."""
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
