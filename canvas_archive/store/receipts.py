"""Receipts: what Canvas said, as it was when it changed a row. Append-only.

A receipt is one answer, verbatim up to key order and blanks. A later answer about the same conversation is
stored as its difference to the one before (``deltas.py``), so that a thread which grows message by message
costs what its messages cost. The text is compressed: with a dictionary of a typical answer, whose version
stands with each receipt, and a difference also with the texts of the receipts that it differs from.

The evidence chain covers a commitment to each receipt: a hash of its salt and all it says. Where the law
demands that a text be destroyed, salt and text go, the commitment stays in ``erased``, and the chain is
valid.
"""

from __future__ import annotations

import functools
import json
import os
import sqlite3
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

from canvas_archive.model import Json
from canvas_archive.store.deltas import apply_delta, canonical, delta

SALT_BYTES = 16
MOST_BYTES = 128 * 1024 * 1024
"""A payload that unpacks to more is refused: no answer of Canvas's is that long."""

DICTIONARY = 1
_LONGEST_TRAIL = 20_000
MOST_WAITING = 200
"""So many receipts are stored together at most."""

_FAMILIES = {"thread": ("thread",), "row": ("row", "row_unnamed"), "row_unnamed": ("row", "row_unnamed")}
"""The kinds whose answers are stored as differences, and to which kinds of receipt."""

_COLUMNS = "id, run_id, source, kind, key, address, at, status, texts, base, packing, salt, payload"
_INSERT = f"INSERT INTO receipts ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 (constants)
_AFTER = f"SELECT {_COLUMNS} FROM receipts WHERE id > ? ORDER BY id"  # noqa: S608 (constants)
_ONE = f"SELECT {_COLUMNS} FROM receipts WHERE id = ?"  # noqa: S608 (constants)
_BASES = """
SELECT value, (SELECT max(id) FROM (
  SELECT max(id) AS id FROM receipts WHERE key = value AND kind = ?1
  UNION ALL SELECT max(id) FROM receipts WHERE key = value AND kind = ?2))
FROM json_each(?3)
"""
_CACHED_BYTES = 4_000_000
"""How much the newest answers that are held in memory take as they are stored; unpacked, ten times that."""
_Row = tuple[Any, ...]


class Unreadable(ValueError):
    """A receipt that cannot be read: damaged, or made up."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One answer that changed something.

    ``key`` is the id of the conversation or file it is about, where there is one; ``address`` the method and
    path of the request, without host and signatures; ``texts`` how the server sends bodies. A receipt that
    cannot be read has the kind ``unreadable`` and says why in ``payload``; an erased one the kind ``erased``.
    """

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


@functools.cache
def _dictionary(version: int) -> bytes:
    if version != DICTIONARY:
        raise Unreadable(f"its packing {version} is unknown to this version")
    return files("canvas_archive.store").joinpath(f"receipts.{version}.dict").read_bytes()


@functools.cache
def _fresh_packer() -> Any:
    return zlib.compressobj(6, zlib.DEFLATED, -15, 8, zdict=_dictionary(DICTIONARY))


def pack(text: str, trail: str = "") -> bytes:
    """Compress a text with the dictionary, and with the ``trail`` of the receipts it differs from."""
    if trail:
        packer = zlib.compressobj(6, zlib.DEFLATED, -15, 8, zdict=_primed(DICTIONARY, trail))
    else:
        packer = _fresh_packer().copy()
    return bytes(packer.compress(text.encode("utf-8", "surrogatepass")) + packer.flush())


def _primed(version: int, trail: str) -> bytes:
    return _dictionary(version) + trail.encode("utf-8", "surrogatepass")


def unpack(data: bytes, version: int, trail: str = "") -> str:
    """Return what ``pack`` was given. Raises Unreadable for bytes that are none, or too many."""
    try:
        unpacker = zlib.decompressobj(-15, zdict=_primed(version, trail))
        text = unpacker.decompress(data, MOST_BYTES)
        if not unpacker.eof or unpacker.unused_data:
            raise Unreadable("its bytes are cut off, or too many")
        return text.decode("utf-8", "surrogatepass")
    except (zlib.error, TypeError, UnicodeDecodeError) as error:
        raise Unreadable("its bytes are damaged") from error


