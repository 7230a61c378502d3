"""The archive's folder: making it, recognising it, guarding it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from canvas_archive.errors import (
    ArchiveError,
    ArchiveLocked,
    BadInput,
    ForeignFolder,
    GuardRefused,
    NewerArchive,
    NoArchive,
    UnusableFile,
)
from canvas_archive.store import (
    Archive,
    adoption,
    connect_readonly,
    connection,
    folder,
    migrations,
    schema,
    transaction,
    upgrade,
)
from canvas_archive.store.connection import TransactionError, connect_writable, refresh_statistics
from canvas_archive.store.lock import WriterLock, read_holder
from tests.store_support import OWNER, TickingClock, create

pytestmark = pytest.mark.sampled

posix = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")


@pytest.fixture
def umask() -> Iterator[None]:
    """Put the process's umask back."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_new_archive_opens_again_with_its_account(tmp_path: Path) -> None:
    with create(tmp_path / "deep" / "mail", as_user_id=99) as archive:
        assert (archive.account.user_id, archive.account.owner_id) == (OWNER, 99)
        assert archive.config.as_user_id == 99
    with Archive.open(tmp_path / "deep" / "mail") as archive:
        assert archive.account.base_url == "https://canvas.example.edu"
        assert archive.account.name == "Ada Owner"
        assert archive.db_path.is_file() and archive.files_dir.is_dir() and archive.search_dir.is_dir()


@posix
@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_everything_is_private_whatever_the_umask(tmp_path: Path, umask: None, mask: int) -> None:
    os.umask(mask)
    with create(tmp_path / "mail") as archive, closing(connect_readonly(archive.db_path)):
        archive.db.execute("UPDATE account SET name = 'x'")
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in [archive.folder, *archive.folder.rglob("*")]
        }
    assert {modes[name] for name in ("mail", "files", "search")} == {0o700}
    for name in ("archive.db", "archive.db-wal", "archive.db-shm", "lock", "config.toml"):
        assert modes[name] == 0o600, name


@posix
def test_an_existing_empty_folder_becomes_private(tmp_path: Path) -> None:
    place = tmp_path / "mail"
    place.mkdir(mode=0o755)
    create(place).close()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_create_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("not a folder")
    with pytest.raises(BadInput, match="is a file"):
        create(tmp_path / "mail")


def test_create_refuses_a_folder_with_other_things(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(ForeignFolder, match="not empty"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_create_refuses_a_foreign_config_beside_a_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "config.toml").write_text("[server]\nport = 1\n")
    with pytest.raises(ForeignFolder):
        create(tmp_path)


def test_create_refuses_bytes_that_are_there_already(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "ab").touch()
    with pytest.raises(ForeignFolder, match="not empty"):
        create(tmp_path)


def test_create_refuses_a_place_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be made private"):
        create(tmp_path / "file" / "mail")


def test_create_refuses_an_existing_archive(tmp_path: Path) -> None:
    create(tmp_path / "mail").close()
    with pytest.raises(
        GuardRefused, match=r"already an archive of Ada Owner at https://canvas\.example\.edu"
    ):
        create(tmp_path / "mail")


@pytest.mark.parametrize("step", ["write_config", "apply_pending", "sync_folder"])
def test_a_crash_while_creating_leaves_nothing_or_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Crash(BaseException):
        pass

    def crash(*args: object, **options: object) -> None:
        raise Crash

    place = tmp_path / "mail"
    with monkeypatch.context() as patched:
        patched.setattr(upgrade if step == "apply_pending" else folder, step, crash)
        with pytest.raises(Crash):
            create(place)
    if step == "sync_folder":  # after the rename: complete
        with Archive.open(place, write=True) as archive:
            assert archive.account.user_id == OWNER
    else:
        with pytest.raises(NoArchive):
            Archive.open(place)
        create(place).close()
        with Archive.open(place) as archive:
            assert archive.account.user_id == OWNER


def test_a_database_half_built_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: object) -> None:
        raise KeyboardInterrupt

    place = tmp_path / "mail"
    with monkeypatch.context() as patched:
        patched.setattr(folder, "transaction", crash)
        with pytest.raises(KeyboardInterrupt):
            create(place)
    assert (place / folder.UNFINISHED_NAME).exists()
    create(place).close()
    assert not list(place.glob(f"{folder.UNFINISHED_NAME}*"))


def test_open_says_how_to_make_an_archive(tmp_path: Path) -> None:
    with pytest.raises(NoArchive, match="canvas-archive init URL"):
        Archive.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_open_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("x")
    with pytest.raises(BadInput, match="is a file"):
        Archive.open(tmp_path / "mail")


