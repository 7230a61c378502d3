"""What a person saw before they agreed to send it, and what waits that they did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from canvas_archive.store.addressees import enumerated, message_fingerprint
from canvas_archive.store.edits import fingerprint, pending_edits
from canvas_archive.store.outbox import outbox

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from canvas_archive.store.edits import Edit
    from canvas_archive.store.outbox import Queued


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person was shown before they agreed to send it: edits by id, messages by number.

    The values are fingerprints (``edits.fingerprint``, ``addressees.message_fingerprint``). What has another
    one by now, or is not named, is not sent.
    """

    edits: Mapping[int, str]
    messages: Mapping[int, str]

    def allows_edit(self, edit: Edit) -> bool:
        """Return whether an edit is as it was shown."""
        return self.edits.get(edit.id) == fingerprint(edit)

    def allows_message(self, db: sqlite3.Connection, queued: Queued) -> bool:
        """Return whether a message, and whom it goes to, is as it was shown."""
        return self.messages.get(queued.id) == message_fingerprint(db, queued.draft)


def shown(db: sqlite3.Connection, edits: Iterable[Edit], messages: Iterable[Queued]) -> Shown:
    """Return the record of showing these edits and messages."""
    return Shown(
        {edit.id: fingerprint(edit) for edit in edits},
        {one.id: message_fingerprint(db, one.draft) for one in messages},
    )


def waiting(db: sqlite3.Connection) -> Shown:
    """Return everything that waits to be sent now."""
    return shown(db, pending_edits(db), outbox(db))


def changed_since(db: sqlite3.Connection, seen: Shown) -> int:
    """Return how many of the things shown still wait, but as something else."""
    now = waiting(db)
    pairs = ((now.edits, seen.edits), (now.messages, seen.messages))
    return sum(waits.get(key, was) != was for waits, named in pairs for key, was in named.items())


def left_waiting(db: sqlite3.Connection, seen: Shown) -> str:
    """Return a sentence about what waits now and was not shown as it is; empty when nothing does."""
    now = waiting(db)
    counts = (
        (len(now.edits.items() - seen.edits.items()), "edit"),
        (len(now.messages.items() - seen.messages.items()), "message"),
    )
    parts = [f"{number:,} {noun}{'' if number == 1 else 's'}" for number, noun in counts if number]
    if not parts:
        return ""
    one = sum(number for number, _ in counts) == 1
    was, waits = ("was", "waits") if one else ("were", "wait")
    return f"{enumerated(parts)} {was} added or changed meanwhile and {waits}: run 'canvas-archive push'."
