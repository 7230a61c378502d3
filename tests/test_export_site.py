"""The static site in a real browser, opened from the disk, without a network."""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Iterator
from contextlib import closing
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_archive.export.links import web_addresses
from canvas_archive.export.names import LONGEST_NAME, inert_name, safe_name
from canvas_archive.export.run import Request, export
from canvas_archive.export.site_pages import linked
from canvas_archive.export.site_search import DIGITS, SearchIndex, packed
from canvas_archive.search.index.analysis import analysed
from canvas_archive.web.render import linkify
from tests.export_support import ArchiveBuilder, small_archive

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    archive = small_archive(folder / "archive")
    with_picture(archive)
    export(Request(archive, archive / "archive.db", archive / "files", folder / "out", ("html",)))
    return folder / "out" / "html"


def with_picture(archive: Path) -> None:
    from canvas_archive.store import Archive

    picture = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf"
        "c000000301010018dd8db00000000049454e44ae426082"
    )
    builder = ArchiveBuilder.__new__(ArchiveBuilder)
    with Archive.open(archive, write=True) as opened:
        builder.archive, builder.db = opened, opened.db
        builder.attachment(700, 1040, "dot #1 100%.png", picture, content_type="image/png")


@pytest.fixture(scope="module")
def browser_page(chromium: Any) -> Iterator[Page]:
    with closing(chromium.new_context()) as context:
        yield context.new_page()


class Watched:
    """Opens pages, and notes every request and every complaint of the browser."""

    def __init__(self, page: Page, site: Path) -> None:
        self.page = page
        self.site = site
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def open(self, path: str) -> Page:
        self.page.goto(f"file://{self.site}/{path}")
        return self.page

    def check(self) -> None:
        assert self.complaints == []
        assert self.requests and all(url.startswith("file://") for url in self.requests)


@pytest.fixture
def watched(browser_page: Page, site: Path) -> Iterator[Watched]:
    made = Watched(browser_page, site)
    yield made
    for event in ("request", "console", "pageerror", "dialog"):
        for listener in browser_page._impl_obj.listeners(event):
            browser_page._impl_obj.remove_listener(event, listener)


@pytest.mark.thorough
@pytest.mark.browser
def test_from_the_list_to_a_conversation_and_a_person(watched: Watched) -> None:
    page = watched.open("index.html")
    assert page.locator(".rows li").count() == 5
    assert page.locator(".rows li").first.locator("time").inner_text() == "1 Mar 2026"
    page.get_by_role("link", name="Lab report").click()
    assert page.locator("h1").inner_text() == "Lab report"
    assert page.locator("article").count() == 4
    assert "Vielen Dank für die Auskunft!" in page.locator("#m1002 .body").inner_text()
    page.get_by_role("link", name="Ann Beatrix Author").first.click()
    assert page.locator(".rows li").count() == 2
    page.get_by_role("link", name="People").click()
    assert page.locator(".rows li").count() == 5
    watched.check()


@pytest.mark.thorough
@pytest.mark.browser
def test_hostile_content_is_only_shown(watched: Watched, site: Path) -> None:
    for path in sorted(site.rglob("*.html")):
        page = watched.open(path.relative_to(site).as_posix())
        assert "owned" not in page.title()
        assert (
            page.evaluate("document.querySelectorAll('main script, main iframe, main [onerror]').length") == 0
        )
    page = watched.open("threads/66/102.html")
    assert "<img src=x onerror=" in page.locator("#m1020 > .body").inner_text()
    watched.check()


@pytest.mark.thorough
@pytest.mark.browser
def test_an_attachment_that_is_a_page_opens_as_text(watched: Watched) -> None:
    page = watched.open("threads/65/101.html")
    link = page.get_by_role("link", name="page.html")
    assert (link.get_attribute("href") or "").endswith("page.html.txt")
    link.click()
    assert page.title() != "owned"
    assert "<script>" in page.locator("body").inner_text()


@pytest.mark.thorough
@pytest.mark.browser
def test_pictures_are_shown_whatever_their_name(watched: Watched) -> None:
    page = watched.open("threads/68/104.html")
    picture = page.locator("article img")
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    watched.check()


