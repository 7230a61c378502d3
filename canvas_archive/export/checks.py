"""The checks of what an archive's database says, one by one. None of them changes anything."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from canvas_archive.derive.again import is_derived
from canvas_archive.derive.compare import check_derived
from canvas_archive.errors import ArchiveError
from canvas_archive.export.completeness import completeness, counted_differently, from_json, left_out
from canvas_archive.export.totals import totals
from canvas_archive.model import JsonObject
from canvas_archive.store.adoption import is_adopted
from canvas_archive.store.chain import FIRST_WITH_RECEIPTS, chain_head, check_chain, has_head
from canvas_archive.store.config import CONFIG_NAME, read_config
from canvas_archive.store.connection import schema_version
from canvas_archive.store.journal import check_journal_entries
from canvas_archive.store.migrations import known_version
from canvas_archive.store.own_parts import is_harmless
from canvas_archive.store.receipt_reading import tombstone_of
from canvas_archive.store.schema_check import schema_differences
from canvas_archive.store.seals import check_seals

ProgressCallback: TypeAlias = "Callable[[str, int, int], None]"
"""Called with what is done now, how far it is, and how much there is (0: unknown)."""

MOST_ITEMS = 1000
"""How many findings of one check are listed; the rest is counted."""

_WITHOUT_ANSWER = """
SELECT count(*) FROM conversations c WHERE NOT EXISTS
  (SELECT 1 FROM receipts WHERE key = c.id AND kind = 'thread')
"""
_SOURCES = "SELECT source FROM receipts"
_ABSENT = (
    "this head is not in the chain of this archive: either it was noted for another archive or copied "
    "wrongly, or the history was rewritten since. The chain that is here is whole ({records} records, "
    "head {head})"
)
_FULL = "Run 'canvas-archive sync --full'."
_FIELDS = ("starred", "workflow_state", "subscribed")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it holds, in words, and what does not.

    ``unfinished``: it holds, but the collection lacks messages that a sync has yet to fetch.
    """

    name: str
    ok: bool
    detail: str
    items: tuple[str, ...] = ()
    unfinished: bool = False

    def to_json(self) -> JsonObject:
        """Return the check as a JSON object."""
        return {
            "name": self.name,
            "ok": self.ok,
            "unfinished": self.unfinished,
            "detail": self.detail,
            "items": list(self.items),
        }


def findings(name: str, items: list[str], good: str, bad: str) -> Check:
    """Return a check that holds when nothing was found; ``bad`` may use ``{count}``."""
    if not items:
        return Check(name, True, good)
    return Check(name, False, bad.format(count=f"{len(items):,}"), capped(items))


def capped(items: list[str]) -> tuple[str, ...]:
    """Return the first thousand, and how many more there are."""
    more = [f"and {len(items) - MOST_ITEMS:,} more"] if len(items) > MOST_ITEMS else []
    return (*items[:MOST_ITEMS], *more)


def check_foreign(paths: list[str], *, bag: bool = False) -> Check:
    """Name the files that systems leave in every folder: no part of what is checked, and harmless."""
    more = " Other programs reject a bag that has them in its payload." if bag else ""
    detail = f"{len(paths):,} files that the system left are no part of it, and harmless.{more}"
    return Check("foreign files", True, detail, capped(paths))


def check_integrity(db: sqlite3.Connection) -> Check:
    """Let SQLite read every page."""
    try:
        found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(100)") if row[0] != "ok"]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    return findings("database", found, "SQLite finds no damage", "the database is damaged: restore a backup")


def check_foreign_keys(db: sqlite3.Connection) -> Check:
    """Look for rows that point to rows which do not exist."""
    found = [f"{row[0]} row {row[1]} -> {row[2]}" for row in db.execute("PRAGMA foreign_key_check")]
    return findings(
        "foreign keys", found, "every reference leads somewhere", "{count} references lead nowhere"
    )


