"""Small archives and answers for the tests of the store."""

from __future__ import annotations

import sqlite3
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from canvas_archive.canvas import parse
from canvas_archive.model import Conversation, JsonObject, Message, Participant
from canvas_archive.store import Archive, Ingest
from canvas_archive.store.migrations import MIGRATIONS

OWNER = 7
NOON = datetime(2026, 3, 9, 12, 0, 0, tzinfo=timezone.utc)


class TickingClock:
    """A clock that moves on by a second every time it is asked."""

    def __init__(self, start: datetime = NOON) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the time, and let a second pass."""
        self._now += timedelta(seconds=1)
        return self._now

    def monotonic(self) -> float:
        """Return the seconds since the epoch."""
        return self._now.timestamp()

    def sleep(self, seconds: float) -> None:
        """Let the time pass without waiting."""
        self._now += timedelta(seconds=seconds)


def create(folder: Path, **options: object) -> Archive:
    """Make an archive of user 7, open for writing."""
    settings: dict[str, object] = {
        "base_url": "https://canvas.example.edu",
        "user_id": OWNER,
        "name": "Ada Owner",
        "clock": TickingClock(),
    }
    return Archive.create(folder, **{**settings, **options})  # type: ignore[arg-type]


def fresh_database() -> sqlite3.Connection:
    """Return an archive's database in memory: the schema and an account, nothing on the disk."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys = ON")
    for step in MIGRATIONS:
        step.apply(db)
    account = {"base_url": "https://canvas.example.edu", "user_id": OWNER, "name": "Ada Owner"}
    Ingest(db, TickingClock()).save_account({**account, "as_user_id": None, "created_at": ""})
    return db


def person(user_id: int, name: str | None = None, **fields: object) -> Participant:
    """Return a participant with the usual names."""
    label = name or f"Person {user_id}"
    return Participant(user_id, label, f"{label} Full", **fields)  # type: ignore[arg-type]


def message(message_id: int, body: str | None = None, *, author: int = 20, **fields: object) -> Message:
    """Return a message to the owner, written in the minute of its id."""
    values: dict[str, object] = {"participating_user_ids": (OWNER, author), **fields}
    created = (NOON + timedelta(minutes=message_id % 100_000)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f"Body of {message_id}" if body is None else body
    return Message(message_id, author, created, text, **values)  # type: ignore[arg-type]


def conversation(conversation_id: int = 1, *messages: Message, **fields: object) -> Conversation:
    """Return a whole answer about a conversation between the owner and person 20."""
    newest = max((m.created_at for m in messages), default=None)
    values: dict[str, object] = {
        "workflow_state": "read",
        "subject": "Midterm",
        "last_message": messages[-1].body if messages else None,
        "last_message_at": newest,
        "message_count": len(messages),
        "audience": (20,),
        "audience_contexts": {"course_12": ("StudentEnrollment",)},
        "participants": (person(OWNER, "Ada Owner"), person(20)),
        "context_code": "course_12",
        "context_name": "BIO 101",
        "messages": messages,
        **fields,
    }
    conv = Conversation(conversation_id, **values)  # type: ignore[arg-type]
    return replace(conv, raw=as_json(conv))


def received(conv: Conversation) -> Conversation:
    """Return a conversation as if Canvas had sent it: read from its JSON."""
    return parse.conversation(as_json(conv))


def as_json(conv: Conversation) -> JsonObject:
    """Return the JSON that Canvas would send for a conversation."""
    raw = _sent(conv)
    contexts: dict[str, dict[str, object]] = {"courses": {}, "groups": {}}
    for code, roles in conv.audience_contexts.items():
        kind, _, number = code.partition("_")
        contexts.setdefault(f"{kind}s", {})[number] = list(roles)
    raw["audience_contexts"] = contexts  # type: ignore[assignment]
    return raw


def _sent(value: Any) -> JsonObject:
    """Return the fields of a value of the model under the names that Canvas uses."""
    sent: JsonObject = {}
    for field in fields(value):
        found = getattr(value, field.name)
        if field.name == "extra":
            sent.update(found)
        elif field.name == "content_type":
            sent["content-type"] = found
        elif field.name not in ("raw", "texts"):
            sent[field.name] = [*map(_one, found)] if isinstance(found, tuple) else _one(found)
    return sent


def _one(value: Any) -> Any:
    return _sent(value) if is_dataclass(value) else value
