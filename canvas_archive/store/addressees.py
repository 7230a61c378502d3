"""Whom a message of the outbox goes to, in names and numbers, as far as the archive knows."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from canvas_archive.store.outbox import Draft
from canvas_archive.store.rows import ids_json

_CONTEXT = re.compile(r"(?P<code>(?:course|group|section)_[0-9]+)(?:_(?P<part>[a-z]+))?")
_AUDIENCE = "SELECT audience FROM conversations WHERE id = ?"
_PARTICIPANTS = """
SELECT user_id FROM conversation_participants WHERE conversation_id = ? AND direct = 1 ORDER BY position
"""
_NAMES = "SELECT id, name FROM users WHERE id IN (SELECT value FROM json_each(?)) AND name IS NOT NULL"
_LABEL = "SELECT coalesce(course_code, name) FROM contexts WHERE code = ?"


@dataclass(frozen=True, slots=True)
class Addressees:
    """``people`` maps an id (as text) to a name; ``groups`` are whole courses and groups, in words.

    How many people a group has, only Canvas knows.
    """

    people: dict[str, str]
    groups: tuple[str, ...] = ()

    def named(self, most: int = 3) -> str:
        """Return names: groups first, then people, of whom at most so many are named."""
        people = list(self.people.values())
        shown = people if len(people) <= most + 1 else people[:most]
        rest = [f"{len(people) - len(shown):,} more"] if len(shown) < len(people) else []
        return enumerated([*self.groups, *shown, *rest]) or "nobody the archive knows"

    def counted(self) -> str:
        """Return how many: ``4 people``, ``everyone in GEOG 118``, ``everyone in GEOG 118 and 1 person``."""
        number = len(self.people)
        people = [f"{number:,} {'person' if number == 1 else 'people'}"] if number else []
        return enumerated([*self.groups, *people]) or "nobody the archive knows"


def enumerated(items: Iterable[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    *first, last = list(items) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def addressees(db: sqlite3.Connection, draft: Draft, owner_id: int) -> Addressees:
    """Return whom a message goes to. A reply without recipients goes to everyone else in its conversation."""
    codes = draft.recipients or _everyone_else(db, draft.conversation_id, owner_id)
    contexts = {code: match for code in codes if (match := _CONTEXT.fullmatch(code))}
    ids = [int(code) for code in codes if code.isascii() and code.isdigit() and len(code) < 19]
    names = {str(number): str(name) for number, name in db.execute(_NAMES, (ids_json(ids),)).fetchall()}
    return Addressees(
        {code: names.get(code) or f"user {code}" for code in codes if code not in contexts},
        tuple(_group(db, match) for match in contexts.values()),
    )


def together(several: Iterable[Addressees]) -> Addressees:
    """Return whom several messages go to, each person and group once."""
    people: dict[str, str] = {}
    groups: dict[str, None] = {}
    for one in several:
        people.update(one.people)
        groups.update(dict.fromkeys(one.groups))
    return Addressees(people, tuple(groups))


def _everyone_else(db: sqlite3.Connection, conversation_id: int | None, owner_id: int) -> tuple[str, ...]:
    row = db.execute(_AUDIENCE, (conversation_id,)).fetchone()
    audience: list[int] = json.loads(row[0]) if row else []
    others = audience or [
        one for (one,) in map(tuple, db.execute(_PARTICIPANTS, (conversation_id,))) if one != owner_id
    ]
    return tuple(map(str, others))


def _group(db: sqlite3.Connection, match: re.Match[str]) -> str:
    row = db.execute(_LABEL, (match["code"],)).fetchone()
    label = (row[0] if row else None) or match["code"].replace("_", " ")
    part = match["part"]
    return f"the {part} of {label}" if part else f"everyone in {label}"
