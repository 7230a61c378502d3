"""What waits to be sent, in words: edits, conflicts, messages of the outbox; and what a form sends of it.

A form that sends names each edit and message with the fingerprint of what the page showed. What has changed
since, or was never shown, stays where it is.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from canvas_archive.errors import BadInput
from canvas_archive.store.addressees import (
    Addressees,
    addressees,
    enumerated,
    message_fingerprint,
    together,
)
from canvas_archive.store.edits import Edit, fingerprint
from canvas_archive.store.outbox import Draft, OutgoingFile, Queued, outbox
from canvas_archive.store.rows import ids_json
from canvas_archive.store.verbs import state_words
from canvas_archive.web import queries
from canvas_archive.web.render import plural

SHOWN = 200
MESSAGES_SHOWN = 50
_NAMED = re.compile(r"(?P<number>[0-9]{1,18}):(?P<fingerprint>[0-9A-Za-z>]{1,40})")
_CARRIED = """
SELECT coalesce(u.name, 'User ' || u.id) AS author, substr(m.body, 1, 200) AS text,
  (SELECT count(*) FROM message_attachments a WHERE a.message_id = m.id) AS files
FROM messages m JOIN users u ON u.id = m.author_id
WHERE m.id IN (SELECT value FROM json_each(?)) ORDER BY m.created_at, m.id
"""
_SUBJECT = "SELECT subject FROM conversations WHERE id = ?"

MADE_BY = {
    "web": "here",
    "cli": "in the terminal",
    "sql": "with SQL",
    "repush": "by a sync, because Canvas has it as unread again",
}


@dataclass(frozen=True, slots=True)
class WaitingEdit:
    """A pending edit. ``canvas`` names what Canvas has where that is a conflict, else it is empty."""

    edit: Edit
    subject: str
    canvas: str

    @property
    def change(self) -> str:
        """Return what changes into what."""
        edit = self.edit
        return f"{state_words(edit.field, edit.base_value)} → {self.mine}"

    @property
    def mine(self) -> str:
        """Return what the person wants."""
        return state_words(self.edit.field, self.edit.value)

    @property
    def made_by(self) -> str:
        """Return where the edit was made."""
        return MADE_BY.get(self.edit.origin, f"by {self.edit.origin}")

    @property
    def field(self) -> str:
        """Return what a form sends: the edit and what the page showed of it."""
        return f"{self.edit.id}:{fingerprint(self.edit)}"


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message of the outbox. ``subject`` is that of its conversation where it is a reply."""

    queued: Queued
    subject: str
    to: Addressees
    fingerprint: str
    carried: Sequence[sqlite3.Row] = ()

    @property
    def draft(self) -> Draft:
        """Return the message itself."""
        return self.queued.draft

    @property
    def files(self) -> tuple[OutgoingFile, ...]:
        """Return the files that go along."""
        return self.draft.enclosures

    @property
    def what(self) -> str:
        """Return what kind of message it is, in words."""
        return "Reply" if self.draft.kind == "reply" else "Forward" if self.draft.forwarded else "New message"

    @property
    def one_each(self) -> bool:
        """Return whether Canvas makes one conversation for each person."""
        return self.draft.kind == "send" and not self.draft.group and self.to.several

    @property
    def field(self) -> str:
        """Return what a form sends: the message and what the page showed of it."""
        return f"{self.queued.id}:{self.fingerprint}"

    @property
    def question(self) -> str:
        """Return the line that asks for consent."""
        return f"{self.subject or '(no subject)'}: to {self.to.named()}"


@dataclass(frozen=True, slots=True)
class Pending:
    """Everything that waits, as far as a page shows it. ``failed`` messages wait for a decision."""

    edits: Sequence[WaitingEdit]
    conflicts: Sequence[WaitingEdit]
    messages: Sequence[WaitingMessage]
    failed: Sequence[WaitingMessage]
    edits_left_out: int = 0
    messages_left_out: int = 0

    @property
    def sends_anything(self) -> bool:
        """Return whether the button would send anything."""
        return bool(self.edits or self.messages)

    @property
    def button(self) -> str:
        """Say what the button sends: ``Send 1 change and 1 message to 4 people``."""
        return f"Send {sent_words(len(self.edits), self.messages)}"

    @property
    def question(self) -> str:
        """Return what a browser asks before a message leaves; empty when none does."""
        if not self.messages:
            return ""
        return "\n".join([f"{self.button}?", *(message.question for message in self.messages)])


def sent_words(changes: int, messages: Sequence[WaitingMessage]) -> str:
    """Say what is sent: ``2 changes and 1 message to 4 people``."""
    parts = [plural(changes, "change")] if changes else []
    if messages:
        to = together(message.to for message in messages)
        parts.append(f"{plural(len(messages), 'message')} to {to.counted()}")
    return enumerated(parts)


def read_pending(connection: sqlite3.Connection, counts: Mapping[str, int]) -> Pending:
    """Read what waits; ``counts`` are those of the frame."""
    rows = connection.execute(queries.PENDING_EDITS, {"limit": SHOWN}).fetchall()
    edits = [_edit_of(row) for row in rows]
    open_messages = outbox(connection)
    messages = messages_of(connection, open_messages[:MESSAGES_SHOWN])
    failed = messages_of(connection, outbox(connection, ("failed",))[-MESSAGES_SHOWN:])
    return Pending(
        edits=[edit for edit in edits if not edit.canvas],
        conflicts=[edit for edit in edits if edit.canvas],
        messages=messages,
        failed=failed,
        edits_left_out=counts["pending"] - len(edits),
        messages_left_out=counts["outbox"] - len(messages),
    )


def _edit_of(row: sqlite3.Row) -> WaitingEdit:
    edit = Edit(**{name: row[name] for name in Edit.__slots__})
    conflict = row["remote"] not in (edit.base_value, edit.value)
    return WaitingEdit(
        edit,
        row["subject"] or "(no subject)",
        state_words(edit.field, row["remote"]) if conflict else "",
    )


def messages_of(connection: sqlite3.Connection, queued: Iterable[Queued]) -> list[WaitingMessage]:
    """Return messages with whom they go to."""
    found = []
    for one in queued:
        subject = one.draft.subject
        if one.draft.conversation_id is not None:
            row = connection.execute(_SUBJECT, (one.draft.conversation_id,)).fetchone()
            subject = row[0] if row else None
        found.append(
            WaitingMessage(
                one,
                subject or "(no subject)",
                addressees(connection, one.draft),
                message_fingerprint(connection, one.draft),
                carried_by(connection, one.draft),
            )
        )
    return found


def carried_by(connection: sqlite3.Connection, draft: Draft) -> Sequence[sqlite3.Row]:
    """Return the messages that one forwards, with their authors, beginnings and numbers of files."""
    if not draft.forwarded:
        return ()
    return connection.execute(_CARRIED, (ids_json(draft.forwarded),)).fetchall()


def replies_to(connection: sqlite3.Connection, conversation_id: int) -> list[WaitingMessage]:
    """Return the replies to a conversation that wait, or that Canvas refused."""
    rows = outbox(connection, ("queued", "sending", "failed"))
    return messages_of(connection, (one for one in rows if one.draft.conversation_id == conversation_id))


def named_in_form(fields: Iterable[str]) -> dict[int, str]:
    """Read what a form names: numbers with the fingerprints of what the page showed.

    Raises BadInput for a field that no page of ours has.
    """
    named = {}
    for field in fields:
        match = _NAMED.fullmatch(field)
        if match is None:
            raise BadInput("This page was out of date. Open Changes again and look at what waits.")
        named[int(match["number"])] = match["fingerprint"]
    return named
