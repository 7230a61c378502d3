"""``fleet verify`` and ``fleet backup``, and the list of a hand-over: nobody is missing or added."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import main
from canvas_archive.errors import ArchiveError, ItemsFailed, UnusableFile, VerificationFailed, WrongAccount
from canvas_archive.export.verify_files import verify_path
from tests.fleet_support import local_fleet
from tests.signing_support import allow, make_key

PEOPLE = {7: ("Ann", "Art"), 8: ("Bo", "Biology"), 9: ("Cy", "Chemistry")}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return local_fleet(tmp_path_factory.mktemp("fleet") / "root", PEOPLE)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def handed_over(fleet: Path, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three bags and a signed list of them."""
    dest = tmp_path_factory.mktemp("over") / "dest"
    arguments = ["--bag", "--format", "jsonl", "--root", str(fleet), "--key", str(key)]
    assert main.run(["fleet", "export", str(dest), *arguments]) == 0
    return dest


@pytest.fixture
def copy(handed_over: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(handed_over, tmp_path / "copy"))


def bad(folder: Path) -> dict[str, tuple[str, ...]]:
    return {check.name: check.items or (check.detail,) for check in verify_path(folder) if not check.ok}


def test_a_list_names_every_package(
    handed_over: Path, key: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    document = json.loads((handed_over / "fleet.json").read_text("utf-8"))
    assert [row["user_id"] for row in document["custodians"]] == [7, 8, 9]
    assert all(len(row["manifests"]) == 4 for row in document["custodians"])
    assert document["without"] == {"failed": [], "no_archive": [], "nothing_chosen": []}
    for row in document["custodians"]:
        custody = json.loads((handed_over / row["folder"] / "data" / "custody.json").read_text("utf-8"))
        assert row["chain"] == custody["chain"]
        assert row["counts"]["messages"] == 1
    for command in (["verify"], ["fleet", "verify"]):
        signers = ["--allowed-signers", str(allow(tmp_path, key))]
        assert main.run([*command, str(handed_over), *signers]) == 0
        said = capsys.readouterr().out
        assert "fleet list: 3 packages are those of the list" in said
        assert "signatures: 1 statement fits; signed by clerk@school.edu" in said
        assert sum(line.startswith("ok   ") for line in said.splitlines()) == 5


def _exchange(copy: Path) -> None:
    (copy / "7").rename(copy / "x")
    (copy / "8").rename(copy / "7")
    (copy / "x").rename(copy / "8")


def _link(copy: Path) -> None:
    (copy / "7").rename(copy.parent / "elsewhere")
    (copy / "7").symlink_to(copy.parent / "elsewhere")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda copy: shutil.rmtree(copy / "8"), {"fleet list": ("8: is missing",)}),
        (lambda copy: shutil.copytree(copy / "8", copy / "10"), {"fleet list": ("10: is not in the list",)}),
        (lambda copy: (copy / "x.txt").write_text("x"), {"fleet list": ("x.txt: is not in the list",)}),
        (_link, {"fleet list": ("7: is a symbolic link, not a folder",)}),
        (
            lambda copy: (copy / "9" / "manifest-sha256.txt").unlink(),
            {"fleet list": ("9: is not the listed package (manifest-sha256.txt differs)",)},
        ),
    ],
    ids=["missing", "added", "file", "link", "manifest"],
)  # fmt: skip
def test_what_is_not_as_listed_is_named(
    change: Callable[[Path], Any], found: dict[str, tuple[str, ...]], copy: Path
) -> None:
    change(copy)
    here = bad(copy)
    assert here.items() >= found.items()
    assert main.run(["fleet", "verify", str(copy)]) == VerificationFailed.exit_code


def test_exchanged_packages_are_named_both(copy: Path) -> None:
    _exchange(copy)
    (items,) = bad(copy).values()
    assert [item.split(":")[0] for item in items] == ["7", "8"]


def test_the_content_of_every_package_is_checked(copy: Path) -> None:
    lines = copy / "8" / "data" / "conversations.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b"word", b"deed", 1))
    assert list(bad(copy)) == ["8"]


def test_a_changed_list_is_not_the_signed_one(copy: Path) -> None:
    document = json.loads((copy / "fleet.json").read_text("utf-8"))
    shutil.rmtree(copy / "8")
    document["custodians"] = [row for row in document["custodians"] if row["user_id"] != 8]
    (copy / "fleet.json").write_text(json.dumps(document), "utf-8")
    (item,) = bad(copy)["signatures"]
    assert item.endswith("fleet.json was changed since it was signed")


