"""Which messages of a conversation one page shows: all of them, or of a long one a hundred.

A part is found by key in an index that holds all it asks for, so the first page of a conversation of 5,000
messages costs what a short conversation costs. The newest part is shown first, as the inbox does.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from canvas_archive.web import queries

PAGE = 100
WHOLE = 150
"""A conversation of up to so many messages is one page: a second page for a few is of no use."""

LEAD = 5
"""How many messages are shown before the one that an address asks for."""

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ThreadPart:
    """Some messages of a conversation, oldest first; ``ids`` is ``None`` for all of them.

    ``older`` and ``newer`` are the nearest messages that are not shown. ``written`` counts what people
    wrote in the whole conversation, ``before`` what they wrote before this part.
    """

    ids: tuple[int, ...] | None
    older: Key | None
    newer: Key | None
    first_at: str
    last_at: str
    written: int
    before: int


def thread_part(
    connection: sqlite3.Connection,
    conversation_id: int,
    *,
    message: int | None = None,
    before: Key | None = None,
    after: Key | None = None,
    whole: bool = False,
) -> ThreadPart:
    """Return the part with ``message`` in it, or older or newer than a key, or the newest one."""
    row = connection.execute(queries.EXTENT, {"id": conversation_id}).fetchone()
    if whole or row["n"] <= WHOLE:
        return ThreadPart(None, None, None, row["first"] or "", row["last"] or "", row["written"], 0)
    keys = _keys(connection, conversation_id, message, before, after)
    older = _walk(connection, conversation_id, keys[0], 1, newer=False)
    newer = _walk(connection, conversation_id, keys[-1], 1, newer=True)
    at, ident = keys[0]
    values = {"id": conversation_id, "at": at, "message": ident}
    return ThreadPart(
        ids=tuple(ident for _, ident in keys),
        older=older[0] if older else None,
        newer=newer[0] if newer else None,
        first_at=row["first"] or "",
        last_at=row["last"] or "",
        written=row["written"],
        before=connection.execute(queries.WRITTEN_BEFORE, values).fetchone()[0],
    )


def _keys(
    connection: sqlite3.Connection,
    conversation_id: int,
    message: int | None,
    before: Key | None,
    after: Key | None,
) -> list[Key]:
    """Return the keys of the part, oldest first; the newest part for an address that leads nowhere."""
    found: list[Key] = []
    if message is not None:
        values = {"id": conversation_id, "message": message}
        row = connection.execute(queries.PLACE, values).fetchone()
        if row is not None:
            here = (row["created_at"], message)
            found = [here, *_walk(connection, conversation_id, here, PAGE - 1, newer=True)]
            lead = max(LEAD, PAGE - len(found))
            found = [*_walk(connection, conversation_id, here, lead, newer=False)[::-1], *found][:PAGE]
    elif before is not None:
        found = _walk(connection, conversation_id, before, PAGE, newer=False)[::-1]
    elif after is not None:
        found = _walk(connection, conversation_id, after, PAGE, newer=True)
    return found or _walk(connection, conversation_id, ("~", 0), PAGE, newer=False)[::-1]


def _walk(
    connection: sqlite3.Connection, conversation_id: int, key: Key, limit: int, *, newer: bool
) -> list[Key]:
    values = {"id": conversation_id, "at": key[0], "message": key[1], "limit": limit}
    statement = queries.NEWER_MESSAGES if newer else queries.OLDER_MESSAGES
    return [(row["created_at"], row["id"]) for row in connection.execute(statement, values)]
