"""Writing the messages of one conversation, and what hangs on them.

Nothing is deleted here: a message that a whole answer no longer has gets ``removed_at``; recipients,
attachments and forwarded messages only ever grow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from canvas_archive.model import Attachment, MediaComment, Message
from canvas_archive.store.insertion import Insertion
from canvas_archive.store.revisions import RevisionLog, changed_columns
from canvas_archive.store.rows import clean, ids_json, to_json

_STORED = """
SELECT id, conversation_id, author_id, created_at, body, generated, extra, removed_at FROM messages
WHERE id IN (SELECT value FROM json_each(?)) OR conversation_id = ?
"""
_UPDATE = """
UPDATE messages SET conversation_id = ?, author_id = ?, created_at = ?, body = ?, generated = ?, extra = ?,
  removed_at = ?
WHERE id = ?
"""
_REMOVE = "UPDATE messages SET removed_at = ? WHERE id = ?"
_RECIPIENTS = """
SELECT message_id, user_id FROM message_recipients WHERE message_id IN (SELECT value FROM json_each(?))
"""
_FORWARDED = """
SELECT message_id, forwarded_message_id, position FROM forwarded_messages
WHERE message_id IN (SELECT value FROM json_each(?))
"""
_SET_FORWARDED = """
INSERT INTO forwarded_messages (message_id, forwarded_message_id, position) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET position = excluded.position
"""
_LINKS = """
SELECT message_id, attachment_id, position FROM message_attachments
WHERE message_id IN (SELECT value FROM json_each(?))
"""
_SET_LINK = """
INSERT INTO message_attachments (message_id, attachment_id, position) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET position = excluded.position
"""
_ATTACHMENTS = """
SELECT id, display_name, filename, content_type, size, created_at, url, extra FROM attachments
WHERE id IN (SELECT value FROM json_each(?))
"""
_UPDATE_ATTACHMENT = """
UPDATE attachments SET display_name = ?, filename = ?, content_type = ?, size = ?, created_at = ?, url = ?,
  extra = ?
WHERE id = ?
"""
_MEDIA = """
SELECT message_id, media_id, media_type, display_name, content_type, url FROM media_comments
WHERE message_id IN (SELECT value FROM json_each(?))
"""
_SET_MEDIA = """
INSERT INTO media_comments (message_id, media_id, media_type, display_name, content_type, url)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET media_type = excluded.media_type, display_name = excluded.display_name,
  content_type = excluded.content_type, url = excluded.url
