"""Tamper-evidence: a hash chain over what an archive says happened to it.

``evidence_chain`` holds one record per finished sync run, per entry of the journal (``journal.py``: the local
rows), and per block of receipts (``receipts.py``: what Canvas said). All other rows follow from these. An
older archive also has records of its revisions, of its settled acts, of the states of its edits, and of its
seals.

Each record carries the digest of its row and the hash of the record before it, so a row changed, removed or
slipped in later is found, and the first bad one can be named. Of a journal entry the chain holds a
commitment: the hash of its salt and content, which stays when both are erased. The table is append-only by
trigger. Whoever can rewrite the whole file can rewrite the whole chain: what anchors it is its head, written
into ``custody.json`` of every bag that left the house.

SQLite has no SHA-256 in triggers, so ``extend_chain`` runs at the end of every sync and push. What happens
between two runs (an edit made, changed and taken back) is journalled by the tables themselves.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypedDict

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.store.connection import schema_version
from canvas_archive.store.receipts import commitments
from canvas_archive.store.seals import broken_blocks

FIRST_WITH_RECEIPTS = 6
"""The schema version that has receipts and a journal; older ones have seals."""

_BLOCK = 1000
GENESIS = "0" * 64
"""What the first record names as the one before it."""

_STATES = {"sync_runs": "status", "edits": "state", "acts": "state"}
"""The column of a recorded row that the record's ``state`` repeats."""
_WITHOUT_CONTENT = ("acts", "revisions")
"""The tables whose rows a record does not repeat: they never change."""

_NEW_RUNS = """
SELECT * FROM sync_runs r WHERE finished_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM evidence_chain WHERE source = 'sync_runs' AND row_key = r.id)
ORDER BY id
"""
_NEW_ENTRIES = """
SELECT * FROM journal
WHERE id > (SELECT coalesce(max(row_key), 0) FROM evidence_chain WHERE source = 'journal')
ORDER BY id
"""
_RUNS_RECORDED = "SELECT row_key, seq, at FROM evidence_chain WHERE source = 'sync_runs'"
_RUNS_NAMED = "SELECT run_id FROM receipts WHERE id BETWEEN ? AND ?"
_FIRST_OF_RUN = "SELECT min(id) FROM receipts WHERE id BETWEEN ? AND ? AND run_id = ?"
_COVERING = """
SELECT content FROM evidence_chain WHERE source = 'receipts' AND row_key >= ? ORDER BY row_key LIMIT 1
"""
_APPEND = """
INSERT INTO evidence_chain (seq, at, source, row_key, state, content, digest, previous, chain)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last record: its number (0 when there is none) and its hash."""

    seq: int
    chain: str


@dataclass(frozen=True, slots=True)
class ChainFault:
    """One thing that does not fit: the table and row it is about, and a sentence."""

    source: str
    row_key: int
    sentence: str


def chain_head(db: sqlite3.Connection) -> ChainHead:
    """Return the last record of the chain."""
    row = db.execute("SELECT seq, chain FROM evidence_chain ORDER BY seq DESC LIMIT 1").fetchone()
    return ChainHead(row[0], row[1]) if row else ChainHead(0, GENESIS)


def extend_chain(db: sqlite3.Connection, *, clock: Clock = SYSTEM) -> int:
    """Append a record for everything that is new since the last call; return how many.

    The caller holds the transaction, on a connection that may write.
    """
    reader = db.cursor()
    reader.row_factory = _as_dict
    head = chain_head(db)
    at = iso(clock.now())
    count = 0
    for source, key, state, row in _news(reader):
        content = canonical(row)
        digest = _sha256(content)
        seq = head.seq + 1
        chain = _link(head.chain, seq, at, source, key, digest)
        kept = None if source in _WITHOUT_CONTENT else content
        db.execute(_APPEND, (seq, at, source, key, state, kept, digest, head.chain, chain))
        head = ChainHead(seq, chain)
        count += 1
    return count


def _news(reader: sqlite3.Cursor) -> Iterator[tuple[str, int, str | None, dict[str, object]]]:
    # Read whole before anything is appended: a statement must not see its own insertions.
    for row in reader.execute(_NEW_RUNS).fetchall():
        yield "sync_runs", row["id"], row["status"], row
    for row in reader.execute(_NEW_ENTRIES).fetchall():
        yield "journal", row["id"], None, _committed(row)
    for block in list(_blocks(reader.connection, _last_receipt(reader.connection) + 1)):
        yield "receipts", block["last"], None, {**block}


