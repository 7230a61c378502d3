"""Addresses, next links and the token: where the client may go, and what it shows."""

from __future__ import annotations

import copy
import pickle

import httpx
import pytest

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.canvas.address import normalise_base_url, origin_of, require_safe, typed_base_url
from canvas_archive.canvas.links import parse_links, shown_url
from canvas_archive.errors import BadInput, TokenRefused, UnsafeRedirect
from tests.client_support import SECRET


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("school.instructure.com", "https://school.instructure.com"),
        ("  https://school.instructure.com/ ", "https://school.instructure.com"),
        ("https://School.Instructure.com/api/v1", "https://school.instructure.com"),
        ("https://school.instructure.com/api/v1/", "https://school.instructure.com"),
        ("https://school.instructure.com:443", "https://school.instructure.com"),
        ("https://school.instructure.com:8443", "https://school.instructure.com:8443"),
        ("school.instructure.com:8443/api/v1", "https://school.instructure.com:8443"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
        ("https://schüle.example", "https://xn--schle-mva.example"),
    ],
)
def test_addresses_people_type(typed: str, normal: str) -> None:
    assert normalise_base_url(typed) == normal
    assert normalise_base_url(normal) == normal


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "http://school.instructure.com",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "ftp://school.instructure.com",
        "file:///etc/passwd",
        "https://me:secret@school.instructure.com",
        "https://school.instructure.com/courses/12",
        "https://school.instructure.com/?a=b",
        "https://school.instructure.com/#x",
        "https://school.instructure.com:99999",
        "https://school.instructure.com:port",
        "https://a..b",
        f"https://{'a' * 64}.example",
        "https://exa mple.com",
        "https://",
        "://",
        "https://[::1",
        "http://[fe80::1]",
    ],
)
def test_addresses_that_cannot_be_a_canvas(typed: str) -> None:
    with pytest.raises(BadInput) as caught:
        normalise_base_url(typed)
    assert "secret" not in str(caught.value)
    with pytest.raises(BadInput):
        CanvasClient(typed, Token(SECRET))


def test_origins_compare_scheme_host_and_port() -> None:
    home = origin_of(httpx.URL("https://school.example/x"))
    assert home == origin_of(httpx.URL("https://SCHOOL.example:443/y?z"))
    assert home != origin_of(httpx.URL("https://school.example:444/"))
    assert home != origin_of(httpx.URL("http://school.example:443/"))
    assert home != origin_of(httpx.URL("https://school.example./"))
    for odd in ("/relative", "mailto:a@b", "https://ex%20ample.com", "https://[::g]"):
        with pytest.raises((ValueError, httpx.InvalidURL)):
            origin_of(httpx.URL(odd))


def test_plain_http_is_for_this_machine_pointing_at_itself() -> None:
    here = origin_of(httpx.URL("http://127.0.0.1:1"))
    away = origin_of(httpx.URL("https://school.example"))
    local = httpx.URL("http://localhost:2/file")
    assert require_safe(local, here, "It").port == 2
    for url, home in ((local, away), (httpx.URL("http://files.example/"), here)):
        with pytest.raises(UnsafeRedirect, match="not encrypted"):
            require_safe(url, home, "It")
    with pytest.raises(UnsafeRedirect, match="password"):
        require_safe(httpx.URL("https://a:b@school.example/"), away, "It")


def test_link_headers() -> None:
    header = (
        '<https://h/a?x=1,2;3>; rel="current",<https://h/b>; rel="next last"; title="a, <b>"'
        ", <https://h/c>;REL=Prev, <https://h/d>;rel='odd'"
    )
    assert list(parse_links(header)) == [
        ("current", "https://h/a?x=1,2;3"),
        ("next", "https://h/b"),
        ("last", "https://h/b"),
        ("prev", "https://h/c"),
        ("'odd'", "https://h/d"),
    ]


