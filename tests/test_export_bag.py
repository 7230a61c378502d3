"""Bags: accepted by the reference implementation, and no byte can be changed unnoticed."""

from __future__ import annotations

import csv
import json
import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import bagit
import pytest

from canvas_archive.cli import run
from canvas_archive.export.backup import backup
from canvas_archive.export.run import Request, export
from canvas_archive.export.verify_files import verify_path
from tests.export_support import ArchiveBuilder, FixedClock, small_archive, tree


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("bag") / "archive")


def pack(archive: Path, dest: Path, *formats: str, **more: object) -> Path:
    export(
        Request(
            archive,
            archive / "archive.db",
            archive / "files",
            dest,
            formats or ("jsonl",),
            bag=True,
            **more,  # type: ignore[arg-type]
        )
    )
    return dest


@pytest.fixture
def bag(archive: Path, tmp_path: Path) -> Path:
    return pack(archive, tmp_path / "bag", "jsonl", "eml")


def test_the_reference_implementation_accepts_it(bag: Path) -> None:
    logging.getLogger("bagit").setLevel(logging.CRITICAL)
    opened = bagit.Bag(str(bag))
    assert opened.validate()
    assert opened.version_info == (1, 0)
    assert sorted(opened.algorithms) == ["sha256", "sha512"]
    info = opened.info
    assert info["Custodian-Name"] == "Olivia Owner"
    assert info["Canvas-Address"] == "https://school.example.edu"
    assert info["Bagging-Date"] == "2026-03-09"
    assert info["Collection-Ended"] == "2026-03-09T14:00:00Z"
    assert info["Bag-Software-Agent"].startswith("canvas-archive ")
    assert json.loads(info["Export-Counts"])["messages"] == 8
    payload = [path for path in (bag / "data").rglob("*") if path.is_file()]
    assert info["Payload-Oxum"] == f"{sum(path.stat().st_size for path in payload)}.{len(payload)}"


