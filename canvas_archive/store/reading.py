"""The lists of the reading commands: one page of a folder. All work on a read-only connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from canvas_archive.errors import BadInput
from canvas_archive.store.folders import FOLDERS
from canvas_archive.store.runs import LAST_TEXTS
from canvas_archive.typed_text import decoded_preview

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
      page.sorted_at, {LAST_TEXTS}
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
    lines = tuple(_line(row) for row in rows[:limit])
    following = (rows[limit - 1][14], rows[limit - 1][0]) if len(rows) > limit else None
    return FolderPage(lines, following)


def _line(row: Sequence[Any]) -> ConversationLine:
    line = ConversationLine(*_with_truth(row[:14], (6, 7, 8, 13)))
    if line.preview is None or row[15] != "entities":
        return line
    return replace(line, preview=decoded_preview(line.preview))


def _with_truth(row: Sequence[Any], positions: Iterable[int]) -> list[Any]:
    """Return a row with SQLite's 0 and 1 at these positions as False and True."""
    values = list(row)
    for position in positions:
        values[position] = bool(values[position])
    return values
