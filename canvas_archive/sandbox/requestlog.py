"""What clients asked of the sandbox, for tests to look at. Tokens are never written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, overload

from canvas_archive.sandbox.params import Pairs


@dataclass(slots=True)
class LoggedRequest:
    """One request. ``params`` is everything merged and nested; ``status`` 0 means cut off."""

    number: int
    method: str
    path: str
    origin: str  # "canvas" or "files"
    authorized: bool
    query: Pairs = ()
    form: Pairs = ()
    json: Any = None
    params: dict[str, Any] = field(default_factory=dict)
    status: int = 0
    fault: str | None = None
    bytes_sent: int = 0


class RequestLog:
    """The requests in the order they came."""

    def __init__(self) -> None:
        self._entries: list[LoggedRequest] = []

    def add(self, method: str, path: str, origin: str, *, authorized: bool) -> LoggedRequest:
        """Note a request that has just arrived."""
        entry = LoggedRequest(len(self._entries) + 1, method, path, origin, authorized)
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget everything so far."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[LoggedRequest]:
        return iter(list(self._entries))

    @overload
    def __getitem__(self, index: int) -> LoggedRequest: ...

    @overload
    def __getitem__(self, index: slice) -> list[LoggedRequest]: ...

    def __getitem__(self, index: int | slice) -> LoggedRequest | list[LoggedRequest]:
        return self._entries[index]

    @property
    def writes(self) -> list[LoggedRequest]:
        """Return the requests that could change something: all but GET and HEAD."""
        return [entry for entry in self if entry.method not in ("GET", "HEAD")]

    @property
    def api(self) -> list[LoggedRequest]:
        """Return the requests to the API, without downloads."""
        return [entry for entry in self if entry.path.startswith("/api/")]
