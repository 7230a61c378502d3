"""A table of contents: read as Whoosh wrote it, and told as damage when it is anything else."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from whoosh.filedb.filestore import FileStorage
from whoosh.index import TOC

from canvas_archive.search.index.contents import read_toc, read_toc_to_change
from canvas_archive.search.index.postings import Damaged
from canvas_archive.search.index.record import read_record, toc_name
from canvas_archive.search.index.schema import INDEX_NAME, whoosh_schema
from tests.search_support import SearchArchive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SearchArchive]:
    """An index of two segments; one message of the first is deleted."""
    made = SearchArchive(tmp_path / "archive")
    made.conversation(50)
    for _ in range(3):
        made.message("exam", conversation=50)
    made.index()
    made.db.execute("UPDATE messages SET body = 'photo' WHERE id = (SELECT min(id) FROM messages)")
    made.index()
    yield made
    made.close()


def written(archive: SearchArchive) -> tuple[Path, int]:
    """Return the committed table of contents and its generation."""
    record = read_record(archive.db)
    assert record is not None
    return archive.search_dir / toc_name(record.generation), record.generation


def listed(folder: Path, segments: object, generation: int = 5) -> Path:
    """Write a table of contents, as Whoosh does, of anything."""
    TOC(whoosh_schema(), segments, generation).write(FileStorage(str(folder)), INDEX_NAME)
    return folder / toc_name(generation)


def test_both_readers_say_what_whoosh_says(archive: SearchArchive) -> None:
    _, generation = written(archive)
    stock = TOC.read(FileStorage(str(archive.search_dir)), INDEX_NAME, gen=generation).segments
    expected = [(one.segment_id(), one.doc_count_all(), sorted(one.deleted_docs())) for one in stock]
    assert sorted(count for _, count, _ in expected) == [1, 3]
    assert sorted(deleted for _, _, deleted in expected) == [[], [0]]
    for read in (read_toc, read_toc_to_change):
        found = read(archive.search_dir, generation)
        assert [
            (one.segment_id(), one.doc_count_all(), sorted(one.deleted_docs())) for one in found
        ] == expected
    assert [type(one) for one in read_toc_to_change(archive.search_dir, generation)] == list(map(type, stock))


@pytest.mark.parametrize("read", [read_toc, read_toc_to_change])
def test_what_is_no_table_of_contents_is_damage(archive: SearchArchive, read: type) -> None:
    path, generation = written(archive)
    whole = path.read_bytes()
    for data in (b"", whole[:7], b"\x04\x04" + whole[2:]):
        path.write_bytes(data)
        with pytest.raises(Damaged, match="begins with something else"):
            read(archive.search_dir, generation)
    for size in (12, 300, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(Damaged, match="cannot be read"):
            read(archive.search_dir, generation)
    (archive.search_dir / toc_name(generation + 1)).write_bytes(whole)
    with pytest.raises(Damaged, match="of another generation"):
        read(archive.search_dir, generation + 1)


@pytest.mark.parametrize("read", [read_toc, read_toc_to_change])
@pytest.mark.parametrize("segments", [{}, [1], ["MAIN_x"], {"a": set()}, [{1, 2}]])
def test_only_segments_can_be_listed(tmp_path: Path, segments: object, read: type) -> None:
    listed(tmp_path, segments)
    with pytest.raises(Damaged, match="not a segment"):
        read(tmp_path, 5)


class Call:
    """Pickled, an order to call something."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("called",)


@pytest.mark.parametrize("read", [read_toc, read_toc_to_change])
@pytest.mark.parametrize("segments", [[Call()], [pickle.Unpickler], [TOC]])
def test_nothing_else_is_made_of_what_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segments: object, read: type
) -> None:
    monkeypatch.chdir(tmp_path)
    listed(tmp_path, segments)
    with pytest.raises(Damaged, match="where there can be none"):
        read(tmp_path, 5)
    assert not Path("called").exists()
