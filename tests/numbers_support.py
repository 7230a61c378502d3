"""Counting once more, in plain Python, what the views and queries count in SQL.

``Told`` reads the receipts of an archive, the answers of Canvas as they came, and knows no table beside them.
"""

from __future__ import annotations

import html
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from canvas_archive.canvas import parse
from canvas_archive.model import Attachment, Conversation, Message
from canvas_archive.store import Ingest, transaction
from canvas_archive.store.receipts import read_receipts
from canvas_archive.typed_text import typed_by
from tests.store_support import OWNER, TickingClock, conversation, create, person, received
from tests.store_support import message as a_message

COURSES = [
    {"id": 12, "name": "Biology", "course_code": "BIO 101", "term": {"name": "Autumn"}},
    {"id": 13, "name": "Chemistry", "course_code": "CHEM 110", "term": {"name": "Spring"}},
    {"id": 14, "name": "Seminar", "course_code": "SEM 1", "term": {"name": "Autumn"}},
    {"id": 15, "name": "Seminar", "course_code": "SEM 2", "term": {"name": "Spring"}},
    {"id": 16, "name": "GEOG 118 Maps", "course_code": "GEOG 118", "term": {"name": "Spring"}},
]
TEACHER, STUDENT, OUTSIDER, NEWCOMER = 20, 21, 99, 22
FILE = Attachment(501, "plan.pdf", "plan.pdf", "application/pdf", 9)
LINKS = "HTTPS://A.example/x, and\nhttp://b.example/y). www.c.example"


