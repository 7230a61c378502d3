"""Lists, terms and columns that are not what was written: each is told as damage, and repaired."""

from __future__ import annotations

import gc
import json
import os
import pickle
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.search import IndexUnusable, check_index, rebuild_index, service, update_index
from canvas_archive.search.answer import matching, scoring
from canvas_archive.search.index import building, documents, opened, shard
from canvas_archive.search.index.hashfile import term_index
from canvas_archive.search.index.postings import TERM_INFO, Damaged, PostingBlock, blocks, encode
from canvas_archive.search.index.reading import Segment, TermEntry, mapped
from canvas_archive.search.index.record import ListedSegment, changed_files, toc_name, usable_record
from canvas_archive.search.index.schema import FIELD_NUMBERS
from canvas_archive.search.query import suggest
from tests.odd_support import ODD, put_odd
from tests.search_support import SearchArchive, utc

pytestmark = pytest.mark.sampled


def segment(folder: Path, count: int, data: bytes, of: int, first: int = 0, last: int = 0) -> Segment:
    """Return a segment of so many documents with one term, ``word``, said to be in ``of`` of them."""
    row = TERM_INFO.pack(0, 1.0, of, 1, 1, 1.0, first, last, 0, len(data))
    key = FIELD_NUMBERS["text"].to_bytes(2, "big") + b"word"
    (folder / "MAIN_x.trm").write_bytes(term_index([(key, row)], {"fieldmap": dict(FIELD_NUMBERS)}))
    (folder / "MAIN_x.pst").write_bytes(data)
    return Segment(folder, ListedSegment("MAIN_x", count))


def block(content: object, count: int, last: int, *, cut: int = 0) -> bytes:
    """Return a list of one block with this content, compressed, and perhaps cut short before that."""
    raw = pickle.dumps(content, 3)
    data = zlib.compress(raw[:-cut] if cut else raw, 1)
    template = encode([0], None, None)
    about = bytearray(template[8:47])
    about[4:8], about[9:13] = count.to_bytes(4, "little"), last.to_bytes(4, "little")
    about[23:27] = (3).to_bytes(4, "little")
    return template[:4] + (-(len(about) + len(data))).to_bytes(4, "big", signed=True) + bytes(about) + data


def test_a_block_made_here_is_read_as_one(tmp_path: Path) -> None:
    good = block((array("H", [3] * 60), bytes(60), None), 60, 180)
    assert [list(one.gaps) for one in blocks(good)] == [[3] * 60]
    one = segment(tmp_path, 200, good, 60)
    entry = one.entry("text", "word")
    assert entry is not None
    assert one.listed(entry) == one.documents(entry).numbers == list(range(3, 181, 3))
    one.close()


@pytest.mark.parametrize(
    ("content", "count", "last", "cut"),
    [
        (((1, 2), "levels", None), 2, 3, 0),
        (((), None, None), 0, 0, 0),
        (((1, 2.5), None, None), 2, 3, 0),
        (((1, 2), b"", None), 2, 3, 0),
        ((array("H", [3] * 60), bytes(60), None), 60, 180, 40),
        ((array("H", [3] * 60), None, "places"), 60, 180, 0),
    ],
)
@pytest.mark.parametrize("with_positions", [True, False])
def test_blocks_that_hold_something_else_are_damaged(
    content: object, count: int, last: int, cut: int, with_positions: bool
) -> None:
    data = block(content, count, last, cut=cut)
    if not with_positions and content[2] == "places":  # type: ignore[index]
        assert list(blocks(data, with_positions=False))  # the positions are not looked at
        return
    with pytest.raises(Damaged):
        list(blocks(data, with_positions=with_positions))


