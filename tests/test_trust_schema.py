"""A database with a schema that is not this program's is only read, whoever's it is."""

from __future__ import annotations

import re
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.errors import ForeignSchema, NotAdopted, UnusableFile
from canvas_archive.export.backup import backup
from canvas_archive.store import Archive, connection, migrations, schema_check
from canvas_archive.store.connection import connect_readonly, connect_writable, refresh_statistics
from canvas_archive.store.migrations import MIGRATIONS, known_version
from canvas_archive.store.schema_check import (
    KNOWN_DIGESTS,
    digest_of,
    expected_rows,
    require_own_schema,
    schema_differences,
)
from canvas_archive.store.upgrade import apply_pending
from canvas_archive.web import writing
from tests.hostile_support import on_terminal
from tests.store_support import create
from tests.trust_support import TALLY
from tests.web_support import make_archive

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("schema") / "template")


@pytest.fixture
def own(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of this person's own."""
    folder = tmp_path / "archive"
    shutil.copytree(template, folder)
    monkeypatch.setenv("CANVAS_ARCHIVE", str(folder))
    return folder


def execute(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "archive.db", isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def differences(folder: Path) -> set[str]:
    with closing(connect_readonly(folder / "archive.db")) as db:
        return {str(one) for one in schema_differences(db)}


WRITING = (
    ["star", 700001],
    ["index"],
    ["index", "--rebuild"],
    ["search", "room", "--save", "x"],
    ["edits", "discard", "--all"],
    ["send", "--queue", "--to", "2", "--body", "x"],
    ["sync"],
    ["push"],
    ["adopt", "-y"],
)

# The archive of somebody who hides a trigger on a table of their own, reached by a foreign key of theirs.
HIDDEN = (
    'CREATE TABLE "_sqlite_notes" (seq INTEGER REFERENCES index_queue (seq) ON DELETE CASCADE)',
    "INSERT INTO index_queue (seq, message_id) VALUES (900001, 5001)",
    'INSERT INTO "_sqlite_notes" VALUES (900001)',
    'CREATE TRIGGER "_sqlite_quiet" AFTER DELETE ON "_sqlite_notes" BEGIN '
    "UPDATE messages SET body = 'not what was written'; "
    "INSERT INTO outbox (kind, conversation_id, payload, queued_at) VALUES "
    """('reply', 800001, '{"body": "I RESIGN."}', '2026-01-01T00:00:00Z'); END""",
)


@pytest.mark.thorough
@pytest.mark.parametrize("adopted", [True, False])
def test_a_trigger_that_a_foreign_key_fires_is_never_fired(
    own: Path, tmp_path: Path, adopted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(own, *HIDDEN)
    if not adopted:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody"))
    monkeypatch.setenv("CANVAS_API_TOKEN", "a-token-of-mine")
    before = (own / "archive.db").read_bytes()
    refusing = 0
    for arguments in WRITING:
        shown = on_terminal(*arguments)
        assert shown.code == 9, (arguments, shown.text)
        refusing += "_sqlite_quiet" in shown.text and 'DROP TRIGGER "_sqlite_quiet"' in shown.text
        TALLY["hostile inputs: triggers and views"] += 1
    assert refusing == len(WRITING) if adopted else refusing == 1
    assert (own / "archive.db").read_bytes() == before
    with pytest.raises(ForeignSchema if adopted else NotAdopted, match=r"_sqlite_quiet|on another machine"):
        writing.apply(own / "archive.db", "star", [700001])
    checked = on_terminal("verify", "--no-files")
    assert checked.code == 8 and "_sqlite_quiet" in checked.text and "_sqlite_notes" in checked.text


def test_what_is_named_can_be_removed_as_it_is_said(own: Path) -> None:
    execute(
        own,
        *HIDDEN,
    )
    shown = on_terminal("star", 700001)
    assert shown.code == 9
    drops = re.findall(r'DROP \w+ "(?:[^"]|"")+"', shown.text)
    assert len(drops) == 2 and drops[0] == 'DROP TRIGGER "_sqlite_quiet"'
    execute(own, *drops)
    assert differences(own) == set()
    assert on_terminal("star", 700001).code == 0


def _writable(*statements: str) -> tuple[str, ...]:
    return ("PRAGMA writable_schema = ON", *statements)


def _master(name: str, statement: str, kind: str = "trigger", table: str = "messages") -> str:
    return (
        "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES "
        f"('{kind}', '{name}', '{table}', 0, '{statement}')"
    )


NOOP = "BEGIN SELECT 1; END"
FOREIGN: dict[str, tuple[str, ...]] = {
    "trigger x": (f"CREATE TRIGGER x AFTER INSERT ON messages {NOOP}",),
    "trigger on stat": _writable(
        _master("sqlite_x", f"CREATE TRIGGER sqlite_x AFTER INSERT ON messages {NOOP}")
    ),
    "trigger that is called a table": _writable(
        _master("y", f"CREATE TRIGGER y AFTER INSERT ON messages {NOOP}", kind="table", table="y")
    ),
    "trigger of another table": _writable(
        _master("z", f"CREATE TRIGGER z AFTER INSERT ON messages {NOOP}", table="_sqlite_migrations")
    ),
    "unique index": ("CREATE UNIQUE INDEX mine ON edits (conversation_id)",),
    "expression": ("CREATE INDEX mine ON messages (upper(body))",),
    "trigger on a table of ours": (
        "CREATE TRIGGER x AFTER INSERT ON messages BEGIN UPDATE users SET name = 'x'; END",
    ),
    "trigger that sets off another": (
        "CREATE TABLE mine (x)",
        "CREATE TRIGGER x AFTER INSERT ON messages BEGIN INSERT INTO mine VALUES (1); END",
        "CREATE TRIGGER y AFTER INSERT ON mine BEGIN DELETE FROM outbox; END",
    ),
    "trigger that refuses": (
        "CREATE TABLE mine (x)",
        "CREATE TRIGGER x AFTER UPDATE ON conversations BEGIN INSERT INTO mine VALUES (1);"
        " SELECT RAISE(ABORT, 'no'); END",
    ),
    "trigger that does not compile": (
        "CREATE TRIGGER x AFTER UPDATE ON conversations BEGIN INSERT INTO mine VALUES (1); END",
    ),
    "reference": ("CREATE TABLE mine (x REFERENCES messages (id) ON DELETE CASCADE)",),
    "column": ("ALTER TABLE messages ADD COLUMN more TEXT",),
    "generated": ("ALTER TABLE messages ADD COLUMN more TEXT AS (upper(body))",),
    "renamed": ("ALTER TABLE saved_searches RENAME TO searches",),
    "dropped trigger": ("DROP TRIGGER edits_kept",),
    "dropped index": ("DROP INDEX attachments_created",),
    "another view": ("DROP VIEW inbox", "CREATE VIEW inbox AS SELECT 1 AS id"),
    "another default": _writable(
        "UPDATE sqlite_master SET sql = replace(sql, 'DEFAULT 1', 'DEFAULT 0') WHERE name = 'conversations'"
    ),
    "no check": _writable(
        "UPDATE sqlite_master SET sql = replace(sql, 'CHECK (starred IN (0, 1))', '') "
        "WHERE name = 'conversations'"
    ),
    "migrations with a reference": (
        "DROP TABLE _sqlite_migrations",
        'CREATE TABLE "_sqlite_migrations" ("id" INTEGER PRIMARY KEY, "migration_set" TEXT, "name" TEXT, '
        '"applied_at" TEXT REFERENCES messages (id))',
    ),
    "trigger on migrations": (f"CREATE TRIGGER w AFTER INSERT ON _sqlite_migrations {NOOP}",),
    "statistics of one's own": (
        "DROP TABLE IF EXISTS sqlite_stat4",
        *_writable(
            "UPDATE sqlite_master SET sql = 'CREATE TABLE index_state (id, record)' "
            "WHERE name = 'index_state'"
        ),
    ),
    "another encoding of the text": _writable(
        "UPDATE sqlite_master SET sql = sql || CAST(x'00ff' AS TEXT) WHERE name = 'inbox'"
    ),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_whatever_is_not_ours_is_seen_and_not_written_to(own: Path, what: str) -> None:
    execute(own, *FOREIGN[what])
    try:
        found = differences(own)
    except Exception as error:  # SQLite itself takes it for damage
        assert "malformed" in str(error) or "not a SQLite database" in str(error)
        found = {"damage"}
    assert found
    before = (own / "archive.db").read_bytes()
    shown = on_terminal("star", 700001)
    assert shown.code in (8, 9) and b"Unexpected" not in shown.raw, shown.text
    assert (own / "archive.db").read_bytes() == before
    TALLY["hostile inputs: triggers and views"] += 1


OWN = (
    "CREATE VIEW mine AS SELECT id, latest_at FROM conversations",
    "CREATE INDEX by_size ON attachments (size)",
    "CREATE TABLE notes (text)",
    "CREATE VIRTUAL TABLE words USING fts5 (subject, content = conversations, content_rowid = id)",
    "CREATE TRIGGER words_ad AFTER DELETE ON conversations BEGIN INSERT INTO words (words, rowid, subject)"
    " VALUES ('delete', old.id, old.subject); END",
    "CREATE TRIGGER words_au AFTER UPDATE ON conversations BEGIN INSERT INTO words (words, rowid, subject)"
    " VALUES ('delete', old.id, old.subject); INSERT INTO words (rowid, subject)"
    " VALUES (new.id, new.subject); END",
    "INSERT INTO words (words) VALUES ('rebuild')",
)


def test_what_the_owner_added_is_theirs(own: Path) -> None:
    execute(own, *OWN)
    checked = on_terminal("verify", "--no-files")
    assert "ok   schema" in checked.text
    for part in ("view mine", "index by_size", "table notes", "trigger words_au", "table words"):
        assert part in checked.text.partition("yours: ")[2]
    assert on_terminal("star", 700001).code == 0
    with closing(sqlite3.connect(own / "archive.db")) as db:
        assert db.execute("SELECT count(*) FROM words WHERE words MATCH 'section'").fetchone()[0]


def test_in_an_archive_of_somebody_else_nothing_that_was_added_runs(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(own, *OWN)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody"))
    checked = on_terminal("verify", "--no-files")
    assert checked.code == 8 and "trigger words_au: not of this program" in checked.text
    before = (own / "archive.db").read_bytes()
    assert on_terminal("adopt", "-y").code == 9
    assert (own / "archive.db").read_bytes() == before


def test_an_upgrade_keeps_what_the_owner_added(
    own: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def change(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE saved_searches DROP COLUMN created_at")

    execute(own, *OWN, "CREATE VIEW lost AS SELECT created_at FROM saved_searches")
    step = migrations.Migration("m999_test", change)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, step))
    apply_pending(own / "archive.db")
    with closing(sqlite3.connect(own / "archive.db")) as db:
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    assert {"mine", "by_size", "notes", "words", "words_ad", "words_au"} < names and "lost" not in names
    assert "Your view lost was left out of the upgrade" in caplog.text
    assert "CREATE VIEW lost AS" in caplog.text


def test_a_backup_with_a_foreign_trigger_is_restored_and_not_written_to(own: Path, tmp_path: Path) -> None:
    execute(own, f"CREATE TRIGGER x AFTER INSERT ON messages {NOOP}")
    backup(own, tmp_path / "backup")
    shown = on_terminal("restore", tmp_path / "backup", tmp_path / "new")
    assert shown.code == 0 and 'DROP TRIGGER "x"' in shown.text
    assert on_terminal("--archive", tmp_path / "new", "list").code == 0
    assert on_terminal("--archive", tmp_path / "new", "index").code == 9


def test_the_schema_is_looked_at_before_a_migration(own: Path) -> None:
    """An archive of an older version is upgraded by statements that a trigger could answer to."""
    path = own / "archive.db"
    execute(own, "PRAGMA user_version = 1")
    before = path.read_bytes()
    with pytest.raises(ForeignSchema):
        apply_pending(path)
    assert path.read_bytes() == before
    shown = on_terminal("star", 700001)
    assert shown.code in (1, 9) and b"Unexpected" not in shown.raw, shown.text


@pytest.mark.parametrize("version", [-1, 0])
def test_an_invented_version_does_not_help(own: Path, version: int) -> None:
    execute(own, f"PRAGMA user_version = {version}")
    with pytest.raises(ForeignSchema):
        connect_writable(own / "archive.db")


def test_every_version_has_its_hash() -> None:
    """The hash spares every writing command the making of a schema in memory."""
    found = {version: digest_of(expected_rows(version)) for version in range(1, len(MIGRATIONS) + 1)}
    assert found == KNOWN_DIGESTS, "put these into schema_check.KNOWN_DIGESTS"


def test_without_a_hash_the_schema_is_compared_all_the_same(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    real = schema_check.expected_rows
    monkeypatch.setattr(
        schema_check, "expected_rows", lambda version: (made.append(version), real(version))[1]
    )
    assert differences(own) == set() and made == []
    monkeypatch.delitem(KNOWN_DIGESTS, known_version())
    assert differences(own) == set() and made == [known_version()]


def test_what_sqlite_and_the_index_add_is_ours(own: Path) -> None:
    with Archive.open(own, write=True) as archive:
        refresh_statistics(archive.db)
        archive.db.execute("ANALYZE")
        names = {row[0] for row in archive.db.execute("SELECT name FROM sqlite_master")}
    assert {"sqlite_stat1", "sqlite_sequence", "index_state", "_sqlite_migrations"} <= names
    assert differences(own) == set()


COLUMNS = '"id" INTEGER PRIMARY KEY, "migration_set" TEXT, "name" TEXT, "applied_at" TEXT'
MIGRATIONS_TABLES = (
    f'CREATE TABLE "_sqlite_migrations" ({COLUMNS})',
    f"CREATE TABLE [_sqlite_migrations] (\n   {COLUMNS.replace(', ', f',{chr(10)}   ')}\n)",
)


@pytest.mark.parametrize("statement", MIGRATIONS_TABLES)
def test_the_list_of_migrations_may_be_quoted_in_any_way(tmp_path: Path, statement: str) -> None:
    create(tmp_path / "mail").close()
    execute(tmp_path / "mail", "DROP TABLE _sqlite_migrations", statement)
    assert differences(tmp_path / "mail") == set()


def test_a_name_that_cannot_be_typed_is_shown_escaped(own: Path) -> None:
    reference = "(x REFERENCES messages (id))"
    execute(own, f'CREATE TABLE "a\x1b[2J\u202eb" {reference}', f'CREATE TABLE "{"long" * 100}" {reference}')
    with closing(connect_readonly(own / "archive.db")) as db, pytest.raises(ForeignSchema) as refused:
        require_own_schema(db, own / "archive.db")
    sentence = str(refused.value)
    assert sentence.isprintable() and "\\x1b[2J\\u202eb" in sentence and "DROP" not in sentence
    assert "…" in sentence and len(sentence) < 600


def test_many_differences_are_counted(own: Path) -> None:
    execute(own, *(f"CREATE TABLE t{number} (x REFERENCES users)" for number in range(300)))
    shown = on_terminal("star", 700001)
    assert shown.code == 9 and "and 295 more" in shown.text and len(shown.text) < 1200


def plant_journal(folder: Path, victim: Path) -> bytes:
    """Leave a journal that SQLite plays back when it opens the database; it names the victim. Return it."""
    path, journal = folder / "archive.db", folder / "archive.db-journal"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA cache_size = 2")
        db.execute("BEGIN")
        db.execute("UPDATE messages SET first_seen_at = first_seen_at || 'x'")
        hot, changed = journal.read_bytes(), path.read_bytes()
        db.execute("ROLLBACK")
    name = bytes(victim)
    page = struct.pack(">I", (1 << 30) // int.from_bytes(changed[16:18], "big") + 1)
    path.write_bytes(changed)
    journal.write_bytes(hot + page + name + struct.pack(">II", len(name), sum(name)) + hot[:8])
    return journal.read_bytes()


@pytest.mark.parametrize("arguments", [["list"], ["star", 700001], ["adopt", "-y"], ["verify"]])
def test_a_journal_that_names_another_file_is_refused(
    own: Path, tmp_path: Path, arguments: list[object]
) -> None:
    """SQLite deletes the file that such a journal names."""
    (tmp_path / "precious").write_text("precious")
    journal = plant_journal(own, tmp_path / "precious")
    shown = on_terminal(*arguments)
    assert shown.code in (8, 9) and "names another file" in shown.text, shown.text
    with pytest.raises(UnusableFile):
        connect_writable(own / "archive.db")
    assert (tmp_path / "precious").exists() and (own / "archive.db-journal").read_bytes() == journal
    TALLY["hostile inputs: journals of SQLite"] += 1


def test_without_the_refusal_that_file_would_be_deleted(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "precious").write_text("precious")
    plant_journal(own, tmp_path / "precious")
    monkeypatch.setattr(connection, "_NAMES_A_FILE", b"another ending")
    connect_writable(own / "archive.db").close()
    assert not (tmp_path / "precious").exists()
