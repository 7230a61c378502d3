"""A machine that refuses: no room, no writing, no more open files, a locked or damaged database.

Every command then ends with a sentence instead of a traceback, nothing that was there is lost, and once the
trouble is over a sync makes archive and Canvas equal. A plain run tries a few of each, ``-m torture`` many.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import run as run_command
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive, connection, transaction
from canvas_archive.store.outbox import Draft, queue_message
from tests.sync_support import Pair, assert_equal, bind
from tests.trust_support import TALLY, Ended, Workshop, copied, holdings, unclean

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits and mounts"),
    pytest.mark.uncounted,
    pytest.mark.sampled,
]
CONVERSATIONS = 6
FEW = pytest.param(2, id="some")
MANY = pytest.param(25, id="many", marks=pytest.mark.torture)
KB = 1024


def some_and_all(some: Iterable[str], everything: Iterable[str]) -> list[Any]:
    """Return a few commands to try once in a plain run, and all of them to try often."""
    return [
        *(pytest.param(what, 1, id=f"{what}-one") for what in some),
        *(pytest.param(what, 25, id=f"{what}-many", marks=pytest.mark.torture) for what in everything),
    ]


@contextmanager
def small_disk(at: Path, size: int = 48 << 20) -> Iterator[Path]:
    """Mount a small file system of its own; skips where that is not possible.

    Another process releases it when its standard input ends: even when this process is killed.
    """
    at.mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount")
    release = subprocess.Popen(
        ["sh", "-c", 'read _; umount -l "$1"', "sh", str(at)],
        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    options = f"size={size},mode=0700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], check=False)
    try:
        if mounted.returncode != 0:
            pytest.skip("no file system can be mounted here")
        yield at
    finally:
        release.communicate(timeout=60)
    assert release.returncode == 0


def leave(disk: Path, room: int) -> Path:
    """Fill a disk up to so many bytes; return the file that fills it."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - room))
    return filler


def told(ended: Ended, where: str, *statuses: int) -> None:
    """Check that a command ended as it may: well, or with a sentence and one of these statuses."""
    assert ended.status in (0, *statuses), (where, ended.status, ended.stderr)
    assert "Traceback" not in ended.stderr and "defect" not in ended.stderr, (where, ended.stderr)
    if ended.status:
        assert ended.stderr.strip().splitlines()[-1].startswith("Error: "), (where, ended.stderr)


def sound(folder: Path) -> list[str]:
    """Return what ``verify`` finds, but for what simply waits for the next run."""
    return [one for one in unclean(folder) if not one.startswith(("index: ", "unknown files: "))]


def converges(pair: Pair, where: str) -> None:
    """Check that the next sync makes all of it whole."""
    pair.sync(mode="full", index=True)
    assert_equal(pair)
    assert unclean(pair.folder) == [], where


# -- no room -----------------------------------------------------------------------------------------------


def news(pair: Pair) -> None:
    """Let things happen on Canvas, with an attachment that needs room."""
    school = pair.sandbox.school
    for id_ in [id_ for id_ in school.ids("inbox") if pair.others(id_)][:3]:
        author = pair.others(id_)[0]
        file_id = school.add_file(author, f"scan {id_}.bin", os.urandom(150 * KB))
        school.receive(id_, author, "See the scan. " + "More of it. " * 500, attachments=[file_id])


WRITING: dict[str, tuple[str, ...]] = {
    "first sync": ("sync",),
    "later sync": ("sync", "--full"),
    "push": ("push",),
    "index": ("index", "--rebuild"),
    "export jsonl": ("export", "{beside}/out", "--format", "jsonl"),
    "export bag": ("export", "{beside}/out", "--format", "mbox", "--format", "html", "--bag"),
    "backup": ("backup", "{beside}/backup"),
    "restore": ("restore", "{outside}/backup", "{beside}/restored"),
    "star": ("star", "--query", ""),
}


