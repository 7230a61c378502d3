"""What Datasette's own pages of an archive refuse: addresses that make no sense, and only those."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from datasette import hookimpl
from datasette.plugins import pm

from canvas_archive.web import limits, statements
from tests.web_support import Visitor, make_archive, open_visitor


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    visitor = open_visitor(make_archive(tmp_path_factory.mktemp("limits") / "archive"))
    yield visitor
    visitor.close()


@pytest.mark.thorough
@pytest.mark.parametrize(
    "address",
    [
        "/archive/messages?_timelimit=x",
        "/archive/messages.json?_timelimit=1.5",
        "/archive/users.csv?_timelimit=%2F",
        "/archive/unanswered_by_me?_timelimit=x",
        "/archive/messages?_ttl=%C2%B2",
        "/archive/inbox?_next=x",
        f"/archive/inbox?_next={'9' * 400}",
        "/archive/messages?id__gt=%C2%B2",
        "/archive/messages?id__gt=9999999999999999999",
        "/archive/messages?_where=1;drop",
        "/archive/messages?_facet_size=%C2%B2",
        "/archive/messages?_facet_array=%7B%22a%22:1%7D",
        "/archive/messages.json?_json_infinity=x",
        "/archive/conversations?_through=x",
        "/archive/conversations?_through=[]",
        "/archive/conversations?_through={}",
        "/archive/messages?_nocol=created_at",
    ],
)
# Datasette gathers suggested facets beside the facets asked for, and forgets those when these fail.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine .*execute_suggested_facets:RuntimeWarning")
def test_a_value_that_makes_no_sense_is_a_bad_address(visitor: Visitor, address: str) -> None:
    answer = visitor.get(address)
    assert answer.status_code == 400, answer.text[:200]
    assert limits.UNREADABLE in answer.text


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("/archive/messages.json?_sort=nope", "Cannot sort table by nope."),
        (
            '/archive/conversations.json?_through={"table":"users","column":"x","value":"y"}',
            "Invalid _through - could not find corresponding foreign key.",
        ),
    ],
)
def test_what_datasette_says_of_a_value_is_passed_on(visitor: Visitor, address: str, sentence: str) -> None:
    answer = visitor.get(address)
    assert answer.status_code == 400
    assert answer.json() == {"ok": False, "error": sentence, "status": 400, "title": None}


@pytest.mark.thorough
def test_a_query_over_its_time_is_no_failure_of_the_server(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    monkeypatch.setitem(visitor.datasette._settings, "sql_time_limit_ms", 20)
    answer = visitor.get("/archive.csv", params={"sql": endless})
    assert answer.status_code == 400 and answer.text == f"{limits.TOO_SLOW}\n"


class Broken:
    """A plugin with a defect."""

    @hookimpl(tryfirst=True)
    def render_cell(self, column: str) -> Any:
        if column == "body":
            raise ValueError("a defect of a plugin")


def test_a_defect_of_a_plugin_is_a_failure(visitor: Visitor, capsys: pytest.CaptureFixture[str]) -> None:
    pm.register(Broken(), "broken")
    try:
        answer = visitor.get("/archive/messages?_size=5")
    finally:
        pm.unregister(name="broken")
    assert answer.status_code == 500
    assert "a defect of a plugin" in capsys.readouterr().err  # for whoever has to mend it


@pytest.mark.parametrize("error", [ValueError, KeyError, OverflowError, sqlite3.ProgrammingError])
def test_a_defect_of_ours_is_a_failure(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def broken(sql: str) -> str:
        raise error("a defect of ours")

    monkeypatch.setattr(statements, "by_index", broken)
    assert visitor.get("/archive/messages?_size=5").status_code == 500


def test_an_address_without_parameters_is_never_to_blame(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "by_index", lambda sql: "select nope from messages")
    assert visitor.get("/archive/messages").status_code == 500


def test_an_error_that_nobody_raised_comes_from_nowhere() -> None:
    assert limits.raised_in(ValueError()) == ""
    assert limits.unreadable(ValueError()) is None
