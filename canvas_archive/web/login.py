"""Signing in: a one-use link from the terminal, then a cookie of our own.

Datasette's own sign-in cookie is not HttpOnly, never expires, and is overwritten by any other
Datasette on 127.0.0.1, because cookies ignore ports. Sessions here are in memory, and end with the
process.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal

from datasette import Response

from canvas_archive.clock import SYSTEM, Clock
from canvas_archive.web.gate import OWNER, PLUGIN, archives
from canvas_archive.web.hooks import hook, hook_first
from canvas_archive.web.per_datasette import PerDatasette
from canvas_archive.web.render import render

SESSION_SECONDS = 24 * 3600.0
"""A session ends a day after it was last used."""

LINK_SECONDS = 600.0
"""A sign-in link that nobody opened expires after ten minutes."""

USED_TWICE = (
    "The sign-in link was opened a second time. If the first time was not you, somebody else is signed in: "
    "stop the server with Ctrl-C, which ends every session, and start it again."
)
COOKIE_SECONDS = 30 * 24 * 3600
_FIRST_PAGE = re.compile(r"/c/[0-9]{1,19}")
"""What a sign-in link may lead to, besides the inbox."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
IP_LITERAL = re.compile(r"^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]|[0-9a-fA-F]*:[0-9a-fA-F:.]+)$")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def readable_cookies(header: str) -> str:
    """Return a ``Cookie`` header without the cookies that Python's parser fails at.

    It raises CookieError for all of a header in which one name has a ``/`` or ``@``, as any program on
    another port of this address may set it. Some versions take quadratic time for a value with backslashes:
    20 seconds for 64 KB. No cookie of this server has any.
    """
    if "\\" in header:
        header = "; ".join(pair.strip() for pair in header.split(";") if "\\" not in pair)
    try:
        SimpleCookie(header)
    except CookieError:
        return "; ".join(pair for pair in map(str.strip, header.split(";")) if _is_readable(pair))
    return header


def _is_readable(pair: str) -> bool:
    try:
        SimpleCookie(pair)
    except CookieError:
        return False
    return True


LinkState = Literal["unknown", "unused", "used", "expired"]


@dataclass
class _Link:
    """A sign-in link: until when it works (monotonic), and what happened to it."""

    end: float
    used: bool = False
    reported: bool = False


@dataclass
class AccessPolicy:
    """Who may sign in to one Datasette, and under which host names.

    ``locked``: sign-in is needed. ``open_to_all``: every visitor is the owner.
    Neither: plain Datasette, whose own actors and ``allow`` blocks decide.

    ``origin`` is that of the public address, where a reverse proxy has one.

    ``warn`` is called with a sentence for the owner's terminal, ``on_sign_in`` when a link was used.
    """

    locked: bool = False
    open_to_all: bool = False
    cookie: str = "canvas_archive"
    hosts: frozenset[str] = LOOPBACK
    any_address: bool = False
    origin: str = ""
    clock: Clock = SYSTEM
    warn: Callable[[str], None] | None = None
    on_sign_in: Callable[[], None] | None = None
    form_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _links: dict[bytes, _Link] = field(default_factory=dict, repr=False)
    _sessions: dict[bytes, float] = field(default_factory=dict, repr=False)

    def new_link(self) -> str:
        """Return a secret that signs in once, within ten minutes."""
        secret = secrets.token_urlsafe(32)
        self._links[_digest(secret)] = _Link(self.clock.monotonic() + LINK_SECONDS)
        return secret

    def state_of(self, secret: str) -> LinkState:
        """Return the state of the link with this secret."""
        # The digests are compared, so the time of the look-up says nothing about the secret.
        link = self._links.get(_digest(secret))
        if link is None:
            return "unknown"
        if link.used:
            return "used"
        return "unused" if self.clock.monotonic() < link.end else "expired"

    def redeem(self, secret: str) -> str | None:
        """Trade a link's secret for a new session; ``None`` for a wrong, used or expired one.

        The second use of a link is reported to the owner's terminal, once.
        """
        state = self.state_of(secret)
        if state == "unused":
            self._links[_digest(secret)].used = True
            if self.on_sign_in is not None:
                self.on_sign_in()
            session = secrets.token_urlsafe(32)
            self._sessions[_digest(session)] = self.clock.monotonic() + SESSION_SECONDS
            return session
        if state == "used" and not (link := self._links[_digest(secret)]).reported:
            link.reported = True
            if self.warn is not None:
                self.warn(USED_TWICE)
        return None

    def admits(self, session: str) -> bool:
        """Return whether the cookie's value is a live session, and renew it if so."""
        now = self.clock.monotonic()
        self._sessions = {key: end for key, end in self._sessions.items() if end > now}
        key = _digest(session)
        if key not in self._sessions:
            return False
        self._sessions[key] = now + SESSION_SECONDS
        return True

    def allows(self, cookies: str) -> bool:
        """Return whether a request with this ``Cookie`` header may pass; yes where no sign-in is needed."""
        if not self.locked:
            return True
        given = SimpleCookie(readable_cookies(cookies)).get(self.cookie)
        return given is not None and self.admits(given.value)

    def leave(self, session: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(session), None)

    def knows_host(self, host: str, more: frozenset[str] = frozenset()) -> bool:
        """Return whether a ``Host`` header names this server.

        A name that an attacker's DNS points at this machine is not among them. A plain address
        cannot be rebound, so any is fine once the server listens beyond the loopback.
        """
        bare = host.strip().lower()
        if (not bare.endswith("]") and bare.count(":") == 1) or (bare.startswith("[") and "]:" in bare):
            bare = bare.rpartition(":")[0]
        name = bare[1:-1] if bare.startswith("[") and bare.endswith("]") else bare
        if name in self.hosts or name in more:
            return True
        return self.any_address and IP_LITERAL.match(bare) is not None


