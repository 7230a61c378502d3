"""Receipts for archives that tests fill by SQL."""

from __future__ import annotations

import sqlite3

from canvas_archive.clock import SYSTEM, Clock
from canvas_archive.store.derived_columns import settle_all_direct
from canvas_archive.store.migration_receipts import write_rows


def write_receipts(db: sqlite3.Connection, clock: Clock = SYSTEM) -> None:
    """Give an archive that a test filled by SQL the derived column and the receipts of an older version."""
    settle_all_direct(db.cursor())
    write_rows(db, clock)
