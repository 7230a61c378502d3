"""SQLite: a plain database with the tables and views of an archive, for Datasette, DuckDB and any client.

    mailbox.db             no triggers, journals or receipts; foreign keys hold
    mailbox.metadata.yml   descriptions of its tables, views and columns, and queries, for Datasette

Times, ids and states are as in an archive. ``conversations.starred`` and its like have local changes, as in
other formats; the ``remote_`` columns have what Canvas said.
"""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from canvas_archive.export import sqlite_schema
from canvas_archive.export.context import GENERATOR, ExportContext
from canvas_archive.export.formats import METADATA_ENDING
from canvas_archive.export.records import MessageRecord, PersonRecord, StoredFile, ThreadRecord
from canvas_archive.model import JsonObject

_INSERT = "INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"
_PLACED = (
    " ON CONFLICT (id) DO UPDATE SET conversation_id = coalesce(conversation_id, excluded.conversation_id)"
)
_NAMED = """ ON CONFLICT (code) DO UPDATE SET name = coalesce(name, excluded.name),
 course_code = coalesce(course_code, excluded.course_code), term = coalesce(term, excluded.term)"""


_WRITTEN_BY = 96
"""Where a database says which version of SQLite wrote it: of use to nobody, and other on each machine."""


class SqliteWriter:
    """Writes ``mailbox.db``, and the metadata beside it."""

    def __init__(self, target: Path, context: ExportContext) -> None:
        self._target = target
        self._context = context
        self._statements: dict[tuple[str, tuple[str, ...]], str] = {}
        # Nobody sees the file before it is whole: nothing needs to survive a crash.
        self._db = sqlite3.connect(target, isolation_level=None)
        self._conversations = self._messages = 0
        with self._disk_trouble_named():
            self._begin()

    def _begin(self) -> None:
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("BEGIN")
        sqlite_schema.create(self._db)
        custodian = self._context.custodian
        self._put(
            "account",
            {
                "id": 1,
                "base_url": custodian.base_url,
                "user_id": custodian.collected_by,
                "name": custodian.name,
                "as_user_id": custodian.user_id if custodian.user_id != custodian.collected_by else None,
                "created_at": custodian.created_at,
            },
        )

    def add(self, thread: ThreadRecord) -> None:
        """Write one conversation with its messages. Raises OSError when the disk fails."""
        with self._disk_trouble_named():
            self._add(thread)

    def _add(self, thread: ThreadRecord) -> None:
        self._conversations += 1
        self._messages += len(thread.messages)
        if thread.context_code:
            self._course(thread.context_code, thread.context_name, thread.course_code, thread.term)
        self._put("conversations", _conversation(thread))
        for position, person in enumerate(thread.participants):
            self._person(person)
            ids = {"conversation_id": thread.id, "user_id": person.id}
            self._put("conversation_participants", {**ids, "position": position})
        for code, roles in thread.contexts.items():
            self._course(code)
            row = {"conversation_id": thread.id, "context_code": code, "roles": json.dumps(list(roles))}
            self._put("conversation_contexts", row)
        for message in thread.messages:
            self._message(message, thread.id)

    def finish(self) -> None:
        """Write what is said of the export, and close the database. Raises OSError when the disk fails."""
        with self._disk_trouble_named():
            self._finish()

    @contextmanager
    def _disk_trouble_named(self) -> Iterator[None]:
        """Say of which file SQLite complains: another database is being read at the same time."""
        try:
            yield
        except sqlite3.OperationalError as error:
            full = "full" in str(error)  # Python 3.10 has no code
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error), str(self._target)) from error

    def _finish(self) -> None:
        for name, value in self._said():
            self._put("export", {"name": name, "value": value})
        sqlite_schema.finish(self._db)
        self._db.execute("COMMIT")
        self._db.execute("VACUUM")  # the same rows make the same bytes, whatever was dropped
        document = sqlite_schema.metadata(self._db, self._target.stem)
        beside = self._target.with_suffix(METADATA_ENDING)
        beside.write_text(sqlite_schema.metadata_text(document), encoding="utf-8", newline="\n")
        self.close()
        with self._target.open("r+b") as file:
            file.seek(_WRITTEN_BY)
            file.write(bytes(4))

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _said(self) -> Iterable[tuple[str, str]]:
        yield "generator", GENERATOR
        yield "collected_at", self._context.custodian.collected_at
        yield "custodian_id", str(self._context.custodian.user_id)
        yield "complete", str(int(self._context.collection.is_complete))
        yield "collection", _json(self._context.collection.to_json())
        yield "selection", _json(self._context.selection.to_json())
        yield "conversations", str(self._conversations)
        yield "messages", str(self._messages)

    def _message(self, message: MessageRecord, conversation_id: int | None) -> None:
        """Write a message. One that is only forwarded here has no conversation, whatever it has elsewhere."""
        self._person(message.author)
        row = {
            "id": message.id,
            "conversation_id": conversation_id,
            "author_id": message.author.id,
            "created_at": message.created_at,
            "body": message.body,
            "generated": int(message.generated),
            "removed_at": message.removed_at,
            "first_seen_at": message.first_seen_at,
            "extra": _json(message.extra),
        }
        self._put("messages", row, _PLACED)
        for person in message.recipients:
            self._person(person)
            self._put("message_recipients", {"message_id": message.id, "user_id": person.id})
        for position, file in enumerate(message.files):
            self._file(message.id, position, file)
        for position, inner in enumerate(message.forwarded):
            self._message(inner, None)
            ids = {"message_id": message.id, "forwarded_message_id": inner.id}
            self._put("forwarded_messages", {**ids, "position": position})

    def _file(self, message_id: int, position: int, file: StoredFile) -> None:
        row = {
            "display_name": file.name,
            "content_type": file.content_type,
            "url": file.url,
            "state": file.state,
            "sha256": file.sha256,
            "stored_size": file.stored_size,
            "error": file.error,
            "path": self._context.copy_path(file),
        }
        if file.kind != "attachment":
            self._put(
                "media_comments",
                {"message_id": message_id, "media_id": file.id, "media_type": file.kind, **row},
            )
            return
        more = {"filename": file.filename, "size": file.size, "created_at": file.created_at}
        self._put("attachments", {"id": int(file.id), **row, **more, "extra": _json(file.extra)})
        ids = {"message_id": message_id, "attachment_id": int(file.id)}
        self._put("message_attachments", {**ids, "position": position})

    def _person(self, person: PersonRecord) -> None:
        row = {
            "id": person.id,
            "name": person.name,
            "full_name": person.full_name,
            "pronouns": person.pronouns,
            "avatar_url": person.avatar_url,
            "first_seen_at": "",
        }
        self._put("users", row)

    def _course(
        self, code: str, name: str | None = None, course_code: str | None = None, term: str | None = None
    ) -> None:
        kind, _, number = code.partition("_")
        row = {
            "code": code,
            "kind": kind,
            "canvas_id": int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None,
            "name": name,
            "course_code": course_code,
            "term": term,
        }
        self._put("contexts", row, _NAMED)

    def _put(self, table: str, row: Mapping[str, Any], conflict: str = "") -> None:
        key = (table, tuple(row))
        statement = self._statements.get(key)
        if statement is None:
            marks = ", ".join("?" * len(row))
            statement = _INSERT.format(table=table, columns=", ".join(row), marks=marks)
            if conflict:
                statement = statement.replace(" OR IGNORE", "") + conflict
            self._statements[key] = statement
        self._db.execute(statement, tuple(map(_storable, row.values())))


def _conversation(thread: ThreadRecord) -> dict[str, Any]:
    return {
        "id": thread.id,
        "subject": thread.subject,
        "context_code": thread.context_code,
        "context_name": thread.context_name,
        "private": int(thread.private),
        "starred": int(thread.starred),
        "workflow_state": thread.workflow_state,
        "subscribed": int(thread.subscribed),
        "remote_starred": int(bool(thread.remote["starred"])),
        "remote_workflow_state": thread.remote["workflow_state"],
        "remote_subscribed": int(bool(thread.remote["subscribed"])),
        "message_count": thread.message_count,
        "last_message_at": thread.last_message_at,
        "last_authored_message_at": thread.last_authored_message_at,
        "properties": json.dumps(list(thread.properties)),
        "audience": json.dumps(list(thread.audience)),
        "removed_at": thread.removed_at,
        "first_seen_at": thread.first_seen_at,
        "fetched_at": thread.fetched_at,
        "extra": _json(thread.extra),
    }


def _json(document: JsonObject) -> str:
    return json.dumps(document, sort_keys=True)


def _storable(value: Any) -> Any:
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair
    return value
