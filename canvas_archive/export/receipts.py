"""``receipts.jsonl``: what Canvas said of the conversations in an export, one receipt a line.

It holds the receipts of the chosen conversations and of nothing else. Where one receipt is about many things
(a list of courses, rows of an older archive), it holds the chosen ones. Signatures of addresses and keys of
files are left out. The last line is a completion record like that of ``conversations.jsonl``.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from canvas_archive.errors import VerificationFailed
from canvas_archive.export.context import GENERATOR
from canvas_archive.export.jsonl import encode_completion, encode_line
from canvas_archive.model import Json, JsonObject
from canvas_archive.store.receipt_reading import (
    LEFT_OUT,
    OF_CONVERSATION,
    require_receipts,
    tombstone_of,
    without_keys,
)
from canvas_archive.store.receipts import Receipt, commitments, read_receipts

RECEIPTS = "receipts.jsonl"

_EVERYTHING = "SELECT (SELECT count(*) FROM temp.chosen) = (SELECT count(*) FROM conversations)"
_CHOOSE = """
CREATE TEMP TABLE chosen_things (kind TEXT, id, PRIMARY KEY (kind, id)) WITHOUT ROWID;
INSERT INTO chosen_things SELECT 'conversation', conversation_id FROM chosen;
INSERT INTO chosen_things
  WITH RECURSIVE below (id) AS (
    SELECT m.id FROM messages m JOIN chosen x ON x.conversation_id = m.conversation_id
    UNION SELECT f.forwarded_message_id FROM forwarded_messages f JOIN below b ON b.id = f.message_id
  ) SELECT 'message', id FROM below;
INSERT OR IGNORE INTO chosen_things
  SELECT 'file', l.attachment_id FROM message_attachments l
  JOIN chosen_things t ON t.kind = 'message' AND t.id = l.message_id;
INSERT OR IGNORE INTO chosen_things
  SELECT 'context', c.context_code FROM conversations c JOIN chosen x ON x.conversation_id = c.id
  WHERE c.context_code IS NOT NULL
  UNION SELECT 'context', r.context_code FROM conversation_contexts r
    JOIN chosen x ON x.conversation_id = r.conversation_id;
INSERT OR IGNORE INTO chosen_things
  SELECT 'user', p.user_id FROM conversation_participants p
    JOIN chosen x ON x.conversation_id = p.conversation_id
  UNION SELECT 'user', m.author_id FROM messages m JOIN chosen_things t ON t.kind = 'message' AND t.id = m.id
  UNION SELECT 'user', r.user_id FROM message_recipients r
    JOIN chosen_things t ON t.kind = 'message' AND t.id = r.message_id;
