"""Compares a JSON document with the tables of ``cli.documents``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from canvas_archive.cli.documents import DOCUMENTS, NAMES, RECORDS, SAME

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def faults(command: str, document: Any) -> list[str]:
    """Return what a command's document has, lacks or types otherwise than the tables say."""
    return list(_of_names(DOCUMENTS[SAME.get(command, command)], document, command))


def _of_names(names: str, value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no object"
        return
    wanted = [word.partition(":") for word in names.split()]
    if list(value) != [name for name, _, _ in wanted]:
        yield f"{where} has {sorted(value)}, not {names}"
        return
    for name, _, variant in wanted:
        yield from _of_kind(NAMES[name].kind, variant, value[name], f"{where}.{name}")


def _of_kind(kind: str, variant: str, value: Any, where: str) -> Iterator[str]:
    if value is None:
        if not kind.endswith("?"):
            yield f"{where} is null"
        return
    kind = kind.rstrip("?")
    if kind.startswith("["):
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        for one in value:
            yield from _of_kind(kind[1:-1], variant, one, f"{where}[]")
    elif kind in _BASIC:
        if not _BASIC[kind](value):
            yield f"{where} is {value!r}, which is no {kind}"
    else:
        yield from _of_names(RECORDS[f"{kind}:{variant}" if variant else kind], value, where)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_number(one) or (isinstance(one, dict) and all(map(_is_number, one.values())))
        for one in value.values()
    )


_BASIC = {
    "id": _is_number,
    "number": _is_number,
    "decimal": lambda value: _is_number(value) or isinstance(value, float),
    "text": lambda value: isinstance(value, str),
    "flag": lambda value: isinstance(value, bool),
    "time": lambda value: isinstance(value, str) and _TIME.fullmatch(value) is not None,
    "value": lambda value: isinstance(value, (bool, int, str)),
    "counts": _are_counts,
    "settings": lambda value: isinstance(value, dict),
}
