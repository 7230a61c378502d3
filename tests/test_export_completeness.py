"""What every output says of a collection that is whole, unfinished, lacks items, or was never collected."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import bagit
import pyarrow.parquet
import pytest

from canvas_archive.cli import run
from canvas_archive.export.backup import backup
from canvas_archive.export.completeness import Completeness, completeness, from_json
from canvas_archive.export.formats import FORMATS
from canvas_archive.store import Archive, transaction
from canvas_archive.store.journal import note_new
from tests.export_support import OWNER, ArchiveBuilder, rsmf_manifest

SWEPT = "2026-03-09T14:00:00Z"
PROBLEM = (
    "INSERT INTO problems (kind, item_id, error, attempts, first_at, last_at, next_at, accepted_at) "
    "VALUES (?, ?, 'it broke', 3, '2026-03-01T00:00:00Z', '2026-03-02T00:00:00Z', ?, ?)"
)
LATER = "2026-03-03T00:00:00Z"


def collected(folder: Path, *, swept: bool = True) -> Path:
    """Make an archive with two conversations; without ``swept``, its first sync was killed."""
    with ArchiveBuilder(folder, swept=swept) as make:
        make.person(1, "Ann Author")
        for number in (10, 20):
            make.conversation(number)
            make.message(number + 1, number, 1, f"hello {number}")
            make.attachment(number + 2, number + 1, "a.txt", b"text", content_type="text/plain")
        if not swept:
            make.db.execute("INSERT INTO sync_runs (mode, started_at) VALUES ('full', ?)", (SWEPT,))
            make.db.execute("UPDATE conversations SET fetched_at = NULL WHERE id = 20")
            make.db.execute("UPDATE messages SET conversation_id = NULL WHERE id = 21")
    return folder


def change(archive: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        db.execute(statement, values)
        db.commit()


def problem(archive: Path, kind: str, item: str, *, rests: bool = False, accepted: bool = False) -> None:
    with Archive.open(archive, write=True) as opened, transaction(opened.db):
        opened.db.execute(PROBLEM, (kind, item, LATER if rests else None, LATER if accepted else None))
        note_new(opened.db, "problems", f"{kind} {item}")


def state_of(archive: Path) -> Completeness:
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        return completeness(db)


@pytest.fixture
def export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, Path]]:
    def call(archive: Path, *options: str, dest: str = "out") -> tuple[int, str, Path]:
        capsys.readouterr()
        code = run(["export", str(tmp_path / dest), "--archive", str(archive), *options])
        return code, capsys.readouterr().err, tmp_path / dest

    return call


EVERY = tuple(word for name in FORMATS for word in ("-f", name))


def said_in_sqlite(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT value ->> '$.summary' FROM export WHERE name = 'collection'"
        return str(db.execute(query).fetchone()[0])


def everything_said(bag: Path) -> dict[str, str]:
    """Return the sentence about the collection that each part of a bag has."""
    data = bag / "data"
    last = json.loads((data / "conversations.jsonl").read_text("utf-8").splitlines()[-1])
    (conversation,) = rsmf_manifest(data / "rsmf" / "0a" / "conversation-10.rsmf")["conversations"]
    table = pyarrow.parquet.read_schema(next((data / "parquet" / "people").iterdir()))
    page = (data / "html" / "index.html").read_text("utf-8")
    said = {
        "bag-info": bagit.Bag(str(bag)).info["Collection-State"],
        "jsonl": last["collection"]["summary"],
        "rsmf": next(one["value"] for one in conversation["custom"] if one["name"] == "Collection"),
        "parquet": json.loads(table.metadata[b"canvas_archive.collection"])["summary"],
        "sqlite": said_in_sqlite(data / "mailbox.db"),
        "html": page.split('<p class="note">')[1].split("</p>")[0],
    }
    for name in ("export.json", "custody.json"):
        said[name] = json.loads((data / name).read_text("utf-8"))["collection"]["summary"]
    for name in ("messages.mbox", "eml"):
        path = data / name if name.endswith("mbox") else next((data / "eml").rglob("*.eml"))
        text = path.read_text("ascii").replace("\r\n", "\n").replace("\n ", " ")
        said[name] = text.split("X-Canvas-Collection: ")[1].split("\n")[0]
    return said


def test_every_format_of_an_unfinished_collection_says_so(
    tmp_path: Path, export: Callable[..., tuple[int, str, Path]]
) -> None:
    archive = collected(tmp_path / "archive", swept=False)
    code, said, bag = export(archive, "--bag", *EVERY)
    assert code == 5
    sentence = (
        "Unfinished: no full sync has come to its end, so conversations can be missing. "
        "Known to be missing: 1 conversation that lacks messages."
    )
    assert sentence in said and "Run 'canvas-archive sync" in said and "--allow-incomplete" in said
    assert set(everything_said(bag).values()) == {sentence}
    last = json.loads((bag / "data" / "conversations.jsonl").read_text("utf-8").splitlines()[-1])
    assert (last["type"], last["complete"]) == ("completion", False)
    with (bag / "data" / "gaps.csv").open(encoding="utf-8", newline="") as file:
        assert ("conversation", "20", "not fetched") in {
            (gap["kind"], gap["item"], gap["state"]) for gap in csv.DictReader(file)
        }
    code, said, _ = export(archive, "-f", "csv", "--allow-incomplete", dest="again")
    assert (code, sentence in said) == (0, True)


def test_verify_says_that_it_is_unfinished_and_not_damaged(
    tmp_path: Path, export: Callable[..., tuple[int, str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    archive = collected(tmp_path / "archive", swept=False)
    backup(archive, tmp_path / "backup")
    _, _, bag = export(archive, "--bag", "-f", "jsonl", dest="bag")
    _, _, folder = export(archive, "-f", "csv", dest="folder")
    _, _, alone = export(archive, dest="alone.jsonl")
    for path in (archive, tmp_path / "backup", bag, folder, alone):
        capsys.readouterr()
        assert run(["verify", str(path)]) == 5, path
        said = capsys.readouterr()
        assert "FAIL" not in said.out and "part" in said.out and "Unfinished" in said.out, path
        assert "Nothing is damaged" in said.err
        assert run(["verify", "--json", str(path)]) == 5
        document = json.loads(capsys.readouterr().out)
        assert (document["ok"], document["unfinished"]) == (True, True)


def test_damage_is_worse_than_being_unfinished(tmp_path: Path) -> None:
    archive = collected(tmp_path / "archive", swept=False)
    for blob in (archive / "files").glob("*/*"):
        blob.write_bytes(b"tex!")
    assert run(["-q", "verify", str(archive)]) == 8


def test_a_whole_collection_says_since_when(
    tmp_path: Path, export: Callable[..., tuple[int, str, Path]]
) -> None:
    archive = collected(tmp_path / "archive")
    code, said, out = export(archive, "-f", "jsonl", "-f", "eml")
    assert (code, f"Complete as of {SWEPT}: every conversation that Canvas listed is here." in said) == (
        0,
        True,
    )
    last = json.loads((out / "conversations.jsonl").read_text("utf-8").splitlines()[-1])
    assert (last["complete"], last["collection"]["swept_at"]) == (True, SWEPT)
    assert b"X-Canvas-Collection" not in next((out / "eml").rglob("*.eml")).read_bytes()
    assert (out / "gaps.csv").read_text("utf-8").splitlines()[1:] == []
    assert run(["-q", "verify", str(out)]) == 0


def test_an_empty_selection_and_an_empty_archive(
    tmp_path: Path, export: Callable[..., tuple[int, str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    archive = collected(tmp_path / "archive")
    code, said, out = export(archive, "-f", "csv", "--after", "2030")
    assert (code, out.is_dir()) == (5, True)
    assert "holds no messages" in said
    assert export(archive, "-f", "csv", "--after", "2030", "--allow-incomplete", dest="again")[0] == 0
    with ArchiveBuilder(tmp_path / "new", swept=False):
        pass
    code, said, _ = export(tmp_path / "new", "-f", "csv", dest="nothing")
    assert (code, "Nothing was collected yet" in said) == (5, True)
    capsys.readouterr()
    assert (
        run(["export", str(tmp_path / "j"), "-f", "csv", "--json", "--archive", str(tmp_path / "new")]) == 5
    )
    document = json.loads(capsys.readouterr().out)
    assert (document["collection"]["state"], document["collection"]["complete"]) == ("never synced", False)


@pytest.mark.parametrize(
    ("kind", "item", "how", "state", "code"),
    [
        ("conversation", "77", {}, "incomplete", 5),
        ("conversation", "10", {"rests": True}, "incomplete", 5),
        ("list", "inbox", {}, "incomplete", 5),
        ("attachment", "12", {"rests": True}, "incomplete", 5),
        ("media", "11/m-1", {}, "incomplete", 5),
        ("attachment", "12", {"accepted": True}, "items accepted", 0),
        ("conversation", "77", {"accepted": True}, "items accepted", 0),
        ("ghost", "88", {}, "complete", 0),
        ("file_host", "files.example", {}, "complete", 0),
    ],
)
def test_items_that_failed_rest_or_were_accepted(
    tmp_path: Path,
    export: Callable[..., tuple[int, str, Path]],
    kind: str,
    item: str,
    how: dict[str, Any],
    state: str,
    code: int,
) -> None:
    archive = collected(tmp_path / "archive")
    problem(archive, kind, item, **how)
    assert state_of(archive).state == state
    assert export(archive, "-f", "jsonl")[0] == code
    record = json.loads((tmp_path / "out" / "export.json").read_text("utf-8"))
    assert record["collection"]["complete"] is (state == "complete")
    gaps = (tmp_path / "out" / "gaps.csv").read_text("utf-8")
    assert f"{'recording' if kind == 'media' else kind} {item}".replace("recording", "media") in gaps


def test_a_file_of_another_conversation_is_no_gap_of_a_selection(
    tmp_path: Path, export: Callable[..., tuple[int, str, Path]]
) -> None:
    archive = collected(tmp_path / "archive")
    problem(archive, "attachment", "12")
    change(archive, "UPDATE attachments SET state = 'failed' WHERE id = 12")
    assert export(archive, "-f", "jsonl", "--ids", "20", dest="other")[0] == 0
    assert export(archive, "-f", "jsonl", "--ids", "10", dest="its")[0] == 5
    assert export(archive, "-f", "jsonl", "--ids", "10", "--without-attachments", dest="text")[0] == 0


def test_files_that_were_never_tried_are_missing(
    tmp_path: Path, export: Callable[..., tuple[int, str, Path]]
) -> None:
    archive = collected(tmp_path / "archive")
    change(archive, "UPDATE attachments SET state = 'pending', sha256 = NULL WHERE id = 12")
    code, said, _ = export(archive, "-f", "jsonl")
    assert (code, "1 file not downloaded yet" in said) == (5, True)


def test_a_sync_that_was_cut_off_after_a_whole_one(tmp_path: Path) -> None:
    archive = collected(tmp_path / "archive")
    change(archive, "INSERT INTO sync_runs (mode, started_at) VALUES ('quick', '2026-03-10T00:00:00Z')")
    assert state_of(archive).sentence.endswith("is here. The last sync did not finish.")


def test_what_canvas_counts_otherwise_is_a_note_with_both_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ArchiveBuilder(tmp_path / "archive") as make:
        make.conversation(10, people=(OWNER,), count=2)
        make.message(11, 10, OWNER, "one", to=())
        make.conversation(20, people=(OWNER,), count=1)
        make.message(21, 20, OWNER, "one", to=())
        make.message(22, 20, OWNER, "two", to=())
    capsys.readouterr()
    assert run(["verify", "--json", str(tmp_path / "archive")]) == 0
    check = {one["name"]: one for one in json.loads(capsys.readouterr().out)["checks"]}["completeness"]
    assert (check["ok"], check["items"]) == (
        True,
        [
            "conversation 10: Canvas counts 2 messages, and gave 1",
            "conversation 20: Canvas counts 1 messages, and gave 2",
        ],
    )


def test_a_conversation_that_was_passed_over_in_silence_is_a_failure(tmp_path: Path) -> None:
    archive = collected(tmp_path / "archive")
    with ArchiveBuilder(tmp_path / "other") as make:
        make.conversation(10, people=(OWNER,), count=1)
        make.db.execute("UPDATE conversations SET fetched_at = NULL")
    assert run(["-q", "verify", str(tmp_path / "other")]) == 8
    problem(tmp_path / "other", "conversation", "10")
    assert run(["-q", "verify", str(tmp_path / "other")]) == 5
    assert run(["-q", "verify", str(archive)]) == 0


@pytest.mark.parametrize(
    "document", [None, [], {}, {"synced": 1}, {"synced": True, "swept_at": 3}, {"lacking": -1}, "complete"]
)
def test_a_record_that_says_no_state_is_none(document: object) -> None:
    assert from_json(document) is None


def test_a_state_is_read_as_it_was_written() -> None:
    known = Completeness(True, SWEPT, True, lacking=1, failed=2, waiting=3, accepted=4, pending=5)
    assert from_json(json.loads(json.dumps(known.to_json()))) == known
    assert not known.is_complete and "2 items that failed" in known.sentence


def test_numbers_that_differ_by_what_they_count_are_explained(
    tmp_path: Path, export: Callable[..., tuple[int, str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    with ArchiveBuilder(tmp_path / "archive") as make:
        make.person(1, "Ann Author")
        make.conversation(10, count=2)
        make.message(11, 10, 1, "hello")
        make.message(12, 10, OWNER, "see below")
        make.message(13, 10, OWNER, "Ann was added", generated=True)
        make.conversation(20, removed_at=LATER)
        make.message(21, 20, 1, "gone", removed_at=LATER)
        make.message(900, None, 1, "only forwarded", to=())
        make.attachment(1, 11, "a.txt", b"the same")
        make.attachment(2, 900, "b.txt", b"the same")
        make.attachment(3, 12, "c.txt", None)
        make.forward(12, 11)  # it is in the conversation as well, and counts once
        make.forward(12, 900, position=1)
    everything = (
        "4 messages in 2 conversations (1 written by Canvas itself, 1 removed on Canvas and kept here), "
        "1 more known only because they were forwarded; 3 attachments, stored as 1 file, equal ones once"
    )
    code, said, bag = export(tmp_path / "archive", "--bag", "-f", "jsonl", dest="bag")
    assert (code, everything in said, "1 of 3 attachments are not in the archive" in said) == (0, True, True)
    counts = json.loads((bag / "data" / "custody.json").read_text("utf-8"))["counts"]
    assert (counts["explained"], counts["attachments"], counts["stored_files"]) == (everything, 3, 1)
    assert json.loads(bagit.Bag(str(bag)).info["Export-Counts"]) == counts
    assert run(["verify", "--archive", str(tmp_path / "archive")]) == 0
    assert f"counts: {everything}" in capsys.readouterr().out
    code, said, _ = export(tmp_path / "archive", "-f", "csv", "--before", "2026-01", dest="nothing")
    assert (code, "0 messages in 0 conversations." in said) == (5, True)
    code, said, _ = export(tmp_path / "archive", "-f", "csv", "--ids", "20", dest="one")
    assert (code, "1 message in 1 conversation (1 removed on Canvas and kept here)." in said) == (0, True)
