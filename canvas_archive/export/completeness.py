"""How complete a collection is, as far as the archive knows: the one answer that every output gives.

An export, a bag, a backup and ``verify`` say the same sentence. Nothing in it depends on the clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from canvas_archive.clock import iso
from canvas_archive.model import JsonObject
from canvas_archive.store.runs import last_complete_full

State: TypeAlias = Literal["never synced", "unfinished", "incomplete", "items accepted", "complete"]

_OPEN_RUN = "SELECT status FROM sync_runs WHERE id = (SELECT max(id) FROM sync_runs)"
_ANYTHING = "SELECT EXISTS (SELECT 1 FROM sync_runs) OR EXISTS (SELECT 1 FROM conversations)"
_LACKING = """
SELECT count(*) FROM (
  SELECT CAST(c.id AS TEXT) FROM conversations c WHERE c.fetched_at IS NULL AND c.removed_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM problems p WHERE p.kind = 'conversation'
      AND p.item_id = CAST(c.id AS TEXT) AND p.accepted_at IS NOT NULL)
  UNION SELECT item_id FROM problems WHERE kind = 'conversation' AND accepted_at IS NULL)
"""
# Hosts and ghosts (ids that Canvas lists and does not find) are no items; open conversations are "lacking".
# A file of another selection does not count; that of a message in no conversation may be forwarded in any.
_ITEMS = """
SELECT count(*) FILTER (WHERE accepted_at IS NULL AND next_at IS NULL),
  count(*) FILTER (WHERE accepted_at IS NULL AND next_at IS NOT NULL),
  count(*) FILTER (WHERE accepted_at IS NOT NULL)
FROM problems p WHERE CASE kind
  WHEN 'ghost' THEN 0 WHEN 'file_host' THEN 0 WHEN 'conversation' THEN accepted_at IS NOT NULL
  WHEN 'attachment' THEN ?1 AND EXISTS (
    SELECT 1 FROM message_attachments l JOIN messages m ON m.id = l.message_id
    WHERE l.attachment_id = CAST(p.item_id AS INTEGER) AND {chosen})
  WHEN 'media' THEN ?1 AND EXISTS (
    SELECT 1 FROM messages m WHERE m.id = CAST(p.item_id AS INTEGER) AND {chosen})
  ELSE 1 END
"""
_PENDING = """
SELECT
  (SELECT count(*) FROM attachments a WHERE a.state = 'pending' AND EXISTS (
    SELECT 1 FROM message_attachments l JOIN messages m ON m.id = l.message_id
    WHERE l.attachment_id = a.id AND {chosen})
    AND NOT EXISTS (SELECT 1 FROM problems WHERE kind = 'attachment' AND item_id = CAST(a.id AS TEXT)))
  + (SELECT count(*) FROM media_comments r JOIN messages m ON m.id = r.message_id
    WHERE r.state = 'pending' AND {chosen} AND NOT EXISTS (
      SELECT 1 FROM problems WHERE kind = 'media' AND item_id = r.message_id || '/' || r.media_id))
"""
COUNTED_DIFFERENTLY = """
SELECT * FROM (
  SELECT c.id, c.message_count, c.fetched_at, (SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.generated = 0 AND m.removed_at IS NULL) AS held
  FROM conversations c WHERE c.removed_at IS NULL AND c.fetched_at IS NOT NULL)
