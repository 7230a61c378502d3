"""Datasette's own pages of an archive: described, queried, linked to the mail."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasette.app import Datasette

from canvas_archive.store import descriptions
from canvas_archive.web import render, statements, tables
from tests.web_support import OWNER, Visitor, make_archive, open_visitor

pytestmark = pytest.mark.sampled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("tables") / "archive")


@pytest.fixture(scope="module")
def visitor(folder: Path) -> Iterator[Visitor]:
    visitor = open_visitor(folder)
    yield visitor
    visitor.close()


@pytest.fixture(scope="module")
def described(repository: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((repository / "metadata.yml").read_text(encoding="utf-8"))
    archive: dict[str, Any] = document["databases"]["archive"]
    return archive


def schema(folder: Path) -> dict[str, set[str]]:
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        names = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        ]
        return {name: {row[1] for row in db.execute(f"PRAGMA table_xinfo([{name}])")} for name in names}


@pytest.mark.thorough
def test_every_table_and_column_is_described_and_nothing_else(
    folder: Path, described: dict[str, Any]
) -> None:
    real = schema(folder)
    told = described["tables"]
    undescribed = [name for name in real if not told.get(name, {}).get("description")]
    assert undescribed == []
    for name, columns in real.items():
        if name.startswith("sqlite_"):
            continue
        assert set(told[name]["columns"]) == columns, name
    assert set(told) - set(real) <= {"sqlite_stat1", "sqlite_stat4", "sqlite_sequence"}


def test_what_the_metadata_names_exists(folder: Path, described: dict[str, Any]) -> None:
    real = schema(folder)
    for name, table in described["tables"].items():
        for key in ("label_column", "sort", "sort_desc"):
            assert table.get(key) is None or table[key] in real[name]
        for key in ("facets", "sortable_columns"):
            assert set(table.get(key, ())) <= real.get(name, set()), name


def test_technical_tables_are_out_of_the_way(visitor: Visitor) -> None:
    listed = visitor.get("/archive.json").json()["tables"]
    hidden = {table["name"] for table in listed if table["hidden"]}
    assert {"index_queue", "_sqlite_migrations"} <= hidden
    assert not hidden & {"conversations", "messages", "edits"}


@pytest.mark.thorough
def test_there_are_queries_enough_and_each_runs(visitor: Visitor, described: dict[str, Any]) -> None:
    queries = described["queries"]
    assert len(queries) >= 10
    for name, query in queries.items():
        assert query["title"]
        answer = visitor.get(f"/archive/{name}.json?_shape=objects&days=1")
        assert answer.status_code == 200, answer.text
        rows = answer.json()["rows"]
        if name not in ("what_changed", "same_file_twice", "edit_history"):
            assert rows, name
        assert visitor.get(f"/archive/{name}").status_code == 200


def test_the_queries_tell_the_truth(visitor: Visitor, folder: Path) -> None:
    def rows(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = visitor.get(f"/archive/{name}.json?_shape=array&days=0").json()
        return found

    with closing(sqlite3.connect(folder / "archive.db")) as db:
        (messages,) = db.execute(
            "SELECT count(*) FROM messages WHERE generated = 0 AND conversation_id IS NOT NULL"
        ).fetchone()
    assert sum(row["messages"] for row in rows("correspondents")) == messages
    assert sum(row["messages"] for row in rows("per_month")) == messages
    assert {row["conversation_id"] for row in rows("unanswered_by_them")} >= {800006, 800007}
    waiting = {row["conversation_id"] for row in rows("unanswered_by_me")}
    assert {800001, 800004} <= waiting and not waiting & {800006, 800007, 800008}
    assert {row["kind"] for row in rows("only_here")} == {"conversation", "message"}
    largest = rows("largest_attachments")
    assert largest[0]["bytes"] == 3_700_000 and largest[0]["display_name"] == "samples.csv"


def test_cells_lead_to_the_mail_pages(visitor: Visitor) -> None:
    for path, link in (
        ("/archive/conversations?id=800001", "/mail/c/800001"),
        ("/archive/inbox?id=800001", "/mail/c/800001"),
        ("/archive/unanswered_by_me?days=0", "/mail/c/800001"),
        ("/archive/users?id=4", "/mail/people/4"),
        ("/archive/contexts?code=course_106", "/mail/courses/course_106"),
        ("/archive/correspondents", "/mail/people/4"),
        ("/archive/attachments?id=9001", "/mail/files/9001"),
        ("/archive/edits", ""),
    ):
        answer = visitor.get(path)
        assert answer.status_code == 200
        assert f'href="{link}' in answer.text
    assert visitor.get("/archive/messages?conversation_id=800002").text.count("<script>alert") == 0


def test_tables_can_be_sorted_and_faceted(visitor: Visitor) -> None:
    text = visitor.get("/archive/conversations").text
    for facet in ("workflow_state", "context_code", "starred"):
        assert f'id="facet-{facet}"' in text or f'data-column="{facet}"' in text
    assert visitor.get("/archive/conversations?_sort=message_count").status_code == 200
    assert "/mail/static/tables.css?v=" in text
    assert "Open the subject" not in text and "The subject opens it as mail" in text
    assert "Read as mail" in text


def test_labels_stand_for_ids(visitor: Visitor) -> None:
    text = visitor.get("/archive/messages?conversation_id=800001").text
    assert "Astrid Chen" in text and "Midterm review session" in text


@pytest.mark.thorough
def test_a_database_of_another_name_is_described_too(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "a")
    (folder / "archive.db").rename(folder / "my mail 2026.db")
    visitor = Visitor(Datasette([str(folder / "my mail 2026.db")]))
    try:
        text = visitor.get("/my+mail+2026/conversations").text
        assert "The subject opens it as mail" in text
        assert visitor.get("/my+mail+2026/correspondents.json").status_code == 200
        assert "/my+mail+2026/conversations/800001" in visitor.get("/mail/c/800001").text
    finally:
        visitor.close()


@pytest.mark.thorough
def test_plain_datasette_with_our_metadata_and_templates(folder: Path, repository: Path) -> None:
    metadata = yaml.safe_load((repository / "metadata.yml").read_text(encoding="utf-8"))
    visitor = Visitor(
        Datasette([str(folder / "archive.db")], metadata=metadata, template_dir=str(repository / "templates"))
    )
    try:
        assert visitor.get("/mail").status_code == 200
        assert visitor.get("/mail/c/800001").status_code == 200
        assert visitor.get("/archive").status_code == 200
        assert "The subject opens it as mail" in visitor.get("/archive/conversations").text
        assert visitor.get("/archive/correspondents.json").status_code == 200
    finally:
        visitor.close()


def test_what_others_merge_into_the_metadata_does_not_stay(visitor: Visitor) -> None:
    first = tables.get_metadata(visitor.datasette, None, None)
    first["databases"]["archive"]["tables"].clear()
    first["databases"]["archive"]["queries"]["extra"] = {"sql": "select 1"}
    again = tables.get_metadata(visitor.datasette, None, None)
    assert again["databases"]["archive"]["tables"]
    assert "extra" not in again["databases"]["archive"]["queries"]
    assert tables.get_metadata(visitor.datasette, "allow", None) == {}


def test_the_row_of_a_conversation_is_one_click_away(visitor: Visitor) -> None:
    row = re.search(r'href="(/archive/conversations/800001)"', visitor.get("/mail/c/800001").text)
    assert row is not None
    assert visitor.get(row[1]).status_code == 200
    table = re.search(r'href="(/archive/messages\?[^"]*)"', visitor.get("/mail/c/800001").text)
    assert table is not None
    assert visitor.get(table[1].replace("&amp;", "&")).status_code == 200


@pytest.mark.parametrize("view", ["inbox", "sent", "threads", "pending_edits"])
@pytest.mark.parametrize("filter", ["", "&subject__contains=room", "&id__gt=700030&_sort_desc=id"])
def test_a_view_is_counted_without_making_its_rows(
    visitor: Visitor, folder: Path, view: str, filter: str
) -> None:
    plain = f"select count(*) from {view} "
    cheap = statements.by_index(plain)
    assert cheap != plain
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        (expected,) = db.execute(plain).fetchone()
        assert db.execute(cheap).fetchone() == (expected,)
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {cheap}")]
    assert not any("SUBQUERY" in step and "CORRELATED" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan
    document = visitor.get(f"/archive/{view}.json?_shape=objects&_size=max{filter}").json()
    assert document["filtered_table_rows_count"] == len(document["rows"])
    if not filter:
        assert len(document["rows"]) == expected


def test_other_statements_are_left_alone() -> None:
    for sql in (
        "select count(*) from conversations ",
        "select count(*) from [inbox]",
        "select * from inbox",
        "select count(*) from inboxes",
        "select count(*), 1 from inbox",
        "select * from attachments where (created_at < :p1 or created_at is null or (created_at = :p1 and"
        " ((id > :p0)))) order by created_at desc, id limit 51",
    ):
        assert statements.by_index(sql) == sql


@pytest.mark.parametrize("table", ["conversations", "messages", "attachments"])
def test_the_pages_of_a_table_hold_every_row_once_newest_first(
    visitor: Visitor, folder: Path, table: str
) -> None:
    at = "latest_at" if table == "conversations" else "created_at"
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        expected = db.execute(f"SELECT id FROM {table} ORDER BY {at} DESC, id").fetchall()
    found: list[int] = []
    path: str | None = f"/archive/{table}.json?_shape=objects&_size=7"
    while path:
        document = visitor.get(path).json()
        found += [row["id"] for row in document["rows"]]
        following = document["next_url"]
        path = following and "/" + following.partition("//")[2].partition("/")[2]
    assert found == [row[0] for row in expected]


@pytest.mark.parametrize(
    "asked", ["", "&_sort=last_authored_message_at", "&_sort_desc=removed_at", "&id__gt=5"]
)
def test_facets_count_all_rows_on_every_page(visitor: Visitor, folder: Path, asked: str) -> None:
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        expected = dict(
            db.execute("SELECT workflow_state, count(*) FROM conversations GROUP BY 1 ORDER BY 2 DESC")
        )
    path: str | None = f"/archive/conversations.json?_size=20{asked}"
    pages = 0
    while path:
        document = visitor.get(path).json()
        told = document["facet_results"]["workflow_state"]["results"]
        assert {one["value"]: one["count"] for one in told} == expected
        pages += 1
        following = document["next_url"]
        path = following and "/" + following.partition("//")[2].partition("/")[2]
    assert pages > 3


def test_a_facet_of_a_later_page_comes_from_a_covering_index(folder: Path) -> None:
    facet = (
        "\n                select workflow_state as value, count(*) as count from (\n                    "
        "select id, subject, workflow_state, latest_at from conversations "
        "where (latest_at < :p1 or latest_at is null or (latest_at = :p1 and ((id > :p0)))) \n"
        "                )\n                where workflow_state is not null\n"
        "                group by workflow_state order by count desc, value limit 9\n            "
    )
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        plan = db.execute(f"EXPLAIN QUERY PLAN {statements.by_index(facet)}").fetchall()
    assert any("USING COVERING INDEX conversations_state" in step[3] for step in plan), plan


def test_beside_other_databases_the_title_is_theirs(folder: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE thesis (text)")
    visitor = Visitor(Datasette([str(folder / "archive.db"), str(tmp_path / "other.db")]))
    try:
        told = tables.get_metadata(visitor.datasette, None, None)
        assert "title" not in told and "description" not in told and "archive" in told["databases"]
        assert "<h1>Canvas archive" not in visitor.get("/").text
    finally:
        visitor.close()


@pytest.mark.parametrize(
    ("module", "name", "find"),
    [
        (descriptions, "_PACKAGE", descriptions.metadata_path),
        (render, "HERE", render.folder_of_templates),
    ],
)
def test_an_installation_that_lacks_files_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, find: Any
) -> None:
    monkeypatch.setattr(module, name, tmp_path / "a" / "b")
    with pytest.raises(FileNotFoundError, match="missing from this installation"):
        find()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(see https://e.org/a_(b))", '(see <a href="https://e.org/a_(b)" rel="noopener noreferrer nofollow"'
         ' target="_blank">https://e.org/a_(b)</a>)'),
        ("it begins with https://...", "it begins with https://..."),
        ("5 < 6 & more", "5 &lt; 6 &amp; more"),
    ],
)  # fmt: skip
def test_links_end_where_their_sentence_goes_on(text: str, shown: str) -> None:
    assert render.linkify(text) == shown


def test_response_times_are_those_of_the_turns(
    visitor: Visitor, folder: Path, described: dict[str, Any]
) -> None:
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        turns = db.execute(
            "SELECT conversation_id, author_id, julianday(created_at) * 24 FROM messages"
            " WHERE generated = 0 AND conversation_id IS NOT NULL ORDER BY 1, created_at, id"
        ).fetchall()
        plans = {
            name: [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {described['queries'][name]['sql']}")]
            for name in ("my_response_times", "their_response_times")
        }
    mine: dict[int, list[float]] = {}
    theirs: dict[int, list[float]] = {}
    for (conversation, author, at), (following, answerer, later) in itertools.pairwise(turns):
        if conversation == following and author != OWNER and answerer == OWNER:
            mine.setdefault(author, []).append(later - at)
        elif conversation == following and author == OWNER and answerer != OWNER:
            theirs.setdefault(answerer, []).append(later - at)
    for name, hours in (("my_response_times", mine), ("their_response_times", theirs)):
        rows = visitor.get(f"/archive/{name}.json?_shape=array").json()
        assert {row["person_id"]: row["answers"] for row in rows} == {
            who: len(all_) for who, all_ in hours.items()
        }
        for row in rows:
            one = hours[row["person_id"]]
            told = (row["quickest"], row["hours_on_average"], row["slowest"])
            assert told == pytest.approx((min(one), sum(one) / len(one), max(one)), abs=0.06)
        # Joined to people before they are counted, the turns of a large mailbox take minutes.
        assert not any("turns USING AUTOMATIC" in step for step in plans[name]), plans[name]
