"""SQLite connections to ``archive.db``: how they are opened, and how a transaction is held.

Readers (the command line, Datasette, exports) use ``connect_readonly``: they are never blocked by the
one writer, because the database is in WAL mode. The writer uses ``connect_writable`` and names its
transactions itself: nothing is ever begun or committed behind its back.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from operator import methodcaller
from pathlib import Path

from canvas_archive.errors import ArchiveError, ForeignFolder, UnusableFile
from canvas_archive.store.private import open_regular, require_regular
from canvas_archive.store.schema_check import require_own_schema

"""``PRAGMA application_id`` of an archive ("CvAr"), by which it is told from any other database."""

BUSY_MILLISECONDS = 30_000
OLDEST_SQLITE = (3, 37, 0)
LARGEST_VALUE = 64_000_000
"""Bytes of a text or blob that a person's own SQL may make: ``randomblob(1000000000)`` takes a gigabyte."""
_NAMES_A_FILE = bytes.fromhex("d9d505f920a163d7")
"""The end of a journal of SQLite's that names a super-journal."""
_LIMIT_LENGTH = 0  # SQLITE_LIMIT_LENGTH, which Python names from 3.11 on
_INNOCUOUS = 0x200000  # SQLITE_INNOCUOUS: may be called from a schema that is not trusted


class TransactionError(ArchiveError):
    """A transaction was begun inside another one: a defect of the caller."""


_NO_DATABASE = (
    "{path} is not a SQLite database ({error}). If it was an archive, restore a backup of it, or make a new "
    "one: what is on Canvas can be pulled again."
)


def require_files(db_path: Path) -> None:
    """Raise UnusableFile when the database, or a file that SQLite keeps beside it, is anything but a file.

    SQLite follows links, and waits for a FIFO for ever. A journal that was left behind may name another file,
    its super-journal, and SQLite deletes that file: such a journal is refused too.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            require_regular(db_path.with_name(db_path.name + suffix))
    journal = db_path.with_name(f"{db_path.name}-journal")
    with suppress(FileNotFoundError), open_regular(journal) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - len(_NAMES_A_FILE)))
        if file.read() == _NAMES_A_FILE:
            raise UnusableFile(
                f"{journal} names another file, which SQLite would delete. Nothing was opened. Restore a "
                "backup, or remove that journal if you know what wrote it.",
                reason="names another file, which SQLite would delete",
            )


def path_of(db: sqlite3.Connection) -> Path | None:
    """Return the file of a connection; ``None`` for one in memory."""
    # As bytes: a path need not be UTF-8.
    query = "SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'"
    name = os.fsdecode(db.execute(query).fetchone()[0] or b"")
    return Path(name) if name else None


def require_sqlite() -> None:
    """Refuse a Python whose SQLite is too old for STRICT tables. Raises ArchiveError."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(str(part) for part in OLDEST_SQLITE[:2])
        raise ArchiveError(
            f"This Python comes with SQLite {sqlite3.sqlite_version}; an archive needs {needed} or newer. "
            "Use a newer Python."
        )


