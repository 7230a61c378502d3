"""Comparing an archive with Canvas itself. Nothing on Canvas changes.

``verify_remote`` reads lists only: are all conversations here that Canvas lists, with as many messages?
``verify_remote_contents`` reads every conversation, with a request for each.
"""

from __future__ import annotations

import sqlite3

from canvas_archive.canvas import CanvasClient, Scope
from canvas_archive.clock import SYSTEM
from canvas_archive.derive.fold import derive
from canvas_archive.errors import NotFound, WrongAccount
from canvas_archive.export.checks import Check, ProgressCallback, capped, findings
from canvas_archive.store.account import read_account
from canvas_archive.store.ingest import Ingest
from canvas_archive.store.receipts import read_receipts

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

_FETCHED = "SELECT id FROM conversations WHERE removed_at IS NULL AND fetched_at IS NOT NULL ORDER BY id"
_LAST_REVISION = "SELECT coalesce(max(revision), 0) FROM revisions"
_NEWS = """
SELECT "table", id, (SELECT group_concat(key, ', ') FROM json_each(max(before, after)) WHERE key NOT IN (
  'remote_starred', 'remote_workflow_state', 'remote_subscribed', 'message_count', 'last_message',
  'last_message_at', 'last_authored_message', 'last_authored_message_at', 'audience', 'properties')) AS fields
FROM revisions WHERE revision > ? AND fields IS NOT NULL ORDER BY revision
"""
"""What saving an answer replaced, without what a new message or a look into the inbox changes."""


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


def verify_remote_contents(
    db: sqlite3.Connection, client: CanvasClient, progress: ProgressCallback | None = None
) -> Check:
    """Read every conversation from Canvas, and compare its messages, people and files with the archive.

    The answers are written into a database that was derived from the receipts: what they replace there is not
    what Canvas says now. That is so for forged receipts, and for what changed on Canvas since the last sync.

    Raises WrongAccount when the token belongs to somebody else.

    :calls: GET /api/v1/users/self, GET /api/v1/conversations/:id
    """
    progress = progress or (lambda name, done, total: None)
    _check_owner(db, client)
    derived, _ = derive(read_receipts(db))
    items = []
    try:
        ingest = Ingest(derived, SYSTEM, receipts=False)
        last = derived.execute(_LAST_REVISION).fetchone()[0]
        ids = [row[0] for row in derived.execute(_FETCHED)]
        for done, number in enumerate(ids, start=1):
            try:
                ingest.save_conversation(client.conversation(number, auto_mark_as_read=False))
            except NotFound:
                items.append(f"conversations {number}: Canvas has no such conversation")
            progress("remote contents", done, len(ids))
        for table, key, fields in derived.execute(_NEWS, (last,)):
            items.append(f"{table} {key}: Canvas says otherwise: {fields}")
    finally:
        derived.close()
    return findings(
        "remote contents",
        items,
        f"{len(ids):,} conversations say what Canvas says",
        "{count} rows differ: they were changed on Canvas since the last sync, or their receipts are forged",
    )
