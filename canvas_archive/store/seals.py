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
from typing import Any

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
_APPEND = "INSERT INTO seals (kind, key, block, digest, revision) VALUES (?, ?, ?, ?, ?)"


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
    """Return the digest of a row's sealed columns, in their order."""
    text = json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _line(kind: str, key: int, digest: bytes) -> bytes:
    return f"{kind} {key} {digest.hex()}\n".encode("ascii")


def block_digests(db: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Yield every block with its digest, recomputed from the seals."""
    current, hasher = None, hashlib.sha256()
    for block, kind, key, digest in map(
        tuple, db.execute("SELECT block, kind, key, digest FROM seals ORDER BY block, kind, key")
    ):
        if block != current:
            if current is not None:
                yield current, hasher.hexdigest()
            current, hasher = block, hashlib.sha256()
        hasher.update(_line(kind, key, digest))
    if current is not None:
        yield current, hasher.hexdigest()


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
    columns = ", ".join(f"t.{name}" for name in SEALED[kind])
    last = f"(SELECT block FROM seals WHERE kind = '{kind}' AND key = t.id ORDER BY block DESC LIMIT 1)"  # noqa: S608 (constants)
    newer = f"(SELECT max(revision) FROM revisions WHERE \"table\" = '{kind}' AND id = CAST(t.id AS TEXT))"  # noqa: S608 (constants)
    waits = f"EXISTS (SELECT 1 FROM seal_queue WHERE kind = '{kind}' AND key = t.id)"  # noqa: S608 (constants)
    for row in db.execute(
        f"SELECT s.digest, s.revision, {columns} FROM {kind} t "  # noqa: S608 (constants)
        f"LEFT JOIN seals s ON s.kind = '{kind}' AND s.key = t.id AND s.block = {last}"
    ):
        digest, revision, *values = tuple(row)
        if digest is not None and digest_of(values) == digest:
            yield None
            continue
        number = values[0]
        queued, newest = db.execute(
            f"SELECT {waits.replace('t.id', '?1')}, {newer.replace('t.id', '?1')}",
            (number,),
        ).fetchone()
        if digest is None:
            if not queued:
                yield SealFault(kind, number, "the row was added without the archive's knowledge")
        elif (newest or 0) <= revision and not (kind == "attachments" and queued):
            yield SealFault(kind, number, "the row was changed, and not by Canvas")
    for (gone,) in map(
        tuple,
        db.execute(
            f"SELECT DISTINCT key FROM seals s WHERE kind = '{kind}' "  # noqa: S608 (constants)
            f"AND NOT EXISTS (SELECT 1 FROM {kind} t WHERE t.id = s.key)"
        ),
    ):
        yield SealFault(kind, gone, "the row was sealed and is gone")
    # Sealed anew without a revision in between: somebody changed the row and had the change sealed.
    if kind != "attachments":
        for (number,) in map(
            tuple,
            db.execute(
                "SELECT DISTINCT b.key FROM seals a JOIN seals b ON b.kind = a.kind AND b.key = a.key "
                "AND b.block = (SELECT min(block) FROM seals WHERE kind = a.kind AND key = a.key "
                "AND block > a.block) WHERE a.kind = ? AND a.digest <> b.digest AND NOT EXISTS "
                '(SELECT 1 FROM revisions r WHERE r."table" = a.kind AND r.id = CAST(a.key AS TEXT) '
                "AND r.revision > a.revision AND r.revision <= b.revision)",
                (kind,),
            ),
        ):
            yield SealFault(kind, number, "the row was changed, and not by Canvas")
