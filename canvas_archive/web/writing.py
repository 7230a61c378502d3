"""Stars, archiving and read marks from the pages: journalled edits like those of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from canvas_archive.store import edits, outbox
from canvas_archive.store.verbs import VERBS, Applied, Change, apply_verb, undo_changes
from canvas_archive.store.writing import brief_write

PATIENCE = 8.0
"""Seconds that a page waits for a sync that is writing."""

ORIGIN = "web"
AT_ONCE = 500
WHOLE_LIST = 10_000
"""The most conversations that "all of this list" changes at once."""


def apply(path: Path, verb: str, ids: Iterable[int]) -> Applied:
    """Do what a button says to some conversations, all or none; return what really changed.

    Raises BadInput for a conversation that is not there or cannot be edited.
    """
    with brief_write(path, patience=PATIENCE) as db:
        return apply_verb(db, VERBS[verb], ids, ORIGIN)


def undo(path: Path, changes: Iterable[Change]) -> int:
    """Undo changes, where nothing else has changed the same since; return how many."""
    with brief_write(path, patience=PATIENCE) as db:
        return undo_changes(db, changes, ORIGIN)


def discard(path: Path, ids: Iterable[int] | None) -> int:
    """Discard pending edits (``None``: all): the columns go back to what Canvas has. Return how many."""
    with brief_write(path, patience=PATIENCE) as db:
        return edits.discard_edits(db, ids)


def keep_mine(path: Path, edit_id: int) -> bool:
    """Decide a conflict for the person's own value; return whether it still waited."""
    with brief_write(path, patience=PATIENCE) as db:
        return edits.keep_mine(db, edit_id, ORIGIN)


def queue(path: Path, draft: outbox.Draft) -> int:
    """Put a message into the outbox; return its number there."""
    with brief_write(path, patience=PATIENCE) as db:
        return outbox.queue_message(db, draft)


def change_message(path: Path, number: int, *, body: str, subject: str | None) -> bool:
    """Write another text into a message of the outbox; return whether it still waited."""
    with brief_write(path, patience=PATIENCE) as db:
        return outbox.change_message(db, number, body=body, subject=subject)


def withdraw(path: Path, number: int) -> bool:
    """Withdraw a message that is not known to be sent; return whether it still waited."""
    with brief_write(path, patience=PATIENCE) as db:
        return outbox.discard_messages(db, [number]) > 0


def queue_again(path: Path, number: int) -> bool:
    """Let a message that Canvas refused wait once more; return whether it was one."""
    with brief_write(path, patience=PATIENCE) as db:
        return outbox.queue_again(db, [number]) > 0


def sentence(verb: str, changes: Sequence[Change]) -> str:
    """Say what was done."""
    if not changes:
        return f"Nothing to change: {VERBS[verb].already}."
    count = len(changes)
    return f"{count:,} conversation{'' if count == 1 else 's'} {VERBS[verb].done}."


def undone(changes: Sequence[Change], done: int) -> str:
    """Say what undoing did."""
    if not done:
        return "Nothing to undo: it has changed again since."
    if done < len(changes):
        return f"{done} of {len(changes)} undone. The others have changed again since."
    return "Undone."