def check_schema(db: sqlite3.Connection) -> Check:
    """Compare tables, indexes, views and triggers with those of a newly made archive."""
    if schema_version(db) != known_version():
        return Check("schema", False, f"schema {schema_version(db)}; this program writes {known_version()}")
    differences = schema_differences(db)
    adopted = is_adopted(db)
    besides = [one for one in differences if is_harmless(db, one) and (adopted or one.kind != "trigger")]
    note = (
        f" ({'yours' if adopted else 'besides'}: {', '.join(f'{one.kind} {one.name}' for one in besides)})"
        if besides
        else ""
    )
    return findings(
        "schema",
        [str(one) for one in differences if one not in besides],
        f"tables, views and triggers are untouched{note}",
        "{count} parts were changed",
    )


def check_account(folder: Path, db: sqlite3.Connection) -> Check:
    """Compare the configuration with the account the database belongs to."""
    rows = db.execute("SELECT base_url, as_user_id FROM account").fetchall()
    if len(rows) != 1:
        return Check("account", False, f"the database belongs to {len(rows)} accounts instead of one")
    try:
        config = read_config(folder / CONFIG_NAME)
    except ArchiveError as error:
        return Check("account", False, str(error))
    if (config.base_url, config.as_user_id) != tuple(rows[0]):
        return Check("account", False, f"{CONFIG_NAME} names another mailbox than the database")
    return Check("account", True, f"one mailbox at {config.base_url}")


def check_completeness(db: sqlite3.Connection) -> Check:
    """Say how complete the collection is. A conversation that was passed over in silence is a failure.

    Where Canvas's own count of messages differs from what it gave, both numbers are noted.
    """
    known = completeness(db)
    missing = left_out(db) if known.swept_at and not known.interrupted else []
    if missing:
        return findings("completeness", missing, "", f"{{count}} conversations were never fetched. {_FULL}")
    notes = counted_differently(db)
    detail = f"{known.sentence} {known.advice}".strip()
    if notes:
        detail += f" Canvas's own count differs for {len(notes):,} of the conversations."
    return Check("completeness", True, detail, capped(notes), unfinished=known.lacks_messages)


def check_totals(db: sqlite3.Connection) -> Check:
    """Say how much there is, and what each number counts."""
    return Check("counts", True, totals(db).sentence)


def check_journal(db: sqlite3.Connection) -> Check:
    """Compare the pending edits with the columns they are about: neither may be without the other."""
    items = []
    for field in _FIELDS:
        for row in db.execute(
            f"SELECT e.id, e.conversation_id FROM edits e JOIN conversations c ON c.id = e.conversation_id "  # noqa: S608 (constants)
            f"WHERE e.field = '{field}' AND e.state = 'pending' AND CAST(c.{field} AS TEXT) IS NOT e.value"
        ):
            items.append(f"edit {row[0]} of conversation {row[1]}: {field} is not what the edit says")
        for row in db.execute(
            f"SELECT c.id FROM conversations c WHERE c.{field} IS NOT c.remote_{field} AND NOT EXISTS "  # noqa: S608 (constants)
            f"(SELECT 1 FROM edits e WHERE e.conversation_id = c.id AND e.field = '{field}' "
            "AND e.state NOT IN ('pushed', 'discarded'))"
        ):
            items.append(f"conversation {row[0]}: {field} differs from Canvas without an edit")
    return findings("edits", items, "the journal matches the conversations", "{count} edits do not match")


def check_states(db: sqlite3.Connection) -> Check:
    """Look for states that nothing will ever lead out of."""
    items = [
        f"sync run {row[0]} is marked as running, but a later one was started"
        for row in db.execute(
            "SELECT id FROM sync_runs WHERE status = 'running' AND id < (SELECT max(id) FROM sync_runs)"
        )
    ]
    items += [
        f"sync run {row[0]} is finished, but not dated"
        for row in db.execute("SELECT id FROM sync_runs WHERE status <> 'running' AND finished_at IS NULL")
    ]
    items += [
        f"edit {row[0]} is {row[1]}, but not dated"
        for row in db.execute(
            "SELECT id, state FROM edits WHERE state NOT IN ('pending', 'conflict') AND settled_at IS NULL"
        )
    ]
    return findings("states", items, "no run or edit is stuck", "{count} runs or edits are stuck")