@pytest.mark.parametrize(
    ("data", "of", "first", "last"),
    [
        (b"", 2, 5, 500),  # known without looking, and beyond the end
        (b"", 2, 5, 3),
        (encode([1, 2, 500], None, None), 3, 1, 500),
        (block(((5, -9, 3), None, None), 3, 0), 3, 0, 0),
        (block(((-5, 9, 3), None, None), 3, 7), 3, 0, 7),
        (block(((5, 1 << 40, 3), None, None), 3, 7), 3, 5, 7),
        (block(((5, 0, 3), None, None), 3, 8), 3, 5, 8),
        (block((array("H", [1] * 30 + [0] * 30), None, None), 60, 30), 60, 1, 30),
        (encode(list(range(0, 500, 2)), None, None), 250, 0, 498),
    ],
)
def test_documents_that_are_not_there_are_damage(
    tmp_path: Path, data: bytes, of: int, first: int, last: int
) -> None:
    one = segment(tmp_path, 100, data, of, first, last)
    entry = one.entry("text", "word")
    assert entry is not None
    with pytest.raises(Damaged, match="not there"):
        one.listed(entry)
    with pytest.raises(Damaged, match="not there"):
        one.documents(entry)
    if of > 2:
        with pytest.raises(Damaged, match="not there"):
            [one.numbers(found) for found in one.blocks(entry)]
    one.close()


def test_what_a_table_of_contents_deletes_must_be_there(tmp_path: Path) -> None:
    segment(tmp_path, 3, encode([1], None, None), 1).close()
    with pytest.raises(Damaged, match="deleted that are not there"):
        Segment(tmp_path, ListedSegment("MAIN_x", 3, deleted=(7,)))


def test_a_column_has_a_row_for_every_document(tmp_path: Path) -> None:
    one = segment(tmp_path, 3, encode([1], None, None), 1)
    (tmp_path / "MAIN_x.written.col").write_bytes(bytes(16))
    with pytest.raises(Damaged, match="2 rows for 3 documents"):
        one.column("written")
    one.close()


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert mapped(tmp_path / "empty") == b""


# A whole index


WORDS = ("exam", "grade", "photo", "lab", "report", "monday")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SearchArchive]:
    made = SearchArchive(tmp_path / "archive")
    for number in range(40):
        made.message(f"{WORDS[number % 6]} {WORDS[number % 5]}", at=utc(2025, 1, 1 + number % 28))
    made.index()
    yield made
    made.close()


def spoil(archive: SearchArchive, ending: str, at: int = 0, *, unseen: bool = False) -> Path:
    """Change a byte of a file, which keeps its size; ``unseen`` as a failing disk does, at no time."""
    path = next(path for path in sorted(archive.search_dir.iterdir()) if path.name.endswith(ending))
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)
    if unseen:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    opened.forget(archive.search_dir)
    return path


def test_an_update_of_a_damaged_index_builds_it_anew(archive: SearchArchive) -> None:
    spoil(archive, ".trm", unseen=True)
    new = archive.message("a brand new exam")
    report = update_index(archive.db, archive.search_dir)
    assert report.rebuilt
    assert report.total == 41
    assert archive.found("brand") == {new}


def test_the_check_tells_an_index_that_cannot_be_read(archive: SearchArchive) -> None:
    path = spoil(archive, ".trm", unseen=True)
    state = check_index(archive.db, archive.search_dir)
    assert state.problem is not None
    assert "cannot be read" in state.problem
    record = usable_record(archive.db, archive.search_dir)
    path.unlink()
    assert list(changed_files(record, archive.search_dir)) == [path.name]


@pytest.mark.parametrize("ending", [".written.col", ".message.col", ".carries.col", ".trm", ".pst", ".toc"])
def test_a_changed_byte_is_noticed_before_anything_is_answered(archive: SearchArchive, ending: str) -> None:
    spoil(archive, ending, -1)
    with pytest.raises(IndexUnusable):
        archive.search("exam", facets=True)
    archive.message("a brand new exam")
    assert update_index(archive.db, archive.search_dir).rebuilt
    assert archive.search("exam", facets=True).total


@pytest.mark.parametrize("ending", [".written.col", ".message.col", ".conversation.col", ".writer.col"])
def test_a_column_that_a_disk_changed_silently_is_noticed(archive: SearchArchive, ending: str) -> None:
    spoil(archive, ending, 3, unseen=True)
    with pytest.raises(IndexUnusable, match="is not what was written"):
        archive.search("exam", facets=True, threads=True)


