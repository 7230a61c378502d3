"""Binding an archive to the same mailbox under a new address, or under a new user id.

A school's Canvas gets a new address, or an administrator merges two accounts. Whether the token opens the
same mailbox is decided by what is in it: the ids of the conversations, and subject and messages of some of
them. A name or a user id proves nothing, because every Canvas has a user 5 and a conversation 100.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from canvas_archive.errors import MalformedAnswer, NotFound, NotPermitted, WrongAccount
from canvas_archive.store import Ingest, transaction
from canvas_archive.store.acts import ActRequest, begin_act, settle_act
from canvas_archive.store.chain import extend_chain
from canvas_archive.store.config import CONFIG_NAME, write_config
from canvas_archive.store.rows import clean
from canvas_archive.sync.listing import read_ids
from canvas_archive.typed_text import decoded

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.canvas.client import Scope
    from canvas_archive.clock import Clock
    from canvas_archive.model import Conversation, User
    from canvas_archive.store import Archive
    from canvas_archive.store.account import Account

SAMPLE = 20
"""How many conversations are fetched and compared, the newest and the oldest among them."""

_SCOPES: tuple[Scope, ...] = ("inbox", "archived", "sent", "starred")
_STORED = """
SELECT id FROM conversations WHERE removed_at IS NULL AND fetched_at IS NOT NULL ORDER BY latest_at, id
"""
_SUBJECT = "SELECT subject FROM conversations WHERE id = ?"
_MESSAGES = """
SELECT id, created_at, body FROM messages WHERE conversation_id = ? AND generated = 0 AND removed_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared: conversations here and how many of them are listed there; those fetched, and the
    messages that both have.
    """

    stored: int
    listed: int
    fetched: int
    messages: int

    def sentence(self) -> str:
        """Return the comparison in words."""
        return (
            f"{self.listed:,} of the {self.stored:,} conversations here are listed there. Of these, "
            f"{self.fetched:,} were fetched, and {self.messages:,} messages are the same."
        )


def compare(archive: Archive, client: CanvasClient) -> Comparison:
    """Compare the mailbox that a client opens with the archive. Nothing is written or marked as read.

    Raises WrongAccount when they are not the same mailbox, or when there is too little to tell.

    :calls: GET /api/v1/conversations
    :calls: GET /api/v1/conversations/:id
    """
    stored = [row[0] for row in archive.db.execute(_STORED)]
    there = {id_ for scope in _SCOPES for id_ in read_ids(client, scope).all_ids or ()}
    shared = [id_ for id_ in stored if id_ in there]
    if not stored:
        raise WrongAccount(
            "This archive holds no conversation that could be compared, so nothing was changed. "
            "Make a new one with 'canvas-archive init URL'."
        )
    if len(shared) * 2 <= len(stored):
        raise WrongAccount(
            f"This is not the same mailbox: only {len(shared):,} of the {len(stored):,} conversations here "
            "are listed there. Nothing was changed."
        )
    fetched = messages = 0
    for id_ in _spread(shared):
        try:
            shown = client.conversation(id_, auto_mark_as_read=False)
        except (NotFound, NotPermitted, MalformedAnswer):
            continue  # it was listed; that it cannot be read says nothing of whose it is
        fetched += 1
        messages += _same_messages(archive.db, shown)
    if not messages:
        raise WrongAccount(
            "It cannot be shown that this is the same mailbox: the conversations that were compared have no "
            "message both here and there. Nothing was changed."
        )
    return Comparison(len(stored), len(shared), fetched, messages)


def _spread(ids: Sequence[int]) -> Iterable[int]:
    """Return at most ``SAMPLE`` ids, evenly spread from the first to the last."""
    if len(ids) <= SAMPLE:
        return ids
    return [ids[at * (len(ids) - 1) // (SAMPLE - 1)] for at in range(SAMPLE)]


def _same_messages(db: sqlite3.Connection, shown: Conversation) -> int:
    """Return how many messages of a conversation both have.

    Raises WrongAccount for another subject, for a message that differs, and when the stored messages are all
    missing there.
    """
    subject = db.execute(_SUBJECT, (shown.id,)).fetchone()[0]
    stored = {row[0]: (row[1], row[2]) for row in db.execute(_MESSAGES, (shown.id,))}
    same = 0
    for message in shown.messages or ():
        known = stored.get(message.id)
        if known is None or message.generated:
            continue
        body = clean(message.body) or ""
        if known[0] != message.created_at or known[1] not in (body, decoded(body)):
            raise _another(f"message {message.id} of conversation {shown.id}")
        same += 1
    if clean(shown.subject) != subject or (stored and not same):
        raise _another(f"conversation {shown.id}")
    return same


def _another(what: str) -> WrongAccount:
    return WrongAccount(f"This is not the same mailbox: {what} is another one there. Nothing was changed.")


def rebind(
    archive: Archive, clock: Clock, base_url: str, owner: User, person: User, compared: Comparison
) -> Account:
    """Bind the archive to an address and a person, and record it; return the account as it is then.

    ``owner`` is whom the token belongs to, ``person`` whose mailbox it opens. A run that is killed leaves
    the archive as it was, or bound with the old ``config.toml``; repeating the command ends that.
    """
    before = archive.account
    after = replace(
        before,
        base_url=base_url,
        user_id=owner.id,
        name=person.name,
        as_user_id=None if before.as_user_id is None else person.id,
    )
    request = ActRequest(
        "rebind",
        "GET /api/v1/users/self",
        parameters={
            "from": {"base_url": before.base_url, "user_id": before.user_id, "as_user_id": before.as_user_id},
            "to": {"base_url": base_url, "user_id": owner.id, "as_user_id": after.as_user_id},
        },
    )
    if after != before:
        archive.remember_as(after)
        with transaction(archive.db):
            number = begin_act(archive.db, request, clock=clock)
            Ingest(archive.db, clock).save_account(asdict(after))
            settle_act(archive.db, number, "done", compared.sentence(), clock=clock)
            extend_chain(archive.db, clock=clock)
    written = replace(archive.config_as_written, base_url=base_url, as_user_id=after.as_user_id)
    write_config(archive.folder / CONFIG_NAME, written)
    return after
