"""A Canvas that answers from a script, and a clock that only moves when someone sleeps."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

import httpx

from canvas_archive.canvas import CanvasClient, RetryWait, Token

URL = "https://school.example"
SECRET = "1234~verysecrettokenvalue"
START = datetime(2026, 3, 9, 12, 0, 0, tzinfo=timezone.utc)


class FakeClock:
    """Time that passes by sleeping alone; shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.elapsed = 0.0
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        with self._lock:
            self.elapsed += seconds
            self.sleeps.append(seconds)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self.elapsed += seconds


Reply: TypeAlias = "httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]"


class Script:
    """Answers in the order given (the last one again and again if ``endless``), remembering every request."""

    def __init__(self, *replies: Reply, endless: bool = False) -> None:
        self._replies = list(replies)
        self._endless = endless
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        if not self._replies:
            raise AssertionError(f"an unexpected request: {request.method} {request.url}")
        reply = self._replies[0] if self._endless and len(self._replies) == 1 else self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, httpx.Response):
            return httpx.Response(
                reply.status_code,
                headers=reply.headers,
                **({"content": reply.content} if reply.is_stream_consumed else {"stream": reply.stream}),
            )
        return reply(request)

    @property
    def targets(self) -> list[str]:
        """Method, path and query of every request."""
        return [f"{one.method} {one.url.raw_path.decode()}" for one in self.requests]


class AnswersOthers:
    """A Canvas in front of a script: it says who one is whatever else happens, so it is not away."""

    def __init__(self, script: Callable[[httpx.Request], httpx.Response]) -> None:
        self._script = script

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return me() if request.url.path == "/api/v1/users/self" else self._script(request)


class Chunks(httpx.SyncByteStream):
    """A body in pieces; a piece that is an exception is raised, one that is callable is called first."""

    def __init__(self, pieces: Iterable[bytes | Exception | Callable[[], bytes]]) -> None:
        self._pieces = list(pieces)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece if isinstance(piece, bytes) else piece()


def streamed(
    *pieces: bytes | Exception | Callable[[], bytes], status: int = 200, **headers: str
) -> httpx.Response:
    """An answer whose body comes in pieces, as from a network; header names with underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, stream=Chunks(pieces))


def make_client(
    handler: Callable[[httpx.Request], httpx.Response], clock: FakeClock | None = None, **options: Any
) -> CanvasClient:
    """A client in front of a script, with time standing still and jitter repeatable."""
    options.setdefault("rng", random.Random(7))
    return CanvasClient(
        options.pop("base_url", URL),
        Token(SECRET),
        clock=clock or FakeClock(),
        transport=httpx.MockTransport(handler),
        **options,
    )


class Waits(list[RetryWait]):
    """Collects what ``on_wait`` is told."""

    def __call__(self, wait: RetryWait) -> None:
        self.append(wait)


ME = {"id": "7", "name": "Jules"}


def me(**headers: str) -> httpx.Response:
    """The answer to ``GET /users/self``."""
    return httpx.Response(
        200, json=ME, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def row(conversation_id: int | str = 1, **fields: Any) -> dict[str, Any]:
    """A conversation as the list shows it."""
    return {
        "id": str(conversation_id),
        "subject": "Lab report",
        "workflow_state": "read",
        "last_message": "See you",
        "last_message_at": "2026-03-01T10:00:00Z",
        "last_authored_message": None,
        "last_authored_message_at": None,
        "message_count": 2,
        "subscribed": True,
        "private": True,
        "starred": False,
        "properties": ["last_author"],
        "audience": ["8"],
        "audience_contexts": {"courses": {"12": ["StudentEnrollment"]}, "groups": {"3": []}},
        "avatar_url": f"{URL}/images/a.png",
        "participants": [
            {"id": "7", "name": "Jules", "full_name": "Jules M", "pronouns": None},
            {"id": "8", "name": "Chen", "full_name": "Chen W", "pronouns": "she/her"},
        ],
        "visible": True,
        "context_name": "BIO 101",
        "context_code": "course_12",
        **fields,
    }


def letter(message_id: int | str = 31, **fields: Any) -> dict[str, Any]:
    """A message as a shown conversation has it."""
    return {
        "id": str(message_id),
        "created_at": "2026-03-01T10:00:00Z",
        "body": "See you",
        "author_id": "8",
        "generated": False,
        "media_comment": None,
        "forwarded_messages": [],
        "attachments": [],
        "participating_user_ids": ["7", "8"],
        **fields,
    }


def shown(conversation_id: int | str = 1, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A conversation as ``show`` answers."""
    return row(conversation_id, messages=list(messages) or [letter()], submissions=[], **fields)
