"""Reading an exported database back, to verify it. It may be anybody's: it is read, never trusted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from canvas_archive.export.checks import Check, check_foreign_keys, check_integrity, findings, recorded_state
from canvas_archive.export.statements import (
    Forwarded,
    Statement,
    body_text,
    files_text,
    forwarded_text,
    name_text,
    recipients_text,
    time_text,
)
from canvas_archive.store.private import require_regular

_KEYS = {
    "export": ["name"],
    "users": ["id"],
    "conversations": ["id"],
    "messages": ["id"],
    "message_recipients": ["message_id", "user_id"],
    "forwarded_messages": ["message_id", "forwarded_message_id"],
    "attachments": ["id"],
    "message_attachments": ["message_id", "attachment_id"],
    "media_comments": ["message_id", "media_id"],
}
"""The primary keys by which rows are found, so that reading takes time in proportion to the rows."""

_MESSAGES = """
SELECT m.id, m.conversation_id, c.subject, m.author_id, u.full_name, m.created_at, m.body, m.generated,
  (SELECT json_group_array(user_id) FROM message_recipients WHERE message_id = m.id),
  (SELECT json_group_array(sha256) FROM (
     SELECT a.sha256 FROM message_attachments f JOIN attachments a ON a.id = f.attachment_id
     WHERE f.message_id = m.id AND a.path IS NOT NULL
     UNION ALL SELECT sha256 FROM media_comments WHERE message_id = m.id AND path IS NOT NULL)),
  EXISTS (SELECT 1 FROM forwarded_messages WHERE message_id = m.id)
FROM messages m LEFT JOIN conversations c ON c.id = m.conversation_id LEFT JOIN users u ON u.id = m.author_id
WHERE m.conversation_id IS NOT NULL ORDER BY m.id
"""
_FORWARDED = """
SELECT m.id, m.body FROM forwarded_messages f JOIN messages m ON m.id = f.forwarded_message_id
WHERE f.message_id = ? ORDER BY f.position
"""
_COUNTED = """
SELECT (SELECT count(*) FROM conversations), (SELECT count(*) FROM messages WHERE conversation_id IS NOT NULL)
"""
_MOST_FORWARDED = 100_000
"""Of one message. More would be a tree whose branches are shared, which grows without bound."""


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an exported database. Raises ValueError for one that this program does not write."""
    require_regular(path)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA query_only = ON")
        for table, key in _KEYS.items():
            made = db.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
            sql = made.fetchone()
            columns = db.execute(
                "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,)
            ).fetchall()
            if sql is None or not sql[0].startswith("CREATE TABLE") or [name for (name,) in columns] != key:
                raise ValueError(f"it has no table {table} as an export has one")
        yield db


def check_database(path: Path) -> Iterator[Check]:
    """Yield the checks of an exported database that stands alone: its pages, its keys, its counts."""
    said: dict[str, str] = {}
    try:
        with opened(path) as db:
            yield from (check_integrity(db), check_foreign_keys(db))
            said = dict(db.execute("SELECT name, value FROM export"))
            counted = db.execute(_COUNTED).fetchone()
            recorded = (int(said["conversations"]), int(said["messages"]))
        items = [] if counted == recorded else [f"{path.name}: not as many as it says of itself"]
    except (OSError, ValueError, KeyError, TypeError, sqlite3.Error) as error:
        counted, items = (0, 0), [f"{path.name}: it cannot be read ({type(error).__name__}: {error})"]
    yield findings(
        "sqlite",
        items,
        f"{counted[1]:,} messages in {counted[0]:,} conversations",
        "the file is not as written",
    )
    if not items:
        yield recorded_state({"collection": json.loads(said["collection"])})


def read_sqlite(path: Path) -> Iterator[Statement]:
    """Read the table of messages."""
    with opened(path) as db:
        for row in db.execute(_MESSAGES):
            number, thread, subject, author_id, author, at, body, generated, people, hashes, forwards = row
            yield Statement(
                message=number,
                conversation=str(thread),
                subject=name_text(subject or ""),
                author_id=str(author_id),
                author=name_text(author or ""),
                time=time_text(at),
                recipients=recipients_text(json.loads(people), author_id),
                body=body_text(body),
                generated=str(bool(generated)),
                files=files_text(json.loads(hashes)),
                forwarded=forwarded_text(_forwarded(db, number) if forwards else ()),
            )


def _forwarded(db: sqlite3.Connection, number: int) -> list[Forwarded]:
    found = 0

    def below(number: int, above: frozenset[int]) -> list[Forwarded]:
        nonlocal found
        inside = above | {number}
        made = []
        for inner, body in db.execute(_FORWARDED, (number,)).fetchall():
            found += 1
            if found > _MOST_FORWARDED:
                raise ValueError("a message has too many forwarded with it")
            if inner not in inside:
                made.append(Forwarded(inner, body, below(inner, inside)))
        return made

    return below(number, frozenset())
