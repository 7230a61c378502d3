"""Which proxy a request goes through: the environment's, decided here and not by the HTTP library.

``HTTPS_PROXY`` counts first, then ``ALL_PROXY``, each in lower case before upper case; an empty one means no
proxy. Where neither is set, the proxy of the system's own settings counts (Windows, macOS). ``NO_PROXY``
lists hosts that are reached directly; an entry that means nothing is passed over. This machine itself is
always reached directly: a proxy would get its traffic unencrypted, token included.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from canvas_archive.errors import BadInput
from canvas_archive.hosts import is_ip_address, is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from canvas_archive.canvas.address import Origin

_SCHEMES = {"http": "http", "https": "https", "socks5": "socks5h", "socks5h": "socks5h", "socks": "socks5h"}
"""What may be written, and what it means. GNOME writes ``socks``; names are always resolved by the proxy."""

_SYSTEM = "the system's settings"
_EXAMPLE = "Write it like http://proxy.school.edu:3128, or unset it."


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the variable that names it. Neither ``str`` nor ``repr`` shows its password."""

    url: httpx.URL
    variable: str
    auth: tuple[str, str] | None = None

    def __str__(self) -> str:
        return f"the proxy {self.scheme}://{self.url.netloc.decode('ascii')} ({self.variable})"

    def __repr__(self) -> str:
        return f"<{self}>"

    @property
    def scheme(self) -> str:
        """Return the scheme as people write it."""
        return "socks5" if self.is_socks else self.url.scheme

    @property
    def is_socks(self) -> bool:
        """Return whether this is a SOCKS proxy."""
        return self.url.scheme == "socks5h"


class ProxyFailed(httpx.ProxyError):
    """The proxy failed, not the host behind it; ``str()`` is the sentence.

    ``refused``: the proxy answered and will answer the same again.
    """

    def __init__(self, sentence: str, *, refused: bool = False) -> None:
        super().__init__(sentence[0].upper() + sentence[1:])
        self.refused = refused


def proxy_for(origin: Origin, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """Return the proxy for a host, or ``None`` for a direct connection.

    Raises BadInput, which names the variable, for one that is no proxy's address.
    """
    if is_loopback(origin.host):
        return None
    for name in (f"{origin.scheme}_proxy", "all_proxy"):
        variable = next((one for one in (name, name.upper()) if one in environ), None)
        if variable is not None and environ[variable].strip():
            if _is_direct(origin, environ):
                return None
            return parse_proxy(environ[variable], variable)
        if variable is not None and name != "all_proxy":
            return None
    # On Linux this reads the same variables again, and finds nothing.
    address = getproxies().get(origin.scheme)
    if not address or _is_direct(origin, environ) or proxy_bypass(origin.host):
        return None
    return parse_proxy(address, _SYSTEM)


def parse_proxy(text: str, variable: str) -> Proxy:
    """Return the proxy that a variable names. Raises BadInput, which never repeats a password."""
    text = text.strip().strip("\"'")
    text = text if "://" in text else f"http://{text.removeprefix('//')}"
    scheme = text.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        shown = scheme if re.fullmatch(r"[a-z0-9+.-]{1,12}", scheme) else "that kind"
        raise BadInput(
            f"{variable} names a proxy of a kind that is not known here ({shown}). "
            f"Known are http://, https:// and socks5://. {_EXAMPLE}"
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        url = httpx.URL(scheme=_SCHEMES[scheme], host=host or "", port=port)
        named = is_ip_address(url.host) or bool(re.fullmatch(rb"[a-z0-9._-]+", url.raw_host))
    except (httpx.InvalidURL, ValueError):
        named = False
    if not named or port == 0 or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadInput(
            f"{variable} is not the address of a proxy. {_EXAMPLE} Characters like @ : / # in a password are "
            "written as %40 %3A %2F %23."
        )
    name = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    return Proxy(url, variable, name)


def _is_direct(origin: Origin, environ: Mapping[str, str]) -> bool:
    """Return whether ``NO_PROXY`` lists a host."""
    listed = environ.get("no_proxy", environ.get("NO_PROXY", ""))
    return any(_lists(entry, origin) for entry in re.split(r"[\s,;]+", listed.lower()) if entry)


def _lists(entry: str, origin: Origin) -> bool:
    """Return whether one entry of ``NO_PROXY`` means a host: a name and all below it, an address, a range."""
    if entry == "*":
        return True
    scheme, separator, rest = entry.partition("://")
    if separator and scheme not in (origin.scheme, "all"):
        return False
    name, port = _without_port(rest.rstrip("/") if separator else entry)
    if port is not None and port != origin.port:
        return False
    if is_ip_address(origin.host):
        return _holds(name, origin.host) or ("*" in name and fnmatchcase(origin.host, name))
    name = name.lstrip(".").removeprefix("*.").rstrip(".")
    try:
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    host = origin.host.rstrip(".")
    if not name:
        return False
    return host == name or host.endswith(f".{name}") or ("*" in name and fnmatchcase(host, name))


def _without_port(entry: str) -> tuple[str, int | None]:
    """Split an entry into host and port, with or without the brackets of an IPv6 address."""
    found = re.fullmatch(r"\[([^\]]*)\]((?:/\d+)?)(?::(\d{1,5}))?", entry) or re.fullmatch(
        r"([^:\[\]]*)()(?::(\d{1,5}))", entry
    )
    if found is None:
        return entry, None
    return found[1] + found[2], int(found[3]) if found[3] else None


def _holds(entry: str, host: str) -> bool:
    """Return whether an address or a range of them holds a host's address."""
    try:
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return any(
        one is not None and one.version == network.version and one in network for one in (address, mapped)
    )
