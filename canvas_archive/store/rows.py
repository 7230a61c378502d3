"""From the plain values of ``model`` to what SQLite is given: text, JSON, and the order of messages. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canvas_archive.model import Conversation, Message

LARGEST_ID = 2**63 - 1
_CONTEXT = re.compile(r"([a-z][a-z_]*)_([0-9]{1,19})\Z")
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def clean(text: str | None) -> str | None:
    """Return text that SQLite can hold: half of a surrogate pair becomes U+FFFD, all else stays."""
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def to_json(value: object) -> str:
    """Write JSON the one way the archive does: keys sorted, no blanks, numbers that JSON knows."""
    if not value:
        return (
            "{}" if isinstance(value, dict) else "[]" if isinstance(value, (list, tuple)) else _encode(value)
        )
    try:
        text = _encode(value)
    except ValueError:  # NaN or an infinity, which Python's parser accepts and SQLite's does not
        text = _encode(_finite(value))
    return clean(text) or ""


def ids_json(ids: Iterable[int]) -> str:
    """Write ids as a JSON list, for ``json_each`` and for columns; much faster than the encoder."""
    return f"[{','.join(map(str, ids))}]"


def short_hash(text: str) -> str:
    """Return 16 hexadecimal digits of a text's SHA-256, by which a change is seen."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def context_parts(code: str) -> tuple[str, int | None]:
    """Take a context code apart: ``course_12`` -> ``("course", 12)``; anything else is of kind ``other``."""
    match = _CONTEXT.match(code)
    if match is None or int(match[2]) > LARGEST_ID:
        return "other", None
    return match[1], int(match[2])


def distinct_messages(messages: Sequence[Message]) -> dict[int, Message]:
    """Return messages and all they forward, to any depth, by id; what has no id yet (0: queued) is left out.

    The messages of the thread itself come first, so that they outrank a forwarded copy of the same id.
    """
    distinct: dict[int, Message] = {}
    level: Sequence[Message] = messages
    while level:
        inner: list[Message] = []
        for message in level:
            if message.id > 0:
                distinct.setdefault(message.id, message)
            if message.forwarded_messages:
                inner.extend(message.forwarded_messages)
        level = inner
    return distinct


@lru_cache(maxsize=4096)
def words_json(words: tuple[str, ...]) -> str:
    """Write a few words (roles, properties: there are not many different ones) as a JSON list."""
    return to_json(words)


FLAG_COLUMNS = (
    "starred",
    "workflow_state",
    "subscribed",
    "remote_starred",
    "remote_workflow_state",
    "remote_subscribed",
)
"""The flags of a conversation: as the user wants them, and as Canvas last said they are."""

CONTENT_COLUMNS = (
    "subject",
    "context_code",
    "context_name",
    "private",
    "message_count",
    "last_message",
    "last_message_at",
    "last_authored_message",
    "last_authored_message_at",
    "properties",
    "audience",
    "avatar_url",
    "extra",
)
"""The columns of ``conversations`` that are Canvas's answer and no flag, in the order of ``content_row``."""


def content_row(conv: Conversation) -> tuple[object, ...]:
    """Return the values of ``CONTENT_COLUMNS`` for one answer."""
    return (
        clean(conv.subject),
        clean(conv.context_code),
        clean(conv.context_name),
        int(conv.private),
        conv.message_count,
        clean(conv.last_message),
        conv.last_message_at,
        clean(conv.last_authored_message),
        conv.last_authored_message_at,
        words_json(conv.properties),
        ids_json(conv.audience),
        conv.avatar_url,
        to_json(conv.extra),
    )
