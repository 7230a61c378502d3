"""The mail pages in Debian's Chromium: keys, undo, hostile mail, attackers, accessibility, every size."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.web_support import (
    LONG_COUNT,
    Running,
    Watched,
    column,
    make_archive,
    make_long,
)

pytestmark = [pytest.mark.browser, pytest.mark.uncounted, pytest.mark.thorough]

PAGES = {
    "inbox": "/mail",
    "sent": "/mail/sent",
    "removed": "/mail/removed",
    "thread": "/mail/c/800001",
    "thread-gone": "/mail/c/800008",
    "thread-long": "/mail/c/800005",
    "thread-rtl": "/mail/c/800003",
    "search": "/mail/search?q=proof+matrix",
    "search-narrowed": "/mail/search?q=proof&person=1",
    "search-help": "/mail/search",
    "search-nothing": "/mail/search?q=zebra",
    "people": "/mail/people",
    "person": "/mail/people/4",
    "courses": "/mail/courses",
    "course": "/mail/courses/course_106",
    "timeline": "/mail/timeline",
    "month": "/mail/timeline?when=2026-10",
    "edits": "/mail/edits",
    "view": "/mail/view",
    "status": "/mail/status",
    "new": "/mail/new?to=Hana",
    "forward": "/mail/new?forward=800001",
    "drafts": "/mail/drafts",
    "not-found": "/mail/nowhere",
}
HOSTILE = (
    "/mail",
    "/mail/c/800002",
    "/mail/people/66",
    "/mail/people",
    "/mail/search?q=%3Cscript%3Ealert(9)",
    "/mail/search?q=onmouseover",
    '/mail/people?name="><script>alert(7)</script>',
    "/archive/messages?conversation_id=800002",
    "/archive/conversations/800002",
    "/archive/users/66",
    "/archive/correspondents",
    "/archive/largest_attachments",
    "/archive/attachments",
)
"""Where the names, subjects, bodies and files of a hostile sender show up."""

TABLES = (
    "/archive",
    "/archive/conversations",
    "/archive/conversations/800001",
    "/archive/correspondents",
    "/archive/messages?author_id=4",
    "/-/databases",
)

REPOSITORY = Path(__file__).resolve().parent.parent
ARTIFACTS = REPOSITORY / "tests" / "artifacts"


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose archive no test changes."""
    running = Running(make_archive(tmp_path_factory.mktemp("browser") / "archive"))
    yield running
    running.stop()


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Running]:
    """A server of a test's own archive."""
    running = Running(make_archive(tmp_path / "archive"))
    yield running
    running.stop()


