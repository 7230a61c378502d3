"""Differences between two answers about the same thing: what a later one says that the earlier did not.

A delta is JSON, too: ``{"-": [fields that are gone], "=": {field: change}}``. A change is ``[value]``; of a
list of things it is ``[null, operations]``. An operation copies a run of the earlier list
(``[start, count]``) or gives new items (``{"+": [...]}``). Making and applying one takes time linear in both
answers.

What changes at every answer without saying anything (``settled``) is no difference: the first wording stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from canvas_archive.model import Json, JsonObject

ADDRESSES = frozenset({"url", "avatar_url", "thumbnail_url", "preview_url"})
"""Addresses carry signatures behind their question mark, new ones in every answer."""

VIEWED = frozenset({"visible"})
"""Fields that depend on who looks and when."""


_DEEPEST = 50
"""What is nested deeper is compared as it is."""


def settled(value: Json, depth: int = 0) -> Json:
    """Return what lasts of a value: without signatures of addresses and without Canvas's own wordings."""
    if depth > _DEEPEST:
        return value
    if isinstance(value, list):
        return [settled(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    lasting: JsonObject = {}
    for key, item in value.items():
        if key in ADDRESSES and isinstance(item, str):
            lasting[key] = item.partition("?")[0]
        elif key not in VIEWED and not (key == "body" and value.get("generated") is True):
            lasting[key] = settled(item, depth + 1)
    return lasting


def same(one: Json, other: Json) -> bool:
    """Return whether two values say the same, written alike: 1 is neither true nor 1.0."""
    if type(one) is type(other) and isinstance(one, (str, int)):
        return one == other
    if one == other:
        return canonical(one) == canonical(other)
    return isinstance(one, (dict, list)) and canonical(settled(one)) == canonical(settled(other))


canonical: Callable[[Json], str] = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":")
).encode
"""Returns JSON in the one form that is stored and hashed: keys sorted, no blanks."""


def delta(base: JsonObject, new: JsonObject) -> JsonObject:
    """Return how ``new`` differs from ``base``."""
    changes: JsonObject = {}
    for key, value in new.items():
        known = base.get(key)
        if key in base and same({key: known}, {key: value}):
            continue
        if isinstance(known, list) and isinstance(value, list):
            changes[key] = [None, _list_delta(known, value)]
        else:
            changes[key] = [value]
    gone: list[Json] = [key for key in base if key not in new]
    return {"-": gone, "=": changes}


def _identity(item: Json) -> object:
    if isinstance(item, dict):
        return ("id", str(item["id"])) if isinstance(item.get("id"), (int, str)) else None
    if isinstance(item, list):
        return None
    return type(item), item


def _list_delta(base: list[Json], new: list[Json]) -> list[Json]:
    places: dict[object, int] = {}
    for place, item in enumerate(base):
        places.setdefault(_identity(item), place)
    operations: list[Any] = []
    for item in new:
        at = places.pop(_identity(item), -1)  # every item is copied once at most
        last = operations[-1] if operations else None
        if at >= 0 and same(base[at], item):
            if isinstance(last, list) and last[0] + last[1] == at:
                last[1] += 1
            else:
                operations.append([at, 1])
        elif isinstance(last, dict):
            last["+"].append(item)
        else:
            operations.append({"+": [item]})
    return operations


def apply_delta(base: JsonObject, change: Json) -> JsonObject:
    """Return the answer that differs from ``base`` in this. Raises ValueError for what is no delta of it."""
    try:
        return _applied(base, change)
    except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
        raise ValueError("it is no difference to the receipt before it") from error


def _applied(base: JsonObject, change: Any) -> JsonObject:
    new = dict(base)
    for key in change["-"]:
        del new[key]
    for key, (value, *operations) in change["="].items():
        new[key] = _rebuilt(new[key], operations[0]) if operations else value
    return new


def _rebuilt(base: Any, operations: Any) -> list[Json]:
    items: list[Json] = []
    left = len(base)
    for operation in operations:
        if isinstance(operation, dict):
            items += operation["+"]
            continue
        start, count = operation
        run = base[start : start + count]
        left -= count
        if start < 0 or count < 1 or len(run) != count or left < 0:
            raise IndexError
        items += run
    return items
