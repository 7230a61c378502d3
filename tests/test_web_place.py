"""A reader's place: the page and row a list is come back to, whole lists, folded threads, marked words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.store.folders import FOLDERS
from canvas_archive.web import rows as lists
from canvas_archive.web import writing
from canvas_archive.web.preferences import Preferences, preferences_of
from canvas_archive.web.render import body
from tests.web_support import Visitor, change, column, make_archive, open_visitor


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("place") / "archive")


@pytest.fixture(scope="module")
def visitor(folder: Path) -> Iterator[Visitor]:
    visitor = open_visitor(folder)
    yield visitor
    visitor.close()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Visitor]:
    visitor = open_visitor(make_archive(tmp_path / "archive"))
    yield visitor
    visitor.close()


def rows(text: str) -> list[int]:
    return [int(found) for found in re.findall(r'<li class="row[^"]*" data-id="(\d+)"', text)]


def here(text: str) -> int | None:
    found = re.search(r'data-id="(\d+)" id="here"', text)
    return int(found[1]) if found else None


def href(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, pattern
    return found[1].replace("&amp;", "&")


LISTS = [
    "/mail",
    "/mail/sent",
    "/mail/people/4",
    "/mail/courses/course_106",
    "/mail/timeline?when=2026-10",
    "/mail/courses/course_106?when=2026-10",
    "/mail/people/4?when=2026-10",
]


@pytest.mark.parametrize("path", LISTS)
def test_back_leads_to_the_page_and_the_row(
    visitor: Visitor, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists.read_page, "__kwdefaults__", {"limit": 2})
    for module in ("people", "courses", "timeline"):
        monkeypatch.setattr(f"canvas_archive.web.pages.{module}.PAGE_WITH_CHART", 2)
    first = visitor.get(path).text
    second = visitor.get(path.partition("?")[0] + href(first, r'rel="next" href="([^"]*)"')).text
    assert "3–" in second or ">3 of" in second
    for page in (first, second):
        for ident in rows(page):
            thread = visitor.get(href(page, rf'href="(/mail/c/{ident}[^"]*)"')).text
            back = href(thread, r'class="up" href="([^"]*)"')
            assert back.endswith(f"row={ident}#here")
            again = visitor.get(back.partition("#")[0]).text
            assert rows(again) == rows(page)
            assert here(again) == ident


def test_back_finds_the_page_of_a_row_that_was_reached_by_reading_on(visitor: Visitor) -> None:
    everything = rows(visitor.get("/mail").text)
    older = visitor.get("/mail" + href(visitor.get("/mail").text, r'rel="next" href="([^"]*)"')).text
    everything += rows(older)
    address = f"/mail/c/{everything[0]}"
    for step, ident in enumerate(everything):
        thread = visitor.get(address).text
        back = visitor.get(href(thread, r'class="up" href="([^"]*)"').partition("#")[0]).text
        assert here(back) == ident, step
        if step % 7 == 0 or step > 37:
            assert rows(back) == everything[everything.index(rows(back)[0]) :][: len(rows(back))]
        if ident != everything[-1]:
            address = href(thread, r'rel="next" href="([^"]*)"')
            assert f"/mail/c/{everything[step + 1]}" in address
        if step > 42:
            break


def test_back_from_a_page_of_newer_rows(visitor: Visitor) -> None:
    first = visitor.get("/mail").text
    second = visitor.get("/mail" + href(first, r'rel="next" href="([^"]*)"')).text
    back = visitor.get("/mail" + href(second, r'rel="prev" href="([^"]*)"')).text
    assert rows(back) == rows(first)
    place = href(back, rf'href="/mail/c/{rows(back)[5]}\?p=([^"]*)"')
    for wanted in (rows(back)[5], rows(second)[0], rows(second)[-1]):
        text = visitor.get(
            href(visitor.get(f"/mail/c/{wanted}?p={place}").text, r'class="up" href="([^"#]*)')
        ).text
        assert here(text) == wanted


def test_what_took_the_place_of_an_archived_row_is_marked(writer: Visitor) -> None:
    before = rows(writer.get("/mail").text)
    writer.post("/mail/edit", {"do": f"archive:{before[5]}"})
    assert here(writer.get(f"/mail?row={before[5]}").text) == before[6]


def test_a_page_says_which_rows_it_shows_and_a_day_leads_there(visitor: Visitor, folder: Path) -> None:
    (total,) = column(folder, "SELECT count(*) FROM inbox")
    first = visitor.get("/mail").text
    assert f"1–40 of {total}" in first
    second = visitor.get("/mail" + href(first, r'rel="next" href="([^"]*)"')).text
    assert f"41–{total} of {total}" in second
    (newest,) = column(
        folder,
        "SELECT id FROM inbox WHERE last_message_at < '2026-10-02' ORDER BY last_message_at DESC LIMIT 1",
    )
    assert rows(visitor.get("/mail?on=2026-10-01").text)[0] == newest
    for odd in ("2026-13-01", "0001-01-01", "9999-12-31", "x", "²026-01-01"):
        assert rows(visitor.get("/mail", params={"on": odd}).text) == rows(first)


@pytest.mark.parametrize("row", ["", "²", "0", "99999999999999999", "-1", "x", "800002"])
def test_an_odd_row_is_no_error(visitor: Visitor, row: str) -> None:
    for path in LISTS:
        address = f"{path}{'&' if '?' in path else '?'}row={row}&before=2026-10-01T00:00:00Z~1"
        assert visitor.get(address).status_code == 200


@pytest.mark.parametrize("scope", ["inbox", "unread", "course:course_106", "person:4", "timeline:2026-10"])
def test_all_of_a_list_is_changed_and_undone(writer: Visitor, scope: str) -> None:
    path = {
        "inbox": "/mail",
        "unread": "/mail/unread",
        "course:course_106": "/mail/courses/course_106",
        "person:4": "/mail/people/4",
        "timeline:2026-10": "/mail/timeline?when=2026-10",
    }[scope]
    folder = writer.datasette.databases["archive"].path
    text = writer.get(f"{path}{'&' if '?' in path else '?'}select=all").text
    assert f'name="scope" value="{scope}"' in text
    assert len(re.findall(r'type="checkbox"[^>]* checked disabled', text)) == text.count(
        'type="checkbox" name="id"'
    )
    total = href(text, r'name="total" value="(\d+)"')
    answer = writer.post(
        "/mail/edit", {"do": "star", "scope": scope, "total": total}, headers={"accept": "application/json"}
    ).json()
    assert answer["ok"] and "starred" in answer["message"]
    starred = column(Path(folder).parent, "SELECT conversation_id FROM pending_edits")
    assert sorted(starred) == sorted(answer["changed"]) and len(starred) > 3
    undone = writer.post(
        "/mail/undo", {"undo": answer["undo"]}, headers={"accept": "application/json"}
    ).json()
    assert undone["message"] == "Undone."
    assert column(Path(folder).parent, "SELECT conversation_id FROM pending_edits") == []


def test_a_list_that_grew_or_is_unknown_or_too_long_is_not_changed(
    writer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(writer.datasette.databases["archive"].path).parent
    (total,) = column(folder, "SELECT count(*) FROM inbox")
    asked = [
        ({"scope": "inbox", "total": str(total + 1)}, "The list has changed"),
        ({"scope": "inbox"}, "The list has changed"),
        ({"scope": "nonsense", "total": str(total)}, "not known"),
        ({"scope": "course:", "total": str(total)}, "not known"),
        ({"scope": "person:²", "total": str(total)}, "not known"),
        ({"scope": "search:x", "total": str(total)}, "not known"),
    ]
    for fields, sentence in asked:
        assert sentence in writer.post("/mail/edit", {"do": "archive", **fields}).text
    monkeypatch.setattr(writing, "WHOLE_LIST", 5)
    assert (
        "At most 5"
        in writer.post("/mail/edit", {"do": "archive", "scope": "inbox", "total": str(total)}).text
    )
    assert column(folder, "SELECT id FROM pending_edits") == []


def test_a_row_s_own_button_means_that_row_on_a_page_where_all_is_selected(writer: Visitor) -> None:
    writer.post("/mail/edit", {"do": "star:700002", "scope": "inbox", "total": "1"})
    folder = Path(writer.datasette.databases["archive"].path).parent
    assert column(folder, "SELECT conversation_id FROM pending_edits") == [700002]


def test_my_own_last_words_are_marked_as_mine(visitor: Visitor, folder: Path) -> None:
    text = visitor.get("/mail").text
    sent = visitor.get("/mail/sent").text
    assert sent.count('class="you"') == len(rows(sent))
    mine = column(
        folder,
        "SELECT count(*) FROM inbox WHERE last_authored_message_at > last_message_at",
    )
    assert text.count('class="you"') <= mine[0]


def test_a_long_thread_is_folded_up_to_what_is_new(writer: Visitor) -> None:
    folder = Path(writer.datasette.databases["archive"].path).parent
    for n in range(8):
        change(
            folder,
            "INSERT INTO messages (id, conversation_id, author_id, created_at, body, first_seen_at)"
            f" VALUES (?, 800001, 3, '2026-11-22T0{n}:00:00Z', ?, '2026-11-22T09:00:00Z')",
            9900 + n,
            "zebra crossing" if n == 1 else f"Line {n}",
        )
    unread = writer.get("/mail/c/800001").text
    # All since my own last message is unread, and one that Canvas removed stays open.
    assert unread.count('<details class="old">') == 2
    change(
        folder,
        "UPDATE conversations SET workflow_state = 'read', remote_workflow_state = 'read' WHERE id = 800001",
    )
    text = writer.get("/mail/c/800001").text
    folded = text.count('<details class="old">')
    assert folded == 9 and f"{folded} messages folded" in text
    assert '<details class="old">' not in writer.get("/mail/c/800001?open=all").text
    assert writer.get("/mail/c/800001?m=9903#m9903").text.count('<details class="old">') == folded - 1


def test_a_hit_s_words_are_marked_in_the_thread_as_in_the_snippet(visitor: Visitor) -> None:
    found = visitor.get("/mail/search", params={"q": '"counted the samples" OR printed'}).text
    thread = visitor.get(href(found, r'href="(/mail/c/\d+[^"]*)"').partition("#")[0]).text
    assert "<mark>counted the samples</mark>" in thread or "<mark>printed</mark>" in thread
    assert "<mark>" not in visitor.get("/mail/c/800001").text
    for odd in ("search:", 'search:"', "search:from:", "search:" + "x" * 900, "search:<mark>"):
        assert visitor.get("/mail/c/800002", params={"in": odd}).status_code == 200


def test_marking_never_opens_a_way_for_hostile_text(visitor: Visitor) -> None:
    for query in ("img", "script", "onmouseover", "alert OR example OR mark"):
        text = visitor.get("/mail/c/800002", params={"in": f"search:{query}"}).text
        main = text[text.index("<main") :]
        assert "<img" not in main and "<script" not in main and "<mark>" in main
        assert not re.search(r'href="[^"]*<mark>', main)


def test_code_is_shown_as_code() -> None:
    fenced = body("Look:\n```python\nif a < b:\n    print('*x*')\n\nelse: pass\n```\nDone.")
    assert "<code>if a &lt; b:\n    print(&#39;*x*&#39;)\n\nelse: pass</code>" in fenced
    assert fenced.startswith('<p dir="auto">Look:</p>') and fenced.endswith('<p dir="auto">Done.</p>')
    assert "<pre" not in body("```\nnever closed\n> quoted")
    assert "```" in body("```\nnever closed")
    assert "<code>x = 1\ny = 2</code>" in body("So:\n\n    x = 1\n    y = 2\n\nend")
    assert "<pre" not in body(
        "    An indented paragraph\n    of an essay, in two lines.\n\n    And another one."
    )
    assert "<pre" not in body("    x = 1")
    assert "<code>`````</code>" in body("``````\n`````\n``````")
    assert "<script" not in body("```\n<script>alert(1)</script>\n```")


def test_a_choice_is_remembered_and_leads_back(visitor: Visitor) -> None:
    answer = visitor.get("/mail/view?order=newest&next=/mail/c/800001", follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/mail/c/800001"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("canvas_archive_view=order-newest;") and "HttpOnly" in cookie
    cookies = {**visitor.cookies, "canvas_archive_view": "order-newest.density-compact.keys-off"}
    oldest = re.findall(r'class="msg[^"]*" id="m(\d+)"', visitor.get("/mail/c/800001").text)
    text = visitor.get("/mail/c/800001", cookies=cookies).text
    assert re.findall(r'class="msg[^"]*" id="m(\d+)"', text) == oldest[::-1]
    assert 'data-keys="off"' in text and " compact" in text and 'data-keys="on"' in visitor.get("/mail").text
    outside = visitor.get("/mail/view?order=newest&next=//evil.example/", follow_redirects=False)
    assert outside.headers["location"] == "/mail"
    assert visitor.get("/mail/view?order=sideways").status_code == 200


@pytest.mark.parametrize(
    "cookie", ["", "x", "order-sideways", "order-newest" * 99, "keys-", "é-ü", "order-newest.order-oldest"]
)
def test_any_cookie_is_read(cookie: str) -> None:
    assert preferences_of(cookie).order in ("oldest", "newest")
    assert preferences_of(Preferences(keys="off", hits="conversations").cookie).keys == "off"


def test_every_folder_has_its_number_of_rows(visitor: Visitor) -> None:
    for name, known in FOLDERS.items():
        text = visitor.get("/mail" if name == "inbox" else f"/mail/{name}").text
        assert known.label in text and re.search(r"[\d–]+ of \d+", text), name
