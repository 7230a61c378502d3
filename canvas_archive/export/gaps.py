"""What an export lacks, item by item: its ``gaps.csv``.

Attachments and recordings that were refused, gone, not fetched yet, lost from the archive's disk, or stored
with a note, also those of forwarded messages; conversations and messages that Canvas removed or that were
never fetched; open and accepted problems, and sync runs that did not come to their end.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from canvas_archive.export.completeness import COUNTED_DIFFERENTLY
from canvas_archive.store.blobs import readable_blob
from canvas_archive.store.cells import cell

if TYPE_CHECKING:
    from canvas_archive.export.redact import Redactor

GAPS = "gaps.csv"

_KINDS = {
    "attachment": "file", "recording": "file", "media": "file", "conversation": "conversation",
    "messages": "conversation", "message": "message",
}  # fmt: skip


class Gap(NamedTuple):
    """One thing that is not as complete as one could wish; a row of the file."""

    kind: str
    item: object
    conversation_id: int | None
    message_id: int | None
    state: str
    reason: str | None
    since: str | None


# The messages of what was chosen, and those forwarded with them: these may belong to no conversation.
_CARRIED = """
WITH RECURSIVE carried (id, conversation_id) AS (
  SELECT f.forwarded_message_id, m.conversation_id FROM forwarded_messages f
  JOIN messages m ON m.id = f.message_id JOIN temp.chosen x ON x.conversation_id = m.conversation_id
  UNION SELECT f.forwarded_message_id, c.conversation_id FROM carried c
  JOIN forwarded_messages f ON f.message_id = c.id),
held (id, conversation_id, created_at) AS (
  SELECT m.id, m.conversation_id, m.created_at FROM temp.chosen x
  JOIN messages m ON m.conversation_id = x.conversation_id
  UNION ALL SELECT m.id, c.conversation_id, m.created_at FROM carried c JOIN messages m ON m.id = c.id)
"""
_ATTACHMENTS = """
SELECT 'attachment', a.id, h.conversation_id, h.id, a.state,
  coalesce(a.display_name, a.filename, '') || coalesce(': ' || a.error, ''), a.created_at, a.sha256,
  a.error IS NOT NULL
FROM held h JOIN message_attachments l ON l.message_id = h.id JOIN attachments a ON a.id = l.attachment_id
ORDER BY h.conversation_id, h.id, a.id
"""
_RECORDINGS = """
SELECT 'recording', r.media_id, h.conversation_id, h.id, r.state,
  coalesce(r.display_name, '') || coalesce(': ' || r.error, ''), h.created_at, r.sha256,
  r.error IS NOT NULL
FROM held h JOIN media_comments r ON r.message_id = h.id
ORDER BY h.conversation_id, h.id, r.media_id
"""

# Each yields the fields of a gap.
_OTHERS = (
    """
SELECT 'conversation', c.id, c.id, NULL, 'removed', 'removed on Canvas, kept here', c.removed_at
FROM temp.chosen x JOIN conversations c ON c.id = x.conversation_id
WHERE c.removed_at IS NOT NULL ORDER BY c.id
""",
    """
SELECT 'conversation', c.id, c.id, NULL, 'not fetched', 'listed by Canvas, never fetched', c.first_seen_at
FROM temp.chosen x JOIN conversations c ON c.id = x.conversation_id
WHERE c.fetched_at IS NULL AND c.removed_at IS NULL ORDER BY c.id
""",
    f"""
SELECT 'messages', d.id, d.id, NULL, 'counted differently',
  'Canvas counts ' || d.message_count || ' and gave ' || d.held, d.fetched_at
FROM temp.chosen x JOIN ({COUNTED_DIFFERENTLY}) d ON d.id = x.conversation_id ORDER BY d.id
""",  # noqa: S608 (constants)
    """
SELECT 'message', m.id, m.conversation_id, m.id, 'removed', 'removed on Canvas, kept here', m.removed_at
FROM temp.chosen x JOIN messages m ON m.conversation_id = x.conversation_id
WHERE m.removed_at IS NOT NULL ORDER BY m.conversation_id, m.id
""",
    """
SELECT 'problem', kind || ' ' || item_id, NULL, NULL,
  CASE WHEN accepted_at IS NULL THEN 'open after ' || attempts || ' attempts' ELSE 'accepted' END, error,
  first_at
FROM problems ORDER BY kind, item_id
""",
    """
SELECT 'sync run', id, NULL, NULL, status, coalesce(error, 'not every list was read to its end'), started_at
FROM sync_runs WHERE status <> 'ok' ORDER BY id
""",
)


def gaps(db: sqlite3.Connection, files_dir: Path | None) -> Iterator[Gap]:
    """Yield what is missing within what was chosen; ``files_dir`` is looked into for what is lost there."""
    for query in (_ATTACHMENTS, _RECORDINGS):
        for *fields, sha256, is_odd in db.execute(_CARRIED + query):
            gap = Gap(*fields)
            if gap.state != "stored":
                yield gap
            elif files_dir is not None and readable_blob(files_dir, str(sha256)) is None:
                reason = f"{gap.reason}: stored once, but its file is missing on the disk"
                yield gap._replace(state="lost", reason=reason)
            elif is_odd:
                yield gap._replace(state="stored with a note")
    for query in _OTHERS:
        yield from map(Gap._make, db.execute(query))


def write_gaps(
    path: Path, db: sqlite3.Connection, files_dir: Path | None, redactor: Redactor | None
) -> dict[str, int]:
    """Write ``gaps.csv`` and return how many rows it has of each kind and state."""
    counts: dict[str, int] = {}
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\r\n")
        rows.writerow(Gap._fields)
        for gap in gaps(db, files_dir):
            if redactor is not None:
                gap = _redacted(gap, redactor)
            # What an item is called (a recording, a problem) comes from Canvas, too.
            rows.writerow(
                gap._replace(item=cell(str(gap.item)), state=cell(gap.state), reason=cell(gap.reason))
            )
            name = _counted_as(gap)
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def _redacted(gap: Gap, redactor: Redactor) -> Gap:
    """Return a gap with pseudonyms for its ids and for the people its reason names."""
    item, kind = gap.item, _KINDS.get(gap.kind)
    if kind is not None:
        item = redactor.number(kind, item)
    elif gap.kind == "problem":
        name, _, ident = str(item).partition(" ")
        item = f"{name} {redactor.number(_KINDS.get(name, name), ident)}"
    return gap._replace(
        item=item,
        conversation_id=_number(redactor, "conversation", gap.conversation_id),
        message_id=_number(redactor, "message", gap.message_id),
        reason=redactor.text(gap.reason),
    )


def _number(redactor: Redactor, kind: str, ident: int | None) -> int | None:
    return None if ident is None else redactor.number(kind, ident)


def _counted_as(gap: Gap) -> str:
    told_apart = ("attachment", "recording", "conversation", "message")
    return f"{gap.kind} {gap.state}" if gap.kind in told_apart else gap.kind
