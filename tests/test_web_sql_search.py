"""``?_search=`` and ``canvas_search`` in Datasette's own pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlite_utils

from canvas_archive.search import select_conversations, select_messages
from canvas_archive.web.sql_search import SEARCHABLE
from tests.web_support import Visitor, change, make_archive, open_visitor

WORD = "the"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("search") / "archive")


@pytest.fixture(scope="module")
def visitor(folder: Path) -> Iterator[Visitor]:
    visitor = open_visitor(folder)
    yield visitor
    visitor.close()


def test_search_of_the_messages_is_the_search(folder: Path, visitor: Visitor) -> None:
    wanted = select_messages(folder / "archive.db", folder / "search", WORD)
    rows = visitor.get(f"/archive/messages.json?_search={WORD}&_shape=array&_size=max").json()
    assert sorted(row["id"] for row in rows) == wanted and wanted
    page = visitor.get(f"/archive/messages?_search={WORD}&_sort_desc=created_at").text
    assert f'name="_search" value="{WORD}"' in page
    assert f"{len(wanted)} rows" in page and "search finds &#34;the&#34;" in page


@pytest.mark.parametrize("table", sorted(SEARCHABLE.keys() - {"messages"}))
def test_search_of_conversations_are_those_with_a_message(folder: Path, visitor: Visitor, table: str) -> None:
    wanted = set(select_conversations(folder / "archive.db", folder / "search", WORD))
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        there = {row[0] for row in db.execute(f"SELECT id FROM {table}")}
    rows = visitor.get(f"/archive/{table}.json?_search={WORD}&_shape=array&_size=max").json()
    assert {row["id"] for row in rows} == wanted & there and rows
    assert 'name="_search"' in visitor.get(f"/archive/{table}").text


def test_search_goes_with_other_filters_facets_and_csv(folder: Path, visitor: Visitor) -> None:
    found = visitor.get(f"/archive/messages.json?_search={WORD}&author_id=1&_facet=author_id").json()
    assert {row[found["columns"].index("author_id")] for row in found["rows"]} <= {1}
    facet = found["facet_results"]["author_id"]["results"]
    assert sum(value["count"] for value in facet) == found["filtered_table_rows_count"]
    lines = visitor.get(f"/archive/messages.csv?_search={WORD}&_stream=on").text.splitlines()
    assert lines[0].startswith("id,conversation_id")


def test_an_empty_search_is_none(visitor: Visitor) -> None:
    everything = visitor.get("/archive/messages.json?_size=0").json()["filtered_table_rows_count"]
    assert (
        visitor.get("/archive/messages.json?_search=+&_size=0").json()["filtered_table_rows_count"]
        == everything
    )


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("users.json?_search=ann", "users cannot be searched. _search works on messages"),
        ("account.json?_search=ann", "cannot be searched"),
        ("messages.json?_search_body=ann", "There is no _search_body"),
        ('messages.json?_search="open', "is not closed"),
        ("messages.json?_search=from:nobodyatall", "nobody in this archive"),
        ("inbox.json?_search=is:nonsense", "is:nonsense"),
        ("messages.csv?_search=from:nobodyatall", "nobody in this archive"),
    ],
)
def test_what_cannot_be_searched_is_said(
    visitor: Visitor, address: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = visitor.get(f"/archive/{quote(address, safe='/?=&:_.')}")
    assert answer.status_code == 400 and said in answer.text
    assert "Traceback" not in capfd.readouterr().err


def test_sql_of_the_reader_has_the_functions(folder: Path, visitor: Visitor) -> None:
    sql = "select count(*) as n, median(length(body)) as m from messages where canvas_search(:q, id)"
    (row,) = visitor.get(f"/archive.json?_shape=array&q={WORD}&sql={quote(sql)}").json()
    assert row["n"] == len(select_messages(folder / "archive.db", folder / "search", WORD))
    failed = visitor.get(f"/archive.json?sql={quote(sql)}&q={quote('from:nobodyatall')}")
    assert failed.status_code == 400 and "nobody in this archive" in failed.text
    again = visitor.get(f"/archive.json?sql={quote('select local(5, 5)')}")
    assert again.status_code == 400 and "name of a zone" in again.text
    other = visitor.get(f"/archive.json?sql={quote('select missing from users')}")
    assert other.status_code == 400 and "no such column" in other.text


def test_a_new_message_is_found_after_the_index_has_it(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "archive")
    visitor = open_visitor(folder)
    address = "/archive/messages.json?_search=zeppelin&_shape=array"
    try:
        assert visitor.get(address).json() == []
        change(folder, "UPDATE messages SET body = 'A zeppelin' WHERE id = (SELECT min(id) FROM messages)")
        behind = visitor.get(address)
        assert behind.status_code == 400 and "not in the search index yet" in behind.text
    finally:
        visitor.close()


def test_a_full_text_table_of_the_readers_own_is_datasettes(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "archive")
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        sqlite_utils.Database(db)["users"].enable_fts(["name"])  # type: ignore[union-attr]
    visitor = open_visitor(folder)
    try:
        rows = visitor.get("/archive/users.json?_search=hana&_shape=array").json()
        assert [row["name"] for row in rows] == ["Hana Mensah"]
    finally:
        visitor.close()
