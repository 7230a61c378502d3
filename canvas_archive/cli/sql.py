"""``canvas-archive sql``: read-only SQL over the archive."""

from __future__ import annotations

import csv
import sys
from itertools import chain

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    json_option,
    pass_settings,
    print_json,
)
from canvas_archive.cli.tables import print_table, shown


@click.command()
@common_options
@click.argument("query")
@click.option(
    "-p", "--param", "params", type=(str, str), multiple=True, help="A named parameter and its value."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header line.")
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

    \b
    canvas-archive sql "SELECT subject, last_message_at FROM inbox LIMIT 5"
    canvas-archive sql "SELECT count(*) FROM messages WHERE author_id = :id" -p id 42
    """
    from canvas_archive.store import Archive
    from canvas_archive.store.cells import cell_of
    from canvas_archive.store.sql_access import run_sql

    if query == "-":
        query = sys.stdin.read()
    with Archive.open(settings.folder) as archive:
        result = run_sql(archive.db_path, query, dict(params), timeout=timeout)
    if as_json:
        print_json([dict(zip(result.columns, map(_as_it_is, row), strict=True)) for row in result.rows])
    elif as_csv:
        writer = csv.writer(_Lines())
        plain = _as_it_is if raw else cell_of
        written = (lambda value: shown(plain(value))) if sys.stdout.isatty() else plain
        writer.writerows(map(written, row) for row in chain([result.columns], result.rows))
    else:
        print_table(result.columns, result.rows, raw=raw)


class _Lines:
    """Standard output for rows that end in a line feed.

    A writer that is asked for such ends leaves a lone carriage return unquoted, which begins a row elsewhere.
    """

    def write(self, row: str) -> None:
        """Write one row."""
        sys.stdout.write(row.removesuffix("\r\n") + "\n")


def _as_it_is(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
