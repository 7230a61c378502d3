"""Long output on a terminal goes through a pager."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import Settings, colours

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_WIDTH = 100
"""Text is not wrapped wider than this: longer lines are hard to read."""


def width() -> int:
    """Return the width of the terminal; of a pipe, that of ``COLUMNS`` or 80."""
    return max(20, _measured("COLUMNS", 0, 80))


def _measured(variable: str, position: int, otherwise: int) -> int:
    """Return a size of the terminal, in columns (0) or lines (1): as its variable says, or as it is."""
    named = os.environ.get(variable, "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    try:  # not shutil: it takes a while to import
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1)[position] or otherwise
    except (OSError, ValueError, AttributeError):
        return otherwise


def show_lines(settings: Settings, lines: Sequence[str], notes: Sequence[str] = ()) -> None:
    """Write lines to standard output, then the notes to standard error.

    On a terminal that they do not fit, both go through the pager of ``PAGER`` (``less`` without one).
    """
    notes = [settings.typed(note) for note in notes] if settings.verbosity >= 0 else []
    if not _is_paged(settings, len(lines) + len(notes)):
        for line in lines:
            click.echo(line)
        for note in notes:
            click.echo(note, err=True)
        return
    from canvas_archive.children import secrets_hidden

    with secrets_hidden():
        # With None, click switches on the colours of less.
        click.echo_via_pager("\n".join([*lines, *notes]), color=None if colours() else False)


def _is_paged(settings: Settings, number: int) -> bool:
    if not settings.pager or os.environ.get("PAGER", "less").strip() in ("", "cat"):
        return False
    if not (sys.stdout.isatty() and sys.stdin is not None and sys.stdin.isatty()):
        return False
    return number >= _measured("LINES", 1, 24)
