"""Exports with receipts: they are those of the selection, and every row has to follow from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import run
from canvas_archive.export.jsonl import encode_completion, encode_line
from canvas_archive.export.receipts import RECEIPTS
from canvas_archive.export.receipts_check import check_rows, exported_receipts
from tests.export_support import small_archive as older_archive
from tests.fleet_support import local_fleet
from tests.receipt_support import copy_of, erase, small_archive, unguarded
from tests.sync_support import Pair

LINES = "conversations.jsonl"


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """An archive with answers of Canvas, an edit, renamed people and a course that many are in."""
    with small_archive(tmp_path_factory.mktemp("receipts") / "archive") as pair:
        pair.sandbox.school.rename(2, "Benjamin")
        pair.sandbox.school.receive(105, 2, "Once more physics")
        pair.sync(mode="full")
        pair.update("UPDATE conversations SET starred = 1 - starred WHERE id = 100")
        yield pair


@pytest.fixture(scope="module")
def whole(synced: Pair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(synced.folder, tmp_path_factory.mktemp("whole") / "export", "-f", "csv")


def pack(archive: Path, dest: Path, *options: str) -> Path:
    words = ["-q", "--archive", str(archive), "export", str(dest), "-f", "jsonl", "--with-receipts"]
    assert run([*words, "--allow-incomplete", *options]) == 0
    return dest


def checked(capsys: pytest.CaptureFixture[str], path: Path) -> tuple[int, dict[str, list[str]]]:
    """Return the exit code of ``verify``, and what each failed check found."""
    capsys.readouterr()
    code = run(["verify", "--json", str(path)])
    checks = json.loads(capsys.readouterr().out)["checks"]
    return code, {check["name"]: check["items"] for check in checks if not check["ok"]}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def rewrite(export: Path, name: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the lines of a file, and make its completion record and the manifest anew."""
    *found, record = lines(export / name)
    change(found)
    written = b"".join(map(encode_line, found))
    del record["record_sha256"]
    (export / name).write_bytes(
        written + encode_completion({**record, "sha256": sha256(written).hexdigest()})
    )
    relist(export)


def relist(export: Path) -> None:
    """List the files of an export anew, as somebody does who hides a change."""
    files = sorted(
        path for path in export.rglob("*") if path.is_file() and path.name != "manifest-sha256.txt"
    )
    listed = [f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(export)}\n" for path in files]
    (export / "manifest-sha256.txt").write_text("".join(listed), "utf-8")


def test_every_row_of_an_export_follows_from_its_receipts(
    whole: Path, synced: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(capsys, whole) == (0, {})
    *receipts, completion = lines(whole / RECEIPTS)
    assert len(receipts) == synced.one("SELECT count(*) FROM receipts") == completion["receipts"]
    counts = {"receipts": len(receipts), "by_source": {"api": len(receipts)}}
    assert json.loads((whole / "export.json").read_bytes())["receipts"] == counts
    assert b"verifier" not in (whole / RECEIPTS).read_bytes()
    assert {one["kind"] for one in receipts} >= {"account", "thread", "courses", "file", "media"}


def test_the_same_archive_gives_the_same_receipts(whole: Path, synced: Pair, tmp_path: Path) -> None:
    again = pack(synced.folder, tmp_path / "again", "-f", "csv")
    assert (again / RECEIPTS).read_bytes() == (whole / RECEIPTS).read_bytes()


@pytest.mark.parametrize(
    ("options", "conversations"),
    [
        (("--ids", "100"), {100}),
        (("--ids", "104,105"), {104, 105}),
        (("--with", "Cleo"), {101, 103, 104}),
        (("--folder", "archived"), {102}),
        (("--after", "2026-03-01T09:29:00Z", "--before", "2026-03-02"), {100, 103, 105}),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_a_selection_has_the_receipts_of_its_conversations_alone(
    synced: Pair,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    conversations: set[int],
) -> None:
    bag = pack(synced.folder, tmp_path / "bag", "--bag", "-f", "mbox", *options)
    assert checked(capsys, bag) == (0, {})
    *receipts, _ = lines(bag / "data" / RECEIPTS)
    about = {int(one["answer"]["id"]) for one in receipts if one["kind"] in ("thread", "row", "flags")}
    assert about == conversations
    custody = json.loads((bag / "data" / "custody.json").read_bytes())
    assert custody["receipts"]["receipts"] == len(receipts)
    assert f"data/{RECEIPTS}" in (bag / "manifest-sha512.txt").read_text()
    lists = [set(one["answer"]["ids"]) for one in receipts if one["kind"] == "ids"]
    assert lists and all(ids <= conversations for ids in lists)
    text = (bag / "data" / RECEIPTS).read_text("utf-8")
    assert ("Syllabus" in text) == bool(conversations & {100, 104})
    assert ("Eve Elsewhere" in text) == (104 in conversations)


def altered(value: Any) -> Any:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, type(None))):
        return (value or 0) + 7
    if isinstance(value, str):
        return "2020-01-01T00:00:00Z" if value.endswith("Z") else f"forged {value}"
    return {"forged": True} if isinstance(value, dict) else [*value, 7]


def test_every_forged_field_is_named(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = lines(whole / LINES)[0]
    message = first["messages"][0]
    assert first["id"] == 100 and message["attachments"]
    places: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]], dict[str, Any]]] = [
        ("conversations", lambda thread: thread, first),
        ("messages", lambda thread: thread["messages"][0], message),
        ("attachments", lambda thread: thread["messages"][0]["attachments"][0], message["attachments"][0]),
    ]
    edited = {"type", "id", "starred", "workflow_state", "subscribed", "folders", "messages", "path"}
    export = Path(shutil.copytree(whole, tmp_path / "export"))
    content = (whole / LINES).read_bytes()
    receipts = exported_receipts(export, json.loads((export / "export.json").read_bytes()))
    assert receipts is not None
    unnamed, tried = [], 0
    for table, place, record in places:
        for name in record.keys() - edited - {"forwarded_messages", "attachments"}:

            def forge(found: list[dict[str, Any]], place: Any = place, name: str = name) -> None:
                place(found[0])[name] = altered(place(found[0])[name])

            rewrite(export, LINES, forge)
            (check,) = check_rows(export, receipts)
            tried += 1
            expected = "media_comments" if name == "kind" else table
            if check.ok or not check.items[0].startswith(expected) or name not in check.items[0]:
                unnamed.append((table, name, check.items))
            (export / LINES).write_bytes(content)
    receipts.close()
    assert unnamed == [] and tried > 30


