"""The query language: text into a tree of what is wanted. Pure: no index, no database.

    exam schedule           both words, any form (exams, scheduled)
    "final exam"            this phrase, exactly
    photo*                  words that begin so
    -late, NOT late         without
    exam OR quiz, |         either; OR binds closer than the space between words, as in Gmail
    ( ... )                 grouping
    from: to: with:         a person: part of the name, a whole "Quoted Name", an id, or me
    course:                 part of a course's or group's name or code
    subject: filename:      words in these alone; a "phrase", a prefix* or a (group) as well
    has:                    attachment, media, link, forwarded
    is:                     starred, unread, read, archived, removed, private, ...
    in:                     inbox, sent, archived, starred, unread, removed; with attachments the words
                            beside it are searched in the text of the attached files
    before: after: on:      2025, 2025-03, 2025-03-09, 7d, 2w, 6m, 1y, today, yesterday;
                            on: takes ranges such as 2025-03..2025-05

Whatever is not an operator is text, however odd. Only an operator with a value it cannot have, and a query
beyond the bounds, are errors (BadInput).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from canvas_archive.errors import BadInput
from canvas_archive.search.dates import date_range
from canvas_archive.search.schema import HAS
from canvas_archive.search.spelling import listed, nearest_word
from canvas_archive.search.tree import (
    NOTHING,
    And,
    Course,
    Dated,
    Field,
    Has,
    Node,
    Not,
    Or,
    Person,
    Phrase,
    Prefix,
    State,
    Word,
)

LONGEST_QUERY = 4000  # characters
MOST_TERMS = 250
DEEPEST = 40

IS = {
    "starred": "starred", "unstarred": "unstarred", "unread": "unread", "read": "read",
    "archived": "archived", "removed": "removed", "private": "private", "group": "group",
    "subscribed": "subscribed",
    "unsubscribed": "unsubscribed", "sent": "sent", "received": "received",
}  # fmt: skip
IN = {
    "inbox": "inbox", "sent": "sent", "archived": "archived", "archive": "archived", "starred": "starred",
    "unread": "unread", "removed": "removed", "trash": "removed",
}  # fmt: skip

_HAS_NAMES = {name: name for name in HAS} | {
    "attachments": "attachment", "file": "attachment", "files": "attachment", "links": "link",
    "forward": "forwarded",
}  # fmt: skip

OPERATORS = (
    "from", "to", "with", "course", "group", "subject", "filename", "file", "has", "is", "in",
    "before", "after", "on",
)  # fmt: skip
_OPERATOR = re.compile(f"({'|'.join(OPERATORS)}):", re.IGNORECASE)
_QUOTES = {'"': '"', "“": "”", "”": "”", "„": "”", "«": "»"}
_CLOSING = re.compile('["“”»]')
_PLAIN = re.compile(r"[^\s()\"“”„«»|]+")
_VALUE = re.compile(r"[^\s()\"“”„«»]+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _AttachmentScope:
    """in:attachments, until the words beside it are known."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # ( ) or not word quoted operator
    text: str = ""
    value: str = ""
    quoted: bool = False
    group: bool = False
    start: int = 0


def parse(text: str, *, now: datetime, tz: tzinfo | None = None) -> Node:
    """Return the tree of a query. ``now`` and ``tz`` (``None``: local time) settle what dates mean.

    Raises BadInput for a value an operator cannot have, and for a query beyond the bounds.
    """
    if len(text) > LONGEST_QUERY:
        raise BadInput(
            f"The query has {len(text):,} characters; {LONGEST_QUERY:,} is the most that is searched for."
        )
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return _Parser(_tokens(clean), now, tz).parse()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character.isspace():
            at += 1
        elif character in "()|":
            found.append(_Token({"|": "or"}.get(character, character), start=at))
            at += 1
        elif character in _QUOTES:
            start = at
            value, at = _quoted(text, at)
            found.append(_Token("quoted", value, start=start))
        elif character == "-" and at + 1 < len(text) and text[at + 1] not in "- \t\r\n)|":
            found.append(_Token("not"))
            at += 1
        elif match := _OPERATOR.match(text, at):
            token, at = _operator(text, match)
            found.append(token)
        else:
            plain = _PLAIN.match(text, at)
            if plain is None:  # a closing quote that nothing opened
                at += 1
                continue
            word = plain.group()
            at = plain.end()
            kind = {"OR": "or", "NOT": "not", "AND": "and"}.get(word, "word")
            found.append(_Token(kind, word, start=plain.start()))
    return found


def _quoted(text: str, at: int) -> tuple[str, int]:
    """Return what stands in quotes from ``at``, and where it ends; an open quote ends with the text."""
    closing = _CLOSING if text[at] not in '"' else re.compile('"')
    end = closing.search(text, at + 1)
    return (text[at + 1 :], len(text)) if end is None else (text[at + 1 : end.start()], end.end())


def _operator(text: str, match: re.Match[str]) -> tuple[_Token, int]:
    name, start, at = match.group(1).lower(), match.start(), match.end()
    if at < len(text) and text[at] == "(":
        return _Token("operator", name, group=True, start=start), at
    if at < len(text) and text[at] in _QUOTES:
        value, at = _quoted(text, at)
        return _Token("operator", name, value, quoted=True, start=start), at
    found = _VALUE.match(text, at)
    value, at = (found.group(), found.end()) if found else ("", at)
    return _Token("operator", name, value, start=start), at


