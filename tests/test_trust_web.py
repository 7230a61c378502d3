"""Every address of the server, asked by everybody: who sees what, and what can be changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.crawl_support import (
    HOST,
    OPEN,
    PORT,
    PRIVATE,
    ROUTES_OF_DATASETTE,
    ROUTES_OF_MAIL,
    SAME,
    BoundServer,
    links_of,
    opened,
    shape_of,
)
from tests.trust_support import TALLY
from tests.web_support import make_archive

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]
MOST_ADDRESSES = 300

CROSS = (
    {"host": HOST, "origin": "http://evil.example", "sec-fetch-site": "cross-site"},
    {"host": HOST, "origin": "http://evil.example"},
    {"host": HOST, "origin": "http://127.0.0.1:9999", "sec-fetch-site": "same-site"},
    {"host": HOST, "origin": "http://127.0.0.1:9999"},
    {"host": HOST, "origin": "null"},
    {"host": HOST, "sec-fetch-site": "none"},
    {"host": HOST, "cookie": "canvas_archive_4321=guess"},
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoundServer]:
    made = opened(make_archive(tmp_path_factory.mktemp("web") / "archive"))
    yield made
    made.visitor.close()


@pytest.fixture(scope="module")
def crawled(served: BoundServer) -> dict[str, Any]:
    """What the owner gets at every route, and where the pages lead: at most two addresses of a shape."""
    seen: dict[str, int] = {}
    shelved = [path.replace("/mail", "/mail/archive/archive", 1) for path in ROUTES_OF_MAIL if path != "/"]
    wanted = [*ROUTES_OF_MAIL, *shelved, *ROUTES_OF_DATASETTE]
    found: dict[str, Any] = {}
    while wanted and len(found) < MOST_ADDRESSES:
        address = wanted.pop(0)
        shape = shape_of(address)
        if seen.get(shape, 0) >= 2 or address in found or shape.startswith("/mail/login"):
            continue
        seen[shape] = seen.get(shape, 0) + 1
        answer = found[address] = served.ask("GET", address)
        if answer.headers.get("content-type", "").startswith("text/html") and address != "/-/patterns":
            wanted += sorted(links_of(answer.text, address))
    assert len(seen) > 100
    return found


@pytest.fixture(scope="module")
def addresses(crawled: dict[str, Any]) -> list[str]:
    return list(crawled)


@pytest.mark.sampled
def test_every_route_of_the_plugin_is_in_the_list(served: BoundServer) -> None:
    patterns = [pattern for pattern, _ in served.visitor.datasette._routes()]
    ours = [pattern for pattern in patterns if pattern.pattern.startswith(("^/mail", "^(?:/mail"))]
    assert len(ours) > 20
    for pattern in ours:
        assert any(pattern.match(path.partition("?")[0]) for path in ROUTES_OF_MAIL), pattern.pattern


def test_anybody_gets_the_sign_in_page_and_no_more(served: BoundServer, addresses: list[str]) -> None:
    for address in addresses:
        answer = served.ask("GET", address, who="anybody")
        TALLY["routes × identities: anybody reads"] += 1
        assert not any(word in answer.text for word in PRIVATE), address
        if not OPEN.fullmatch(address):
            assert answer.status_code in (301, 302, 400, 403, 404, 405), (address, answer.status_code)
        if answer.status_code == 302:
            assert answer.headers["location"].startswith("/"), address


def test_the_owner_can_read_everything(served: BoundServer, crawled: dict[str, Any]) -> None:
    """No address that a page leads to is broken."""
    for address, got in crawled.items():
        for answer in (got, served.ask("HEAD", address)):
            TALLY["routes × identities: the owner reads"] += 1
            assert answer.status_code in (200, 301, 302, 303, 400, 403, 404, 405), (
                address,
                answer.status_code,
            )
            if answer.status_code == 302:
                assert re.match(r"/(?!/)|http://127\.0\.0\.1", answer.headers["location"]), address


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1.evil.example", "", "localhost.", "x"]
)
def test_under_another_name_there_is_nothing(served: BoundServer, addresses: list[str], host: str) -> None:
    for address in addresses:
        for method in ("GET", "POST"):
            answer = served.ask(method, address, headers={"host": host})
            TALLY["routes × identities: another host name"] += 1
            assert answer.status_code == 421 and len(answer.content) < 100, (address, host)


@pytest.mark.parametrize("headers", CROSS, ids=lambda one: "-".join(one.values()))
def test_another_site_writes_nothing(
    served: BoundServer, addresses: list[str], headers: dict[str, str]
) -> None:
    """Even with the owner's cookie, which a browser would send from another port."""
    before = served.state()
    form = {"do": "star:700005", "csrf": "0" * 64, "id": "1", "name": "x", "q": "x"}
    for address in addresses:
        answer = served.ask("POST", address, headers=headers, data=form)
        TALLY["routes × identities: another site writes"] += 1
        assert answer.status_code == 403, (address, answer.status_code)
    assert served.state() == before


