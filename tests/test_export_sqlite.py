"""``export --format sqlite``: a plain database that says what the archive says."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasette.app import Datasette

from canvas_archive.cli.main import run
from canvas_archive.export import sqlite_schema
from canvas_archive.export.formats import format_for
from tests.export_support import OWNER, small_archive
from tests.web_support import Visitor

NOT_EXPORTED = {
    "last_message", "last_authored_message", "context_name", "context_code", "course", "direct", "url",
    "name", "full_name", "path",
}  # fmt: skip
"""Columns that an export has from other columns, or without what is secret."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("sqlite") / "archive")


@pytest.fixture(scope="module")
def exported(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(archive, tmp_path_factory.mktemp("sqlite") / "mine.db")


def export(archive: Path, dest: Path, *options: str) -> Path:
    words = ["-q", "--archive", str(archive), "export", str(dest), *options, "--allow-incomplete"]
    assert run(words) == 0
    return dest


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def columns(path: Path, table: str) -> list[str]:
    return [row[1] for row in ask(path, f"PRAGMA table_xinfo({table})")]


@pytest.mark.parametrize("table", sqlite_schema.TABLES)
def test_every_table_has_the_rows_of_the_archive(archive: Path, exported: Path, table: str) -> None:
    """Also a new column of the schema has to arrive: this test finds one that does not."""
    shared = ", ".join(name for name in columns(exported, table) if name not in NOT_EXPORTED)
    where = "WHERE direct = 1" if table == "conversation_participants" else ""
    rows = ask(archive / "archive.db", f"SELECT {shared} FROM {table} {where} ORDER BY 1, 2")
    assert ask(exported, f"SELECT {shared} FROM {table} ORDER BY 1, 2") == rows
    assert set(columns(archive / "archive.db", table)) - set(columns(exported, table)) == set(
        sqlite_schema._LEFT_OUT.get(table, ())
    )


def test_nothing_of_the_collecting_is_in_it(exported: Path) -> None:
    kinds = ask(exported, "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    assert {name for kind, name in kinds if kind == "table"} == {*sqlite_schema.TABLES, "export"}
    assert not [name for kind, name in kinds if kind == "trigger"]
    assert ask(exported, "PRAGMA application_id") == [(0,)]
    assert ask(exported, "PRAGMA foreign_key_check") == [] and ask(exported, "PRAGMA integrity_check") == [
        ("ok",)
    ]


def test_the_views_answer(archive: Path, exported: Path) -> None:
    views = {name for (name,) in ask(exported, "SELECT name FROM sqlite_master WHERE type = 'view'")}
    assert views >= {"threads", "inbox", "sent"} and not views & {"pending_edits"}
    for view in sorted(views):
        assert len(ask(exported, f"SELECT * FROM {view}")) == len(
            ask(archive / "archive.db", f"SELECT * FROM {view}")
        )
    with closing(sqlite3.connect(exported)) as db:
        db.execute("UPDATE conversations SET starred = 1 - starred")  # no trigger has an opinion
        db.rollback()


def test_it_says_what_it_is(exported: Path) -> None:
    said = dict(ask(exported, "SELECT name, value FROM export"))
    assert said["generator"].startswith("canvas-archive ") and said["custodian_id"] == str(OWNER)
    assert json.loads(said["collection"])["complete"] is bool(int(said["complete"]))
    assert json.loads(said["selection"]) == {}
    assert ask(exported, "SELECT count(*) FROM messages WHERE conversation_id IS NOT NULL") == [
        (int(said["messages"]),)
    ]


@pytest.mark.parametrize(
    "options", [("--ids", "101"), ("--after", "2026-02-15"), ("--after", "2040")], ids=" ".join
)
def test_a_selection_has_no_reference_that_leads_nowhere(
    archive: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    folder = export(archive, tmp_path / "out", *options, "-f", "sqlite", "-f", "jsonl")
    path = folder / "mailbox.db"
    assert ask(path, "PRAGMA foreign_key_check") == []
    lines = [json.loads(line) for line in (folder / "conversations.jsonl").read_text("utf-8").splitlines()]
    wanted = [(message["id"], thread["id"]) for thread in lines[:-1] for message in thread["messages"]]
    query = "SELECT id, conversation_id FROM messages WHERE conversation_id IS NOT NULL ORDER BY 1"
    assert ask(path, query) == sorted(wanted)
    assert ask(path, "SELECT count(*) FROM conversations") == [(len(lines) - 1,)]


def test_the_copies_of_files_are_where_it_says(archive: Path, tmp_path: Path) -> None:
    folder = export(archive, tmp_path / "out", "-f", "sqlite")
    query = "SELECT path FROM {} WHERE state = 'stored'"
    paths = [
        path
        for table in ("attachments", "media_comments")
        for (path,) in ask(folder / "mailbox.db", query.format(table))
    ]
    assert paths and all((folder / path).is_file() for path in paths)


def test_the_same_archive_makes_the_same_bytes(archive: Path, exported: Path, tmp_path: Path) -> None:
    other = export(archive, tmp_path / "mine.db")
    assert other.read_bytes() == exported.read_bytes()
    beside = ".metadata.yml"
    assert other.with_suffix(beside).read_bytes() == exported.with_suffix(beside).read_bytes()


def test_it_does_not_say_which_version_of_sqlite_wrote_it(exported: Path) -> None:
    assert exported.read_bytes()[96:100] == bytes(4)
    with closing(sqlite3.connect(exported)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_redacted_it_names_nobody(archive: Path, tmp_path: Path) -> None:
    path = export(archive, tmp_path / "mine.db", "--redact")
    names = ask(archive / "archive.db", f"SELECT full_name FROM users WHERE id <> {OWNER}")
    dump = path.read_bytes() + path.with_suffix(".metadata.yml").read_bytes()
    assert [name for (name,) in names if name.encode() in dump] == []
    ids = {number for (number,) in ask(archive / "archive.db", "SELECT id FROM messages")}
    assert not ids & {number for (number,) in ask(path, "SELECT id FROM messages")}
    assert ask(path, "PRAGMA foreign_key_check") == []


def test_datasette_shows_it_with_its_metadata(exported: Path) -> None:
    metadata = yaml.safe_load(exported.with_suffix(".metadata.yml").read_text("utf-8"))
    visitor = Visitor(Datasette([str(exported)], metadata=metadata))
    try:
        page = visitor.get("/mine").text
        assert "exported by canvas-archive" in page
        assert "Where this database comes from" in visitor.get("/mine/export").text
        assert visitor.get("/mail").status_code == 404  # it is no archive
        for name in metadata["databases"]["mine"]["queries"]:
            assert visitor.get(f"/mine/{name}").status_code == 200, name
        for name in metadata["databases"]["mine"]["tables"]:
            assert visitor.get(f"/mine/{name}").status_code == 200, name
    finally:
        visitor.close()


def test_every_column_is_described(exported: Path) -> None:
    tables = yaml.safe_load(exported.with_suffix(".metadata.yml").read_text("utf-8"))["databases"]["mine"][
        "tables"
    ]
    for name, words in tables.items():
        assert words["description"] and list(words["columns"]) == columns(exported, name), name


@pytest.fixture
def verified(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    def call(path: Path) -> tuple[int, list[str]]:
        capsys.readouterr()
        code = run(["verify", "--json", str(path)])
        checks = json.loads(capsys.readouterr().out)["checks"]
        return code, [check["name"] for check in checks if not check["ok"]]

    yield call


def test_verify_reads_one_that_stands_alone(exported: Path, tmp_path: Path, verified: Any) -> None:
    assert verified(exported) == (0, [])
    copy = Path(shutil.copy(exported, tmp_path / "copy.sqlite"))
    with closing(sqlite3.connect(copy)) as db, db:
        db.execute("DELETE FROM message_recipients")
        db.execute("DELETE FROM messages WHERE id = (SELECT max(id) FROM messages WHERE conversation_id > 0)")
    code, bad = verified(copy)
    assert code == 8 and "sqlite" in bad
    copy.write_bytes(exported.read_bytes()[:9000])
    assert verified(copy)[0] == 8
    copy.write_bytes(b"hello")
    assert verified(copy)[0] == 8


def test_what_lies_beside_is_not_overwritten(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = tmp_path / "out.metadata.yml"
    beside.write_text("mine")
    words = ["-q", "--archive", str(archive), "export", str(tmp_path / "out.db"), "--allow-incomplete"]
    assert run(words) == 2
    assert "out.metadata.yml exists" in capsys.readouterr().err
    assert beside.read_text() == "mine" and not (tmp_path / "out.db").exists()
    assert run([*words, "--force"]) == 0
    assert beside.read_text() != "mine" and (tmp_path / "out.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["a.db", "a.sqlite", "a.sqlite3", "A.DB"])
def test_the_name_of_the_file_says_it(name: str) -> None:
    assert format_for(Path(name)) == "sqlite"
