"""Sending pending edits: read what Canvas has, decide each field, send, read back, settle.

Killed at any point, the next push converges: it reads Canvas's rows first, and what already arrived is
settled without being sent again. Nothing is sent that is not in the journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canvas_archive.errors import (
    ArchiveError,
    BadRequest,
    CanvasProblem,
    ConflictsLeft,
    GuardRefused,
    ItemsFailed,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    ServerFailure,
)
from canvas_archive.store import Ingest, edits, transaction
from canvas_archive.sync.calls import BatchCall, SingleCall, is_sendable, plan_calls
from canvas_archive.sync.merge import (
    AlreadySo,
    Ask,
    PendingEdit,
    Policy,
    Send,
    TargetGone,
    Yield,
    decide,
)
from canvas_archive.sync.pull import check_account
from canvas_archive.sync.report import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.clock import Clock
    from canvas_archive.model import Conversation, JsonObject, Progress
    from canvas_archive.store import Archive
    from canvas_archive.sync.calls import Call
    from canvas_archive.sync.merge import Decision

    Chooser = Callable[[Ask], Policy]

POLL_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
POLL_LIMIT_SECONDS = 900.0
ITEM_ERRORS = (BadRequest, NotPermitted, MalformedAnswer, ServerFailure)


@dataclass(slots=True)
class PushReport:
    """What a push did, or with ``dry_run`` would do."""

    dry_run: bool = False
    requests: list[str] = field(default_factory=list)
    pushed: int = 0
    already: int = 0
    conflicts: int = 0
    gone: int = 0
    pending: int = 0
    asked: int = 0
    sent_messages: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def to_json(self) -> JsonObject:
        """Return the document that ``push --json`` prints."""
        return {
            "dry_run": self.dry_run,
            "requests": list(self.requests),
            "pushed": self.pushed,
            "already": self.already,
            "conflicts": self.conflicts,
            "gone": self.gone,
            "pending": self.pending,
            "sent_messages": self.sent_messages,
            "notes": list(self.notes),
            "problems": [{"kind": p.kind, "id": p.id, "error": p.error} for p in self.problems],
        }

    def summary(self) -> str:
        """Return the last line a person reads."""
        if self.dry_run:
            count = len(self.requests)
            return f"{count} request{'' if count == 1 else 's'} would be sent; nothing was."
        parts = [
            f"{self.pushed} pushed",
            *([f"{self.already} already so"] if self.already else []),
            *([f"{self.conflicts} conflicts"] if self.conflicts else []),
            *([f"{self.gone} gone from Canvas"] if self.gone else []),
            *([f"{self.sent_messages} messages sent"] if self.sent_messages else []),
            f"{self.pending} pending",
        ]
        return f"Edits: {', '.join(parts)}."

    def error(self) -> ArchiveError | None:
        """Return what the command should end with, if not with success."""
        if self.problems:
            return ItemsFailed(f"{len(self.problems)} edits could not be sent; they stay pending.")
        if self.asked:
            return ConflictsLeft(
                f"{self.asked} conflicts wait for a decision: run push with --on-conflict local or remote."
            )
        return None


class Push:
    """One push of the pending edits of an archive open for writing."""

    def __init__(
        self,
        archive: Archive,
        client: CanvasClient,
        clock: Clock,
        *,
        policy: Policy = "local",
        choose: Chooser | None = None,
        only: Collection[int] | None = None,
    ) -> None:
        self._archive = archive
        self._client = client
        self._clock = clock
        self._policy = policy
        self._choose = choose
        self._only = only
        self._db = archive.db
        self._ingest = Ingest(archive.db, clock)
        self._details: dict[int, str | None] = {}
        self.report = PushReport()

    def run(self, *, dry_run: bool = False) -> PushReport:
        """Send what is pending. Raises CredentialProblem or CanvasProblem with the rest still pending.

        :calls: PUT /api/v1/conversations/:id
        :calls: PUT /api/v1/conversations
        """
        self.report.dry_run = dry_run
        wishes = self._pending()
        if not wishes:
            return self.report
        check_account(self._archive, self._client)
        rows = self._read_rows({wish.conversation_id for wish in wishes})
        decisions = [self._decide(wish, rows) for wish in wishes if self._checked(wish)]
        sends = [decision for decision in decisions if isinstance(decision, Send)]
        calls = plan_calls(send.edit for send in sends)
        if dry_run:
            self.report.requests = [call.describe() for call in calls]
            self.report.pending = len(wishes)
            return self.report
        self._details = {send.edit.id: send.detail for send in sends}
        self._settle_unsent(decisions, rows)
        try:
            for call in calls:
                self._perform(call)
        finally:
            self.report.pending = len(self._pending())
        return self.report

    # -- deciding --------------------------------------------------------------------------------

    def _pending(self) -> list[PendingEdit]:
        return [
            PendingEdit(edit.id, edit.conversation_id, edit.field, edit.base_value, edit.value)
            for edit in edits.pending_edits(self._db)
            if self._only is None or edit.id in self._only
        ]

    def _checked(self, wish: PendingEdit) -> bool:
        if is_sendable(wish):
            return True
        self.report.problems.append(
            Problem("edit", str(wish.id), f"{wish.field} = {wish.value!r} is nothing Canvas knows; not sent")
        )
        return False

    def _decide(self, wish: PendingEdit, rows: Mapping[int, Conversation | None]) -> Decision:
        row = rows.get(wish.conversation_id)
        remote = None if row is None else edits.as_text(getattr(row, wish.field))
        decision = decide(
            wish,
            remote,
            new_message=row is not None and self._has_news(wish, row),
            policy=self._policy,
        )
        if isinstance(decision, Ask) and self._choose is not None:
            chosen = self._choose(decision)
            decision = decide(wish, remote, new_message=False, policy=chosen)
        return decision

    def _has_news(self, wish: PendingEdit, row: Conversation) -> bool:
        """Tell whether somebody wrote since the person last saw the conversation."""
        stored = self._db.execute(
            "SELECT c.last_message_at, e.made_at FROM conversations c JOIN edits e ON e.id = ?"
            " WHERE c.id = ?",
            (wish.id, wish.conversation_id),
        ).fetchone()
        if (row.last_message_at or "") > (stored["last_message_at"] or ""):
            return True
        return bool(
            self._db.execute(
                "SELECT EXISTS (SELECT 1 FROM messages WHERE conversation_id = ? AND generated = 0"
                " AND author_id <> ? AND first_seen_at > ? AND removed_at IS NULL)",
                (wish.conversation_id, self._archive.account.owner_id, stored["made_at"]),
            ).fetchone()[0]
        )

    # -- reading ---------------------------------------------------------------------------------

    def _read_rows(self, ids: set[int]) -> dict[int, Conversation | None]:
        """Read what Canvas has for these conversations, in the fewest requests.

        :calls: GET /api/v1/conversations
        :calls: GET /api/v1/conversations/:id
        """
        rows: dict[int, Conversation | None] = {}
        stored = self._db.execute("SELECT count(*) FROM conversations WHERE removed_at IS NULL").fetchone()[0]
        if len(ids) > max(10, stored // 50):
            for scope in ("inbox", "archived", "sent", "starred"):
                for page in self._client.conversations(scope, per_page=100):  # type: ignore[arg-type]
                    rows.update((row.id, row) for row in page.conversations if row.id in ids)
                    if len(rows) == len(ids):
                        break
                if len(rows) == len(ids):
                    break
        for id_ in sorted(ids - rows.keys()):
            try:
                rows[id_] = self._client.conversation(id_, auto_mark_as_read=False)
            except NotFound:
                rows[id_] = None
        return rows

    # -- settling --------------------------------------------------------------------------------

    def _settle_unsent(self, decisions: Iterable[Decision], rows: Mapping[int, Conversation | None]) -> None:
        for decision in decisions:
            edit = decision.edit
            row = rows.get(edit.conversation_id)
            if isinstance(decision, TargetGone):
                self._gone(edit)
            elif isinstance(decision, AlreadySo) and row is not None:
                self._settle(edit, row, "pushed", "already so on Canvas")
                self.report.already += 1
            elif isinstance(decision, Yield) and row is not None:
                self._settle(edit, row, "conflict", decision.detail)
                self.report.conflicts += 1
                self.report.notes.append(f"Conversation {edit.conversation_id}: {decision.detail}.")
            elif isinstance(decision, Ask):
                self.report.asked += 1
                self.report.notes.append(
                    f"Conversation {edit.conversation_id}: {edit.field} is {decision.remote} on Canvas, was "
                    f"{edit.base}, and you want {edit.value}."
                )

    def _gone(self, edit: PendingEdit) -> None:
        with transaction(self._db):
            edits.settle_edit(
                self._db, edit.id, "gone", "the conversation is no longer on Canvas", edit.value, self._clock
            )
            self._ingest.mark_removed(edit.conversation_id)
        self.report.gone += 1

    def _settle(self, edit: PendingEdit, row: Conversation, state: str, detail: str | None) -> None:
        """Settle one edit and take in the row in the same transaction: the column then follows Canvas."""
        with transaction(self._db):
            edits.settle_edit(self._db, edit.id, state, detail, edit.value, self._clock)
            self._take_row(row)

    def _take_row(self, row: Conversation) -> None:
        self._ingest.save_flags(
            row.id, starred=row.starred, workflow_state=row.workflow_state, subscribed=row.subscribed
        )

    # -- sending ---------------------------------------------------------------------------------

    def _perform(self, call: Call) -> None:
        self.report.requests.append(call.describe())
        if isinstance(call, SingleCall):
            self._perform_single(call)
        else:
            self._perform_batch(call)

    def _perform_single(self, call: SingleCall) -> None:
        wished = {edit.field: edit.value for edit in call.edits}
        try:
            row = self._client.update_conversation(
                call.conversation_id,
                workflow_state=wished.get("workflow_state"),
                starred=None if "starred" not in wished else wished["starred"] == "1",
                subscribed=None if "subscribed" not in wished else wished["subscribed"] == "1",
            )
        except NotFound:
            for edit in call.edits:
                self._gone(edit)
            return
        except ITEM_ERRORS as error:
            for edit in call.edits:
                self._failed(edit, str(error))
            return
        self._read_back(call.edits, row)

    def _perform_batch(self, call: BatchCall) -> None:
        try:
            progress = self._client.batch_update(call.conversation_ids, call.event)
            self._await(progress)
        except ITEM_ERRORS as error:
            for edit in call.edits:
                self._failed(edit, str(error))
            return
        rows = self._read_rows(set(call.conversation_ids))
        for edit in call.edits:
            row = rows[edit.conversation_id]
            if row is None:
                self._gone(edit)
            else:
                self._read_back((edit,), row)

    def _await(self, progress: Progress) -> None:
        """Poll until Canvas says the batch is over; what came of it is read from the rows.

        :calls: GET /api/v1/progress/:id
        """
        deadline = self._clock.monotonic() + POLL_LIMIT_SECONDS
        waits = iter(POLL_SECONDS)
        pause = next(waits)
        while progress.workflow_state in ("queued", "running"):
            if self._clock.monotonic() > deadline:
                raise CanvasProblem(
                    f"Canvas has not finished a batch update (progress {progress.id}) within "
                    f"{POLL_LIMIT_SECONDS / 60:.0f} minutes. Its edits stay pending; push again later."
                )
            self._clock.sleep(pause)
            pause = next(waits, pause)
            progress = self._client.progress(progress.id)

    def _read_back(self, wished: Iterable[PendingEdit], row: Conversation) -> None:
        for edit in wished:
            now = edits.as_text(getattr(row, edit.field))
            if now == edit.value:
                self._settle(edit, row, "pushed", self._details.get(edit.id))
                self.report.pushed += 1
            else:
                self._failed(edit, f"Canvas was told {edit.field} = {edit.value}, but still says {now}")

    def _failed(self, edit: PendingEdit, sentence: str) -> None:
        self.report.problems.append(
            Problem("edit", str(edit.id), f"conversation {edit.conversation_id}: {sentence}")
        )


def refuse_without_archive_state(archive: Archive) -> None:
    """Raise GuardRefused when no pull was ever completed: an empty base decides nothing."""
    if not archive.db.execute("SELECT EXISTS (SELECT 1 FROM sync_runs WHERE complete = 1)").fetchone()[0]:
        raise GuardRefused("Nothing is pushed before the first complete sync. Run canvas-archive sync first.")
