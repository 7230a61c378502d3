"""Sending the messages of the outbox, none of them twice.

A POST to Canvas cannot be repeated safely. So what Canvas has is read before, and committed with the state
``sending``. A message found in that state later (the process was killed, or the answer was lost) is first
looked for on Canvas. Only one that is certainly not there is sent again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from canvas_archive.clock import iso, parse_iso
from canvas_archive.errors import (
    ArchiveError,
    BadInput,
    BadRequest,
    CanvasProblem,
    CredentialProblem,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    ServerFailure,
)
from canvas_archive.store import Ingest, outbox, transaction
from canvas_archive.store.blobs import open_blob
from canvas_archive.store.outbox import Baseline
from canvas_archive.sync import acts, sent_messages
from canvas_archive.sync.owner import check_account
from canvas_archive.sync.report import ReportedProblem
from canvas_archive.sync.sent_messages import FoundInPart, FoundOnCanvas
from canvas_archive.sync.texts import as_stored

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.clock import Clock
    from canvas_archive.model import Conversation
    from canvas_archive.store import Archive
    from canvas_archive.store.outbox import Draft, Queued
    from canvas_archive.sync.consent import Shown
    from canvas_archive.sync.push_report import PushReport

SETTLING_SECONDS = 30.0
"""For so long after a request Canvas may still work on it. Only then is "not there" certain."""

MOST_SHOWN = 20
"""The conversations of a message to more people than this are fetched by the next sync, not at once."""

DELIVERED_LATER = "Canvas accepted it and delivers it later"

REFUSED = (BadRequest, NotPermitted, NotFound, BadInput)
IN_DOUBT = (MalformedAnswer, ServerFailure)


class Outbox:
    """Sends the messages of an archive's outbox, and counts in ``report``."""

    def __init__(self, archive: Archive, client: CanvasClient, clock: Clock, report: PushReport) -> None:
        self._archive = archive
        self._client = client
        self._clock = clock
        self._db = archive.db
        self._owner = archive.account.owner_id
        self._ingest = Ingest(archive.db, clock)
        self.report = report

    def send_pending(self, shown: Shown | None = None) -> None:
        """Look for the messages that may have been sent, then send the queued ones in their order.

        With ``shown`` only what a person was shown, as it was then.

        A message that Canvas refuses becomes ``failed`` and a problem of the report; the others go on.
        Raises CredentialProblem, or CanvasProblem when Canvas is out of reach.
        """
        waiting = outbox.outbox(self._db)
        if self.report.dry_run:
            self.report.requests += [line for one in waiting for line in describe(one)]
            self.report.queued_messages = len(waiting)
            return
        if not waiting:
            return
        check_account(self._archive, self._client)
        try:
            for queued in waiting:
                if shown is None or shown.allows_message(self._db, queued):
                    self._send_or_tell(queued)
        finally:
            self.report.queued_messages = len(outbox.outbox(self._db))

    def _send_or_tell(self, queued: Queued) -> None:
        try:
            self.send(queued)
        except (*REFUSED, *IN_DOUBT) as error:
            self.report.problems.append(ReportedProblem("message", str(queued.id), str(error)))

    def send(self, queued: Queued) -> Queued:
        """Send one message, or find that it was sent; return its row as it is then.

        It is not sent when it was changed or withdrawn since ``queued`` was read.

        Raises what Canvas refused it with (it is ``failed`` then), or what left its fate unknown (it stays
        ``sending``, and the next push looks for it).

        :calls: POST /api/v1/conversations
        :calls: POST /api/v1/conversations/:id/add_message
        """
        if queued.state == "sending" and self._settle_doubt(queued):
            return self._again(queued)
        ready = self._uploaded(queued)
        try:
            baseline = self._read_baseline(ready.draft)
        except REFUSED as error:
            self._fail(ready, str(error))
            raise
        with transaction(self._db):
            now = outbox.outbox_row(self._db, ready.id)
            unchanged = now is not None and outbox.fingerprint(now.draft) == outbox.fingerprint(ready.draft)
            begun = unchanged and outbox.begin_sending(self._db, ready, baseline)
        if begun:
            self._post(ready, baseline)
        else:
            sentence = f"Message {ready.id} was changed or withdrawn meanwhile: it was not sent."
            self.report.notes.append(sentence)
        return self._again(ready)

    def _again(self, queued: Queued) -> Queued:
        return outbox.outbox_row(self._db, queued.id) or queued

    # -- before ----------------------------------------------------------------------------------

    def _uploaded(self, queued: Queued) -> Queued:
        """Bring the enclosed files to Canvas, each once.

        :calls: POST /api/v1/users/self/files
        """
        for position, enclosure in enumerate(queued.draft.enclosures):
            if enclosure.file_id is not None:
                continue
            try:
                with open_blob(self._archive.files_dir, enclosure.sha256) as data:
                    request = acts.upload(enclosure, queued.draft.conversation_id)
                    with acts.recorded(self._archive, self._clock, request) as answer:
                        file = self._client.upload_file(
                            enclosure.name, enclosure.content_type, data, enclosure.size
                        )
                        answer.result_ids = (file.id,)
            except OSError as error:
                sentence = f"The enclosed file {enclosure.name} cannot be read: {error.strerror or error}."
                self._fail(queued, sentence)
                raise BadInput(sentence) from error
            except REFUSED as error:
                self._fail(queued, f"{enclosure.name}: {error}")
                raise
            with transaction(self._db):
                queued = outbox.note_upload(self._db, queued, position, file.id)
        return queued

    def _read_baseline(self, draft: Draft) -> Baseline:
        """Note what Canvas has before the message goes out.

        :calls: GET /api/v1/conversations/:id
        :calls: GET /api/v1/conversations
        """
        now = iso(self._clock.now())
        if draft.conversation_id is not None:
            shown = self._client.conversation(draft.conversation_id, auto_mark_as_read=False)
            return Baseline(now, newest=sent_messages.own_newest(shown.messages or (), self._owner))
        first = next(iter(self._client.conversations("sent", per_page=100)))
        return Baseline(now, sent=tuple(sent_messages.summary_of(row) for row in first.conversations))

    # -- the request -----------------------------------------------------------------------------

    def _post(self, queued: Queued, baseline: Baseline) -> None:
        self.report.requests += describe(queued)
        try:
            with acts.recorded(self._archive, self._clock, acts.message(queued.draft)) as answer:
                answers = self._request(queued.draft)
                answer.result_ids = ids_of(queued.draft, answers)
                answer.words = "done" if answer.result_ids else DELIVERED_LATER
        except REFUSED as error:
            self._fail(queued, str(error))
            raise
        except (CredentialProblem, CanvasProblem) as error:
            if acts.outcome_of(error) == "refused":  # Canvas has not acted
                with transaction(self._db):
                    outbox.back_to_queue(self._db, queued.id, str(error))
                raise
            if isinstance(error, IN_DOUBT) and self._look_at_once(queued, baseline):
                return
            with transaction(self._db):
                outbox.note_doubt(self._db, queued.id, str(error))
            raise
        self._store(queued, answers)
        self.report.sent_messages += 1

    def _request(self, draft: Draft) -> tuple[Conversation, ...]:
        files = [enclosure.file_id for enclosure in draft.enclosures if enclosure.file_id is not None]
        if draft.conversation_id is not None:
            return (
                self._client.add_message(
                    draft.conversation_id, draft.body, recipients=draft.recipients, attachment_ids=files
                ),
            )
        return self._client.create_conversation(
            draft.recipients,
            draft.body,
            subject=draft.subject,
            group_conversation=draft.group,
            force_new=draft.force_new,
            attachment_ids=files,
            forwarded_message_ids=draft.forwarded,
            context_code=draft.context_code,
        )

    def _look_at_once(self, queued: Queued, baseline: Baseline) -> bool:
        """Return whether the message arrived, after an unreadable answer. Never raises."""
        try:
            return self._recognise(queued, baseline, certain=False)
        except ArchiveError:
            return False

    # -- after -----------------------------------------------------------------------------------

    def _store(self, queued: Queued, answers: Iterable[Conversation]) -> None:
        """Take Canvas's answer into the archive and mark the message as sent, in one transaction."""
        answers = tuple(answers)
        sent_ids = ids_of(queued.draft, answers)
        detail = None if sent_ids else DELIVERED_LATER
        replied_to = queued.draft.conversation_id
        path = "" if replied_to is None else f"/{replied_to}/add_message"
        address = f"POST /api/v1/conversations{path}"
        with transaction(self._db):
            outbox.mark_sent(self._db, queued.id, sent_ids, detail=detail, clock=self._clock)
            for conversation in answers:
                self._ingest.save_conversation(
                    as_stored(self._db, conversation, draft=queued.draft.body),
                    complete=False,
                    address=address,
                )
        self._complete([conversation.id for conversation in answers], queued.draft)

    def _complete(self, conversation_ids: list[int], draft: Draft) -> None:
        """Fetch the whole conversations, so that the archive shows them as Canvas does; a sync would too.

        :calls: GET /api/v1/conversations/:id
        """
        if len(conversation_ids) > MOST_SHOWN:
            return
        for id_ in conversation_ids:
            try:
                shown = self._client.conversation(id_, auto_mark_as_read=False)
            except ArchiveError:
                return
            with transaction(self._db):
                self._ingest.save_conversation(as_stored(self._db, shown, draft=draft.body))
        self._keep_files(draft)

    def _keep_files(self, draft: Draft) -> None:
        """Record that the bytes of the enclosed files are in the archive already."""
        with transaction(self._db):
            for enclosure in draft.enclosures:
                known = self._db.execute(
                    "SELECT size FROM attachments WHERE id = ? AND state = 'pending'", (enclosure.file_id,)
                ).fetchone()
                if known is not None and known[0] == enclosure.size and enclosure.file_id is not None:
                    self._ingest.save_attachment_state(
                        enclosure.file_id, "stored", sha256=enclosure.sha256, stored_size=enclosure.size
                    )

    def _fail(self, queued: Queued, sentence: str) -> None:
        with transaction(self._db):
            outbox.mark_failed(self._db, queued.id, sentence)

    # -- in doubt --------------------------------------------------------------------------------

    def _settle_doubt(self, queued: Queued) -> bool:
        """Find out whether a message was sent. Return whether it is settled and must not be sent."""
        baseline = queued.baseline
        if baseline is None:
            return self._give_up(queued, "what Canvas had before it was sent is not recorded")
        left = self._seconds_until_certain(baseline)
        if self._recognise(queued, baseline, certain=left <= 0):
            return True
        if left > 0:
            self._clock.sleep(left)
            if self._recognise(queued, baseline, certain=True):
                return True
        with transaction(self._db):
            outbox.back_to_queue(self._db, queued.id)
        return False

    def _seconds_until_certain(self, baseline: Baseline) -> float:
        certain = parse_iso(baseline.at) + timedelta(seconds=SETTLING_SECONDS)
        return min(SETTLING_SECONDS, (certain - self._clock.now()).total_seconds())

    def _recognise(self, queued: Queued, baseline: Baseline, *, certain: bool) -> bool:
        """Look for the message on Canvas; note what is found. Raises CanvasProblem when Canvas is away.

        ``certain``: enough time has passed, so no more will arrive.
        """
        draft = queued.draft
        if draft.conversation_id is not None:
            return self._recognise_reply(queued, draft.conversation_id, baseline)
        found = sent_messages.find_new(draft, baseline, self._candidates(baseline), self._owner)
        if isinstance(found, FoundInPart):
            if not certain:
                return False
            names = ", ".join(map(str, found.ids))
            self._fail(
                queued,
                f"Canvas delivered it to {len(found.ids)} of {found.expected} people only (conversations "
                f"{names}); send it to the others by hand",
            )
            self.report.problems.append(ReportedProblem("message", str(queued.id), "delivered in part"))
            return True
        return self._note_arrival(queued, found, found.ids if found else ())

    def _recognise_reply(self, queued: Queued, conversation_id: int, baseline: Baseline) -> bool:
        try:
            shown = self._client.conversation(conversation_id, auto_mark_as_read=False)
        except NotFound:
            return self._give_up(queued, f"conversation {conversation_id} is gone from Canvas")
        found = sent_messages.find_reply(queued.draft, baseline, shown.messages or (), self._owner)
        return self._note_arrival(queued, found, (conversation_id,))

    def _give_up(self, queued: Queued, why: str) -> bool:
        """Mark a message as failed whose fate is unknown: it is not sent twice, and a person is told."""
        self._fail(queued, f"{why}, so whether it was sent cannot be told")
        self.report.problems.append(ReportedProblem("message", str(queued.id), why))
        return True

    def _note_arrival(
        self, queued: Queued, found: FoundOnCanvas | None, conversation_ids: tuple[int, ...]
    ) -> bool:
        if found is None:
            return False
        with transaction(self._db):
            outbox.mark_sent(
                self._db, queued.id, found.ids, detail="found on Canvas: it had arrived", clock=self._clock
            )
        self.report.recognised += 1
        self._complete(list(conversation_ids), queued.draft)
        return True

    def _candidates(self, baseline: Baseline) -> list[Conversation]:
        """Return the conversations at the top of ``sent`` that are not as they were, whole.

        :calls: GET /api/v1/conversations
        :calls: GET /api/v1/conversations/:id
        """
        changed: list[int] = []
        for page in self._client.conversations("sent", per_page=100):
            new = [row.id for row in page.conversations if sent_messages.may_hold_new(row, baseline)]
            changed += new
            if len(new) < len(page.conversations):
                break  # the newest come first: the rest is unchanged
        found = []
        for id_ in changed:
            try:
                found.append(self._client.conversation(id_, auto_mark_as_read=False))
            except NotFound:
                continue
        return found


