"""The cache of what a fleet's archives hold: it is never believed about files that changed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import fleet_searching, main
from canvas_archive.errors import ArchiveError, MachineTrouble
from canvas_archive.places import cache_folder
from canvas_archive.sync.fleet_record import Fleet
from canvas_archive.sync.fleet_summaries import Summaries
from tests.fleet_support import local_fleet


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return local_fleet(tmp_path_factory.mktemp("fleet") / "root", {7: ("Ann", "Art"), 8: ("Bo", "Biology")})


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy whose files are an hour old."""
    root = Path(shutil.copytree(made, tmp_path / "root"))
    age(root)
    return root


def age(root: Path) -> None:
    """Let every file of a fleet have been changed an hour ago."""
    an_hour_ago = (datetime.now(timezone.utc) - timedelta(hours=1)).timestamp()
    for path in root.rglob("*"):
        os.utime(path, (an_hour_ago, an_hour_ago))


def rows(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[int, dict[str, Any]]:
    capsys.readouterr()
    main.run(["fleet", "status", "--root", str(root), "--json"])
    return {row["user_id"]: row for row in json.loads(capsys.readouterr().out)["custodians"]}


def opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the id of each archive that is opened from now on."""
    ids: list[int] = []
    before = Fleet.open_archive

    def counting(self: Fleet, outcome: Any) -> Any:
        ids.append(outcome.user_id)
        return before(self, outcome)

    monkeypatch.setattr(Fleet, "open_archive", counting)
    return ids


def test_only_what_changed_is_opened(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = opened(root, monkeypatch)
    first = rows(root, capsys)
    assert ids == [7, 8]
    assert rows(root, capsys) == first
    assert ids == [7, 8]
    with closing(sqlite3.connect(root / "8" / "archive.db", isolation_level=None)) as db:
        db.execute("UPDATE users SET name = 'New' WHERE id = (SELECT min(id) FROM users)")
        # The change lies in the log beside the database.
        assert rows(root, capsys)[8]["counts"] == first[8]["counts"]
    assert ids == [7, 8, 8]
    age(root)
    rows(root, capsys)
    assert ids[3:] == [7, 8], "another time is another file"


def test_a_file_that_changed_a_moment_ago_is_not_believed(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = opened(root, monkeypatch)
    (root / "7" / "config.toml").touch()
    for _ in range(2):
        rows(root, capsys)
    assert ids == [7, 8, 7]


@pytest.mark.parametrize("name", ["config.toml", "archive.db"])
def test_what_cannot_be_read_now_is_said_in_spite_of_the_cache(
    name: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rows(root, capsys)[8]["status"] == "ok"
    (root / "8" / name).write_bytes(b"nonsense")
    assert rows(root, capsys)[8]["status"] == "unreadable"


def test_an_exchanged_archive_is_named_in_spite_of_the_cache(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows(root, capsys)
    (root / "7").rename(root / "x")
    (root / "8").rename(root / "7")
    (root / "x").rename(root / "8")
    found = rows(root, capsys)
    assert {row["status"] for row in found.values()} == {"unreadable"}
    # Also where the cache itself would know each folder: it says whose they are.
    age(root)
    for summaries in (Summaries(root), Summaries(root)):
        summaries.save()
    assert {row["status"] for row in rows(root, capsys).values()} == {"unreadable"}


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", '{"version": [1, 1]}', '{"version": null, "archives": 7}', "[" * 100_000]
)
def test_a_cache_that_makes_no_sense_costs_time_alone(
    text: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = rows(root, capsys)
    (path,) = (cache_folder() / "fleets").iterdir()
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0
    path.write_text(text)
    assert rows(root, capsys) == first
    path.unlink()
    path.mkdir()
    assert rows(root, capsys) == first


def test_several_processes_find_what_one_finds(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(few: int) -> tuple[int, str]:
        monkeypatch.setattr(fleet_searching, "FEW", few)
        capsys.readouterr()
        code = main.run(["fleet", "search", "--root", str(root), "--json", "word"])
        return code, capsys.readouterr().out

    monkeypatch.setattr(fleet_searching.os, "cpu_count", lambda: 2)
    alone = found(1000)
    assert found(0) == alone
    assert len(json.loads(alone[1])["hits"]) == 2
    shutil.rmtree(root / "8" / "search")
    code, out = found(0)
    assert code == 5
    document = json.loads(out)
    assert [row["user_id"] for row in document["unreadable"]] == [8]
    assert [row["user_id"] for row in document["custodians"]] == [7]
    assert [[who["user_id"] for who in hit["custodians"]] for hit in document["hits"]] == [[7]]


def test_an_answer_carries_its_error() -> None:
    fleet_searching.Answer().raise_error()
    with pytest.raises(ArchiveError, match="damaged") as caught:
        fleet_searching.Answer(error="damaged").raise_error()
    assert not isinstance(caught.value, MachineTrouble)
    with pytest.raises(MachineTrouble, match="full") as found:
        fleet_searching.Answer(error="full", everywhere=True).raise_error()
    assert found.value.everywhere
