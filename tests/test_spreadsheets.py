"""Tables for spreadsheets: whatever people wrote, no cell is a formula, and a number stays a number."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.cli import run
from canvas_archive.store.cells import cell, cell_of, visible
from canvas_archive.web.guarded_csv import CellGuard
from tests.hostile_texts import ALL, FORMULAS
from tests.web_support import Visitor, change, column, make_archive, open_visitor

SIGNS = "=+-@|%\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
ODD = (
    *FORMULAS,
    "\x1b]0;x\x07",
    "\x9b31m",
    "\u200b=1",
    "\u2060@SUM(1)",
    "\u202e=1",
    "\u00ad+1",
    "-5+cmd|' /C'!A0",
)


def harmless(text: str) -> bool:
    bare = re.sub("^[\\s\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+", "", text)
    return not bare.startswith(tuple(SIGNS)) and not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_archive(tmp_path_factory.mktemp("sheets") / "archive")
    for number, text in enumerate((*ODD, *ALL), start=700_001):
        stored = text.encode("utf-8", "replace").decode()
        change(folder, "INSERT INTO users (id, name, first_seen_at) VALUES (?, ?, '')", number, stored)
    return folder


@pytest.fixture(scope="module")
def names(folder: Path) -> list[str]:
    return column(folder, "SELECT name FROM users ORDER BY id")


@pytest.fixture(scope="module")
def visitor(folder: Path) -> Iterator[Visitor]:
    visitor = open_visitor(folder)
    yield visitor
    visitor.close()


def told(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["--archive", str(folder), "sql", *arguments]) == 0
    return capsys.readouterr().out


def test_a_cell_is_harmless_and_keeps_its_text() -> None:
    for text in (*ODD, *ALL):
        assert harmless(cell(text))
        assert cell(text).removeprefix("'") == visible(text).removeprefix("'")


def test_a_number_stays_a_number() -> None:
    assert [cell_of(value) for value in (-5, -1.5, None, "x", b"\x1b", float("-inf"))] == [
        -5, -1.5, None, "x", "1b", "'-inf",
    ]  # fmt: skip


# -- sql ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_sql_writes_no_formula(folder: Path, names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    query = 'SELECT name AS "=name", -id AS minus FROM users ORDER BY id'
    head, *rows = csv.reader(io.StringIO(told(folder, capsys, "--csv", query), newline=""))
    assert head == ["'=name", "minus"]
    assert [row[0] for row in rows] == [cell(name) for name in names]
    assert all(harmless(row[0]) and int(row[1]) < 0 for row in rows)
    lines = told(folder, capsys, query).splitlines()
    assert len(lines) == len(names) + 1
    for line in lines[1:]:
        name, _, number = line.partition("\t")
        assert harmless(name) and int(number) < 0


@pytest.mark.thorough
def test_sql_writes_for_scripts_what_there_is(
    folder: Path, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    query = 'SELECT name AS "=name" FROM users ORDER BY id'
    whole = told(folder, capsys, "--csv", "--raw", query)
    assert [row[0] for row in csv.reader(io.StringIO(whole, newline=""))] == ["=name", *names]
    assert (
        told(folder, capsys, "--raw", "SELECT '=1+1' AS a, x'00ff' AS b, NULL AS c")
        == "a\tb\tc\n=1+1\t00ff\t\n"
    )
    assert told(folder, capsys, "--json", "SELECT '=1+1' AS a").split() == [
        "[",
        "{",
        '"a":',
        '"=1+1"',
        "}",
        "]",
    ]
    assert told(folder, capsys, "--csv", "SELECT '' AS a") == 'a\n""\n'


# -- the web -----------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize(
    "address",
    [
        "/archive/users.csv?_size=max&_sort=id",
        "/archive/users.csv?_stream=on&_sort=id",
        "/archive/users.csv?_dl=1&_size=max&_sort=id",
        "/archive/users.csv?_trace=1&_size=max&_sort=id",
        "/archive/users.csv?%5Ftrace=1&_size=max&_sort=id",
        "/archive.csv?sql=select+*+from+users+order+by+id&_size=max",
        "/archive.csv?sql=select+*+from+users+order+by+id&_trace=1",
    ],
)
def test_no_csv_of_the_web_has_a_formula(visitor: Visitor, names: list[str], address: str) -> None:
    answer = visitor.get(address)
    assert answer.status_code == 200 and "text/html" not in answer.headers["content-type"], answer.text[:300]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    assert [row["name"] for row in rows] == [cell(name) for name in names][: len(rows)]
    assert len(rows) == len(names) or "sql=" in address
    assert all(harmless(row["name"]) for row in rows)


def test_a_number_of_the_web_stays_one(visitor: Visitor) -> None:
    answer = visitor.get("/archive.csv?sql=select+-5,+-1.5e-9,+'-1%2B1',+x'1b'+limit+1&_header=off")
    numbers = next(csv.reader(io.StringIO(answer.text)))
    assert numbers[:3] == ["-5", "-1.5e-09", "'-1+1"] and numbers[3].startswith("http")


def test_what_is_not_the_archives_is_left_alone(visitor: Visitor, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db:
        db.executescript("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('=1+1');")
    from datasette.database import Database

    visitor.datasette.add_database(Database(visitor.datasette, path=str(other)), name="other")
    try:
        assert visitor.get("/other/t.csv").text.splitlines() == ["rowid,a", "1,=1+1"]
    finally:
        visitor.datasette.remove_database("other")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_pieces_of_any_size_make_the_same_rows(size: int) -> None:
    rows = [["a", '"=1"', "b\r\n,=2", "=3"], ["", "-5", "\u00e9\u4e2d\U0001f600", '""'], ["", "", "", ""]]
    whole = io.StringIO(newline="")
    csv.writer(whole).writerows(rows)
    data = whole.getvalue().encode()
    guard = CellGuard()
    made = b"".join(guard.feed(data[at : at + size], last=False) for at in range(0, len(data), size))
    made += guard.feed(b"", last=True)
    expected = [[text if text == "-5" else cell(text) for text in row] for row in rows]
    assert list(csv.reader(io.StringIO(made.decode(), newline=""))) == expected
