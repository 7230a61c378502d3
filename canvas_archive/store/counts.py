"""How much an archive holds, answered from indexes alone; ``status`` must not wait for a million rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from canvas_archive.store.connection import plain_cursor


@dataclass(frozen=True, slots=True)
class ArchiveCounts:
    """How much an archive holds; ``messages`` are in threads, ``forwarded_only`` known as copies alone."""

    conversations: int
    removed_conversations: int
    unread: int
    unfetched: int
    messages: int
    removed_messages: int
    forwarded_only: int
    people: int
    contexts: int
    attachments: Mapping[str, int]
    media: Mapping[str, int]
    pending_edits: int
    undone_edits: int
    problems: int
    revisions: int


_COUNTS = """
SELECT
  (SELECT count(*) FROM conversations),
  (SELECT count(*) FROM conversations WHERE removed_at IS NOT NULL),
  (SELECT count(*) FROM conversations WHERE workflow_state = 'unread')
    - (SELECT count(*) FROM conversations WHERE +workflow_state = 'unread' AND removed_at IS NOT NULL),
  (SELECT count(*) FROM conversations WHERE fetched_at IS NULL),
  (SELECT count(*) FROM messages),
  (SELECT count(*) FROM messages WHERE removed_at IS NOT NULL),
  (SELECT count(*) FROM messages WHERE conversation_id IS NULL),
  (SELECT count(*) FROM users),
  (SELECT count(*) FROM contexts),
  (SELECT count(*) FROM attachments),
  (SELECT count(*) FROM edits WHERE state = 'pending'),
  (SELECT count(*) FROM edits WHERE state = 'pending' AND origin = 'repush'),
  (SELECT count(*) FROM problems WHERE kind <> 'ghost' AND accepted_at IS NULL),
  (SELECT count(*) FROM revisions)
"""
_PENDING = "SELECT count(DISTINCT message_id) FROM index_queue"
_UNSTORED = "SELECT state, count(*) FROM attachments WHERE state <> 'stored' GROUP BY state"
_MEDIA_STATES = "SELECT state, count(*) FROM media_comments GROUP BY state"


def pending_messages(db: sqlite3.Connection) -> int:
    """Return how many messages wait to be indexed."""
    return int(db.execute(_PENDING).fetchone()[0])


def archive_counts(db: sqlite3.Connection) -> ArchiveCounts:
    """Return how much there is of everything; answered from indexes alone."""
    cursor = plain_cursor(db)
    row = cursor.execute(_COUNTS).fetchone()
    attachments = dict(cursor.execute(_UNSTORED).fetchall())
    stored = row[9] - sum(attachments.values())
    if stored:
        attachments["stored"] = stored
    media = dict(cursor.execute(_MEDIA_STATES).fetchall())
    return ArchiveCounts(
        conversations=row[0],
        removed_conversations=row[1],
        unread=row[2],
        unfetched=row[3],
        messages=row[4] - row[6],
        removed_messages=row[5],
        forwarded_only=row[6],
        people=row[7],
        contexts=row[8],
        attachments=attachments,
        media=media,
        pending_edits=row[10],
        undone_edits=row[11],
        problems=row[12],
        revisions=row[13],
    )