def connect_readonly(db_path: Path | str) -> sqlite3.Connection:
    """Open an archive's database for reading; rows are ``sqlite3.Row``, every write is an error.

    A database on a medium that cannot be written (where SQLite can make no shared-memory file) is opened
    as immutable, provided that nothing waits in a write-ahead log beside it.

    Raises ForeignFolder when the file is not a SQLite database, UnusableFile when it is no file at all,
    ArchiveError when it cannot be opened.
    """
    path = Path(db_path)
    require_files(path)
    try:
        return _reader(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if path.is_file() and os.access(path, os.R_OK) and not os.access(path.parent, os.W_OK):
            wal = path.with_name(path.name + "-wal")
            if not wal.exists() or wal.stat().st_size == 0:
                return _reader(path, "mode=ro&immutable=1")
            raise ArchiveError(
                f"{path} cannot be read where nothing can be written: changes wait in {wal.name}. Copy the "
                "whole folder to a disk that can be written, and read it there."
            ) from error
        raise ArchiveError(f"{path} cannot be opened: {error}.") from error


@functools.cache
def json_is_innocuous() -> bool:
    """Return whether this SQLite lets a schema that it does not trust check JSON, as our own tables do.

    Older ones (3.40 of Debian 12 among them) refuse ``json_valid`` in a CHECK then.
    """
    with closing(sqlite3.connect(":memory:")) as db:
        try:
            rows = db.execute("SELECT flags FROM pragma_function_list WHERE name = 'json_valid'").fetchall()
        except sqlite3.OperationalError:  # compiled without its list of functions
            return False
    return bool(rows) and all(flags & _INNOCUOUS for (flags,) in rows)


def _reader(path: Path, parameters: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?{parameters}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        db.row_factory = sqlite3.Row
        db.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        db.execute("PRAGMA query_only = ON")
        if json_is_innocuous():
            # A view that came with somebody else's archive calls only what SQLite knows to be harmless.
            db.execute("PRAGMA trusted_schema = OFF")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        db.close()
        raise
    except sqlite3.DatabaseError as error:
        db.close()
        raise ForeignFolder(_NO_DATABASE.format(path=path, error=error)) from error
    return db


def connect_writable(
    db_path: Path | str, *, synchronous: str = "NORMAL", patience: float | None = None
) -> sqlite3.Connection:
    """Open an existing database for writing: WAL, foreign keys on, no implicit transactions.

    ``synchronous`` is ``NORMAL`` (a power cut may lose the last commits, never the consistency) or ``FULL``;
    ``patience`` is how many seconds to wait for another writer, ``BUSY_MILLISECONDS`` by default.
    Nothing is written before the schema was found to be this program's own, on this same connection.

    Raises ForeignFolder when the file is not a SQLite database, UnusableFile when it is no file at all,
    ForeignSchema when its schema is not this program's.
    """
    require_sqlite()
    path = Path(db_path)
    require_files(path)
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
        )
    except sqlite3.OperationalError as error:
        raise ArchiveError(f"{path} cannot be opened for writing: {error}.") from error
    try:
        db.row_factory = sqlite3.Row
        waited = BUSY_MILLISECONDS if patience is None else int(patience * 1000)
        db.execute(f"PRAGMA busy_timeout = {waited}")
        require_own_schema(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL" if synchronous == "FULL" else "PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA cache_size = -32000")
        db.execute("PRAGMA temp_store = MEMORY")
        # Checkpoints of 16 MB instead of 4: a first sync rewrites the same pages less often.
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        # A log that once grew large is cut back at the next checkpoint instead of staying on the disk.
        db.execute("PRAGMA journal_size_limit = 67108864")
    except sqlite3.OperationalError as error:
        db.close()
        raise ArchiveError(f"{path} cannot be opened for writing: {error}.") from error
    except sqlite3.DatabaseError as error:
        db.close()
        raise ForeignFolder(_NO_DATABASE.format(path=path, error=error)) from error
    except BaseException:
        db.close()
        raise
    return db


def bound_values(db: sqlite3.Connection) -> None:
    """Let no text or blob of this connection grow beyond ``LARGEST_VALUE``, where Python can say so."""
    if sys.version_info >= (3, 11):  # pragma: no branch - Python 3.10 cannot set limits
        db.setlimit(_LIMIT_LENGTH, LARGEST_VALUE)


@contextmanager
def bad_text_replaced(db: sqlite3.Connection) -> Iterator[None]:
    """Read texts that are not UTF-8 with replacement characters during the block, instead of raising."""
    before = db.text_factory
    db.text_factory = methodcaller("decode", "utf-8", "replace")
    try:
        yield
    finally:
        db.text_factory = before


def plain_cursor(db: sqlite3.Connection) -> sqlite3.Cursor:
    """Return a cursor whose rows are tuples, whatever the connection's rows are: faster, and comparable."""
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Hold one write transaction: committed at the end of the block, rolled back when it raises.

    Raises TransactionError when one is open already: what looks like a commit must be one.
    """
    if db.in_transaction:
        raise TransactionError("A transaction is open already; this is a defect of the program.")
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
    except BaseException:
        # Some errors (disk full, RAISE(ROLLBACK)) have already ended the transaction.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    else:
        try:
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def refresh_statistics(db: sqlite3.Connection) -> None:
    """Let SQLite look at what it has, so that query plans fit. Cheap when little has changed."""
    first = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone() is None
    db.execute("PRAGMA analysis_limit = 1000")
    db.execute("ANALYZE" if first else "PRAGMA optimize")


def schema_version(db: sqlite3.Connection) -> int:
    """Return the schema version of an open database (0: no migration has run)."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version
