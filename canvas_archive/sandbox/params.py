"""Request parameters as Rails reads them: query, form or JSON, merged, with ``a[]`` and ``a[b]`` nested."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from canvas_archive.sandbox.editing import truth_of

Pairs = tuple[tuple[str, str], ...]
_PART = re.compile(r"\[([^\[\]]*)\]")


def decode_pairs(text: str) -> Pairs:
    """Split a query or form string into its pairs, blank values included."""
    return tuple(parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace"))


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Turn pairs into nested parameters; the last of several equal plain names wins."""
    result: dict[str, Any] = {}
    for name, value in pairs:
        head, bracket, _ = name.partition("[")
        _put(result, head, _PART.findall(name[len(head) :]) if bracket else [], value)
    return result


def _put(into: dict[str, Any], key: str, path: list[str], value: str) -> None:
    if not path:
        into[key] = value
    elif path[0] == "":
        existing = into.get(key)
        items = existing if isinstance(existing, list) else []
        into[key] = [*items, value]
    else:
        child = into.get(key)
        if not isinstance(child, dict):
            child = into[key] = {}
        _put(child, path[0], path[1:], value)


class BrokenBody(ValueError):
    """The body is not the JSON its content type announces."""


class Params:
    """The merged parameters of one request."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    @classmethod
    def read(cls, query: Pairs, form: Pairs, body: Any) -> Params:
        """Merge the query with the form or JSON body, which wins."""
        merged = nest(query)
        merged.update(nest(form))
        if isinstance(body, dict):
            merged.update(body)
        elif body is not None:
            merged["_json"] = body
        return cls(merged)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str) -> Any:
        """Return a parameter as it came, ``None`` when absent."""
        return self.values.get(name)

    def text(self, name: str) -> str | None:
        """Return a parameter that is text or a number, as text."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            return None
        return str(value)

    def blank(self, name: str) -> bool:
        """Return whether a parameter is absent, empty or only spaces."""
        value = self.values.get(name)
        return not value.strip() if isinstance(value, str) else not value

    def items(self, name: str) -> list[Any]:
        """Return a parameter as a list; a single value is a list of one, an empty one is none."""
        value = self.values.get(name)
        if value is None or value == "":
            return []
        return [one for one in value if one is not None] if isinstance(value, list) else [value]

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean parameter; present but empty counts as false."""
        return truth_of(self.values[name]) if name in self.values else default


def parse_json(raw: bytes) -> Any:
    """Read a JSON body; raises :class:`BrokenBody`."""
    try:
        return json.loads(raw)
    except ValueError as error:
        raise BrokenBody(str(error)) from error