def test_no_other_method_changes_anything(served: BoundServer, addresses: list[str]) -> None:
    before = served.state()
    for address in addresses:
        for who in ("owner", "anybody"):
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
                answer = served.ask(method, address, who=who, headers=SAME)
                TALLY["routes × identities: other methods"] += 1
                assert answer.status_code in (200, 301, 302, 303, 400, 403, 404, 405), (
                    method,
                    address,
                    answer.status_code,
                )
                if who == "anybody":
                    assert not any(word in answer.text for word in PRIVATE), address
    assert served.state() == before


def test_a_form_without_its_token_changes_nothing(served: BoundServer) -> None:
    before = served.state()
    for path, form in (
        ("/mail/edit", {"do": "star:700005"}),
        ("/mail/edit", {"do": "star:700005", "csrf": "0" * 64}),
        ("/mail/edit", {"do": "star:700005", "csrf": "\x00é"}),
        ("/mail/undo", {"undo": "x"}),
        ("/mail/search/save", {"name": "x", "q": "y"}),
        ("/mail/edits/discard", {"id": "1"}),
        ("/mail/edits/keep", {"edit": "1"}),
        ("/mail/outbox", {"do": "withdraw:1"}),
        ("/mail/c/700005/reply", {"body": "x", "all": "1"}),
        ("/mail/new/queue", {"to": "Hana Mensah", "body": "x"}),
        ("/mail/new/queue", {"body": "x", "do": "keep"}),
        ("/mail/drafts/discard", {"draft": "0" * 24}),
        ("/mail/outbox/1", {"body": "x"}),
        ("/mail/status/sync", {}),
        ("/mail/status/push", {}),
        ("/mail/logout", {}),
    ):
        for who in ("owner", "anybody"):
            assert served.ask("POST", path, who=who, headers=SAME, data=form).status_code == 403
    assert served.state() == before
    assert served.ask("GET", "/mail").status_code == 200  # nobody was signed out


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00", b"a=" * 5000, b"&" * 190_000, b"x" * 250_000, b"csrf=%zz&do=%", b"\r\n\r\n"]
)
def test_a_broken_form_is_refused(served: BoundServer, body: bytes) -> None:
    for path in ("/mail/edit", "/mail/search/save", "/mail/edits/discard"):
        answer = served.ask(
            "POST", path, headers={**SAME, "content-type": "application/x-www-form-urlencoded"}, content=body
        )
        assert answer.status_code in (400, 403)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "/mail//evil.example",
        "javascript:alert(1)",
        "/mail\r\nX-A: b",
        "/mail@evil.example",
        "\\\\evil.example",
        "/mail/../../evil",
        "data:text/html,x",
        "",
        "/maileviL",
        "http:evil.example",
    ],
)
def test_after_a_form_one_stays_on_this_server(served: BoundServer, target: str) -> None:
    token = re.search(r'data-token="([0-9a-f]{64})"', served.ask("GET", "/mail").text)
    assert token is not None
    form = {"do": "read:700009", "csrf": token[1], "next": target}
    answer = served.ask("POST", "/mail/edit", headers=SAME, data=form)
    assert answer.status_code == 303
    assert re.match(r"/mail(?:[/?]|$)", answer.headers["location"]), answer.headers["location"]
    assert "x-a" not in answer.headers