def test_a_copied_index_is_read_and_counts(archive: SearchArchive) -> None:
    for path in archive.search_dir.iterdir():
        os.utime(path)
    opened.forget(archive.search_dir)
    assert archive.search("exam").total
    assert not update_index(archive.db, archive.search_dir).rebuilt


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("ending", [".written.col", ".trm", ".pst", ".toc"])
def test_what_is_no_file_is_damage(archive: SearchArchive, ending: str, odd: str) -> None:
    path = next(path for path in archive.search_dir.iterdir() if path.name.endswith(ending))
    put_odd(path, odd)
    opened.forget(archive.search_dir)
    with pytest.raises(IndexUnusable):
        archive.search("exam")
    assert check_index(archive.db, archive.search_dir).problem
    assert update_index(archive.db, archive.search_dir).rebuilt
    assert archive.search("exam").total
    assert (archive.search_dir.parent / f"target of {path.name}").exists() == (odd == "link")


@pytest.mark.parametrize("odd", ODD)
def test_what_has_the_name_of_the_next_index_does_not_hinder_it(archive: SearchArchive, odd: str) -> None:
    record = usable_record(archive.db, archive.search_dir)
    put_odd(archive.search_dir / toc_name(record.generation + 1), odd)
    new = archive.message("a brand new exam")
    archive.index()
    assert archive.found("brand") == {new}
    assert check_index(archive.db, archive.search_dir).problem is None


