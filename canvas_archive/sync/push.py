"""Sending pending edits: read what Canvas has, decide each field, send, read back, settle.

A push can be killed at any point. The next one reads Canvas's rows first, and settles what has arrived
without sending it again. Nothing is sent that is not in the journal.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from canvas_archive.errors import (
    BadRequest,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    ServerFailure,
    Unanswered,
    Unreachable,
)
from canvas_archive.store import edits, transaction
from canvas_archive.sync.acts import chained, settle_unfinished
from canvas_archive.sync.batches import await_batch
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
    protect_states,
)
from canvas_archive.sync.outbox import Outbox
from canvas_archive.sync.owner import check_account
from canvas_archive.sync.push_report import PushReport
from canvas_archive.sync.report import ReportedProblem
from canvas_archive.sync.settling import Settling, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.canvas.client import Scope
    from canvas_archive.clock import Clock
    from canvas_archive.errors import CanvasProblem
    from canvas_archive.model import Conversation
    from canvas_archive.store import Archive
    from canvas_archive.sync.calls import Call
    from canvas_archive.sync.consent import Shown
    from canvas_archive.sync.merge import Decision

    Chooser = Callable[[Ask], Policy]

BROKEN_IN_A_ROW = 3
"""After so many failed conversations in a row, the failure is Canvas's, not theirs."""

REFUSED_IN_A_ROW = 10
"""So many edits of a failed batch refused one after another: the rest would be refused as well."""

ITEM_ERRORS = (BadRequest, NotPermitted, MalformedAnswer, ServerFailure, Unanswered)
SCOPES: tuple[Scope, ...] = ("inbox", "archived", "sent", "starred")

_NEWS = """
SELECT c.last_message_at, EXISTS (
    SELECT 1 FROM messages m WHERE m.conversation_id = c.id AND m.generated = 0 AND m.removed_at IS NULL
      AND m.author_id <> :owner
      AND (m.first_seen_at > e.made_at OR (m.first_seen_at = e.made_at AND :moved)))
FROM edits e JOIN conversations c ON c.id = e.conversation_id WHERE e.id = :edit
"""
_STORED = """
SELECT (SELECT count(*) FROM conversations)
  - (SELECT count(*) FROM conversations WHERE removed_at IS NOT NULL)
"""


def push_archive(
    archive: Archive,
    client: CanvasClient,
    clock: Clock,
    *,
    policy: Policy = "local",
    choose: Chooser | None = None,
    dry_run: bool = False,
    shown: Shown | None = None,
    report: PushReport | None = None,
) -> PushReport:
    """Send the pending edits, then the messages of the outbox; return what was done.

    ``shown`` limits it to what a person was shown. With ``dry_run`` nothing is written, here or on Canvas,
    and the archive may be open for reading. A ``report`` that is given is filled in also when an error ends
    the push: CredentialProblem, CanvasProblem or WrongAccount, with the rest still pending.
    """
    report = report or PushReport()
    report.dry_run = dry_run
    if not dry_run:
        report.notes += settle_unfinished(archive, clock)
    with nullcontext() if dry_run else chained(archive, clock):
        Push(archive, client, clock, report, policy=policy, choose=choose, shown=shown).run()
        if shown is None or shown.messages:
            Outbox(archive, client, clock, report).send_pending(shown)
    return report