def test_every_changed_byte_is_found(bag: Path) -> None:
    logging.getLogger("bagit").setLevel(logging.CRITICAL)
    for path in sorted(path for path in bag.rglob("*") if path.is_file()):
        original = path.read_bytes()
        changed = bytearray(original)
        changed[len(changed) // 2] ^= 1
        path.write_bytes(changed)
        assert run(["-q", "verify", str(bag)]) == 8, path
        if path.name != "bagit.txt":
            with pytest.raises(bagit.BagError):
                bagit.Bag(str(bag)).validate()
        path.write_bytes(original)
    assert run(["-q", "verify", str(bag)]) == 0


def test_a_missing_and_an_added_file_are_found(bag: Path) -> None:
    (bag / "data" / "more.txt").write_text("slipped in")
    bad = {check.name: check.items for check in verify_path(bag) if not check.ok}
    assert bad["payload sha256"] == ("data/more.txt: not in manifest-sha256.txt",)
    (bag / "data" / "more.txt").unlink()
    (bag / "data" / "gaps.csv").unlink()
    bad = {check.name: check.items for check in verify_path(bag) if not check.ok}
    assert bad["payload sha512"] == ("data/gaps.csv: missing",)
    (bag / "manifest-sha256.txt").unlink()
    assert run(["-q", "verify", str(bag)]) == 8


@pytest.mark.parametrize("line", ["0  ../outside", "0  /etc/passwd", "nonsense"])
def test_a_manifest_cannot_lead_out_of_the_bag(bag: Path, line: str) -> None:
    (bag / "manifest-sha256.txt").write_text(line + "\n")
    bad = {check.name: check.items for check in verify_path(bag) if not check.ok}
    assert "is not a hash and a path" in bad["payload sha256"][0]


def test_the_attachments_are_in_it_whatever_the_format(archive: Path, tmp_path: Path) -> None:
    found = pack(archive, tmp_path / "bag", "mbox") / "data" / "attachments"
    assert len([path for path in found.rglob("*") if path.is_file()]) == 4


def test_the_same_archive_gives_the_same_bag(archive: Path, tmp_path: Path) -> None:
    everything = ("jsonl", "csv", "mbox", "eml", "html", "rsmf", "parquet")
    assert tree(pack(archive, tmp_path / "one", *everything)) == tree(
        pack(archive, tmp_path / "two", *everything)
    )


def test_custody_tells_how_it_came_about(archive: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(archive, tmp_path / "copy"))
    with closing(sqlite3.connect(copy / "archive.db")) as db:
        db.execute("UPDATE conversations SET starred = 1 WHERE id = 101")
        db.execute(
            "INSERT INTO problems VALUES ('conversation', '77', 'it broke', 3, '2026-03-01', '2026-03-02')"
        )
        db.execute("UPDATE conversations SET message_count = 9 WHERE id = 104")
        db.commit()
    bag = pack(copy, tmp_path / "bag")
    custody = json.loads((bag / "data" / "custody.json").read_text("utf-8"))
    assert custody["custodian"] == {
        "id": 7, "name": "Olivia Owner", "base_url": "https://school.example.edu", "collected_by": 7,
    }  # fmt: skip
    assert [entry["status"] for entry in custody["sync_runs"]] == ["ok"]
    assert [
        (edit["conversation_id"], edit["field"], edit["value"]) for edit in custody["edits_made_here"]
    ] == [(101, "starred", "1")]
    assert custody["gaps"] == {
        "attachment gone": 1, "conversation removed": 1, "message removed": 1, "messages": 1, "problem": 1,
    }  # fmt: skip
    with (bag / "data" / "gaps.csv").open(encoding="utf-8", newline="") as file:
        gaps = list(csv.DictReader(file))
    assert [gap["reason"] for gap in gaps if gap["kind"] == "messages"] == ["1 of 9 messages stored"]
    assert [gap["reason"] for gap in gaps if gap["kind"] == "problem"] == ["it broke"]
    assert [gap["item"] for gap in gaps if gap["kind"] == "attachment"] == ["502"]
    # The head is of the chain as it is now, the edit included, and the hash is that of a backup made now.
    assert run(["-q", "verify", "--archive", str(copy), "--chain-head", custody["chain"]["head"]]) == 8
    with closing(sqlite3.connect(copy / "archive.db")) as db:
        assert (
            db.execute("SELECT chain FROM evidence_chain ORDER BY seq DESC").fetchone()[0]
            == custody["chain"]["head"]
        )
    backup(copy, tmp_path / "backup", clock=FixedClock())
    record = json.loads((tmp_path / "backup" / "backup.json").read_text("utf-8"))
    assert record["database"] == f"archive-{custody['database']['sha256'][:16]}.db"


def test_gaps_are_of_what_was_chosen(archive: Path, tmp_path: Path) -> None:
    from canvas_archive.export.selection import Selection

    bag = pack(archive, tmp_path / "bag", selection=Selection(ids=(100,)))
    assert json.loads((bag / "data" / "custody.json").read_text("utf-8"))["gaps"] == {}


def test_while_a_sync_is_running(archive: Path, tmp_path: Path) -> None:
    from canvas_archive.store import Archive

    copy = Path(shutil.copytree(archive, tmp_path / "copy"))
    with Archive.open(copy, write=True):
        bag = pack(copy, tmp_path / "bag")
    assert all(check.ok for check in verify_path(bag))


def test_a_bag_is_replaced_only_by_force(archive: Path, tmp_path: Path) -> None:
    arguments = [
        "-q",
        "--archive",
        str(archive),
        "export",
        "--bag",
        "--format",
        "jsonl",
        str(tmp_path / "bag"),
    ]
    assert run(arguments) == 0
    assert run(arguments) == 2
    assert run([*arguments, "--force"]) == 0
    assert run(["-q", "verify", str(tmp_path / "bag")]) == 0


def test_names_that_look_like_formulas_are_harmless_in_gaps(tmp_path: Path) -> None:
    with ArchiveBuilder(tmp_path / "a") as make:
        make.person(1, "Ann")
        make.conversation(1)
        make.message(1, 1, 1, "x")
        make.attachment(1, 1, "=HYPERLINK(1)", None)
    bag = pack(tmp_path / "a", tmp_path / "bag")
    assert ",'=HYPERLINK(1): 404," in (bag / "data" / "gaps.csv").read_text("utf-8")
