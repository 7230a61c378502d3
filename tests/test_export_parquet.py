"""Parquet, read back by DuckDB: one custodian's tables, and many custodians' with one glob."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import duckdb
import pytest

from canvas_archive.cli import run
from canvas_archive.export import parquet
from canvas_archive.export.run import Request, export
from tests.export_support import ArchiveBuilder, small_archive


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parquet")
    archive = small_archive(folder / "archive")
    export(Request(archive, archive / "archive.db", archive / "files", folder / "out", ("parquet",)))
    return folder / "out"


def ask(query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        return db.execute(query, parameters).fetchall()


def test_the_tables_are_partitioned_by_year(exported: Path) -> None:
    folders = sorted(
        path.parent.relative_to(exported / "parquet").as_posix() for path in exported.rglob("*.parquet")
    )
    assert folders == [
        "attachments/year=2025",
        "attachments/year=2026",
        "conversations/year=2025",
        "conversations/year=2026",
        "messages/year=2025",
        "messages/year=2026",
        "people",
    ]
    rows = ask(
        "SELECT year, count(*) FROM read_parquet(?, hive_partitioning=true) GROUP BY year ORDER BY year",
        f"{exported}/parquet/messages/*/*.parquet",
    )
    assert rows == [(2025, 2), (2026, 6)]


def test_the_types_are_those_of_the_things(exported: Path) -> None:
    row = ask(
        "SELECT message_id, created_at::TIMESTAMP, author, recipient_ids, subject, generated, host, "
        "custodian_id FROM read_parquet(?) WHERE message_id = 1002",
        f"{exported}/parquet/messages/*/*.parquet",
    )[0]
    assert row[0] == 1002
    assert row[1].isoformat() == "2026-02-03T09:00:00"
    assert row[2:] == ("Zoë Äöü 王小明 \u202e", [1, 3, 7], "Lab report", False, "school.example.edu", 7)


def test_tables_join(exported: Path) -> None:
    root = f"{exported}/parquet"
    rows = ask(
        f"SELECT c.subject, a.name, a.path, p.full_name FROM '{root}/attachments/*/*.parquet' a "
        f"JOIN '{root}/messages/*/*.parquet' m USING (message_id) "
        f"JOIN '{root}/conversations/*/*.parquet' c ON c.conversation_id = m.conversation_id "
        f"JOIN '{root}/people/*.parquet' p ON p.person_id = m.author_id WHERE a.attachment_id = '500'"
    )
    assert [row[:2] for row in rows] == [("Lab report", "report.pdf")]
    assert (exported / rows[0][2]).is_file()
    assert ask(f"SELECT count(*) FROM '{root}/people/*.parquet'") == [(5,)]


@pytest.mark.thorough
def test_row_groups_are_full_and_hold_what_was_packed(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six messages of a year in row groups of four, packed two by two, are the same six."""
    monkeypatch.setattr(parquet, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(parquet, "_PACKED_AT_ONCE", 2)
    archive = small_archive(tmp_path / "archive")
    export(Request(archive, archive / "archive.db", archive / "files", tmp_path / "out", ("parquet",)))
    part = "parquet/messages/year=2026/part-0.parquet"
    assert ask(
        "SELECT row_group_id, any_value(row_group_num_rows) FROM parquet_metadata(?) GROUP BY 1 ORDER BY 1",
        f"{tmp_path}/out/{part}",
    ) == [(0, 4), (1, 2)]
    rows = ask("SELECT * FROM read_parquet(?)", f"{tmp_path}/out/{part}")
    assert len(rows) == 6 and rows == ask("SELECT * FROM read_parquet(?)", f"{exported}/{part}")


def test_many_custodians_with_one_glob(exported: Path, tmp_path: Path) -> None:
    for number in range(2):
        archive = tmp_path / f"a{number}"
        with ArchiveBuilder(archive) as make:
            make.db.execute("UPDATE account SET user_id = ?", (50 + number,))
            make.person(50 + number, f"Custodian {number}")
            make.conversation(1, "Theirs", people=(50 + number,))
            make.message(1, 1, 50 + number, "text", to=(50 + number,))
        export(
            Request(
                archive, archive / "archive.db", archive / "files", tmp_path / f"out{number}", ("parquet",)
            )
        )
    rows = ask(
        "SELECT custodian_id, count(*) FROM read_parquet(?) GROUP BY 1 ORDER BY 1",
        f"{tmp_path}/out*/parquet/messages/*/*.parquet",
    )
    assert rows == [(50, 1), (51, 1)]


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = small_archive(tmp_path / "archive")
    real = importlib.import_module

    def missing(name: str, package: str | None = None) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert run(["--archive", str(archive), "export", str(tmp_path / "out"), "--format", "parquet"]) == 2
    assert "canvas-archive[parquet]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
