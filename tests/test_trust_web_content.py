"""Hostile texts on every page of the server, and hostile files in its downloads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.crawl_support import BoundServer, opened
from tests.hostile_support import (
    FIRST_COURSE,
    FIRST_PERSON,
    FIRST_THREAD,
    SOME_AND_ALL,
    Hostile,
    hostile_archive,
)
from tests.hostile_texts import ALL, MARKUP, OUTSIDE, OWNED, TEMPLATES
from tests.markup_support import SITE_TAGS, assert_own_markup
from tests.web_support import Running, Watched

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]

_TAGS = SITE_TAGS | frozenset(
    [
        "abbr",
        "aside",
        "b",
        "br",
        "caption",
        "circle",
        "code",
        "data",
        "datalist",
        "dd",
        "defs",
        "desc",
        "details",
        "dialog",
        "dl",
        "dt",
        "em",
        "fieldset",
        "figcaption",
        "figure",
        "g",
        "h3",
        "h4",
        "hr",
        "i",
        "kbd",
        "label",
        "legend",
        "line",
        "mark",
        "meter",
        "ol",
        "option",
        "output",
        "path",
        "polyline",
        "pre",
        "progress",
        "q",
        "rect",
        "search",
        "section",
        "select",
        "summary",
        "svg",
        "symbol",
        "table",
        "tbody",
        "td",
        "template",
        "text",
        "textarea",
        "th",
        "thead",
        "tr",
        "tspan",
        "use",
    ]
)


def assert_web_markup(page: str) -> None:
    """Only elements of ours, no handlers, no inline script, links of people only to http(s) and mail."""
    assert_own_markup(page, _TAGS)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    with hostile_archive(tmp_path_factory.mktemp("hostile") / "archive") as made:
        yield made


@pytest.fixture(scope="module")
def shown(hostile: Hostile) -> Iterator[BoundServer]:
    made = opened(hostile.folder)
    yield made
    made.visitor.close()


def test_hostile_texts_are_letters_in_a_conversation(shown: BoundServer) -> None:
    """As the name of a person, of a course and of a file, as a subject and as a message, all on one page."""
    for number, text in enumerate(ALL):
        answer = shown.ask("GET", f"/mail/c/{FIRST_THREAD + number}")
        assert answer.status_code == 200
        assert_web_markup(answer.text)
        if text in TEMPLATES:
            assert text in unescape(answer.text)


@pytest.mark.parametrize("numbers", SOME_AND_ALL)
def test_hostile_texts_are_letters_on_every_page(shown: BoundServer, numbers: range) -> None:
    for number in numbers:
        for path in (
            f"/mail/people/{FIRST_PERSON + number}",
            f"/mail/courses/course_{FIRST_COURSE + number}",
        ):
            answer = shown.ask("GET", path)
            assert answer.status_code == 200
            assert_web_markup(answer.text)
        found = shown.ask("GET", f"/mail/search?{urlencode({'q': ALL[number]})}")
        assert_web_markup(found.text)
    for path in (
        "/mail",
        "/mail/people",
        "/mail/courses",
        "/mail/timeline",
        "/mail/edits",
        "/mail/status",
        "/mail/search?q=before",
    ):
        answer = shown.ask("GET", path)
        assert_web_markup(answer.text)


@pytest.mark.parametrize("numbers", SOME_AND_ALL)
def test_hostile_files_are_downloads_and_nothing_else(shown: BoundServer, numbers: range) -> None:
    fetched = 0
    with closing(sqlite3.connect(shown.folder / "archive.db")) as db:
        rows = db.execute("SELECT id, display_name, state FROM attachments").fetchall()
    for number, name, state in rows:
        answer = shown.ask("GET", f"/mail/files/{number}/{quote(name, safe='')}")
        if state != "stored" or "/" in name or name in (".", ".."):
            answer = shown.ask("GET", f"/mail/files/{number}")
        if state == "stored":
            assert answer.status_code == 200, name
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["content-disposition"].startswith('attachment; filename="')
            assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
            assert answer.content.startswith(b"bytes of file")
            fetched += 1
    assert fetched > len(ALL) - 3
    for number in numbers:
        for kind, wanted in (("txt", "text/plain"), ("json", "application/json"), ("eml", "message/rfc822")):
            saved = shown.ask("GET", f"/mail/c/{FIRST_THREAD + number}.{kind}")
            assert saved.headers["content-type"].startswith(wanted)
            assert saved.headers["content-disposition"].startswith("attachment")
            assert "bcc" not in saved.headers


@pytest.mark.browser
@pytest.mark.parametrize(
    "texts", [pytest.param(MARKUP[::4], id="some"), pytest.param(MARKUP, id="all", marks=pytest.mark.torture)]
)
def test_a_browser_runs_nothing_of_theirs(hostile: Hostile, chromium: Any, texts: tuple[str, ...]) -> None:
    """On the mail pages and on Datasette's own, which allow inline script. Lists show every text at once."""
    running = Running(hostile.folder, login=False)
    try:
        with closing(chromium.new_context()) as context:
            page = context.new_page()
            watched = Watched(page, running.base)
            paths = [
                "/mail?before=",
                "/mail/people",
                "/mail/courses",
                "/mail/status",
                "/mail/search?q=onerror",
                f"/mail/search?{urlencode({'q': MARKUP[1]})}",
                "/archive/messages?_size=200",
                "/archive/users?_size=200",
                "/archive/conversations?_size=200",
                "/archive/inbox?_size=200",
                "/archive/attachments?_size=200",
                "/archive/messages?_facet=body",
                f"/archive?{urlencode({'sql': f'select {chr(39)}{MARKUP[0]}{chr(39)} as x'})}",
                f"/archive/messages?{urlencode({'body__contains': MARKUP[6]})}",
            ]
            for text in texts:
                number = ALL.index(text)
                paths += [
                    f"/mail/c/{FIRST_THREAD + number}",
                    f"/archive/conversations/{FIRST_THREAD + number}",
                ]
            for path in paths:
                watched.go(path)
                assert page.evaluate(f"window.{OWNED}") is None, path
        serious = [
            one for one in watched.complaints if one.startswith(("outside:", "dialog:")) or OUTSIDE in one
        ]
        assert serious == []
        assert not any("Content Security Policy" in one for one in watched.complaints), watched.complaints
    finally:
        running.stop()
