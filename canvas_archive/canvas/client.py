"""``CanvasClient``: one person's Canvas, over HTTP."""

from __future__ import annotations

import random
from collections.abc import Collection
from contextlib import AbstractContextManager
from types import TracebackType

import httpx

from canvas_archive import __version__
from canvas_archive.canvas.address import normalise_base_url, origin_of
from canvas_archive.canvas.answers import own_redirect
from canvas_archive.canvas.body import MOST_BODY_BYTES
from canvas_archive.canvas.connections import Connections
from canvas_archive.canvas.conversations_api import BATCH_EVENTS, BATCH_SIZE, SCOPES, ConversationsApi, Scope
from canvas_archive.canvas.files_api import FilesApi
from canvas_archive.canvas.limiter import Limiter
from canvas_archive.canvas.people_api import PeopleApi
from canvas_archive.canvas.reach import Reach
from canvas_archive.canvas.token import Token
from canvas_archive.canvas.transport import Transport
from canvas_archive.canvas.waiting import SILENCE_SECONDS, OnWait, Stats, Waiter
from canvas_archive.clock import SYSTEM, Clock

__all__ = ["BATCH_EVENTS", "BATCH_SIZE", "SCOPES", "CanvasClient", "Scope"]

_SPARE_CONNECTIONS = 16  # for downloads, which do not hold a slot while their bytes arrive


class _NoCookies(httpx.Cookies):
    """An httpx cookie jar that stores nothing."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Store nothing."""


class _Forgetful(httpx.Client):
    """An httpx client without cookies: the token alone identifies the user, and cookies cost time."""

    @property
    def cookies(self) -> httpx.Cookies:
        """Return no cookies."""
        return _NoCookies()

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        """Ignore cookies that are set."""


class CanvasClient(ConversationsApi, PeopleApi, FilesApi):
    """A client for one Canvas and one token; safe to use from several threads; a context manager.

    ``base_url`` is what a person would type as the address. ``as_user_id`` makes every request on behalf of
    that user. ``patience`` is for how many seconds a request may wait without anything going forward before
    it counts as failed; ``timeout`` how many seconds the network may stay silent; ``concurrency`` how many
    requests may be under way at most. ``on_wait`` is called with every pause, from the thread that makes it.
    ``limiter`` is another client's: Canvas counts by token, so clients with one token share what it allows.
    ``allowed_file_hosts`` are names of hosts that files may come from although their addresses are private.

    Raises BadInput for an address that cannot be a Canvas's.
    """

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        as_user_id: int | None = None,
        patience: float = 600.0,
        timeout: float = SILENCE_SECONDS,
        concurrency: int = 8,
        clock: Clock = SYSTEM,
        transport: httpx.BaseTransport | None = None,
        on_wait: OnWait | None = None,
        rng: random.Random | None = None,
        max_answer_bytes: int = MOST_BODY_BYTES,
        limiter: Limiter | None = None,
        allowed_file_hosts: Collection[str] = (),
    ) -> None:
        home = origin_of(httpx.URL(normalise_base_url(base_url)))
        jitter = rng or random.Random()  # noqa: S311 (spreads waits, guards nothing)
        stats = Stats()
        waiter = Waiter(clock, on_wait, stats)
        self._stats = stats
        self._limiter = limiter or Limiter(concurrency, clock, waiter, jitter)
        limits = httpx.Limits(
            max_connections=concurrency + _SPARE_CONNECTIONS, max_keepalive_connections=concurrency
        )
        reach = Reach(home, allowed_file_hosts)
        self._http = _Forgetful(
            transport=transport or Connections(limits, reach),
            timeout=timeout,
            limits=limits,
            headers={"User-Agent": f"canvas-archive/{__version__}"},
            follow_redirects=False,
            event_hooks={"response": [own_redirect]},
            trust_env=False,  # proxies and certificates are decided in ``connections``
        )
        self._transport = Transport(
            self._http,
            home,
            token,
            reach=reach,
            limiter=self._limiter,
            waiter=waiter,
            stats=stats,
            clock=clock,
            rng=jitter,
            patience=patience,
            as_user_id=as_user_id,
            most_body_bytes=max_answer_bytes,
        )

    @property
    def stats(self) -> Stats:
        """What this client did so far: requests, bytes, retries, waits, waited seconds."""
        return self._stats

    @property
    def limiter(self) -> Limiter:
        """Return the limiter, which decides how many requests may be under way."""
        return self._limiter

    @property
    def last_date(self) -> str | None:
        """The ``Date`` header of the newest answer: what Canvas's clock says."""
        return self._transport.last_date

    def one_try(self) -> AbstractContextManager[None]:
        """Make each request of this thread once, within the context: for items that failed in earlier runs.

        A request is made again all the same when Canvas as a whole does not answer.
        """
        return self._transport.one_try()

    def close(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        self._http.close()

    def __enter__(self) -> CanvasClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<CanvasClient {self.base_url}>"
