"""Single values out of JSON objects: of the documented type, or an error that names the field."""

from __future__ import annotations

from collections.abc import Callable, Set
from datetime import datetime
from typing import TypeVar

from canvas_archive.clock import iso, parse_iso
from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Json, JsonObject

T = TypeVar("T")
MOST_ID = 2**63 - 1


def wrong(where: str, field: str, wanted: str) -> MalformedAnswer:
    """Return the error for a field that is not what it should be."""
    return MalformedAnswer(f"{where}: {field} is not {wanted}.")


def named(kind: str, item: JsonObject) -> str:
    """Return what messages call an item: its kind and its id, when it has one."""
    number = id_or_none(item.get("id"))
    return f"{kind} without an id" if number is None else f"{kind} {number}"


def as_object(value: Json, where: str) -> JsonObject:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise MalformedAnswer(f"{where} is not an object.")
    return value


def as_list(value: Json, where: str) -> list[Json]:
    """Return a JSON array."""
    if not isinstance(value, list):
        raise MalformedAnswer(f"{where} is not a list.")
    return value


def id_or_none(value: Json) -> int | None:
    """Return an id given as a number or as digits, when it is one that fits 63 bits."""
    if type(value) is int:  # neither true nor false; asked for every id there is
        return value if 0 <= value <= MOST_ID else None
    if isinstance(value, str):
        if not (len(value) <= 19 and value.isdigit() and value.isascii()):
            return None
        value = int(value)
        return value if value <= MOST_ID else None
    return None


def identifier(item: JsonObject, field: str, where: str) -> int:
    """Return a required id."""
    value = id_or_none(item.get(field))
    if value is None:
        raise wrong(where, field, "an id")
    return value


def entry(value: Json, kind: str, where: str) -> tuple[JsonObject, int, str]:
    """Return an object within ``where``, its required id, and what messages call it."""
    item = as_object(value, f"{where}: {'an' if kind[0] in 'aeiou' else 'a'} {kind}")
    number = id_or_none(item.get("id"))
    if number is None:
        raise wrong(f"{where}: {kind} without an id", "id", "an id")
    return item, number, f"{where}: {kind} {number}"


def identifiers(item: JsonObject, field: str, where: str) -> tuple[int, ...]:
    """Return a list of ids, empty when it is missing."""
    given = _list(item, field, where)
    if {*map(type, given)} == {int} and min(given) >= 0 and max(given) <= MOST_ID:  # type: ignore[type-var, operator]
        return tuple(given)  # type: ignore[arg-type]
    found = []
    for value in given:
        number = id_or_none(value)
        if number is None:
            raise wrong(where, field, "a list of ids")
        found.append(number)
    return tuple(found)


def text(item: JsonObject, field: str, where: str) -> str | None:
    """Return text, ``None`` when it is missing or null."""
    value = item.get(field)
    if value is None or isinstance(value, str):
        return value
    raise wrong(where, field, "text")


def texts(item: JsonObject, field: str, where: str) -> tuple[str, ...]:
    """Return a list of texts, empty when it is missing."""
    found = []
    for value in _list(item, field, where):
        if not isinstance(value, str):
            raise wrong(where, field, "a list of texts")
        found.append(value)
    return tuple(found)


def flag(item: JsonObject, field: str, where: str, default: bool) -> bool:
    """Return true or false; the default when it is missing or null."""
    value = item.get(field)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    raise wrong(where, field, "true or false")


def count(item: JsonObject, field: str, where: str) -> int | None:
    """Return a whole number from 0 up, as a number or as digits; ``None`` when it is missing or null."""
    value = item.get(field)
    if value is None:
        return None
    number = id_or_none(value)
    if number is None:
        raise wrong(where, field, "a count")
    return number


def number(item: JsonObject, field: str, where: str) -> float | None:
    """Return a number, ``None`` when it is missing or null."""
    value = item.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong(where, field, "a number")
    try:
        return float(value)
    except OverflowError:
        raise wrong(where, field, "a number of sensible size") from None


def moment(item: JsonObject, field: str, where: str) -> str | None:
    """Return a time as text like ``2026-03-09T14:05:00Z``, ``None`` when it is missing or null.

    Canvas's own form is kept as it is, offsets become UTC, so that times compare as text.
    """
    value = text(item, field, where)
    if value is None:
        return None
    try:
        if len(value) == 20 and value[10] == "T" and value[19] == "Z":
            if datetime.fromisoformat(value[:19]).tzinfo is not None:
                raise ValueError("two offsets")
            return value
        return iso(parse_iso(value))
    except (ValueError, OverflowError):
        raise wrong(where, field, "a time") from None


def rest(item: JsonObject, known: Set[str]) -> JsonObject:
    """Return the fields that have no attribute of their own."""
    if item.keys() <= known:
        return {}
    return {key: value for key, value in item.items() if key not in known}


def items(item: JsonObject, field: str, where: str, read: Callable[[Json, str], T]) -> tuple[T, ...]:
    """Return a list of objects read one by one, empty when it is missing."""
    return tuple(read(value, where) for value in _list(item, field, where))


def _list(item: JsonObject, field: str, where: str) -> list[Json]:
    value = item.get(field)
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise wrong(where, field, "a list")
