"""The mail pages as a browser without script gets them."""

from __future__ import annotations

import email
import email.policy
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web_support import Visitor, change, column, make_archive, open_visitor

pytestmark = pytest.mark.sampled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("web") / "archive")


@pytest.fixture(scope="module")
def visitor(folder: Path) -> Iterator[Visitor]:
    visitor = open_visitor(folder)
    yield visitor
    visitor.close()


PAGES = [
    "/mail",
    "/mail/unread",
    "/mail/starred",
    "/mail/archived",
    "/mail/sent",
    "/mail/removed",
    "/mail/c/800001",
    "/mail/c/800002",
    "/mail/c/800005",
    "/mail/c/800008",
    "/mail/search",
    "/mail/search?q=proof+matrix",
    "/mail/search?q=proof&person=1&year=2026&course=course_105&has=attachment&sort=newest",
    "/mail/people",
    "/mail/people?name=mensah",
    "/mail/people/4",
    "/mail/people/1",
    "/mail/courses",
    "/mail/courses/course_106",
    "/mail/timeline",
    "/mail/timeline?when=2026-10",
    "/mail/edits",
    "/mail/status",
]


@pytest.mark.thorough
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_small_and_private(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 200
    assert answer.text.rstrip().endswith("</html>")
    assert len(answer.content) < 60_000
    assert answer.headers["cache-control"] == "private, no-store"
    assert "<style" not in answer.text and " style=" not in answer.text
    assert re.findall(r"<script(?![^>]* src=)", answer.text) == []
    outside = re.findall(
        r'(?:src|href|action)="(https?:[^"]*)"', re.sub(r"(?s)<main.*</main>", "", answer.text)
    )
    assert outside == []


def rows(text: str) -> list[int]:
    return [int(found) for found in re.findall(r'<li class="row[^"]*" data-id="(\d+)"', text)]


@pytest.mark.parametrize(
    ("path", "condition"),
    [
        ("/mail", "workflow_state <> 'archived' AND last_message_at IS NOT NULL AND removed_at IS NULL"),
        ("/mail/unread", "workflow_state = 'unread' AND last_message_at IS NOT NULL AND removed_at IS NULL"),
        ("/mail/starred", "starred = 1 AND removed_at IS NULL"),
        (
            "/mail/archived",
            "workflow_state = 'archived' AND last_message_at IS NOT NULL AND removed_at IS NULL",
        ),
        ("/mail/sent", "last_authored_message_at IS NOT NULL AND removed_at IS NULL"),
        ("/mail/removed", "removed_at IS NOT NULL"),
        ("/mail/people/4", "id IN (SELECT conversation_id FROM conversation_participants WHERE user_id = 4)"),
        ("/mail/courses/course_106", "context_code = 'course_106'"),
    ],
)
def test_paging_forth_and_back_shows_everything_once(
    visitor: Visitor, folder: Path, path: str, condition: str
) -> None:
    expected = column(folder, f"SELECT id FROM conversations WHERE {condition}")
    seen: list[int] = []
    pages = [path]
    while True:
        text = visitor.get(pages[-1]).text
        seen += rows(text)
        older = re.search(r'rel="next" href="(\?[^"]*)">Older', text)
        if older is None:
            break
        pages.append(path + older[1].replace("&amp;", "&"))
    assert len(seen) == len(set(seen))
    assert sorted(seen) == sorted(expected)
    if len(pages) > 1:
        newer = re.search(r'rel="prev" href="(\?[^"]*)">Newer', visitor.get(pages[-1]).text)
        assert newer is not None
        assert rows(visitor.get(path + newer[1]).text) == rows(visitor.get(pages[-2]).text)


def test_a_folder_says_how_many_there_are(visitor: Visitor, folder: Path) -> None:
    (count,) = column(folder, "SELECT count(*) FROM inbox")
    assert f"<p>{count} conversations</p>" in visitor.get("/mail").text


def test_a_busy_person_is_listed_as_a_quiet_one_is(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    from canvas_archive.web import rows as lists

    quiet = rows(visitor.get("/mail/people/3").text)
    monkeypatch.setattr(lists, "BUSY", 1)
    assert rows(visitor.get("/mail/people/3").text) == quiet


def test_a_conversation_shows_what_it_holds(visitor: Visitor) -> None:
    text = visitor.get("/mail/c/800001").text
    assert "Midterm review session" in text
    assert '<p class="event"' in text and "was added to the conversation" in text
    assert "Removed from Canvas, noticed" in text
    assert text.index("Passing this on.") < text.index("The original question, from last year.")
    assert text.count('class="fwd"') == 2
    assert "not fetched yet" in text and "audio, not fetched yet" in text
    assert "<blockquote>" in text and "Thank you! 🎉 That is 5 &lt; 6 &amp; 7 &gt; 2." in text
    assert "to Astrid Chen" in text  # fewer recipients than people
    assert "Archived 22 Nov 2026" in text and "/archive/conversations/800001" in text
    assert "No longer on Canvas" in visitor.get("/mail/c/800008").text


def test_what_is_gone_from_canvas_offers_no_buttons(visitor: Visitor) -> None:
    text = visitor.get("/mail/c/800008").text
    assert 'action="/mail/edit"' not in text
    assert 'type="checkbox"' not in visitor.get("/mail/removed").text


def test_a_forwarded_message_leads_to_where_it_belongs(visitor: Visitor, folder: Path) -> None:
    (original,) = column(folder, "SELECT min(id) FROM messages WHERE conversation_id = 700002")
    (carrier,) = column(folder, "SELECT id FROM messages WHERE conversation_id = 800006")
    change(folder, "INSERT INTO forwarded_messages VALUES (?, ?, 0)", carrier, original)
    assert f'href="/mail/c/700002?m={original}#m{original}"' in visitor.get("/mail/c/800006").text


def test_back_leads_to_the_list_it_was_opened_from(visitor: Visitor) -> None:
    for argument, href in (
        ("", "/mail?"),
        ("starred", "/mail/starred?"),
        ("course:course_106", "/mail/courses/course_106?"),
        ("course:course_106@2026-10", "/mail/courses/course_106?when=2026-10&amp;"),
        ("person:8", "/mail/people/8?"),
        ("person:8@2026-10", "/mail/people/8?when=2026-10&amp;"),
        ("timeline:2026-10", "/mail/timeline?when=2026-10&amp;"),
        ("timeline:2026-99", "/mail?"),
        ("search:proof", "/mail/search?q=proof&amp;"),
        ("nonsense", "/mail?"),
        ('course:"><script>', "/mail/courses/%22%3E%3Cscript%3E?"),
    ):
        text = visitor.get("/mail/c/800001", params={"in": argument}).text
        assert f'<a class="up" href="{href}row=800001#here">' in text, argument
    newer = re.search(
        r'rel="next" href="(/mail/c/\d+\?in=person%3A8)"', visitor.get("/mail/c/800001?in=person:8").text
    )
    assert newer is not None and visitor.get(newer[1]).status_code == 200


def test_the_months_of_the_chart_add_up_to_the_archive(visitor: Visitor, folder: Path) -> None:
    text = visitor.get("/mail/timeline").text
    told = re.findall(r"<title>[^<]*: ([\d,]+) received, ([\d,]+) sent</title>", text)
    total = sum(int(a.replace(",", "")) + int(b.replace(",", "")) for a, b in told)
    assert total == column(folder, "SELECT count(*) FROM messages")[0]
    month = visitor.get("/mail/timeline?when=2026-10").text
    ids = column(
        folder,
        "SELECT DISTINCT conversation_id FROM messages WHERE conversation_id IS NOT NULL"
        " AND created_at LIKE '2026-10-%' ",
    )
    assert f"{len(ids)} conversations in October 2026" in month
    assert set(rows(month)) <= set(ids)


def test_a_long_archive_is_drawn_by_years(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    from canvas_archive.web import chart

    monkeypatch.setattr(chart, "MOST_MONTHS", 2)
    text = visitor.get("/mail/timeline").text
    assert "?when=2026&quot;" in text or '?when=2026"' in text
    assert visitor.get("/mail/timeline?when=2026").status_code == 200


def test_courses_stand_under_their_terms_the_latest_made_first(visitor: Visitor) -> None:
    text = visitor.get("/mail/courses").text
    places = [text.index(f"<h2>{term}</h2>", text.index("<main")) for term in
              ("Spring 2027", "Autumn 2026", "Spring 2026", "Other courses")]  # fmt: skip
    assert places == sorted(places)
    assert "<bdi>PHYS 1</bdi><small>A course nobody wrote in</small>" in text  # its code is said once
    assert "0 conversations" in text
    assert visitor.get("/mail/courses/course_110").status_code == 200
    assert "PHYS 1" not in visitor.get("/mail").text  # the side column shows where there is mail


def test_many_courses_are_paged(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    from canvas_archive.web.pages import courses

    monkeypatch.setattr(courses, "PAGE", 2)
    first = visitor.get("/mail/courses").text
    assert '<a class="btn" rel="next" href="?from=2">' in first
    second = visitor.get("/mail/courses?from=2").text
    assert "PHYS 1" in first and "PHYS 1" not in second and "MATH 221" in second


def test_searching_narrows_and_widens(visitor: Visitor) -> None:
    text = visitor.get("/mail/search?q=proof").text
    assert "<mark>proof</mark>" in text
    total = int(re.search(r"<span>(\d+) messages for", text)[1])  # type: ignore[index]
    narrow = re.search(
        r'<a href="(/mail/search\?q=proof&amp;person=1)"><span dir="auto">You</span><b>(\d+)', text
    )
    assert narrow is not None
    narrowed = visitor.get(narrow[1].replace("&amp;", "&")).text
    assert re.search(rf"<span>{narrow[2]} messages? for", narrowed)
    assert int(narrow[2]) < total
    assert 'aria-current=true><span dir="auto">You</span>' in narrowed
    assert narrowed.count("person=") > 3  # the others stay in sight, to be added


def test_a_wrong_query_is_answered_with_a_sentence(visitor: Visitor) -> None:
    answer = visitor.get("/mail/search?q=after:soonish")
    assert answer.status_code == 400
    assert "soonish" in answer.text and 'class="note"' in answer.text
    for refused in ("(((", '"unclosed', "author:", "label:x", "form:x", "a OR"):
        answer = visitor.get("/mail/search", params={"q": refused})
        assert answer.status_code == 400 and 'class="note"' in answer.text
    for odd in ("*", "%", "'; DROP TABLE messages; --", "re:"):
        assert visitor.get("/mail/search", params={"q": odd}).status_code == 200


def test_a_query_is_shown_as_it_was_understood_and_saved_so_that_it_can_be_read(visitor: Visitor) -> None:
    text = visitor.get("/mail/search?q=proof+since:2025&person=1").text
    said = re.search(r'<p class="understood" dir="auto">([^<]+)</p>', text)
    assert said is not None
    assert said[1].startswith("Messages with &#34;proof&#34;, on or after 1 January 2025 (")
    assert said[1].endswith(", with the chosen filters.")
    query = re.search(r'name="query" value="([^"]+)"', text)
    assert (
        query is not None
        and query[1].startswith("proof since:2025 from:")
        and query[1] != ("proof since:2025 from:1")
    )


@pytest.mark.parametrize(
    "path",
    ["/mail/search?person=²", "/mail/search?q=proof&year=²", "/mail/c/800001?in=person:²"],
)
def test_a_digit_that_is_no_number_is_ignored(visitor: Visitor, path: str) -> None:
    assert visitor.get(path).status_code == 200


@pytest.mark.thorough
def test_without_an_index_the_search_says_so(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "archive")
    for path in (folder / "search").iterdir():
        path.unlink()
    visitor = open_visitor(folder)
    try:
        answer = visitor.get("/mail/search?q=proof")
        assert answer.status_code == 200
        assert "index" in answer.text and "works without it" in answer.text
    finally:
        visitor.close()


@pytest.mark.parametrize(
    "path",
    ["/mail/c/1", "/mail/nope", "/mail/inbox", "/mail/people/999", "/mail/courses/course_0", "/mail/files/1",
     "/mail/media/1/x", "/mail/c/1.txt", "/mail/c/1.eml", "/mail/a/b/c", "/mail/c/99999999999999999999"],
)  # fmt: skip
def test_what_is_not_there_is_said_calmly(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 404
    assert "Go to the inbox" in answer.text


@pytest.mark.parametrize(
    "key", ["before=garbage", "after=~", "before=2026~99999999999999999999999", "when=2026-13"]
)
def test_a_broken_address_shows_the_first_page(visitor: Visitor, key: str) -> None:
    assert rows(visitor.get(f"/mail?{key}").text) == rows(visitor.get("/mail").text)


def test_too_slow_is_said_and_not_a_traceback(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    from canvas_archive.web.pages import folders

    def endless(page_request, connection, *args, **kwargs):  # type: ignore[no-untyped-def]
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        ).fetchone()

    monkeypatch.setattr(folders, "read_page", endless)
    monkeypatch.setitem(visitor.datasette._settings, "sql_time_limit_ms", 20)
    answer = visitor.get("/mail")
    assert answer.status_code == 503
    assert "longer than a page may take" in answer.text


def test_a_conversation_as_text(visitor: Visitor) -> None:
    answer = visitor.get("/mail/c/800001.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert "Midterm review session" in answer.text
    assert "> > The original question, from last year." in answer.text
    assert "[Attachment: samples.csv, pending]" in answer.text
    assert "(removed from Canvas" in answer.text


def test_a_conversation_as_json(visitor: Visitor) -> None:
    document = json.loads(visitor.get("/mail/c/800001.json").text)
    assert document["id"] == 800001
    assert document["messages"][2]["forwarded"][0]["forwarded"][0]["body"].startswith("The original")


def test_a_conversation_as_mail(visitor: Visitor) -> None:
    raw = visitor.get("/mail/c/800001.eml").content
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert mail["Subject"] == "Midterm review session"
    assert mail.get_body().get_content().startswith("Midterm review session")  # type: ignore[union-attr]
    inner = [part.get_content() for part in mail.iter_attachments()]  # type: ignore[attr-defined]
    assert len(inner) == 5
    assert inner[0]["From"].startswith('"Astrid Chen"') or inner[0]["From"].startswith("Astrid Chen")
    names = [part.get_filename() for part in inner[0].walk() if part.get_filename()]
    assert names == ["Essay draft 3.docx"]
    single = email.message_from_bytes(visitor.get("/mail/c/800004.eml").content, policy=email.policy.default)
    assert single["Subject"] == "关于期末考试的时间安排"
    assert single.get_content_type() == "text/plain"


def test_the_reader_s_own_time_zone(visitor: Visitor) -> None:
    at = "2026-11-21T09:30:00Z"
    for zone, expected in (("Asia/Tokyo", "21 Nov 2026, 18:30"), ("America/New_York", "21 Nov 2026, 04:30")):
        text = visitor.get("/mail/c/800001", cookies={"canvas_archive_zone": zone}).text
        assert f'<time datetime="{at}"' in text and expected in text
    for nonsense in ("../../etc/passwd", "No/Where", "x" * 500):
        assert visitor.get("/mail", cookies={"canvas_archive_zone": nonsense}).status_code == 200


def test_an_empty_archive_explains_itself(tmp_path: Path) -> None:
    from canvas_archive.store import Archive

    Archive.create(tmp_path / "a", base_url="https://school.example", user_id=1, name="Jo").close()
    visitor = open_visitor(tmp_path / "a")
    try:
        assert "canvas-archive sync" in visitor.get("/mail").text
        for path in (
            "/mail/people",
            "/mail/courses",
            "/mail/timeline",
            "/mail/edits",
            "/mail/status",
            "/mail/sent",
        ):
            assert visitor.get(path).status_code == 200
    finally:
        visitor.close()


def test_a_template_of_one_s_own_replaces_ours(folder: Path, tmp_path: Path) -> None:
    from canvas_archive.web.server import build

    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "folder.html").write_text("{{ title }} of my own")
    datasette = build(folder, host="127.0.0.1", port=8001, login=False)
    datasette.template_dir = str(tmp_path)
    visitor = Visitor(datasette)
    try:
        assert visitor.get("/mail").text == "Inbox of my own"
    finally:
        visitor.close()


def test_the_former_address_of_removed_conversations_leads_to_the_new_one(visitor: Visitor) -> None:
    for query in ("", "?before=2026-03-01T00:00:00Z~910100"):
        answer = visitor.get(f"/mail/gone{query}")
        assert answer.status_code == 301 and answer.headers["location"] == f"/mail/removed{query}"
    page = visitor.get("/mail/c/800008?in=gone").text
    assert 'href="/mail/removed"' in page and "Removed from Canvas" in page
    assert "/mail/gone" not in page
