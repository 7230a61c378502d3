"""Bringing a database to the schema of this program, with sqlite-utils' migrations.

sqlite-utils takes a while to import: it is loaded only when ``user_version`` says that a step is pending.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from canvas_archive.errors import ArchiveError, NewerArchive
from canvas_archive.store import migrations as steps
from canvas_archive.store.connection import connect_writable, schema_version
from canvas_archive.store.migrations import Migration, known_version
from canvas_archive.store.own_parts import put_back, set_aside

SET_NAME = "canvas_archive"


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
        for number, step in enumerate(steps.MIGRATIONS, start=1):
            migrations(name=step.name)(_numbered(step, number))
        migrations.apply(Database(db))
        return schema_version(db)


def _numbered(step: Migration, number: int) -> Callable[[object], None]:
    def run(database: object) -> None:
        db: sqlite3.Connection = database.conn  # type: ignore[attr-defined]
        own = set_aside(db)
        step.apply(db)
        db.execute(f"PRAGMA user_version = {number}")
        put_back(db, own)

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
