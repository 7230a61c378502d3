"""Requests that change Canvas at once. Their answers are stored in the archive.

Each request has a row in ``acts`` before it leaves, and is made once. Then the conversation is read again, so
that the archive shows it as Canvas does.
"""

from __future__ import annotations

import mimetypes
import os
import secrets
import shutil
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from canvas_archive.clock import iso
from canvas_archive.errors import (
    ArchiveError,
    BadInput,
    BadRequest,
    CanvasProblem,
    MalformedAnswer,
    NotFound,
    NotPermitted,
)
from canvas_archive.store import Ingest, outbox, transaction
from canvas_archive.store.addressees import MOST_COUNTED, Addressee, Addressees, is_code, not_one, of_code
from canvas_archive.store.blobs import LEAST_TAKEN, BlobWriter
from canvas_archive.store.outbox import Draft, OutgoingFile, Queued
from canvas_archive.store.rows import ids_json
from canvas_archive.sync import acts
from canvas_archive.sync.outbox import Outbox
from canvas_archive.sync.owner import check_account
from canvas_archive.sync.push_report import PushReport
from canvas_archive.sync.report import ReportedProblem
from canvas_archive.sync.texts import as_stored

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.clock import Clock
    from canvas_archive.model import Conversation, Recipient
    from canvas_archive.store import Archive

MOST_BODY = 64 * 1024 - 1
MOST_SUBJECT = 255

_UNREAD = "SELECT id FROM conversations WHERE remote_workflow_state = 'unread' AND removed_at IS NULL"
_OWNER = "SELECT coalesce(as_user_id, user_id) FROM account"
_MESSAGES = """
SELECT id FROM messages WHERE conversation_id = ? AND id IN (SELECT value FROM json_each(?))
"""


@dataclass(slots=True)
class Deleted:
    """The result of deleting conversations: deleted now, absent before, failed."""

    deleted: list[int] = field(default_factory=list)
    absent: list[int] = field(default_factory=list)
    problems: list[ReportedProblem] = field(default_factory=list)


# -- recipients -----------------------------------------------------------------------------------


Choice: TypeAlias = "Callable[[str, Sequence[Recipient]], Recipient]"
"""Asks a person which of several recipients a text means."""


def resolve_recipients(
    client: CanvasClient, texts: Iterable[str], choose: Choice | None = None
) -> tuple[Addressee, ...]:
    """Return whom these texts mean: ids and codes as they are, names looked up on Canvas.

    Of several that a text may mean, ``choose`` returns one. Without it raises BadInput, with the candidates,
    as for a name that nobody has.

    :calls: GET /api/v1/search/recipients
    """
    return tuple(dict.fromkeys(_resolve(client, text.strip(), choose) for text in texts))


def _resolve(client: CanvasClient, text: str, choose: Choice | None) -> Addressee:
    if not text:
        raise BadInput("A recipient is empty: give an id, a code like course_12_students, or a name.")
    if is_code(text):
        return of_code(text)
    found = list(client.search_recipients(text))
    exact = [
        one
        for one in found
        if text.casefold() in ((one.name or "").casefold(), (one.full_name or "").casefold())
    ]
    chosen = exact if exact else found
    if len(chosen) > 1 and choose is not None:
        chosen = [choose(text, chosen)]
    if len(chosen) == 1:
        one = chosen[0]
        is_person = one.kind == "user"
        count = 1 if is_person else (2 if one.user_count is None else one.user_count)
        return Addressee(
            one.id, one.name, count, guessed=not exact, exact=is_person or one.user_count is not None
        )
    raise BadInput(not_one(text, [(one.id, _full(one)) for one in chosen]))


def _full(one: Recipient) -> str:
    return one.full_name if one.full_name and one.full_name != one.name else one.name


def counted_on_canvas(db: sqlite3.Connection, client: CanvasClient, found: Addressees) -> Addressees:
    """Return the recipients with the number of people that Canvas says a course or group has.

    Nothing is raised where Canvas does not answer: the number is unknown then.

    :calls: GET /api/v1/search/recipients
    """
    return Addressees(tuple(one if one.exact else _counted(db, client, one) for one in found))


def _counted(db: sqlite3.Connection, client: CanvasClient, one: Addressee) -> Addressee:
    try:
        owner = db.execute(_OWNER).fetchone()[0]
        found = client.search_recipients(None, context=one.code, types=("user",), exclude=(owner,))
        number = sum(1 for _ in islice(found, MOST_COUNTED))
    except CanvasProblem:
        return one
    return replace(one, people=max(number, 1), exact=number < MOST_COUNTED)


