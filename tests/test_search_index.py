"""The index on the disk: built, updated, killed at every step, damaged, replaced by a stranger's."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import sqlite3
import stat
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whoosh.filedb.filestore import FileStorage, RamStorage
from whoosh.filedb.filetables import OrderedHashReader, OrderedHashWriter
from whoosh.index import TOC, open_dir
from whoosh.query import And, Term

from canvas_archive.errors import ArchiveLocked
from canvas_archive.search import (
    IndexUnusable,
    check_index,
    pending_messages,
    rebuild_index,
    search,
    update_index,
)
from canvas_archive.search.index import building, opened, shard
from canvas_archive.search.index.checking import compare_messages
from canvas_archive.search.index.hashfile import term_index
from canvas_archive.search.index.merging import segments_to_merge
from canvas_archive.search.index.postings import Damaged, PostingBlock, blocks, encode, place_of, position_of
from canvas_archive.search.index.record import fingerprint, read_record, toc_name, write_record
from canvas_archive.store import transaction
from tests.search_support import OWNER, SearchArchive, utc

pytestmark = pytest.mark.thorough

WORDS = ("exam", "exams", "grade", "photo", "photos", "lab", "report", "monday", "bio", "chen")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[SearchArchive]:
    archive = SearchArchive(tmp_path / "archive")
    archive.person(20, "Astrid Chen")
    yield archive
    archive.close()


@pytest.fixture
def filled(empty: SearchArchive) -> SearchArchive:
    """An archive of 240 messages of random words, not indexed."""
    fill(empty, 240)
    return empty


def fill(archive: SearchArchive, count: int, seed: int = 1) -> list[int]:
    rng = random.Random(seed)
    with transaction(archive.db):
        return [
            archive.message(
                " ".join(rng.choices(WORDS, k=rng.randrange(2, 60))), conversation=number // 4 + 1,
                author=rng.choice((OWNER, 20)), at=utc(2020 + number % 6),
            )
            for number in range(count)
        ]  # fmt: skip


def answers(archive: SearchArchive) -> dict[str, set[int]]:
    queries = (
        "exam",
        '"exam grade"',
        '"photo"',
        "ph*",
        "from:chen lab",
        "-exam",
        "on:2023 report",
        "exam OR grade",
    )
    return {query: archive.found(query) for query in queries}


# Building and updating


@pytest.mark.sampled
def test_nothing_is_indexed_twice_and_the_queue_is_emptied(filled: SearchArchive) -> None:
    report = update_index(filled.db, filled.search_dir)
    assert (report.added, report.removed, report.total, report.rebuilt) == (240, 0, 240, True)
    assert pending_messages(filled.db) == 0
    again = update_index(filled.db, filled.search_dir)
    assert (again.added, again.removed, again.total, again.rebuilt) == (0, 0, 240, False)


def test_an_update_equals_a_rebuild(filled: SearchArchive) -> None:
    filled.index()
    for turn in range(12):
        fill(filled, 7, seed=turn)
        filled.db.execute("UPDATE messages SET body = 'exam grade monday' WHERE id % 50 = ?", (turn,))
        filled.index()
    updated = answers(filled)
    assert check_index(filled.db, filled.search_dir).problem is None
    rebuild_index(filled.db, filled.search_dir)
    assert answers(filled) == updated
    assert filled.search("").total == 240 + 12 * 7


def test_what_triggers_queue_is_found_anew(empty: SearchArchive) -> None:
    code = empty.course(1, "Old Course")
    empty.conversation(1, "old subject", context_code=code)
    one = empty.message("body", conversation=1, author=20)
    empty.index()
    empty.db.execute("UPDATE conversations SET subject = 'fresh subject'")
    empty.db.execute("UPDATE users SET name = 'Berta Zimmer', full_name = 'Berta Zimmer' WHERE id = 20")
    empty.db.execute("UPDATE contexts SET name = 'Renamed Course'")
    assert empty.search("subject:old").freshness.pending == 1
    empty.index()
    for query in ("subject:fresh", "zimmer", "from:zimmer", "course:renamed", "renamed"):
        assert empty.found(query) == {one}
    assert empty.found("old") == empty.found("astrid") == set()


def test_a_message_that_no_longer_belongs_is_removed(empty: SearchArchive) -> None:
    one, two = empty.message("exam"), empty.message("exam")
    empty.index()
    empty.db.execute("UPDATE messages SET generated = 1, body = 'exam!' WHERE id = ?", (one,))
    report = update_index(empty.db, empty.search_dir)
    assert (report.added, report.removed, report.total) == (0, 1, 1)
    assert empty.found("exam") == {two}
    assert check_index(empty.db, empty.search_dir).deleted == 0  # half of a segment: written anew


def test_an_empty_archive_has_an_empty_index(empty: SearchArchive) -> None:
    empty.index()
    result = empty.search("exam", facets=True)
    assert (result.total, result.hits, result.suggestion) == (0, (), None)
    assert empty.search("").total == 0
    one = empty.message("exam")
    empty.index()
    assert empty.found("exam") == {one}


def test_two_processes_build_what_one_does(filled: SearchArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuild_index(filled.db, filled.search_dir, processes=1)
    alone = answers(filled)
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(building, "_WORTH_A_PROCESS", 50)
    report = rebuild_index(
        filled.db, filled.search_dir, progress=lambda done, total: seen.append((done, total))
    )
    assert report.total == 240
    assert answers(filled) == alone
    assert check_index(filled.db, filled.search_dir).segments == 2
    assert seen[-1] == (240, 240)


def test_a_second_process_that_fails_is_replaced_by_the_first(
    filled: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_WORTH_A_PROCESS", 50)
    monkeypatch.setattr(shard, "_CHILD", "import sys; sys.exit(1)")
    assert rebuild_index(filled.db, filled.search_dir).total == 240
    monkeypatch.setattr(shard.sys, "executable", "/nowhere/python")
    assert rebuild_index(filled.db, filled.search_dir).total == 240
    assert check_index(filled.db, filled.search_dir).problem is None


def test_large_archives_become_several_segments(
    filled: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuild_index(filled.db, filled.search_dir)
    one = answers(filled)
    monkeypatch.setattr(building, "LARGEST_SEGMENT", 40)
    rebuild_index(filled.db, filled.search_dir, processes=1)
    assert check_index(filled.db, filled.search_dir).segments == 6
    assert answers(filled) == one
    assert (
        filled.order("exam grade", sort="newest")
        == sorted(
            filled.order("exam grade", sort="newest", limit=1000),
            key=lambda number: filled.db.execute(
                "SELECT created_at, id FROM messages WHERE id = ?", (number,)
            ).fetchone()[:],
            reverse=True,
        )[:20]
    )


def test_the_number_of_segments_stays_small(empty: SearchArchive) -> None:
    for turn in range(60):
        empty.message(f"exam {turn}")
        empty.index()
    state = check_index(empty.db, empty.search_dir)
    assert state.problem is None
    assert state.total == 60
    assert state.segments < 8


@pytest.mark.parametrize(
    ("sizes", "arriving", "chosen"),
    [
        ([], 10, set()),
        ([(1000, 0)], 10, set()),
        ([(10, 0)] * 7, 10, set(range(7))),
        ([(10, 0)] * 6, 10, set()),
        ([(100_000, 0), *[(10, 0)] * 7], 10, set(range(1, 8))),
        ([(1000, 400)], 10, {0}),
        ([(100_000, 50_000)], 10, set()),
        ([*[(300, 0)] * 7, *[(60, 0)] * 7], 60, set(range(14))),
    ],
)
def test_segments_are_merged_in_steps(sizes: list[tuple[int, int]], arriving: int, chosen: set[int]) -> None:
    assert segments_to_merge(sizes, arriving) == chosen


def test_only_the_owner_may_read_the_index(filled: SearchArchive) -> None:
    filled.index()
    fill(filled, 3)
    filled.index()
    assert stat.S_IMODE(filled.search_dir.stat().st_mode) == 0o700
    for path in filled.search_dir.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


# Crashes


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def killer(*_: Any, **__: Any) -> Any:
    raise Killed


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("canvas_archive.search.index.segments.SegmentBuilder.write", killer),
        ("canvas_archive.search.index.building._commit", killer),
        ("whoosh.index.TOC.write", killer),
        ("canvas_archive.search.index.building.write_record", killer),
        ("canvas_archive.search.index.building._tidy", killer),
    ],
)
@pytest.mark.parametrize("rebuild", [False, True])
def test_a_killed_update_repairs_itself(
    filled: SearchArchive, monkeypatch: pytest.MonkeyPatch, where: str, what: Any, rebuild: bool
) -> None:
    filled.index()
    before = answers(filled)
    added = fill(filled, 5, seed=9)
    filled.db.execute("UPDATE messages SET body = 'nothing' WHERE id = 1001")
    with monkeypatch.context() as patched:
        patched.setattr(where, what)
        with pytest.raises(Killed):
            (rebuild_index if rebuild else update_index)(filled.db, filled.search_dir)
    committed = where.endswith("_tidy")
    assert (pending_messages(filled.db) == 0) is committed
    if not committed:
        assert answers(filled) == before
    filled.index()
    state = check_index(filled.db, filled.search_dir)
    assert (state.problem, state.pending, state.total) == (None, 0, 245)
    assert filled.found("nothing") == {1001}
    assert set(added) <= filled.found("")
    fill(filled, 1)
    filled.index()  # tidies what the killed one left
    record = read_record(filled.db)
    assert record is not None
    assert {path.name for path in filled.search_dir.iterdir()} == set(record.files)


def test_of_two_writers_at_once_one_commits(filled: SearchArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.index()
    fill(filled, 3)
    read = building.read_documents

    def overtaken(db: sqlite3.Connection, ids: list[int], skipped: list[int]) -> Any:
        monkeypatch.setattr(building, "read_documents", read)
        update_index(db, filled.search_dir)
        return read(db, ids, skipped)

    monkeypatch.setattr(building, "read_documents", overtaken)
    with pytest.raises(ArchiveLocked, match="nothing was changed"):
        update_index(filled.db, filled.search_dir)
    assert filled.search("").total == 243
    assert check_index(filled.db, filled.search_dir).problem is None


def commit_meanwhile(
    filled: SearchArchive, monkeypatch: pytest.MonkeyPatch, then: Callable[[], None] = lambda: None
) -> None:
    """Let the index be built anew, and ``then`` happen, once the next reader has looked at its files."""
    usable = opened.usable_record

    def overtaken(db: sqlite3.Connection, folder: Path) -> Any:
        record = usable(db, folder)
        monkeypatch.setattr(opened, "usable_record", usable)
        rebuild_index(filled.db, filled.search_dir)  # the files of the record are gone now
        then()
        return record

    opened.forget(filled.search_dir)
    monkeypatch.setattr(opened, "usable_record", overtaken)


def test_a_reader_follows_a_commit_that_happens_while_it_opens(
    filled: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.index()
    fill(filled, 3)
    commit_meanwhile(filled, monkeypatch)
    assert filled.search("").total == 243


def test_a_reader_follows_a_commit_that_happens_while_it_looks_at_the_files(
    filled: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise IndexUnusable("A file of the search index is missing.")

    filled.index()
    fill(filled, 3)
    commit_meanwhile(filled, monkeypatch, missing)
    assert filled.search("").total == 243


def test_an_index_that_was_committed_meanwhile_and_is_damaged_ends_the_looking(
    filled: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.index()
    commit_meanwhile(filled, monkeypatch, lambda: damage(one_file(filled, ".toc")))
    with pytest.raises(IndexUnusable, match=r"is damaged \(_MAIN_2\.toc\)"):
        filled.search("")


# Damage and strangers


def damage(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at if at >= 0 else len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def one_file(archive: SearchArchive, ending: str) -> Path:
    return next(path for path in sorted(archive.search_dir.iterdir()) if path.name.endswith(ending))


@pytest.mark.parametrize("ending", [".toc", ".pst", ".trm", ".message.col", ".written.col"])
@pytest.mark.parametrize("how", ["deleted", "shortened", "emptied"])
def test_a_missing_or_shortened_file_is_noticed_and_repaired(
    filled: SearchArchive, ending: str, how: str
) -> None:
    filled.index()
    expected = answers(filled)
    path = one_file(filled, ending)
    if how == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: -5 if how == "shortened" else 0])
    with pytest.raises(IndexUnusable, match="index --rebuild"):
        filled.search("exam")
    assert check_index(filled.db, filled.search_dir).problem is not None
    assert update_index(filled.db, filled.search_dir).rebuilt
    assert answers(filled) == expected


@pytest.mark.parametrize("ending", [".pst", ".trm", ".message.col", ".written.col"])
def test_a_changed_byte_fails_the_check(filled: SearchArchive, ending: str) -> None:
    filled.index()
    damage(one_file(filled, ending))
    problem = check_index(filled.db, filled.search_dir).problem
    assert problem is not None
    assert "damaged" in problem or "cannot be read" in problem
    rebuild_index(filled.db, filled.search_dir)
    assert check_index(filled.db, filled.search_dir).problem is None


def test_changed_bytes_never_end_in_a_traceback(filled: SearchArchive) -> None:
    filled.index()
    originals = {path: path.read_bytes() for path in filled.search_dir.iterdir()}
    rng = random.Random(3)
    refused = 0
    for _ in range(60):
        path = rng.choice([path for path in originals if path.suffix in (".pst", ".trm")])
        data = bytearray(originals[path])
        for _ in range(rng.randrange(1, 30)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        opened.forget(filled.search_dir)
        try:
            filled.search('exam "lab report" ph* -monday', facets=True)
        except IndexUnusable:
            refused += 1
        path.write_bytes(originals[path])
    assert refused > 8
    opened.forget(filled.search_dir)
    assert filled.search("exam").total


def test_a_strangers_index_is_not_loaded(filled: SearchArchive, tmp_path: Path) -> None:
    stranger = SearchArchive(tmp_path / "stranger", owner=8)
    stranger.message("exam of a stranger")
    stranger.index()
    filled.index()
    shutil.rmtree(filled.search_dir)
    shutil.copytree(stranger.search_dir, filled.search_dir)
    with pytest.raises(IndexUnusable):
        filled.search("stranger")
    assert update_index(filled.db, filled.search_dir).rebuilt
    assert filled.found("stranger") == set()
    # With its record, too, but without its account.
    record = read_record(stranger.db)
    assert record is not None
    shutil.rmtree(filled.search_dir)
    shutil.copytree(stranger.search_dir, filled.search_dir)
    write_record(filled.db, record)
    with pytest.raises(IndexUnusable, match="another archive"):
        filled.search("stranger")
    stranger.close()


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_an_index_cannot_run_code_even_with_a_matching_record(filled: SearchArchive, tmp_path: Path) -> None:
    filled.index()
    record = read_record(filled.db)
    assert record is not None
    marker = tmp_path / "exploded"
    toc = filled.search_dir / toc_name(record.generation)
    terms, lists = one_file(filled, ".trm"), one_file(filled, ".pst")

    def commit() -> None:
        files = {name: fingerprint(path) for name in record.files
                 if (path := filled.search_dir / name).exists()}  # fmt: skip
        with transaction(filled.db):
            write_record(filled.db, replace(record, files=files, changed={}))
        opened.forget(filled.search_dir)

    originals = {path: path.read_bytes() for path in (toc, terms, lists)}
    # In the table of contents, which only other programs read.
    found = filled.found("exam")
    storage = FileStorage(str(filled.search_dir))
    toc.unlink()
    TOC(building.whoosh_schema(), [Bomb(marker)], record.generation).write(storage, "MAIN")
    commit()
    assert filled.found("exam") == found
    assert not marker.exists()
    toc.write_bytes(originals[toc])
    # Beside the terms.
    rows = list(iter_rows(terms))
    terms.write_bytes(term_index(rows, {"fieldmap": Bomb(marker)}))
    commit()
    with pytest.raises(IndexUnusable):
        filled.search("exam")
    # As a list.
    terms.write_bytes(originals[terms])
    bomb = pickle.dumps((Bomb(marker), None, None), 3)
    template = encode([0], None, None)
    header = template[:4] + (-(len(template[8:47]) + len(bomb))).to_bytes(4, "big", signed=True)
    evil = header + template[8:47] + bomb
    lists.write_bytes((evil * (len(originals[lists]) // len(evil) + 1))[: len(originals[lists])])
    terms.write_bytes(term_index([(key, row[:-12] + (0).to_bytes(8, "big") + len(evil).to_bytes(4, "big"))
                                  for key, row in rows],
                                 {"fieldmap": dict(building_fields())}))  # fmt: skip
    commit()
    with pytest.raises(IndexUnusable, match="there can be none"):
        filled.search("exam")
    # Inline in a row.
    terms.write_bytes(term_index([(key, b"\x01" + row[1:]) for key, row in rows],
                                 {"fieldmap": dict(building_fields())}))  # fmt: skip
    commit()
    with pytest.raises(IndexUnusable, match="inline"):
        filled.search("exam")
    assert not marker.exists()
    pickle.loads(bomb)  # the bomb is a real one
    assert marker.exists()


def building_fields() -> dict[str, int]:
    from canvas_archive.search.index.schema import FIELD_NUMBERS

    return FIELD_NUMBERS


def iter_rows(path: Path) -> Iterator[tuple[bytes, bytes]]:
    storage = FileStorage(str(path.parent))
    reader = OrderedHashReader(storage.open_file(path.name), path.stat().st_size)
    yield from reader.items()
    reader.close()


def test_another_version_is_rebuilt(filled: SearchArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.index()
    monkeypatch.setattr("canvas_archive.search.index.record.VERSION", "99.99")
    monkeypatch.setattr(building, "VERSION", "99.99")
    with pytest.raises(IndexUnusable, match="another version"):
        filled.search("exam")
    assert update_index(filled.db, filled.search_dir).rebuilt
    assert filled.search("exam").total


@pytest.mark.parametrize("text", ["{}", "[]", '{"files": 3}', '{"files": {"a": 1}}', "null"])
def test_a_record_that_makes_no_sense_is_none(filled: SearchArchive, text: str) -> None:
    filled.index()
    filled.db.execute("UPDATE index_state SET record = ?", (text,))
    assert read_record(filled.db) is None
    assert update_index(filled.db, filled.search_dir).rebuilt


def test_without_an_index_the_reason_is_said(filled: SearchArchive) -> None:
    with pytest.raises(IndexUnusable, match=r"no search index yet\. Run 'canvas-archive index --rebuild'"):
        search(filled.archive.db_path, filled.search_dir, "exam")
    assert check_index(filled.db, filled.search_dir).problem == "There is no search index yet."


@pytest.mark.sampled
def test_the_check_compares_with_the_messages(filled: SearchArchive) -> None:
    filled.index()
    filled.message("not indexed")
    assert check_index(filled.db, filled.search_dir).problem is None  # it waits in the queue
    filled.db.execute("DELETE FROM index_queue")
    state = check_index(filled.db, filled.search_dir)
    assert (state.missing, state.surplus) == (1, 0)
    assert state.problem == "The index misses 1 messages and holds 0 that do not belong."


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.integers(0, 30)),
    st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=4),
    st.sets(st.integers(0, 40), max_size=5),
    st.integers(1, 7),
)
def test_the_check_counts_what_sets_would_count(
    expected: set[int], segments: list[list[int]], queued: set[int], at_once: int
) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, conversation_id, generated)")
        db.execute("CREATE TABLE index_queue (seq INTEGER PRIMARY KEY, message_id)")
        db.executemany("INSERT INTO messages VALUES (?, 1, 0)", ((number,) for number in expected))
        db.executemany("INSERT INTO index_queue (message_id) VALUES (?)", ((number,) for number in queued))
        found = [array("q", sorted(segment)) for segment in segments]
        missing, surplus = compare_messages(db, found, at_once)
    everything = [number for segment in segments for number in segment]
    assert missing == len(expected - set(everything) - queued)
    twice = len(everything) - len(set(everything))
    assert surplus == len(set(everything) - expected - queued) + twice


# Whoosh's own eyes


def test_stock_whoosh_reads_the_index(filled: SearchArchive) -> None:
    filled.index()
    fill(filled, 5, seed=4)
    filled.db.execute("UPDATE messages SET body = 'lab' WHERE id = 1003")
    filled.index()
    with open_dir(str(filled.search_dir)).searcher() as searcher:
        for words in (("exam",), ("lab",), ("photos", "monday"), ("exam", "lab", "report")):
            query = And([Term("text", word) for word in words])
            documents = list(searcher.docs_for_query(query))
            column = searcher.reader().column_reader("message")
            expected = filled.found(" ".join(f'"{word}"' for word in words))
            assert {column[number] for number in documents} == expected
        assert searcher.doc_count() == 245
        assert searcher.doc_frequency("text", "exam") > 40


def test_the_term_index_is_whooshs_own_byte_for_byte() -> None:
    rng = random.Random(2)
    for count in (0, 1, 300, 3000):
        keys = sorted({rng.randbytes(rng.randrange(1, 12)) for _ in range(count)})
        rows = [(key, rng.randbytes(36)) for key in keys]
        storage = RamStorage()
        writer = OrderedHashWriter(storage.create_file("x"))
        writer.extras["fieldmap"] = {"text": 0}
        for key, value in rows:
            writer.add(key, value)
        writer.close()
        theirs = bytes(storage.open_file("x").read())
        if rows:
            assert term_index(rows, {"fieldmap": {"text": 0}}) == theirs
        data = term_index(rows, {"fieldmap": {"text": 0}})
        with storage.create_file("y") as file:
            file.write(data)
        reader = OrderedHashReader(storage.open_file("y"), len(data))
        assert list(reader.items()) == rows
        reader.close()


@pytest.mark.sampled
@pytest.mark.parametrize("count", [1, 2, 47, 48, 511, 512, 513, 3000])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_lists_come_back_as_they_were_written(count: int, step: int) -> None:
    documents = [5 + number * step for number in range(count)]
    levels = [number % 255 + 1 for number in range(count)]
    places = [place_of(number + 1) * (number % 3 + 1) for number in range(count)]
    data = encode(documents, levels, places)
    found = list(blocks(data))
    assert [number for block in found for number in block.documents] == documents
    assert [level for block in found for level in block.levels] == levels
    assert [place for block in found for place in block.positions()] == places
    wanted = documents[:: max(1, count // 3)]
    narrowed = {number for block in blocks(data, wanted) for number in block.documents}
    assert narrowed.issuperset(wanted)
    assert list(blocks(data, [documents[-1] + 1])) == []
    plain = list(blocks(encode(documents, None, None)))
    assert [number for block in plain for number in block.documents] == documents


def test_positions_skip_what_utf_16_reserves() -> None:
    for position in (1, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 1_000_000):
        assert position_of(place_of(position)) == position
        assert place_of(position).encode().decode() == place_of(position)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"W3B", b"W3Xl" + bytes(100), b"W3Bl" + bytes(20), b"W3Bl" + bytes(100),
        encode([1, 2], [3, 4], ["a", "b"])[:-3],
        encode([1, 2], [3, 4], ["a", "b"]).replace(b"\x03K\x01", b"\x03K\x7f", 1)[:-1] + b"x",
    ],
)  # fmt: skip
def test_lists_that_are_none_are_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        list(blocks(data))


def test_positions_that_do_not_fit_are_damaged() -> None:
    with pytest.raises(Damaged):
        PostingBlock([1, 2], b"ab", b"only one").positions()
    with pytest.raises(Damaged):
        PostingBlock([1], b"a", b"\xff\xfe").positions()


def test_the_record_is_one_row_of_json(filled: SearchArchive) -> None:
    filled.index()
    (row,) = filled.db.execute("SELECT record FROM index_state").fetchall()
    fields = json.loads(row[0])
    assert fields["total"] == 240
    assert fields["identity"].startswith("https://canvas.example.edu 7 ")
