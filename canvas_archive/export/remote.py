"""Completeness against Canvas itself: are all conversations here that Canvas lists, with as many messages?

Reads lists only; nothing on Canvas changes.
"""

from __future__ import annotations

import sqlite3

from canvas_archive.canvas import CanvasClient, Scope
from canvas_archive.errors import NotFound, WrongAccount
from canvas_archive.export.checks import Check, ProgressCallback, capped, findings
from canvas_archive.store.account import read_account

SCOPES: tuple[Scope, ...] = ("inbox", "archived", "sent", "starred")
"""Together these hold everything a person can see."""

_HELD = """
SELECT c.removed_at,
  (SELECT count(*) FROM messages m
   WHERE m.conversation_id = c.id AND m.generated = 0 AND m.removed_at IS NULL)
FROM conversations c WHERE c.id = ?
"""
_HAS_MESSAGE = """
SELECT EXISTS (SELECT 1 FROM messages WHERE id = ? AND conversation_id = ? AND removed_at IS NULL)
"""


def verify_remote(
    db: sqlite3.Connection, client: CanvasClient, progress: ProgressCallback | None = None
) -> list[Check]:
    """Compare the ids and message counts of all lists with the archive.

    Raises WrongAccount when the token belongs to somebody else.

    :calls: GET /api/v1/users/self, GET /api/v1/conversations, GET /api/v1/conversations/:id
    """
    progress = progress or (lambda name, done, total: None)
    _check_owner(db, client)
    remote: dict[int, int | None] = {}
    for scope in SCOPES:
        for page in client.conversations(scope, per_page=100, with_all_ids=True):
            for number in page.all_ids or ():
                remote.setdefault(number, None)
            for conversation in page.conversations:
                remote[conversation.id] = conversation.message_count
            progress("remote", len(remote), 0)
    return [_missing(db, client, remote), _counts(db, client, remote), _surplus(db, client, remote)]


def _check_owner(db: sqlite3.Connection, client: CanvasClient) -> None:
    account = read_account(db)
    user = client.current_user()
    if user.id != account.owner_id:
        raise WrongAccount(
            f"The archive is of user {account.owner_id} at {account.base_url}, "
            f"but the token belongs to {user.name} ({user.id})."
        )


def _missing(db: sqlite3.Connection, client: CanvasClient, remote: dict[int, int | None]) -> Check:
    items = []
    for number, count in sorted(remote.items()):
        if db.execute(_HELD, (number,)).fetchone() is not None:
            continue
        # A list may name a conversation that does not exist any more.
        if count is None and not _exists(client, number):
            continue
        items.append(f"conversation {number}: on Canvas, not in the archive")
    return findings(
        "remote: conversations",
        items,
        f"all {len(remote):,} conversations on Canvas are here",
        "{count} conversations are missing: run 'canvas-archive sync --full'",
    )


def _counts(db: sqlite3.Connection, client: CanvasClient, remote: dict[int, int | None]) -> Check:
    """Look for messages that are on Canvas alone. Its counter may drift: what it gives is what counts."""
    items, notes = [], []
    for number, count in sorted(remote.items()):
        row = db.execute(_HELD, (number,)).fetchone()
        if row is None or count is None or row[1] >= count:
            continue
        given = _given(client, number)
        missing = [id_ for id_ in given if not db.execute(_HAS_MESSAGE, (id_, number)).fetchone()[0]]
        if missing:
            items.append(f"conversation {number}: {len(missing):,} messages on Canvas are not in the archive")
        else:
            notes.append(f"conversation {number}: Canvas counts {count:,} messages, and gives {len(given):,}")
    if notes and not items:
        detail = f"no message is on Canvas alone; its own count differs for {len(notes):,} conversations"
        return Check("remote: messages", True, detail, capped(notes))
    return findings(
        "remote: messages",
        items,
        "no conversation on Canvas has more messages than here",
        "{count} conversations lack messages: run 'canvas-archive sync --full'",
    )


def _given(client: CanvasClient, number: int) -> list[int]:
    """Return the ids of the messages that Canvas gives of a conversation, without those it wrote itself."""
    try:
        messages = client.conversation(number, auto_mark_as_read=False).messages or ()
    except NotFound:
        return []
    return [message.id for message in messages if not message.generated]


def _surplus(db: sqlite3.Connection, client: CanvasClient, remote: dict[int, int | None]) -> Check:
    items = [
        f"conversation {row[0]}: gone from Canvas, not marked as removed"
        for row in db.execute("SELECT id FROM conversations WHERE removed_at IS NULL ORDER BY id").fetchall()
        if row[0] not in remote and not _exists(client, row[0])
    ]
    return findings(
        "remote: removed",
        items,
        "what is gone from Canvas is marked as removed",
        "{count} conversations are gone from Canvas: run 'canvas-archive sync --full'",
    )


def _exists(client: CanvasClient, number: int) -> bool:
    try:
        client.conversation(number, auto_mark_as_read=False)
    except NotFound:
        return False
    return True