class Squeeze:
    """One command, run again and again from the same state with ever other room to write in."""

    def __init__(self, pair: Pair, workshop: Workshop, what: str, beside: Path, outside: Path) -> None:
        self.pair, self.workshop, self.what = pair, workshop, what
        self.beside, self.outside = beside, outside
        self.start = outside / "start"
        self.scratch = outside / "run"
        if what != "first sync":
            pair.sync(mode="full", index=True)
        if what == "restore":
            assert self.command("backup", str(outside / "backup")).status == 0
        if what == "push":
            queue_up(pair)
        if what == "later sync":
            news(pair)
        shutil.copytree(pair.folder, self.start)
        self.before = holdings(self.start)

    def command(self, *arguments: str, **limits: int | None) -> Ended:
        here = () if "--archive" in arguments else ("--archive", str(self.pair.folder))
        return self.workshop.run(
            *arguments,
            *here,
            scratch=self.scratch,
            **limits,  # type: ignore[arg-type]
        )

    def reset(self) -> None:
        for path in self.beside.iterdir():
            if path != self.pair.folder:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        copied(self.start, self.pair.folder)

    def arguments(self) -> list[str]:
        return [part.format(beside=self.beside, outside=self.outside) for part in WRITING[self.what]]

    def check(self, ended: Ended, where: str) -> None:
        """Right after it: nothing lost. Then, with room again, the same command ends well."""
        told(ended, where, 1)
        assert not self.before - holdings(self.pair.folder), where
        assert sound(self.pair.folder) == [], where
        for made in ("out", "backup", "restored"):
            if (self.beside / made / "manifest-sha256.txt").exists():
                assert self.command("verify", str(self.beside / made)).status == 0, where
        left = [path.name for path in self.beside.iterdir() if ".partial" in path.name]
        assert left == [], where
        again = self.arguments()
        if self.what.startswith("export") and (self.beside / "out").exists():
            again.append("--force")
        if self.what == "restore" and (self.beside / "restored" / "archive.db").exists():
            # Restored as a whole; at most its index had no room.
            again = ["index", "--archive", str(self.beside / "restored")]
        done = self.command(*again)
        assert done.status == 0, (where, done.stderr)
        if self.what == "restore":
            assert unclean(self.beside / "restored") == [], where
        converges(self.pair, where)


def queue_up(pair: Pair) -> None:
    """Leave edits and a reply to be pushed."""
    ids = [id_ for id_ in pair.sandbox.school.ids("inbox") if pair.others(id_)]
    for id_ in ids:
        kind, _, number = str(pair.sandbox.school.truth()[id_]["context_code"]).partition("_")
        if kind == "course":
            pair.sandbox.school.conclude_course(int(number), concluded=False)
        pair.update("UPDATE conversations SET starred = NOT starred WHERE id = ?", id_)
    with Archive.open(pair.folder, write=True) as archive, transaction(archive.db):
        queue_message(archive.db, Draft("reply", "Said in a small room.", ids[0]))


@pytest.mark.parametrize("tries", [FEW, MANY])
@pytest.mark.parametrize("what", WRITING)
def test_a_full_disk(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, tries: int
) -> None:
    with small_disk(tmp_path / "disk") as disk, Sandbox(conversations=6) as sandbox:
        pair = bind(sandbox, disk / "archive", monkeypatch)
        squeeze = Squeeze(pair, workshop, what, disk, tmp_path)
        refused = 0
        rooms = [0, *(random.Random(3).sample(range(4 * KB, 1200 * KB), tries - 1))]
        for room in rooms:
            squeeze.reset()
            filler = leave(disk, room)
            ended = squeeze.command(*squeeze.arguments())
            filler.unlink()
            TALLY["faults: a full disk"] += ended.status != 0
            refused += ended.status != 0
            if ended.status:
                assert "full" in ended.stderr or "No space" in ended.stderr, ended.stderr
            squeeze.check(ended, f"{what} with {room:,} bytes of room")
        assert refused > 0


