"""Texts as people typed them: what a server's sanitiser encodes in the body of a message, decoded once. Pure.

Newer Canvas servers sanitise the bodies of messages when they are saved and again when they are read: ``&``,
``<`` and ``>`` come as entities. Older servers send what was typed. A body alone does not always show which:
``evidence_in`` says what it shows, and ``sync/texts.py`` decides. Subjects and names are never encoded.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from canvas_archive.model import Conversation, Message

Texts: TypeAlias = Literal["raw", "entities"]
"""How a server sends bodies: as typed, or with entities."""

_CHARACTERS = {
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
    "&nbsp;": "\xa0",
    "&quot;": '"',
    "&#34;": '"',
    "&#39;": "'",
    "&#x27;": "'",
}
_ENTITY = re.compile("|".join(_CHARACTERS))
_REFERENCE = r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"
_BARE_AMPERSAND = re.compile(f"(?!{_REFERENCE})&")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,30})(?=[\s/>])[^<>]*>")
_NEVER_CLOSED = frozenset({"br", "hr", "img"})
_CUT = re.compile(r"&#?[A-Za-z0-9]{0,6}\.\.\.\Z")


def decoded(text: str) -> str:
    """Return a text with the entities of a sanitiser decoded, once: ``&amp;lt;`` becomes ``&lt;``."""
    return _ENTITY.sub(lambda match: _CHARACTERS[match[0]], text) if "&" in text else text


def decoded_preview(text: str) -> str:
    """Return a preview decoded, without half of an entity at its end: Canvas cuts previews anywhere."""
    return decoded(_CUT.sub("...", text) if text.endswith("...") else text)


def has_entities(text: str) -> bool:
    """Return whether ``decoded`` changes a text."""
    return "&" in text and _ENTITY.search(text) is not None


def evidence_in(text: str) -> Texts | None:
    """Return how the server sends bodies, as far as this one shows it.

    A bare ``&`` or ``<`` never leaves a sanitiser, so the server sends what was typed. Whole elements
    (``<b>so</b>``) show nothing: a sanitiser may let them through. An entity and nothing bare is what a
    sanitiser makes. A person may have typed it, too, so it counts only while nothing bare is seen.
    """
    if "<" in text:
        return "raw" if _BARE_AMPERSAND.search(text) or not _is_markup(text) else None
    if "&" not in text:
        return None
    if _BARE_AMPERSAND.search(text):
        return "raw"
    return "entities" if has_entities(text) else None


def _is_markup(text: str) -> bool:
    """Return whether every ``<`` begins a tag, and every element is closed as often as it is opened."""
    balance: Counter[str] = Counter()
    tags = 0
    for match in _TAG.finditer(text):
        tags += 1
        name = match[2].lower()
        if name not in _NEVER_CLOSED:
            balance[name] += -1 if match[1] else 1
    return tags == text.count("<") and not any(balance.values())


def as_typed(conversation: Conversation) -> Conversation:
    """Return a conversation of a server that sends entities, with the bodies as people typed them.

    That includes forwarded messages and the lines that Canvas writes. Previews stay as they are, because
    list rows are compared as Canvas sends them.
    """
    if not conversation.messages:
        return conversation
    messages = tuple(map(message_as_typed, conversation.messages))
    return replace(conversation, messages=messages, texts="entities")


def typed_by(conversation: Conversation, texts: str) -> Conversation:
    """Return a conversation with the bodies decoded that ``texts`` names: repeats what was done once.

    ``raw`` names none, ``entities`` all, and ``entities:12,13`` those of these messages of the thread.
    """
    kind, _, ids = texts.partition(":")
    if kind != "entities" or not conversation.messages:
        return conversation
    if not ids:
        return as_typed(conversation)
    chosen = set(ids.split(","))
    messages = tuple(message_as_typed(one) if str(one.id) in chosen else one for one in conversation.messages)
    return replace(conversation, messages=messages, texts=texts)


def message_as_typed(message: Message) -> Message:
    """Return a message, and everything forwarded in it, with bodies as people typed them."""
    forwarded = message.forwarded_messages
    if not forwarded and "&" not in message.body:
        return message
    inner = tuple(map(message_as_typed, forwarded))
    return replace(message, body=decoded(message.body), forwarded_messages=inner)
