"""One request, sent until it is answered: slots, retries, patience, redirects, errors."""

from __future__ import annotations

import logging
import random
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlencode

import httpx

from canvas_archive.canvas.address import Origin, origin_of
from canvas_archive.canvas.answers import Answer, error_of
from canvas_archive.canvas.body import Truncated, decode_json, read_body
from canvas_archive.canvas.limiter import Limiter, Slot, units
from canvas_archive.canvas.token import Token
from canvas_archive.canvas.waiting import (
    BROKEN_REQUEST_TRIES,
    FIRST_CONTACT_TRIES,
    Effort,
    Stats,
    Waiter,
    backoff,
    retry_after,
)
from canvas_archive.clock import Clock
from canvas_archive.errors import (
    ArchiveError,
    MalformedAnswer,
    NotCanvas,
    ServerFailure,
    Throttled,
    Unreachable,
    UnsafeRedirect,
)
from canvas_archive.model import Json

logger = logging.getLogger("canvas_archive.canvas")

ACCEPT = "application/json+canvas-string-ids, application/json"
READ_BUDGET = 300.0
"""Seconds that one answer may take from request to last byte."""

_MOST_REDIRECTS = 5
_INVALID_JSON_TRIES = 3
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the API. ``idempotent``: it may be sent again when it is unknown whether Canvas acted."""

    method: str
    url: httpx.URL
    form: Pairs | None = None
    idempotent: bool = False

    @property
    def name(self) -> str:
        """The request as messages name it, without query."""
        return f"{self.method} {self.url.path}"


class Again(Exception):
    """An attempt that failed in a way that may pass.

    ``error`` is what it becomes when the patience ends; ``sent`` tells whether Canvas may have acted;
    ``asked`` is the number of seconds to wait that the answer named, ``advised`` the limiter's own.
    """

    def __init__(
        self,
        reason: str,
        error: ArchiveError,
        *,
        sent: bool = True,
        throttled: bool = False,
        most_tries: int | None = None,
        asked: float | None = None,
        advised: float = 0.0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error
        self.sent = sent
        self.throttled = throttled
        self.most_tries = most_tries
        self.asked = asked
        self.advised = advised


class Transport:
    """Sends requests of one client to one Canvas. Thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        home: Origin,
        token: Token,
        *,
        limiter: Limiter,
        waiter: Waiter,
        stats: Stats,
        clock: Clock,
        rng: random.Random,
        patience: float,
        as_user_id: int | None,
        most_body_bytes: int,
    ) -> None:
        self.http = http
        self.home = home
        self.limiter = limiter
        self.stats = stats
        self.clock = clock
        self.as_user_id = as_user_id
        self.authorization = token.header()
        self._waiter = waiter
        self._rng = rng
        self._patience = patience
        self._most_body_bytes = most_body_bytes
        self._answered: set[Origin] = set()  # whoever answered anything at all
        self.is_canvas = False  # there has been JSON under /api

    def effort(self) -> Effort:
        """Return the patience for one new request."""
        return Effort(self.clock, self._patience)

    def call(
        self,
        method: str,
        path: str,
        params: Pairs = (),
        form: Pairs | None = None,
        *,
        idempotent: bool | None = None,
    ) -> Call:
        """Compose a call of ``/api/v1`` + ``path``; reading is idempotent, writing is only where said."""
        if self.as_user_id is not None:
            params = (*params, ("as_user_id", str(self.as_user_id)))
        query = f"?{urlencode(params)}" if params else ""
        url = httpx.URL(f"{self.home}/api/v1{path}{query}")
        return Call(method, url, form, method == "GET" if idempotent is None else idempotent)

    def reading(self, url: httpx.URL) -> Call:
        """Return the call that reads a whole URL of the same Canvas."""
        return Call("GET", url, idempotent=True)

    def request(self, call: Call) -> tuple[Answer, Json]:
        """Send a call until it is answered; return the answer and its document (``None`` for an empty 204).

        Raises any error of this package's canvas branch.
        """
        effort = self.effort()
        while True:
            try:
                return self._attempt(call)
            except Again as trouble:
                self.before_retry(call.name, trouble, effort, idempotent=call.idempotent)

    # -- one attempt -----------------------------------------------------------------------------

    def _attempt(self, call: Call) -> tuple[Answer, Json]:
        answer = self._exchange(call)
        for _ in range(_MOST_REDIRECTS):
            if not 300 <= answer.status < 400:
                break
            answer = self._exchange(Call("GET", self._redirect_target(call, answer)))
        self._judge(call, answer)
        if answer.status == 204 or (not answer.body and answer.status == 202):
            return answer, None
        try:
            document = decode_json(answer.body)
        except MalformedAnswer as error:
            raise Again(
                "the answer could not be read",
                MalformedAnswer(f"{error} (Request: {call.name})"),
                most_tries=_INVALID_JSON_TRIES,
            ) from None
        self.is_canvas = True
        return answer, document

    def _exchange(self, call: Call) -> Answer:
        """Send once and read the whole answer, within one slot."""
        headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip", "Authorization": self.authorization}
        content = None
        if call.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            content = urlencode(call.form).encode("ascii")
        request = self.http.build_request(call.method, call.url, headers=headers, content=content)
        with self.slot(call.name) as note:
            answer = self.exchange(request, call.name)
            note(answer.status, answer.headers, throttled=answer.is_throttled)
        return answer

    def exchange(self, request: httpx.Request, name: str) -> Answer:
        """Send a request once and read the whole answer. Raises Again when the connection fails."""
        until = self.clock.monotonic() + READ_BUDGET
        with self.opened(request, name) as response:
            body = self._body(response, name, until)
        return Answer(response.status_code, response.headers, body, request.url, name)

    def _body(self, response: httpx.Response, name: str, until: float) -> bytes:
        try:
            return read_body(
                response,
                self._most_body_bytes,
                lambda: self.clock.monotonic() > until,
                lambda size: self.stats.add(bytes=size),
            )
        except Truncated as error:
            raise Again(
                str(error), Unreachable(f"The answers to {name} keep breaking off: {error}.")
            ) from None

    @contextmanager
    def slot(self, name: str) -> Iterator[RateNote]:
        """Hold a slot of the limiter for one exchange; call the yielded note with the answer's status.

        Raises Again for a throttled answer.
        """
        slot = self.limiter.acquire()
        note = RateNote(self, slot, name)
        try:
            yield note
        finally:
            self.limiter.release(slot, clean=note.clean, remaining=note.remaining)

    @contextmanager
    def opened(self, request: httpx.Request, name: str) -> Iterator[httpx.Response]:
        """Send once and yield the answer with its body unread. Raises Again when the connection fails."""
        self.stats.add(requests=1)
        try:
            response = self.http.send(request, stream=True)
            try:
                self._answered.add(origin_of(request.url))
                yield response
            finally:
                response.close()
        except httpx.TransportError as error:
            raise self._connection_trouble(error, request.url, name) from None

    def _connection_trouble(self, error: httpx.TransportError, url: httpx.URL, name: str) -> Again:
        host = str(origin_of(url))
        first = origin_of(url) not in self._answered
        cause = _root_cause(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Unreachable(
                f"{host} has no valid certificate ({cause.verify_message}), so it may be another machine "
                "than it says. Check the address and this machine's clock."
            ) from None
        if isinstance(cause, ssl.SSLError) and first:
            raise Unreachable(
                f"{host} does not speak TLS properly ({cause.reason or 'no reason'}). Check the address."
            ) from None
        if isinstance(error, httpx.UnsupportedProtocol):
            raise Unreachable(f"{host} cannot be asked: {error}") from None
        unsent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
        what = _describe(error, cause)
        if first and unsent:
            sentence = f"{host} cannot be reached: {what}. Check the address and the network."
        elif unsent:
            sentence = f"{host} can no longer be reached: {what}."
        else:
            sentence = f"{name} at {host} gets no complete answer: {what}."
        tries = None
        if first:
            hopeless = unsent or isinstance(error, httpx.TimeoutException)
            tries = FIRST_CONTACT_TRIES if hopeless else BROKEN_REQUEST_TRIES
        return Again(what, Unreachable(sentence), sent=not unsent, most_tries=tries)

    def _redirect_target(self, call: Call, answer: Answer) -> httpx.URL:
        """Where a redirected call goes on: same origin, reading only, no login page."""
        try:
            target = answer.url.join(answer.headers.get("Location", ""))
            origin = origin_of(target)
        except (httpx.InvalidURL, ValueError):
            raise MalformedAnswer(f"Canvas redirects {call.name} to something that is no address.") from None
        if origin != self.home or target.userinfo:
            raise UnsafeRedirect(
                f"{self.home} redirects {call.name} to {origin}. The token was not sent there. If that is "
                "your Canvas, use its address."
            )
        if target.path.strip("/").split("/")[0] in ("login", "saml", "cas", "sso"):
            self._not_an_api(call, "a redirect to a login page")
        if call.method != "GET" or target == answer.url:
            raise MalformedAnswer(f"Canvas answers {call.name} with a redirect ({answer.status}).")
        return target

    # -- what an answer means --------------------------------------------------------------------

    def _judge(self, call: Call, answer: Answer) -> None:
        """Return for a success; raise Again or the error for anything else."""
        status = answer.status
        if status >= 500 or status in (408, 425):
            raise self.server_trouble(answer)
        if 300 <= status < 400:
            raise MalformedAnswer(f"Canvas redirects {call.name} in circles.")
        if answer.is_web_page and not (200 <= status < 300 and not answer.body):
            if self.is_canvas and status >= 400:
                raise error_of(answer, as_user_id=self.as_user_id)
            self._not_an_api(call, f"a web page (status {status})")
        if status >= 400:
            if (
                not self.is_canvas
                and answer.error_document() is None
                and "WWW-Authenticate" not in answer.headers
            ):
                self._not_an_api(call, f"status {status} and no error message")
            raise error_of(answer, as_user_id=self.as_user_id)
        if not 200 <= status < 300:
            raise MalformedAnswer(f"Canvas answers {call.name} with status {status}.")

    def _not_an_api(self, call: Call, what: str) -> NoReturn:
        if self.is_canvas:
            raise MalformedAnswer(
                f"Canvas answered {call.name} with {what} instead of data. Try again later."
            )
        raise NotCanvas(f"{self.home} answers, but not as a Canvas API: {what}. Check the address.")

    def server_trouble(self, answer: Answer) -> Again:
        """Return the trouble that a 5xx answer is: given up sooner where Canvas itself says it failed."""
        own = answer.status == 500 and isinstance(answer.error_document(), dict)
        error = error_of(answer, as_user_id=self.as_user_id)
        if answer.status < 500:
            error = Unreachable(
                f"{answer.request} keeps timing out at Canvas ({answer.status}). Try again later."
            )
        return Again(
            f"Canvas fails ({answer.status})",
            error,
            most_tries=BROKEN_REQUEST_TRIES if own else None,
            asked=retry_after(answer.headers.get("Retry-After"), self.clock.now()),
        )

    # -- between attempts ------------------------------------------------------------------------

    def before_retry(self, name: str, trouble: Again, effort: Effort, *, idempotent: bool) -> None:
        """Wait for the next attempt, or raise the error when there is to be none."""
        effort.fail(self.limiter.last_success if trouble.throttled else None)
        if trouble.throttled:
            self._wait_for_the_bucket(trouble, effort)
        elif trouble.sent and not idempotent:
            raise _uncertain(name, trouble)
        else:
            self._wait_alone(trouble, effort)
        self.stats.add(retries=1)

    def _wait_for_the_bucket(self, trouble: Again, effort: Effort) -> None:
        """Pause everything; the waiting itself happens before the next slot is given."""
        left = effort.left
        if left <= 0 or (trouble.asked or 0.0) > left:
            raise trouble.error
        self.limiter.pause(min(trouble.advised, left))

    def _wait_alone(self, trouble: Again, effort: Effort) -> None:
        others_succeed = (self.limiter.last_success or float("-inf")) > effort.since
        most = trouble.most_tries or (BROKEN_REQUEST_TRIES if others_succeed else None)
        left = effort.left
        if left <= 0 or (trouble.asked or 0.0) > left or (most is not None and effort.attempts >= most):
            raise trouble.error
        wanted = max(backoff(effort.attempts, self._rng), trouble.asked or 0.0)
        self._waiter.wait(min(wanted, left), trouble.reason)


class RateNote:
    """Tells the limiter what an answer said about the rate."""

    def __init__(self, transport: Transport, slot: Slot, name: str) -> None:
        self._transport = transport
        self._slot = slot
        self._name = name
        self.clean = False
        self.remaining: float | None = None

    def __call__(self, status: int, headers: httpx.Headers, *, throttled: bool) -> None:
        """Take note of an answer. Raises Again when it is a throttled one."""
        transport = self._transport
        self.remaining = units(headers.get("X-Rate-Limit-Remaining"))
        self.clean = status < 500 and not throttled
        logger.debug(
            "%s -> %s (cost %s, remaining %s)",
            self._name,
            status,
            headers.get("X-Request-Cost", "-"),
            self.remaining,
        )
        if throttled:
            asked = retry_after(headers.get("Retry-After"), transport.clock.now())
            raise Again(
                "Canvas asks to slow down",
                Throttled(
                    f"Canvas still refuses {self._name} for too many requests ({status}). Try again later.",
                    status=status,
                    request=self._name,
                ),
                sent=False,
                throttled=True,
                asked=asked,
                advised=transport.limiter.throttled(self._slot, asked),
            )


def _uncertain(name: str, trouble: Again) -> ArchiveError:
    """Return the error of a write that may or may not have happened: it says so, and is not sent again."""
    error = trouble.error
    if isinstance(error, MalformedAnswer):
        return MalformedAnswer(f"{error} Canvas most likely did what was asked: look before you repeat it.")
    sentence = (
        f"{name}: {trouble.reason}. It is unknown whether Canvas did it, so it was not sent again. Look "
        "before you repeat it."
    )
    if isinstance(error, ServerFailure):
        return ServerFailure(sentence, status=error.status, messages=error.messages, request=error.request)
    return Unreachable(sentence)


def _root_cause(error: BaseException) -> BaseException:
    seen = error
    while True:
        following = seen.__cause__ or seen.__context__
        if following is None or following is error:
            return seen
        seen = following


def _describe(error: httpx.TransportError, cause: BaseException) -> str:
    if isinstance(cause, socket.gaierror):
        return "no machine of that name is known"
    if isinstance(cause, ConnectionRefusedError):
        return "the connection is refused"
    if isinstance(error, httpx.TimeoutException):
        return "it takes too long to answer"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refuses ({error})"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the connection breaks off"
    text = str(error).strip() or type(error).__name__
    return f"the connection fails ({text[:120]})"
