"""Wrong usage: what is wrong, and how the command is called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_WHERE_FROM = {
    "ID": "'canvas-archive list' shows the ids",
    "ID...": "'canvas-archive list' shows the ids",
    "ITEM...": "'canvas-archive problems' lists them",
    "MESSAGE...": "'canvas-archive show ID' numbers the messages",
    "WHO...": "ids, codes such as course_12, or parts of names",
    "DEST": "a folder or file to be made",
    "SOURCE": "the folder of a backup",
    "ARCHIVE": "'canvas-archive archives' lists them",
    "QUERY": "SELECT …, or - to read it from standard input",
    "SHELL": "bash, zsh or fish",
    "CUSTODIANS.csv": "a list with a column user_id",
}
"""What to give, or where it is found, by the name that the usage line has for it."""

_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"is not a valid integer(?: range)?"), lambda found: "is not a whole number"),
    (re.compile(r"is not a valid float(?: range)?"), lambda found: "is not a number"),
    (
        re.compile(r"is not in the range (\S+)<=x<=(\S+?)\.?$"),
        lambda found: f"is not from {found[1]} to {found[2]}.",
    ),
    (re.compile(r"is not in the range x>=(\S+?)\.?$"), lambda found: f"is less than {found[1]}."),
)


def call_of(error: click.UsageError) -> str | None:
    """Return how the command is called, and where its help is."""
    context = error.ctx
    return None if context is None else f"{context.get_usage()}  (more: {context.command_path} --help)"


def sentence_of(error: click.UsageError) -> str:
    """Return what is wrong with a command line."""
    if isinstance(error, click.MissingParameter) and error.param is not None and error.ctx is not None:
        return _missing(error.param, error.ctx)
    text = re.sub(r"^Invalid value for '\[?ID\]?(?:\.\.\.)?': ", "", error.format_message())
    for pattern, replacement in _NUMBERS:
        text = pattern.sub(replacement, text)
    if extra := re.fullmatch(r"Got unexpected extra arguments? \((.+)\)", text):
        return f"Unexpected argument: {extra[1]}"
    if unknown := re.match(r"No such command '([^']+)'\.(.*)", text):
        group = "" if error.ctx is None else f" {error.ctx.command_path.partition(' ')[2]}"
        return f"Unknown command:{group} {unknown[1]}.{unknown[2]}"
    if isinstance(error, click.NoSuchOption):
        from canvas_archive.cli.words import hint_for_option

        hint = hint_for_option(error.option_name)
        return f"There is no option {error.option_name}. {hint}" if hint else text
    if text == "Missing command." and isinstance(error.ctx and error.ctx.command, click.Group):
        return "A command is missing."
    return text


def _missing(parameter: click.Parameter, context: click.Context) -> str:
    name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.make_metavar(context)
    hint = _WHERE_FROM.get(name)
    if isinstance(parameter, click.Option) and parameter.help:
        hint = parameter.help.rstrip(".")
    wanted = name.removesuffix("...")
    return f"{wanted} is missing: {hint}." if hint else f"{wanted} is missing."
