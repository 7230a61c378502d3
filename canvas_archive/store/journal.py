"""The journal: what each local row was after every change that this program made to it.

Local are the tables that do not come from Canvas: edits, the outbox, acts, problems and saved searches. Each
change writes the whole row into ``journal``, in the same transaction. For edits made by plain SQL the
triggers on ``conversations`` do it. A row that differs from its last entry was changed by something else.

Before a change, the row is compared with its last entry. If they differ, the row is written as ``found``, so
that a later change by this program never hides an earlier one by something else.

The chain holds a commitment to each entry: the hash of a random salt and the content. Erasing salt and
content leaves the chain valid, and the entry remains as a tombstone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from canvas_archive.store.rows import to_json


class _Table(NamedTuple):
    """How the journal names a row (``key``), finds it by that name (``by_key``), and what it holds."""

    key: str
    by_key: str
    columns: str


_BY_ID = ("CAST(id AS TEXT)", "id = CAST(k.key AS INTEGER)")

LOCAL = {
    "acts": _Table(
        *_BY_ID,
        "id command conversation_id message_ids recipients request parameters user_id as_user_id begun_at "
        "state ended_at answer result_ids",
    ),
    "edits": _Table(
        *_BY_ID, "id conversation_id field base_value value made_at origin state settled_at detail"
    ),
    "outbox": _Table(*_BY_ID, "id kind conversation_id payload queued_at state sent_at sent_ids detail"),
    "problems": _Table(
        "kind || ' ' || item_id",
        "kind = substr(k.key, 1, instr(k.key, ' ') - 1) AND item_id = substr(k.key, instr(k.key, ' ') + 1)",
        "kind item_id error attempts first_at last_at next_at accepted_at fingerprint",
    ),
    "saved_searches": _Table("name", "name = k.key", "name query created_at"),
}
"""The local tables. A migration that adds a column to one of them must write its rows anew."""

JOURNAL = """
CREATE TABLE journal (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  "table" TEXT NOT NULL,
  row_key TEXT NOT NULL,
  found INTEGER NOT NULL CHECK (found IN (0, 1)),
  content TEXT CHECK (content IS NULL OR json_valid(content)),
  salt BLOB
) STRICT;
CREATE INDEX journal_row ON journal ("table", row_key, id);
CREATE INDEX journal_found ON journal (id) WHERE found = 1;
CREATE TRIGGER journal_new BEFORE INSERT ON journal WHEN EXISTS (SELECT 1 FROM journal WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'journal is append-only'); END;
CREATE TRIGGER journal_fixed BEFORE UPDATE ON journal
WHEN NEW.content IS NOT NULL OR NEW.salt IS NOT NULL OR NEW.id <> OLD.id OR NEW.at <> OLD.at
  OR NEW."table" <> OLD."table" OR NEW.row_key <> OLD.row_key OR NEW.found <> OLD.found
BEGIN SELECT RAISE(ABORT, 'journal is append-only: an entry can only be erased'); END;
CREATE TRIGGER journal_kept BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'journal is append-only'); END;
"""

# A row's last entry differs from the row. An erased entry has no salt, and nothing can differ from it.
_DIFFERING = """
SELECT k.key AS key, k.content AS content, j.id AS last FROM (
  SELECT k.key AS key, (SELECT json_object({pairs}) FROM {table} WHERE {by_key}) AS content FROM ({keys}) k) k
LEFT JOIN journal j
  ON j.id = (SELECT max(id) FROM journal WHERE "table" = '{table}' AND row_key = k.key)
WHERE k.content IS NOT j.content AND (j.id IS NULL OR j.salt IS NOT NULL OR NOT {found})
"""
_APPEND = """
INSERT INTO journal (at, "table", row_key, found, content, salt)
SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), '{table}', key, {found}, content, randomblob(16)
FROM ({differing})
"""
_GIVEN = "SELECT CAST(value AS TEXT) AS key FROM json_each(?)"


def _differing(table: str, keys: str, *, found: bool) -> str:
    local = LOCAL[table]
    pairs = ", ".join(f"'{column}', {column}" for column in local.columns.split())
    return _DIFFERING.format(table=table, keys=keys, pairs=pairs, by_key=local.by_key, found=int(found))


def append_statement(table: str, keys: str, *, found: bool = False) -> str:
    """Return the SQL that appends the rows that differ from their last entry; ``keys`` selects their keys."""
    return _APPEND.format(table=table, found=int(found), differing=_differing(table, keys, found=found))


@contextmanager
def journaled(db: sqlite3.Connection | sqlite3.Cursor, table: str, keys: Iterable[object]) -> Iterator[None]:
    """Write the change that the block makes to these rows into the journal.

    The caller holds the transaction. The keys of ``problems`` are ``kind item_id``.
    """
    given = (to_json([str(key) for key in keys]),)
    db.execute(append_statement(table, _GIVEN, found=True), given)
    yield
    db.execute(append_statement(table, _GIVEN), given)


def note_new(db: sqlite3.Connection, table: str, key: object) -> None:
    """Write a row that was inserted just now into the journal."""
    db.execute(append_statement(table, _GIVEN), (to_json([str(key)]),))


@dataclass(frozen=True, slots=True)
class LocalFault:
    """A local row that something else changed: its table and key, and a sentence."""

    table: str
    key: str
    sentence: str


@dataclass(frozen=True, slots=True)
class LocalReport:
    """How many local rows there are, which of them something else changed, and the erased entries."""

    rows: int
    faults: tuple[LocalFault, ...]
    erased: tuple[int, ...]


def check_journal_entries(db: sqlite3.Connection) -> LocalReport:
    """Compare every local row with its last entry, and list what was found changed before."""
    faults: list[LocalFault] = []
    rows = 0
    for table, local in LOCAL.items():
        rows += db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 (constants)
        every = f'SELECT {local.key} AS key FROM {table} UNION SELECT row_key FROM journal WHERE "table" = '  # noqa: S608 (constants)
        for key, content, last in map(tuple, db.execute(_differing(table, f"{every}'{table}'", found=True))):
            state = "is gone" if content is None else "was added" if last is None else "was changed"
            faults.append(LocalFault(table, key, f"the row {state}, and not by this program"))
    for table, key, at in map(
        tuple, db.execute('SELECT "table", row_key, at FROM journal WHERE found = 1 ORDER BY id')
    ):
        faults.append(LocalFault(table, key, f"the row was changed before {at}, and not by this program"))
    erased = db.execute("SELECT id FROM journal WHERE salt IS NULL ORDER BY id").fetchall()
    return LocalReport(rows, tuple(faults), tuple(row[0] for row in erased))
