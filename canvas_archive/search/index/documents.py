"""What the index holds of each message, read from the archive's tables.

One document per message that belongs to a conversation; lines that Canvas generated ("X was added") are
left out. Removed messages stay.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from canvas_archive.machine import machine_trouble
from canvas_archive.search.index.schema import ATTACHMENT, FILE_TEXT, FORWARDED, HAS, LINK, MEDIA
from canvas_archive.store.connection import bad_text_replaced
from canvas_archive.store.derived_columns import COURSE_KEY

# To how many people a message may have gone for their names to be found without to:.
FEW_RECIPIENTS = 5

_BATCH = 1000
_LINK = re.compile(r"https?://|\bwww\.", re.IGNORECASE)

IDS = """
SELECT id FROM messages
WHERE conversation_id IS NOT NULL AND generated = 0 AND id BETWEEN ? AND ? ORDER BY id
"""
_BELONGING = """
SELECT id FROM messages
WHERE id IN (SELECT value FROM json_each(?)) AND conversation_id IS NOT NULL AND generated = 0 ORDER BY id
"""
_MESSAGES = f"""
SELECT m.id, m.conversation_id, m.author_id, CAST(strftime('%s', m.created_at) AS INTEGER), m.body,
       c.subject, {COURSE_KEY}, coalesce(x.name, c.context_name), x.course_code,
       EXISTS (SELECT 1 FROM media_comments k WHERE k.message_id = m.id),
       EXISTS (SELECT 1 FROM forwarded_messages f WHERE f.message_id = m.id)
