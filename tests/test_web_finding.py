"""The search page: whole facets, completed names, changing hits, the export to type; and the frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from canvas_archive.search import search
from canvas_archive.store import Archive
from canvas_archive.web import tokens
from canvas_archive.web.pages import search as finding
from tests.web_support import HOSTILE, Visitor, change, make_archive, open_visitor


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("finding") / "archive")


@pytest.fixture(scope="module")
def visitor(folder: Path) -> Iterator[Visitor]:
    visitor = open_visitor(folder)
    yield visitor
    visitor.close()


def facet(text: str, title: str) -> list[tuple[str, int]]:
    section = re.search(rf"<section><h2>{title}</h2>.*?</section>", text)
    assert section is not None
    lines = re.findall(r'<span dir="auto">([^<]*)</span><b>([\d,]+)</b>', section[0])
    return [(unescape(label), int(count.replace(",", ""))) for label, count in lines]


def test_a_facet_shows_all_its_values(
    visitor: Visitor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "SHOWN_VALUES", 3)
    text = visitor.get("/mail/search?q=the").text
    few = facet(text, "Person")
    more = re.search(r'class="more" href="([^"]*)">(\d+) more', text)
    assert more is not None
    whole = visitor.get(unescape(more[1])).text
    everyone = facet(whole, "Person")
    assert everyone[: len(few)] == few and len(everyone) == len(few) + int(more[2])
    found = search(folder / "archive.db", folder / "search", "the", facets=True)
    assert found.facets is not None
    assert sum(count for _, count in everyone) == sum(one.count for one in found.facets["person"])
    assert whole.count('class="more"') == text.count('class="more"') - 1


def test_hits_are_grouped_by_choice(visitor: Visitor) -> None:
    cookies = {**visitor.cookies, "canvas_archive_view": "hits-conversations"}
    each = visitor.get("/mail/search?q=proof").text
    one = visitor.get("/mail/search?q=proof", cookies=cookies).text
    ids = re.findall(r'<li data-id="(\d+)"', one)
    assert len(ids) == len(set(ids)) > 5
    totals = [re.search(r"<span>([\d,]+) (message|conversation)s for", text) for text in (each, one)]
    assert totals[0] and totals[1] and totals[0][2] == "message" and totals[1][2] == "conversation"
    assert int(totals[0][1]) > int(totals[1][1])
    assert "hits=conversations" in each and "hits=messages" in one


def test_a_hit_is_starred_from_its_page(tmp_path: Path) -> None:
    visitor = open_visitor(make_archive(tmp_path / "archive"))
    try:
        text = visitor.get("/mail/search?q=proof").text
        button = re.search(r'name="do" value="star:(\d+)"', text)
        assert button is not None
        answer = visitor.post("/mail/edit", {"do": f"star:{button[1]}", "next": "/mail/search?q=proof"})
        assert answer.headers["location"].startswith("/mail/search?q=proof&done=")
        assert f'value="unstar:{button[1]}"' in visitor.get("/mail/search?q=proof").text
        removed = re.search(
            r'<li data-id="800008".*?</li>', visitor.get("/mail/search?q=lemma&sort=newest").text
        )
        assert removed is not None and "<button" not in removed[0] and "<input" not in removed[0]
    finally:
        visitor.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from:mens", {'from:"Hana Mensah"', 'from:"Prof. Emeka Mensah"'}),
        ("midterm -to:dub", {'midterm -to:"Imani Dubois"'}),
        ('exam with:"Astrid C', {'exam with:"Astrid Chen"'}),
        ("course:geog", {'course:"Maps and Their Makers"'}),
        ("from:王", {"from:王小明"}),
        ("from:%", set()),
        ("from:_", set()),
        ("midterm", set()),
        ("subject:men", set()),
        ("from:a b:c", set()),
        ("", set()),
        ("x" * 900, set()),
    ],
)
def test_names_are_completed_into_queries_that_find(
    visitor: Visitor, folder: Path, text: str, expected: set[str]
) -> None:
    answer = visitor.get("/mail/search/suggest", params={"q": text})
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json()) == expected
    for query in answer.json():
        search(folder / "archive.db", folder / "search", query)  # raises BadInput where it could not be asked


def test_completions_are_few_and_behind_the_sign_in(visitor: Visitor, folder: Path) -> None:
    assert 1 < len(visitor.get("/mail/search/suggest", params={"q": "from:a"}).json()) <= 8
    hostile = visitor.get("/mail/search/suggest", params={"q": "from:onerror"}).json()
    assert len(hostile) == 1 and "onerror" in hostile[0] and HOSTILE[:4] in hostile[0]
    text = visitor.get("/mail/search").text
    examples = re.findall(r'<option value="([^"]*)">', text)
    assert 5 < len(examples) < 20 and '<option value="from:' in text


def test_the_export_of_results_can_be_typed(visitor: Visitor) -> None:
    text = visitor.get("/mail/search", params={"q": "it's proof", "person": "4", "year": "2026"}).text
    command = re.search(r'<code class="command">([^<]*)</code>', text)
    assert command is not None
    assert unescape(command[1]).startswith(
        "canvas-archive export results --format csv --query 'it'\"'\"'s proof "
    )


def test_a_page_without_hits_is_no_dead_end(visitor: Visitor) -> None:
    text = visitor.get("/mail/search?q=zebra").text
    assert "Narrow" not in text
    narrowed = visitor.get("/mail/search?q=proof&person=66").text
    assert "Narrow" in narrowed and "Clear filters" in narrowed


def test_saved_searches_are_beside_the_folders(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "archive")
    for n in range(7):
        change(
            folder,
            "INSERT INTO saved_searches (name, query, created_at) VALUES (?, ?, '2026-11-01T00:00:00Z')",
            f'Search {n} "<b>',
            f"proof {n}",
        )
    visitor = open_visitor(folder)
    try:
        side = visitor.get("/mail").text.partition("<main")[0]
        assert side.count("/mail/search?q=proof%20") == 5 and "Search 0 &#34;&lt;b&gt;" in side
    finally:
        visitor.close()


def test_the_frame_says_whose_mailbox_and_how_fresh(visitor: Visitor) -> None:
    for page in ("/mail", "/mail/c/800001", "/mail/people", "/mail/search?q=proof"):
        top = visitor.get(page).text.partition("<nav")[0]
        assert "Jules Marchetti" in top and "school.instructure.com" in top
        assert "synced on 23 Nov 2026" in top and '<span class="warn">partial</span>' in top


def test_an_empty_inbox_offers_the_first_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "archive"
    Archive.create(folder, base_url="https://school.example", user_id=1, name="Jo").close()
    visitor = open_visitor(folder)
    try:
        assert "canvas-archive sync" in visitor.get("/mail").text
        monkeypatch.setattr(tokens, "token_available", lambda datasette, folder: True)
        text = visitor.get("/mail").text
        assert 'action="/mail/status/sync"' in text and "Sync now" in text and "never synced" in text
    finally:
        visitor.close()


def test_the_icon_is_served(visitor: Visitor) -> None:
    address = re.search(r'<link rel="icon" type="image/svg\+xml" href="([^"]*)"', visitor.get("/mail").text)
    assert address is not None
    answer = visitor.get(address[1])
    assert answer.headers["content-type"] == "image/svg+xml" and answer.text.startswith("<svg")
