"""The root command, lazy loading of the others, and the one place where errors become exit codes."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from canvas_archive import __version__
from canvas_archive.cli.context import Settings, color_of_environment, common_options
from canvas_archive.cli.registry import COMMANDS, DAILY, HIDDEN, LOGGED, SECTIONS
from canvas_archive.cli.streams import prepare_streams, reader_left
from canvas_archive.cli.terminal import printable
from canvas_archive.errors import EXIT_INTERRUPTED, EXIT_UNEXPECTED, ArchiveError
from canvas_archive.lazy import load

if TYPE_CHECKING:
    from types import FrameType


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the registry's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; ``None`` when there is none by that name."""
        entry = COMMANDS.get(cmd_name)
        target = entry.target if entry is not None else HIDDEN.get(cmd_name)
        if target is None:
            return None
        command: click.Command = load(f"canvas_archive.cli.{target}")
        _own_options_first(command, {name for one in self.params for name in one.opts})
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands of daily use; the main help fits a terminal of 24 lines."""
        with formatter.section("Every day"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in DAILY])
        with formatter.section("More"):
            formatter.write_dl(_MORE)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List all commands by section, from the registry alone."""
        for section in SECTIONS:
            rows = [(name, entry.summary) for name, entry in COMMANDS.items() if entry.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, also by another name; suggest one for a word that is none."""
        # The words of two begin with a command, and go on with a word.
        if args[0] not in COMMANDS or (len(args) > 1 and args[1][:1].isalpha()):
            from canvas_archive.cli.words import answer_to, expanded

            args = expanded(args)
            if args[0] not in COMMANDS and args[0] not in HIDDEN and not args[0].startswith("-"):
                raise click.UsageError(answer_to(args[0]), ctx)
        settings = ctx.ensure_object(Settings)
        settings.command = args[0]
        if settings.logs and args[0] in LOGGED and not {"-h", "--help"}.intersection(args):
            from canvas_archive.cli.run_log import RunLog

            settings.run_log = RunLog(settings)
        return super().resolve_command(ctx, args)


_MORE = (
    ("demo", "Try everything on a sample mailbox."),
    ("help commands", "List all commands and general options."),
    ("help topics", "List the topics: the search language, schedules, …"),
    ("COMMAND --help", "Explain a command."),
)
"""The last lines of the main help."""


def _own_options_first(command: click.Command, general: set[str]) -> None:
    """Let a command's help show its own options before those that every command has."""
    command.params.sort(key=lambda one: not general.isdisjoint(one.opts))
    for inner in getattr(command, "commands", {}).values():
        _own_options_first(inner, general)


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "CANVAS_ARCHIVE",
        "max_content_width": 100,
    },
)
@common_options
@click.version_option(__version__, "-V", "--version", prog_name="canvas-archive")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Keep a complete, searchable, offline archive of a Canvas inbox."""
    ctx.ensure_object(Settings)


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ending_signals() -> list[signal.Signals]:
    """Return what asks a run to end: being terminated, and the terminal going away (unless under nohup)."""
    numbers = [signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        numbers.append(hangup)
    return numbers


def _failed(
    settings: Settings, sentence: str, code: int, *, usage: str | None = None, label: str = "Error: "
) -> int:
    """Print why a run ended, as a sentence or with ``--json`` as one line of JSON; return the exit code."""
    sentence, usage = settings.typed(sentence), settings.typed(usage) if usage else None
    if settings.json_errors:
        from canvas_archive.cli.documents import document
        from canvas_archive.unicode import json_text

        told = document("error", error=sentence, exit_code=code, usage=usage)
        click.echo(json_text(told, escaped=True, lines=False), err=True)
        return code
    click.echo(label + printable(sentence), err=True)
    if usage:
        click.echo(usage, err=True)
    return code


def run(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are printed as one or two sentences."""
    settings = Settings(logs=True)
    code: int | None = None
    try:
        code = _run(settings, args)
        return code
    finally:
        if settings.run_log is not None:
            settings.run_log.end(code)


def _run(settings: Settings, args: list[str] | None) -> int:
    settings.json_errors = "--json" in itertools.takewhile(
        "--".__ne__, sys.argv[1:] if args is None else args
    )
    prepare_streams()
    # Whatever a command writes is for its user alone, also where a format's own code makes the files.
    mask = os.umask(0o077)
    previous = {number: signal.signal(number, _terminate) for number in _ending_signals()}
    try:
        result: Any = cli.main(
            args=args,
            prog_name="canvas-archive",
            standalone_mode=False,
            obj=settings,
            color=color_of_environment(),
        )
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        from canvas_archive.cli.usage import call_of, sentence_of

        return _failed(settings, sentence_of(error), error.exit_code, usage=call_of(error))
    except click.ClickException as error:
        return _failed(settings, error.format_message(), error.exit_code)
    except SystemExit as error:
        if reader_left():
            return 0
        raise error
    except (KeyboardInterrupt, click.Abort) as error:
        from canvas_archive.cli.interruption import what_is_kept

        return _failed(settings, what_is_kept(settings, error), EXIT_INTERRUPTED, label="")
    except BrokenPipeError:
        # The reader went away (`| head`): nothing left to say, and nothing to flush at exit.
        sys.stdout = None
        return 0
    except Exception as error:
        from canvas_archive.machine import machine_trouble

        known = error if isinstance(error, ArchiveError) else machine_trouble(error)
        if settings.debug:
            import traceback

            click.echo(printable(traceback.format_exc()), err=True, nl=False)
        if known is not None:
            return _failed(settings, str(known), known.exit_code)
        sentence = (
            f"Unexpected error: {type(error).__name__}: {error}\n"
            "This is a defect; run again with --debug to see where it happened."
        )
        return _failed(settings, sentence, EXIT_UNEXPECTED, label="")
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.umask(mask)