FROM messages m
JOIN conversations c ON c.id = m.conversation_id
LEFT JOIN contexts x ON x.code = c.course
WHERE m.id IN (SELECT value FROM json_each(?)) AND m.generated = 0
ORDER BY m.id
"""  # noqa: S608 (constants)
_RECIPIENTS = """
SELECT message_id, group_concat(user_id, ' ') FROM message_recipients
WHERE message_id IN (SELECT value FROM json_each(?)) GROUP BY message_id
"""
_FILES = """
SELECT f.message_id, a.display_name, a.filename, t.text
FROM message_attachments f
JOIN attachments a ON a.id = f.attachment_id
LEFT JOIN attachment_texts t ON t.sha256 = a.sha256
WHERE f.message_id IN (SELECT value FROM json_each(?)) ORDER BY f.message_id, f.position
"""
_NAMES = "SELECT id, name, full_name FROM users WHERE id IN (SELECT value FROM json_each(?))"
_OWNER = "SELECT coalesce(as_user_id, user_id) FROM account"


@dataclass(slots=True)
class Document:
    """One message as the index sees it.

    ``written`` is in seconds since 1970, ``course`` the key of a course.
    """

    message_id: int
    conversation_id: int
    author_id: int
    written: int
    body: str
    subject: str
    author: str
    course: str | None
    context_name: str
    recipient_ids: list[str]
    recipients: str
    file_names: list[str]
    attached_text: str
    carries: int

    @property
    def has(self) -> list[str]:
        """Return what the message carries, by the names of ``has:``; ``text`` for text within files."""
        names = [name for name, bit in HAS.items() if self.carries & bit]
        return [*names, "text"] if self.carries & FILE_TEXT else names


def message_ids(db: sqlite3.Connection, first: int = -(2**63), last: int = 2**63 - 1) -> list[int]:
    """Return the ids of all messages that belong in the index, ascending."""
    return [row[0] for row in db.execute(IDS, (first, last))]


def read_documents(db: sqlite3.Connection, ids: Sequence[int], skipped: list[int]) -> Iterator[Document]:
    """Yield these messages' documents by ascending id; what does not belong in the index is left out.

    The ids of messages that belong there but cannot be read are added to ``skipped``: a damaged row costs its
    own message only.
    """
    reader = _Reader(db)
    for at in range(0, len(ids), _BATCH):
        batch = sorted(ids[at : at + _BATCH])
        try:
            found = list(reader.batch(batch))
        except Exception as error:
            # Whatever a damaged row raises (text that is not UTF-8, a value of another type), find the row.
            if isinstance(error, (OSError, MemoryError)) or machine_trouble(error) is not None:
                raise
            found = list(_one_by_one(db, reader, batch))
        yield from found
        if len(found) < len(batch):
            skipped += _left_out(db, batch, {document.message_id for document in found})


def _one_by_one(db: sqlite3.Connection, reader: _Reader, ids: Sequence[int]) -> Iterator[Document]:
    with bad_text_replaced(db):
        for message_id in ids:
            with suppress(Exception):
                yield from reader.batch([message_id])


def _left_out(db: sqlite3.Connection, ids: Sequence[int], found: set[int]) -> list[int]:
    """Return which messages belong in the index and were not found."""
    missing = [message_id for message_id in ids if message_id not in found]
    return [row[0] for row in db.execute(_BELONGING, (json.dumps(missing),))]


class _Reader:
    """Reads batches, remembering the names it has met."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._names: dict[str, str] = {}
        row = db.execute(_OWNER).fetchone()
        self._owner = str(row[0]) if row else ""

    def batch(self, ids: Sequence[int]) -> Iterator[Document]:
        wanted = json.dumps(ids)
        recipients = {row[0]: row[1].split(" ") for row in self._db.execute(_RECIPIENTS, (wanted,))}
        files: dict[int, list[tuple[str | None, str | None, str | None]]] = {}
        for message_id, display_name, filename, text in self._db.execute(_FILES, (wanted,)):
            files.setdefault(message_id, []).append((display_name, filename, text))
        rows = [tuple(row) for row in self._db.execute(_MESSAGES, (wanted,))]
        self._learn_names({str(row[2]) for row in rows}, recipients.values())
        for row in rows:
            yield self._document(row, recipients.get(row[0], []), files.get(row[0], []))

    def _learn_names(self, authors: set[str], recipients: Iterable[list[str]]) -> None:
        unknown = authors.union(*(listed for listed in recipients if len(listed) <= FEW_RECIPIENTS + 2))
        unknown.difference_update(self._names)
        if unknown:
            wanted = json.dumps(sorted(map(int, unknown)))
            for user_id, name, full_name in self._db.execute(_NAMES, (wanted,)):
                parts = [part for part in (name, full_name) if part]
                self._names[str(user_id)] = " ".join(dict.fromkeys(" ".join(parts).split()))

    def _document(
        self,
        row: tuple[int | str | None, ...],
        recipients: list[str],
        files: list[tuple[str | None, str | None, str | None]],
    ) -> Document:
        (
            message_id,
            conversation_id,
            author_id,
            written,
            body,
            subject,
            code,
            context,
            course_code,
            media,
            forwards,
        ) = row
        author = str(author_id)
        others = [user_id for user_id in recipients if user_id != author]
        few = [user_id for user_id in others if user_id != self._owner]
        named = len(few) <= FEW_RECIPIENTS
        text = "\n".join([text for _, _, text in files if text]) if files else ""
        carries = (
            (ATTACHMENT if files else 0)
            | (MEDIA if media else 0)
            | (FORWARDED if forwards else 0)
            | (FILE_TEXT if text else 0)
            | (LINK if _has_link(body) else 0)  # type: ignore[arg-type]
        )
        return Document(
            message_id, conversation_id, author_id, written or 0, body, subject or "",  # type: ignore[arg-type]
            self._names.get(author, ""), code, " ".join(filter(None, (context, course_code))),  # type: ignore[arg-type]
            others, " ".join([self._names.get(user_id, "") for user_id in few]) if named else "",
            [name for names in files for name in _file_names(*names[:2])], text, carries,
        )  # fmt: skip


def _has_link(body: str) -> bool:
    """Return whether the text has a web address. Most have none, which is seen before the slow expression."""
    return ("://" in body or "www." in body.lower()) and _LINK.search(body) is not None


def _file_names(display_name: str | None, filename: str | None) -> list[str]:
    """Return a file's names, once if both say the same."""
    names = [name for name in (display_name, (filename or "").replace("+", " ")) if name]
    return list(dict.fromkeys(names))
