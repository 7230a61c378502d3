"""Programmable faults: what goes wrong, on which requests, how often.

Kinds that replace the answer (the request is not performed, unless ``performed``):

    status            ``status`` with an HTML body
    refuse            ``status`` with the JSON of an error of Canvas's
    throttle_403      Canvas's text for a full bucket, old status
    throttle_429      the same with today's status, and ``Retry-After`` when ``retry_after`` is given
    html_login        200 with a login page
    foreign_redirect  302 to ``url``, by default the second origin
    gzip_bomb         a small body that unpacks to ``size`` bytes
    reset             the connection is closed in the middle of the headers
    abort             the connection is reset before a single byte
    hang              no answer until the client gives up
    endless           an answer that begins, and then brings a byte every ``delay`` seconds for ever

Kinds that spoil the real answer: ``truncate`` (Content-Length is larger than what comes), ``short_body``
(whole, but too short), ``invalid_json``, ``slow`` (``delay`` seconds before each of ``chunks`` pieces),
``loop_next`` and ``foreign_next`` (the next link), ``duplicate_rows``, ``drop_row``, ``wrong_type`` (of
``field``).

Kinds that change the school first and let the request go on: ``revoke_token``, ``expire_links``.
"""

from __future__ import annotations

import dataclasses
import json
import random
import re
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from starlette.responses import JSONResponse, RedirectResponse, Response

from canvas_archive.sandbox.answers import html_page
from canvas_archive.sandbox.requestlog import LoggedRequest

Kind = Literal[
    "status",
    "refuse",
    "throttle_403",
    "throttle_429",
    "html_login",
    "foreign_redirect",
    "gzip_bomb",
    "reset",
    "abort",
    "hang",
    "endless",
    "truncate",
    "short_body",
    "invalid_json",
    "slow",
    "loop_next",
    "foreign_next",
    "duplicate_rows",
    "drop_row",
    "wrong_type",
    "revoke_token",
    "expire_links",
]
Match = Callable[[LoggedRequest], bool]
CUTTING = ("reset", "abort", "hang", "truncate")
REPLACING = (
    "status",
    "refuse",
    "throttle_403",
    "throttle_429",
    "html_login",
    "foreign_redirect",
    "gzip_bomb",
)
_NEXT = re.compile(r'<([^>]*)>; rel="next"')


@dataclass(slots=True)
class Fault:
    """One kind of fault. ``match`` is searched in ``path?query``, or called with the logged request.

    It strikes ``times`` times (``None``: for ever), not before ``after`` matching requests went by, and each
    time with ``probability``.
    """

    kind: Kind
    match: str | Match = ""
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    seed: int = 0
    method: str | None = None
    origin: str | None = None
    performed: bool = False
    status: int = 500
    retry_after: int | None = None
    delay: float = 0.1
    chunks: int = 4
    size: int = 50_000_000
    field: str = "id"
    url: str = ""
    struck: int = 0
    _seen: int = 0
    _random: random.Random = dataclasses.field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._random.seed(self.seed)

    def strikes(self, entry: LoggedRequest, target: str) -> bool:
        """Return whether this request is hit, and count it."""
        if self.times is not None and self.struck >= self.times:
            return False
        if self.method is not None and entry.method != self.method:
            return False
        if self.origin is not None and entry.origin != self.origin:
            return False
        if not (re.search(self.match, target) if isinstance(self.match, str) else self.match(entry)):
            return False
        self._seen += 1
        if self._seen <= self.after or self._random.random() >= self.probability:
            return False
        self.struck += 1
        return True


@dataclass(slots=True)
class _Hook:
    match: str
    call: Callable[[int], object]
    count: int = 0


