"""Rows for people: a table on a terminal, tab-separated lines elsewhere."""

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
    from canvas_archive.store.cells import cell_of

    for row in chain([heads], rows):
        cells = row if raw else map(cell_of, row)
        click.echo("\t".join(shown(cell).replace("\t", " ") for cell in cells))


def shown(value: object) -> str:
    """Return a value of a database as one line: bytes in hexadecimal, nothing for NULL."""
    return "" if value is None else one_line(value.hex() if isinstance(value, bytes) else str(value))
