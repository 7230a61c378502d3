"""How a query was understood: one sentence made from its tree and from what its names mean in an archive.

``Messages with "midterm", from Astrid Chen, on or after 1 March 2026 (Europe/Berlin)``
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from canvas_archive.search.index.analysis import query_terms
from canvas_archive.search.query.dates import zone_name
from canvas_archive.search.query.resolve import AbsentNames, courses, people
from canvas_archive.search.query.tree import (
    And,
    CourseNode,
    Dated,
    Field,
    Has,
    Kind,
    Node,
    Not,
    Numbered,
    Or,
    PersonNode,
    Phrase,
    Prefix,
    Sized,
    StateNode,
    Word,
)
from canvas_archive.store.derived_columns import NAMED

MOST_NAMES = 5
HIDDEN = "[redacted]"

_FIELDS: dict[Field, tuple[str, str]] = {
    "text": ("with ", ""),
    "subject": ("with ", " in the subject"),
    "file": ("with ", " in the name of an attached file"),
    "attached": ("with ", " in the text of an attached file"),
}
_HAS = {
    "attachment": "with an attached file", "media": "with a recording", "link": "with a link",
    "forwarded": "with a forwarded message", "text": "with text in an attached file",
}  # fmt: skip
_KINDS = {
    "pdf": "a PDF file", "image": "an image", "audio": "an audio file", "video": "a video",
    "document": "a text document", "spreadsheet": "a spreadsheet", "presentation": "a presentation",
    "zip": "a file of files", "text": "a plain text file",
}  # fmt: skip
_STATES = {
    "starred": "in starred conversations", "unstarred": "in conversations that are not starred",
    "unread": "in unread conversations", "read": "in conversations that are read",
    "archived": "in archived conversations", "removed": "that were removed from Canvas",
    "private": "in private conversations", "group": "in group conversations",
    "subscribed": "in conversations that are followed",
    "unsubscribed": "in conversations that are not followed",
    "sent": "sent by the owner of the archive", "received": "not written by the owner of the archive",
    "inbox": "in the inbox", "in archived": "in the folder Archived",
    "in starred": "in the folder Starred", "in unread": "in the folder Unread",
}  # fmt: skip
_UNITS = ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB"))
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip

# Whether another user has one of the same names is what an id is shown for.
_NAMES = """
SELECT u.id, coalesce(u.name, u.full_name),
       (SELECT count(*) FROM users o WHERE coalesce(o.name, o.full_name) = coalesce(u.name, u.full_name))
