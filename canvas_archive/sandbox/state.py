"""The live state of the school: conversations, each person's row of them, and the order of every folder.

As in Canvas, what the API calls a conversation is one person's :class:`MailboxRow`: its own count, times,
state and set of visible messages. :class:`Folders` keeps each person's five scopes sorted, so that a page or
the whole list of ids is a slice, however large the mailbox. Nothing here decides; ``delivery`` and
``editing`` do.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from canvas_archive.sandbox.mailbox import (
    Group,
    Media,
    SandboxCourse,
    SandboxFile,
    SandboxPerson,
    SentMessage,
)

SCOPES = ("inbox", "unread", "archived", "sent", "starred")
SHARD = 10**13
ADMIN_ACCOUNT = 1

SortKey = tuple[datetime | int, int]


@dataclass(slots=True)
class MailboxRow:
    """One person's view of one conversation. ``touched`` is Canvas's ``updated_at``, and only grows."""

    number: int
    conversation_id: int
    user_id: int
    workflow_state: str = "read"
    starred: bool = False
    subscribed: bool = True
    message_count: int = 0
    last_message_at: datetime | None = None
    last_authored_at: datetime | None = None
    visible_last_authored_at: datetime | None = None
    has_attachments: bool = False
    has_media: bool = False
    touched: int = 0
    visible: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Conversation:
    """What all participants share. ``rows`` is keyed by user id; ``messages`` is oldest first."""

    id: int
    subject: str | None
    private: bool
    context_code: str | None
    rows: dict[int, MailboxRow] = field(default_factory=dict)
    messages: list[int] = field(default_factory=list)
    has_attachments: bool = False
    has_media: bool = False
    foreign_account: bool = False
    shared: list[str] | None = None  # what ``State.shared_codes`` found; forgotten when people join


@dataclass(slots=True)
class StoredFile:
    """A file of the school and its folder: only files of some folders can be attached."""

    file: SandboxFile
    uuid: str
    folder: str = "conversation attachments"
    state: str = "available"  # pending, available, deleted, locked
    size: int | None = None


def scope_keys(row: MailboxRow) -> dict[str, SortKey]:
    """Return the scopes a row is in, with the key each of them is sorted by."""
    keys: dict[str, SortKey] = {}
    if row.message_count <= 0:
        return keys
    if row.last_message_at is not None:
        by_message = (row.last_message_at, row.conversation_id)
        if row.workflow_state == "archived":
            keys["archived"] = by_message
        else:
            keys["inbox"] = by_message
            if row.workflow_state == "unread":
                keys["unread"] = by_message
    if row.visible_last_authored_at is not None:
        keys["sent"] = (row.visible_last_authored_at, row.conversation_id)
    if row.starred:
        keys["starred"] = (row.touched, row.conversation_id)
    return keys


class Folders:
    """One person's scopes, each an ascending list of ``(sort key, conversation id)``."""

    def __init__(self, rows: Iterable[MailboxRow]) -> None:
        self._sorted: dict[str, list[SortKey]] = {scope: [] for scope in SCOPES}
        self._placed: dict[int, dict[str, SortKey]] = {}
        for row in rows:
            keys = scope_keys(row)
            self._placed[row.conversation_id] = keys
            for scope, key in keys.items():
                self._sorted[scope].append(key)
        for entries in self._sorted.values():
            entries.sort()

    def place(self, row: MailboxRow) -> None:
        """Put a row where its fields now say it belongs."""
        self._move(row.conversation_id, scope_keys(row))

    def drop(self, conversation_id: int) -> None:
        """Forget a row that no longer exists."""
        self._move(conversation_id, {})
        self._placed.pop(conversation_id, None)

    def _move(self, conversation_id: int, keys: dict[str, SortKey]) -> None:
        before = self._placed.get(conversation_id, {})
        for scope, key in before.items():
            if keys.get(scope) != key:
                entries = self._sorted[scope]
                del entries[bisect_left(entries, key)]
        for scope, key in keys.items():
            if before.get(scope) != key:
                insort(self._sorted[scope], key)
        self._placed[conversation_id] = keys

    def ids(self, scope: str) -> list[int]:
        """Return every conversation id of a scope, in the order Canvas lists them."""
        return [key[1] for key in reversed(self._sorted[scope])]

    def window(self, scope: str, offset: int, limit: int) -> list[int]:
        """Return ``limit`` ids from position ``offset`` of a scope."""
        entries = self._sorted[scope]
        top = len(entries) - offset
        return [key[1] for key in reversed(entries[max(top - limit, 0) : max(top, 0)])]

    def size(self, scope: str) -> int:
        """Return how many conversations a scope holds."""
        return len(self._sorted[scope])

    def holds(self, scope: str, conversation_id: int) -> bool:
        """Return whether a conversation is in a scope."""
        return scope in self._placed.get(conversation_id, {})


