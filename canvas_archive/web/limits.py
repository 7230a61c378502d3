"""What a reader's own SQL may cost: its time is limited, but a single function call cannot be interrupted."""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

from canvas_archive.web.gate import is_archive
from canvas_archive.web.hooks import hook

LARGEST_VALUE = 64_000_000
_LIMIT_LENGTH = 0  # SQLITE_LIMIT_LENGTH, which Python names from 3.11 on


@hook
def prepare_connection(conn: sqlite3.Connection, database: str, datasette: Any) -> None:
    """Let no text or blob grow beyond 64 MB: ``randomblob(1000000000)`` takes seconds and a gigabyte."""
    if sys.version_info >= (3, 11) and is_archive(datasette, database):
        conn.setlimit(_LIMIT_LENGTH, LARGEST_VALUE)
