"""The same archive and options give the same bytes: on another day, in another place, in another process."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.cli import run
from canvas_archive.export.formats import FORMATS
from tests.export_support import small_archive, tree

pytestmark = pytest.mark.sampled

HERE = {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}
THERE = {"PYTHONHASHSEED": "2", "TZ": "America/Los_Angeles", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with an edit that no record of the chain tells of yet."""
    made = small_archive(tmp_path / "archive")
    with closing(sqlite3.connect(made / "archive.db")) as db:
        db.execute("UPDATE conversations SET starred = 1 WHERE id = 101")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return made


def elsewhere(surroundings: dict[str, str], *arguments: object) -> None:
    subprocess.run(
        [sys.executable, "-m", "canvas_archive", *map(str, arguments)],
        env={**os.environ, **surroundings},
        check=True,
        capture_output=True,
        timeout=120,
    )


@pytest.mark.thorough
@pytest.mark.parametrize(
    "more", [(), ("--bag",), ("--redact",), ("--bag", "--redact", "--redact-attachments=unchanged")]
)
def test_exports_of_two_copies_in_two_processes(archive: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    if "--redact" in more:
        assert run(["-q", "--archive", str(archive), "export", str(tmp_path / "first.csv"), "--redact"]) == 0
    formats = [argument for name in FORMATS for argument in ("--format", name)]
    found = []
    for number, surroundings in enumerate((HERE, THERE)):
        copy = shutil.copytree(archive, tmp_path / f"copy{number}")
        dest = tmp_path / f"out{number}"
        elsewhere(
            {**surroundings, "SOURCE_DATE_EPOCH": "1773065100"},
            "export", "--archive", copy, dest, *formats, *more,
        )  # fmt: skip
        found.append(tree(dest))
    assert found[0] == found[1]
    assert len(found[0]) > 50


@pytest.mark.thorough
def test_backups_of_two_copies_in_two_processes(archive: Path, tmp_path: Path) -> None:
    found = []
    for number, surroundings in enumerate((HERE, THERE)):
        copy = shutil.copytree(archive, tmp_path / f"copy{number}")
        dest = tmp_path / f"backup{number}"
        elsewhere({**surroundings, "SOURCE_DATE_EPOCH": "1773065100"}, "backup", "--archive", copy, dest)
        found.append(tree(dest))
    assert found[0] == found[1]
    assert json.loads(found[0]["backup.json"])["made_at"] == "2026-03-09T14:05:00Z"


def test_without_a_stated_time_the_machine_is_asked(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert run(["-q", "--archive", str(archive), "backup", str(tmp_path / "backup")]) == 0
    made_at = json.loads((tmp_path / "backup" / "backup.json").read_text("utf-8"))["made_at"]
    assert made_at > "2026-03-10"


@pytest.mark.parametrize("value", ["yesterday", "-1", "1.5", "9" * 30])
@pytest.mark.parametrize("command", [("export", "--bag", "--format", "csv"), ("backup",)])
def test_a_time_that_is_none_is_refused(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    value: str,
    command: tuple[str, ...],
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    assert run(["-q", "--archive", str(archive), *command, str(tmp_path / "out")]) == 2
    assert "SOURCE_DATE_EPOCH" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
