"""What one would write oneself: ``python -m tests.benchmarks.export_peers FORMAT ARCHIVE DEST``.

A plain loop over the conversations with the standard library's ``json``, ``csv``, ``mailbox`` and ``email``
(``pyarrow`` for Parquet), without what ours adds: threads that mail programs understand, addresses that go
nowhere, protection against formulas, hashes, a manifest, one rename at the end. Also what one would use in
place of ``verify`` and ``backup``: SQLite's own check and copy.
"""

from __future__ import annotations

import csv
import json
import mailbox
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

_CONVERSATIONS = """
SELECT id, subject, context_code, context_name, workflow_state, starred FROM conversations ORDER BY id
"""
_MESSAGES = """
SELECT m.id, m.created_at, m.author_id, u.name AS author, m.body
FROM messages m JOIN users u ON u.id = m.author_id WHERE m.conversation_id = ? ORDER BY m.created_at, m.id
"""
_RECIPIENTS = """
SELECT u.id, u.name FROM message_recipients r JOIN users u ON u.id = r.user_id WHERE r.message_id = ?
"""
_FILES = """
SELECT a.display_name FROM message_attachments l JOIN attachments a ON a.id = l.attachment_id
WHERE l.message_id = ? ORDER BY l.position
"""


def threads(db: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """Yield every conversation with its messages, their recipients and the names of their files."""
    db.row_factory = sqlite3.Row
    for conversation in db.execute(_CONVERSATIONS):
        messages = []
        for row in db.execute(_MESSAGES, (conversation["id"],)):
            message = dict(row)
            message["recipients"] = [dict(person) for person in db.execute(_RECIPIENTS, (row["id"],))]
            message["files"] = [file[0] for file in db.execute(_FILES, (row["id"],))]
            messages.append(message)
        yield {**dict(conversation), "messages": messages}


def write_jsonl(db: sqlite3.Connection, dest: Path) -> None:
    """Write a conversation a line."""
    with dest.open("w", encoding="utf-8") as stream:
        for thread in threads(db):
            stream.write(json.dumps(thread, ensure_ascii=False) + "\n")


def _flat(thread: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    return {
        "message_id": message["id"],
        "conversation_id": thread["id"],
        "created_at": message["created_at"],
        "author_id": message["author_id"],
        "author": message["author"],
        "recipients": "; ".join(person["name"] for person in message["recipients"]),
        "subject": thread["subject"],
        "context_code": thread["context_code"],
        "context_name": thread["context_name"],
        "workflow_state": thread["workflow_state"],
        "starred": thread["starred"],
        "body": message["body"],
        "attachments": "; ".join(message["files"]),
    }


def write_csv(db: sqlite3.Connection, dest: Path) -> None:
    """Write a message a row."""
    with dest.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        for thread in threads(db):
            rows.writerows(_flat(thread, message).values() for message in thread["messages"])


def write_parquet(db: sqlite3.Connection, dest: Path) -> None:
    """Write a message a row, all at once."""
    import pyarrow
    import pyarrow.parquet

    told = [_flat(thread, message) for thread in threads(db) for message in thread["messages"]]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(told), dest, compression="zstd")


def _letters(db: sqlite3.Connection) -> Iterator[tuple[int, EmailMessage]]:
    for thread in threads(db):
        earlier = None
        for message in thread["messages"]:
            letter = EmailMessage()
            letter["Message-ID"] = f"<{message['id']}@canvas.example.edu>"
            letter["Date"] = format_datetime(
                datetime.fromisoformat(message["created_at"].replace("Z", "+00:00"))
            )
            letter["From"] = f"{message['author']} <{message['author_id']}@canvas.example.edu>"
            letter["To"] = ", ".join(
                f"{person['name']} <{person['id']}@canvas.example.edu>" for person in message["recipients"]
            )
            letter["Subject"] = thread["subject"] or ""
            if earlier:
                letter["In-Reply-To"] = earlier
            earlier = letter["Message-ID"]
            letter.set_content(message["body"])
            yield message["id"], letter


def write_mbox(db: sqlite3.Connection, dest: Path) -> None:
    """Write one mailbox file."""
    with closing(mailbox.mbox(dest)) as box:
        for _, letter in _letters(db):
            box.add(letter)
        box.flush()


def write_eml(db: sqlite3.Connection, dest: Path) -> None:
    """Write a file for each message."""
    dest.mkdir()
    for number, letter in _letters(db):
        (dest / f"{number}.eml").write_bytes(letter.as_bytes())


def check(db: sqlite3.Connection, dest: Path) -> None:
    """Let SQLite check its file."""
    (answer,) = db.execute("PRAGMA integrity_check").fetchone()
    if answer != "ok":
        raise SystemExit(answer)


def copy(db: sqlite3.Connection, dest: Path) -> None:
    """Let SQLite copy its file."""
    with closing(sqlite3.connect(dest)) as other:
        db.backup(other)


LOOPS: dict[str, tuple[str, Callable[[sqlite3.Connection, Path], None]]] = {
    # what ours does: (what the peer is called, the peer)
    "jsonl": ("a loop with json", write_jsonl),
    "csv": ("a loop with csv", write_csv),
    "parquet": ("a loop with pyarrow", write_parquet),
    "mbox": ("a loop with mailbox", write_mbox),
    "eml": ("a loop with email", write_eml),
    "verify": ("SQLite's integrity check alone", check),
    "backup": ("SQLite's copy alone", copy),
}


def main() -> None:
    """Run one of them."""
    name, archive, dest = sys.argv[1:]
    with closing(sqlite3.connect(f"file:{Path(archive) / 'archive.db'}?mode=ro", uri=True)) as db:
        LOOPS[name][1](db, Path(dest))


if __name__ == "__main__":
    main()
