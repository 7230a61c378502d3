"""Whom messages go to, in names and numbers, as far as the archive knows: for terminal and pages."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from canvas_archive.errors import BadInput
from canvas_archive.store.outbox import Draft, fingerprint
from canvas_archive.store.rows import short_hash

UNKNOWN = "everyone in the conversation, whom the archive does not know"
MOST_COUNTED = 1_000
"""Of a larger course or group, the number of people is not counted to its end."""

_CODE = re.compile(r"(?:\d{1,19}|\d{1,6}~\d{1,18}|(?:course|group|section)_\d{1,19}(?:_[a-z]+)?|uuid:\S+)\Z")
_CONTEXT = re.compile(r"(?P<code>(?:course|group|section)_[0-9]+)(?:_(?P<part>[a-z]+))?")
_ID_DIGITS = 19
_MOST_CANDIDATES = 8
_BY_NAME = "SELECT id, name, full_name FROM users WHERE name IS NOT NULL OR full_name IS NOT NULL"
_CONTEXTS = "SELECT code, course_code, name FROM contexts"
_EVERYONE = """
SELECT coalesce(nullif(c.audience, '[]'), nullif((SELECT json_group_array(user_id) FROM
    (SELECT user_id FROM conversation_participants WHERE conversation_id = c.id
       AND user_id <> (SELECT coalesce(as_user_id, user_id) FROM account) ORDER BY position)), '[]'),
  (SELECT json_group_array(user_id) FROM conversation_participants WHERE conversation_id = c.id))
FROM conversations c WHERE c.id = ?
"""
"""What Canvas lists as the others, else the other participants, else the owner alone."""
_LABEL = """
SELECT coalesce((SELECT coalesce(course_code, name) FROM contexts WHERE code = ?1),
  (SELECT max(context_name) FROM conversations WHERE context_code = ?1))
"""
_PERSON = """
SELECT coalesce(u.name, u.full_name),
  (SELECT coalesce(x.course_code, x.name, c.context_name)
   FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id
   LEFT JOIN contexts x ON x.code = c.course
   WHERE p.user_id = u.id AND p.direct = 1 AND coalesce(c.course, c.context_name) IS NOT NULL
   ORDER BY c.latest_at DESC LIMIT 1)