FROM users u WHERE u.id = ?
"""
_COURSE = "SELECT name, course_code FROM contexts WHERE code = ?"


@dataclass(frozen=True, slots=True)
class Understanding:
    """Says what a tree finds. Without ``db``, names stay as they were typed.

    A name that the archive does not know is added to ``absent``; without ``absent`` it raises UnknownName.
    ``redact`` leaves out ids of people, and the names and beginnings that were typed.
    """

    db: sqlite3.Connection | None
    tz: tzinfo
    absent: AbsentNames | None = None
    redact: bool = False

    def sentence(self, tree: Node) -> str:
        """Return the sentence, without a full stop."""
        if tree == And(()):
            return "All messages"
        parts = tree.parts if isinstance(tree, And) else (tree,)
        first = [part for part in parts if isinstance(part, (Word, Phrase, Prefix, PersonNode))]
        about = [" ".join(self._clauses(first))] if first else []
        others = [part for part in parts if part not in first]
        clauses = [*about, *self._clauses(others, among=parts)]
        return f"Messages {('; ' if any(', ' in one for one in clauses) else ', ').join(clauses)}"

    def _clauses(self, parts: Sequence[Node], among: Sequence[Node] = ()) -> list[str]:
        """Return what all of the parts ask for: the words of a field together, the others one by one.

        ``among`` are the parts beside which they stand.
        """
        beside = among or parts
        words: dict[Field, list[str]] = {}
        others: list[str] = []
        for part in parts:
            if isinstance(part, (Word, Phrase, Prefix)):
                words.setdefault(part.field, []).append(self._word(part))
            elif part != Has("text") or "attached" not in {field for one in beside for field in _fields(one)}:
                others.append(self._clause(part, top=len(beside) == 1))
        together = [_in_field(field, found, "and") for field, found in words.items()]
        return [*together, *others]

    def _clause(self, node: Node, *, top: bool = False) -> str:
        if isinstance(node, (Word, Phrase, Prefix)):
            return _in_field(node.field, [self._word(node)], "and")
        if isinstance(node, And):
            return f"({' and '.join(self._clauses(node.parts))})"
        if isinstance(node, Or):
            return self._either(node, top=top)
        if isinstance(node, Not):
            return self._negated(node.part)
        if isinstance(node, PersonNode):
            return f"{node.role} {self.people(node)}"
        if isinstance(node, CourseNode):
            return f"in {self._courses(node)}"
        if isinstance(node, Has):
            return _HAS[node.what]
        if isinstance(node, Kind):
            return f"with {_KINDS[node.name]} attached"
        if isinstance(node, Sized):
            return f"with an attached file {node.relation} than {_bytes(node.size)}"
        if isinstance(node, Numbered):
            if node.what == "thread":
                return f"in the conversation {node.number}"
            return f"with the id {node.number}, or in the conversation {node.number}"
        if isinstance(node, StateNode):
            return _STATES[node.name]
        return f"{self._dates(node)} ({zone_name(self.tz)})"

    def _either(self, node: Or, *, top: bool) -> str:
        fields = {part.field for part in node.parts if isinstance(part, (Word, Phrase, Prefix))}
        if len(fields) == 1 and all(isinstance(part, (Word, Phrase, Prefix)) for part in node.parts):
            found = [self._word(part) for part in node.parts if isinstance(part, (Word, Phrase, Prefix))]
            said = _in_field(fields.pop(), found, "or")
        else:
            said = " or ".join(map(self._clause, node.parts))
        return said if top else f"({said})"

    def _negated(self, node: Node) -> str:
        said = self._clause(node)
        if said.startswith("with "):
            return f"without {said.removeprefix('with ')}"
        return f"not {said}"

    def _word(self, node: Word | Phrase | Prefix) -> str:
        if isinstance(node, Prefix):
            shown = HIDDEN if self.redact else node.text
            said = f'a word that begins with "{shown}"'
        else:
            said = f'the phrase "{node.text}"' if isinstance(node, Phrase) else f'"{node.text}"'
        return said if query_terms(node.text) else f"{said} (not searched: no letter or digit)"

    def people(self, node: PersonNode) -> str:
        """Return whom a name means: one person, or what was typed and the people of that name."""
        if self.db is None:
            return node.name
        ids = people(self.db, node.role, node.name, self.absent)
        if not ids:
            return f"{HIDDEN if self.redact else node.name} (nobody here)"
        rows = [self.db.execute(_NAMES, (number,)).fetchone() for number in ids[:MOST_NAMES]]
        names = [self._person(number, row) for number, row in zip(ids, rows, strict=False)]
        return _several(node.name, names, len(ids), redact=self.redact)

    def _person(self, number: int, row: Any) -> str:
        if row is None or not row[1]:
            return HIDDEN if self.redact else f"user {number}"
        name = str(row[1])
        return f"{name} (id {number})" if row[2] > 1 and not self.redact else name

    def _courses(self, node: CourseNode) -> str:
        if self.db is None:
            return f"the {node.operator} {node.name}"
        codes = courses(self.db, node.name, node.operator, self.absent)
        if not codes:
            return f"{HIDDEN if self.redact else node.name} (no {node.operator} here)"
        names = [_course(code, self.db.execute(_COURSE, (code,)).fetchone()) for code in codes[:MOST_NAMES]]
        if len(codes) > 1:
            return f"a {node.operator} of {_several(node.name, names, len(codes), redact=self.redact)}"
        return f"the {'group' if codes[0].startswith('group') else 'course'} {names[0]}"

    def _dates(self, node: Dated) -> str:
        start = None if node.start is None else datetime.fromtimestamp(node.start, self.tz)
        end = None if node.end is None else datetime.fromtimestamp(node.end, self.tz)
        if start is not None and end is not None:
            return _period(start, end) or f"on or after {_day(start)} and before {_day(end)}"
        if start is not None:
            return f"on or after {_day(start)}"
        return f"before {_day(end)}" if end is not None else "of any date"


def has_dates(tree: Node) -> bool:
    """Return whether a tree asks for dates, so that its zone matters."""
    if isinstance(tree, (And, Or)):
        return any(map(has_dates, tree.parts))
    return has_dates(tree.part) if isinstance(tree, Not) else isinstance(tree, Dated)


def _fields(node: Node) -> set[Field]:
    if isinstance(node, (And, Or)):
        return {field for part in node.parts for field in _fields(part)}
    if isinstance(node, Not):
        return _fields(node.part)
    return {node.field} if isinstance(node, (Word, Phrase, Prefix)) else set()


def _in_field(field: Field, words: Sequence[str], last: str) -> str:
    before, after = _FIELDS[field]
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
    return f"{before}{listed}{after}"


def _several(typed: str, names: Sequence[str], count: int, *, redact: bool) -> str:
    if count == 1:
        return names[0]
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    return f"{'' if redact else f'{typed}: '}{', '.join(names)}{more}"


def _course(code: str, row: Any) -> str:
    if code.startswith(NAMED):
        return code.removeprefix(NAMED)
    name, course_code = row or (None, None)
    about = course_code if course_code and course_code != name else code
    return f"{name} ({about})" if name else code


def _bytes(size: int) -> str:
    for unit, name in _UNITS:
        if size >= unit and not size % (unit // 10):
            return f"{size / unit:,g} {name}" if size % unit else f"{size // unit:,} {name}"
    return f"{size:,} bytes"


def _day(moment: datetime) -> str:
    day = f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"
    if not (moment.hour or moment.minute or moment.second):
        return day
    return f"{day} {moment:%H:%M:%S}" if moment.second else f"{day} {moment:%H:%M}"


def _period(start: datetime, end: datetime) -> str:
    """Return a day, month or year as such; empty for any other span."""
    first, last = start.replace(tzinfo=None), end.replace(tzinfo=None)
    if first.hour or first.minute or first.second:
        return ""
    if last == first + timedelta(days=1):
        return f"on {_day(start)}"
    if first.day == 1 and last == (first + timedelta(days=32)).replace(day=1):
        return f"in {_MONTHS[first.month - 1]} {first.year}"
    if first.day == first.month == 1 and last == first.replace(year=first.year + 1):
        return f"in {first.year}"
    return ""
