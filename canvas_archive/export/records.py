"""What every export format is fed with: conversations as they lie in the archive, as plain values.

Times are ISO-8601 UTC text, sizes are bytes. A thread holds the messages that were selected;
``message_ids`` names all that are stored, so that a format can thread a part of a conversation the same
way as the whole of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from canvas_archive.model import JsonObject
from canvas_archive.store.folders import is_in

_FOLDERS = ("inbox", "unread", "archived", "sent", "starred", "removed")
"""In the order in which exports list them."""


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """Someone who wrote, received or took part."""

    id: int
    name: str
    full_name: str
    pronouns: str | None = None
    avatar_url: str | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An attachment or a recording. ``sha256`` is set when its bytes are in the archive.

    ``id`` is Canvas's file id, or the media id of a recording.
    """

    id: str
    kind: str  # "attachment", or the media type ("audio", "video") of a recording
    name: str
    filename: str | None
    content_type: str | None
    size: int | None
    created_at: str | None
    state: str
    sha256: str | None
    stored_size: int | None
    error: str | None
    url: str | None
    extra: JsonObject = field(default_factory=dict)

    @property
    def is_stored(self) -> bool:
        """Return whether the archive holds the bytes."""
        return self.state == "stored" and self.sha256 is not None

    @property
    def absence(self) -> str:
        """Return why the file is not in an export, for people."""
        return "not part of this export" if self.is_stored else f"not in the archive: {self.state}"


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One message with what belongs to it. ``conversation_id`` is ``None`` when only forwarded."""

    id: int
    conversation_id: int | None
    author: PersonRecord
    created_at: str
    body: str
    generated: bool
    removed_at: str | None
    first_seen_at: str
    recipients: tuple[PersonRecord, ...]
    files: tuple[StoredFile, ...]
    forwarded: tuple[MessageRecord, ...]
    extra: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ThreadRecord:
    """One conversation, with the selected messages, oldest first."""

    id: int
    subject: str | None
    context_code: str | None
    context_name: str | None
    course_code: str | None
    term: str | None
    private: bool
    starred: bool
    workflow_state: str
    subscribed: bool
    remote: JsonObject  # starred, workflow_state, subscribed as Canvas last said
    message_count: int  # as Canvas counts: without generated messages
    last_message_at: str | None
    last_authored_message_at: str | None
    properties: tuple[str, ...]
    audience: tuple[int, ...]
    removed_at: str | None
    first_seen_at: str
    fetched_at: str | None
    participants: tuple[PersonRecord, ...]
    contexts: Mapping[str, tuple[str, ...]]
    messages: tuple[MessageRecord, ...]
    message_ids: tuple[int, ...]
    extra: JsonObject = field(default_factory=dict)

    @property
    def folders(self) -> tuple[str, ...]:
        """Return the mail folders the conversation is in, as Canvas defines them."""
        return tuple(name for name in _FOLDERS if is_in(self, name))

    @property
    def latest_at(self) -> str:
        """Return when the conversation last moved; the empty text when it holds nothing."""
        times = (self.last_message_at, self.last_authored_message_at)
        known = [moment for moment in times if moment] or [message.created_at for message in self.messages]
        return max(known, default="")


@dataclass(frozen=True, slots=True)
class Custodian:
    """Whose mailbox it is, and where and when it was collected."""

    base_url: str
    host: str
    user_id: int
    name: str
    collected_by: int  # the account whose token was used; another one than user_id when masquerading
    created_at: str
    collected_at: str
    schema_version: int
