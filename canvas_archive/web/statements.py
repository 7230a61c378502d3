"""Datasette's statements about our tables and views, put so that SQLite answers them from an index.

Above a table Datasette says how many rows there are. For a view with an ORDER BY, SQLite answers
``select count(*) from inbox`` by making every row of it first, with the names of everybody in it: seconds,
where there are 200,000. A LIMIT between the two lets it see that no column is asked for.

The pages after a table's first are sought with ``a < :x or a is null or (a = :x and id > :y)``, for which
SQLite sorts the rest of the table or walks to the page from the top. Our times are never null, and then
``a <= :x`` says where to begin. They take rows of the same time in the order of their ids, which the first
page of a table does not ask for: an index walked backwards gives the opposite, and rows would be shown twice
or never.

On such a page Datasette also counts its facets among the rows from there on, unlike the number of rows above
them. They are counted among all rows here, as on the first page: from a covering index, and the same on every
page.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable
from typing import Any

from canvas_archive.web.gate import archives
from canvas_archive.web.hooks import hook
from canvas_archive.web.sql_search import explain_failures

_COUNT = re.compile(r"select count\(\*\) (from (?:inbox|sent|threads|pending_edits)\b.*)", re.DOTALL)
_LATER = re.compile(
    r"\((?P<at>latest_at|created_at) < (?P<x>:p\d+) or (?P=at) is null"
    r" or \((?P=at) = (?P=x) and \(\(id > (?P<y>:p\d+)\)\)\)\)"
)
_FIRST = re.compile(
    r"(select .* from (?:conversations|messages|attachments|users|edits) "
    r".*order by (?!id\b)\[?\w+\]?(?: desc)?)( limit \d+)",
    re.DOTALL,
)
_COLUMN, _KEY = r"\[?\w+\]?", r"\(\(\[?\w+\]? > :p\d+\)\)"
_FACET = " as value, count(*) as count from ("
_REST = re.compile(
    r" (?:where|and) \((?:"
    rf"{_COLUMN} [<>] :p\d+(?: or {_COLUMN} is null)? or \({_COLUMN} = :p\d+ and {_KEY}\)"
    rf"|{_COLUMN} is null and {_KEY}"
    rf"|{_COLUMN} is not null or \({_COLUMN} is null and {_KEY}\)"
    r")\)(?=\s{0,99}\)\s{0,99}where )"
)
LONGEST = 10_000
"""Datasette's own statements about our tables are shorter. A reader's could take quadratic time here."""

_NEVER_NULL = {"latest_at": "from conversations ", "created_at": "from messages "}


def _begun(match: re.Match[str]) -> str:
    at, x, y = match["at"], match["x"], match["y"]
    if _NEVER_NULL[at] not in match.string:
        return match[0]
    return f"({at} <= {x} and (+{at} < {x} or +id > {y}))"


def by_index(sql: str) -> str:
    """Return a statement that is quicker in a large mailbox (see above); others as they are. Pure."""
    if len(sql) > LONGEST:
        return sql
    match = _COUNT.fullmatch(sql)
    if match:
        return f"select count(*) from (select 1 {match[1]} limit -1)"  # noqa: S608 (Datasette's own text)
    head, facet, rows = sql.partition(_FACET)
    column = head.lstrip()
    if facet and column.startswith("select ") and "\n" not in column:
        match = _REST.search(rows)
        if match:
            return f"{head}{facet}{rows[: match.start()]} {rows[match.end() :]}"
    return _FIRST.sub(r"\1, id\2", sql) if _FIRST.fullmatch(sql) else _LATER.sub(_begun, sql)


def _by_index(execute: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(execute)
    async def run(sql: str, *arguments: Any, **named: Any) -> Any:
        return await execute(by_index(sql), *arguments, **named)

    return run


@hook
def startup(datasette: Any) -> None:
    """Rewrite the statements of the attached archives, and explain what fails in their functions."""
    for archive in archives(datasette):
        archive.database.execute = _by_index(archive.database.execute)
        explain_failures(datasette, archive)
