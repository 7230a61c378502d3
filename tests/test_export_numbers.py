"""Numbers and long texts that survive spreadsheets and readers of JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import run
from canvas_archive.export.spreadsheet import LONG_CELLS, LONGEST_CELL
from canvas_archive.string_ids import with_string_ids
from tests.export_support import OWNER, ArchiveBuilder

LARGE = 12_340_000_000_000_567
LONG = "=long 😀 " * 9000


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numbers") / "archive"
    with ArchiveBuilder(folder) as make:
        make.person(LARGE + 1, "Ann Author")
        make.conversation(LARGE, "Lab", people=(OWNER, LARGE + 1))
        make.message(LARGE + 2, LARGE, LARGE + 1, "=1+1\x07", to=(OWNER,))
        make.message(LARGE + 3, LARGE, LARGE + 1, LONG, to=(OWNER, LARGE + 1))
        make.sync_run()
    return folder


def rows(path: Path, separator: str = ",") -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig")
    before = csv.field_size_limit(10**7)
    try:
        return list(
            csv.DictReader(text.removeprefix(f"sep={separator}\r\n").splitlines(True), delimiter=separator)
        )
    finally:
        csv.field_size_limit(before)  # it is the whole process's


def export(archive: Path, *words: str) -> int:
    return run(["-q", "--archive", str(archive), "export", *words])


def test_excel_gets_ids_as_text_and_cells_it_can_hold(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(archive, str(out), "-f", "csv", "--excel", "--excel-sep", ";") == 0
    first, second = rows(out / "messages.csv", ";")
    assert first["message_id"] == f'="{LARGE + 2}"' and first["conversation_id"] == f'="{LARGE}"'
    assert first["recipient_ids"] == f'="{OWNER}"' and second["recipient_ids"] == f"{OWNER};{LARGE + 1}"
    assert first["body"] == "'=1+1␇"
    assert len(second["body"].encode("utf-16-le")) // 2 <= LONGEST_CELL
    name = f"{LONG_CELLS}/{LARGE + 3}-body.txt"
    assert name in second["body"][-100:]
    assert (out / name).read_text("utf-8") == "'" + LONG
    assert run(["-q", "verify", str(out)]) == 0


def test_excel_in_one_file_says_where_the_whole_text_is(archive: Path, tmp_path: Path) -> None:
    assert export(archive, str(tmp_path / "one.csv"), "--excel") == 0
    assert "an export to a folder" in rows(tmp_path / "one.csv")[1]["body"]
    assert [path.name for path in tmp_path.iterdir()] == ["one.csv"]


def test_raw_is_what_was_written(archive: Path, tmp_path: Path) -> None:
    assert export(archive, str(tmp_path / "one.csv"), "--raw") == 0
    assert [row["body"] for row in rows(tmp_path / "one.csv")] == ["=1+1\x07", LONG]
    assert export(archive, str(tmp_path / "two.csv"), "--raw", "--excel") == 2
    assert export(archive, str(tmp_path / "two.csv"), "--excel-sep", ";") == 2
    assert not (tmp_path / "two.csv").exists()


def rounded(text: str) -> str:
    """Return an integer as a reader that has only doubles reads it."""
    return str(int(float(text)))


def test_ids_as_texts_survive_a_reader_that_has_only_doubles(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rounded(str(LARGE)) != str(LARGE)
    base = ["-q", "--archive", str(archive)]
    for options, expected in (((), rounded(str(LARGE))), (("--string-ids",), str(LARGE))):
        assert run([*base, "list", "--json", *options]) == 0
        document = json.loads(capsys.readouterr().out, parse_int=rounded)
        assert document["conversations"][0]["id"] == expected
    assert export(archive, str(tmp_path / "out.jsonl"), "--string-ids") == 0
    thread, completion = map(json.loads, (tmp_path / "out.jsonl").read_text("utf-8").splitlines())
    assert thread["id"] == str(LARGE) and thread["messages"][0]["recipient_ids"] == [str(OWNER)]
    assert completion["custodian_id"] == str(OWNER) and completion["messages"] == 2
    assert run(["-q", "verify", str(tmp_path / "out.jsonl")]) in (0, 2)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"id": 1, "count": 2, "ok": True}, {"id": "1", "count": 2, "ok": True}),
        ({"ids": [1, 2], "audience": [3]}, {"ids": ["1", "2"], "audience": ["3"]}),
        ({"size": 2**60}, {"size": str(2**60)}),
        ([{"user_id": None, "a": {"b_ids": [5]}}], [{"user_id": None, "a": {"b_ids": ["5"]}}]),
    ],
)  # fmt: skip
def test_what_is_an_id(document: Any, expected: Any) -> None:
    assert with_string_ids(document) == expected
