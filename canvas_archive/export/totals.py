"""How much there is, and what each number counts: those that differ by what they count, side by side."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from canvas_archive.export.selection import Scope
from canvas_archive.model import JsonObject

_TOTALS = """
WITH RECURSIVE own AS (
  SELECT m.id, m.conversation_id, m.generated, m.removed_at FROM messages m WHERE {condition}),
carried (id) AS (
  SELECT f.forwarded_message_id FROM own JOIN forwarded_messages f ON f.message_id = own.id
  UNION SELECT f.forwarded_message_id FROM carried c JOIN forwarded_messages f ON f.message_id = c.id),
held AS (SELECT id FROM own UNION SELECT id FROM carried),
files AS (
  SELECT a.state, a.sha256 FROM held h JOIN message_attachments l ON l.message_id = h.id
  JOIN attachments a ON a.id = l.attachment_id
  UNION ALL SELECT r.state, r.sha256 FROM held h JOIN media_comments r ON r.message_id = h.id)
SELECT o.messages, o.generated, o.removed,
  (SELECT count(*) FROM carried c JOIN messages m ON m.id = c.id WHERE m.conversation_id IS NULL),
  f.files, f.files - f.stored, f.contents
FROM (SELECT count(*) AS messages, count(*) FILTER (WHERE generated) AS generated,
    count(*) FILTER (WHERE removed_at IS NOT NULL) AS removed FROM own) o,
  (SELECT count(*) AS files, count(*) FILTER (WHERE state = 'stored') AS stored,
    count(DISTINCT sha256) FILTER (WHERE state = 'stored') AS contents FROM files) f
"""
_IN_CHOSEN = "m.conversation_id IN (SELECT conversation_id FROM temp.chosen) AND "


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers of an archive or a selection.

    ``messages`` are those in conversations: ``generated`` and ``removed`` are among them, ``forwarded_only``
    are not. ``files`` are attachments and recordings, one for each message that has it. The archive has no
    bytes of ``unavailable`` ones. ``contents`` are what is stored of the others, each content once.
    """

    conversations: int
    messages: int
    generated: int
    removed: int
    forwarded_only: int
    files: int
    unavailable: int
    contents: int

    @property
    def sentence(self) -> str:
        """Return the numbers with what each of them counts."""
        return f"{'; '.join(filter(None, (', '.join(self._messages()), self._files())))}"

    def to_json(self) -> JsonObject:
        """Return the numbers, and the sentence about them, as a JSON object."""
        return {**asdict(self), "explained": self.sentence}

    def _messages(self) -> Iterator[str]:
        among = [
            f"{count:,} {what}"
            for count, what in (
                (self.generated, "written by Canvas itself"),
                (self.removed, "removed on Canvas and kept here"),
            )
            if count
        ]
        those = f" ({', '.join(among)})" if among else ""
        yield f"{_count(self.messages, 'message')} in {_count(self.conversations, 'conversation')}{those}"
        if self.forwarded_only:
            yield f"{self.forwarded_only:,} more known only because they were forwarded"

    def _files(self) -> str:
        if not self.files:
            return ""
        stored = f"stored as {_count(self.contents, 'file')}" if self.contents else "none of them stored"
        once = ", equal ones once" if self.contents < self.files - self.unavailable else ""
        return f"{_count(self.files, 'attachment')}, {stored}{once}"


def totals(db: sqlite3.Connection, scope: Scope | None = None) -> Totals:
    """Return the numbers of an archive, or of what was chosen from it."""
    if scope is None:
        conversations = db.execute("SELECT count(*) FROM conversations").fetchone()[0]
        row = db.execute(_TOTALS.format(condition="m.conversation_id IS NOT NULL")).fetchone()
    else:
        conversations = scope.conversations
        condition = f"{_IN_CHOSEN}{scope.condition}"
        row = db.execute(_TOTALS.format(condition=condition), scope.parameters).fetchone()
    return Totals(conversations, *row)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
