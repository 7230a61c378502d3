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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Json, JsonObject
from canvas_archive.store.deltas import apply_delta, canonical, delta

SALT_BYTES = 16
MOST_BYTES = 128 * 1024 * 1024
"""A payload that unpacks to more is refused: no answer of Canvas's is that long."""
MOST_PARTS = 2_000_000
"""A payload with more lists and objects is refused: as Python values they would fill the memory."""
MOST_DIFFERENCES = 128
"""After so many receipts that differ from each other, the next one is stored whole."""

DICTIONARY = 1
_DICTIONARIES = {1: "a926276f03f1551985bf6f51302c649caefd4417bfdaf0afe4e17d20ffac737d"}
"""The SHA-256 of each version: another dictionary would turn the same bytes into other texts."""
_LONGEST_TRAIL = 20_000
MOST_WAITING = 200
"""So many receipts are stored together at most."""

_FAMILIES = {
    "thread": ("thread",),
    "row": ("row", "row_unnamed"),
    "row_unnamed": ("row", "row_unnamed"),
    "ids": ("ids",),
    "user": ("user",),
}
"""The kinds whose answers are stored as differences, and to which kinds of receipt."""
_NO_CHANGE: JsonObject = {"-": [], "=": {}}

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
_MOST_CACHED = 8_000_000
"""How many characters of JSON the cache of the newest answers holds."""
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
    size: int = 0
    """The length of the JSON, in characters, and of what it differs from."""


@functools.cache
def _dictionary(version: int) -> bytes:
    if version not in _DICTIONARIES:
        raise Unreadable(f"its packing {version} is unknown to this version")
    words = files("canvas_archive.store").joinpath(f"receipts.{version}.dict").read_bytes()
    if sha256(words).hexdigest() != _DICTIONARIES[version]:
        raise Unreadable(f"the file receipts.{version}.dict of this program was changed. Install it again")
    return words


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
            known = self._known(base)
            data = None if known is None else known.packed_after(payload)
            if data is None:
                base, data = None, pack(_whole_text(payload))
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

    def is_news(self, kind: str, key: int, payload: JsonObject) -> bool:
        """Return whether a payload differs from the newest receipt about the same thing."""
        base = self._bases([(kind, key)]).get((kind, key))
        known = self._known(base)
        return known is None or delta(known.payload, payload) != _NO_CHANGE

    def forget(self) -> None:
        """Forget what was added and not stored."""
        self._waiting.clear()

    def _known(self, number: int | None) -> _Whole | None:
        """Return a receipt put together; ``None`` where there is none, and for one that cannot be read."""
        try:
            return None if number is None else _whole(self._cursor, number)
        except ValueError:
            return None

    def _bases(self, waiting: Sequence[_Row]) -> dict[tuple[str, int | None], int]:
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
    size: int
    differences: int = 0

    def after(self, packing: int, data: bytes) -> _Whole:
        """Return the payload of the next receipt, which is stored as the difference to this."""
        if self.differences == MOST_DIFFERENCES:
            raise Unreadable("it differs from too many others")
        text = unpack(data, packing, self.trail)
        size = self.size + len(text)
        if not isinstance(self.payload, dict) or size > MOST_BYTES:
            raise Unreadable("the receipt it differs from is none that others differ from")
        payload = apply_delta(self.payload, _parsed(text))
        return _Whole(payload, (self.trail + text)[-_LONGEST_TRAIL:], size, self.differences + 1)

    def packed_after(self, payload: Json) -> bytes | None:
        """Return a payload as its difference to this one; ``None`` if it is to be stored whole."""
        if self.differences == MOST_DIFFERENCES or not (
            isinstance(self.payload, dict) and isinstance(payload, dict)
        ):
            return None
        text = canonical(delta(self.payload, payload))
        return None if self.size + len(text) > MOST_BYTES else pack(text, self.trail)


def _first(packing: int, data: bytes) -> _Whole:
    text = unpack(data, packing)
    return _Whole(_parsed(text), text[-_LONGEST_TRAIL:], len(text))


def _whole_text(payload: Json) -> str:
    """Return a payload as text. Raises MalformedAnswer for one that could not be read again."""
    text = canonical(payload)
    if _is_too_large(text) or len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise MalformedAnswer("Canvas answered with more than a receipt can hold.")
    return text


def _is_too_large(text: str) -> bool:
    return len(text) > MOST_PARTS and text.count("[") + text.count("{") > MOST_PARTS


def _whole(cursor: sqlite3.Cursor, number: int) -> _Whole | None:
    """Return a receipt put together from those it differs from; ``None`` when one of them is erased.

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
        if len(stored) > MOST_DIFFERENCES + 1:
            raise Unreadable("it differs from too many others")
        if base is not None and base >= at:
            raise Unreadable("it differs from a later one")
        at = base
    whole = _first(*stored.pop())
    while stored:
        whole = whole.after(*stored.pop())
    return whole


def _parsed(text: str) -> Any:
    if _is_too_large(text):
        raise Unreadable("it has too many parts")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON") from error


class _Reader:
    """Reads receipts in order, and holds the newest answers, which the next differ from."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._lookup = db.cursor()
        self._lookup.row_factory = None
        self._newest: OrderedDict[int, _Whole] = OrderedDict()
        self._held = 0

    def receipt(self, row: _Row) -> Receipt:
        number, run_id, source, kind, key, address, at, status, texts, base, packing, _, data = row
        where = _usual_address(key) if address is None else address
        payload: Json = None
        size = 0
        try:
            if data is None:
                kind = "erased"
            else:
                whole = self._whole(number, base, packing, data, differs=kind in _FAMILIES)
                payload, size = whole.payload, whole.size
        except (ValueError, MemoryError) as error:
            kind, payload = "unreadable", str(error) or "it does not fit into memory"
        return Receipt(number, run_id, source, kind, key, where, at, status, texts, payload, size)

    def _whole(self, number: int, base: int | None, packing: int, data: bytes, *, differs: bool) -> _Whole:
        if base is None:
            found = _first(packing, data)
        else:
            if base >= number:
                raise Unreadable("it differs from a later one")
            known = self._newest.pop(base, None)
            if known is not None:
                self._held -= known.size
            whole = known or _whole(self._lookup, base)
            if whole is None:
                raise Unreadable("the receipt it differs from was erased")
            found = whole.after(packing, data)
        if differs:
            self._newest[number] = found
            self._held += found.size
            while self._held > _MOST_CACHED and self._newest:
                self._held -= self._newest.popitem(last=False)[1].size
        return found


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
