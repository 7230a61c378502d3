"""How messages reach people: what Canvas does to every participant's row when someone writes or joins.

The rules in one place: a message makes a subscribed recipient's row unread and dates it, wherever it was
filed; an unsubscribed one is only counted; the sender's own row is counted and leaves ``last_message_at``
and the state alone (unless the reply came by e-mail). Generated lines are shown but never counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from canvas_archive.sandbox.mailbox import Media, SentMessage
from canvas_archive.sandbox.state import Conversation, MailboxRow, State


@dataclass(frozen=True, slots=True)
class Draft:
    """A message about to be written."""

    author_id: int
    body: str
    file_ids: tuple[int, ...] = ()
    media: Media | None = None
    forwarded_ids: tuple[int, ...] = ()


def open_conversation(
    state: State,
    people: Sequence[int],
    *,
    private: bool,
    subject: str | None = None,
    context_code: str | None = None,
) -> Conversation:
    """Return the conversation of these people: a private one they already have, else a new one.

    An existing one keeps its own subject.
    """
    known = existing_private(state, people, context_code) if private else None
    if known is not None:
        return known
    conversation = Conversation(state.next_id("conversation"), subject, private, context_code)
    state.conversations[conversation.id] = conversation
    for user_id in dict.fromkeys(people):
        state.new_row(conversation, user_id)
    if private:
        state.private_index[(frozenset(people), context_code)] = conversation.id
    return conversation


def existing_private(state: State, people: Sequence[int], context_code: str | None) -> Conversation | None:
    """Return the private conversation exactly these people already have in that context."""
    known = state.private_index.get((frozenset(people), context_code))
    return None if known is None else state.conversations[known]


def post(
    state: State,
    conversation: Conversation,
    draft: Draft,
    at: datetime,
    *,
    to_ids: Iterable[int] | None = None,
    by_email: bool = False,
) -> SentMessage:
    """Write a message to everyone in the conversation, or to the named participants and the author."""
    named = None if to_ids is None else set(to_ids)
    receivers = [
        user_id
        for user_id in conversation.rows
        if named is None or user_id in named or user_id == draft.author_id
    ]
    message = _write(state, conversation, draft, at, receivers, generated=False)
    for user_id in receivers:
        row = conversation.rows[user_id]
        row.message_count += 1
        if user_id == draft.author_id:
            # Canvas looks for the sender's row among the named recipients only, and so leaves the time of
            # the sender's latest message as it was when recipients are named.
            _date_sender(row, at, moves=named is None or user_id in named, by_email=by_email)
        elif row.last_message_at is None or row.subscribed:
            row.last_message_at = at
            row.workflow_state = "unread"
    _flag_attachments(conversation, message)
    for row in conversation.rows.values():
        state.placed(row)
        state.unread[row.user_id] = state.folders(row.user_id).size("unread")
    return message


def share(state: State, conversation: Conversation, message_id: int, user_ids: Iterable[int]) -> None:
    """Give older messages to people who have no copy of them."""
    message = state.messages[message_id]
    for user_id in user_ids:
        row = conversation.rows.get(user_id)
        if row is None or message_id in row.visible:
            continue
        _show(state, row, message)
        row.message_count += not message.generated
        state.placed(row)


def join_silently(state: State, conversation: Conversation, user_ids: Iterable[int]) -> None:
    """Add people who see nothing but what is written to them from now on."""
    for user_id in dict.fromkeys(user_ids):
        if user_id not in conversation.rows:
            state.new_row(conversation, user_id).workflow_state = "unread"


def add_people(
    state: State, conversation: Conversation, adder_id: int, user_ids: Iterable[int], at: datetime
) -> SentMessage | None:
    """Add people, with every message the adder has or had, and announce it; ``None`` if all are in."""
    new_ids = [user_id for user_id in dict.fromkeys(user_ids) if user_id not in conversation.rows]
    if not new_ids:
        return None
    adder = conversation.rows[adder_id]
    human = [number for number in conversation.messages if not state.messages[number].generated]
    for user_id in new_ids:
        row = state.new_row(conversation, user_id)
        row.workflow_state = "unread"
        row.message_count = len(human)
        row.last_message_at = state.messages[human[-1]].created_at
        for number in sorted([*adder.visible, *adder.removed], key=lambda one: _age(state, one)):
            _show(state, row, state.messages[number])
    message = _write(state, conversation, Draft(adder_id, ""), at, list(conversation.rows), generated=True)
    state.added_people[message.id] = new_ids
    for user_id in new_ids:
        state.placed(conversation.rows[user_id])
        state.unread[user_id] = state.unread.get(user_id, 0) + 1
    return message


def _write(
    state: State,
    conversation: Conversation,
    draft: Draft,
    at: datetime,
    receivers: list[int],
    *,
    generated: bool,
) -> SentMessage:
    message = SentMessage(
        state.next_id("message"),
        draft.author_id,
        at,
        draft.body,
        [],
        generated,
        list(draft.file_ids),
        draft.media,
        list(draft.forwarded_ids),
    )
    state.keep(message, conversation.id)
    conversation.messages.append(message.id)
    conversation.messages.sort(key=lambda one: _age(state, one))
    for user_id in receivers:
        _show(state, conversation.rows[user_id], message)
    return message


def _show(state: State, row: MailboxRow, message: SentMessage) -> None:
    if row.user_id not in message.to_ids:
        message.to_ids.append(row.user_id)
    if message.id in row.removed:
        row.removed.remove(message.id)
    row.visible.append(message.id)
    if len(row.visible) > 1 and _age(state, row.visible[-2]) > _age(state, message.id):
        row.visible.sort(key=lambda one: _age(state, one))


def _age(state: State, message_id: int) -> tuple[datetime, int]:
    return (state.messages[message_id].created_at, message_id)


def _date_sender(row: MailboxRow, at: datetime, *, moves: bool, by_email: bool) -> None:
    if moves:
        row.last_authored_at = max(row.last_authored_at or at, at)
        row.visible_last_authored_at = max(row.visible_last_authored_at or at, at)
    if by_email:
        row.last_message_at = max(row.last_message_at or at, at)
        row.workflow_state = "read"


def _flag_attachments(conversation: Conversation, message: SentMessage) -> None:
    """Mark attachments and recordings on every row, not only of its recipients: so does Canvas."""
    if message.file_ids:
        conversation.has_attachments = True
    if message.media is not None:
        conversation.has_media = True
    for row in conversation.rows.values():
        row.has_attachments |= bool(message.file_ids)
        row.has_media |= message.media is not None
