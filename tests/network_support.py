"""Servers on this machine for tests of connections: a Canvas behind TLS, and proxies good and bad."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trustme

HOST = "canvas.school.example"
"""The name on the certificate of the Canvas: no resolver knows it, a proxy of this module does."""

BODY = json.dumps({"id": 7, "name": "Ada", "short_name": "Ada"}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)
Serving = Callable[[socket.socket], None]


@contextmanager
def listening(serve: Serving) -> Iterator[int]:
    """Serve every connection in a thread of its own; yield the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(20)
            with contextlib.suppress(OSError):
                serve(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


@contextmanager
def tls_canvas(authority: trustme.CA) -> Iterator[int]:
    """Serve a Canvas that knows one person, with a certificate of this authority; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "127.0.0.1", "localhost").configure_cert(context)

    def serve(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as encrypted:
            seen = b""
            while data := encrypted.recv(65536):
                seen += data
                if b"\r\n\r\n" in seen:
                    encrypted.sendall(ANSWER)
                    seen = b""

    with listening(serve) as port:
        yield port


def joined(one: socket.socket, port: int) -> None:
    """Pass bytes between a client and a server until one of them ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as other:
        ends = {one: other, other: one}
        while True:
            ready, _, _ = select.select(list(ends), [], [], 20)
            for end in ready:
                data = end.recv(65536)
                if not data:
                    return
                ends[end].sendall(data)
            if not ready:
                return


def http_proxy(port: int, seen: list[bytes], *, refusal: bytes = b"") -> Serving:
    """Return what an HTTP proxy does: connects to ``port`` whatever is asked for, or refuses."""

    def serve(client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        seen.append(head)
        client.sendall(
            b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % (refusal or b"200 Connection established")
        )
        if not refusal:
            joined(client, port)

    return serve


def socks_proxy(port: int, seen: list[bytes], *, code: int = 0) -> Serving:
    """Return what a SOCKS 5 proxy does, with or without a password: ``code`` is its answer."""

    def serve(client: socket.socket) -> None:
        _, count = client.recv(2)
        if 2 in client.recv(count):
            client.sendall(b"\x05\x02")
            seen.append(client.recv(512))
            client.sendall(b"\x01\x00")
        else:
            client.sendall(b"\x05\x00")
        _, _, _, kind, length = client.recv(5)
        assert kind == 3, "the name is for the proxy to resolve"
        seen.append(client.recv(length + 2)[:-2])
        client.sendall(b"\x05" + bytes([code]) + b"\x00\x01\x00\x00\x00\x00" + struct.pack(">H", port))
        if code == 0:
            joined(client, port)

    return serve
