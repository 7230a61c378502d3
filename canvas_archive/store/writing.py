"""Short writes beside a running sync: without the writer's lock, on a connection of their own.

A sync holds the database's write lock for moments at a time. A short write waits for it, and gives up with
a clear sentence.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from canvas_archive.errors import ArchiveError, ArchiveLocked
from canvas_archive.store.adoption import require_adopted
from canvas_archive.store.connection import connect_readonly, connect_writable, transaction


@contextmanager
def brief_writer(db_path: Path, *, patience: float | None = None) -> Iterator[sqlite3.Connection]:
    """Yield a connection that may write, for work that begins its own transactions.

    ``patience`` is how many seconds to wait for another writer (by default, as long as any connection).

    Raises NotAdopted for an archive that this user neither made nor adopted, before anything is opened for
    writing; ArchiveLocked when another process keeps writing; ArchiveError for a file that is read-only.
    """
    with closing(connect_readonly(db_path)) as reader:
        require_adopted(reader, db_path.parent)
    with closing(connect_writable(db_path, patience=patience)) as db:
        try:
            yield db
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise ArchiveLocked(
                    "The archive is being written to right now, probably by a sync. "
                    "Nothing was changed; try again in a moment."
                ) from error
            if "readonly" in str(error):
                raise ArchiveError(
                    f"{db_path} may not be written to by this user. Nothing was changed."
                ) from error
            raise


@contextmanager
def brief_write(db_path: Path, *, patience: float | None = None) -> Iterator[sqlite3.Connection]:
    """Yield a connection within one write transaction. Raises as ``brief_writer`` does."""
    with brief_writer(db_path, patience=patience) as db, transaction(db):
        yield db