"""
_UNSEALED = "SELECT EXISTS (SELECT 1 FROM seal_queue WHERE kind = 'messages' AND key = ?)"
_QUEUE = "INSERT INTO index_queue (message_id) VALUES (?)"

_COLUMNS = ("conversation_id", "author_id", "created_at", "body", "generated", "extra", "removed_at")
_BODY, _REMOVED = 3, 6
_ATTACHMENT_COLUMNS = ("display_name", "filename", "content_type", "size", "created_at", "url", "extra")
_MEDIA_COLUMNS = ("media_type", "display_name", "content_type", "url")

MESSAGES = Insertion(
    "messages",
    ("id", "conversation_id", "author_id", "created_at", "body", "generated", "extra", "first_seen_at"),
)
RECIPIENTS = Insertion("message_recipients", ("message_id", "user_id"))
FORWARDED = Insertion("forwarded_messages", ("message_id", "forwarded_message_id", "position"))
ATTACHMENTS = Insertion("attachments", ("id", *_ATTACHMENT_COLUMNS))
LINKS = Insertion("message_attachments", ("message_id", "attachment_id", "position"))
MEDIA = Insertion("media_comments", ("message_id", "media_id", *_MEDIA_COLUMNS))


@dataclass(slots=True)
class Written:
    """What writing the messages of one answer did."""

    new_messages: int = 0
    changed: bool = False
    new_attachment_ids: list[int] = field(default_factory=list)


def save_messages(
    cursor: sqlite3.Cursor,
    log: RevisionLog,
    conversation_id: int,
    unique: Mapping[int, Message],
    thread: set[int],
    now: str,
    *,
    whole: bool,
) -> Written:
    """Write the messages of an answer, forwarded ones included; ``thread`` are the ids of the thread's own.

    ``whole`` means that what the answer lacks is gone from Canvas. Authors, recipients and the conversation
    must have rows already.
    """
    stored = {row[0]: row[1:] for row in cursor.execute(_STORED, (ids_json(unique), conversation_id))}
    written = Written()
    _write_messages(cursor, log, written, conversation_id, unique, thread, stored, now)
    if whole:
        gone = [
            message_id
            for message_id, row in stored.items()
            if row[0] == conversation_id and message_id not in thread and row[_REMOVED] is None
        ]
        mark_removed(cursor, log, gone, now)
        written.changed |= bool(gone)
    known = ids_json(message_id for message_id in unique if message_id in stored)
    _write_recipients(cursor, log, written, unique, stored, known, thread, now)
    _write_forwarded(cursor, log, written, unique, stored, known, now)
    _write_attachments(cursor, log, written, unique, stored, known, now)
    _write_media(cursor, log, written, unique, stored, known, now)
    return written


def _write_messages(
    cursor: sqlite3.Cursor,
    log: RevisionLog,
    written: Written,
    conversation_id: int,
    unique: Mapping[int, Message],
    thread: set[int],
    stored: dict[int, tuple[object, ...]],
    now: str,
) -> None:
    inserts: list[tuple[object, ...]] = []
    for message_id, message in unique.items():
        own = message_id in thread
        fresh = message_row(message, conversation_id if own else None, now)
        known = stored.get(message_id)
        if known is None:
            inserts.append(fresh)
            written.new_messages += own
            continue
        _, home, author_id, created_at, body, generated, extra, _ = fresh
        kept: tuple[object, ...] = (
            known[0] if home is None else home,
            author_id,
            created_at,
            # Canvas words its own lines anew for every reader and language: the first wording stays.
            known[_BODY] if generated else body,
            generated,
            extra,
            None if own else known[_REMOVED],
        )
        if kept == known:
            continue
        cursor.execute(_UPDATE, (*kept, message_id))
        before, after = changed_columns(
            dict(zip(_COLUMNS, known, strict=True)), dict(zip(_COLUMNS, kept, strict=True))
        )
        if known[0] is None and own:
            # A message known as a forwarded copy has come home: new to its thread. When no seal says
            # otherwise yet (both came in one sync), that is how it was from the start.
            written.new_messages += 1
            written.changed = True
            if cursor.execute(_UNSEALED, (message_id,)).fetchone()[0]:
                del before["conversation_id"], after["conversation_id"]
        if after:
            log.add("messages", message_id, now, before, after)
            written.changed = True
    if inserts:
        MESSAGES.run(cursor, inserts)
        written.changed = True


def message_row(message: Message, home: int | None, now: str) -> tuple[object, ...]:
    """Return the values of ``MESSAGES`` for one message; ``home`` is its conversation, where known."""
    return (
        message.id,
        home,
        message.author_id,
        message.created_at,
        clean(message.body),
        int(message.generated),
        to_json(message.extra),
        now,
    )


def mark_removed(cursor: sqlite3.Cursor, log: RevisionLog, message_ids: Iterable[int], now: str) -> None:
    """Note that messages are gone from Canvas; they are kept."""
    for message_id in message_ids:
        cursor.execute(_REMOVE, (now, message_id))
        log.add("messages", message_id, now, {"removed_at": None}, {"removed_at": now})


def _write_recipients(
    cursor: sqlite3.Cursor,
    log: RevisionLog,
    written: Written,
    unique: Mapping[int, Message],
    stored: dict[int, tuple[object, ...]],
    known: str,
    thread: set[int],
    now: str,
) -> None:
    have = set(cursor.execute(_RECIPIENTS, (known,))) if known != "[]" else set()
    missing = {
        (message_id, user_id): None
        for message_id, message in unique.items()
        for user_id in message.participating_user_ids
        if (message_id, user_id) not in have
    }
    if not missing:
        return
    RECIPIENTS.run(cursor, list(missing))
    grown = {message_id for message_id, _ in missing if message_id in stored}
    if grown:
        _log_growth(log, "recipients", have, (pair for pair in missing if pair[0] in grown), now)
        written.changed = True
        # The search document lists the recipients, and no trigger watches them.
        queued = [
            (message_id,) for message_id in sorted(grown) if stored[message_id][0] or message_id in thread
        ]
        cursor.executemany(_QUEUE, queued)


def _write_forwarded(
    cursor: sqlite3.Cursor,
    log: RevisionLog,
    written: Written,
    unique: Mapping[int, Message],
    stored: Collection[int],
    known: str,
    now: str,
) -> None:
    rows = {
        (message_id, inner.id): position
        for message_id, message in unique.items()
        for position, inner in enumerate(message.forwarded_messages)
        if inner.id > 0
    }
    if rows:
        have = _positions(cursor, _FORWARDED, known)
        differing = [(*key, position) for key, position in rows.items() if have.get(key) != position]
        cursor.executemany(_SET_FORWARDED, differing)
        new = rows.keys() - have.keys()
        _log_growth(log, "forwarded_messages", have, (key for key in new if key[0] in stored), now)
        written.changed |= bool(new)


def _write_attachments(
    cursor: sqlite3.Cursor,
    log: RevisionLog,
    written: Written,
    unique: Mapping[int, Message],
    stored: Collection[int],
    known: str,
    now: str,
) -> None:
    files = {file.id: file for message in unique.values() for file in message.attachments}
    if not files:
        return
    known_files = {row[0]: row[1:] for row in cursor.execute(_ATTACHMENTS, (ids_json(files),))}
    for file_id, file in files.items():
        fresh = attachment_row(file)
        old = known_files.get(file_id)
        if old is None:
            ATTACHMENTS.run(cursor, [(file_id, *fresh)])
            written.new_attachment_ids.append(file_id)
            continue
        # A locked file comes with an empty address; the last one known is still worth trying.
        kept = tuple(was if new in (None, "", "{}") else new for was, new in zip(old, fresh, strict=True))
        if kept != old:
            cursor.execute(_UPDATE_ATTACHMENT, (*kept, file_id))
            before, after = changed_columns(
                dict(zip(_ATTACHMENT_COLUMNS, old, strict=True)),
                dict(zip(_ATTACHMENT_COLUMNS, kept, strict=True)),
            )
            before.pop("url", None)
            after.pop("url", None)
            _log_lasting(log, "attachments", file_id, now, before, after, written)
    links = {
        (message_id, file.id): position
        for message_id, message in unique.items()
        for position, file in enumerate(message.attachments)
    }
    have = _positions(cursor, _LINKS, known)
    cursor.executemany(_SET_LINK, [(*key, at) for key, at in links.items() if have.get(key) != at])
    new = links.keys() - have.keys()
    _log_growth(log, "attachments", have, (key for key in new if key[0] in stored), now)
    written.changed |= bool(new)


def _log_growth(
    log: RevisionLog, column: str, have: Iterable[tuple[int, int]], new: Iterable[tuple[int, int]], now: str
) -> None:
    """Record that lists of messages known before have become longer; pairs of message and what it has."""
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for message_id, other in new:
        after.setdefault(message_id, []).append(other)
    if not after:
        return
    for message_id, other in have:
        before.setdefault(message_id, []).append(other)
    for message_id, others in sorted(after.items()):
        known = sorted(before.get(message_id, ()))
        log.add("messages", message_id, now, {column: known}, {column: sorted([*known, *others])})


def _positions(cursor: sqlite3.Cursor, query: str, known: str) -> dict[tuple[int, int], int]:
    return {} if known == "[]" else {row[:2]: row[2] for row in cursor.execute(query, (known,))}


def attachment_row(file: Attachment) -> tuple[object, ...]:
    """Return the values of an attachment's columns as Canvas gave them."""
    return (
        clean(file.display_name),
        clean(file.filename),
        clean(file.content_type),
        file.size,
        file.created_at,
        clean(file.url),
        to_json(file.extra),
    )


