"""A server with sign-in for the tests that ask it everything, and what every answer of it must carry."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from canvas_archive.web import server
from canvas_archive.web.login import access_policy
from tests.web_support import Visitor

PORT = 4321
HOST = f"127.0.0.1:{PORT}"
SAME = {"host": HOST, "origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
PRIVATE = ("Midterm", "Hana", "Astrid", "Hollis", "school.instructure", "matrix is invertible", "GEOG 118")
"""Words of the mailbox: whoever is not signed in must not see one of them."""

OPEN = re.compile(r"/mail/(?:static/[\w.]+|login)(?:\?.*)?|/favicon\.ico|/-/static(?:-plugins)?/.*")
"""What anybody may have: the style sheets, the script, and the way in."""


@dataclass
class BoundServer:
    """A server with sign-in, and the cookie of somebody who came in."""

    visitor: Visitor
    app: Any
    cookies: dict[str, str]
    folder: Path

    def ask(self, method: str, path: str, who: str = "owner", **how: Any) -> Any:
        """Ask as the owner or as anybody, and look at the headers of whatever comes."""
        headers = dict(how.pop("headers", {"host": HOST}))
        if who == "owner":
            own = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            headers.setdefault("cookie", own)
        answer = self.visitor.run(self._go(method, path, {"headers": headers, **how}))
        assert_guarded(answer, path)
        return answer

    async def _go(self, method: str, path: str, how: dict[str, Any]) -> Any:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url=f"http://{HOST}", trust_env=False
        ) as client:
            return await client.request(method, path, **how)

    def state(self) -> str:
        """Return a hash of all that can be changed."""
        with closing(sqlite3.connect(self.folder / "archive.db")) as db:
            rows = [
                db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
                for table in ("conversations", "messages", "edits", "saved_searches", "outbox", "account")
            ]
        return hashlib.sha256(repr(rows).encode()).hexdigest()


def assert_guarded(answer: Any, path: str) -> None:
    """The headers every answer carries, whatever it is."""
    headers = answer.headers
    assert answer.status_code < 500, (path, answer.status_code, answer.text[:300])
    assert headers["x-content-type-options"] == "nosniff", path
    assert headers["referrer-policy"] == "no-referrer", path
    assert headers["x-frame-options"] == "DENY", path
    assert headers["cross-origin-opener-policy"] == "same-origin", path
    assert headers["cross-origin-resource-policy"] == "same-origin", path
    policy = headers["content-security-policy"]
    assert "default-src" in policy and ("frame-ancestors 'none'" in policy or "sandbox" in policy), path
    assert "http" not in policy and "*" not in policy, path
    if not OPEN.fullmatch(path):
        assert "no-store" in headers["cache-control"] and "private" in headers["cache-control"], path
    for name in ("access-control-allow-origin", "server", "x-powered-by"):
        assert name not in headers, (path, name)


def opened(folder: Path) -> BoundServer:
    """Serve an archive with sign-in, and sign in."""
    datasette = server.build(folder, host="127.0.0.1", port=PORT, login=True)
    visitor = Visitor(datasette)
    visitor.run(datasette.invoke_startup())
    session = access_policy(datasette).redeem(access_policy(datasette).new_link())
    assert session is not None
    return BoundServer(visitor, datasette.app(), {f"canvas_archive_{PORT}": session}, folder)


ROUTES_OF_MAIL = (
    "/",
    "/mail",
    "/mail/unread",
    "/mail/starred",
    "/mail/archived",
    "/mail/sent",
    "/mail/removed",
    "/mail/nope",
    "/mail/c/800001",
    "/mail/c/800001.txt",
    "/mail/c/800001.json",
    "/mail/c/800001.eml",
    "/mail/c/1",
    "/mail/c/800001/receipts",
    "/mail/receipts/1",
    "/mail/search",
    "/mail/search?q=room",
    "/mail/people",
    "/mail/people/4",
    "/mail/courses",
    "/mail/courses/course_106",
    "/mail/timeline",
    "/mail/edits",
    "/mail/status",
    "/mail/files/9001",
    "/mail/files/9001/x.docx",
    "/mail/media/5001/m-abc",
    "/mail/c/700001/reply",
    "/mail/new",
    "/mail/new/queue",
    "/mail/send/1",
    "/mail/drafts",
    "/mail/drafts/discard",
    "/mail/edit",
    "/mail/undo",
    "/mail/search/save",
    "/mail/search/suggest",
    "/mail/view",
    "/mail/edits/discard",
    "/mail/edits/keep",
    "/mail/outbox",
    "/mail/outbox/1",
    "/mail/status/sync",
    "/mail/status/push",
    "/mail/logout",
    "/mail/login",
    "/mail/static/mail.css",
    "/mail/static/mail.js",
    "/mail/static/nope.css",
)
ROUTES_OF_DATASETTE = (
    "/archive",
    "/archive.json",
    "/archive.db",
    "/archive?sql=select+1",
    "/archive.json?sql=select+*+from+messages",
    "/archive/messages",
    "/archive/messages.json",
    "/archive/messages.csv",
    "/archive/messages.csv?_stream=on",
    "/archive/messages/5001",
    "/archive/messages/5001.json",
    "/archive/inbox",
    "/archive/threads",
    "/archive/account.json",
    "/archive/users.json?_shape=array",
    "/archive/messages.blob",
    "/-/metadata",
    "/-/metadata.json",
    "/-/plugins.json",
    "/-/versions.json",
    "/-/settings.json",
    "/-/databases.json",
    "/-/threads.json",
    "/-/actor.json",
    "/-/config.json",
    "/-/permissions",
    "/-/allow-debug",
    "/-/messages",
    "/-/patterns",
    "/-/auth-token",
    "/-/logout",
    "/-/nope",
    "/-/static/app.css",
    "/favicon.ico",
    "/robots.txt",
    "/nope",
    "/archive/nope",
    "/nope/messages",
    "/archive/-/insert",
)


def links_of(page: str, here: str) -> set[str]:
    """Return the addresses of this server that a page leads to."""
    found = set()
    for address in re.findall(r'(?:href|src|action)="([^"]*)"', page):
        address = unescape(address)
        if address.startswith("?"):
            address = urlsplit(here).path + address
        if address.startswith("/") and not address.startswith("//"):
            found.add(address.partition("#")[0])
    return found


def shape_of(address: str) -> str:
    """Return what is the same for all addresses of one kind: numbers and values do not count."""
    parts = urlsplit(address)
    names = sorted({pair.partition("=")[0] for pair in parts.query.split("&")})
    return re.sub(r"\d+", "N", parts.path) + "?" + "&".join(names)
