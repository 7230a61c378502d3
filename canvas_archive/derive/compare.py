"""Comparing the rows of an archive with those that follow from its receipts.

Every column of every table in ``DERIVED_TABLES`` is compared, except the three columns that a person may
edit: those are compared with the journal of edits. In addresses the part behind ``?`` is left out, and in
``extra`` the keys that depend on who looks and when (``VOLATILE``). Both change at every answer and are no
news.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

from canvas_archive.derive.fold import Fault, derive
from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.deltas import settled
from canvas_archive.store.flags import FIELDS
from canvas_archive.store.ingest import DERIVED_TABLES
from canvas_archive.store.receipts import read_receipts
from canvas_archive.store.revisions import VOLATILE

_ADDRESSES = frozenset({"url", "avatar_url"})
_PROGRESS_EVERY = 5000
_COUNT = "SELECT count(*) FROM receipts"

Row = tuple[Any, ...]
Columns = tuple[list[str], list[str]]
"""The primary key of a table, and its other columns that are compared."""
Pair: TypeAlias = "tuple[Row | None, Row | None]"
"""A row as it is stored, and as it follows from the receipts; ``None`` where there is none."""


@dataclass(slots=True)
class Explained:
    """How many rows the receipts explain, and the faults found so far."""

    rows: int
    faults: list[Fault]


def check_derived(
    db: sqlite3.Connection,
    *,
    most_faults: int = 1000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Explained:
    """Derive every row again and compare. Stops after ``most_faults``.

    ``progress`` is called with how much of the work is done, and how much there is, in receipts.
    """
    total = 2 * db.execute(_COUNT).fetchone()[0]
    derived, faults = derive(read_receipts(db), lambda done: progress(done, total))
    found = Explained(0, faults[:most_faults])
    try:
        for table in DERIVED_TABLES:
            for fault in compare_table(db, derived, table):
                if fault is None:
                    found.rows += 1
                    if found.rows % _PROGRESS_EVERY == 0:
                        progress(total - total // 2, total)
                elif len(found.faults) < most_faults:
                    found.faults.append(fault)
                else:
                    return found
    finally:
        derived.close()
    return found


def compare_table(db: sqlite3.Connection, derived: sqlite3.Connection, table: str) -> Iterator[Fault | None]:
    """Yield ``None`` for every row that is explained, and a fault for every other."""
    columns = columns_of(derived, table)
    fault = partial(_fault, table, len(columns[0]))
    for row, wanted in compared_rows(db, derived, table):
        if row == wanted:
            yield None
        elif row is None:
            yield fault(wanted, "a receipt explains the row, and it is gone")
        elif wanted is None:
            yield fault(row, "no receipt explains the row")
        else:
            names = differing(columns, row, wanted)
            yield fault(row, f"not what the receipts say: {', '.join(names)}") if names else None


def differing(columns: Columns, row: Row, wanted: Row) -> list[str]:
    """Return the columns in which two rows differ, but for what changes at every answer."""
    return [
        name
        for name, is_now, should in zip(chain(*columns), row, wanted, strict=True)
        if is_now != should and _lasting(name, is_now) != _lasting(name, should)
    ]


def compared_rows(db: sqlite3.Connection, derived: sqlite3.Connection, table: str) -> Iterator[Pair]:
    """Walk both tables side by side, by primary key."""
    keys, others = columns_of(derived, table)
    names = ", ".join(f'"{name}"' for name in (*keys, *others))
    order = ", ".join(f'"{name}"' for name in keys)
    query = f'SELECT {names} FROM "{table}" ORDER BY {order}'  # noqa: S608 (names are ours)
    stored, explained = plain_cursor(db).execute(query), plain_cursor(derived).execute(query)
    row, wanted = stored.fetchone(), explained.fetchone()
    while row is not None or wanted is not None:
        if row == wanted:
            yield row, wanted
            row, wanted = stored.fetchone(), explained.fetchone()
        elif wanted is None or (row is not None and row[: len(keys)] < wanted[: len(keys)]):
            yield row, None
            row = stored.fetchone()
        elif row is None or row[: len(keys)] > wanted[: len(keys)]:
            yield None, wanted
            wanted = explained.fetchone()
        else:
            yield row, wanted
            row, wanted = stored.fetchone(), explained.fetchone()


def columns_of(db: sqlite3.Connection, table: str) -> Columns:
    """Return the columns of a table that are compared."""
    info = plain_cursor(db).execute(f'PRAGMA table_info("{table}")').fetchall()
    keys = [name for _, name in sorted((row[5], row[1]) for row in info if row[5])]
    edited = FIELDS if table == "conversations" else ()
    return keys, [row[1] for row in info if not row[5] and row[1] not in edited]


def _lasting(column: str, value: Any) -> Any:
    if column in _ADDRESSES and isinstance(value, str):
        return value.partition("?")[0]
    if column in ("extra", "before", "after") and isinstance(value, str):
        try:
            fields = json.loads(value)
        except ValueError:
            return value
        if isinstance(fields, dict) and column == "extra":
            return settled({key: one for key, one in fields.items() if key not in VOLATILE})
        if isinstance(fields, dict):
            return {name: _lasting(name, one) for name, one in fields.items()}
    return value


def _fault(table: str, keys: int, row: Row | None, sentence: str) -> Fault:
    return Fault(table, "/".join(str(value) for value in (row or ())[:keys]), sentence)
