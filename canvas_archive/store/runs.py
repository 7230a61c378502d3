"""The history of sync runs, and the ledger of items that failed, with the time of the next try."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from canvas_archive.clock import SYSTEM, Clock, iso, parse_iso
from canvas_archive.store.journal import journaled
from canvas_archive.store.rows import clean, to_json

LONGEST_REST = timedelta(days=7)
"""A problem rests for this long at most before it is tried again."""

GHOST = "ghost"
"""Kind of the ids that a list names and Canvas does not find: no problems, and quick syncs pass over them."""

LAST_TEXTS = """(SELECT json_extract(counts, '$.texts.sent') FROM sync_runs
  WHERE json_extract(counts, '$.texts.sent') IS NOT NULL ORDER BY id DESC LIMIT 1)"""
"""SQL: how Canvas sends bodies, ``raw`` or ``entities``, as far as syncs have found out (``texts.py``)."""

_LONGEST_LIST_REST = timedelta(days=1)

_SELECT = """
SELECT kind, item_id, error, attempts, first_at, last_at, next_at, accepted_at, fingerprint FROM problems
"""
_RECORD = """
INSERT INTO problems (kind, item_id, error, first_at, last_at, fingerprint)
VALUES (:kind, :item, :error, :now, :now, :fingerprint)
ON CONFLICT DO UPDATE SET error = excluded.error, last_at = excluded.last_at, attempts = attempts + 1,
  accepted_at = NULL, fingerprint = coalesce(excluded.fingerprint, fingerprint),
  next_at = CASE attempts WHEN 0 THEN NULL WHEN 1 THEN :hour WHEN 2 THEN :day ELSE :longest END
