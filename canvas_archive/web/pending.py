"""What waits to be sent, in words: edits, conflicts, messages of the outbox; and what a form sends of it.

A form that sends names each edit and message with the fingerprint of what the page showed. What has changed
since, or was never shown, stays where it is.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from canvas_archive.errors import BadInput
from canvas_archive.store.addressees import Addressees, addressees, enumerated, together
from canvas_archive.store.edits import Edit, fingerprint
from canvas_archive.store.outbox import Draft, OutgoingFile, Queued, outbox
from canvas_archive.store.outbox import fingerprint as message_fingerprint
from canvas_archive.web import queries
from canvas_archive.web.render import plural

SHOWN = 200
MESSAGES_SHOWN = 50
_NAMED = re.compile(r"(?P<number>[0-9]{1,18}):(?P<fingerprint>[0-9A-Za-z>]{1,40})")
_SUBJECT = "SELECT subject FROM conversations WHERE id = ?"

WISHES = {
    ("starred", "1"): "a star",
    ("starred", "0"): "no star",
    ("workflow_state", "archived"): "archived",
    ("workflow_state", "read"): "read, in the inbox",
    ("workflow_state", "unread"): "unread, in the inbox",
    ("subscribed", "1"): "followed",
    ("subscribed", "0"): "no longer followed",
}
MADE_BY = {
    "web": "here",
    "cli": "in the terminal",
    "sql": "with SQL",
    "repush": "by a sync, because Canvas has it as unread again",
}


def value_words(field: str, value: str) -> str:
    """Name the value of an edit as a person would."""
    return WISHES.get((field, value), f"{field} = {value}")


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
        return f"{value_words(edit.field, edit.base_value)} → {self.mine}"

    @property
    def mine(self) -> str:
        """Return what the person wants."""
        return value_words(self.edit.field, self.edit.value)

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

    @property
    def draft(self) -> Draft:
        """Return the message itself."""
        return self.queued.draft

    @property
    def files(self) -> tuple[OutgoingFile, ...]:
        """Return the files that go along."""
        return self.draft.enclosures

    @property
    def one_each(self) -> bool:
        """Return whether Canvas makes one conversation for each person."""
        return (
            self.draft.kind == "send"
            and not self.draft.group
            and (len(self.to.people) > 1 or bool(self.to.groups))
        )

    @property
    def field(self) -> str:
        """Return what a form sends: the message and what the page showed of it."""
        return f"{self.queued.id}:{message_fingerprint(self.draft)}"

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


def read_pending(connection: sqlite3.Connection, owner_id: int) -> Pending:
    """Read what waits."""
    rows = connection.execute(queries.PENDING_EDITS, {"limit": SHOWN}).fetchall()
    total = connection.execute(queries.COUNT_PENDING).fetchone()[0]
    edits = [_edit_of(row) for row in rows]
    open_messages = outbox(connection)
    messages = messages_of(connection, open_messages[:MESSAGES_SHOWN], owner_id)
    failed = messages_of(connection, outbox(connection, ("failed",))[-MESSAGES_SHOWN:], owner_id)
    return Pending(
        edits=[edit for edit in edits if not edit.canvas],
        conflicts=[edit for edit in edits if edit.canvas],
        messages=messages,
        failed=failed,
        edits_left_out=total - len(edits),
        messages_left_out=len(open_messages) - len(messages),
    )


def _edit_of(row: sqlite3.Row) -> WaitingEdit:
    edit = Edit(**{name: row[name] for name in Edit.__slots__})
    conflict = row["remote"] not in (edit.base_value, edit.value)
    return WaitingEdit(
        edit,
        row["subject"] or "(no subject)",
        value_words(edit.field, row["remote"]) if conflict else "",
    )


def messages_of(
    connection: sqlite3.Connection, queued: Iterable[Queued], owner_id: int
) -> list[WaitingMessage]:
    """Return messages with whom they go to."""
    found = []
    for one in queued:
        subject = one.draft.subject
        if one.draft.conversation_id is not None:
            row = connection.execute(_SUBJECT, (one.draft.conversation_id,)).fetchone()
            subject = row[0] if row else None
        found.append(
            WaitingMessage(one, subject or "(no subject)", addressees(connection, one.draft, owner_id))
        )
    return found


def replies_to(connection: sqlite3.Connection, conversation_id: int, owner_id: int) -> list[WaitingMessage]:
    """Return the replies to a conversation that wait, or that Canvas refused."""
    rows = outbox(connection, ("queued", "sending", "failed"))
    return messages_of(
        connection, (one for one in rows if one.draft.conversation_id == conversation_id), owner_id
    )


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