@contextmanager
def page_request(chromium: Any, running: Running, **how: Any) -> Iterator[Watched]:
    context = chromium.new_context(
        **{"viewport": {"width": 1280, "height": 800}, "timezone_id": "UTC", **how}
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(running.link())
    page.wait_for_url("**/mail")
    try:
        yield Watched(page, running.base)
    finally:
        context.close()


def edits(running: Running) -> list[str]:
    return column(running.folder, "SELECT conversation_id || ' ' || field || ' ' || value FROM pending_edits")


def toast(page: Any) -> str:
    page.wait_for_selector(".toast")
    return str(page.locator(".toast span").inner_text())


def test_the_link_signs_in_and_the_cookie_stays_hidden(chromium: Any, reading: Running) -> None:
    with page_request(chromium, reading) as watched:
        page = watched.page
        assert page.title() == "(10) Inbox · Canvas archive"
        (cookie,) = [
            one
            for one in page.context.cookies()
            if one["name"].startswith("canvas_archive_") and one["httpOnly"]
        ]
        assert cookie["sameSite"] == "Strict"
        assert cookie["name"] == f"canvas_archive_{reading.base.rpartition(':')[2]}"
        assert cookie["value"] not in page.evaluate("document.cookie")
        assert watched.complaints == []
    fresh = chromium.new_context()
    page = fresh.new_page()
    assert page.goto(reading.base + "/mail").status == 403
    assert "private" in page.locator("h1").inner_text()
    fresh.close()


def test_keys_move_open_star_and_come_back(chromium: Any, writing: Running) -> None:
    with page_request(chromium, writing) as watched:
        page = watched.page
        page.keyboard.press("j")
        page.keyboard.press("j")
        focused = "document.activeElement.closest('.row').dataset.id"
        ident = page.evaluate(focused)
        assert ident == page.locator(".row").nth(1).get_attribute("data-id")
        page.keyboard.press("k")
        page.keyboard.press("j")
        page.keyboard.press("s")
        assert toast(page) == "1 conversation starred."
        page.wait_for_function(
            "id => document.querySelector(`.row[data-id='${id}'] .star[aria-pressed=true]`)", arg=ident
        )
        assert edits(writing) == [f"{ident} starred 1"]
        assert page.evaluate(focused) == ident  # the place is kept
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/mail/c/{ident}")
        page.keyboard.press("e")
        assert toast(page) == "1 conversation archived."
        page.wait_for_selector(".arch:has-text('Move to inbox')")
        page.keyboard.press("u")
        page.wait_for_url("**/mail")
        assert page.locator(f".row[data-id='{ident}']").count() == 0
        page.keyboard.press("?")
        assert page.locator("#keys").is_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "q"
        page.keyboard.type("proof")
        page.keyboard.press("Enter")
        page.wait_for_url("**/mail/search?q=proof")
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("o")
        page.wait_for_url("**/mail/c/**")
        page.keyboard.press("u")
        page.wait_for_url("**/mail/search?q=proof")
        assert watched.complaints == []


@pytest.mark.sampled
def test_several_are_archived_and_undone_without_a_reload(chromium: Any, writing: Running) -> None:
    with page_request(chromium, writing) as watched:
        page = watched.page
        page.evaluate("window.untouched = true")
        first = [page.locator(".row").nth(place).get_attribute("data-id") for place in range(3)]
        page.keyboard.press("j")
        page.keyboard.press("x")
        assert page.locator(".bulk").is_visible()
        page.locator(".row").nth(2).locator(".pick input").click(modifiers=["Shift"])
        assert page.locator(".picked").inner_text() == "3 selected"
        page.locator(".bulk button[value=archive]").click()
        assert toast(page) == "3 conversations archived."
        page.wait_for_function("id => !document.querySelector(`.row[data-id='${id}']`)", arg=first[0])
        assert len(edits(writing)) == 3
        page.locator(".toast button").click()
        page.wait_for_function("id => document.querySelector(`.row[data-id='${id}']`)", arg=first[0])
        assert edits(writing) == []
        assert page.evaluate("window.untouched")
        assert page.locator("#toasts").get_attribute("aria-live") == "polite"
        assert watched.complaints == []


def test_everything_works_without_script(chromium: Any, writing: Running) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(10_000)
    try:
        page = context.new_page()
        page.goto(writing.link())
        page.wait_for_url("**/mail")
        ident = page.locator(".row").first.get_attribute("data-id")
        page.locator(".row").first.locator("button.star").click()
        page.wait_for_url("**/mail?done=*")
        assert "starred" in page.locator(".toast").inner_text()
        assert edits(writing) == [f"{ident} starred 1"]
        page.locator(".row").nth(1).locator(".pick input").check()
        assert page.locator(".bulk").is_visible()
        page.locator(".bulk button[value=archive]").click()
        page.wait_for_selector(".toast:has-text('archived')")
        page.locator(".toast button").click()
        page.wait_for_selector(".toast:has-text('Undone')")
        assert edits(writing) == [f"{ident} starred 1"]
        page.goto(writing.base + "/mail/edits")
        page.locator(".ledger button").first.click()
        page.wait_for_selector(".toast:has-text('discarded')")
        assert edits(writing) == []
        page.fill("#q", "proof")
        page.press("#q", "Enter")
        page.wait_for_url("**/mail/search?q=proof")
        assert page.locator(".hits > li").count() > 3
    finally:
        context.close()


def test_hostile_mail_is_only_text(chromium: Any, reading: Running) -> None:
    with page_request(chromium, reading) as watched:
        page = watched.page
        for path in HOSTILE:
            watched.go(path)
        watched.go("/mail/c/800002")
        assert page.locator("main script, main img").count() == 0
        links = page.eval_on_selector_all(".body a", "links => links.map(link => link.getAttribute('href'))")
        assert links and all(link.startswith(("https://a.example/", "mailto:")) for link in links)
        with page.expect_download() as download:
            page.locator(".files a").first.click()
        assert "<" not in download.value.suggested_filename and '"' not in download.value.suggested_filename
        assert watched.complaints == []


@contextmanager
def attacker(html: str) -> Iterator[int]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_site_or_port_cannot_write(chromium: Any, writing: Running, host: str) -> None:
    with page_request(chromium, writing) as watched:
        page = watched.page
        token = page.evaluate("document.body.dataset.token")
        form = (
            f'<form id=f method=post action="{writing.base}/mail/edit"><input name=do value="star:700001">'
            f'<input name=csrf value="{token}"></form><script>f.submit()</script>'
        )
        with attacker(form) as port:
            page.goto(f"http://{host}:{port}/")
            page.wait_for_url("**/mail/edit")
            assert "refused" in page.content()
        assert edits(writing) == []


def test_another_page_cannot_read_or_frame(chromium: Any, reading: Running) -> None:
    with page_request(chromium, reading) as watched:
        page = watched.page
        with attacker("<p>attacker</p>") as port:
            page.goto(f"http://127.0.0.1:{port}/")
            read = "url => fetch(url, {credentials: 'include'}).then(r => r.text(), () => 'blocked')"
            assert page.evaluate(read, reading.base + "/mail") == "blocked"
            framed = (
                "url => new Promise(done => { const f = document.createElement('iframe'); f.src = url;"
                " f.onload = () => { let text = 'blocked';"
                " try { text = f.contentDocument.body.innerText } catch {}"
                " done(text) }; document.body.append(f) })"
            )
            assert "Inbox" not in page.evaluate(framed, reading.base + "/mail")


def test_a_rebound_name_reads_nothing(chromium: Any, reading: Running) -> None:
    port = reading.base.rpartition(":")[2]

    context = chromium.new_context()
    page = context.new_page()
    try:
        # Chromium resolves *.localhost to the loopback by itself: a foreign name on our address.
        answer = page.goto(f"http://rebound.localhost:{port}/mail")
        assert answer.status == 421
        assert "Midterm" not in page.content()
    finally:
        context.close()


def test_the_reader_s_zone_is_used(chromium: Any, reading: Running) -> None:
    with page_request(chromium, reading, timezone_id="Asia/Tokyo") as watched:
        page = watched.page
        page.wait_for_function("() => document.documentElement.dataset.offset === '540'")
        watched.go("/mail/c/800001")
        assert "21 Nov 2026, 18:30" in page.locator("main").inner_text()
        assert watched.complaints == []


@pytest.fixture(scope="module")
def axe() -> Any:
    module = pytest.importorskip("axe_playwright_python.sync_playwright")
    return module.Axe()


SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SCHEMES: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"runOnly": ["color-contrast", "link-in-text-block"]},
}
"""The colours a reader may have asked for, and what is then looked at: dark, what colours decide."""


