"""Behind a reverse proxy: host name, path prefix, cookies, forms and redirects are those of the proxy."""

from __future__ import annotations

import http.client
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from canvas_archive.errors import BadInput, GuardRefused
from canvas_archive.web.public import public_address
from canvas_archive.web.server import prepare
from tests.web_support import Running, column, make_archive

PUBLIC = "https://archive.example.edu/inbox"


@contextmanager
def proxy(port: int, *, strip: bool, keep_host: bool) -> Iterator[str]:
    """A proxy of a few lines, as nginx is set up: with the prefix or without it, with the name or its own."""

    class Relay(http.server.BaseHTTPRequestHandler):
        def relay(self) -> None:
            path = self.path.removeprefix("/inbox") if strip else self.path
            length = int(self.headers.get("content-length") or 0)
            headers = {
                key: value for key, value in self.headers.items() if key.lower() not in ("connection", "host")
            }
            headers["Host"] = self.headers["Host"] if keep_host else f"127.0.0.1:{port}"
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            upstream.request(self.command, path or "/", self.rfile.read(length) or None, headers)
            answer = upstream.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(key, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            upstream.close()

        def do_GET(self) -> None:
            self.relay()

        def do_POST(self) -> None:
            self.relay()

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(make_archive(tmp_path_factory.mktemp("proxy") / "archive"), public_url=PUBLIC + "/")
    yield running
    running.stop()


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("keep_host", [False, True])
def test_a_session_behind_a_proxy(running: Running, strip: bool, keep_host: bool) -> None:
    port = running.served.listener.getsockname()[1]
    with proxy(port, strip=strip, keep_host=keep_host) as address, httpx.Client() as client:
        browser = {"host": "archive.example.edu", "origin": "https://archive.example.edu"}
        link = running.link()
        assert link.startswith(PUBLIC + "/mail/login?token=")
        answer = client.get(address + link.removeprefix("https://archive.example.edu"), headers=browser)
        cookie = answer.headers["set-cookie"]
        assert "; Path=/inbox/" in cookie and "; Secure" in cookie and "HttpOnly" in cookie
        assert answer.headers["refresh"] == "0; url=/inbox/mail"
        session = {**browser, "cookie": cookie.partition(";")[0] + "; canvas_archive_zone=UTC"}
        pages = ["/mail", "/mail/c/800001?in=starred", "/mail/search?q=proof", "/mail/people/4", "/mail/view",
                 "/mail/edits", "/mail/status", "/mail/timeline?when=2026-10", "/mail/new"]  # fmt: skip
        for page in pages:
            text = client.get(f"{address}/inbox{page}", headers=session)
            assert text.status_code == 200, page
            addresses = re.findall(r'(?:href|action|src)="(/[^"]*)"', text.text)
            assert len(addresses) > 20 and all(one.startswith("/inbox/") for one in addresses), page
        for asset in sorted({one for one in addresses if "/static/" in one}):
            assert client.get(address + asset, headers=session).status_code == 200
        token = re.findall(r'data-token="([0-9a-f]{64})"', text.text)[0]
        form = {"csrf": token, "do": "star:700001", "next": "/mail/c/700001"}
        moved = client.post(f"{address}/inbox/mail/edit", data=form, headers=session)
        assert moved.status_code == 303
        assert moved.headers["location"].startswith("/inbox/mail/c/700001?done=")
        assert column(running.folder, "SELECT id FROM conversations WHERE id = 700001 AND starred = 1")
        for origin in (
            "https://evil.example",
            "http://archive.example.edu",
            "https://archive.example.edu.evil",
        ):
            foreign = {**session, "origin": origin}
            refused = client.post(f"{address}/inbox/mail/edit", data=form, headers=foreign)
            # Another scheme on the same host is refused unless the proxy passes that very host.
            assert refused.status_code == 403 or (keep_host and origin == "http://archive.example.edu")
        client.post(f"{address}/inbox/mail/edit", data={**form, "do": "unstar:700001"}, headers=session)
        view = client.get(f"{address}/inbox/mail/view?density=compact&next=/mail/sent", headers=session)
        assert view.headers["location"] == "/inbox/mail/sent"
        assert "Path=/inbox/" in view.headers["set-cookie"] and "Secure" in view.headers["set-cookie"]


def test_another_name_is_still_refused(running: Running) -> None:
    port = running.served.listener.getsockname()[1]
    answer = httpx.get(f"http://127.0.0.1:{port}/inbox/mail", headers={"host": "evil.example"})
    assert answer.status_code == 421


@pytest.mark.parametrize(
    ("text", "origin", "prefix"),
    [
        ("https://a.example", "https://a.example", ""),
        ("https://A.Example/", "https://a.example", ""),
        ("https://a.example:443/x/y/", "https://a.example", "/x/y"),
        ("http://a.example:8080/x", "http://a.example:8080", "/x"),
        ("https://[::1]:8443/x", "https://[::1]:8443", "/x"),
    ],
)
def test_public_addresses(text: str, origin: str, prefix: str) -> None:
    found = public_address(text)
    assert (found.origin, found.prefix) == (origin, prefix)


@pytest.mark.parametrize(
    "text",
    [
        "archive.example.edu", "ftp://a.example", "https://", "https://a.example/x?y=1", "https://a.example/#x",
        "https://u:p@a.example/", "https://a.example:99999/", "https://a.example/a//b", "https://a.example/../x",
        "https://a.example/a b", 'https://a.example/"x', "https://a.example/%2e", "https://[::1", "https://a_b/x",
    ],
)  # fmt: skip
def test_what_is_no_public_address(text: str) -> None:
    with pytest.raises(BadInput, match="--public-url takes an address"):
        public_address(text)


def test_without_sign_in_there_is_no_public_address(tmp_path: Path) -> None:
    with pytest.raises(GuardRefused, match="Leave out --no-login"):
        prepare(tmp_path, login=False, public_url=PUBLIC)
