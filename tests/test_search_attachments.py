"""The text within attached files: which kinds, how much of it, and what bad files do."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from canvas_archive.search import attachments
from canvas_archive.search.attachments import decode, read_text, text_kind
from tests.search_support import SearchArchive

Asked = Callable[[str, Path], bytes]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[SearchArchive]:
    archive = SearchArchive(tmp_path / "archive")
    yield archive
    archive.close()


def pdf(text: str, pages: int = 1) -> bytes:
    """Return a PDF with a line of text, the same on every page."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{'3 0 R ' * pages}] /Count {pages} >>".encode(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length " + str(len(stream)).encode() + b" >>\nstream\n" + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    places = []
    for number, content in enumerate(objects, 1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n".encode() + content + b"\nendobj\n")
    start = out.tell()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    out.write(f"xref\n0 6\n0000000000 65535 f \n{table}trailer\n<< /Size 6 /Root 1 0 R >>\n".encode())
    out.write(f"startxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def docx(text: str) -> bytes:
    """Return a Word document with a paragraph and a table."""
    from docx import Document

    document = Document()
    document.add_paragraph(text)
    document.add_table(rows=1, cols=1).cell(0, 0).text = "celltext"
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def test_text_in_documents_is_found(empty: SearchArchive) -> None:
    pytest.importorskip("pypdf")
    pytest.importorskip("docx")
    paper = empty.message("see attached", files=[("paper.pdf", pdf("osmosis in leaves"))])
    essay = empty.message("see attached", files=[("essay.docx", docx("The guild of weavers"))])
    empty.index()
    assert empty.found("in:attachments osmosis leaves") == {paper}
    assert empty.found("in:attachments weaver*") == empty.found("in:attachments celltext") == {essay}


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
    assert noted == {"cannot be read as a document": 2, "holds no text": 1}
    assert empty.found("filename:broken") == {one}
    assert attachments.extract_missing(empty.db, empty.archive.files_dir) == 0


def test_files_whose_bytes_are_gone_are_noted(empty: SearchArchive) -> None:
    empty.message("x", files=[("gone.txt", b"words")])
    for path in empty.archive.files_dir.rglob("*"):
        if path.is_file():
            path.unlink()
    empty.index()
    (row,) = empty.db.execute("SELECT text, error FROM attachment_texts").fetchall()
    assert row["text"] is None
    assert row["error"] == "the file is missing"


def test_size_and_time_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.txt"
    path.write_text("word " * 500_000)
    text, error = read_text(path, "plain")
    assert error is None
    assert text is not None
    assert len(text) <= attachments.LARGEST_TEXT
    monkeypatch.setattr(attachments, "LARGEST_FILE", 100)
    assert read_text(path, "plain") == (None, "larger than 20 MB")
    small = tmp_path / "small.pdf"
    small.write_bytes(b"%PDF")
    monkeypatch.setattr(attachments, "_CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(attachments, "PATIENCE", 0.05)
    assert read_text(small, "pdf") == (None, "took longer than 0.05 seconds")
    monkeypatch.setattr(attachments, "PATIENCE", 20.0)
    monkeypatch.setattr(attachments, "_CHILD", "import sys; sys.exit(3)")
    assert read_text(small, "docx") == (None, "needs the extra 'documents'")


def test_the_memory_of_a_document_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resource")
    path = tmp_path / "x.pdf"
    path.write_bytes(b"%PDF")
    eat = "from canvas_archive.search import attachments; attachments._limit_memory(); bytearray(1 << 31)"
    monkeypatch.setattr(attachments, "_CHILD", eat)
    assert read_text(path, "pdf") == (None, "cannot be read as a document")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("naïve".encode(), "naïve"),
        (b"\xef\xbb\xbfmark", "mark"),
        ("Ünïcode".encode("utf-16"), "Ünïcode"),
        (b"\xfe\xff" + "big".encode("utf-16-be"), "big"),
        ("Zoë’s".encode("cp1252"), "Zoë’s"),
        ("cut ë".encode()[:-1], "cut "),
    ],
)
def test_encodings_are_told_apart(data: bytes, text: str) -> None:
    assert decode(data) == text


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
        patched.setattr(attachments, "find_spec", lambda name: None)
        one = empty.message("x", files=[("paper.pdf", pdf("osmosis")), ("a.txt", b"lagoon")])
        empty.index()
        assert empty.found("filename:paper") == empty.found("in:attachments lagoon") == {one}
        assert empty.db.execute("SELECT count(*) FROM attachment_texts").fetchone()[0] == 1
    pytest.importorskip("pypdf")
    empty.index()
    assert empty.found("in:attachments osmosis") == {one}


# What the process of its own does


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Asked:
    """Call the entry of the other process here, without its limit of memory."""
    monkeypatch.setattr(attachments, "_limit_memory", lambda: None)

    def ask(kind: str, path: Path) -> bytes:
        monkeypatch.setattr(sys, "argv", ["-c", kind, str(path)])
        attachments.main()
        sys.stdout.flush()
        return capfdbinary.readouterr().out

    return ask


def test_the_other_process_prints_the_text(tmp_path: Path, asked: Asked) -> None:
    pytest.importorskip("pypdf")
    pytest.importorskip("docx")
    paper, essay = tmp_path / "a.pdf", tmp_path / "a.docx"
    paper.write_bytes(pdf("osmosis in leaves", pages=2))
    essay.write_bytes(docx("The guild \u00eb"))
    assert asked("pdf", paper).split() == b"osmosis in leaves osmosis in leaves".split()
    assert asked("docx", essay) == "The guild \u00eb\ncelltext".encode()


def test_the_other_process_reads_no_more_pages_than_needed(
    tmp_path: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pypdf")
    monkeypatch.setattr(attachments, "LARGEST_TEXT", 5)
    paper = tmp_path / "a.pdf"
    paper.write_bytes(pdf("osmosis", pages=3))
    assert asked("pdf", paper).split() == [b"osmosis"]


def test_the_other_process_says_that_the_extra_is_missing(
    tmp_path: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pypdf", "docx"):
        monkeypatch.setitem(sys.modules, module, None)
    for kind in ("pdf", "docx"):
        with pytest.raises(SystemExit) as ended:
            asked(kind, tmp_path / "a")
        assert ended.value.code == 3


def test_the_limit_of_memory_is_set_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, limit: limits.append((which, limit)))
    attachments._limit_memory()
    assert limits == [(resource.RLIMIT_AS, (1 << 30, 1 << 30))]
    monkeypatch.setitem(sys.modules, "resource", None)
    attachments._limit_memory()  # as on Windows: no limit, no error
    assert len(limits) == 1


def test_what_cannot_be_opened_is_noted(tmp_path: Path) -> None:
    text, error = read_text(tmp_path, "plain")
    assert text is None
    assert error is not None
    assert error.startswith("cannot be read: ")
