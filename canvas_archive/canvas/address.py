"""Addresses: which Canvas is meant, and whether another URL belongs to it."""

from __future__ import annotations

import re
from typing import NamedTuple

import httpx

from canvas_archive.errors import BadInput, UnsafeRedirect
from canvas_archive.hosts import is_ip_address, is_loopback
from canvas_archive.secret import without_tokens

_DEFAULT_PORTS = {"https": 443, "http": 80}
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")


class Origin(NamedTuple):
    """What must be equal for a token to be sent: scheme, host and port."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        suffix = "" if _DEFAULT_PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{suffix}"

    @property
    def is_loopback(self) -> bool:
        """Return whether the host is this machine."""
        return is_loopback(self.host)


def origin_of(url: httpx.URL) -> Origin:
    """Return the origin of an absolute http(s) URL. Raises ValueError for any other."""
    host = url.raw_host.decode("ascii").strip("[]").lower()
    port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
    if url.scheme not in _DEFAULT_PORTS or not 0 < port < 65536 or not _is_host(host):
        raise ValueError("not a web address")
    return Origin(url.scheme, host, port)


def _is_host(host: str) -> bool:
    # What is neither would make the resolver fail with errors of its own kind.
    if ":" in host:
        return is_ip_address(host)
    return all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


def normalise_base_url(text: str) -> str:
    """Return ``https://host[:port]`` for what a person typed as the address of their Canvas.

    ``school.instructure.com``, ``https://school.instructure.com/`` and ``https://school.instructure.com/api/v1``
    all give the same. Plain http is accepted for this machine alone. Raises BadInput for anything else.
    """
    typed = text.strip()
    shown = _shown(typed)
    try:
        url = httpx.URL(typed if "://" in typed else f"https://{typed}")
        origin = origin_of(url)
    except (httpx.InvalidURL, ValueError):
        raise BadInput(f"{shown} is not the address of a Canvas. {_LIKE}") from None
    if url.userinfo:
        raise BadInput(
            "The address of a Canvas has no name or password in it. Leave out what is before the @."
        )
    if url.path.rstrip("/") not in ("", "/api", "/api/v1") or url.query or url.fragment:
        raise BadInput(f"Give only the address of the Canvas itself: {origin}")
    if origin.scheme != "https" and not origin.is_loopback:
        raise BadInput(
            f"{shown} is not encrypted, and the token would travel readable by anyone on the way. "
            f"Use https://{str(origin).partition('://')[2]}"
        )
    return str(origin)


_WEB_ADDRESS = re.compile(r"https?://[^\s<>\"'`|]+", re.I)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):[/\\]+|(https?)[/\\]{2,}", re.I)
_NO_WEB_SCHEME = re.compile(r"(?!localhost:)[a-z][a-z0-9+-]*:(?!\d)", re.I)
_APP_SCHEME = re.compile(r"canvas-[a-z]+", re.I)
_APP_SIGN_IN = re.compile(r"sso(\.[a-z]+)?\.canvaslms\.com", re.I)
"""The host in the links and QR codes that sign the mobile app in; the school is in their query."""

_LIKE = "Give it like https://school.instructure.com"


def typed_base_url(text: str) -> str:
    """Return ``https://host[:port]`` of the Canvas that a pasted text names.

    Any page of it will do, also without ``https://``, a link of the mobile app, or a sentence with one web
    address. A host of this machine without a scheme is reached by http. Raises BadInput for anything else.
    """
    typed = _web_address_in(" ".join(text.split()))
    if not typed:
        raise BadInput(f"No address of a Canvas was given. {_LIKE}")
    scheme, rest = _scheme_and_rest(typed)
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if _APP_SIGN_IN.fullmatch(host):
        school = re.search(r"[?&]domain=([^&#]+)", rest)
        host = school[1] if school is not None else host
    if not scheme:
        scheme = "http" if is_loopback(re.sub(r":\d*$", "", host).strip("[]").lower()) else "https"
    if " " in host:
        raise BadInput(f"{_shown(typed)} is not the address of a Canvas. {_LIKE}")
    return normalise_base_url(f"{scheme}://{host.rstrip('.')}")


def _web_address_in(text: str) -> str:
    """Return the one web address within a text, or the text without what is pasted around an address."""
    typed = text.strip("<>\"'`()\u201c\u201d\u2018\u2019\ufeff\u200b ,;")
    found = [one.rstrip(".,;:)]") for one in _WEB_ADDRESS.findall(typed)]
    if len(set(found)) > 1 and " " in typed:
        raise BadInput(f"There is more than one address in that text. {_LIKE}")
    return found[0] if found and (" " in typed or typed.startswith("[")) else typed


def _scheme_and_rest(typed: str) -> tuple[str, str]:
    """Return the scheme (empty where there is none) and what follows it, with slashes as in an address."""
    match = _SCHEME.match(typed)
    if match is not None:
        name = (match[1] or match[2]).lower()
        scheme, rest = ("https" if _APP_SCHEME.fullmatch(name) else name), typed[match.end() :]
    elif _NO_WEB_SCHEME.match(typed):
        raise BadInput(f"{_shown(typed)} is not the address of a Canvas. {_LIKE}")
    else:
        scheme, rest = "", typed.lstrip("/\\")
    return scheme, rest.replace("\\", "/")


def _shown(typed: str) -> str:
    """Return what a person typed as the subject of a sentence; what may be a secret is not repeated."""
    plain = typed.isprintable() and "@" not in typed and len(typed) <= 200
    return typed if typed and plain and without_tokens(typed) == typed else "That"


def require_safe(url: httpx.URL, home: Origin, what: str) -> Origin:
    """Return the origin of a URL that Canvas or a redirect named, if a request may go there at all.

    Encrypted only; plain http is for a Canvas on this machine that points at this machine. Raises
    UnsafeRedirect, with ``what`` naming the link.
    """
    try:
        origin = origin_of(url)
    except ValueError:
        raise UnsafeRedirect(f"{what} is not a web address and was not followed.") from None
    if url.userinfo:
        raise UnsafeRedirect(f"{what} carries a name or password for {origin} and was not followed.")
    if origin.scheme != "https" and not (origin.is_loopback and home.is_loopback):
        raise UnsafeRedirect(f"{what} leads to {origin}, which is not encrypted, and was not followed.")
    return origin
