"""Inserting many rows with few statements.

Each statement that fires triggers or checks foreign keys costs as much to begin and end as several rows do,
because SQLite must be able to take back that statement alone. So rows go in by the dozens: the SQL text is
constant for each number of rows, and therefore prepared once for each connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain

SIZES = (32, 4, 1)
"""How many rows one statement inserts; 32 of the widest table stay far below SQLite's limit of parameters."""


class Insertion:
    """Inserts rows of one table: ``columns`` are those that a row has values for, in their order."""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        row = f"({', '.join('?' * len(columns))})"
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 (constants of this package)
        self._statements = tuple((size, head + ", ".join([row] * size)) for size in SIZES)

    def run(self, cursor: sqlite3.Cursor, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert the rows, in their order. Raises sqlite3.IntegrityError as one INSERT would."""
        begun = 0
        for size, statement in self._statements:
            end = begun + (len(rows) - begun) // size * size
            if end > begun:
                portions = (rows[at : at + size] for at in range(begun, end, size))
                cursor.executemany(statement, (tuple(chain.from_iterable(part)) for part in portions))
                begun = end
