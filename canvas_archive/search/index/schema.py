"""What the index consists of: fields, columns and their numbers, as a stock Whoosh schema.

Fields with levels (``weights.py``) and positions:
    text     subject, body, file names, author, course and, when they are few, recipients
    subject  the subject alone
    file     the names of attached files alone
    attached the text within attached files
Plain lists:
    author, to   user ids;  context  codes (``course_12``);  has  what a message carries
    forms        by the beginning of stems: their forms, in the place of positions
Columns are numbers by document, for filters, sorting and facets.
"""

from __future__ import annotations

from typing import Any

# Raise this when documents are put together or recorded otherwise: indexes of another version are rebuilt.
SCHEMA_VERSION = 2
INDEX_NAME = "MAIN"

TEXT_FIELDS = ("text", "subject", "file", "attached")
LIST_FIELDS = ("author", "to", "context", "has", "forms")
FIELDS = tuple(sorted(TEXT_FIELDS + LIST_FIELDS))
FIELD_NUMBERS = {name: number for number, name in enumerate(FIELDS)}

# Type codes of the array module; big-endian on disk.
COLUMNS = {"message": "q", "conversation": "q", "writer": "q", "written": "q", "course": "q", "carries": "B"}

ATTACHMENT, MEDIA, LINK, FORWARDED, FILE_TEXT = 1, 2, 4, 8, 16
HAS = {"attachment": ATTACHMENT, "media": MEDIA, "link": LINK, "forwarded": FORWARDED}

_CONTEXT_KINDS = ("course", "group", "section", "account", "user")


def pack_context(code: str | None) -> int:
    """Return a number for a context code such as ``course_12``; 0 for none or one of unknown shape."""
    kind, _, number = (code or "").rpartition("_")
    if kind not in _CONTEXT_KINDS or not number.isdecimal() or len(number) > 17:
        return 0
    return int(number) * 8 + 1 + _CONTEXT_KINDS.index(kind)


def unpack_context(number: int) -> str | None:
    """Return the context code a number stands for; ``None`` for 0."""
    return f"{_CONTEXT_KINDS[number % 8 - 1]}_{number // 8}" if number else None


def whoosh_schema() -> Any:
    """Return the schema in Whoosh's own types, so that any Whoosh opens the index."""
    from whoosh import columns, fields

    parts: dict[str, Any] = {name: fields.KEYWORD(scorable=True) for name in TEXT_FIELDS}
    parts |= {name: fields.ID() for name in LIST_FIELDS}
    parts |= {name: fields.COLUMN(columns.NumericColumn(code)) for name, code in COLUMNS.items()}
    return fields.Schema(**parts)
