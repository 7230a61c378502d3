"""Downloads: streamed into a sink, resumed where possible, with the token for Canvas's own host alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import httpx

from canvas_archive.canvas.address import Origin, origin_of, require_safe
from canvas_archive.canvas.answers import Answer, error_of, location_of
from canvas_archive.canvas.body import TooSlow, Truncated, encoding_of, unpacked
from canvas_archive.canvas.failures import TransientFailure, of_one_request
from canvas_archive.canvas.transport import LOGIN_PATHS, Transport
from canvas_archive.canvas.waiting import ITEM_SECONDS, ITEM_TRIES, SILENT_TRIES, ArrivalRate, retry_after
from canvas_archive.errors import (
    ArchiveError,
    MalformedAnswer,
    NotPermitted,
    Unanswered,
    Unreachable,
    UnsafeRedirect,
)

MOST_HOPS = 10
PROGRESS = 64 * 1024
"""A try that brings so many bytes more than were there before is followed by another one."""

_ERROR_PREFIX = 16 * 1024
_CONTENT_RANGE = re.compile(r"bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\Z")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Sink(Protocol):
    """Where a download goes: a binary file, or anything that can begin again. Byte 0 of the file is at 0."""

    def write(self, data: bytes, /) -> int: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def truncate(self, size: int | None = None, /) -> int: ...


class FileTooLarge(MalformedAnswer):
    """A file is larger than the caller's limit. ``size`` is what the server announced, if it did."""

    def __init__(self, sentence: str, size: int | None) -> None:
        super().__init__(sentence)
        self.size = size


class NoRoom(MalformedAnswer):
    """A file is larger than the free space, or has no end."""


class FileHostUnreachable(Unanswered):
    """The host of a file cannot be reached; Canvas itself may be reachable."""


class SignInNeeded(NotPermitted):
    """Canvas asks for a sign-in at a file's address: it does not accept the token there."""


EndedBy: TypeAlias = Literal["length", "chunks", "close"]
Visit: TypeAlias = "Callable[[Origin], bool]"


@dataclass(frozen=True, slots=True)
class Download:
    """How a download ended. It is complete as far as the server said how long it is.

    ``status`` is 200, or 206 after a continuation; ``content_type`` what the server calls it (a login page is
    ``text/html``: the caller decides); ``written`` the bytes this call added to the sink; ``total`` the size
    of the whole file in bytes, if known; ``resumed``: the bytes before ``offset`` were used. Otherwise the
    sink was emptied first. ``ended_by`` is what marked the end: the announced length, the last chunk, or only
    the end of the connection, which proves nothing. ``attached``: the server calls it a file to save.
    """

    status: int
    content_type: str | None
    written: int
    total: int | None
    resumed: bool
    ended_by: EndedBy = "length"
    attached: bool = False


class _NoRanges(Exception):
    """The server's answer to a Range request cannot be used."""


