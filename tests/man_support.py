"""The manual page, canvas-archive(1), from what ``--help`` and ``canvas-archive help`` say.

``docs/canvas-archive.1`` is made from this by cog; the wheel puts it where ``man`` looks.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator

import click

from canvas_archive import __version__
from canvas_archive.cli import cli
from canvas_archive.cli.registry import COMMANDS, SECTIONS
from canvas_archive.cli.topics import EXIT_CODES, TOPICS
from tests.docs_support import every_command

WRITTEN = "2026-11-26"
"""The date in the page's foot: when its words last changed in earnest."""

_MARKS = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}


def roff(text: str) -> str:
    """Return text as roff shows it to the letter; lines that would be requests are made text."""
    shown = "".join(_MARKS.get(letter) or _plain(letter) for letter in text)
    return "\n".join(f"\\&{line}" if line.startswith((".", "\\(aq")) else line for line in shown.split("\n"))


def _plain(letter: str) -> str:
    return letter if letter.isascii() else f"\\[u{ord(letter):04X}]"


def manual() -> str:
    """Return the whole page, without a newline at its end."""
    return "\n".join(_page())


def _filled(text: str) -> Iterator[str]:
    """Yield the source lines of running text, short enough for any reader of them."""
    return (roff(line) for line in textwrap.wrap(text, 70, break_long_words=False, break_on_hyphens=False))


def _page() -> Iterator[str]:
    yield f'.TH CANVAS\\-ARCHIVE 1 "{WRITTEN}" "canvas\\-archive {__version__}" "User Commands"'
    yield ".SH NAME"
    summary = (cli.help or "").rstrip(".")
    yield "canvas\\-archive \\-"
    yield from _filled(summary[:1].lower() + summary[1:])
    yield ".SH SYNOPSIS"
    yield ".B canvas\\-archive"
    yield "[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]..."
    yield ".SH OPTIONS"
    yield "These stand before or after any command's name."
    yield from _options(cli, ())
    common = {_first_name(one) for one in cli.params}
    commands = dict(every_command())
    for section in SECTIONS:
        yield f".SH {roff(section.upper())}"
        for name, entry in COMMANDS.items():
            if entry.section == section:
                for inner in (one for one in commands if one == name or one.startswith(f"{name} ")):
                    yield from _command(inner, commands[inner], common)
    for title, name in (("SEARCH LANGUAGE", "query"), ("FOLDERS", "folders"), ("TABLES", "tables")):
        yield f".SH {title}"
        yield from _verbatim(TOPICS[name].text)
    yield ".SH ENVIRONMENT"
    yield from _verbatim(TOPICS["environment"].text)
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", f".B {code}", *_filled(meaning))
    yield ".SH SEE ALSO"
    yield ".BR datasette (1),"
    yield ".BR sqlite3 (1)"


def _command(name: str, command: click.Command, common: set[str]) -> Iterator[str]:
    context = click.Context(command, info_name=f"canvas-archive {name}")
    usage = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    yield f".SS {roff(' '.join([name, *usage]))}"
    text = inspect.cleandoc(command.help or "")
    for number, paragraph in enumerate(text.split("\n\n")):
        if paragraph.startswith("\b\n"):
            yield ".PP"
            yield from _verbatim(paragraph.removeprefix("\b\n"))
            continue
        if number:
            yield ".PP"
        yield from _filled(paragraph)
    yield from _options(command, common)
    if command.epilog:
        yield ".PP"
        yield from _filled(command.epilog)


def _options(command: click.Command, known: set[str] | tuple[()]) -> Iterator[str]:
    context = click.Context(command, info_name="canvas-archive", **command.context_settings)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and _first_name(parameter) not in {*known, *(("--help",) if known else ())}:
            yield from (".TP", f".B {roff(record[0])}", *_filled(record[1]))


def _first_name(parameter: click.Parameter) -> str:
    return max(parameter.opts, key=len)


def _verbatim(text: str) -> Iterator[str]:
    yield ".nf"
    yield from (roff(line) if line.strip() else "\\&" for line in text.rstrip("\n").split("\n"))
    yield ".fi"
