"""Why a query finds nothing: which of its parts matches no message, or which one keeps the others apart."""

from __future__ import annotations

from collections.abc import Callable

from canvas_archive.search.query.tree import And, Dated, Node
from canvas_archive.search.query.written import canonical_query

_MOST_PARTS = 8


def explain(tree: Node, count: Callable[[Node], int]) -> str | None:
    """Return a sentence for a query without hits; ``None`` when it has a single part, or very many.

    ``count`` returns how many messages match a part.
    """
    parts = tree.parts if isinstance(tree, And) else ()
    if not 2 <= len(parts) <= _MOST_PARTS:
        return None
    absent = [_shown(part) for part in parts if not count(part)]
    if absent:
        return f"No message matches {' or '.join(absent)}."
    without = [(count(And((*parts[:at], *parts[at + 1 :]))), -at) for at in range(len(parts))]
    most, at = max(without)
    if len(parts) == 2 or not most:
        return "Each part is found, but never together in one message."
    return f"The parts are never together in one message; leave out {_shown(parts[-at])} to find {most:,}."


def _shown(part: Node) -> str:
    return "the dates" if isinstance(part, Dated) else canonical_query(part)
