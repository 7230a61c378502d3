"""Queries of the reading commands: folders and threads. All work on a read-only connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canvas_archive.errors import BadInput
from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.folders import FOLDERS
from canvas_archive.store.forwarded import DEEPEST_FORWARD, Forwards
from canvas_archive.store.rows import ids_json
from canvas_archive.store.sql_access import SqlResult, run_sql

__all__ = [
    "DEEPEST_FORWARD",
    "ConversationLine",
    "FolderPage",
    "SqlResult",
    "StoredAttachment",
    "StoredMedia",
    "Thread",
    "ThreadMessage",
    "ThreadPerson",
    "list_conversations",
    "read_thread",
    "recording_name",
    "run_sql",
    "thread_files",
]

_RECORDED = frozenset(
    ("3gp", "aac", "aif", "aiff", "avi", "caf", "flac", "m4a", "m4v", "mkv", "mov", "mp3", "mp4", "mpeg",
     "mpg", "oga", "ogg", "ogv", "opus", "wav", "weba", "webm", "wma", "wmv")
)  # fmt: skip
"""Endings of the names of recordings."""

_LINES = {
    # By folder, and whether the page begins at the top. Behind "?1 IS NULL OR" SQLite would walk from the
    # top to a page it can seek to, so there are two statements.
    (folder.name, top): f"""
    WITH page AS (
      SELECT id, {folder.order} AS sorted_at FROM conversations
      WHERE {folder.condition()} {"" if top else f"AND ({folder.order}, id) < (?2, ?3)"}
      ORDER BY {folder.order} DESC, id DESC LIMIT ?1
    )
    SELECT t.id, t.subject, t.people, t.context_code, t.context_name, t.workflow_state, t.starred,
      t.subscribed, t.private, t.message_count, coalesce(c.last_message, c.last_authored_message),
      nullif(t.latest_at, ''), t.removed_at,
      EXISTS (SELECT 1 FROM edits WHERE conversation_id = t.id AND state = 'pending'),
      page.sorted_at
    FROM page JOIN threads t ON t.id = page.id JOIN conversations c ON c.id = page.id
    ORDER BY page.sorted_at DESC, page.id DESC
    """  # noqa: S608 (constants)
    for folder in FOLDERS.values()
    for top in (True, False)
}


@dataclass(frozen=True, slots=True)
class ConversationLine:
    """A conversation as one line of a folder; ``people`` are the others' names, joined by commas."""

    id: int
    subject: str | None
    people: str | None
    context_code: str | None
    context_name: str | None
    workflow_state: str
    starred: bool
    subscribed: bool
    private: bool
    message_count: int
    preview: str | None
    latest_at: str | None
    removed_at: str | None
    edited: bool


@dataclass(frozen=True, slots=True)
class FolderPage:
    """Some lines of a folder, newest first; ``next`` is the ``before`` of the page after it, if any."""

    lines: tuple[ConversationLine, ...]
    next: tuple[str, int] | None


def list_conversations(
    db: sqlite3.Connection, folder: str, limit: int = 50, before: tuple[str, int] | None = None
) -> FolderPage:
    """Return one page of a folder, newest first; ``before`` is the ``next`` of the page before it.

    Raises BadInput for an unknown folder or a limit below 1.
    """
    if folder not in FOLDERS:
        raise BadInput(f"There is no folder {folder!r}; there are {', '.join(FOLDERS)}.")
    if limit < 1:
        raise BadInput("The number of conversations to list must be at least 1.")
    rows = db.execute(_LINES[folder, before is None], (limit + 1, *(before or ()))).fetchall()
    lines = tuple(ConversationLine(*_with_truth(row[:14], (6, 7, 8, 13))) for row in rows[:limit])
    following = (rows[limit - 1][14], rows[limit - 1][0]) if len(rows) > limit else None
    return FolderPage(lines, following)


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


