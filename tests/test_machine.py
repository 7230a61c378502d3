"""What the machine refuses is told in a sentence, with the exit code that fits, wherever a run ends."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from canvas_archive.errors import ArchiveError, ArchiveLocked, MachineTrouble, VerificationFailed
from canvas_archive.machine import machine_errors_converted, machine_trouble
from canvas_archive.sandbox import Sandbox
from canvas_archive.store.blobs import BlobWriter
from canvas_archive.web.syncing import push_work, sync_now
from tests.fleet_support import collection
from tests.sync_support import bind

NUMBERS = {
    errno.ENOSPC: "disk is full",
    errno.EDQUOT: "disk is full",
    errno.EFBIG: "grow any larger",
    errno.EROFS: "can only be read",
    errno.EACCES: "may not be read or written",
    errno.EPERM: "may not be read or written",
    errno.EMFILE: "open files" if os.name == "nt" else "ulimit -n",
    errno.ENFILE: "ulimit -n",
    errno.EIO: "disk fails",
}
SENTENCES: dict[str, tuple[type[ArchiveError], str]] = {
    "database or disk is full": (MachineTrouble, "disk is full"),
    "attempt to write a readonly database": (MachineTrouble, "can only be read"),
    "disk I/O error": (MachineTrouble, "disk fails"),
    "unable to open database file": (MachineTrouble, "too many files are open"),
    "database is locked": (ArchiveLocked, "keeps the archive's database locked"),
    "database table is locked": (ArchiveLocked, "keeps the archive's database locked"),
    "database disk image is malformed": (VerificationFailed, "restore a backup"),
    "file is not a database": (VerificationFailed, "restore a backup"),
}


@pytest.mark.parametrize("number", NUMBERS)
def test_errors_of_the_system(number: int) -> None:
    told = machine_trouble(OSError(number, os.strerror(number), "/somewhere/file"))
    assert isinstance(told, MachineTrouble) and told.exit_code == 1
    assert NUMBERS[number] in str(told) and not str(told)[0].islower()
    assert "/somewhere/file" in str(told) or number in (errno.EMFILE, errno.ENFILE)
    assert "a file" in str(machine_trouble(OSError(errno.ENOSPC, "no room"))).lower()


@pytest.mark.parametrize("sentence", SENTENCES)
def test_errors_of_sqlite(sentence: str) -> None:
    kind, words = SENTENCES[sentence]
    told = machine_trouble(sqlite3.OperationalError(sentence))
    assert type(told) is kind and words in str(told)


def test_defects_stay_what_they_are() -> None:
    for error in (
        ValueError("x"),
        FileNotFoundError(errno.ENOENT, "gone"),
        OSError("x"),
        sqlite3.OperationalError("no such table: letters"),
        sqlite3.ProgrammingError("x"),
    ):
        assert machine_trouble(error) is None
    with pytest.raises(sqlite3.OperationalError, match="no such table"), machine_errors_converted():
        raise sqlite3.OperationalError("no such table: letters")
    with pytest.raises(MachineTrouble) as caught, machine_errors_converted():
        raise OSError(errno.ENOSPC, "no room", "x")
    assert isinstance(caught.value.__cause__, OSError)


def _fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: BlobWriter) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    monkeypatch.setattr(BlobWriter, "finish", full)


def test_a_sync_from_the_web_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(conversations=8) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        with monkeypatch.context() as patch:
            _fill_the_disk(patch)
            with pytest.raises(MachineTrouble, match=r"^The disk is full"):
                sync_now(pair.folder, lambda line: None)
        assert pair.one("SELECT status FROM sync_runs") == "failed"
        assert "The disk is full" in pair.one("SELECT error FROM sync_runs")
        (pair.folder / "archive.db").write_bytes(b"SQLite format 3\x00" + bytes(2000))
        lines: list[str] = []
        with pytest.raises(ArchiveError):
            push_work({}, {})(pair.folder, lines.append)
        assert lines == ["Reading what Canvas has…"], "nothing is said about an archive that cannot be read"


@pytest.mark.thorough
def test_a_full_disk_ends_a_fleet_at_the_first_custodian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no use in beginning with the next one."""
    with Sandbox(conversations=30) as sandbox:
        many = collection(sandbox, tmp_path, monkeypatch)
        many.write_list([sandbox.user_id, *[one for one in many.people if one != sandbox.user_id][:2]])
        with monkeypatch.context() as patch:
            _fill_the_disk(patch)
            ended = many.sync()
        assert isinstance(ended.exception, MachineTrouble) and many.code(ended) == 1
        states = sorted(row["status"] for row in many.state().values())
        assert states == ["failed", "waiting", "waiting"]
        assert many.code(many.sync()) == 0
