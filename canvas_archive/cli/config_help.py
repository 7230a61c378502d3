"""What ``config.toml`` may hold, as the help of ``canvas-archive config`` shows it."""

from __future__ import annotations

import textwrap

import click

_SYNTAX = """\
Each option is one line of config.toml: a name, an equals sign and a value. Text stands in quotation
marks, a list in brackets. A line that begins with # is a comment. Only base_url has to be there.
An option marked with (adopt) counts after you agreed to its value: canvas-archive adopt
"""

_FILLED = textwrap.TextWrapper(96, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False)


class ConfigCommand(click.Command):
    """A command whose help ends with the options of ``config.toml``."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the syntax and every option, from the table that the file's reader uses."""
        from canvas_archive.store.config import OPTIONS

        formatter.write(f"\n{_SYNTAX}")
        for name, option in OPTIONS.items():
            formatter.write(f"\n  {name} = {option.example}\n{_FILLED.fill(option.sentence)}\n")
