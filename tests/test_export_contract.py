"""The contract every export format keeps, checked by reading the outputs with other programs."""

from __future__ import annotations

import csv
import email
import email.policy
import errno
import html.parser
import json
import mailbox
import os
import random
import shutil
import sqlite3
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

import duckdb
import pytest

from canvas_archive.errors import ArchiveError, BadInput, ForeignFolder, VerificationFailed
from canvas_archive.export.context import ExportOptions
from canvas_archive.export.destination import exchange
from canvas_archive.export.formats import FORMATS
from canvas_archive.export.records import ThreadRecord
from canvas_archive.export.run import ExportProgress, ExportReport, Request, export
from canvas_archive.export.selection import Selection
from tests.export_support import (
    NASTY_BODY,
    SMALL_CONVERSATIONS,
    SMALL_MESSAGES,
    ArchiveBuilder,
    rsmf_manifest,
    small_archive,
    tree,
)

pytestmark = pytest.mark.sampled

Found = dict[int, str]
"""Message ids with their bodies, as a foreign program reads them."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("export") / "archive")


def run(archive: Path, dest: Path, *formats: str, **more: object) -> ExportReport:
    progress = more.pop("progress", None)
    assert progress is None or isinstance(progress, ExportProgress)
    request = Request(archive, archive / "archive.db", archive / "files", dest, formats, **more)  # type: ignore[arg-type]
    return export(request, progress)


# --- how each format is read by a program that is not ours


def read_jsonl(root: Path) -> Iterator[tuple[int, str]]:
    for line in (root / "conversations.jsonl").read_text("utf-8").split("\n")[:-2]:
        yield from ((message["id"], message["body"]) for message in json.loads(line)["messages"])


def read_csv(root: Path) -> Iterator[tuple[int, str]]:
    with (root / "messages.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield int(row["message_id"]), row["body"].removeprefix("'")


def body_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n").removesuffix("\n")


def read_mbox(root: Path) -> Iterator[tuple[int, str]]:
    with open(root / "messages.mbox", "rb") as file:
        assert not any(line.startswith((b">From ", b"\r")) for line in file)
    box = mailbox.mbox(root / "messages.mbox", create=False)
    try:
        for raw in box:
            message = email.message_from_bytes(raw.as_bytes(), policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            yield int(message["X-Canvas-Message-Id"]), body_of(message)
    finally:
        box.close()


def read_eml(root: Path) -> Iterator[tuple[int, str]]:
    for path in (root / "eml").rglob("*.eml"):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert not message.defects
        yield int(message["X-Canvas-Message-Id"]), body_of(message)


class SiteParser(html.parser.HTMLParser):
    """Reads the messages of a page the way a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self._message: int | None = None
        self._in_body = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        assert tag not in ("iframe", "object", "embed", "base") and not any(
            name.startswith("on") for name in named
        )
        if tag == "script":
            assert named["src"] == "assets/site.js"
        if tag == "article":
            self._message = int(named["data-message"] or "")
        if tag == "blockquote":
            self._message = None
        if tag == "div" and named.get("class") == "body" and self._message is not None:
            self._in_body = True
            self.found.append((self._message, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._in_body = False

    def handle_data(self, data: str) -> None:
        if self._in_body:
            number, text = self.found[-1]
            self.found[-1] = (number, text + data)


def read_html(root: Path) -> Iterator[tuple[int, str]]:
    for path in (root / "html").rglob("*.html"):
        parser = SiteParser()
        parser.feed(path.read_text("utf-8"))
        parser.close()
        yield from parser.found


def read_parquet(root: Path) -> Iterator[tuple[int, str]]:
    files = f"{root}/parquet/messages/*/*.parquet"
    with duckdb.connect() as db:
        yield from db.execute("SELECT message_id, body FROM read_parquet(?)", [files]).fetchall()


def read_rsmf(root: Path) -> Iterator[tuple[int, str]]:
    for path in (root / "rsmf").rglob("*.rsmf"):
        for event in rsmf_manifest(path)["events"]:
            yield int(event["id"]), event["body"]


def read_sqlite(root: Path) -> Iterator[tuple[int, str]]:
    with closing(sqlite3.connect(root / "mailbox.db")) as db:
        yield from db.execute("SELECT id, body FROM messages WHERE conversation_id IS NOT NULL").fetchall()


READERS: dict[str, Callable[[Path], Iterator[tuple[int, str]]]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "mbox": read_mbox,
    "eml": read_eml,
    "html": read_html,
    "rsmf": read_rsmf,
    "parquet": read_parquet,
    "sqlite": read_sqlite,
}
TESTED = tuple(READERS)


def test_every_format_is_under_the_contract() -> None:
    assert set(READERS) == set(FORMATS)


@pytest.mark.parametrize("name", TESTED)
def test_each_message_is_there_once(archive: Path, tmp_path: Path, name: str) -> None:
    report = run(archive, tmp_path / "out", name)
    found = [number for number, _ in READERS[name](tmp_path / "out")]
    assert sorted(found) == sorted(SMALL_MESSAGES)
    assert (report.counts.messages, report.counts.conversations) == (8, len(SMALL_CONVERSATIONS))


@pytest.mark.parametrize("name", TESTED)
def test_hostile_and_foreign_text_survives(archive: Path, tmp_path: Path, name: str) -> None:
    run(archive, tmp_path / "out", name)
    bodies = dict(READERS[name](tmp_path / "out"))
    assert bodies[1002] == "Vielen Dank für die Auskunft!"
    assert "</textarea></script><img src=x onerror=" in bodies[1020]
    assert bodies[1030] == "=SUM(A1)\n" + "x" * 3000
    nasty = bodies[1010]
    for piece in ("From me to you", ">From quoted", "é 😀 e\u0301 مرحبا"):
        assert piece in nasty
    if name in ("jsonl", "rsmf", "parquet"):
        assert nasty == NASTY_BODY
    if name in ("mbox", "eml"):
        assert nasty == NASTY_BODY.replace("\r\n", "\n")


@pytest.mark.parametrize("name", TESTED)
def test_the_same_archive_gives_the_same_bytes(archive: Path, tmp_path: Path, name: str) -> None:
    run(archive, tmp_path / "one", name)
    run(archive, tmp_path / "two", name)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.parametrize("name", TESTED)
def test_an_existing_destination_is_refused_and_replaced_with_force(
    archive: Path, tmp_path: Path, name: str
) -> None:
    run(archive, tmp_path / "out", name, selection=Selection(ids=(100,)))
    before = tree(tmp_path / "out")
    with pytest.raises(BadInput, match="--force"):
        run(archive, tmp_path / "out", name)
    assert tree(tmp_path / "out") == before
    run(archive, tmp_path / "out", name, force=True)
    assert len(list(READERS[name](tmp_path / "out"))) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


class Interrupted(ExportProgress):
    """Stops an export in its middle, as Ctrl-C does."""

    def advance(self, messages: int) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", TESTED)
def test_an_interrupted_export_leaves_nothing(archive: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(archive, tmp_path / "out", name, progress=Interrupted())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TESTED)
def test_an_interrupted_replacement_keeps_what_was_there(archive: Path, tmp_path: Path, name: str) -> None:
    run(archive, tmp_path / "out", name)
    before = tree(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run(archive, tmp_path / "out", name, force=True, progress=Interrupted())
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize("name", TESTED)
def test_file_names_are_harmless(archive: Path, tmp_path: Path, name: str) -> None:
    run(archive, tmp_path / "out", name)
    for path in (tmp_path / "out").rglob("*"):
        assert not set(path.name) & set('\\:*?"<>|\r\n\u202e')
        assert path.name.partition(".")[0].upper() not in ("CON", "NUL", "AUX")


@pytest.mark.parametrize("name", TESTED)
def test_an_empty_selection_is_a_valid_export(archive: Path, tmp_path: Path, name: str) -> None:
    report = run(archive, tmp_path / "out", name, selection=Selection(after="2030-01-01T00:00:00Z"))
    assert report.counts.messages == 0
    assert list(READERS[name](tmp_path / "out")) == []


@pytest.mark.parametrize("name", TESTED)
def test_an_altered_attachment_stops_the_export(archive: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(archive, copy)
    blob = max((copy / "files").glob("*/*"), key=lambda path: path.stat().st_size)
    data = bytearray(blob.read_bytes())
    data[7] ^= 1
    blob.write_bytes(data)
    with pytest.raises(VerificationFailed, match="SHA-256"):
        run(copy, tmp_path / "out", name)
    assert not (tmp_path / "out").exists()
    # Without attachments their state does not matter.
    run(copy, tmp_path / "out", name, options=ExportOptions(attachments=False))


@pytest.mark.parametrize("name", TESTED)
def test_a_lost_attachment_is_counted(archive: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(archive, copy)
    max((copy / "files").glob("*/*"), key=lambda path: path.stat().st_size).unlink()
    assert run(copy, tmp_path / "out", name).counts.lost == 1


def test_a_replaced_folder_is_never_away(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "who").write_text(name)
    if not exchange(tmp_path / "one", tmp_path / "other"):
        pytest.skip("this system cannot swap two folders in one step")
    assert tree(tmp_path / "one") == {"who": b"other"}
    run(archive, tmp_path / "out", "csv", selection=Selection(ids=(100,)))

    def rename(self: Path, target: Path) -> None:
        raise AssertionError(f"{self} has no name for a moment")

    monkeypatch.setattr(Path, "rename", rename)
    run(archive, tmp_path / "out", "csv", force=True)
    assert len(list(read_csv(tmp_path / "out"))) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other", "out"]


def test_where_folders_cannot_be_swapped(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: None, use_errno: bool) -> object:
        return object()  # a library without such a function

    monkeypatch.setattr("canvas_archive.export.destination.ctypes.CDLL", missing)
    run(archive, tmp_path / "out", "csv", selection=Selection(ids=(100,)))
    before = tree(tmp_path / "out")
    rename = Path.rename

    def fail_once(self: Path, target: Path) -> Path:
        if self.name == "export":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(ArchiveError, match="Input/output"):
        patch.setattr(Path, "rename", fail_once)
        run(archive, tmp_path / "out", "csv", force=True)
    assert tree(tmp_path / "out") == before
    run(archive, tmp_path / "out", "csv", force=True)
    assert len(list(read_csv(tmp_path / "out"))) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_force_replaces_no_foreign_folder(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(ForeignFolder):
        run(archive, tmp_path / "out", "jsonl", force=True)
    assert tree(tmp_path / "out") == {"thesis.tex": b"years of work"}


def test_an_empty_folder_may_be_the_destination(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run(archive, tmp_path / "out", "jsonl")
    assert (tmp_path / "out" / "conversations.jsonl").is_file()


def test_nothing_is_written_into_the_archive(archive: Path) -> None:
    with pytest.raises(BadInput, match="inside the archive"):
        run(archive, archive / "export", "jsonl")


def test_a_missing_parent_folder_is_named(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        run(archive, tmp_path / "no" / "out", "jsonl")


def test_a_format_that_is_missing_or_unknown_is_named(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--format"):
        run(archive, tmp_path / "out")
    with pytest.raises(BadInput, match="'pst'"):
        run(archive, tmp_path / "out", "pst")


@pytest.mark.parametrize("name", [name for name, entry in FORMATS.items() if entry.single])
def test_one_file_is_the_same_as_in_a_folder(archive: Path, tmp_path: Path, name: str) -> None:
    run(archive, tmp_path / f"box.{name}", options=ExportOptions(attachments=False))
    run(archive, tmp_path / "out", name, options=ExportOptions(attachments=False))
    assert (tmp_path / f"box.{name}").read_bytes() == (tmp_path / "out" / FORMATS[name].name).read_bytes()
    assert os.stat(tmp_path / f"box.{name}").st_mode & 0o777 == 0o600


@pytest.mark.thorough
def test_several_formats_in_one_run_equal_single_runs(archive: Path, tmp_path: Path) -> None:
    report = run(archive, tmp_path / "all", *TESTED)
    assert report.formats == tuple(name for name in FORMATS if name in TESTED)
    for name in TESTED:
        run(archive, tmp_path / name, name)
        written = FORMATS[name].name
        assert tree(tmp_path / "all" / written) == tree(tmp_path / name / written)


def test_a_sync_meanwhile_changes_nothing_in_the_export(archive: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(archive, copy)

    class Meddling(ExportProgress):
        def begin(self, messages: int) -> None:
            db = sqlite3.connect(copy / "archive.db")
            db.execute("UPDATE messages SET body = 'changed' WHERE id = 1000")
            db.commit()
            db.close()

    run(copy, tmp_path / "out", "jsonl", progress=Meddling())
    assert dict(read_jsonl(tmp_path / "out"))[1000] == "When is it due?"


def test_the_order_is_by_conversation_and_time(archive: Path) -> None:
    from canvas_archive.export.reader import Snapshot

    with Snapshot(archive / "archive.db") as snapshot:
        threads: list[ThreadRecord] = list(snapshot.threads(snapshot.choose(Selection())))
    assert [thread.id for thread in threads] == list(SMALL_CONVERSATIONS)
    assert [message.id for message in threads[0].messages] == [1000, 1003, 1001, 1002]


def test_a_damaged_database_is_not_exported(archive: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(archive, copy)
    with closing(sqlite3.connect(copy / "archive.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()[0]
    data = bytearray((copy / "archive.db").read_bytes())
    data[(page - 1) * 4096 : page * 4096] = bytes(4096)
    (copy / "archive.db").write_bytes(data)
    with pytest.raises(VerificationFailed, match="cannot be read"):
        run(copy, tmp_path / "out", "jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_a_full_disk_leaves_nothing(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, thread: ThreadRecord) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("canvas_archive.export.jsonl.JsonlWriter.add", full)
    with pytest.raises(ArchiveError, match="No space left"):
        run(archive, tmp_path / "out", "jsonl")
    assert list(tmp_path.iterdir()) == []


# --- a disk that has no more room, for real: no file may grow beyond a limit

LIMITED = """
import resource, signal, sys
from canvas_archive.cli import run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(run(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def wordy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive whose one long message makes a large file in every format, also a compressed one."""
    folder = tmp_path_factory.mktemp("wordy") / "archive"
    letters = random.Random(3).choices(string.ascii_letters, k=1_200_000)
    with ArchiveBuilder(folder) as make:
        make.person(1, "Ann")
        make.conversation(1)
        make.message(1, 1, 1, "".join(letters))
        make.conversation(2)
        make.message(2, 2, 1, "short")
    return folder


def limited(archive: Path, *arguments: str) -> tuple[int, str]:
    room = "900000" if "sqlite" in arguments else "40000"  # an empty database has a size, too
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, room, "-q", "--archive", str(archive), "export", *arguments],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("name", TESTED)
def test_no_room_leaves_nothing_and_keeps_what_was_there(wordy: Path, tmp_path: Path, name: str) -> None:
    dest = tmp_path / "out"
    code, said = limited(wordy, "--format", name, str(dest))
    assert (code, list(tmp_path.iterdir())) == (1, [])
    assert "nothing was left behind" in said or "Make room" in said
    assert limited(wordy, "--format", name, "--ids", "2", str(dest))[0] == 0
    before = tree(dest)
    assert limited(wordy, "--format", name, "--force", str(dest))[0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert tree(dest) == before


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_no_room_for_the_copy_that_a_bag_needs(wordy: Path, tmp_path: Path) -> None:
    code, said = limited(wordy, "--format", "csv", "--ids", "2", "--bag", str(tmp_path / "bag"))
    assert (code, list(tmp_path.iterdir())) == (1, [])
    assert f"no room for a copy of the database in {tmp_path}" in said


# --- odd archives


@pytest.mark.parametrize("name", TESTED)
def test_conversations_without_messages_and_people_without_names(tmp_path: Path, name: str) -> None:
    with ArchiveBuilder(tmp_path / "a") as make:
        make.db.execute("INSERT INTO users (id, first_seen_at) VALUES (5, '2026-01-01T00:00:00Z')")
        make.conversation(1, "fetched, and empty", people=(7, 5), last=None)
        make.conversation(2, None, people=())
        make.db.execute("UPDATE conversations SET fetched_at = NULL WHERE id = 2")
        make.conversation(3, "one", people=())
        make.message(31, 3, 5, "", to=())
    report = run(tmp_path / "a", tmp_path / "out", name)
    assert (report.counts.conversations, report.counts.messages) == (3, 1)
    assert [(number, text.strip()) for number, text in READERS[name](tmp_path / "out")] == [(31, "")]
    if name == "jsonl":
        text = (tmp_path / "out" / "conversations.jsonl").read_text("utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        assert [line.get("subject") for line in lines[:-1]] == ["fetched, and empty", None, "one"]
        assert lines[2]["messages"][0]["author"] == "User 5"
    if name == "html":
        assert len(list((tmp_path / "out" / "html" / "threads").rglob("*.html"))) == 3


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name",
    # The standard library takes its time to read five thousand letters back.
    [pytest.param(name, marks=[pytest.mark.torture] * (name in ("eml", "mbox"))) for name in TESTED],
)
def test_a_conversation_of_five_thousand_messages(tmp_path: Path, name: str) -> None:
    with ArchiveBuilder(tmp_path / "a") as make:
        make.person(1, "Ann")
        make.conversation(1, "Endless", count=5000)
        for number in range(5000):
            at = f"2026-01-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00Z"
            make.message(number + 1, 1, number % 2 * 6 + 1, f"line {number}", at=at)
    assert run(tmp_path / "a", tmp_path / "out", name).counts.messages == 5000
    found = dict(READERS[name](tmp_path / "out"))
    assert len(found) == 5000 and found[5000] == "line 4999"