class ReceiptWriter:
    """Writes receipts within the caller's transaction, in the order they were added."""

    def __init__(self, cursor: sqlite3.Cursor, run_id: int | None, source: str = "api") -> None:
        self._cursor = cursor
        self._run_id = run_id
        self._source = source
        self._waiting: list[_Row] = []

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
    ) -> None:
        """Take a receipt in; ``write`` stores it."""
        if any(row[:2] == (kind, key) for row in self._waiting if kind in _FAMILIES):
            self.write()  # the one before is the base of this
        elif len(self._waiting) >= MOST_WAITING:
            self.write()
        self._waiting.append((kind, key, address, at, status, texts, payload))

    def write(self) -> None:
        """Store what was added."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        bases = self._bases(waiting)
        salts = os.urandom(SALT_BYTES * len(waiting))
        rows: list[_Row] = []
        for at_row, (kind, key, address, at, status, texts, payload) in enumerate(waiting):
            base = bases.get((kind, key))
            known = None if base is None else _whole(self._cursor, base)
            if known is not None and isinstance(known.payload, dict) and isinstance(payload, dict):
                data = pack(canonical(delta(known.payload, payload)), known.trail)
            else:
                base, data = None, pack(canonical(payload))
            salt = salts[at_row * SALT_BYTES : (at_row + 1) * SALT_BYTES]
            said = None if address == _usual_address(key) else address
            rows.append(
                (
                    self._run_id,
                    self._source,
                    kind,
                    key,
                    said,
                    at,
                    status,
                    texts,
                    base,
                    DICTIONARY,
                    salt,
                    data,
                )
            )
        self._cursor.executemany(_INSERT, rows)

    def forget(self) -> None:
        """Forget what was added and not stored."""
        self._waiting.clear()

    def _bases(self, waiting: list[_Row]) -> dict[tuple[str, int | None], int]:
        """Return the newest receipt about the same thing, for each kind that is stored as differences."""
        bases: dict[tuple[str, int | None], int] = {}
        for kind in {row[0] for row in waiting} & _FAMILIES.keys():
            keys = json.dumps([row[1] for row in waiting if row[0] == kind])
            family = _FAMILIES[kind]
            found = self._cursor.execute(_BASES, (family[0], family[-1], keys)).fetchall()
            bases.update({(kind, key): number for key, number in found if number is not None})
        return bases


def _usual_address(key: int | None) -> str:
    return f"GET /api/v1/conversations/{key}"


@dataclass(frozen=True, slots=True)
class _Whole:
    """A payload put together. ``trail`` is the end of the texts it was made of."""

    payload: Any
    trail: str

    def after(self, packing: int, data: bytes) -> _Whole:
        """Return the payload of the next receipt, which is stored as the difference to this."""
        text = unpack(data, packing, self.trail)
        if not isinstance(self.payload, dict):
            raise Unreadable("the receipt it differs from is none that others differ from")
        return _Whole(apply_delta(self.payload, _parsed(text)), (self.trail + text)[-_LONGEST_TRAIL:])


def _first(packing: int, data: bytes) -> _Whole:
    text = unpack(data, packing)
    return _Whole(_parsed(text), text[-_LONGEST_TRAIL:])


def _whole(cursor: sqlite3.Cursor, number: int) -> _Whole | None:
    """Return a receipt put together from those it differs from; ``None`` where one of them is erased.

    Raises ValueError when one of them cannot be read.
    """
    stored: list[tuple[int, bytes]] = []
    at: int | None = number
    while at is not None:
        row = cursor.execute("SELECT base, packing, payload FROM receipts WHERE id = ?", (at,)).fetchone()
        if row is None:
            raise Unreadable("the receipt it differs from is not there")
        base, packing, data = row
        if data is None:
            return None
        stored.append((packing, data))
        if base is not None and base >= at:
            raise Unreadable("it differs from a later one")
        at = base
    whole = _first(*stored.pop())
    while stored:
        whole = whole.after(*stored.pop())
    return whole


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON") from error


class _Reader:
    """Reads receipts in order, and holds the newest answers, which the next differ from."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._lookup = db.cursor()
        self._lookup.row_factory = None
        self._newest: OrderedDict[int, tuple[_Whole, int]] = OrderedDict()
        self._held = 0

    def receipt(self, row: _Row) -> Receipt:
        number, run_id, source, kind, key, address, at, status, texts, base, packing, _, data = row
        where = _usual_address(key) if address is None else address
        payload: Json
        try:
            payload = (
                None
                if data is None
                else self._payload(number, base, packing, data, differs=kind in _FAMILIES)
            )
            kind = "erased" if data is None else kind
        except (ValueError, MemoryError) as error:
            kind, payload = "unreadable", str(error) or "it does not fit into memory"
        return Receipt(number, run_id, source, kind, key, where, at, status, texts, payload)

    def _payload(self, number: int, base: int | None, packing: int, data: bytes, *, differs: bool) -> Json:
        if base is None:
            found, size = _first(packing, data), len(data)
        else:
            if base >= number:
                raise Unreadable("it differs from a later one")
            known, size = self._newest.pop(base, (None, 0))
            self._held -= size
            whole = known or _whole(self._lookup, base)
            if whole is None:
                raise Unreadable("the receipt it differs from was erased")
            found, size = whole.after(packing, data), size + len(data)
        if differs:
            self._newest[number] = (found, size)
            self._held += size
            while self._held > _CACHED_BYTES and self._newest:
                self._held -= self._newest.popitem(last=False)[1][1]
        payload: Json = found.payload
        return payload