def violations(axe: Any, page: Any, scheme: str = "light") -> list[str]:
    """Return what axe has against a page in the colours of a scheme, each with its first place."""
    page.emulate_media(color_scheme=scheme)
    found = axe.run(page, options={"resultTypes": ["violations"], **SCHEMES[scheme]}).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]} {one['nodes'][0]['failureSummary'][:300]}"
        for one in found
    ]


def look(axe: Any, page: Any, size: str, name: str) -> dict[str, list[str]]:
    """Keep a picture of a page in each scheme; return what axe has against it."""
    found = {}
    for scheme in SCHEMES:
        folder = ARTIFACTS / f"{size}-{scheme}"
        folder.mkdir(parents=True, exist_ok=True)
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=str(folder / f"{name}.png"))
        if against := violations(axe, page, scheme):
            found[f"{name}, {scheme}"] = against
    return found


def test_dark_is_other_colours_and_nothing_else() -> None:
    """So a page in the dark has only its colours to be looked at."""
    blocks = 0
    for path in (REPOSITORY / "canvas_archive" / "web" / "static").glob("*.css"):
        for dark in re.findall(
            r"prefers-color-scheme: dark\) \{((?:[^{}]*\{[^{}]*\})*)", path.read_text("utf-8")
        ):
            for name, value in re.findall(r"([\w-]+): *([^;{}]+);", dark):
                assert name.startswith("--") or name == "color-scheme", (path.name, name)
                assert re.fullmatch(r"#[0-9a-f]{6}|\d+%|color-mix\(.*\)|dark", value), (path.name, value)
            blocks += 1
    assert blocks >= 2


@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_accessible_fits_and_is_kept_as_a_picture(
    chromium: Any, reading: Running, axe: Any, size: str
) -> None:
    width, height = SIZES[size]
    found: dict[str, list[str]] = {}
    with page_request(
        chromium, reading, viewport={"width": width, "height": height}, reduced_motion="reduce"
    ) as watched:
        page = watched.page
        for name, path in PAGES.items():
            watched.go(path)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, f"{name} is {over} pixels too wide"
            found |= look(axe, page, size, name)
        if size == "phone":
            watched.go("/mail")
            page.locator(".burger summary").click()
            found |= look(axe, page, size, "menu")
        assert found == {}
        expected = [one for one in watched.complaints if "404 (Not Found)" not in one]
        assert expected == []


@pytest.mark.parametrize(("width", "height"), [(640, 400), (320, 568)])
def test_nothing_overflows_when_enlarged(chromium: Any, reading: Running, width: int, height: int) -> None:
    with page_request(chromium, reading, viewport={"width": width, "height": height}) as watched:
        for name, path in PAGES.items():
            watched.go(path)
            over = watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, f"{name} is {over} pixels too wide"


