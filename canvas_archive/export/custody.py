"""What a bag says about how its content was collected: ``custody.json``.

It comes from the archive alone, so the same archive gives the same bytes.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_archive.errors import ArchiveError
from canvas_archive.export.manifest import hash_file
from canvas_archive.model import Json, JsonObject
from canvas_archive.store.chain import chain_head

if TYPE_CHECKING:
    from canvas_archive.export.redact import Redactor

CUSTODY = "custody.json"

_RUNS = """
SELECT id, mode, started_at, finished_at, status, complete, requests, bytes, counts, error
FROM sync_runs ORDER BY id
"""
_EDITS = """
SELECT e.id, e.conversation_id, e.field, e.base_value, e.value, e.made_at, e.origin, e.state,
  e.settled_at, e.detail
FROM edits e JOIN temp.chosen x ON x.conversation_id = e.conversation_id ORDER BY e.id
"""
# An act belongs to its conversation, or to those a new message began. One that belongs to none of the archive
# (marking everything as read, a message that was refused) is told in every export, but not its content.
_ACTS = """
WITH tied AS (
  SELECT a.id AS act, a.conversation_id AS conversation FROM acts a WHERE a.conversation_id IS NOT NULL
  UNION SELECT a.id, r.value FROM acts a, json_each(a.result_ids) r WHERE a.command = 'send'
)
SELECT a.id, a.command, a.conversation_id, a.message_ids, a.recipients, a.request,
  iif(a.id IN (SELECT act FROM tied), a.parameters, '{}') AS parameters, a.user_id, a.as_user_id, a.begun_at,
  a.state, a.ended_at, a.answer, a.result_ids
FROM acts a
WHERE a.id NOT IN (SELECT act FROM tied)
  OR a.id IN (SELECT t.act FROM tied t JOIN temp.chosen x ON x.conversation_id = t.conversation)
ORDER BY a.id
"""
# A new message answers with the conversations it began.
_RESULTS = {"send": "conversation", "upload": "file"}
_REVISIONS = """
SELECT r."table", count(*) FROM revisions r GROUP BY r."table" ORDER BY r."table"
"""


def custody(
    db: sqlite3.Connection, record: JsonObject, gaps: Mapping[str, int], redactor: Redactor | None, work: Path
) -> JsonObject:
    """Return the chain of custody of an export made from this snapshot.

    ``record`` is what the export says about itself; ``gaps`` counts what is missing, by kind; ``redactor``
    replaces people and ids in it, where there is one; ``work`` has room for a copy of the database.
    """
    head = chain_head(db)
    totals: JsonObject = {
        table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 (constants)
        for table in ("conversations", "messages", "users", "attachments", "edits", "acts", "revisions")
    }
    return {
        **record,
        "type": "canvas-archive custody",
        "database": {
            "sha256": database_hash(db, work),
            "how": "of the copy that `canvas-archive backup` makes of it",
            "rows": totals,
        },
        "chain": {"records": head.seq, "head": head.chain},
        "sync_runs": [
            {
                **run,
                "complete": bool(run["complete"]),
                "counts": json.loads(str(run["counts"])),
                "error": _text(run["error"], redactor),
            }
            for run in _rows(db, _RUNS)
        ],
        "edits_made_here": [
            edit if redactor is None else _redacted_edit(edit, redactor) for edit in _rows(db, _EDITS)
        ],
        "acts_on_canvas": [_told_act(act, redactor) for act in _rows(db, _ACTS)],
        "revisions": dict(db.execute(_REVISIONS).fetchall()),
        "gaps": dict(gaps),
    }


def _redacted_edit(edit: JsonObject, redactor: Redactor) -> JsonObject:
    """Return an edit that names nobody. Its values are states and marks of a conversation."""
    texts = {name: _text(edit[name], redactor) for name in ("base_value", "value", "detail")}
    return {
        **edit,
        **texts,
        "conversation_id": redactor.number("conversation", edit["conversation_id"]),
    }


def _told_act(act: JsonObject, redactor: Redactor | None) -> JsonObject:
    """Return an act with its lists read; in a redacted export it names nobody."""
    lists = {name: json.loads(str(act[name])) for name in ("message_ids", "result_ids")}
    parameters: dict[str, Json] = json.loads(str(act["parameters"]))
    told: JsonObject = {**act, **lists, "parameters": parameters}
    if redactor is None:
        return told
    # A new message answers with the conversations it began.
    kinds = {
        "message_ids": "message",
        "result_ids": "conversation" if act["command"] == "send" else "message",
    }
    numbers: dict[str, Json] = {
        name: [redactor.number(kind, ident) for ident in lists[name]] for name, kind in kinds.items()
    }
    conversation = act["conversation_id"]
    users: dict[str, Json] = {
        name: None if act[name] is None else redactor.id(int(str(act[name])))
        for name in ("user_id", "as_user_id")
    }
    return {
        **told,
        **numbers,
        **users,
        "conversation_id": None if conversation is None else redactor.number("conversation", conversation),
        "request": _text(act["request"], redactor),
        "parameters": {
            name: _text(value, redactor) if isinstance(value, str) else value
            for name, value in parameters.items()
            if not name.endswith(("id", "[]")) and not isinstance(value, (list, dict))
        },
        "answer": _text(act["answer"], redactor),
    }


def _rows(db: sqlite3.Connection, statement: str) -> Iterator[JsonObject]:
    found = db.execute(statement)
    names = [column[0] for column in found.description]
    for row in found:
        values: list[Json] = [value if isinstance(value, (int, str)) else None for value in row]
        yield dict(zip(names, values, strict=True))


def _text(text: Json, redactor: Redactor | None) -> str | None:
    known = None if text is None else str(text)
    return known if redactor is None else redactor.text(known)


def database_hash(db: sqlite3.Connection, work: Path) -> str:
    """Return the SHA-256 of a copy of the database, made in ``work`` the way a backup makes it.

    Raises ArchiveError when there is no room for it.
    """
    with tempfile.TemporaryDirectory(dir=work) as folder:
        copy = Path(folder) / "archive.db"
        try:
            copy_database(db, copy)
        except sqlite3.OperationalError as error:
            raise ArchiveError(
                f"There is no room for a copy of the database in {work.parent} ({error}), which the chain of "
                "custody needs for a moment. Make room there; nothing was left behind."
            ) from error
        return hash_file(copy)[0]


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Copy a database, also while others write to it, into one file with nothing beside it."""
    # Whole paths only: SQLite takes a name that begins with "file:" for an address.
    with closing(sqlite3.connect(target.absolute())) as copy:
        source.backup(copy, pages=4096, sleep=0.05)
        copy.execute("PRAGMA journal_mode = DELETE")
