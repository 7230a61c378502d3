"""Connections of the server that are closed when the other side does not go on.

uvicorn limits only how long a connection is idle after an answer. A client that sends no request, half of
one, or no body would hold its connection for ever. So would one that does not read its answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

LIMIT_SECONDS = 20.0
MOST_CONNECTIONS = 256


class BoundedConnection(H11Protocol):  # type: ignore[misc]  # uvicorn is not typed for us
    """A connection that waits for its client for ``limit`` seconds at most.

    Beyond ``most`` connections at a time, the one that has waited longest is closed for the new one.
    """

    limit = LIMIT_SECONDS
    most = MOST_CONNECTIONS
    _timer: asyncio.TimerHandle | None = None
    _awaited: tuple[Any, ...] | None = None
    _since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to watch the connection, and make room for it."""
        super().connection_made(transport)
        self._watch()
        others = [one for one in self.connections if one is not self and not one.transport.is_closing()]
        if len(others) >= self.most:
            waiting = [one for one in others if one._awaited is not None]
            if waiting:
                min(waiting, key=lambda one: one._since)._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Close the connection when its client has owed the same for too long; look again later."""
        now = self.loop.time()
        awaited = self._owed_by_client()
        if awaited != self._awaited:
            self._awaited, self._since = awaited, now
        elif awaited is not None and now - self._since >= self.limit:
            self._end()
            return
        self._timer = self.loop.call_later(self.limit / 4, self._watch)

    def _owed_by_client(self) -> tuple[Any, ...] | None:
        """Return what the client has to do next; ``None`` when it is the server's turn.

        The value changes when the client has done it. Bytes of an unfinished request do not change it.
        """
        unread = self.transport.get_write_buffer_size()
        if unread:
            return ("read", unread)
        if self.cycle is None or self.cycle.response_complete:
            return ("send a request", self.cycle)
        return ("send the body", self.cycle) if self.cycle.more_body else None

    def _end(self) -> None:
        # Closing would wait until the client has read what is left.
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()
