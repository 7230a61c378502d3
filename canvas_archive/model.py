"""Canvas's things as plain values: what crosses from the client to the archive.

Names are Canvas's own. Ids are 64-bit integers, times are ISO-8601 UTC text as Canvas sends it
(``2026-03-09T14:05:00Z``). Every field that has no attribute here is kept in ``extra``. ``raw`` is the JSON
that Canvas sent: a receipt of it goes into the archive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
JsonObject: TypeAlias = "dict[str, Json]"


@dataclass(frozen=True, slots=True)
class Participant:
    """A person as Canvas lists them in a conversation."""

    id: int
    name: str | None = None
    full_name: str | None = None
    pronouns: str | None = None
    avatar_url: str | None = None
    extra: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to a message. ``size`` is in bytes; ``url`` is empty when the file is locked."""

    id: int
    display_name: str | None = None
    filename: str | None = None
    content_type: str | None = None
    size: int | None = None
    created_at: str | None = None
    url: str | None = None
    extra: JsonObject = field(default_factory=dict)
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class MediaComment:
    """An audio or video recording made with a message."""

    media_id: str
    media_type: str | None = None
    display_name: str | None = None
    content_type: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``generated`` marks Canvas's own lines ("X was added to the conversation")."""

    id: int
    author_id: int
    created_at: str
    body: str
    generated: bool = False
    participating_user_ids: tuple[int, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    media_comment: MediaComment | None = None
    forwarded_messages: tuple[Message, ...] = ()
    extra: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One row of the inbox as Canvas shows it to the caller.

    ``messages`` is ``None`` when the answer carried none (the index); an empty tuple means none exist.
    ``audience_contexts`` maps a context code (``course_12``) to the roles given for it. ``texts`` says which
    bodies were decoded since Canvas sent them, as ``typed_text.typed_by`` reads it.
    """

    id: int
    workflow_state: str
    subject: str | None = None
    last_message: str | None = None
    last_message_at: str | None = None
    last_authored_message: str | None = None
    last_authored_message_at: str | None = None
    message_count: int = 0
    subscribed: bool = True
    private: bool = False
    starred: bool = False
    properties: tuple[str, ...] = ()
    audience: tuple[int, ...] = ()
    audience_contexts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    avatar_url: str | None = None
    participants: tuple[Participant, ...] = ()
    context_name: str | None = None
    context_code: str | None = None
    messages: tuple[Message, ...] | None = None
    extra: JsonObject = field(default_factory=dict)
    texts: str = field(default="raw", compare=False)
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class User:
    """The person a token belongs to, as ``GET /users/self`` tells it."""

    id: int
    name: str
    extra: JsonObject = field(default_factory=dict)
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What Canvas tells of a token a person made: ``hint`` is its beginning; no ``expires_at``: it stays."""

    hint: str
    expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """A course the caller is or was in. ``name`` is missing when access is restricted by date."""

    id: int
    name: str | None = None
    course_code: str | None = None
    term: str | None = None
    extra: JsonObject = field(default_factory=dict)
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """A background job of Canvas's. ``completion`` is in percent, 0 to 100."""

    id: int
    workflow_state: str
    completion: float | None = None
    message: str | None = None
    url: str | None = None
    extra: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """A bulk send still being worked on. ``completion`` is a fraction, 0 to 1."""

    id: int
    workflow_state: str
    completion: float | None = None
    recipient_count: int | None = None
    message: Message | None = None
    tags: tuple[str, ...] = ()
    extra: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Someone or something a message can be sent to: ``id`` is ``"123"`` or ``"course_1_students"``."""

    id: str
    name: str
    kind: str  # "user" or "context"
    full_name: str | None = None
    user_count: int | None = None
    extra: JsonObject = field(default_factory=dict)
