"""The whole way: a sync from the sandbox, then every kind of evidence, with the real commands."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.cli import run
from canvas_archive.export.formats import FORMATS
from canvas_archive.sandbox import Sandbox
from tests.export_support import tree

pytestmark = pytest.mark.uncounted


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(conversations=30) as running:
        yield running


@pytest.fixture(scope="module")
def synced(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "archive"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANVAS_API_TOKEN", sandbox.token)
        patch.setenv("CANVAS_API_URL", sandbox.url)
        assert run(["-q", "--archive", str(folder), "init", sandbox.url]) == 0
        assert run(["-q", "--archive", str(folder), "sync"]) == 0
    return folder


@pytest.fixture
def token(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
    monkeypatch.setenv("CANVAS_API_URL", sandbox.url)


def count(archive: Path, query: str) -> int:
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        return int(db.execute(query).fetchone()[0])


@pytest.mark.thorough
def test_everything_synced_is_in_a_bag_that_verifies(synced: Path, tmp_path: Path) -> None:
    wanted = [argument for name in FORMATS for argument in ("--format", name)]
    base = ["-q", "--archive", str(synced), "export", "--bag", *wanted]
    assert run([*base, str(tmp_path / "one")]) == 0
    assert run(["-q", "verify", str(tmp_path / "one")]) == 0
    record = json.loads((tmp_path / "one" / "data" / "export.json").read_text("utf-8"))
    assert record["counts"]["messages"] == count(
        synced, "SELECT count(*) FROM messages WHERE conversation_id IS NOT NULL"
    )
    assert record["counts"]["conversations"] == 30
    assert run([*base, str(tmp_path / "two")]) == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.thorough
def test_a_search_chooses_what_is_exported(
    synced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--archive", str(synced), "search", "has:attachment", "--limit", "1000", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)
    out = tmp_path / "out.jsonl"
    assert run(["-q", "--archive", str(synced), "export", str(out), "--query", "has:attachment"]) == 0
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    found = {message["id"] for line in lines[:-1] for message in line["messages"]}
    assert found and len(found) == hits["total"]
    assert lines[-1]["messages"] == len(found)
    assert (
        run(["-q", "--archive", str(synced), "export", str(tmp_path / "x.csv"), "--query", "before:nonsense"])
        == 2
    )


def test_the_archive_verifies_against_canvas(
    synced: Path, token: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--archive", str(synced), "verify", "--remote", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"]
    assert [check["name"] for check in document["checks"]][-3:] == [
        "remote: conversations", "remote: messages", "remote: removed",
    ]  # fmt: skip


def test_what_canvas_has_and_the_archive_lacks_is_named(
    synced: Path, token: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    copy = Path(shutil.copytree(synced, tmp_path / "copy"))
    with closing(sqlite3.connect(copy / "archive.db")) as db:
        lost, short = [
            row[0]
            for row in db.execute(
                "SELECT id FROM conversations WHERE message_count > 1 ORDER BY message_count DESC LIMIT 2"
            )
        ]
        for trigger in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger[0]}")
        db.execute("DELETE FROM conversations WHERE id = ?", (lost,))
        db.execute(
            "UPDATE messages SET removed_at = '2026-01-01T00:00:00Z' WHERE conversation_id = ?", (short,)
        )
        db.execute("UPDATE conversations SET message_count = 0 WHERE id = ?", [short])
        db.execute(
            "INSERT INTO conversations (id, workflow_state, remote_workflow_state, first_seen_at, "
            "fetched_at) VALUES (987654321, 'read', 'read', '', '')"
        )
        db.commit()
    assert run(["--archive", str(copy), "verify", "--remote", "--no-files", "--json"]) == 8
    bad = {
        check["name"]: check["items"]
        for check in json.loads(capsys.readouterr().out)["checks"]
        if not check["ok"]
    }
    assert bad["remote: conversations"] == [f"conversation {lost}: on Canvas, not in the archive"]
    assert bad["remote: messages"][0].startswith(f"conversation {short}: ")
    assert bad["remote: removed"] == ["conversation 987654321: gone from Canvas, not marked as removed"]


def test_nothing_on_canvas_changes(sandbox: Sandbox, synced: Path, token: None) -> None:
    writes = len(sandbox.log.writes)
    assert run(["-q", "--archive", str(synced), "verify", "--remote"]) == 0
    assert len(sandbox.log.writes) == writes


def test_the_wrong_account_is_refused(synced: Path, token: None, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(synced, tmp_path / "copy"))
    with closing(sqlite3.connect(copy / "archive.db")) as db:
        db.execute("UPDATE account SET user_id = user_id + 1")
        db.commit()
    assert run(["-q", "--archive", str(copy), "verify", "--remote", "--no-files"]) == 9


@pytest.mark.thorough
def test_a_restored_backup_is_the_archive_again(synced: Path, tmp_path: Path) -> None:
    assert run(["-q", "--archive", str(synced), "backup", str(tmp_path / "backup")]) == 0
    assert run(["-q", "verify", str(tmp_path / "backup")]) == 0
    assert run(["-q", "restore", str(tmp_path / "backup"), str(tmp_path / "again")]) == 0
    assert run(["-q", "--archive", str(tmp_path / "again"), "verify"]) == 0
    assert run(["-q", "--archive", str(tmp_path / "again"), "search", "exam", "--json"]) == 0
    assert os.listdir(tmp_path / "again" / "search")
