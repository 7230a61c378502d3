"""Connections that a fault can break in a way no well-behaved server would."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_NO_LINGER = struct.pack("ii", 1, 0)


class Connection(H11Protocol):  # type: ignore[misc]  # uvicorn is not typed for us
    """A connection of the sandbox. The scope of each of its requests has its transport."""

    app_state: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The sandbox breaks answers on purpose. Uvicorn's warnings about them are of no use.
        self.logger = logging.getLogger("canvas_archive.sandbox.http")
        self.logger.propagate = False
        if not self.logger.handlers:
            self.logger.addHandler(logging.NullHandler())

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Give the transport to the requests."""
        super().connection_made(transport)
        # Head and body are written apart: without this the body waits for the client to confirm the head.
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "transport": transport}  # copied into each scope's "state"


async def cut(scope: Scope, receive: Receive, kind: str, response: Response | None = None) -> None:
    """Break the connection of a request.

    ``reset`` closes it within the headers, ``abort`` resets it before any byte, ``truncate`` closes it in the
    middle of the body, ``hang`` waits until the client has gone.
    """
    transport: asyncio.Transport = scope["state"]["transport"]
    if kind == "reset":
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: applica")
        transport.close()
    elif kind == "abort":
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    elif kind == "truncate" and response is not None:
        body = bytes(response.body)
        lines = [f"HTTP/1.1 {response.status_code} OK", f"Content-Length: {len(body) + 1}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items() if name != "content-length"]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        transport.write(head + body[: len(body) // 2])
        transport.close()
    await receive()  # the request is read: what comes next is that the client has gone