"""
"""What belongs to the chosen conversations: messages, those forwarded in them, files, people, courses."""

_IS_CHOSEN = "SELECT EXISTS (SELECT 1 FROM temp.chosen_things WHERE kind = ? AND id = ?)"
_KIND = "SELECT kind FROM receipts WHERE id = ?"

_THINGS = {
    "conversations": ("id", "conversation"),
    "conversation_participants": ("conversation_id", "conversation"),
    "conversation_contexts": ("conversation_id", "conversation"),
    "messages": ("id", "message"),
    "message_recipients": ("message_id", "message"),
    "forwarded_messages": ("message_id", "message"),
    "message_attachments": ("message_id", "message"),
    "media_comments": ("message_id", "message"),
    "attachments": ("id", "file"),
    "contexts": ("code", "context"),
    "users": ("id", "user"),
}
"""Of a table, the column that says what a row is about, and the kind of thing it is."""


def write_receipts(path: Path, db: sqlite3.Connection) -> JsonObject:
    """Write the receipts of the conversations in ``temp.chosen``; return how many there are, by source.

    Raises VerificationFailed when one of them cannot be read, BadInput for an archive without receipts.
    """
    require_receipts(db)
    choice = None if db.execute(_EVERYTHING).fetchone()[0] else _Choice(db)
    digest = hashlib.sha256()
    sources: Counter[str] = Counter()
    with path.open("wb", buffering=1 << 20) as file:
        for read in read_receipts(db):
            receipt = read if choice is None else choice.of(read)
            if receipt is None:
                continue
            line = encode_line(_line(db, receipt))
            digest.update(line)
            file.write(line)
            sources[receipt.source] += 1
        by_source: JsonObject = {**dict(sorted(sources.items()))}
        counts: JsonObject = {"receipts": sources.total(), "by_source": by_source}
        record: JsonObject = {
            **counts,
            "left_out": [*LEFT_OUT],
            "sha256": digest.hexdigest(),
            "generator": GENERATOR,
        }
        file.write(encode_completion({"type": "completion", **record}))
    return counts


def _line(db: sqlite3.Connection, receipt: Receipt) -> JsonObject:
    if receipt.kind == "unreadable":
        raise VerificationFailed(
            f"Receipt {receipt.id} cannot be read: {receipt.payload}. Nothing was exported. "
            "Run 'canvas-archive verify', then restore a backup, or leave out --with-receipts."
        )
    ((_, commitment),) = commitments(db, receipt.id, receipt.id)
    tombstone = tombstone_of(db, receipt.id) if receipt.kind == "erased" else None
    return {
        "type": "receipt",
        "id": receipt.id,
        "run_id": receipt.run_id,
        "source": receipt.source,
        "kind": receipt.kind,
        "key": receipt.key,
        "address": receipt.address,
        "at": receipt.at,
        "status": receipt.status,
        "texts": receipt.texts,
        "commitment": commitment,
        "erased_at": None if tombstone is None else tombstone.at,
        "held_in": [] if tombstone is None else [*tombstone.held_in],
        "answer": without_keys(receipt),
    }


class _Choice:
    """What of a receipt is about the chosen conversations."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._cursor = db.cursor()
        self._cursor.row_factory = None
        # Only temporary tables are written; the file itself is open for reading alone.
        db.execute("PRAGMA query_only = OFF")
        try:
            for statement in _CHOOSE.split(";"):
                db.execute(statement)
        finally:
            db.execute("PRAGMA query_only = ON")

    def of(self, receipt: Receipt) -> Receipt | None:
        """Return the receipt, or the part of it that is about what was chosen; ``None`` for nothing."""
        payload: Any = receipt.payload
        kind = receipt.kind
        if kind in ("erased", "unreadable"):
            (kind,) = self._cursor.execute(_KIND, (receipt.id,)).fetchone()
            payload = {"id": receipt.key, "message_id": receipt.key}
            return receipt if self._concerns(kind, receipt.key, payload) else None
        if kind == "courses":
            return self._part(
                receipt, [one for one in payload if self._has("context", f"course_{one['id']}")]
            )
        if kind == "bodies":
            decoded = [one for one in payload["decoded"] if self._has("message", one)]
            sent = {one: text for one, text in payload["sent"].items() if self._has("message", int(one))}
            part: Json = {"decoded": decoded, "sent": sent}
            return self._part(receipt, part if decoded or sent else None)
        if kind == "ids":
            ids = [one for one in payload["ids"] if self._has("conversation", one)]
            return replace(receipt, payload={**payload, "ids": ids})
        if kind == "rows":
            return self._part(receipt, self._rows(payload))
        return receipt if self._concerns(kind, receipt.key, payload) else None

    def _concerns(self, kind: str, key: int | None, payload: Any) -> bool:
        if kind in ("account", "user"):
            return True
        if kind == "file":
            return self._has("file", payload["id"])
        if kind == "media":
            return self._has("message", payload["message_id"])
        number = payload.get("id") if isinstance(payload, dict) else None
        return kind in OF_CONVERSATION and self._has("conversation", key if number is None else number)

    def _rows(self, payload: Any) -> Json:
        table, columns = payload["table"], payload["columns"]
        if table not in _THINGS:
            return payload if table == "account" else None
        column, kind = _THINGS[table]
        at = columns.index(column)
        rows: Json = [row for row in payload["rows"] if self._has(kind, row[at])]
        return {**payload, "rows": rows} if rows else None

    def _has(self, kind: str, number: object) -> bool:
        """Return whether a thing is chosen. Canvas sends ids as texts."""
        if isinstance(number, str) and kind != "context":
            number = int(number)
        found: tuple[int] = self._cursor.execute(_IS_CHOSEN, (kind, number)).fetchone()
        return bool(found[0])

    @staticmethod
    def _part(receipt: Receipt, payload: Json) -> Receipt | None:
        return replace(receipt, payload=payload) if payload else None
