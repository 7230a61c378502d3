"""Programs that people read archives with: each sees every table, and the same rows as SQLite."""

from __future__ import annotations

import importlib.util
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from canvas_archive.cli.main import run
from canvas_archive.store.schema_check import schema_differences
from tests.web_support import make_archive

NAMES = """
SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("tools") / "archive") / "archive.db"


@pytest.fixture(scope="module")
def exported(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("tools") / "mine.db"
    assert run(["-q", "--archive", str(archive.parent), "export", str(dest), "--allow-incomplete"]) == 0
    return dest


def names(path: Path) -> list[str]:
    return [name for (name,) in rows(path, NAMES)]


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


@pytest.fixture
def duckdb() -> Iterator[Any]:
    """DuckDB with its reader of SQLite, from the package: nothing is downloaded."""
    found = importlib.util.find_spec("duckdb_extension_sqlite_scanner")
    if found is None or not found.submodule_search_locations:
        pytest.skip("duckdb-extension-sqlite-scanner is not installed")
    (extension,) = Path(next(iter(found.submodule_search_locations))).rglob("*.duckdb_extension")
    module = pytest.importorskip("duckdb")
    with module.connect(config={"allow_unsigned_extensions": "true"}) as connection:
        try:
            connection.execute(f"LOAD '{extension}'")
        except module.Error as error:
            pytest.skip(f"the extension is for another DuckDB: {error}")
        yield connection


def is_virtual(path: Path) -> bool:
    """Whether DuckDB cannot copy the table of conversations, as up to schema 6."""
    return bool(rows(path, "SELECT 1 FROM pragma_table_xinfo('conversations') WHERE hidden <> 0"))


def test_duckdb_lists_counts_and_selects_all_of_an_export(duckdb: Any, exported: Path) -> None:
    duckdb.execute(f"ATTACH '{exported}' AS mail (TYPE sqlite, READ_ONLY)")
    listed = {row[0] for row in duckdb.execute("SELECT table_name FROM information_schema.tables").fetchall()}
    assert listed == set(names(exported))
    for name in names(exported):
        count = duckdb.execute(f"SELECT count(*) FROM mail.{name}").fetchone()[0]
        everything = duckdb.execute(f"SELECT * FROM mail.{name}").fetchall()
        assert count == len(everything) == rows(exported, f"SELECT count(*) FROM {name}")[0][0], name


def test_duckdb_copies_an_export(duckdb: Any, exported: Path) -> None:
    if is_virtual(exported):
        pytest.xfail("latest_at is a generated column, which DuckDB cannot copy")
    duckdb.execute(f"ATTACH '{exported}' AS mail (TYPE sqlite, READ_ONLY); ATTACH ':memory:' AS copy")
    duckdb.execute("COPY FROM DATABASE mail TO copy")
    query = "SELECT id, conversation_id, body, created_at FROM {}messages ORDER BY id"
    assert duckdb.execute(query.format("copy.")).fetchall() == rows(exported, query.format(""))
    assert duckdb.execute("SELECT max(created_at::TIMESTAMP) FROM copy.messages").fetchone() != (None,)


def test_sqlite_utils_sees_every_table_and_column(archive: Path, exported: Path) -> None:
    for path in (archive, exported):
        with closing(sqlite3.connect(path)) as connection:
            db = sqlite_utils.Database(connection)
            assert {*db.table_names(), *db.view_names()} >= set(names(path))
            assert {column.name for column in db["messages"].columns} >= {"id", "body"}
            assert [one.other_table for one in db.table("messages").foreign_keys] != []
            assert next(iter(db.query("select count(*) as n from threads")))["n"] > 0


def test_sqlite_utils_makes_an_export_searchable(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    path.write_bytes(exported.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        db = sqlite_utils.Database(connection)
        db.table("messages").enable_fts(["body"], create_triggers=True)
        assert list(db.table("messages").search("the"))


def test_pandas_keeps_large_ids_beside_nulls(exported: Path) -> None:
    pandas = pytest.importorskip("pandas")
    query = "SELECT 9007199254740993 AS id UNION ALL SELECT NULL"
    with closing(sqlite3.connect(exported)) as db:
        frame = pandas.read_sql(query, db, dtype_backend="numpy_nullable")
        assert str(frame["id"].dtype) == "Int64" and int(frame["id"][0]) == 9007199254740993
        for name in names(exported):
            count = rows(exported, f"SELECT count(*) FROM {name}")[0][0]
            assert len(pandas.read_sql(f"SELECT * FROM {name}", db)) == count, name


def test_polars_reads_every_table(exported: Path) -> None:
    polars = pytest.importorskip("polars")
    with closing(sqlite3.connect(exported)) as db:
        for name in names(exported):
            frame = polars.read_database(f"SELECT * FROM {name}", db, infer_schema_length=None)
            assert frame.height == rows(exported, f"SELECT count(*) FROM {name}")[0][0], name


def test_reading_with_them_changes_nothing(archive: Path, exported: Path) -> None:
    with closing(sqlite3.connect(archive)) as db:
        assert schema_differences(db) == []
    assert run(["-q", "verify", str(exported)]) == 0
