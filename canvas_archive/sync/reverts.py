"""An archived conversation that Canvas has as unread again: found after a pull, queued for the next push.

A known defect of Canvas turns a conversation that was archived shortly after a new message back to
unread within minutes. Its owner, who marks it as unread in a browser, causes the same state. So a sync
sends nothing. It queues the archiving once more as a pending edit, and says so: ``push``
sends it, ``edits discard`` takes it back. A new message or another state
shows that a person changed the conversation since: it ends that edit, and Canvas's state stays.

A new message un-archives a conversation rightly. The ``revisions`` after the archiving have a later
``last_message_at`` in that case alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from canvas_archive.clock import iso
from canvas_archive.store import Ingest, edits, transaction
from canvas_archive.store.edits import REPUSH
from canvas_archive.sync.push_report import undone

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from canvas_archive.clock import Clock
    from canvas_archive.sync.push_report import PushReport

WITHIN = timedelta(hours=1)

# An edit queued again and discarded counts: a person has said that the conversation stays in the inbox.
_ARCHIVED_HERE = """
SELECT e.id, e.conversation_id, e.origin FROM edits e JOIN conversations c ON c.id = e.conversation_id
WHERE e.field = 'workflow_state' AND e.value = 'archived' AND e.state = 'pushed' AND e.settled_at >= :since
  AND c.remote_workflow_state = :now AND c.workflow_state = :now AND c.removed_at IS NULL
  AND e.id = (SELECT max(l.id) FROM edits l WHERE l.conversation_id = e.conversation_id
              AND l.field = 'workflow_state' AND (l.state <> 'discarded' OR l.origin = 'repush'))
  AND NOT EXISTS (SELECT 1 FROM problems WHERE kind = 'conversation' AND item_id = CAST(c.id AS TEXT))
ORDER BY e.id
"""
_HISTORY = """
SELECT before, after FROM revisions WHERE "table" = 'conversations' AND id = ? ORDER BY revision
"""
_WAITING = """
SELECT e.id, e.conversation_id, c.remote_workflow_state
FROM edits e CROSS JOIN conversations c ON c.id = e.conversation_id
WHERE e.state = 'pending' AND e.origin = 'repush' AND c.removed_at IS NULL ORDER BY e.id
"""


@dataclass(frozen=True, slots=True)
class Reverted:
    """An archiving that Canvas had carried out and has undone. ``again``: for the second time."""

    edit_id: int
    conversation_id: int
    again: bool


def archived_here(db: sqlite3.Connection, clock: Clock, now: str) -> list[Reverted]:
    """Return the archivings pushed within the last hour whose conversation Canvas last had as ``now``."""
    parameters = {"since": iso(clock.now() - WITHIN), "now": now}
    return [
        Reverted(edit_id, conversation_id, origin == REPUSH)
        for edit_id, conversation_id, origin in map(tuple, db.execute(_ARCHIVED_HERE, parameters).fetchall())
    ]


def reverted_archives(db: sqlite3.Connection, clock: Clock) -> list[Reverted]:
    """Return the archivings pushed within the last hour that Canvas has undone with no new message."""
    return [
        found for found in archived_here(db, clock, "unread") if not _message_came(db, found.conversation_id)
    ]


def _message_came(db: sqlite3.Connection, conversation_id: int) -> bool:
    """Return whether the conversation got a later message after Canvas last said "archived"."""
    came = False
    for before_text, after_text in map(tuple, db.execute(_HISTORY, (str(conversation_id),))):
        before, after = json.loads(before_text), json.loads(after_text)
        if after.get("remote_workflow_state") == "archived":
            came = False
        elif (after.get("last_message_at") or "") > (before.get("last_message_at") or ""):
            came = True
    return came


def queue_reverted(db: sqlite3.Connection, clock: Clock, report: PushReport) -> dict[int, str]:
    """Queue what Canvas has undone for the next push, and end edits that are out of date. Nothing is sent.

    Return the queued edits with their fingerprints.

    To be called after a pull. A second time, the conversation is journalled as ``reverted`` and
    stays in the inbox.
    """
    _end_overtaken(db, clock, report)
    queued = set()
    for found in reverted_archives(db, clock):
        if found.again:
            _give_up(db, found, clock, report)
            continue
        with transaction(db):
            edits.record_edit(db, found.conversation_id, "workflow_state", "archived", REPUSH)
        queued.add(found.conversation_id)
    return {
        edit.id: edits.fingerprint(edit)
        for edit in edits.pending_edits(db)
        if edit.origin == REPUSH and edit.conversation_id in queued
    }


def _end_overtaken(db: sqlite3.Connection, clock: Clock, report: PushReport) -> None:
    for edit_id, conversation_id, state in map(tuple, db.execute(_WAITING).fetchall()):
        if state != "unread":
            why = f"it is {state} on Canvas now, and stays so"
        elif _message_came(db, conversation_id):
            why = "a new message arrived: the conversation stays in the inbox"
        else:
            continue
        with transaction(db):
            edits.settle_edit(db, edit_id, "conflict", why, "archived", clock)
            Ingest(db, clock).save_flags(conversation_id, workflow_state=state)
        report.notes.append(f"Conversation {conversation_id}: not archived again; {why}.")


def _give_up(db: sqlite3.Connection, found: Reverted, clock: Clock, report: PushReport) -> None:
    sentence = "Canvas undid its archiving twice; it stays in the inbox"
    with transaction(db):
        edits.settle_edit(db, found.edit_id, "reverted", sentence, "archived", clock)
    report.reverted += 1
    report.notes.append(f"Conversation {found.conversation_id}: {sentence}.")


# -- sentences -----------------------------------------------------------------------------------------


def waiting_lines(db: sqlite3.Connection) -> Iterator[str]:
    """Yield a line for each archiving that waits to be sent once more."""
    for edit_id, conversation_id, _ in map(tuple, db.execute(_WAITING).fetchall()):
        yield (
            f"{undone(conversation_id)} 'canvas-archive push' archives it again; "
            f"'canvas-archive edits discard {edit_id}' leaves it in the inbox."
        )