def check_evidence(db: sqlite3.Connection, expected_head: str | None) -> Check:
    """Recompute the hash chain of runs, journal and receipts; look for a noted head."""
    items = [f"{fault.source} {fault.row_key}: {fault.sentence}" for fault in check_chain(db)]
    head = chain_head(db)
    if expected_head is not None and not has_head(db, expected_head):
        if not items:
            return Check(
                "chain", False, _ABSENT.format(records=f"{head.seq:,}", head=head.chain), (expected_head,)
            )
        items.append(f"{expected_head} is not in the chain either")
    return findings(
        "chain",
        items,
        f"{head.seq:,} records, head {head.chain}",
        "the history was tampered with ({count} findings; the first is the first bad row)",
    )


def check_local_rows(db: sqlite3.Connection) -> Check:
    """Compare every local row (edits, outbox, acts, problems, saved searches) with its journal."""
    if schema_version(db) < FIRST_WITH_RECEIPTS:
        return Check("journal", True, "archives of this version have no journal")
    report = check_journal_entries(db)
    erased = f"; erased entries: {', '.join(map(str, report.erased))}" if report.erased else ""
    return findings(
        "journal",
        [f"{fault.table} {fault.key}: {fault.sentence}" for fault in report.faults],
        f"{report.rows:,} local rows match their journal{erased}",
        "{count} local rows were changed, and not by this program",
    )


def _check_seals(db: sqlite3.Connection, progress: ProgressCallback) -> Check:
    report = check_seals(
        db, most_faults=MOST_ITEMS, progress=lambda done, total: progress("contents", done, total)
    )
    items = [f"{fault.kind} {fault.key}: {fault.sentence}" for fault in report.faults]
    waiting = f"; {report.waiting:,} wait for the end of the first sync" if report.waiting else ""
    return findings(
        "contents",
        items,
        f"{report.matching:,} rows match their seals{waiting} (made by an older version, without receipts)",
        "{count} rows were altered",
    )


def check_contents(db: sqlite3.Connection, progress: ProgressCallback) -> Check:
    """Derive every row from the receipts once more, and compare. Copies of older versions have seals."""
    if schema_version(db) < FIRST_WITH_RECEIPTS:
        return _check_seals(db, progress)
    found = check_derived(
        db, most_faults=MOST_ITEMS + 1, progress=lambda done, total: progress("contents", done, total)
    )
    items = [f"{fault.table} {fault.row}: {fault.sentence}" for fault in found.faults]
    again = "" if is_derived(db) else ". An older version of this program made them: sync, and verify again"
    counts = Counter(row[0] for row in db.execute(_SOURCES))
    sources = ", ".join(f"{count:,} {source}" for source, count in sorted(counts.items()))
    older = ""
    if counts["migration"] and (alone := db.execute(_WITHOUT_ANSWER).fetchone()[0]):
        older = f"; {alone:,} conversations as an older version left them: 'sync --refetch' reads them again"
    stones = _tombstones(db)
    erased = f"; {len(stones):,} of them were erased on purpose" if stones else ""
    check = findings(
        "contents",
        items,
        f"{found.rows:,} rows follow from {sum(counts.values()):,} receipts ({sources}){erased}{older}",
        f"{{count}} rows are not what the receipts say{again}",
    )
    return replace(check, items=(*check.items, *capped(stones)))


def _tombstones(db: sqlite3.Connection) -> list[str]:
    """Return a sentence for each receipt that was erased, with what else held its text."""
    stones = []
    for (number,) in map(tuple, db.execute("SELECT receipt_id FROM erased ORDER BY receipt_id").fetchall()):
        stone = tombstone_of(db, number)
        if stone is not None:
            held_in = ", ".join(stone.held_in) or "nothing that was recorded"
            stones.append(f"receipt {number}: erased {stone.at}; its text was also in: {held_in}")
    return stones


def recorded_state(record: object) -> Check:
    """Return what an export recorded of the collection that it was made of."""
    document = record.get("collection") if isinstance(record, dict) else None
    known = from_json(document)
    if known is None:
        return Check("collection", True, "how complete it was is not recorded: another version made this")
    return Check("collection", True, known.sentence, unfinished=known.lacks_messages)
