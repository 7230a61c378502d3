"""Hostile parameters, numbers, cookies and SQL: the server refuses, and never breaks."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.crawl_support import HOST, PORT, BoundServer, opened
from tests.hostile_texts import ALL
from tests.test_trust_web_content import assert_web_markup
from tests.trust_support import TALLY
from tests.web_support import make_archive

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoundServer]:
    made = opened(make_archive(tmp_path_factory.mktemp("web") / "archive"))
    yield made
    made.visitor.close()


# -- parameters ---------------------------------------------------------------------------------------------

NUMBERS = (
    "0",
    "-1",
    "00",
    "9" * 18,
    "9" * 19,
    "9" * 400,
    "1e9",
    "0x10",
    "1.5",
    "NaN",
    "٣",
    "²",
    "%00",
    "1%00",
    "a",
    "",
    "1;drop",
)
VALUES = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(ALL),
    st.text(max_size=40),
    st.sampled_from(
        [
            "2026",
            "2026-13-45",
            "99999-01",
            "0000-00",
            "7d",
            "~",
            "2026-01-01T00:00:00Z~1",
            "x~y~z",
            "~~~~",
            "course_106",
        ]
    ),
)
_NAMES = """
q page sort before after from name when m in all done author_id person course year has threads token
_next _size _sort _search _where _facet _shape _nocount _col _json sql p0 _timelimit
_through _labels _trace _nl
"""
NAMES = st.sampled_from(_NAMES.split())
PAGES = st.sampled_from(
    [
        "/mail",
        "/mail/unread",
        "/mail/search",
        "/mail/people",
        "/mail/people/4",
        "/mail/courses",
        "/mail/courses/course_106",
        "/mail/timeline",
        "/mail/edits",
        "/mail/status",
        "/mail/c/800001",
        "/mail/c/800001.txt",
        "/mail/c/800001.json",
        "/archive",
        "/archive.json",
        "/archive/messages",
        "/archive/messages.json",
        "/archive/inbox.json",
        "/archive/users.csv",
    ]
)


def fuzz_parameters(served: BoundServer, path: str, pairs: list[tuple[str, str]]) -> None:
    """Ask for a page with these parameters: any refusal will do, a failure or foreign markup will not."""
    encoded = urlencode([(name, value.encode("utf-8", "replace")) for name, value in pairs])
    answer = served.ask("GET", f"{path}?{encoded}")
    TALLY["fuzz inputs: parameters of pages"] += 1
    if path.startswith("/mail") and answer.headers.get("content-type", "").startswith("text/html"):
        assert_web_markup(answer.text)


FUZZ: Any = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.thorough
@settings(max_examples=100, **FUZZ)
@given(path=PAGES, pairs=st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=6))
def test_no_parameter_breaks_a_page(served: BoundServer, path: str, pairs: list[tuple[str, str]]) -> None:
    fuzz_parameters(served, path, pairs)


@pytest.mark.thorough
def test_what_datasette_forgets_when_a_facet_fails_disturbs_no_other_test(served: BoundServer) -> None:
    """It then leaves the other facets of the page unawaited, which Python warns of whenever it notices."""
    answer = served.ask("GET", "/archive/messages?_facet=nope&_facet_date=created_at&_facet_array=body")
    assert answer.status_code == 400
    gc.collect()


@pytest.mark.torture
@settings(max_examples=5000, **FUZZ)
@given(path=PAGES, pairs=st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=6))
def test_no_parameter_breaks_a_page_at_length(
    served: BoundServer, path: str, pairs: list[tuple[str, str]]
) -> None:
    fuzz_parameters(served, path, pairs)


@pytest.mark.thorough
@pytest.mark.parametrize("number", NUMBERS)
def test_no_number_breaks_a_page(served: BoundServer, number: str) -> None:
    for pattern in (
        "/mail/c/{}",
        "/mail/c/{}.txt",
        "/mail/c/{}.eml",
        "/mail/people/{}",
        "/mail/files/{}",
        "/mail/media/{}/m-abc",
        "/mail/courses/{}",
        "/mail/courses/course_{}",
        "/mail/c/800001?m={}",
        "/mail/search?q=room&page={}",
        "/mail/search?author_id={}",
        "/archive/messages/{}",
        "/archive/messages?_next={}",
        "/archive/messages?_size={}",
    ):
        path = pattern.format(number if number.startswith("%") or "%" in number else quote(number))
        answer = served.ask("GET", path)
        TALLY["fuzz inputs: numbers in addresses"] += 1
        assert answer.status_code in (200, 302, 400, 404, 413), (path, answer.status_code)


@pytest.mark.thorough
def test_no_cookie_breaks_a_page(served: BoundServer) -> None:
    for value in (
        "Europe/Berlin",
        "../../etc/passwd",
        "/etc/localtime",
        "UTC\x7f",
        "x" * 4000,
        '"',
        "posix/../../etc",
        "CON",
    ):
        for name in (
            "canvas_archive_zone",
            f"canvas_archive_{PORT}",
            "ds_actor",
            "ds_messages",
            "ds_csrftoken",
        ):
            answer = served.ask("GET", "/mail", headers={"host": HOST, "cookie": f"{name}={value}"})
            assert answer.status_code == 403  # not signed in, whatever it is
            session = served.cookies[f"canvas_archive_{PORT}"]
            both = f"canvas_archive_{PORT}={session}; {name}={value}"
            if name != f"canvas_archive_{PORT}":
                assert served.ask("GET", "/mail", headers={"host": HOST, "cookie": both}).status_code == 200


# -- SQL ----------------------------------------------------------------------------------------------------

STATEMENTS = (
    "DELETE FROM messages",
    "UPDATE conversations SET starred = 1",
    "INSERT INTO users VALUES (1)",
    "DROP TABLE messages",
    "CREATE TABLE x (y)",
    "ATTACH DATABASE 'evil.db' AS evil",
    "ATTACH DATABASE 'file:/etc/passwd?mode=ro' AS evil",
    "VACUUM INTO 'evil.db'",
    "PRAGMA writable_schema = ON",
    "PRAGMA query_only = OFF",
    "PRAGMA journal_mode = DELETE",
    "SELECT load_extension('evil')",
    "SELECT writefile('evil', 'x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT edit('x')",
    "SELECT fts3_tokenizer('x', x'00')",
    "SELECT 1; DELETE FROM messages",
    "WITH x AS (SELECT 1) DELETE FROM messages",
    "EXPLAIN DELETE FROM messages",
    "/* */ DELETE FROM messages",
    "-- x\nDELETE FROM messages",
    "REPLACE INTO users (id) VALUES (1)",
    "REINDEX",
    "ANALYZE",
    "DETACH DATABASE main",
    "BEGIN",
    "SAVEPOINT x",
    "SELECT * FROM pragma_function_list",
    "SELECT zeroblob(2000000000)",
    "SELECT randomblob(1000000000)",
    "SELECT replace(hex(zeroblob(100000)), '0', hex(zeroblob(100000)))",
    "SELECT x'",
    "SELECT \x00",
    "SELECT '" + "a" * 5000 + "'",
)
HEAVY = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "SELECT count(*) FROM messages a, messages b, messages c, messages d",
    "SELECT max(length(a.body || b.body)) FROM messages a, messages b, messages c ORDER BY random()",
)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_sql_from_a_page_reads_and_no_more(
    served: BoundServer, statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(served.visitor.datasette, "sql_time_limit_ms", 200)
    before = served.state()
    for path in ("/archive.json", "/archive.csv", "/archive"):
        for who in ("owner", "anybody"):
            answer = served.ask("GET", f"{path}?{urlencode({'sql': statement})}", who=who)
            TALLY["hostile inputs: SQL from a page"] += 1
            if who == "anybody":
                assert answer.status_code == (400 if "\0" in statement else 403)
            if not statement.startswith(("SELECT", "EXPLAIN")) and path == "/archive.json":
                assert answer.status_code in (400, 403), statement
    where = served.ask("GET", f"/archive/messages.json?{urlencode({'_where': statement})}")
    assert where.status_code in (200, 400, 403)
    assert served.state() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("statement", HEAVY)
def test_a_query_without_end_is_stopped(
    served: BoundServer, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasette = served.visitor.datasette
    assert datasette.sql_time_limit_ms == datasette.setting("sql_time_limit_ms") <= 3000
    monkeypatch.setattr(datasette, "sql_time_limit_ms", 100)
    for more in ({}, {"_timelimit": "100000000"}, {"_timelimit": "-1"}):
        answer = served.ask("GET", f"/archive.json?{urlencode({'sql': statement, **more})}")
        assert answer.status_code == 400
        TALLY["hostile inputs: SQL from a page"] += 1


def test_the_database_file_cannot_be_fetched(served: BoundServer) -> None:
    for path in (
        "/archive.db",
        "/archive.db?_dl=1",
        "/archive/archive.db",
        "/mail/files/..%2farchive.db",
        "/-/static/..%2f..%2farchive.db",
        "/-/static-plugins/canvas_archive/..%2f..%2fx",
        "/mail/static/..%2f..%2fguard.py",
        "/mail/c/../../archive.db",
    ):
        answer = served.ask("GET", path)
        assert answer.status_code in (400, 403, 404), path
        assert not answer.content.startswith(b"SQLite format 3")


def test_a_refusal_prints_nothing_of_the_request(
    served: BoundServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Datasette, where rich is installed, would print all its variables: the session's cookie among them."""
    session = served.cookies[f"canvas_archive_{PORT}"]
    for path in ("/nope", "/archive/nope", "/archive.json?sql=DELETE+FROM+messages", "/mail/nope"):
        assert served.ask("GET", path).status_code in (400, 404)
    told = capsys.readouterr()
    assert session not in told.out + told.err
    assert "locals" not in told.out + told.err and "Traceback" not in told.out + told.err
