"""JSON whose ids are texts, for readers that round integers above 2^53 (jq 1.6, JavaScript, Excel)."""

from __future__ import annotations

EXACT = 2**53 - 1
"""The largest integer that every reader of JSON holds exactly."""

_ALSO_IDS = frozenset({"id", "ids", "audience", "nothing"})


def with_string_ids(document: object, *, is_id: bool = False) -> object:
    """Return a JSON document with its ids as texts, and every integer that some readers round.

    An id is what is named so: ``id``, ``ids``, ``..._id``, ``..._ids``, and the ids in ``audience``.
    """
    if isinstance(document, dict):
        return {name: with_string_ids(value, is_id=_names_ids(str(name))) for name, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [with_string_ids(value, is_id=is_id) for value in document]
    if isinstance(document, int) and not isinstance(document, bool) and (is_id or abs(document) > EXACT):
        return str(document)
    return document


def _names_ids(name: str) -> bool:
    return name in _ALSO_IDS or name.endswith(("_id", "_ids"))
