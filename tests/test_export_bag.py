"""Bags: accepted by the reference implementation, and no byte can be changed unnoticed."""

from __future__ import annotations

import csv
import json
import logging
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import bagit
import pytest

from canvas_archive.cli import run
from canvas_archive.export.backup import backup
from canvas_archive.export.formats import FORMATS
from canvas_archive.export.run import Request, export
from canvas_archive.export.selection import Selection
from canvas_archive.export.verify_files import verify_path
from tests.export_support import ArchiveBuilder, FixedClock, small_archive, tree

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]


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


@pytest.mark.thorough
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_reference_program_accepts_it(archive: Path, tmp_path: Path, algorithm: str) -> None:
    bag = pack(archive, tmp_path / "bag", *FORMATS)
    # A bag may have one of the two lists alone: each is tried by itself.
    other = {"sha256": "sha512", "sha512": "sha256"}[algorithm]
    for name in (f"manifest-{other}.txt", f"tagmanifest-{other}.txt"):
        (bag / name).unlink()
    tags = bag / f"tagmanifest-{algorithm}.txt"
    kept = [line for line in tags.read_text("utf-8").splitlines() if f"manifest-{other}" not in line]
    tags.write_text("".join(f"{line}\n" for line in kept), "utf-8")

    def validate() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, bagit.__file__, "--validate", str(bag)],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    sound = validate()
    assert (sound.returncode, f"{bag} is valid" in sound.stderr) == (0, True)
    flip(bag / "data" / "custody.json")
    assert validate().returncode == 1


