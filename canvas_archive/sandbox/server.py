"""The sandbox: a local Canvas in a thread of this process, on two ports of its own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import threading
import time
from datetime import datetime
from types import TracebackType
from typing import Any

import uvicorn

from canvas_archive.sandbox.app import CanvasApp
from canvas_archive.sandbox.auth import Tokens
from canvas_archive.sandbox.connections import Connection
from canvas_archive.sandbox.faults import Faults
from canvas_archive.sandbox.files_api import FileService
from canvas_archive.sandbox.mailbox import Mailbox
from canvas_archive.sandbox.requestlog import RequestLog
from canvas_archive.sandbox.school import School
from canvas_archive.sandbox.throttle import Throttle


class _Server(uvicorn.Server):  # type: ignore[misc]  # uvicorn is not typed for us
    """A uvicorn server that says when it is ready, and stops at once."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Run until it is stopped."""
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 1) % 864_000
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything at once: nobody is waited for, as when a machine goes down."""
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.sleep(0)

    def stop(self) -> None:
        """Stop, from any thread, without waiting for anyone."""
        self.should_exit = True
        self.force_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has already ended
                self._loop.call_soon_threadsafe(self._stop.set)


class Sandbox:
    """A local Canvas with one person's mailbox, for tests, demonstrations and trying things out.

    Use it as a context manager, or call :meth:`start` and :meth:`close`. Without a ``mailbox`` it makes the
    sample one of ``seed`` and ``conversations``. ``throttle`` turns requests away when the token's bucket
    is full; ``latency`` is in seconds for every request. ``texts`` is how bodies are sent: ``"entities"``, as
    newer servers do, or ``"raw"``, as typed.
    """

    def __init__(
        self,
        mailbox: Mailbox | None = None,
        *,
        seed: int = 2026,
        conversations: int = 250,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        throttle: bool = False,
        latency: float = 0.0,
        texts: str = "entities",
        now: datetime | None = None,
    ) -> None:
        if mailbox is None:
            from canvas_archive.sandbox.sample import NOW, sample_mailbox

            mailbox = sample_mailbox(seed=seed, conversations=conversations, now=now or NOW)
        self.school = School(mailbox)
        self.school.texts = texts
        self.tokens = Tokens()
        self.token = self.tokens.issue(mailbox.owner_id, token or _secret(seed, "owner"))
        self.admin_token = self.tokens.issue(self.school.admin_id, _secret(seed, "administrator"))
        self.user_id = mailbox.owner_id
        self.throttle = Throttle(time.monotonic, enforced=throttle)
        self.app = CanvasApp(self.school, self.tokens, self.throttle)
        self.app.latency = latency
        self._host = host
        self._ports = (port, 0)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.url = ""
        self.files_url = ""

    @property
    def log(self) -> RequestLog:
        """Return every request so far."""
        return self.app.log

    @property
    def faults(self) -> Faults:
        """Return the faults in force."""
        return self.app.faults

    @property
    def files(self) -> FileService:
        """Return how files are served."""
        return self.app.files

    @property
    def leaked_tokens(self) -> list[str]:
        """Return the paths at which the second origin was sent a token; it should never be."""
        return self.app.files.leaks

    def start(self) -> Sandbox:
        """Listen and return when requests are answered; after a :meth:`close`, on the same ports."""
        first = _listen(self._host, self._ports[0])
        try:
            second = _listen(self._host, self._ports[1])
        except OSError:
            first.close()
            raise
        self._ports = (first.getsockname()[1], second.getsockname()[1])
        self.app.canvas_port, self.app.files_port = self._ports
        reachable = "127.0.0.1" if self._host in ("0.0.0.0", "::", "") else self._host  # noqa: S104 (compared)
        shown = f"[{reachable}]" if ":" in reachable else reachable
        self.url = f"http://{shown}:{self.app.canvas_port}"
        self.files_url = f"http://{shown}:{self.app.files_port}"
        self.school.base_url = self.url
        self.app.files.origin = self.files_url
        config = uvicorn.Config(
            self.app,
            http=Connection,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
        )
        server = _Server(config)
        self._server = server
        self._thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[first, second])), name="sandbox", daemon=True
        )
        self._thread.start()
        server.ready.wait(30)
        return self

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join(10)
        self._server = self._thread = None

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=256)


def _secret(seed: int, who: str) -> str:
    """Return a token that looks like Canvas's and is the same for the same seed."""
    return "7~" + hashlib.sha256(f"sandbox {seed} {who}".encode()).hexdigest()
