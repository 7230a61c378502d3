"""Limits of Datasette's own pages: SQL of bounded cost, and parameters that can be read.

The time of a statement is limited, but a single function call cannot be interrupted.
"""

from __future__ import annotations

import sqlite3
import sys
import traceback
from typing import Any

from datasette import Response
from datasette.database import QueryInterrupted
from datasette.views.base import DatasetteError

from canvas_archive.store.connection import bound_values
from canvas_archive.web.gate import archive_named, archives
from canvas_archive.web.hooks import hook, hook_first
from canvas_archive.web.sql_search import add_functions

TOO_SLOW = "That took longer than this server allows. Narrow it down."
UNREADABLE = "That address cannot be read: one of its values makes no sense."
_PARSING: dict[str, tuple[type[Exception], ...]] = {
    # ``_timelimit=x``, ``_ttl=x``, and ``_next=x`` on a view
    "datasette.views.": (ValueError,),
    # ``id__gt=x``, and ``_through=x``: JSON, of which it takes three keys without looking
    "datasette.filters": (ValueError, KeyError, TypeError),
    # ``_facet_array={"a": 1}``
    "datasette.facets": (ValueError, KeyError),
    # ``_json_infinity=x``, and ``_nocol`` of the column that the rows are in the order of
    "datasette.utils": (ValueError, KeyError),
    # ``_where=1;drop``; numbers beyond 64 bits, which in an ``offset`` are "datatype mismatch"
    "datasette.database": (sqlite3.ProgrammingError, sqlite3.IntegrityError, OverflowError),
}
"""What Datasette's parsing of parameters raises, by the module that it is raised in."""


@hook
def prepare_connection(conn: sqlite3.Connection, database: str, datasette: Any) -> None:
    """Give SQL on an archive its functions, and limit the size of the values that it can make.

    Other databases are not touched.
    """
    archive = archive_named(datasette, database)
    if archive is not None:
        bound_values(conn)
        add_functions(datasette, archive, conn)


def raised_in(exception: BaseException) -> str:
    """Return the name of the module an exception comes from: the innermost outside the standard library."""
    modules = [
        str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(exception.__traceback__)
    ]
    ours = [name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names]
    return ours[-1] if ours else ""


def unreadable(exception: Exception) -> str | None:
    """Return a sentence for a parameter that Datasette failed at; ``None`` for any other failure."""
    module = raised_in(exception)
    if isinstance(exception, DatasetteError) and exception.status == 500 and module.startswith("datasette."):
        return f"{exception.message}."  # ``_sort`` or ``_through`` of a column that there is not
    known = any(
        module.startswith(parsing) and isinstance(exception, errors) for parsing, errors in _PARSING.items()
    )
    return UNREADABLE if known else None


@hook_first
def handle_exception(datasette: Any, request: Any, exception: Exception) -> Any:
    """Answer 400 for an address that Datasette's tables fail at (``?_timelimit=x``).

    Not for an address without parameters, nor for an error of our own code or a plugin's: that is a defect.
    The mail pages check their own parameters.
    """
    if not archives(datasette) or request.path.startswith(datasette.urls.path("/mail")):
        return None
    if isinstance(exception, QueryInterrupted):
        sentence: str | None = TOO_SLOW  # which Datasette itself says everywhere but in a CSV
    else:
        sentence = unreadable(exception) if request.query_string else None
    if sentence is None:
        return None
    if request.path.endswith(".json"):
        return Response.json({"ok": False, "error": sentence, "status": 400, "title": None}, status=400)
    return Response.text(f"{sentence}\n", status=400)
