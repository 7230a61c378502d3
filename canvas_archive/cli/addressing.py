"""The recipients of messages in words: "Astrid Chen (GEOG 118)"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from canvas_archive.cli.editing import subject_line

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from canvas_archive.store.outbox import Queued
    from canvas_archive.sync.online import Addressee

_MOST_NAMED = 5
_THREAD = "SELECT subject, audience FROM conversations WHERE id = ?"


def to_whom(people: Sequence[Addressee]) -> str:
    """Return the names of the recipients of a message, and how many more there are."""
    named = [one.sentence() for one in people[:_MOST_NAMED]]
    more = f" and {len(people) - len(named):,} more" if len(people) > len(named) else ""
    return ", ".join(named) + more


def audience_of(text: str) -> tuple[Addressee, ...]:
    """Return the people of a conversation from its column ``audience``."""
    from canvas_archive.sync.online import Addressee

    return tuple(Addressee(str(number), str(number)) for number in json.loads(text))


def recipients_of(db: sqlite3.Connection, queued: Queued) -> tuple[Addressee, ...]:
    """Return to whom a message of the outbox goes, with the names that the archive knows."""
    from canvas_archive.sync.online import described, resolve_offline

    draft = queued.draft
    if draft.recipients or draft.conversation_id is None:
        return described(db, resolve_offline(db, draft.recipients))
    row = db.execute(_THREAD, (draft.conversation_id,)).fetchone()
    return described(db, audience_of(row[1]) if row is not None else ())


def subject_of(db: sqlite3.Connection, queued: Queued) -> str:
    """Return the subject of a message of the outbox, or of the conversation that it replies to."""
    if queued.draft.conversation_id is None:
        return subject_line(queued.draft.subject)
    row = db.execute(_THREAD, (queued.draft.conversation_id,)).fetchone()
    return f"reply in “{subject_line(row[0] if row is not None else None)}”"
