"""Rows for people: a table on a terminal, tab-separated lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

from canvas_archive.cli.context import console
from canvas_archive.cli.terminal import one_line


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows of texts below their heads to standard output; no text can pose as more than one cell."""
    if sys.stdout.isatty():
        from rich.table import Table

        table = Table(*map(one_line, heads), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*map(one_line, row))
        console().print(table)
        return
    for row in (heads, *rows):
        click.echo("\t".join(one_line(cell).replace("\t", " ") for cell in row))