@pytest.mark.parametrize("write", [False, True])
def test_open_refuses_what_is_not_sqlite(tmp_path: Path, write: bool) -> None:
    (tmp_path / "archive.db").write_bytes(b"certainly not a database" * 100)
    with pytest.raises(ForeignFolder, match="not a SQLite database"):
        Archive.open(tmp_path, write=write)


def test_open_refuses_a_foreign_database(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "archive.db")) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(ForeignFolder, match="not one of canvas-archive"):
        Archive.open(tmp_path)


def test_a_database_without_the_tables_is_no_archive(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "archive.db")) as db:
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {migrations.known_version()}")
        assert adoption.who_of(db) is None
    (tmp_path / "config.toml").write_text('base_url = "https://canvas.example.edu"\n')
    for write in (False, True):
        with pytest.raises(ForeignFolder, match="not an archive"):
            Archive.open(tmp_path, write=write)


def test_open_refuses_an_archive_without_an_account(tmp_path: Path) -> None:
    with create(tmp_path / "mail") as archive:
        archive.db.execute("DELETE FROM account")
    with pytest.raises(ForeignFolder, match="not an archive"):
        Archive.open(tmp_path / "mail")


def test_open_refuses_a_newer_archive(tmp_path: Path) -> None:
    with create(tmp_path / "mail") as archive:
        archive.db.execute("PRAGMA user_version = 99")
    for write in (False, True):
        with pytest.raises(NewerArchive, match="schema 99"):
            Archive.open(tmp_path / "mail", write=write)


def test_open_names_a_missing_configuration(tmp_path: Path) -> None:
    create(tmp_path / "mail").close()
    (tmp_path / "mail" / "config.toml").unlink()
    with pytest.raises(BadInput, match=r"config\.toml is missing"):
        Archive.open(tmp_path / "mail")


@posix
def test_a_linked_database_is_not_opened_and_a_linked_folder_is(tmp_path: Path) -> None:
    create(tmp_path / "real").close()
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "archive.db").symlink_to(tmp_path / "real" / "archive.db")
    (tmp_path / "mail" / "config.toml").write_bytes((tmp_path / "real" / "config.toml").read_bytes())
    for write in (False, True):
        with pytest.raises(UnusableFile, match=r"archive\.db is a symbolic link"):
            Archive.open(tmp_path / "mail", write=write)
    (tmp_path / "led").symlink_to(tmp_path / "real")
    with Archive.open(tmp_path / "led", write=True) as archive:
        assert archive.account.user_id == OWNER and archive.adopted


@posix
def test_somebody_elses_folder_is_read_but_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "mail").close()
    monkeypatch.setattr(os, "geteuid", lambda: (tmp_path / "mail").stat().st_uid + 1000)
    Archive.open(tmp_path / "mail").close()
    with pytest.raises(ForeignFolder, match="another user"):
        Archive.open(tmp_path / "mail", write=True)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    create(tmp_path / "mail").close()
    with Archive.open(tmp_path / "mail") as archive:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            archive.db.execute("DELETE FROM account")


# -- the lock -------------------------------------------------------------------------------------

