"""Cells of Datasette's tables: each renderer, where it applies and where it stands aside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from canvas_archive.web import render_cell
from canvas_archive.web.cells import RENDERERS
from tests.web_support import Visitor, make_archive, open_visitor


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    visitor = open_visitor(make_archive(tmp_path_factory.mktemp("cells") / "archive"))
    yield visitor
    visitor.close()


CASES: list[tuple[str | None, str, dict[str, Any], str | None]] = [
    ("conversations", "subject", {"id": 7, "subject": "<b>"}, '<a href="/mail/c/7">&lt;b&gt;</a>'),
    ("inbox", "subject", {"id": 7, "subject": ""}, '<a href="/mail/c/7">(no subject)</a>'),
    ("inbox", "subject", {"id": 7, "subject": None}, '<a href="/mail/c/7">(no subject)</a>'),
    (None, "subject", {"conversation_id": 8, "id": 7, "subject": "x"}, '<a href="/mail/c/8">x</a>'),
    (None, "subject", {"subject": "x"}, None),
    (None, "subject", {"id": "7", "subject": "x"}, None),
    ("messages", "subject", {"id": 7, "subject": "x"}, None),
    (None, "conversation_id", {"conversation_id": 7}, '<a href="/mail/c/7">7</a>'),
    ("pending_edits", "conversation_id", {"conversation_id": 7}, '<a href="/mail/c/7">7</a>'),
    ("messages", "conversation_id", {"conversation_id": 7}, None),
    (None, "conversation_id", {"conversation_id": "7"}, None),
    (
        None,
        "message_id",
        {"conversation_id": 7, "message_id": 9},
        '<a href="/mail/c/7?m=9#m9">9</a>',
    ),
    (None, "message_id", {"message_id": 9}, None),
    (None, "message_id", {"conversation_id": None, "message_id": 9}, None),
    (None, "message_id", {"conversation_id": 7, "message_id": "9"}, None),
    ("message_recipients", "message_id", {"conversation_id": 7, "message_id": 9}, None),
    (None, "person", {"person_id": 4, "person": "A & B"}, '<a href="/mail/people/4">A &amp; B</a>'),
    (None, "author", {"author_id": 4, "author": "A"}, '<a href="/mail/people/4">A</a>'),
    (None, "author", {"person_id": 4, "author": "A"}, None),
    ("users", "person", {"person_id": 4, "person": "A"}, None),
    ("messages", "body", {"body": "a <b>\nc"}, '<p dir="auto">a &lt;b&gt;\nc</p>'),
    ("messages", "body", {"body": "x" * 300}, '<p dir="auto">' + "x" * 300 + "</p>"),
    ("messages", "body", {"body": "x" * 301}, '<p dir="auto">' + "x" * 299 + "…</p>"),
    ("messages", "body", {"body": None}, None),
    ("attachments", "size", {"size": 3_700_000}, '<span title="3,700,000 bytes">3.7 MB</span>'),
    (None, "bytes", {"bytes": 12}, '<span title="12 bytes">12 B</span>'),
    ("attachments", "stored_size", {"stored_size": 0}, '<span title="0 bytes">0 B</span>'),
    ("attachments", "size", {"size": None}, None),
    ("inbox", "starred", {"starred": 1}, '<span title="starred">★</span>'),
    ("inbox", "starred", {"starred": 0}, '<span title="not starred">☆</span>'),
    ("inbox", "starred", {"starred": 2}, None),
    ("inbox", "starred", {"starred": None}, None),
    ("users", "name", {"id": 4, "name": "A"}, '<a href="/mail/people/4">A</a>'),
    ("users", "name", {"id": 4, "name": None}, '<a href="/mail/people/4"></a>'),
    ("users", "name", {"name": "A"}, None),
    ("contexts", "name", {"code": "course_1", "name": "A"}, '<a href="/mail/courses/course_1">A</a>'),
    ("contexts", "name", {"code": "course_1", "name": ""}, '<a href="/mail/courses/course_1">course_1</a>'),
    ("account", "name", {"id": 4, "code": "course_1", "name": "A"}, None),
    (
        "conversations",
        "context_code",
        {"context_code": "course_1"},
        '<a href="/mail/courses/course_1">course_1</a>',
    ),
    ("conversations", "context_code", {"context_code": None}, None),
    ("messages_full", "course", {"course": "group_3"}, '<a href="/mail/courses/group_3">group_3</a>'),
    (None, "course", {"course": "BIO 101"}, None),
    (
        "attachments",
        "display_name",
        {"id": 3, "state": "stored", "display_name": "a.txt"},
        '<a href="/mail/files/3">a.txt</a>',
    ),
    (
        "attachments",
        "display_name",
        {"id": 3, "state": "stored", "display_name": None},
        '<a href="/mail/files/3">file</a>',
    ),
    ("attachments", "display_name", {"id": 3, "state": "pending", "display_name": "a.txt"}, None),
    (None, "display_name", {"id": 3, "state": "stored", "display_name": "a.txt"}, None),
    ("conversations", "workflow_state", {"workflow_state": "read"}, None),
    (None, "body", {"body": b"bytes"}, None),
    ("messages", "context_code", {"context_code": {"value": "course_1", "label": "A"}}, None),
]


@pytest.mark.parametrize(("table", "column", "row", "expected"), CASES)
def test_a_cell(
    visitor: Visitor, table: str | None, column: str, row: dict[str, Any], expected: str | None
) -> None:
    cell = render_cell(row, row[column], column, table, "archive", visitor.datasette)
    assert (None if cell is None else str(cell)) == expected


@pytest.mark.parametrize("database", [None, "_internal", "other"])
def test_other_databases_are_left_alone(visitor: Visitor, database: str | None) -> None:
    assert render_cell({"starred": 1}, 1, "starred", None, database, visitor.datasette) is None


def test_each_renderer_has_a_case() -> None:
    assert {column for _, column, _, expected in CASES if expected is not None} == set(RENDERERS)
