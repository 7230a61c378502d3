"""The recipients and subjects of messages of the outbox in words: "reply in “Plan”: to Ben (GEOG 118)"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.cli.editing import subject_line
from canvas_archive.cli.terminal import count_of
from canvas_archive.store.addressees import addressees

if TYPE_CHECKING:
    import sqlite3

    from canvas_archive.store.addressees import Addressees
    from canvas_archive.store.outbox import Queued

_MOST_NAMED = 5
_SUBJECT = "SELECT subject FROM conversations WHERE id = ?"


def to_whom(people: Addressees) -> str:
    """Return the names of the recipients of a message, and how many more there are."""
    return people.named(_MOST_NAMED, whole=True)


def recipients_of(db: sqlite3.Connection, queued: Queued) -> Addressees:
    """Return to whom a message of the outbox goes, with the names that the archive knows."""
    return addressees(db, queued.draft)


def subject_of(db: sqlite3.Connection, queued: Queued) -> str:
    """Return the subject of a message of the outbox, or of the conversation that it replies to."""
    if queued.draft.conversation_id is None:
        carried = len(queued.draft.forwarded)
        forwards = f" (forwards {count_of(carried, 'message')})" if carried else ""
        return f"{subject_line(queued.draft.subject)}{forwards}"
    row = db.execute(_SUBJECT, (queued.draft.conversation_id,)).fetchone()
    return f"reply in “{subject_line(row[0] if row is not None else None)}”"
