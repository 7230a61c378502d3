"""Seals: a digest of every message, conversation, person and attachment as it was first stored.

A flipped byte in the middle of a message's text is no damage that SQLite could notice. So each row is
sealed when it is new and again when Canvas changed it, which ``revisions`` records; a row that differs
from its last seal without a revision in between was altered by somebody else. The seals made at one time
are a block, and the block's digest is a record of the chain (``chain.py``).

Triggers note new rows in ``seal_queue``; changed ones are found through ``revisions``.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, NamedTuple

SEALED = {
    "attachments": ("id", "display_name", "filename", "sha256", "stored_size"),
    "conversations": ("id", "subject", "context_code", "context_name", "private"),
    "messages": ("id", "author_id", "created_at", "body", "generated"),
    "users": ("id", "name", "full_name"),
}
"""The columns of each table that a seal covers."""

_BATCH = 2000

_WANTED = """
SELECT kind, key FROM seal_queue
UNION SELECT "table", CAST(id AS INTEGER) FROM revisions
  WHERE revision > ? AND "table" IN ('attachments', 'conversations', 'messages', 'users')
ORDER BY 1, 2
"""
_REVISED = """
SELECT EXISTS (SELECT 1 FROM revisions WHERE "table" = ? AND id = ? AND revision > ? AND revision <= ?)
"""
_QUEUED = "SELECT EXISTS (SELECT 1 FROM seal_queue WHERE kind = ? AND key = ?)"
_APPEND = "INSERT INTO seals (kind, key, block, digest, revision) VALUES (?, ?, ?, ?, ?)"

_CHANGED = "the row was changed, and not by Canvas"
_GONE = "the row was sealed and is gone"


@dataclass(frozen=True, slots=True)
class Block:
    """The seals made at one time: how many of each kind, their digest, and the last revision they know."""

    number: int
    counts: dict[str, int]
    digest: str
    revision: int


@dataclass(frozen=True, slots=True)
class SealFault:
    """A row that does not match its seal: its table and id, and what is wrong with it."""

    kind: str
    key: int
    sentence: str


@dataclass(frozen=True, slots=True)
class SealReport:
    """What checking found: how many rows match, how many wait for their first seal, and what is wrong."""

    matching: int
    waiting: int
    faults: tuple[SealFault, ...]


def seal_new(db: sqlite3.Connection) -> Block | None:
    """Seal what is new or was changed by a revision; return the block, ``None`` when there is nothing.

    The caller holds the transaction.
    """
    number, sealed_until = _last_block(db)
    number += 1
    revision = db.execute("SELECT coalesce(max(revision), 0) FROM revisions").fetchone()[0]
    hasher = hashlib.sha256()
    counts: dict[str, int] = {}
    writer = db.cursor()
    for kind, keys in _batches(db, sealed_until):
        digests = _digests(db, kind, keys)
        rows = [(kind, key, number, digests[key], revision) for key in keys if key in digests]
        for row in rows:
            hasher.update(_line(kind, row[1], row[3]))
        writer.executemany(_APPEND, rows)
        counts[kind] = counts.get(kind, 0) + len(rows)
    writer.execute("DELETE FROM seal_queue")
    return Block(number, counts, hasher.hexdigest(), revision) if any(counts.values()) else None


def _last_block(db: sqlite3.Connection) -> tuple[int, int]:
    row = db.execute(
        "SELECT row_key, json_extract(content, '$.revision') FROM evidence_chain "
        "WHERE source = 'seals' ORDER BY row_key DESC LIMIT 1"
    ).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def _batches(db: sqlite3.Connection, sealed_until: int) -> Iterator[tuple[str, list[int]]]:
    kind = ""
    keys: list[int] = []
    for row in db.execute(_WANTED, (sealed_until,)):
        if row[0] != kind or len(keys) == _BATCH:
            if keys:
                yield kind, keys
            kind, keys = row[0], []
        keys.append(row[1])
    if keys:
        yield kind, keys


def _digests(db: sqlite3.Connection, kind: str, keys: list[int]) -> dict[int, bytes]:
    columns = ", ".join(SEALED[kind])
    rows = db.execute(
        f"SELECT {columns} FROM {kind} WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608 (constants)
        (json.dumps(keys),),
    )
    return {row[0]: digest_of(row) for row in rows}


def digest_of(values: Any) -> bytes:
    """Return the digest of a row's sealed columns, in their order: the SHA-256 of them as a JSON array."""
    # What json.dumps would write without spaces; every row of an archive passes here, and this is faster.
    written = [
        encode_basestring(value)
        if value.__class__ is str
        else str(value)
        if value.__class__ is int
        else json.dumps(value)
        for value in values
    ]
    return hashlib.sha256(f"[{','.join(written)}]".encode("utf-8", "surrogatepass")).digest()


