"""Stars, archiving and read marks from the pages: journalled edits like those of the command line.

A sync may hold the database's write lock for moments. Writing waits for it on a connection of its own,
so that neither Datasette's reading nor its event loop stands still, and gives up with a clear sentence.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from canvas_archive.errors import ArchiveLocked, BadInput
from canvas_archive.web.undo import Change

T = TypeVar("T")

BUSY_SECONDS = 8.0
AT_ONCE = 500

VERBS: dict[str, tuple[str, str]] = {
    "star": ("starred", "1"),
    "unstar": ("starred", "0"),
    "archive": ("workflow_state", "archived"),
    "unarchive": ("workflow_state", "read"),
    "read": ("workflow_state", "read"),
    "unread": ("workflow_state", "unread"),
    "subscribe": ("subscribed", "1"),
    "unsubscribe": ("subscribed", "0"),
}
"""What the buttons say, and the column and value it means."""

DONE = {
    "star": "starred",
    "unstar": "no longer starred",
    "archive": "archived",
    "unarchive": "moved to the inbox",
    "read": "marked as read",
    "unread": "marked as unread",
    "subscribe": "followed",
    "unsubscribe": "no longer followed",
}

_READ = {
    "starred": "SELECT CAST(starred AS TEXT), private FROM conversations WHERE id = ?",
    "workflow_state": "SELECT workflow_state, private FROM conversations WHERE id = ?",
    "subscribed": "SELECT CAST(subscribed AS TEXT), private FROM conversations WHERE id = ?",
}
_WRITE = {
    "starred": "UPDATE conversations SET starred = CAST(? AS INTEGER) WHERE id = ?",
    "workflow_state": "UPDATE conversations SET workflow_state = ? WHERE id = ?",
    "subscribed": "UPDATE conversations SET subscribed = CAST(? AS INTEGER) WHERE id = ?",
}
_ORIGIN = "UPDATE edits SET origin = 'web' WHERE conversation_id = ? AND field = ? AND state = 'pending'"


def write(path: Path, work: Callable[[sqlite3.Connection], T], *, patience: float = BUSY_SECONDS) -> T:
    """Run ``work`` in one write transaction and return its result.

    Raises ArchiveLocked when another process keeps writing for longer than ``patience`` seconds.
    """
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return result
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise ArchiveLocked(
                "The archive is being written to right now, probably by a sync. "
                "Nothing was changed; try again in a moment."
            ) from None
        raise
    finally:
        connection.close()


def set_field(connection: sqlite3.Connection, conversation_id: int, field: str, value: str) -> Change | None:
    """Set one column the way any SQL client would; ``None`` when it already has the value.

    Raises BadInput for a conversation that does not exist, or a subscription that Canvas ignores.
    """
    found = connection.execute(_READ[field], (conversation_id,)).fetchone()
    if found is None:
        raise BadInput(f"There is no conversation {conversation_id}.")
    before, private = found
    if before == value:
        return None
    if field == "subscribed" and private:
        raise BadInput("A private conversation has no subscription: Canvas would ignore it.")
    connection.execute(_WRITE[field], (value, conversation_id))
    connection.execute(_ORIGIN, (conversation_id, field))
    return Change(conversation_id, field, before, value)


def apply(path: Path, verb: str, ids: Iterable[int]) -> tuple[Change, ...]:
    """Do what a button says to some conversations, all or none; return what really changed."""
    field, value = VERBS[verb]

    def work(connection: sqlite3.Connection) -> tuple[Change, ...]:
        changes = [
            set_field(connection, conversation_id, field, value)
            for conversation_id in ids
            if verb != "read" or not _is_archived(connection, conversation_id)
        ]
        return tuple(change for change in changes if change is not None)

    return write(path, work)


def _is_archived(connection: sqlite3.Connection, conversation_id: int) -> bool:
    """Tell whether it is archived: marking that as read would move it back to the inbox."""
    found = connection.execute(
        "SELECT workflow_state = 'archived' FROM conversations WHERE id = ?", (conversation_id,)
    ).fetchone()
    return bool(found and found[0])


def revert(path: Path, changes: Iterable[Change]) -> int:
    """Set columns back to what they were, where nothing else has changed them since; return how many."""

    def work(connection: sqlite3.Connection) -> int:
        done = 0
        for change in changes:
            now = connection.execute(_READ[change.field], (change.conversation_id,)).fetchone()
            if now is not None and now[0] == change.after:
                set_field(connection, change.conversation_id, change.field, change.before)
                done += 1
        return done

    return write(path, work)


def discard(path: Path, ids: Iterable[int]) -> int:
    """Discard pending edits: each column goes back to what Canvas has. Return how many were pending."""

    def work(connection: sqlite3.Connection) -> int:
        done = 0
        for edit_id in ids:
            edit = connection.execute(
                "SELECT conversation_id, field FROM edits WHERE id = ? AND state = 'pending'", (edit_id,)
            ).fetchone()
            if edit is None:
                continue
            conversation_id, field = edit
            remote = connection.execute(
                f"SELECT CAST(remote_{field} AS TEXT) FROM conversations WHERE id = ?",  # noqa: S608 (CHECKed column name)
                (conversation_id,),
            ).fetchone()[0]
            set_field(connection, conversation_id, field, remote)
            done += 1
        return done

    return write(path, work)


def sentence(verb: str, changes: tuple[Change, ...]) -> str:
    """Say what was done."""
    if not changes:
        return "Nothing to change: it already was that way."
    count = len(changes)
    return f"{count} conversation{'' if count == 1 else 's'} {DONE[verb]}."
