"""Exports of what should not be there: dates that are none, halves of characters, disks that fail."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import run
from canvas_archive.errors import ArchiveError, BadInput, ForeignFolder, VerificationFailed
from canvas_archive.export import custody, manifest, moment, reader, rehash
from canvas_archive.export import run as running
from canvas_archive.export.completeness import completeness
from canvas_archive.export.context import Blobs, ExportContext
from canvas_archive.export.jsonl import encode_line
from canvas_archive.export.listing import Listing
from canvas_archive.export.mime import MailRenderer
from canvas_archive.export.reader import Snapshot
from canvas_archive.export.records import PersonRecord, StoredFile
from canvas_archive.export.redact import Redactor
from canvas_archive.export.run import Request, export
from canvas_archive.export.selection import Selection
from tests.export_support import NOW, OWNER, ArchiveBuilder, rsmf_manifest, rsmf_parts, small_archive, tree

ALL = ("jsonl", "csv", "mbox", "eml", "html", "rsmf")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("odd") / "archive")


def request(archive: Path, dest: Path, *formats: str, **more: Any) -> Request:
    return Request(archive, archive / "archive.db", archive / "files", dest, formats, **more)


def test_a_message_whose_date_is_none_is_exported_all_the_same(tmp_path: Path) -> None:
    with ArchiveBuilder(tmp_path / "archive") as make:
        make.person(1, "Ann")
        make.conversation(1, count=2, last="long ago")
        make.message(10, 1, 1, "undated", at="long ago")
        make.message(11, 1, 1, "dated", at="2026-03-01T10:00:00Z")
    export(request(tmp_path / "archive", tmp_path / "out", *ALL))
    files = tree(tmp_path / "out")
    mbox = files["messages.mbox"].decode()
    assert "From user.1@school.example.edu.invalid Thu Jan  1 00:00:00 1970\n" in mbox
    assert mbox.count("X-Canvas-Unreadable-Date: long ago\n") == 1
    assert "From user.1@school.example.edu.invalid Sun Mar  1 10:00:00 2026\n" in mbox
    assert "eml/1970/01/19700101T000000Z-10.eml" in files
    page = files["html/threads/01/1.html"].decode()
    assert '<time datetime="long ago">long ago</time>' in page
    assert "<h2>Undated</h2>" in files["html/index.html"].decode()
    (path,) = (tmp_path / "out" / "rsmf").rglob("*.rsmf")
    assert rsmf_manifest(path)["events"][-1]["timestamp"] == "1970-01-01T00:00:00Z"


def test_a_message_whose_date_is_none_has_no_year_in_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with ArchiveBuilder(tmp_path / "archive") as make:
        make.conversation(1, people=(OWNER,), last="long ago")
        make.message(10, 1, OWNER, "undated", at="long ago", to=(OWNER,))
    export(request(tmp_path / "archive", tmp_path / "out", "parquet"))
    table = parquet.read_table(tmp_path / "out" / "parquet" / "messages" / "year=0" / "part-0.parquet")
    assert table.column("created_at").to_pylist() == [None]


def test_half_a_character_is_written_as_json_writes_it() -> None:
    line = encode_line({"subject": "half \ud800 of one", "name": "Zoë"})
    assert json.loads(line) == {"subject": "half \ud800 of one", "name": "Zoë"}
    assert line.isascii()


def test_recordings_with_long_ids_do_not_stand_for_each_other(tmp_path: Path) -> None:
    contents = {f"m-{'x' * 120}-{n}": f"recording {n}".encode() for n in range(3)}
    with ArchiveBuilder(tmp_path / "archive") as make:
        make.conversation(1, people=(OWNER,))
        make.message(10, 1, OWNER, "listen", to=(OWNER,))
        for number, (media_id, data) in enumerate(contents.items()):
            make.attachment(900 + number, 10, "spare", data)  # puts the bytes into the archive
            make.db.execute(
                "INSERT INTO media_comments (message_id, media_id, media_type, display_name, state, sha256,"
                " stored_size) SELECT 10, ?, 'audio', 'Spoken', 'stored', sha256, stored_size"
                " FROM attachments WHERE id = ?",
                (media_id, 900 + number),
            )
        make.db.execute("DELETE FROM message_attachments")
    export(request(tmp_path / "archive", tmp_path / "out", "rsmf"))
    (path,) = (tmp_path / "out" / "rsmf").rglob("*.rsmf")
    (event,) = rsmf_manifest(path)["events"]
    names = [attachment["id"] for attachment in event["attachments"]]
    with rsmf_parts(path)[1] as zipped:
        assert [zipped.read(name) for name in names] == list(contents.values())


def test_a_chain_of_forwards_is_followed_to_its_bound(tmp_path: Path) -> None:
    length = reader._DEEPEST_FORWARD + 5
    with ArchiveBuilder(tmp_path / "archive") as make:
        make.conversation(1, people=(OWNER,))
        make.message(10, 1, OWNER, "the first", to=(OWNER,))
        for number in range(11, 10 + length):
            make.message(number, None, OWNER, f"inside {number}", to=(OWNER,))
            make.forward(number - 1, number)
    with Snapshot(tmp_path / "archive" / "archive.db") as snapshot:
        (thread,) = snapshot.threads(snapshot.choose(Selection()))
    depth, (message,) = 0, thread.messages
    while message.forwarded:
        depth, (message,) = depth + 1, message.forwarded
    assert depth == reader._DEEPEST_FORWARD


def test_more_people_than_are_kept_are_read_again(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Snapshot(archive / "archive.db") as snapshot:
        expected = list(snapshot.threads(snapshot.choose(Selection())))
    monkeypatch.setattr(reader, "_PEOPLE_KEPT", 2)
    monkeypatch.setattr(reader, "BATCH_MESSAGES", 1)
    with Snapshot(archive / "archive.db") as snapshot:
        assert list(snapshot.threads(snapshot.choose(Selection()))) == expected


def test_addresses_are_not_remembered_without_bound(archive: Path) -> None:
    with Snapshot(archive / "archive.db") as snapshot:
        context = ExportContext(
            snapshot.custodian,
            Selection(),
            snapshot.choose(Selection()),
            Blobs(archive / "files"),
            completeness(snapshot.db),
        )
    mail = MailRenderer(context)
    for number in range(20_010):
        mail.address(PersonRecord(number, "N", "N"))
    assert len(mail._addresses) < 20_000
    assert mail.address(PersonRecord(5, "Ann", "Ann B")) == "Ann B <user.5@school.example.edu.invalid>"


def test_a_database_that_is_no_archive_is_not_exported(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE thesis (text)")
    with pytest.raises(ForeignFolder, match="but not an archive"):
        Snapshot(tmp_path / "other.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE account (base_url, user_id, name, as_user_id, created_at)")
    with pytest.raises(ForeignFolder, match="but not an archive"):
        Snapshot(tmp_path / "other.db")


@pytest.mark.parametrize("option", ["--with", "--course"])
@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000])
def test_a_number_beyond_all_ids_names_nobody(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, number: str
) -> None:
    code = run(
        ["--archive", str(archive), "export", str(tmp_path / "out"), "--format", "csv", option, number]
    )
    assert code == 2
    assert number in capsys.readouterr().err.replace("\n", "").replace(" ", "")
    assert not (tmp_path / "out").exists()


def test_an_endless_number_in_a_link_is_no_person() -> None:
    redactor = Redactor(b"k" * 32, OWNER, [])
    assert redactor.text(f"/users/{'9' * 5000}") == f"/users/{'9' * 5000}"
    assert redactor.text("/users/12") == f"/users/{redactor.id(12)}"


# -- files and disks that fail ------------------------------------------------------------------------------


def test_a_file_that_goes_while_it_is_exported_is_no_empty_one(archive: Path) -> None:
    with Snapshot(archive / "archive.db") as snapshot:
        threads = snapshot.threads(snapshot.choose(Selection(ids=(100,))))
        (file,) = (file for thread in threads for message in thread.messages for file in message.files)
    gone: StoredFile = replace(file, sha256="0" * 64)
    with pytest.raises(VerificationFailed, match=r"report\.pdf is gone"):
        list(Blobs(archive / "files").chunks(gone))


def test_one_file_is_not_replaced_by_a_folder(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "inbox.mbox").write_text("mail")
    with pytest.raises(BadInput, match="needs a folder"):
        export(request(archive, tmp_path / "inbox.mbox", "mbox", "csv", force=True))
    assert (tmp_path / "inbox.mbox").read_text() == "mail"


def test_a_folder_that_cannot_be_written_to(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**how: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(BadInput, match=r"Nothing can be written to .*: Permission denied"):
        export(request(archive, tmp_path / "out", "csv"))


def test_a_disk_that_fills_up_is_not_called_damage(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3_full
        raise error

    sqlite3_full = 13
    monkeypatch.setattr(running, "record_json", full)
    with pytest.raises(ArchiveError) as raised:
        export(request(archive, tmp_path / "out", "csv"))
    assert not isinstance(raised.value, VerificationFailed)
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_the_copy_that_a_bag_takes(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: sqlite3.Connection, target: Path) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(custody, "copy_database", full)
    with pytest.raises(ArchiveError, match="no room for a copy of the database"):
        export(request(archive, tmp_path / "bag", "csv", bag=True))
    assert list(tmp_path.iterdir()) == []


def refusing(name: str, error: OSError) -> Any:
    real = manifest.hash_file

    def hash_file(path: Path, algorithms: tuple[str, ...] = ("sha256",), **options: Any) -> tuple[str, ...]:
        if path.name == name:
            raise error
        return real(path, algorithms, **options)

    return hash_file


def test_a_file_that_cannot_be_read_back_stops_an_export(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "hash_file", refusing("messages.csv", OSError(5, "Input/output error")))
    with pytest.raises(ArchiveError, match="Input/output error"):
        export(request(archive, tmp_path / "out", "csv", "jsonl"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("a")
    monkeypatch.setattr(manifest, "hash_file", refusing("a", PermissionError(13, "Permission denied")))
    with closing(Listing()) as listing:
        listing.add("a", "sha256", "0" * 64)
        listing.see(["a"])
        found = list(manifest.compare(tmp_path, listing))
    assert found == ["a: cannot be read (Permission denied)"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FileNotFoundError(2, "No such file"), "is missing"),
        (OSError(5, "I/O error"), "cannot be read (I/O error)"),
    ],
)
def test_an_attachment_that_fails_while_it_is_read(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, sentence: str
) -> None:
    blob = sorted((archive / "files").glob("*/*"))[0]
    monkeypatch.setattr(rehash, "hash_file", refusing(blob.name, error))
    with Snapshot(archive / "archive.db") as snapshot:
        report = rehash.check_blobs(archive / "files", snapshot.db, jobs=2, state_file=tmp_path / "state")
    (bad,) = report.bad
    assert bad.endswith(f"{blob} {sentence}")


def test_without_a_folder_of_files_all_are_missing(archive: Path, tmp_path: Path) -> None:
    with Snapshot(archive / "archive.db") as snapshot:
        report = rehash.check_blobs(tmp_path / "nothing", snapshot.db, jobs=1, state_file=tmp_path / "state")
    assert report.unknown == [] and len(report.bad) == report.checked > 0


# -- the moment that is told --------------------------------------------------------------------------------


def test_the_moment_is_the_one_that_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(moment.VARIABLE, str(int(NOW.timestamp())))
    clock = moment.clock_for_output()
    assert clock.now() == NOW
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "9" * 40])
def test_a_moment_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(moment.VARIABLE, text)
    with pytest.raises(BadInput, match=moment.VARIABLE):
        moment.clock_for_output()


def test_a_part_of_a_conversation_says_so_on_its_page(archive: Path, tmp_path: Path) -> None:
    selection = Selection(after="2026-02-03T00:00:00Z", ids=(100,))
    export(request(archive, tmp_path / "out", "html", selection=selection))
    page = (tmp_path / "out" / "html" / "threads" / "64" / "100.html").read_text("utf-8")
    assert "3 more messages of this conversation are not part of this export." in page
    assert "Vielen Dank" in page and "When is it due?" not in page
