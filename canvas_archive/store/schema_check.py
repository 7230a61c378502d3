"""Whether the schema of a database is exactly the one that this program makes.

A trigger runs whenever its table is written to, also a trigger that somebody else put there: it can change
messages, queue replies, delete rows. It can hide on any table, and a foreign key can fire it from one of
ours. So every connection that may write compares the whole schema first, row by row, and a database with
anything less or else is only read. So is one with anything more, unless it is adopted and the additions are
harmless.

The comparison is a hash where it holds, and a comparison with a database made in memory where it does not.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from canvas_archive.errors import ForeignSchema
from canvas_archive.store import migrations
from canvas_archive.store.schema import INDEX_STATE

Row = tuple["bytes | None", "bytes | None", "bytes | None", "bytes | None"]
"""Kind, name, table and text of a part of a schema, as it is stored."""

# What SQLite itself and the search index add to a database, exactly as they write it.
_ADDED: dict[tuple[bytes | None, ...], bytes] = {
    (b"table", b"sqlite_sequence", b"sqlite_sequence"): b"CREATE TABLE sqlite_sequence(name,seq)",
    (b"table", b"sqlite_stat1", b"sqlite_stat1"): b"CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    (b"table", b"sqlite_stat4", b"sqlite_stat4"): b"CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
    (b"table", b"index_state", b"index_state"): INDEX_STATE.encode(),
}
# The list of migrations is made by sqlite-utils, whose versions quote and break lines differently.
_MIGRATIONS_TABLE = b"_sqlite_migrations"
_MIGRATIONS_INDEX = b"idx__sqlite_migrations_migration_set_name"
_ADDED_WITHOUT_QUOTES: dict[tuple[bytes | None, ...], bytes] = {
    (b"table", _MIGRATIONS_TABLE, _MIGRATIONS_TABLE): (
        b"createtable_sqlite_migrations(idintegerprimarykey,migration_settext,nametext,applied_attext)"
    ),
    (b"index", _MIGRATIONS_INDEX, _MIGRATIONS_TABLE): (
        b"createuniqueindex" + _MIGRATIONS_INDEX + b"on_sqlite_migrations(migration_set,name)"
    ),
}
_QUOTES = re.compile(rb'[\s"\[\]`]+')

# A row of sqlite_schema as bytes: a text that is no text must not end the comparison.
_ROWS = """
SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB) FROM sqlite_master
"""

KNOWN_DIGESTS: dict[int, str] = {
    1: "f6dc8f0e81eab3ee4bf60c67248ed63667ccede113297db23b00770a298d3dc3",
    2: "aaed5bdb4c7c7b6f177e51b2fb688a8e49b8a19bbaa0e14cd0a58df0771f77f0",
    3: "4319c2fa68e97d84d29b2c26bbd03fef419a8f4ccf12183fa8963e551256d65b",
    4: "4ba49cea8181b945322166064a546fcca9a92cc2caa5f739fef7a924001b892b",
    5: "0fb92a0858764df4cecd583c89701ba064cc12f8858454697a9da48f5d601da5",
    6: "43d0e52630fa812dbdb2d8da0c361d2f5ed8eb4df49dbe67c2280e5412589e89",
    7: "f22711b52b899d11967c92f247ce003737530f740b4deef54a1351e46078335f",
}
"""The hash of each schema version; without one, the schema is made in memory, which takes milliseconds."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """One table, index, view or trigger that is ``foreign``, ``changed`` or ``missing``."""

    kind: str
    name: str
    state: str

    @property
    def removal(self) -> str | None:
        """Return the statement that removes it; ``None`` when its name cannot be typed as it is shown."""
        if self.state != "foreign" or not self.name.isprintable() or len(self.name) > 80:
            return None
        quoted = self.name.replace('"', '""')
        return f'DROP {self.kind.upper()} "{quoted}"'

    def __str__(self) -> str:
        state = "not of this program" if self.state == "foreign" else self.state
        return f"{self.kind} {_shown(self.name)}: {state}"


def schema_differences(db: sqlite3.Connection) -> list[Difference]:
    """Return what differs from the schema of the database's version, triggers first."""
    version = max(0, db.execute("PRAGMA user_version").fetchone()[0])
    present = _rows_of(db)
    if KNOWN_DIGESTS.get(version) == digest_of(present):
        return []
    expected = expected_rows(version)
    names = {row[:2] for row in expected}
    found: set[Row] = set()
    differences = []
    tables = {row[1] for row in present if row[0] == b"table"} - {row[1] for row in expected}
    for row in present:
        made_with_table = row[0] == b"index" and row[3] is None and row[2] in tables
        if (row not in expected or row in found) and not made_with_table:
            state = "changed" if row[:2] in names else "foreign"
            differences.append(_difference(row, state))
        found.add(row)
    seen = {row[:2] for row in found}
    differences += [_difference(row, "missing") for row in expected if row[:2] not in seen]
    return sorted(differences, key=lambda one: (one.kind != "trigger", one.kind, one.name, one.state))


