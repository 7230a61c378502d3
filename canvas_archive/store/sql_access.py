"""Running a person's own SQL against an archive: one statement, reading only, for a bounded time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.store.connection import bound_values, connect_readonly

Row = tuple[object, ...]
Failure = Callable[[], "ArchiveError | None"]

_INSTRUCTIONS_BETWEEN_LOOKS = 20_000
_BATCH = 500
_READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_PRAGMAS = frozenset(
    (
        "application_id",
        "collation_list",
        "compile_options",
        "database_list",
        "foreign_key_check",
        "foreign_key_list",
        "freelist_count",
        "function_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "page_count",
        "page_size",
        "quick_check",
        "schema_version",
        "table_info",
        "table_list",
        "table_xinfo",
        "user_version",
    )
)
_TAKING_ARGUMENT = frozenset(
    name for name in _PRAGMAS if name.endswith(("_check", "_info", "_list", "_xinfo"))
)


@dataclass(frozen=True, slots=True)
class SqlResult:
    """An answer: the names of its columns, and its rows as they come (read them once)."""

    columns: tuple[str, ...]
    rows: Iterator[Row]


def run_sql(
    db_path: Path,
    sql: str,
    params: Mapping[str, object] | Sequence[object] = (),
    *,
    timeout: float | None = 60.0,
    prepare: Callable[[sqlite3.Connection], Failure] | None = None,
) -> SqlResult:
    """Run one reading statement and return its columns and rows.

    ``timeout`` is in seconds of SQLite's own work (not of reading the rows); ``None`` means no limit.
    ``prepare`` adds functions to the connection, and returns a callable that says what one of them
    raised: the rows do not count then.

    Raises BadInput, at once or while the rows are read, with what SQLite says: wrong SQL, a write, several
    statements, missing parameters, or too long a time. Raises KeyboardInterrupt when a signal ended it.
    """
    db = reading_connection(db_path)
    work = _Work(db, timeout)
    try:
        if prepare is not None:
            work.failure = prepare(db)
        with work:
            cursor = db.execute(sql, params)
            first = cursor.fetchmany(_BATCH)
    except BaseException:
        db.close()
        raise
    if cursor.description is None:
        db.close()
        raise BadInput(
            "That is not a query: it has no rows to show. Only SELECT and the like are allowed here."
        )
    return SqlResult(tuple(column[0] for column in cursor.description), _rows(db, cursor, first, work))


def reading_connection(db_path: Path) -> sqlite3.Connection:
    """Return a connection that can only read, whatever SQL it is given; rows are tuples."""
    db = connect_readonly(db_path)
    db.row_factory = None
    db.set_authorizer(_only_reading)
    bound_values(db)
    return db


def _rows(db: sqlite3.Connection, cursor: sqlite3.Cursor, first: list[Row], work: _Work) -> Iterator[Row]:
    with closing(db):
        batch = first
        while batch:
            yield from batch
            with work:
                batch = cursor.fetchmany(_BATCH)


class _Work:
    """The time SQLite may still work, counted only while it does; turns its errors into sentences."""

    def __init__(self, db: sqlite3.Connection, seconds: float | None) -> None:
        self._left = seconds
        self._allowed = seconds
        self._started = 0.0
        self.failure: Failure = _no_failure
        if seconds is not None:
            db.set_progress_handler(self._over, _INSTRUCTIONS_BETWEEN_LOOKS)

    def _over(self) -> int:
        return int(time.monotonic() - self._started > (self._left or 0))

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        failure = self.failure()
        if failure is not None:
            raise failure from error
        if self._left is not None:
            self._left -= time.monotonic() - self._started
            if str(error) == "interrupted" and self._left > 0:
                # An exception of a signal's handler, raised while SQLite worked, has become SQLite's own.
                raise KeyboardInterrupt from error
        if isinstance(error, (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeEncodeError)):
            raise BadInput(_sentence(error, self._allowed)) from error


def _no_failure() -> None:
    return None


def _sentence(error: Exception, seconds: float | None) -> str:
    text = str(error)
    if text == "interrupted":
        return f"The query was stopped after {seconds:g} seconds. Narrow it, or allow more time."
    if text == "not authorized":
        return "Only reading is allowed here: SELECT, and PRAGMAs that tell something."
    if "one statement at a time" in text:
        return "Give one SQL statement at a time."
    if "binding parameter" in text:
        return f"{text.rstrip('.')}. Give it with -p NAME VALUE."
    return f"SQLite says: {text.rstrip('.')}."


def _only_reading(
    action: int, first: str | None, second: str | None, database: str | None, source: str | None
) -> int:
    if action in _READING:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
        # SQLite asks this when it sets up json_each and the like. A real UPDATE of it is refused anyway.
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first is not None:
        name = first.lower()
        if name in _PRAGMAS and (second is None or name in _TAKING_ARGUMENT):
            return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
