"""From a plain :class:`Mailbox` to the live state: who saw what, when, and what their row says of it."""

from __future__ import annotations

import hashlib
from copy import copy
from dataclasses import replace

from canvas_archive.sandbox.mailbox import Mailbox, SandboxPerson, SentMessage, Thread
from canvas_archive.sandbox.state import Conversation, MailboxRow, State, StoredFile

ADMIN_NAME = "Account Admin"


def file_uuid(file_id: int) -> str:
    """Return the verifier of a file: opaque, and the same in every run."""
    return hashlib.sha256(f"file {file_id}".encode()).hexdigest()[:40]


def load(mailbox: Mailbox) -> State:
    """Build the state of a mailbox, which itself is left as it is."""
    state = State(
        owner_id=mailbox.owner_id,
        people={user_id: copy(person) for user_id, person in mailbox.people.items()},
        courses={
            number: replace(course, enrollments=dict(course.enrollments))
            for number, course in mailbox.courses.items()
        },
        groups={
            number: replace(group, member_ids=list(group.member_ids))
            for number, group in mailbox.groups.items()
        },
        now=mailbox.now,
    )
    state.start_counter("user", mailbox.people)
    admin = SandboxPerson(state.next_id("user"), ADMIN_NAME, ADMIN_NAME, role="admin")
    state.people[admin.id] = admin
    state.admin_ids.add(admin.id)
    for file in mailbox.files.values():
        state.files[file.id] = StoredFile(copy(file), file_uuid(file.id))
    for thread in mailbox.threads.values():
        for message in thread.messages:
            kept = replace(
                message,
                to_ids=list(message.to_ids),
                file_ids=list(message.file_ids),
                forwarded_ids=list(message.forwarded_ids),
            )
            state.keep(kept, thread.id)
    for thread in mailbox.threads.values():
        _load_thread(state, thread)
    state.start_counter("conversation", mailbox.threads)
    state.start_counter("message", state.messages)
    state.start_counter("file", mailbox.files)
    _date_rows(state)
    for user_id, rows in state.rows.items():
        state.unread[user_id] = sum(
            row.workflow_state == "unread" and row.last_message_at is not None for row in rows.values()
        )
    return state


def _load_thread(state: State, thread: Thread) -> None:
    conversation = Conversation(thread.id, thread.subject, thread.private, thread.context_code)
    state.conversations[thread.id] = conversation
    for user_id in dict.fromkeys(thread.participant_ids):
        state.new_row(conversation, user_id)
    for given in sorted(thread.messages, key=lambda one: (one.created_at, one.id)):
        message = state.messages[given.id]
        conversation.messages.append(message.id)
        _count(state, conversation, message)
    for user_id, row in conversation.rows.items():
        newest = _newest_received(state, row)
        if newest is not None:
            row.last_message_at = newest.created_at
        if user_id == state.owner_id:
            row.workflow_state = thread.workflow_state
            row.starred = thread.starred
            row.subscribed = thread.subscribed
    if conversation.private:
        key = (frozenset(conversation.rows), conversation.context_code)
        state.private_index.setdefault(key, conversation.id)


def _newest_received(state: State, row: MailboxRow) -> SentMessage | None:
    """Return the newest message of others: own ones never move ``last_message_at``."""
    for message in state.visible_messages(row):
        if not message.generated and message.author_id != row.user_id:
            return message
    return None


def _count(state: State, conversation: Conversation, message: SentMessage) -> None:
    media = message.media is not None
    conversation.has_attachments |= bool(message.file_ids)
    conversation.has_media |= media
    for user_id in dict.fromkeys([*message.to_ids, message.author_id]):
        row = conversation.rows.get(user_id)
        if row is None:
            continue
        row.visible.append(message.id)
        row.message_count += not message.generated
        row.has_attachments |= bool(message.file_ids)
        row.has_media |= media
    author = conversation.rows.get(message.author_id)
    if author is not None and not message.generated:
        author.last_authored_at = author.visible_last_authored_at = message.created_at


def _date_rows(state: State) -> None:
    """Give every row an ``updated_at`` in the order of its last event."""
    everything = [row for rows in state.rows.values() for row in rows.values()]
    everything.sort(
        key=lambda row: (
            max(
                row.last_message_at.timestamp() if row.last_message_at else 0.0,
                row.visible_last_authored_at.timestamp() if row.visible_last_authored_at else 0.0,
            ),
            row.number,
        )
    )
    for row in everything:
        row.touched = state.next_id("touch")