FROM users u WHERE u.id = ?
"""


@dataclass(frozen=True, slots=True)
class Addressee:
    """A recipient: the code that Canvas takes, a name to show, and the least number of people.

    ``guessed``: only a part of the name was given. ``exact``: ``people`` is the number, not the least.
    ``context``: the course or group of the newest conversation with a person.
    """

    code: str
    name: str
    people: int = 1
    guessed: bool = False
    exact: bool = True
    context: str | None = None

    @property
    def is_group(self) -> bool:
        """Return whether this is a whole course, section or group."""
        return _CONTEXT.fullmatch(self.code) is not None

    def sentence(self) -> str:
        """Return ``Astrid Chen (GEOG 118)``, ``everyone in GEOG 118 (31 people)``."""
        if self.is_group or not self.exact:
            return f"{self.name} ({self.number()})"
        return f"{self.name} ({self.context})" if self.context else self.name

    def number(self) -> str:
        """Return how many people these are, in words."""
        if self.exact:
            return "1 person" if self.people == 1 else f"{self.people:,} people"
        return f"{self.people:,} or more people" if self.people >= MOST_COUNTED else "more than one person"


@dataclass(frozen=True, slots=True)
class Addressees:
    """Everybody a message goes to. None: a reply to everyone in a conversation that the archive lacks."""

    each: tuple[Addressee, ...]

    def __iter__(self) -> Iterator[Addressee]:
        return iter(self.each)

    @property
    def people(self) -> int:
        """Return the least number of people."""
        return sum(one.people for one in self.each)

    @property
    def exact(self) -> bool:
        """Return whether ``people`` is the number of people."""
        return bool(self.each) and all(one.exact for one in self.each)

    @property
    def several(self) -> bool:
        """Return whether these are more than one person, or may be."""
        return self.people > 1 or not self.exact

    @property
    def groups(self) -> tuple[Addressee, ...]:
        """Return the whole courses and groups."""
        return tuple(one for one in self.each if one.is_group)

    def named(self, most: int = 3, *, whole: bool = False) -> str:
        """Return names: groups first, then people, of whom at most so many are named.

        ``whole`` adds the courses of people, and how many people the groups are.
        """
        people = [one for one in self.each if not one.is_group]
        named = people if len(people) <= most + 1 else people[:most]
        words = [one.sentence() if whole else one.name for one in (*self.groups, *named)]
        left = len(people) - len(named)
        return enumerated([*words, *([f"{left:,} more"] if left else [])]) or UNKNOWN

    def counted(self) -> str:
        """Return how many: ``4 people``, ``everyone in GEOG 118``, ``everyone in GEOG 118 and 1 person``."""
        number = sum(one.people for one in self.each if not one.is_group)
        people = [f"{number:,} {'person' if number == 1 else 'people'}"] if number else []
        return enumerated([*(one.name for one in self.groups), *people]) or UNKNOWN


def enumerated(items: Iterable[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    *first, last = list(items) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def is_code(text: str) -> bool:
    """Return whether this is an id or a code that Canvas takes as a recipient, rather than a name."""
    return _CODE.match(text) is not None


def of_code(code: str) -> Addressee:
    """Return whom a code means: one person by an id, at least two by a course or group."""
    is_person = code[0].isdigit() or code.startswith("uuid:")
    return Addressee(code, code, 1 if is_person else 2, exact=is_person)


def addressees(db: sqlite3.Connection, draft: Draft) -> Addressees:
    """Return whom a message goes to. A reply without recipients goes to everyone else in its conversation.

    Those are the people that the last sync saw in it.
    """
    return described(db, map(of_code, _codes(db, draft)))


def _codes(db: sqlite3.Connection, draft: Draft) -> tuple[str, ...]:
    if draft.recipients or draft.conversation_id is None:
        return draft.recipients
    row = db.execute(_EVERYONE, (draft.conversation_id,)).fetchone()
    return tuple(map(str, json.loads(row[0]))) if row else ()


def message_fingerprint(db: sqlite3.Connection, draft: Draft) -> str:
    """Return a short hash of all that a message says and of the people it goes to, as the archive knows them.

    The people of a conversation change while a reply to everyone waits.
    """
    return short_hash(json.dumps([fingerprint(draft), sorted(_codes(db, draft))]))


def described(db: sqlite3.Connection, found: Iterable[Addressee]) -> Addressees:
    """Return the recipients with their names and courses, as the archive knows them."""
    return Addressees(tuple(_described(db, one) for one in found))


def _described(db: sqlite3.Connection, one: Addressee) -> Addressee:
    if match := _CONTEXT.fullmatch(one.code):
        row = db.execute(_LABEL, (match["code"],)).fetchone()
        given = "" if one.name == one.code else one.name
        label = row[0] or given or match["code"].replace("_", " ")
        return replace(
            one, name=f"the {match['part']} of {label}" if match["part"] else f"everyone in {label}"
        )
    known = one.code.isascii() and one.code.isdigit() and len(one.code) < _ID_DIGITS
    row = db.execute(_PERSON, (int(one.code),)).fetchone() if known else None
    name = (row[0] if row else None) or (f"user {one.code}" if one.name == one.code else one.name)
    return replace(one, name=name, context=row[1] if row else None)


def together(several: Iterable[Addressees]) -> Addressees:
    """Return whom several messages go to, each person and group once."""
    return Addressees(tuple({one.code: one for message in several for one in message}.values()))


def resolve_offline(db: sqlite3.Connection, texts: Iterable[str]) -> tuple[Addressee, ...]:
    """Return whom these texts mean, asking the archive alone: ids, codes, names of people and of courses.

    A part of a person's name is enough, where no one has it as the whole name. Raises BadInput for a name
    that no one or more than one in the archive has.
    """
    return tuple(dict.fromkeys(_resolved(db, text.strip()) for text in texts))


def _resolved(db: sqlite3.Connection, text: str) -> Addressee:
    if is_code(text):
        return of_code(text)
    found = candidates(db, text)
    if len(found) != 1:
        raise BadInput(not_one(text, [(one.code, one.name) for one in found]))
    return found[0]


def candidates(db: sqlite3.Connection, text: str) -> list[Addressee]:
    """Return whom a name may mean: people and courses of that very name, else people with it in theirs."""
    wanted = text.strip().casefold()
    if not wanted:
        return []
    exact, partial = [], []
    for number, name, full_name in map(tuple, db.execute(_BY_NAME)):
        names = [(one or "").casefold() for one in (name, full_name)]
        if wanted in names:
            exact.append(Addressee(str(number), full_name or name))
        elif any(wanted in one for one in names):
            partial.append(Addressee(str(number), full_name or name, guessed=True))
    for code, *names in map(tuple, db.execute(_CONTEXTS)):
        if wanted in ((one or "").casefold() for one in names):
            exact.append(of_code(code))
    return exact or partial


def not_one(text: str, found: Sequence[tuple[str, str]]) -> str:
    """Return the sentence for a name that is not exactly one recipient's; of those, code and name."""
    if not found:
        return (
            f"Nobody called {text!r} can be written to. Look with 'canvas-archive recipients NAME', "
            "or give an id."
        )
    names = ", ".join(f"{name} ({code})" for code, name in found[:_MOST_CANDIDATES])
    more = f" and {len(found) - _MOST_CANDIDATES} more" if len(found) > _MOST_CANDIDATES else ""
    return f"{text!r} can mean {len(found)} recipients: {names}{more}. Give the id of one."
