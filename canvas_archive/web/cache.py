"""Cache of figures that need the whole archive to be read. A write to the archive empties it.

``PRAGMA data_version`` shows a connection whether another one has committed since. Datasette has a connection
for each of its threads, so each thread has a cache of its own and needs no lock.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")

MOST_FIGURES = 64
MOST_CONNECTIONS = 16


class _Figures:
    """What is known of one connection's archive, and at which version of it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection  # held, so that its identity is not given to another one
        self.version = 0
        self.values: dict[Hashable, Any] = {}


_threads = threading.local()
"""Process-wide, because figures are cached by connection, and a connection belongs to one server."""


def cached(connection: sqlite3.Connection, key: Hashable, make: Callable[[], T]) -> T:
    """Return what ``make`` returned for ``key``, or call it when the archive has changed since.

    The value is shared by all who ask: none of them may change it.
    """
    known: dict[int, _Figures] = _threads.__dict__.setdefault("known", {})
    figures = known.get(id(connection))
    if figures is None:
        while len(known) >= MOST_CONNECTIONS:
            known.pop(next(iter(known)))
        figures = known[id(connection)] = _Figures(connection)
    # Asked before ``make`` reads: what is written meanwhile makes the figure look old, never fresh.
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    if version != figures.version or len(figures.values) >= MOST_FIGURES:
        figures.values.clear()
        figures.version = version
    if key not in figures.values:
        figures.values[key] = make()
    return cast("T", figures.values[key])
