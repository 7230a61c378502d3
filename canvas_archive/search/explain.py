"""Why a query finds nothing: which of its parts matches no message, or which one keeps the others apart."""

from __future__ import annotations

from collections.abc import Callable

from canvas_archive.search.tree import (
    And,
    Course,
    Dated,
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

_MOST_PARTS = 8
_FIELDS = {"text": "", "subject": "subject:", "file": "filename:", "attached": "in:attachments "}


def explain(tree: Node, count: Callable[[Node], int]) -> str | None:
    """Return a sentence for a query without hits; ``None`` when it has a single part, or very many.

    ``count`` tells how many messages match a part.
    """
    parts = tree.parts if isinstance(tree, And) else ()
    if not 2 <= len(parts) <= _MOST_PARTS:
        return None
    absent = [written(part) for part in parts if not count(part)]
    if absent:
        return f"No message matches {' or '.join(absent)}."
    without = [(count(And((*parts[:at], *parts[at + 1 :]))), -at) for at in range(len(parts))]
    most, at = max(without)
    if len(parts) == 2 or not most:
        return "Each part is found, but never together in one message."
    return f"The parts are never together in one message; leave out {written(parts[-at])} to find {most:,}."


def written(node: Node) -> str:
    """Return a part of a query as it may be typed."""
    if isinstance(node, Word):
        return f"{_FIELDS[node.field]}{node.text}"
    if isinstance(node, Phrase):
        return f'{_FIELDS[node.field]}"{node.text}"'
    if isinstance(node, Prefix):
        return f"{_FIELDS[node.field]}{node.text}*"
    if isinstance(node, Person):
        return f"{node.role}:{_quoted(node.name)}"
    if isinstance(node, Course):
        return f"{node.operator}:{_quoted(node.name)}"
    if isinstance(node, Has):
        return "in:attachments" if node.what == "text" else f"has:{node.what}"
    if isinstance(node, State):
        return f"is:{node.name}" if node.name != "inbox" else "in:inbox"
    if isinstance(node, Dated):
        return "the dates"
    if isinstance(node, Not):
        return f"-{written(node.part)}"
    parts = (" OR " if isinstance(node, Or) else " ").join(map(written, node.parts))
    return f"({parts})"


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
