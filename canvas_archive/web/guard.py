"""Which requests reach Datasette, and which headers every response has.

Datasette checks neither ``Host`` nor ``Origin``: a page whose name resolves to 127.0.0.1 could read
the whole inbox, and another port of 127.0.0.1 is the same *site*, so its forms carry our cookies.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from datasette.utils import tilde_decode

from canvas_archive.web.gate import archives, is_archive
from canvas_archive.web.guarded_csv import CellGuard, without_trace
from canvas_archive.web.hooks import hook_last
from canvas_archive.web.login import access_policy, configured_hosts, readable_cookies

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WRITING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})

BEHIND_SIGN_IN = "/-/"
OPEN_TO_ALL = re.compile(r"/-/static(?:-plugins)?/")
"""Style sheets and scripts, which hold nothing of anybody's."""

MAIL_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
TABLES_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)
"""Datasette's own pages use inline script and style; they still reach no other host."""

DRAWING_PLUGINS = frozenset({"datasette-vega", "datasette-dashboards"})
"""Plugins that make functions of text, for their charts: on their account ``eval`` is allowed there."""
DRAWING_POLICY = TABLES_POLICY.replace("'unsafe-inline'; img-src", "'unsafe-inline' 'unsafe-eval'; img-src")

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


def refusal(
    method: str, headers: dict[bytes, str], *, host_known: bool, mail: bool, public_origin: str = ""
) -> tuple[int, str] | None:
    """Return ``None`` for a request that may pass, else a status and a sentence. Reads the headers alone.

    ``public_origin`` is what a browser names behind a proxy, which may put another ``Host``.
    """
    if not host_known:
        return 421, "This server does not answer under that host name."
    if method in SAFE_METHODS:
        return None
    if method not in WRITING_METHODS:
        return 405, "There is no such method here."
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is not None:
        if site == "same-origin":
            return None
    elif origin is not None:
        if public_origin and origin == public_origin:
            return None
        parts = urlsplit(origin)
        if parts.scheme in ("http", "https") and parts.netloc == headers.get(b"host"):
            return None
    elif not mail and b"cookie" not in headers:
        return None  # a script that brings its own credentials; a browser always sends one of the two
    return 403, "A request from another site was refused."


def _with_readable_cookies(scope: Scope, headers: dict[bytes, str]) -> Scope:
    given = headers.get(b"cookie", "")
    readable = readable_cookies(given)
    if readable == given:
        return scope
    kept = [pair for pair in scope["headers"] if pair[0].lower() != b"cookie"]
    return {**scope, "headers": [*kept, (b"cookie", readable.encode("latin-1"))]}


def _has_archive(datasette: Any, path: str) -> bool:
    """Return whether the database that a path of Datasette's names can show rows of an archive."""
    name = tilde_decode(path[1:].partition("/")[0].partition(".")[0])
    other = datasette.databases.get(name)
    return other is None or other.path is None or is_archive(datasette, name)


def _tables_policy() -> str:
    """Return the policy of Datasette's own pages. An injected script could do no more with ``eval``."""
    from datasette.plugins import pm  # which loads this plugin: at the top, it would find half of it

    installed = {about.project_name for _, about in pm.list_plugin_distinfo()}
    return DRAWING_POLICY if installed & DRAWING_PLUGINS else TABLES_POLICY


def _wrap(datasette: Any, app: App) -> App:
    tables_policy = _tables_policy().encode()

    @functools.wraps(app)
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not archives(datasette):
            await app(scope, receive, send)
            return
        headers = {key.lower(): value.decode("latin-1") for key, value in scope.get("headers") or []}
        path = "/" + scope["path"].removeprefix(datasette.setting("base_url")).lstrip("/")
        mail = path == "/mail" or path.startswith("/mail/")
        access = access_policy(datasette)
        known = access.knows_host(headers.get(b"host", ""), configured_hosts(datasette))
        policy = (b"content-security-policy", MAIL_POLICY.encode() if mail else tables_policy)
        table = not mail and path.endswith(".csv") and _has_archive(datasette, path)
        if table:
            scope = {**scope, "query_string": without_trace(scope.get("query_string", b""))}
        cells: CellGuard | None = None

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            nonlocal cells
            if message["type"] == "http.response.body" and cells is not None:
                last = not message.get("more_body", False)
                message = {**message, "body": cells.feed(message.get("body", b""), last=last)}
            if message["type"] == "http.response.start":
                present = list(message.get("headers") or [])
                if table and message["status"] == 200:
                    cells = CellGuard()
                    present = [pair for pair in present if pair[0].lower() != b"content-length"]
                names = {key.lower() for key, _ in present}
                present += [pair for pair in (policy, *HEADERS) if pair[0] not in names]
                if b"cache-control" not in names:
                    present.append((b"cache-control", b"private, no-store"))
                message = {**message, "headers": present}
            await send(message)

        refused = refusal(scope["method"], headers, host_known=known, mail=mail, public_origin=access.origin)
        if refused is None and not mail and ("\0" in path or b"%00" in scope.get("query_string", b"")):
            refused = 400, "A null character is in no address of this server."  # SQLite's module fails at it
        tool = path.startswith(BEHIND_SIGN_IN) and not OPEN_TO_ALL.match(path)
        if refused is None and not mail and (tool or scope["method"] not in SAFE_METHODS):
            # Datasette's own tools ask for no permission, nor do routes of other plugins.
            refused = None if access.allows(headers.get(b"cookie", "")) else (403, "Sign in first.")
        if refused is None:
            await app(_with_readable_cookies(scope, headers), receive, send_with_headers)
            return
        status, sentence = refused
        start = {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"text/plain; charset=utf-8")],
        }
        await send_with_headers(start)
        await send({"type": "http.response.body", "body": f"{sentence}\n".encode()})

    return guarded


@hook_last
def asgi_wrapper(datasette: Any) -> Callable[[App], App]:
    """Wrap Datasette in the guard. It does nothing while no archive is attached."""
    return functools.partial(_wrap, datasette)
