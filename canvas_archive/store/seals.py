"""Seals: how versions before the receipts (schema 5 and older) showed that a row is what Canvas said.

A seal is a digest of a message, conversation, person or attachment, with what hangs on it
(``sealed_rows.py``), made when it was new and again when ``revisions`` says that it changed. The seals made
at one time are a block, whose digest is a record of the chain. They are checked before an archive gets
receipts, and in copies and bags that older versions made. None is made any more.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.sealed_rows import FORM, KINDS, contents, row_digest

_BATCH = 2000

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
_QUEUED = "SELECT EXISTS (SELECT 1 FROM seal_queue WHERE kind = ? AND key = ?)"

_CHANGED = "the row was changed, and not by Canvas"
_GONE = "the row was sealed and is gone"


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


def _line(kind: str, key: int, digest: bytes) -> bytes:
    return f"{kind} {key} {digest.hex()}\n".encode("ascii")


def broken_blocks(db: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Yield the numbers of the blocks that are not what the chain has recorded, each with a sentence."""
    recorded: dict[int, str] = {
        row[0]: json.loads(row[1])["digest"]
        for row in db.execute("SELECT row_key, content FROM evidence_chain WHERE source = 'seals'")
    }
    for number, digest in _block_digests(db):
        if recorded.pop(number, None) != digest:
            yield number, "the seals of this block are not the recorded ones"
    for number in recorded:
        yield number, "the seals of this block are gone"


def _block_digests(db: sqlite3.Connection) -> Iterator[tuple[int, str]]:
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
    for key, block, digest, revision in plain_cursor(db).execute(
        "SELECT key, block, digest, revision FROM seals WHERE kind = ? ORDER BY key, block", (kind,)
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
        last = _Seal(key, block, digest, revision, forged)
    if last is not None:
        yield last


def _is_revised(db: sqlite3.Connection, kind: str, number: int, after: int, until: int = 2**62) -> bool:
    found: int = db.execute(_REVISED, (kind, str(number), _PARTS.get(kind), after, until)).fetchone()[0]
    return bool(found)


def _is_queued(db: sqlite3.Connection, kind: str, number: int) -> bool:
    found: int = db.execute(_QUEUED, (kind, number)).fetchone()[0]
    return bool(found)
