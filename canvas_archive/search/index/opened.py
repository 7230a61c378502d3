"""Caches of what is open between searches: indexes, and for a server the connections beside them."""

from __future__ import annotations

import atexit
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from canvas_archive.search.index.postings import Damaged
from canvas_archive.search.index.reading import OpenIndex
from canvas_archive.search.index.record import IndexRecord, IndexUnusable, committed, usable_record
from canvas_archive.store.connection import connect_readonly

_OPEN_AT_ONCE = 4

_open: OrderedDict[Path, tuple[IndexRecord, OpenIndex]] = OrderedDict()
_open_lock = threading.Lock()


def open_index(db: sqlite3.Connection, folder: Path) -> tuple[OpenIndex, IndexRecord]:
    """Return the committed index from the cache, or opened. Raises IndexUnusable."""
    while True:
        before = committed(db)
        try:
            record = usable_record(db, folder)
            with _open_lock:
                known, index = _open.pop(folder, (None, None))
                if index is None or known != record:
                    index = OpenIndex(folder, record)
                _open[folder] = record, index
                while len(_open) > _OPEN_AT_ONCE:
                    _open.popitem(last=False)
            return index, record
        except (IndexUnusable, Damaged, OSError) as error:
            # An update that was committed meanwhile has tidied this generation away: look again.
            if committed(db) != before:
                continue
            if isinstance(error, IndexUnusable):
                raise
            raise IndexUnusable(f"The search index cannot be read: {error}.") from error


def forget(folder: Path) -> None:
    """Drop an index from the cache."""
    with _open_lock:
        _open.pop(folder, None)


_Files = tuple[tuple[int, int], ...]

_idle: OrderedDict[Path, tuple[_Files, sqlite3.Connection]] = OrderedDict()
_idle_lock = threading.Lock()


@contextmanager
def reader(db_path: Path, *, keep: bool) -> Iterator[sqlite3.Connection]:
    """Hold a read-only connection. Raises as ``connect_readonly``.

    To open one, SQLite reads the whole schema: more work than a search for a rare word. With ``keep``, a
    connection stays open for the next search. That is for servers only: while one is open, SQLite leaves the
    write-ahead log of other connections in the folder.
    """
    with _idle_lock:
        files, db = _idle.pop(db_path, (None, None))
    if db is not None and files != _files_of(db_path):  # another database is there now
        db.close()
        db = None
    if db is None:
        db = connect_readonly(db_path)
        files = _files_of(db_path)
    try:
        yield db
    except BaseException:
        db.close()
        raise
    if keep and files is not None and not db.in_transaction:
        with _idle_lock:
            replaced = _idle.pop(db_path, (None, None))[1]
            _idle[db_path] = files, db
            surplus = _idle.popitem(last=False)[1][1] if len(_idle) > _OPEN_AT_ONCE else None
        for other in (replaced, surplus):
            if other is not None:
                other.close()
    else:
        db.close()


def _files_of(db_path: Path) -> _Files | None:
    """Return which files a connection has open; ``None`` without shared memory: it cannot see changes."""
    try:
        found = [os.lstat(f"{db_path}{suffix}") for suffix in ("", "-shm")]
    except OSError:
        return None
    return tuple((one.st_dev, one.st_ino) for one in found)


@atexit.register
def close_idle() -> None:
    """Close the connections that no search uses."""
    with _idle_lock:
        while _idle:
            _idle.popitem()[1][1].close()
