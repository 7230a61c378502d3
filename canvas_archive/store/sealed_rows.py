"""What a seal covers of a row, and its digest. Forms are numbered: an old seal is checked in its own form.

| form | covers                                                                                           |
|------|--------------------------------------------------------------------------------------------------|
| 1    | the texts, people and times of the row itself                                                    |
| 2    | also who takes part in a conversation, its counters, previews and flags as Canvas says them; the |
|      | thread of a message, its recipients, attachments, forwarded messages and recordings;             |
|      | ``removed_at``; ``extra`` but for the keys that depend on who looks and when                     |

Nothing is covered that may change without a revision: the flags as the user wants them (``edits`` tells of
those), addresses with signatures, positions in a list, the state of a download.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from json.encoder import encode_basestring
from typing import Any

from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.revisions import VOLATILE

FORM = 2
"""The form in which new seals are made."""


@dataclass(frozen=True, slots=True)
class _Sealed:
    """One table: its covered columns, how many of them form 1 has, and the lists that hang on its rows."""

    columns: tuple[str, ...]
    in_form_1: int
    extra: bool = True
    lists: tuple[str, ...] = ()


_TABLES = {
    "attachments": _Sealed(
        (
            "id",
            "display_name",
            "filename",
            "sha256",
            "stored_size",
            "content_type",
            "size",
            "created_at",
        ),
        5,
    ),
    "conversations": _Sealed(
        (
            "id",
            "subject",
            "context_code",
            "context_name",
            "private",
            "message_count",
            "last_message",
            "last_message_at",
            "last_authored_message",
            "last_authored_message_at",
            "properties",
            "audience",
            "remote_starred",
            "remote_workflow_state",
            "remote_subscribed",
            "removed_at",
        ),
        5,
        lists=("SELECT conversation_id, user_id FROM conversation_participants",),
    ),
    "messages": _Sealed(
        ("id", "author_id", "created_at", "body", "generated", "conversation_id", "removed_at"),
        5,
        lists=(
            "SELECT message_id, user_id FROM message_recipients",
            "SELECT message_id, attachment_id FROM message_attachments",
            "SELECT message_id, forwarded_message_id FROM forwarded_messages",
            "SELECT message_id, media_id, media_type, display_name, content_type FROM media_comments",
        ),
    ),
    "users": _Sealed(("id", "name", "full_name", "pronouns"), 3, extra=False),
}
KINDS = tuple(_TABLES)
"""The tables whose rows are sealed."""

Row = tuple[Any, ...]
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


Contents = tuple[Row, str]
"""What may be covered of one row: its columns, and the JSON of what else there is (``,`` before each)."""


def row_digest(kind: str, form: int, found: Contents) -> bytes:
    """Return a row's digest in a form: the SHA-256 of everything covered as a JSON array."""
    row, rest = found
    if form == 1:
        return digest_of(row[: _TABLES[kind].in_form_1])
    return digest_of(row, rest)


def digest_of(values: Row | list[Any], rest: str = "") -> bytes:
    """Return the SHA-256 of values as a JSON array, with JSON text added at its end."""
    # What json.dumps would write without spaces; every row of an archive passes here, and this is faster.
    written = [
        encode_basestring(value)
        if value.__class__ is str
        else str(value)
        if value.__class__ is int
        else json.dumps(value)
        for value in values
    ]
    return sha256(f"[{','.join(written)}{rest}]".encode("utf-8", "surrogatepass")).digest()


def contents(
    db: sqlite3.Connection, kind: str, ids: list[int] | None = None, *, form: int = FORM
) -> Iterator[Contents]:
    """Yield the contents of rows in the order of their ids: of these, or of all there are.

    ``form`` is the newest that will be asked for: what only later ones cover is not read.
    """
    table = _TABLES[kind]
    chosen, parameters = "", tuple[str, ...]()
    if ids is not None:
        chosen, parameters = " WHERE {} IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
    columns = ", ".join(table.columns[: table.in_form_1] if form == 1 else table.columns)
    extra = ", extra" if table.extra and form > 1 else ""
    query = f"SELECT {columns}{extra} FROM {kind}{chosen.format('id')} ORDER BY id"  # noqa: S608 (constants)
    rows = plain_cursor(db).execute(query, parameters)
    if form == 1:
        yield from ((row, "") for row in rows)
        return
    owner = table.lists[0].split()[1].rstrip(",") if table.lists else ""
    lists = [
        _lists(plain_cursor(db).execute(f"{query}{chosen.format(owner)} ORDER BY 1, 2", parameters))
        for query in table.lists
    ]
    heads = [next(members) for members in lists]
    for row in rows:
        number, rest = row[0], ""
        if table.extra:
            row, rest = row[:-1], f",{_lasting(row[-1])}"
        for at, members in enumerate(lists):
            while heads[at][0] < number:  # of rows that are not there: foreign keys are another check
                heads[at] = next(members)
            rest += f",[{heads[at][1]}]" if heads[at][0] == number else ",[]"
        yield row, rest


def _lists(rows: Iterator[Row]) -> Iterator[tuple[int, str]]:
    """Yield what belongs to each owner as the inside of a JSON list; at the end an owner beyond all."""
    owner, items = -(2**63), list[str]()
    for number, *parts in rows:
        item = str(parts[0]) if len(parts) == 1 else _encode(parts)
        if number == owner:
            items.append(item)
            continue
        if items:
            yield owner, ",".join(items)
        owner, items = number, [item]
    if items:
        yield owner, ",".join(items)
    while True:
        yield 2**63, ""


def _lasting(extra: str) -> str:
    if extra == "{}":
        return extra
    fields: dict[str, object] = json.loads(extra)
    kept = {key: value for key, value in fields.items() if key not in VOLATILE}
    return _encode(kept)