class Downloader:
    """One download, from its first request to its last byte."""

    def __init__(
        self,
        transport: Transport,
        url: httpx.URL,
        sink: Sink,
        *,
        offset: int,
        max_bytes: int | None,
        room: int | None,
        visit: Visit | None,
    ) -> None:
        self._transport = transport
        self._url = url
        self._sink = sink
        self._offset = offset
        self._max_bytes = max_bytes
        self._room = room
        self._visit = visit
        self._worth_repeating = True
        self._held = offset
        self._resumed = offset > 0
        self._ranges = True
        self._etag: str | None = None
        self._origin: Origin = transport.home

    def run(self) -> Download:
        """Fetch the file; go on where a connection broke. See ``CanvasClient.download``."""
        effort = self._transport.effort()
        while True:
            held = self._held
            try:
                return self._attempt()
            except _NoRanges:
                self._ranges = False
            except TransientFailure as failure:
                failure.error = self._named(failure.error)
                if self._held - held >= PROGRESS:
                    effort.progressed()
                elif not self._worth_repeating or failure.is_silence:
                    raise of_one_request("The download", failure) from None
                if (failure.asked or 0.0) > ITEM_SECONDS:
                    raise of_one_request("The download", failure) from None
                failure.most_tries = failure.most_tries or ITEM_TRIES
                self._transport.before_retry("The download", failure, effort, idempotent=True)
            except Unreachable as error:
                raise self._named(error) from None

    def _named(self, error: ArchiveError) -> ArchiveError:
        if isinstance(error, Unreachable) and self._origin != self._transport.home:
            return FileHostUnreachable(str(error))
        return error

    def _attempt(self) -> Download:
        """Follow the redirects to the bytes and take them."""
        home = self._transport.home
        url, left_home = self._url, False
        for hop in range(MOST_HOPS + 1):
            self._origin = require_safe(
                url, home, "The address of a file" if hop == 0 else "A redirect to a file"
            )
            # Once elsewhere, never again with the token: no foreign host may choose what Canvas is asked.
            self._transport.reach.check(self._origin.host)
            if self._visit is not None:
                self._worth_repeating = self._visit(self._origin)
            left_home = left_home or self._origin != home
            with ExitStack() as stack:
                response = self._open(url, stack, with_token=not left_home)
                if response.status_code not in _REDIRECTS:
                    return self._take(response)
                try:
                    target = url.join(location_of(response)).copy_with(fragment=None)
                except (httpx.InvalidURL, ValueError):
                    raise UnsafeRedirect(
                        "A redirect to a file leads to something that is no address."
                    ) from None
                if self._origin == home and _is_sign_in(target, home):
                    raise SignInNeeded(
                        "Canvas asks for a sign-in at the address of a file: the token does not count there.",
                        status=response.status_code,
                        request=f"GET {url.path}",
                    )
                url = target
        raise UnsafeRedirect(f"The address of a file redirects more than {MOST_HOPS} times.")

    def _open(self, url: httpx.URL, stack: ExitStack, *, with_token: bool) -> httpx.Response:
        """Send one request; return an answer worth following or taking, its body unread."""
        transport = self._transport
        name = f"GET {url.path}"
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if with_token:
            headers["Authorization"] = transport.authorization
        if self._held and self._ranges:
            headers["Range"] = f"bytes={self._held}-"
            if self._etag is not None:
                headers["If-Range"] = self._etag
        request = transport.http.build_request("GET", url, headers=headers)
        # The slot is for Canvas's work on the request: the bytes that follow cost its bucket nothing.
        with transport.slot(name) if self._origin == transport.home else nullcontext() as note:
            response = stack.enter_context(transport.opened(request, name))
            answer = self._answer(response, url, name)
            if note is not None:
                note(answer)
        self._judge(answer, with_token)
        return response

    def _answer(self, response: httpx.Response, url: httpx.URL, name: str) -> Answer:
        """Return the answer with the beginning of its body if it is an error's, else without."""
        body = bytearray()
        if response.status_code >= 400:
            for piece in self._pieces(response):
                body += piece
                if len(body) >= _ERROR_PREFIX:
                    break
        return Answer(response.status_code, response.headers, bytes(body), url, name)

    def _judge(self, answer: Answer, with_token: bool) -> None:
        status = answer.status
        if status in (200, 206) or status in _REDIRECTS:
            return
        if status == 416 and self._held and self._ranges:
            raise _NoRanges
        if status >= 500 or status in (408, 425):
            raise self._transport.server_trouble(answer)
        error = error_of(answer, token_sent=with_token, renewal=self._transport.renewal)
        if status == 429:
            asked = retry_after(answer.headers.get("Retry-After"), self._transport.clock.now())
            raise TransientFailure("the files' host asks to slow down", error, asked=asked)
        if status < 400:
            raise MalformedAnswer(f"{answer.request} is answered with status {status} instead of a file.")
        raise error

    # -- the bytes -------------------------------------------------------------------------------

    def _take(self, response: httpx.Response) -> Download:
        total = self._prepare(response)
        if total is not None and self._max_bytes is not None and total > self._max_bytes:
            raise FileTooLarge(
                f"The file has {total:,} bytes, more than the limit of {self._max_bytes:,}.", total
            )
        if total is not None and self._room is not None and total - self._held > self._room:
            raise NoRoom(f"The file has {total:,} bytes, and there is room for {self._room:,} on the disk.")
        for piece in self._pieces(response):
            if self._max_bytes is not None and self._held + len(piece) > self._max_bytes:
                raise FileTooLarge(f"The file has more bytes than the limit of {self._max_bytes:,}.", None)
            # A body that was not announced may have no end; half of the disk is more than any file needs.
            if total is None and self._room is not None and self._held + len(piece) > self._room // 2:
                raise NoRoom(f"The file goes on after {self._held:,} bytes, and was given up.")
            self._sink.write(piece)
            self._held += len(piece)
        if total is not None and self._held < total:
            raise TransientFailure(
                "a file arrived in part", Unreachable("A file keeps arriving in part only. Try again later.")
            )
        if total is not None and self._held > total:
            raise MalformedAnswer(f"A file has more bytes than announced ({self._held:,}, not {total:,}).")
        written = self._held - (self._offset if self._resumed else 0)
        disposition = response.headers.get("Content-Disposition", "").strip().lower()
        return Download(
            response.status_code,
            response.headers.get("Content-Type"),
            written,
            total,
            self._resumed,
            "length" if total is not None else _end_of(response.headers),
            disposition.startswith("attachment"),
        )

    def _prepare(self, response: httpx.Response) -> int | None:
        """Make the sink ready for what the answer holds; return the size of the whole file, if known."""
        packed = encoding_of(response.headers)
        etag = response.headers.get("ETag", "")
        self._etag = etag if etag.startswith('"') else None
        if response.status_code == 200:
            self._begin_again()
            length = response.headers.get("Content-Length", "")
            return (
                int(length)
                if not packed and length.isascii() and length.isdigit() and len(length) < 19
                else None
            )
        match = _CONTENT_RANGE.match(response.headers.get("Content-Range", "").strip())
        if not self._ranges or not self._held:
            raise MalformedAnswer("A part of a file came without having been asked for.")
        if packed or match is None or int(match[1]) != self._held or match[3] == "*":
            raise _NoRanges
        return int(match[3])

    def _begin_again(self) -> None:
        if self._held:
            self._sink.seek(0)
            self._sink.truncate(0)
        self._held = 0
        self._resumed = False

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        """Yield the body as it arrives, unpacked; raise Again when it stops short or trickles."""
        try:
            if response.is_stream_consumed:
                self._transport.stats.add(bytes=len(response.content))
                yield response.content
            else:
                yield from unpacked(self._arriving(response), encoding_of(response.headers))
        except TooSlow as error:
            sentence = "A file arrives too slowly. Try again later."
            raise TransientFailure(str(error), Unreachable(sentence), alone_tries=SILENT_TRIES) from None
        except Truncated as error:
            raise TransientFailure(
                str(error), Unreachable(f"A file keeps breaking off: {error}. Try again later.")
            ) from None

    def _arriving(self, response: httpx.Response) -> Iterator[bytes]:
        pace = ArrivalRate(self._transport.clock)
        for chunk in response.iter_raw():
            self._transport.stats.add(bytes=len(chunk))
            if pace.too_slow(len(chunk)):
                raise TooSlow("it arrives too slowly")
            yield chunk


def _is_sign_in(url: httpx.URL, home: Origin) -> bool:
    """Return whether a redirect leads to a page where people sign in to Canvas."""
    try:
        return origin_of(url) == home and url.path.strip("/").split("/")[0] in LOGIN_PATHS
    except ValueError:
        return False


def _end_of(headers: httpx.Headers) -> EndedBy:
    """Return what marks the end of a body without a length; a packed one has a checksum at its end."""
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    return "chunks" if chunked or encoding_of(headers) else "close"
