"""Error answers: the sentences in them, and the error each one is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import httpx

from canvas_archive.canvas.body import decode_json
from canvas_archive.canvas.token import NEW_TOKEN
from canvas_archive.errors import (
    ArchiveError,
    BadRequest,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    ServerFailure,
    Throttled,
    TokenRefused,
)
from canvas_archive.model import Json

_LONGEST_MESSAGE = 400
_MOST_MESSAGES = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: ``request`` is ``"METHOD path"``, ``location`` the target of a redirect."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: httpx.URL
    request: str
    location: str = ""

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case; empty when there was none."""
        stated: str = self.headers.get("Content-Type", "")
        return stated.partition(";")[0].strip().lower()

    @property
    def is_web_page(self) -> bool:
        """Return whether this is HTML: a login page, a proxy's or a gateway's page."""
        if self.media_type in ("text/html", "application/xhtml+xml"):
            return True
        return (
            self.body[:256]
            .lstrip(b"\xef\xbb\xbf \t\r\n")
            .lower()
            .startswith((b"<!doctype", b"<html", b"<?xml"))
        )

    @property
    def is_throttled(self) -> bool:
        """Return whether Canvas refused for the rate: 429, or 403 with the words for it."""
        return self.status == 429 or (
            self.status == 403 and b"rate limit exceeded" in self.body[:4096].lower()
        )

    def error_document(self) -> Json:
        """Return the body of an error answer as JSON, ``None`` when it is none."""
        try:
            return decode_json(self.body)
        except MalformedAnswer:
            return None


def own_redirect(response: httpx.Response) -> None:
    """Remove a redirect's target from the response (a hook): this package decides whether to follow it.

    httpx would follow none either, but it parses the target, and fails at some.
    """
    if response.has_redirect_location:
        response.extensions["location"] = response.headers.pop("Location")


def location_of(response: httpx.Response) -> str:
    """Return where a response points to, empty when it points nowhere."""
    location: str = response.extensions.get("location") or response.headers.get("Location", "")
    return location


def one_line(text: str) -> str:
    """Return text of another machine for use in a message: one short line without control characters."""
    begun = text[: 10 * _LONGEST_MESSAGE]  # of what may be 64 MB, all but its beginning is cut off anyway
    line = " ".join("".join(char if char.isprintable() else " " for char in begun).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 3] + "..."


def messages_of(document: Json) -> tuple[str, ...]:
    """Return the sentences of an error body, whichever of Canvas's shapes it has.

    ``{"errors":[{"message"}]}``, ``[{"attribute","message"}]``, ``{"message"}``,
    ``{"errors":{"field":[...]}}`` and ``{"errors":"..."}``; also
    ``{"error":"..."}`` of the machines in front of Canvas.
    """
    found = []
    for text in _messages(document, 0):
        line = one_line(text)
        if line and line not in found:
            found.append(line)
        if len(found) == _MOST_MESSAGES:
            break
    return tuple(found)


def _messages(value: Json, depth: int) -> Iterator[str]:
    if depth > 6:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _messages(item, depth + 1)
    elif isinstance(value, dict):
        yield from _messages_of_object(value, depth)


def _messages_of_object(value: dict[str, Json], depth: int) -> Iterator[str]:
    message = value.get("message")
    if isinstance(message, str):
        attribute = value.get("attribute")
        yield f"{attribute}: {message}".rstrip(": ") if isinstance(attribute, str) and attribute else message
    for key in ("errors", "error"):
        errors = value.get(key)
        if isinstance(errors, dict) and "message" not in errors:
            for field, problems in errors.items():
                yield from (f"{field}: {problem}" for problem in _field_problems(problems, depth + 1))
        elif errors is not None:
            yield from _messages(errors, depth + 1)


def _field_problems(problems: Json, depth: int) -> Iterator[str]:
    for item in problems if isinstance(problems, list) else [problems]:
        if isinstance(item, dict):
            text = item.get("message") or item.get("type")
            if isinstance(text, str):
                yield text
        else:
            yield from _messages(item, depth)


def _quoted(messages: Iterable[str]) -> str:
    text = "; ".join(messages)
    return f": {text.rstrip('.')}." if text else "."


def error_of(
    answer: Answer, *, as_user_id: int | None = None, token_sent: bool = True, renewal: str = NEW_TOKEN
) -> ArchiveError:
    """Return the error that an answer with an error status is; ``renewal`` says how to replace the token."""
    document = answer.error_document()
    messages = messages_of(document)
    status, request = answer.status, answer.request
    if status == 401 and token_sent and "WWW-Authenticate" in answer.headers:
        return TokenRefused(f"{_refusal(messages, document)} {renewal}")
    if answer.is_throttled:
        return Throttled(
            f"Canvas still refuses {request} for too many requests ({status}). Try again later.",
            status=status,
            messages=messages,
            request=request,
        )
    if status in (401, 403):
        return NotPermitted(
            _prohibition(messages, request, status, as_user_id),
            status=status,
            messages=messages,
            request=request,
        )
    if status in (404, 410):
        sentence = f"Canvas does not know what {request} asks for ({status}){_quoted(messages)}"
        return NotFound(sentence, status=status, messages=messages, request=request)
    if status >= 500:
        sentence = f"Canvas failed on {request} ({status}){_quoted(messages)} Try again later."
        return ServerFailure(sentence, status=status, messages=messages, request=request)
    sentence = f"Canvas refuses {request} ({status}){_quoted(messages)}"
    return BadRequest(sentence, status=status, messages=messages, request=request)


def _refusal(messages: tuple[str, ...], document: Json) -> str:
    text = " ".join(messages).lower()
    if "revoked" in text:
        return "The access token has been revoked."
    if "expired" in text:
        return f"The access token expired{_expiry(document)}."
    if "user authorization required" in text:
        return "Canvas got no access token with the request."
    return "Canvas does not know this access token: it is mistyped, deleted, inactive or of another Canvas."


def _expiry(document: Json) -> str:
    errors = document.get("errors") if isinstance(document, dict) else None
    for item in errors if isinstance(errors, list) else ():
        moment = item.get("expired_at") if isinstance(item, dict) else None
        if isinstance(moment, str) and moment:
            return f" at {one_line(moment)}"
    return ""


def _prohibition(messages: tuple[str, ...], request: str, status: int, as_user_id: int | None) -> str:
    text = " ".join(messages).lower()
    if "insufficient scopes" in text:
        return (
            f"The scopes of this access token do not allow {request}. Make a token without scope limits, or "
            "have the developer key's scopes widened."
        )
    if "invalid as_user_id" in text:
        whom = f"user {as_user_id}" if as_user_id is not None else "that user"
        return f"This access token may not act as {whom}, or there is no such user."
    return f"Canvas does not permit {request} ({status}){_quoted(messages)}"
