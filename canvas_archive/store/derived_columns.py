"""Columns that follow from other columns: when a conversation was last active, its course, who takes part.

``conversations.course`` is the one course or group that a conversation belongs to: the one of its
``context_code``; without a code, the one whose name is its ``context_name``, when only one is called so;
else none, and the conversation belongs to its ``context_name`` alone. Everything that asks for the course of
a conversation reads this column.

``conversation_participants.direct`` is 0 for people who are listed only because somebody forwarded a message
of theirs: Canvas lists them as participants, and not in the audience.

Triggers keep ``latest_at`` and ``course``. ``settle_direct`` keeps ``direct``: one statement for each
conversation, since a trigger would read the audience once for each person.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

_LATEST = "max(coalesce({c}.last_message_at, ''), coalesce({c}.last_authored_message_at, ''))"
_COURSE = """CASE WHEN {c}.context_code <> '' THEN (SELECT code FROM contexts WHERE code = {c}.context_code)
  ELSE (SELECT CASE count(*) WHEN 1 THEN min(code) END FROM contexts WHERE name = {c}.context_name) END"""
NAMED = "="
"""How the key of a course begins that is known by its name alone. The key of another is its code."""

COURSE_KEY = f"coalesce(c.course, nullif(c.context_code, ''), '{NAMED}' || nullif(c.context_name, ''))"
"""The key of the course of a conversation ``c``; NULL for one without a course."""

_UNCODED = "coalesce(context_code, '') = ''"

COLUMNS = f"""
DROP INDEX conversations_latest;
DROP INDEX conversations_starred;
DROP INDEX conversations_gone;
DROP INDEX conversations_context;
DROP INDEX conversation_participants_user;
ALTER TABLE conversations DROP COLUMN latest_at;
ALTER TABLE conversations ADD COLUMN latest_at TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD COLUMN course TEXT REFERENCES contexts (code);
ALTER TABLE conversation_participants ADD COLUMN direct INTEGER NOT NULL DEFAULT 1 CHECK (direct IN (0, 1));
CREATE INDEX contexts_name ON contexts (name);
UPDATE conversations SET latest_at = {_LATEST.format(c="conversations")},
  course = {_COURSE.format(c="conversations")};
CREATE INDEX conversations_latest ON conversations (latest_at, id);
CREATE INDEX conversations_starred ON conversations (latest_at, id) WHERE starred = 1;
CREATE INDEX conversations_gone ON conversations (latest_at, id) WHERE removed_at IS NOT NULL;
CREATE INDEX conversations_course ON conversations (course, latest_at, id);
CREATE INDEX conversations_named ON conversations (context_name) WHERE {_UNCODED};
CREATE INDEX conversations_unresolved ON conversations (context_code) WHERE course IS NULL;
CREATE INDEX conversation_participants_user ON conversation_participants (user_id, direct, conversation_id);
"""  # noqa: S608 (constants)
"""What the seventh version adds to the tables."""

TRIGGERS = f"""
CREATE TRIGGER derived_conversation_new AFTER INSERT ON conversations
BEGIN
  UPDATE conversations SET latest_at = {_LATEST.format(c="NEW")}, course = {_COURSE.format(c="NEW")}
  WHERE id = NEW.id;
END;
CREATE TRIGGER derived_latest_changed AFTER UPDATE OF last_message_at, last_authored_message_at
  ON conversations
WHEN NEW.latest_at IS NOT {_LATEST.format(c="NEW")}
BEGIN
  UPDATE conversations SET latest_at = {_LATEST.format(c="NEW")} WHERE id = NEW.id;
END;
CREATE TRIGGER derived_course_changed AFTER UPDATE OF context_code, context_name ON conversations
WHEN NEW.context_code IS NOT OLD.context_code OR NEW.context_name IS NOT OLD.context_name
BEGIN
  UPDATE conversations SET course = {_COURSE.format(c="NEW")} WHERE id = NEW.id;
END;
CREATE TRIGGER derived_context_new AFTER INSERT ON contexts
BEGIN
  UPDATE conversations SET course = NEW.code WHERE course IS NULL AND context_code = NEW.code;
  UPDATE conversations SET course = {_COURSE.format(c="conversations")}
  WHERE {_UNCODED} AND context_name = NEW.name;
END;
CREATE TRIGGER derived_context_renamed AFTER UPDATE OF name ON contexts
WHEN NEW.name IS NOT OLD.name
BEGIN
  UPDATE conversations SET course = {_COURSE.format(c="conversations")}
  WHERE {_UNCODED} AND context_name IN (OLD.name, NEW.name);
END;
"""  # noqa: S608 (constants)
"""What keeps ``latest_at`` and ``course``. Deriving the rows from receipts needs these triggers, too."""

INDEXES_NEEDED = frozenset({"contexts_name", "conversations_named", "conversations_unresolved"})
"""What the triggers look rows up by."""

_SETTLE_DIRECT = """
UPDATE conversation_participants SET direct = 1 - direct
WHERE conversation_id = ?1 AND direct <> (
  user_id = (SELECT coalesce(as_user_id, user_id) FROM account)
  OR user_id IN (SELECT value FROM json_each((SELECT audience FROM conversations WHERE id = ?1))))
"""


def settle_direct(cursor: sqlite3.Cursor, conversation_ids: Iterable[int]) -> None:
    """Set ``direct`` of the people of these conversations by their audiences."""
    cursor.executemany(_SETTLE_DIRECT, ((conversation_id,) for conversation_id in conversation_ids))


def settle_all_direct(cursor: sqlite3.Cursor) -> None:
    """Set ``direct`` in every conversation: the owner of the mailbox is another, or the column is new."""
    listed = cursor.execute("SELECT DISTINCT conversation_id FROM conversation_participants").fetchall()
    settle_direct(cursor, (row[0] for row in listed))
