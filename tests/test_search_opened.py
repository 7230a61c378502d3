"""What stays open between searches: connections of a server, and the lists that were read."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.search import SearchResult, search
from canvas_archive.search.index import opened, reading
from tests.search_support import SearchArchive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SearchArchive]:
    made = SearchArchive(tmp_path / "archive")
    made.conversation(50)
    for number in range(300):
        made.message(f"exam {'photos of the lab' if number % 3 else 'the lab photos'}", conversation=50)
    made.index()
    opened.close_idle()
    yield made
    opened.close_idle()
    made.close()


def kept(archive: SearchArchive, text: str = "exam", **options: object) -> SearchResult:
    """Search as a server does."""
    return search(archive.archive.db_path, archive.search_dir, text, tz="UTC", keep_open=True, **options)  # type: ignore[arg-type]


def idle() -> list[sqlite3.Connection]:
    return [db for _, db in opened._idle.values()]


def test_a_server_opens_the_database_once(archive: SearchArchive) -> None:
    assert kept(archive).total == 300
    (first,) = idle()
    assert kept(archive, "photos").total == 300
    assert idle() == [first] and not first.in_transaction
    archive.message("another exam", conversation=50)
    archive.index()
    assert kept(archive).total == 301
    assert idle() == [first]


def test_nothing_stays_open_otherwise(archive: SearchArchive) -> None:
    archive.search("exam")
    assert idle() == []


def test_a_search_that_fails_closes_its_connection(archive: SearchArchive) -> None:
    kept(archive)
    (first,) = idle()
    with pytest.raises(BadInput):
        kept(archive, "from:nobody")
    assert idle() == []
    with pytest.raises(sqlite3.ProgrammingError):
        first.execute("SELECT 1")


def test_another_database_of_the_same_name_is_opened_anew(archive: SearchArchive, tmp_path: Path) -> None:
    kept(archive)
    (first,) = idle()
    archive.close()
    with sqlite3.connect(archive.archive.db_path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    other = tmp_path / "other.db"
    shutil.copy(archive.archive.db_path, other)
    with sqlite3.connect(other) as db:
        db.execute("UPDATE conversations SET subject = 'Renamed'")
    db.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{archive.archive.db_path}{suffix}").unlink(missing_ok=True)
    other.replace(archive.archive.db_path)
    assert {hit.subject for hit in kept(archive).hits} == {"Renamed"}
    assert first not in idle()


def test_few_connections_stay_open(archive: SearchArchive, tmp_path: Path) -> None:
    for number in range(opened._OPEN_AT_ONCE + 2):
        with opened.reader(shutil.copy(archive.archive.db_path, tmp_path / f"{number}.db"), keep=True) as db:
            db.execute("SELECT 1").fetchone()
    assert len(idle()) == opened._OPEN_AT_ONCE
    with opened.reader(archive.archive.db_path, keep=True), opened.reader(archive.archive.db_path, keep=True):
        pass
    assert len(idle()) == opened._OPEN_AT_ONCE


def test_without_shared_memory_no_change_would_be_seen(tmp_path: Path) -> None:
    alone = tmp_path / "alone.db"
    with sqlite3.connect(alone) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with opened.reader(alone, keep=True) as db:
        db.execute("SELECT 1").fetchone()
    assert idle() == []


def test_the_lists_last_read_stay_in_bounds(archive: SearchArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    def lists() -> list[int]:
        index, _ = opened.open_index(archive.db, archive.search_dir)
        return [sum(len(block.gaps) for block in found) for found in index.segments[0]._lists_read.values()]

    for text in ("exam", '"photos of the lab"', "photos", "the -exam"):
        kept(archive, text)
    assert sum(lists()) > 600
    monkeypatch.setattr(reading, "_RETAINED", 350)
    assert kept(archive, '"the lab photos"').total == 100
    assert 0 < sum(lists()) <= 350
    monkeypatch.setattr(reading, "_RETAINED", 0)
    assert kept(archive, '"the lab photos"').total == 100
    assert lists() == []