@pytest.mark.parametrize(
    "header", ["", "garbage", "<https://h/a", "<https://h/a>", "<x>; title=next", ",,,", "<" * 5000]
)
def test_link_headers_without_relations(header: str) -> None:
    assert list(parse_links(header)) == []


def test_shown_urls_open_no_doors() -> None:
    url = httpx.URL(
        "https://h/files/1/download?download_frd=1&verifier=abc&access_token=def&X-Amz-Signature=ghi"
    )
    assert (
        shown_url(url) == "/files/1/download?download_frd=1&verifier=...&access_token=...&X-Amz-Signature=..."
    )


def test_the_token_shows_itself_to_the_header_alone() -> None:
    token = Token(f"  {SECRET}\n")
    assert token.header() == f"Bearer {SECRET}"
    for shown in (repr(token), str(token), f"{token}", f"{token!r:>40}", "%s" % token, repr([token])):  # noqa: UP031
        assert SECRET not in shown
    assert token == Token(SECRET) and hash(token) == hash(Token(SECRET))
    assert token != Token("other") and token != SECRET
    with pytest.raises(TypeError):
        pickle.dumps(token)
    with pytest.raises(TypeError):
        copy.copy(token)
    assert not hasattr(token, "__dict__")


@pytest.mark.parametrize("secret", ["", " \n", "abc def", "abc\r\nX-Evil: 1", "tökén", "abc\x00"])
def test_text_that_is_no_token(secret: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        Token(secret)
    assert "New Access Token" in str(caught.value)
    assert "Evil" not in str(caught.value)


# -- what people paste -------------------------------------------------------------------------------------

PASTED = {
    "HTTPS://School.Example/courses/12/pages/a?x=1#y": "https://school.example",
    "https://school.example/conversations#filter=type=inbox": "https://school.example",
    "school.example:8443/courses": "https://school.example:8443",
    "school.example.": "https://school.example",
    "//school.example/x": "https://school.example",
    "https:/school.example/x": "https://school.example",
    "https//school.example": "https://school.example",
    "https:\\\\school.example\\x": "https://school.example",
    "<https://school.example/>": "https://school.example",
    "\u201cschool.example\u201d": "https://school.example",
    "[Canvas](https://school.example/courses/3)": "https://school.example",
    "My school: https://school.example/login.": "https://school.example",
    "canvas-courses://school.example/courses/1": "https://school.example",
    "canvas-student://school.example": "https://school.example",
    "https://sso.canvaslms.com/canvas/login?domain=school.example&code_ios=a": "https://school.example",
    "https://school.example/login?next=https://other.example": "https://school.example",
    "https://evil.example\\@school.example": "https://evil.example",  # as browsers read it
    "школа.example": "https://xn--80atdl2c.example",
    "localhost:3000": "http://localhost:3000",
    "127.0.0.1:3000/courses": "http://127.0.0.1:3000",
    "[::1]:3000": "http://[::1]:3000",
    "https://school.example\n/courses/1": "https://school.example",
}


@pytest.mark.parametrize("text", PASTED)
def test_a_pasted_address_leads_to_the_school(text: str) -> None:
    assert typed_base_url(text) == PASTED[text]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "mailto:ada@school.example",
        "ada@school.example",
        "https://ada:secret@school.example/courses",
        "javascript:alert(1)",
        "ftp://school.example",
        "my school",
        "http://school.example/courses",
        "http://127.0.0.1.evil.example",
        "https://school.example/a and https://other.example/b",
        "https://sso.canvaslms.com/canvas/login?domain=a@b",
        "https://school.example%2f@evil.example",
        "7~abcdefghijklmnopqrstuvwxyz0123456789",
        "a" * 5000,
    ],
)
def test_what_is_no_address_is_refused_without_repeating_secrets(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        typed_base_url(text)
    said = str(caught.value)
    assert "secret" not in said and "abcdefgh" not in said and "\n" not in said and len(said) < 400
