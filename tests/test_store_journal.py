"""The journal of local rows: what this program did matches, whatever something else did is named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from canvas_archive.model import Conversation
from canvas_archive.search.query.saved import forget_search, save_search
from canvas_archive.store import Archive, migrations, transaction
from canvas_archive.store.acts import ActRequest, begin_act, settle_act
from canvas_archive.store.chain import check_chain, extend_chain
from canvas_archive.store.edits import discard_edits, record_edit, settle_edit
from canvas_archive.store.ingest import Ingest
from canvas_archive.store.journal import LOCAL, append_statement, check_journal_entries
from canvas_archive.store.outbox import (
    Baseline,
    Draft,
    begin_sending,
    discard_messages,
    mark_failed,
    mark_sent,
    outbox_row,
    queue_message,
)
from canvas_archive.store.runs import (
    accept_problem,
    clear_problem,
    clear_problems,
    finish_run,
    record_problem,
    record_untried,
    start_run,
)
from tests.export_support import OWNER, FixedClock
from tests.store_support import conversation

CLOCK = FixedClock()
CONVERSATION = conversation(100)
NOW = datetime(2026, 3, 9, tzinfo=UTC)
COLUMNS = [(table, column) for table, local in LOCAL.items() for column in local.columns.split()]


def live(db: sqlite3.Connection) -> None:
    """Change each local table the ways that this program does."""
    db.execute("UPDATE conversations SET starred = 1 WHERE id = 100")
    with transaction(db):
        settle_edit(db, 1, "pushed", None, "1", CLOCK)
        Ingest(db, CLOCK).save_flags(100, starred=True)
        record_edit(db, 100, "workflow_state", "archived", "test")
        record_edit(db, 100, "subscribed", 0, "test")
        Ingest(db, CLOCK).save_flags(100, subscribed=False)
        for body in ("one", "two", "three"):
            queue_message(db, Draft("reply", body, 100), clock=CLOCK)
        queued = outbox_row(db, 1)
        assert queued is not None and begin_sending(db, queued, Baseline("2026-03-09T15:00:00Z"))
        mark_sent(db, 1, [77], clock=CLOCK)
        mark_failed(db, 2, "Canvas refused it")
        discard_messages(db, [3])
        settle_act(db, begin_act(db, ActRequest("forward", "POST /x", 100), clock=CLOCK), "done", "200")
        begin_act(db, ActRequest("delete", "DELETE /x", 100), clock=CLOCK)
        for number in (5, 5, 6, 7, 8):
            record_problem(db, "attachment", number, "404", CLOCK)
        record_untried(db, "list", "users/with space", "no time", CLOCK)
        record_untried(db, "attachment", 5, "no time", CLOCK)
        accept_problem(db, "attachment", 6, CLOCK)
        assert clear_problem(db, "attachment", 7) and not clear_problem(db, "attachment", 7)
        clear_problems(db, ["attachment", "media"], ["8", "9"])
    for name, query in (("exam", "exam"), ("exam", "exams"), ("old", "old")):
        save_search(db, name, query, now=NOW)
    forget_search(db, "old")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    folder = tmp_path_factory.mktemp("journal") / "a"
    with Archive.create(
        folder, base_url="https://school.example.edu", user_id=OWNER, name="Olivia", clock=CLOCK
    ) as archive:
        sync(archive.db, CONVERSATION)
        live(archive.db)
        yield archive.db


@pytest.fixture
def db(template: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    with closing(copy_of(template)) as db:
        yield db


def copy_of(template: sqlite3.Connection) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    template.backup(db)
    return db


def sync(db: sqlite3.Connection, *conversations: Conversation) -> None:
    with transaction(db):
        run = start_run(db, "full", CLOCK)
        for conversation in conversations:
            Ingest(db, CLOCK, run).save_conversation(conversation)
        finish_run(db, run, "ok", True, 1, 1, {}, None, clock=CLOCK)
        extend_chain(db, clock=CLOCK)


def tamper(db: sqlite3.Connection, *statements: str) -> None:
    """Change rows the way somebody does who knows how to get around triggers and constraints."""
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        db.execute(f'DROP TRIGGER "{name}"')
    db.execute("PRAGMA ignore_check_constraints = ON")
    for statement in statements:
        db.execute(statement)


def named(db: sqlite3.Connection) -> set[tuple[str, str]]:
    return {(fault.table, fault.key) for fault in check_journal_entries(db).faults}


def test_all_that_this_program_does_matches(db: sqlite3.Connection) -> None:
    report = check_journal_entries(db)
    assert (report.rows, report.faults, report.erased) == (12, (), ())
    sync(db, CONVERSATION)
    assert not named(db) and not check_chain(db)
    with transaction(db):
        assert discard_edits(db, clock=CLOCK) == 1
    assert not named(db)


def test_the_journal_knows_every_column_of_the_local_tables(db: sqlite3.Connection) -> None:
    for table, local in LOCAL.items():
        columns = [row[0] for row in db.execute(f"SELECT name FROM pragma_table_info('{table}')")]
        assert local.columns.split() == columns


def test_a_change_of_any_cell_is_named(template: sqlite3.Connection) -> None:
    hidden = []
    for table, column in COLUMNS:
        with closing(copy_of(template)) as db:
            tamper(db)
            key = LOCAL[table].key
            (row,) = db.execute(f"SELECT {key} FROM {table} ORDER BY 1 LIMIT 1").fetchone()
            # What a STRICT column holds must be of its type.
            types = dict(db.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall())
            other = (
                f"coalesce({column}, 0) + 1000"
                if types[column] == "INTEGER"
                else f"coalesce({column}, '') || 'x'"
            )
            db.execute(f"UPDATE {table} SET {column} = {other} WHERE {key} = ?", (row,))
            at_once = (table, row) in named(db)
            sync(db)
            if not at_once or (table, row) not in named(db) or check_chain(db):
                hidden.append((table, column))
    assert not hidden and len(COLUMNS) == 45


@pytest.mark.parametrize("table", LOCAL)
def test_a_row_that_is_gone_or_was_added_is_named(db: sqlite3.Connection, table: str) -> None:
    tamper(db)
    (key,) = db.execute(f"SELECT {LOCAL[table].key} FROM {table} ORDER BY 1 LIMIT 1").fetchone()
    db.execute(f"CREATE TEMP TABLE copy AS SELECT * FROM {table} WHERE {LOCAL[table].key} = ?", (key,))
    db.execute(f"DELETE FROM {table} WHERE {LOCAL[table].key} = ?", (key,))
    assert named(db) == {(table, key)}
    db.execute(f"INSERT INTO {table} SELECT * FROM copy")
    assert not named(db)
    first = LOCAL[table].columns.split()[0]
    new = "99" if first == "id" else "'new'"
    db.execute("DROP INDEX edits_pending")
    db.execute(f"UPDATE copy SET {first} = {new}")
    db.execute(f"INSERT INTO {table} SELECT * FROM copy")
    assert len(named(db)) == 1


def test_a_later_change_by_this_program_does_not_hide_an_earlier_one(db: sqlite3.Connection) -> None:
    db.execute("UPDATE problems SET attempts = 1 WHERE item_id = '5'")
    db.execute("UPDATE edits SET base_value = 'x' WHERE field = 'workflow_state'")
    db.execute("DELETE FROM saved_searches")
    with transaction(db):
        record_problem(db, "attachment", 5, "404", CLOCK)
    save_search(db, "exam", "exams", now=NOW)
    db.execute("UPDATE conversations SET workflow_state = 'read' WHERE id = 100")
    edit = db.execute("SELECT id FROM edits WHERE field = 'workflow_state'").fetchone()[0]
    expected = {("problems", "attachment 5"), ("edits", str(edit)), ("saved_searches", "exam")}
    assert named(db) == expected
    sync(db)
    assert named(db) == expected and not check_chain(db)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET content = '{}' WHERE id = 1",
        "UPDATE journal SET content = NULL, salt = NULL, at = '' WHERE id = 1",
        "DELETE FROM journal",
        "REPLACE INTO journal VALUES (1, '', 'edits', '1', 0, NULL, NULL)",
    ],
)
def test_the_journal_is_append_only(db: sqlite3.Connection, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)


@pytest.mark.parametrize(
    "change",
    ["at = ''", "\"table\" = 'acts'", "row_key = '9'", "found = 1 - found", "content = '{}'", "salt = x'00'"],
)
def test_the_chain_names_an_entry_that_was_changed(db: sqlite3.Connection, change: str) -> None:
    sync(db)
    tamper(db, f"UPDATE journal SET {change} WHERE id = 2")
    assert ("journal", 2) in {(fault.source, fault.row_key) for fault in check_chain(db)}


def test_the_chain_names_an_entry_that_is_gone_or_was_slipped_in(db: sqlite3.Connection) -> None:
    sync(db)
    tamper(db, "DELETE FROM journal WHERE id = 2")
    faults = [(fault.row_key, fault.sentence) for fault in check_chain(db)]
    assert faults == [(2, "the row was recorded and is gone")]
    tamper(db, "DELETE FROM evidence_chain WHERE source = 'journal' AND row_key = 4")
    assert (4, "the row was added among recorded ones") in [
        (fault.row_key, fault.sentence) for fault in check_chain(db)
    ]


def test_an_erased_entry_leaves_the_chain_valid_and_a_tombstone(db: sqlite3.Connection) -> None:
    sync(db)
    entries = [
        row[0] for row in db.execute("SELECT id FROM journal WHERE \"table\" = 'outbox' AND row_key = '1'")
    ]
    with transaction(db):
        for entry in entries:
            db.execute("UPDATE journal SET content = NULL, salt = NULL WHERE id = ?", (entry,))
        db.execute("UPDATE outbox SET payload = '{}' WHERE id = 1")
    report = check_journal_entries(db)
    assert report.erased == tuple(entries) and not report.faults and not check_chain(db)
    with transaction(db):
        mark_failed(db, 1, "later")
    assert not named(db)
    tamper(db, f"UPDATE journal SET row_key = '2' WHERE id = {entries[0]}")
    assert [fault.row_key for fault in check_chain(db)] == [entries[0]]


def test_commitments_of_equal_contents_differ(db: sqlite3.Connection) -> None:
    """Without the salt, nobody can find a short text by trying."""
    with transaction(db):
        for _ in range(2):
            db.execute(append_statement("edits", "SELECT '77' AS key"))
            record_problem(db, "media", 1, "x", CLOCK)
            clear_problem(db, "media", 1)
        extend_chain(db, clock=CLOCK)
    found = [
        json.loads(row[0])["commitment"]
        for row in db.execute(
            "SELECT c.content FROM evidence_chain c JOIN journal j ON j.id = c.row_key "
            "WHERE c.source = 'journal' AND j.content IS NULL"
        )
    ]
    assert len(found) >= 4 and len(set(found)) == len(found)


def test_rows_from_before_the_journal_are_written_into_it() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        *earlier, last = migrations.MIGRATIONS[:6]
        for step in earlier:
            step.apply(db)
        db.execute("INSERT INTO saved_searches VALUES ('exam', 'exam', '2026-03-09T15:00:00Z')")
        db.execute(
            "INSERT INTO problems (kind, item_id, error, first_at, last_at) VALUES ('a', 'b c', 'x', '', '')"
        )
        last.apply(db)
        assert db.execute("SELECT count(*) FROM journal WHERE NOT found").fetchone()[0] == 2
        assert not named(db)
