"""The schema of an exported database: that of an archive, without what is local or about the collecting.

It is made from an empty archive's, so it follows every change of that. Journals, receipts and triggers go,
and so do views that need what is gone.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from canvas_archive.model import JsonObject
from canvas_archive.store.descriptions import KEYED_AS, metadata_path
from canvas_archive.store.migrations import MIGRATIONS, statements

TABLES = (
    "account", "users", "contexts", "conversations", "conversation_participants", "conversation_contexts",
    "messages", "message_recipients", "forwarded_messages", "attachments", "message_attachments",
    "media_comments",
)  # fmt: skip
"""The tables of an archive that an export has."""

_LEFT_OUT = {
    "users": ("first_seen_at", "extra"),
    "contexts": ("extra",),
    "conversations": ("avatar_url",),
    "attachments": ("fetched_at",),
    "media_comments": ("fetched_at",),
}
"""Columns that the records of an export do not have."""

_ADDED = """
ALTER TABLE attachments ADD COLUMN path TEXT;
ALTER TABLE media_comments ADD COLUMN path TEXT;
CREATE TABLE export (name TEXT PRIMARY KEY, value TEXT) STRICT;
"""
DESCRIBED: dict[str, dict[str, str]] = {
    "attachments": {"path": "The copy of the file below the folder of this export, if there is one"},
    "media_comments": {"path": "The copy of the recording below the folder of this export, if there is one"},
    "conversations": {
        "last_message": "NULL in an export: the messages have it",
        "last_authored_message": "NULL in an export: the messages have it",
    },
    "conversation_participants": {"direct": "1: who is only in a forwarded message is left out"},
    "export": {"name": "What is said", "value": "Text, or a JSON document"},
}
"""Descriptions of columns that mean something else, or are not there, in an archive."""

TABLES_DESCRIBED = {
    "users": "Everyone who appears in these conversations",
    "contexts": "Courses and groups that these conversations belong to",
    "conversations": "One row per conversation",
    "export": "Where this database comes from: program, time and completeness of the collection, selection",
}


def create(db: sqlite3.Connection) -> None:
    """Make the tables in an empty database. Triggers that derive columns stay until ``finish``."""
    for migration in MIGRATIONS:
        migration.apply(db)
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    dropped = [name for name in names if name not in TABLES and not name.startswith("sqlite_")]
    mentioned = re.compile(rf"\b(?:{'|'.join(map(re.escape, dropped))})\b")
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, sql in triggers:
        if mentioned.search(sql):
            db.execute(f'DROP TRIGGER "{name}"')
    for name in dropped:
        db.execute(f'DROP TABLE "{name}"')
    _give_rowids(db)
    _drop_broken_views(db)
    for statement in statements(_ADDED):
        db.execute(statement)
    db.execute("PRAGMA application_id = 0")  # it is no archive, and no command takes it for one


def finish(db: sqlite3.Connection) -> None:
    """Take away triggers, columns that have nothing to hold, and indexes that DuckDB cannot copy."""
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f'DROP TRIGGER "{name}"')
    partial = """SELECT i.name FROM sqlite_master t, pragma_index_list(t.name) i
                 WHERE t.type = 'table' AND i.partial"""
    for (name,) in db.execute(partial).fetchall():
        db.execute(f'DROP INDEX "{name}"')
    for table, columns in _LEFT_OUT.items():
        for column in columns:
            for index in _indexes_with(db, table, column):
                db.execute(f'DROP INDEX "{index}"')
            db.execute(f'ALTER TABLE {table} DROP COLUMN "{column}"')
    _drop_broken_views(db)


def _give_rowids(db: sqlite3.Connection) -> None:
    """Make tables without a rowid anew with one: DuckDB needs it to count their rows."""
    without = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE '%WITHOUT ROWID'"
    for name, sql in db.execute(without).fetchall():
        indexes = db.execute("SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type = 'index'", (name,))
        again = [sql.removesuffix("WITHOUT ROWID").rstrip(", "), *(index for (index,) in indexes if index)]
        db.execute(f'DROP TABLE "{name}"')
        for statement in again:
            db.execute(statement)


def _indexes_with(db: sqlite3.Connection, table: str, column: str) -> Iterator[str]:
    for (name,) in db.execute("SELECT name FROM pragma_index_list(?)", (table,)).fetchall():
        if db.execute("SELECT 1 FROM pragma_index_info(?) WHERE name = ?", (name, column)).fetchone():
            yield name


def _drop_broken_views(db: sqlite3.Connection) -> None:
    """Drop the views that read what is gone, and then those that read such views."""
    views = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
    while True:
        broken = [name for name in sorted(views) if not _answers(db, f'SELECT * FROM "{name}"')]  # noqa: S608 (our names)
        if not broken:
            return
        for name in broken:
            db.execute(f'DROP VIEW "{name}"')
        views.difference_update(broken)


class _AnyParameter(dict[str, None]):
    def __missing__(self, name: str) -> None:
        return None


def _answers(db: sqlite3.Connection, sql: str) -> bool:
    try:
        db.execute(f"EXPLAIN {sql}", _AnyParameter())
    except sqlite3.Error:
        return False
    return True


def metadata(db: sqlite3.Connection, name: str) -> JsonObject:
    """Return Datasette's metadata for an exported database: of its tables, and of the queries it can answer.

    ``name`` is the database's as Datasette sees it: its file name without the ending.
    """
    import yaml  # Datasette needs it, too

    source: Mapping[str, Any] = yaml.safe_load(metadata_path().read_text(encoding="utf-8"))
    source = source["databases"][KEYED_AS]
    tables: dict[str, Any] = {}
    names = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY rowid"
    for (table,) in db.execute(names).fetchall():
        columns = [row[1] for row in db.execute(f'PRAGMA table_xinfo("{table}")')]
        words = dict(source["tables"].get(table, {}))
        words["description"] = TABLES_DESCRIBED.get(table) or words["description"]
        told = {**words.get("columns", {}), **DESCRIBED.get(table, {})}
        words["columns"] = {column: told[column] for column in columns if column in told}
        if "sortable_columns" in words:
            words["sortable_columns"] = [one for one in words["sortable_columns"] if one in columns]
        tables[table] = words
    queries = {
        key: query
        for key, query in source.get("queries", {}).items()
        if _answers(db, query["sql"] if isinstance(query, dict) else query)
    }
    about = "A selection of one person's Canvas inbox, exported by canvas-archive."
    return {
        "title": "Canvas inbox",
        "description": about,
        "databases": {name: {"description": about, "tables": tables, "queries": queries}},
    }


def metadata_text(document: JsonObject) -> str:
    """Write metadata as YAML."""
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    return text
