"""The three fields a person may edit, and how an answer of Canvas's meets a pending edit. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FIELDS = ("starred", "workflow_state", "subscribed")
STATES = ("read", "unread", "archived")


def as_text(value: object) -> str:
    """Write a field's value as the journal does: ``0``, ``1``, ``read``, ``unread``, ``archived``."""
    return str(int(value)) if isinstance(value, (bool, int)) else str(value)


def as_value(field: str, text: str) -> bool | str:
    """Return a value of the journal as it is meant: true or false for ``starred`` and ``subscribed``."""
    return text if field == "workflow_state" else text == "1"


@dataclass(frozen=True, slots=True)
class FlagUpdate:
    """What an answer changes: columns to write, and the fields whose pending edit it fulfils.

    ``remote_before`` holds what Canvas said the last time, for the fields where it says something new.
    """

    columns: Mapping[str, object]
    fulfilled: tuple[str, ...]
    remote_before: Mapping[str, object]


def merge_flags(
    stored: Mapping[str, object], answer: Mapping[str, object], pending: Mapping[str, str]
) -> FlagUpdate:
    """Decide what an answer means for the flags of one conversation.

    ``stored`` has every field and its ``remote_`` twin, ``answer`` the fields Canvas told about, and
    ``pending`` the wished values of the edits that wait. The twin always follows the answer. The column
    follows too, unless an edit waits for that field: then the wish stays, and when Canvas already says
    what was wished, the edit is fulfilled.
    """
    columns: dict[str, object] = {}
    before: dict[str, object] = {}
    fulfilled = []
    for field, value in answer.items():
        twin = f"remote_{field}"
        if stored[twin] != value:
            columns[twin] = value
            before[twin] = stored[twin]
        if field not in pending:
            if stored[field] != value:
                columns[field] = value
        elif pending[field] == as_text(value):
            fulfilled.append(field)
    return FlagUpdate(columns, tuple(fulfilled), before)
