"""What people type after ``export``: a name that says the format, a query, and both."""

from __future__ import annotations

from pathlib import Path

import pytest

from canvas_archive.export.formats import implied_format
from tests.export_support import swept
from tests.ux_situations import small
from tests.ux_support import say


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to write into, beside an archive with an index."""
    monkeypatch.setenv("CANVAS_ARCHIVE", str(swept(small(tmp_path))))
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("words", "made", "said"),
    [
        ("a.csv", "a.csv", "A spreadsheet opens a.csv"),
        ("A.MBOX", "A.MBOX", "Mail programs import A.MBOX"),
        ("site", "site/html/index.html", "open site/html/index.html in a browser"),
        ("mail.eml", "mail.eml/eml", "mail.eml/eml"),
        ("-o b.jsonl", "b.jsonl", "One conversation a line: b.jsonl"),
        ("exam -o c.csv", "c.csv", 'Messages with "exam".'),
        ("exam -subject:2 -o d.csv", "d.csv", 'Messages with "exam", without "2" in the subject.'),
        ("--bag --format eml e", "e/data/eml", "open the files in e/data/eml"),
    ],
)
def test_the_name_says_the_format_and_other_words_are_the_query(
    place: Path, words: str, made: str, said: str
) -> None:
    ran = say(["export", *words.split()])
    assert ran.code == 0, ran
    assert (place / made).exists() and said in ran.err


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["exam"], "canvas-archive export exam -o exam.mbox"),
        (["exam from:chen"], "canvas-archive export 'exam from:chen' -o found.mbox"),
        (["exam", "x.csv"], "canvas-archive export exam -o x.csv"),
        (["exam", "one"], "canvas-archive export 'exam one' -o DEST.mbox"),
        (["x.html"], "--format html"),
        (["x.zip"], "--format"),
        (["./exam"], "--format"),
        ([], "DEST is missing"),
        (["exam", "--query", "one", "-o", "x.csv"], "Give the query once"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(place: Path, words: list[str], answer: str) -> None:
    ran = say(["export", *words])
    assert ran.code == 2 and answer in ran.err, ran
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("x.html", None), ("html", "html"), ("x.parquet", "parquet"), ("website", "html"), ("x", None)],
)
def test_formats_by_name(name: str, wanted: str | None) -> None:
    assert implied_format(Path(name)) == wanted
