"""How the archive's Canvas sends bodies, and stored bodies that are decoded after they arrived.

Every sync records in ``sync_runs.counts``, under ``texts``, what is known: ``sent`` is ``raw``, ``entities``
or null, and ``shown_by`` is the message that showed it. While it is ``entities``, bodies are decoded before
they are stored. So a stored body is decoded once: when it arrives, or when the first evidence is found.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from canvas_archive.clock import Clock
from canvas_archive.model import JsonObject
from canvas_archive.store.connection import plain_cursor
from canvas_archive.store.ingest import Ingest
from canvas_archive.store.rows import ids_json
from canvas_archive.typed_text import Texts, evidence_in, has_entities

_LAST = """
SELECT json_extract(counts, '$.texts') FROM sync_runs
WHERE json_extract(counts, '$.texts') IS NOT NULL AND id <= ? ORDER BY id DESC LIMIT 1
"""
_RECORD = "UPDATE sync_runs SET counts = json_set(counts, '$.texts', json(?)) WHERE id = ?"
_BODIES = "SELECT id, body FROM messages WHERE id IN (SELECT value FROM json_each(?))"
_DRAFTS = "(SELECT coalesce(json_extract(o.payload, '$.body'), '') FROM outbox o)"
"""Messages that were written here may be stored as they were typed, whatever was known of Canvas then."""

_SIGNS = f"""
SELECT id, body FROM messages WHERE generated = 0 AND (instr(body, '&') OR instr(body, '<'))
  AND body NOT IN {_DRAFTS} ORDER BY id
"""  # noqa: S608 (constants)
_ENCODED = f"""
SELECT id, body FROM messages WHERE instr(body, '&') AND body NOT IN {_DRAFTS}
  AND (?1 IS NULL OR id IN (SELECT value FROM json_each(?1)))
"""  # noqa: S608 (constants)
_DECODED_IN = """
SELECT DISTINCT c.id FROM messages m JOIN conversations c ON c.id = m.conversation_id
WHERE c.removed_at IS NULL AND (instr(m.body, '&') OR instr(m.body, '<') OR instr(m.body, '>')
  OR instr(m.body, char(160)))
ORDER BY c.id
"""
_HOME = """
SELECT c.id FROM messages m JOIN conversations c ON c.id = m.conversation_id
WHERE m.id = ? AND c.removed_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class KnownTexts:
    """What is known of how Canvas sends bodies.

    ``shown_by`` is the message that showed it. ``unsettled``: bodies that were decoded by mistake wait to be
    fetched again.
    """

    sent: Texts | None
    shown_by: int | None = None
    unsettled: bool = False

    def to_json(self) -> JsonObject:
        """Return what ``sync_runs.counts`` records."""
        document: JsonObject = {"sent": self.sent, "shown_by": self.shown_by}
        return {**document, "unsettled": True} if self.unsettled else document


def texts_of_run(db: sqlite3.Connection, run_id: int | None = None) -> KnownTexts | None:
    """Return what was known after a run, or after the last one; ``None`` before any run recorded it."""
    row = plain_cursor(db).execute(_LAST, (2**62 if run_id is None else run_id,)).fetchone()
    if row is None:
        return None
    found = json.loads(row[0])
    return KnownTexts(found.get("sent"), found.get("shown_by"), bool(found.get("unsettled")))


def record_texts(db: sqlite3.Connection, run_id: int, known: KnownTexts) -> None:
    """Record what a running sync has found out."""
    db.execute(_RECORD, (json.dumps(known.to_json()), run_id))


def stored_bodies(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, str]:
    """Return the stored bodies of these messages; unknown ids have none."""
    return dict(plain_cursor(db).execute(_BODIES, (ids_json(ids),)))


def stored_evidence(db: sqlite3.Connection) -> dict[Texts, int]:
    """Return what the stored bodies show of how Canvas sent them, with the first message that shows it."""
    shown: dict[Texts, int] = {}
    for message_id, body in plain_cursor(db).execute(_SIGNS):
        evidence = evidence_in(body)
        if evidence is not None:
            shown.setdefault(evidence, message_id)
            if evidence == "raw":  # nothing weighs more
                break
    return shown


def decode_stored(
    db: sqlite3.Connection, clock: Clock, run_id: int | None, ids: Iterable[int] | None = None
) -> int:
    """Decode stored bodies, once: all, or those of ``ids``; return how many.

    Call it only for bodies that were stored as a server that sends entities sent them. Nothing changed on
    Canvas, so there is no revision. The caller holds the transaction.
    """
    chosen = None if ids is None else ids_json(ids)
    found = plain_cursor(db).execute(_ENCODED, (chosen,)).fetchall()
    encoded = [message_id for message_id, body in found if has_entities(body)]
    Ingest(db, clock, run_id).save_bodies(decode=encoded)
    return len(encoded)


def conversations_with_signs(db: sqlite3.Connection) -> list[int]:
    """Return the conversations on Canvas with a body that decoding may have made."""
    return [row[0] for row in plain_cursor(db).execute(_DECODED_IN)]


def conversation_of(db: sqlite3.Connection, message_id: int | None) -> int | None:
    """Return the conversation of a message, if both are stored and it is still on Canvas."""
    row = plain_cursor(db).execute(_HOME, (message_id,)).fetchone()
    return None if row is None else row[0]
