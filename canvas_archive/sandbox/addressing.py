"""Who a person may write to, and the people that a list of recipients means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from canvas_archive.sandbox.loading import file_uuid
from canvas_archive.sandbox.mailbox import Group, SandboxCourse
from canvas_archive.sandbox.state import ADMIN_ACCOUNT, Conversation, State

MAX_GROUP_SIZE = 100
TEACHING = ("TeacherEnrollment", "TaEnrollment", "DesignerEnrollment")
_CONTEXT_RECIPIENT = re.compile(r"(course|group)_(\d+)(?:_(students|teachers|tas|observers|designers))?\Z")
_KINDS = {
    "students": "StudentEnrollment",
    "teachers": "TeacherEnrollment",
    "tas": "TaEnrollment",
    "observers": "ObserverEnrollment",
    "designers": "DesignerEnrollment",
}
_WHOLE_COURSE = re.compile(r"(course_\d+)(?:_(?:students|observers))?\Z")


def user_uuid(user_id: int) -> str:
    """Return the opaque id of a person, the same in every run."""
    return file_uuid(-user_id)


def parse_id(text: str) -> int | None:
    """Read an id as paths take it: digits, or ``shard~id``; ``None`` for anything else."""
    match = re.fullmatch(r"(?:(\d{1,6})~)?(\d{1,18})", text)
    if match is None:
        return None
    return int(match[1] or 0) * 10**13 + int(match[2])


def teaches(user_id: int, course: SandboxCourse) -> bool:
    """Return whether a person is an instructor of a course."""
    return course.enrollments.get(user_id) in TEACHING


def may_message(state: State, user_id: int, other_id: int) -> bool:
    """Return whether a person shares a running course or a group with another, or administers the account."""
    if user_id == other_id or user_id in state.admin_ids:
        return other_id in state.people
    if set(state.memberships(user_id)) & set(state.memberships(other_id)):
        return True
    shared = set(state.enrollments(user_id)) & set(state.enrollments(other_id))
    return any(not state.courses[course_id].concluded for course_id in shared)


def people_in(state: State, user_id: int, code: str) -> list[int]:
    """Return everyone a context recipient such as ``course_1_teachers`` means, if that may be seen."""
    match = _CONTEXT_RECIPIENT.match(code)
    if match is None:
        return []
    context = state.context(f"{match[1]}_{match[2]}")
    if context is None:
        return []
    admin = user_id in state.admin_ids
    if isinstance(context, Group):
        members = context.member_ids
        visible = admin or user_id in members or user_id in state.courses[context.course_id].enrollments
        return list(members) if visible else []
    if not admin and (user_id not in context.enrollments or context.concluded):
        return []
    wanted = _KINDS.get(match[3] or "")
    return [one for one, kind in context.enrollments.items() if wanted in (None, kind)]


def resolve(
    state: State, user_id: int, recipients: Sequence[object], conversation: Conversation | None = None
) -> list[int]:
    """Return the people that a list of recipients means, without those the person may not write to.

    People of ``conversation`` are always allowed. The person is left out, unless named alone.
    """
    uuids = {f"uuid:{user_uuid(one)}": one for one in state.people} if _names_uuid(recipients) else {}
    found: list[int] = []
    for recipient in recipients:
        text = str(recipient).strip()
        if _CONTEXT_RECIPIENT.match(text):
            found.extend(people_in(state, user_id, text))
            continue
        other = uuids.get(text) if text.startswith("uuid:") else parse_id(text)
        if other is None or other not in state.people:
            continue
        inside = conversation is not None and other in conversation.rows
        if inside or may_message(state, user_id, other):
            found.append(other)
    unique = list(dict.fromkeys(found))
    if unique == [user_id] and len(recipients) == 1:
        return unique
    return [one for one in unique if one != user_id]


def _names_uuid(recipients: Iterable[object]) -> bool:
    return any(str(recipient).startswith("uuid:") for recipient in recipients)


def may_send_to_all(state: State, user_id: int, recipient: str) -> bool:
    """Return whether a recipient that means a whole course may be used by this person (teachers may)."""
    match = _WHOLE_COURSE.match(recipient)
    if match is None or user_id in state.admin_ids:
        return True
    course = state.context(match[1])
    return isinstance(course, SandboxCourse) and teaches(user_id, course)


def may_use_context(state: State, user_id: int, code: str) -> bool:
    """Return whether a person may send in the name of a course, group or (administrators) the account."""
    if code == f"account_{ADMIN_ACCOUNT}":
        return user_id in state.admin_ids
    context = state.context(code)
    if isinstance(context, SandboxCourse):
        return user_id in state.admin_ids or user_id in context.enrollments
    return isinstance(context, Group) and (user_id in state.admin_ids or user_id in context.member_ids)


def course_of(state: State, code: str | None) -> SandboxCourse | None:
    """Return the course that a context code means, also that of a group."""
    context = state.context(code)
    return state.courses.get(context.course_id) if isinstance(context, Group) else context


def replies_locked(state: State, user_id: int, conversation: Conversation) -> bool:
    """Return whether Canvas would mark the conversation ``cannot_reply``: the course is over for them."""
    course = course_of(state, conversation.context_code)
    if course is None:
        return False
    if course.concluded:
        return True
    return user_id not in course.enrollments and user_id not in state.admin_ids
