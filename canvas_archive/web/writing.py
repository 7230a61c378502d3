"""Stars, archiving and read marks from the pages: journalled edits like those of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from canvas_archive.store.edits import discard_edits
from canvas_archive.store.verbs import VERBS, Applied, Change, apply_verb, undo_changes
from canvas_archive.store.writing import brief_write

PATIENCE = 8.0
"""Seconds that a page waits for a sync that is writing."""

ORIGIN = "web"
AT_ONCE = 500


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
        return discard_edits(db, ids)


def sentence(verb: str, changes: Sequence[Change]) -> str:
    """Say what was done."""
    if not changes:
        return f"Nothing to change: {VERBS[verb].already}."
    count = len(changes)
    return f"{count} conversation{'' if count == 1 else 's'} {VERBS[verb].done}."


def undone(changes: Sequence[Change], done: int) -> str:
    """Say what undoing did."""
    if not done:
        return "Nothing to undo: it has changed again since."
    if done < len(changes):
        return f"{done} of {len(changes)} undone. The others have changed again since."
    return "Undone."