_THREAD = """
SELECT c.id, c.subject, c.context_code, coalesce(x.name, c.context_name), c.workflow_state, c.starred,
  c.subscribed, c.private, c.message_count, c.removed_at, c.fetched_at
FROM conversations c LEFT JOIN contexts x ON x.code = c.context_code WHERE c.id = ?
"""
_PEOPLE = """
SELECT id, name, full_name, pronouns FROM users WHERE id IN (SELECT value FROM json_each(?))
"""
_PARTICIPANTS = "SELECT user_id FROM conversation_participants WHERE conversation_id = ? ORDER BY position"
_SHOWN = """
WITH RECURSIVE shown (id) AS (
  SELECT id FROM messages WHERE conversation_id = ?1
  UNION
  SELECT f.forwarded_message_id FROM shown JOIN forwarded_messages f ON f.message_id = shown.id
)
"""
_SOME = _SHOWN.replace("?1", "?1 AND id IN (SELECT value FROM json_each(?2))")
_MESSAGES = """
SELECT m.id, m.conversation_id, m.author_id, m.created_at, m.body, m.generated, m.removed_at
FROM shown JOIN messages m ON m.id = shown.id
ORDER BY m.created_at, m.id
"""
_FILES = """
SELECT DISTINCT a.id, coalesce(a.display_name, a.filename, 'file ' || a.id), a.content_type, a.size,
  a.state, a.sha256, a.stored_size, a.error, a.url
FROM shown
CROSS JOIN message_attachments l ON l.message_id = shown.id
JOIN attachments a ON a.id = l.attachment_id
ORDER BY a.id
"""
_RECORDINGS = """
SELECT shown.id, c.media_id, c.media_type, c.display_name, c.content_type, c.url, c.state, c.sha256
FROM shown CROSS JOIN media_comments c ON c.message_id = shown.id
ORDER BY shown.id, c.media_id
"""
_RECIPIENTS = """
SELECT message_id, user_id FROM message_recipients WHERE message_id IN (SELECT value FROM json_each(?))
ORDER BY message_id, user_id
"""
_FORWARDED = """
SELECT message_id, forwarded_message_id FROM forwarded_messages
WHERE message_id IN (SELECT value FROM json_each(?)) ORDER BY message_id, position
"""
_ATTACHMENTS = """
SELECT l.message_id, a.id, coalesce(a.display_name, a.filename, 'file ' || a.id), a.content_type, a.size,
  a.state, a.sha256, a.stored_size, a.error, a.url
FROM message_attachments l JOIN attachments a ON a.id = l.attachment_id
WHERE l.message_id IN (SELECT value FROM json_each(?)) ORDER BY l.message_id, l.position
"""
_MEDIA = """
SELECT message_id, media_id, media_type, display_name, content_type, url, state, sha256
FROM media_comments
WHERE message_id IN (SELECT value FROM json_each(?)) ORDER BY message_id, media_id
"""
_EDITS = "SELECT field, value FROM edits WHERE conversation_id = ? AND state = 'pending'"


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
        found = cursor.execute(_SHOWN + _MESSAGES, (conversation_id,))
    else:
        chosen = set(only)
        found = cursor.execute(_SOME + _MESSAGES, (conversation_id, ids_json(chosen)))
    rows = {row[0]: row for row in found}
    ids = ids_json(rows)
    recipients = _grouped(cursor.execute(_RECIPIENTS, (ids,)))
    links: dict[int, list[int]] = {}
    for message_id, inner in cursor.execute(_FORWARDED, (ids,)):
        links.setdefault(message_id, []).append(inner)
    forwards = Forwards(links)
    attachments = _grouped(cursor.execute(_ATTACHMENTS, (ids,)))
    media = _grouped(cursor.execute(_MEDIA, (ids,)))
    participants = [row[0] for row in cursor.execute(_PARTICIPANTS, (conversation_id,))]
    wanted = {*participants, *(row[2] for row in rows.values())}
    wanted.update(row[0] for group in recipients.values() for row in group)
    people = {
        row[0]: ThreadPerson(row[0], row[1] or f"User {row[0]}", row[2], row[3])
        for row in cursor.execute(_PEOPLE, (ids_json(wanted),))
    }

    def build(message_id: int, above: frozenset[int]) -> ThreadMessage:
        _, _, author_id, created_at, body, generated, removed_at = rows[message_id]
        inside = above | {message_id}
        return ThreadMessage(
            message_id,
            people[author_id],
            created_at,
            body,
            bool(generated),
            removed_at,
            tuple(people[row[0]] for row in recipients.get(message_id, ())),
            tuple(StoredAttachment(*row) for row in attachments.get(message_id, ())),
            tuple(StoredMedia(*row) for row in media.get(message_id, ())),
            tuple(build(inner, inside) for inner in forwards.below(message_id, above)),
        )

    shown = [
        message_id
        for message_id, row in rows.items()
        if row[1] == conversation_id and (only is None or message_id in chosen)
    ]
    values: list[Any] = _with_truth(head, (5, 6, 7))
    values += [
        tuple(people[user_id] for user_id in participants),
        tuple(build(message_id, frozenset()) for message_id in shown),
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
    recordings = cursor.execute(_SHOWN + _RECORDINGS, (conversation_id,)).fetchall()
    return (
        tuple(StoredAttachment(*row) for row in files),
        tuple((row[0], StoredMedia(*row[1:])) for row in recordings),
    )


def _with_truth(row: Sequence[Any], positions: Iterable[int]) -> list[Any]:
    """Return a row with SQLite's 0 and 1 at these positions as False and True."""
    values = list(row)
    for position in positions:
        values[position] = bool(values[position])
    return values


def _grouped(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    groups: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        groups.setdefault(row[0], []).append(row[1:])
    return groups
