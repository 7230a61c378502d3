"""Reading receipts one by one: which there are of a conversation, and what Canvas said of a message.

What opens a file or a calendar to anyone is left out of what is read here: the part of an address behind its
question mark, and the keys in ``KEYS``. It changes from answer to answer, and it must not leave the archive.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from canvas_archive.errors import BadInput
from canvas_archive.model import Json, JsonObject
from canvas_archive.store.chain import FIRST_WITH_RECEIPTS, covers_receipt
from canvas_archive.store.connection import plain_cursor, schema_version
from canvas_archive.store.deltas import ADDRESSES
from canvas_archive.store.receipts import Receipt, commitments, read_receipts_of

KEYS = frozenset({"uuid", "ics"})
"""Fields that open a file or a calendar to anyone who knows them."""

_DEEPEST = 100

LEFT_OUT = ("signatures of addresses", "keys of files and calendars")
"""What ``without_keys`` leaves out, in words."""

WITHOUT_RECEIPT = (
    "An older version may have stored it without one, or its receipt was erased: 'canvas-archive verify' "
    "names each row that nothing explains, and 'canvas-archive sync --refetch' asks Canvas again."
)
"""Why there may be no receipt, and what to do."""

KINDS = {
    "thread": "a conversation with all its messages",
    "part": "a conversation with some of its messages",
    "row": "a row of a list",
    "row_unnamed": "a row of a list",
    "flags": "marks, known from the lists",
    "pushed": "a conversation, when edits were sent",
    "removal": "a conversation that is gone",
    "messages_removed": "messages that are gone",
    "courses": "courses",
    "file": "how a download of a file ended",
    "media": "how a download of a recording ended",
    "bodies": "bodies that were decoded later",
    "account": "whose mailbox it is",
    "user": "who the owner is",
    "ids": "which conversations a list names",
    "rows": "rows that an older version left",
    "replaced": "rows as an older version derived them",
    "parser": "which version derived the rows",
    "erased": "erased",
    "unreadable": "damaged",
}
"""What each kind of receipt is about, in words."""

WITH_MESSAGES = ("thread", "part")
OF_CONVERSATION = (*WITH_MESSAGES, "row", "row_unnamed", "flags", "pushed", "removal", "messages_removed")
"""The kinds whose key is a conversation."""
_OF_ROWS = ("rows", "replaced")
"""The kinds that hold rows of a table, as a list of columns and a list of cells for each."""

_LINES = f"""
SELECT id, run_id, source, kind, address, at, status, payload IS NULL FROM receipts
WHERE (key = ?1 AND kind IN ({", ".join(f"'{kind}'" for kind in OF_CONVERSATION)}))
  OR (kind = 'file' AND key IN (SELECT l.attachment_id FROM message_attachments l
    JOIN messages m ON m.id = l.message_id WHERE m.conversation_id = ?1))
  OR (kind = 'media' AND key IN (SELECT id FROM messages WHERE conversation_id = ?1))
ORDER BY id
"""  # noqa: S608 (constants)
_HOMES = """
WITH RECURSIVE above (id) AS (
  VALUES (?)
  UNION SELECT f.message_id FROM forwarded_messages f JOIN above a ON f.forwarded_message_id = a.id
)
SELECT DISTINCT m.conversation_id FROM above JOIN messages m ON m.id = above.id
WHERE m.conversation_id IS NOT NULL
"""
_ERASED = "SELECT at, held_in FROM erased WHERE receipt_id = ?"

Covered: TypeAlias = Literal["matches", "waiting", "altered"]


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One receipt in a list, without its payload."""

    id: int
    run_id: int | None
    source: str
    kind: str
    address: str
    at: str
    status: int | None
    erased: bool


@dataclass(frozen=True, slots=True)
class Tombstone:
    """When a receipt was erased, and what else held its text."""

    at: str
    held_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Commitment:
    """The hash of a receipt, and whether the evidence chain has it.

    ``waiting``: no record of the chain covers it yet. ``altered``: the record says otherwise.
    """

    hash: str
    covered: Covered


def require_receipts(db: sqlite3.Connection) -> None:
    """Raise BadInput for an archive of a version that had no receipts."""
    if schema_version(db) < FIRST_WITH_RECEIPTS:
        raise BadInput(
            "This archive is of an older version, which had no receipts. The next 'canvas-archive sync' "
            "upgrades it; 'sync --refetch' then reads everything from Canvas again."
        )