def _line(kind: str, key: int, digest: bytes) -> bytes:
    return f"{kind} {key} {digest.hex()}\n".encode("ascii")


def block_digests(db: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Yield every block with its digest, recomputed from the seals."""
    # In the order of the primary key, which within each block is the order they were sealed in: no sorting.
    hashers: dict[int, Any] = {}
    for block, kind, key, digest in _plain(
        db, "SELECT block, kind, key, digest FROM seals ORDER BY kind, key, block"
    ):
        hasher = hashers.get(block)
        if hasher is None:
            hasher = hashers[block] = hashlib.sha256()
        hasher.update(_line(kind, key, digest))
    for block in sorted(hashers):
        yield block, hashers[block].hexdigest()


def _plain(db: sqlite3.Connection, query: str, parameters: tuple[object, ...] = ()) -> sqlite3.Cursor:
    """Run a query whose rows come as tuples, whatever the connection's rows are."""
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(query, parameters)


def check_seals(db: sqlite3.Connection, *, most_faults: int = 1000) -> SealReport:
    """Compare every sealed row with its last seal. Stops after ``most_faults``."""
    faults: list[SealFault] = []
    matching = 0
    waiting = db.execute("SELECT count(*) FROM seal_queue").fetchone()[0]
    for kind in SEALED:
        for fault in _check_kind(db, kind):
            if fault is None:
                matching += 1
            else:
                faults.append(fault)
                if len(faults) >= most_faults:
                    return SealReport(matching, waiting, tuple(faults))
    return SealReport(matching, waiting, tuple(faults))


def _check_kind(db: sqlite3.Connection, kind: str) -> Iterator[SealFault | None]:
    """Walk rows and seals side by side, both by id; yield ``None`` for every row that matches."""
    sealed = _last_seals(db, kind)
    seal = next(sealed, None)
    columns = ", ".join(SEALED[kind])
    for values in _plain(db, f"SELECT {columns} FROM {kind} ORDER BY id"):  # noqa: S608 (constants)
        number = values[0]
        while seal is not None and seal.key < number:
            yield SealFault(kind, seal.key, _GONE)
            seal = next(sealed, None)
        if seal is None or seal.key > number:
            if not _is_queued(db, kind, number):
                yield SealFault(kind, number, "the row was added without the archive's knowledge")
            continue
        if seal.forged:
            yield SealFault(kind, number, _CHANGED)
        elif digest_of(values) == seal.digest:
            yield None
        elif not _is_revised(db, kind, number, seal.revision) and not (
            kind == "attachments" and _is_queued(db, kind, number)
        ):
            yield SealFault(kind, number, _CHANGED)
        seal = next(sealed, None)
    while seal is not None:
        yield SealFault(kind, seal.key, _GONE)
        seal = next(sealed, None)


class _Seal(NamedTuple):
    """The last seal of a row; ``forged`` when the row was sealed anew without a reason."""

    key: int
    digest: bytes
    revision: int
    forged: bool


def _last_seals(db: sqlite3.Connection, kind: str) -> Iterator[_Seal]:
    last: _Seal | None = None
    for key, digest, revision in _plain(
        db, "SELECT key, digest, revision FROM seals WHERE kind = ? ORDER BY key, block", (kind,)
    ):
        forged = False
        if last is not None and last.key == key:
            # Sealed anew without a revision in between: somebody changed the row and had the change sealed.
            forged = last.forged or (
                digest != last.digest
                and kind != "attachments"
                and not _is_revised(db, kind, key, last.revision, revision)
            )
        elif last is not None:
            yield last
        last = _Seal(key, digest, revision, forged)
    if last is not None:
        yield last


def _is_revised(db: sqlite3.Connection, kind: str, number: int, after: int, until: int = 2**62) -> bool:
    found: int = db.execute(_REVISED, (kind, str(number), after, until)).fetchone()[0]
    return bool(found)


def _is_queued(db: sqlite3.Connection, kind: str, number: int) -> bool:
    found: int = db.execute(_QUEUED, (kind, number)).fetchone()[0]
    return bool(found)
