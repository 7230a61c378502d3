"""Many mailboxes, one administrator: an archive for each custodian, and what became of each.

Every archive is a whole one that can be used, moved and verified alone; a fleet is the folder they lie in,
which remembers the last outcome of each (``fleet_record.py``). A run that was cut short is simply run again:
custodians without a success come first, then those with the oldest one. Every archive continues where it was.

All share one rate limiter, because Canvas counts by token. What concerns one custodian (no such user, no
permission, a foreign or damaged archive) fails that one. What concerns all (the token, Canvas itself, a full
disk) ends the run. Where an error may be either, Canvas is asked with the administrator's own token.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.canvas.address import normalise_base_url
from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.credentials import find_token
from canvas_archive.errors import (
    ApiError,
    ArchiveError,
    BadInput,
    BadRequest,
    CanvasProblem,
    CredentialProblem,
    ItemsFailed,
    NotFound,
    NotPermitted,
    Throttled,
    WrongAccount,
)
from canvas_archive.machine import as_archive_error, concerns_every_archive
from canvas_archive.store import Archive
from canvas_archive.store.folder import is_archive
from canvas_archive.store.private import require_folder
from canvas_archive.sync.custodians import ListedCustodian
from canvas_archive.sync.fleet_record import CustodianOutcome, Fleet, in_order, require_owner
from canvas_archive.sync.progress import SyncProgress
from canvas_archive.sync.service import SyncOptions, SyncResult, sync
from canvas_archive.sync.workers import StoppableClock, Stopped

if TYPE_CHECKING:
    from canvas_archive.canvas.limiter import Limiter
    from canvas_archive.model import User

__all__ = [
    "CustodianOutcome",
    "Fleet",
    "FleetOptions",
    "FleetProgress",
    "FleetResult",
    "in_order",
    "sync_fleet",
]


PROBE_PATIENCE = 20.0
"""How long Canvas may take to answer whether it is there at all, in seconds."""


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """How to run: ``jobs`` custodians at a time, ``concurrency`` requests under way at most over all."""

    jobs: int = 1
    concurrency: int = 8
    skip_newer_than: timedelta | None = None
    sync: SyncOptions = field(default_factory=SyncOptions)


@dataclass(slots=True)
class FleetResult:
    """The outcomes in the order of the list, and what ended the run early, if anything did."""

    outcomes: tuple[CustodianOutcome, ...]
    requests: int
    seconds: float
    error: ArchiveError | None = None


class FleetProgress(Protocol):
    """Hears how far a run is; called from one thread, but ``waiting`` from any."""

    def begin(self, total: int) -> None:
        """So many custodians are to be synced."""

    def started(self, custodian: ListedCustodian) -> None:
        """One begins."""

    def finished(self, outcome: CustodianOutcome) -> None:
        """One is done, well or not."""

    def waiting(self, seconds: float, reason: str) -> None:
        """Say that Canvas makes everybody wait."""


def sync_fleet(
    fleet: Fleet,
    custodians: Sequence[ListedCustodian],
    base_url: str,
    options: FleetOptions,
    progress: FleetProgress,
    clock: Clock = SYSTEM,
) -> FleetResult:
    """Bring everybody's archive up to date, making those that are missing.

    What fails a custodian is in their outcome; what ends the run is in ``FleetResult.error``, and so is
    ItemsFailed when anybody failed. Raises TokenMissing, CredentialProblem, CanvasProblem or BadInput when
    nothing could begin, KeyboardInterrupt when it was interrupted (what was done is recorded).
    """
    address = normalise_base_url(base_url)
    started = clock.monotonic()
    run = _Run(fleet, options, progress, clock)
    with run.connect(address) as admin:
        collector = admin.current_user()
        fleet.open_at(address)
        _refuse_moved(custodians, fleet.outcomes)
        fleet.expect(custodians)
        todo = in_order(custodians, fleet.outcomes, clock.now(), options.skip_newer_than)
        progress.begin(len(todo))
        run.everybody(todo, collector, admin.limiter)
        requests = admin.stats.requests + run.requests + run.probes
    fleet.summarise_all()
    outcomes = tuple(fleet.outcomes[custodian.user_id] for custodian in custodians)
    return FleetResult(outcomes, requests, clock.monotonic() - started, run.fatal or _shortfall(outcomes))


def _refuse_moved(custodians: Sequence[ListedCustodian], known: Mapping[int, CustodianOutcome]) -> None:
    for custodian in custodians:
        outcome = known.get(custodian.user_id)
        if outcome is not None and outcome.folder != custodian.folder:
            raise BadInput(
                f"The archive of user {custodian.user_id} is in the folder {outcome.folder!r}, but the list "
                f"says {custodian.folder!r}. Correct the list."
            )


def _shortfall(outcomes: Sequence[CustodianOutcome]) -> ArchiveError | None:
    short = [outcome for outcome in outcomes if outcome.status != "ok"]
    if not short:
        return None
    first = short[0]
    return ItemsFailed(
        f"{len(short)} of {len(outcomes)} custodians are not complete, the first of them {_named(first)}: "
        f"{first.error or first.status} Run it again; what succeeded is kept."
    )


def _named(outcome: CustodianOutcome) -> str:
    return f"{outcome.name} (user {outcome.user_id})" if outcome.name else f"user {outcome.user_id}"


class _Run:
    """One run over many custodians."""

    def __init__(self, fleet: Fleet, options: FleetOptions, progress: FleetProgress, clock: Clock) -> None:
        self._fleet = fleet
        self._options = options
        self._progress = progress
        self._clock = clock
        self._stop = threading.Event()
        self._stops: list[threading.Event] = [self._stop]
        self._asking = threading.Lock()
        self.fatal: ArchiveError | None = None
        self.requests = 0
        self.probes = 0

    def connect(
        self,
        base_url: str,
        *,
        as_user_id: int | None = None,
        limiter: Limiter | None = None,
        most_patience: float = math.inf,
    ) -> CanvasClient:
        """Return a client with the administrator's token, as patient as the options say."""
        minutes = self._options.sync.patience_minutes
        found = find_token(base_url, again=f"canvas-archive fleet login {base_url}")
        return CanvasClient(
            base_url,
            Token(found.secret, found.renewal),
            as_user_id=as_user_id,
            patience=min(600.0 if minutes is None else minutes * 60.0, most_patience),
            concurrency=self._options.concurrency,
            clock=StoppableClock(self._clock, self._stop, real_waits=self._clock is SYSTEM),
            on_wait=lambda pause: self._progress.waiting(pause.seconds, pause.reason),
            limiter=limiter,
        )

    def everybody(self, todo: Sequence[ListedCustodian], collector: User, limiter: Limiter) -> None:
        """Sync them, ``jobs`` at a time; stop starting new ones once something concerns all."""
        left = list(reversed(todo))
        under_way: dict[Future[CustodianOutcome], ListedCustodian] = {}
        with ThreadPoolExecutor(self._options.jobs, thread_name_prefix="custodian") as pool:
            try:
                while under_way or (left and self.fatal is None):
                    while left and self.fatal is None and len(under_way) < self._options.jobs:
                        custodian = left.pop()
                        stop = threading.Event()
                        self._stops.append(stop)
                        self._progress.started(custodian)
                        future = pool.submit(self._one, custodian, collector, limiter, stop)
                        under_way[future] = custodian
                    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        del under_way[future]
                        self._settle(future.result())
            except BaseException:
                for stop in self._stops:
                    stop.set()
                # The pool waits for them: they end at their next step, and say so.
                for future in under_way:
                    with suppress(BaseException):
                        self._settle(future.result())
                raise

    def _settle(self, outcome: CustodianOutcome) -> None:
        self.requests += outcome.requests
        self._fleet.record(outcome)
        self._progress.finished(outcome)

    def _one(
        self, custodian: ListedCustodian, collector: User, limiter: Limiter, stop: threading.Event
    ) -> CustodianOutcome:
        before = self._fleet.outcomes[custodian.user_id]
        base_url = self._fleet.base_url or ""
        started = self._clock.monotonic()
        asked = 0
        report = None
        error: ArchiveError | None = None
        status = "failed"
        name = before.name or custodian.name
        try:
            folder = self._fleet.root / custodian.folder
            with suppress(FileNotFoundError):
                require_folder(folder)
            if not is_archive(folder):
                asked, name = self._create(folder, custodian, base_url, collector, limiter)
            else:
                with Archive.open(folder) as archive:
                    require_owner(archive, custodian.user_id, base_url)
                    name = archive.account.name or name
            result = self._sync(folder, limiter, stop)
            report, error = result.report, result.error
        except (KeyboardInterrupt, Stopped):
            status = "interrupted"
        except Exception as caught:  # any error of one: the others can still be collected
            error = as_archive_error(caught)
        if error is not None:
            self.fatal = self.fatal or self._concerns_all(error)
        if status != "interrupted":
            status = "ok" if error is None else "partial" if isinstance(error, ItemsFailed) else "failed"
        now = iso(self._clock.now())
        outcome = CustodianOutcome(
            custodian.user_id,
            custodian.folder,
            name,
            status,
            str(error) if error else "The run was interrupted." if status == "interrupted" else None,
            conversations=before.conversations,
            requests=asked,
            seconds=round(self._clock.monotonic() - started, 3),
            finished_at=now,
            succeeded_at=now if status in ("ok", "partial") else before.succeeded_at,
        )
        if report is None:
            return outcome
        return replace(
            outcome,
            conversations=report.total,
            new=report.new,
            new_messages=report.new_messages,
            attachments=report.stored,
            problems=len(report.problems),
            requests=asked + report.requests,
        )

    def _create(
        self, folder: Path, custodian: ListedCustodian, base_url: str, collector: User, limiter: Limiter
    ) -> tuple[int, str]:
        """Make an archive; return the requests it took and the person's name.

        :calls: GET /api/v1/users/self
        """
        with self.connect(base_url, as_user_id=custodian.user_id, limiter=limiter) as client:
            try:
                person = client.current_user()
            except (NotPermitted, BadRequest, NotFound) as error:
                raise ApiError(
                    f"This token may not act as user {custodian.user_id}: {error}", status=error.status
                ) from None
            if person.id != custodian.user_id:
                raise WrongAccount(
                    f"Canvas answers for user {person.id} when asked as user {custodian.user_id}: the "
                    "accounts may have been merged. Put the new id into the list."
                )
            Archive.create(
                folder,
                base_url=base_url,
                user_id=collector.id,
                name=person.name,
                as_user_id=custodian.user_id,
                clock=self._clock,
            ).close()
            return client.stats.requests, person.name

    def _sync(self, folder: Path, limiter: Limiter, stop: threading.Event) -> SyncResult:
        return sync(folder, self._options.sync, SyncProgress(), self._clock, limiter=limiter, stop=stop)

    def _concerns_all(self, error: ArchiveError) -> ArchiveError | None:
        """Return the error that ends the run when the next custodian would meet the same; else ``None``.

        :calls: GET /api/v1/users/self
        """
        if concerns_every_archive(error):
            return error
        refused = isinstance(error, ApiError) and error.status < 500 and not isinstance(error, Throttled)
        if refused or not isinstance(error, (CanvasProblem, CredentialProblem)):
            return None
        with self._asking:
            if self.fatal is not None:
                return self.fatal
            try:
                with self.connect(self._fleet.base_url or "", most_patience=PROBE_PATIENCE) as client:
                    try:
                        client.current_user()
                    finally:
                        self.probes += client.stats.requests
            except ArchiveError as trouble:
                return trouble
        return None
