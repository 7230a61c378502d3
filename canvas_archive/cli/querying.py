"""What commands with a query share: its words and options, and the line that says what it means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import click

from canvas_archive.cli.context import Settings, fail
from canvas_archive.cli.filters import SortChoice
from canvas_archive.cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

# Stands for the dash of "-from:chen" while click looks for options.
_DASH = "\ue000"
_OPENING = re.compile(r'-["“”„«»(]')


class QueryCommand(click.Command):
    """A command whose words may begin with a dash before an operator: ``search exam -from:chen``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take a dash before an operator, a quotation mark or a parenthesis for a part of the query.

        Raises BadInput for any other argument that begins with a single dash and is no option. Everything
        after ``--`` is query.
        """
        flags, with_value = self._short_options(ctx)
        guarded: list[str] = []
        value_follows = plain = False
        for arg in args:
            if value_follows or (not plain and not arg.startswith("-")) or arg == "-":
                guarded.append(arg)
                value_follows = False
            elif plain:
                guarded.append(_DASH + arg[1:] if arg.startswith("-") else arg)
            elif arg == "--":
                plain = True
                guarded.append(arg)
            elif arg.startswith("--") or re.fullmatch(rf"-[{flags}]*(?:[{with_value}]\d*)?", arg):
                guarded.append(arg)
                value_follows = arg in self._awaiting() or (arg[1] != "-" and arg[-1] in with_value)
            elif self._negates(arg):
                guarded.append(_DASH + arg[1:])
            else:
                fail(
                    f"'{arg}' is no option. For messages without a word, write: NOT {arg[1:]}. "
                    f"Or write two dashes before the query: {ctx.command_path} -- {arg}"
                )
        return super().parse_args(ctx, guarded)

    def _short_options(self, ctx: click.Context) -> tuple[str, str]:
        """Return the letters of the options that take no value, and of those that do."""
        flags, with_value = "", ""
        for param in self.get_params(ctx):
            for name in param.opts:
                if isinstance(param, click.Option) and re.fullmatch("-[A-Za-z]", name):
                    if param.is_flag or param.count:
                        flags += name[1]
                    else:
                        with_value += name[1]
        return flags, with_value

    def _awaiting(self) -> set[str]:
        """Return the long options that take a value."""
        return {
            name
            for param in self.params
            if isinstance(param, click.Option) and not param.is_flag and not param.count
            for name in param.opts
            if name.startswith("--")
        }

    @staticmethod
    def _negates(arg: str) -> bool:
        from canvas_archive.search.query.operators import is_operator

        return bool(_OPENING.match(arg)) or is_operator(arg, 1)

    @staticmethod
    def joined(words: tuple[str, ...]) -> str:
        """Return the words as the query they are, the dashes back in place."""
        return " ".join(words).replace(_DASH, "-").strip()


def sort_option(function: F) -> F:
    """Add ``--sort``."""
    return click.option(
        "--sort",
        type=SortChoice(("relevance", "newest", "oldest")),
        default="relevance",
        show_default=True,
        help="The best first, or by date.",
    )(function)


def limit_option(*, least: int) -> Callable[[F], F]:
    """Return what adds ``--limit``."""
    return click.option(
        "-n", "--limit", type=click.IntRange(min=least), default=20, show_default=True, help="Hits to show."
    )


def show_understood(settings: Settings, sentence: str) -> None:
    """Say how the query was understood."""
    settings.note(f"{printable(sentence)}.")
