"""Names that changed their Unicode form on the way, and files that systems leave in every folder."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import unicodedata
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import run
from canvas_archive.export.backup import backup
from canvas_archive.export.listing import is_foreign
from tests.export_support import ArchiveBuilder

COMPOSED = "café 日本語.docx"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
LEFT = (".DS_Store", "Thumbs.db", "desktop.ini", "._report.pdf", "Desktop.ini")
KINDS = ("archive", "backup", "folder", "bag")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with ArchiveBuilder(tmp_path_factory.mktemp("names") / "archive") as make:
        make.person(1, "Ann Author")
        make.conversation(10)
        make.message(11, 10, 1, "hello")
        make.attachment(12, 11, COMPOSED, b"some text")
        make.attachment(13, 11, "Thumbs.db", b"a file of that name that was sent", position=1)
    return make.folder


@pytest.fixture
def made(original: Path, tmp_path: Path) -> dict[str, Path]:
    """Make one of each: an archive, its backup, an export and a bag."""
    archive = Path(shutil.copytree(original, tmp_path / "archive"))
    backup(archive, tmp_path / "backup")
    for name, options in (("folder", []), ("bag", ["--bag"])):
        words = ["-q", "export", str(tmp_path / name), "-f", "jsonl", "--archive", str(archive), *options]
        assert run(words) == 0
    return {name: tmp_path / name for name in KINDS}


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Callable[[Path], tuple[int, dict[str, Any]]]:
    def call(path: Path) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = run(["verify", "--json", str(path)])
        checks = json.loads(capsys.readouterr().out)["checks"]
        return code, {check["name"]: check for check in checks}

    return call


def leave_files(folder: Path) -> int:
    """Leave in every folder what systems leave; return how many files these are."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir() and path.name != ".incoming")]
    count = 0
    for place in folders:
        for name in LEFT:
            if not (place / name).exists():
                (place / name).write_bytes(b"left here")
                count += 1
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_systems_leave_are_named_and_harm_nothing(
    made: dict[str, Path], verify: Callable[[Path], tuple[int, dict[str, Any]]], kind: str
) -> None:
    assert "foreign files" not in verify(made[kind])[1]
    count = leave_files(made[kind])
    code, checks = verify(made[kind])
    assert code == 0
    named = checks["foreign files"]["items"]
    if kind == "archive":
        # Only what lies among the attachments is looked for there.
        assert {Path(name).name for name in named} == set(LEFT)
    else:
        assert len(named) == count
    assert all(is_foreign(name) for name in named)


def test_a_file_of_that_name_that_is_listed_is_checked(
    made: dict[str, Path], verify: Callable[[Path], tuple[int, dict[str, Any]]]
) -> None:
    for kind in ("folder", "bag"):
        (path,) = made[kind].rglob("Thumbs.db")
        path.write_bytes(b"something else")
        code, checks = verify(made[kind])
        assert code == 8
        items = [item for check in checks.values() if not check["ok"] for item in check["items"]]
        assert any("Thumbs.db: changed" in item for item in items)


@pytest.mark.parametrize("name", ["notes.txt", "DS_Store", ".DS_Store.exe", "x._y", ".hidden"])
def test_any_other_file_is_not_harmless(
    made: dict[str, Path], verify: Callable[[Path], tuple[int, dict[str, Any]]], name: str
) -> None:
    (made["folder"] / name).write_text("x")
    assert verify(made["folder"])[0] == 8


def rename(folder: Path) -> None:
    for path in [path for path in folder.rglob("*") if path.name == COMPOSED]:
        path.rename(path.with_name(DECOMPOSED))


@pytest.mark.parametrize(("kind", "where"), [("folder", "files"), ("bag", "bag")])
def test_names_that_were_decomposed_on_the_way_are_the_same_names(
    made: dict[str, Path],
    verify: Callable[[Path], tuple[int, dict[str, Any]]],
    kind: str,
    where: str,
) -> None:
    rename(made[kind])
    if not any(path.name == DECOMPOSED for path in made[kind].rglob("*")):
        pytest.skip("this disk composes names itself")
    code, checks = verify(made[kind])
    said = f"{checks[where]['detail']} {checks[where]['items']}"
    assert (code, "written in another Unicode form" in said) == (0, True)
    (path,) = (path for path in made[kind].rglob("*") if path.name == DECOMPOSED)
    path.write_bytes(b"something")
    assert verify(made[kind])[0] == 8


@pytest.mark.parametrize("kind", ["folder", "bag"])
def test_a_second_file_in_the_other_form_is_a_new_file(
    made: dict[str, Path], verify: Callable[[Path], tuple[int, dict[str, Any]]], kind: str
) -> None:
    """Nobody hides a file behind the name of another."""
    (path,) = (path for path in made[kind].rglob("*") if path.name == COMPOSED)
    path.with_name(DECOMPOSED).write_bytes(b"slipped in")
    if len(os.listdir(path.parent)) < 2:
        pytest.skip("this disk has one name for both")
    code, checks = verify(made[kind])
    assert code == 8
    assert any("not in" in item for check in checks.values() if not check["ok"] for item in check["items"])


@pytest.mark.parametrize("name", ["../archive/archive.db", "archive-0000000000000000.db", "/dev/zero", None])
def test_a_backup_that_names_another_database_is_not_followed(
    made: dict[str, Path], verify: Callable[[Path], tuple[int, dict[str, Any]]], name: str | None
) -> None:
    record = json.loads((made["backup"] / "backup.json").read_text("utf-8"))
    (made["backup"] / "backup.json").write_text(json.dumps({**record, "database": name}), "utf-8")
    code, checks = verify(made["backup"])
    assert code == 8 and not checks.get("completeness", checks.get("collection"))["ok"]


def test_the_backup_of_another_version_is_not_looked_into(
    made: dict[str, Path], verify: Callable[[Path], tuple[int, dict[str, Any]]]
) -> None:
    (path,) = made["backup"].glob("archive-*.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 3")
    assert "another version" in verify(made["backup"])[1]["completeness"]["detail"]