def test_whatever_damaged_bytes_raise_is_told_as_damage(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("for a test")

    monkeypatch.setattr(service, "count_years", fails)
    with pytest.raises(ValueError, match="for a test"):  # the files are sound: this is another fault
        archive.search("exam", facets=True)
    path = spoil(archive, ".pst", -1, unseen=True)
    with pytest.raises(IndexUnusable, match=path.name):
        archive.search("exam", facets=True)
    monkeypatch.setattr(building, "segments_to_merge", fails)
    archive.message("a brand new exam")
    assert update_index(archive.db, archive.search_dir).rebuilt
    archive.message("another new exam")
    with pytest.raises(ValueError, match="for a test"):
        update_index(archive.db, archive.search_dir)


def test_an_update_of_most_messages_builds_anew(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "LARGEST_SEGMENT", 20)
    archive.db.execute("INSERT INTO index_queue (message_id) SELECT id FROM messages LIMIT 21")
    assert update_index(archive.db, archive.search_dir).rebuilt
    archive.db.execute("INSERT INTO index_queue (message_id) SELECT id FROM messages LIMIT 5")
    assert not update_index(archive.db, archive.search_dir).rebuilt


@pytest.mark.thorough
def test_an_update_says_how_far_it_is_and_leaves_out_what_does_not_belong(archive: SearchArchive) -> None:
    archive.message("X was added", generated=True)
    report = update_index(archive.db, archive.search_dir)
    assert (report.added, report.total, report.rebuilt) == (0, 40, False)
    for _ in range(501):
        archive.message("more")
    seen: list[tuple[int, int]] = []
    update_index(archive.db, archive.search_dir, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(500, 501)]


def test_names_are_asked_for_once(archive: SearchArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_BATCH", 7)
    asked: list[str] = []
    archive.db.set_trace_callback(lambda sql: asked.append(sql) if "FROM users" in sql else None)
    rebuild_index(archive.db, archive.search_dir)
    archive.db.set_trace_callback(None)
    assert len(asked) == 1
    assert archive.search("from:owner").total == 40


def test_a_candidate_between_two_blocks_is_on_no_list(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "_SPARSE", 1)
    first = archive.db.execute("SELECT min(id) FROM messages").fetchone()[0]
    archive.db.execute("UPDATE messages SET body = 'zebra' WHERE id = ?", (first,))
    rebuild_index(archive.db, archive.search_dir)
    assert archive.found("zebra") == {first}
    assert archive.found("zebra report") == set()  # before the first document of the other list


def test_hits_by_date_look_further_when_one_conversation_takes_all_places(archive: SearchArchive) -> None:
    for number in range(30):
        archive.message("walrus", conversation=50, at=utc(2026, 1, 1 + number % 28))
    others = [archive.message("walrus", conversation=number, at=utc(2024)) for number in (51, 52)]
    archive.index()
    for sort in ("newest", "oldest"):
        found = archive.search("walrus", sort=sort, threads=True, limit=3)
        assert found.total == len(found.hits) == 3
        assert {hit.conversation_id for hit in found.hits} == {50, 51, 52}
        assert {hit.message_id for hit in found.hits}.issuperset(others)
    assert archive.search("walrus", sort="newest", limit=0).hits == ()


def test_a_list_that_says_too_little_of_its_documents_is_damage(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Segment.blocks

    def without_levels(self: Segment, entry: TermEntry, within: Any = None) -> list[PostingBlock]:
        return [replace(one, levels=b"") for one in read(self, entry, within)]

    monkeypatch.setattr(scoring, "_FEW", 1)
    monkeypatch.setattr(Segment, "blocks", without_levels)
    with pytest.raises(IndexUnusable, match="says too little of its documents"):
        archive.search("exam")


def test_only_so_many_words_are_compared_with_an_unknown_one(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert archive.search("phooto").suggestion == "photo"
    monkeypatch.setattr(suggest, "_CANDIDATES", 0)
    assert archive.search("phooto").suggestion is None
    assert archive.search("bhoto").suggestion == "photo"  # slips of the first letter are looked up


def test_an_archive_without_courses_has_none_to_name(archive: SearchArchive) -> None:
    with pytest.raises(BadInput) as raised:
        archive.search("course:bio")
    assert str(raised.value) == "'course:bio': no course or group in this archive is called so."


def test_a_message_that_only_the_index_knows_breaks_no_page(archive: SearchArchive) -> None:
    only = archive.message("walrus")
    archive.index()
    archive.db.execute("DROP TRIGGER messages_kept")
    archive.db.execute("PRAGMA foreign_keys = OFF")
    archive.db.execute("DELETE FROM messages WHERE id = ?", (only,))
    found = archive.search("walrus")
    assert found.total == 1
    assert found.hits == ()


# The second process


@pytest.mark.parametrize(
    "child",
    [
        "print('no json'); print('x' * 1_000_000)",
        "print(7)",
        "print('{}')",
        """print('{"segments": [{"id": "x"}], "skipped": []}')""",
        "import sys; sys.exit(3)",
    ],
)
def test_a_second_process_that_speaks_of_something_else_is_replaced(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch, child: str
) -> None:
    monkeypatch.setattr(building, "_WORTH_A_PROCESS", 10)
    monkeypatch.setattr(shard, "_CHILD", child)
    rebuild_index(archive.db, archive.search_dir)
    state = check_index(archive.db, archive.search_dir)
    assert (state.problem, state.total) == (None, 40)


def test_the_second_process_answers_in_json(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, last = archive.db.execute("SELECT min(id), max(id) FROM messages").fetchone()
    folder = archive.folder / "built"
    folder.mkdir()
    task = {"db": str(archive.archive.db_path), "folder": str(folder), "usual": 80.0,
            "spans": [(first, last), (last + 1, last + 9)]}  # fmt: skip
    monkeypatch.setattr("sys.argv", ["-c", json.dumps(task)])
    gc.disable()
    try:
        shard.main()
        assert not gc.isenabled()  # it was not enabled before
    finally:
        gc.enable()
    answer = json.loads(capsys.readouterr().out)
    assert answer["skipped"] == []
    (written,) = answer["segments"]  # the second span is empty
    assert written["count"] == 40
    assert {name: path.stat().st_size for name, path in ((path.name, path) for path in folder.iterdir())} == {
        name: size for name, (size, _) in written["files"].items()
    }


def test_a_second_process_ends_with_a_build_that_fails(
    archive: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    begin = shard.SecondProcess.__init__

    def noted(self: shard.SecondProcess, *args: Any) -> None:
        begin(self, *args)
        started.append(self._process)

    def fails(*_: object) -> None:
        raise IndexUnusable("for a test")

    monkeypatch.setattr(building, "_WORTH_A_PROCESS", 10)
    monkeypatch.setattr(shard, "_CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(shard.SecondProcess, "__init__", noted)
    monkeypatch.setattr(building, "build_range", fails)
    with pytest.raises(IndexUnusable):
        rebuild_index(archive.db, archive.search_dir)
    assert started[0].poll() is not None