def test_invented_and_missing_rows_are_named(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = Path(shutil.copytree(whole, tmp_path / "export"))

    def forge(found: list[dict[str, Any]]) -> None:
        found[0]["messages"].append({**found[0]["messages"][0], "id": 9999})
        del found[1]["messages"][0]
        found[3] = {**found[3], "id": 9998, "messages": []}
        found.sort(key=lambda one: one["id"])

    gone = lines(whole / LINES)
    rewrite(export, LINES, forge)
    code, bad = checked(capsys, export)
    assert code == 8
    assert bad["rows"] == [
        "messages 9999: no receipt explains it",
        f"messages {gone[1]['messages'][0]['id']}: a receipt explains it, and it is not there",
        f"conversations {gone[3]['id']}: receipts explain it, and it is not there",
        "conversations 9998: no receipt explains it",
    ]


def test_another_format_is_compared_with_the_receipts(
    synced: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dest = tmp_path / "export"
    words = ["export", str(dest), "-f", "csv", "--with-receipts", "--before", "2026-03-01T09:04:00Z"]
    assert run(["-q", "--archive", str(synced.folder), *words]) == 0
    assert checked(capsys, dest) == (0, {})
    path = dest / "messages.csv"
    path.write_bytes(path.read_bytes().replace(b"Lab on Friday?", b"Lab on Monday?"))
    relist(dest)
    code, bad = checked(capsys, dest)
    assert (code, bad["formats"]) == (8, ["message 1010: the body is not the same in csv and receipts"])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda path: path.unlink(), "receipts.jsonl"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "Unterminated string"),
        (lambda path: path.write_bytes(b""), "cut off"),
        (lambda path: path.write_bytes(b"[" * 200_000), "receipts.jsonl"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"Thank y", b"Thank m")), "was changed"),
    ],
    ids=["missing", "cut", "empty", "deep", "changed"],
)
def test_a_damaged_file_of_receipts_is_named(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], Any], what: str
) -> None:
    export = Path(shutil.copytree(whole, tmp_path / "export"))
    change(export / RECEIPTS)
    relist(export)
    code, bad = checked(capsys, export)
    assert code == 8
    assert what in bad["receipts"][0]


def _swap(found: list[dict[str, Any]]) -> None:
    found[1], found[2] = found[2], found[1]


def _renumber(found: list[dict[str, Any]]) -> None:
    found[1]["id"] = "two"


def _invent(found: list[dict[str, Any]]) -> None:
    found[-1]["kind"] = "rows"
    found[-1]["answer"] = {"table": "sqlite_master", "columns": ["name"], "rows": [["x"]]}


