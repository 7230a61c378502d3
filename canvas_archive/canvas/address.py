"""Addresses: which Canvas is meant, and whether another URL belongs to it."""

from __future__ import annotations

import re
from typing import NamedTuple

import httpx

from canvas_archive.errors import BadInput, UnsafeRedirect
from canvas_archive.hosts import is_ip_address, is_loopback

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
    shown = typed if typed.isprintable() and "@" not in typed else "That"
    try:
        url = httpx.URL(typed if "://" in typed else f"https://{typed}")
        origin = origin_of(url)
    except (httpx.InvalidURL, ValueError):
        raise BadInput(
            f"{shown} is not the address of a Canvas. Give it like https://school.instructure.com"
        ) from None
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
