"""Counts for people to read: who wrote how much, in which course, in which year; and the attached files."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.derived_columns import COURSE_KEY

_PEOPLE = """
SELECT u.id, coalesce(u.full_name, u.name, 'User ' || u.id) AS called, n, latest FROM (
  SELECT author_id, count(*) AS n, max(created_at) AS latest FROM messages
  WHERE conversation_id IS NOT NULL AND generated = 0 GROUP BY author_id
) JOIN users u ON u.id = author_id
WHERE u.id IS NOT (SELECT coalesce(as_user_id, user_id) FROM account)
ORDER BY n DESC, u.id
"""
_COURSES = f"""
SELECT max(coalesce(c.course, nullif(c.context_code, ''))),
  coalesce(max(x.name), max(nullif(c.context_name, '')), c.context_code), count(*),
  sum(c.workflow_state = 'unread' AND c.removed_at IS NULL), max(c.latest_at)
FROM conversations c LEFT JOIN contexts x ON x.code = c.course
WHERE {COURSE_KEY} IS NOT NULL GROUP BY {COURSE_KEY} ORDER BY count(*) DESC, {COURSE_KEY}
"""  # noqa: S608 (constants)
_YEARS = """
SELECT substr(created_at, 1, 4), count(*) FROM messages
WHERE conversation_id IS NOT NULL AND generated = 0 GROUP BY 1 ORDER BY 1 DESC
"""
_FILES = """
SELECT m.conversation_id, m.id, a.id, coalesce(a.display_name, a.filename, 'file'), a.size, a.state, a.sha256,
  m.created_at
FROM message_attachments l JOIN messages m ON m.id = l.message_id JOIN attachments a ON a.id = l.attachment_id
WHERE m.conversation_id IS NOT NULL AND (:conversation IS NULL OR m.conversation_id = :conversation)
ORDER BY m.created_at DESC, m.id DESC, l.position
"""


@dataclass(frozen=True, slots=True)
class PersonTally:
    """How many messages a person wrote, and when the last one."""

    id: int
    name: str
    messages: int
    latest_at: str


@dataclass(frozen=True, slots=True)
class CourseTally:
    """How many conversations a course or group has, how many are unread, and when the last message came.

    ``code`` is ``None`` for one that Canvas gave no code for, and whose name belongs to none or to several.
    """

    code: str | None
    name: str
    conversations: int
    unread: int
    latest_at: str | None


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """One attached file of a conversation. ``size`` in bytes."""

    conversation_id: int
    message_id: int
    id: int
    name: str
    size: int | None
    state: str
    sha256: str | None
    created_at: str


def people_by_messages(db: sqlite3.Connection, part: str = "") -> list[PersonTally]:
    """Return everybody but the owner who wrote, most messages first; ``part`` of a name narrows it."""
    rows = plain_cursor(db).execute(_PEOPLE).fetchall()
    wanted = part.casefold()
    return [PersonTally(*row) for row in rows if wanted in row[1].casefold()]


def courses_by_conversations(db: sqlite3.Connection) -> list[CourseTally]:
    """Return every course and group with mail, most conversations first."""
    return [CourseTally(*row) for row in plain_cursor(db).execute(_COURSES)]


def messages_by_year(db: sqlite3.Connection) -> list[tuple[str, int]]:
    """Return how many messages were written in each year (UTC), the last year first."""
    return [(str(year), count) for year, count in plain_cursor(db).execute(_YEARS)]


def attached_files(db: sqlite3.Connection, conversation_id: int | None = None) -> Sequence[AttachedFile]:
    """Return the attached files of one conversation, or of all, newest first."""
    rows = plain_cursor(db).execute(_FILES, {"conversation": conversation_id})
    return [AttachedFile(*row) for row in rows]
