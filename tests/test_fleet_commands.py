"""What the commands of a fleet say when not all is well with one of its archives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from tests.fleet_support import Collection, collection


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    """The archives of two custodians, with attachments."""
    with Sandbox(conversations=20) as sandbox:
        made = collection(sandbox, tmp_path, monkeypatch)
        mine = sandbox.user_id
        other = next(id_ for id_ in sandbox.school.state.rows if id_ not in (mine, sandbox.school.admin_id))
        made.write_list([mine, other])
        result = made.sync()
        assert made.code(result) == 0, result.output
        yield made


def test_a_fleet_without_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(conversations=1) as sandbox:
        made = collection(sandbox, tmp_path, monkeypatch)
        monkeypatch.delenv("CANVAS_API_URL")
        made.write_list([sandbox.user_id])
        result = made.run("sync", str(made.list))
    assert made.code(result) == 2 and "Give --url" in str(result.exception)


@pytest.mark.thorough
def test_the_status_of_an_archive_that_cannot_be_opened(fleet: Collection) -> None:
    broken = next(folder for folder in fleet.root.iterdir() if (folder / "archive.db").is_file())
    (broken / "archive.db").write_bytes(b"no database at all" * 400)
    result = fleet.run("status")
    assert fleet.code(result) == 5 and "not a SQLite database" in result.output
    rows = json.loads(fleet.run("status", "--json").stdout)["custodians"]
    assert sorted(row["status"] for row in rows) == ["ok", "unreadable"]
    assert sum(bool(row["error"]) for row in rows) == 1 and sum(row["archive"] is None for row in rows) == 1


@pytest.mark.thorough
def test_an_archive_that_cannot_be_searched_or_exported_does_not_hide_the_others(
    fleet: Collection, tmp_path: Path
) -> None:
    broken = fleet.root / str(fleet.sandbox.user_id)
    for file in (broken / "search").iterdir():
        file.unlink()
    result = fleet.run("search", "the")
    assert fleet.code(result) == 5 and "1 archive of 2 could not be searched" in str(result.exception)
    with Archive.open(broken) as archive:
        row = archive.db.execute("SELECT sha256 FROM attachments WHERE state = 'stored'").fetchone()
    stored = [path for path in broken.rglob("*") if path.name == row["sha256"] or row["sha256"] in str(path)]
    for path in stored:
        path.chmod(0o600)
        path.unlink()
    result = fleet.run("export", str(tmp_path / "lacking"), "-f", "jsonl", "-v")
    assert fleet.code(result) == 5 and "1 archive of 2 could not be exported whole" in str(result.exception)
    (broken / "archive.db").write_bytes(b"no database at all" * 400)
    result = fleet.run("export", str(tmp_path / "out"), "-f", "jsonl")
    assert fleet.code(result) == 5 and "1 archive of 2 could not be exported" in str(result.exception)
    assert "messages of 1 custodian written" in result.output


@pytest.mark.thorough
def test_a_wrong_query_or_filter_is_wrong_for_everybody(fleet: Collection, tmp_path: Path) -> None:
    result = fleet.run("search", "before:nonsense")
    assert fleet.code(result) == 2
    result = fleet.run("export", str(tmp_path / "out"), "-f", "jsonl", "--query", "before:nonsense")
    assert fleet.code(result) == 2
    result = fleet.run("export", str(tmp_path / "out"), "-f", "jsonl", "--with", "Nobody Atall")
    assert fleet.code(result) == 2 and "Nobody Atall" in str(result.exception)
    assert not list((tmp_path / "out").glob("*"))
