"""Receipts for an archive of an older version: the rows themselves, in portions.

A row that does not match its seal, or a revision that does not match the chain, gets no receipt. So
``verify`` goes on naming it. A sync with ``--refetch`` writes the receipts of what Canvas says today.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from functools import partial
from itertools import islice

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.model import Json
from canvas_archive.store.chain import check_chain
from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.flags import FIELDS
from canvas_archive.store.ingest import DERIVED_TABLES
from canvas_archive.store.receipts import ReceiptWriter
from canvas_archive.store.seals import check_seals

PORTION = 200
"""How many rows one receipt holds."""

_OWNERS = {
    "attachments": "attachments",
    "conversations": "conversations",
    "conversation_participants": "conversations",
    "messages": "messages",
    "message_recipients": "messages",
    "message_attachments": "messages",
    "forwarded_messages": "messages",
    "media_comments": "messages",
    "users": "users",
    "revisions": "revisions",
}
"""The kind of seal, or of record in the chain, that covers a table. It has the key in its first column."""

_ALL = 2**62


def convert(db: sqlite3.Connection, clock: Clock = SYSTEM) -> None:
    """Write receipts of the rows that an earlier version left, in the caller's transaction."""
    before = db.text_factory
    # Damaged text must not keep the archive from opening. It cannot match its seal.
    db.text_factory = partial(str, encoding="utf-8", errors="replace")
    try:
        unsound = {(fault.kind, fault.key) for fault in check_seals(db, most_faults=_ALL).faults}
        unsound |= {(fault.source, fault.row_key) for fault in check_chain(db)}
        write_rows(db, clock, unsound)
    finally:
        db.text_factory = before


def write_rows(
    db: sqlite3.Connection, clock: Clock = SYSTEM, unsound: Collection[tuple[str, int]] = ()
) -> None:
    """Write receipts of all rows but the ``unsound`` ones, each named by table and key."""
    writer = ReceiptWriter(db.cursor(), None, "migration")
    for table in DERIVED_TABLES:
        _convert_table(db, writer, table, iso(clock.now()), unsound)
    writer.write()


def _convert_table(
    db: sqlite3.Connection, writer: ReceiptWriter, table: str, at: str, unsound: Collection[tuple[str, int]]
) -> None:
    info = plain_cursor(db).execute(f"PRAGMA table_info({table})").fetchall()
    columns = [row[1] for row in info]
    # What a person wants stays out: a receipt holds what Canvas said.
    wanted = FIELDS if table == "conversations" else ()
    names = ", ".join(f'"remote_{name}"' if name in wanted else f'"{name}"' for name in columns)
    order = ", ".join(f'"{row[1]}"' for row in info if row[5])
    owner = _OWNERS.get(table, "")
    found = plain_cursor(db).execute(f"SELECT {names} FROM {table} ORDER BY {order}")  # noqa: S608 (constants)
    rows = (list(row) for row in found if (owner, row[0]) not in unsound)
    while portion := list(islice(rows, PORTION)):
        payload: Json = {"table": table, "columns": [*columns], "rows": [*portion]}
        writer.add("rows", None, f"table {table}", at, payload, status=None)
