"""Canvas's answers: JSON, and its many shapes of error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from canvas_archive.sandbox.serialise import stringify_ids

NO_SUCH_RESOURCE = "The specified resource does not exist."
NOT_AUTHORIZED = "user not authorized to perform that action"


class Refusal(Exception):
    """Ends a request with an error answer."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def json_answer(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None, *, string_ids: bool = False
) -> Response:
    """Return a JSON response, with ids as text when asked."""
    document = stringify_ids(body) if string_ids else body
    content = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    response = Response(content, status, headers, media_type="application/json; charset=utf-8")
    response.headers["Cache-Control"] = "max-age=0, private, must-revalidate"
    return response


def html_page(title: str, status: int = 200) -> Response:
    """Return an HTML page, as Canvas shows to browsers."""
    return Response(
        f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>",
        status,
        media_type="text/html",
    )


def not_found() -> Refusal:
    """Return the 404 of the API."""
    return Refusal(404, {"errors": [{"message": NO_SUCH_RESOURCE}]})


def forbidden() -> Refusal:
    """Return the answer to someone who is logged in but may not do this."""
    return Refusal(403, {"status": "unauthorized", "errors": [{"message": NOT_AUTHORIZED}]})


def missing(name: str) -> Refusal:
    """Return the 400 for a parameter that has to be there."""
    return Refusal(400, {"errors": [{"message": f"{name} is missing"}]})


def invalid(attribute: str, message: str, status: int = 400) -> Refusal:
    """Return the conversations controller's own shape: a list with one attribute and message."""
    return Refusal(status, [{"attribute": attribute, "message": message}])


def server_error() -> Refusal:
    """Return Canvas's answer to its own failures."""
    return Refusal(
        500, {"errors": [{"message": "An error occurred.", "error_code": "internal_server_error"}]}
    )
