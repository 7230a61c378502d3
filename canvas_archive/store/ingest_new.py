"""Writing threads the archive has never seen, many at a time: nothing to compare, only rows to insert.

A first sync is made of these. One by one each of them costs a dozen statements, most of which ask what is
known already; here that is asked once for all of them, and every table gets its rows in one go. A thread
that meets anything known (a message that was forwarded before, a file that another thread carries, a person
or a course under two names) is left to the writer that compares.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TypeVar

from canvas_archive.model import Attachment, Conversation, Message, Participant
from canvas_archive.store import ingest_messages
from canvas_archive.store.derived_columns import settle_direct
from canvas_archive.store.ingest_people import PeopleWriter, named_in
from canvas_archive.store.insertion import Insertion
from canvas_archive.store.rows import (
    CONTENT_COLUMNS,
    FLAG_COLUMNS,
    clean,
    content_row,
    distinct_messages,
    ids_json,
    words_json,
)

_KNOWN_CONVERSATIONS = "SELECT id FROM conversations WHERE id IN (SELECT value FROM json_each(?))"
_KNOWN_MESSAGES = "SELECT id FROM messages WHERE id IN (SELECT value FROM json_each(?))"
_KNOWN_FILES = "SELECT id FROM attachments WHERE id IN (SELECT value FROM json_each(?))"
CONVERSATIONS = Insertion(
    "conversations", ("id", *FLAG_COLUMNS, *CONTENT_COLUMNS, "first_seen_at", "fetched_at")
)
_PARTICIPANTS = Insertion("conversation_participants", ("conversation_id", "user_id", "position"))
_ROLES = Insertion("conversation_contexts", ("conversation_id", "context_code", "roles"))

Key = TypeVar("Key")
Value = TypeVar("Value")
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class NewThread:
    """What one new thread brought: how many messages of its own, and the ids of its files."""

    messages: int
    attachment_ids: tuple[int, ...]


@dataclass(slots=True)
class _Rows:
    """Rows that wait to be inserted, by table, and who and what they name."""

    people: dict[int, Participant | None] = field(default_factory=dict)
    contexts: dict[str, str | None] = field(default_factory=dict)
    conversations: list[Row] = field(default_factory=list)
    participants: list[Row] = field(default_factory=list)
    roles: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    recipients: list[Row] = field(default_factory=list)
    forwarded: list[Row] = field(default_factory=list)
    files: list[Row] = field(default_factory=list)
    links: list[Row] = field(default_factory=list)
    media: list[Row] = field(default_factory=list)


class NewThreads:
    """Takes the answers that are new out of several, in their order; ``write`` inserts those taken so far.

    What is known is asked once, for all ``answers``, when this is made: between two calls nobody else may
    write other conversations than these. The caller holds the transaction. A person of whom one answer tells
    the id and a later one the name is inserted with the name.
    """

    def __init__(
        self, cursor: sqlite3.Cursor, people: PeopleWriter, answers: Sequence[Conversation], now: str
    ) -> None:
        self._cursor = cursor
        self._people = people
        self._now = now
        self._rows = _Rows()
        every = [distinct_messages(conv.messages or ()) for conv in answers]
        self._conversations = self._known(_KNOWN_CONVERSATIONS, (conv.id for conv in answers))
        self._messages = self._known(_KNOWN_MESSAGES, (id_ for unique in every for id_ in unique))
        self._files = self._known(_KNOWN_FILES, (id_ for unique in every for id_ in _files_of(unique)))

    def _known(self, query: str, ids: Iterable[int]) -> set[int]:
        wanted = ids_json(ids)
        return set() if wanted == "[]" else {row[0] for row in self._cursor.execute(query, (wanted,))}

    def take(self, conv: Conversation) -> NewThread | None:
        """Take a thread; ``None`` when it meets something known: then ``write``, and let it be compared."""
        unique = distinct_messages(conv.messages or ())
        files = _files_of(unique)
        people, contexts = named_in(conv, unique.values())
        new = (
            conv.messages is not None
            and conv.id not in self._conversations
            and self._messages.isdisjoint(unique)
            and self._files.isdisjoint(files)
            and not _disagree(self._rows.people, people)
            and not _disagree(self._rows.contexts, contexts)
        )
        self._conversations.add(conv.id)
        self._messages.update(unique)
        self._files.update(files)
        if not new:
            return None
        _learn(self._rows.people, people)
        _learn(self._rows.contexts, contexts)
        self._add_conversation(conv)
        thread = {message.id for message in conv.messages or () if message.id > 0}
        for message_id, message in unique.items():
            self._add_message(message, conv.id if message_id in thread else None)
        self._rows.files += [(id_, *ingest_messages.attachment_row(file)) for id_, file in files.items()]
        return NewThread(len(thread), tuple(files))

    def _add_conversation(self, conv: Conversation) -> None:
        rows = self._rows
        flags = (int(conv.starred), conv.workflow_state, int(conv.subscribed))
        rows.conversations.append((conv.id, *flags, *flags, *content_row(conv), self._now, self._now))
        positions = {person.id: at for at, person in enumerate(conv.participants)}
        rows.participants += [(conv.id, user_id, at) for user_id, at in positions.items()]
        given = conv.audience_contexts.items()
        roles = {clean(code) or "": words_json(tuple(words)) for code, words in given}
        rows.roles += [(conv.id, code, words) for code, words in roles.items()]

    def _add_message(self, message: Message, home: int | None) -> None:
        id_, rows = message.id, self._rows
        rows.messages.append(ingest_messages.message_row(message, home, self._now))
        rows.recipients += zip(repeat(id_), dict.fromkeys(message.participating_user_ids))
        if message.forwarded_messages:
            inner = {one.id: at for at, one in enumerate(message.forwarded_messages) if one.id > 0}
            rows.forwarded += [(id_, other, at) for other, at in inner.items()]
        if message.attachments:
            links = {file.id: at for at, file in enumerate(message.attachments)}
            rows.links += [(id_, file_id, at) for file_id, at in links.items()]
        if message.media_comment is not None:
            media = message.media_comment
            rows.media.append((id_, media.media_id, *ingest_messages.media_row(media)))

    def write(self) -> None:
        """Insert what was taken, in the order that foreign keys want, and forget it."""
        rows, self._rows = self._rows, _Rows()
        if not rows.conversations:
            return
        self._people.save(rows.people, rows.contexts, self._now, whole=True)
        CONVERSATIONS.run(self._cursor, rows.conversations)
        # In the order of their keys, where a table has no other: the next row goes beside the last one.
        _PARTICIPANTS.run(self._cursor, sorted(rows.participants))
        settle_direct(self._cursor, (row[0] for row in rows.conversations))  # type: ignore[misc]
        _ROLES.run(self._cursor, rows.roles)
        ingest_messages.MESSAGES.run(self._cursor, rows.messages)
        ingest_messages.RECIPIENTS.run(self._cursor, sorted(rows.recipients))
        ingest_messages.FORWARDED.run(self._cursor, rows.forwarded)
        ingest_messages.ATTACHMENTS.run(self._cursor, rows.files)
        ingest_messages.LINKS.run(self._cursor, rows.links)
        ingest_messages.MEDIA.run(self._cursor, rows.media)


def _files_of(unique: Mapping[int, Message]) -> dict[int, Attachment]:
    return {file.id: file for message in unique.values() for file in message.attachments}


def _disagree(known: Mapping[Key, Value | None], told: Mapping[Key, Value | None]) -> bool:
    """Return whether two answers say different things of the same key; ``None`` says nothing."""
    return any(
        value is not None and (before := known.get(key)) is not None and before != value
        for key, value in told.items()
    )


def _learn(known: dict[Key, Value | None], told: Mapping[Key, Value | None]) -> None:
    known.update((key, value) for key, value in told.items() if value is not None or key not in known)
