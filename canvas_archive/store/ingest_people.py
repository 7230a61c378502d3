"""Writing the people and the courses or groups that an answer names."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from canvas_archive.model import Course, Participant
from canvas_archive.store.revisions import RevisionLog, changed_columns
from canvas_archive.store.rows import clean, context_parts, ids_json, to_json

_USERS = """
SELECT id, name, full_name, pronouns, avatar_url, extra FROM users
WHERE id IN (SELECT value FROM json_each(?))
"""
_INSERT_USER = """
INSERT INTO users (id, name, full_name, pronouns, avatar_url, extra, first_seen_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE_USER = (
    "UPDATE users SET name = ?, full_name = ?, pronouns = ?, avatar_url = ?, extra = ? WHERE id = ?"
)
_CONTEXTS = """
SELECT code, name, course_code, term, extra FROM contexts WHERE code IN (SELECT value FROM json_each(?))
"""
_INSERT_CONTEXT = """
INSERT INTO contexts (code, kind, canvas_id, name, course_code, term, extra) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE_CONTEXT = "UPDATE contexts SET name = ?, course_code = ?, term = ?, extra = ? WHERE code = ?"

_RECORDED_OF_USER = ("name", "full_name", "pronouns")
_COLUMNS_OF_CONTEXT = ("name", "course_code", "term", "extra")


def save_users(
    cursor: sqlite3.Cursor,
    log: RevisionLog,
    people: Mapping[int, Participant | None],
    now: str,
    *,
    settled: frozenset[int] | set[int] = frozenset(),
) -> None:
    """Insert unknown people and take over new names; ``None`` marks an id about which nothing is known.

    People in ``settled`` are inserted when missing, but keep the name they have.
    """
    if not people:
        return
    stored = {row[0]: row[1:] for row in cursor.execute(_USERS, (ids_json(people),))}
    new: list[tuple[object, ...]] = []
    for user_id, person in people.items():
        known = stored.get(user_id)
        if person is None:
            if known is None:
                new.append((user_id, None, None, None, None, "{}", now))
            continue
        extra = to_json(person.extra)
        fresh = (
            clean(person.name),
            clean(person.full_name),
            clean(person.pronouns),
            person.avatar_url,
            extra,
        )
        if known is None:
            new.append((user_id, *fresh, now))
        elif known != fresh and user_id not in settled:
            _update_user(cursor, log, user_id, known, fresh, now)
    if new:
        cursor.executemany(_INSERT_USER, new)


def _update_user(
    cursor: sqlite3.Cursor,
    log: RevisionLog,
    user_id: int,
    known: tuple[object, ...],
    fresh: tuple[object, ...],
    now: str,
) -> None:
    name, full_name, pronouns, avatar_url, extra = fresh
    # Canvas always tells pronouns (null when there are none); the rest is left out in some answers.
    kept = (
        known[0] if name is None else name,
        known[1] if full_name is None else full_name,
        pronouns,
        known[3] if avatar_url is None else avatar_url,
        known[4] if extra == "{}" else extra,
    )
    if kept == known:
        return
    cursor.execute(_UPDATE_USER, (*kept, user_id))
    before, after = changed_columns(
        dict(zip(_RECORDED_OF_USER, known, strict=False)), dict(zip(_RECORDED_OF_USER, kept, strict=False))
    )
    if after:
        log.add("users", user_id, now, before, after)


def save_contexts(
    cursor: sqlite3.Cursor, log: RevisionLog, names: Mapping[str, str | None], now: str, *, rename: bool
) -> None:
    """Insert the contexts an answer names. A name given with a conversation never outranks the course list's.

    ``rename`` tells whether a differing name is news (a whole answer) or may be an older one (a list row).
    """
    if not names:
        return
    stored = {row[0]: row[1:] for row in cursor.execute(_CONTEXTS, (to_json(list(names)),))}
    for code, name in names.items():
        known = stored.get(code)
        if known is None:
            kind, canvas_id = context_parts(code)
            cursor.execute(_INSERT_CONTEXT, (code, kind, canvas_id, clean(name), None, None, "{}"))
        elif name and known[0] != clean(name) and (known[0] is None or (rename and known[1] is None)):
            cursor.execute(_UPDATE_CONTEXT, (clean(name), *known[1:], code))
            if known[0] is not None:
                log.add("contexts", code, now, {"name": known[0]}, {"name": clean(name)})


def save_courses(cursor: sqlite3.Cursor, log: RevisionLog, courses: Iterable[Course], now: str) -> int:
    """Take over the course list; a course that hides its name (restricted by date) keeps the known one.

    Returns how many contexts are new or changed.
    """
    fresh = {f"course_{course.id}": course for course in courses}
    stored = {row[0]: row[1:] for row in cursor.execute(_CONTEXTS, (to_json(list(fresh)),))}
    touched = 0
    for code, course in fresh.items():
        answer = (clean(course.name), clean(course.course_code), clean(course.term), to_json(course.extra))
        known = stored.get(code)
        if known is None:
            cursor.execute(_INSERT_CONTEXT, (code, "course", course.id, *answer))
            touched += 1
            continue
        restricted = course.name is None
        kept = tuple(
            old if new is None or (restricted and column == "extra" and old != "{}") else new
            for column, old, new in zip(_COLUMNS_OF_CONTEXT, known, answer, strict=True)
        )
        if kept != known:
            cursor.execute(_UPDATE_CONTEXT, (*kept, code))
            before, after = changed_columns(
                dict(zip(_COLUMNS_OF_CONTEXT, known, strict=True)),
                dict(zip(_COLUMNS_OF_CONTEXT, kept, strict=True)),
            )
            if any(value is not None for value in before.values()):
                log.add("contexts", code, now, before, after)
            touched += 1
    return touched
