"""One conversation, read whole: messages in order, what hangs on each, and what was forwarded in it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from canvas_archive.web import queries
from canvas_archive.web.render import file_name
from canvas_archive.web.rows import Person

DEEPEST = 20
WHY_MISSING = {
    "pending": "not fetched yet",
    "gone": "gone from Canvas",
    "refused": "Canvas refused it",
    "failed": "could not be fetched",
}


@dataclass(frozen=True, slots=True)
class File:
    """An attachment or a recording. ``why`` says what happened to one whose bytes are not here."""

    id: str
    name: str
    kind: str
    size: int | None
    stored: bool
    why: str
    sha256: str | None
    content_type: str
    href: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message with all that belongs to it. ``elsewhere`` is the conversation a forwarded one is from."""

    id: int
    author_id: int
    name: str
    pronouns: str | None
    mine: bool
    created_at: str
    body: str
    generated: bool
    removed_at: str | None
    first_seen_at: str
    recipients: tuple[Person, ...]
    files: tuple[File, ...]
    media: tuple[File, ...]
    forwarded: tuple[Message, ...]
    elsewhere: int | None = None
    number: int = 0
    to: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation: its row as stored, its people and its messages, oldest first."""

    row: dict[str, Any]
    people: tuple[Person, ...]
    messages: tuple[Message, ...]
    owner: Person

    @property
    def letters(self) -> tuple[Message, ...]:
        """Return the messages people wrote, without Canvas's own lines."""
        return tuple(message for message in self.messages if not message.generated)

    @property
    def files(self) -> tuple[File, ...]:
        """Return every attachment once, in the order they first appear, forwarded ones included."""
        found: dict[str, File] = {}

        def collect(message: Message) -> None:
            found.update({file.id: file for file in message.files if file.id not in found})
            for inner in message.forwarded:
                collect(inner)

        for message in self.messages:
            collect(message)
        return tuple(found.values())


def read_thread(connection: sqlite3.Connection, conversation_id: int) -> Thread | None:
    """Read a conversation; ``None`` when the archive has none of that id."""
    found = connection.execute(queries.CONVERSATION, {"id": conversation_id}).fetchone()
    if found is None:
        return None
    account = connection.execute(queries.ACCOUNT).fetchone()
    owner = Person(account["owner_id"], account["owner_name"] or "You")
    people = tuple(
        Person(row["id"], row["name"])
        for row in connection.execute(queries.PARTICIPANTS, {"id": conversation_id})
    )
    own = connection.execute(queries.MESSAGES, {"id": conversation_id}).fetchall()
    inner = connection.execute(queries.FORWARDED, {"id": conversation_id}).fetchall()
    ids = json.dumps(sorted({row["id"] for row in (*own, *inner)}))
    parts = _Parts(connection, ids, owner, conversation_id, inner, everyone={person.id for person in people})
    messages = []
    number = 0
    for row in own:
        number += not row["generated"]
        messages.append(parts.message(row, number=number))
    return Thread(dict(found), people, tuple(messages), owner)


class _Parts:
    """What hangs on the messages of a conversation, read in one query per kind."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        ids: str,
        owner: Person,
        conversation_id: int,
        inner: list[sqlite3.Row],
        everyone: set[int],
    ) -> None:
        self.owner = owner
        self.conversation_id = conversation_id
        self.everyone = everyone
        self.files: dict[int, list[File]] = {}
        self.media: dict[int, list[File]] = {}
        self.recipients: dict[int, list[Person]] = {}
        self.forwarded: dict[int, list[sqlite3.Row]] = {}
        for row in connection.execute(queries.ATTACHMENTS_OF, {"ids": ids}):
            self.files.setdefault(row["message_id"], []).append(attachment_of(row))
        for row in connection.execute(queries.MEDIA_OF, {"ids": ids}):
            self.media.setdefault(row["message_id"], []).append(recording_of(row))
        for row in connection.execute(queries.RECIPIENTS_OF, {"ids": ids}):
            self.recipients.setdefault(row["message_id"], []).append(Person(row["id"], row["name"]))
        for row in inner:
            self.forwarded.setdefault(row["parent"], []).append(row)

    def message(
        self, row: sqlite3.Row, *, number: int = 0, above: tuple[int, ...] = (), forwarded: bool = False
    ) -> Message:
        """Assemble one message; ``above`` are the ids it is nested in, so that a loop ends."""
        ident = row["id"]
        recipients = tuple(person for person in self.recipients.get(ident, []) if person.id != row["author_id"])
        elsewhere = row["conversation_id"] if forwarded else None
        inside = (
            tuple(
                self.message(child, above=(*above, ident), forwarded=True)
                for child in self.forwarded.get(ident, [])
                if child["id"] not in above and child["id"] != ident
            )
            if len(above) < DEEPEST
            else ()
        )
        return Message(
            id=ident,
            author_id=row["author_id"],
            name=row["name"],
            pronouns=row["pronouns"],
            mine=row["author_id"] == self.owner.id,
            created_at=row["created_at"],
            body=row["body"],
            generated=bool(row["generated"]),
            removed_at=row["removed_at"],
            first_seen_at=row["first_seen_at"],
            recipients=recipients,
            files=tuple(self.files.get(ident, ())),
            media=tuple(self.media.get(ident, ())),
            forwarded=inside,
            elsewhere=elsewhere if elsewhere != self.conversation_id else None,
            number=number,
            to=self._to(row["author_id"], recipients),
        )

    def _to(self, author_id: int, recipients: tuple[Person, ...]) -> str:
        """Name the recipients where they are fewer than the conversation's people."""
        got = {person.id for person in recipients} | {author_id}
        if not recipients or got >= self.everyone:
            return ""
        names = ["you" if person.id == self.owner.id else person.name for person in recipients]
        return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def attachment_of(row: sqlite3.Row) -> File:
    """Describe an attachment's row."""
    stored = row["state"] == "stored"
    return File(
        id=str(row["id"]),
        name=file_name(row["display_name"] or row["filename"]),
        kind="",
        size=row["stored_size"] if stored else row["size"],
        stored=stored,
        why=WHY_MISSING.get(row["state"], ""),
        sha256=row["sha256"],
        content_type=row["content_type"] or "",
        href=f"/mail/files/{row['id']}",
    )


def recording_of(row: sqlite3.Row) -> File:
    """Describe a media comment's row."""
    stored = row["state"] == "stored"
    kind = "video" if row["media_type"] == "video" else "audio"
    return File(
        id=row["media_id"],
        name=file_name(row["display_name"] or f"{kind.capitalize()} recording"),
        kind=kind,
        size=row["stored_size"],
        stored=stored,
        why=WHY_MISSING.get(row["state"], ""),
        sha256=row["sha256"],
        content_type=row["content_type"] or "",
        href=f"/mail/media/{row['message_id']}/{row['media_id']}",
    )
