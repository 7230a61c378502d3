"""What the sync tests share: an archive bound to a sandbox, a sync in process, and the comparison of both."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.clock import SYSTEM, Clock
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from canvas_archive.sync.service import SyncOptions, SyncResult, sync


@dataclass
class Pair:
    """A sandbox and an archive of its mailbox."""

    sandbox: Sandbox
    folder: Path

    def sync(self, *, clock: Clock = SYSTEM, check: bool = True, **options: Any) -> SyncResult:
        """Sync once; with ``check`` any error is raised."""
        options.setdefault("index", False)
        result = sync(self.folder, SyncOptions(**options), clock=clock)
        if check and result.error is not None:
            raise result.error
        return result

    def sql(self, query: str, *params: object) -> list[sqlite3.Row]:
        """Read from the archive with nothing but SQLite."""
        with contextmanager(_connection)(self.folder / "archive.db") as db:
            return db.execute(query, params).fetchall()

    def one(self, query: str, *params: object) -> Any:
        """Return the single value of a query."""
        return self.sql(query, *params)[0][0]

    def update(self, statement: str, *params: object) -> None:
        """Change the archive as any SQLite client would."""
        with contextmanager(_connection)(self.folder / "archive.db") as db:
            db.execute(statement, params)
            db.commit()

    @property
    def owner(self) -> int:
        """Return the id of the person whose mailbox it is."""
        return self.sandbox.user_id

    def others(self, conversation_id: int) -> list[int]:
        """Return the other participants of a conversation."""
        rows = self.sandbox.school.conversation(conversation_id).rows
        return [user_id for user_id in rows if user_id != self.owner]


def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    try:
        yield db
    finally:
        db.close()


def bind(sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Create an archive for a sandbox's owner, with the token in the environment."""
    monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
    monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
    Archive.create(folder, base_url=sandbox.url, user_id=sandbox.user_id, name="Owner").close()
    return Pair(sandbox, folder)


# -- the archive as Canvas would tell it ------------------------------------------------------------------


def told_by_archive(folder: Path) -> dict[int, dict[str, Any]]:
    """Rebuild from the tables what ``show`` would answer, for every conversation not marked removed."""
    with contextmanager(_connection)(folder / "archive.db") as db:
        return {
            row["id"]: _conversation(db, row)
            for row in db.execute("SELECT * FROM conversations WHERE removed_at IS NULL")
        }


def _conversation(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    people = db.execute(
        "SELECT u.* FROM conversation_participants p JOIN users u ON u.id = p.user_id"
        " WHERE p.conversation_id = ? ORDER BY p.position",
        (row["id"],),
    )
    messages = db.execute(
        "SELECT * FROM messages WHERE conversation_id = ? AND removed_at IS NULL"
        " ORDER BY created_at DESC, id DESC",
        (row["id"],),
    )
    return {
        "id": row["id"],
        "subject": row["subject"],
        "workflow_state": row["remote_workflow_state"],
        "starred": bool(row["remote_starred"]),
        "subscribed": bool(row["remote_subscribed"]),
        "private": bool(row["private"]),
        "message_count": row["message_count"],
        "last_message": row["last_message"],
        "last_message_at": row["last_message_at"],
        "last_authored_message": row["last_authored_message"],
        "last_authored_message_at": row["last_authored_message_at"],
        "properties": sorted(json.loads(row["properties"])),
        "audience": sorted(json.loads(row["audience"])),
        "context_code": row["context_code"],
        "context_name": row["context_name"],
        "participants": [(p["id"], p["name"], p["full_name"], p["pronouns"]) for p in people],
        "messages": [_message(db, message) for message in messages],
    }


def _message(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    recipients = db.execute("SELECT user_id FROM message_recipients WHERE message_id = ?", (row["id"],))
    attachments = db.execute(
        "SELECT a.* FROM message_attachments l JOIN attachments a ON a.id = l.attachment_id"
        " WHERE l.message_id = ? ORDER BY l.position",
        (row["id"],),
    )
    media = db.execute("SELECT * FROM media_comments WHERE message_id = ?", (row["id"],)).fetchone()
    forwarded = db.execute(
        "SELECT m.* FROM forwarded_messages f JOIN messages m ON m.id = f.forwarded_message_id"
        " WHERE f.message_id = ? ORDER BY f.position",
        (row["id"],),
    )
    return {
        "id": row["id"],
        "author_id": row["author_id"],
        "created_at": row["created_at"],
        "generated": bool(row["generated"]),
        "body": None if row["generated"] else row["body"],
        "participating_user_ids": sorted(r[0] for r in recipients),
        "attachments": [
            (a["id"], a["display_name"], a["filename"], a["content_type"], a["size"], a["created_at"])
            for a in attachments
        ],
        "media": None
        if media is None
        else (media["media_id"], media["media_type"], media["display_name"], media["content_type"]),
        "forwarded_messages": [_message(db, inner) for inner in forwarded],
    }


def told_by_canvas(sandbox: Sandbox) -> dict[int, dict[str, Any]]:
    """Return the sandbox's own state in the same shape."""
    return {id_: _canvas_conversation(told) for id_, told in sandbox.school.truth().items()}


def _canvas_conversation(told: dict[str, Any]) -> dict[str, Any]:
    same = (
        "id", "subject", "workflow_state", "starred", "subscribed", "private", "message_count",
        "last_message", "last_message_at", "last_authored_message", "last_authored_message_at",
        "context_code", "context_name",
    )  # fmt: skip
    return {
        **{name: told[name] for name in same},
        "properties": sorted(told["properties"]),
        "audience": sorted(told["audience"]),
        "participants": [(p["id"], p["name"], p["full_name"], p["pronouns"]) for p in told["participants"]],
        "messages": [_canvas_message(message) for message in told["messages"]],
    }


def _canvas_message(told: dict[str, Any]) -> dict[str, Any]:
    media = told["media_comment"]
    return {
        "id": told["id"],
        "author_id": told["author_id"],
        "created_at": told["created_at"],
        "generated": told["generated"],
        "body": None if told["generated"] else told["body"],
        "participating_user_ids": sorted(told["participating_user_ids"]),
        "attachments": [
            (a["id"], a["display_name"], a["filename"], a["content-type"], a["size"], a["created_at"])
            for a in told["attachments"]
        ],
        "media": None
        if media is None
        else (media["media_id"], media["media_type"], media["display_name"], media["content-type"]),
        "forwarded_messages": [_canvas_message(inner) for inner in told["forwarded_messages"]],
    }


def assert_equal(pair: Pair, *, ordered: bool = True) -> None:
    """Compare archive and sandbox field by field, naming the first conversation that differs.

    ``ordered=False`` passes over the order of participants: Canvas sorts them by name, so a rename moves
    people in conversations whose content did not change.
    """
    archive, canvas = told_by_archive(pair.folder), told_by_canvas(pair.sandbox)
    if not ordered:
        for told in (*archive.values(), *canvas.values()):
            told["participants"] = sorted(told["participants"], key=str)
    assert sorted(archive) == sorted(canvas)
    for id_, told in canvas.items():
        have = archive[id_]
        differing = {field: (have[field], told[field]) for field in told if have[field] != told[field]}
        if "messages" in differing:
            differing["messages"] = (
                [message for message in have["messages"] if message not in told["messages"]],
                [message for message in told["messages"] if message not in have["messages"]],
            )
        assert not differing, f"conversation {id_} (archive, Canvas): {differing}"
