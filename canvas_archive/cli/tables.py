"""Rows for people: a table on a terminal, tab-separated lines elsewhere, CSV where it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import chain

import click

from canvas_archive.cli.context import console
from canvas_archive.cli.terminal import one_line


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, raw: bool = False) -> None:
    """Write rows below their heads to standard output; no text can pose as more than one cell.

    On a terminal they are a table. Elsewhere tabs separate the cells, and no text is a formula to a
    spreadsheet, unless ``raw``.
    """
    if sys.stdout.isatty():
        from rich.table import Table

        table = Table(*map(one_line, heads), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*map(shown, row))
        console().print(table)
        return
    print_tabbed(chain([heads], rows), raw=raw)


def print_tabbed(rows: Iterable[Sequence[object]], *, raw: bool = False) -> None:
    """Write rows with tabs between the cells; no text is a formula to a spreadsheet, unless ``raw``."""
    from canvas_archive.store.cells import cell_of

    for row in rows:
        cells = row if raw else map(cell_of, row)
        click.echo("\t".join(shown(cell).replace("\t", " ") for cell in cells))


def print_csv(heads: Sequence[str], rows: Iterable[Sequence[object]], *, raw: bool = False) -> None:
    """Write rows as CSV below their heads; no text is a formula to a spreadsheet, unless ``raw``."""
    import csv

    from canvas_archive.store.cells import cell_of

    plain = as_it_is if raw else cell_of
    on_terminal = sys.stdout.isatty()
    writer = csv.writer(_Lines())
    for row in chain([heads], rows):
        cells = map(plain, row)
        writer.writerow([shown(cell) for cell in cells] if on_terminal else list(cells))


class _Lines:
    """Standard output for rows that end in a line feed.

    A writer that is asked for such ends leaves a lone carriage return unquoted, which begins a row elsewhere.
    """

    def write(self, row: str) -> None:
        """Write one row."""
        sys.stdout.write(row.removesuffix("\r\n") + "\n")


def as_it_is(value: object) -> object:
    """Return a value of a database as JSON and plain CSV have it: bytes in hexadecimal."""
    return value.hex() if isinstance(value, bytes) else value


def shown(value: object) -> str:
    """Return a value of a database as one line: bytes in hexadecimal, nothing for NULL."""
    return "" if value is None else one_line(value.hex() if isinstance(value, bytes) else str(value))
