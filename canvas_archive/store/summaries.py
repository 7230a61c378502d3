"""What the archive knows of each conversation, small enough to hold 200,000 of them beside a running sync.

A fingerprint is a 64-bit number over everything in a list row that changes when the conversation's
content does; a list row with the stored fingerprint needs no ``show``. It is Python's own keyed hash, which
differs from process to process: fingerprints are compared within a run and kept nowhere, but for the lasting
ones of the ledger of problems. They are made for the rows that a list shows, so that a sync in which little
changed reads little.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.rows import clean

if TYPE_CHECKING:
    from canvas_archive.model import Conversation

_STATES = """
SELECT id, remote_workflow_state, remote_starred, remote_subscribed, removed_at IS NOT NULL,
  fetched_at IS NOT NULL
FROM conversations
"""
_CONTENT = """
SELECT id, message_count, last_message_at, last_authored_message_at, last_message, last_authored_message,
  audience, properties, subject, context_code
FROM conversations WHERE id IN (SELECT value FROM json_each(?))
"""


class StoredSummary(NamedTuple):
    """One stored conversation: what Canvas last said of its flags, and its state here.

    ``fetched`` is false when the messages were never fetched. There are few different ones, which all the
    conversations of a mailbox share.
    """

    workflow_state: str
    starred: bool
    subscribed: bool
    removed: bool
    fetched: bool


def fingerprint(conv: Conversation) -> int:
    """Return the 64-bit fingerprint of a list row (or of a whole answer; both give the same). Pure."""
    return _hash(*_content(conv))


def lasting_fingerprint(conv: Conversation) -> int:
    """Return a 64-bit fingerprint over the same content that is equal in every process. Pure."""
    *plain, audience, properties, subject, code = _content(conv)
    content = (*plain, sorted(set(audience)), sorted(properties), subject, code)
    return int.from_bytes(hashlib.sha256(repr(content).encode()).digest()[:8], "big", signed=True)


def _content(
    conv: Conversation,
) -> tuple[
    int,
    str | None,
    str | None,
    str | None,
    str | None,
    Iterable[int],
    Iterable[str],
    str | None,
    str | None,
]:
    return (
        conv.message_count,
        conv.last_message_at,
        conv.last_authored_message_at,
        clean(conv.last_message),
        clean(conv.last_authored_message),
        conv.audience,
        conv.properties,
        clean(conv.subject),
        clean(conv.context_code),
    )


def _hash(
    message_count: int,
    last_message_at: str | None,
    last_authored_message_at: str | None,
    last_message: str | None,
    last_authored_message: str | None,
    audience: Iterable[int],
    properties: Iterable[str],
    subject: str | None,
    context_code: str | None,
) -> int:
    # The order of the audience follows who wrote last, which the times say already.
    return hash(
        (
            message_count,
            last_message_at,
            last_authored_message_at,
            last_message,
            last_authored_message,
            frozenset(audience),
            tuple(sorted(properties)),
            subject,
            context_code,
        )
    )


def stored_summaries(db: sqlite3.Connection) -> dict[int, StoredSummary]:
    """Return every stored conversation's summary by id, with one query."""
    return {row[0]: _summary(row[1:]) for row in plain_cursor(db).execute(_STATES)}


@cache
def _summary(row: tuple[str, int, int, int, int]) -> StoredSummary:
    state, starred, subscribed, removed, fetched = row
    return StoredSummary(state, starred == 1, subscribed == 1, removed == 1, fetched == 1)


def stored_fingerprints(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, int]:
    """Return the fingerprints of these conversations as they are stored now; unknown ids have none."""
    return {
        row[0]: _hash(
            row[1], row[2], row[3], row[4], row[5], _numbers(row[6]), _words(row[7]), row[8], row[9]
        )
        for row in plain_cursor(db).execute(_CONTENT, (json.dumps(list(ids)),))
    }


def _numbers(text: str) -> list[int]:
    if "," not in text:  # most conversations have an audience of one
        return [int(text[1:-1])] if len(text) > 2 else []
    numbers: list[int] = json.loads(text)
    return numbers


@lru_cache(maxsize=1024)
def _words(text: str) -> tuple[str, ...]:  # there are few different ones
    return tuple(json.loads(text))