def test_the_selection_and_help_are_accessible(chromium: Any, writing: Running, axe: Any) -> None:
    with page_request(chromium, writing) as watched:
        page = watched.page
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.wait_for_selector(".bulk")
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(path=str(ARTIFACTS / "selection.png"))
        assert violations(axe, page) == []
        page.keyboard.press("s")
        toast(page)
        page.screenshot(path=str(ARTIFACTS / "undo.png"))
        assert violations(axe, page) == []
        page.keyboard.press("?")
        page.screenshot(path=str(ARTIFACTS / "keys.png"))
        assert violations(axe, page) == []
        page.keyboard.press("Escape")
        watched.go("/mail/edits")
        page.screenshot(path=str(ARTIFACTS / "edits-pending.png"))
        assert violations(axe, page) == []


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of an archive with a conversation of several pages, and of a second archive."""
    folder = tmp_path_factory.mktemp("long")
    running = Running(make_long(folder / "archive"), more=[make_archive(folder / "another school")])
    yield running
    running.stop()


def test_an_address_of_a_message_alone_finds_its_part(chromium: Any, long: Running) -> None:
    (ident,) = column(long.folder, "SELECT id FROM messages WHERE conversation_id = 4 LIMIT 1 OFFSET 200")
    with page_request(chromium, long) as watched:
        page = watched.page
        watched.go(f"/mail/c/4#m{ident}")
        page.wait_for_url(f"**/mail/c/4?m={ident}#m{ident}")
        assert page.locator(f"#m{ident}").is_visible()
        watched.go("/mail/c/4#m1")  # no message of this conversation: asked for once, and left at that
        page.wait_for_url("**/mail/c/4?m=1#m1")
        assert page.locator(".msg").count() > 50
        assert watched.complaints == []


def test_a_long_conversation_is_read_without_script(chromium: Any, long: Running) -> None:
    with page_request(chromium, long, java_script_enabled=False) as watched:
        page = watched.page
        watched.go("/mail/archive/archive/c/4")
        page.get_by_text("Older messages").click()
        page.wait_for_url("**/c/4?before=*")
        assert page.locator(":target").count() == 1  # where reading goes on
        page.get_by_text("Newer messages").click()
        page.wait_for_url("**/c/4?after=*")
        page.get_by_text("all on one page").first.click()
        page.wait_for_url("**/c/4?all=1")
        assert page.locator(".msg, .event").count() == LONG_COUNT


@pytest.mark.parametrize("size", SIZES)
def test_the_choice_and_the_parts_are_accessible(chromium: Any, long: Running, axe: Any, size: str) -> None:
    width, height = SIZES[size]
    with page_request(
        chromium, long, viewport={"width": width, "height": height}, reduced_motion="reduce"
    ) as watched:
        page = watched.page
        for name, path in {"archives": "/mail", "thread-part": "/mail/archive/archive/c/4?m=5400"}.items():
            watched.go(path)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            assert look(axe, page, size, name) == {}
        assert watched.complaints == []


def test_on_paper_there_is_the_mail_and_nothing_else(chromium: Any, reading: Running) -> None:
    with page_request(chromium, reading) as watched:
        page = watched.page
        watched.go("/mail/c/800001")
        page.emulate_media(media="print")
        for selector in (".top", ".side", ".bar"):
            assert not page.locator(selector).is_visible()
        assert page.locator(".th h1").is_visible() and page.locator(".body").first.is_visible()
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(path=str(ARTIFACTS / "print.png"), full_page=True)


def test_sync_now_streams_into_the_page(
    chromium: Any, writing: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    from canvas_archive.web import syncing, tokens

    go_on = threading.Event()

    def sync_now(folder: Path, show: Callable[[str], None]) -> None:
        show("Looking at the inbox…")
        go_on.wait(10)
        show("2 new, 1 changed")

    monkeypatch.setattr(syncing, "sync_now", sync_now)
    monkeypatch.setattr(tokens, "token_available", lambda datasette, folder: True)
    with page_request(chromium, writing) as watched:
        page = watched.page
        watched.go("/mail/status")
        page.locator("button:has-text('Sync now')").click()
        page.wait_for_selector(".progress:has-text('Looking at the inbox')")  # while it still runs
        go_on.set()
        page.wait_for_selector(".toast:has-text('Done.')")
        assert re.search("2 new, 1 changed", page.locator(".progress").inner_text())
        assert watched.complaints == []


def test_datasette_s_pages_carry_no_outside_request(chromium: Any, reading: Running) -> None:
    with page_request(chromium, reading) as watched:
        for path in TABLES:
            watched.go(path)
        folder = ARTIFACTS / "desktop-light"
        folder.mkdir(parents=True, exist_ok=True)
        watched.go("/archive/conversations")
        watched.page.screenshot(path=str(folder / "table.png"))
        assert watched.complaints == []
