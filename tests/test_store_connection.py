"""Reading an archive that somebody else made: its schema calls nothing but what is harmless."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.store import connect_readonly, connection
from tests.store_support import create

VIEWS = ("inbox", "sent", "threads", "pending_edits")


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    """What is known of this SQLite is forgotten around each test."""
    answer = connection.json_is_innocuous  # a test may put another in its place
    answer.cache_clear()
    yield
    answer.cache_clear()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with create(tmp_path / "mail") as archive:
        archive.db.execute("CREATE VIEW own AS SELECT json_extract(properties, '$[0]') FROM conversations")
        archive.db.execute("CREATE VIEW theirs AS SELECT evil() FROM account")
        return archive.db_path


def test_a_schema_is_trusted_only_where_this_sqlite_could_not_read_ours_otherwise(database: Path) -> None:
    with closing(connect_readonly(database)) as db:
        (trusted,) = db.execute("PRAGMA trusted_schema").fetchone()
        assert bool(trusted) is not connection.json_is_innocuous()
        for view in (*VIEWS, "own"):
            assert db.execute(f"SELECT * FROM {view}").fetchall() == []
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_view_that_came_with_an_archive_calls_no_function_of_the_program(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "json_is_innocuous", lambda: True)
    called: list[int] = []
    with closing(connect_readonly(database)) as db:
        db.create_function("evil", 0, lambda: called.append(1))
        for view in VIEWS:
            assert db.execute(f"SELECT * FROM {view}").fetchall() == []
        with pytest.raises(sqlite3.OperationalError, match="unsafe use of evil"):
            db.execute("SELECT * FROM theirs").fetchall()
        assert db.execute("SELECT evil()").fetchone()[0] is None  # whoever asks directly may
    assert called == [1]


@pytest.mark.parametrize(
    ("listed", "innocuous"),
    [([(0x200000 | 0x800,)], True), ([(0x800,)], False), ([(0x200000,), (0x800,)], False), ([], False)],
)
def test_json_is_innocuous_where_sqlite_says_so(
    monkeypatch: pytest.MonkeyPatch, listed: list[tuple[int]], innocuous: bool
) -> None:
    class Listing:
        def execute(self, statement: str) -> Any:
            assert "pragma_function_list" in statement
            return self

        def fetchall(self) -> list[tuple[int]]:
            return listed

        def close(self) -> None:
            pass

    monkeypatch.setattr(sqlite3, "connect", lambda path: Listing())
    assert connection.json_is_innocuous() is innocuous


def test_a_sqlite_without_its_list_of_functions_trusts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def execute(self, statement: str) -> Any:
            raise sqlite3.OperationalError("no such table: pragma_function_list")

        def close(self) -> None:
            pass

    monkeypatch.setattr(sqlite3, "connect", lambda path: Silent())
    assert connection.json_is_innocuous() is False
