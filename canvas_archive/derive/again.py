"""Deriving the rows of an archive once more, when another version of the parser derived them.

Which version did is in the newest receipt of kind ``parser``. The rows that are replaced go into receipts of
kind ``replaced``, so that nothing is lost. A person, a conversation, a message or a file that the receipts do
not explain any more stays, and ``verify`` names it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice

from canvas_archive.clock import Clock, iso
from canvas_archive.derive import fold
from canvas_archive.derive.compare import Columns, Pair, columns_of, compared_rows, differing
from canvas_archive.model import Json
from canvas_archive.store import transaction
from canvas_archive.store.flags import FIELDS
from canvas_archive.store.ingest import DERIVED_TABLES
from canvas_archive.store.receipts import ReceiptWriter, read_receipt, read_receipts

PORTION = 200
"""How many replaced rows one receipt holds."""

_FIRST = 1
"""The version of the parser of archives that name none."""

_NEWEST = "SELECT max(id) FROM receipts WHERE key IS NULL AND kind = 'parser'"
_GUARDS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'revisions'"
_LAST_NUMBER = """
UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(revision), 0) FROM revisions) WHERE name = 'revisions'
"""
_LINKS = frozenset(
    {
        "conversation_participants", "conversation_contexts", "message_recipients", "forwarded_messages",
        "message_attachments", "media_comments", "revisions",
    }
)  # fmt: skip
"""The tables whose rows may go."""


def parser_of(db: sqlite3.Connection) -> int:
    """Return the version of the parser that derived the rows of an archive; 0 if its receipt is damaged."""
    (number,) = db.execute(_NEWEST).fetchone()
    receipt = None if number is None else read_receipt(db, number)
    if receipt is None:
        return _FIRST
    found = receipt.payload.get("version") if isinstance(receipt.payload, dict) else None
    return found if isinstance(found, int) else 0


def is_derived(db: sqlite3.Connection) -> bool:
    """Return whether today's parser derived the rows of an archive."""
    return parser_of(db) == fold.PARSER


def derive_again(db: sqlite3.Connection, clock: Clock, run_id: int) -> int:
    """Write the rows as today's parser derives them; return how many changed.

    The caller holds no transaction.
    """
    derived, _ = fold.derive(read_receipts(db))
    at, changed = iso(clock.now()), 0
    try:
        with transaction(db), _unguarded(db):
            db.execute("PRAGMA defer_foreign_keys = ON")
            receipts = ReceiptWriter(db.cursor(), run_id, "migration")
            for table in DERIVED_TABLES:
                columns = columns_of(derived, table)
                pairs = compared_rows(db, derived, table)
                written = (pair for pair in pairs if _is_written(table, columns, pair))
                while portion := list(islice(written, PORTION)):
                    before: list[Json] = [[*row] for row, _ in portion if row is not None]
                    if before:
                        payload: Json = {"table": table, "columns": [*chain(*columns)], "rows": before}
                        receipts.add("replaced", None, f"table {table}", at, payload, status=None)
                    for pair in portion:
                        _write(db, table, columns, pair)
                    changed += len(portion)
            db.execute(_LAST_NUMBER)
            receipts.add("parser", None, "parser", at, {"version": fold.PARSER}, status=None)
            receipts.write()
    finally:
        derived.close()
    return changed


def _is_written(table: str, columns: Columns, pair: Pair) -> bool:
    row, wanted = pair
    if wanted is None:
        return table in _LINKS
    return row is None or (row != wanted and bool(differing(columns, row, wanted)))


def _write(db: sqlite3.Connection, table: str, columns: Columns, pair: Pair) -> None:
    """Write one row as it was derived."""
    row, wanted = pair
    keys, others = columns
    where = " AND ".join(f'"{name}" = ?' for name in keys)
    if wanted is None:
        db.execute(f'DELETE FROM "{table}" WHERE {where}', row[: len(keys)] if row else ())  # noqa: S608 (our names)
        return
    values = dict(zip((*keys, *others), wanted, strict=True))
    if row is None:
        if table == "conversations":
            values.update({field: values[f"remote_{field}"] for field in FIELDS})
        names, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
        db.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', (*values.values(),))  # noqa: S608 (our names)
        return
    changes = {name: values[name] for name in differing(columns, row, wanted)}
    assignments = [f'"{name}" = ?' for name in changes]
    # Where a person wants nothing else, the column goes on showing what Canvas says.
    followed = [field for field in FIELDS if table == "conversations" and f"remote_{field}" in changes]
    assignments += [
        f"{field} = CASE {field} WHEN remote_{field} THEN ? ELSE {field} END" for field in followed
    ]
    bound = (*changes.values(), *(values[f"remote_{field}"] for field in followed), *row[: len(keys)])
    db.execute(f'UPDATE "{table}" SET {", ".join(assignments)} WHERE {where}', bound)  # noqa: S608 (our names)


@contextmanager
def _unguarded(db: sqlite3.Connection) -> Iterator[None]:
    """Let the block write revisions: they are derived, too. The caller holds the transaction."""
    guards = db.execute(_GUARDS).fetchall()
    for name, _ in map(tuple, guards):
        db.execute(f"DROP TRIGGER {name}")
    yield
    for _, sql in map(tuple, guards):
        db.execute(sql)