# -- messages -------------------------------------------------------------------------------------------


def check_text(body: str, subject: str | None = None) -> None:
    """Raise BadInput for a body or subject that Canvas would refuse."""
    if not body.strip():
        raise BadInput("The message is empty; nothing was sent.")
    if len(body) > MOST_BODY:
        raise BadInput(f"The message has {len(body):,} characters; Canvas takes {MOST_BODY:,}.")
    if subject is not None and len(subject) > MOST_SUBJECT:
        raise BadInput(f"The subject has {len(subject)} characters; Canvas takes {MOST_SUBJECT}.")


def enclose(files_dir: Path, paths: Iterable[Path]) -> tuple[OutgoingFile, ...]:
    """Copy files into the archive, so that they can be sent later without the originals.

    Raises BadInput for one that cannot be read or is empty.
    """
    return tuple(enclose_as(files_dir, path, path.name) for path in paths)


def enclose_as(files_dir: Path, path: Path, name: str) -> OutgoingFile:
    """Copy one file into the archive, to be sent by that name. Raises as ``enclose`` does."""
    # Not a number that downloads use: those are ids of attachments, and small negative numbers.
    number = LEAST_TAKEN - secrets.randbelow(2**61)
    try:
        with path.open("rb") as source, BlobWriter(files_dir, number) as sink:
            if os.fstat(source.fileno()).st_size == 0:
                sink.discard()
                raise BadInput(f"{path} is empty; nothing was sent.")
            shutil.copyfileobj(source, sink, 1 << 20)
            blob = sink.commit()
    except OSError as error:
        raise BadInput(f"{path} cannot be attached: {error.strerror or error}.") from error
    kind, _ = mimetypes.guess_type(name)
    return OutgoingFile(blob.sha256, name, kind or "application/octet-stream", blob.size)


def send_now(archive: Archive, client: CanvasClient, clock: Clock, draft: Draft) -> Queued:
    """Send a message at once, by way of the outbox; return its row with the ids Canvas gave it.

    Raises what Canvas refuses it with. When it is unknown whether Canvas sent it, it stays in the outbox as
    ``sending``, and the next push checks. When Canvas certainly did not act, it leaves the outbox.

    :calls: POST /api/v1/conversations
    :calls: POST /api/v1/conversations/:id/add_message
    """
    check_account(archive, client)
    with transaction(archive.db):
        number = outbox.queue_message(archive.db, draft, clock=clock)
    try:
        with acts.chained(archive, clock):
            return Outbox(archive, client, clock, PushReport()).send(
                Queued(number, draft, iso(clock.now()), "queued")
            )
    except ArchiveError as error:
        raise _with_fate(archive, number, error) from error
    except BaseException:
        _withdraw_unsent(archive, number, "interrupted before it was sent")
        raise


def _with_fate(archive: Archive, number: int, error: ArchiveError) -> ArchiveError:
    now = outbox.outbox_row(archive.db, number)
    if now is not None and now.state == "sending":
        error.args = (
            f"{error} It stays in the outbox as number {number}: 'canvas-archive push' looks for it on "
            f"Canvas and sends it only if it is not there; 'canvas-archive edits discard --message {number}' "
            "withdraws it.",
        )
    _withdraw_unsent(archive, number, str(error))
    return error


def _withdraw_unsent(archive: Archive, number: int, sentence: str) -> None:
    now = outbox.outbox_row(archive.db, number)
    if now is not None and now.state == "queued":
        with transaction(archive.db):
            outbox.mark_failed(archive.db, number, sentence)


# -- conversations --------------------------------------------------------------------------------------


def refresh(archive: Archive, client: CanvasClient, clock: Clock, conversation_id: int) -> bool:
    """Read one conversation again and store it; False when it is gone (it is marked removed then).

    :calls: GET /api/v1/conversations/:id
    """
    ingest = Ingest(archive.db, clock)
    try:
        shown = client.conversation(conversation_id, auto_mark_as_read=False)
    except NotFound:
        with transaction(archive.db):
            ingest.mark_removed(conversation_id)
        return False
    with transaction(archive.db):
        ingest.save_conversation(as_stored(archive.db, shown))
    return True