def ids_of(draft: Draft, answers: Iterable[Conversation]) -> tuple[int, ...]:
    """Return what a message became: message ids for a reply, conversation ids for a new message."""
    if draft.kind == "reply":
        return tuple(m.id for conversation in answers for m in conversation.messages or () if m.id > 0)
    return tuple(conversation.id for conversation in answers)


def describe(queued: Queued) -> list[str]:
    """Return the requests that sending a message takes, one line each, without the body's text."""
    draft = queued.draft
    lines = [
        f"POST /api/v1/users/self/files name={enclosure.name!r} size={enclosure.size}"
        for enclosure in draft.enclosures
        if enclosure.file_id is None
    ]
    parts = [f"recipients[]={one}" for one in draft.recipients]
    if draft.conversation_id is not None:
        path = f"/api/v1/conversations/{draft.conversation_id}/add_message"
    else:
        path = "/api/v1/conversations"
        parts += [f"subject={draft.subject!r}"] if draft.subject is not None else []
        parts += ["group_conversation=true"] if draft.group else []
        parts += ["force_new=true"] if draft.force_new else []
        parts += [f"context_code={draft.context_code}"] if draft.context_code else []
        parts += [f"forwarded_message_ids[]={one}" for one in draft.forwarded]
    parts += [f"attachments={len(draft.enclosures)}"] if draft.enclosures else []
    parts.append(f"body={_short(draft.body)!r}")
    doubt = " (only if it is not on Canvas already)" if queued.state == "sending" else ""
    lines.append(f"POST {path} {' '.join(parts)}{doubt}")
    return lines


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."
