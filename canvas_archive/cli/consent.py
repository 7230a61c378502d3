"""Asking before something is done that many would notice, or that cannot be undone."""

from __future__ import annotations

import sys

import click

from canvas_archive.cli.context import fail
from canvas_archive.cli.terminal import one_line


class Declined(click.Abort):
    """A person said no: nothing was done."""


yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


def can_ask() -> bool:
    """Return whether there is a person at a terminal."""
    return sys.stdin.isatty()


def require_consent(question: str, *, yes: bool, option: str = "-y") -> None:
    """Go on only with ``-y`` (or the ``option`` that says the same) or after a yes at the terminal.

    Raises BadInput where nobody can be asked, Declined after a no.
    """
    if yes:
        return
    if not can_ask():
        fail(f"{question} Nothing was done: there is no terminal to ask on. To confirm, add {option}")
    if not click.confirm(one_line(question), err=True):
        raise Declined
