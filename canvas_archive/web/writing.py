"""Stars, archiving and read marks from the pages: journalled edits like those of the command line.

A sync may hold the database's write lock for moments. Writing waits for it on a connection of its own,
so that neither Datasette's reading nor its event loop stands still, and gives up with a clear sentence.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from canvas_archive.errors import ArchiveError, ArchiveLocked, BadInput
from canvas_archive.store import transaction
from canvas_archive.store.adoption import require_adopted
from canvas_archive.store.connection import connect_writable
from canvas_archive.store.edits import EditOutcome, discard_edits, record_edit
from canvas_archive.web.undo import Change

T = TypeVar("T")

BUSY_SECONDS = 8.0
ORIGIN = "web"
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
    "starred": "SELECT CAST(starred AS TEXT) FROM conversations WHERE id = ?",
    "workflow_state": "SELECT workflow_state FROM conversations WHERE id = ?",
    "subscribed": "SELECT CAST(subscribed AS TEXT) FROM conversations WHERE id = ?",
}


def with_writer(path: Path, work: Callable[[sqlite3.Connection], T], *, patience: float = BUSY_SECONDS) -> T:
    """Run ``work``, which begins its own transaction, on a short-lived connection that may write.

    Raises ArchiveLocked when another process keeps writing for longer than ``patience`` seconds.
    """
    connection = connect_writable(path, patience=patience)
    try:
        require_adopted(connection, path.parent)
        return work(connection)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise ArchiveLocked(
                "The archive is being written to right now, probably by a sync. "
                "Nothing was changed; try again in a moment."
            ) from None
        if "readonly" in str(error):
            raise ArchiveError(f"{path} may not be written to by this user. Nothing was changed.") from None
        raise
    finally:
        connection.close()


def write(path: Path, work: Callable[[sqlite3.Connection], T], *, patience: float = BUSY_SECONDS) -> T:
    """Run ``work`` in one write transaction and return its result. Raises as ``with_writer`` does."""

    def in_transaction(connection: sqlite3.Connection) -> T:
        with transaction(connection):
            return work(connection)

    return with_writer(path, in_transaction, patience=patience)


def _value(connection: sqlite3.Connection, conversation_id: int, field: str) -> str | None:
    found = connection.execute(_READ[field], (conversation_id,)).fetchone()
    return None if found is None else str(found[0])


def apply(path: Path, verb: str, ids: Iterable[int]) -> tuple[Change, ...]:
    """Do what a button says to some conversations, all or none; return what really changed.

    Raises BadInput for a conversation that is not there or cannot be edited.
    """
    field, value = VERBS[verb]

    def work(connection: sqlite3.Connection) -> tuple[Change, ...]:
        changes = []
        for ident in ids:
            before = _value(connection, ident, field)
            if verb == "read" and before == "archived":
                continue  # it would come back to the inbox, which nobody asked for
            outcome = record_edit(connection, ident, field, value, ORIGIN)
            if outcome.refused:
                raise BadInput(f"Nothing was changed: {outcome.reason}.")
            if outcome is not EditOutcome.UNCHANGED and before is not None:
                changes.append(Change(ident, field, before, value))
        return tuple(changes)

    return write(path, work)


def revert(path: Path, changes: Iterable[Change]) -> int:
    """Set columns back to what they were, where nothing else has changed them since; return how many."""

    def work(connection: sqlite3.Connection) -> int:
        done = 0
        for change in changes:
            if _value(connection, change.conversation_id, change.field) == change.after:
                outcome = record_edit(connection, change.conversation_id, change.field, change.before, ORIGIN)
                done += not outcome.refused
        return done

    return write(path, work)


def discard(path: Path, ids: Iterable[int] | None) -> int:
    """Discard pending edits (``None``: all): the columns go back to what Canvas has. Return how many."""
    return write(path, lambda connection: discard_edits(connection, ids))


def sentence(verb: str, changes: tuple[Change, ...]) -> str:
    """Say what was done."""
    if not changes:
        return "Nothing to change: it already was that way."
    count = len(changes)
    return f"{count} conversation{'' if count == 1 else 's'} {DONE[verb]}."
