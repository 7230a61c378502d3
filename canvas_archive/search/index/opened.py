"""Indexes that are kept open between searches: of each archive the generation that counts now."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from pathlib import Path

from canvas_archive.search.index.contents import read_toc
from canvas_archive.search.index.postings import Damaged
from canvas_archive.search.index.reading import OpenIndex
from canvas_archive.search.index.record import IndexRecord, IndexUnusable, committed, usable_record

_OPEN_AT_ONCE = 4

_open: OrderedDict[tuple[str, str], OpenIndex] = OrderedDict()
_open_lock = threading.Lock()


def open_index(db: sqlite3.Connection, folder: Path) -> tuple[OpenIndex, IndexRecord]:
    """Return the committed index, kept open between searches. Raises IndexUnusable."""
    while True:
        before = committed(db)
        try:
            record = usable_record(db, folder)
            key = (str(folder), record.digest)
            with _open_lock:
                index = _open.get(key)
                if index is None:
                    index = _open[key] = OpenIndex(folder, read_toc(folder, record.generation), record.files)
                    for other in [other for other in _open if other[0] == key[0] and other != key]:
                        del _open[other]
                    while len(_open) > _OPEN_AT_ONCE:
                        _open.popitem(last=False)
                _open.move_to_end(key)
            return index, record
        except (IndexUnusable, Damaged, OSError) as error:
            # An update that was committed meanwhile has tidied this generation away: look again.
            if committed(db) != before:
                continue
            if isinstance(error, IndexUnusable):
                raise
            raise IndexUnusable(f"The search index cannot be read: {error}.") from error


def forget(folder: Path) -> None:
    """Drop what is kept open of an index."""
    with _open_lock:
        for key in [key for key in _open if key[0] == str(folder)]:
            del _open[key]