@pytest.mark.thorough
@pytest.mark.parametrize(("what", "tries"), some_and_all(("first sync", "export bag", "backup"), WRITING))
def test_a_limit_of_what_a_file_may_grow_to(
    workshop: Workshop, pair: Pair, tmp_path: Path, what: str, tries: int
) -> None:
    """The same where nothing can be mounted: writing fails once a file reaches a size."""
    beside = pair.folder.parent / "beside"
    beside.mkdir()
    squeeze = Squeeze(pair, workshop, what, beside, tmp_path)
    sizes = sorted(random.Random(4).sample(range(1 * KB, 400 * KB), tries))
    for size in sizes:
        squeeze.reset()
        ended = squeeze.command(*squeeze.arguments(), largest_file=size)
        TALLY["faults: a file that may not grow"] += ended.status != 0
        squeeze.check(ended, f"{what} with files of {size:,} bytes at most")


# -- no writing --------------------------------------------------------------------------------------------

READING: dict[str, tuple[str, ...]] = {
    "list": ("list",),
    "search": ("search", "a"),
    "status": ("status",),
    "sql": ("sql", "SELECT count(*) FROM messages"),
    "export": ("export", "{outside}/out", "--format", "jsonl"),
    "backup": ("backup", "{outside}/backup"),
    "verify": ("verify",),
}
REFUSED_READ_ONLY: dict[str, tuple[str, ...]] = {
    "sync": ("sync",),
    "push": ("push",),
    "star": ("star", "--query", ""),
    "index": ("index", "--rebuild"),
    "export into it": ("export", "{inside}/out", "--format", "jsonl"),
    "backup into it": ("backup", "{inside}/backup"),
    "restore into it": ("restore", "{outside}/first-backup", "{inside}/restored"),
    "init in it": ("init",),
}


