"""The tree of a query as text that means the same tree. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from canvas_archive.search.query.operators import is_text
from canvas_archive.search.query.tokens import QUOTES
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
    Word,
)

_FIELDS = {"text": "", "attached": "", "subject": "subject:", "file": "filename:"}
_ATTACHMENTS = "in:attachments"
_SIMPLE = re.compile(r"[\w@'.-]+")


def canonical_query(tree: Node) -> str:
    """Return the query whose tree this is, in any time zone and at any time.

    Every tree that ``language.parse`` returns is parsed from it again.
    """
    return _all(tree if isinstance(tree, And) else And((tree,)))


def _part(node: Node) -> str:
    """Return a node as it is written beside others."""
    if isinstance(node, And):
        return f"({_all(node)})"
    if isinstance(node, Or):
        return f"({' OR '.join(map(_part, node.parts))})"
    if isinstance(node, Not):
        inner = _part(node.part)
        return f"NOT ({inner})" if isinstance(node.part, Not) else f"NOT {inner}"
    if isinstance(node, Word):
        return _in_field(node.field, node.text)
    if isinstance(node, Phrase):
        return f"{_FIELDS[node.field]}{quoted(node.text)}"
    if isinstance(node, Prefix):
        return _in_field(node.field, f"{node.text}*")
    if isinstance(node, PersonNode):
        return f"{node.role}:{_name(node.name)}"
    if isinstance(node, CourseNode):
        return f"{node.operator}:{_name(node.name)}"
    if isinstance(node, Has):
        # In parentheses it says nothing of the words beside it.
        return f"({_ATTACHMENTS})" if node.what == "text" else f"has:{node.what}"
    if isinstance(node, Kind):
        return f"has:{node.name}"
    if isinstance(node, Sized):
        return f"{node.relation}:{node.size}"
    if isinstance(node, Numbered):
        return f"{node.what}:{node.number}"
    if isinstance(node, Dated):
        return _dates(node)
    folder = "inbox" if node.name == "inbox" else node.name.partition("in ")[2]
    return f"in:{folder}" if folder else f"is:{node.name}"


def _all(node: And) -> str:
    parts = [_part(part) for part in node.parts]
    if node.parts and node.parts[0] == Has("text") and not any(map(_searches_messages, node.parts)):
        parts[0] = _ATTACHMENTS
    return " ".join(parts)


def _searches_messages(node: Node) -> bool:
    """Return whether words of the node are looked for in the messages' own text."""
    if isinstance(node, (And, Or)):
        return any(map(_searches_messages, node.parts))
    if isinstance(node, Not):
        return _searches_messages(node.part)
    return isinstance(node, (Word, Phrase, Prefix)) and node.field == "text"


def _in_field(field: Field, text: str) -> str:
    operator = _FIELDS[field]
    return f"{operator}({text})" if operator and is_text(text, 0) else f"{operator}{text}"


def _name(name: str) -> str:
    return name if _SIMPLE.fullmatch(name) else quoted(name)


def quoted(text: str) -> str:
    """Return a text in quotation marks that do not occur in it."""
    for opening in ('"', "«", "»"):
        closing = QUOTES[opening]
        if closing not in text:
            return f"{opening}{text}{closing}"
    return quoted(text.replace('"', " "))  # marks are not searched


def _dates(node: Dated) -> str:
    if node.start is None or node.end is None:
        return f"before:{_moment(node.end)}" if node.start is None else f"after:{_moment(node.start)}"
    return f"on:{_moment(node.start)}..{_moment(node.end)}"


def _moment(seconds: int | None) -> str:
    return f"{datetime.fromtimestamp(seconds or 0, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