@pytest.mark.parametrize(
    "rows",
    [
        None, 7, [7], [{}], [{"folder": "../7", "manifests": {"a": "b"}}], [{"folder": "7", "manifests": {}}],
        [{"folder": "7", "manifests": {"a": "b"}}] * 2, [{"folder": 7, "manifests": {}}],
        [{"folder": ".", "manifests": {"a": "b"}}],
    ],
)  # fmt: skip
def test_a_list_that_makes_no_sense_is_one_finding(rows: object, tmp_path: Path) -> None:
    (tmp_path / "fleet.json").write_text(
        json.dumps({"type": "canvas-archive fleet list", "custodians": rows})
    )
    assert list(bad(tmp_path)) == ["fleet list"]


def test_without_a_list_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["fleet", "verify", str(tmp_path)]) == 8
    assert "has no fleet.json of a hand-over" in capsys.readouterr().out


def test_a_list_in_a_list_is_no_package(copy: Path) -> None:
    shutil.rmtree(copy / "8")
    shutil.copytree(copy, copy.parent / "inner")
    (copy.parent / "inner").rename(copy / "8")
    assert bad(copy)["8"] == ("is a list of packages, not a package",)


# -- the archives of a fleet -------------------------------------------------------------------------------


@pytest.fixture
def own(fleet: Path, tmp_path: Path) -> Path:
    """A fleet of one's own, to be changed. Its archives are known where they lay, not here."""
    return Path(shutil.copytree(fleet, tmp_path / "own"))


def verified(root: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main.run(["fleet", "verify", "--root", str(root), "--json", *options])
    checks = json.loads(capsys.readouterr().out)["checks"]
    return code, {check["name"]: check for check in checks}


def test_every_archive_is_checked(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = verified(fleet, capsys, "-j", "3")
    assert code == 0
    assert list(checks) == ["user 7", "user 8", "user 9"]


def test_archives_that_are_missing_added_or_exchanged_are_named(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(own / "7")
    (own / "8").rename(own / "x")
    shutil.copytree(own / "9", own / "8")
    code, checks = verified(own, capsys)
    assert code == 8
    assert "is missing" in checks["user 7"]["detail"]
    assert "not of user 8" in checks["user 8"]["detail"]
    assert checks["user 9"]["ok"]
    assert checks["other archives"]["items"] == ["x"]


def test_one_altered_archive_fails_alone(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(own / "8" / "archive.db", isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_master WHERE type = 'trigger'")
    code, checks = verified(own, capsys)
    assert code == 8
    assert [name for name, check in checks.items() if not check["ok"]] == ["user 8"]


def test_a_backup_of_everybody_is_listed_and_repeated(
    fleet: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vault = tmp_path / "vault"
    arguments = ["fleet", "backup", str(vault), "--root", str(fleet), "--key", str(key)]
    for _ in range(2):
        assert main.run(arguments) == 0
        out = capsys.readouterr().out
        assert [line.split()[0] for line in out.splitlines()] == ["7", "8", "9"]
        assert main.run(["fleet", "verify", str(vault), "-q"]) == 0
        assert len(list((vault / "signatures").iterdir())) == 2
        assert capsys.readouterr().out == ""
    assert main.run([*arguments, "--json", "-j", "3"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["counts"]["messages"] for row in document["custodians"]] == [1, 1, 1]
    assert document["unreadable"] == []


def test_a_backup_that_fails_for_one_is_made_for_the_others(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "8" / "archive.db").write_bytes((own / "8" / "archive.db").read_bytes()[:5000] + b"x" * 9000)
    vault = tmp_path / "vault"
    code = main.run(["fleet", "backup", str(vault), "--root", str(own)])
    assert code not in (0, 1)
    assert "User 8: " in capsys.readouterr().err
    document = json.loads((vault / "fleet.json").read_text("utf-8"))
    assert [row["user_id"] for row in document["custodians"]] == [7, 9]
    assert document["without"]["failed"] == [8]


def test_the_worst_code_is_that_of_tampering() -> None:
    from canvas_archive.cli.fleet_packages import worst_of

    errors: list[ArchiveError] = [ItemsFailed("a"), WrongAccount("b"), UnusableFile("c", reason="d")]
    assert worst_of(errors, "x").exit_code == 9
    assert worst_of([*errors, VerificationFailed("e")], "x").exit_code == 8


def test_nothing_is_written_over_a_fleets_own_memory(fleet: Path, key: Path, tmp_path: Path) -> None:
    before = (fleet / "fleet.json").read_bytes()
    for command in (["backup"], ["export", "--bag", "--format", "jsonl", "--force"]):
        assert main.run(["fleet", command[0], str(fleet), "--root", str(fleet), *command[1:]]) == 9
    assert main.run(["fleet", "backup", str(fleet / "7" / "x"), "--root", str(fleet)]) == 2
    missing = ["--key", str(tmp_path / "none")]
    assert main.run(["fleet", "backup", str(tmp_path / "new"), "--root", str(fleet), *missing]) == 2
    assert (fleet / "fleet.json").read_bytes() == before
    assert not (tmp_path / "new").exists()