def _last_receipt(db: sqlite3.Connection) -> int:
    row = db.execute(
        "SELECT coalesce(max(row_key), 0) FROM evidence_chain WHERE source = 'receipts'"
    ).fetchone()
    last: int = row[0]
    return last


class _Block(TypedDict):
    """Receipts that follow each other, as one record of the chain."""

    first: int
    last: int
    count: int
    digest: str


def _blocks(db: sqlite3.Connection, first: int, last: int = 2**62) -> Iterator[_Block]:
    found = commitments(db, first, last)
    while portion := list(islice(found, _BLOCK)):
        lines = "".join(f"{number} {commitment}\n" for number, commitment in portion)
        yield _Block(first=portion[0][0], last=portion[-1][0], count=len(portion), digest=_sha256(lines))


def _committed(entry: dict[str, object]) -> dict[str, object]:
    """Return what the chain holds of an entry: a commitment in place of its content and salt."""
    salt, content = entry.pop("salt"), entry.pop("content")
    committed = None
    if isinstance(salt, bytes):
        committed = hashlib.sha256(salt + str(content).encode("utf-8", "surrogatepass")).hexdigest()
    return {**entry, "commitment": committed}


def has_head(db: sqlite3.Connection, head: str) -> bool:
    """Return whether a head noted earlier (in a bag's ``custody.json``) is still in the chain."""
    found = db.execute("SELECT 1 FROM evidence_chain WHERE chain = ?", (head,)).fetchone()
    return head == GENESIS or found is not None


def check_chain(db: sqlite3.Connection) -> list[ChainFault]:
    """Recompute the whole chain against the tables; return what does not fit, the first bad row first."""
    faults = list(_broken_links(db))
    faults += _changed_rows(db)
    faults += _missing_rows(db)
    faults += _broken_blocks(db)
    return faults


def _broken_links(db: sqlite3.Connection) -> Iterator[ChainFault]:
    previous, number = GENESIS, 0
    for row in db.execute(
        "SELECT seq, at, source, row_key, state, content, digest, previous, chain "
        "FROM evidence_chain ORDER BY seq"
    ):
        seq, at, source, key, state, content, digest, named, chain = tuple(row)
        number += 1
        if seq != number:
            yield ChainFault(source, key, f"record {number} of the chain is missing (the next is {seq})")
            number = seq
        elif named != previous:
            yield ChainFault(source, key, f"record {seq} does not follow the one before it")
        if _link(named, seq, at, source, key, digest) != chain:
            yield ChainFault(source, key, f"record {seq} of the chain was altered")
        has_content = content is not None
        if has_content == (source in _WITHOUT_CONTENT) or (has_content and _sha256(content) != digest):
            yield ChainFault(source, key, f"record {seq} does not match its own digest")
        if (
            content is not None
            and state is not None
            and json.loads(content).get(_STATES.get(source, "")) != state
        ):
            yield ChainFault(source, key, f"record {seq} does not match its own state")
        previous = chain


def _changed_rows(db: sqlite3.Connection) -> Iterator[ChainFault]:
    reader = db.cursor()
    reader.row_factory = _as_dict
    for source, key_column in (("sync_runs", "id"), ("acts", "id"), ("revisions", "revision")):
        for row in reader.execute(
            f"SELECT t.*, c.digest AS chained_digest, c.state AS chained_state FROM {source} t "  # noqa: S608 (constants)
            f"CROSS JOIN evidence_chain c ON c.source = '{source}' AND c.row_key = t.{key_column} "
            f"ORDER BY t.{key_column}"
        ):
            digest, state = row.pop("chained_digest"), row.pop("chained_state")
            if _sha256(canonical(row)) != digest or state != row.get(_STATES.get(source, "")):
                yield ChainFault(source, row[key_column], "the row was changed after it was recorded")
    if schema_version(db) < FIRST_WITH_RECEIPTS:
        return
    for row in reader.execute(
        "SELECT t.*, c.content AS chained FROM journal t CROSS JOIN evidence_chain c "
        "ON c.source = 'journal' AND c.row_key = t.id ORDER BY t.id"
    ):
        recorded: dict[str, object] = json.loads(row.pop("chained"))
        now = _committed(row)
        if now["commitment"] is None:  # an erased entry: a tombstone
            del now["commitment"], recorded["commitment"]
        if now != recorded:
            yield ChainFault("journal", int(str(row["id"])), "the row was changed after it was recorded")