class Faults:
    """The active faults. The first one that matches a request strikes it, in the order of adding."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._hooks: list[_Hook] = []

    def add(self, fault: Fault | Kind, match: str | Match = "", **options: Any) -> Fault:
        """Activate a fault: a :class:`Fault`, or its kind, match and other fields."""
        made = fault if isinstance(fault, Fault) else Fault(fault, match, **options)
        with self._lock:
            self._faults.append(made)
        return made

    def clear(self) -> None:
        """Remove all faults and hooks."""
        with self._lock:
            self._faults.clear()
            self._hooks.clear()

    def on_request(self, match: str, call: Callable[[int], object]) -> None:
        """Run ``call(n)`` right before the n-th request whose ``path?query`` matches is answered."""
        with self._lock:
            self._hooks.append(_Hook(match, call))

    def run_hooks(self, target: str) -> None:
        """Run the hooks of a request."""
        with self._lock:
            due = [hook for hook in self._hooks if re.search(hook.match, target)]
            for hook in due:
                hook.count += 1
        for hook in due:
            hook.call(hook.count)

    def pick(self, entry: LoggedRequest, target: str) -> Fault | None:
        """Return the fault that strikes this request, if any."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(entry, target)), None)


def replacement(fault: Fault, second_origin: str) -> Response:
    """Return the answer of a fault that replaces the real one."""
    if fault.kind == "status":
        return html_page(f"{fault.status} Something broke", fault.status)
    if fault.kind == "refuse":
        return JSONResponse({"errors": [{"message": "An error occurred."}]}, fault.status)
    if fault.kind in ("throttle_403", "throttle_429"):
        return throttled(403 if fault.kind == "throttle_403" else 429, fault.retry_after)
    if fault.kind == "foreign_redirect":
        return RedirectResponse(fault.url or f"{second_origin}/elsewhere", 302)
    if fault.kind == "gzip_bomb":
        return _bomb(fault.size)
    return html_page("Log in to Canvas")


def throttled(status: int, retry_after: int | None = None) -> Response:
    """Return Canvas's answer to a client whose bucket is full."""
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    name = "Forbidden" if status == 403 else "Too Many Requests"
    return Response(f"{status} {name} (Rate Limit Exceeded)\n", status, headers, media_type="text/plain")


def _bomb(size: int) -> Response:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * 1_000_000
    parts = [packer.compress(b"[")]
    parts += [packer.compress(block[: min(len(block), size - done)]) for done in range(0, size, len(block))]
    parts += [packer.compress(b"]"), packer.flush()]
    headers = {"Content-Encoding": "gzip"}
    return Response(b"".join(parts), 200, headers, media_type="application/json; charset=utf-8")


def spoil(fault: Fault, response: Response, second_origin: str) -> Response:
    """Return the real answer with what the fault does to it."""
    if fault.kind in ("loop_next", "foreign_next"):
        return _bend_next(fault, response, second_origin)
    body = bytes(response.body)
    if fault.kind == "invalid_json":
        body = body[: max(len(body) // 2, 1)] + b"\x00{"
    elif fault.kind == "short_body":
        body = body[: len(body) // 2]
    elif fault.kind in ("duplicate_rows", "drop_row", "wrong_type"):
        body = _bend_rows(fault, body)
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Response(body, response.status_code, headers)


def _bend_next(fault: Fault, response: Response, second_origin: str) -> Response:
    link = response.headers.get("link", "")
    found = _NEXT.search(link)
    if found is not None:
        if fault.kind == "foreign_next":
            target = fault.url or re.sub(r"^https?://[^/]+", second_origin, found[1])
        else:
            current = re.search(r'<([^>]*)>; rel="current"', link)
            target = current[1] if current else found[1]
        response.headers["link"] = link.replace(found[1], target)
    return response


def _bend_rows(fault: Fault, body: bytes) -> bytes:
    document = json.loads(body)
    rows = document.get("conversations", [document]) if isinstance(document, dict) else document
    if fault.kind == "duplicate_rows":
        rows.extend(rows[-2:])
    elif fault.kind == "drop_row":
        del rows[len(rows) // 2 : len(rows) // 2 + 1]
    else:
        for row in rows:
            if fault.field in row:
                row[fault.field] = {"unexpected": True}
    return json.dumps(document, ensure_ascii=False).encode()
