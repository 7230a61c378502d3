"""The versions of the schema, as sqlite-utils migrations; ``PRAGMA user_version`` counts those applied.

sqlite-utils takes a while to import, so it is loaded only when ``user_version`` says that something is
pending. A released migration is never edited: a change of the schema is a new one at the end.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from canvas_archive.errors import ArchiveError, NewerArchive
from canvas_archive.store import acts, schema
from canvas_archive.store.connection import APPLICATION_ID, connect_writable

SET_NAME = "canvas_archive"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its name in sqlite-utils' own table, and what it does inside one transaction."""

    name: str
    apply: Callable[[sqlite3.Connection], None]


def m001_first_schema(db: sqlite3.Connection) -> None:
    """Create the tables, indexes, views and triggers of the first version."""
    for script in (schema.TABLES, schema.INDEXES, schema.VIEWS, schema.TRIGGERS):
        for statement in statements(script):
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def m002_large_mailboxes(db: sqlite3.Connection) -> None:
    """Exchange the indexes that made pages slow at a million messages, and the inbox's view with them."""
    for statement in statements(schema.LARGE_MAILBOXES):
        db.execute(statement)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone():
        # Statistics of a dropped index are gone with it: without, SQLite would not trust the new ones.
        db.execute("PRAGMA analysis_limit = 1000")
        for table in ("conversations", "messages", "attachments", "edits"):
            db.execute(f"ANALYZE {table}")


def m003_problems_rest(db: sqlite3.Connection) -> None:
    """Let problems rest until their next try; those that exist are due at once."""
    for statement in statements(schema.PROBLEMS_REST):
        db.execute(statement)


def m004_acts(db: sqlite3.Connection) -> None:
    """Create the journal of acts, and let the evidence chain take it in: its records stay as they are."""
    for statement in statements(acts.SCHEMA):
        db.execute(statement)
    owned = db.execute(
        "SELECT type, sql FROM sqlite_master WHERE tbl_name = 'evidence_chain' AND sql IS NOT NULL"
    ).fetchall()
    (table,) = (sql for kind, sql in map(tuple, owned) if kind == "table")
    db.execute("ALTER TABLE evidence_chain RENAME TO evidence_chain_before")
    db.execute(table.replace("'edits', ", "'edits', 'acts', ", 1))
    db.execute("INSERT INTO evidence_chain SELECT * FROM evidence_chain_before ORDER BY seq")
    db.execute("DROP TABLE evidence_chain_before")
    for kind, sql in map(tuple, owned):
        if kind != "table":
            db.execute(sql)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone():
        db.execute("PRAGMA analysis_limit = 1000")
        db.execute("ANALYZE evidence_chain")


def m005_text_readers(db: sqlite3.Connection) -> None:
    """Record what read each attached file: one without a text is read again by another reader."""
    for statement in statements(schema.TEXT_READERS):
        db.execute(statement)


MIGRATIONS: tuple[Migration, ...] = (
    Migration("m001_first_schema", m001_first_schema),
    Migration("m002_large_mailboxes", m002_large_mailboxes),
    Migration("m003_problems_rest", m003_problems_rest),
    Migration("m004_acts", m004_acts),
    Migration("m005_text_readers", m005_text_readers),
)


def known_version() -> int:
    """Return the schema version this program writes."""
    return len(MIGRATIONS)


def schema_version(db: sqlite3.Connection) -> int:
    """Return the schema version of an open database (0: no migration has run)."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def refuse_newer(db: sqlite3.Connection, where: Path) -> None:
    """Raise NewerArchive when the database was written by a newer version of this program."""
    version = schema_version(db)
    if version > known_version():
        raise NewerArchive(
            f"The archive in {where} was written by a newer version of canvas-archive (schema {version}; "
            f"this one knows {known_version()}). Nothing was changed. Install the newer version the way "
            "this one was installed."
        )


def apply_pending(db_path: Path, *, synchronous: str = "FULL") -> int:
    """Apply what is missing, each step in its own transaction; return the version reached.

    Uses a connection of its own, because sqlite-utils changes settings of the one it is given.
    """
    with closing(connect_writable(db_path, synchronous=synchronous)) as db:
        if schema_version(db) >= known_version():
            return schema_version(db)
        from sqlite_utils import Database, Migrations

        # Rows come as plain tuples for sqlite-utils.
        db.row_factory = None
        migrations = Migrations(SET_NAME)
        for number, step in enumerate(MIGRATIONS, start=1):
            migrations(name=step.name)(_numbered(step, number))
        migrations.apply(Database(db))
        return schema_version(db)


def _numbered(step: Migration, number: int) -> Callable[[object], None]:
    def run(database: object) -> None:
        db: sqlite3.Connection = database.conn  # type: ignore[attr-defined]
        step.apply(db)
        db.execute(f"PRAGMA user_version = {number}")

    run.__name__ = step.name
    return run


def copy_before_migration(db_path: Path) -> Path:
    """Copy the database to ``archive.db.before-vN`` beside it, N the version to come, and return the copy.

    An existing copy of that name is kept and a free number is added. Raises ArchiveError when it fails.
    """
    base = db_path.with_name(f"{db_path.name}.before-v{known_version()}")
    copy, attempt = base, 1
    while copy.exists():
        attempt += 1
        copy = base.with_name(f"{base.name}.{attempt}")
    try:
        os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(db_path.absolute())) as source,
            closing(sqlite3.connect(copy.absolute())) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
    except (OSError, sqlite3.Error) as error:
        copy.unlink(missing_ok=True)
        raise ArchiveError(
            f"The archive must be upgraded, but the copy to keep cannot be made: {error}. Nothing changed."
        ) from error
    return copy


def statements(script: str) -> Iterator[str]:
    """Split SQL text into its statements (a trigger is one), so that they can run inside a transaction."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending.strip()
            pending = ""
    if pending.strip():
        raise ValueError(f"unfinished SQL statement: {pending.strip()[:60]}")
