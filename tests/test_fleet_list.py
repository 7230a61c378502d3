"""The list of custodians, the order of a run, and the memory of a fleet."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.sync.custodians import ListedCustodian, read_custodians
from canvas_archive.sync.fleet_record import CustodianOutcome, Fleet, in_order

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)


def written(folder: Path, text: str) -> Path:
    path = folder / "custodians.csv"
    path.write_bytes(text.encode("utf-8"))
    return path


def test_ids_alone_are_enough(tmp_path: Path) -> None:
    assert read_custodians(written(tmp_path, "user_id\n12\n\n13\n")) == (
        ListedCustodian(12, None, "12"),
        ListedCustodian(13, None, "13"),
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_spreadsheets_list(tmp_path: Path, separator: str) -> None:
    lines = (("Name", "USER_ID ", "folder", "office"), ("Ada, née Byron", " 12", "ada", "3"))
    text = "\r\n".join(separator.join(f'"{cell}"' for cell in line) for line in lines)
    assert read_custodians(written(tmp_path, f"\ufeff{text}\r\n")) == (
        ListedCustodian(12, "Ada, née Byron", "ada"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id\n12\n", "one of them must be user_id"),
        ("", "one of them must be user_id"),
        ("user_id\n", "names no custodian"),
        ("user_id\nada\n", "line 2: 'ada' is no user id"),
        ("user_id\n0\n-3\n", "line 3: '-3' is no user id"),
        ("user_id\n99999999999999999999\n", "is no user id"),
        ("user_id\n9223372036854775808\n", "is no user id"),
        pytest.param("user_id\n" + "9" * 5000, "line 2: '" + "9" * 40 + "' is no user id", id="digits"),
        pytest.param("user_id,name\n1," + "x" * 200_000, "cannot be read as a list", id="long"),
        ('user_id,name\n12,"two\nlines"\nada,\n', "line 4: 'ada' is no user id"),
        ("user_id\n12\n13\n012\n", "line 4: 12 is on line 2 already"),
        ("user_id,folder\n12,a\n13,A\n", "line 3: a is on line 2 already"),
        ("user_id,folder\n12,../up\n", "cannot be the name of a folder"),
        ("user_id,folder\n12,/etc\n", "cannot be the name of a folder"),
        ("user_id,folder\n12,.hidden\n", "cannot be the name of a folder"),
        ("user_id,folder\n12,NUL.txt\n", "cannot be the name of a folder"),
    ],
)
def test_what_is_wrong_with_a_list(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told.replace("(", r"\(")):
        read_custodians(written(tmp_path, text))


def test_all_complaints_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"line 2: .*; line 3: .*, and 4 more"):
        read_custodians(written(tmp_path, "user_id\n" + "x\n" * 12))


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read as a list"):
        read_custodians(tmp_path / "none.csv")


def outcome(user_id: int, at: str | None, status: str = "ok") -> CustodianOutcome:
    return CustodianOutcome(user_id, str(user_id), status=status, succeeded_at=at)


def test_who_never_succeeded_comes_first_then_the_stalest() -> None:
    people = [ListedCustodian(number, None, str(number)) for number in (1, 2, 3, 4)]
    known = {1: outcome(1, "2026-11-24T11:00:00Z"), 2: outcome(2, "2026-11-20T00:00:00Z"),
             3: outcome(3, None, "failed")}  # fmt: skip
    assert [one.user_id for one in in_order(people, known, NOW)] == [3, 4, 2, 1]


def test_the_fresh_ones_can_be_left_out_but_not_the_incomplete() -> None:
    people = [ListedCustodian(number, None, str(number)) for number in (1, 2, 3)]
    known = {1: outcome(1, "2026-11-24T11:00:00Z"), 2: outcome(2, "2026-11-24T09:00:00Z"),
             3: outcome(3, "2026-11-24T11:00:00Z", "partial")}  # fmt: skip
    left = in_order(people, known, NOW, timedelta(hours=2))
    assert [one.user_id for one in left] == [2, 3]


def test_a_fleet_remembers(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "root")
    fleet.open_at("https://canvas.example.edu")
    fleet.record(outcome(7, "2026-11-24T11:00:00Z"))
    fleet.record(replace(outcome(3, None, "failed"), name="=cmd()", error="No."))
    again = Fleet(tmp_path / "root")
    assert again.base_url == "https://canvas.example.edu"
    assert again.outcomes == fleet.outcomes
    rows = (tmp_path / "root" / "fleet.csv").read_text("utf-8").splitlines()
    assert rows[1].startswith("3,3,'=cmd(),failed,No.") and rows[2].startswith("7,7,")
    assert (tmp_path / "root" / "fleet.json").stat().st_mode & 0o077 == 0


def test_a_fleet_stays_with_its_canvas(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.open_at("https://canvas.example.edu")
    with pytest.raises(BadInput, match="Name another --root"):
        fleet.open_at("https://other.example.edu")


def test_a_fleet_whose_folder_cannot_be_made_is_told(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "root")
    (tmp_path / "root").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be made"):
        fleet.open_at("https://canvas.example.edu")


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", '{"version": 1}', '{"version": 1, "custodians": [{}]}', "\x00",
        '{"version": "new", "custodians": []}',
    ],
)  # fmt: skip
def test_a_broken_memory_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "fleet.json").write_text(text)
    with pytest.raises(BadInput, match="remove it"):
        Fleet(tmp_path)


def test_a_newer_memory_is_refused_and_unknown_fields_are_passed_over(tmp_path: Path) -> None:
    row = {"user_id": 1, "folder": "1", "mood": "good"}
    (tmp_path / "fleet.json").write_text(json.dumps({"version": 1, "custodians": [row]}))
    assert Fleet(tmp_path).outcomes == {1: CustodianOutcome(1, "1")}
    (tmp_path / "fleet.json").write_text(json.dumps({"version": 2, "custodians": [row]}))
    with pytest.raises(BadInput, match="newer version"):
        Fleet(tmp_path)


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be"):
        Fleet(tmp_path / "file" / "root").open_at("https://canvas.example.edu")


def test_a_list_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "custodians.csv"
    path.write_bytes("user_id,name\n1,Zo\u00eb\n".encode("utf-16"))
    with pytest.raises(BadInput, match="it is not UTF-8 text"):
        read_custodians(path)


def test_a_memory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    (tmp_path / "fleet.csv.partial").mkdir()
    with pytest.raises(ArchiveError, match=r"fleet\.csv cannot be written"):
        fleet.record(CustodianOutcome(12, "12"))