KINDS = (
    "bag-info.txt", "bagit.txt", "manifest-sha256.txt", "manifest-sha512.txt", "tagmanifest-sha256.txt",
    "tagmanifest-sha512.txt", "data/custody.json", "data/gaps.csv", "data/export.json",
    "data/attachments/*/*/*", "data/conversations.jsonl", "data/messages.csv", "data/messages.mbox",
    "data/eml/*/*/*", "data/html/threads/*/*", "data/html/search/*", "data/html/index.html", "data/rsmf/*/*",
    "data/parquet/messages/*/*", "data/parquet/people/*",
    "data/mailbox.db", "data/mailbox.metadata.yml",
)  # fmt: skip


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.thorough
def test_a_changed_byte_in_any_kind_of_file_is_found_and_the_file_named(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("bagit").setLevel(logging.CRITICAL)
    bag = pack(archive, tmp_path / "bag", *FORMATS)
    kinds = {pattern: sorted(bag.glob(pattern))[0] for pattern in KINDS}
    # Nothing in the bag is of a kind that is not tried.
    tried = {path.relative_to(bag).parts[:2] for path in kinds.values()}
    assert {path.relative_to(bag).parts[:2] for path in bag.rglob("*") if path.is_file()} == tried
    for path in kinds.values():
        flip(path)
        capsys.readouterr()
        assert run(["verify", "--json", str(bag)]) == 8, path
        checks = json.loads(capsys.readouterr().out)["checks"]
        items = [item for check in checks if not check["ok"] for item in (*check["items"], check["name"])]
        # Of the list that nothing lists, it is its own check that fails.
        name = path.relative_to(bag).as_posix()
        wanted = f"tags {name[12:18]}" if name.startswith("tagmanifest") else f"{name}: changed"
        assert any(item.startswith(wanted) for item in items), (name, items)
        if path.name != "bagit.txt":
            with pytest.raises(bagit.BagError):
                bagit.Bag(str(bag)).validate()
        flip(path)
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


@pytest.mark.thorough
def test_the_same_archive_gives_the_same_bag(archive: Path, tmp_path: Path) -> None:
    assert tree(pack(archive, tmp_path / "one", *FORMATS)) == tree(pack(archive, tmp_path / "two", *FORMATS))


@pytest.mark.thorough
def test_custody_tells_how_it_came_about(archive: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(archive, tmp_path / "copy"))
    with closing(sqlite3.connect(copy / "archive.db")) as db:
        db.execute("UPDATE conversations SET starred = 1 WHERE id = 101")
        db.execute(
            "INSERT INTO problems (kind, item_id, error, attempts, first_at, last_at) "
            "VALUES ('conversation', '77', 'it broke', 3, '2026-03-01', '2026-03-02')"
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
    assert [gap["reason"] for gap in gaps if gap["kind"] == "messages"] == ["Canvas counts 9 and gave 1"]
    assert [gap["reason"] for gap in gaps if gap["kind"] == "problem"] == ["it broke"]
    assert [gap["item"] for gap in gaps if gap["kind"] == "attachment"] == ["502"]
    # The head is of the chain as it is now, the edit included.
    assert run(["-q", "verify", "--archive", str(copy), "--chain-head", custody["chain"]["head"]]) == 8
    with closing(sqlite3.connect(copy / "archive.db")) as db:
        assert (
            db.execute("SELECT chain FROM evidence_chain ORDER BY seq DESC").fetchone()[0]
            == custody["chain"]["head"]
        )


def test_the_database_s_hash_is_that_of_a_backup_made_now(archive: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(archive, tmp_path / "copy"))
    with closing(sqlite3.connect(copy / "archive.db")) as db:
        db.execute("UPDATE conversations SET starred = 1 WHERE id = 101")
        db.commit()
    bag = pack(copy, tmp_path / "bag")
    custody = json.loads((bag / "data" / "custody.json").read_text("utf-8"))
    backup(copy, tmp_path / "backup", clock=FixedClock())
    record = json.loads((tmp_path / "backup" / "backup.json").read_text("utf-8"))
    assert record["database"] == f"archive-{custody['database']['sha256'][:16]}.db"


def gaps_of(bag: Path) -> list[tuple[str, ...]]:
    with (bag / "data" / "gaps.csv").open(encoding="utf-8", newline="") as file:
        return [
            (row["kind"], row["item"], row["conversation_id"], row["message_id"], row["state"])
            for row in csv.DictReader(file)
        ]


def test_what_the_disk_lost_is_a_gap(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(archive, tmp_path / "copy"))
    for number in (500, 504):  # the second hangs on a forwarded message
        with closing(sqlite3.connect(copy / "archive.db")) as db:
            (digest,) = db.execute("SELECT sha256 FROM attachments WHERE id = ?", (number,)).fetchone()
        (copy / "files" / digest[:2] / digest).unlink()
    command = ["--archive", str(copy), "export", "--bag", "--format", "mbox", str(tmp_path / "bag")]
    assert run(command) == 5
    assert "2 stored attachments are missing on the disk" in capsys.readouterr().err
    lost = [gap for gap in gaps_of(tmp_path / "bag") if gap[4] == "lost"]
    assert lost == [("attachment", "500", "100", "1002", "lost"), ("attachment", "504", "102", "900", "lost")]
    custody = json.loads((tmp_path / "bag" / "data" / "custody.json").read_text("utf-8"))
    assert custody["gaps"]["attachment lost"] == custody["counts"]["attachments_lost"] == 2
    assert run(["-q", "verify", str(tmp_path / "bag")]) == 0
    # Who wants no attachments misses none.
    assert run([*command[:-1], str(tmp_path / "without"), "--without-attachments"]) == 0
    assert [gap for gap in gaps_of(tmp_path / "without") if gap[4] == "lost"] == []


def test_gaps_of_forwarded_messages_and_recordings(tmp_path: Path) -> None:
    with ArchiveBuilder(tmp_path / "a") as make:
        make.person(1, "Ann")
        make.conversation(1)
        make.conversation(2)
        make.message(1, 1, 1, "see below")
        make.message(2, None, 1, "forwarded")
        make.message(3, None, 1, "forwarded inside it, and the first again")
        make.message(4, 2, 1, "another")
        for message, forwarded in ((1, 2), (2, 3), (3, 2)):
            make.forward(message, forwarded)
        make.attachment(7, 3, "gone.txt", None)
        make.attachment(8, 4, "of another conversation.txt", None)
        make.db.execute(
            "INSERT INTO media_comments (message_id, media_id, media_type, state) "
            "VALUES (2, '=m-1', 'audio', 'refused')"
        )
    bag = pack(tmp_path / "a", tmp_path / "bag", selection=Selection(ids=(1,)))
    assert gaps_of(bag) == [
        ("attachment", "7", "1", "3", "gone"),
        ("recording", "'=m-1", "1", "2", "refused"),
    ]


def test_gaps_are_of_what_was_chosen(archive: Path, tmp_path: Path) -> None:
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


def test_the_profile_that_a_bag_names_describes_it(bag: Path, repository: Path) -> None:
    profile = json.loads((repository / "docs" / "bagit-profile.json").read_text("utf-8"))
    logging.getLogger("bagit").setLevel(logging.CRITICAL)
    opened = bagit.Bag(str(bag))
    assert (
        opened.info["BagIt-Profile-Identifier"] == profile["BagIt-Profile-Info"]["BagIt-Profile-Identifier"]
    )
    assert set(opened.info) == set(profile["Bag-Info"])  # all of it is required, and nothing else is there
    assert all(isinstance(value, str) for value in opened.info.values())  # nothing is repeated
    assert sorted(opened.algorithms) == profile["Manifests-Required"] == profile["Tag-Manifests-Required"]
    assert ".".join(map(str, opened.version_info)) in profile["Accept-BagIt-Version"]
    assert not profile["Allow-Fetch.txt"] and not (bag / "fetch.txt").exists()
