"""One request, sent until it is answered: slots, retries, patience, redirects, errors."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

from canvas_archive.canvas.address import Origin, origin_of
from canvas_archive.canvas.answers import Answer, error_of, location_of
from canvas_archive.canvas.body import TooSlow, Truncated, decode_json, read_body
from canvas_archive.canvas.failures import (
    TransientFailure,
    of_canvas,
    of_connection,
    of_one_request,
    of_uncertain_write,
)
from canvas_archive.canvas.limiter import Limiter, RequestSlot, units
from canvas_archive.canvas.links import shown_url
from canvas_archive.canvas.probe import GOOD_SECONDS, Probe
from canvas_archive.canvas.reach import Reach
from canvas_archive.canvas.token import Token
from canvas_archive.canvas.waiting import (
    ITEM_TRIES,
    SILENT_TRIES,
    WRITE_SILENCE,
    ArrivalRate,
    RetryBudget,
    Stats,
    Waiter,
    backoff,
    retry_after,
)
from canvas_archive.clock import Clock
from canvas_archive.errors import (
    ApiError,
    CanvasProblem,
    MalformedAnswer,
    NotCanvas,
    Unreachable,
    UnsafeRedirect,
)
from canvas_archive.model import Json

logger = logging.getLogger("canvas_archive.canvas")

ACCEPT = "application/json+canvas-string-ids, application/json"
_PROBE_PATH = "/users/self"
_PROBE_NAME = f"GET /api/v1{_PROBE_PATH}"
_MOST_REDIRECTS = 5
_UNREADABLE_TRIES = 3
LOGIN_PATHS = frozenset({"login", "saml", "cas", "sso"})
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


class Transport:
    """Sends requests of one client to one Canvas. Thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        home: Origin,
        token: Token,
        *,
        reach: Reach,
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
        self.reach = reach
        self.stats = stats
        self.clock = clock
        self.as_user_id = as_user_id
        # Whether Canvas did what must not be done twice is worth waiting for.
        self.patient = {
            name: WRITE_SILENCE * (limit or 0.0) or None for name, limit in http.timeout.as_dict().items()
        }
        self.is_canvas = False  # there has been JSON under /api
        self.last_date: str | None = None
        self._headers = [
            ("Accept", ACCEPT),
            ("Accept-Encoding", "gzip"),
            ("Connection", "keep-alive"),
            ("User-Agent", http.headers["User-Agent"]),
        ]
        self._token = token
        self.renewal = token.renewal
        self._limiter = limiter
        self._waiter = waiter
        self._rng = rng
        self._patience = patience
        self._most_body_bytes = most_body_bytes
        self._answered: set[Origin] = set()  # those that answered anything
        self._probe = Probe(self._ask_for_oneself, clock)
        self._of_thread = threading.local()

    @property
    def authorization(self) -> str:
        """The value of the ``Authorization`` header: for requests to ``home`` only."""
        return self._token.header()

    def sends(self, hint: str) -> bool:
        """Return whether the token that is sent begins so."""
        return self._token.begins_with(hint)

    def effort(self) -> RetryBudget:
        """Return what one new request may cost."""
        return RetryBudget(self.clock, self._patience, getattr(self._of_thread, "tries", ITEM_TRIES))

    @contextmanager
    def one_try(self) -> Iterator[None]:
        """Make each request of this thread once while Canvas answers others: what failed before may again."""
        self._of_thread.tries = 1
        try:
            yield
        finally:
            self._of_thread.tries = ITEM_TRIES

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
        """Send a call until it is answered; return the answer and its document (``None`` for an empty one).

        Raises CanvasProblem and CredentialProblem errors.
        """
        effort = self.effort()
        while True:
            try:
                return self._attempt(call)
            except TransientFailure as failure:
                self.before_retry(call.name, failure, effort, idempotent=call.idempotent)

    # -- one attempt -----------------------------------------------------------------------------

    def _attempt(self, call: Call) -> tuple[Answer, Json]:
        answer = self._exchange(call)
        for _ in range(_MOST_REDIRECTS):
            if not 300 <= answer.status < 400:
                break
            answer = self._exchange(self.reading(self._redirect_target(call, answer)))
        self._judge(call, answer)
        if answer.status in (202, 204) and not answer.body:
            return answer, None
        try:
            document = decode_json(answer.body)
        except MalformedAnswer as error:
            raise self._unreadable(f"{error} (Request: {call.name})") from None
        self.is_canvas = True
        return answer, document

    def _exchange(self, call: Call) -> Answer:
        """Send a call once and read the whole answer, within one slot."""
        headers = [*self._headers, ("Authorization", self.authorization)]
        content = None
        if call.form is not None:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
            content = urlencode(call.form, errors="replace").encode("ascii")
        # Composed here and not by the client, whose merging of defaults costs as much as all the rest.
        request = httpx.Request(call.method, call.url, headers=headers, content=content)
        if not call.idempotent:
            request.extensions["timeout"] = self.patient
        with self.slot(call.name) as note:
            answer = self.exchange(request, call.name)
            note(answer)
            self.last_date = answer.headers.get("Date", self.last_date)
        return answer

    def exchange(self, request: httpx.Request, name: str) -> Answer:
        """Send a request once and read the whole answer. Raises Again when the connection fails."""
        with self.opened(request, name) as response:
            try:
                body = read_body(
                    response,
                    self._most_body_bytes,
                    ArrivalRate(self.clock).too_slow,
                    lambda size: self.stats.add(bytes=size),
                )
            except Truncated as error:
                sentence = f"The answers to {name} keep breaking off: {error}."
                slow = SILENT_TRIES if isinstance(error, TooSlow) else None
                raise TransientFailure(str(error), Unreachable(sentence), alone_tries=slow) from None
        headers, location = response.headers, location_of(response)
        return Answer(response.status_code, headers, body, request.url, name, location)

    @contextmanager
    def slot(self, name: str) -> Iterator[RateNote]:
        """Hold a slot of the limiter for one exchange; call the yielded note with the answer."""
        slot = self._limiter.acquire()
        note = RateNote(self._limiter, self.clock, slot, name)
        try:
            yield note
        finally:
            self._limiter.release(slot, clean=note.clean, remaining=note.remaining, cost=note.cost)

    @contextmanager
    def opened(self, request: httpx.Request, name: str) -> Iterator[httpx.Response]:
        """Send once and yield the answer with its body unread. Raises Again when the connection fails."""
        origin = origin_of(request.url)
        self.stats.add(requests=1)
        began = self.clock.monotonic()
        try:
            response = self.http.send(request, stream=True)
            try:
                self._answered.add(origin)
                self._log(request, origin, response, self.clock.monotonic() - began)
                yield response
            finally:
                response.close()
        except httpx.TransportError as error:
            logger.debug("%s -> %s", name, type(error).__name__)
            raise of_connection(error, origin, name, first=origin not in self._answered) from None

    def _log(self, request: httpx.Request, origin: Origin, response: httpx.Response, seconds: float) -> None:
        if not logger.isEnabledFor(logging.DEBUG):
            return
        # The addresses of files elsewhere are signed in ways one cannot know: their queries stay out.
        where = shown_url(request.url) if origin == self.home else f"{origin}{request.url.path}"
        logger.debug(
            "%s %s -> %s in %.0f ms (cost %s, remaining %s)",
            request.method,
            where,
            response.status_code,
            seconds * 1000.0,
            response.headers.get("X-Request-Cost", "-"),
            response.headers.get("X-Rate-Limit-Remaining", "-"),
        )

    def _redirect_target(self, call: Call, answer: Answer) -> httpx.URL:
        """Where a redirected call goes on: same origin, reading only, no login page."""
        try:
            target = answer.url.join(answer.location)
            origin = origin_of(target)
        except (httpx.InvalidURL, ValueError):
            raise MalformedAnswer(f"Canvas redirects {call.name} to something that is no address.") from None
        if origin != self.home or target.userinfo:
            raise UnsafeRedirect(
                f"{self.home} redirects {call.name} to {origin}. The token was not sent there. If that is "
                "your Canvas, use its address."
            )
        if target.path.strip("/").split("/")[0] in LOGIN_PATHS:
            raise self._not_an_api(call, "a redirect to a login page")
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
        if answer.is_web_page:
            # Not even a 404 is Canvas's own word then: nothing is concluded from it.
            raise self._not_an_api(call, f"a web page (status {status})")
        if status >= 400:
            bare = answer.error_document() is None and "WWW-Authenticate" not in answer.headers
            if bare and not self.is_canvas:
                raise self._not_an_api(call, f"status {status} and no error message")
            raise error_of(answer, as_user_id=self.as_user_id, renewal=self.renewal)
        if not 200 <= status < 300:
            raise MalformedAnswer(f"Canvas answers {call.name} with status {status}.")

    def _not_an_api(self, call: Call, what: str) -> Exception:
        if not self.is_canvas:
            error = NotCanvas(f"{self.home} answers, but not as a Canvas API: {what}. Check the address.")
            return TransientFailure("the answer is not Canvas's", error, most_tries=_UNREADABLE_TRIES)
        return self._unreadable(f"Canvas answers {call.name} with {what} instead of data. Try again later.")

    def _unreadable(self, sentence: str) -> TransientFailure:
        """Return the failure of an answer that makes no sense: a few tries, since it may be a hiccup."""
        error = MalformedAnswer(sentence)
        return TransientFailure("the answer cannot be read", error, most_tries=_UNREADABLE_TRIES)

    def server_trouble(self, answer: Answer) -> TransientFailure:
        """Return the failure that a 5xx answer is: given up sooner where Canvas itself says it failed."""
        own = answer.status == 500 and isinstance(answer.error_document(), dict)
        error = error_of(answer, as_user_id=self.as_user_id)
        if answer.status < 500:
            error = Unreachable(
                f"{answer.request} keeps timing out at Canvas ({answer.status}). Try again later."
            )
        return TransientFailure(
            f"Canvas fails ({answer.status})",
            error,
            most_tries=ITEM_TRIES if own else None,
            asked=retry_after(answer.headers.get("Retry-After"), self.clock.now()),
        )

    # -- between attempts ------------------------------------------------------------------------

    def before_retry(
        self, name: str, failure: TransientFailure, effort: RetryBudget, *, idempotent: bool
    ) -> None:
        """Wait for the next attempt, or raise the error when there is to be none."""
        effort.fail(self._limiter.last_success if failure.throttled else None)
        if failure.sent and not idempotent:
            raise of_uncertain_write(name, failure)
        asked = failure.asked or 0.0
        last = effort.is_last(failure.alone_tries) or asked > effort.left_alone
        if failure.throttled:
            # A throttle concerns everybody, unless this request is refused again after everybody waited.
            doubtful = asked > effort.left or effort.attempts > (1 if last else 2)
        else:
            # What fails for the first time is likely to pass by itself: nothing is asked about Canvas yet.
            doubtful = last or effort.attempts > 1
        if doubtful and self._answers_others(name, failure, effort):
            if last:
                raise of_one_request(name, failure)
            self._pause(effort.wait_alone(self._wanted(failure, effort)), failure)
            return
        if doubtful:
            effort.canvas_is_away()
        if effort.left <= 0 or asked > effort.left:
            raise of_canvas(failure)
        if failure.throttled:
            # Everything pauses, and the waiting itself happens before the next slot is given.
            self._limiter.pause(min(failure.advised, effort.left))
            self.stats.add(retries=1)
            return
        if failure.most_tries is not None and effort.attempts >= failure.most_tries:
            raise of_canvas(failure)
        self._pause(min(self._wanted(failure, effort), effort.left), failure)

    def _wanted(self, failure: TransientFailure, effort: RetryBudget) -> float:
        return max(backoff(effort.attempts, self._rng), failure.asked or 0.0)

    def _pause(self, seconds: float, failure: TransientFailure) -> None:
        """Let this request wait before it is made again, and no other one."""
        self._waiter.wait(seconds, failure.reason)
        self.stats.add(retries=1)

    def _answers_others(self, name: str, failure: TransientFailure, effort: RetryBudget) -> bool:
        """Return whether Canvas answers other requests than the one that keeps failing.

        :calls: GET /api/v1/users/self
        """
        if name == _PROBE_NAME or self.home not in self._answered:
            return False
        success = self._limiter.last_success
        # An answer that makes no sense counts as a success with the limiter: it may be this request's own.
        lately = success is not None and self.clock.monotonic() - success < GOOD_SECONDS
        if success is not None and lately and success > effort.since and failure.without_answer:
            return True
        return self._probe.canvas_answers()

    def _ask_for_oneself(self) -> bool:
        """Make the cheapest request there is, once. Raises CredentialProblem: then no request succeeds."""
        try:
            self._attempt(self.call("GET", _PROBE_PATH))
        except ApiError as error:
            return error.item_alone  # Canvas answered, whatever it says
        except (TransientFailure, CanvasProblem):
            return False
        return True


class RateNote:
    """Takes what an answer says about the rate to the limiter."""

    def __init__(self, limiter: Limiter, clock: Clock, slot: RequestSlot, name: str) -> None:
        self._limiter = limiter
        self._clock = clock
        self._slot = slot
        self._name = name
        self.clean = False
        self.remaining: float | None = None
        self.cost: float | None = None

    def __call__(self, answer: Answer) -> None:
        """Take note of an answer. Raises Again when it is a throttled one."""
        headers, throttled = answer.headers, answer.is_throttled
        self.remaining = units(headers.get("X-Rate-Limit-Remaining"))
        self.cost = units(headers.get("X-Request-Cost"))
        self.clean = answer.status < 500 and answer.status not in (408, 425) and not throttled
        if throttled:
            asked = retry_after(headers.get("Retry-After"), self._clock.now())
            raise TransientFailure(
                "Canvas asks to slow down",
                error_of(answer),
                sent=False,
                throttled=True,
                asked=asked,
                advised=self._limiter.throttled(self._slot, asked),
            )