@pytest.mark.thorough
def test_a_disk_that_can_only_be_read(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes on, writing is refused with a sentence; afterwards all is as it was."""
    with small_disk(tmp_path / "disk") as disk, Sandbox(conversations=6) as sandbox:
        pair = bind(sandbox, disk / "archive", monkeypatch)
        pair.sync(mode="full", index=True)
        before = holdings(pair.folder)
        squeeze = Squeeze(pair, workshop, "restore", disk, tmp_path)
        (tmp_path / "backup").rename(tmp_path / "first-backup")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        try:
            for name, arguments in READING.items():
                ended = squeeze.command(*(part.format(outside=tmp_path) for part in arguments))
                assert ended.status == 0, (name, ended.stderr, ended.stdout)
            for name, arguments in REFUSED_READ_ONLY.items():
                where = pair.folder if name != "init in it" else disk / "new"
                words = [part.format(outside=tmp_path, inside=disk) for part in arguments]
                ended = workshop.run(*words, "--archive", str(where), scratch=tmp_path / "run")
                told(ended, name, 1, 2, 9)
                assert ended.status != 0, name
                TALLY["faults: a disk that can only be read"] += 1
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert sorted(path.name for path in disk.iterdir()) == ["archive"]
        assert holdings(pair.folder) == before
        converges(pair, "afterwards")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("what", "tries"),
    some_and_all(
        ("later sync", "backup"), ("first sync", "later sync", "index", "export bag", "backup", "restore")
    ),
)
def test_too_few_open_files(workshop: Workshop, pair: Pair, tmp_path: Path, what: str, tries: int) -> None:
    beside = pair.folder.parent / "beside"
    beside.mkdir()
    squeeze = Squeeze(pair, workshop, what, beside, tmp_path)
    for limit in sorted(random.Random(5).sample(range(6, 40), tries)):
        squeeze.reset()
        ended = squeeze.command(*squeeze.arguments(), open_files=limit)
        TALLY["faults: too few open files"] += ended.status != 0
        told(ended, f"{what} with {limit} open files", 1, 2, 4, 5)
        squeeze.check(Ended(min(ended.status, 1), "", ended.stderr, ()), f"{what}, {limit} open files")


# -- a locked database -------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_another_program_keeps_the_database_locked(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.sync(mode="full")
    news(pair)
    queue_up(pair)
    id_ = str(pair.sandbox.school.ids("inbox")[0])
    monkeypatch.setattr(connection, "BUSY_MILLISECONDS", 60)
    with closing(sqlite3.connect(pair.folder / "archive.db", isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        for arguments in (["sync"], ["push"], ["star", id_], ["unstar", id_], ["index", "--rebuild"]):
            status = run_command([*arguments, "--archive", str(pair.folder)])
            err = capsys.readouterr().err
            assert status == 7, (arguments, err)
            assert "Traceback" not in err and "defect" not in err
            TALLY["faults: a locked database"] += 1
        foreign.execute("ROLLBACK")
    pair.sync(mode="full", push=True, index=True)
    converges(pair, "afterwards")


@pytest.mark.thorough
def test_a_short_lock_is_waited_for(pair: Pair) -> None:
    with closing(
        sqlite3.connect(pair.folder / "archive.db", isolation_level=None, check_same_thread=False)
    ) as foreign:

        def step(count: int) -> None:
            if count == 2:
                foreign.execute("BEGIN IMMEDIATE")
            elif count == 4:
                foreign.execute("ROLLBACK")

        pair.sandbox.faults.on_request(r"^/api/v1/conversations/\d+", step)
        pair.sync(mode="full", jobs=4)
        TALLY["faults: a locked database"] += 1
    converges(pair, "afterwards")


# -- damage ------------------------------------------------------------------------------------------------

COMMANDS_ON_DAMAGE: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("list",),
    ("search", "a"),
    ("sql", "SELECT count(*) FROM messages"),
    ("verify",),
    ("sync", "--full"),
    ("export", "{outside}/out", "--format", "jsonl", "--force"),
    ("backup", "{outside}/later-backup"),
)


def damaged(
    squeeze: Squeeze, damage: Callable[[Path], None], where: str, *, repaired: Callable[[], None]
) -> None:
    """Damage a copy, run everything on it, repair it as told, and demand that it is whole again."""
    for arguments in COMMANDS_ON_DAMAGE:
        squeeze.reset()
        damage(squeeze.pair.folder)
        words = [part.format(outside=squeeze.outside) for part in arguments]
        ended = squeeze.command(*words)
        told(ended, f"{where}: {arguments[0]}", 1, 2, 5, 8, 9)
        TALLY["faults: damage on the disk"] += 1
    squeeze.reset()
    damage(squeeze.pair.folder)
    repaired()
    assert not squeeze.before - holdings(squeeze.pair.folder), where
    converges(squeeze.pair, where)


@pytest.fixture
def squeeze(workshop: Workshop, pair: Pair, tmp_path: Path) -> Squeeze:
    """A whole archive with a backup of it."""
    beside = pair.folder.parent / "beside"
    beside.mkdir()
    made = Squeeze(pair, workshop, "restore", beside, tmp_path)
    for word in ("out",):
        assert made.command("export", str(tmp_path / word), "--format", "jsonl").status == 0
    return made


@pytest.mark.thorough
@pytest.mark.parametrize("tries", [FEW, MANY])
@pytest.mark.parametrize("how", ["cut off", "pages of noise"])
def test_a_damaged_database(squeeze: Squeeze, how: str, tries: int) -> None:
    """Cut off or overwritten: every command says so or does its work, and the backup brings it back."""
    size = (squeeze.start / "archive.db").stat().st_size
    chance = random.Random(6)

    def restore() -> None:
        shutil.rmtree(squeeze.pair.folder)
        done = squeeze.command("restore", str(squeeze.outside / "backup"), str(squeeze.pair.folder))
        assert done.status == 0, done.stderr

    for _ in range(tries):
        at, noise = chance.randrange(size), chance.randbytes(4096)

        def damage(folder: Path, at: int = at, noise: bytes = noise) -> None:
            with (folder / "archive.db").open("r+b") as file:
                if how == "cut off":
                    file.truncate(at)
                else:
                    file.seek(at // 4096 * 4096)
                    file.write(noise)

        squeeze.reset()
        damage(squeeze.pair.folder)
        verified = squeeze.command("verify")
        assert verified.status != 0, f"{how} at {at} is not noticed"
        damaged(squeeze, damage, f"{how} at {at:,} of {size:,}", repaired=restore)


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["cut off", "noise", "gone", "a folder instead"])
def test_a_damaged_index(squeeze: Squeeze, how: str) -> None:
    """Searching says what to do, and the next sync makes it anew by itself."""
    names = sorted(path.name for path in (squeeze.start / "search").iterdir() if path.is_file())
    chance = random.Random(7)
    assert names
    for name in [name for name in names if "lock" not in name.lower()]:

        def damage(folder: Path, name: str = name) -> None:
            path = folder / "search" / name
            data = path.read_bytes()
            path.unlink()
            if how == "cut off":
                path.write_bytes(data[: len(data) // 2])
            elif how == "noise":
                path.write_bytes(chance.randbytes(len(data)))
            elif how == "a folder instead":
                path.mkdir()

        squeeze.reset()
        damage(squeeze.pair.folder)
        found = squeeze.command("search", "a")
        told(found, f"{how}: {name}", 1, 2, 8)
        # Noise of the same length is found by reading everything: ``verify`` does, and says what to do.
        repaired = squeeze.command("index", *(["--rebuild"] if how == "noise" else []))
        assert repaired.status == 0, (how, name, repaired.stderr)
        assert squeeze.command("search", "a").status == 0
        TALLY["faults: damage on the disk"] += 1
        assert unclean(squeeze.pair.folder) == [], (how, name)


BROKEN_SETTINGS = {
    "empty": b"",
    "not text": b"\xff\xfe\x00",
    "not TOML": b"base_url = [",
    "a number for the address": b"base_url = 7\n",
    "an unknown option": b'base_url = "https://school.example"\ncolour = "red"\n',
    "a token": b'base_url = "https://school.example"\ntoken = "7~SECRETSECRET"\n',
}


@pytest.mark.thorough
@pytest.mark.parametrize("what", [*BROKEN_SETTINGS, "gone", "a folder instead"])
def test_broken_settings(squeeze: Squeeze, what: str) -> None:
    def damage(folder: Path) -> None:
        path = folder / "config.toml"
        path.unlink()
        if what in BROKEN_SETTINGS:
            path.write_bytes(BROKEN_SETTINGS[what])
        elif what == "a folder instead":
            path.mkdir()

    squeeze.reset()
    damage(squeeze.pair.folder)
    code = 9 if what == "a folder instead" else 2  # what is no file is not opened
    for arguments in (("status",), ("sync",), ("search", "a")):
        ended = squeeze.command(*arguments)
        told(ended, f"{what}: {arguments}", code)
        assert ended.status == code and "config.toml" in ended.stderr
        assert "SECRETSECRET" not in ended.stderr + ended.stdout
        TALLY["faults: broken settings"] += 1
    path = squeeze.pair.folder / "config.toml"
    if path.is_dir():
        path.rmdir()
    shutil.copy(squeeze.start / "config.toml", path)
    converges(squeeze.pair, what)


@pytest.mark.thorough
@pytest.mark.parametrize("tries", [FEW, MANY])
def test_a_lost_write_ahead_log(workshop: Workshop, pair: Pair, tmp_path: Path, tries: int) -> None:
    """Killed in a sync, and then the file with the last commits is gone: older, but whole."""
    start = tmp_path / "start"
    pair.folder.rename(start)
    copied(start, pair.folder)
    whole = workshop.run("sync", "--archive", str(pair.folder), scratch=tmp_path / "run")
    assert whole.status == 0, whole.stderr
    for at in sorted(random.Random(8).sample(range(8, len(whole.trail)), tries)):
        copied(start, pair.folder)
        died = workshop.run("sync", "--archive", str(pair.folder), scratch=tmp_path / "run", die_at=at)
        assert died.status in (0, -9)
        for suffix in ("-wal", "-shm"):
            (pair.folder / f"archive.db{suffix}").unlink(missing_ok=True)
        TALLY["faults: a lost write-ahead log"] += 1
        assert sound(pair.folder) == [], at
        converges(pair, f"killed at {at}")