@dataclass
class Told:
    """What Canvas last said of everything. ``homes`` are the conversations of messages, where known."""

    owner: int = 0
    conversations: dict[int, Conversation] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    homes: dict[int, int] = field(default_factory=dict)
    here: dict[int, set[int]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    gone_messages: set[int] = field(default_factory=set)
    courses: dict[str, tuple[str | None, str | None, str | None]] = field(default_factory=dict)
    files: dict[int, dict[str, Any]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def take(self, conversation: Conversation) -> None:
        """Take a whole answer."""
        self.conversations[conversation.id] = conversation
        self.gone.discard(conversation.id)
        if conversation.context_code:
            name = self.courses.get(conversation.context_code, (conversation.context_name, None, None))
            self.courses[conversation.context_code] = name
        self.names.update((person.id, person.name or "") for person in conversation.participants)
        own = {message.id for message in conversation.messages or ()}
        self.gone_messages |= self.here.get(conversation.id, set()) - own
        self.gone_messages -= own
        self.here[conversation.id] = self.here.get(conversation.id, set()) | own
        for message in conversation.messages or ():
            self.homes[message.id] = conversation.id
            self._learn(message)

    def _learn(self, message: Message) -> None:
        self.messages[message.id] = message
        for inner in message.forwarded_messages:
            self._learn(inner)

    def written(self) -> list[Message]:
        """Return what people wrote in one's conversations, oldest first."""
        mine = [one for one in self.messages.values() if one.id in self.homes and not one.generated]
        return sorted(mine, key=lambda one: (one.created_at, one.id))

    def threads(self) -> dict[int, list[Message]]:
        """Return what people wrote, by conversation, oldest first."""
        found: dict[int, list[Message]] = defaultdict(list)
        for message in self.written():
            found[self.homes[message.id]].append(message)
        return found

    def course(self, conversation_id: int) -> str | None:
        """Return the code of the one course of a conversation."""
        conversation = self.conversations[conversation_id]
        if conversation.context_code:
            return conversation.context_code
        named = [code for code, told in self.courses.items() if told[0] == conversation.context_name]
        return named[0] if conversation.context_name and len(named) == 1 else None

    def course_name(self, conversation_id: int) -> str | None:
        """Return the name of its course, else the name that it shows."""
        code = self.course(conversation_id)
        return self.courses[code][0] if code else self.conversations[conversation_id].context_name

    def term(self, conversation_id: int) -> str | None:
        """Return the term of its course."""
        code = self.course(conversation_id)
        return self.courses[code][2] if code else None

    def replies(self) -> Iterator[tuple[Message, Message]]:
        """Yield each message that was answered, and its answer."""
        for messages in self.threads().values():
            for place, question in enumerate(messages):
                for later in messages[place + 1 :]:
                    if (question.author_id == self.owner) != (later.author_id == self.owner):
                        yield question, later
                        break

    def last_words(self) -> Iterator[tuple[Conversation, Message]]:
        """Yield the conversations that can be answered, with the last message that is still there."""
        for id_, messages in self.threads().items():
            present = [one for one in messages if one.id not in self.gone_messages]
            answerable = not self.conversations[id_].raw.get("cannot_reply")  # type: ignore[union-attr]
            if present and answerable and id_ not in self.gone:
                yield self.conversations[id_], present[-1]

    def carried(self) -> list[tuple[Message, int]]:
        """Return every message with each of its files."""
        return [(message, file.id) for message in self.messages.values() for file in message.attachments]


def told(db: sqlite3.Connection) -> Told:
    """Return what the receipts of an archive say."""
    found = Told()
    for receipt in read_receipts(db):
        payload: Any = receipt.payload
        if receipt.kind == "account":
            found.owner = payload.get("as_user_id") or payload["user_id"]
        elif receipt.kind == "thread":
            found.take(typed_by(parse.conversation(payload), receipt.texts))
        elif receipt.kind == "courses":
            for course in map(parse.course, payload):
                found.courses[f"course_{course.id}"] = (course.name, course.course_code, course.term)
        elif receipt.kind == "removal":
            assert receipt.key is not None
            found.gone.add(receipt.key)
        elif receipt.kind == "messages_removed":
            found.gone_messages.update(payload["message_ids"])
        elif receipt.kind == "bodies":
            for id_ in payload["decoded"]:
                one = found.messages[id_]
                found.messages[id_] = replace(one, body=html.unescape(one.body))
        elif receipt.kind == "file" and payload.get("sha256"):
            found.files[payload["id"]] = payload
    return found


def hours(question: Message, answer: Message) -> float:
    """Return the hours between two messages."""
    return (moment(answer) - moment(question)).total_seconds() / 3600


def moment(message: Message) -> datetime:
    """Return when a message was written."""
    return datetime.fromisoformat(message.created_at.replace("Z", "+00:00"))


def links(text: str) -> list[str]:
    """Return the addresses in a text."""
    found = re.findall(r"https?://[^\s<>\"]*|(?<![^\s<>\"])www\.[^\s<>\"]*", text, re.IGNORECASE)
    return [link.rstrip(".,;:!?)'") for link in found]


def eventful(folder: Path, **options: object) -> sqlite3.Connection:
    """Return the database of an archive of everything that was ever counted wrongly."""
    archive = create(folder, **options)
    ingest = Ingest(archive.db, TickingClock(), None)

    def thread(id_: int, *lines: tuple[int, str], people: tuple[int, ...] = (TEACHER,), **fields: Any) -> Any:
        files = fields.pop("files", ())
        inner = fields.pop("forwarded", ())
        messages = [
            a_message(
                id_ * 1000 + at * 7,
                text,
                author=author,
                participating_user_ids=(OWNER, *people),
                attachments=files if at == 0 else (),
                forwarded_messages=inner if at == 0 else (),
            )
            for at, (author, text) in enumerate(lines)
        ]
        mine = [one.created_at for one in messages if one.author_id == OWNER]
        theirs = [one.created_at for one in messages if one.author_id != OWNER]
        values: dict[str, Any] = {
            "audience": people,
            "participants": tuple(person(one) for one in (OWNER, *people)),
            "last_authored_message_at": max(mine, default=None),
            "last_message_at": max(theirs, default=None),
            "audience_contexts": {},
            **fields,
        }
        return received(conversation(id_, *messages, **values))

    teaching = {"course_12": ("TeacherEnrollment",), "course_13": ("StudentEnrollment",)}
    quoted = a_message(9001, "From elsewhere", author=OUTSIDER, participating_user_ids=(OUTSIDER, TEACHER))
    group = (TEACHER, STUDENT)
    first = [
        thread(1, (TEACHER, "Q"), (TEACHER, "Q2"), (OWNER, "A"), audience_contexts=teaching),
        thread(2, (OWNER, "Hello"), context_code=None, context_name="Chemistry", audience_contexts=teaching),
        thread(3, (TEACHER, "?"), context_code=None, context_name="Seminar"),
        thread(4, (TEACHER, "?"), (OWNER, "!"), context_code=None, context_name="Old course"),
        thread(5, (STUDENT, "no course"), people=(STUDENT,), context_code=None, context_name=None),
        thread(
            6, (TEACHER, "see below"), forwarded=(quoted,),
            participants=tuple(person(one) for one in (OWNER, TEACHER, OUTSIDER)),
        ),
        thread(7, (OWNER, "all?"), (STUDENT, "me"), (TEACHER, "me, too"), (OWNER, "good"), people=group),
        thread(8, (TEACHER, "closed"), extra={"cannot_reply": True}),
        thread(9, (TEACHER, "gone soon"), (OWNER, "oh")),
        thread(10, (OWNER, "I asked"), (TEACHER, "taken back")),
        thread(11, (STUDENT, LINKS), people=(STUDENT,)),
        thread(12, (TEACHER, "a file"), files=(FILE,)),
        thread(13, (TEACHER, "the file again"), (OWNER, "thanks"), files=(FILE,), context_code="course_16",
               context_name="GEOG 118 Maps"),
        thread(14, (TEACHER, "done"), workflow_state="archived"),
    ]  # fmt: skip
    with transaction(archive.db):
        ingest.save_courses([parse.course(one) for one in COURSES])
        for one in first:
            ingest.save_conversation(one)
        ingest.save_attachment_state(501, "stored", sha256="ab" * 32, stored_size=9)
    with transaction(archive.db):
        later = Ingest(archive.db, TickingClock(), None)
        later.mark_removed(9)
        later.mark_messages_removed(10, [10_007])
        grown = thread(
            7, (OWNER, "all?"), (STUDENT, "me"), (TEACHER, "me, too"), (OWNER, "good"),
            people=(*group, NEWCOMER),
        )  # fmt: skip
        later.save_conversation(grown)
        also = a_message(9002, "Another", author=98, participating_user_ids=(98, TEACHER))
        later.save_conversation(
            thread(
                6, (TEACHER, "see below"), forwarded=(quoted, also),
                participants=tuple(person(one) for one in (OWNER, TEACHER, OUTSIDER, 98)),
            )
        )  # fmt: skip
        later.save_conversation(
            thread(3, (TEACHER, "?"), context_code=None, context_name="Seminar", subject="New")
        )
        archive.db.execute("UPDATE conversations SET starred = 1 WHERE id = 1")
        archive.db.execute("UPDATE edits SET state = 'pushed', made_at = '2026-03-09T12:00:00Z'")
        later.save_answered_flags(thread(1, (TEACHER, "Q"), starred=True))
    path = archive.db_path
    archive.close()
    return sqlite3.connect(path)
