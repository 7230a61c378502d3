"""Messages that wait to be sent: the rows of ``outbox``, and the promise that none is sent twice.

    queued   -> sending   committed, with what Canvas had then (``baseline``), before the request goes out
    sending  -> sent      Canvas answered, or the message was found there after a crash
    sending  -> queued    Canvas certainly did not act
    any open -> failed    Canvas refused it; ``detail`` says why
    queued, failed, sending -> discarded    by a person

The caller holds the transaction. The bytes of enclosures lie among the archive's files, by their SHA-256.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, TypeAlias

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.store.journal import journaled, note_new
from canvas_archive.store.rows import clean, ids_json, short_hash, to_json

Kind: TypeAlias = Literal["send", "reply"]

OPEN = ("queued", "sending")

_COLUMNS = "id, kind, conversation_id, payload, queued_at, state, sent_at, sent_ids, detail"
_IN_STATES = f"SELECT {_COLUMNS} FROM outbox WHERE state IN (SELECT value FROM json_each(?)) ORDER BY id"  # noqa: S608 (constants)
_ONE = f"SELECT {_COLUMNS} FROM outbox WHERE id = ?"  # noqa: S608 (constants)
_INSERT = "INSERT INTO outbox (kind, conversation_id, payload, queued_at) VALUES (?, ?, ?, ?)"
_PAYLOAD = "UPDATE outbox SET payload = ? WHERE id = ? AND state = 'queued'"
_BEGIN = "UPDATE outbox SET state = 'sending', payload = ?, detail = NULL WHERE id = ? AND state = 'queued'"
_BACK = "UPDATE outbox SET state = 'queued', detail = ? WHERE id = ? AND state = 'sending'"
_SENT = "UPDATE outbox SET state = 'sent', sent_at = ?, sent_ids = ?, detail = ? WHERE id = ?"
_FAILED = "UPDATE outbox SET state = 'failed', detail = ? WHERE id = ?"
_NOTE = "UPDATE outbox SET detail = ? WHERE id = ?"
_AGAIN = """
UPDATE outbox SET state = 'queued', detail = NULL
WHERE state = 'failed' AND id IN (SELECT value FROM json_each(?))
"""
_DISCARD = """
UPDATE outbox SET state = 'discarded', detail = 'discarded'
WHERE state IN ('queued', 'sending', 'failed') AND id IN (SELECT value FROM json_each(?))
"""


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """A file that goes along. ``size`` in bytes; ``file_id`` once Canvas has it."""

    sha256: str
    name: str
    content_type: str
    size: int
    file_id: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as the person wants it sent.

    A reply has a ``conversation_id``; its ``recipients`` are empty (everyone) or narrow who gets it. For a
    new message ``force_new`` keeps Canvas from reviving an old private conversation, whose subject would win.
    ``forwarded`` are messages of one conversation that a new message carries, with their files.
    """

    kind: Kind
    body: str
    conversation_id: int | None = None
    recipients: tuple[str, ...] = ()
    subject: str | None = None
    group: bool = False
    force_new: bool = False
    context_code: str | None = None
    enclosures: tuple[OutgoingFile, ...] = ()
    forwarded: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """What Canvas had right before the request went out, by which the message is told from older ones.

    ``newest`` is the id of the newest own message of a conversation replied to; ``sent`` the top of the
    ``sent`` list as (conversation, time of the newest own message, number of messages).
    """

    at: str
    newest: int = 0
    sent: tuple[tuple[int, str | None, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Queued:
    """One row of the outbox. ``sent_ids`` are messages for a reply, conversations for a new message."""

    id: int
    draft: Draft
    queued_at: str
    state: str
    sent_at: str | None = None
    sent_ids: tuple[int, ...] = ()
    detail: str | None = None
    baseline: Baseline | None = field(default=None, repr=False)


def queue_message(db: sqlite3.Connection, draft: Draft, *, clock: Clock = SYSTEM) -> int:
    """Put a message into the outbox; return its number there."""
    values = (draft.kind, draft.conversation_id, _payload(draft, None), iso(clock.now()))
    number = db.execute(_INSERT, values).lastrowid or 0
    note_new(db, "outbox", number)
    return number


def outbox(db: sqlite3.Connection, states: Iterable[str] = OPEN) -> list[Queued]:
    """Return the rows in any of these states, in the order they were queued."""
    return [_row(row) for row in db.execute(_IN_STATES, (to_json(list(states)),))]


def outbox_row(db: sqlite3.Connection, number: int) -> Queued | None:
    """Return one row of the outbox, if there is one by that number."""
    found = db.execute(_ONE, (number,)).fetchone()
    return None if found is None else _row(found)


def note_upload(db: sqlite3.Connection, queued: Queued, position: int, file_id: int) -> Queued:
    """Remember that Canvas has one of the files, so that it is not uploaded again."""
    enclosures = list(queued.draft.enclosures)
    enclosures[position] = replace(enclosures[position], file_id=file_id)
    draft = replace(queued.draft, enclosures=tuple(enclosures))
    now = outbox_row(db, queued.id)
    if now is not None and fingerprint(now.draft) == fingerprint(draft):  # not over a text changed meanwhile
        _change(db, _PAYLOAD, (_payload(draft, None), queued.id))
    return replace(queued, draft=draft)


def begin_sending(db: sqlite3.Connection, queued: Queued, baseline: Baseline) -> bool:
    """Note that the request is about to go out; False when the message was withdrawn meanwhile."""
    return _change(db, _BEGIN, (_payload(queued.draft, baseline), queued.id)) > 0


def back_to_queue(db: sqlite3.Connection, number: int, detail: str | None = None) -> None:
    """Note that Canvas certainly has not sent it: it may be sent again."""
    _change(db, _BACK, (clean(detail), number))


def mark_sent(
    db: sqlite3.Connection,
    number: int,
    sent_ids: Iterable[int],
    *,
    detail: str | None = None,
    clock: Clock = SYSTEM,
) -> None:
    """Note that Canvas has it, and under which ids."""
    _change(db, _SENT, (iso(clock.now()), ids_json(sent_ids), clean(detail), number))


def mark_failed(db: sqlite3.Connection, number: int, detail: str) -> None:
    """Note that Canvas refuses it: it is not tried again."""
    _change(db, _FAILED, (clean(detail), number))


def note_doubt(db: sqlite3.Connection, number: int, detail: str) -> None:
    """Say why it is unknown whether Canvas has it; the state stays as it is."""
    _change(db, _NOTE, (clean(detail), number))


def discard_messages(db: sqlite3.Connection, numbers: Iterable[int]) -> int:
    """Withdraw messages that are not known to be sent; return how many."""
    given = list(numbers)
    with journaled(db, "outbox", given):
        return db.execute(_DISCARD, (ids_json(given),)).rowcount


def _change(db: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> int:
    """Run a statement whose last value is the number of the row; return how many rows it changed."""
    with journaled(db, "outbox", values[-1:]):
        return db.execute(statement, values).rowcount


def change_message(db: sqlite3.Connection, number: int, *, body: str, subject: str | None) -> bool:
    """Write another text into a message that waits; False when it waits no longer. A reply has no subject."""
    queued = outbox_row(db, number)
    if queued is None or queued.state != "queued":
        return False
    draft = replace(queued.draft, body=body, subject=subject if queued.draft.kind == "send" else None)
    return _change(db, _PAYLOAD, (_payload(draft, None), number)) > 0


def queue_again(db: sqlite3.Connection, numbers: Iterable[int]) -> int:
    """Let messages that Canvas refused wait once more; return how many."""
    given = list(numbers)
    with journaled(db, "outbox", given):
        return db.execute(_AGAIN, (ids_json(given),)).rowcount


def fingerprint(draft: Draft) -> str:
    """Return a short hash of all that a message says and of whom it goes to; uploading a file keeps it."""
    files = tuple(replace(one, file_id=None) for one in draft.enclosures)
    return short_hash(to_json(asdict(replace(draft, enclosures=files))))


def _payload(draft: Draft, baseline: Baseline | None) -> str:
    document = asdict(draft)
    del document["kind"], document["conversation_id"]
    if baseline is not None:
        document["baseline"] = asdict(baseline)
    return to_json(document)


def _row(row: sqlite3.Row | tuple[object, ...]) -> Queued:
    number, kind, conversation_id, payload, queued_at, state, sent_at, sent_ids, detail = row
    document = json.loads(str(payload))
    known = document.pop("baseline", None)
    document["recipients"] = tuple(document.get("recipients", ()))
    document["forwarded"] = tuple(document.get("forwarded", ()))
    document["enclosures"] = tuple(OutgoingFile(**one) for one in document.get("enclosures", ()))
    baseline = (
        None
        if known is None
        else Baseline(known["at"], known["newest"], tuple(tuple(one) for one in known["sent"]))
    )
    draft = Draft(kind=kind, conversation_id=conversation_id, **document)  # type: ignore[arg-type]
    return Queued(
        int(str(number)),
        draft,
        str(queued_at),
        str(state),
        None if sent_at is None else str(sent_at),
        tuple(json.loads(str(sent_ids))),
        None if detail is None else str(detail),
        baseline,
    )
