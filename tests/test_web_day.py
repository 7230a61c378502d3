"""A reader's day in Chromium: threads by key, stars, undo, search, back to the row; and without script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.test_web_browser import PAGES, edits, page_request, toast
from tests.web_support import Running, change, make_archive

pytestmark = [pytest.mark.browser, pytest.mark.uncounted, pytest.mark.thorough]

RIGHT: Any = {"x": 720, "y": 20}
"""In a row where its course is, left of the buttons that it shows under the pointer."""

FOCUSED = "document.activeElement.closest('[data-id]')?.dataset.id"
UNCOVERED = """() => {
  const box = document.activeElement.closest('.row').getBoundingClientRect();
  const bars = [...document.querySelectorAll('.top, .bulk, .grp h2')]
    .filter(one => one.offsetParent);
  return bars.every(bar => { const b = bar.getBoundingClientRect();
    return getComputedStyle(bar).position !== "sticky"
      || b.bottom <= box.top + 1 || b.top >= box.bottom - 1; });
}"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(make_archive(tmp_path / "archive"))
    yield running
    running.stop()


def on_page(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all(".row", "rows => rows.map(row => row.dataset.id)")
    return found


@pytest.mark.sampled
def test_a_day_by_keys(chromium: Any, running: Running) -> None:
    with page_request(chromium, running) as watched:
        page = watched.page
        first = on_page(page)
        for _ in range(3):
            page.keyboard.press("j")
        page.keyboard.press("o")
        page.wait_for_url(f"**/mail/c/{first[2]}*")
        for step in range(3, 23):  # twenty threads, one after another
            page.keyboard.press("j")
            page.wait_for_url(f"**/mail/c/{first[step]}*")
        page.keyboard.press("s")
        assert toast(page) == "1 conversation starred."
        page.wait_for_selector(".btn.star[aria-pressed=true]")
        assert edits(running) == [f"{first[22]} starred 1"]
        page.keyboard.press("z")
        page.wait_for_selector(".toast:has-text('Undone')")
        assert edits(running) == []
        page.keyboard.press("u")
        page.wait_for_url("**/mail")
        assert page.evaluate(FOCUSED) == first[22]
        assert page.evaluate("scrollY") > 300
        for _ in range(22):  # up again, and never under the bars
            page.keyboard.press("k")
            assert page.evaluate(UNCOVERED)
        assert page.evaluate(FOCUSED) == first[0]
        for _ in range(len(first)):
            page.keyboard.press("j")
        page.wait_for_url("**/mail?before=*")
        page.wait_for_function(f"() => {FOCUSED} === document.querySelector('.row').dataset.id")
        second = on_page(page)
        assert second[0] not in first
        page.keyboard.press("k")
        page.wait_for_url("**/mail?after=*")
        page.wait_for_function(f"() => {FOCUSED} === '{first[-1]}'")
        assert watched.complaints == []


def test_back_keeps_page_row_scroll_and_ticks(chromium: Any, running: Running) -> None:
    with page_request(chromium, running) as watched:
        page = watched.page
        page.get_by_role("link", name="Older", exact=True).click()
        page.wait_for_url("**/mail?before=*")
        address = page.url
        rows = on_page(page)
        page.locator(".row").nth(1).locator(".pick input").check()
        page.locator(".row").nth(3).locator(".pick input").check()
        page.evaluate("scrollTo(0, 700)")
        page.locator(f".row[data-id='{rows[14]}'] .open").click(position=RIGHT)  # the whole row is the link
        page.wait_for_url(f"**/mail/c/{rows[14]}*")
        scrolled = page.evaluate("JSON.parse(sessionStorage.place).scroll")
        for back in ("u", "history"):
            if back == "u":
                page.keyboard.press("u")
            else:
                page.locator(f".row[data-id='{rows[14]}'] .open").click()
                page.wait_for_url(f"**/mail/c/{rows[14]}*")
                page.go_back()
            page.wait_for_url(address)
            page.wait_for_function(f"() => {FOCUSED} === '{rows[14]}'")
            assert page.evaluate("scrollY") == scrolled
            assert page.locator(".picked").inner_text() == "2 selected"
        page.get_by_role("link", name="Inbox").first.click()
        page.wait_for_url("**/mail")
        assert page.locator(".pick :checked").count() == 0
        assert watched.complaints == []


def test_rows_have_buttons_and_all_can_be_selected(chromium: Any, running: Running) -> None:
    with page_request(chromium, running) as watched:
        page = watched.page
        ident = on_page(page)[1]
        row = page.locator(f".row[data-id='{ident}']")
        assert not row.locator(".ra").is_visible()
        row.hover()
        assert row.locator(".ra").is_visible() and row.locator(".pick input").is_visible()
        row.get_by_role("button", name="Archive").click()
        assert toast(page) == "1 conversation archived."
        page.wait_for_function("id => !document.querySelector(`.row[data-id='${id}']`)", arg=ident)
        page.keyboard.press("j")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Archive"  # by keyboard, too
        page.get_by_text("Select all", exact=True).click()
        assert page.locator(".picked").inner_text() == "40 selected"
        page.locator(".every").click()
        page.wait_for_url("**select=all")
        assert page.locator(".picked").inner_text() == "All 65 in Inbox"
        page.locator(".bulk button[value=star]").click()
        page.wait_for_selector(".toast:has-text('conversations starred')")
        page.wait_for_url("**/mail")
        assert len(edits(running)) > 41
        page.locator(".toast button").click()
        page.wait_for_selector(".toast:has-text('Undone')")
        assert len(edits(running)) == 1
        assert watched.complaints == []


def test_search_is_worked_with_and_left(chromium: Any, running: Running) -> None:
    with page_request(chromium, running) as watched:
        page = watched.page
        page.keyboard.press("/")
        page.keyboard.type("proof matrix")
        page.keyboard.press("Enter")
        page.wait_for_url("**/mail/search?*")
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("j")
        ident = page.evaluate(FOCUSED)
        page.keyboard.press("x")
        assert page.locator(".picked").inner_text() == "1 selected"
        page.keyboard.press("s")
        assert "starred" in toast(page)
        page.wait_for_selector(f"[data-id='{ident}'] .star[aria-pressed=true]")
        page.locator(f"[data-id='{ident}'] .ht").first.click()
        page.wait_for_url(f"**/mail/c/{ident}*")
        assert page.locator(".msg mark").count() >= 2
        page.keyboard.press("u")
        page.wait_for_url("**/mail/search?q=proof*")
        assert page.evaluate(FOCUSED) == ident
        page.goto(page.url.partition("?")[0])
        page.fill("#bq", "from:men")
        page.wait_for_function("() => document.querySelectorAll('#completions option').length === 2")
        assert watched.complaints == []


def test_a_long_thread_is_walked_and_unfolded(chromium: Any, running: Running) -> None:
    for n in range(12):
        change(
            running.folder,
            "INSERT INTO messages (id, conversation_id, author_id, created_at, body, first_seen_at)"
            f" VALUES (?, 700001, 3, '2026-11-22T0{n // 2}:{n % 2}0:00Z', ?, '2026-11-22T09:00:00Z')",
            9900 + n,
            f"Line {n}\n\n" + "A longer text that fills the page. " * 30,
        )
    with page_request(chromium, running) as watched:
        page = watched.page
        watched.go("/mail/c/700001")
        assert page.locator(".old:not([open])").count() == 11
        page.keyboard.press("n")
        page.keyboard.press("n")
        focused = "document.activeElement.id"
        assert page.evaluate(focused) == "m9901" and page.locator(".old[open]").count() == 2
        page.keyboard.press("p")
        assert page.evaluate(focused) == "m9900"
        top, bar = (page.locator(one).bounding_box() for one in ("#m9900", ".bar"))
        assert top["y"] >= bar["y"] + bar["height"] - 1  # not under the bar
        page.get_by_text("Open all").click()
        assert page.locator(".old:not([open])").count() == 0
        page.emulate_media(media="print")
        assert (
            page.locator("#m9905 .body").is_visible() and not page.locator(".old summary").first.is_visible()
        )
        assert watched.complaints == []


def test_keys_can_be_switched_off_and_never_act_in_a_field(chromium: Any, running: Running) -> None:
    with page_request(chromium, running) as watched:
        page = watched.page
        page.locator(".help-keys").click()
        assert page.locator("#keys").is_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press("s")
        page.wait_for_url("**/mail/starred")
        page.keyboard.press("#")
        assert "Nothing is deleted" in toast(page)
        page.focus("#q")
        page.keyboard.type("jxse#gi")
        page.keyboard.press("Control+u")
        page.locator("main").focus()
        page.keyboard.press("Control+s")
        page.keyboard.press("Alt+e")
        assert page.url.endswith("/starred") and edits(running) == []
        watched.go("/mail/view?next=/mail/starred")
        page.locator("button[name=keys][value=off]").click()
        page.wait_for_url("**/mail/starred")
        for key in ("j", "s", "?", "/", "g", "i", "e"):
            page.keyboard.press(key)
        assert not page.locator("#keys").is_visible() and edits(running) == []
        assert page.url.endswith("/starred") and page.evaluate("document.activeElement.tagName") == "BODY"
        assert watched.complaints == []


def test_the_same_day_without_script(chromium: Any, running: Running) -> None:
    with page_request(chromium, running, java_script_enabled=False) as watched:
        page = watched.page
        page.get_by_role("link", name="Older", exact=True).click()
        page.wait_for_url("**/mail?before=*")
        second = page.url
        rows = on_page(page)
        page.locator(f".row[data-id='{rows[20]}'] .open").click(position=RIGHT)
        page.wait_for_url(f"**/mail/c/{rows[20]}*")
        page.get_by_role("link", name="Older", exact=True).first.click()
        page.wait_for_url(f"**/mail/c/{rows[21]}*")
        page.locator(".up").click()
        page.wait_for_url(f"**row={rows[21]}#here")
        assert page.url.startswith(second)
        assert page.locator(":target").get_attribute("data-id") == rows[21]
        assert page.evaluate("scrollY") > 300
        page.get_by_text("Select all", exact=True).click()
        page.get_by_role("link", name="Select all 66").click()
        page.locator(".bulk button[value=star]").click()
        page.wait_for_selector(".toast:has-text('conversations starred')")
        assert len(edits(running)) > 41
        page.locator(".toast button").click()
        page.wait_for_selector(".toast:has-text('Undone')")
        assert edits(running) == []
        page.fill("#q", "proof")
        page.press("#q", "Enter")
        page.locator(".hits .star").first.click()
        page.wait_for_selector(".toast:has-text('starred')")
        page.locator(".hits a .ht").first.click()
        assert page.locator("mark").count() > 0
        page.locator(".help-keys").click()
        page.locator("button[name=order][value=newest]").click()
        assert page.locator("text=Oldest first").count() == 1


SMALL = """() => [...document.querySelectorAll('a[href], button, summary, input:not([type=hidden])')]
  .filter(one => one.checkVisibility({ visibilityProperty: true }))
  .filter(one => !one.closest('.body, .vh, .skip, .note'))
  .filter(one => !one.matches('p:not(.reading) a'))
  .map(one => [one, (one.closest('label') || one).getBoundingClientRect()])
  .filter(([one, box]) => box.height && (box.height < 43.5 || box.width < 24))
  .map(([one, box]) => `${Math.round(box.width)}x${Math.round(box.height)} ${one.outerHTML.slice(0, 80)}`)"""
"""What a finger misses. Links inside sentences are as tall as their line."""


def test_fingers_hit_what_they_mean(chromium: Any, running: Running) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with page_request(chromium, running, **phone) as watched:
        for path in PAGES.values():
            watched.go(path)
            assert watched.page.evaluate(SMALL) == [], path
