"""What a school's inbox consists of, before any server: plain data that the sandbox serves.

``sample.py`` makes one from a seed; ``loading.py`` takes it up, and ``delivery.py`` and ``editing.py`` apply
Canvas's rules to it. Times are aware UTC datetimes with whole seconds. Ids are unique within their kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class SandboxPerson:
    """A user of the school. ``full_name`` may differ from the display ``name``."""

    id: int
    name: str
    full_name: str
    pronouns: str | None = None
    role: str = "student"  # student, ta, teacher, observer, staff
    email: str = ""


@dataclass(slots=True)
class SandboxCourse:
    """A course with the people in it: user id -> enrollment type (``StudentEnrollment``, ...)."""

    id: int
    name: str
    course_code: str
    term_id: int
    term: str
    enrollments: dict[int, str] = field(default_factory=dict)
    concluded: bool = False


@dataclass(slots=True)
class Group:
    """A student group within a course."""

    id: int
    name: str
    course_id: int
    member_ids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class SandboxFile:
    """A stored file: the bytes are made on demand from ``recipe`` so that large mailboxes stay small.

    ``content`` holds the bytes of uploaded or already rendered files.
    """

    id: int
    owner_id: int
    display_name: str
    content_type: str
    created_at: datetime
    recipe: str = ""
    content: bytes | None = None


@dataclass(slots=True)
class Media:
    """An audio or video comment."""

    media_id: str
    media_type: str  # "audio" or "video"
    display_name: str


@dataclass(slots=True)
class SentMessage:
    """One message as written. ``to_ids`` are all who got a copy, the author included."""

    id: int
    author_id: int
    created_at: datetime
    body: str
    to_ids: list[int]
    generated: bool = False
    file_ids: list[int] = field(default_factory=list)
    media: Media | None = None
    forwarded_ids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Thread:
    """One conversation with all its messages (oldest first) and the owner's own view of it."""

    id: int
    participant_ids: list[int]
    messages: list[SentMessage]
    subject: str | None = None
    private: bool = False
    context_code: str | None = None
    starred: bool = False
    workflow_state: str = "read"  # of the owner
    subscribed: bool = True


@dataclass(slots=True)
class Mailbox:
    """A school as far as one person's inbox shows it. ``owner_id`` is whom the sandbox's token belongs to."""

    owner_id: int
    people: dict[int, SandboxPerson]
    courses: dict[int, SandboxCourse]
    groups: dict[int, Group]
    files: dict[int, SandboxFile]
    threads: dict[int, Thread]
    now: datetime
