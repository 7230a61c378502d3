"""RSMF 2.0: the mail, the zip and the manifest as Relativity's specification and schema ask for them."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.clock import parse_iso
from canvas_archive.export.completeness import completeness
from canvas_archive.export.context import Blobs, ExportContext, ExportOptions
from canvas_archive.export.mime import MailRenderer
from canvas_archive.export.reader import Snapshot
from canvas_archive.export.rsmf import mail_size
from canvas_archive.export.run import Request, export
from canvas_archive.export.selection import Selection
from tests.export_support import OWNER, ArchiveBuilder, rsmf_manifest, rsmf_parts, small_archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("rsmf") / "archive")


def write(archive: Path, dest: Path, **options: bool) -> dict[str, Path]:
    export(
        Request(
            archive,
            archive / "archive.db",
            archive / "files",
            dest,
            ("rsmf",),
            options=ExportOptions(**options),
        )
    )
    return {path.stem: path for path in (dest / "rsmf").rglob("*.rsmf")}


def check_manifest(document: dict[str, Any], files: set[str]) -> None:
    """Check a manifest by the rules of the published schema: fields, types, enumerations, references."""
    assert document["version"] == "2.0.0"
    assert isinstance(document["eventcollectionid"], str)
    people = {person["id"] for person in document["participants"]}
    assert len(people) == len(document["participants"])
    for person in document["participants"]:
        assert person["id"] and isinstance(person["id"], str) and isinstance(person["display"], str)
        assert re.fullmatch(r"[^@\s]+@[^@\s]+", person["email"])
    (conversation,) = document["conversations"]
    assert conversation["id"] and conversation["platform"]
    assert conversation["type"] in ("direct", "channel")
    assert set(conversation["participants"]) <= people
    assert conversation.get("custodian", conversation["participants"][0]) in conversation["participants"]
    named: set[str] = {"rsmf_manifest.json"}
    for event in document["events"]:
        assert event["type"] in ("message", "disclaimer", "join", "leave", "history", "unknown")
        assert event["participant"] in people and event["conversation"] == conversation["id"]
        assert event["direction"] in ("incoming", "outgoing") and isinstance(event["deleted"], bool)
        assert isinstance(event["body"], str) and parse_iso(event["timestamp"])
        for attachment in event.get("attachments", ()):
            named.add(attachment["id"])
            assert isinstance(attachment["size"], int)
        for custom in (*event["custom"], *conversation["custom"]):
            assert custom["name"] and custom["value"] and isinstance(custom["value"], str)
    assert named == files
    assert len({event["id"] for event in document["events"]}) == len(document["events"])


def test_every_file_is_by_the_specification(archive: Path, tmp_path: Path) -> None:
    files = write(archive, tmp_path / "out")
    assert sorted(files) == [f"conversation-{number}" for number in range(100, 105)]
    for path in files.values():
        message, zipped = rsmf_parts(path)
        with zipped:
            assert zipped.testzip() is None
            assert not any("/" in name or "\\" in name for name in zipped.namelist())
            assert {entry.date_time for entry in zipped.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            document = rsmf_manifest(path)
            check_manifest(document, set(zipped.namelist()))
        stamps = [event["timestamp"] for event in document["events"]]
        assert message["X-RSMF-Version"] == "2.0.0"
        assert message["X-RSMF-EventCount"] == str(len(stamps))
        assert (message["X-RSMF-BeginDate"], message["X-RSMF-EndDate"]) == (min(stamps), max(stamps))
        assert message["X-RSMF-Custodian"] == "Olivia Owner"
        body = message.get_body(("plain",))
        assert body is not None
        for event in document["events"]:
            first = event["body"].replace("\r", "\n").split("\n")[0]
            assert first in body.get_content()


def test_what_a_reviewer_needs_is_in_the_events(archive: Path, tmp_path: Path) -> None:
    files = write(archive, tmp_path / "out")
    document = rsmf_manifest(files["conversation-100"])
    assert [event["type"] for event in document["events"]] == ["message", "unknown", "message", "message"]
    assert [event["direction"] for event in document["events"]] == [
        "incoming",
        "outgoing",
        "outgoing",
        "incoming",
    ]
    assert document["conversations"][0]["custodian"] == str(OWNER)
    assert document["conversations"][0]["type"] == "channel"
    assert rsmf_manifest(files["conversation-103"])["events"][0]["deleted"] is True
    missing = rsmf_manifest(files["conversation-101"])["events"][0]["custom"]
    assert {"name": "Files not collected", "value": "CON.txt (gone)"} in missing


def test_attachments_and_forwarded_messages_are_inside(archive: Path, tmp_path: Path) -> None:
    files = write(archive, tmp_path / "out")
    with rsmf_parts(files["conversation-100"])[1] as zipped:
        assert zipped.read("1002-500-report.pdf") == b"%PDF-1.4 a report" * 99
    with rsmf_parts(files["conversation-102"])[1] as zipped:
        forwarded = zipped.read("1020-forwarded-900.eml")
        assert b"Message-ID: <msg.900@school.example.edu>\r\n" in forwarded
        assert b"Message-ID: <msg.901@school.example.edu>\r\n" in forwarded


def test_slices_by_day(archive: Path, tmp_path: Path) -> None:
    files = write(archive, tmp_path / "out", slice_by_day=True)
    of_100 = sorted(name for name in files if name.startswith("conversation-100"))
    assert of_100 == [
        f"conversation-100-{day}" for day in ("2025-12-31", "2026-02-01", "2026-02-02", "2026-02-03")
    ]
    documents = [rsmf_manifest(files[name]) for name in of_100]
    assert [len(document["events"]) for document in documents] == [1, 1, 1, 1]
    assert len({document["eventcollectionid"] for document in documents}) == 1


def test_a_very_long_conversation_is_split(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canvas_archive.export.rsmf.MOST_EVENTS", 10)
    with ArchiveBuilder(tmp_path / "a") as make:
        make.person(1, "Ann")
        make.conversation(1, "Long", count=25)
        for number in range(25):
            make.message(number + 1, 1, 1, "x", at=f"2026-01-01T00:{number:02}:00Z")
    files = write(tmp_path / "a", tmp_path / "out")
    assert sorted(files) == ["conversation-1-part1", "conversation-1-part2", "conversation-1-part3"]
    assert sum(len(rsmf_manifest(path)["events"]) for path in files.values()) == 25


def test_small_files_need_no_zip64(archive: Path, tmp_path: Path) -> None:
    for path in write(archive, tmp_path / "out").values():
        with rsmf_parts(path)[1] as zipped:
            assert zipped.testzip() is None
            for entry in zipped.infolist():
                assert (entry.extract_version, entry.extra) == (20, b"")


def test_what_a_forwarded_message_takes_is_never_guessed_too_low(archive: Path) -> None:
    with Snapshot(archive / "archive.db") as snapshot:
        context = ExportContext(
            snapshot.custodian,
            Selection(),
            snapshot.choose(Selection()),
            Blobs(archive / "files"),
            completeness(snapshot.db),
        )
        mail = MailRenderer(context)
        for thread in snapshot.threads(context.scope):
            for message in thread.messages:
                written = io.BytesIO()
                mail.write_forwarded(written.write, message)
                lines = written.getvalue().count(b"\n")
                assert len(written.getvalue()) + lines < mail_size(message)


def test_who_was_added_joins(tmp_path: Path) -> None:
    with ArchiveBuilder(tmp_path / "a") as make:
        for number, name in enumerate(("Ann Lee", "Ann", "Bo Lindqvist", "王小明", "Eve", "Eve"), start=1):
            make.person(number, name)
        make.conversation(10, people=(OWNER, 1, 2, 3, 4, 5, 6), private=False, count=1)
        make.message(101, 10, OWNER, "Bo Lindqvist is here")
        for number, body in enumerate(
            (
                "Bo Lindqvist was added to the conversation by Ann Lee",
                "Bo Lindqvist and 王小明 were added to the conversation by Ann Lee",
                "Eve was added to the conversation by Ann Lee",  # which of the two
                "Bolindqvist wurde hinzugefügt",
            ),
            start=102,
        ):
            make.message(number, 10, 1, body, at=f"2026-03-02T10:00:0{number % 10}Z", generated=True)
    path = write(tmp_path / "a", tmp_path / "out")["conversation-10"]
    document = rsmf_manifest(path)
    check_manifest(document, {"rsmf_manifest.json"})
    assert [(event["id"], event["type"], event["participant"]) for event in document["events"]] == [
        ("101", "message", str(OWNER)),
        ("102", "join", "3"),
        ("103", "join", "3"),
        ("103-4", "join", "4"),
        ("104", "unknown", "1"),
        ("105", "unknown", "1"),
    ]
    assert {"name": "Added by", "value": "Ann Lee"} in document["events"][1]["custom"]
    message, _ = rsmf_parts(path)
    assert message["X-RSMF-EventCount"] == "6"
    assert message["X-RSMF-Participants"] == "Olivia Owner; Ann Lee; Ann; Bo Lindqvist; 王小明; Eve; Eve"
