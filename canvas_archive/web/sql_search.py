"""The search in Datasette's own pages: ``canvas_search`` in SQL, and ``?_search=`` on tables of mail.

Datasette searches only where SQLite has a full-text table, and ignores ``_search`` elsewhere. Here a table
either answers it from the search index of the archive, or says that it cannot.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from datasette.filters import FilterArguments
from datasette.views.base import DatasetteError

from canvas_archive.search import SqlFunctions
from canvas_archive.web.gate import AttachedArchive, archive_named
from canvas_archive.web.hooks import hook_last
from canvas_archive.web.per_datasette import PerDatasette

_FOUND = "select value from json_each(canvas_search(:search))"
_BY_MESSAGE = f"id in ({_FOUND})"
_BY_CONVERSATION = f"id in (select conversation_id from messages where id in ({_FOUND}))"  # noqa: S608 (constant)
SEARCHABLE = {
    "messages": _BY_MESSAGE,
    "conversations": _BY_CONVERSATION,
    "threads": _BY_CONVERSATION,
    "inbox": _BY_CONVERSATION,
    "sent": _BY_CONVERSATION,
}
"""The condition of ``?_search=`` by table and view. Of conversations, those with a message that is found."""


@PerDatasette
def _functions(datasette: Any) -> dict[int, SqlFunctions]:
    """Return the functions of each open connection, which Datasette opens one of per thread."""
    return {}


def add_functions(datasette: Any, archive: AttachedArchive, connection: sqlite3.Connection) -> None:
    """Add the functions of ``search.functions`` to a connection."""
    _functions(datasette)[id(connection)] = SqlFunctions(connection, archive.path, archive.search)


def explain_failures(datasette: Any, archive: AttachedArchive) -> None:
    """Let SQL that fails in a function of ours fail with the sentence of the function."""
    execute_fn: Callable[..., Awaitable[Any]] = archive.database.execute_fn

    @functools.wraps(execute_fn)
    async def run(work: Callable[[sqlite3.Connection], Any]) -> Any:
        def explained(connection: sqlite3.Connection) -> Any:
            functions = _functions(datasette)[id(connection)]
            functions.begin()
            try:
                return work(connection)
            finally:
                failure = functions.failure()
                if failure is not None:
                    raise sqlite3.OperationalError(str(failure))

        return await execute_fn(explained)

    archive.database.execute_fn = run


@hook_last
def filters_from_request(
    request: Any, database: str, table: str, datasette: Any
) -> Callable[[], Awaitable[FilterArguments | None]]:
    """Answer ``?_search=`` from the search index, and refuse it where nothing can be searched."""

    async def filters() -> FilterArguments | None:
        archive = archive_named(datasette, database)
        if archive is None or "_fts_table" in request.args or await archive.database.fts_table(table):
            return None  # a full-text table that the reader made is Datasette's to search
        asked = {key: request.args[key] for key in request.args if key.startswith("_search")}
        query = asked.pop("_search", "").strip()
        asked.pop("_searchmode", None)
        condition = SEARCHABLE.get(table)
        if asked or (query and condition is None):
            raise DatasetteError(_refusal(table, asked), title="No such search", status=400)
        if condition is None or not query:
            return FilterArguments([], extra_context={"supports_search": condition is not None})
        await _check(archive, query)
        return FilterArguments(
            [condition],
            {"search": query},
            [f'search finds "{query}"'],
            {"supports_search": True, "search": query},
        )

    return filters


def _refusal(table: str, by_column: dict[str, str]) -> str:
    if by_column:
        name = next(iter(by_column))
        return f"There is no {name}: one column cannot be searched. Use _search on messages."
    return f"{table} cannot be searched. _search works on {', '.join(SEARCHABLE)}."


async def _check(archive: AttachedArchive, query: str) -> None:
    """Raise DatasetteError when the query cannot be answered. Datasette runs it in several statements."""

    def search(connection: sqlite3.Connection) -> None:
        connection.execute("select canvas_search(?)", (query,)).fetchone()

    try:
        await archive.database.execute_fn(search)
    except sqlite3.OperationalError as error:
        raise DatasetteError(str(error), title="Search", status=400) from error
