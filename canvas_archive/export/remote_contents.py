"""Comparing what an archive holds with what Canvas says now, conversation by conversation.

This alone meets a receipt that somebody forged together with its rows. Nothing on Canvas changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any

from canvas_archive.canvas import CanvasClient, parse
from canvas_archive.clock import SYSTEM
from canvas_archive.derive.compare import columns_of, compared_rows, differing
from canvas_archive.derive.fold import derive, empty_database
from canvas_archive.errors import BadInput, MalformedAnswer, NotFound
from canvas_archive.export.checks import MOST_ITEMS, Check, ProgressCallback, capped
from canvas_archive.export.remote import check_owner
from canvas_archive.model import Conversation
from canvas_archive.store.chain import FIRST_WITH_RECEIPTS
from canvas_archive.store.connection import plain_cursor, schema_version
from canvas_archive.store.ingest import Ingest
from canvas_archive.store.receipt_reading import newest_answer
from canvas_archive.store.receipts import read_receipts
from canvas_archive.sync.texts import as_stored
from canvas_archive.typed_text import typed_by

_FETCHED = """
SELECT id, removed_at IS NOT NULL FROM conversations WHERE fetched_at IS NOT NULL OR removed_at IS NOT NULL
ORDER BY id
"""
_MESSAGE_AT = """
SELECT conversation_id, id FROM messages WHERE id = ?1
UNION ALL SELECT m.conversation_id, m.id FROM forwarded_messages f JOIN messages m ON m.id = f.message_id
WHERE f.forwarded_message_id = ?1
"""
_FILE_AT = "SELECT message_id FROM message_attachments WHERE attachment_id = ? ORDER BY message_id"

_REMOVED = "SELECT removed_at FROM messages WHERE id = ?"

_COMPARED: dict[str, frozenset[str]] = {
    "conversations": frozenset({"fetched_at", "removed_at", "avatar_url", "extra"}),
    "conversation_participants": frozenset({"position"}),
    "conversation_contexts": frozenset(),
    "messages": frozenset(),
    "message_recipients": frozenset(),
    "forwarded_messages": frozenset({"position"}),
    "message_attachments": frozenset({"position"}),
    "attachments": frozenset({"extra"}),
    "media_comments": frozenset(),
    "users": frozenset({"avatar_url", "extra"}),
}
"""The tables that are compared, with the columns that are not: they change without anybody's doing."""

_KEPT = (
    "conversation_contexts",
    "message_recipients",
    "forwarded_messages",
    "message_attachments",
    "media_comments",
)
"""The tables whose rows stay when a later answer does not list them."""


def verify_remote_contents(
    db: sqlite3.Connection, client: CanvasClient, progress: ProgressCallback | None = None
) -> Check:
    """Read every conversation from Canvas, one request each, and name what the archive has otherwise.

    The answers are written into a database that was derived from the receipts. What differs from it was
    changed on Canvas since the last sync, or here.

    Raises WrongAccount when the token belongs to somebody else, BadInput for an archive without receipts.

    :calls: GET /api/v1/users/self, GET /api/v1/conversations/:id
    """
    progress = progress or (lambda name, done, total: None)
    if schema_version(db) < FIRST_WITH_RECEIPTS:
        raise BadInput("This archive is of an older version. Sync it once, then compare contents.")
    check_owner(db, client)
    with closing(derive(read_receipts(db))[0]) as derived, closing(_Answers()) as answers:
        items, asked, gone = _ask(db, derived, answers, client, progress)
        items += _compared(db, derived)
        items += [item for item in answers.only_here() if item not in items]
    if items:
        detail = (
            f"{len(items):,} differences: changed on Canvas since the last sync, or forged here. "
            "Sync, then compare again"
        )
        return Check("remote contents", False, detail, capped(items))
    beyond = f"; {gone:,} that Canvas does not have any more cannot be compared" if gone else ""
    return Check("remote contents", True, f"{asked - gone:,} conversations say what Canvas says{beyond}")


class _Answers:
    """The newest answers that the archive has, and those of now, in two databases with nothing else.

    In an archive, recipients and files stay that a later answer does not list. Here they do not.
    """

    def __init__(self) -> None:
        self._then, self._now = empty_database(), empty_database()
        self._writers = [Ingest(one, SYSTEM, receipts=False) for one in (self._then, self._now)]

    def add(self, known: Conversation | None, now: Conversation) -> None:
        """Take the newest receipt of a conversation in, if there is one, and what Canvas says now."""
        if known is not None:
            for ingest, answer in zip(self._writers, (known, now), strict=True):
                ingest.save_conversation(answer)

    def only_here(self) -> Iterator[str]:
        """Yield a sentence for what the newest receipts list and Canvas does not."""
        for table in _KEPT:
            size = len(columns_of(self._now, table)[0])
            for row, now in compared_rows(self._then, self._now, table):
                if row is not None and now is None:
                    yield f"{_place(self._then, table, row[:size])}: here, not on Canvas"

    def close(self) -> None:
        """Let go of both databases."""
        self._then.close()
        self._now.close()


