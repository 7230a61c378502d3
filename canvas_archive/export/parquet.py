"""Parquet: messages, conversations, people and attachments as tables for DuckDB, Spark and pandas.

    messages/year=2025/part-0.parquet         by the year of the message
    conversations/year=2025/part-0.parquet    by the year of the last message
    attachments/year=2025/part-0.parquet      by the year of the message they hang on
    people/part-0.parquet

``year`` is in the path alone, as Hive does it. Every row names its custodian and host, so the exports of
many custodians can be read together with one glob.
"""

from __future__ import annotations

import importlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from canvas_archive.clock import parse_iso
from canvas_archive.errors import BadInput
from canvas_archive.export.context import ExportContext
from canvas_archive.export.records import MessageRecord, PersonRecord, ThreadRecord

ROWS_AT_ONCE = 5000
"""Rows of a table and year that are held before they are written, as one row group."""

_PACKED_AT_ONCE = 250  # of them as values of Python's, which take several times the memory of Arrow's

_UNDATED = 0

_TEXT, _ID, _TIME, _FLAG, _IDS, _TEXTS = "text", "id", "time", "flag", "ids", "texts"

TABLES: dict[str, dict[str, str]] = {
    "messages": {
        "host": _TEXT,
        "custodian_id": _ID,
        "message_id": _ID,
        "conversation_id": _ID,
        "created_at": _TIME,
        "author_id": _ID,
        "author": _TEXT,
        "recipient_ids": _IDS,
        "subject": _TEXT,
        "context_code": _TEXT,
        "context_name": _TEXT,
        "body": _TEXT,
        "generated": _FLAG,
        "removed_at": _TIME,
        "attachment_count": _ID,
        "forwarded_ids": _IDS,
    },
    "conversations": {
        "host": _TEXT,
        "custodian_id": _ID,
        "conversation_id": _ID,
        "subject": _TEXT,
        "context_code": _TEXT,
        "context_name": _TEXT,
        "course_code": _TEXT,
        "term": _TEXT,
        "private": _FLAG,
        "folders": _TEXTS,
        "starred": _FLAG,
        "workflow_state": _TEXT,
        "subscribed": _FLAG,
        "message_count": _ID,
        "exported_messages": _ID,
        "last_message_at": _TIME,
        "last_authored_message_at": _TIME,
        "participant_ids": _IDS,
        "removed_at": _TIME,
    },
    "attachments": {
        "host": _TEXT,
        "custodian_id": _ID,
        "attachment_id": _TEXT,
        "message_id": _ID,
        "conversation_id": _ID,
        "kind": _TEXT,
        "name": _TEXT,
        "content_type": _TEXT,
        "size": _ID,
        "state": _TEXT,
        "sha256": _TEXT,
        "path": _TEXT,
    },
    "people": {
        "host": _TEXT,
        "custodian_id": _ID,
        "person_id": _ID,
        "name": _TEXT,
        "full_name": _TEXT,
        "pronouns": _TEXT,
        "is_custodian": _FLAG,
    },
}
"""The columns of each table and their types, in order."""

Row = dict[str, object]


