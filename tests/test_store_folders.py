"""A folder holds the same conversations wherever it is named: commands, pages, views, exports, the search."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from canvas_archive.cli import values
from canvas_archive.export.records import _FOLDERS
from canvas_archive.search.query.resolve import state_sets
from canvas_archive.store.folders import ANYWHERE, FOLDERS, is_in
from canvas_archive.store.reading import list_conversations
from canvas_archive.web import queries
from canvas_archive.web.rows import source_of_folder
from tests.store_support import fresh_database

AT = "2026-03-09T12:00:00Z"


@dataclass(frozen=True)
class Row:
    """A conversation, as far as folders go."""

    workflow_state: str
    starred: bool
    last_message_at: str | None
    last_authored_message_at: str | None
    removed_at: str | None


ROWS = {
    number: Row(*values)
    for number, values in enumerate(
        itertools.product(("read", "unread", "archived"), (False, True), (None, AT), (None, AT), (None, AT)),
        1,
    )
}


@pytest.fixture(scope="module")
def db() -> Iterator[sqlite3.Connection]:
    """An archive in memory with a conversation of every kind."""
    with closing(fresh_database()) as opened:
        opened.executemany(
            "INSERT INTO conversations (id, private, starred, workflow_state, last_message_at,"
            " last_authored_message_at, removed_at, message_count, first_seen_at, remote_starred,"
            " remote_workflow_state) VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, 0, '', ?2, ?3)",
            [
                (
                    number,
                    row.starred,
                    row.workflow_state,
                    row.last_message_at,
                    row.last_authored_message_at,
                    row.removed_at,
                )
                for number, row in ROWS.items()
            ],
        )
        yield opened


def ids(db: sqlite3.Connection, query: str) -> set[int]:
    return {row[0] for row in db.execute(query)}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_the_same_everywhere(db: sqlite3.Connection, name: str) -> None:
    held = {number for number, row in ROWS.items() if is_in(row, name)}
    assert held
    assert ids(db, f"SELECT id FROM conversations WHERE {FOLDERS[name].condition()}") == held
    assert ids(db, f"SELECT c.id FROM conversations c WHERE {FOLDERS[name].condition('c')}") == held
    assert ids(db, f"SELECT id FROM conversations WHERE {FOLDERS[name].members()}") == held
    assert ids(db, f"SELECT c.id FROM conversations c WHERE {source_of_folder(name).where}") == held
    assert {line.id for line in list_conversations(db, name, 100).lines} == held
    assert db.execute(f"SELECT {FOLDERS[name].count()}").fetchone()[0] == len(held)
    assert db.execute(queries.COUNTS).fetchone()[name] == len(held)


@pytest.mark.parametrize("view", ["inbox", "sent"])
def test_the_views_say_the_same(db: sqlite3.Connection, view: str) -> None:
    """Their text is part of the schema's digest, so it cannot be made of the folder's."""
    assert ids(db, f"SELECT id FROM {view}") == {n for n, row in ROWS.items() if is_in(row, view)}
    text = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (view,)).fetchone()[0]
    where = re.search(r"WHERE (.*)\n", text)
    assert where and where[1] == FOLDERS[view].condition().replace("+", "")
    assert f"ORDER BY {FOLDERS[view].order} DESC" in text


def test_the_index_of_the_inbox_is_of_the_inbox(db: sqlite3.Connection) -> None:
    text = db.execute("SELECT sql FROM sqlite_master WHERE name = 'conversations_inbox'").fetchone()[0]
    assert text.endswith(f"WHERE {FOLDERS['inbox'].condition()}")


@pytest.mark.parametrize("name", ["inbox", "sent", "removed"])
def test_the_search_says_the_same(db: sqlite3.Connection, name: str) -> None:
    assert state_sets(db, name).conversations == {n for n, row in ROWS.items() if is_in(row, name)}


def test_every_list_of_names_is_the_same() -> None:
    assert set(_FOLDERS) == set(FOLDERS) == set(queries.EMPTY)
    assert [item.value for item in values.FOLDER.shell_complete(None, None, "")] == [*FOLDERS, ANYWHERE]  # type: ignore[arg-type]
