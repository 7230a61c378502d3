"""``read`` and ``unread``, which people type for two things: they show, and name the command that marks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.context import common_options, fail, json_option
from canvas_archive.cli.read import list_
from canvas_archive.cli.show import show
from canvas_archive.cli.values import CONVERSATION_ID

if TYPE_CHECKING:
    from collections.abc import Callable

_MARKING = ("query", "push", "yes", "dry_run", "tz")


def _accepting(command: Callable[..., None]) -> Callable[..., None]:
    """Add the ids and options that ``mark`` takes, so that each can be answered."""
    for option in (
        click.argument("ids", metavar="[ID]...", nargs=-1, type=CONVERSATION_ID),
        click.option("--query", metavar="QUERY", hidden=True),
        click.option("--tz", metavar="ZONE", hidden=True),
        click.option("--push", is_flag=True, hidden=True),
        click.option("-y", "--yes", is_flag=True, hidden=True),
    ):
        command = option(command)
    return command


def _name_mark(state: str, ids: tuple[int, ...], options: dict[str, Any], otherwise: str) -> None:
    """Stop with the sentence that names ``mark``."""
    import shlex

    words = [*map(str, ids)]
    if options.get("query"):
        words += ["--query", shlex.quote(options["query"])]
    if options.get("tz"):
        words += ["--tz", shlex.quote(options["tz"])]
    words += [f"--{name}" for name in ("push", "yes") if options.get(name)]
    fail(
        f"Nothing was marked. To mark as {state}: canvas-archive mark {state} {' '.join(words) or 'ID'}. "
        f"{otherwise}"
    )


@click.command("read", help="Show a conversation on a terminal. 'mark read' marks.")
@common_options
@_accepting
@click.option("-n", "--dry-run", is_flag=True, hidden=True)
@json_option
@click.pass_context
def read(ctx: click.Context, /, ids: tuple[int, ...], as_json: bool, **options: Any) -> None:
    """Show the one conversation that a person at a terminal names."""
    marking = any(options.values())
    if len(ids) == 1 and not marking and sys.stdout.isatty():
        ctx.invoke(show, ids=ids, as_json=as_json)
        return
    _name_mark("read", ids, options, f"To show: canvas-archive show {' '.join(map(str, ids)) or 'ID'}")


def _unread(ctx: click.Context, /, ids: tuple[int, ...], **options: Any) -> None:
    marking = {name: options.pop(name) for name in ("query", "tz", "push", "yes")}
    if ids or any(marking.values()):
        _name_mark("unread", ids, marking, "To list unread conversations: canvas-archive list unread")
    ctx.invoke(list_, **{**options, "folder_name": "unread"})


unread = click.Command(
    "unread",
    help="List the unread conversations. 'mark unread' marks.",
    params=[],
    callback=click.pass_context(_unread),
)
_more = _accepting(lambda: None).__click_params__  # type: ignore[attr-defined]
_left_out = {"folder_name", *(one.name for one in _more)}
unread.params = [*_more, *(one for one in list_.params if one.name not in _left_out)]
