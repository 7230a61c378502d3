"""What a bag says about how its content was collected: ``custody.json`` and ``gaps.csv``.

Both come from the archive alone, so the same archive gives the same bytes.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from canvas_archive.export.manifest import hash_file
from canvas_archive.export.spreadsheet import cell
from canvas_archive.model import Json, JsonObject
from canvas_archive.store.chain import chain_head

CUSTODY = "custody.json"
GAPS = "gaps.csv"

Words = Callable[["str | None"], "str | None"]

_RUNS = """
SELECT id, mode, started_at, finished_at, status, complete, requests, bytes, counts, error
FROM sync_runs ORDER BY id
"""
_EDITS = """
SELECT e.id, e.conversation_id, e.field, e.base_value, e.value, e.made_at, e.origin, e.state,
  e.settled_at, e.detail
FROM edits e JOIN temp.chosen x ON x.conversation_id = e.conversation_id ORDER BY e.id
"""
_REVISIONS = """
SELECT r."table", count(*) FROM revisions r GROUP BY r."table" ORDER BY r."table"
"""

# Each yields: kind, item, conversation id, message id, state, reason, since.
_GAP_QUERIES = (
    """
SELECT 'attachment', a.id, m.conversation_id, m.id, a.state,
  coalesce(a.display_name, a.filename, '') || coalesce(': ' || a.error, ''), a.created_at
FROM temp.chosen x JOIN messages m ON m.conversation_id = x.conversation_id
JOIN message_attachments l ON l.message_id = m.id JOIN attachments a ON a.id = l.attachment_id
WHERE a.state <> 'stored' ORDER BY m.conversation_id, m.id, a.id
""",
    """
SELECT 'recording', r.media_id, m.conversation_id, m.id, r.state,
  coalesce(r.display_name, '') || coalesce(': ' || r.error, ''), m.created_at
FROM temp.chosen x JOIN messages m ON m.conversation_id = x.conversation_id
JOIN media_comments r ON r.message_id = m.id
WHERE r.state <> 'stored' ORDER BY m.conversation_id, m.id, r.media_id
""",
    """
SELECT 'conversation', c.id, c.id, NULL, 'removed', 'removed on Canvas, kept here', c.removed_at
FROM temp.chosen x JOIN conversations c ON c.id = x.conversation_id
WHERE c.removed_at IS NOT NULL ORDER BY c.id
""",
    """
SELECT 'conversation', c.id, c.id, NULL, 'not fetched', 'listed by Canvas, never fetched', c.first_seen_at
FROM temp.chosen x JOIN conversations c ON c.id = x.conversation_id
WHERE c.fetched_at IS NULL AND c.removed_at IS NULL ORDER BY c.id
""",
    """
SELECT 'messages', c.id, c.id, NULL, 'incomplete',
  (SELECT count(*) FROM messages m
   WHERE m.conversation_id = c.id AND m.generated = 0 AND m.removed_at IS NULL)
  || ' of ' || c.message_count || ' messages stored', c.fetched_at
FROM temp.chosen x JOIN conversations c ON c.id = x.conversation_id
WHERE c.removed_at IS NULL AND c.fetched_at IS NOT NULL AND c.message_count >
  (SELECT count(*) FROM messages m
   WHERE m.conversation_id = c.id AND m.generated = 0 AND m.removed_at IS NULL) ORDER BY c.id
""",
    """
SELECT 'message', m.id, m.conversation_id, m.id, 'removed', 'removed on Canvas, kept here', m.removed_at
FROM temp.chosen x JOIN messages m ON m.conversation_id = x.conversation_id
WHERE m.removed_at IS NOT NULL ORDER BY m.conversation_id, m.id
""",
    """
SELECT 'problem', kind || ' ' || item_id, NULL, NULL, 'open after ' || attempts || ' attempts', error,
  first_at
FROM problems ORDER BY kind, item_id
""",
    """
SELECT 'sync run', id, NULL, NULL, status, coalesce(error, 'not every list was read to its end'), started_at
FROM sync_runs WHERE status <> 'ok' ORDER BY id
""",
)


def custody(db: sqlite3.Connection, record: JsonObject, words: Words) -> JsonObject:
    """Return the chain of custody of an export made from this snapshot.

    ``record`` is what the export says about itself; ``words`` takes names out of free text.
    """
    head = chain_head(db)
    totals: JsonObject = {
        table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 (constants)
        for table in ("conversations", "messages", "users", "attachments", "edits", "revisions")
    }
    return {
        **record,
        "type": "canvas-archive custody",
        "database": {
            "sha256": database_hash(db),
            "how": "of the copy that `canvas-archive backup` makes of it",
            "rows": totals,
        },
        "chain": {"records": head.seq, "head": head.chain},
        "sync_runs": [_run(row, words) for row in db.execute(_RUNS)],
        "edits_made_here": [_edit(row, words) for row in db.execute(_EDITS)],
        "revisions": dict(db.execute(_REVISIONS).fetchall()),
        "gaps": dict(_gap_counts(db)),
    }


def _run(row: tuple[object, ...], words: Words) -> JsonObject:
    names = (
        "id",
        "mode",
        "started_at",
        "finished_at",
        "status",
        "complete",
        "requests",
        "bytes",
        "counts",
        "error",
    )
    run = _object(names, row)
    run["complete"] = bool(run["complete"])
    run["counts"] = json.loads(str(run["counts"]))
    run["error"] = words(str(run["error"]) if run["error"] is not None else None)
    return run


def _edit(row: tuple[object, ...], words: Words) -> JsonObject:
    names = ("id", "conversation_id", "field", "base_value", "value", "made_at", "origin", "state")
    edit = _object((*names, "settled_at", "detail"), row)
    edit["detail"] = words(str(edit["detail"]) if edit["detail"] is not None else None)
    return edit


def _object(names: tuple[str, ...], row: tuple[object, ...]) -> JsonObject:
    values: list[Json] = [value if isinstance(value, (int, str)) else None for value in row]
    return dict(zip(names, values, strict=True))


def _gap_counts(db: sqlite3.Connection) -> Iterator[tuple[str, Json]]:
    counts: dict[str, int] = {}
    for row in gaps(db):
        name = (
            f"{row[0]} {row[4]}"
            if row[0] in ("attachment", "recording", "conversation", "message")
            else row[0]
        )
        counts[str(name)] = counts.get(str(name), 0) + 1
    yield from sorted(counts.items())


def gaps(db: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    """Yield everything that is not as complete as one could wish, within what was chosen."""
    for query in _GAP_QUERIES:
        yield from db.execute(query)


def write_gaps(path: Path, db: sqlite3.Connection, words: Words) -> int:
    """Write ``gaps.csv`` and return how many rows it has."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\r\n")
        rows.writerow(("kind", "item", "conversation_id", "message_id", "state", "reason", "since"))
        for kind, item, conversation, message, state, reason, since in gaps(db):
            told = cell(words(str(reason)) if reason is not None else None)
            # What an item is called (a recording, a problem) comes from Canvas, too.
            rows.writerow((kind, cell(str(item)), conversation, message, cell(str(state)), told, since))
            count += 1
    return count


def database_hash(db: sqlite3.Connection) -> str:
    """Return the SHA-256 of a copy of the database, made the way a backup makes it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "archive.db"
        copy_database(db, copy)
        return hash_file(copy)[0]


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Copy a database, also while others write to it, into one file with nothing beside it."""
    with closing(sqlite3.connect(target)) as copy:
        source.backup(copy, pages=4096, sleep=0.05)
        copy.execute("PRAGMA journal_mode = DELETE")