def add_recipients(
    archive: Archive, client: CanvasClient, clock: Clock, conversation_id: int, codes: Sequence[str]
) -> Conversation:
    """Add people to a group conversation.

    Raises BadInput for a private one (Canvas fails at that), NotFound, BadRequest.

    :calls: POST /api/v1/conversations/:id/add_recipients
    """
    row = archive.db.execute("SELECT private FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    if row is not None and row[0]:
        raise BadInput(
            f"Conversation {conversation_id} is private: nobody can be added. Send a new one with --group."
        )
    check_account(archive, client)
    with acts.chained(archive, clock):
        try:
            with acts.recorded(archive, clock, acts.addition(conversation_id, codes)):
                answer = client.add_recipients(conversation_id, codes)
        except BadRequest as error:
            if error.messages:
                raise
            raise BadInput("None of these people can be added by you; nothing was changed.") from None
        with transaction(archive.db):
            address = f"POST /api/v1/conversations/{conversation_id}/add_recipients"
            Ingest(archive.db, clock).save_conversation(
                as_stored(archive.db, answer), complete=False, address=address
            )
        refresh(archive, client, clock, conversation_id)
    return answer


def check_messages(db: sqlite3.Connection, conversation_id: int, message_ids: Sequence[int]) -> None:
    """Raise BadInput unless all these messages are known to be in the conversation."""
    known = {row[0] for row in db.execute(_MESSAGES, (conversation_id, ids_json(message_ids)))}
    unknown = [str(one) for one in message_ids if one not in known]
    if unknown:
        raise BadInput(
            f"Conversation {conversation_id} has no message {', '.join(unknown)} in this archive. "
            f"'canvas-archive show {conversation_id}' names them."
        )


def remove_messages(
    archive: Archive, client: CanvasClient, clock: Clock, conversation_id: int, message_ids: Sequence[int]
) -> bool:
    """Remove messages from the owner's view on Canvas; the archive keeps them, marked as removed.

    False when nothing of the conversation is left on Canvas. Raises BadInput for messages that are not
    known to be in it, NotFound.

    :calls: POST /api/v1/conversations/:id/remove_messages
    """
    check_messages(archive.db, conversation_id, message_ids)
    check_account(archive, client)
    with acts.chained(archive, clock):
        with acts.recorded(archive, clock, acts.removal(conversation_id, message_ids)):
            client.remove_messages(conversation_id, message_ids)
        with transaction(archive.db):
            Ingest(archive.db, clock).mark_messages_removed(conversation_id, message_ids)
        return refresh(archive, client, clock, conversation_id)


def delete_conversations(
    archive: Archive, client: CanvasClient, clock: Clock, conversation_ids: Iterable[int]
) -> Deleted:
    """Delete conversations from the owner's view on Canvas; the archive keeps its copies, marked removed.

    What Canvas refuses is among the problems, and the others go on.

    :calls: DELETE /api/v1/conversations/:id
    """
    check_account(archive, client)
    ingest = Ingest(archive.db, clock)
    result = Deleted()
    with acts.chained(archive, clock):
        for id_ in dict.fromkeys(conversation_ids):
            answer = None
            try:
                with acts.recorded(archive, clock, acts.deletion(id_)):
                    answer = client.delete_conversation(id_).raw
            except NotFound:
                result.absent.append(id_)
            except (BadRequest, NotPermitted, MalformedAnswer) as error:
                result.problems.append(ReportedProblem("conversation", str(id_), str(error)))
                continue
            else:
                result.deleted.append(id_)
            with transaction(archive.db):
                address = f"DELETE /api/v1/conversations/{id_}"
                ingest.mark_removed(
                    id_, address=address, status=404 if answer is None else 200, answer=answer
                )
    return result


def mark_all_read(archive: Archive, client: CanvasClient, clock: Clock) -> int:
    """Mark everything on Canvas as read; return how many conversations of the archive that concerns.

    :calls: POST /api/v1/conversations/mark_all_as_read
    """
    check_account(archive, client)
    ingest = Ingest(archive.db, clock)
    with acts.chained(archive, clock):
        with acts.recorded(archive, clock, acts.reading_all()):
            client.mark_all_as_read()
        address = "POST /api/v1/conversations/mark_all_as_read"
        with transaction(archive.db):
            unread = [row[0] for row in archive.db.execute(_UNREAD).fetchall()]
            for id_ in unread:
                ingest.save_flags(id_, workflow_state="read", address=address)
    return len(unread)
