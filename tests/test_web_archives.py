"""Several archives in one Datasette: each is read, searched and changed at its own address."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest
from datasette.app import Datasette

from canvas_archive.web.login import AccessPolicy, access_policy
from tests.web_support import Visitor, change, make_archive

pytestmark = pytest.mark.thorough

SECOND = "/mail/archive/other+mail"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two archives; the same conversation has another subject in the second one."""
    first = make_archive(tmp_path / "first")
    second = tmp_path / "second"
    shutil.copytree(first, second)
    change(second, "UPDATE conversations SET subject = 'Told at the other school' WHERE id = 800001")
    change(second, "UPDATE users SET name = 'Ada Other' WHERE id = 1")
    (second / "archive.db").rename(second / "other mail.db")
    return first, second


def both(folders: tuple[Path, Path], **metadata: object) -> Visitor:
    first, second = folders
    datasette = Datasette([str(first / "archive.db"), str(second / "other mail.db")], metadata=metadata)
    access_policy.install(datasette, AccessPolicy(open_to_all=True))
    return Visitor(datasette)


@pytest.fixture
def visitor(folders: tuple[Path, Path]) -> Iterator[Visitor]:
    visitor = both(folders)
    yield visitor
    visitor.close()


def links(text: str) -> set[str]:
    return {unescape(found) for found in re.findall(r'(?:href|action|data-base)="(/[^"#]*)', text)}


@pytest.mark.sampled
def test_the_mail_begins_with_a_choice(visitor: Visitor) -> None:
    text = visitor.get("/mail").text
    assert "2 mailboxes" in text and "Ada Other" in text and "Jules Marchetti" in text
    assert links(text) >= {"/mail/archive/archive", SECOND}
    assert "Inbox" in visitor.get("/mail/archive/archive").text
    assert "Told at the other school" in visitor.get(SECOND).text


def test_every_page_of_an_archive_leads_to_pages_of_the_same(visitor: Visitor) -> None:
    seen: set[str] = set()
    waiting = [SECOND, f"{SECOND}/c/800001"]
    kinds: set[str] = set()
    while waiting:
        path = waiting.pop()
        kind = re.sub(r"\d+|course_\w+|\?.*", "", path)
        if path in seen or kind in kinds:
            continue
        seen.add(path)
        kinds.add(kind)
        answer = visitor.get(path)
        if "html" not in answer.headers.get("content-type", "") or "/files/" in path:
            continue
        assert answer.status_code in (200, 405), path
        for link in links(answer.text):
            if link.startswith("/mail") and not link.startswith("/mail/static/") and link != "/mail":
                assert link.startswith(SECOND), (path, link)
                waiting.append(link)
    assert len(kinds) > 12
    assert {f"{SECOND}/c/", f"{SECOND}/people/", f"{SECOND}/courses/", f"{SECOND}/files/"} <= kinds


def test_addresses_without_a_name_are_the_first_archive_s(visitor: Visitor) -> None:
    text = visitor.get("/mail/c/800001").text
    assert "Midterm review session" in text
    assert '<a class="up" href="/mail/archive/archive?row=800001#here">' in text
    assert visitor.get("/mail/sent").status_code == 200


@pytest.mark.sampled
def test_a_change_is_made_in_the_archive_it_was_asked_of(
    visitor: Visitor, folders: tuple[Path, Path]
) -> None:
    first, second = folders
    token = re.search(r'data-token="([0-9a-f]{64})"', visitor.get(SECOND).text)
    assert token is not None
    answer = visitor.post(
        f"{SECOND}/edit", {"do": "star:800001", "next": "/mail/starred?before=x"}, token=token[1]
    )
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{SECOND}/starred?before=x&done=")
    for path, starred in ((second / "other mail.db", 1), (first / "archive.db", 0)):
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT starred FROM conversations WHERE id = 800001").fetchone() == (starred,)


def test_a_form_comes_back_to_its_page(visitor: Visitor) -> None:
    text = visitor.get(f"{SECOND}/starred").text
    assert '<input type="hidden" name="next" value="/mail/starred">' in text
    assert 'name="next" value="/mail/unread"' in visitor.get("/mail/archive/other~20mail/unread").text


def test_a_search_finds_what_is_in_its_archive(visitor: Visitor) -> None:
    text = visitor.get(f"{SECOND}/search?q=proof").text
    assert "<mark>proof</mark>" in text
    assert re.search(rf'<a href="{re.escape(SECOND)}/c/\d+\?in=search%3Aproof', text)


def test_tables_lead_to_the_mail_of_their_own_archive(visitor: Visitor) -> None:
    text = visitor.get("/other+mail/conversations?id=800001").text
    assert f'href="{SECOND}/c/800001"' in text and f'href="{SECOND}">Read as mail' in text
    assert 'href="/mail/archive/archive/c/800001"' in visitor.get("/archive/conversations?id=800001").text


def test_an_unknown_name_is_not_found(visitor: Visitor) -> None:
    for path in (
        "/mail/archive/nope",
        "/mail/archive/nope/c/800001",
        "/mail/archive/_internal",
        "/mail/archive",
    ):
        assert visitor.get(path).status_code == 404


def test_who_may_read_only_one_is_offered_only_one(folders: tuple[Path, Path]) -> None:
    visitor = both(folders, databases={"other mail": {"allow": {"id": "someone else"}}})
    try:
        text = visitor.get("/mail").text
        assert "Jules Marchetti" in text and "Ada Other" not in text
        assert visitor.get(SECOND).status_code == 403
        assert visitor.get(f"{SECOND}/c/800001").status_code == 403
        assert visitor.get("/mail/archive/archive").status_code == 200
    finally:
        visitor.close()


def test_who_may_read_none_is_turned_away(folders: tuple[Path, Path]) -> None:
    visitor = both(folders, allow={"id": "someone else"})
    try:
        answer = visitor.get("/mail")
        assert answer.status_code == 403 and "private" in answer.text
    finally:
        visitor.close()


def test_a_single_archive_keeps_its_short_addresses(folders: tuple[Path, Path]) -> None:
    from tests.web_support import open_visitor

    visitor = open_visitor(folders[0])
    try:
        text = visitor.get("/mail").text
        assert "/mail/archive/" not in text and "Other archives" not in text
        assert visitor.get("/mail/archive/archive/c/800001").status_code == 200
    finally:
        visitor.close()
