"""The ASGI application: logging, faults, throttling, tokens and routes around the endpoints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from canvas_archive.sandbox import composing_api, conversations_api, faults, files_api, other_api
from canvas_archive.sandbox.answers import Refusal, html_page, json_answer, not_found, server_error
from canvas_archive.sandbox.auth import Tokens, identify, secret_of
from canvas_archive.sandbox.call import Call
from canvas_archive.sandbox.connections import cut
from canvas_archive.sandbox.faults import CUTTING, REPLACING, Fault, Faults
from canvas_archive.sandbox.files_api import FileService
from canvas_archive.sandbox.params import BrokenBody, Params, decode_pairs, parse_json
from canvas_archive.sandbox.requestlog import LoggedRequest, RequestLog
from canvas_archive.sandbox.school import School
from canvas_archive.sandbox.throttle import Throttle

Endpoint = Callable[[Call], Response]
STRING_IDS = "application/json+canvas-string-ids"
logger = logging.getLogger("canvas_archive.sandbox")


def _unused(request: Request) -> Response:
    raise server_error()  # pragma: no cover - the routes below only match; ``_perform`` calls


def _routes(service: FileService, tokens: Tokens) -> list[tuple[Route, Endpoint]]:
    conversations = "/api/v1/conversations"
    table: list[tuple[str, str, Endpoint]] = [
        ("GET", conversations, conversations_api.index),
        ("POST", conversations, composing_api.create),
        ("PUT", conversations, conversations_api.batch_update),
        ("GET", f"{conversations}/batches", conversations_api.batches),
        ("GET", f"{conversations}/find_recipients", other_api.recipients),
        ("GET", f"{conversations}/unread_count", conversations_api.unread_count),
        ("POST", f"{conversations}/mark_all_as_read", conversations_api.mark_all_as_read),
        ("GET", f"{conversations}/{{id}}", conversations_api.show),
        ("PUT", f"{conversations}/{{id}}", conversations_api.update),
        ("DELETE", f"{conversations}/{{id}}", conversations_api.destroy),
        ("POST", f"{conversations}/{{id}}/add_recipients", conversations_api.add_recipients),
        ("POST", f"{conversations}/{{id}}/add_message", composing_api.add_message),
        ("POST", f"{conversations}/{{id}}/remove_messages", conversations_api.remove_messages),
        ("GET", "/api/v1/users/{id}/profile", other_api.profile),
        ("POST", "/api/v1/users/{id}/files", lambda call: files_api.begin_upload(call, service)),
        (
            "GET",
            "/api/v1/users/{id}/user_generated_tokens",
            lambda call: call.answer(tokens.made_by(other_api.own_id(call))),
        ),
        ("GET", "/api/v1/users/{id}", other_api.current_user),
        ("GET", "/api/v1/courses", other_api.courses),
        ("GET", "/api/v1/progress/{id}", other_api.progress),
        ("POST", "/api/v1/progress/{id}/cancel", other_api.cancel_progress),
        ("GET", "/api/v1/search/recipients", other_api.recipients),
        ("GET", "/api/v1/files/{id}/public_url", lambda call: files_api.public_url(call, service)),
        ("GET", "/api/v1/files/{id}/create_success", files_api.confirm_upload),
        ("POST", "/api/v1/files/{id}/create_success", files_api.confirm_upload),
        ("GET", "/api/v1/files/{id}", files_api.show),
    ]
    return [(Route(path, _unused, methods=[method]), endpoint) for method, path, endpoint in table]


class CanvasApp:
    """One application for both origins; the port of the connection decides which one."""

    def __init__(self, school: School, tokens: Tokens, throttle: Throttle) -> None:
        self.school = school
        self.tokens = tokens
        self.throttle = throttle
        self.log = RequestLog()
        self.faults = Faults()
        self.files = FileService(school)
        self.latency = 0.0
        self.pause: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.canvas_port = 0
        self.files_port = 0
        self._routes = _routes(self.files, tokens)
        self._pages = [
            Route("/files/{id:int}/download", _unused),
            Route("/users/{id}/media_download", _unused),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:  # gone before it had said what it wants
            return
        files = scope["server"][1] == self.files_port
        entry, params, broken = await self._read(request, body, "files" if files else "canvas")
        query = request.url.query
        target = entry.path + (f"?{query}" if query else "")
        self.faults.run_hooks(target)
        fault = self.faults.pick(entry, target)
        entry.fault = fault.kind if fault is not None else None
        if fault is not None and fault.kind in ("reset", "abort", "hang") and not fault.performed:
            await cut(scope, receive, fault.kind)
            return
        if files:
            response = await self._second_origin(request, body, entry, fault)
        else:
            response = await self._canvas(request, params, entry, fault, broken)
        entry.status = response.status_code
        await self._send(fault, response, scope, receive, send, entry)

    async def _read(self, request: Request, body: bytes, origin: str) -> tuple[LoggedRequest, Params, bool]:
        authorized = "authorization" in request.headers
        entry = self.log.add(request.method, request.url.path, origin, authorized=authorized)
        query = decode_pairs(request.url.query)
        entry.query = tuple((name, "***" if name == "access_token" else value) for name, value in query)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        broken = False
        if kind == "application/json" and body:
            try:
                entry.json = parse_json(body)
            except BrokenBody:
                broken = True
        elif kind == "multipart/form-data" and origin == "canvas":
            form = await request.form()
            entry.form = tuple((name, value) for name, value in form.multi_items() if isinstance(value, str))
            await form.close()
        elif kind != "multipart/form-data" and body:
            entry.form = decode_pairs(body.decode("utf-8", "replace"))
        params = Params.read(query, entry.form, entry.json)
        entry.params = dict(params.values)
        entry.params.pop("access_token", None)
        return entry, params, broken

    # Canvas --------------------------------------------------------------------------------------------

    async def _canvas(
        self, request: Request, params: Params, entry: LoggedRequest, fault: Fault | None, broken: bool
    ) -> Response:
        secret = secret_of(request, params)
        if fault is not None and fault.kind == "revoke_token" and secret and self.tokens.find(secret):
            self.tokens.revoke(secret)
        if fault is not None and fault.kind == "expire_links":
            self.files.expire_links()
        if fault is not None and fault.kind in REPLACING and not fault.performed:
            return faults.replacement(fault, self.files.origin)
        metered = entry.path.startswith("/api/")
        key = secret or (request.client.host if request.client else "")
        if metered and not self.throttle.admit(key):
            self.throttle.settle(key, 0.0)
            response = faults.throttled(self.throttle.status, self.throttle.retry_after)
            response.headers["X-Rate-Limit-Remaining"] = str(self.throttle.remaining(key))
            return response
        if self.latency:
            await self.pause(self.latency)
        response = self._guarded(request, params, secret, broken)
        if metered:
            cost = self.throttle.cost_of(entry.method, entry.path)
            self.throttle.settle(key, cost)
            response.headers["X-Request-Cost"] = str(cost)
            response.headers["X-Rate-Limit-Remaining"] = str(round(self.throttle.remaining(key), 6))
        return self._spoiled(fault, response)

    def _spoiled(self, fault: Fault | None, response: Response) -> Response:
        if fault is None:
            return response
        if fault.kind in REPLACING:
            return faults.replacement(fault, self.files.origin)
        return faults.spoil(fault, response, self.files.origin)

    def _guarded(self, request: Request, params: Params, secret: str | None, broken: bool) -> Response:
        try:
            with self.school.lock:
                self.school.jobs.advance(self.school.now)
                return self._perform(request, params, secret, broken)
        except Refusal as refusal:
            return json_answer(refusal.body, refusal.status, refusal.headers)
        except Exception:
            logger.exception("The sandbox failed at %s %s", request.method, request.url.path)
            failure = server_error()
            return json_answer(failure.body, failure.status)

    def _perform(self, request: Request, params: Params, secret: str | None, broken: bool) -> Response:
        path = request.url.path
        if not path.startswith("/api/"):
            return self._page(request, secret)
        caller = identify(self.school.state, self.tokens, secret, params)
        if broken:
            raise Refusal(
                400, {"errors": [{"message": "There was an error while parsing the JSON document"}]}
            )
        scope = dict(request.scope, path=path.removesuffix(".json"))
        for route, endpoint in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                call = Call(
                    self.school,
                    caller,
                    params,
                    decode_pairs(request.url.query),
                    self._base(request),
                    scope["path"],
                    STRING_IDS in request.headers.get("accept", ""),
                    str(found["path_params"].get("id", "")),
                )
                return endpoint(call)
        raise not_found()

    def _page(self, request: Request, secret: str | None) -> Response:
        """Answer an address outside the API: downloads and what a browser would see."""
        token = self.tokens.find(secret) if secret else None
        user_id = token.user_id if token is not None and token.state == "active" else None
        path = request.url.path
        for route, answer in zip(self._pages, (files_api.download, files_api.media_download), strict=True):
            match, found = route.matches(request.scope)
            if match is Match.FULL:
                request.scope["path_params"] = found["path_params"]
                return answer(request, self.files, user_id)
        if path.startswith("/images/"):
            return files_api.picture()
        if path.startswith("/login"):
            return html_page("Log in to Canvas")
        return RedirectResponse("/login/canvas", 302) if path == "/" else html_page("Page Not Found", 404)

    def _base(self, request: Request) -> str:
        host = request.headers.get("host") or f"127.0.0.1:{self.canvas_port}"
        return f"http://{host}"

    # The second origin ---------------------------------------------------------------------------------

    async def _second_origin(
        self, request: Request, body: bytes, entry: LoggedRequest, fault: Fault | None
    ) -> Response:
        if entry.authorized or any(name == "access_token" for name, _ in entry.query):
            self.files.leaks.append(entry.path)
        if fault is not None and fault.kind == "expire_links":
            self.files.expire_links()
        if fault is not None and fault.kind in REPLACING:
            return faults.replacement(fault, self.files.origin)
        response = await files_api.second_origin(request, body, self.files, self.school.base_url)
        return self._spoiled(fault, response)

    # Sending -------------------------------------------------------------------------------------------

    async def _send(
        self,
        fault: Fault | None,
        response: Response,
        scope: Scope,
        receive: Receive,
        send: Send,
        entry: LoggedRequest,
    ) -> None:
        if fault is not None and fault.kind in CUTTING:
            entry.status = 0
            await cut(scope, receive, fault.kind, response)
            return
        entry.bytes_sent = len(bytes(response.body))
        if fault is not None and fault.kind == "slow":
            await _drip(fault, response, send)
            return
        if fault is not None and fault.kind == "endless":
            await _trickle(fault, response, receive, send)
            return
        await response(scope, receive, send)


async def _drip(fault: Fault, response: Response, send: Send) -> None:
    body: Any = bytes(response.body)
    await send(
        {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    size = max(-(-len(body) // fault.chunks), 1)
    for start in range(0, max(len(body), 1), size):
        await asyncio.sleep(fault.delay)
        more = start + size < len(body)
        await send({"type": "http.response.body", "body": body[start : start + size], "more_body": more})


async def _trickle(fault: Fault, response: Response, receive: Receive, send: Send) -> None:
    headers = [(name, value) for name, value in response.raw_headers if name != b"content-length"]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    gone = asyncio.ensure_future(
        receive()
    )  # the request is read: what comes next is that the client has gone
    while not gone.done():
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.sleep(fault.delay)
