"""The bytes of sample files: real files that other programs open, the same every time."""

from __future__ import annotations

import csv
import hashlib
import io
import struct
import zipfile
import zlib
from datetime import datetime, timezone
from xml.etree import ElementTree

import pytest

from canvas_archive.sandbox.contents import file_bytes, stored_size
from canvas_archive.sandbox.mailbox import SandboxFile
from canvas_archive.sandbox.render import CONTENT_TYPES, render_recipe
from canvas_archive.sandbox.sample import sample_mailbox
from canvas_archive.sandbox.state import StoredFile

RECIPES = {
    "pdf": "pdf:Ångström (draft)|First paragraph, with (brackets) and a \\ backslash.|" + "word " * 60,
    "png": "png:Bars|3,5,2,8",
    "docx": "docx:Title & <more>|A paragraph with 王小明 in it.|Another.",
    "csv": "csv:a,b,c|x,1,2|y,3,z|~5",
    "txt": "txt:one|two",
    "md": "md:Title|text",
    "ics": "ics:Trip|20261112T073000Z|20261112T163000Z|Car park",
}


def a_file(recipe: str, content: bytes | None = None) -> SandboxFile:
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return SandboxFile(1, 2, "name", "type/sub", at, recipe=recipe, content=content)


def test_every_kind_renders_the_same_bytes_on_every_machine() -> None:
    digest = hashlib.sha256()
    for kind in sorted(RECIPES):
        digest.update(render_recipe(RECIPES[kind]))
    assert set(RECIPES) == set(CONTENT_TYPES)
    assert digest.hexdigest() == "1449b656ed49fd829ae1d636b3fd8f2cd01bd5a4a95203ae2861f42ce30a0378"


def test_size_is_the_number_of_bytes_and_uploaded_content_wins() -> None:
    for recipe in RECIPES.values():
        assert stored_size(StoredFile(a_file(recipe), "")) == len(file_bytes(a_file(recipe))) > 0
    uploaded = a_file(RECIPES["txt"], b"uploaded")
    assert file_bytes(uploaded) == b"uploaded"
    assert stored_size(StoredFile(uploaded, "")) == 8


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="'odt'"):
        render_recipe("odt:Title")


def test_the_cross_reference_table_of_a_pdf_points_at_its_objects() -> None:
    data = render_recipe(RECIPES["pdf"])
    start = int(data.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert data[start:].startswith(b"xref\n0 7\n")
    entries = data[start:].split(b"\n")[3:9]
    for number, entry in enumerate(entries, 1):
        assert len(entry) == 19
        assert data[int(entry[:10]) :].startswith(b"%d 0 obj\n" % number)


@pytest.mark.thorough
def test_pdf_text_can_be_extracted() -> None:
    pypdf = pytest.importorskip("pypdf")
    for recipe in [RECIPES["pdf"], *_recipes("application/pdf")]:
        text = pypdf.PdfReader(io.BytesIO(render_recipe(recipe)), strict=True).pages[0].extract_text()
        words = recipe.partition(":")[2].replace("|", " ").split()
        assert text.split() == words


def test_docx_is_a_package_with_the_paragraphs_in_it() -> None:
    with zipfile.ZipFile(io.BytesIO(render_recipe(RECIPES["docx"]))) as package:
        assert package.testzip() is None
        assert {info.date_time for info in package.infolist()} == {(2024, 1, 1, 0, 0, 0)}
        texts = ElementTree.fromstring(package.read("word/document.xml")).itertext()
        assert "".join(texts) == "Title & <more>A paragraph with 王小明 in it.Another."


def test_python_docx_opens_every_document() -> None:
    docx = pytest.importorskip("docx")
    for recipe in [RECIPES["docx"], *_recipes(CONTENT_TYPES["docx"])]:
        document = docx.Document(io.BytesIO(render_recipe(recipe)))
        assert [p.text for p in document.paragraphs] == recipe.partition(":")[2].split("|")


def test_png_has_sound_chunks_and_a_row_for_every_line() -> None:
    data = render_recipe(RECIPES["png"])
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    position, chunks = 8, {}
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        name, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        (crc,) = struct.unpack_from(">I", data, position + 8 + length)
        assert crc == zlib.crc32(name + body)
        chunks[name] = body
        position += 12 + length
    width, height, depth = struct.unpack_from(">IIB", chunks[b"IHDR"])
    assert len(zlib.decompress(chunks[b"IDAT"])) == height * (1 + width * depth // 8)
    assert b"IEND" in chunks


def test_csv_rows_go_on_to_the_wanted_number() -> None:
    rows = list(csv.reader(io.StringIO(render_recipe(RECIPES["csv"]).decode(), newline="")))
    assert rows[0] == ["a", "b", "c"]
    assert [row[0] for row in rows[1:]] == ["x", "y", "x", "y", "x"]
    assert rows[3] == ["x", "8", "9"]


def test_ics_is_one_event() -> None:
    lines = render_recipe(RECIPES["ics"]).decode().split("\r\n")
    assert lines[0] == "BEGIN:VCALENDAR" and lines[-2:] == ["END:VCALENDAR", ""]
    assert "DTSTART:20261112T073000Z" in lines and "SUMMARY:Trip" in lines


def test_every_file_of_the_sample_renders_as_what_it_says_it_is() -> None:
    starts = {"application/pdf": b"%PDF-", "image/png": b"\x89PNG", CONTENT_TYPES["docx"]: b"PK\x03\x04"}
    for file in sample_mailbox().files.values():
        data = file_bytes(file)
        assert data.startswith(starts.get(file.content_type, b""))
        assert len(data) > 20
        if file.content_type.startswith("text/"):
            assert data.decode().strip()


def _recipes(content_type: str) -> list[str]:
    files = sample_mailbox().files.values()
    return [file.recipe for file in files if file.content_type == content_type]
