"""Settling edits: how each ended, and what Canvas has now, are written in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.store import Ingest, edits, transaction

if TYPE_CHECKING:
    import sqlite3

    from canvas_archive.clock import Clock
    from canvas_archive.model import Conversation
    from canvas_archive.sync.merge import PendingEdit
    from canvas_archive.sync.push_report import PushReport

_COLUMN = {field: f"SELECT {field}, remote_{field} FROM conversations WHERE id = ?" for field in edits.FIELDS}  # noqa: S608 (constants)
_ORIGIN = "SELECT origin FROM edits WHERE id = ?"


def value_of(row: Conversation, edit: PendingEdit) -> str:
    """Return the value that Canvas has for the field of an edit."""
    return edits.as_text(getattr(row, edit.field))


class Settling:
    """Settles the edits of one push. ``details`` are what the journal says of each that is sent."""

    def __init__(self, db: sqlite3.Connection, clock: Clock, report: PushReport) -> None:
        self._db = db
        self._clock = clock
        self._ingest = Ingest(db, clock)
        self._report = report
        self.details: dict[int, str | None] = {}

    def gone(self, edit: PendingEdit) -> None:
        """Settle an edit whose conversation Canvas does not have, and mark the conversation as removed."""
        with transaction(self._db):
            edits.settle_edit(
                self._db, edit.id, "gone", "the conversation is no longer on Canvas", edit.value, self._clock
            )
            self._ingest.mark_removed(edit.conversation_id)
            # No edit is pending any more: the column shows what Canvas had last, as every settled one does.
            _, last = self._db.execute(_COLUMN[edit.field], (edit.conversation_id,)).fetchone()
            self._ingest.save_flags(
                edit.conversation_id,
                starred=bool(last) if edit.field == "starred" else None,
                workflow_state=last if edit.field == "workflow_state" else None,
                subscribed=bool(last) if edit.field == "subscribed" else None,
            )

    def unsent(self, edit: PendingEdit, row: Conversation, state: str, detail: str | None) -> None:
        """Settle an edit that needs no request; the column then follows Canvas."""
        with transaction(self._db):
            edits.settle_edit(self._db, edit.id, state, detail, edit.value, self._clock)
            self.take_row(row)

    def sent(self, edit: PendingEdit, row: Conversation) -> None:
        """Settle an edit that Canvas has carried out; a later value becomes a new edit."""
        with transaction(self._db):
            detail = self.details.get(edit.id)
            if edits.settle_edit(self._db, edit.id, "pushed", detail, edit.value, self._clock):
                self.take_row(row)
                if edit.again:
                    self._report.repushed += 1
                else:
                    self._report.pushed += 1
                return
            value, _ = self._db.execute(_COLUMN[edit.field], (edit.conversation_id,)).fetchone()
            origin = self._db.execute(_ORIGIN, (edit.id,)).fetchone()[0]
            # The request changed what the edit was based on: the later value starts from there.
            edits.discard_edits(self._db, [edit.id], clock=self._clock)
            self.take_row(row)
            edits.record_edit(self._db, edit.conversation_id, edit.field, value, origin)

    def take_row(self, row: Conversation) -> None:
        """Store Canvas's flags of a conversation; the caller holds the transaction."""
        self._ingest.save_answered_flags(row)
