"""SQL functions that an archive's connections have besides SQLite's own.

    median(x)                 middle value of the rows; NULLs are ignored
    percentile(x, p)          the value that p percent of the rows are below; interpolated linearly
    local(time [, zone])      a UTC time as wall-clock time, in this machine's zone or a named one
    canvas_search(query)      JSON array of the ids of the messages that a query of the search finds
    canvas_search(query, id)  1 when the query finds the message of that id, else 0

Python's ``sqlite3`` can define no virtual tables. It also cannot say what is wrong: for an exception, the
error is "user-defined function raised exception", and under Datasette Python prints a traceback. So a
function that fails records the exception, interrupts the statement and returns NULL.
``SqlFunctions.failure`` must be called after each statement, whatever came of it.
"""

from __future__ import annotations

import json
import math
import sqlite3
from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone, tzinfo
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.search.query.dates import local_zone, zone
from canvas_archive.store.sql_access import SqlResult, run_sql

_LOCAL = "%Y-%m-%dT%H:%M:%S"
_SEARCHES_HELD = 4


def query_archive(
    db_path: Path,
    search_dir: Path,
    sql: str,
    params: Mapping[str, object] | Sequence[object] = (),
    *,
    timeout: float | None = 60.0,
) -> SqlResult:
    """Run one reading statement that may call these functions; see ``run_sql``.

    Raises, besides what ``run_sql`` raises, IndexUnusable and IndexBehind for ``canvas_search``.
    """
    return run_sql(
        db_path,
        sql,
        params,
        timeout=timeout,
        prepare=lambda db: SqlFunctions(db, db_path, search_dir).failure,
    )


class SqlFunctions:
    """The functions of one connection, which runs one statement at a time."""

    def __init__(self, db: sqlite3.Connection, db_path: Path, search_dir: Path) -> None:
        self._interrupt = db.interrupt
        self._db_path = db_path
        self._search_dir = search_dir
        self._failure: ArchiveError | None = None
        self._found: dict[str, frozenset[int]] = {}
        db.create_aggregate("median", 1, partial(_Percentile, self))  # type: ignore[arg-type]
        db.create_aggregate("percentile", 2, partial(_Percentile, self))  # type: ignore[arg-type]
        for count in (1, 2):
            # Deterministic within a statement: SQLite calls them once for constant arguments.
            db.create_function("local", count, self.recording(local), deterministic=True)
        db.create_function("canvas_search", 1, self.recording(self._array), deterministic=True)
        db.create_function("canvas_search", 2, self.recording(self._finds), deterministic=True)

    def begin(self) -> None:
        """Begin a statement: searches are run again, and no earlier failure counts."""
        self._found.clear()
        self._failure = None

    def failure(self) -> ArchiveError | None:
        """Return what a function raised in this statement; the statement's rows do not count then."""
        return self._failure

    def recording(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function such that what it raises becomes ``failure()``."""

        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except ArchiveError as error:
                self._failure = error
                self._interrupt()
                return None

        return call

    def _array(self, query: object) -> str | None:
        return None if query is None else json.dumps(sorted(self._ids(query)))

    def _finds(self, query: object, message_id: object) -> bool | None:
        return None if query is None or message_id is None else message_id in self._ids(query)

    def _ids(self, query: object) -> frozenset[int]:
        if not isinstance(query, str) or not query.strip():
            raise BadInput("canvas_search takes what you would search for, such as canvas_search('exam').")
        if query not in self._found:
            if len(self._found) >= _SEARCHES_HELD:
                self._found.clear()
            # Imported here: most statements search for nothing.
            from canvas_archive.search.service import select_messages

            self._found[query] = frozenset(
                select_messages(self._db_path, self._search_dir, query, current=True)
            )
        return self._found[query]


class _Percentile:
    """``median`` (of one argument) and ``percentile`` (of two) as SQLite's aggregates are written."""

    def __init__(self, functions: SqlFunctions) -> None:
        self._values = array("d")
        self._share: float | None = None
        self.step = functions.recording(self._take)

    def _take(self, value: object, share: object = 50) -> None:
        if not isinstance(share, (int, float)) or not 0 <= share <= 100:
            raise BadInput("percentile(x, p) takes a p from 0 to 100, such as percentile(size, 90).")
        if self._share not in (None, share):
            raise BadInput("percentile(x, p) takes one p for all rows.")
        self._share = float(share)
        if value is None:
            return
        if not isinstance(value, (int, float)):
            raise BadInput("median(x) and percentile(x, p) take numbers; a row has a text or bytes.")
        self._values.append(value)

    def finalize(self) -> float | None:
        """Return the value; ``None`` without rows."""
        if not self._values or self._share is None:
            return None
        ordered = sorted(self._values)
        at = (len(ordered) - 1) * self._share / 100
        below = math.floor(at)
        low, high = ordered[below], ordered[math.ceil(at)]
        return low if low == high else low * (1 - (at - below)) + high * (at - below)


def local(time: object, name: object = None) -> str | None:
    """Return a time as wall-clock time in a zone, by default the machine's; ``None`` for what is no time.

    Raises BadInput for a zone that is none.
    """
    where = _zone_of(name)
    if not isinstance(time, str):
        return None
    try:
        moment = datetime.fromisoformat(time[:-1] + "+00:00" if time[-1:] in ("Z", "z") else time)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(where).strftime(_LOCAL)
    except (ValueError, OverflowError):
        return None


def _zone_of(name: object) -> tzinfo:
    if name is None:
        return local_zone()
    if not isinstance(name, str):
        raise BadInput("local(time, zone) takes the name of a zone, such as 'Europe/Berlin'.")
    return _named(name)


@lru_cache(maxsize=16)
def _named(name: str) -> tzinfo:
    return zone(name) or local_zone()
