"""What failed attempts are: worth another one, or an error at once. Decisions alone, nothing is sent here."""

from __future__ import annotations

import socket
import ssl

import httpx

from canvas_archive.canvas.address import Origin
from canvas_archive.canvas.answers import one_line
from canvas_archive.canvas.proxies import ProxyFailed
from canvas_archive.canvas.waiting import FIRST_CONTACT_TRIES, ITEM_TRIES, SILENT_TRIES
from canvas_archive.errors import (
    ArchiveError,
    CanvasProblem,
    MalformedAnswer,
    ServerFailure,
    Throttled,
    Unanswered,
    Unreachable,
)


class TransientFailure(Exception):
    """An attempt that failed in a way that may pass.

    ``error`` is raised when the patience ends; ``sent``: Canvas may have acted;
    ``asked`` is the number of seconds to wait that the answer named, ``advised`` the limiter's own.
    ``most_tries`` bounds the attempts in any case, ``alone_tries`` while Canvas answers other requests.
    """

    def __init__(
        self,
        reason: str,
        error: ArchiveError,
        *,
        sent: bool = True,
        throttled: bool = False,
        most_tries: int | None = None,
        alone_tries: int | None = None,
        asked: float | None = None,
        advised: float = 0.0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error
        self.sent = sent
        self.throttled = throttled
        self.most_tries = most_tries
        self.alone_tries = alone_tries or most_tries
        self.asked = asked
        self.advised = advised

    @property
    def is_silence(self) -> bool:
        """Return whether nothing came, or hardly anything, for as long as an attempt waits."""
        return self.alone_tries == SILENT_TRIES

    @property
    def without_answer(self) -> bool:
        """Whether Canvas itself did not answer: the connection failed, or a gateway or a crash spoke."""
        return not self.throttled and isinstance(self.error, (Unreachable, ServerFailure))


def of_connection(error: httpx.TransportError, host: Origin, name: str, *, first: bool) -> Exception:
    """Return what a failed connection is: Again, or Unreachable where trying again cannot help.

    ``first``: that host has never answered this client, so the address itself may be wrong.
    """
    if isinstance(error, ProxyFailed):
        failure = Unreachable(str(error))
        tries = FIRST_CONTACT_TRIES if first else None
        return (
            failure
            if error.refused
            else TransientFailure("the proxy fails", failure, sent=False, most_tries=tries)
        )
    cause = _root_cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = one_line(getattr(cause, "verify_message", "") or "not trusted")
        return Unreachable(
            f"{host} has no valid certificate ({reason}), so it may be another "
            "machine than it says. Check the address and this machine's clock. If your school has an "
            "authority of its own, name its certificate in SSL_CERT_FILE.",
            never_sent=True,
        )
    if isinstance(cause, ssl.SSLError) and first:
        reason = one_line(getattr(cause, "reason", None) or "no reason given")
        return Unreachable(
            f"{host} does not speak TLS properly ({reason}). Check the address.", never_sent=True
        )
    unsent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    what = _describe(error, cause)
    if not unsent:
        sentence = f"{name} at {host} gets no complete answer: {what}."
    elif first:
        sentence = f"{host} cannot be reached: {what}. Check the address and the network."
    else:
        sentence = f"{host} can no longer be reached: {what}."
    tries = None
    if first:
        hopeless = unsent or isinstance(error, httpx.TimeoutException)
        tries = FIRST_CONTACT_TRIES if hopeless else ITEM_TRIES
    silent = SILENT_TRIES if isinstance(error, httpx.TimeoutException) else None
    failure = Unreachable(sentence, never_sent=unsent)
    return TransientFailure(what, failure, sent=not unsent, most_tries=tries, alone_tries=silent)


def of_one_request(name: str, failure: TransientFailure) -> ArchiveError:
    """Return the error of a request that keeps failing while Canvas answers others."""
    error = failure.error
    if isinstance(error, Throttled):
        sentence = f"Canvas refuses {name} for its rate again and again, and answers other requests."
        return Unanswered(sentence, never_sent=True)
    if isinstance(error, Unreachable) and not error.item_alone:
        return Unanswered(str(error), never_sent=error.never_sent)
    return error


def of_canvas(failure: TransientFailure) -> ArchiveError:
    """Return the error of a request that failed because Canvas as a whole does not answer."""
    error = failure.error
    if isinstance(error, CanvasProblem) and error.item_alone:
        return Unreachable(str(error))
    return error


def of_uncertain_write(name: str, failure: TransientFailure) -> ArchiveError:
    """Return the error of a write that may or may not have happened: it says so, and is not sent again."""
    error = failure.error
    if isinstance(error, MalformedAnswer):
        return MalformedAnswer(f"{error} It is unknown whether Canvas did it: look before you repeat it.")
    sentence = (
        f"{name}: {failure.reason}. It is unknown whether Canvas did it, so it was not sent again. Look "
        "before you repeat it."
    )
    if isinstance(error, ServerFailure):
        return ServerFailure(sentence, status=error.status, messages=error.messages, request=error.request)
    return Unreachable(sentence)


def _root_cause(error: BaseException) -> BaseException:
    seen = error
    for _ in range(20):
        following = seen.__cause__ or seen.__context__
        if following is None:
            break
        seen = following
    return seen


def describe(error: httpx.TransportError) -> str:
    """Return a clause that says why a connection failed."""
    return _describe(error, _root_cause(error))


def _describe(error: httpx.TransportError, cause: BaseException) -> str:
    if isinstance(cause, socket.gaierror):
        return "no machine of that name is known"
    if isinstance(cause, ConnectionRefusedError):
        return "the connection is refused"
    if isinstance(error, httpx.TimeoutException):
        return "it takes too long to answer"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refuses ({one_line(str(error))})"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the connection breaks off"
    return f"the connection fails ({one_line(str(error)) or type(error).__name__})"
