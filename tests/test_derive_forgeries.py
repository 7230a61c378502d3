"""Every forged cell, row and missing row is named, by its table and its key."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from canvas_archive.derive.compare import check_derived, compare_table
from canvas_archive.derive.fold import Fault, derive
from canvas_archive.sandbox import Sandbox
from canvas_archive.store.flags import FIELDS
from canvas_archive.store.ingest import DERIVED_TABLES
from canvas_archive.store.receipts import read_receipts
from tests.sandbox_support import small_mailbox
from tests.sync_support import Pair, bind

_REVISED = 'SELECT "table" FROM revisions WHERE revision = ?'
FORGED = {
    "state": "'refused'",
    "workflow_state": "CASE workflow_state WHEN 'read' THEN 'unread' ELSE 'read' END",
    "remote_workflow_state": "CASE remote_workflow_state WHEN 'read' THEN 'unread' ELSE 'read' END",
    "sha256": "printf('%064d', 7)",
    "extra": """'{"forged":true}'""",
    "properties": """'["forged"]'""",
    "roles": """'["forged"]'""",
    "audience": "'[77]'",
    "before": """'{"forged":true}'""",
    "after": """'{"forged":true}'""",
}


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """An archive after two syncs, with a row in every table."""
    with pytest.MonkeyPatch.context() as monkeypatch, Sandbox(mailbox=small_mailbox()) as sandbox:
        pair = bind(sandbox, tmp_path_factory.mktemp("forged") / "archive", monkeypatch)
        pair.sync(mode="full")
        school = sandbox.school
        first = school.ids("inbox")[0]
        school.rename(pair.others(first)[0], "Somebody Else")
        school.receive(first, pair.others(first)[0], "Once more.")
        pair.sync(mode="full")
        yield pair


@contextmanager
def forging(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection on which nothing is guarded; nothing of what it does stays."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("foreign_keys = OFF", "ignore_check_constraints = ON"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN")
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        yield db
        db.execute("ROLLBACK")


def columns(db: sqlite3.Connection, table: str) -> list[tuple[str, str, bool]]:
    """Return name, type and whether it is a part of the key, of every column that is stored."""
    return [(row[1], row[2], bool(row[5])) for row in db.execute(f"PRAGMA table_info({table})")]


def forged(name: str, kind: str) -> str:
    """Return an expression for another value of a column."""
    if name in FORGED:
        return FORGED[name]
    if kind == "INTEGER":
        return f"CASE WHEN {name} IN (0, 1) THEN 1 - {name} ELSE coalesce({name}, 0) + 77 END"
    return f"""'forged' || coalesce("{name}", '')"""


def found(db: sqlite3.Connection, derived: sqlite3.Connection, table: str) -> list[Fault]:
    """Return the faults of one table."""
    return [fault for fault in compare_table(db, derived, table) if fault is not None]


def test_nothing_is_named_without_a_forgery(synced: Pair) -> None:
    with forging(synced.folder / "archive.db") as db:
        checked = check_derived(db)
        assert checked.faults == [] and checked.rows > 50


def test_every_cell_every_new_row_and_every_missing_row_is_named(synced: Pair) -> None:
    with forging(synced.folder / "archive.db") as db:
        derived, faults = derive(read_receipts(db))
        assert faults == []
        unnamed, tried = [], 0
        for table in DERIVED_TABLES:
            count = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            assert count, f"the history leaves {table} empty"
            described = columns(db, table)
            acts = [
                (name, f'UPDATE {table} SET "{name}" = {forged(name, kind)} WHERE {last(table, described)}')
                for name, kind, _ in described
                if not (table == "conversations" and name in FIELDS)
            ]
            acts += [
                ("a missing row", f"DELETE FROM {table} WHERE {last(table, described)}"),
                added(table, described),
            ]
            for name, statement in acts:
                db.execute("SAVEPOINT forgery")
                db.execute(statement)
                assert db.execute("SELECT changes()").fetchone()[0] == 1, statement
                named = found(db, derived, table)
                tried += 1
                if not named or not (name in named[0].sentence or "row" in named[0].sentence):
                    unnamed.append(statement)
                db.execute("ROLLBACK TO forgery")
                db.execute("RELEASE forgery")
        derived.close()
    assert unnamed == []
    assert tried > 100


def last(table: str, described: list[tuple[str, str, bool]]) -> str:
    """Return a condition for one row of a table: the one with the greatest key."""
    keys = ", ".join(name for name, _, is_key in described if is_key)
    return f"({keys}) = (SELECT {keys} FROM {table} ORDER BY {keys.replace(',', ' DESC,')} DESC LIMIT 1)"


def added(table: str, described: list[tuple[str, str, bool]]) -> tuple[str, str]:
    """Return a statement that adds a copy of a row under another key."""
    names = ", ".join(f'"{name}"' for name, _, _ in described)
    values = ", ".join(forged(name, kind) if is_key else f'"{name}"' for name, kind, is_key in described)
    return (
        "a new row",
        f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE {last(table, described)}",
    )


def test_a_sync_that_follows_explains_no_forgery(
    synced: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_API_URL", synced.sandbox.url)
    monkeypatch.setenv("CANVAS_API_TOKEN", synced.sandbox.token)
    forged_copy = Pair(synced.sandbox, tmp_path / "copy")
    shutil.copytree(synced.folder, forged_copy.folder)
    forgeries = {
        "messages": "UPDATE messages SET body = 'Forged' WHERE id = (SELECT max(id) FROM messages)",
        "message_recipients": "DELETE FROM message_recipients WHERE message_id = 1000",
        "users": "INSERT INTO users (id, name, first_seen_at) VALUES (999, 'Nobody', '2026-01-01T00:00:00Z')",
        "contexts": "UPDATE contexts SET term = 'Forged' WHERE code = (SELECT min(code) FROM contexts)",
        "attachments": "UPDATE attachments SET stored_size = 5 WHERE id = (SELECT min(id) FROM attachments)",
        "media_comments": "UPDATE media_comments SET media_type = 'video/forged'",
        "conversation_participants": "UPDATE conversation_participants SET position = position + 9",
        "conversation_contexts": """UPDATE conversation_contexts SET roles = '["Forged"]'""",
        "revisions": """INSERT INTO revisions ("table", id, seen_at, before, after)
                        VALUES ('messages', '1', '2026-01-01T00:00:00Z', '{}', '{}')""",
    }
    with closing(sqlite3.connect(forged_copy.folder / "archive.db")) as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        for statement in forgeries.values():
            db.execute(statement)
        for _, text in triggers:
            db.execute(text)
        db.commit()
        assert {fault.table for fault in check_derived(db).faults} == forgeries.keys()
    forged_copy.sync(mode="full", attachments=False)
    with closing(sqlite3.connect(forged_copy.folder / "archive.db")) as db:
        named = check_derived(db).faults
        undone = {
            db.execute(_REVISED, (fault.row,)).fetchone()[0] for fault in named if fault.table == "revisions"
        }
        # What Canvas says otherwise is written again: the forged value is in a revision, which is named.
        assert {fault.table for fault in named} | undone >= forgeries.keys()


def test_a_receipt_that_makes_no_sense_is_named(synced: Pair) -> None:
    with forging(synced.folder / "archive.db") as db:
        db.execute("UPDATE receipts SET kind = 'invented' WHERE kind = 'courses'")
        named = [fault for fault in check_derived(db).faults if fault.table == "receipts"]
        assert len(named) == 1
        assert "invented" in named[0].sentence