def _missing_rows(db: sqlite3.Connection) -> Iterator[ChainFault]:
    journal = [("journal", "id")] if schema_version(db) >= FIRST_WITH_RECEIPTS else []
    keys = [("sync_runs", "id"), ("edits", "id"), ("acts", "id"), *journal, ("revisions", "revision")]
    for source, key in keys:
        for (gone,) in map(
            tuple,
            db.execute(
                f"SELECT DISTINCT row_key FROM evidence_chain c WHERE source = '{source}' AND NOT EXISTS "  # noqa: S608 (constants)
                f"(SELECT 1 FROM {source} t WHERE t.{key} = c.row_key) ORDER BY row_key"
            ),
        ):
            yield ChainFault(source, gone, "the row was recorded and is gone")
    # These are recorded in order, so an old number without a record was slipped in.
    for source, key in keys[2:]:
        for (added,) in map(
            tuple,
            db.execute(
                f"SELECT {key} FROM {source} r WHERE {key} < "  # noqa: S608 (constants)
                f"(SELECT max(row_key) FROM evidence_chain WHERE source = '{source}') AND NOT EXISTS "
                f"(SELECT 1 FROM evidence_chain WHERE source = '{source}' AND row_key = r.{key}) "
                f"ORDER BY {key}"
            ),
        ):
            yield ChainFault(source, added, "the row was added among recorded ones")


def _broken_blocks(db: sqlite3.Connection) -> Iterator[ChainFault]:
    if schema_version(db) < FIRST_WITH_RECEIPTS:
        yield from (ChainFault("seals", number, sentence) for number, sentence in broken_blocks(db))
        return
    expected = 1
    recorded = {run: (seq, at) for run, seq, at in map(tuple, db.execute(_RUNS_RECORDED))}
    query = "SELECT content, seq, at FROM evidence_chain WHERE source = 'receipts' ORDER BY seq"
    for content, number, at in map(tuple, db.execute(query).fetchall()):
        block: _Block = json.loads(content)
        first, last = block["first"], block["last"]
        found = list(_blocks(db, first, last))
        if first < expected or found != [block]:
            yield ChainFault("receipts", last, f"receipts {first} to {last} are not the recorded ones")
        elif expected < first and any(True for _ in commitments(db, expected, first - 1)):
            yield ChainFault("receipts", expected, "a receipt was added among recorded ones")
        # A run and its receipts are recorded at one time; receipts also before, while it goes on.
        over = {run for run, (seq, when) in recorded.items() if seq < number and when != at}
        yield from _latecomers(db, first, last, over)
        expected = last + 1
    yield from _latecomers(db, expected, 2**62, recorded)


def _latecomers(
    db: sqlite3.Connection, first: int, last: int, ended: Collection[int]
) -> Iterator[ChainFault]:
    """Yield the receipts that name a run which was over, and in the chain, when they were written."""
    runs = {row[0] for row in db.execute(_RUNS_NAMED, (first, last))}
    for run in sorted(runs.intersection(ended)):
        number = db.execute(_FIRST_OF_RUN, (first, last, run)).fetchone()[0]
        yield ChainFault("receipts", number, f"the receipt was added after run {run} was recorded")


def covers_receipt(db: sqlite3.Connection, receipt_id: int) -> bool | None:
    """Return whether a receipt is as the chain recorded it; ``None`` when no record covers it yet."""
    row = db.execute(_COVERING, (receipt_id,)).fetchone()
    if row is None:
        return None
    block: _Block = json.loads(row[0])
    first, last = block["first"], block["last"]
    return first <= receipt_id and list(_blocks(db, first, last)) == [block]


def canonical(row: dict[str, object]) -> str:
    """Write a row as JSON in the one form that is hashed."""
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _as_dict(cursor: sqlite3.Cursor, row: tuple[object, ...]) -> dict[str, object]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _link(previous: str, seq: int, at: str, source: str, key: int, digest: str) -> str:
    return _sha256("\n".join((previous, str(seq), at, source, str(key), digest)))