@pytest.mark.thorough
@pytest.mark.browser
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("auskunft", ["Lab report"]),
        ("AUSKUNFT fur", ["Lab report"]),
        ("ausk*", ["Lab report"]),
        ("ausk", []),
        ("remember milk", ["A note to myself"]),
        ("owner", None),
        ("王小明", ["Lab report", "(no subject)"]),
        ("zzzz", []),
        ("milk zzzz", []),
        ("<script>alert(1)</script>", ["(no subject)"]),
        ("__proto__ constructor", []),
        ("report.pdf", ["Lab report"]),
        ("inner txt", ["(no subject)"]),
    ],
)
def test_search_without_a_server(watched: Watched, query: str, found: list[str] | None) -> None:
    page = watched.open("index.html")
    page.get_by_role("searchbox").fill(query)
    page.get_by_role("button", name="Search").click()
    page.locator("body[data-ready=true]").wait_for(state="attached")
    shown = page.locator("#results a").all_inner_texts()
    if found is None:
        assert len(shown) == 5
    else:
        assert [text for text in shown if text] == found
    missing = [text for text in watched.complaints if "ERR_FILE_NOT_FOUND" not in text]
    assert missing == [] and all(url.startswith("file://") for url in watched.requests)


@pytest.mark.thorough
@pytest.mark.browser
def test_a_found_conversation_opens(watched: Watched) -> None:
    page = watched.open("search.html?q=milk")
    page.locator("#results a").click()
    assert page.locator("h1").inner_text() == "A note to myself"
    watched.check()


@pytest.mark.thorough
def test_lists_are_readable_without_javascript(site: Path) -> None:
    for path in [*site.glob("*.html"), *site.glob("threads/*/*.html")]:
        text = path.read_text("utf-8")
        assert ("<script" in text) == (path.name == "search.html")


def test_many_conversations_are_paged_and_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canvas_archive.export.site.ROWS_PER_PAGE", 10)
    with ArchiveBuilder(tmp_path / "a") as make:
        make.person(1, "Ann")
        for number in range(35):
            make.conversation(number + 1, f"Subject {number}", last=f"2026-01-{number % 28 + 1:02}T00:00:00Z")
            make.message(number + 1, number + 1, 1, "text", at=f"2026-01-{number % 28 + 1:02}T00:00:00Z")
    export(
        Request(tmp_path / "a", tmp_path / "a/archive.db", tmp_path / "a/files", tmp_path / "out", ("html",))
    )
    site = tmp_path / "out" / "html"
    assert sorted(path.name for path in (site / "pages").iterdir()) == ["2.html", "3.html", "4.html"]
    listed = "".join(path.read_text("utf-8") for path in [site / "index.html", *(site / "pages").iterdir()])
    assert all(f">Subject {number}</a>" in listed for number in range(35))
    assert sorted(path.name for path in (site / "people" / "01").iterdir()) == [
        "1-2.html", "1-3.html", "1-4.html", "1.html",
    ]  # fmt: skip


