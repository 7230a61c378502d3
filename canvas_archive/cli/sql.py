"""``canvas-archive sql``: read-only SQL over the archive."""

from __future__ import annotations

import csv
import sys

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    json_option,
    pass_settings,
    print_json,
)
from canvas_archive.cli.tables import print_table
from canvas_archive.cli.terminal import one_line


@click.command()
@common_options
@click.argument("query")
@click.option(
    "-p", "--param", "params", type=(str, str), multiple=True, help="A named parameter and its value."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header line.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds.")
@json_option
@pass_settings
def sql(
    settings: Settings,
    query: str,
    params: tuple[tuple[str, str], ...],
    as_csv: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Run one read-only SQL query; 'canvas-archive help tables' describes the tables.

    \b
    canvas-archive sql "SELECT subject, last_message_at FROM inbox LIMIT 5"
    canvas-archive sql "SELECT count(*) FROM messages WHERE author_id = :id" -p id 42
    """
    from canvas_archive.store import Archive
    from canvas_archive.store.reading import run_sql

    if query == "-":
        query = sys.stdin.read()
    with Archive.open(settings.folder) as archive:
        result = run_sql(archive.db_path, query, dict(params), timeout=timeout)
    if as_json:
        print_json([dict(zip(result.columns, map(_plain, row), strict=True)) for row in result.rows])
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(result.columns)
        if sys.stdout.isatty():
            writer.writerows(map(_text, row) for row in result.rows)
        else:
            writer.writerows(result.rows)
    else:
        print_table(result.columns, ([_text(value) for value in row] for row in result.rows))


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def _text(value: object) -> str:
    return "" if value is None else one_line(str(_plain(value)))
