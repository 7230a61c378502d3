"""The formats by name, each imported only when it is asked for."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from canvas_archive.errors import BadInput
from canvas_archive.lazy import load

if TYPE_CHECKING:
    from canvas_archive.export.context import ExportContext, Writer


class Format(NamedTuple):
    """Where a format's writer lives, what it is called in an export, and how it treats attachments."""

    target: str  # "module:class" in this package
    name: str  # the file or folder below the export's root
    single: bool  # one file, which can also stand alone
    refers: bool  # points to attachments as files of their own instead of carrying them
    reading: str = ""  # how to read it; {} is the path
    beside: str = ""  # the ending of a second file beside it

    def open(self, path: Path, context: ExportContext) -> Writer:
        """Import the writer and start it on ``path``."""
        make: Callable[[Path, ExportContext], Writer] = load(f"canvas_archive.export.{self.target}")
        return make(path, context)


METADATA_ENDING = ".metadata.yml"
_ENDINGS = {"db": "sqlite", "sqlite3": "sqlite"}

FORMATS: dict[str, Format] = {
    "jsonl": Format("jsonl:JsonlWriter", "conversations.jsonl", True, True, "One conversation a line: {}"),
    "csv": Format("spreadsheet:CsvWriter", "messages.csv", True, True, "A spreadsheet opens {}"),
    "mbox": Format("mail:MboxWriter", "messages.mbox", True, False, "Mail programs import {}"),
    "eml": Format("mail:EmlWriter", "eml", False, False, "Mail programs open the files in {}"),
    "html": Format("site:SiteWriter", "html", False, True, "To read it, open {}/index.html in a browser."),
    "rsmf": Format("rsmf:RsmfWriter", "rsmf", False, False),
    "parquet": Format("parquet:ParquetWriter", "parquet", False, True),
    "sqlite": Format(
        "sqlite_database:SqliteWriter",
        "mailbox.db",
        True,
        True,
        "SQLite and Datasette open {}",
        METADATA_ENDING,
    ),
}


_NEAREST = {
    ".json": "jsonl", ".xlsx": "csv", ".xls": "csv", ".ods": "csv", ".tsv": "csv", ".mail": "mbox",
    ".msg": "eml", ".pst": "mbox", ".maildir": "eml", ".parquet": "parquet", ".rsmf": "rsmf", ".eml": "eml",
}  # fmt: skip
"""What comes nearest to the ending of a name; pages to read and print for any other."""


_FOLDERS = {"site": "html", "website": "html", **{name: name for name in FORMATS if not FORMATS[name].single}}
"""Names, and endings of names, of folders that ask for a format."""


def format_for(path: Path) -> str | None:
    """Return the format that a file name such as ``inbox.mbox`` asks for; ``None`` for any other name."""
    ending = path.suffix.lower().lstrip(".")
    name = _ENDINGS.get(ending, ending)
    return name if name in FORMATS and FORMATS[name].single else None


def implied_format(dest: Path) -> str | None:
    """Return the format that the name of a file or folder asks for; ``None`` for any other name.

    The ending ``.html`` asks for none: it names a file, and pages are a folder.
    """
    name = dest.name.lower()
    ending = dest.suffix.lower().lstrip(".")
    return format_for(dest) or _FOLDERS.get(name) or (None if ending == "html" else _FOLDERS.get(ending))


def check_formats(names: tuple[str, ...], dest: Path) -> tuple[str, ...]:
    """Return the formats to write to ``dest``, each once, in a fixed order.

    Raises BadInput when there is none or an unknown one.
    """
    if not names:
        implied = implied_format(dest)
        if implied is None:
            near = _NEAREST.get(dest.suffix.lower(), "html")
            example = f"{shlex.quote(str(dest.with_suffix('')))} --format {near}"
            raise BadInput(
                f"Say what to write with --format: {', '.join(FORMATS)}. "
                f"For example: canvas-archive export {example}"
            )
        return (implied,)
    for name in names:
        if name not in FORMATS:
            raise BadInput(f"There is no format {name!r}; there are {', '.join(FORMATS)}.")
    return tuple(name for name in FORMATS if name in names)