def read_receipts(db: sqlite3.Connection, *, after: int = 0) -> Iterator[Receipt]:
    """Yield the receipts in their order, in bounded memory."""
    reader = _Reader(db)
    cursor = db.cursor()
    cursor.row_factory = None
    for row in cursor.execute(_AFTER, (after,)):
        yield reader.receipt(row)


def read_receipt(db: sqlite3.Connection, number: int) -> Receipt | None:
    """Return one receipt, if there is one by that number."""
    cursor = db.cursor()
    cursor.row_factory = None
    row = cursor.execute(_ONE, (number,)).fetchone()
    return None if row is None else _Reader(db).receipt(row)


def read_receipts_of(db: sqlite3.Connection, key: int, kinds: tuple[str, ...]) -> Iterator[Receipt]:
    """Yield the receipts of these kinds about one conversation, message or file, in their order."""
    reader = _Reader(db)
    cursor = db.cursor()
    cursor.row_factory = None
    marks = ", ".join("?" * len(kinds))
    query = f"SELECT {_COLUMNS} FROM receipts WHERE key = ? AND kind IN ({marks}) ORDER BY id"  # noqa: S608 (placeholders)
    for row in cursor.execute(query, (key, *kinds)):
        yield reader.receipt(row)


def commitments(db: sqlite3.Connection, first: int, last: int) -> Iterator[tuple[int, str]]:
    """Yield the numbers of receipts from ``first`` to ``last`` with what the evidence chain covers of each.

    That of an erased one stands in ``erased``.
    """
    cursor = db.cursor()
    cursor.row_factory = None
    stood = dict(
        cursor.execute(
            "SELECT receipt_id, commitment FROM erased WHERE receipt_id BETWEEN ? AND ?", (first, last)
        ).fetchall()
    )
    query = f"SELECT {_COLUMNS} FROM receipts WHERE id BETWEEN ? AND ? ORDER BY id"  # noqa: S608 (constants)
    for *head, salt, data in cursor.execute(query, (first, last)):
        yield head[0], stood.get(head[0], "") if data is None else commitment(head, salt, data)


def commitment(head: list[Any], salt: bytes | None, data: bytes) -> str:
    """Return the hash of the salt and all that a receipt says: its columns, and its text as it is stored."""
    said = canonical(head).encode("utf-8", "surrogatepass")
    return sha256(b"\n".join((salt or b"", said, data))).hexdigest()