"""
_UNTRIED = """
INSERT INTO problems (error, attempts, first_at, last_at, kind, item_id) VALUES (?, 0, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
_ACCEPT = "UPDATE problems SET accepted_at = ?, next_at = NULL WHERE kind = ? AND item_id = ?"
_RETRY = "UPDATE problems SET accepted_at = NULL, next_at = NULL WHERE kind = ? AND item_id = ?"
_CLEAR = "DELETE FROM problems WHERE kind = ? AND item_id = ?"
_CHOSEN = "WHERE kind IN (SELECT value FROM json_each(?)) AND item_id IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Problem:
    """An item that could not be fetched or stored; times in ISO text.

    ``next_at`` is ``None`` when the next sync tries it.
    """

    kind: str
    item_id: str
    error: str
    attempts: int
    first_at: str
    last_at: str
    next_at: str | None = None
    accepted_at: str | None = None
    fingerprint: int | None = None

    @property
    def name(self) -> str:
        """What commands call the item, such as ``attachment 512``."""
        return item_name(self.kind, self.item_id)

    @property
    def is_list(self) -> bool:
        """Whether it is a whole list of conversations, which every sync has to try."""
        return self.kind == "list" and "/" not in self.item_id and self.item_id != "courses"

    def rests_at(self, now: datetime) -> bool:
        """Return whether a sync at that time leaves the item alone until its next try."""
        if self.accepted_at is not None or self.next_at is None:
            return False
        # A next try further away than the longest rest comes from a clock that was wrong.
        return iso(now) < self.next_at <= iso(now + LONGEST_REST + timedelta(hours=1))


_NAMES = {"media": "recording", "file_host": "file host"}


def item_name(kind: str, item_id: str) -> str:
    """Return what commands call an item, such as ``attachment 512``."""
    return f"{_NAMES.get(kind, kind)} {item_id}"


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


def last_full(db: sqlite3.Connection) -> datetime | None:
    """Return when the last full sync began that came to its end, complete or not."""
    row = db.execute(
        "SELECT started_at FROM sync_runs WHERE mode = 'full' AND status IN ('ok', 'partial') "
        "ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return parse_iso(row[0]) if row else None


def record_problem(
    db: sqlite3.Connection,
    kind: str,
    item_id: int | str,
    error: str,
    clock: Clock,
    *,
    fingerprint: int | None = None,
) -> None:
    """Enter a failed try in the ledger, and set the time of the next one.

    After the first failure, the next sync tries the item again. After that it rests for an hour, a day, and
    then a week at a time. A failure ends an acceptance: the item was tried because something changed.
    ``fingerprint`` is that of a conversation's list row; ``None`` keeps the recorded one.
    """
    now = clock.now()
    longest = _LONGEST_LIST_REST if kind == "list" else LONGEST_REST
    values = {
        "kind": kind,
        "item": str(item_id),
        "error": clean(error),
        "now": iso(now),
        "hour": iso(now + timedelta(hours=1)),
        "day": iso(now + timedelta(days=1)),
        "longest": iso(now + longest),
        "fingerprint": fingerprint,
    }
    with journaled(db, "problems", [f"{kind} {item_id}"]):
        db.execute(_RECORD, values)


def record_untried(db: sqlite3.Connection, kind: str, item_id: int | str, reason: str, clock: Clock) -> None:
    """Enter an item that this run left out, due at the next sync; a known problem stays as it is."""
    now = iso(clock.now())
    _change(db, _UNTRIED, (clean(reason), now, now, kind, str(item_id)))


def accept_problem(db: sqlite3.Connection, kind: str, item_id: int | str, clock: Clock) -> bool:
    """Accept that an item is missing, so that no sync tries it again. Return whether it was in the ledger."""
    return _change(db, _ACCEPT, (iso(clock.now()), kind, str(item_id)))


def retry_problem(db: sqlite3.Connection, kind: str, item_id: int | str) -> bool:
    """Make an item due at the next sync, accepted or not. Return whether it was in the ledger."""
    return _change(db, _RETRY, (kind, str(item_id)))


def clear_problem(db: sqlite3.Connection, kind: str, item_id: int | str) -> bool:
    """Strike an item off the ledger; return whether it was there."""
    return _change(db, _CLEAR, (kind, str(item_id)))


def _change(db: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> bool:
    """Run a statement whose last two values are kind and id; return whether it changed the ledger."""
    with journaled(db, "problems", [f"{values[-2]} {values[-1]}"]):
        return db.execute(statement, values).rowcount > 0


def clear_problems(db: sqlite3.Connection, kinds: Sequence[str], item_ids: Sequence[str]) -> None:
    """Strike items off the ledger, whichever of the kinds they were entered as."""
    chosen = (to_json(list(kinds)), to_json(list(item_ids)))
    found = db.execute(f"SELECT kind || ' ' || item_id FROM problems {_CHOSEN}", chosen).fetchall()  # noqa: S608 (constants)
    if found:
        with journaled(db, "problems", [row[0] for row in found]):
            db.execute(f"DELETE FROM problems {_CHOSEN}", chosen)  # noqa: S608 (constants)


def open_problems(db: sqlite3.Connection, kind: str | None = None) -> list[Problem]:
    """Return the ledger by kind and id, accepted items included; of one kind when that is given.

    What fails in one sync fails in any order, so the order of the rows does not depend on the clock.
    """
    order = "ORDER BY kind, length(item_id), item_id"
    rows = db.execute(f"{_SELECT} WHERE ?1 IS NULL OR kind = ?1 {order}", (kind,))
    return [Problem(*row) for row in rows]


def known_problems(db: sqlite3.Connection) -> list[Problem]:
    """Return what somebody may want to know of: the ledger without ghosts, by kind and id."""
    return [problem for problem in open_problems(db) if problem.kind != GHOST]


def due_problems(
    db: sqlite3.Connection, kind: str, clock: Clock, *, everything: bool = False
) -> list[Problem]:
    """Return the items of a kind that a sync is to try now, longest untried first.

    ``everything`` includes those that rest. Accepted items are never due.
    """
    now = clock.now()
    waiting = (one for one in open_problems(db, kind) if one.accepted_at is None)
    due = [one for one in waiting if everything or not one.rests_at(now)]
    return sorted(due, key=lambda one: (one.last_at, one.item_id))


def count_untouched(
    db: sqlite3.Connection, tried: Collection[tuple[str, str]], clock: Clock
) -> tuple[int, int]:
    """Return how many items rest and how many are accepted, but for those ``tried`` (kind, id) now."""
    left = [one for one in known_problems(db) if (one.kind, one.item_id) not in tried]
    accepted = sum(1 for one in left if one.accepted_at is not None)
    resting = sum(1 for one in left if one.rests_at(clock.now()))
    return resting, accepted


def resting_ids(db: sqlite3.Connection, kind: str, clock: Clock) -> set[str]:
    """Return the ids of the items of a kind that no sync tries now: they are not due, or were accepted."""
    due = {problem.item_id for problem in due_problems(db, kind, clock)}
    return {problem.item_id for problem in open_problems(db, kind)} - due
