"""CSV: one row per message, for spreadsheets and data tools (RFC 4180, UTF-8); see ``store.cells``."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from canvas_archive.export.context import ExportContext
from canvas_archive.export.records import MessageRecord, PersonRecord, StoredFile, ThreadRecord
from canvas_archive.store.cells import cell

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


class CsvWriter:
    """Writes ``messages.csv``."""

    def __init__(self, target: Path, context: ExportContext) -> None:
        self._context = context
        encoding = "utf-8-sig" if context.options.byte_order_mark else "utf-8"
        self._file = target.open("w", encoding=encoding, newline="", buffering=1 << 20)
        self._rows = csv.writer(self._file, lineterminator="\r\n")
        self._rows.writerow(COLUMNS)

    def add(self, thread: ThreadRecord) -> None:
        """Write a row for each message."""
        self._rows.writerows(self._row(thread, message) for message in thread.messages)

    def finish(self) -> None:
        """Close the file: a table has no footer."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _row(self, thread: ThreadRecord, message: MessageRecord) -> tuple[str | int, ...]:
        _, missing = self._context.split(message.files)
        paths = [path for path in map(self._context.copy_path, message.files) if path]
        return (
            message.id,
            thread.id,
            message.created_at,
            message.author.id,
            cell(message.author.full_name),
            ";".join(str(person.id) for person in message.recipients),
            cell(_names(message.recipients)),
            cell(thread.subject),
            cell(thread.context_code),
            cell(thread.context_name),
            " ".join(thread.folders),
            thread.workflow_state,
            int(thread.starred),
            int(message.generated),
            message.removed_at or thread.removed_at or "",
            cell(message.body),
            cell("; ".join(file.name for file in message.files)),
            cell("; ".join(paths)),
            cell("; ".join(_missing(file) for file in missing)),
            cell("\n".join(_quoted(inner) for inner in message.forwarded)),
        )


def _names(people: Iterable[PersonRecord]) -> str:
    return "; ".join(person.full_name for person in people)


def _missing(file: StoredFile) -> str:
    return f"{file.name} ({file.state})"


def _quoted(message: MessageRecord) -> str:
    inner = "".join("\n" + _quoted(deeper) for deeper in message.forwarded)
    return f"[{message.created_at} {message.author.full_name}] {message.body}{inner}"