class State:
    """Everything the school knows. Callers hold the school's lock."""

    def __init__(
        self,
        *,
        owner_id: int,
        people: dict[int, SandboxPerson],
        courses: dict[int, SandboxCourse],
        groups: dict[int, Group],
        now: datetime,
    ) -> None:
        self.owner_id = owner_id
        self.people = people
        self.courses = courses
        self.groups = groups
        self.now = now
        self.files: dict[int, StoredFile] = {}
        self.conversations: dict[int, Conversation] = {}
        self.messages: dict[int, SentMessage] = {}
        self.media: dict[str, Media] = {}
        self.home: dict[int, int] = {}
        self.attached_to: dict[int, list[int]] = {}
        self.forwarded_by: dict[int, list[int]] = {}
        self.rows: dict[int, dict[int, MailboxRow]] = {}
        self.added_people: dict[int, list[int]] = {}
        self.private_index: dict[tuple[frozenset[int], str | None], int] = {}
        self.unread: dict[int, int] = {}
        self.admin_ids: set[int] = set()
        self.orphans: set[int] = set()
        self._folders: dict[int, Folders] = {}
        self._counters: dict[str, int] = {}
        self._enrolled: dict[int, dict[int, str]] = {}
        self._grouped: dict[int, list[int]] = {}
        for course in courses.values():
            for user_id, kind in course.enrollments.items():
                self._enrolled.setdefault(user_id, {})[course.id] = kind
        for group in groups.values():
            for user_id in group.member_ids:
                self._grouped.setdefault(user_id, []).append(group.id)

    # Numbers -------------------------------------------------------------------------------------------

    def start_counter(self, kind: str, used: Iterable[int]) -> None:
        """Let new ids of a kind follow the highest local one in use (ids of other shards are not local)."""
        self._counters[kind] = max((number for number in used if number < SHARD), default=0)

    def next_id(self, kind: str) -> int:
        """Return a new id of that kind."""
        self._counters[kind] = self._counters.get(kind, 0) + 1
        return self._counters[kind]

    # Rows ----------------------------------------------------------------------------------------------

    def row(self, user_id: int, conversation_id: int) -> MailboxRow | None:
        """Return a person's row of a conversation, deleted views included."""
        return self.rows.get(user_id, {}).get(conversation_id)

    def new_row(self, conversation: Conversation, user_id: int) -> MailboxRow:
        """Make a person a participant, with nothing visible yet."""
        row = MailboxRow(self.next_id("row"), conversation.id, user_id)
        row.has_attachments = conversation.has_attachments
        row.has_media = conversation.has_media
        conversation.rows[user_id] = row
        conversation.shared = None
        self.rows.setdefault(user_id, {})[conversation.id] = row
        return row

    def folders(self, user_id: int) -> Folders:
        """Return a person's sorted scopes, built when first asked for."""
        if user_id not in self._folders:
            self._folders[user_id] = Folders(self.rows.get(user_id, {}).values())
        return self._folders[user_id]

    def placed(self, row: MailboxRow) -> None:
        """Re-sort a row after a bulk change, which leaves its ``updated_at`` alone."""
        if row.user_id in self._folders:
            self._folders[row.user_id].place(row)

    def saved(self, row: MailboxRow) -> None:
        """Re-sort a row after a change of its own, which moves its ``updated_at``."""
        row.touched = self.next_id("touch")
        self.placed(row)

    def forget(self, conversation: Conversation) -> None:
        """Take a conversation away from everyone."""
        for user_id in conversation.rows:
            self.rows[user_id].pop(conversation.id, None)
            if user_id in self._folders:
                self._folders[user_id].drop(conversation.id)
        for key in [key for key, value in self.private_index.items() if value == conversation.id]:
            del self.private_index[key]
        del self.conversations[conversation.id]

    def keep(self, message: SentMessage, conversation_id: int) -> None:
        """Store a message and what leads to it."""
        self.messages[message.id] = message
        self.home[message.id] = conversation_id
        for number in message.file_ids:
            self.attached_to.setdefault(number, []).append(message.id)
        for number in message.forwarded_ids:
            self.forwarded_by.setdefault(number, []).append(message.id)
        if message.media is not None:
            self.media[message.media.media_id] = message.media

    def visible_messages(self, row: MailboxRow) -> Iterator[SentMessage]:
        """Yield the messages a person still has, newest first."""
        return (self.messages[message_id] for message_id in reversed(row.visible))

    def newest(self, row: MailboxRow, *, author_id: int | None = None) -> SentMessage | None:
        """Return a person's newest visible message written by people, of one author if named."""
        for message in self.visible_messages(row):
            if not message.generated and author_id in (None, message.author_id):
                return message
        return None

    # People and contexts -------------------------------------------------------------------------------

    def enrollments(self, user_id: int) -> dict[int, str]:
        """Return course id -> enrollment type of a person."""
        return self._enrolled.get(user_id, {})

    def memberships(self, user_id: int) -> list[int]:
        """Return the ids of the groups a person is in."""
        return self._grouped.get(user_id, [])

    def enroll(self, course_id: int, user_id: int, kind: str) -> None:
        """Put a person into a course."""
        self.courses[course_id].enrollments[user_id] = kind
        self._enrolled.setdefault(user_id, {})[course_id] = kind
        for conversation in self.conversations.values():
            conversation.shared = None

    def context_codes(self, user_id: int) -> list[str]:
        """Return ``course_1``-style codes of everything a person belongs to."""
        return [f"course_{number}" for number in self.enrollments(user_id)] + [
            f"group_{number}" for number in self.memberships(user_id)
        ]

    def context(self, code: str | None) -> SandboxCourse | Group | None:
        """Find the course or group a code names."""
        kind, _, number = (code or "").partition("_")
        if not number.isdigit():
            return None
        if kind == "course":
            return self.courses.get(int(number))
        return self.groups.get(int(number)) if kind == "group" else None

    def shared_codes(self, conversation: Conversation) -> list[str]:
        """Return the contexts a conversation is about: its own, else what most of its people share."""
        if conversation.shared is None:
            conversation.shared = self._shared_codes(conversation)
        return conversation.shared

    def _shared_codes(self, conversation: Conversation) -> list[str]:
        own = self.context(conversation.context_code)
        if own is not None and conversation.context_code is not None:
            extra = [f"course_{own.course_id}"] if isinstance(own, Group) else []
            return [conversation.context_code, *extra]
        people = list(conversation.rows)
        if conversation.private and len(people) == 1:
            return []
        counts: dict[str, int] = {}
        for user_id in people:
            for code in self.context_codes(user_id):
                counts[code] = counts.get(code, 0) + 1
        common = [code for code, count in counts.items() if count > len(people) // 2]
        return sorted(common, key=lambda code: -counts[code])

    def row_codes(self, row: MailboxRow) -> list[str]:
        """Return the contexts of a conversation that this person belongs to."""
        mine = set(self.context_codes(row.user_id))
        return [code for code in self.shared_codes(self.conversations[row.conversation_id]) if code in mine]

    def participants(self, conversation: Conversation) -> list[int]:
        """Return the people of a conversation as Canvas orders them: latest writers first, then by name."""

        def order(user_id: int) -> tuple[bool, float, str, int]:
            wrote = conversation.rows[user_id].last_authored_at
            return (
                wrote is None,
                -wrote.timestamp() if wrote else 0.0,
                self.name(user_id).casefold(),
                user_id,
            )

        return sorted(conversation.rows, key=order)

    def name(self, user_id: int) -> str:
        """Return a person's display name."""
        person = self.people.get(user_id)
        return person.name if person else f"User {user_id}"
