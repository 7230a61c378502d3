"""JSON Lines: one conversation per line with its messages nested, and a last line that proves completeness.

The last line is ``{"type": "completion", ...}`` with the counts, the SHA-256 of all bytes before it, and
``record_sha256``, which covers the line itself: it is the SHA-256 of the line without that field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, cast

from canvas_archive.export.context import GENERATOR, ExportContext
from canvas_archive.export.records import MessageRecord, PersonRecord, StoredFile, ThreadRecord
from canvas_archive.model import JsonObject
from canvas_archive.string_ids import with_string_ids

_LONGEST_LINE = 256 << 20


class JsonlWriter:
    """Writes ``conversations.jsonl``."""

    def __init__(self, target: Path, context: ExportContext) -> None:
        self._context = context
        self._file = target.open("wb", buffering=1 << 20)
        self._digest = hashlib.sha256()
        self._conversations = 0
        self._messages = 0

    def add(self, thread: ThreadRecord) -> None:
        """Write one line."""
        line = encode_line(self._written({"type": "conversation", **thread_json(thread, self._context)}))
        self._digest.update(line)
        self._file.write(line)
        self._conversations += 1
        self._messages += len(thread.messages)

    def finish(self) -> None:
        """Write the completion record."""
        custodian = self._context.custodian
        record: JsonObject = {
            "type": "completion",
            "complete": self._context.collection.is_complete,
            "collection": self._context.collection.to_json(),
            "conversations": self._conversations,
            "messages": self._messages,
            "sha256": self._digest.hexdigest(),
            "custodian_id": custodian.user_id,
            "base_url": custodian.base_url,
            "collected_at": custodian.collected_at,
            "selection": self._context.selection.to_json(),
            "generator": GENERATOR,
        }
        self._file.write(encode_completion(self._written(record)))
        self.close()

    def _written(self, document: JsonObject) -> JsonObject:
        if self._context.options.string_ids:
            return cast("JsonObject", with_string_ids(document))
        return document

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def encode_line(document: JsonObject) -> bytes:
    """Write a JSON document as one line of UTF-8."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        # Half a surrogate pair cannot be UTF-8, but JSON can escape it.
        return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file. Raises ValueError for one that this program would not write."""
    for line in iter(partial(file.readline, _LONGEST_LINE), b""):
        if len(line) == _LONGEST_LINE:
            raise ValueError(f"a line has {_LONGEST_LINE:,} bytes or more")
        yield line


def encode_completion(record: JsonObject) -> bytes:
    """Write the completion record, with the hash of itself as its last field."""
    return encode_line({**record, "record_sha256": hashlib.sha256(encode_line(record)).hexdigest()})


def thread_json(thread: ThreadRecord, context: ExportContext) -> JsonObject:
    """Return a conversation with its messages as a JSON object."""
    return {
        "id": thread.id,
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
        "remote": thread.remote,
        "message_count": thread.message_count,
        "stored_messages": len(thread.message_ids),
        "last_message_at": thread.last_message_at,
        "last_authored_message_at": thread.last_authored_message_at,
        "properties": list(thread.properties),
        "audience": list(thread.audience),
        "contexts": {code: list(roles) for code, roles in thread.contexts.items()},
        "participants": [person_json(person) for person in thread.participants],
        "removed_at": thread.removed_at,
        "first_seen_at": thread.first_seen_at,
        "fetched_at": thread.fetched_at,
        "extra": thread.extra,
        "messages": [message_json(message, context) for message in thread.messages],
    }


def message_json(message: MessageRecord, context: ExportContext) -> JsonObject:
    """Return a message, and those forwarded with it, as a JSON object."""
    return {
        "id": message.id,
        "conversation_id": message.conversation_id,
        "author_id": message.author.id,
        "author": message.author.full_name,
        "created_at": message.created_at,
        "body": message.body,
        "generated": message.generated,
        "recipient_ids": [person.id for person in message.recipients],
        "attachments": [file_json(file, context) for file in message.files],
        "forwarded_messages": [message_json(inner, context) for inner in message.forwarded],
        "removed_at": message.removed_at,
        "first_seen_at": message.first_seen_at,
        "extra": message.extra,
    }


def person_json(person: PersonRecord) -> JsonObject:
    """Return a person as a JSON object."""
    return {
        "id": person.id,
        "name": person.name,
        "full_name": person.full_name,
        "pronouns": person.pronouns,
        "avatar_url": person.avatar_url,
    }


def file_json(file: StoredFile, context: ExportContext) -> JsonObject:
    """Return an attachment or recording as a JSON object; ``path`` is its copy in this export, if any."""
    return {
        "id": file.id,
        "kind": file.kind,
        "name": file.name,
        "filename": file.filename,
        "content_type": file.content_type,
        "size": file.size,
        "created_at": file.created_at,
        "state": file.state,
        "sha256": file.sha256,
        "stored_size": file.stored_size,
        "error": file.error,
        "path": context.copy_path(file),
        "url": file.url,
        "extra": file.extra,
    }
