"""Schema versions: applied once, in a transaction, after a copy; newer ones refused elsewhere."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.errors import ArchiveError, ArchiveLocked
from canvas_archive.store import Archive, migrations, runs, schema, upgrade
from canvas_archive.store.lock import WriterLock
from tests.store_support import TickingClock, create


def add_column(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE users ADD COLUMN nickname TEXT")


def fail_halfway(db: sqlite3.Connection) -> None:
    add_column(db)
    db.execute("CREATE TABLE users (id INTEGER)")


def with_step(monkeypatch: pytest.MonkeyPatch, step: object) -> None:
    later = migrations.Migration("m999_test", step)  # type: ignore[arg-type]
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, later))


def before() -> str:
    """Return the name of the copy that an upgrade to the newest version makes."""
    return f"archive.db.before-v{migrations.known_version()}"


def columns(db: sqlite3.Connection) -> list[str]:
    return [row[1] for row in db.execute("PRAGMA table_info(users)")]


def test_every_object_of_the_schema_is_created(tmp_path: Path) -> None:
    with create(tmp_path / "mail") as archive, closing(sqlite3.connect(":memory:")) as plain:
        for step in migrations.MIGRATIONS:
            step.apply(plain)
        query = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%sqlite%'"
        made = {tuple(row) for row in archive.db.execute(query) if "_migrations" not in row[1]}
        assert made == set(plain.execute(query))
        assert archive.db.execute("PRAGMA user_version").fetchone()[0] == migrations.known_version()
        rows = archive.db.execute("SELECT migration_set, name FROM _sqlite_migrations ORDER BY id").fetchall()
        assert [tuple(row) for row in rows] == [("canvas_archive", one.name) for one in migrations.MIGRATIONS]


@pytest.mark.parametrize("write", [True, False])
def test_an_older_archive_is_upgraded_after_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, write: bool
) -> None:
    create(tmp_path / "mail").close()
    with_step(monkeypatch, add_column)
    with Archive.open(tmp_path / "mail", write=write) as archive:
        assert before() in caplog.text
        assert "nickname" in columns(archive.db)
        assert archive.db.execute("PRAGMA user_version").fetchone()[0] == migrations.known_version()
    copy = tmp_path / "mail" / before()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as db:
        assert "nickname" not in columns(db)
        assert db.execute("SELECT name FROM account").fetchone()[0] == "Ada Owner"
    with Archive.open(tmp_path / "mail", write=True):
        assert len(list((tmp_path / "mail").glob("archive.db.before-*"))) == 1


def test_an_upgrade_that_another_process_did_meanwhile_is_not_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "mail").close()
    with_step(monkeypatch, add_column)
    acquire = WriterLock.acquire

    def overtaken(self: WriterLock) -> None:
        upgrade.apply_pending(tmp_path / "mail" / "archive.db")
        acquire(self)

    monkeypatch.setattr(WriterLock, "acquire", overtaken)
    with Archive.open(tmp_path / "mail") as archive:
        assert "nickname" in columns(archive.db)
    assert list((tmp_path / "mail").glob("archive.db.before-*")) == []
    assert upgrade.apply_pending(tmp_path / "mail" / "archive.db") == migrations.known_version()


def plain_schema(db: sqlite3.Connection) -> list[tuple[str, ...]]:
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '%sqlite%' ORDER BY 1, 2"
    return [tuple(row) for row in db.execute(query)]


def made_by_the_first_version(folder: Path) -> None:
    """Turn a new archive into what the first version of the program would have made."""
    path = folder / "archive.db"
    with closing(sqlite3.connect(path)) as db:
        account = db.execute(
            "SELECT id, base_url, user_id, name, as_user_id, created_at FROM account"
        ).fetchone()
        (record,) = db.execute("SELECT sql FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone()
        steps = db.execute("SELECT * FROM _sqlite_migrations ORDER BY id LIMIT 1").fetchall()
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        migrations.m001_first_schema(db)
        db.execute("INSERT INTO account VALUES (?, ?, ?, ?, ?, ?)", account)
        db.execute(record)
        db.executemany(f"INSERT INTO _sqlite_migrations VALUES ({', '.join('?' * len(steps[0]))})", steps)
        db.execute("PRAGMA user_version = 1")
        db.commit()
    path.chmod(0o600)


@pytest.mark.thorough
@pytest.mark.parametrize("analysed", [True, False])
def test_an_archive_of_the_first_version_becomes_what_a_new_one_is(tmp_path: Path, analysed: bool) -> None:
    with create(tmp_path / "new") as archive:
        expected = plain_schema(archive.db)
    create(tmp_path / "old").close()
    made_by_the_first_version(tmp_path / "old")
    with closing(sqlite3.connect(tmp_path / "old" / "archive.db")) as db:
        db.execute("INSERT INTO users (id, name, first_seen_at) VALUES (5, 'Ann', '2026-01-01T00:00:00Z')")
        db.execute("INSERT INTO problems VALUES ('attachment', '9', 'odd', 40, '2026-01-01', '2026-01-02')")
        if analysed:
            db.execute("ANALYZE")
        db.commit()
    with Archive.open(tmp_path / "old") as archive:
        assert plain_schema(archive.db) == expected
        assert archive.db.execute("SELECT name FROM users").fetchone()[0] == "Ann"
        due = runs.due_problems(archive.db, "attachment", TickingClock())
        assert [problem.item_id for problem in due] == ["9"], "what failed before is due at once"
    assert (tmp_path / "old" / before()).is_file()


def test_an_earlier_copy_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path / "mail").close()
    with_step(monkeypatch, add_column)
    (tmp_path / "mail" / before()).write_text("precious")
    Archive.open(tmp_path / "mail", write=True).close()
    assert (tmp_path / "mail" / before()).read_text() == "precious"
    assert (tmp_path / "mail" / f"{before()}.2").is_file()


def test_a_failing_upgrade_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path / "mail").close()
    with monkeypatch.context() as patched:
        with_step(patched, fail_halfway)
        with pytest.raises(ArchiveError, match="It is as it was"):
            Archive.open(tmp_path / "mail", write=True)
    with Archive.open(tmp_path / "mail") as archive:
        assert "nickname" not in columns(archive.db)
        assert archive.db.execute("PRAGMA user_version").fetchone()[0] == migrations.known_version()


def test_without_room_for_the_copy_nothing_is_upgraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "mail").close()
    with monkeypatch.context() as patched:
        with_step(patched, add_column)

        def full(*args: object) -> None:
            raise OSError(28, "No space left on device")

        patched.setattr(upgrade.os, "open", full)
        with pytest.raises(ArchiveError, match="No space left"):
            upgrade.copy_before_migration(tmp_path / "mail" / "archive.db")
    with Archive.open(tmp_path / "mail") as archive:
        assert "nickname" not in columns(archive.db)


def test_a_reader_cannot_upgrade_while_another_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "mail").close()
    with_step(monkeypatch, add_column)
    with WriterLock(tmp_path / "mail", clock=TickingClock()):
        with pytest.raises(ArchiveLocked, match="must be upgraded"):
            Archive.open(tmp_path / "mail")


def test_an_up_to_date_archive_opens_without_sqlite_utils(tmp_path: Path) -> None:
    create(tmp_path / "mail").close()
    program = (
        "import sys\nfrom canvas_archive.store import Archive\n"
        "with Archive.open(sys.argv[1], write=True): pass\n"
        "print([name for name in ('sqlite_utils', 'tomli_w') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "mail")], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_statements_are_split_at_their_ends() -> None:
    assert len(list(migrations.statements(schema.TRIGGERS))) == schema.TRIGGERS.count("CREATE TRIGGER")
    with pytest.raises(ValueError, match="unfinished"):
        list(migrations.statements("SELECT 1;\nSELECT"))
