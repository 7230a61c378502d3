"""What every command shares: the archive folder, verbosity, output and how errors end a run."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from canvas_archive.cli.streams import takes_everything
from canvas_archive.cli.terminal import printable
from canvas_archive.errors import BadInput
from canvas_archive.unicode import json_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    from canvas_archive.cli.run_log import RunLog

F = TypeVar("F", bound="Callable[..., Any]")


@dataclass
class Settings:
    """The options that stand before or after any command."""

    archive: Path | None = None
    verbosity: int = 0
    debug: bool = False
    progress: bool = True
    string_ids: bool = False
    archive_name: str = ""
    """What ``--archive`` says, where it may be the name of an archive and not of a folder."""
    archive_named: bool = False
    """Whether ``--archive`` was given, not the variable."""
    pager: bool = True
    color: bool | None = None
    """What ``--color`` says; ``None`` for auto."""
    command: str = ""
    """The name of the command that runs."""
    logs: bool = False
    """Whether the command is written into the archive's log."""
    run_log: RunLog | None = None
    json_errors: bool = False
    """Whether an error is printed as JSON."""

    @property
    def folder(self) -> Path:
        """Return the archive's folder: the option, the variable, or the platform's data folder."""
        if self.archive_name:
            from canvas_archive.cli.archive_names import resolved

            # Once: a command must not change its archive when it makes a folder of that name.
            self.archive, self.archive_name = resolved(self.archive_name, new=self.command == "init"), ""
        if self.archive is not None:
            return self.archive
        from canvas_archive.places import data_folder

        return data_folder()

    @property
    def show_progress(self) -> bool:
        """Return whether progress is shown: not refused, and on a terminal that nothing else writes to.

        Where standard output is a pipe, what reads it (a pager, say) may have the terminal.
        """
        wanted = self.progress and self.verbosity >= 0 and not os.environ.get("NO_COLOR")
        return wanted and sys.stderr.isatty() and sys.stdout.isatty()

    def note(self, text: str, level: int = 0) -> None:
        """Write a line to standard error unless ``-q``; ``level`` 1 needs ``-v``."""
        if self.verbosity >= level:
            click.echo(printable(self.typed(text)), err=True)

    def warn(self, text: str) -> None:
        """Write a warning to standard error, even with ``-q``."""
        click.secho(f"Warning: {printable(self.typed(text))}", err=True, fg="yellow")

    def typed(self, text: str) -> str:
        """Return a text whose commands act on the same archive: with ``--archive`` where it was given."""
        if not self.archive_named or "canvas-archive " not in text:
            return text
        from canvas_archive.cli.hints import with_archive

        return with_archive(text, self.folder)


def colours() -> bool:
    """Return whether standard output may be coloured: as ``--color`` says, or where it is a terminal.

    ``NO_COLOR`` switches colours off, ``FORCE_COLOR`` switches them on; the option outranks both.
    """
    context = click.get_current_context(silent=True)
    chosen = context.find_object(Settings) if context is not None else None
    if chosen is not None and chosen.color is not None:
        return chosen.color
    return color_of_environment() is True or (
        color_of_environment() is None and bool(getattr(sys.stdout, "isatty", bool)())
    )


def styled(text: str, colour: str) -> str:
    """Return a text in a colour of the terminal's own, where standard output is coloured."""
    return click.style(text, fg=colour) if colours() else text


