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
    """Explain a command or a topic: query, folders, tables, schedule, config, environment, exit-codes.

    'help commands' lists all commands, 'help topics' the topics.
    """
    from canvas_archive.cli.words import expanded

    root = ctx.find_root()
    if about and about[0] not in (*COMMANDS, *TOPICS, *_LISTS):
        about = tuple(word for word in expanded(list(about)) if not word.startswith("-"))
    topic = TOPICS.get(" ".join(about).lower())
    if topic is not None:
        click.echo(topic.text, nl=False)
    elif about == ("commands",):
        click.echo(_all_commands(root))
    elif about == ("topics",):
        _list_topics()
    elif not about:
        click.echo(root.get_help())
        click.echo()
        _list_topics()
    else:
        click.echo(_context_of(root, about).get_help())


_LISTS = ("commands", "topics")
"""What ``help`` can list."""


def _list_topics() -> None:
    click.echo("Topics:")
    for name, one in TOPICS.items():
        click.echo(f"  help {name:12}  {one.summary}")
    click.echo(f"  help {'commands':12}  All commands.")


def _all_commands(root: click.Context) -> str:
    """Return all commands by section, and the options that stand before or after any command's name."""
    formatter = root.make_formatter()
    group = root.command
    if isinstance(group, click.Group):
        group.format_commands(root, formatter)
    records = [one.get_help_record(root) for one in group.get_params(root)]
    with formatter.section("Options of every command"):
        formatter.write_dl([record for record in records if record is not None])
    return formatter.getvalue().strip("\n")


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

    from canvas_archive.cli.words import INSTEAD

    within = command.list_commands(context) if isinstance(command, click.Group) else []
    known = [*within, *(TOPICS if context.parent is None else ())]
    if context.parent is None and wanted.lower() in INSTEAD:
        fail(f"There is no command or topic '{wanted}'. {INSTEAD[wanted.lower()]}")
    near = difflib.get_close_matches(wanted.split()[-1], known, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Topics are {', '.join(TOPICS)}."
    fail(f"There is no command or topic '{wanted}'. {hint}")
