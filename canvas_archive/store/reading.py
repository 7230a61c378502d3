"""The lists of the reading commands: one page of a folder. All work on a read-only connection."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from canvas_archive.errors import BadInput
from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.folders import ANYWHERE, FOLDERS, Folder
from canvas_archive.store.rows import ids_json
from canvas_archive.store.runs import LAST_TEXTS
from canvas_archive.typed_text import decoded_preview

if TYPE_CHECKING:
    from canvas_archive.model import JsonObject

_LISTED = {
    **FOLDERS,
    ANYWHERE: Folder(ANYWHERE, "All", "latest_at", "{c}latest_at IS NOT NULL", lambda row: True),
}


def _statement(folder: Folder, *, top: bool, oldest: bool, chosen: bool) -> str:
    direction, beyond = ("ASC", ">") if oldest else ("DESC", "<")
    return f"""
    WITH page AS (
      SELECT id, {folder.order} AS sorted_at FROM conversations
      WHERE {folder.condition()} {"" if top else f"AND ({folder.order}, id) {beyond} (:time, :id)"}
        {"AND id IN (SELECT value FROM json_each(:chosen))" if chosen else ""}
      ORDER BY {folder.order} {direction}, id {direction} LIMIT :most
    )
    SELECT t.id, t.subject, t.people, coalesce(t.course, t.context_code), t.context_name,
      t.workflow_state, t.starred,
      t.subscribed, t.private, t.message_count, coalesce(c.last_message, c.last_authored_message),
      nullif(t.latest_at, ''), t.removed_at,
      EXISTS (SELECT 1 FROM edits WHERE conversation_id = t.id AND state = 'pending'),
      page.sorted_at, {LAST_TEXTS}
    FROM page JOIN threads t ON t.id = page.id JOIN conversations c ON c.id = page.id
    ORDER BY page.sorted_at {direction}, page.id {direction}
    """  # noqa: S608 (constants)


_SUBJECTS = "SELECT id, subject FROM conversations WHERE id IN (SELECT value FROM json_each(?))"
_OTHERS = """
SELECT p.conversation_id, u.id, coalesce(u.name, u.full_name, 'User ' || u.id)
FROM conversation_participants p JOIN users u ON u.id = p.user_id
WHERE p.conversation_id IN (SELECT value FROM json_each(?))
  AND p.user_id <> (SELECT coalesce(as_user_id, user_id) FROM account)
ORDER BY p.conversation_id, p.position
"""
_RUN_COLUMNS = (
    "id", "mode", "started_at", "finished_at", "status", "complete", "requests", "bytes", "error", "counts",
)  # fmt: skip
_RUNS = f"SELECT {', '.join(_RUN_COLUMNS)} FROM sync_runs ORDER BY id DESC LIMIT ?"  # noqa: S608 (constants)


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
    sorted_at: str | None
    """The time that the folder is sorted by."""


@dataclass(frozen=True, slots=True)
class FolderPage:
    """Some lines of a folder in order; ``next`` is the ``before`` of the page after it, if any."""

    lines: tuple[ConversationLine, ...]
    next: tuple[str, int] | None


def list_conversations(
    db: sqlite3.Connection,
    folder: str,
    limit: int = 50,
    before: tuple[str, int] | None = None,
    *,
    oldest: bool = False,
    chosen: Iterable[int] | None = None,
) -> FolderPage:
    """Return one page of a folder, newest first; ``before`` is the ``next`` of the page before it.

    ``oldest`` turns the order around. ``chosen`` limits the list to these conversations.

    Raises BadInput for an unknown folder or a limit below 1.
    """
    if folder not in _LISTED:
        raise BadInput(f"There is no folder {folder!r}; there are {', '.join(FOLDERS)}.")
    if limit < 1:
        raise BadInput("The number of conversations to list must be at least 1.")
    # Behind ":time IS NULL OR" SQLite would walk from the top to a page it can seek to.
    statement = _statement(_LISTED[folder], top=before is None, oldest=oldest, chosen=chosen is not None)
    time, id_ = before or ("", 0)
    bound = {"most": limit + 1, "time": time, "id": id_, "chosen": ids_json(chosen or ())}
    rows = db.execute(statement, bound).fetchall()
    lines = tuple(_line(row) for row in rows[:limit])
    following = (rows[limit - 1][14], rows[limit - 1][0]) if len(rows) > limit else None
    return FolderPage(lines, following)


def count_conversations(db: sqlite3.Connection, folder: str, chosen: Iterable[int] | None = None) -> int:
    """Return how many conversations a folder holds, or how many of those ``chosen``."""
    if chosen is None:
        counted = f"SELECT {_LISTED[folder].count()}"
        return int(db.execute(counted).fetchone()[0])
    members = _LISTED[folder].members()
    among = f"SELECT count(*) FROM conversations WHERE {members} AND id IN (SELECT value FROM json_each(?))"  # noqa: S608 (constants)
    return int(db.execute(among, (ids_json(chosen),)).fetchone()[0])


def subjects(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, str | None]:
    """Return the subjects of these conversations by id."""
    return {row[0]: row[1] for row in db.execute(_SUBJECTS, (ids_json(ids),))}


def other_people(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, list[tuple[int, str]]]:
    """Return the ids and names of the people of these conversations, without the owner, by conversation."""
    found: dict[int, list[tuple[int, str]]] = {}
    for conversation_id, user_id, name in plain_cursor(db).execute(_OTHERS, (ids_json(ids),)):
        found.setdefault(conversation_id, []).append((user_id, name))
    return found


def _line(row: Sequence[Any]) -> ConversationLine:
    line = ConversationLine(*_with_truth(row[:15], (6, 7, 8, 13)))
    if line.preview is None or row[15] != "entities":
        return line
    return replace(line, preview=decoded_preview(line.preview))


def _with_truth(row: Sequence[Any], positions: Iterable[int]) -> list[Any]:
    """Return a row with SQLite's 0 and 1 at these positions as False and True."""
    values = list(row)
    for position in positions:
        values[position] = bool(values[position])
    return values


def last_runs(db: sqlite3.Connection, limit: int) -> list[JsonObject]:
    """Return the last syncs, newest first: the rows of ``sync_runs``, with ``counts`` as an object."""
    rows = plain_cursor(db).execute(_RUNS, (limit,)).fetchall()
    runs = [dict(zip(_RUN_COLUMNS, row, strict=True)) for row in rows]
    return [{**run, "complete": bool(run["complete"]), "counts": json.loads(run["counts"])} for run in runs]
