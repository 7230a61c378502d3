"""What the words of ``export`` mean: where it goes, what is chosen, and how to read what came of it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from canvas_archive.cli.context import fail
from canvas_archive.cli.querying import QueryCommand
from canvas_archive.export.formats import FORMATS, implied_format
from canvas_archive.places import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from canvas_archive.export.run import ExportReport


def destination_of(
    words: tuple[str, ...], output: str | None, formats: tuple[str, ...], query: str | None
) -> tuple[Path, str | None]:
    """Return the destination and the query. Raises BadInput where the words can be read in two ways."""
    text = QueryCommand.joined(words)
    if output is not None:
        if text and query is not None:
            fail("Give the query once: as words, or with --query.")
        return expanded(output), text or query
    if not words:
        fail("DEST is missing: a folder or file to be made, such as mail.mbox.")
    if len(words) > 1:
        named = implied_format(expanded(words[-1])) is not None
        chosen, last = (QueryCommand.joined(words[:-1]), words[-1]) if named else (text, "DEST.mbox")
        fail(
            f"Which word is the destination? Write it behind -o: "
            f"canvas-archive export {shlex.quote(chosen)} -o {shlex.quote(last)}"
        )
    dest = expanded(text)
    if not formats and implied_format(dest) is None and not (dest.suffix or "/" in text):
        fail(
            f"'{text}' names no format. To write everything: canvas-archive export {shlex.quote(text)} "
            f"--format html (or {', '.join(name for name in FORMATS if name != 'html')}). "
            f"To write what a search finds: canvas-archive export {shlex.quote(text)} -o {_file_name(text)}"
        )
    return dest, query


def _file_name(text: str) -> str:
    return f"{text}.mbox" if text.isalnum() else "found.mbox"


def how_to_read(report: ExportReport) -> Iterator[str]:
    """Yield how to read what was written, a sentence for each format."""
    alone = report.dest.is_file()
    below = next((one for one in (report.dest / "data", report.dest) if one.is_dir()), report.dest)
    for name in report.formats:
        path = report.dest if alone else below / FORMATS[name].name
        if FORMATS[name].reading:
            yield FORMATS[name].reading.format(path)
