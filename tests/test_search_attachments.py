"""The text within attached files: which kinds, how much of it, and what bad files do."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from canvas_archive.search import update_index
from canvas_archive.search.index import attachments, extraction
from canvas_archive.search.index.attachments import Extraction, extract_missing, text_kind
from tests.odd_support import ODD, put_odd
from tests.search_support import SearchArchive, docx, pdf

pytestmark = pytest.mark.thorough


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[SearchArchive]:
    archive = SearchArchive(tmp_path / "archive")
    yield archive
    archive.close()


def test_text_in_documents_is_found(empty: SearchArchive) -> None:
    pytest.importorskip("pypdf")
    pytest.importorskip("docx")
    paper = empty.message("see attached", files=[("paper.pdf", pdf("osmosis in leaves"))])
    essay = empty.message("see attached", files=[("essay.docx", docx("The guild of weavers"))])
    empty.index()
    assert empty.found("in:attachments osmosis leaves") == {paper}
    assert empty.found("in:attachments weaver*") == empty.found("in:attachments celltext") == {essay}


@pytest.mark.sampled
def test_text_in_files_is_found_with_in_attachments(empty: SearchArchive) -> None:
    files = {
        "notes.txt": b"The zygote divides",
        "data.csv": b"site,depth\nlagoon,12",
        "page.html": b"<title>x</title><style>hiddenstyle</style><p>The mitosis&nbsp;page</p>",
    }
    ids = {name: empty.message("see attached", files=[(name, content)]) for name, content in files.items()}
    empty.message("zygote in the body, no file")
    empty.index()
    for query, name in (
        ("in:attachments zygote", "notes.txt"), ("lagoon in:attachments", "data.csv"),
        ('in:attachments "mitosis page"', "page.html"),
    ):  # fmt: skip
        assert empty.found(query) == {ids[name]}, query
    assert empty.found("in:attachments") == set(ids.values())
    assert empty.found("-in:attachments zygote") == empty.found("zygote")
    assert ids["notes.txt"] not in empty.found("zygote")
    assert empty.found("in:attachments hiddenstyle") == set()
    snippet = empty.search("in:attachments zygote").hits[0].snippet
    assert snippet.marked("[", "]") == "The [zygote] divides"


def test_a_file_that_arrives_later_is_indexed_then(empty: SearchArchive) -> None:
    one = empty.message("see attached", files=["notes.txt"])
    empty.index()
    assert empty.found("in:attachments lagoon") == set()
    two = empty.message("again", files=[("notes.txt", b"the lagoon")])
    empty.db.execute(
        "UPDATE attachments SET state = 'stored', stored_size = 10,"
        " sha256 = (SELECT sha256 FROM attachments WHERE sha256 IS NOT NULL) WHERE state = 'pending'"
    )
    empty.index()
    assert empty.found("in:attachments lagoon") == {one, two}
    assert empty.db.execute("SELECT count(*) FROM attachment_texts").fetchone()[0] == 1


def test_bad_files_are_noted_and_not_tried_again(empty: SearchArchive) -> None:
    pytest.importorskip("pypdf")
    pytest.importorskip("docx")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("word/document.xml", b"<" + b"a" * 5_000_000)
    one = empty.message(
        "x",
        files=[
            ("broken.pdf", b"%PDF-nonsense"),
            ("bomb.docx", bomb.getvalue()),
            ("empty.txt", b" \n"),
            ("x.png", b"\x89"),
        ],
    )
    empty.index()
    noted = dict(empty.db.execute("SELECT error, count(*) FROM attachment_texts GROUP BY 1").fetchall())
    assert noted == {
        "cannot be read as a document (PdfStreamError)": 1,
        "cannot be read as a document (XMLSyntaxError)": 1,
        "holds no text": 1,
    }
    assert empty.found("filename:broken") == {one}
    assert extract_missing(empty.db, empty.archive.files_dir) == Extraction(0, 0)


def test_files_whose_bytes_are_gone_are_noted(empty: SearchArchive) -> None:
    empty.message("x", files=[("gone.txt", b"words")])
    for path in empty.archive.files_dir.rglob("*"):
        if path.is_file():
            path.unlink()
    empty.index()
    (row,) = empty.db.execute("SELECT text, error FROM attachment_texts").fetchall()
    assert row["text"] is None
    assert row["error"] == "the file is missing"


def test_a_damaged_name_of_a_file_ends_nothing(empty: SearchArchive) -> None:
    one = empty.message("x", files=[("a.txt", b"lagoon")])
    empty.db.execute("UPDATE attachments SET filename = CAST(x'ff61' AS TEXT)")
    empty.index()
    assert empty.found("in:attachments lagoon") == {one}


@pytest.mark.sampled
def test_a_bad_page_does_not_end_search(empty: SearchArchive) -> None:
    """29 bytes of an attachment, on which Python's own parser of pages raises AssertionError."""
    bad = empty.message("hello", files=[("notes.html", b"<html><body>Hello <![a[ notes")])
    good = empty.message("hello", files=[("good.html", b"<p>lagoon")])
    empty.index()
    assert empty.found("hello") == {bad, good}
    assert empty.found("in:attachments lagoon") == {good}