def _ask(
    db: sqlite3.Connection,
    derived: sqlite3.Connection,
    answers: _Answers,
    client: CanvasClient,
    progress: ProgressCallback,
) -> tuple[list[str], int, int]:
    """Write what Canvas says into ``derived`` and ``answers``.

    Returns the conversations that only one of the two has, how many were asked for, and how many are gone.
    """
    ingest = Ingest(derived, SYSTEM, receipts=False)
    ids = plain_cursor(db).execute(_FETCHED).fetchall()
    items, gone = [], 0
    for done, (number, removed) in enumerate(ids, start=1):
        try:
            answer = as_stored(db, client.conversation(number, auto_mark_as_read=False))
            ingest.save_conversation(answer)
            answers.add(_newest(db, number), answer)
            if removed:
                items.append(f"conversation {number}: on Canvas, and marked as removed in the archive")
        except NotFound:
            gone += 1
            if not removed:
                items.append(f"conversation {number}: here, not on Canvas")
        except MalformedAnswer as error:
            items.append(f"conversation {number}: Canvas's answer cannot be read ({error})")
        progress("remote contents", done, len(ids))
    return items, len(ids), gone


def _newest(db: sqlite3.Connection, number: int) -> Conversation | None:
    """Return what the newest whole answer in the archive says; ``None`` for one that makes no sense."""
    receipt = newest_answer(db, number)
    try:
        return None if receipt is None else typed_by(parse.conversation(receipt.payload), receipt.texts)
    except MalformedAnswer:
        return None


def _compared(db: sqlite3.Connection, derived: sqlite3.Connection) -> Iterator[str]:
    """Yield a sentence for each row of the archive that is not what Canvas says."""
    found = (item for table in _COMPARED for item in _differences(db, derived, table))
    yield from islice(found, MOST_ITEMS + 1)


def _differences(db: sqlite3.Connection, derived: sqlite3.Connection, table: str) -> Iterator[str]:
    columns = columns_of(derived, table)
    size = len(columns[0])
    for row, wanted in compared_rows(db, derived, table):
        if row is None or wanted is None:
            one, source = (row, db) if wanted is None else (wanted, derived)
            what = "here, not on Canvas" if wanted is None else "on Canvas, not here"
            yield f"{_place(source, table, (one or ())[:size])}: {what}"
        elif row != wanted:
            fields = [name for name in differing(columns, row, wanted) if name not in _COMPARED[table]]
            if fields:
                yield f"{_place(db, table, row[:size])}: {_what(db, row[0], fields)}"


def _what(db: sqlite3.Connection, number: int, fields: list[str]) -> str:
    if fields == ["removed_at"]:
        removed = plain_cursor(db).execute(_REMOVED, (number,)).fetchone()[0]
        return "on Canvas, and marked as removed in the archive" if removed else "here, not on Canvas"
    return f"Canvas says otherwise: {', '.join(fields)}"


def _place(db: sqlite3.Connection, table: str, key: tuple[Any, ...]) -> str:
    """Return where a row belongs: the conversation and the message, as far as it has them."""
    first, *rest = key
    if table == "users":
        return f"person {first}"
    if table == "attachments":
        row = plain_cursor(db).execute(_FILE_AT, (first,)).fetchone()
        return f"{_message_place(db, row[0])}, file {first}" if row else f"file {first}"
    if table in ("conversations", "conversation_participants", "conversation_contexts"):
        what = {"conversation_participants": "person", "conversation_contexts": "context"}.get(table)
        return f"conversation {first}" + "".join(f", {what} {one}" for one in rest)
    names = {
        "message_recipients": "recipient",
        "forwarded_messages": "forwarded message",
        "message_attachments": "file",
        "media_comments": "recording",
    }
    return _message_place(db, first) + "".join(f", {names[table]} {one}" for one in rest)


def _message_place(db: sqlite3.Connection, number: int) -> str:
    rows = plain_cursor(db).execute(_MESSAGE_AT, (number,)).fetchall()
    home = next((row[0] for row in rows if row[0] is not None), None)
    return f"message {number}" if home is None else f"conversation {home}, message {number}"
