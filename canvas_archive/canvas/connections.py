"""Connections to Canvas and to file hosts: direct or through a proxy; certificates are read when needed.

What encryption needs, the certificates above all, takes longer to read than everything else that a client
does before its first request. So it is read for the first encrypted request: a sandbox on this machine never
needs it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Any

import httpx

from canvas_archive.canvas.address import Origin, origin_of
from canvas_archive.canvas.answers import one_line
from canvas_archive.canvas.certificates import client_context
from canvas_archive.canvas.failures import describe
from canvas_archive.canvas.proxies import Proxy, ProxyFailed, proxy_for
from canvas_archive.canvas.reach import Reach, guard
from canvas_archive.errors import BadInput

SOCKS_SECONDS = 20.0
"""How long a SOCKS proxy may take to connect: the library itself would wait for ever."""


class Connections(httpx.BaseTransport):
    """Sends each request directly or through the proxy that the environment names. Thread-safe.

    Direct connections go where ``reach`` allows. A proxy resolves names itself, so only it can check those.

    Raises BadInput for a proxy or for certificates that cannot be used, with the variable's name; ProxyFailed
    where the proxy fails; httpx's transport errors for the rest.
    """

    def __init__(self, limits: httpx.Limits, reach: Reach) -> None:
        self._limits = limits
        self._reach = reach
        self._proxies: dict[Origin, Proxy | None] = {}
        self._transports: dict[tuple[bool, Proxy | None], httpx.HTTPTransport] = {}
        self._context: ssl.SSLContext | None = None
        self._once = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        origin = origin_of(request.url)
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(origin)
        proxy = self._proxies[origin]
        transport = self._transport(origin.scheme == "https", proxy)
        if proxy is None:
            return transport.handle_request(request)
        return _through(proxy, transport, request, origin)

    def _transport(self, encrypted: bool, proxy: Proxy | None) -> httpx.HTTPTransport:
        with self._once:
            found = self._transports.get((encrypted, proxy))
            if found is None:
                found = self._transports[encrypted, proxy] = self._made(encrypted, proxy)
            return found

    def _made(self, encrypted: bool, proxy: Proxy | None) -> httpx.HTTPTransport:
        if encrypted or proxy is not None:
            context = self._context = self._context or client_context()
        else:
            # It trusts no certificate: an encrypted request that came here by mistake would fail.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        transport = httpx.HTTPTransport(
            verify=context, trust_env=False, limits=self._limits, proxy=_as_httpx(proxy, context)
        )
        return guard(transport, self._reach) if proxy is None else transport

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            transport.close()


def _as_httpx(proxy: Proxy | None, context: ssl.SSLContext) -> httpx.Proxy | None:
    if proxy is None:
        return None
    if proxy.is_socks:
        try:
            import socksio  # noqa: F401
        except ImportError:
            raise BadInput(
                f"{proxy.variable} names a SOCKS proxy, which needs one more package: "
                "pip install 'canvas-archive[socks]'"
            ) from None
    return httpx.Proxy(
        proxy.url, auth=proxy.auth, ssl_context=context if proxy.url.scheme == "https" else None
    )


class _Tunnel:
    """Follows how far a connection through a proxy has come: see httpcore's ``trace`` extension."""

    def __init__(self) -> None:
        self.begun = False
        self.passed = False
        self._stream: Any = None
        self._watch: threading.Timer | None = None

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("connect_tcp.started"):
            self.begun = True
        elif event in ("proxy.start_tls.started", "socks.start_tls.started"):
            self.passed = True
        elif event == "socks.setup_socks5_connection.started":
            self._stream = info["stream"]
            self._watch = threading.Timer(SOCKS_SECONDS, _cut, [self._stream])
            self._watch.daemon = True
            self._watch.start()
        elif event.startswith("socks.setup_socks5_connection") and self._watch is not None:
            self._watch.cancel()
            if event.endswith("failed"):
                self._stream.close()  # the library leaves it open

    @property
    def is_proxys_fault(self) -> bool:
        """Return whether the connection never came past the proxy."""
        return self.begun and not self.passed


def _cut(stream: Any) -> None:
    """End a connection from another thread: what reads from it finds its end."""
    with contextlib.suppress(OSError):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def _through(
    proxy: Proxy, transport: httpx.HTTPTransport, request: httpx.Request, origin: Origin
) -> httpx.Response:
    tunnel = _Tunnel()
    request.extensions = {**request.extensions, "trace": tunnel}
    try:
        return transport.handle_request(request)
    except httpx.ProxyError as error:
        raise _refusal(proxy, origin, str(error)) from error
    except httpx.TransportError as error:
        if not tunnel.is_proxys_fault:
            raise
        unsent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
        what = "cannot be reached" if unsent else "does not answer as a proxy"
        raise ProxyFailed(
            f"{proxy} {what}: {describe(error)}. Check {proxy.variable} and the network."
        ) from error
    except Exception as error:
        if not tunnel.is_proxys_fault:
            raise
        # The SOCKS library has errors of its own for an answer that is none.
        raise ProxyFailed(f"{proxy} does not answer as a SOCKS proxy. Check {proxy.variable}.") from error


def _refusal(proxy: Proxy, origin: Origin, said: str) -> ProxyFailed:
    if said.startswith("407") or "auth" in said.lower():
        wanted = "does not accept its name and password" if proxy.auth else "wants a name and a password"
        form = f"{proxy.scheme}://NAME:PASSWORD@HOST:PORT"
        return ProxyFailed(f"{proxy} {wanted}. Write them into {proxy.variable}: {form}", refused=True)
    return ProxyFailed(
        f"{proxy} does not connect to {origin}: {one_line(said)}.", refused=said.startswith("4")
    )
