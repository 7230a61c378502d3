"""Figures cached between pages: given again while nothing is written, never after."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.web import cache as module
from canvas_archive.web.cache import cached
from tests.web_support import change, make_archive, open_visitor


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1);")
    return path


@pytest.fixture
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as db:
        yield db


def total(db: sqlite3.Connection, asked: list[int], key: str = "total") -> int:
    def count() -> int:
        asked.append(1)
        found: int = db.execute("SELECT sum(n) FROM t").fetchone()[0]
        return found

    return cached(db, key, count)


def test_a_figure_is_counted_once_until_someone_writes(path: Path, reader: sqlite3.Connection) -> None:
    asked: list[int] = []
    assert [total(reader, asked) for _ in range(3)] == [1, 1, 1]
    assert len(asked) == 1
    with closing(sqlite3.connect(path)) as writer, writer:
        writer.execute("INSERT INTO t VALUES (41)")
    assert [total(reader, asked) for _ in range(3)] == [42, 42, 42]
    assert len(asked) == 2


def test_two_archives_are_not_mixed_up(tmp_path: Path, path: Path, reader: sqlite3.Connection) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db:
        db.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (7);")
        assert (total(reader, []), total(db, []), total(reader, [])) == (1, 7, 1)


def test_what_is_kept_stays_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FIGURES", 3)
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 2)
    for _ in range(4):
        with closing(sqlite3.connect(path)) as db:
            for key in "abcdefgh":
                assert total(db, [], key) == 1
            known = module._threads.known
            assert len(known) <= 2 and all(len(figures.values) <= 3 for figures in known.values())


@pytest.mark.thorough
def test_a_page_shows_what_was_written_since(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "archive")
    visitor = open_visitor(folder)
    try:
        before = visitor.get("/mail").text
        assert before == visitor.get("/mail").text
        change(folder, "UPDATE conversations SET workflow_state = 'unread' WHERE id = 800005")
        change(folder, "UPDATE users SET name = 'Another Name' WHERE id = 8")
        after = visitor.get("/mail").text
        assert before.count('class="row unread"') + 1 == after.count('class="row unread"')
        assert '<b class="due" title="1 change waiting' in after and 'class="due"' not in before
        assert "Another Name" in visitor.get("/mail/people").text
    finally:
        visitor.close()