@PerDatasette
def access_policy(datasette: Any) -> AccessPolicy:
    """Return who may sign in. Unless ``serve`` installed a policy, Datasette alone decides."""
    return AccessPolicy()


def configured_hosts(datasette: Any) -> frozenset[str]:
    """Return the host names allowed by the plugin's configuration (``allowed_hosts``)."""
    hosts = (datasette.plugin_config(PLUGIN) or {}).get("allowed_hosts") or []
    return frozenset(str(host).lower() for host in hosts)


@hook
def actor_from_request(datasette: Any, request: Any) -> dict[str, str] | None:
    """Recognise the owner by our cookie, or by the loopback address when sign-in was switched off."""
    if not archives(datasette):
        return None
    policy = access_policy(datasette)
    known = policy.open_to_all or (policy.locked and policy.admits(request.cookies.get(policy.cookie, "")))
    return dict(OWNER) if known else None


def is_secure(datasette: Any, request: Any) -> bool:
    """Return whether browsers reach this server by https, as itself or through its proxy."""
    return bool(request.scheme == "https" or access_policy(datasette).origin.startswith("https:"))


def form_token(datasette: Any, request: Any) -> str:
    """Return the secret every form carries: it cannot be read from another origin, nor guessed.

    asgi-csrf's cookie has one name for all ports of a host; ours needs none.
    """
    policy = access_policy(datasette)
    who = f"{(request.actor or {}).get('id')}\n{request.cookies.get(policy.cookie, '')}"
    return hmac.new(policy.form_secret, who.encode(), hashlib.sha256).hexdigest()


def form_is_ours(datasette: Any, request: Any, offered: str) -> bool:
    """Return whether a form came from a page that this server gave to this visitor."""
    return hmac.compare_digest(form_token(datasette, request).encode(), offered.encode())


@hook
def skip_csrf(datasette: Any, scope: dict[str, Any]) -> bool:
    """Exempt the mail pages from asgi-csrf: they have the guard, a Strict cookie and their own token."""
    if not archives(datasette):
        return False
    path = scope["path"].removeprefix(datasette.setting("base_url").rstrip("/"))
    return bool(path.startswith("/mail/"))


def locked_page(datasette: Any, *, status: int, link: LinkState = "unknown") -> Any:
    """Return the page for a visitor who is not signed in; ``link`` is the state of the link they opened."""
    body = render(datasette, "mail/locked.html", link=link, locked=access_policy(datasette).locked)
    return Response.html(body, status=status, headers={"Cache-Control": "private, no-store"})


@hook_first
def forbidden(datasette: Any, request: Any) -> Any:
    """Answer a refusal with a page that explains it, where an archive is attached."""
    if not archives(datasette) or request.path.endswith(".json"):
        return None
    return locked_page(datasette, status=403)


async def login(request: Any, datasette: Any) -> Any:
    """``GET /mail/login?token=&page=``: redeem the one-use link and set the cookie; go to that conversation.

    The response is a page that redirects by itself: after a link from another site, an HTTP redirect
    would arrive without the Strict cookie.
    """
    policy = access_policy(datasette)
    if request.method != "GET":
        return Response.text("Open the link in a browser.", status=405, headers={"Allow": "GET"})
    page = request.args.get("page") or ""
    home = datasette.urls.path(f"/mail{page if _FIRST_PAGE.fullmatch(page) else ''}")
    moved = {"Refresh": f"0; url={home}", "Cache-Control": "no-store"}
    if not policy.locked or (request.actor or {}).get("id") == OWNER["id"]:
        return Response.html(render(datasette, "mail/welcome.html", home=home), headers=moved)
    secret = request.args.get("token") or ""
    session = policy.redeem(secret)
    if session is None:
        return locked_page(datasette, status=403, link=policy.state_of(secret))
    response = Response.html(render(datasette, "mail/welcome.html", home=home), headers=moved)
    response.set_cookie(
        policy.cookie,
        session,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="strict",
        secure=is_secure(datasette, request),
        path=datasette.setting("base_url"),
    )
    return response
