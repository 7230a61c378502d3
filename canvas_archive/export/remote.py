"""Comparing an archive with the lists of Canvas. Nothing on Canvas changes.

Are all conversations here that Canvas lists, with as many messages? What they say is compared in
``remote_contents``.
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

    :calls: GET /api/v1/users/self, GET /api/v1/conversations, GET /api/v1/conversations/:id,
        GET /api/v1/conversations/unread_count
    """
    progress = progress or (lambda name, done, total: None)
    check_owner(db, client)
    remote: dict[int, int | None] = {}
    unread: set[int] = set()
    acts_for = read_account(db).as_user_id
    for scope in SCOPES:
        for page in client.conversations(scope, per_page=100, with_all_ids=True):
            for number in page.all_ids or ():
                remote.setdefault(number, None)
            for conversation in page.conversations:
                remote[conversation.id] = conversation.message_count
                if acts_for is not None and conversation.workflow_state == "unread":
                    unread.add(conversation.id)
            progress("remote", len(remote), 0)
    checks = [_missing(db, client, remote), _counts(db, client, remote), _surplus(db, client, remote)]
    return checks if acts_for is None else [*checks, _hidden(client, acts_for, len(unread))]


def _hidden(client: CanvasClient, acts_for: int, listed: int) -> Check:
    """Say what Canvas may hide from somebody who acts for another user.

    Canvas shows only conversations of accounts where the owner of the token may act. Its count of unread
    conversations is that of the user, so it can be larger than the list.
    """
    counted = client.unread_count()
    detail = (
        f"read as user {acts_for}: Canvas hides conversations of accounts where the owner of the token may "
        "not act"
    )
    if counted <= listed:
        return Check("remote: hidden", True, f"{detail}; how many is unknown")
    item = f"Canvas counts {counted:,} unread conversations and lists {listed:,}: it hides some, or miscounts"
    return Check("remote: hidden", True, detail, (item,))


def check_owner(db: sqlite3.Connection, client: CanvasClient) -> None:
    """Raise WrongAccount when the token belongs to somebody else than the archive."""
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
        held = db.execute(_HELD, (number,)).fetchone()
        if held is not None and held[0] is None:
            continue
        if held is not None:
            if _exists(client, number):
                items.append(f"conversation {number}: on Canvas, and marked as removed in the archive")
            continue
        # A list may name a conversation that does not exist any more.
        if count is None and not _exists(client, number):
            continue
        items.append(f"conversation {number}: on Canvas, not in the archive")
    return findings(
        "remote: conversations",
        items,
        f"all {len(remote):,} conversations on Canvas are here",
        "{count} conversations are missing or marked as removed: run 'canvas-archive sync --full'",
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