class _Part:
    """One file of a table: its rows wait here until there are enough of them for a row group."""

    def __init__(self, arrow: Any, parquet: Any, path: Path, schema: Any) -> None:
        self._arrow, self._parquet = arrow, parquet
        self._path, self._schema = path, schema
        self._columns: dict[str, list[object]] = {name: [] for name in schema.names}
        self._packed: list[Any] = []
        self._writer: Any = None

    def add(self, row: Row) -> None:
        """Add a row, and write a row group once it is full."""
        for name, values in self._columns.items():
            values.append(_utf8(row[name]))
        if len(values) == _PACKED_AT_ONCE:
            self._pack()
            if len(self._packed) * _PACKED_AT_ONCE >= ROWS_AT_ONCE:
                self._write()

    def finish(self) -> None:
        """Write what is still held; without any rows, an empty table."""
        self._pack()
        self._write()
        self.close()

    def close(self) -> None:
        """Close the file, without what is still held."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _pack(self) -> None:
        self._packed.append(self._arrow.RecordBatch.from_pydict(self._columns, schema=self._schema))
        for values in self._columns.values():
            values.clear()

    def _write(self) -> None:
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A whole path: a name that begins with "file:" would be taken for an address.
            whole = self._path.absolute()
            self._writer = self._parquet.ParquetWriter(whole, self._schema, compression="zstd")
        table = self._arrow.Table.from_batches(self._packed, schema=self._schema)
        self._packed.clear()
        if len(table):
            self._writer.write_table(table)


class ParquetWriter:
    """Writes the dataset. Raises BadInput when pyarrow is not installed."""

    def __init__(self, target: Path, context: ExportContext) -> None:
        self._arrow, self._parquet = _load()
        self._folder = target
        self._folder.mkdir(exist_ok=True)
        self._context = context
        self._schemas = {name: self._schema(columns) for name, columns in TABLES.items()}
        self._parts: dict[tuple[str, int | None], _Part] = {}
        self._seen: set[int] = set()
        custodian = context.custodian
        self._owner: Row = {"host": custodian.host, "custodian_id": custodian.user_id}

    def add(self, thread: ThreadRecord) -> None:
        """Add the rows of one conversation."""
        latest = _time(thread.latest_at)
        self._put("conversations", latest.year if latest else _UNDATED, self._conversation(thread))
        for person in thread.participants:
            self._person(person)
        for message in thread.messages:
            self._message(thread, message)

    def _message(self, thread: ThreadRecord, message: MessageRecord) -> None:
        moment = _time(message.created_at)
        year = moment.year if moment else _UNDATED
        self._person(message.author)
        for person in message.recipients:
            self._person(person)
        self._put(
            "messages",
            year,
            {
                **self._owner,
                "message_id": message.id,
                "conversation_id": thread.id,
                "created_at": moment,
                "author_id": message.author.id,
                "author": message.author.full_name,
                "recipient_ids": [person.id for person in message.recipients],
                "subject": thread.subject,
                "context_code": thread.context_code,
                "context_name": thread.context_name,
                "body": message.body,
                "generated": message.generated,
                "removed_at": _time(message.removed_at or thread.removed_at),
                "attachment_count": len(message.files),
                "forwarded_ids": [inner.id for inner in message.forwarded],
            },
        )
        self._files(thread, message, year)

    def _files(self, thread: ThreadRecord, message: MessageRecord, year: int) -> None:
        for file in message.files:
            self._put(
                "attachments",
                year,
                {
                    **self._owner,
                    "attachment_id": file.id,
                    "message_id": message.id,
                    "conversation_id": thread.id,
                    "kind": file.kind,
                    "name": file.name,
                    "content_type": file.content_type,
                    "size": file.stored_size if file.stored_size is not None else file.size,
                    "state": file.state,
                    "sha256": file.sha256,
                    "path": self._context.copy_path(file),
                },
            )
        for inner in message.forwarded:
            self._person(inner.author)
            self._files(thread, inner, year)

    def _conversation(self, thread: ThreadRecord) -> Row:
        return {
            **self._owner,
            "conversation_id": thread.id,
            "subject": thread.subject,
            "context_code": thread.context_code,
            "context_name": thread.context_name,
            "course_code": thread.course_code,
            "term": thread.term,
            "private": thread.private,
            "folders": list(thread.folders),
            "starred": thread.starred,
            "workflow_state": thread.workflow_state,
            "subscribed": thread.subscribed,
            "message_count": thread.message_count,
            "exported_messages": len(thread.messages),
            "last_message_at": _time(thread.last_message_at),
            "last_authored_message_at": _time(thread.last_authored_message_at),
            "participant_ids": [person.id for person in thread.participants],
            "removed_at": _time(thread.removed_at),
        }

    def _person(self, person: PersonRecord) -> None:
        if person.id in self._seen:
            return
        self._seen.add(person.id)
        self._put(
            "people",
            None,
            {
                **self._owner,
                "person_id": person.id,
                "name": person.name,
                "full_name": person.full_name,
                "pronouns": person.pronouns,
                "is_custodian": person.id == self._context.custodian.user_id,
            },
        )

    def finish(self) -> None:
        """Write what is still held; a table without rows gets an empty file, so that it can be read."""
        for name in TABLES:
            if not any(table == name for table, _ in self._parts):
                self._part(name, None if name == "people" else _UNDATED)
        for part in self._parts.values():
            part.finish()

    def close(self) -> None:
        """Close the files."""
        for part in self._parts.values():
            part.close()

    def _put(self, table: str, year: int | None, row: Row) -> None:
        self._part(table, year).add(row)

    def _part(self, table: str, year: int | None) -> _Part:
        part = self._parts.get((table, year))
        if part is None:
            folder = self._folder / table if year is None else self._folder / table / f"year={year}"
            part = _Part(self._arrow, self._parquet, folder / "part-0.parquet", self._schemas[table])
            self._parts[table, year] = part
        return part

    def _schema(self, columns: dict[str, str]) -> Any:
        arrow = self._arrow
        types = {
            _TEXT: arrow.string(),
            _ID: arrow.int64(),
            _TIME: arrow.timestamp("s", tz="UTC"),
            _FLAG: arrow.bool_(),
            _IDS: arrow.list_(arrow.int64()),
            _TEXTS: arrow.list_(arrow.string()),
        }
        state = {"canvas_archive.collection": json.dumps(self._context.collection.to_json())}
        return arrow.schema([(name, types[kind]) for name, kind in columns.items()], metadata=state)


def _load() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise BadInput(
            "Writing Parquet needs pyarrow: install it with `pip install 'canvas-archive[parquet]'`."
        ) from None


def _time(text: str | None) -> datetime | None:
    try:
        return parse_iso(text) if text else None
    except ValueError:
        return None


def _utf8(value: object) -> object:
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8")
    return value
