"""What a reader's own SQL may cost: its time is limited, but a single function call cannot be interrupted."""

from __future__ import annotations

import re
import sqlite3
import sys
from typing import Any

from datasette import Response

from canvas_archive.web.gate import archives, is_archive
from canvas_archive.web.hooks import hook, hook_first

LARGEST_VALUE = 64_000_000
_LIMIT_LENGTH = 0  # SQLITE_LIMIT_LENGTH, which Python names from 3.11 on
_MISNAMED = re.compile(r"no such|syntax error|unrecognized|incomplete|ambiguous|misuse")


@hook
def prepare_connection(conn: sqlite3.Connection, database: str, datasette: Any) -> None:
    """Let no text or blob grow beyond 64 MB: ``randomblob(1000000000)`` takes seconds and a gigabyte."""
    if sys.version_info >= (3, 11) and is_archive(datasette, database):
        conn.setlimit(_LIMIT_LENGTH, LARGEST_VALUE)


@hook_first
def handle_exception(datasette: Any, request: Any, exception: Exception) -> Any:
    """Call an address that Datasette's tables stumble over (``?_timelimit=x``) a bad one, not a failure.

    The mail pages judge their own parameters; what fails in them is a defect and shall look like one.
    """
    unreadable = isinstance(exception, (ValueError, OverflowError, sqlite3.ProgrammingError)) or (
        # A column that there is not, named in ``_facet`` or ``_sort``.
        isinstance(exception, sqlite3.OperationalError) and _MISNAMED.search(str(exception)) is not None
    )
    if not archives(datasette) or not unreadable or request.path.startswith(datasette.urls.path("/mail")):
        return None
    return Response.text("That address cannot be read: one of its values makes no sense.\n", status=400)
