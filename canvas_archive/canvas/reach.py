"""Where files may come from: public hosts, and wherever Canvas itself is.

Other people can choose where the address of a file leads. Without this check, it could lead into the network
of the machine that runs this program, and what is found there would be stored as a file. Names are resolved
once, and the connection goes to the address that was checked.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from typing import TYPE_CHECKING, Any, cast

from canvas_archive.errors import UnsafeRedirect
from canvas_archive.hosts import is_ip_address, is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import httpx

    from canvas_archive.canvas.address import Origin

_SPECIAL_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
"""What IANA lists as not globally reachable, multicast and what is reserved: Python's own list varies."""

_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_CARRIES_V4 = tuple(
    ipaddress.IPv6Network(network) for network in ("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
"""Networks whose last 32 bits are an IPv4 address: mapped, translated, and NAT64."""

_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+)){0,3}\.?\Z")


class PrivateAddress(UnsafeRedirect):
    """A file's address leads to a host that is not public."""


def is_public(address: str) -> bool:
    """Return whether an IP address is reachable for everybody; addresses that carry one count as that one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _SPECIAL_V4)
    if any(ip in network for network in _CARRIES_V4):
        return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)))
    if ip.sixtofour is not None:
        return is_public(str(ip.sixtofour))
    return ip in _GLOBAL_V6 and not any(ip in network for network in _SPECIAL_V6)


class Reach:
    """Which hosts a client may connect to. ``allowed``: names of hosts that may be private. Thread-safe."""

    def __init__(self, home: Origin, allowed: Collection[str] = ()) -> None:
        self._home = home
        self._free = {_plain(home.host), *(_plain(name) for name in allowed)}
        self._home_addresses: frozenset[str] | None = None

    def check(self, host: str) -> None:
        """Raise PrivateAddress for a host whose name alone says that it is not public.

        This is all that can be checked where a proxy resolves the names.
        """
        plain = _plain(host)
        if plain in self._free:
            return
        if plain == "localhost" or plain.endswith(".localhost"):
            self._require(host, "127.0.0.1")
        elif is_ip_address(plain):
            self._require(host, plain)
        elif _NUMERIC.match(plain):
            # The old forms, 127.1 and 0x7f000001, which resolvers still take.
            try:
                self._require(host, socket.inet_ntoa(socket.inet_aton(plain.rstrip("."))))
            except OSError:
                return

    def addresses(self, host: str, port: int) -> list[str] | None:
        """Return the addresses of a host to connect to; ``None`` where any will do.

        Raises PrivateAddress when one of them is not public, OSError when the name is not known.
        """
        if _plain(host) in self._free:
            return None
        found = _resolved(host, port)
        if not all(map(is_public, found)):
            at_canvas = self._where_canvas_is()
            for address in found:
                self._require(host, address, at_canvas)
        return found

    def _require(self, host: str, address: str, at_canvas: Collection[str] = ()) -> None:
        if is_public(address) or (self._home.is_loopback and is_loopback(address)):
            return
        if address in at_canvas:
            return
        raise PrivateAddress(
            f"A file was not fetched from {host}: its address {address} is not public. If files come from "
            f'there, add "{_plain(host)}" to allowed_file_hosts in the archive\'s config.toml.'
        )

    def _where_canvas_is(self) -> frozenset[str]:
        if self._home_addresses is None:
            try:
                self._home_addresses = frozenset(_resolved(self._home.host, self._home.port))
            except OSError:
                return frozenset()
        return self._home_addresses


def _plain(host: str) -> str:
    """Return the host alone of what a user may have written for it: an address, a port, brackets."""
    text = host.strip().lower().rpartition("://")[2].partition("/")[0]
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return (text.partition(":")[0] if text.count(":") == 1 else text).rstrip(".")


def _resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a host, each once. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not the name of a host") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Backend:
    """httpcore's network backend with the check in front: connects only to addresses that were checked."""

    def __init__(self, inner: Any, reach: Reach) -> None:
        self._inner = inner
        self._reach = reach

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Any:
        """Connect to a host. The name for TLS is not chosen here: the certificate must be the host's."""
        import httpcore

        try:
            addresses = self._reach.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(error) from error
        until = None if timeout is None else time.monotonic() + timeout
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in [host] if addresses is None else addresses:
            left = None if until is None else max(until - time.monotonic(), 0.1)
            try:
                return self._inner.connect_tcp(
                    address, port, timeout=left, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                if until is not None and time.monotonic() >= until:
                    break
        raise failure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def guard(transport: httpx.HTTPTransport, reach: Reach) -> httpx.HTTPTransport:
    """Return the transport, whose new connections go where ``reach`` allows and nowhere else."""
    # httpx hands no network backend through to httpcore, which takes one.
    pool = transport._pool
    pool._network_backend = cast("Any", _Backend(pool._network_backend, reach))
    return transport
