"""Writing the messages of one conversation, and what hangs on them.

Nothing is deleted here: a message that a whole answer no longer has gets ``removed_at``; recipients,
attachments and forwarded messages only ever grow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
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


@dataclass(frozen=True, slots=True)
class _Links:
    """A table of what hangs on messages, in an order: the name it has in revisions, and its statements."""

    name: str
    stored: str
    write: str

    @classmethod
    def of(cls, name: str, table: str, column: str) -> _Links:
        """Return the links of a table (constants of this module)."""
        return cls(
            name,
            f"SELECT message_id, {column}, position FROM {table} "  # noqa: S608 (constants)
            "WHERE message_id IN (SELECT value FROM json_each(?))",
            f"INSERT INTO {table} (message_id, {column}, position) VALUES (?, ?, ?) "  # noqa: S608 (constants)
            "ON CONFLICT DO UPDATE SET position = excluded.position",
        )


_FORWARDED_LINKS = _Links.of("forwarded_messages", "forwarded_messages", "forwarded_message_id")
_FILE_LINKS = _Links.of("attachments", "message_attachments", "attachment_id")


@dataclass(slots=True)
class MessagesSaved:
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
) -> MessagesSaved:
    """Write the messages of an answer, forwarded ones included; ``thread`` are the ids of the thread's own.

    ``whole`` means that what the answer lacks is gone from Canvas. Authors, recipients and the conversation
    must have rows already.
    """
    answer = _Answer(cursor, log, conversation_id, unique, thread, now)
    answer.write_messages()
    if whole:
        answer.remove_the_rest()
    answer.write_recipients()
    answer.write_forwarded()
    answer.write_attachments()
    answer.write_media()
    return answer.written


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


def mark_removed(cursor: sqlite3.Cursor, log: RevisionLog, message_ids: Iterable[int], now: str) -> None:
    """Note that messages are gone from Canvas; they are kept."""
    for message_id in message_ids:
        cursor.execute(_REMOVE, (now, message_id))
        log.add("messages", message_id, now, {"removed_at": None}, {"removed_at": now})


class _Answer:
    """The messages of one answer on their way into the tables, beside what is stored of them already."""

    def __init__(
        self,
        cursor: sqlite3.Cursor,
        log: RevisionLog,
        conversation_id: int,
        unique: Mapping[int, Message],
        thread: set[int],
        now: str,
    ) -> None:
        self._cursor = cursor
        self._log = log
        self._conversation_id = conversation_id
        self._unique = unique
        self._thread = thread
        self._now = now
        found = cursor.execute(_STORED, (ids_json(unique), conversation_id))
        self._stored: dict[int, tuple[object, ...]] = {row[0]: row[1:] for row in found}
        # The messages that are known: new ones have nothing yet that could be looked up.
        self._known = [message_id for message_id in unique if message_id in self._stored]
        self._known_json = ids_json(self._known)
        self.written = MessagesSaved()

    def write_messages(self) -> None:
        """Insert what is new, and update what Canvas tells otherwise."""
        written = self.written
        inserts: list[tuple[object, ...]] = []
        for message_id, message in self._unique.items():
            own = message_id in self._thread
            fresh = message_row(message, self._conversation_id if own else None, self._now)
            known = self._stored.get(message_id)
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
            if kept != known:
                self._update_message(message_id, known, kept, own=own)
        if inserts:
            MESSAGES.run(self._cursor, inserts)
            written.changed = True

    def _update_message(
        self, message_id: int, known: tuple[object, ...], kept: tuple[object, ...], *, own: bool
    ) -> None:
        self._cursor.execute(_UPDATE, (*kept, message_id))
        before, after = changed_columns(
            dict(zip(_COLUMNS, known, strict=True)), dict(zip(_COLUMNS, kept, strict=True))
        )
        if known[0] is None and own:
            # A message known as a forwarded copy has come home. That is new to its thread, and replaces
            # nothing.
            self.written.new_messages += 1
            self.written.changed = True
            del before["conversation_id"], after["conversation_id"]
        self._record("messages", message_id, before, after)

    def remove_the_rest(self) -> None:
        """Mark the messages of the thread that a whole answer lacks as gone from Canvas."""
        gone = [
            message_id
            for message_id, row in self._stored.items()
            if row[0] == self._conversation_id and message_id not in self._thread and row[_REMOVED] is None
        ]
        mark_removed(self._cursor, self._log, gone, self._now)
        self.written.changed |= bool(gone)

    def write_recipients(self) -> None:
        """Insert the recipients that are new; none is ever taken away."""
        have = set(self._cursor.execute(_RECIPIENTS, (self._known_json,))) if self._known else set()
        missing = {
            (message_id, user_id): None
            for message_id, message in self._unique.items()
            for user_id in message.participating_user_ids
            if (message_id, user_id) not in have
        }
        if not missing:
            return
        RECIPIENTS.run(self._cursor, list(missing))
        grown = self._log_growth("recipients", have, missing)
        if grown:
            self.written.changed = True
            # The search document lists the recipients, and no trigger watches them.
            queued = [
                (message_id,)
                for message_id in grown
                if self._stored[message_id][0] or message_id in self._thread
            ]
            self._cursor.executemany(_QUEUE, queued)

    def write_forwarded(self) -> None:
        """Note which messages carry which others."""
        self._write_links(
            _FORWARDED_LINKS,
            {
                (message_id, inner.id): position
                for message_id, message in self._unique.items()
                for position, inner in enumerate(message.forwarded_messages)
                if inner.id > 0
            },
        )

    def write_attachments(self) -> None:
        """Write the files, and which messages carry them."""
        files = {file.id: file for message in self._unique.values() for file in message.attachments}
        if not files:
            return
        known = {row[0]: row[1:] for row in self._cursor.execute(_ATTACHMENTS, (ids_json(files),))}
        for file_id, file in files.items():
            fresh, old = attachment_row(file), known.get(file_id)
            if old is None:
                ATTACHMENTS.run(self._cursor, [(file_id, *fresh)])
                self.written.new_attachment_ids.append(file_id)
                continue
            # A locked file comes with an empty address; the last one known is still worth trying.
            kept = tuple(was if new in (None, "", "{}") else new for was, new in zip(old, fresh, strict=True))
            if kept != old:
                self._cursor.execute(_UPDATE_ATTACHMENT, (*kept, file_id))
                before, after = changed_columns(
                    dict(zip(_ATTACHMENT_COLUMNS, old, strict=True)),
                    dict(zip(_ATTACHMENT_COLUMNS, kept, strict=True)),
                )
                before.pop("url", None)
                after.pop("url", None)
                self._record("attachments", file_id, before, after)
        self._write_links(
            _FILE_LINKS,
            {
                (message_id, file.id): position
                for message_id, message in self._unique.items()
                for position, file in enumerate(message.attachments)
            },
        )

    def write_media(self) -> None:
        """Write the recordings."""
        comments = {
            (message_id, message.media_comment.media_id): message.media_comment
            for message_id, message in self._unique.items()
            if message.media_comment is not None
        }
        if not comments:
            return
        have = {row[:2]: row[2:] for row in self._cursor.execute(_MEDIA, (self._known_json,))}
        for key, media in comments.items():
            fresh, old = media_row(media), have.get(key)
            if fresh == old:
                continue
            self._cursor.execute(_SET_MEDIA, (*key, *fresh))
            row_id, lasting = f"{key[0]}/{key[1]}", dict(zip(_MEDIA_COLUMNS[:3], fresh, strict=False))
            if old is None:
                self.written.changed = True
                if key[0] in self._stored:
                    self._log.add("media_comments", row_id, self._now, {}, lasting)
                continue
            before, after = changed_columns(dict(zip(_MEDIA_COLUMNS[:3], old, strict=False)), lasting)
            self._record("media_comments", row_id, before, after)

    def _write_links(self, links: _Links, rows: Mapping[tuple[int, int], int]) -> None:
        """Write what hangs on messages in an order: pairs of message and what it has, with the position."""
        if not rows:
            return
        have: dict[tuple[int, int], int] = {}
        if self._known:
            found = self._cursor.execute(links.stored, (self._known_json,))
            have = {(message_id, other): position for message_id, other, position in found}
        differing = [(*pair, position) for pair, position in rows.items() if have.get(pair) != position]
        self._cursor.executemany(links.write, differing)
        new = rows.keys() - have.keys()
        self._log_growth(links.name, have, new)
        self.written.changed |= bool(new)

    def _log_growth(
        self, column: str, have: Iterable[tuple[int, int]], new: Iterable[tuple[int, int]]
    ) -> list[int]:
        """Record that lists of messages known before have become longer; return these messages."""
        before: dict[int, list[int]] = {}
        after: dict[int, list[int]] = {}
        for message_id, other in new:
            if message_id in self._stored:
                after.setdefault(message_id, []).append(other)
        if not after:
            return []
        for message_id, other in have:
            before.setdefault(message_id, []).append(other)
        grown = sorted(after)
        for message_id in grown:
            known = sorted(before.get(message_id, ()))
            whole = sorted([*known, *after[message_id]])
            self._log.add("messages", message_id, self._now, {column: known}, {column: whole})
        return grown

    def _record(
        self, table: str, row_id: object, before: dict[str, object], after: dict[str, object]
    ) -> None:
        """Record what was replaced, if that is anything to record."""
        if after:
            self._log.add(table, row_id, self._now, before, after)
            self.written.changed = True