def media_row(media: MediaComment) -> tuple[object, ...]:
    """Return the values of a recording's columns as Canvas gave them."""
    return media.media_type, clean(media.display_name), media.content_type, clean(media.url)


def _write_media(
    cursor: sqlite3.Cursor,
    log: RevisionLog,
    written: Written,
    unique: Mapping[int, Message],
    stored: Collection[int],
    known: str,
    now: str,
) -> None:
    comments = {
        (message_id, message.media_comment.media_id): message.media_comment
        for message_id, message in unique.items()
        if message.media_comment is not None
    }
    if not comments:
        return
    have = {row[:2]: row[2:] for row in cursor.execute(_MEDIA, (known,))}
    for key, media in comments.items():
        fresh = media_row(media)
        old = have.get(key)
        if fresh == old:
            continue
        cursor.execute(_SET_MEDIA, (*key, *fresh))
        row_id, lasting = f"{key[0]}/{key[1]}", dict(zip(_MEDIA_COLUMNS[:3], fresh, strict=False))
        if old is None:
            written.changed = True
            if key[0] in stored:
                log.add("media_comments", row_id, now, {}, lasting)
            continue
        before, after = changed_columns(dict(zip(_MEDIA_COLUMNS[:3], old, strict=False)), lasting)
        _log_lasting(log, "media_comments", row_id, now, before, after, written)


def _log_lasting(
    log: RevisionLog,
    table: str,
    row_id: object,
    now: str,
    before: dict[str, object],
    after: dict[str, object],
    written: Written,
) -> None:
    if after:
        log.add(table, row_id, now, before, after)
        written.changed = True
