"""The endpoints around the inbox: who am I, courses, progress, recipients."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from canvas_archive.sandbox.addressing import may_message, parse_id, people_in
from canvas_archive.sandbox.answers import not_found
from canvas_archive.sandbox.call import Call
from canvas_archive.sandbox.conversations_api import progress_json
from canvas_archive.sandbox.jobs import BatchProgress
from canvas_archive.sandbox.mailbox import SandboxCourse, SandboxPerson
from canvas_archive.sandbox.paging import bookmark, bookmark_header, bookmark_offset, per_page
from canvas_archive.sandbox.serialise import Detail

_PERMISSIONS = {
    "can_update_name": True,
    "can_update_avatar": True,
    "limit_parent_app_web_access": False,
}


def current_user(call: Call) -> Response:
    """:calls: GET /api/v1/users/self"""
    person = call.state.people[own_id(call)]
    body: dict[str, Any] = {
        "id": person.id,
        "name": person.full_name,
        "created_at": "2023-08-21T15:00:00Z",
        "sortable_name": _sortable(person.full_name),
        "short_name": person.name,
        "avatar_url": call.writer.avatar_url,
        "locale": None,
        "effective_locale": "en",
        "permissions": _PERMISSIONS,
    }
    if person.email:
        body["email"] = person.email
    if person.pronouns:
        body["pronouns"] = person.pronouns
    return call.answer(body)


def profile(call: Call) -> Response:
    """:calls: GET /api/v1/users/self/profile"""
    person = call.state.people[own_id(call)]
    body: dict[str, Any] = {
        "id": person.id,
        "name": person.full_name,
        "short_name": person.name,
        "sortable_name": _sortable(person.full_name),
        "avatar_url": call.writer.avatar_url,
        "title": None,
        "bio": None,
        "primary_email": person.email or None,
        "login_id": person.email or f"user{person.id}",
        "integration_id": None,
        "time_zone": "Etc/UTC",
        "locale": None,
        "effective_locale": "en",
        "calendar": {"ics": f"{call.base}/feeds/calendars/user_{person.id}.ics"},
        "lti_user_id": f"lti-{person.id}",
        "k5_user": False,
    }
    if person.pronouns:
        body["pronouns"] = person.pronouns
    return call.answer(body)


def courses(call: Call) -> Response:
    """:calls: GET /api/v1/courses"""
    page = call.page
    mine = [call.state.courses[number] for number in call.state.enrollments(call.user_id)]
    shown = mine[page.offset : page.offset + page.size]
    with_term = "term" in call.params.items("include")
    body = [_course(call, course, with_term=with_term) for course in shown]
    return call.answer(body, headers=call.paged(shown, page, len(mine)))


def _course(call: Call, course: SandboxCourse, *, with_term: bool) -> dict[str, Any]:
    if course.id in call.school.restricted_courses:
        return {"id": course.id, "access_restricted_by_date": True}
    kind = course.enrollments[call.user_id]
    body: dict[str, Any] = {
        "id": course.id,
        "name": course.name,
        "account_id": 1,
        "root_account_id": 1,
        "uuid": f"course-{course.id}",
        "start_at": None,
        "end_at": None,
        "created_at": "2023-08-21T15:00:00Z",
        "course_code": course.course_code,
        "default_view": "modules",
        "enrollment_term_id": course.term_id,
        "is_public": False,
        "license": "private",
        "grading_standard_id": None,
        "workflow_state": "completed" if course.concluded else "available",
        "enrollments": [
            {
                "type": kind.removesuffix("Enrollment").lower(),
                "role": kind,
                "role_id": 1,
                "user_id": call.user_id,
                "enrollment_state": "completed" if course.concluded else "active",
            }
        ],
        "calendar": {"ics": f"{call.base}/feeds/calendars/course_{course.id}.ics"},
        "time_zone": "Etc/UTC",
        "blueprint": False,
        "template": False,
        "storage_quota_mb": 500,
        "hide_final_grades": False,
    }
    nickname = call.school.nicknames.get(course.id)
    if nickname is not None:
        body["original_name"], body["name"] = course.name, nickname
    if with_term:
        body["term"] = {"id": course.term_id, "name": course.term, "start_at": None, "end_at": None}
    return body


def progress(call: Call) -> Response:
    """:calls: GET /api/v1/progress/:id"""
    return call.answer(progress_json(_progress(call), call.base))


def cancel_progress(call: Call) -> Response:
    """:calls: POST /api/v1/progress/:id/cancel"""
    found = _progress(call)
    if found.workflow_state in ("queued", "running"):
        found.workflow_state = "failed"
        found.updated_at = call.school.now
    return call.answer(progress_json(found, call.base))


def recipients(call: Call) -> Response:
    """:calls: GET /api/v1/search/recipients and GET /api/v1/conversations/find_recipients"""
    size = per_page(call.params)
    name = call.params.text("page")
    offset = bookmark_offset(name)
    found = _find_recipients(call)
    shown = found[offset : offset + size]
    following = bookmark(offset + size) if offset + size < len(found) else None
    header = bookmark_header(call.base + call.path, call.query, size, name or "first", following)
    return call.answer(shown, headers={"Link": header})


def _find_recipients(call: Call) -> list[dict[str, Any]]:
    search, context = call.params.text("search"), call.params.text("context")
    user_id = call.params.text("user_id")
    if search is None and context is None and user_id is None:
        return []
    excluded = {str(one) for one in call.params.items("exclude")}
    kinds = {str(one) for one in (call.params.items("type") or call.params.items("types"))}
    words = (search or "").casefold().split()
    found: list[dict[str, Any]] = []
    if user_id is None and (not kinds or kinds & {"context", "course", "group"}):
        found.extend(_contexts(call, words, context, kinds, excluded))
    if not kinds or "user" in kinds:
        detail = Detail()
        for person in _people(call, words, context, user_id):
            if str(person.id) not in excluded:
                found.append(call.writer.person(person.id, detail, avatars=True))
    return found


def _contexts(
    call: Call, words: list[str], within: str | None, kinds: set[str], excluded: set[str]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if within is not None:
        return found
    for code in call.state.context_codes(call.user_id):
        kind = code.partition("_")[0]
        context = call.state.context(code)
        if context is None or code in excluded or not _matches(context.name, words):
            continue
        if kinds and "context" not in kinds and kind not in kinds:
            continue
        if isinstance(context, SandboxCourse) and context.concluded:
            continue
        found.append(call.writer.recipient_context(code))
    return found


def _people(call: Call, words: list[str], context: str | None, user_id: str | None) -> list[SandboxPerson]:
    state = call.state
    if user_id is not None:
        number = parse_id(user_id)
        candidates = [number] if number is not None and number in state.people else []
    elif context is not None:
        candidates = people_in(state, call.user_id, context)
    else:
        candidates = list(state.people)
    people = [
        state.people[one]
        for one in candidates
        if one in state.people
        and may_message(state, call.user_id, one)
        and (_matches(state.people[one].name, words) or _matches(state.people[one].full_name, words))
    ]
    return sorted(people, key=lambda person: (person.name.casefold(), person.id))


def _matches(name: str, words: list[str]) -> bool:
    folded = name.casefold()
    return all(word in folded for word in words)


def _progress(call: Call) -> BatchProgress:
    found = call.school.jobs.progresses.get(call.number())
    if found is None or (found.user_id != call.user_id and call.user_id not in call.state.admin_ids):
        raise not_found()
    return found


def own_id(call: Call) -> int:
    """Return the person a path is about: the caller for ``self``, else somebody the caller may write to."""
    if call.path_id in ("self", ""):
        return call.user_id
    number = call.number()
    if number not in call.state.people or not may_message(call.state, call.user_id, number):
        raise not_found()
    return number


def _sortable(full_name: str) -> str:
    first, _, last = full_name.rpartition(" ")
    return f"{last}, {first}" if first else full_name
