"""A whole sync as one call: open, check, pull, push, index, record."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.clock import SYSTEM
from canvas_archive.credentials import find_token, token_from_environment
from canvas_archive.errors import ArchiveError, ConflictsLeft, ItemsFailed, WrongAccount
from canvas_archive.machine import machine_errors_converted, machine_trouble
from canvas_archive.signing.heads import sign_after_sync
from canvas_archive.store import Archive, runs, transaction
from canvas_archive.store.chain import extend_chain
from canvas_archive.store.connection import refresh_statistics
from canvas_archive.store.counts import pending_messages
from canvas_archive.sync.consent import Shown, left_waiting, waiting
from canvas_archive.sync.ledger import COURSES, LIST
from canvas_archive.sync.progress import SyncProgress
from canvas_archive.sync.pull import Pull, PullOptions
from canvas_archive.sync.report import Report
from canvas_archive.sync.workers import StoppableClock

if TYPE_CHECKING:
    from pathlib import Path

    from canvas_archive.canvas import RetryWait
    from canvas_archive.canvas.limiter import Limiter
    from canvas_archive.clock import Clock
    from canvas_archive.sync.listing import Mode

FULL_SWEEP_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """Options of a sync; ``None`` leaves one to the archive's configuration.

    ``push`` sends what was ``shown``; without that, what waits when the sync begins.
    """

    mode: Mode | None = None
    dry_run: bool = False
    attachments: bool | None = None
    index: bool = True
    push: bool = False
    shown: Shown | None = None
    jobs: int | None = None
    patience_minutes: float | None = None
    max_attachment_bytes: int | None = None
    refetch: bool = False
    allow_mass_removal: bool = False
    retry: bool = False


@dataclass(slots=True)
class SyncResult:
    """The counts of a run, and the error that ended it, if any: the caller prints both."""

    report: Report
    error: ArchiveError | None = None
    notes: list[str] = field(default_factory=list)


def open_client(
    archive: Archive,
    *,
    progress: SyncProgress | None = None,
    clock: Clock = SYSTEM,
    stop: threading.Event | None = None,
    jobs: int | None = None,
    patience_minutes: float | None = None,
    limiter: Limiter | None = None,
) -> CanvasClient:
    """Return a client for the archive's own Canvas and person, with the token found for it.

    ``limiter`` is that of another client with the same token.

    Raises TokenMissing or CredentialProblem. Raises NotAdopted for an archive (or a ``token_command``) that
    this user has neither made nor adopted: its address and its command come from someone else.
    """
    config = archive.config
    account = archive.account
    archive.require_adopted()
    if archive.config_as_written.base_url != account.base_url:
        raise WrongAccount(
            f"config.toml names {archive.config_as_written.base_url}, but this archive is of "
            f"{account.base_url}. If the school moved: "
            f"canvas-archive rebind {archive.config_as_written.base_url}"
        )
    if token_from_environment(account.base_url) is None:
        archive.require_agreed("token_command")
    found = find_token(account.base_url, token_command=config.token_command, user_id=account.user_id)
    show = progress or SyncProgress()

    def on_wait(wait: RetryWait) -> None:
        show.waiting(wait.seconds, wait.reason)

    minutes = config.patience_minutes if patience_minutes is None else patience_minutes
    return CanvasClient(
        account.base_url,
        Token(found.secret, found.renewal),
        as_user_id=account.as_user_id,
        patience=minutes * 60.0,
        concurrency=jobs or config.jobs,
        clock=StoppableClock(clock, stop or threading.Event(), real_waits=clock is SYSTEM),
        on_wait=on_wait,
        limiter=limiter,
        allowed_file_hosts=config.allowed_file_hosts,
    )


def due_mode(archive: Archive, clock: Clock = SYSTEM) -> Mode:
    """Return ``full`` when no full sync was completed within the last day, else ``quick``.

    One in the future was made with a wrong clock, and does not count. While a list rests that cannot be read
    to its end, an incomplete full sync counts, too. Otherwise every sync would be a full one.
    """
    rests = runs.resting_ids(archive.db, LIST, clock) - {COURSES}
    last = runs.last_full(archive.db) if rests else runs.last_complete_full(archive.db)
    recent = last is not None and timedelta() <= clock.now() - last < FULL_SWEEP_AFTER
    return "quick" if recent else "full"


def sync(
    folder: Path,
    options: SyncOptions | None = None,
    progress: SyncProgress | None = None,
    clock: Clock = SYSTEM,
    *,
    limiter: Limiter | None = None,
    stop: threading.Event | None = None,
) -> SyncResult:
    """Bring the archive up to date.

    ``limiter`` is shared with other syncs that use the same token; setting ``stop`` from another thread
    ends the run like a Ctrl-C, with KeyboardInterrupt.

    What ends a run early (Canvas out of reach, the guard) is in ``SyncResult.error``, with the counts of
    what was done; an archive that cannot be opened or a missing token raises before anything happens.
    A full disk, or a locked or damaged database, becomes the error that ``machine_trouble`` returns.
    """
    options = options or SyncOptions()
    progress = progress or SyncProgress()
    if options.dry_run:
        return _dry_run(folder, options, progress, clock)
    with machine_errors_converted(), Archive.open(folder, write=True, clock=clock) as archive:
        stop = stop or threading.Event()
        with open_client(
            archive,
            progress=progress,
            clock=clock,
            stop=stop,
            jobs=options.jobs,
            patience_minutes=options.patience_minutes,
            limiter=limiter,
        ) as client:
            progress.phase("Connecting")
            result = _sync(archive, client, options, progress, clock, stop)
    # Without the lock: an authority may take a while.
    result.notes += sign_after_sync(archive.folder, archive.config, clock=clock)
    return result


def _dry_run(folder: Path, options: SyncOptions, progress: SyncProgress, clock: Clock) -> SyncResult:
    from canvas_archive.sync.preview import preview

    with Archive.open(folder, clock=clock) as archive:
        with open_client(
            archive, progress=progress, clock=clock, patience_minutes=options.patience_minutes
        ) as client:
            progress.phase("Comparing")
            started = clock.monotonic()
            mode = options.mode or due_mode(archive, clock)
            report = preview(archive, client, mode, clock, retry=options.retry or options.refetch)
            report.requests, report.bytes = client.stats.requests, client.stats.bytes
            report.seconds = clock.monotonic() - started
            return SyncResult(report, _items_failed(report) if report.problems else None)


def _sync(
    archive: Archive,
    client: CanvasClient,
    options: SyncOptions,
    progress: SyncProgress,
    clock: Clock,
    stop: threading.Event,
) -> SyncResult:
    db, config = archive.db, archive.config
    mode = options.mode or due_mode(archive, clock)
    started = clock.monotonic()
    run_id = runs.start_run(db, mode, clock)
    pull = Pull(
        archive,
        client,
        PullOptions(
            mode=mode,
            jobs=options.jobs or config.jobs,
            attachments=config.attachments if options.attachments is None else options.attachments,
            max_attachment_bytes=options.max_attachment_bytes or config.max_attachment_bytes,
            refetch=options.refetch,
            allow_mass_removal=options.allow_mass_removal,
            retry=options.retry or options.refetch,  # everything includes what rests
        ),
        progress,
        clock,
        stop,
        run_id,
    )
    report = pull.report
    error: ArchiveError | None = None
    status = "failed"
    refused = False
    notes: list[str] = []
    shown = (options.shown or waiting(db)) if options.push else None
    try:
        try:
            _derive_again(db, run_id, report, progress, clock, notes)
            if options.index:
                progress.unindexed(pending_messages(db))
            pull.run()
            error = _send(archive, client, clock, report, notes, shown)
        except ArchiveError as caught:
            error = caught
        if options.index:
            progress.phase("Indexing")
            report.indexed = _index(archive, progress, notes)
        refresh_statistics(db)
        if (error is None or isinstance(error, ItemsFailed)) and report.problems:
            error = _items_failed(report)
            status = "partial"
        elif error is None or isinstance(error, ConflictsLeft):
            status = "ok"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    except (OSError, sqlite3.Error) as caught:
        error = machine_trouble(caught)
        if error is None:
            raise
        refused = True
    finally:
        report.requests, report.bytes = client.stats.requests, client.stats.bytes
        report.seconds = clock.monotonic() - started
        # If the machine refuses to write, it may refuse this, too. Then the next run ends this one.
        with contextlib.suppress(KeyboardInterrupt, *((sqlite3.Error,) if refused else ())):
            _finish(archive, run_id, status, report, error, clock)
        pull.close()
    return SyncResult(report, error, notes)


def _derive_again(
    db: sqlite3.Connection,
    run_id: int,
    report: Report,
    progress: SyncProgress,
    clock: Clock,
    notes: list[str],
) -> None:
    """Derive the rows of the archive again, if another version of the parser derived them."""
    from canvas_archive.derive.again import derive_again, is_derived

    if is_derived(db):
        return
    progress.phase("Reading what Canvas said again")
    report.derived_again = derive_again(db, clock, run_id)
    notes.append(
        "This version reads what Canvas said otherwise than the one before: "
        f"{report.derived_again:,} rows changed."
    )


def _items_failed(report: Report) -> ItemsFailed:
    number = len(report.problems)
    failed, are = (f"{number:,} items", "They are") if number != 1 else ("1 item", "It is")
    untried = f", and {report.untried:,} more were not tried" if report.untried else ""
    then = "" if report.dry_run else f" {are} tried again later: 'canvas-archive problems' says when."
    return ItemsFailed(f"{failed} failed{untried}.{then}")


def _send(
    archive: Archive,
    client: CanvasClient,
    clock: Clock,
    report: Report,
    notes: list[str],
    shown: Shown | None,
) -> ArchiveError | None:
    """Queue again what Canvas un-archived by itself; send only what was ``shown``, and that once more.

    Returns the error of a push that left something undone; raises when Canvas does not answer.
    """
    from canvas_archive.sync.acts import settle_unfinished
    from canvas_archive.sync.push_report import PushReport
    from canvas_archive.sync.reverts import queue_reverted, waiting_lines

    sent = PushReport()
    notes += settle_unfinished(archive, clock)
    try:
        again = queue_reverted(archive.db, clock, sent)
        if shown is not None:
            from canvas_archive.sync.push import push_archive

            seen = Shown({**shown.edits, **again}, shown.messages)
            push_archive(archive, client, clock, shown=seen, report=sent)
            sent.notes += filter(None, [left_waiting(archive.db, seen)])
    finally:
        report.edits_pushed = sent.pushed + sent.already + sent.repushed
        report.edits_conflicts = sent.conflicts + sent.asked
        report.reverted = sent.reverted
        report.problems += sent.problems
        notes += [*sent.notes, *waiting_lines(archive.db)]
    return sent.error()


def _index(archive: Archive, progress: SyncProgress, notes: list[str]) -> int:
    from canvas_archive.search import update_index

    indexed = update_index(archive.db, archive.search_dir, progress=progress.indexed, reading=progress.texts)
    notes += indexed.notes()
    return indexed.added


def _finish(
    archive: Archive, run_id: int, status: str, report: Report, error: ArchiveError | None, clock: Clock
) -> None:
    db = archive.db
    if db.in_transaction:
        # A Ctrl-C can arrive between BEGIN and the block that would roll back.
        db.execute("ROLLBACK")
    counts = db.execute(
        "SELECT (SELECT count(*) FROM conversations),"
        " (SELECT count(*) FROM attachments WHERE state <> 'stored' AND state IN ('pending', 'failed')),"
        " (SELECT count(*) FROM edits WHERE state = 'pending')"
    ).fetchone()
    report.total, report.pending, report.edits_pending = counts
    tried = {(problem.kind, problem.id) for problem in report.problems}
    report.resting, report.accepted = runs.count_untouched(db, tried, clock)
    runs.finish_run(
        db,
        run_id,
        status,
        report.complete,
        report.requests,
        report.bytes,
        report.counts(),
        str(error) if error else None,
        clock=clock,
    )
    with transaction(db):
        extend_chain(db, clock=clock)
