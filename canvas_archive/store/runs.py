"""The history of sync runs, and the ledger of items that failed and are tried first the next time."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from canvas_archive.clock import SYSTEM, Clock, iso, parse_iso
from canvas_archive.store.rows import clean, to_json


@dataclass(frozen=True, slots=True)
class Problem:
    """An item that could not be fetched or stored; times in ISO text."""

    kind: str
    item_id: str
    error: str
    attempts: int
    first_at: str
    last_at: str


def start_run(db: sqlite3.Connection, mode: str, clock: Clock) -> int:
    """Begin a run (``full`` or ``quick``) and return its id.

    A run still marked as running belongs to a process that died: there is only one writer, and that is
    the caller. It is marked interrupted.
    """
    now = iso(clock.now())
    db.execute(
        "UPDATE sync_runs SET status = 'interrupted', finished_at = ?, "
        "error = 'the process ended without a word' WHERE status = 'running'",
        (now,),
    )
    cursor = db.execute("INSERT INTO sync_runs (mode, started_at) VALUES (?, ?)", (mode, now))
    return int(cursor.lastrowid or 0)


def finish_run(
    db: sqlite3.Connection,
    run_id: int,
    status: str,
    complete: bool,
    requests: int,
    bytes_: int,
    counts: Mapping[str, object],
    error: str | None,
    *,
    clock: Clock = SYSTEM,
) -> None:
    """End a run; ``complete``: every list was read to its end; ``bytes_``: the size of the answers."""
    db.execute(
        "UPDATE sync_runs SET status = ?, complete = ?, requests = ?, bytes = ?, counts = ?, error = ?, "
        "finished_at = ? WHERE id = ?",
        (
            status,
            int(complete),
            requests,
            bytes_,
            to_json(dict(counts)),
            clean(error),
            iso(clock.now()),
            run_id,
        ),
    )


def last_complete_full(db: sqlite3.Connection) -> datetime | None:
    """Return when the last complete full sweep began; what happened after that it may not have seen.

    The last is the newest by its id: a clock that was wrong once would make another one look newest.
    """
    row = db.execute(
        "SELECT started_at FROM sync_runs WHERE mode = 'full' AND complete = 1 ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return parse_iso(row[0]) if row else None


def record_problem(db: sqlite3.Connection, kind: str, item_id: int | str, error: str, clock: Clock) -> None:
    """Enter a failure in the ledger, or count another attempt of a known one."""
    now = iso(clock.now())
    db.execute(
        "INSERT INTO problems (kind, item_id, error, first_at, last_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE "
        "SET error = excluded.error, last_at = excluded.last_at, attempts = attempts + 1",
        (kind, str(item_id), clean(error), now, now),
    )


def clear_problem(db: sqlite3.Connection, kind: str, item_id: int | str) -> bool:
    """Strike an item off the ledger; tell whether it was there."""
    cursor = db.execute("DELETE FROM problems WHERE kind = ? AND item_id = ?", (kind, str(item_id)))
    return cursor.rowcount > 0


def clear_problems(db: sqlite3.Connection, kinds: Sequence[str], item_ids: Sequence[str]) -> None:
    """Strike items off the ledger, whichever of the kinds they were entered as."""
    db.execute(
        "DELETE FROM problems WHERE kind IN (SELECT value FROM json_each(?)) "
        "AND item_id IN (SELECT value FROM json_each(?))",
        (to_json(list(kinds)), to_json(list(item_ids))),
    )


def open_problems(db: sqlite3.Connection, kind: str | None = None) -> list[Problem]:
    """Return the ledger, oldest failure first; of one kind when that is given."""
    rows = db.execute(
        "SELECT kind, item_id, error, attempts, first_at, last_at FROM problems "
        "WHERE ?1 IS NULL OR kind = ?1 ORDER BY first_at, kind, item_id",
        (kind,),
    )
    return [Problem(*row) for row in rows]