class Push:
    """One push of the pending edits of an archive: those that were ``shown``, or all."""

    def __init__(
        self,
        archive: Archive,
        client: CanvasClient,
        clock: Clock,
        report: PushReport,
        *,
        policy: Policy = "local",
        choose: Chooser | None = None,
        shown: Shown | None = None,
    ) -> None:
        self._archive = archive
        self._client = client
        self._clock = clock
        self._policy = policy
        self._choose = choose
        self._shown = shown
        self._db = archive.db
        self._settling = Settling(archive.db, clock, report)
        self._broken_in_a_row = 0
        self.report = report

    def run(self) -> None:
        """Send what is pending. Raises CredentialProblem or CanvasProblem with the rest still pending.

        :calls: PUT /api/v1/conversations/:id
        :calls: PUT /api/v1/conversations
        """
        try:
            self._run()
        finally:
            self.report.pending = len(self._pending())

    def _run(self) -> None:
        pending = [edit for edit in self._pending() if self._is_sendable(edit)]
        if not pending:
            return
        check_account(self._archive, self._client)
        rows = self._read_rows({edit.conversation_id for edit in pending})
        decisions = protect_states(
            self._decide(edit, rows[edit.conversation_id]) for edit in pending if edit.conversation_id in rows
        )
        sends = [decision for decision in decisions if isinstance(decision, Send)]
        calls = plan_calls(send.edit for send in sends)
        if self.report.dry_run:
            self.report.note_decisions(decisions)
            self.report.requests += [call.describe() for call in calls]
            self.report.planned += [edit for call in calls for edit in call.edits]
            return
        self._settling.details = {send.edit.id: send.detail for send in sends}
        self._settle_unsent(decisions, rows)
        for call in calls:
            self._perform(call)

    # -- deciding --------------------------------------------------------------------------------

    def _pending(self) -> list[PendingEdit]:
        return [
            PendingEdit(
                edit.id,
                edit.conversation_id,
                edit.field,  # type: ignore[arg-type]
                edit.base_value,
                edit.value,
                again=edit.origin == edits.REPUSH,
            )
            for edit in edits.pending_edits(self._db)
            if self._shown is None or self._shown.allows_edit(edit)
        ]

    def _is_sendable(self, edit: PendingEdit) -> bool:
        if is_sendable(edit):
            return True
        self._failed(
            edit.conversation_id, f"{edit.field} = {edit.value!r} is nothing Canvas knows; it was not sent"
        )
        return False

    def _decide(self, edit: PendingEdit, row: Conversation | None) -> Decision:
        remote = None if row is None else value_of(row, edit)
        new_message = row is not None and self._has_news(edit, row)
        decision = decide(edit, remote, new_message=new_message, policy=self._policy)
        if isinstance(decision, Ask) and self._choose is not None:
            decision = decide(edit, remote, new_message=new_message, policy=self._choose(decision))
        return decision

    def _has_news(self, edit: PendingEdit, row: Conversation) -> bool:
        """Return whether a message came since the person last saw the conversation.

        A message of the sync just before the edit, within one second, counts as seen unless Canvas's state
        has changed since the edit. A conversation that the person does not follow has no new messages.
        """
        if not row.subscribed:
            return False
        known_until, arrived = self._db.execute(
            _NEWS,
            {
                "edit": edit.id,
                "owner": self._archive.account.owner_id,
                "moved": value_of(row, edit) != edit.base,
            },
        ).fetchone()
        return bool(arrived) or (row.last_message_at or "") > (known_until or "")

    # -- reading ---------------------------------------------------------------------------------

    def _read_rows(self, ids: set[int]) -> dict[int, Conversation | None]:
        """Read what Canvas has for these conversations, in the fewest requests; ``None`` for a 404.

        A conversation that cannot be read is reported, and is not in the result.

        :calls: GET /api/v1/conversations
        :calls: GET /api/v1/conversations/:id
        """
        rows: dict[int, Conversation | None] = {}
        stored = self._db.execute(_STORED).fetchone()[0]
        if len(ids) > max(10, stored // 50):
            for scope in SCOPES:
                for page in self._client.conversations(scope, per_page=100):
                    rows.update((row.id, row) for row in page.conversations if row.id in ids)
                    if len(rows) == len(ids):
                        return rows
        for id_ in sorted(ids - rows.keys()):
            try:
                rows[id_] = self._client.conversation(id_, auto_mark_as_read=False)
                self._broken_in_a_row = 0
            except NotFound:
                rows[id_] = None
            except ITEM_ERRORS as error:
                self._failed(id_, str(error))
                self._give_up_if_broken(error)
        return rows

    def _settle_unsent(
        self, decisions: Collection[Decision], rows: Mapping[int, Conversation | None]
    ) -> None:
        self.report.note_decisions(decisions)
        for decision in decisions:
            edit = decision.edit
            row = rows[edit.conversation_id]
            if isinstance(decision, TargetGone):
                self._settling.gone(edit)
            elif isinstance(decision, AlreadySo) and row is not None:
                self._settling.unsent(edit, row, "pushed", "already so on Canvas")
            elif isinstance(decision, Yield) and row is not None:
                self._settling.unsent(edit, row, "conflict", decision.detail)
            elif isinstance(decision, Ask) and row is not None:
                with transaction(self._db):
                    self._settling.take_row(row)  # whoever decides sees what Canvas has

    # -- sending ---------------------------------------------------------------------------------

    def _perform(self, call: Call) -> None:
        self.report.requests.append(call.describe())
        if isinstance(call, SingleCall):
            self._perform_single(call)
        else:
            self._perform_batch(call)

    def _perform_single(self, call: SingleCall) -> None:
        values = {edit.field: edit.value for edit in call.edits}
        try:
            row = self._client.update_conversation(
                call.conversation_id,
                workflow_state=values.get("workflow_state"),
                starred=None if "starred" not in values else values["starred"] == "1",
                subscribed=None if "subscribed" not in values else values["subscribed"] == "1",
            )
        except NotFound:
            for edit in call.edits:
                self._settling.gone(edit)
                self.report.gone += 1
            return
        except ITEM_ERRORS as error:
            self._failed(call.conversation_id, str(error))
            self._give_up_if_broken(error)
            return
        self._broken_in_a_row = 0
        self._read_back(call.edits, row)

    def _perform_batch(self, call: BatchCall) -> None:
        said, failure = "", None
        try:
            job = self._client.batch_update(call.conversation_ids, call.event)
            said = await_batch(self._client, self._clock, job)
        except (NotFound, Unreachable, *ITEM_ERRORS) as error:
            failure = error
        rows = self._read_rows(set(call.conversation_ids))
        left = []
        for edit in call.edits:
            row = rows.get(edit.conversation_id)
            if row is not None and failure is not None and value_of(row, edit) != edit.value:
                left.append(edit)
            elif row is not None:
                self._read_back((edit,), row, said)
            elif edit.conversation_id in rows:
                self._settling.gone(edit)
                self.report.gone += 1
        if failure is not None:
            self._one_by_one(left, rows, failure)

    def _one_by_one(
        self,
        left: Iterable[PendingEdit],
        rows: Mapping[int, Conversation | None],
        failure: CanvasProblem,
    ) -> None:
        """Send the edits that a failed batch left undone one by one, so that one bad item fails alone.

        Each edit is decided again, because time has passed. When Canvas refuses many in a row, the rest is
        not tried.
        """
        decisions = [self._decide(edit, rows[edit.conversation_id]) for edit in left]
        self._settle_unsent(decisions, rows)
        refused = 0
        for send in (decision for decision in decisions if isinstance(decision, Send)):
            if refused >= REFUSED_IN_A_ROW:
                self._failed(send.edit.conversation_id, str(failure))
                continue
            self._settling.details[send.edit.id] = send.detail
            problems = len(self.report.problems)
            self._perform(SingleCall(send.edit.conversation_id, (send.edit,)))
            refused = refused + 1 if len(self.report.problems) > problems else 0

    def _read_back(self, sent: Iterable[PendingEdit], row: Conversation, said: str = "") -> None:
        for edit in sent:
            now = value_of(row, edit)
            if now == edit.value:
                self._settling.sent(edit, row)
                continue
            with transaction(self._db):
                self._settling.take_row(row)
            self._failed(
                edit.conversation_id,
                f"Canvas was told {edit.field} = {edit.value}, but still says {now}{said}",
            )

    # -- what fails ------------------------------------------------------------------------------

    def _failed(self, conversation_id: int, sentence: str) -> None:
        self.report.problems.append(ReportedProblem("edit", str(conversation_id), sentence))

    def _give_up_if_broken(self, error: Exception) -> None:
        if isinstance(error, ServerFailure):
            self._broken_in_a_row += 1
            if self._broken_in_a_row >= BROKEN_IN_A_ROW:
                raise error
