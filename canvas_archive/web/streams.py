"""Responses that grow while work runs: one sentence per line, as text or inside a page.

The work runs in a thread of its own, and goes on when the reader leaves the page. Only one runs at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from markupsafe import escape

from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.web.per_datasette import PerDatasette

Work = Callable[[Callable[[str], None]], None]
"""Work that calls its argument with each line of progress. It raises ArchiveError when it failed."""

_END = object()


@PerDatasette
def running_lock(datasette: Any) -> threading.Lock:
    """Return the lock that is held while work runs."""
    return threading.Lock()


def is_running(datasette: Any) -> bool:
    """Return whether work begun on a page is still running."""
    return running_lock(datasette).locked()


class ProgressStream:
    """A response that sends the lines of ``work`` as they come.

    ``before`` and ``after`` are the page around the lines. Without them, the answer is plain text.
    The last line is ``Done.`` or begins with ``Error:``. Raises BadInput when something runs already.
    """

    def __init__(self, datasette: Any, work: Work, *, before: str = "", after: str = "") -> None:
        self._lock = running_lock(datasette)
        if not self._lock.acquire(blocking=False):
            raise BadInput("Something is running already. Wait for it to finish, then try again.")
        self._work = work
        self._before = before
        self._after = after

    async def asgi_send(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Begin the work and send its lines."""
        loop = asyncio.get_running_loop()
        lines: asyncio.Queue[object] = asyncio.Queue()

        def put(line: object) -> None:
            # The server may have ended, and its loop with it. The work is finished all the same.
            if not loop.is_closed():
                loop.call_soon_threadsafe(lines.put_nowait, line)

        threading.Thread(target=self._run, args=(put,), name="canvas-archive-action").start()
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

    def _run(self, put: Callable[[object], None]) -> None:
        try:
            self._work(lambda line: put(" ".join(line.split())))
            put("Done.")
        except ArchiveError as error:
            put(f"Error: {' '.join(str(error).split())}")
        except Exception as error:
            # The reader must not wait for ever, and the text of an unexpected error may hold secrets.
            name = type(error).__name__
            put(f"Error: an unexpected {name}. Run canvas-archive sync in a terminal to see more.")
        finally:
            self._lock.release()
            put(_END)
