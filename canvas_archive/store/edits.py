"""The journal of local edits: making, listing, taking back and settling them.

The triggers of the schema write the journal at every UPDATE, whoever makes it; these functions add the
origin, the checks with a sentence, and what happens at the end of an edit's life. The caller holds the
transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.errors import BadInput
from canvas_archive.store.flags import FIELDS, STATES, as_text
from canvas_archive.store.journal import journaled
from canvas_archive.store.rows import clean, to_json

__all__ = [
    "FIELDS",
    "REPUSH",
    "Edit",
    "EditOutcome",
    "as_text",
    "discard_edits",
    "fingerprint",
    "keep_mine",
    "list_edits",
    "pending_edits",
    "record_edit",
    "settle_edit",
]

REPUSH = "repush"
"""The origin of an edit that a sync queued again because Canvas had undone it."""

EDIT_STATES = ("pending", "pushed", "conflict", "discarded", "gone", "reverted")

_COLUMNS = "id, conversation_id, field, base_value, value, made_at, origin, state, settled_at, detail"
_PENDING = f"SELECT {_COLUMNS} FROM edits WHERE state = 'pending' ORDER BY id"  # noqa: S608 (constants)
_IN_STATES = f"SELECT {_COLUMNS} FROM edits WHERE state IN (SELECT value FROM json_each(?)) ORDER BY id"  # noqa: S608 (constants)
_CONVERSATION = """
SELECT starred, workflow_state, subscribed, remote_starred, remote_workflow_state, remote_subscribed, private,
  removed_at
FROM conversations WHERE id = ?
"""
_EDIT = "SELECT id FROM edits WHERE conversation_id = ? AND field = ? AND state = 'pending'"
_ORIGIN = "UPDATE edits SET origin = ? WHERE conversation_id = ? AND field = ? AND state = 'pending'"
_SETTLE = """
UPDATE edits SET state = ?, detail = ?, settled_at = ?
WHERE id = ? AND value = ? AND state IN ('pending', 'pushed')
"""
_SET = {field: f"UPDATE conversations SET {field} = ? WHERE id = ?" for field in FIELDS}  # noqa: S608 (constants)
_SET_BACK = {
    field: f"UPDATE conversations SET {field} = remote_{field} WHERE id = ? AND {field} <> remote_{field}"  # noqa: S608 (constants)
    for field in FIELDS
}
_DISCARD = """
UPDATE edits SET state = 'discarded', settled_at = ?, detail = 'discarded'
WHERE id = ? AND state = 'pending'
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """One row of the journal; values are text (``0``, ``1``, ``read``, ``unread``, ``archived``)."""

    id: int
    conversation_id: int
    field: str
    base_value: str
    value: str
    made_at: str
    origin: str
    state: str
    settled_at: str | None
    detail: str | None


class EditOutcome(Enum):
    """What recording an edit did. ``refused`` ones have changed nothing, and ``reason`` says why."""

    RECORDED = "recorded"
    SET_BACK = "set_back"
    UNCHANGED = "unchanged"
    REFUSED_PRIVATE = "refused_private"
    REFUSED_REMOVED = "refused_removed"

    @property
    def refused(self) -> bool:
        """Return whether the edit cannot be made."""
        return self in _REASONS

    @property
    def reason(self) -> str:
        """Return why an edit was refused; empty when it was not."""
        return _REASONS.get(self, "")


_REASONS = {
    EditOutcome.REFUSED_PRIVATE: "a private conversation has no subscription: Canvas ignores it",
    EditOutcome.REFUSED_REMOVED: "the conversation is no longer on Canvas: there is nothing to edit",
}


