"""Answers that grow while work goes on: one sentence per line, as text or inside a page.

The work runs in a thread of its own and is not stopped when the reader leaves: a sync that was begun
is finished. Only one runs at a time.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from markupsafe import escape

from canvas_archive.errors import ArchiveError, BadInput

FAILED = "Error:"
"""How the last line of work that did not succeed begins."""

_END = object()
_running: weakref.WeakKeyDictionary[Any, threading.Lock] = weakref.WeakKeyDictionary()


def _lock_of(datasette: Any) -> threading.Lock:
    return _running.setdefault(datasette, threading.Lock())


def is_running(datasette: Any) -> bool:
    """Return whether work begun from a page still goes on."""
    return _lock_of(datasette).locked()


class ProgressStream:
    """A response that sends the lines of ``work`` as they come.

    ``before`` and ``after`` are what stands around them on a page; without, the answer is plain text.
    The last line is ``Done.`` or begins with ``Error:``. Raises BadInput when something runs already.
    """

    def __init__(
        self, datasette: Any, work: Callable[[], Iterator[str]], *, before: str = "", after: str = ""
    ) -> None:
        self._lock = _lock_of(datasette)
        if not self._lock.acquire(blocking=False):
            raise BadInput("Something is running already. Wait for it to finish, then try again.")
        self._work = work
        self._before = before
        self._after = after

    async def asgi_send(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Begin the work and send its lines."""
        loop = asyncio.get_running_loop()
        lines: asyncio.Queue[object] = asyncio.Queue()

        def tell(line: object) -> None:
            # After the server has gone there is no loop to tell; the work itself is finished all the same.
            if not loop.is_closed():
                loop.call_soon_threadsafe(lines.put_nowait, line)

        threading.Thread(target=self._run, args=(tell,), name="canvas-archive-action").start()
        page = bool(self._before)
        content_type = "text/html; charset=utf-8" if page else "text/plain; charset=utf-8"
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", content_type.encode()),
                    (b"cache-control", b"private, no-store"),
                    (b"x-accel-buffering", b"no"),
                ],
            }
        )
        if page:
            await self._send(send, self._before)
        while (line := await lines.get()) is not _END:
            await self._send(send, f"{escape(line) if page else line}\n")
        await send({"type": "http.response.body", "body": self._after.encode()})

    @staticmethod
    async def _send(send: Callable[[dict[str, Any]], Awaitable[None]], text: str) -> None:
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    def _run(self, tell: Callable[[object], None]) -> None:
        try:
            line = ""
            for line in self._work():
                tell(" ".join(str(line).split()))
            if not line.startswith(FAILED):
                tell("Done.")
        except ArchiveError as error:
            tell(f"{FAILED} {error}")
        except Exception as error:
            # Whatever it was, the reader must not wait for ever; the text of a stray error may hold secrets.
            name = type(error).__name__
            tell(f"{FAILED} an unexpected {name}. Run canvas-archive sync in a terminal to see more.")
        finally:
            self._lock.release()
            tell(_END)
