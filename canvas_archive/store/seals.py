"""Seals: a digest of every message, conversation, person and attachment as it was first stored.

A flipped byte in the middle of a message's text is no damage that SQLite could notice, and a file unlinked
from its message leaves two sound rows. So each row, with what hangs on it (``sealed_rows.py``), is sealed
when it is new and again when Canvas changed it, which ``revisions`` records; a row that differs from its
last seal without a revision in between was altered by somebody else. The seals made at one time are a
block. The block's digest, and the form its seals have, are a record of the chain (``chain.py``).

Triggers note new rows in ``seal_queue``; changed ones are found through ``revisions``.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.sealed_rows import FORM, KINDS, contents, row_digest

_BATCH = 2000

_WANTED = """
SELECT kind, key FROM seal_queue
UNION SELECT "table", CAST(id AS INTEGER) FROM revisions
  WHERE revision > ?1 AND "table" IN ('attachments', 'conversations', 'messages', 'users')
UNION SELECT CASE "table" WHEN 'media_comments' THEN 'messages' ELSE 'conversations' END, CAST(id AS INTEGER)
  FROM revisions WHERE revision > ?1 AND "table" IN ('conversation_participants', 'media_comments')
ORDER BY 1, 2
"""
_PARTS = {"conversations": "conversation_participants", "messages": "media_comments"}
"""Tables whose revisions, of rows named ``owner/part``, change what the owner's seal covers."""

_REVISED = """
SELECT EXISTS (SELECT 1 FROM revisions WHERE "table" = ?1 AND id = ?2 AND revision > ?4 AND revision <= ?5)
  OR EXISTS (SELECT 1 FROM revisions WHERE "table" = ?3 AND id >= ?2 || '/' AND id < ?2 || '0'
             AND revision > ?4 AND revision <= ?5)
"""  # "0" is the character after "/"
_FORMS = """
SELECT row_key, coalesce(json_extract(content, '$.form'), 1) FROM evidence_chain WHERE source = 'seals'
"""
_DECODED = """
SELECT row_key FROM evidence_chain WHERE source = 'seals' AND json_extract(content, '$.decoded') = 1
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
    form: int = FORM


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
        rows = [
            (kind, one[0][0], number, row_digest(kind, FORM, one), revision)
            for one in contents(db, kind, keys)
        ]
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


def _line(kind: str, key: int, digest: bytes) -> bytes:
    return f"{kind} {key} {digest.hex()}\n".encode("ascii")


def block_digests(db: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Yield every block with its digest, recomputed from the seals."""
    # In the order of the primary key, which within each block is the order they were sealed in: no sorting.
    hashers: dict[int, Any] = {}
    for block, kind, key, digest in plain_cursor(db).execute(
        "SELECT block, kind, key, digest FROM seals ORDER BY kind, key, block"
    ):
        hasher = hashers.get(block)
        if hasher is None:
            hasher = hashers[block] = hashlib.sha256()
        hasher.update(_line(kind, key, digest))
    for block in sorted(hashers):
        yield block, hashers[block].hexdigest()


def check_seals(
    db: sqlite3.Connection,
    *,
    most_faults: int = 1000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SealReport:
    """Compare every sealed row with its last seal. Stops after ``most_faults``.

    ``progress`` hears now and then how many rows match, and how many seals there are: more than rows, where
    some were sealed again.
    """
    faults: list[SealFault] = []
    matching = 0
    waiting = db.execute("SELECT count(*) FROM seal_queue").fetchone()[0]
    # A form that this version does not know cannot match: refusing newer archives is the schema's business.
    forms: dict[int, int] = dict(plain_cursor(db).execute(_FORMS).fetchall())
    total = db.execute("SELECT count(*) FROM seals").fetchone()[0]
    for kind in KINDS:
        for fault in _check_kind(db, kind, forms):
            if fault is None:
                matching += 1
                if matching % _BATCH == 0:
                    progress(matching, total)
            else:
                faults.append(fault)
                if len(faults) >= most_faults:
                    return SealReport(matching, waiting, tuple(faults))
    return SealReport(matching, waiting, tuple(faults))


def _check_kind(db: sqlite3.Connection, kind: str, forms: Mapping[int, int]) -> Iterator[SealFault | None]:
    """Walk rows and seals side by side, both by id; yield ``None`` for every row that matches."""
    sealed = _last_seals(db, kind)
    seal = next(sealed, None)
    for found in contents(db, kind, form=max(forms.values(), default=FORM)):
        number = found[0][0]
        while seal is not None and seal.key < number:
            yield SealFault(kind, seal.key, _GONE)
            seal = next(sealed, None)
        if seal is None or seal.key > number:
            if not _is_queued(db, kind, number):
                yield SealFault(kind, number, "the row was added without the archive's knowledge")
            continue
        if seal.forged:
            yield SealFault(kind, number, _CHANGED)
        elif row_digest(kind, forms.get(seal.block, FORM), found) == seal.digest:
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
    block: int
    digest: bytes
    revision: int
    forged: bool


def _last_seals(db: sqlite3.Connection, kind: str) -> Iterator[_Seal]:
    last: _Seal | None = None
    # Messages whose body was written in another form: nothing changed on Canvas.
    lawful = {row[0] for row in plain_cursor(db).execute(_DECODED)} if kind == "messages" else set()
    for key, block, digest, revision in plain_cursor(db).execute(
        "SELECT key, block, digest, revision FROM seals WHERE kind = ? ORDER BY key, block", (kind,)
    ):
        forged = False
        if last is not None and last.key == key:
            # Sealed anew without a revision in between: somebody changed the row and had the change sealed.
            forged = last.forged or (
                digest != last.digest
                and kind != "attachments"
                and block not in lawful
                and not _is_revised(db, kind, key, last.revision, revision)
            )
        elif last is not None:
            yield last
        last = _Seal(key, block, digest, revision, forged)
    if last is not None:
        yield last


def _is_revised(db: sqlite3.Connection, kind: str, number: int, after: int, until: int = 2**62) -> bool:
    found: int = db.execute(_REVISED, (kind, str(number), _PARTS.get(kind), after, until)).fetchone()[0]
    return bool(found)


def _is_queued(db: sqlite3.Connection, kind: str, number: int) -> bool:
    found: int = db.execute(_QUEUED, (kind, number)).fetchone()[0]
    return bool(found)
