"""Exports by query: they record how the query was understood and in which time zone."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from canvas_archive.cli import run
from tests.export_support import tree
from tests.search_support import SearchArchive

CHEN, OTHER = 20, 21


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = SearchArchive(tmp_path_factory.mktemp("query") / "archive")
    made.person(CHEN, "Astrid Chen")
    made.person(OTHER, "Bo Chen")
    made.message("The exam, late in the evening", author=CHEN, number=100, at="2026-03-01T02:00:00Z")
    made.message("The exam, in the morning", author=OTHER, number=101, at="2026-03-01T12:00:00Z")
    made.index()
    made.db.execute(
        "INSERT INTO sync_runs (mode, started_at, finished_at, status, complete) "
        "VALUES ('full', '2026-03-02T00:00:00Z', '2026-03-02T00:01:00Z', 'ok', 1)"
    )
    made.close()
    return made.folder


def export(archive: Path, dest: Path, query: str, *more: str) -> int:
    return run(["export", str(dest), "-f", "jsonl", "--archive", str(archive), "--query", query, *more])


def selection(dest: Path) -> dict[str, object]:
    record: dict[str, dict[str, object]] = json.loads((dest / "data" / "custody.json").read_text("utf-8"))
    return record["selection"]


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be set")
@pytest.mark.parametrize(("options", "zone"), [(["--bag"], "UTC"), (["--tz", "Asia/Tokyo"], "Asia/Tokyo")])
def test_the_zone_of_the_machine_changes_nothing(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], zone: str
) -> None:
    trees = []
    try:
        for local in ("UTC", "America/New_York", "Asia/Kolkata"):
            monkeypatch.setenv("TZ", local)
            time.tzset()
            dest = tmp_path / local.replace("/", "-")
            assert export(archive, dest, "exam on:2026-03-01", "--after", "2026", *options) == 0
            trees.append(tree(dest))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert trees[0] == trees[1] == trees[2]
    assert f'"zone": "{zone}"'.encode() in b"".join(trees[0].values())


def test_without_a_zone_the_local_one_is_used_and_recorded(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert export(archive, tmp_path / "out", "exam on:2026-03-01") == 0
    finally:
        monkeypatch.undo()
        time.tzset()
    (file,) = (tmp_path / "out").rglob("*.jsonl")
    record = json.loads(file.read_text("utf-8").splitlines()[-1])
    assert record["selection"]["zone"] == "America/New_York"
    assert record["messages"] == 1  # the other is of 28 February there


def test_a_bag_says_how_its_query_was_understood(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(archive, tmp_path / "bag", "exam from:chen since:2026", "--bag") == 0
    sentence = 'Messages with "exam" from chen: Astrid Chen, Bo Chen; on or after 1 January 2026 (UTC)'
    assert selection(tmp_path / "bag")["understood"] == sentence
    info = (tmp_path / "bag" / "bag-info.txt").read_text("utf-8")
    assert json.dumps(sentence) in info
    assert f"{sentence}." in capsys.readouterr().err


def test_a_redacted_bag_names_nobody_in_it(archive: Path, tmp_path: Path) -> None:
    query = 'from:astr OR with:20 OR "Bo Chen" OR chen OR ast*'
    assert export(archive, tmp_path / "bag", query, "--bag", "--redact") == 0
    said = selection(tmp_path / "bag")
    assert said["query"] == "[redacted]" and "begins with" in str(said["understood"])
    for path in (tmp_path / "bag").rglob("*"):
        content = path.read_bytes().lower() if path.is_file() else b""
        assert b"chen" not in content and b"astr" not in content, path


def test_several_people_of_a_name_are_said(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(tmp_path / "a.jsonl"), "--archive", str(archive), "--with", "CHEN"]) == 0
    assert "With CHEN: Astrid Chen, Bo Chen." in capsys.readouterr().err
    assert run(["export", str(tmp_path / "b.jsonl"), "--archive", str(archive), "--with", "bo"]) == 0
    assert "With" not in capsys.readouterr().err


def test_a_wrong_query_or_zone_leaves_nothing(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for query, options, sentence in (
        ("label:x", [], "has no labels"),
        ('"exam', [], "is not closed"),
        ("exam", ["--tz", "Mars"], "'Mars' is not a time zone"),
        ("from:zebra", [], "nobody in this archive"),
    ):
        assert export(archive, tmp_path / "out", query, *options) == 2
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_an_edit_by_query_says_what_it_means(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Nothing is changed: the archive is shared, and no message is of that day in that zone.
    arguments = ["star", "--archive", str(archive), "--query", "exam on:2026-02-28", "--tz"]
    assert run([*arguments, "UTC"]) == 0
    assert 'Messages with "exam", on 28 February 2026 (UTC).' in capsys.readouterr().err
    assert run(["star", "1", "--archive", str(archive), "--tz", "UTC"]) == 2
    assert "--tz goes with --query." in capsys.readouterr().err