def record_edit(
    db: sqlite3.Connection, conversation_id: int, field: str, value: str | int | bool, origin: str
) -> EditOutcome:
    """Make one edit: set the column, and let the journal say that it came from ``origin``.

    ``SET_BACK`` means that the value is what Canvas has, which discarded a pending edit.

    Raises BadInput for an unknown conversation, field or value.
    """
    wished = _column_value(field, value)
    row = db.execute(_CONVERSATION, (conversation_id,)).fetchone()
    if row is None:
        raise BadInput(f"There is no conversation {conversation_id} in this archive.")
    position = FIELDS.index(field)
    present, remote, private, removed_at = row[position], row[position + len(FIELDS)], row[6], row[7]
    if present == wished:
        return EditOutcome.UNCHANGED
    if wished == remote:
        # Taking an edit back is always possible.
        db.execute(_SET[field], (wished, conversation_id))
        return EditOutcome.SET_BACK
    if removed_at is not None:
        return EditOutcome.REFUSED_REMOVED
    if field == "subscribed" and private:
        return EditOutcome.REFUSED_PRIVATE
    db.execute(_SET[field], (wished, conversation_id))
    edit = db.execute(_EDIT, (conversation_id, field)).fetchone()
    with journaled(db, "edits", edit):
        db.execute(_ORIGIN, (origin, conversation_id, field))
    return EditOutcome.RECORDED


def _column_value(field: str, value: str | int | bool) -> str | int:
    if field not in FIELDS:
        raise BadInput(f"{field!r} is not an editable field; there are {', '.join(FIELDS)}.")
    text = as_text(value)
    allowed = STATES if field == "workflow_state" else ("0", "1")
    if text not in allowed:
        raise BadInput(f"{field} can be {', '.join(allowed)}, not {text!r}.")
    return text if field == "workflow_state" else int(text)


def pending_edits(db: sqlite3.Connection) -> list[Edit]:
    """Return the edits that wait, in the order they were made."""
    return [Edit(*row) for row in db.execute(_PENDING)]


def list_edits(db: sqlite3.Connection, states: Iterable[str] = EDIT_STATES) -> list[Edit]:
    """Return the journal's rows in any of the given states, in the order they were made.

    Raises BadInput for a state that does not exist.
    """
    wanted = list(states)
    unknown = [state for state in wanted if state not in EDIT_STATES]
    if unknown:
        raise BadInput(f"There is no edit state {unknown[0]!r}; there are {', '.join(EDIT_STATES)}.")
    return [Edit(*row) for row in db.execute(_IN_STATES, (to_json(wanted),))]


def fingerprint(edit: Edit) -> str:
    """Return what tells whether an edit is still the one that a person was shown."""
    return f"{edit.base_value}>{edit.value}"


def keep_mine(db: sqlite3.Connection, edit_id: int, origin: str, *, clock: Clock = SYSTEM) -> bool:
    """Decide a conflict for the person's value: a new edit starts from what Canvas has now.

    Returns False when that edit is no longer pending.
    """
    edit = next((one for one in pending_edits(db) if one.id == edit_id), None)
    if edit is None:
        return False
    discard_edits(db, [edit_id], clock=clock)
    return record_edit(db, edit.conversation_id, edit.field, edit.value, origin) is EditOutcome.RECORDED


def discard_edits(db: sqlite3.Connection, ids: Iterable[int] | None = None, *, clock: Clock = SYSTEM) -> int:
    """Take back pending edits (all of them by default): the columns go back to what Canvas has.

    Returns how many were pending; ids that are not pending edits are passed over.
    """
    wanted = None if ids is None else set(ids)
    edits = [edit for edit in pending_edits(db) if wanted is None or edit.id in wanted]
    for edit in edits:
        # Before the column: the trigger would otherwise say "set back", as if somebody had done it by hand.
        with journaled(db, "edits", [edit.id]):
            db.execute(_DISCARD, (iso(clock.now()), edit.id))
        db.execute(_SET_BACK[edit.field], (edit.conversation_id,))
    return len(edits)


def settle_edit(
    db: sqlite3.Connection,
    edit_id: int,
    state: str,
    detail: str | None,
    expect_value: str,
    clock: Clock = SYSTEM,
) -> bool:
    """End an edit (``pushed``, ``conflict``, ``gone``, ``reverted``) if it still wishes what was sent.

    Returns False when it was changed or taken back meanwhile: then it is left as it is. The conversation's
    columns are not touched; saving Canvas's answer afterwards moves them. An edit that was pushed may still
    become ``reverted``, ``conflict`` or ``gone``.
    """
    if state not in EDIT_STATES[1:]:
        raise BadInput(f"An edit cannot be settled as {state!r}.")
    values = (state, clean(detail), iso(clock.now()), edit_id, expect_value)
    with journaled(db, "edits", [edit_id]):
        return db.execute(_SETTLE, values).rowcount > 0
