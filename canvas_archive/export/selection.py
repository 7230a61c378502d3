"""What to export: the filters a person gives, resolved to conversations and messages of one snapshot.

Filters of different kinds narrow each other; several values of one kind widen it (``--course 1
--course 2`` is either). ``--query``, ``--after`` and ``--before`` choose messages, the others choose
conversations; ``whole_threads`` takes the whole conversation of every message chosen.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone, tzinfo
from typing import TYPE_CHECKING, TypeAlias

from canvas_archive.clock import iso, parse_iso
from canvas_archive.errors import BadInput
from canvas_archive.model import JsonObject
from canvas_archive.store.derived_columns import COURSE_KEY
from canvas_archive.store.folders import FOLDERS

if TYPE_CHECKING:
    from canvas_archive.search.query.resolve import AbsentNames

Words: TypeAlias = "Callable[[str | None], str | None]"
"""Takes names out of free text; leaves it as it is where nothing is redacted."""

_OFFSET = re.compile(r"(?:[zZ]|[+-]\d\d(?::?\d\d)?)\Z")
_IN_COURSE = f"{COURSE_KEY} IN (SELECT value FROM json_each(?))"  # noqa: S608 (constants)
_SHARING = (
    " OR EXISTS (SELECT 1 FROM conversation_contexts x"
    " WHERE x.conversation_id = c.id AND x.context_code IN (SELECT value FROM json_each(?)))"
)
_SHARED = f"""
SELECT coalesce(sum(h.wanted), 0) FROM chosen h JOIN conversations c ON c.id = h.conversation_id
WHERE coalesce({COURSE_KEY}, '') NOT IN (SELECT value FROM json_each(?))
"""  # noqa: S608 (constants)
_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?\Z")


@dataclass(frozen=True, slots=True)
class Selection:
    """The filters of one export. Times are ISO text: from ``after`` on, and earlier than ``before``.

    ``shared_courses`` adds to ``courses`` every conversation whose people share one of them.
    ``understood`` says what the query means, ``zone`` is the time zone of its dates.
    """

    query: str | None = None
    after: str | None = None
    before: str | None = None
    people: tuple[str, ...] = ()
    courses: tuple[str, ...] = ()
    shared_courses: bool = False
    ids: tuple[int, ...] = ()
    folders: tuple[str, ...] = ()
    whole_threads: bool = False
    zone: str | None = None
    understood: str | None = None

    @property
    def takes_few_messages(self) -> bool:
        """Return whether single messages of a conversation are chosen."""
        return not self.whole_threads and any((self.query, self.after, self.before))

    def to_json(self) -> JsonObject:
        """Return the filters that are set, as they are recorded with an export."""
        fields: JsonObject = {
            "query": self.query,
            "understood": self.understood,
            "zone": self.zone,
            "after": self.after,
            "before": self.before,
            "with": list(self.people),
            "course": list(self.courses),
            "with_shared_courses": self.shared_courses,
            "ids": list(self.ids),
            "folder": list(self.folders),
            "whole_threads": self.whole_threads,
        }
        return {name: value for name, value in fields.items() if value}

    def redacted(self, words: Words, conversation: Callable[[int], int]) -> Selection:
        """Return the selection as it may be told: what was searched for says whom an export is about.

        ``words`` takes names out of a sentence; ``conversation`` returns what stands for an id.
        """
        hidden = "[redacted]"
        return replace(
            self,
            query=hidden if self.query else None,
            people=tuple(hidden for _ in self.people),
            courses=tuple(words(course) or "" for course in self.courses),
            ids=tuple(map(conversation, self.ids)),
            understood=words(self.understood),
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """A resolved selection: how much there is, and the condition on ``messages m`` with its parameters.

    ``courses`` are the keys of the courses it is limited to; ``None`` when it is not, or not to them alone.
    ``shared`` is how many of the messages are there because people share such a course.
    """

    conversations: int
    messages: int
    condition: str
    parameters: tuple[str, ...]
    whole: bool  # every stored message of every chosen conversation
    courses: frozenset[str] | None = None
    shared: int = 0


def parse_moment(text: str, option: str, tz: tzinfo = timezone.utc) -> str:
    """Return ``2025``, ``2025-03``, ``2025-03-09`` (the start of it) or an ISO time as ISO UTC text.

    What has no offset is a time of the zone.

    Raises BadInput naming the option.
    """
    match = _PARTIAL_DATE.match(text.strip())
    try:
        if match:
            year, month, day = (int(part) if part else 1 for part in match.groups())
            return iso(datetime(year, month, day, tzinfo=tz))
        moment = parse_iso(text.strip())
        return iso(moment if _OFFSET.search(text.strip()) else moment.replace(tzinfo=tz))
    except ValueError:
        raise BadInput(
            f"{option} must be a date such as 2025, 2025-03, 2025-03-09 or 2025-03-09T14:00:00Z, "
            f"not {text!r}."
        ) from None


def resolve(
    db: sqlite3.Connection,
    selection: Selection,
    find_messages: Callable[[str], Iterable[int]] | None = None,
    absent: AbsentNames | None = None,
) -> Scope:
    """Write the chosen conversations into the temporary table ``chosen`` of this connection.

    ``find_messages`` answers a search query with message ids. A person or course that the archive does not
    know is added to ``absent`` with its option. Without ``absent``, raises UnknownName.
    """
    # Only temporary tables are written; the file itself is open for reading alone.
    db.execute("PRAGMA query_only = OFF")
    try:
        db.execute("DROP TABLE IF EXISTS temp.chosen")
        db.execute("DROP TABLE IF EXISTS temp.found")
        db.execute("CREATE TEMP TABLE chosen (conversation_id INTEGER PRIMARY KEY, wanted INTEGER NOT NULL)")
        return _fill(db, selection, find_messages, absent)
    finally:
        db.execute("PRAGMA query_only = ON")


def _fill(
    db: sqlite3.Connection,
    selection: Selection,
    find_messages: Callable[[str], Iterable[int]] | None,
    absent: AbsentNames | None,
) -> Scope:
    on_messages, message_parameters = _message_conditions(db, selection, find_messages)
    courses = _courses_of(db, selection, absent)
    on_conversations, conversation_parameters = _conversation_conditions(db, selection, courses, absent)
    where = " AND ".join(f"({condition})" for condition in on_conversations) or "1"
    condition = " AND ".join(f"({condition})" for condition in on_messages) or "1"
    # With a filter on messages, a conversation without any such message is not chosen.
    join = "JOIN" if on_messages else "LEFT JOIN"
    db.execute(
        "INSERT INTO chosen SELECT c.id, count(m.id) FROM conversations c "  # noqa: S608 (constants; values are bound)
        f"{join} messages m ON m.conversation_id = c.id AND {condition} WHERE {where} GROUP BY c.id",
        (*message_parameters, *conversation_parameters),
    )
    if selection.whole_threads and on_messages:
        db.execute(
            "UPDATE chosen SET wanted = "
            "(SELECT count(*) FROM messages m WHERE m.conversation_id = chosen.conversation_id)"
        )
    whole = selection.whole_threads or not on_messages
    row = db.execute("SELECT count(*), coalesce(sum(wanted), 0) FROM chosen").fetchone()
    shared = db.execute(_SHARED, (json.dumps(courses),)).fetchone()[0] if selection.shared_courses else 0
    return Scope(
        row[0],
        row[1],
        "1" if whole else condition,
        () if whole else message_parameters,
        whole,
        frozenset(courses) if selection.courses and not selection.shared_courses else None,
        shared,
    )


def _message_conditions(
    db: sqlite3.Connection, selection: Selection, find_messages: Callable[[str], Iterable[int]] | None
) -> tuple[list[str], tuple[str, ...]]:
    conditions: list[str] = []
    parameters: list[str] = []
    if selection.query is not None:
        if find_messages is None:
            raise BadInput("This export cannot search; leave --query out.")
        db.execute("CREATE TEMP TABLE found (id INTEGER PRIMARY KEY)")
        db.executemany(
            "INSERT OR IGNORE INTO found VALUES (?)", ((number,) for number in find_messages(selection.query))
        )
        conditions.append("m.id IN (SELECT id FROM found)")
    if selection.after is not None:
        conditions.append("m.created_at >= ?")
        parameters.append(selection.after)
    if selection.before is not None:
        conditions.append("m.created_at < ?")
        parameters.append(selection.before)
    return conditions, tuple(parameters)


def _conversation_conditions(
    db: sqlite3.Connection, selection: Selection, courses: list[str], absent: AbsentNames | None
) -> tuple[list[str], tuple[str | int, ...]]:
    conditions: list[str] = []
    parameters: list[str | int] = []
    if selection.ids:
        _require_known(db, selection.ids)
        conditions.append(f"c.id IN ({_marks(selection.ids)})")
        parameters += selection.ids
    if selection.folders:
        unknown = [name for name in selection.folders if name not in FOLDERS]
        if unknown:
            raise BadInput(f"There is no folder {unknown[0]!r}; there are {', '.join(FOLDERS)}.")
        conditions.append(" OR ".join(f"({FOLDERS[name].condition('c')})" for name in selection.folders))
    if selection.people:
        from canvas_archive.search.query.resolve import people as people_of

        people = [number for text in selection.people for number in people_of(db, "--with", text, absent)]
        conditions.append(
            "EXISTS (SELECT 1 FROM conversation_participants p WHERE p.conversation_id = c.id "  # noqa: S608 (placeholders)
            f"AND p.direct = 1 AND p.user_id IN ({_marks(people)})) OR EXISTS (SELECT 1 FROM messages a "
            f"WHERE a.conversation_id = c.id AND a.author_id IN ({_marks(people)}))"
        )
        parameters += [*people, *people]
    if selection.courses:
        conditions.append(_IN_COURSE + (_SHARING if selection.shared_courses else ""))
        parameters += [json.dumps(courses)] * (2 if selection.shared_courses else 1)
    return conditions, tuple(parameters)


def _require_known(db: sqlite3.Connection, ids: tuple[int, ...]) -> None:
    known = {row[0] for row in db.execute(f"SELECT id FROM conversations WHERE id IN ({_marks(ids)})", ids)}  # noqa: S608 (placeholders)
    missing = [str(number) for number in ids if number not in known]
    if missing:
        raise BadInput(f"The archive has no conversation {', '.join(missing)}.")


def _courses_of(db: sqlite3.Connection, selection: Selection, absent: AbsentNames | None) -> list[str]:
    """Return the keys of the courses that the selection names, as ``course:`` of a query means them."""
    if not selection.courses:
        return []
    from canvas_archive.search.query.resolve import courses

    return sorted({key for text in selection.courses for key in courses(db, text, "--course", absent)})


def _marks(values: Iterable[object]) -> str:
    return ",".join("?" for _ in values)
