"""Canvas undoing an archive wish by itself: found after a pull, and pushed once more, not for ever.

A known defect of Canvas turns a conversation that was archived shortly after somebody wrote in it back to
unread within minutes. A new message does the same, lawfully. The ``revisions`` tell them apart: what was
recorded after the archiving either holds a later ``last_message_at``, or it does not.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from canvas_archive.clock import iso
from canvas_archive.store import edits, transaction
from canvas_archive.sync.push_report import PushReport

if TYPE_CHECKING:
    from canvas_archive.canvas import CanvasClient
    from canvas_archive.clock import Clock
    from canvas_archive.store import Archive

ORIGIN = "repush"
WITHIN = timedelta(hours=1)

_CANDIDATES = """
SELECT e.id, e.conversation_id, e.origin FROM edits e JOIN conversations c ON c.id = e.conversation_id
WHERE e.field = 'workflow_state' AND e.value = 'archived' AND e.state = 'pushed' AND e.settled_at >= ?
  AND c.remote_workflow_state = 'unread' AND c.workflow_state = 'unread' AND c.removed_at IS NULL
  AND e.id = (SELECT max(l.id) FROM edits l WHERE l.conversation_id = e.conversation_id
              AND l.field = 'workflow_state' AND l.state <> 'discarded')
  AND NOT EXISTS (SELECT 1 FROM problems WHERE kind = 'conversation' AND item_id = CAST(c.id AS TEXT))
ORDER BY e.id
"""
_HISTORY = """
SELECT before, after FROM revisions WHERE "table" = 'conversations' AND id = ? ORDER BY revision
"""
_PENDING = """
SELECT id FROM edits WHERE conversation_id = ? AND field = 'workflow_state' AND state = 'pending'
"""


@dataclass(frozen=True, slots=True)
class Reverted:
    """An archive wish that Canvas had carried out and has undone. ``again``: for the second time."""

    edit_id: int
    conversation_id: int
    again: bool


def reverted_archives(db: sqlite3.Connection, clock: Clock) -> list[Reverted]:
    """Return the archive wishes settled within the last hour that Canvas has undone with no new message."""
    since = iso(clock.now() - WITHIN)
    return [
        Reverted(edit_id, conversation_id, origin == ORIGIN)
        for edit_id, conversation_id, origin in map(tuple, db.execute(_CANDIDATES, (since,)).fetchall())
        if not _message_came(db, conversation_id)
    ]


def _message_came(db: sqlite3.Connection, conversation_id: int) -> bool:
    """Tell whether the conversation got a later message after Canvas last said "archived"."""
    came = False
    for before_text, after_text in map(tuple, db.execute(_HISTORY, (str(conversation_id),))):
        before, after = json.loads(before_text), json.loads(after_text)
        if after.get("remote_workflow_state") == "archived":
            came = False
        elif (after.get("last_message_at") or "") > (before.get("last_message_at") or ""):
            came = True
    return came


def repush_reverted(
    archive: Archive, client: CanvasClient, clock: Clock, *, report: PushReport | None = None
) -> int:
    """Archive once more what Canvas has un-archived by itself; return for how many conversations.

    To be called after a pull. What comes back a second time is journalled as ``reverted`` and left alone.
    ``report`` gets the counts, and a note for each. Raises as ``push_archive`` does; the edits stay pending.
    """
    report = report or PushReport()
    wishes: set[int] = set()
    for found in reverted_archives(archive.db, clock):
        if found.again:
            _give_up(archive, found, clock, report)
        else:
            wishes.add(_wish_again(archive, found))
            report.notes.append(
                f"Conversation {found.conversation_id}: Canvas undid its archiving; it is archived once more."
            )
    if wishes:
        from canvas_archive.sync.push import Push  # hardly ever needed, and every sync comes by here

        before = report.pushed
        Push(archive, client, clock, report, only=wishes).run()
        report.repushed += report.pushed - before
        report.pushed = before
    return len(wishes)


def _wish_again(archive: Archive, found: Reverted) -> int:
    with transaction(archive.db):
        edits.record_edit(archive.db, found.conversation_id, "workflow_state", "archived", ORIGIN)
        number: int = archive.db.execute(_PENDING, (found.conversation_id,)).fetchone()[0]
    return number


def _give_up(archive: Archive, found: Reverted, clock: Clock, report: PushReport) -> None:
    sentence = "Canvas undid its archiving twice; it stays in the inbox"
    with transaction(archive.db):
        edits.settle_edit(archive.db, found.edit_id, "reverted", sentence, "archived", clock)
    report.reverted += 1
    report.notes.append(f"Conversation {found.conversation_id}: {sentence}.")
