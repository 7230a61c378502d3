"""Writing the people and the courses or groups that an answer names."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import TypeAlias, TypeVar

from canvas_archive.model import Conversation, Course, Message, Participant
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

_MEMORY = "CREATE TEMP TABLE IF NOT EXISTS ingest_memory (writer INTEGER PRIMARY KEY, count INTEGER)"
_COUNT = "INSERT INTO temp.ingest_memory VALUES (?, ?) ON CONFLICT DO UPDATE SET count = excluded.count"
_COUNTED = "SELECT count FROM temp.ingest_memory WHERE writer = ?"
MOST_REMEMBERED = 20_000

Key = TypeVar("Key")
Value = TypeVar("Value")
Named: TypeAlias = "tuple[Mapping[int, Participant | None], Mapping[str, str | None]]"
"""The people and the contexts that an answer names, as ``named_in`` returns them."""

_RECORDED_OF_USER = ("name", "full_name", "pronouns")
_COLUMNS_OF_CONTEXT = ("name", "course_code", "term", "extra")


def named_in(
    conv: Conversation, messages: Iterable[Message]
) -> tuple[dict[int, Participant | None], dict[str, str | None]]:
    """Return the people and the contexts an answer names; ``None`` where it tells an id or a code alone."""
    people: dict[int, Participant | None] = dict.fromkeys(conv.audience)
    # Nearly all messages of a thread have the same recipients, in the same order.
    groups: dict[tuple[int, ...], None] = {}
    for message in messages:
        people[message.author_id] = None
        groups[message.participating_user_ids] = None
    for group in groups:
        people.update(dict.fromkeys(group))
    people.update((person.id, person) for person in conv.participants)
    contexts: dict[str, str | None] = dict.fromkeys(clean(code) or "" for code in conv.audience_contexts)
    if conv.context_code:
        contexts[clean(conv.context_code) or ""] = conv.context_name
    return people, contexts


class PeopleWriter:
    """Writes people and contexts, and remembers what it wrote: the same few hundred come up again and again.

    What it remembers holds only as long as the transactions it was written in: a row of a temporary table
    counts along and falls back with them, so a rollback, whoever does it, empties the memory.
    """

    def __init__(self, cursor: sqlite3.Cursor, log: RevisionLog) -> None:
        self._cursor = cursor
        self._log = log
        self._people: dict[int, Participant | None] = {}
        # A list row never renames a context, so what one says is no news of what a whole answer says.
        self._contexts: dict[bool, dict[str, str | None]] = {True: {}, False: {}}
        self._named: set[int] = set()
        self._count = 0
        self._key = id(self)

    @property
    def writes_of_its_own(self) -> int:
        """The number of rows written so far that are no part of the archive."""
        return self._count

    def save(
        self,
        people: Mapping[int, Participant | None],
        contexts: Mapping[str, str | None],
        now: str,
        *,
        whole: bool,
        rename: bool = True,
    ) -> None:
        """Insert who and what is unknown, and take over new names; ``None`` tells nothing about an id.

        ``whole`` marks an answer that renames contexts, too. Without ``rename`` known people keep their
        names.
        """
        self._check_memory()
        unseen = _differing(people, self._people)
        new_contexts = _differing(contexts, self._contexts[whole])
        if unseen:
            _save_users(self._cursor, self._log, unseen, now, rename=rename)
            if rename:
                self._people.update(unseen)
            self._named.update(user_id for user_id, person in unseen.items() if person is not None)
        if new_contexts:
            _save_contexts(self._cursor, self._log, new_contexts, now, rename=whole)
            self._contexts[False].update(new_contexts)
            if whole:
                self._contexts[True].update(new_contexts)
        if unseen or new_contexts:
            self._note()

    def is_news(self, people: Mapping[int, Participant | None]) -> bool:
        """Return whether a list row's names count: not when an answer of this run named one differently.

        Canvas caches the people of a conversation, so list rows may disagree about someone renamed. The
        first one of a run counts.
        """
        differing = _differing(people, self._people)
        return self._named.isdisjoint(differing)

    def save_courses(self, courses: Iterable[Course], now: str) -> list[Course]:
        """Take over the course list, and return the courses that are new or changed."""
        touched = _save_courses(self._cursor, self._log, courses, now)
        if touched:
            self._forget_contexts()
        return touched

    def _forget_contexts(self) -> None:
        for remembered in self._contexts.values():
            remembered.clear()

    def recall(self, named: Iterable[Named]) -> None:
        """Remember who and what is stored just as it is named here; of several names, the first counts.

        Nothing is written: ``save`` takes what this leaves out.
        """
        people: dict[int, Participant | None] = {}
        contexts: dict[str, str | None] = {}
        for some_people, some_contexts in named:
            people.update((key, told) for key, told in some_people.items() if people.get(key) is None)
            contexts.update((key, told) for key, told in some_contexts.items() if contexts.get(key) is None)
        self._check_memory()
        people = {user_id: person for user_id, person in people.items() if user_id not in self._people}
        contexts = {code: name for code, name in contexts.items() if code not in self._contexts[False]}
        users = _stored_users(self._cursor, people)
        for user_id, person in people.items():
            known = users.get(user_id)
            if known is not None and (person is None or _kept(known, _user_row(person)) == known):
                self._people[user_id] = person
                if person is not None:
                    self._named.add(user_id)
        courses = _stored_contexts(self._cursor, contexts)
        for code, name in contexts.items():
            if code in courses and (not name or courses[code][0] is not None):
                self._contexts[False][code] = name
        self._note()

    def remembers(self, people: Mapping[int, Participant | None], contexts: Mapping[str, str | None]) -> bool:
        """Return whether there is nothing to write about any of these, as far as is remembered."""
        return not _differing(people, self._people) and not _differing(contexts, self._contexts[False])

    def _note(self) -> None:
        """Let what is remembered fall back with the transaction that it was learned in."""
        self._count += 1
        self._cursor.execute(_COUNT, (self._key, self._count))

    def _check_memory(self) -> None:
        if len(self._people) > MOST_REMEMBERED:
            self._people.clear()
        try:
            row = self._cursor.execute(_COUNTED, (self._key,)).fetchone()
        except sqlite3.OperationalError:
            self._cursor.execute(_MEMORY)
            row = None
        if row is None or row[0] != self._count:
            self._people.clear()
            self._forget_contexts()


def _differing(
    told: Mapping[Key, Value | None], remembered: Mapping[Key, Value | None]
) -> dict[Key, Value | None]:
    """Return what is not remembered, or told otherwise; ``None`` tells nothing."""
    return {
        key: value
        for key, value in told.items()
        if key not in remembered or (value is not None and remembered[key] != value)
    }


def _stored_users(cursor: sqlite3.Cursor, ids: Iterable[int]) -> dict[int, tuple[object, ...]]:
    return {row[0]: row[1:] for row in cursor.execute(_USERS, (ids_json(ids),))}


def _stored_contexts(cursor: sqlite3.Cursor, codes: Iterable[str]) -> dict[str, tuple[object, ...]]:
    return {row[0]: row[1:] for row in cursor.execute(_CONTEXTS, (to_json(list(codes)),))}


def _user_row(person: Participant) -> tuple[object, ...]:
    """Return the columns of ``_USERS`` behind the id."""
    return (
        clean(person.name),
        clean(person.full_name),
        clean(person.pronouns),
        person.avatar_url,
        to_json(person.extra),
    )


def _kept(known: tuple[object, ...], fresh: tuple[object, ...]) -> tuple[object, ...]:
    """Return the columns of a person as they are to be, once another answer has told of them."""
    name, full_name, pronouns, avatar_url, extra = fresh
    # Canvas always tells pronouns (null when there are none); the rest is left out in some answers.
    return (
        known[0] if name is None else name,
        known[1] if full_name is None else full_name,
        pronouns,
        known[3] if avatar_url is None else avatar_url,
        known[4] if extra == "{}" else extra,
    )


def _save_users(
    cursor: sqlite3.Cursor,
    log: RevisionLog,
    people: Mapping[int, Participant | None],
    now: str,
    *,
    rename: bool,
) -> None:
    stored = _stored_users(cursor, people)
    new: list[tuple[object, ...]] = []
    for user_id, person in people.items():
        known = stored.get(user_id)
        if person is None:
            if known is None:
                new.append((user_id, None, None, None, None, "{}", now))
            continue
        fresh = _user_row(person)
        if known is None:
            new.append((user_id, *fresh, now))
        elif known != fresh and rename:
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
    kept = _kept(known, fresh)
    if kept == known:
        return
    cursor.execute(_UPDATE_USER, (*kept, user_id))
    before, after = changed_columns(
        dict(zip(_RECORDED_OF_USER, known, strict=False)), dict(zip(_RECORDED_OF_USER, kept, strict=False))
    )
    if after and any(known[:3]):  # the first names of a person known by id alone replace nothing
        log.add("users", user_id, now, before, after)


def _save_contexts(
    cursor: sqlite3.Cursor, log: RevisionLog, names: Mapping[str, str | None], now: str, *, rename: bool
) -> None:
    # A name given with a conversation never outranks the course list's (which gives a course code, too).
    stored = _stored_contexts(cursor, names)
    for code, name in names.items():
        known = stored.get(code)
        if known is None:
            kind, canvas_id = context_parts(code)
            cursor.execute(_INSERT_CONTEXT, (code, kind, canvas_id, clean(name), None, None, "{}"))
        elif name and known[0] != clean(name) and (known[0] is None or (rename and known[1] is None)):
            cursor.execute(_UPDATE_CONTEXT, (clean(name), *known[1:], code))
            if known[0] is not None:
                log.add("contexts", code, now, {"name": known[0]}, {"name": clean(name)})


def _save_courses(
    cursor: sqlite3.Cursor, log: RevisionLog, courses: Iterable[Course], now: str
) -> list[Course]:
    # A course that hides its name (restricted by date) keeps the known one.
    fresh = {f"course_{course.id}": course for course in courses}
    stored = _stored_contexts(cursor, fresh)
    touched = []
    for code, course in fresh.items():
        answer = (clean(course.name), clean(course.course_code), clean(course.term), to_json(course.extra))
        known = stored.get(code)
        if known is None:
            cursor.execute(_INSERT_CONTEXT, (code, "course", course.id, *answer))
            touched.append(course)
            continue
        restricted = course.name is None
        kept = tuple(
            old if new is None or (restricted and column == "extra" and old != "{}") else new
            for column, old, new in zip(_COLUMNS_OF_CONTEXT, known, answer, strict=True)
        )
        if kept != known:
            cursor.execute(_UPDATE_CONTEXT, (*kept, code))
            # Learning what was unknown replaces nothing, and ``extra`` (enrolments, quotas) is not recorded.
            told = [at for at, old in enumerate(known[:3]) if old not in (None, kept[at])]
            if told:
                before = {_COLUMNS_OF_CONTEXT[at]: known[at] for at in told}
                after = {_COLUMNS_OF_CONTEXT[at]: kept[at] for at in told}
                log.add("contexts", code, now, before, after)
            touched.append(course)
    return touched
