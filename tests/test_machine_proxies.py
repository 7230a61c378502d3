"""Proxies: which one a host is reached through, and what is said of one that cannot be used."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.canvas import connections as connections_module
from canvas_archive.canvas.address import normalise_base_url, origin_of
from canvas_archive.canvas.proxies import parse_proxy, proxy_for
from canvas_archive.errors import BadInput, Unreachable
from tests.client_support import SECRET, FakeClock
from tests.network_support import HOST, Serving, http_proxy, listening, socks_proxy, tls_canvas

pytestmark = pytest.mark.sampled

VARIABLES = [f"{one}_proxy" for one in ("http", "https", "all", "no")]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def direct(host: str, listed: str) -> bool:
    origin = origin_of(httpx.URL(normalise_base_url(host)))
    return proxy_for(origin, {"HTTPS_PROXY": "http://p.example:3128", "NO_PROXY": listed}) is None


@pytest.mark.parametrize(
    ("host", "listed"),
    [
        ("school.example", "*"),
        ("school.example", "localhost,127.0.0.1,::1/128, school.example"),
        ("school.example", " , ,SCHOOL.example.,"),
        ("a.school.example", "school.example"),
        ("a.school.example", ".school.example"),
        ("school.example", ".school.example"),
        ("a.b.school.example", "*.school.example"),
        ("canvas-7.school.example", "canvas-*.school.example"),
        ("school.example", "a.example b.example\tschool.example"),
        ("school.example:8443", "school.example:8443"),
        ("school.example", "https://school.example"),
        ("school.example.", "school.example"),
        ("schüler.example", "schüler.example"),
        ("10.1.2.3", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3:8443", "10.1.2.3:8443"),
        ("10.1.2.3", "10.1.*"),
        ("[fd00::1]", "[fd00::1]"),
        ("[fd00::1]", "fd00::1"),
        ("[fd00::1]", "FD00:0:0::1/128"),
        ("[fd00::1]", "fd00::/8"),
        ("[fd00::1]", "[fd00::]/8"),
        ("[fd00::1]:8443", "[fd00::1]:8443"),
        ("[::ffff:10.1.2.3]", "10.0.0.0/8"),
    ],
)
def test_what_no_proxy_lists_is_reached_directly(host: str, listed: str) -> None:
    assert direct(host, listed)


@pytest.mark.parametrize(
    ("host", "listed"),
    [
        ("school.example", ""),
        ("school.example", "[::1],::1/128,fe80::/10,fe80::1%eth0,10.0.0.0/8,,[,],[],:,/,::/x,99.0.0.0/99"),
        ("notschool.example", "school.example"),
        ("school.example", "a.school.example"),
        ("school.example", "school.example:8443"),
        ("school.example", "http://school.example"),
        ("school.example", "."),
        ("10.1.2.3", "10.1.2.3:8443"),
        ("10.1.2.3", "11.0.0.0/8,10.1.2.4,.3,2.3"),
        ("[fd00::1]", "fe80::/10,10.0.0.0/8"),
        ("[fd00::1]", "[fd00::1]:8443"),
    ],
)
def test_everything_else_goes_through_the_proxy(host: str, listed: str) -> None:
    assert not direct(host, listed)


def test_which_variable_counts() -> None:
    school = origin_of(httpx.URL("https://school.example"))

    def variable(**environ: str) -> str | None:
        found = proxy_for(school, environ)
        return found and found.variable

    assert variable() is None
    assert variable(HTTP_PROXY="p:1") is None  # only this machine is asked without encryption
    assert variable(HTTPS_PROXY="p:1", ALL_PROXY="q:1") == "HTTPS_PROXY"
    assert variable(https_proxy="p:1", HTTPS_PROXY="q:1") == "https_proxy"
    assert variable(ALL_PROXY="p:1") == "ALL_PROXY"
    assert variable(all_proxy="p:1", ALL_PROXY="q:1") == "all_proxy"
    assert variable(HTTPS_PROXY="", ALL_PROXY="p:1") is None
    assert variable(HTTPS_PROXY="not: a proxy", no_proxy="*") is None
    assert variable(HTTPS_PROXY="p:1", no_proxy="", NO_PROXY="*") == "HTTPS_PROXY"
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert proxy_for(origin_of(httpx.URL(f"https://{host}")), {"HTTPS_PROXY": "p:1"}) is None


def test_the_systems_own_settings_count_where_no_variable_does(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[parse_proxy.__module__]
    monkeypatch.setattr(module, "getproxies", lambda: {"https": "http://p.example:3128"})
    monkeypatch.setattr(module, "proxy_bypass", lambda host: host == "intranet.example")
    found = proxy_for(origin_of(httpx.URL("https://school.example")), {})
    assert str(found) == "the proxy http://p.example:3128 (the system's settings)"
    assert proxy_for(origin_of(httpx.URL("https://intranet.example")), {}) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("p.example:3128", "http://p.example:3128"),
        ("//p.example:3128", "http://p.example:3128"),
        (" 'http://p.example:3128/' ", "http://p.example:3128"),
        ("http://ada:p%40ss@p.example:3128", "http://p.example:3128"),
        ("HTTPS://p.example:443", "https://p.example"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
        ("socks://p.example:1080/", "socks5://p.example:1080"),
        ("socks5h://p.example", "socks5://p.example"),
    ],
)
def test_the_ways_to_write_a_proxy(text: str, shown: str) -> None:
    proxy = parse_proxy(text, "ALL_PROXY")
    assert str(proxy) == f"the proxy {shown} (ALL_PROXY)"
    assert proxy.auth == (("ada", "p@ss") if "@" in text else None)
    assert "p@ss" not in repr(proxy) and "p%40ss" not in repr(proxy)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://p.example",
        "socks4://p.example:1080",
        "socks4a://p.example:1080",
        "p.example:0",
        "p.example:99999",
        "http://ada:hunter2@p.example:x",
        "http://ada:hunter2",
        "http://ada:hunter2/x@p.example:3128",
        "http://ada:hunter2#x@p.example:3128",
        "http://ada:hunter2@",
        "http://[fd00::1:3128",
        "http://",
        "http://two words.example",
        "http://p.example/path",
        "x" * 3000 + "://p.example",
    ],
)
def test_what_is_no_proxy_is_named_without_its_password(text: str) -> None:
    with pytest.raises(
        BadInput, match=r"^HTTPS_PROXY .*Write it like http://proxy\.school\.edu:3128"
    ) as caught:
        parse_proxy(text, "HTTPS_PROXY")
    assert "hunter2" not in str(caught.value) and len(str(caught.value)) < 300


# -- through real sockets ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def canvas(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A Canvas whose name only a proxy knows; its authority is the school's own."""
    authority.cert_pem.write_to_path(str(tmp_path / "school.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "school.pem"))
    with tls_canvas(authority) as port:
        yield port


def ask() -> int:
    with CanvasClient(f"https://{HOST}", Token(SECRET), patience=0.0, clock=FakeClock()) as client:
        return client.current_user().id


@pytest.mark.parametrize("credentials", ["", "ada:s%3Acret@"])
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks"])
def test_a_proxy_is_used(scheme: str, credentials: str, canvas: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    kind = http_proxy if scheme == "http" else socks_proxy
    with listening(kind(canvas, seen)) as port:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{credentials}127.0.0.1:{port}")
        assert ask() == 7
    told = b"".join(seen)
    assert HOST.encode() in told
    assert SECRET.encode() not in told, "the proxy saw the token"
    given = b"Proxy-Authorization: Basic YWRhOnM6Y3JldA==" if scheme == "http" else b"\x03ada\x06s:cret"
    assert (given in told) is bool(credentials)


def garbage(client: socket.socket) -> None:
    client.recv(10)
    client.sendall(b"220 mail.example ESMTP\r\n")


def silent(client: socket.socket) -> None:
    while client.recv(100):
        pass


FAILING: dict[str, tuple[str, Serving, str]] = {
    "it wants a password": (
        "http",
        http_proxy(0, [], refusal=b"407 Proxy Authentication Required"),
        "wants a name and a password. Write them into HTTPS_PROXY: http://NAME:PASSWORD@HOST:PORT",
    ),
    "it does not accept the password": (
        "http://ada:hunter2@",
        http_proxy(0, [], refusal=b"407 Proxy Authentication Required"),
        "does not accept its name and password",
    ),
    "it forbids the host": (
        "http",
        http_proxy(0, [], refusal=b"403 Forbidden"),
        f"does not connect to https://{HOST}: 403 Forbidden.",
    ),
    "it cannot reach the host": (
        "http",
        http_proxy(0, [], refusal=b"502 Bad Gateway"),
        f"does not connect to https://{HOST}: 502 Bad Gateway.",
    ),
    "it is a mail server": ("http", garbage, "does not answer as a proxy: the connection breaks off."),
    "it speaks no TLS": ("https", garbage, "cannot be reached: the connection fails ("),
    "SOCKS: it forbids the host": ("socks5", socks_proxy(0, [], code=2), "not allowed"),
    "SOCKS: it wants a password": (
        "socks5",
        lambda client: client.sendall(b"\x05\x02"),
        "wants a name and a password. Write them into HTTPS_PROXY: socks5://NAME:PASSWORD@HOST:PORT",
    ),
    "SOCKS: it is a mail server": ("socks5", garbage, "does not answer as a SOCKS proxy."),
    "SOCKS: it never answers": ("socks5", silent, "does not answer as a SOCKS proxy."),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_proxy_that_fails_is_named(case: str, canvas: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme, serve, sentence = FAILING[case]
    monkeypatch.setattr(connections_module, "SOCKS_SECONDS", 0.05 if serve is silent else 20.0)
    with listening(serve) as port:
        prefix = scheme if "//" in scheme else f"{scheme}://"
        monkeypatch.setenv("HTTPS_PROXY", f"{prefix}127.0.0.1:{port}")
        with pytest.raises(Unreachable) as caught:
            ask()
    told = str(caught.value)
    shown = prefix.partition("://")[0]
    assert told.startswith(f"The proxy {shown}://127.0.0.1:{port} (HTTPS_PROXY) ") and sentence in told
    assert "hunter2" not in told


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_a_proxy_that_is_down_is_named(scheme: str, canvas: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(silent) as port:
        pass
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{port}")
    with pytest.raises(
        Unreachable, match=rf"^The proxy {scheme}://127.0.0.1:{port} \(HTTPS_PROXY\) cannot be"
    ):
        ask()


def test_a_bad_certificate_behind_a_proxy_is_not_the_proxys(
    canvas: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with listening(http_proxy(canvas, [])) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
        with pytest.raises(Unreachable, match=rf"^https://{HOST} has no valid certificate .*SSL_CERT_FILE"):
            ask()


def test_socks_without_its_package_names_the_package(canvas: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(
        BadInput, match=r"^ALL_PROXY names a SOCKS proxy.*pip install 'canvas-archive\[socks\]'"
    ):
        ask()
