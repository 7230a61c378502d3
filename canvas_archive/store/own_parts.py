"""Parts of a schema that a person added to an archive of their own: views, indexes, tables, search triggers.

They are kept and left alone, as long as they cannot change what this program stores. A trigger that was
added counts as harmless when SQLite compiles it to writes of other tables alone, such as those that keep a
full-text index. This holds in an adopted archive only. In any other, nothing that was added may run.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

from canvas_archive.store import schema_check
from canvas_archive.store.schema_check import Difference

_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_QUIET = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_ORDER = ("view", "index", "trigger")
_STOPS = re.compile(r"\b(raise|rollback)\b", re.IGNORECASE)
_PLAIN_INDEX = """
SELECT 1 FROM sqlite_master s JOIN pragma_index_list(s.tbl_name) l ON l.name = s.name
WHERE s.type = 'index' AND s.name = ?1 AND NOT l."unique"
  AND NOT EXISTS (SELECT 1 FROM pragma_index_xinfo(?1) WHERE cid = -2)
"""
_TEXT = "SELECT sql, tbl_name FROM sqlite_master WHERE type = ? AND name = ?"


def is_harmless(db: sqlite3.Connection, part: Difference) -> bool:
    """Return whether a part that was added cannot change or refuse what this program writes."""
    if part.state != "foreign" or (part.kind, part.name) in schema_check.expected_names(db):
        return False
    if part.kind == "table":
        return db.execute("SELECT 1 FROM pragma_foreign_key_list(?)", (part.name,)).fetchone() is None
    if part.kind == "index":
        return db.execute(_PLAIN_INDEX, (part.name,)).fetchone() is not None
    return part.kind == "view" or (part.kind == "trigger" and _writes_elsewhere(db, part.name))


def _writes_elsewhere(db: sqlite3.Connection, name: str) -> bool:
    """Return whether a trigger, and what it sets off, writes other tables than this program's alone."""
    row = db.execute(_TEXT, ("trigger", name)).fetchone()
    if row is None or _STOPS.search(row[0]):
        return False
    ours = {row[1] for row in schema_check.expected_names(db)}
    added = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")} - ours
    seen: list[bool] = []
    writes: list[str | None] = []

    def judge(action: int, table: str | None, _: str | None, schema: str | None, trigger: str | None) -> int:
        if trigger in added:
            harmless = action in _QUIET or (action in _WRITES and schema == "main" and table not in ours)
            seen.append(harmless)
            writes.extend([table] if action in _WRITES else [])
        return sqlite3.SQLITE_OK

    db.set_authorizer(judge)
    try:
        for statement in _firing(db, row[1]):
            db.execute(f"EXPLAIN {statement}")
    except sqlite3.Error:
        return False
    finally:
        db.set_authorizer(_allow)
    return bool(writes) and all(seen)


def _allow(*action: object) -> int:
    return sqlite3.SQLITE_OK


def _firing(db: sqlite3.Connection, table: str) -> Iterable[str]:
    columns = [row[0] for row in db.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    changes = ", ".join(f"{_quoted(name)} = {_quoted(name)}" for name in columns)
    return (
        f"INSERT INTO {_quoted(table)} DEFAULT VALUES",
        f"UPDATE {_quoted(table)} SET {changes}",  # noqa: S608 (quoted)
        f"DELETE FROM {_quoted(table)}",  # noqa: S608 (quoted)
    )


def set_aside(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Drop the added views, indexes and triggers, and return each as kind, name and SQL.

    A change of a table fails when any view or trigger does not fit it any more.
    """
    found = []
    for part in schema_check.schema_differences(db):
        if part.state == "foreign" and part.kind in _ORDER:
            found.append((part.kind, part.name, db.execute(_TEXT, (part.kind, part.name)).fetchone()[0]))
    for kind, name, _ in found:
        db.execute(f"DROP {kind} {_quoted(name)}")
    return [one for one in found if one[2] is not None]


def put_back(db: sqlite3.Connection, parts: Iterable[tuple[str, str, str]]) -> None:
    """Make the parts again. Say which ones do not fit the tables any more, and leave them out."""
    for kind, name, sql in sorted(parts, key=lambda part: _ORDER.index(part[0])):
        try:
            db.execute(sql)
            if kind == "view":
                db.execute(f"SELECT * FROM {_quoted(name)} LIMIT 0")  # noqa: S608 (quoted)
            fits = kind != "trigger" or _writes_elsewhere(db, name)
            problem = "" if fits else "it does not fit the tables any more"
        except sqlite3.Error as error:
            problem = str(error)
        if problem:
            db.execute(f"DROP {kind} IF EXISTS {_quoted(name)}")
            import logging  # here: hardly any archive has one

            logger = logging.getLogger("canvas_archive.store")
            logger.warning("Your %s %s was left out of the upgrade (%s): %s", kind, name, problem, sql)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