def read_index(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in folder.glob("*.js"):
        text = path.read_text("ascii")
        name, data = json.loads("[" + text.removeprefix("canvasArchive.put(").removesuffix(");\n") + "]")
        assert name == path.stem
        found[name] = data
    return found


def unpacked(text: str) -> list[int]:
    half = len(DIGITS) // 2
    numbers, at, step = [], 0, 0
    for digit in text:
        value = DIGITS.index(digit)
        step = step * half + value % half
        if value < half:
            at += step
            numbers.append(at)
            step = 0
    return numbers


@given(st.lists(st.integers(0, 2**40), max_size=50).map(sorted))
def test_packed_numbers_are_the_same_unpacked(numbers: list[int]) -> None:
    assert unpacked(packed(numbers)) == numbers


def test_the_index_is_cut_by_the_third_letter_where_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canvas_archive.export.site_search.SPLIT_ABOVE", 50)
    monkeypatch.setattr("canvas_archive.export.site_search._HELD", 30)
    (tmp_path / "work").mkdir()
    (tmp_path / "search").mkdir()
    index = SearchIndex(tmp_path / "search", tmp_path / "work")
    rng = random.Random(5)
    texts = [
        " ".join(rng.choice(["abcd", "abce", "abx", "ab", "zeta", "été"]) for _ in range(3))
        for _ in range(300)
    ]
    for number, text in enumerate(texts):
        index.add(number, [text, "common"])
    ranks = array("L", [299 - number for number in range(300)])
    index.finish(ranks)
    found = read_index(tmp_path / "search")
    about, query = found.pop("about"), found.pop("query")
    assert isinstance(about, dict) and isinstance(query, dict) and query["digits"] == DIGITS
    assert about["words"] == ["ab", "abc", "abx", "com", "ete", "zet"]
    assert found.pop("f-ab") == {"abc": "abce"}
    assert about["forms"] == ["ab"] and (about["count"], about["per_file"]) == (300, 200)
    starts = unpacked(about["starts"])
    assert starts == [20 * number for number in range(300)]
    held: dict[str, list[int]] = {}
    for name, shard in found.items():
        assert isinstance(shard, dict)
        assert name != "w-ab" or set(shard) == {"ab"}
        held.update({word: unpacked(places) for word, places in shard.items()})
    expected: dict[str, list[int]] = {}
    for number in reversed(range(300)):
        for at, word in enumerate(analysed(texts[number]).terms):
            expected.setdefault(word, []).append(starts[299 - number] + at)
        expected.setdefault("common", []).append(starts[299 - number] + 3 + 8)
    assert held == expected
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (
            "see https://en.example.org/wiki/Python_(language).",
            "https://en.example.org/wiki/Python_(language)",
        ),
        ("(https://e.org/a_(b)_c(d))", "https://e.org/a_(b)_c(d)"),
        ("(see https://e.org/a)", "https://e.org/a"),
        ("[https://e.org/q?a[1]=2&b[]]", "https://e.org/q?a[1]=2&b[]"),
        ("{https://e.org/{id}}!", "https://e.org/{id}"),
        ("https://e.org/a), then b", "https://e.org/a"),
        ("请看https://e.org/a。谢谢", "https://e.org/a"),
        ("（https://e.org/a）", "https://e.org/a"),
        ("https://e.org/中文_(消歧义)", "https://e.org/中文_(消歧义)"),
        ("https://e.org/a\u202eb", "https://e.org/a"),
    ],
)
def test_links_keep_the_brackets_that_belong_to_them(body: str, address: str) -> None:
    assert [found for _, found in web_addresses(body)] == [address]
    for shown in (linked(body), str(linkify(body))):
        assert f'href="{escape(address)}"' in shown and shown.count("<a ") == 1


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "_._.._etc_passwd"),
        ("a\x00b\nc", "a_b_c"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("Lpt1.tar.gz", "_Lpt1.tar.gz"),
        ("com\u00b9", "_com\u00b9"),
        ("console.txt", "console.txt"),
        ("trailing. . ", "trailing"),
        (".hidden", "_hidden"),
        ("", "file"),
        ("...", "file"),
        ('a<b>c:"d"|e?f*', "a_b_c__d__e_f_"),
        ("exe\u202efdp.pdf", "exefdp.pdf"),
        ("e\u0301.txt", "é.txt"),
        ("\ud800.txt", "_.txt"),
    ],
)
def test_file_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert safe_name(safe) == safe


def test_long_file_names_keep_their_extension() -> None:
    name = safe_name("é" * 300 + ".pdf")
    assert name.endswith("é.pdf") and len(name.encode()) <= LONGEST_NAME
    assert len(safe_name("x" * 300 + "." + "y" * 40).encode()) <= LONGEST_NAME


def test_names_that_a_browser_would_run() -> None:
    assert inert_name("a.HTML") == "a.HTML.txt"
    assert inert_name("a.svg") == "a.svg.txt"
    assert inert_name("a.pdf") == "a.pdf"
