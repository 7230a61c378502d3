"""The query language: text into a tree of what is wanted. Pure: no index, no database.

    exam schedule           both words, any form (exams, scheduled)
    "final exam"            this phrase, exactly
    photo*                  words that begin so
    -late, NOT late         without
    exam OR quiz, |         either; OR binds closer than the space between words, as in Gmail
    exam AND quiz           the same as exam quiz
    ( ... )                 grouping
    from: to: with:         a person: part of the name, a whole "Quoted Name", an id, or me
    course:                 part of a course's or group's name or code
    subject: filename:      words in these alone; a "phrase", a prefix* or a (group) as well
    has:                    attachment, media, link, forwarded; a kind of file such as pdf or image
    larger: smaller:        an attached file of more, or fewer, bytes: 200K, 1M
    id: thread:             a message or conversation by its number; a conversation alone
    is:                     starred, unread, read, archived, removed, private, ...
    in:                     a folder: inbox, sent, archived, starred, unread, removed. A removed conversation
                            is in removed alone, while is: finds it by its last state. With attachments the
                            words beside it are searched in the text of the attached files
    before: after: on:      2025, 2025-03, 2025-03-09, 2025-03-09T14:00Z, 7d, 2w, 6m, 1y, today, yesterday;
                            on: takes ranges such as 2025-03..2025-05

``operators`` has the names that other programs use for these. An operator that is not known, a value that
an operator cannot have, an open quotation mark or parenthesis, a connector with nothing to connect, and a
query beyond the bounds are errors (BadInput). Any other text is searched, however odd.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from canvas_archive.errors import BadInput
from canvas_archive.search.query.dates import date_range
from canvas_archive.search.query.operators import (
    TAKES_TEXT,
    canonical,
    example,
    has_value,
    in_value,
    is_value,
    number_value,
    size_value,
)
from canvas_archive.search.query.tokens import QueryToken, tokens
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

LONGEST_QUERY = 4000  # characters
MOST_TERMS = 250
DEEPEST = 40


@dataclass(frozen=True, slots=True)
class _AttachmentScope:
    """in:attachments, until the words beside it are known."""


def parse(text: str, *, now: datetime, tz: tzinfo | None = None) -> Node:
    """Return the tree of a query. ``now`` and ``tz`` (``None``: local time) settle what dates mean.

    Raises BadInput for a query that cannot be meant so, and for one beyond the bounds.
    """
    if len(text) > LONGEST_QUERY:
        raise BadInput(
            f"The query has {len(text):,} characters; {LONGEST_QUERY:,} is the most that is searched for."
        )
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return _Parser(tokens(clean), now, tz).parse()


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, found: list[QueryToken], now: datetime, tz: tzinfo | None) -> None:
        self._tokens = found
        self._at = 0
        self._now = now
        self._tz = tz
        self._terms = 0
        self._depth = 0

    def parse(self) -> Node:
        parts = self._conjunction(self._text) if self._tokens else []
        if self._at < len(self._tokens):
            raise BadInput(
                f"The parenthesis at character {self._tokens[self._at].start + 1} closes nothing. "
                "Leave it out, or open one before it."
            )
        return _joined(parts)

    def _peek(self) -> str:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def _conjunction(self, leaf: Callable[[str, bool], Node]) -> list[Node]:
        parts = [self._disjunction(leaf)]
        while self._peek() not in ("", ")"):
            if self._peek() == "and":
                self._at += 1
            parts.append(self._disjunction(leaf))
        return parts

    def _disjunction(self, leaf: Callable[[str, bool], Node]) -> Node:
        options = [self._unary(leaf)]
        while self._peek() == "or":
            self._at += 1
            options.append(self._unary(leaf))
        return options[0] if len(options) < 2 else Or(tuple(_joined([option]) for option in options))

    def _unary(self, leaf: Callable[[str, bool], Node]) -> Node:
        negated = False
        while self._peek() == "not":
            negated = not negated
            self._at += 1
        if self._peek() in ("", ")", "or", "and"):
            raise self._dangling()
        node = self._primary(leaf)
        return Not(_joined([node])) if negated else node

    def _dangling(self) -> BadInput:
        """Return the error for a missing word: beside a connector, or in empty parentheses."""
        here = self._tokens[self._at] if self._at < len(self._tokens) else None
        before = self._tokens[self._at - 1] if self._at else None
        if before is not None and before.kind in ("or", "and", "not"):
            return BadInput(f"{before.place} has nothing after it. Add what is to follow.{_as_word(before)}")
        if before is not None and before.kind == "(":
            ending = "holds nothing" if here is not None and here.kind == ")" else "is not closed"
            if here is None or here.kind == ")":
                return BadInput(f"The parenthesis at character {before.start + 1} {ending}.")
        if here is None or here.kind == ")":
            return BadInput(f"A parenthesis closes nothing at character {here.start + 1 if here else 1}.")
        return BadInput(f"{here.place} has nothing before it. Add what is to precede.{_as_word(here)}")

    def _primary(self, leaf: Callable[[str, bool], Node]) -> Node:
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "(":
            return self._group(token, leaf)
        if token.kind == "operator":
            return self._operator(token)
        self._count(token)
        return leaf(token.text, token.kind == "quoted")

    def _group(self, opening: QueryToken, leaf: Callable[[str, bool], Node]) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadInput(
                f"The query has parentheses more than {DEEPEST} deep, from character {opening.start + 1} on."
            )
        parts = self._conjunction(leaf)
        if self._peek() != ")":
            raise BadInput(f"The parenthesis at character {opening.start + 1} is not closed. Close it.")
        self._at += 1
        self._depth -= 1
        return _joined(parts)

    def _count(self, token: QueryToken) -> None:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise BadInput(
                f"The query has more than {MOST_TERMS} words, from character {token.start + 1} on; "
                "search for fewer at once."
            )

    def _operator(self, token: QueryToken) -> Node:
        def leaf(value: str, quoted: bool) -> Node:
            return self._value(token.text, value, quoted)

        if token.group:
            opening = self._tokens[self._at]
            self._at += 1
            return self._group(opening, leaf)
        self._count(token)
        return leaf(token.value, token.quoted)

    def _text(self, text: str, quoted: bool) -> Node:
        return _text_node(text, quoted, "text")

    def _value(self, typed: str, value: str, quoted: bool) -> Node:
        if not value:
            raise BadInput(f"'{typed}:' needs a value right after the colon, such as {self._example(typed)}.")
        name = canonical(typed)
        if name in ("subject", "filename"):
            return self._in_field(typed, name, value, quoted)
        if name in ("from", "to", "with"):
            return PersonNode(name, value)  # type: ignore[arg-type]
        if name in ("course", "group"):
            return CourseNode(value, name)  # type: ignore[arg-type]
        if name == "has":
            of_files, found = has_value(typed, value)
            return Kind(found) if of_files else Has(found)
        if name == "is":
            return StateNode(is_value(typed, value))
        if name in ("larger", "smaller"):
            return Sized(name, size_value(typed, value))  # type: ignore[arg-type]
        if name in ("id", "thread"):
            return Numbered(name, number_value(typed, value))  # type: ignore[arg-type]
        if name == "in":
            if value.lower() in ("attachments", "attachment", "files"):
                return _AttachmentScope()  # type: ignore[return-value]
            return StateNode(in_value(typed, value))
        return Dated(*date_range(name, value, now=self._now, tz=self._tz, typed=typed))

    def _in_field(self, typed: str, name: str, value: str, quoted: bool) -> Node:
        field: Field = "subject" if name == "subject" else "file"
        text = value.lstrip("*") if field == "file" and not quoted else value
        if not text.strip("*"):
            raise BadInput(f"'{typed}:{value}' is every {name}; give a part of it, such as {example(name)}.")
        return _text_node(text, quoted, field)

    def _example(self, typed: str) -> str:
        """Return what would be a search: with the word that a blank keeps apart, when there is one."""
        following = self._tokens[self._at] if self._peek() in ("word", "quoted") else None
        if following is None or canonical(typed) not in TAKES_TEXT:
            return example(typed)
        return f'{typed}:"{following.text}"' if following.kind == "quoted" else f"{typed}:{following.text}"


def _as_word(token: QueryToken) -> str:
    """Return how the word of a connector is searched as text; empty for a sign."""
    if not token.text.isalpha():
        return ""
    return f' To search for the word, write it in small letters: "{token.text.lower()}".'


def _text_node(text: str, quoted: bool, field: Field) -> Node:
    if quoted:
        return Phrase(text, field)
    if text.endswith("*") and text.strip("*"):
        return Prefix(text.rstrip("*"), field)
    return Word(text, field)


def _joined(parts: list[Node]) -> Node:
    """Return the conjunction of parts, with in:attachments applied to the words beside it."""
    if any(isinstance(part, _AttachmentScope) for part in parts):
        beside = [part for part in parts if not isinstance(part, _AttachmentScope)]
        parts = [Has("text"), *(_in_attachments(part) for part in beside)]
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _in_attachments(node: Node) -> Node:
    if isinstance(node, (Word, Phrase, Prefix)) and node.field == "text":
        return replace(node, field="attached")
    if isinstance(node, And):
        return And(tuple(_in_attachments(part) for part in node.parts))
    if isinstance(node, Or):
        return Or(tuple(_in_attachments(part) for part in node.parts))
    if isinstance(node, Not):
        return Not(_in_attachments(node.part))
    return node