HOLD = """
import sys
from canvas_archive.store import Archive
with Archive.open(sys.argv[1], write=True):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start another process that holds the writer's lock of ``mail``."""
    create(tmp_path / "mail").close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "mail")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_learns_who_is_writing(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    for _ in range(2):  # asking does not wipe out the answer
        with pytest.raises(ArchiveLocked, match=rf"process {holder.pid} \(since \d{{4}}-"):
            Archive.open(tmp_path / "mail", write=True)


def test_readers_are_not_blocked(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with Archive.open(tmp_path / "mail") as archive:
        assert archive.db.execute("SELECT count(*) FROM account").fetchone()[0] == 1


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait(timeout=10)
    left = read_holder(tmp_path / "mail" / "lock")
    assert left is not None and left.pid == holder.pid
    with Archive.open(tmp_path / "mail", write=True):
        now = read_holder(tmp_path / "mail" / "lock")
        assert now is not None and now.pid == os.getpid()


def test_one_process_cannot_write_twice_either(tmp_path: Path) -> None:
    with create(tmp_path / "mail"):
        with pytest.raises(ArchiveLocked, match=str(os.getpid())):
            Archive.open(tmp_path / "mail", write=True)
    with Archive.open(tmp_path / "mail", write=True):
        assert read_holder(tmp_path / "mail" / "lock") is not None
    assert read_holder(tmp_path / "mail" / "lock") is None


def test_a_lock_without_a_name_still_locks(tmp_path: Path) -> None:
    with WriterLock(tmp_path, clock=TickingClock()):
        (tmp_path / "lock").write_text("")
        with pytest.raises(ArchiveLocked, match="another process"):
            WriterLock(tmp_path, clock=TickingClock()).acquire()


def test_a_failing_open_gives_the_lock_back(tmp_path: Path) -> None:
    create(tmp_path / "mail").close()
    config = tmp_path / "mail" / "config.toml"
    text = config.read_text()
    config.write_text("nonsense = 1")
    with pytest.raises(BadInput):
        Archive.open(tmp_path / "mail", write=True)
    config.write_text(text)
    Archive.open(tmp_path / "mail", write=True).close()


def test_a_lock_that_an_older_filelock_emptied_is_named_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def emptying(self: FileLock, *_: object, **__: object) -> None:
        Path(self.lock_file).write_text("")
        raise Timeout(self.lock_file)

    with WriterLock(tmp_path, clock=TickingClock()):
        holder = read_holder(tmp_path / "lock")
        monkeypatch.setattr(FileLock, "acquire", emptying)
        with pytest.raises(ArchiveLocked, match=f"process {os.getpid()}"):
            WriterLock(tmp_path, clock=TickingClock()).acquire()
        assert read_holder(tmp_path / "lock") == holder


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: FileLock, *_: object, **__: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    lock = WriterLock(tmp_path, clock=TickingClock())
    with monkeypatch.context() as patched:
        patched.setattr(FileLock, "acquire", none)
        with pytest.raises(ArchiveError, match="cannot be locked: FileSystem does not"):
            lock.acquire()
    lock.release()  # harmless: it is not held
    with lock:
        assert read_holder(tmp_path / "lock") is not None


# -- connections ----------------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with create(tmp_path / "mail") as archive:
        with pytest.raises(ZeroDivisionError), transaction(archive.db):
            archive.db.execute("UPDATE account SET name = 'half'")
            raise ZeroDivisionError
        with transaction(archive.db):
            with pytest.raises(TransactionError), transaction(archive.db):
                pass
        assert archive.db.execute("SELECT name FROM account").fetchone()[0] == "Ada Owner"


def test_a_transaction_that_sqlite_ended_reports_the_first_error(tmp_path: Path) -> None:
    with create(tmp_path / "mail") as archive:
        with pytest.raises(ZeroDivisionError), transaction(archive.db):
            archive.db.execute("ROLLBACK")  # as a full disk does
            raise ZeroDivisionError


def test_a_commit_that_fails_takes_everything_back(tmp_path: Path) -> None:
    with create(tmp_path / "mail") as archive:
        with pytest.raises(sqlite3.IntegrityError), transaction(archive.db):
            archive.db.execute("PRAGMA defer_foreign_keys = ON")
            archive.db.execute("INSERT INTO message_recipients VALUES (1, 2)")  # nobody by these ids
        assert not archive.db.in_transaction
        assert archive.db.execute("SELECT count(*) FROM message_recipients").fetchone()[0] == 0


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(ArchiveError, match=r"needs 3\.37 or newer"):
        create(tmp_path / "mail")
    assert not (tmp_path / "mail").exists()


def test_what_cannot_be_opened_for_writing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArchiveError, match="cannot be opened for writing: unable to open"):
        connect_writable(tmp_path / "missing.db")
    (tmp_path / "letter.db").write_text("Dear SQLite, " * 200)
    with pytest.raises(ForeignFolder, match="is not a SQLite database"):
        connect_writable(tmp_path / "letter.db")
    monkeypatch.setattr(connection, "BUSY_MILLISECONDS", 1)
    with closing(sqlite3.connect(tmp_path / "busy.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ArchiveError, match="cannot be opened for writing: database is locked"):
            connect_writable(tmp_path / "busy.db")
        with pytest.raises(ArchiveError, match="cannot be opened: database is locked"):
            connect_readonly(tmp_path / "busy.db")


def test_readers_see_committed_state_while_a_transaction_is_open(tmp_path: Path) -> None:
    with create(tmp_path / "mail") as archive, closing(connect_readonly(archive.db_path)) as reader:
        with transaction(archive.db):
            archive.db.execute("UPDATE account SET name = 'New'")
            assert reader.execute("SELECT name FROM account").fetchone()["name"] == "Ada Owner"
        assert reader.execute("SELECT name FROM account").fetchone()["name"] == "New"


def test_statistics_are_made_and_refreshed(tmp_path: Path) -> None:
    with create(tmp_path / "mail") as archive:
        refresh_statistics(archive.db)
        refresh_statistics(archive.db)
        assert archive.db.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0] > 0


def test_a_database_on_a_read_only_medium_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "mail").close()
    real = connection._reader

    def no_shared_memory(path: Path, parameters: str) -> sqlite3.Connection:
        if "immutable" not in parameters:
            raise sqlite3.OperationalError("unable to open database file")
        return real(path, parameters)

    monkeypatch.setattr(connection, "_reader", no_shared_memory)
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)
    with closing(connect_readonly(tmp_path / "mail" / "archive.db")) as db:
        assert db.execute("SELECT user_id FROM account").fetchone()[0] == OWNER