WHERE held <> message_count
"""
"""Conversations with other messages than Canvas counts. Its counter may drift: what it gave is here."""

_UNEXPLAINED = """
SELECT id FROM conversations c WHERE fetched_at IS NULL AND removed_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM problems p WHERE p.kind = 'conversation' AND p.item_id = CAST(c.id AS TEXT))
ORDER BY id
"""
_CHOSEN = "(m.conversation_id IS NULL OR m.conversation_id IN (SELECT conversation_id FROM temp.chosen))"


@dataclass(frozen=True, slots=True)
class Completeness:
    """What is known of a collection.

    ``swept_at`` is when the last full sync that came to its end began. ``lacking`` conversations have no
    messages here, or not their latest. Other items ``failed``, wait for their next try (``waiting``), or were
    ``accepted`` as missing by a person. ``pending`` files were never tried.
    """

    synced: bool
    swept_at: str | None
    interrupted: bool
    lacking: int = 0
    failed: int = 0
    waiting: int = 0
    accepted: int = 0
    pending: int = 0

    @property
    def state(self) -> State:
        """Return the state in a word or two."""
        if not self.synced:
            return "never synced"
        if self.swept_at is None:
            return "unfinished"
        if self.lacking or self.failed or self.waiting or self.pending:
            return "incomplete"
        return "items accepted" if self.accepted else "complete"

    @property
    def is_complete(self) -> bool:
        """Return whether nothing is known to be missing."""
        return self.state == "complete"

    @property
    def lacks_messages(self) -> bool:
        """Return whether conversations are missing, or messages of theirs."""
        return self.synced and (self.swept_at is None or self.lacking > 0)

    @property
    def sentence(self) -> str:
        """Return what is known, for people."""
        if not self.synced:
            return "Nothing was collected yet: no sync has run."
        missing = ", ".join(self._missing())
        if self.swept_at is None:
            more = f" Known to be missing: {missing}." if missing else ""
            return f"Unfinished: no full sync has come to its end, so conversations can be missing.{more}"
        if self.state == "incomplete":
            text = f"Incomplete as of {self.swept_at}: {missing}."
        elif self.accepted:
            text = f"Complete as of {self.swept_at}, but for {missing}."
        else:
            text = f"Complete as of {self.swept_at}: every conversation that Canvas listed is here."
        return f"{text} The last sync did not finish." if self.interrupted else text

    @property
    def advice(self) -> str:
        """Return what to type about it; empty when there is nothing to do."""
        if self.state in ("complete", "items accepted"):
            return ""
        if self.state != "incomplete":
            return "Run 'canvas-archive sync' until it ends with exit code 0."
        return (
            "Run 'canvas-archive sync' to try again; 'canvas-archive problems' names the items and accepts "
            "those that stay missing."
        )

    def to_json(self) -> JsonObject:
        """Return the state as a JSON object, which ``from_json`` reads."""
        known: JsonObject = {one.name: getattr(self, one.name) for one in fields(self)}
        return {"state": self.state, "complete": self.is_complete, "summary": self.sentence, **known}

    def _missing(self) -> Iterator[str]:
        for count, one, many in (
            (self.lacking, "conversation that lacks messages", "conversations that lack messages"),
            (self.failed, "item that failed", "items that failed"),
            (self.waiting, "item that waits for its next try", "items that wait for their next try"),
            (self.accepted, "item accepted as missing", "items accepted as missing"),
            (self.pending, "file not downloaded yet", "files not downloaded yet"),
        ):
            if count:
                yield f"{count:,} {one if count == 1 else many}"


def completeness(db: sqlite3.Connection, *, chosen: bool = False, files: bool = True) -> Completeness:
    """Return how complete the collection is.

    With ``chosen``, files count that belong to the conversations in the temporary table of that name alone;
    without ``files``, none do.
    """
    scope = _CHOSEN if chosen else "1"
    swept = last_complete_full(db)
    run = db.execute(_OPEN_RUN).fetchone()
    failed, waiting, accepted = db.execute(_ITEMS.format(chosen=scope), (files,)).fetchone()
    return Completeness(
        synced=bool(db.execute(_ANYTHING).fetchone()[0]),
        swept_at=iso(swept) if swept else None,
        interrupted=run is not None and run[0] in ("running", "interrupted", "failed"),
        lacking=db.execute(_LACKING).fetchone()[0],
        failed=failed,
        waiting=waiting,
        accepted=accepted,
        pending=db.execute(_PENDING.format(chosen=scope)).fetchone()[0] if files else 0,
    )


def counted_differently(db: sqlite3.Connection) -> list[str]:
    """Return a sentence for each conversation that has other messages than Canvas counts."""
    return [
        f"conversation {number}: Canvas counts {count:,} messages, and gave {held:,}"
        for number, count, _, held in map(tuple, db.execute(f"{COUNTED_DIFFERENTLY} ORDER BY id"))
    ]


def left_out(db: sqlite3.Connection) -> list[str]:
    """Return a sentence for each conversation that has no messages although nothing says why."""
    found = db.execute(_UNEXPLAINED)
    return [f"conversation {number}: listed by Canvas, never fetched" for number, *_ in map(tuple, found)]


def from_json(document: object) -> Completeness | None:
    """Return the state that an export recorded; ``None`` where there is none that can be read."""
    if not isinstance(document, dict):
        return None
    values = {one.name: document.get(one.name) for one in fields(Completeness)}
    flags, swept = (values["synced"], values["interrupted"]), values["swept_at"]
    counts = [values[name] for name in ("lacking", "failed", "waiting", "accepted", "pending")]
    whole = all(type(flag) is bool for flag in flags) and (swept is None or isinstance(swept, str))
    if not whole or not all(type(count) is int and count >= 0 for count in counts):
        return None
    return Completeness(**values)  # type: ignore[arg-type]
