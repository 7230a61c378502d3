"""Receipts: what Canvas said, as it was written into the archive."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from canvas_archive.model import Json

_INSERT = """
INSERT INTO receipts (run_id, source, kind, key, address, at, status, texts, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_READ = "SELECT id, run_id, source, kind, key, address, at, status, texts, payload FROM receipts"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One answer of Canvas's that changed something."""

    id: int
    run_id: int | None
    source: str
    kind: str
    key: int | None
    address: str
    at: str
    status: int | None
    texts: str
    payload: Json


class ReceiptWriter:
    """Writes receipts within the caller's transaction."""

    def __init__(self, cursor: sqlite3.Cursor, run_id: int | None, source: str = "api") -> None:
        self._cursor = cursor
        self._run_id = run_id
        self._source = source

    def add(
        self,
        kind: str,
        key: int | None,
        address: str,
        at: str,
        payload: Json,
        *,
        status: int | None = 200,
        texts: str = "raw",
    ) -> int:
        """Write a receipt; return its id."""
        data = zlib.compress(json.dumps(payload).encode())
        self._cursor.execute(
            _INSERT, (self._run_id, self._source, kind, key, address, at, status, texts, data)
        )
        return self._cursor.lastrowid or 0

    def write(self) -> None:
        """Write what waits."""

    def forget(self) -> None:
        """Forget what waits."""


def read_receipts(db: sqlite3.Connection, *, after: int = 0) -> Iterator[Receipt]:
    """Yield the receipts in their order."""
    cursor = db.cursor()
    cursor.row_factory = None
    for row in cursor.execute(f"{_READ} WHERE id > ? ORDER BY id", (after,)):
        number, run, source, kind, key, address, at, status, texts, data = row
        payload = json.loads(zlib.decompress(data))
        yield Receipt(number, run, source, kind, key, address, at, status, texts, payload)