def _strange_time(found: list[dict[str, Any]]) -> None:
    found[2]["at"] = "yesterday"


@pytest.mark.parametrize(
    ("forge", "what"),
    [
        (_swap, "is not in its place"),
        (_renumber, "a line is no receipt"),
        (_invent, "no row can follow"),
        (_strange_time, "yesterday"),
        (lambda found: found.clear(), "whose"),
        (lambda found: found.pop(), "counts other receipts"),
    ],
    ids=["swapped", "number", "table", "time", "none", "fewer"],
)
def test_receipts_that_make_no_sense_are_named(
    whole: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    forge: Callable[[list[dict[str, Any]]], None],
    what: str,
) -> None:
    export = Path(shutil.copytree(whole, tmp_path / "export"))
    *found, record = lines(export / RECEIPTS)
    forge(found)
    record = {**record, "receipts": len(found), "by_source": {"api": len(found)} if found else {}}
    del record["record_sha256"]
    written = b"".join(map(encode_line, found))
    record["sha256"] = sha256(written).hexdigest()
    (export / RECEIPTS).write_bytes(written + encode_completion(record))
    relist(export)
    code, bad = checked(capsys, export)
    assert code == 8
    assert what in json.dumps(bad)


def test_a_redacted_export_and_a_single_file_have_no_receipts(
    synced: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--archive", str(synced.folder), "export", "--with-receipts"]
    assert run([*words, str(tmp_path / "a"), "-f", "jsonl", "--redact"]) == 2
    assert "Leave out --with-receipts or --redact." in capsys.readouterr().err
    assert run([*words, str(tmp_path / "a.jsonl")]) == 2
    assert "Receipts are a file of their own" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_selection_of_messages_says_that_receipts_are_whole(
    synced: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--archive", str(synced.folder), "export", str(tmp_path / "a"), "-f", "csv", "--with-receipts"]
    assert run([*words, "--before", "2026-03-01T09:01:00Z"]) == 0
    assert "holds the chosen conversations whole" in capsys.readouterr().err


def test_a_receipt_that_cannot_be_read_ends_the_export(
    synced: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = copy_of(synced, tmp_path / "copy")
    with unguarded(pair.folder) as db:
        db.execute("UPDATE receipts SET payload = x'00ff' WHERE id = (SELECT max(id) FROM receipts)")
    words = ["--archive", str(pair.folder), "export", str(tmp_path / "a"), "-f", "csv", "--with-receipts"]
    assert run(words) == 8
    assert "cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_an_erased_receipt_is_exported_as_a_tombstone(
    synced: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = copy_of(synced, tmp_path / "copy")
    with unguarded(pair.folder) as db:
        numbers = erase(db, 103, ["a backup"])
    export = pack(pair.folder, tmp_path / "export")
    assert checked(capsys, export) == (0, {})
    stones = [one for one in lines(export / RECEIPTS)[:-1] if one["kind"] == "erased"]
    assert [one["id"] for one in stones] == numbers
    assert all(one["answer"] is None and one["held_in"] == ["a backup"] for one in stones)
    assert all(len(one["commitment"]) == 64 for one in stones)


@pytest.mark.parametrize(
    "options", [(), ("--ids", "101"), ("--after", "2026-01"), ("--string-ids",)], ids=" ".join
)
def test_the_rows_of_an_older_archive_are_receipts_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    export = pack(older_archive(tmp_path / "older"), tmp_path / "export", *options)
    assert checked(capsys, export) == (0, {})
    *receipts, _ = lines(export / RECEIPTS)
    assert {one["source"] for one in receipts} >= {"migration"}
    conversations = [one["answer"]["rows"] for one in receipts if one["address"] == "table conversations"]
    if options[:1] == ("--ids",):
        assert [[row[0] for row in rows] for rows in conversations] == [[101]]


def test_a_fleet_has_receipts_in_each_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = local_fleet(tmp_path / "fleet", {1: ("Ann", "Biology"), 2: ("Bob", "Physics")})
    words = ["fleet", "export", str(tmp_path / "out"), "-f", "jsonl", "--root", str(root), "--with-receipts"]
    assert run([*words, "--redact"]) == 2
    assert "Leave out --with-receipts or --redact." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run([*words, "--bag", "--allow-incomplete"]) in (0, 5)
    assert len(list((tmp_path / "out").glob("*/data/receipts.jsonl"))) == 2
    assert checked(capsys, tmp_path / "out") == (0, {})