class _Parser:
    """Recursive descent over the tokens; lenient about everything but operator values."""

    def __init__(self, tokens: list[_Token], now: datetime, tz: tzinfo | None) -> None:
        self._tokens = tokens
        self._at = 0
        self._now = now
        self._tz = tz
        self._terms = 0
        self._depth = 0

    def parse(self) -> Node:
        parts: list[Node] = []
        while self._at < len(self._tokens):
            parts += self._conjunction(self._text)
            self._at += 1  # a closing parenthesis that nothing opened
        if not parts:  # nothing but connectors: then they are words
            words = [Word(token.text) for token in self._tokens if token.text]
            return _joined([*words]) if words or not self._tokens else NOTHING
        return _joined(parts)

    def _peek(self) -> str:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def _conjunction(self, leaf: Callable[[str, bool], Node | None]) -> list[Node]:
        parts: list[Node] = []
        while self._peek() not in ("", ")"):
            part = self._disjunction(leaf)
            if part is not None:
                parts.append(part)
        return parts

    def _disjunction(self, leaf: Callable[[str, bool], Node | None]) -> Node | None:
        first = self._unary(leaf)
        options = [first] if first is not None else []
        while self._peek() == "or":
            self._at += 1
            if self._peek() in ("", ")"):
                break
            option = self._unary(leaf)
            if option is not None:
                options.append(option)
        if len(options) < 2:
            return options[0] if options else None
        return Or(tuple(_joined([option]) for option in options))

    def _unary(self, leaf: Callable[[str, bool], Node | None]) -> Node | None:
        negated = False
        while self._peek() in ("not", "and"):
            negated ^= self._peek() == "not"
            self._at += 1
        if self._peek() in ("", ")", "or"):
            return None
        node = self._primary(leaf)
        if node is None or not negated:
            return node
        return Not(_joined([node]))

    def _primary(self, leaf: Callable[[str, bool], Node | None]) -> Node | None:
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "(":
            return self._group(token, leaf)
        if token.kind == "operator":
            return self._operator(token)
        self._count(token)
        return leaf(token.text, token.kind == "quoted")

    def _group(self, opening: _Token, leaf: Callable[[str, bool], Node | None]) -> Node | None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadInput(
                f"The query has parentheses more than {DEEPEST} deep, from character {opening.start + 1} on."
            )
        parts = self._conjunction(leaf)
        self._at += 1
        self._depth -= 1
        return _joined(parts) if parts else None

    def _count(self, token: _Token) -> None:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise BadInput(
                f"The query has more than {MOST_TERMS} words, from character {token.start + 1} on; "
                "search for fewer at once."
            )

    def _operator(self, token: _Token) -> Node | None:
        name = token.text

        def leaf(value: str, quoted: bool) -> Node | None:
            return self._value(name, value, quoted)

        if token.group:
            self._at += 1
            return self._group(token, leaf) or self._value(name, "", False)
        self._count(token)
        return leaf(token.value, token.quoted)

    def _text(self, text: str, quoted: bool) -> Node | None:
        return _text_node(text, quoted, "text")

    def _value(self, name: str, value: str, quoted: bool) -> Node | None:
        value = _SPACE.sub(" ", value).strip()
        if not value:
            raise BadInput(f"'{name}:' needs a value right after the colon, such as {self._example(name)}.")
        if name == "subject":
            return _text_node(value, quoted, "subject")
        if name in ("filename", "file"):
            return _text_node(value.removeprefix("*"), quoted, "file")
        if name in ("from", "to", "with"):
            return Person(name, value)  # type: ignore[arg-type]
        if name in ("course", "group"):
            return Course(value, name)  # type: ignore[arg-type]
        if name == "has":
            return Has(_choice(name, value, _HAS_NAMES, tuple(HAS)))
        if name == "is":
            return State(_choice(name, value, IS, tuple(IS)))
        if name == "in":
            if value.lower() in ("attachments", "attachment", "files"):
                return _AttachmentScope()  # type: ignore[return-value]
            allowed = ("inbox", "sent", "archived", "starred", "unread", "removed", "attachments")
            return State(_choice(name, value, IN, allowed))
        return Dated(*date_range(name, value, now=self._now, tz=self._tz))

    def _example(self, name: str) -> str:
        """Return what would be a search: with the word that a blank keeps apart, when there is one."""
        following = self._tokens[self._at] if self._peek() in ("word", "quoted") else None
        if following is None or name in ("has", "is", "in", "before", "after", "on"):
            return _EXAMPLES[name]
        return f'{name}:"{following.text}"' if following.kind == "quoted" else f"{name}:{following.text}"


_EXAMPLES = {
    "from": 'from:chen or from:"Astrid Chen"', "to": "to:me", "with": "with:chen", "course": "course:bio101",
    "group": "group:study", "subject": "subject:exam", "filename": "filename:syllabus",
    "file": "file:syllabus",
    "has": "has:attachment", "is": "is:unread", "in": "in:inbox", "before": "before:2025-03",
    "after": "after:7d", "on": "on:2025-03-09",
}  # fmt: skip


def _choice(name: str, value: str, known: dict[str, str], allowed: tuple[str, ...]) -> str:
    try:
        return known[value.lower()]
    except KeyError:
        near = nearest_word(value.lower(), known)
        meant = f" Did you mean {name}:{near}?" if near is not None else ""
        raise BadInput(
            f"'{name}:{value}' is not a search; after '{name}:' can stand {listed(allowed)}.{meant}"
        ) from None


def _text_node(text: str, quoted: bool, field: Field) -> Node | None:
    if quoted:
        return Phrase(text, field) if text.strip() else None
    if text.endswith("*"):
        stripped = text.rstrip("*")
        return Prefix(stripped, field) if stripped else None
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
