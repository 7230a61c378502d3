"""The eight verbs of local edits: what each sets, and what undoing it restores.

The command line and the web pages edit through this module. An UPDATE to the same value in any SQLite client
makes the same edit: the triggers of the schema journal both.

| verb                   | field          | sets                                                           |
|------------------------|----------------|----------------------------------------------------------------|
| star, unstar           | starred        | 1, 0                                                           |
| archive                | workflow_state | archived                                                       |
| unarchive              | workflow_state | of an archived conversation, the state from before archiving   |
| read                   | workflow_state | read; archived conversations stay archived                     |
| unread                 | workflow_state | unread, which moves an archived conversation to the inbox      |
| subscribe, unsubscribe | subscribed     | 1, 0; refused for a private conversation                       |

The caller holds the transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from canvas_archive.errors import BadInput
from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.edits import EditOutcome, record_edit
from canvas_archive.store.flags import FIELDS, as_text

_COLUMNS = ("id", "subject", *FIELDS, *(f"remote_{name}" for name in FIELDS))
_ROW = f"SELECT {', '.join(_COLUMNS)} FROM conversations WHERE id = ?"  # noqa: S608 (constants)
_BEFORE_ARCHIVING = """
SELECT json_extract(before, '$.remote_workflow_state') FROM revisions
WHERE "table" = 'conversations' AND id = ? AND json_extract(after, '$.remote_workflow_state') = 'archived'
ORDER BY revision DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: the column, the value, what was done in words, and why nothing was to do."""

    name: str
    field: str
    value: str
    done: str
    already: str = "it already was that way"


VERBS = {
    verb.name: verb
    for verb in (
        Verb("star", "starred", "1", "starred"),
        Verb("unstar", "starred", "0", "no longer starred"),
        Verb("archive", "workflow_state", "archived", "archived"),
        Verb("unarchive", "workflow_state", "read", "moved to the inbox"),
        Verb("read", "workflow_state", "read", "marked as read", "it already was read or archived"),
        Verb("unread", "workflow_state", "unread", "marked as unread"),
        Verb("subscribe", "subscribed", "1", "followed"),
        Verb("unsubscribe", "subscribed", "0", "no longer followed"),
    )
}


VALUES = {
    ("starred", "1"): ("a star", "star"),
    ("starred", "0"): ("no star", "unstar"),
    ("workflow_state", "archived"): ("archived", "archive"),
    ("workflow_state", "read"): ("read, in the inbox", "mark as read"),
    ("workflow_state", "unread"): ("unread, in the inbox", "mark as unread"),
    ("subscribed", "1"): ("followed", "follow"),
    ("subscribed", "0"): ("no longer followed", "stop following"),
}
"""The value of an edit in words: as a state, and as what is done on Canvas."""


def state_words(field: str, value: str) -> str:
    """Return the value of an edit as a state: ``read, in the inbox``."""
    return VALUES.get((field, value), (f"{field} = {value}", ""))[0]


def act_words(field: str, value: str) -> str:
    """Return what sending an edit does: ``mark as read``."""
    return VALUES.get((field, value), ("", f"{field} = {value}"))[1]


@dataclass(frozen=True, slots=True)
class Change:
    """One column of one conversation, before and after; ``remote`` is what Canvas had then."""

    conversation_id: int
    subject: str | None
    field: str
    before: str
    after: str
    remote: str
    outcome: EditOutcome


@dataclass(frozen=True, slots=True)
class RefusedEdit:
    """A conversation that cannot be edited, and why."""

    conversation_id: int
    subject: str | None
    reason: str


@dataclass(slots=True)
class Applied:
    """What applying a verb did; ``unchanged`` counts the conversations that already were as wanted."""

    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    refused: list[RefusedEdit] = field(default_factory=list)


def unarchived_state(db: sqlite3.Connection, conversation_id: int, remote: str) -> str:
    """Return the state that an archived conversation goes back to; ``remote`` is what Canvas has.

    While Canvas has it in the inbox, that is Canvas's state: the edit is taken back. Once Canvas has archived
    it, it is the state that Canvas had before, or ``read`` where no sync saw that.
    """
    if remote != "archived":
        return remote
    row = db.execute(_BEFORE_ARCHIVING, (str(conversation_id),)).fetchone()
    return "unread" if row is not None and row[0] == "unread" else "read"


def value_for(db: sqlite3.Connection, verb: Verb, row: Mapping[str, Any]) -> str:
    """Return the value a conversation is to get; its present one where the verb means no change."""
    state: str = row["workflow_state"]
    if verb.name == "unarchive":
        return state if state != "archived" else unarchived_state(db, row["id"], row["remote_workflow_state"])
    if verb.name == "read" and state == "archived":
        return state  # it would move to the inbox, which nobody asked for
    return verb.value


def would_change(db: sqlite3.Connection, verb: Verb, ids: Iterable[int]) -> list[int]:
    """Return the conversations whose value the verb changes. Raises BadInput for an unknown one."""
    rows = (_row_of(db, id_) for id_ in ids)
    return [row["id"] for row in rows if as_text(row[verb.field]) != value_for(db, verb, row)]


def apply_verb(
    db: sqlite3.Connection, verb: Verb, ids: Iterable[int], origin: str, *, lenient: bool = False
) -> Applied:
    """Edit the conversations; return what changed.

    Raises BadInput for an unknown conversation, and for one that cannot be edited unless ``lenient``.
    """
    applied = Applied()
    for id_ in ids:
        row = _row_of(db, id_)
        value = value_for(db, verb, row)
        outcome = record_edit(db, id_, verb.field, value, origin)
        if outcome.refused and not lenient:
            raise BadInput(f"Conversation {id_}: {outcome.reason}. Nothing was changed.")
        if outcome.refused:
            applied.refused.append(RefusedEdit(id_, row["subject"], outcome.reason))
        elif outcome is EditOutcome.UNCHANGED:
            applied.unchanged += 1
        else:
            before, remote = as_text(row[verb.field]), as_text(row[f"remote_{verb.field}"])
            applied.changes.append(Change(id_, row["subject"], verb.field, before, value, remote, outcome))
    return applied


def undo_changes(db: sqlite3.Connection, changes: Iterable[Change], origin: str) -> int:
    """Set columns back, where nothing else has changed them since; return how many.

    A value that was Canvas's own goes back to what Canvas has now: the edit is only taken back. Once the edit
    was sent, or when another edit waited before it, the value from before is restored.
    """
    done = 0
    for change in changes:
        row = _row_of(db, change.conversation_id)
        if as_text(row[change.field]) != change.after:
            continue
        remote = as_text(row[f"remote_{change.field}"])
        taken_back = change.before == change.remote and remote != change.after
        value = remote if taken_back else change.before
        done += not record_edit(db, change.conversation_id, change.field, value, origin).refused
    return done


def _row_of(db: sqlite3.Connection, conversation_id: int) -> dict[str, Any]:
    found = plain_cursor(db).execute(_ROW, (conversation_id,)).fetchone()
    if found is None:
        raise BadInput(f"There is no conversation {conversation_id} in this archive; nothing was changed.")
    return dict(zip(_COLUMNS, found, strict=True))