def test_large_files_are_not_read(empty: SearchArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "LARGEST_FILE", 100)
    empty.message("x", files=[("a.txt", b"a" * 101)])
    empty.index()
    assert [tuple(row) for row in empty.db.execute("SELECT text, error FROM attachment_texts")] == [
        (None, "larger than 20 MB")
    ]


def test_a_file_that_cannot_be_opened_is_tried_again(empty: SearchArchive) -> None:
    one = empty.message("x", files=[("a.txt", b"lagoon")])
    (path,) = (path for path in empty.archive.files_dir.rglob("*") if path.is_file())
    for odd in ODD:
        put_odd(path, odd)
        empty.index()
        (error,) = (row[0] for row in empty.db.execute("SELECT error FROM attachment_texts"))
        assert error == "the file is missing", odd
    put_odd(path, "folder")
    path.rmdir()
    path.write_bytes(b"lagoon")
    empty.index()
    assert empty.found("in:attachments lagoon") == {one}


def test_another_reader_tries_again_where_there_is_no_text(
    empty: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.message("x", files=[("empty.txt", b" "), ("good.txt", b"words")])
    empty.index()
    assert [row[0] for row in empty.db.execute("SELECT reader FROM attachment_texts")] == ["1", "1"]
    assert extract_missing(empty.db, empty.archive.files_dir).read == 0
    monkeypatch.setattr(extraction, "_VERSION", 2)
    assert extract_missing(empty.db, empty.archive.files_dir).read == 1
    assert extract_missing(empty.db, empty.archive.files_dir).read == 0
    # What an earlier version of this program could not read has no reader.
    empty.db.execute("UPDATE attachment_texts SET reader = '0'")
    assert extract_missing(empty.db, empty.archive.files_dir).read == 1


def test_a_run_reads_for_a_bounded_time(empty: SearchArchive) -> None:
    for number in range(4):
        empty.message("x", files=[(f"{number}.txt", f"lagoon {number}".encode())])
    seconds = iter(range(100))
    seen: list[tuple[int, int]] = []
    first = extract_missing(
        empty.db,
        empty.archive.files_dir,
        seconds=2.5,
        clock=lambda: next(seconds),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert first == Extraction(read=2, waiting=2)
    assert seen == [(0, 4), (1, 4)]
    assert extract_missing(empty.db, empty.archive.files_dir, seconds=0) == Extraction(0, 2)
    assert extract_missing(empty.db, empty.archive.files_dir, seconds=None) == Extraction(2, 0)


def test_what_waits_is_said_once(empty: SearchArchive) -> None:
    empty.message("x", files=[("a.txt", b"lagoon")])
    report = update_index(empty.db, empty.search_dir, document_seconds=0)
    assert list(report.notes()) == [
        "Attached files not read for the search yet: 1. The next run continues. "
        "'canvas-archive index --documents' reads them all."
    ]
    assert list(update_index(empty.db, empty.search_dir).notes()) == []


def test_a_reader_that_does_not_start_costs_no_file_its_text(
    empty: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = empty.message("x", files=[("a.txt", b"lagoon")])
    with monkeypatch.context() as patched:
        patched.setattr(extraction, "_CHILD", "raise SystemExit(3)")
        report = update_index(empty.db, empty.search_dir)
    (note,) = report.notes()
    assert note == (
        "Attached files not read for the search yet: 1. "
        "The process that reads files cannot be started: the process ended."
    )
    assert empty.db.execute("SELECT count(*) FROM attachment_texts").fetchone()[0] == 0
    empty.index()
    assert empty.found("in:attachments lagoon") == {one}


@pytest.mark.parametrize(
    ("name", "content_type", "kind"),
    [
        ("a.TXT", "", "plain"), ("a.b.md", "", "plain"), ("a.htm", "", "html"), ("a.pdf", "", "pdf"),
        ("a.docx", "", "docx"),
        ("noending", "text/html; charset=utf-8", "html"), ("a", "application/pdf", "pdf"),
        ("a.zip", "application/zip", None), ("", "", None), ("a.doc", "application/msword", None),
    ],
)  # fmt: skip
def test_kinds_of_files(name: str, content_type: str, kind: str | None) -> None:
    assert text_kind(name, content_type) == kind


def test_without_the_extra_names_are_found_and_texts_wait(
    empty: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(extraction, "find_spec", lambda name: None if name == "pypdf" else find_spec(name))
        one = empty.message("x", files=[("paper.pdf", pdf("osmosis")), ("a.txt", b"lagoon")])
        empty.index()
        assert empty.found("filename:paper") == empty.found("in:attachments lagoon") == {one}
        assert empty.db.execute("SELECT count(*) FROM attachment_texts").fetchone()[0] == 1
    pytest.importorskip("pypdf")
    empty.index()
    assert empty.found("in:attachments osmosis") == {one}
