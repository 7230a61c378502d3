"""Finding a message of ours among what Canvas has: pure functions.

Canvas may clean HTML out of a body and turn signs into entities, so bodies are compared by their words. It
may do so with a body that is fetched before any sync has found out how this Canvas sends them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canvas_archive.typed_text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canvas_archive.model import Conversation, Message
    from canvas_archive.store.outbox import Baseline, Draft

_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class FoundOnCanvas:
    """Canvas has the message: under these message ids (a reply) or conversation ids (a new message)."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FoundInPart:
    """Some of the people it was sent to one by one have it, others do not."""

    ids: tuple[int, ...]
    expected: int


def same_body(one: str, other: str) -> bool:
    """Return whether two bodies are the same text, apart from markup and blanks."""
    return one == other or _words(one) == _words(other)


def _words(text: str) -> str:
    return " ".join(_TAG.sub(" ", decoded(_TAG.sub(" ", text))).split())


def own_newest(messages: Iterable[Message], owner_id: int) -> int:
    """Return the id of the newest message the owner wrote, 0 if there is none."""
    return max((one.id for one in messages if one.author_id == owner_id and not one.generated), default=0)


def find_reply(
    draft: Draft, baseline: Baseline, messages: Iterable[Message], owner_id: int
) -> FoundOnCanvas | None:
    """Return the message that is this reply: written by the owner since, with the same words and files."""
    ids = sorted(one.id for one in messages if one.id > baseline.newest and _is_draft(one, draft, owner_id))
    return FoundOnCanvas((ids[0],)) if ids else None


def summary_of(row: Conversation) -> tuple[int, str | None, int]:
    """Return the part of a row of the ``sent`` list that changes with every own message."""
    return (row.id, row.last_authored_message_at, row.message_count)


def may_hold_new(row: Conversation, baseline: Baseline) -> bool:
    """Return whether a row of the ``sent`` list can be, or hold, a message sent since the baseline."""
    return summary_of(row) not in baseline.sent


def find_new(
    draft: Draft, baseline: Baseline, candidates: Iterable[Conversation], owner_id: int
) -> FoundOnCanvas | FoundInPart | None:
    """Return which of these conversations (whole, with their messages) carry this new message.

    A person named by id must take part. Sent one by one, each person has a conversation; for a course or a
    group only Canvas knows the number of people.
    """
    since = max((at or "" for _, at, _ in baseline.sent), default="")
    known = {id_ for id_, _, _ in baseline.sent}
    people = {int(one) for one in draft.recipients if one.isascii() and one.isdigit()}
    named_only = len(people) == len(set(draft.recipients))
    found = []
    for conversation in candidates:
        messages = conversation.messages or ()
        if conversation.id not in known and not same_body(draft.subject or "", conversation.subject or ""):
            continue
        if not any(one.created_at >= since and _is_draft(one, draft, owner_id) for one in messages):
            continue
        if (
            named_only
            and not people & ({person.id for person in conversation.participants} - {owner_id})
            and (people != {owner_id})
        ):
            continue
        found.append(conversation.id)
    if not found:
        return None
    ids = tuple(sorted(found))
    expected = len(people) if named_only and not draft.group else 1
    return FoundOnCanvas(ids) if len(ids) >= expected else FoundInPart(ids, expected)


def _is_draft(message: Message, draft: Draft, owner_id: int) -> bool:
    return (
        message.author_id == owner_id
        and not message.generated
        and len(message.attachments) == len(draft.enclosures)
        and {inner.id for inner in message.forwarded_messages} == set(draft.forwarded)
        and same_body(message.body, draft.body)
    )
