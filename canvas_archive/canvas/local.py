"""Connections for a Canvas on this machine, which is spoken to without encryption.

What encryption needs, the certificates of the world above all, takes longer to read than everything else that
a client does before its first request. Here it is read when an encrypted address is first asked for: a file
that is kept elsewhere.
"""

from __future__ import annotations

import ssl
import threading

import httpx

from canvas_archive.canvas.reach import Reach, guard


class LocalTransport(httpx.BaseTransport):
    """Sends plain requests at once, and sets up encryption for the first one that is not. Thread-safe."""

    def __init__(self, limits: httpx.Limits, reach: Reach) -> None:
        self._limits = limits
        self._reach = reach
        # It trusts nobody: an encrypted request that came here by mistake would fail.
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._plain = guard(httpx.HTTPTransport(verify=nobody, trust_env=False, limits=limits), reach)
        self._encrypted: httpx.HTTPTransport | None = None
        self._once = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises httpx's transport errors."""
        if request.url.scheme == "http":
            return self._plain.handle_request(request)
        with self._once:
            if self._encrypted is None:
                self._encrypted = guard(
                    httpx.HTTPTransport(trust_env=False, limits=self._limits), self._reach
                )
        return self._encrypted.handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        self._plain.close()
        if self._encrypted is not None:
            self._encrypted.close()
