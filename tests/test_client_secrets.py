"""The token appears in the Authorization header of requests to Canvas, and nowhere else."""

from __future__ import annotations

import io
import logging
import ssl
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.canvas.address import origin_of
from canvas_archive.canvas.certificates import client_context
from canvas_archive.canvas.connections import Connections
from canvas_archive.canvas.reach import Reach
from canvas_archive.errors import ArchiveError
from canvas_archive.sandbox import Sandbox
from tests.client_support import SECRET, URL, Script, make_client, me, shown

TROUBLES = [
    httpx.Response(
        401, json={"errors": [{"message": "Invalid access token."}]}, headers={"WWW-Authenticate": "Bearer"}
    ),
    httpx.Response(403, json={"errors": [{"message": "no"}]}),
    httpx.Response(404, json={"errors": [{"message": "no"}]}),
    httpx.Response(429),
    httpx.Response(500, json={"errors": []}),
    httpx.Response(200, content=b"{"),
    httpx.Response(302, headers={"Location": "https://evil.example/"}),
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
]


@pytest.mark.thorough
@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.conversation(5),
        lambda client: client.add_message(5, "hello"),
        lambda client: client.download(f"{URL}/files/1/download", io.BytesIO()),
    ],
)
def test_errors_and_logs_never_show_the_token(
    trouble: httpx.Response | Exception,
    call: Callable[[CanvasClient], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    script = Script(me(), trouble, endless=True)
    with make_client(script, patience=5.0) as client:
        client.current_user()
        told = []
        try:
            call(client)
        except ArchiveError as error:
            told = [*traceback.format_exception(error), repr(error), repr(error.__dict__)]
        # To a download any 200 is the file.
        assert told or (isinstance(trouble, httpx.Response) and trouble.status_code == 200)
        shown_to_users = [
            *told,
            repr(client),
            repr(vars(client)),
            caplog.text,
            *(repr(record.__dict__) for record in caplog.records),
        ]
    assert not any(SECRET in text for text in shown_to_users)
    assert all(SECRET not in str(request.url) for request in script.requests)


def test_the_log_tells_method_path_status_and_cost(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="canvas_archive.canvas")
    answer = httpx.Response(
        200, json=shown(5), headers={"X-Request-Cost": "1.5", "X-Rate-Limit-Remaining": "598.5"}
    )
    script = Script(
        answer,
        httpx.Response(302, headers={"Location": "https://inst-fs.example/f/1?token=jwt123"}),
        httpx.Response(200, content=b"x"),
    )
    with make_client(script) as client:
        client.conversation(5)
        client.download(f"{URL}/files/1/download?verifier=door", io.BytesIO())
    told = [record.getMessage() for record in caplog.records if record.name == "canvas_archive.canvas"]
    assert told == [
        "GET /api/v1/conversations/5?auto_mark_as_read=false -> 200 in 0 ms (cost 1.5, remaining 598.5)",
        "GET /files/1/download?verifier=... -> 302 in 0 ms (cost -, remaining -)",
        "GET https://inst-fs.example/f/1 -> 200 in 0 ms (cost -, remaining -)",
    ]


def test_only_https_hosts_and_only_canvas_itself_see_the_token() -> None:
    seen: list[tuple[str, bool]] = []

    def watch(request: httpx.Request) -> httpx.Response:
        seen.append((f"{request.url.scheme}://{request.url.host}", SECRET in str(request.headers.raw)))
        if request.url.host == "school.example" and request.url.path.startswith("/files"):
            return httpx.Response(302, headers={"Location": "https://cdn.example/1"})
        return httpx.Response(200, json=shown(5))

    with make_client(watch) as client:
        client.conversation(5)
        client.download(f"{URL}/files/1/download", io.BytesIO())
        client.download("https://other.example/files/1", io.BytesIO())
    assert seen == [
        ("https://school.example", True),
        ("https://school.example", True),
        ("https://cdn.example", False),
        ("https://other.example", False),
    ]


def test_a_canvas_on_this_machine_reads_no_certificates_until_an_encrypted_address_asks_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[ssl.SSLContext] = []

    def counted() -> ssl.SSLContext:
        made.append(client_context())
        return made[-1]

    monkeypatch.setattr("canvas_archive.canvas.connections.client_context", counted)
    with Sandbox(conversations=1) as sandbox, CanvasClient(sandbox.url, Token(sandbox.token)) as client:
        assert client.current_user().id == sandbox.user_id
        assert made == []
        for _ in range(2):  # it speaks no TLS: the handshake fails, and is not done without
            request = httpx.Request("GET", sandbox.url.replace("http://", "https://"))
            with pytest.raises(httpx.ConnectError, match="SSL"):
                client._http.send(request)
        (context,) = made
        assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname and context.get_ca_certs()


def test_what_sends_plain_requests_would_trust_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    usual = httpx.HTTPTransport.__init__

    def watched(self: httpx.HTTPTransport, **options: Any) -> None:
        given.append(options["verify"])
        usual(self, **options)

    monkeypatch.setattr(httpx.HTTPTransport, "__init__", watched)
    reach = Reach(origin_of(httpx.URL("http://127.0.0.1:1")))
    with Connections(httpx.Limits(), reach) as connections, pytest.raises(httpx.ConnectError):
        connections.handle_request(httpx.Request("GET", "http://127.0.0.1:1"))
    (context,) = given
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname and not context.get_ca_certs()
