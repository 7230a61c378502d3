"""``canvas-archive sql``: read-only SQL over the archive."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    csv_option,
    json_option,
    pass_settings,
    print_json,
)
from canvas_archive.cli.finding import with_index
from canvas_archive.cli.tables import as_it_is, print_csv, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from canvas_archive.store.sql_access import SqlResult


@click.command()
@common_options
@click.argument("query")
@click.option(
    "-p", "--param", "params", type=(str, str), multiple=True, help="A named parameter and its value."
)
@csv_option
@click.option(
    "--raw",
    is_flag=True,
    help="Leave text as it is that a spreadsheet would take for a formula. For scripts.",
)
@click.option("--timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds.")
@json_option
@pass_settings
def sql(
    settings: Settings,
    query: str,
    params: tuple[tuple[str, str], ...],
    as_csv: bool,
    raw: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Run one read-only SQL query; 'canvas-archive help tables' describes the tables.

    In CSV, and in the lines of a pipe, text that begins like a formula gets an apostrophe before it, and
    control characters become visible. --raw leaves them as they are; --json always does.

    Besides SQLite's own functions there are median(x), percentile(x, p), local(time) and
    canvas_search('query', id), which says whether a search finds the message of that id.

    \b
    canvas-archive sql "SELECT subject, last_message_at FROM inbox LIMIT 5"
    canvas-archive sql "SELECT count(*) FROM messages WHERE author_id = :id" -p id 42
    canvas-archive sql "SELECT local(created_at) FROM messages WHERE canvas_search('exam', id)"
    """
    from canvas_archive.search import query_archive
    from canvas_archive.store import Archive

    if query == "-":
        query = sys.stdin.read()

    def run(db_path: Path, search_dir: Path) -> SqlResult:
        return query_archive(db_path, search_dir, query, dict(params), timeout=timeout)

    if "canvas_search" in query.lower():
        result = with_index(settings, run)
    else:
        with Archive.open(settings.folder) as archive:
            result = run(archive.db_path, archive.search_dir)
    if as_json:
        print_json([dict(zip(result.columns, map(as_it_is, row), strict=True)) for row in result.rows])
    elif as_csv:
        print_csv(result.columns, result.rows, raw=raw)
    else:
        print_table(result.columns, result.rows, raw=raw)