def require_own_schema(db: sqlite3.Connection, path: Path) -> None:
    """Raise ForeignSchema, naming what differs, for a database whose schema this program did not make.

    What the owner of an adopted archive added may stay, where it is harmless (``own_parts``).
    """
    differences = schema_differences(db)
    if not differences:
        return
    from canvas_archive.store.adoption import is_adopted  # here: both need connections
    from canvas_archive.store.own_parts import is_harmless

    if is_adopted(db):
        differences = [one for one in differences if not is_harmless(db, one)]
    if not differences:
        return
    more = f", and {len(differences) - _SHOWN:,} more" if len(differences) > _SHOWN else ""
    listed = "; ".join(str(one) for one in differences[:_SHOWN])
    removals = [one.removal for one in differences[:_SHOWN]]
    cure = "Restore a backup of your own: canvas-archive restore"
    if all(removals):
        cure = (
            f"If it is yours, remove it in sqlite3: {'; '.join(map(str, removals))}. Else restore a backup."
        )
    raise ForeignSchema(
        f"Nothing was written to {path}: its schema is not the one that canvas-archive makes "
        f"({listed}{more}). {cure}"
    )


@functools.cache
def expected_rows(version: int) -> frozenset[Row]:
    """Return the rows of sqlite_master of a new archive of that version, but for what others add."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        for step in migrations.MIGRATIONS[:version]:
            step.apply(fresh)
        return frozenset(_rows_of(fresh))


def expected_names(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return kind and name of every part that belongs into the database, also of what others add."""
    version = max(0, db.execute("PRAGMA user_version").fetchone()[0])
    rows = [
        *(row[:2] for row in expected_rows(version)),
        *(row[:2] for row in (*_ADDED, *_ADDED_WITHOUT_QUOTES)),
    ]
    return {(kind.decode(), name.decode()) for kind, name in rows if kind is not None and name is not None}


def digest_of(rows: Iterable[Row]) -> str:
    """Return the hash of the rows of a schema, in whatever order they are."""
    return hashlib.sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()


def _rows_of(db: sqlite3.Connection) -> list[Row]:
    cursor = db.cursor()
    cursor.row_factory = None
    return [row for row in cursor.execute(_ROWS) if not _is_added(row)]


def _is_added(row: Row) -> bool:
    where, sql = row[:3], row[3]
    if sql is None:
        return False
    if where in _ADDED_WITHOUT_QUOTES:
        return _QUOTES.sub(b"", sql).lower() == _ADDED_WITHOUT_QUOTES[where]
    return _ADDED.get(where) == sql


def _difference(row: Row, state: str) -> Difference:
    kind, name = ((part or b"").decode("utf-8", "replace") for part in row[:2])
    return Difference(kind if kind in ("table", "index", "view", "trigger") else "entry", name, state)


def _shown(name: str) -> str:
    """Return a name as it can be printed, however long it is and whatever it holds."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= 80 else f"{text[:40]}…{text[-20:]}"
