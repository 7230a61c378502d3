"""Backups: complete, incremental, private, and never written over anything else."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from canvas_archive.cli import run
from canvas_archive.errors import (
    ArchiveError,
    BadInput,
    ForeignFolder,
    GuardRefused,
    VerificationFailed,
    WrongAccount,
)
from canvas_archive.export import backup as writing
from canvas_archive.export.backup import backup
from canvas_archive.export.restore import restore
from canvas_archive.export.verify import VerifyOptions, verify_archive
from canvas_archive.export.verify_files import verify_path
from canvas_archive.store.private import write_private
from tests.export_support import ArchiveBuilder, FixedClock, small_archive, tree
from tests.receipt_rows import write_receipts

pytestmark = pytest.mark.thorough

CLOCK = FixedClock()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return small_archive(tmp_path / "archive")


def rows(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        return [
            row
            for table in ("messages", "conversations", "users", "attachments", "evidence_chain", "receipts")
            for row in db.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
        ]


@pytest.mark.sampled
def test_what_is_restored_is_what_was_there(archive: Path, tmp_path: Path) -> None:
    report = backup(archive, tmp_path / "backup", clock=CLOCK)
    assert (report.messages, report.files, report.copied_files) == (10, 4, 4)
    assert all(check.ok for check in verify_path(tmp_path / "backup"))
    restore(tmp_path / "backup", tmp_path / "again")
    assert rows(tmp_path / "again") == rows(archive)
    assert tree(tmp_path / "again" / "files") == tree(archive / "files")
    assert [check.name for check in verify_archive(tmp_path / "again") if not check.ok] == []


def test_everything_is_private(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    restore(tmp_path / "backup", tmp_path / "again")
    for top in ("backup", "again"):
        for path in (tmp_path / top, *(tmp_path / top).rglob("*")):
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.sampled
def test_a_second_backup_copies_only_what_is_new(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    builder = ArchiveBuilder.__new__(ArchiveBuilder)
    from canvas_archive.store import Archive

    with Archive.open(archive, write=True) as opened:
        builder.archive, builder.db = opened, opened.db
        builder.message(1041, 104, 7, "with a file", to=(7,))
        builder.attachment(600, 1041, "new.txt", b"new bytes")
        write_receipts(opened.db, CLOCK)
    report = backup(archive, tmp_path / "backup", clock=CLOCK)
    assert (report.messages, report.files, report.copied_files) == (11, 5, 1)
    assert len(list((tmp_path / "backup").glob("archive-*.db"))) == 1
    assert all(check.ok for check in verify_path(tmp_path / "backup"))


def test_a_backup_while_a_sync_is_writing(archive: Path, tmp_path: Path) -> None:
    from canvas_archive.store import Archive

    with Archive.open(archive, write=True) as writer:
        writer.db.execute("BEGIN IMMEDIATE")
        writer.db.execute("UPDATE conversations SET subject = 'half done' WHERE id = 100")
        backup(archive, tmp_path / "backup", clock=CLOCK)
        writer.db.execute("ROLLBACK")
    restore(tmp_path / "backup", tmp_path / "again")
    assert rows(tmp_path / "again") == rows(archive)


@pytest.mark.sampled
def test_nothing_foreign_is_overwritten(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    with pytest.raises(ForeignFolder):
        backup(archive, tmp_path / "thesis", clock=CLOCK)
    with pytest.raises(ForeignFolder):
        backup(archive, tmp_path / "thesis" / "thesis.tex", clock=CLOCK)
    assert tree(tmp_path / "thesis") == {"thesis.tex": b"years of work"}
    with pytest.raises(BadInput, match="inside"):
        backup(archive, archive / "backup", clock=CLOCK)


def test_a_backup_of_another_mailbox_is_refused(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    record = json.loads((tmp_path / "backup" / "backup.json").read_text())
    (tmp_path / "backup" / "backup.json").write_text(json.dumps({**record, "user_id": 8}))
    with pytest.raises(WrongAccount, match="user 8"):
        backup(archive, tmp_path / "backup", clock=CLOCK)


def test_restoring_needs_a_free_folder(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    before = tree(archive)
    with pytest.raises(GuardRefused):
        restore(tmp_path / "backup", archive)
    assert tree(archive) == before
    with pytest.raises(BadInput, match="no complete backup"):
        restore(archive, tmp_path / "again")


@pytest.mark.sampled
@pytest.mark.parametrize(
    "what", ["archive-*.db", "config.toml", "files/*/*", "backup.json", "manifest-sha256.txt"]
)
def test_a_damaged_backup_is_not_restored(archive: Path, tmp_path: Path, what: str) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    target = sorted((tmp_path / "backup").glob(what))[0]
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 1
    target.write_bytes(data)
    with pytest.raises((VerificationFailed, BadInput)):
        restore(tmp_path / "backup", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_missing_file_of_a_backup_is_named(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    gone = sorted((tmp_path / "backup").glob("files/*/*"))[0]
    gone.unlink()
    (tmp_path / "again").mkdir()
    with pytest.raises(VerificationFailed, match=gone.name):
        restore(tmp_path / "backup", tmp_path / "again")
    assert list((tmp_path / "again").iterdir()) == []


def test_a_lost_attachment_is_reported(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sorted((archive / "files").glob("*/*"))[0].unlink()
    assert run(["--archive", str(archive), "backup", str(tmp_path / "backup")]) == 5
    assert "missing on the disk" in capsys.readouterr().err
    assert all(check.ok for check in verify_path(tmp_path / "backup"))


def test_an_altered_attachment_is_not_backed_up(archive: Path, tmp_path: Path) -> None:
    blob = sorted((archive / "files").glob("*/*"))[0]
    blob.write_bytes(b"something else")
    with pytest.raises(VerificationFailed):
        backup(archive, tmp_path / "backup", clock=CLOCK)
    # An interrupted first backup is taken up again.
    shutil.rmtree(archive)
    small_archive(archive)
    backup(archive, tmp_path / "backup", clock=CLOCK)
    assert all(check.ok for check in verify_path(tmp_path / "backup"))


def test_a_damaged_database_is_not_backed_up(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    before = tree(tmp_path / "backup")
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages_author'").fetchone()[0]
    data = bytearray((archive / "archive.db").read_bytes())
    data[(page - 1) * 4096] = 0xFF
    (archive / "archive.db").write_bytes(data)
    with pytest.raises(VerificationFailed, match="damaged"):
        backup(archive, tmp_path / "backup", clock=CLOCK)
    assert tree(tmp_path / "backup") == before


def test_the_commands(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backup", str(tmp_path / "b"), "--archive", str(archive), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["files"] == 4
    assert run(["restore", str(tmp_path / "b"), str(tmp_path / "again"), "--no-index"]) == 0
    assert "Restored 10 messages" in capsys.readouterr().err
    options = VerifyOptions(files=True)
    assert [check.name for check in verify_archive(tmp_path / "again", options) if not check.ok] == []
    assert run(["restore", str(tmp_path / "b"), str(tmp_path / "again"), "--no-index"]) == 9


def test_what_a_file_manager_leaves_in_a_backup_harms_nothing(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    (tmp_path / "backup" / "files" / ".DS_Store").write_bytes(b"icons")
    backup(archive, tmp_path / "backup", clock=CLOCK)
    checks = {check.name: check for check in verify_path(tmp_path / "backup")}
    assert checks["foreign files"].items == ("files/.DS_Store",)
    assert all(check.ok for check in checks.values())
    restore(tmp_path / "backup", tmp_path / "again")
    assert rows(tmp_path / "again") == rows(archive)
    assert not (tmp_path / "again" / "files" / ".DS_Store").exists()


@pytest.mark.parametrize(
    "name", ["search/index.toc", "notes.txt", "files/ab/cd", "archive.db", "verify.state"]
)
def test_nothing_but_what_a_backup_consists_of_is_restored(archive: Path, tmp_path: Path, name: str) -> None:
    """A search index is loaded as it lies there: one that somebody put into a backup must not get in."""
    backup(archive, tmp_path / "backup", clock=CLOCK)
    planted = tmp_path / "backup" / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_bytes(b"planted")
    with (tmp_path / "backup" / "manifest-sha256.txt").open("a") as manifest:
        manifest.write(f"{sha256(b'planted').hexdigest()}  {name}\n")
    with pytest.raises(VerificationFailed, match=f"lists {name}, which no backup"):
        restore(tmp_path / "backup", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def relist(folder: Path, *, drop: str = "", **changed: str) -> None:
    """Write the manifest of a backup anew, without one file, or with another hash of one."""
    manifest = folder / "manifest-sha256.txt"
    lines = [line.partition("  ") for line in manifest.read_text().splitlines()]
    kept = [(changed.get(name.partition(".")[0], value), name) for value, _, name in lines if name != drop]
    manifest.write_text("".join(f"{value}  {name}\n" for value, name in kept))


def test_a_backup_without_its_database_is_not_restored(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    relist(tmp_path / "backup", drop="config.toml")
    with pytest.raises(VerificationFailed, match=r"lacks archive-\w+\.db or config\.toml"):
        restore(tmp_path / "backup", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_record_that_was_altered_is_noticed(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    relist(tmp_path / "backup", backup="0" * 64)
    with pytest.raises(VerificationFailed, match=r"backup\.json is not what the manifest says"):
        restore(tmp_path / "backup", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_backup_interrupted_before_its_manifest_is_the_one_before(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    expected = rows(archive)
    with closing(sqlite3.connect(archive / "archive.db")) as db, db:
        db.execute("UPDATE account SET name = 'Another'")
        write_receipts(db, CLOCK)
    written: list[str] = []

    def dies(path: Path, data: bytes) -> None:
        written.append(path.name)
        if path.name == "backup.json":
            raise KeyboardInterrupt
        write_private(path, data)

    monkeypatch.setattr(writing, "write_private", dies)
    with pytest.raises(KeyboardInterrupt):
        backup(archive, tmp_path / "backup", clock=CLOCK)
    assert written == ["archive.db.partial", "manifest-sha256.txt", "backup.json"]
    assert len(list((tmp_path / "backup").glob("archive-*.db"))) == 2
    restore(tmp_path / "backup", tmp_path / "again")  # both databases are listed; one of them counts
    assert rows(tmp_path / "again") == expected
    with closing(sqlite3.connect(tmp_path / "again" / "archive.db")) as db:
        assert db.execute("SELECT name FROM account").fetchone() != ("Another",)


def test_a_disk_that_writes_something_else_is_noticed(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        writing,
        "write_private",
        lambda path, data: write_private(path, data.replace(b"base_url", b"base_usl")),
    )
    with pytest.raises(VerificationFailed, match="what was read back differs"):
        backup(archive, tmp_path / "backup", clock=CLOCK)


def test_a_file_that_was_lost_from_a_backup_is_copied_again(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    lost = sorted((tmp_path / "backup").glob("files/*/*"))[0]
    content = lost.read_bytes()
    lost.unlink()
    (archive / lost.relative_to(tmp_path / "backup")).rename(tmp_path / "lost")
    report = backup(archive, tmp_path / "backup", clock=CLOCK)  # it is missing here, too: no longer listed
    assert report.missing == (lost.name,) and report.copied_files == 0
    assert all(check.ok for check in verify_path(tmp_path / "backup"))
    (tmp_path / "lost").rename(archive / lost.relative_to(tmp_path / "backup"))
    assert backup(archive, tmp_path / "backup", clock=CLOCK).copied_files == 1
    assert lost.read_bytes() == content


@pytest.mark.parametrize("first", [False, True])
def test_a_disk_without_room_leaves_the_backup_before_as_it_was(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    if not first:
        backup(archive, tmp_path / "backup", clock=CLOCK)
    before = tree(tmp_path / "backup") if not first else {"backup.unfinished": b""}

    def full(source: sqlite3.Connection, target: Path) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = 13  # type: ignore[misc]
        raise error

    monkeypatch.setattr(writing, "copy_database", full)
    with pytest.raises(ArchiveError) as raised:
        backup(archive, tmp_path / "backup", clock=CLOCK)
    assert not isinstance(raised.value, VerificationFailed)
    assert "full" in str(raised.value)
    assert tree(tmp_path / "backup") == before


def test_a_restoration_that_was_interrupted_is_begun_anew(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    left = tmp_path / "again"
    (left / "files" / "ab").mkdir(parents=True)
    (left / "restore.unfinished").touch()
    (left / "archive.db.unfinished").write_bytes(b"half")
    (left / "config.toml.partial").write_bytes(b"half")
    restore(tmp_path / "backup", left)
    assert rows(left) == rows(archive)
    names = ["archive.db", "config.toml", "files", "identity.key", "search"]
    assert sorted(path.name for path in left.iterdir()) == names


def test_what_is_not_left_by_a_restoration_is_kept(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    left = tmp_path / "again"
    left.mkdir()
    (left / "restore.unfinished").touch()
    (left / "thesis.tex").write_text("years of work")
    with pytest.raises(ForeignFolder):
        restore(tmp_path / "backup", left)
    assert (left / "thesis.tex").read_text() == "years of work"


# -- what an earlier backup left is looked at ---------------------------------------------------------------


def broken(path: Path) -> bytes:
    """Change a byte in the middle of a file, leave its size and times, and return what it was."""
    data, times = path.read_bytes(), path.stat()
    path.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return data


def test_a_damaged_copy_is_repaired(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    first, second = sorted((tmp_path / "backup").glob("files/*/*"))[:2]
    was, _ = broken(first), second.unlink()
    assert run(["--archive", str(archive), "backup", "--json", str(tmp_path / "backup")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["counts"]["checked_files"], document["counts"]["copied_files"]) == (3, 2)
    assert document["repaired"] == [first.name] and first.read_bytes() == was
    assert all(check.ok for check in verify_path(tmp_path / "backup"))
    broken(first)
    assert run(["--archive", str(archive), "backup", str(tmp_path / "backup")]) == 0
    assert "(1 files copied, 4 earlier copies checked, 1 of them repaired)" in capsys.readouterr().err


def test_a_damaged_copy_that_nothing_can_repair_is_named(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    copy = sorted((tmp_path / "backup").glob("files/*/*"))[0]
    broken(copy)
    (archive / copy.relative_to(tmp_path / "backup")).unlink()
    assert run(["--archive", str(archive), "backup", str(tmp_path / "backup")]) == 8
    assert f"1 attachments are damaged in the backup, and the archive lacks them: {copy.name}" in (
        capsys.readouterr().err
    )
    assert [check.name for check in verify_path(tmp_path / "backup") if not check.ok] == ["files"]


def test_an_attachment_that_only_the_backup_has_is_named_and_stays(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    copy = sorted((tmp_path / "backup").glob("files/*/*"))[0]
    (archive / copy.relative_to(tmp_path / "backup")).unlink()
    assert run(["--archive", str(archive), "backup", str(tmp_path / "backup")]) == 5
    assert f"the backup has them: {copy.name}" in capsys.readouterr().err
    assert copy.exists() and all(check.ok for check in verify_path(tmp_path / "backup"))


def test_an_altered_attachment_of_the_archive_is_refused_though_the_backup_has_it(
    archive: Path, tmp_path: Path
) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    before = tree(tmp_path / "backup")
    copy = sorted((tmp_path / "backup").glob("files/*/*"))[0]
    broken(archive / copy.relative_to(tmp_path / "backup"))
    with pytest.raises(VerificationFailed, match=f"{copy.name} was altered; the backup has a sound copy"):
        backup(archive, tmp_path / "backup", clock=CLOCK)
    assert tree(tmp_path / "backup") == before


def test_a_backup_that_fails_after_it_copied_leaves_the_one_before_sound(
    archive: Path, tmp_path: Path
) -> None:
    copies = sorted((archive / "files").glob("*/*"))
    copies[0].rename(tmp_path / "away")
    backup(archive, tmp_path / "backup", clock=CLOCK)
    (tmp_path / "away").rename(copies[0])
    lost = tmp_path / "backup" / copies[-1].relative_to(archive)
    lost.unlink()
    databases = set((tmp_path / "backup").glob("archive-*.db"))
    good = broken(copies[-1])
    with pytest.raises(VerificationFailed, match="does not match its recorded SHA-256"):
        backup(archive, tmp_path / "backup", clock=CLOCK)
    copies[-1].write_bytes(good)
    lost.write_bytes(good)
    assert databases <= set((tmp_path / "backup").glob("archive-*.db"))
    assert [check.items for check in verify_path(tmp_path / "backup") if not check.ok] == []


def test_a_refused_archive_costs_no_database_of_a_backup_whose_record_is_wrong(
    archive: Path, tmp_path: Path
) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    record = tmp_path / "backup" / "backup.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "database": "archive-none.db"}))
    before = tree(tmp_path / "backup")
    broken(sorted((archive / "files").glob("*/*"))[0])
    with pytest.raises(VerificationFailed):
        backup(archive, tmp_path / "backup", clock=CLOCK)
    assert tree(tmp_path / "backup") == before


FIRST = "WHERE id = (SELECT min(id) FROM messages)"
FORGED = {
    "a body": (f"UPDATE messages SET body = 'never written' {FIRST}", "contents"),
    "nobody": (f"PRAGMA foreign_keys = OFF; UPDATE messages SET author_id = 424242 {FIRST}", "foreign keys"),
    "a run": ("UPDATE sync_runs SET finished_at = '2020-01-01T00:00:00Z'", "chain"),
}


@pytest.mark.parametrize(("statement", "check"), FORGED.values(), ids=FORGED)
def test_a_forged_archive_is_not_backed_up(archive: Path, tmp_path: Path, statement: str, check: str) -> None:
    backup(archive, tmp_path / "backup", clock=CLOCK)
    before = tree(tmp_path / "backup")
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f'DROP TRIGGER "{name}"')
        db.executescript(statement)
    with pytest.raises(VerificationFailed, match=rf"not what its own records say \({check}\)"):
        backup(archive, tmp_path / "backup", clock=CLOCK)
    assert tree(tmp_path / "backup") == before