def color_of_environment() -> bool | None:
    """Return what ``NO_COLOR`` and ``FORCE_COLOR`` say; ``None`` where neither is set."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR", "0") not in ("", "0") else None


def console(*, stderr: bool = False) -> Console:
    """Return a rich console for tables and progress on the wanted stream."""
    from rich.console import Console

    # No markup: in a person's name it would be read as colours and links of ours.
    return Console(stderr=stderr, highlight=False, soft_wrap=False, markup=False, emoji=False)


def print_document(command: str, source: object = None, /, **values: object) -> None:
    """Write the JSON document of a command, as ``cli.documents`` lists its names, to standard output."""
    from canvas_archive.cli.documents import document

    print_json(document(command, source, **values))


def print_json(document: object) -> None:
    """Write one JSON document to standard output."""
    context = click.get_current_context(silent=True)
    settings = context.find_object(Settings) if context is not None else None
    if settings is not None and settings.string_ids:
        from canvas_archive.string_ids import with_string_ids

        document = with_string_ids(document)
    click.echo(json_text(document, escaped=not takes_everything()))


def _store(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value is None or (param.name != "archive" and not value):
        return
    settings = ctx.ensure_object(Settings)
    if param.name == "archive":
        from_environment = ctx.get_parameter_source("archive") is click.core.ParameterSource.ENVIRONMENT
        if from_environment and settings.archive is not None:
            return  # given before the command's name, which outranks the variable
        from canvas_archive.places import expanded  # pathlib takes a while to import, for --help

        settings.archive = expanded(str(value))
        settings.archive_name = str(value) if re.fullmatch(r"\w[\w.@ -]*", str(value)) else ""
        settings.archive_named = not from_environment
    elif param.name == "verbose":
        settings.verbosity = int(str(value))
        settings.progress = settings.progress and settings.verbosity < 2
        root = ctx.find_root()
        if not root.meta.get(__name__):
            from canvas_archive.cli.requests_shown import requests_shown

            root.meta[__name__] = root.with_resource(requests_shown(settings))
    elif param.name == "quiet":
        settings.verbosity = -1
    elif param.name == "string_ids":
        settings.string_ids = True
    elif param.name == "debug":
        settings.debug = True
    elif param.name == "color":
        settings.color = {"always": True, "never": False}.get(str(value))
        ctx.find_root().color = ctx.color = color_of_environment() if value == "auto" else settings.color
    elif param.name == "no_pager":
        settings.pager = False
    else:
        settings.progress = False


def archive_option(function: F) -> F:
    """Add ``--archive``."""
    return click.option(
        "--archive",
        metavar="DIR",
        expose_value=False,
        callback=_store,
        is_eager=True,
        envvar="CANVAS_ARCHIVE",
        help="The archive's folder or name. [env: CANVAS_ARCHIVE; default: your data folder]",
    )(function)


def option_group(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds all of these options, in their order."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def talking_options(function: F) -> F:
    """Add how much is said and how it looks: ``-v``, ``-q``, ``--no-progress``, ``--color``, …"""
    return option_group(
        click.option(
            "-v",
            "--verbose",
            count=True,
            expose_value=False,
            callback=_store,
            help="Show more detail, such as what is asked of Canvas; -vv: each request.",
        ),
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            expose_value=False,
            callback=_store,
            help="Show only results and errors.",
        ),
        click.option(
            "--no-progress", is_flag=True, expose_value=False, callback=_store, help="No progress bars."
        ),
        click.option(
            "--color",
            metavar="WHEN",
            type=click.Choice(["auto", "always", "never"]),
            expose_value=False,
            callback=_store,
            help="Colours: auto (on a terminal), always or never.",
        ),
        click.option("--no-pager", is_flag=True, expose_value=False, callback=_store, help="Do not page."),
        click.option(
            "--debug", is_flag=True, expose_value=False, callback=_store, help="Show tracebacks of errors."
        ),
    )(function)


def common_options(function: F) -> F:
    """Add the options of every command that works on one archive."""
    return archive_option(talking_options(function))


pass_settings = click.make_pass_decorator(Settings, ensure=True)

csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header line.")
string_ids_option = click.option(
    "--string-ids",
    is_flag=True,
    expose_value=False,
    callback=_store,
    help="Write ids in JSON as texts: jq 1.6, JavaScript and others round those above 2^53.",
)


def json_option(function: F) -> F:
    """Add ``--json`` and ``--string-ids``."""
    printed = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    return option_group(printed, string_ids_option)(function)


def fail(sentence: str) -> NoReturn:
    """Stop with a usage error (exit 2)."""

    raise BadInput(sentence)
