"""Whatever stands in the rows of an archive, its index can be built, updated and searched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from canvas_archive.search import check_index, rebuild_index, update_index
from canvas_archive.search.index import building, segments
from canvas_archive.search.index.analysis import Analysis
from canvas_archive.search.index.documents import Document
from tests.search_support import SearchArchive

pytestmark = pytest.mark.sampled

NOT_UTF8 = "CAST(x'666f6fff626172' AS TEXT)"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SearchArchive]:
    made = SearchArchive(tmp_path / "archive")
    yield made
    made.close()


@contextmanager
def unchecked(db: sqlite3.Connection) -> Iterator[None]:
    """Let a row be what no program would write: what a damaged page, or somebody else, leaves."""
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("PRAGMA ignore_check_constraints = ON")
    yield
    db.execute("PRAGMA ignore_check_constraints = OFF")
    db.execute("PRAGMA foreign_keys = ON")


def sound(archive: SearchArchive) -> None:
    """Build the index anew and check it."""
    rebuild_index(archive.db, archive.search_dir)
    assert check_index(archive.db, archive.search_dir).problem is None
    archive.search("", facets=True)


@pytest.mark.parametrize(
    "body",
    [
        "", "\0", "a\0b zebra", "\ufffd\ufffe\uffff", "x" * 3_000_000, " ".join(map(str, range(30_000))),
        "e" + "\u0301" * 50_000, "\u202e\u2066zebra", "\U0010ffff" * 1000, "'" * 100_000, "\u4e2d" * 100_000,
    ],
    ids=range(11),
)  # fmt: skip
def test_any_text_is_indexed(archive: SearchArchive, body: str) -> None:
    archive.message(body)
    one = archive.message("walrus")
    sound(archive)
    assert archive.found("walrus") == {one}


@pytest.mark.parametrize(
    "at",
    ["", "nonsense", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "-4713-11-24", "2026-02-30T25:61:61Z"],
)
@pytest.mark.parametrize("hours", [-12, 14])
def test_any_date_is_indexed(archive: SearchArchive, at: str, hours: int) -> None:
    one = archive.message("walrus", at=at)
    two = archive.message("walrus")
    sound(archive)
    zone = timezone(timedelta(hours=hours))
    for sort in ("relevance", "newest", "oldest"):
        result = archive.search("walrus", facets=True, sort=sort, tz=zone)
        assert {hit.message_id for hit in result.hits} == {one, two}
        assert result.facets is not None
        assert sum(value.count for value in result.facets["year"]) == 2


def test_years_are_counted_once_each_however_far_apart(archive: SearchArchive) -> None:
    for year in ("0001", "2024", "2025", "9999"):
        archive.message("walrus", at=f"{year}-06-15T12:00:00Z")
    sound(archive)
    facets = archive.search("walrus", facets=True).facets
    assert facets is not None
    assert [(value.value, value.count) for value in facets["year"]] == [
        ("9998", 1), ("2025", 1), ("2024", 1), ("2", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("number", [-1, -(2**62), 2**53 + 1, 2**63 - 1])
def test_any_number_is_indexed(archive: SearchArchive, number: int) -> None:
    archive.person(number, "Odd One")
    archive.message("walrus", number=number, author=number, to=[number], conversation=number)
    sound(archive)
    assert archive.found("walrus") == archive.found("from:odd") == {number}
    archive.db.execute("UPDATE messages SET body = 'walrus again'")
    archive.index()
    assert archive.found("again") == {number}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE users SET name = NULL, full_name = NULL",
        f"UPDATE users SET name = {NOT_UTF8}, full_name = {NOT_UTF8}",
        f"UPDATE conversations SET subject = {NOT_UTF8}, context_name = {NOT_UTF8}",
        f"UPDATE conversations SET context_code = {NOT_UTF8}",
        "UPDATE conversations SET context_code = 'course_' || char(1633) || '99999999999999999999'",
        "UPDATE conversations SET properties = 'no JSON', audience = '{', extra = '[[['",
        "UPDATE messages SET extra = 'no JSON'",
        f"INSERT INTO contexts (code, kind, name) VALUES ('course_1', 'course', {NOT_UTF8})",
        f"INSERT INTO attachments (id, filename, state) VALUES (9, {NOT_UTF8}, 'pending')",
        "DELETE FROM users",
    ],
)
def test_a_damaged_column_is_no_end(archive: SearchArchive, damage: str) -> None:
    archive.conversation(1, context_code="course_1", context_name="Biology")
    archive.person(8, "Ann")
    one = archive.message("walrus", files=["a.txt"], to=[8])
    with unchecked(archive.db):
        archive.db.execute(damage)
    sound(archive)
    result = archive.search("walrus", facets=True)
    assert [hit.message_id for hit in result.hits] == [one]


def test_text_that_is_not_utf8_is_found_as_far_as_it_can_be_read(archive: SearchArchive) -> None:
    one = archive.message("x")
    two = archive.message("walrus")
    archive.db.execute(f"UPDATE messages SET body = 'zebra ' || {NOT_UTF8} WHERE id = ?", (one,))
    sound(archive)
    assert archive.found("zebra bar") == {one}
    assert archive.found("walrus") == {two}


def without_conversation(archive: SearchArchive) -> int:
    """Add a message of a conversation that is not there, which no index can hold."""
    one = archive.message("walrus", conversation=5)
    with unchecked(archive.db):
        archive.db.execute("DROP TRIGGER conversations_kept")
        archive.db.execute("DELETE FROM conversations WHERE id = 5")
    return one


def test_a_message_that_cannot_be_indexed_is_named(archive: SearchArchive) -> None:
    two = archive.message("walrus")
    one = without_conversation(archive)
    report = rebuild_index(archive.db, archive.search_dir)
    sentence = f"Not in the search index, because their rows are damaged: message {one}."
    assert (report.skipped, list(report.notes())) == ((one,), [sentence])
    state = check_index(archive.db, archive.search_dir)
    assert (state.problem, state.total, state.skipped) == (None, 1, 1)
    found = archive.search("walrus")
    assert ([hit.message_id for hit in found.hits], found.freshness.skipped) == ([two], 1)
    # An update that does not touch it says it still; one that mends it takes it in.
    archive.message("another walrus")
    assert update_index(archive.db, archive.search_dir).skipped == (one,)
    archive.conversation(5)
    archive.db.execute("INSERT INTO index_queue (message_id) VALUES (?)", (one,))
    assert update_index(archive.db, archive.search_dir).skipped == ()
    assert archive.search("walrus").freshness.skipped == 0
    assert one in archive.found("walrus")


def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a message with the word ``octopus`` be one that the analyser cannot take."""
    analysed = segments.analysed

    def odd(text: str) -> Analysis:
        if "octopus" in text:
            raise ValueError("for a test")
        return analysed(text)

    monkeypatch.setattr(segments, "analysed", odd)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_no_analyser_takes_costs_its_own_message(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    good = [archive.message("walrus") for _ in range(5)]
    bad = archive.message("octopus")
    good += [archive.message("walrus") for _ in range(5)]
    failing(monkeypatch)
    assert rebuild_index(archive.db, archive.search_dir, processes=processes).skipped == (bad,)
    assert archive.found("walrus") == set(good)
    assert check_index(archive.db, archive.search_dir).problem is None


@pytest.mark.thorough
def test_the_second_process_says_what_it_left_out(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        archive.message("walrus")
    last = without_conversation(archive)
    monkeypatch.setattr(building, "_WORTH_A_PROCESS", 10)
    report = rebuild_index(archive.db, archive.search_dir)
    assert (report.total, report.skipped) == (20, (last,))


def test_a_locked_database_is_not_taken_for_damaged_rows(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.message("walrus")

    def locked(*_: object) -> Iterator[Document]:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("canvas_archive.search.index.documents._Reader.batch", locked)
    with pytest.raises(sqlite3.OperationalError):
        rebuild_index(archive.db, archive.search_dir)
