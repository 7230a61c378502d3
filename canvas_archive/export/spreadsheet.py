"""CSV: one row per message, for spreadsheets and data tools (RFC 4180, UTF-8); see ``store.cells``.

For Excel, ids are text (``="123"``), because it rounds numbers of more than 15 digits. No cell has more than
32,767 characters, because Excel cuts what is longer: the cell names the file with the whole text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from canvas_archive.export.context import ExportContext
from canvas_archive.export.records import MessageRecord, PersonRecord, StoredFile, ThreadRecord
from canvas_archive.store.cells import cell

LONGEST_CELL = 32_767
LONG_CELLS = "long_cells"
"""The folder beside the table that holds the whole texts of cells that were cut."""

COLUMNS = (
    "message_id",
    "conversation_id",
    "created_at",
    "author_id",
    "author",
    "recipient_ids",
    "recipients",
    "subject",
    "context_code",
    "context_name",
    "folders",
    "workflow_state",
    "starred",
    "generated",
    "removed_at",
    "body",
    "attachments",
    "attachment_paths",
    "attachments_missing",
    "forwarded",
)
_IDS = frozenset({"message_id", "conversation_id", "author_id", "recipient_ids"})


class CsvWriter:
    """Writes ``messages.csv``."""

    def __init__(self, target: Path, context: ExportContext) -> None:
        self._context = context
        options = context.options
        self._excel = options.excel
        self._cell = _as_it_is if options.raw else cell
        self._long = target.parent / LONG_CELLS if context.is_folder else None
        separator = options.separator or ","
        encoding = "utf-8-sig" if options.excel else "utf-8"
        self._file = target.open("w", encoding=encoding, newline="", buffering=1 << 20)
        if options.separator is not None:
            self._file.write(f"sep={separator}\r\n")
        self._rows = csv.writer(self._file, delimiter=separator, lineterminator="\r\n")
        self._rows.writerow(COLUMNS)

    def add(self, thread: ThreadRecord) -> None:
        """Write a row for each message."""
        rows = (self._row(thread, message) for message in thread.messages)
        self._rows.writerows(map(self._for_excel, rows) if self._excel else rows)

    def finish(self) -> None:
        """Close the file: a table has no footer."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _for_excel(self, row: tuple[str | int, ...]) -> tuple[str | int, ...]:
        number = row[0]
        return tuple(
            f'="{value}"' if name in _IDS and str(value).isdecimal() else self._cut(str(value), name, number)
            for name, value in zip(COLUMNS, row, strict=True)
        )

    def _cut(self, text: str, column: str, message: str | int) -> str:
        """Return a text that fits a cell; a longer one ends with where the whole text is."""
        if _cell_length(text) <= LONGEST_CELL:
            return text
        where = "an export to a folder, or without --excel, has it whole"
        if self._long is not None:
            self._long.mkdir(exist_ok=True)
            path = self._long / f"{message}-{column}.txt"
            path.write_bytes(text.encode("utf-8", "replace"))
            where = f"the whole text is in {LONG_CELLS}/{path.name}"
        note = f" … [cut from {len(text):,} characters; {where}]"
        room = LONGEST_CELL - len(note)
        # Excel counts characters beyond the basic plane twice.
        kept = text[:room]
        while _cell_length(kept) > room:
            kept = kept[: len(kept) - (_cell_length(kept) - room + 1) // 2]
        return kept + note

    def _row(self, thread: ThreadRecord, message: MessageRecord) -> tuple[str | int, ...]:
        _, missing = self._context.split(message.files)
        paths = [path for path in map(self._context.copy_path, message.files) if path]
        return (
            message.id,
            thread.id,
            message.created_at,
            message.author.id,
            self._cell(message.author.full_name),
            ";".join(str(person.id) for person in message.recipients),
            self._cell(_names(message.recipients)),
            self._cell(thread.subject),
            self._cell(thread.context_code),
            self._cell(thread.context_name),
            " ".join(thread.folders),
            thread.workflow_state,
            int(thread.starred),
            int(message.generated),
            message.removed_at or thread.removed_at or "",
            self._cell(message.body),
            self._cell("; ".join(file.name for file in message.files)),
            self._cell("; ".join(paths)),
            self._cell("; ".join(_missing(file) for file in missing)),
            self._cell("\n".join(_quoted(inner) for inner in message.forwarded)),
        )


def _as_it_is(text: str | None) -> str:
    return (text or "").encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair cannot be written


def _cell_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _names(people: Iterable[PersonRecord]) -> str:
    return "; ".join(person.full_name for person in people)


def _missing(file: StoredFile) -> str:
    return f"{file.name} ({file.state})"


def _quoted(message: MessageRecord) -> str:
    inner = "".join("\n" + _quoted(deeper) for deeper in message.forwarded)
    return f"[{message.created_at} {message.author.full_name}] {message.body}{inner}"