def receipt_lines(db: sqlite3.Connection, conversation_id: int) -> list[ReceiptLine]:
    """Return the receipts about a conversation and its files, in their order."""
    lines = []
    for number, run_id, source, kind, address, at, status, erased in plain_cursor(db).execute(
        _LINES, (conversation_id,)
    ):
        where = address or f"GET /api/v1/conversations/{conversation_id}"
        lines.append(ReceiptLine(number, run_id, source, kind, where, at, status, bool(erased)))
    return lines


def newest_answer(db: sqlite3.Connection, conversation_id: int) -> Receipt | None:
    """Return the newest whole answer about a conversation that can be read."""
    found = None
    for receipt in read_receipts_of(db, conversation_id, ("thread",)):
        if isinstance(receipt.payload, dict) and receipt.kind == "thread":
            found = receipt
    return found


def said_of_message(db: sqlite3.Connection, message_id: int) -> tuple[Receipt, JsonObject] | None:
    """Return the newest receipt that holds a message, and the message in it.

    A message that is known only as forwarded is looked for in the conversations that it was forwarded to.
    """
    found: tuple[Receipt, JsonObject] | None = None
    for (home,) in plain_cursor(db).execute(_HOMES, (message_id,)).fetchall():
        for receipt in read_receipts_of(db, home, WITH_MESSAGES):
            message = _message_in(receipt.payload, message_id)
            if message is not None and (found is None or receipt.id > found[0].id):
                found = receipt, message
    return found


def _message_in(answer: Json, message_id: int) -> JsonObject | None:
    waiting: list[Json] = [answer.get("messages")] if isinstance(answer, dict) else []
    while waiting:
        messages = waiting.pop()
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict):
                if str(message.get("id")) == str(message_id):
                    return message
                waiting.append(message.get("forwarded_messages"))
    return None


def commitment_of(db: sqlite3.Connection, number: int) -> Commitment:
    """Return the hash of a receipt that exists, and whether the evidence chain has it."""
    ((_, value),) = commitments(db, number, number)
    covered = covers_receipt(db, number)
    return Commitment(value, "waiting" if covered is None else "matches" if covered else "altered")


def tombstone_of(db: sqlite3.Connection, number: int) -> Tombstone | None:
    """Return what is left of an erased receipt; ``None`` when nothing says that it was erased."""
    row = plain_cursor(db).execute(_ERASED, (number,)).fetchone()
    if row is None:
        return None
    held_in: Json = json.loads(row[1])
    return Tombstone(row[0], tuple(map(str, held_in)) if isinstance(held_in, list) else ())


def without_keys(receipt: Receipt) -> Json:
    """Return what a receipt says, without signatures of addresses and without ``KEYS``."""
    payload = receipt.payload
    if receipt.kind in _OF_ROWS and isinstance(payload, dict):
        columns, rows = payload.get("columns"), payload.get("rows")
        if isinstance(columns, list) and isinstance(rows, list):
            return {**payload, "rows": [_row_without_keys(columns, row) for row in rows]}
    return keyless(payload)


def keyless(value: Json, depth: int = 0) -> Json:
    """Return a value of an answer without signatures of addresses and without ``KEYS``, at any depth.

    What is nested deeper than any answer of Canvas's becomes ``None``.
    """
    if not isinstance(value, (list, dict)):
        return value
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        return [keyless(item, depth + 1) for item in value]
    return {
        name: _field_without_keys(name, item, depth + 1) for name, item in value.items() if name not in KEYS
    }


def _field_without_keys(name: str, value: Json, depth: int = 0) -> Json:
    is_address = name in ADDRESSES or name.endswith("_url")
    return value.partition("?")[0] if is_address and isinstance(value, str) else keyless(value, depth)


def _row_without_keys(columns: Iterable[Json], row: Json) -> Json:
    if not isinstance(row, list):
        return row
    return [_cell_without_keys(str(name), cell) for name, cell in zip(columns, row, strict=False)]


def _cell_without_keys(name: str, cell: Json) -> Json:
    if name in ("extra", "before", "after") and isinstance(cell, str):
        try:
            fields: Json = json.loads(cell)
        except ValueError:
            return cell
        return json.dumps(keyless(fields), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return _field_without_keys(name, cell)
