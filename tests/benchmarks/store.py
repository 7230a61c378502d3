"""Writing conversations that are already parsed into the archive, next to sqlite-utils with the same rows.

Ours also compares, keeps what changes and records who and when; the peer upserts plain tables with the same
columns. Both take a hundred conversations at a time; a sync, which waits for Canvas anyway, writes each in a
transaction of its own. All are told in processor time, for they wait for nothing but the disk.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.clock import SYSTEM
from canvas_archive.model import Conversation
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive, Ingest, runs, transaction
from tests.benchmarks.figures import Plan, Row, by_turns, median

LEAST_RATE = 20_000
PORTION = 100
_TABLES = {
    # table: (its key, its columns)
    "users": ("id",),
    "conversations": ("id",),
    "messages": ("id",),
    "attachments": ("id",),
    "conversation_participants": ("conversation_id", "user_id"),
    "conversation_contexts": ("conversation_id", "context_code"),
    "message_recipients": ("message_id", "user_id"),
    "message_attachments": ("message_id", "attachment_id"),
    "forwarded_messages": ("message_id", "forwarded_message_id"),
    "media_comments": ("message_id", "media_id"),
}


@dataclass(frozen=True, slots=True)
class Wrote:
    """Processor seconds of writing everything, and of writing it once more unchanged."""

    first: float
    again: float
    messages: int


def rows(plan: Plan) -> Iterator[Row]:
    """Yield how many messages a second both write: into an empty archive, and once more unchanged."""
    conversations = fetched(plan.size(3_000, 60))
    n = plan.size(5, 1)
    numbers = iter(range(1_000_000))

    def ours(portion: int = PORTION) -> Wrote:
        return write_ours(plan.work / f"ours-{next(numbers)}", conversations, portion)

    archive = plan.work / "rows"
    write_ours(archive, conversations, PORTION)
    source = rows_of(archive)

    def theirs() -> Wrote:
        return write_theirs(plan.work / f"theirs-{next(numbers)}.db", source)

    mine, single, peer = by_turns([ours, lambda: ours(1), theirs], n)
    new, again = (lambda wrote: wrote.first), (lambda wrote: wrote.again)
    yield _row("messages written to a new archive", mine, peer, new, LEAST_RATE)
    yield _row("the same, each conversation in its own transaction", single, peer, new)
    yield _row("messages compared with the archive, none changed", mine, peer, again)


def _row(
    name: str,
    ours: Sequence[Wrote],
    theirs: Sequence[Wrote],
    seconds: Callable[[Wrote], float],
    least: float | None = None,
) -> Row:
    rate, peer = (median(wrote.messages / seconds(wrote) for wrote in side) for side in (ours, theirs))
    return Row(
        f"{name}, each second of processor time (peer: sqlite-utils upsert of the same rows)",
        f"{rate:,.0f}",
        f"{peer:,.0f}",
        rate / peer,
        len(ours),
        "" if least is None else f"≥ {least:,.0f}",
        None if least is None else rate >= least,
        rate,
        peer,
        "1/s",
    )


def fetched(count: int) -> list[Conversation]:
    """Return the conversations of a sample mailbox as the client parses them."""
    with Sandbox(conversations=count) as sandbox:
        with CanvasClient(sandbox.url, Token(sandbox.token)) as client:
            return [client.conversation(id_) for id_ in sandbox.school.ids("inbox")]


def write_ours(folder: Path, conversations: Sequence[Conversation], portion: int) -> Wrote:
    """Write them twice, that many in a transaction."""
    Archive.create(folder, base_url="https://canvas.example.edu", user_id=1, name="Owner").close()
    with Archive.open(folder, write=True) as archive:
        run_id = runs.start_run(archive.db, "full", SYSTEM)
        took = []
        for _ in range(2):
            ingest = Ingest(archive.db, SYSTEM, run_id)
            began = time.process_time()
            for at in range(0, len(conversations), portion):
                with transaction(archive.db):
                    ingest.save_conversations(conversations[at : at + portion])
            took.append(time.process_time() - began)
        (messages,) = archive.db.execute("SELECT count(*) FROM messages").fetchone()
    return Wrote(took[0], took[1], messages)


def rows_of(folder: Path) -> list[list[tuple[str, list[dict[str, Any]]]]]:
    """Return what ours wrote, as portions of (table, rows): those of a hundred conversations each."""
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        db.row_factory = sqlite3.Row
        ids = [row[0] for row in db.execute("SELECT id FROM conversations ORDER BY id")]
        portions = []
        for at in range(0, len(ids), PORTION):
            bounds = {"low": ids[at], "high": ids[min(at + PORTION, len(ids)) - 1], "first": ids[0]}
            portions.append(
                [(table, [dict(row) for row in db.execute(_SOURCES[table], bounds)]) for table in _TABLES]
            )
    return portions


# Messages known only from being forwarded are in no conversation; they come with the first one, :first.
_IN_PORTION = "messages WHERE coalesce(conversation_id, :first) BETWEEN :low AND :high"
_MESSAGES = f"(SELECT id FROM {_IN_PORTION})"
_SOURCES = {
    "users": "SELECT * FROM users WHERE :low = :first",
    "conversations": "SELECT * FROM conversations WHERE id BETWEEN :low AND :high",
    "messages": f"SELECT * FROM {_IN_PORTION}",
    "attachments": (
        "SELECT * FROM attachments WHERE id IN (SELECT attachment_id FROM message_attachments"
        f" WHERE message_id IN {_MESSAGES})"
    ),
    "conversation_participants": (
        "SELECT * FROM conversation_participants WHERE conversation_id BETWEEN :low AND :high"
    ),
    "conversation_contexts": (
        "SELECT * FROM conversation_contexts WHERE conversation_id BETWEEN :low AND :high"
    ),
    "message_recipients": f"SELECT * FROM message_recipients WHERE message_id IN {_MESSAGES}",
    "message_attachments": f"SELECT * FROM message_attachments WHERE message_id IN {_MESSAGES}",
    "forwarded_messages": f"SELECT * FROM forwarded_messages WHERE message_id IN {_MESSAGES}",
    "media_comments": f"SELECT * FROM media_comments WHERE message_id IN {_MESSAGES}",
}


def write_theirs(path: Path, portions: Sequence[Sequence[tuple[str, list[dict[str, Any]]]]]) -> Wrote:
    """Upsert them twice."""
    import sqlite_utils

    db = sqlite_utils.Database(path)
    db.enable_wal()
    db.execute("PRAGMA synchronous = NORMAL")
    took = []
    for _ in range(2):
        began = time.process_time()
        for portion in portions:
            for table, told in portion:
                if told:
                    db[table].upsert_all(told, pk=_TABLES[table])
        took.append(time.process_time() - began)
    messages = db["messages"].count
    db.close()
    return Wrote(took[0], took[1], messages)


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    sys.exit(main(["--only", "store", *sys.argv[1:]]))
