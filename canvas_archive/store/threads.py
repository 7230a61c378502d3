"""Conversations with their messages, people, files and forwarded messages, as they are in the tables.

``MessageParts`` reads what belongs to any batch of messages, and is behind every reader: ``read_thread`` for
one conversation on a terminal or a page, and the exports, which read many conversations in batches.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from canvas_archive.errors import BadInput
from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.forwarded import DEEPEST_FORWARD, Forwards
from canvas_archive.store.rows import ids_json

_RECORDED = frozenset(
    ("3gp", "aac", "aif", "aiff", "avi", "caf", "flac", "m4a", "m4v", "mkv", "mov", "mp3", "mp4", "mpeg",
     "mpg", "oga", "ogg", "ogv", "opus", "wav", "weba", "webm", "wma", "wmv")
)  # fmt: skip
"""Endings of the names of recordings."""


@dataclass(frozen=True, slots=True)
class ThreadPerson:
    """Someone in a thread; ``name`` is made from the id when Canvas never told one."""

    id: int
    name: str
    full_name: str | None
    pronouns: str | None


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """A file of a message, and what became of downloading it; sizes in bytes."""

    id: int
    name: str
    content_type: str | None
    size: int | None
    state: str
    sha256: str | None
    stored_size: int | None
    error: str | None
    url: str | None


def recording_name(name: str, media_type: str | None, content_type: str | None) -> str:
    """Return the file name of a recording: its name, with an ending where it has none of a recording."""
    if name.rstrip().rpartition(".")[2].lower() in _RECORDED and "." in name:
        return name
    return f"{name}.mp4" if "video" in (media_type, (content_type or "").partition("/")[0]) else f"{name}.m4a"


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A recording made with a message, and what became of downloading it."""

    media_id: str
    media_type: str | None
    name: str | None
    content_type: str | None
    url: str | None
    state: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """One message of a thread; ``forwarded`` are the messages it carries, newest first."""

    id: int
    author: ThreadPerson
    created_at: str
    body: str
    generated: bool
    removed_at: str | None
    recipients: tuple[ThreadPerson, ...] = ()
    attachments: tuple[StoredAttachment, ...] = ()
    media: tuple[StoredMedia, ...] = ()
    forwarded: tuple[ThreadMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class Thread:
    """A whole conversation; ``messages`` oldest first; ``edits`` maps fields to the value wished for."""

    id: int
    subject: str | None
    context_code: str | None
    context_name: str | None
    workflow_state: str
    starred: bool
    subscribed: bool
    private: bool
    message_count: int
    removed_at: str | None
    fetched_at: str | None
    participants: tuple[ThreadPerson, ...]
    messages: tuple[ThreadMessage, ...]
    edits: Mapping[str, str] = field(default_factory=dict)


Row: TypeAlias = "tuple[Any, ...]"

MESSAGE_COLUMNS = (
    "m.id, m.conversation_id, m.author_id, m.created_at, m.body, m.generated, m.removed_at, "
    "m.first_seen_at, m.extra"
)
"""The columns of a message's row, as ``MessageParts`` takes and holds it."""

_OF_MESSAGES = "IN (SELECT value FROM json_each(?))"
_MESSAGES = f"SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.id {_OF_MESSAGES}"  # noqa: S608 (constants)
_RECIPIENTS = f"""
SELECT message_id, user_id FROM message_recipients
WHERE message_id {_OF_MESSAGES} ORDER BY message_id, user_id
"""  # noqa: S608 (constants)
_FILE_COLUMNS = """a.id, a.display_name, a.filename, a.content_type, a.size, a.created_at, a.state, a.sha256,
  a.stored_size, a.error, a.url, a.extra"""
_ATTACHMENTS = f"""
SELECT l.message_id, {_FILE_COLUMNS}
FROM message_attachments l JOIN attachments a ON a.id = l.attachment_id
WHERE l.message_id {_OF_MESSAGES} ORDER BY l.message_id, l.position, a.id
"""  # noqa: S608 (constants)
_RECORDING_COLUMNS = """c.media_id, c.media_type, c.display_name, c.content_type, c.state, c.sha256,
  c.stored_size, c.error, c.url"""
_RECORDINGS = f"""
SELECT c.message_id, {_RECORDING_COLUMNS}
FROM media_comments c WHERE c.message_id {_OF_MESSAGES} ORDER BY c.message_id, c.media_id
"""  # noqa: S608 (constants)
_FORWARDED = f"""
SELECT message_id, forwarded_message_id FROM forwarded_messages
WHERE message_id {_OF_MESSAGES} ORDER BY message_id, position, forwarded_message_id
"""  # noqa: S608 (constants)
_PEOPLE = f"SELECT id, name, full_name, pronouns, avatar_url FROM users WHERE id {_OF_MESSAGES}"  # noqa: S608 (constants)


_OF_MESSAGE = "SELECT conversation_id FROM messages WHERE id = ? AND conversation_id IS NOT NULL"
_KNOWN = "SELECT 1 FROM conversations WHERE id = ?"


def conversation_of(db: sqlite3.Connection, number: int) -> int | None:
    """Return the conversation that a number names: its own, or that of a message; ``None`` for neither."""
    if db.execute(_KNOWN, (number,)).fetchone() is not None:
        return number
    row = db.execute(_OF_MESSAGE, (number,)).fetchone()
    return None if row is None else int(row[0])


class MessageParts:
    """What belongs to a batch of messages, by message id: rows of the tables, without the message's id.

    ``rows`` holds the messages and all they forward, ``deepest`` levels down.
    """

    def __init__(
        self, cursor: sqlite3.Cursor, messages: Iterable[Row], deepest: int = DEEPEST_FORWARD
    ) -> None:
        self.rows: dict[int, Row] = {row[0]: row for row in messages}
        self.recipients: dict[int, list[int]] = {}
        self.attachments: dict[int, list[Row]] = {}
        self.recordings: dict[int, list[Row]] = {}
        links: dict[int, list[int]] = {}
        level = list(self.rows)
        while level and deepest:
            deepest -= 1
            ids = (ids_json(level),)
            for message_id, user_id in cursor.execute(_RECIPIENTS, ids):
                self.recipients.setdefault(message_id, []).append(user_id)
            for row in cursor.execute(_ATTACHMENTS, ids):
                self.attachments.setdefault(row[0], []).append(row[1:])
            for row in cursor.execute(_RECORDINGS, ids):
                self.recordings.setdefault(row[0], []).append(row[1:])
            inner = []
            for message_id, forwarded_id in cursor.execute(_FORWARDED, ids):
                links.setdefault(message_id, []).append(forwarded_id)
                if forwarded_id not in self.rows:
                    inner.append(forwarded_id)
            found = cursor.execute(_MESSAGES, (ids_json(inner),)).fetchall() if inner else []
            self.rows.update((row[0], row) for row in found)
            level = [row[0] for row in found]
        self._forwards = Forwards(links)

    def people(self) -> set[int]:
        """Return the ids of everyone who wrote or received one of the messages."""
        authors = {row[2] for row in self.rows.values()}
        return authors.union(*self.recipients.values())

    def below(self, message_id: int, above: frozenset[int]) -> Iterator[int]:
        """Yield the messages to show below one (which is below ``above``), as ``store.forwarded`` says."""
        return (inner for inner in self._forwards.below(message_id, above) if inner in self.rows)


def people_rows(cursor: sqlite3.Cursor, ids: Iterable[int]) -> Iterator[Row]:
    """Yield id, name, full name, pronouns and avatar of people."""
    return cursor.execute(_PEOPLE, (ids_json(ids),))


def file_name_of(row: Row) -> str:
    """Return the name of an attachment from its row."""
    name: str = row[1] or row[2] or f"file {row[0]}"
    return name


def _attachment(row: Row) -> StoredAttachment:
    id_, _, _, content_type, size, _, state, sha256, stored_size, error, url, _ = row
    return StoredAttachment(
        id_, file_name_of(row), content_type, size, state, sha256, stored_size, error, url
    )


def _media(row: Row) -> StoredMedia:
    media_id, media_type, name, content_type, state, sha256, _, _, url = row
    return StoredMedia(media_id, media_type, name, content_type, url, state, sha256)


_THREAD = """
SELECT c.id, c.subject, coalesce(c.course, c.context_code), coalesce(x.name, c.context_name),
  c.workflow_state, c.starred,
  c.subscribed, c.private, c.message_count, c.removed_at, c.fetched_at
FROM conversations c LEFT JOIN contexts x ON x.code = c.course WHERE c.id = ?
"""
_PARTICIPANTS = """
SELECT user_id FROM conversation_participants WHERE conversation_id = ? AND direct = 1 ORDER BY position
"""
_ALL = f"SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id = ? ORDER BY m.created_at, m.id"  # noqa: S608 (constants)
_SOME = f"{_MESSAGES} AND +m.conversation_id = ?"
_EDITS = "SELECT field, value FROM edits WHERE conversation_id = ? AND state = 'pending'"
_SHOWN = """
WITH RECURSIVE shown (id) AS (
  SELECT id FROM messages WHERE conversation_id = ?1
  UNION
  SELECT f.forwarded_message_id FROM shown JOIN forwarded_messages f ON f.message_id = shown.id
)
"""
_FILES = f"""
SELECT DISTINCT {_FILE_COLUMNS}
FROM shown
CROSS JOIN message_attachments l ON l.message_id = shown.id
JOIN attachments a ON a.id = l.attachment_id
ORDER BY a.id
"""  # noqa: S608 (constants)
_SHOWN_RECORDINGS = f"""
SELECT shown.id, {_RECORDING_COLUMNS}
FROM shown CROSS JOIN media_comments c ON c.message_id = shown.id
ORDER BY shown.id, c.media_id
"""  # noqa: S608 (constants)


def read_thread(db: sqlite3.Connection, conversation_id: int, only: Iterable[int] | None = None) -> Thread:
    """Return a conversation with its messages, people, files, recordings and forwarded messages.

    ``only`` are the ids of the messages to read, where not all of a long conversation are wanted.

    Forwarding is followed as far as ``store.forwarded`` says.

    Raises BadInput when the archive has no such conversation.
    """
    cursor = plain_cursor(db)
    head = cursor.execute(_THREAD, (conversation_id,)).fetchone()
    if head is None:
        raise BadInput(f"There is no conversation {conversation_id} in this archive.")
    if only is None:
        shown = cursor.execute(_ALL, (conversation_id,)).fetchall()
    else:
        found = cursor.execute(_SOME, (ids_json(only), conversation_id))
        shown = sorted(found, key=lambda row: (row[3], row[0]))
    parts = MessageParts(cursor, shown)
    participants = [row[0] for row in cursor.execute(_PARTICIPANTS, (conversation_id,))]
    people = {
        id_: ThreadPerson(id_, name or f"User {id_}", full_name, pronouns)
        for id_, name, full_name, pronouns, _ in people_rows(cursor, {*participants, *parts.people()})
    }

    def build(message_id: int, above: frozenset[int]) -> ThreadMessage:
        _, _, author_id, created_at, body, generated, removed_at, _, _ = parts.rows[message_id]
        inside = above | {message_id}
        return ThreadMessage(
            message_id,
            people[author_id],
            created_at,
            body,
            bool(generated),
            removed_at,
            tuple(people[user_id] for user_id in parts.recipients.get(message_id, ())),
            tuple(map(_attachment, parts.attachments.get(message_id, ()))),
            tuple(map(_media, parts.recordings.get(message_id, ()))),
            tuple(build(inner, inside) for inner in parts.below(message_id, above)),
        )

    values: list[Any] = [*head[:5], *map(bool, head[5:8]), *head[8:]]
    values += [
        tuple(people[user_id] for user_id in participants),
        tuple(build(row[0], frozenset()) for row in shown),
        dict(cursor.execute(_EDITS, (conversation_id,)).fetchall()),
    ]
    return Thread(*values)


def thread_files(
    db: sqlite3.Connection, conversation_id: int
) -> tuple[tuple[StoredAttachment, ...], tuple[tuple[int, StoredMedia], ...]]:
    """Return every file of a conversation once, and its recordings with their messages' ids, oldest first.

    Those of forwarded messages are among them.
    """
    cursor = plain_cursor(db)
    files = cursor.execute(_SHOWN + _FILES, (conversation_id,)).fetchall()
    recordings = cursor.execute(_SHOWN + _SHOWN_RECORDINGS, (conversation_id,)).fetchall()
    return tuple(map(_attachment, files)), tuple((row[0], _media(row[1:])) for row in recordings)
