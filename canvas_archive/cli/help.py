"""``canvas-archive help``: any command's help, and what concerns several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import click

from canvas_archive.cli.context import fail, talking_options
from canvas_archive.cli.registry import COMMANDS
from canvas_archive.cli.topics import TOPICS
from canvas_archive.cli.values import OneOf

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command("help")
@click.argument("about", metavar="[COMMAND|TOPIC]", nargs=-1, type=OneOf((*COMMANDS, *TOPICS)))
@talking_options
@click.pass_context
def help_(ctx: click.Context, about: tuple[str, ...]) -> None:
    """Explain a command or a topic: query, folders, tables, environment, exit-codes."""
    root = ctx.find_root()
    topic = TOPICS.get(" ".join(about).lower())
    if topic is not None:
        click.echo(topic.text, nl=False)
    elif not about:
        click.echo(root.get_help())
        click.echo("\nTopics:")
        for name, one in TOPICS.items():
            click.echo(f"  help {name:12}  {one.summary}")
    else:
        click.echo(_context_of(root, about).get_help())


def _context_of(root: click.Context, names: Sequence[str]) -> click.Context:
    """Return the context in which a command would run, for its help."""
    context = root
    for name in names:
        command = context.command
        found = command.get_command(context, name) if isinstance(command, click.Group) else None
        if found is None:
            _unknown(" ".join(names), command, context)
        context = click.Context(found, info_name=name, parent=context)
    return context


def _unknown(wanted: str, command: click.Command, context: click.Context) -> NoReturn:
    import difflib

    within = command.list_commands(context) if isinstance(command, click.Group) else []
    known = [*within, *(TOPICS if context.parent is None else ())]
    near = difflib.get_close_matches(wanted.split()[-1], known, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Topics are {', '.join(TOPICS)}."
    fail(f"There is no command or topic '{wanted}'. {hint}")
