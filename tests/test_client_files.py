"""Downloads and uploads: where the token goes, what is resumed, what counts as complete."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest

from canvas_archive.canvas import Download, FileHostUnreachable, FileTooLarge, SignInNeeded
from canvas_archive.canvas.address import Origin
from canvas_archive.canvas.download import NoRoom
from canvas_archive.errors import (
    BadInput,
    BadRequest,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    ServerFailure,
    TokenRefused,
    Unanswered,
    Unreachable,
    UnsafeRedirect,
)
from tests.client_support import SECRET, URL, AnswersOthers, Chunks, FakeClock, Script, make_client, streamed

DATA = bytes(range(256)) * 1000
LINK = f"{URL}/files/61/download?download_frd=1&verifier=abc"
ELSEWHERE = "https://inst-fs.example/61?token=jwt"
BROKEN = httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def whole(data: bytes = DATA, **headers: str) -> httpx.Response:
    headers.setdefault("Content_Type", "application/pdf")
    return streamed(data[:1000], data[1000:], Content_Length=str(len(data)), **headers)


def to(location: str, status: int = 302) -> httpx.Response:
    return httpx.Response(status, headers={"Location": location})


def part(start: int, data: bytes = DATA, end: int | None = None, **headers: str) -> httpx.Response:
    end = len(data) if end is None else end
    return streamed(
        data[start:end], status=206, Content_Range=f"bytes {start}-{end - 1}/{len(data)}", **headers
    )


def fetch(
    *replies: Any, held: bytes = b"", url: str = LINK, **options: Any
) -> tuple[Download, bytes, Script]:
    """Download with a script; return the report, what the sink holds, and the script."""
    sink = io.BytesIO()
    sink.write(held)
    script = Script(*replies)
    limit = options.pop("max_bytes", None)
    with make_client(AnswersOthers(script), **options) as client:
        report = client.download(url, sink, offset=len(held), max_bytes=limit)
    return report, sink.getvalue(), script


def with_token(script: Script) -> list[bool]:
    return ["Authorization" in one.headers for one in script.requests]


def test_a_file_of_canvas_itself() -> None:
    report, data, script = fetch(whole())
    assert report == Download(200, "application/pdf", len(DATA), len(DATA), False)
    assert data == DATA
    (request,) = script.requests
    assert str(request.url) == LINK
    assert request.headers["Authorization"] == f"Bearer {SECRET}"
    assert request.headers["Accept-Encoding"] == "identity" and "Range" not in request.headers


def test_redirects_are_followed_and_the_token_stays_at_home() -> None:
    report, data, script = fetch(
        to("/files/61/again"), to(ELSEWHERE, 307), to("https://cdn.example/x"), whole()
    )
    assert data == DATA and report.status == 200
    assert with_token(script) == [True, True, False, False]
    assert [one.url.host for one in script.requests] == ["school.example"] * 2 + [
        "inst-fs.example",
        "cdn.example",
    ]


def test_a_foreign_host_cannot_send_the_token_back_to_canvas() -> None:
    """Else it could choose a request that changes something, such as showing (and so reading) a message."""
    _, _, script = fetch(to(ELSEWHERE), to(f"{URL}/api/v1/conversations/5"), whole())
    assert with_token(script) == [True, False, False]


def test_a_file_elsewhere_gets_no_token_and_no_user() -> None:
    _, _, script = fetch(whole(), url=ELSEWHERE, as_user_id=44)
    assert with_token(script) == [False] and str(script.requests[0].url) == ELSEWHERE


@pytest.mark.parametrize(
    "origin", ["http://school.example", "https://school.example:444", "https://evil.example"]
)
def test_only_the_very_origin_gets_the_token(origin: str) -> None:
    script = Script(whole())
    with make_client(script) as client:
        try:
            client.download(f"{origin}/files/61/download", io.BytesIO())
        except UnsafeRedirect:
            assert origin.startswith("http:")
    assert not any(with_token(script))


@pytest.mark.parametrize("location", ["http://files.example/x", "http://127.0.0.1:9/x", "ftp://files.example/x", "file:///etc/passwd", "https://a:b@files.example/"])  # fmt: skip  # noqa: E501
def test_unsafe_redirects_are_refused(location: str) -> None:
    script = Script(to(location))
    with make_client(script) as client, pytest.raises(UnsafeRedirect):
        client.download(LINK, io.BytesIO())
    assert len(script.requests) == 1


def test_a_canvas_on_this_machine_may_use_files_on_this_machine() -> None:
    script = Script(to("http://127.0.0.1:4001/files/61"), whole())
    with make_client(script, base_url="http://127.0.0.1:4000") as client:
        client.download("http://127.0.0.1:4000/files/61/download", io.BytesIO())
    assert with_token(script) == [True, False]


@pytest.mark.parametrize("location", ["https://[::", ""])
def test_redirects_to_no_address(location: str) -> None:
    replies = [to(location)] if location else [to(location)] * 11
    with pytest.raises(UnsafeRedirect):
        fetch(*replies)


def test_redirects_end_after_ten() -> None:
    hops = [to(f"{URL}/files/{n}") for n in range(10)]
    assert fetch(*hops, whole())[1] == DATA
    with pytest.raises(UnsafeRedirect, match="more than 10 times"):
        fetch(*hops, to(f"{URL}/files/11"))


@pytest.mark.parametrize("url", ["", "https://[::1", "mailto:x@y"])
def test_no_address_at_all(url: str) -> None:
    with pytest.raises((MalformedAnswer, UnsafeRedirect)):
        fetch(url=url)


def test_a_relative_address_is_of_canvas() -> None:
    _, _, script = fetch(whole(), url="/users/7/media_download?entryId=m-5&redirect=1")
    assert str(script.requests[0].url).startswith(f"{URL}/users/7/media_download?")
    assert with_token(script) == [True]


def test_a_login_page_is_returned_for_what_it_is() -> None:
    login = httpx.Response(200, html="<html>Log in</html>")
    report, data, _ = fetch(to("https://sso.example/start"), login)
    assert report.content_type == "text/html; charset=utf-8" and data.startswith(b"<html>")
    assert not report.attached


@pytest.mark.parametrize("location", ["/login/canvas", f"{URL}/saml/start?x=1", "/login"])
def test_a_redirect_to_the_sign_in_is_not_followed(location: str) -> None:
    script = Script(to(location))
    with make_client(script) as client, pytest.raises(SignInNeeded, match="sign-in"):
        client.download(LINK, io.BytesIO())


def test_a_file_without_a_length_is_taken_as_it_comes() -> None:
    report, data, _ = fetch(streamed(DATA))
    assert (report.total, report.written, report.content_type) == (None, len(DATA), None)
    assert data == DATA


def test_a_file_that_comes_packed_is_unpacked() -> None:
    import gzip

    report, data, _ = fetch(streamed(gzip.compress(DATA), Content_Encoding="gzip", Content_Length="5"))
    assert data == DATA and report.total is None


# -- continuing --------------------------------------------------------------------------------


def test_a_download_goes_on_from_its_offset() -> None:
    report, data, script = fetch(part(1000, Content_Type="application/pdf"), held=DATA[:1000])
    assert report == Download(206, "application/pdf", len(DATA) - 1000, len(DATA), True)
    assert data == DATA and script.requests[0].headers["Range"] == "bytes=1000-"


def test_the_range_goes_with_every_redirect() -> None:
    report, data, script = fetch(to(ELSEWHERE), part(1000), held=DATA[:1000])
    assert report.resumed and data == DATA
    assert [one.headers["Range"] for one in script.requests] == ["bytes=1000-"] * 2


def test_a_server_without_ranges_begins_again() -> None:
    report, data, _ = fetch(whole(), held=b"x" * 5000)
    assert report == Download(200, "application/pdf", len(DATA), len(DATA), False)
    assert data == DATA


@pytest.mark.parametrize(
    "odd",
    [
        part(0),
        part(999),
        streamed(DATA[1000:], status=206),
        streamed(DATA[1000:], status=206, Content_Range=f"bytes 1000-{len(DATA) - 1}/*"),
        streamed(DATA[1000:], status=206, Content_Range="bytes */5"),
        part(1000, Content_Encoding="gzip"),
        httpx.Response(416, headers={"Content-Range": f"bytes */{len(DATA)}"}),
    ],
    ids=range(7),
)
def test_a_part_that_does_not_fit_means_beginning_again(odd: httpx.Response) -> None:
    report, data, script = fetch(odd, whole(), held=DATA[:1000])
    assert not report.resumed and data == DATA and report.written == len(DATA)
    assert ["Range" in one.headers for one in script.requests] == [True, False]


def test_a_part_nobody_asked_for_is_malformed() -> None:
    with pytest.raises(MalformedAnswer, match="without having been asked"):
        fetch(part(0))
    with pytest.raises(BadRequest):
        fetch(httpx.Response(416))


def test_a_broken_connection_is_taken_up_where_it_broke() -> None:
    headers = {"Content_Length": str(len(DATA)), "ETag": '"v1"'}
    replies = [streamed(DATA[:3000], BROKEN, **headers), httpx.Response(502), part(3000, ETag='"v1"')]
    report, data, script = fetch(*replies)
    assert data == DATA and not report.resumed and report.written == len(DATA) and report.status == 206
    assert [one.headers.get("Range") for one in script.requests] == [None, "bytes=3000-", "bytes=3000-"]
    assert [one.headers.get("If-Range") for one in script.requests] == [None, '"v1"', '"v1"']


def test_a_file_that_changed_meanwhile_is_taken_anew() -> None:
    other = DATA[::-1]
    first = streamed(DATA[:3000], BROKEN, Content_Length=str(len(DATA)), ETag='"v1"')
    report, data, _ = fetch(first, whole(other, ETag='"v2"'))
    assert data == other and report.written == len(other)


def test_a_weak_etag_is_no_condition() -> None:
    first = streamed(DATA[:3000], BROKEN, Content_Length=str(len(DATA)), ETag='W/"v1"')
    _, _, script = fetch(first, part(3000))
    assert "If-Range" not in script.requests[1].headers


def test_a_short_body_is_not_success() -> None:
    """A transport that does not notice the missing end: the length tells."""
    report, data, _ = fetch(streamed(DATA[:3000], Content_Length=str(len(DATA))), part(3000))
    assert data == DATA and report.total == len(DATA)
    report, data, script = fetch(part(1000, end=2000), part(2000, end=9000), part(9000), held=DATA[:1000])
    assert data == DATA and report.resumed and len(script.requests) == 3


def test_a_long_body_is_not_success() -> None:
    with pytest.raises(MalformedAnswer, match="more bytes than announced"):
        fetch(streamed(DATA, Content_Length="1000"))


def test_a_file_that_never_completes_is_given_up() -> None:
    clock = FakeClock()
    script = Script(streamed(b"", BROKEN), endless=True)
    with make_client(AnswersOthers(script), clock) as client:
        client.current_user()
        with pytest.raises(Unanswered, match="breaks off"):
            client.download(LINK, io.BytesIO())
    assert len(script.requests) == 6


@pytest.mark.parametrize("silence", [httpx.ReadTimeout("no byte"), httpx.ConnectTimeout("no answer")])
def test_a_silent_host_is_not_asked_again(silence: Exception) -> None:
    script = Script(to(ELSEWHERE), silence)
    with make_client(script) as client, pytest.raises(FileHostUnreachable, match="too long"):
        client.download(LINK, io.BytesIO())
    assert script.requests[1].extensions["timeout"]["read"] == 20.0


@pytest.mark.parametrize("kind", [BROKEN, httpx.Response(502)])
def test_the_caller_is_asked_about_each_host_and_says_whether_to_repeat(kind: Any) -> None:
    visited: list[str] = []

    def visit(origin: Origin) -> bool:
        visited.append(str(origin))
        return False

    script = Script(to(ELSEWHERE), kind)
    with make_client(script) as client, pytest.raises((FileHostUnreachable, ServerFailure)):
        client.download(LINK, io.BytesIO(), visit=visit)
    assert visited == [URL, "https://inst-fs.example"]


def test_a_host_that_asks_for_a_long_pause_is_left_alone() -> None:
    clock = FakeClock()
    script = Script(to(ELSEWHERE), httpx.Response(429, headers={"Retry-After": "900"}))
    with make_client(script, clock) as client, pytest.raises(Unanswered):
        client.download(LINK, io.BytesIO())
    assert clock.elapsed == 0


def test_a_file_for_which_there_is_no_room_is_not_begun() -> None:
    sink = io.BytesIO()
    with make_client(Script(whole())) as client, pytest.raises(NoRoom, match="room for 1,000"):
        client.download(LINK, sink, room=1000)
    assert sink.getvalue() == b""
    with make_client(Script(part(1000))) as client:
        sink.write(DATA[:1000])
        client.download(LINK, sink, offset=1000, room=len(DATA) - 1000)


def test_a_body_without_an_end_is_given_up() -> None:
    sink = io.BytesIO()
    with (
        make_client(Script(streamed(*[b"\0" * 1000] * 1000))) as client,
        pytest.raises(NoRoom, match="goes on"),
    ):
        client.download(LINK, sink, room=20_000)
    assert len(sink.getvalue()) <= 10_000


@pytest.mark.parametrize(
    ("headers", "end"),
    [
        ({"Content_Length": "9"}, "length"),
        ({"Transfer_Encoding": "chunked"}, "chunks"),
        ({}, "close"),
    ],
)
def test_what_marks_the_end_is_told(headers: dict[str, str], end: str) -> None:
    report, _, _ = fetch(streamed(b"some data", Content_Disposition="Attachment; filename=x", **headers))
    assert report.ended_by == end and report.attached


def test_progress_renews_the_patience() -> None:
    data = DATA * 8
    step = 70_000
    replies = [streamed(data[:step], BROKEN, Content_Length=str(len(data)))]
    for start in range(step, len(data), step):
        end = min(start + step, len(data))
        pieces: list[Any] = [data[start:end]] + ([BROKEN] if end < len(data) else [])
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        replies.append(httpx.Response(206, headers=headers, stream=Chunks(pieces)))
    assert len(replies) > 20
    report, found, _ = fetch(*replies, patience=60.0)
    assert found == data and report.written == len(data)


def test_a_trickling_download_is_broken_off() -> None:
    clock = FakeClock()

    def drop() -> bytes:
        clock.advance(1)
        return b"\0" * 1000

    script = Script(streamed(*[drop] * 1000, Content_Length="1000000"))
    with make_client(script, clock) as client, pytest.raises(Unreachable, match="too slowly"):
        client.download(LINK, io.BytesIO())
    assert clock.elapsed == 20


def test_a_download_that_came_a_good_way_is_taken_up_when_it_trickles() -> None:
    clock = FakeClock()

    def drop() -> bytes:
        clock.advance(1)
        return b"\0"

    zeros = b"\0" * 100_000
    slow = streamed(zeros[:70_000], *[drop] * 50, Content_Length="100000")
    held = 70_000 + 20 + 20 - 1  # the first window has the good part in it
    script = Script(slow, part(held, zeros))
    sink = io.BytesIO()
    with make_client(script, clock) as client:
        assert client.download(LINK, sink).written == 100_000
    assert sink.getvalue() == zeros and 40 <= clock.elapsed <= 42


def test_a_slow_but_steady_download_goes_on() -> None:
    clock = FakeClock()

    def chunk() -> bytes:
        clock.advance(10)
        return b"\0" * 20_000

    sink = io.BytesIO()
    with make_client(Script(streamed(*[chunk] * 100)), clock, patience=10.0) as client:
        assert client.download(LINK, sink).written == 2_000_000
    assert clock.elapsed == 1000


# -- limits and refusals -----------------------------------------------------------------------


def test_a_file_over_the_limit_is_refused_before_a_byte_is_written() -> None:
    sink = io.BytesIO()
    with make_client(Script(whole())) as client, pytest.raises(FileTooLarge) as caught:
        client.download(LINK, sink, max_bytes=len(DATA) - 1)
    assert caught.value.size == len(DATA) and sink.getvalue() == b""
    assert fetch(whole(), max_bytes=len(DATA))[1] == DATA


def test_a_file_without_a_length_is_cut_off_at_the_limit() -> None:
    sink = io.BytesIO()
    script = Script(streamed(DATA[:1000], DATA[1000:]))
    with make_client(script) as client, pytest.raises(FileTooLarge) as caught:
        client.download(LINK, sink, max_bytes=2000)
    assert caught.value.size is None and len(sink.getvalue()) <= 2000
    with pytest.raises(FileTooLarge):
        fetch(part(1000), held=DATA[:1000], max_bytes=1500)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (httpx.Response(404, html="<html>Page Not Found</html>"), NotFound),
        (httpx.Response(410), NotFound),
        (httpx.Response(403, html="<html>locked</html>"), NotPermitted),
        (httpx.Response(401, html="<html>no</html>"), NotPermitted),
        (httpx.Response(400, html="<html>broken storage</html>"), BadRequest),
        (httpx.Response(401, json={"errors": []}, headers={"WWW-Authenticate": "Bearer"}), TokenRefused),
        (httpx.Response(204), MalformedAnswer),
    ],
)
def test_refusals(reply: httpx.Response, kind: type[Exception]) -> None:
    sink = io.BytesIO()
    with make_client(Script(reply)) as client, pytest.raises(kind):
        client.download(LINK, sink)
    assert sink.getvalue() == b""


def test_another_hosts_challenge_is_not_about_our_token() -> None:
    challenge = httpx.Response(401, headers={"WWW-Authenticate": "Bearer"})
    with pytest.raises(NotPermitted):
        fetch(to(ELSEWHERE), challenge)


def test_a_huge_error_page_is_not_read_to_its_end() -> None:
    page = streamed(*[b" " * 10_000] * 500, status=404)
    with make_client(Script(page)) as client:
        with pytest.raises(NotFound):
            client.download(LINK, io.BytesIO())
        assert client.stats.bytes < 50_000


def test_throttled_downloads_wait() -> None:
    clock = FakeClock()
    refusal = httpx.Response(403, text="403 Forbidden (Rate Limit Exceeded)\n")
    with make_client(Script(refusal, whole()), clock) as client:
        client.download(LINK, io.BytesIO())
    assert len(clock.sleeps) == 1
    clock = FakeClock()
    with make_client(Script(httpx.Response(429, headers={"Retry-After": "9"}), whole()), clock) as client:
        client.download(ELSEWHERE, io.BytesIO())
    assert clock.sleeps == [9.0]
    assert client.limiter.allowed_in_flight == 4


def test_failing_hosts() -> None:
    for url in (LINK, ELSEWHERE):
        script = Script(httpx.Response(503), endless=True)
        with make_client(AnswersOthers(script)) as client:
            client.current_user()
            with pytest.raises(ServerFailure):
                client.download(url, io.BytesIO())
        assert len(script.requests) == 6


def test_a_file_host_that_is_away_is_told_from_canvas_being_away() -> None:
    script = Script(to(ELSEWHERE), httpx.ConnectError("refused"), endless=True)

    def gone(request: httpx.Request) -> httpx.Response:
        if request.url.host == "inst-fs.example":
            raise httpx.ConnectError("refused", request=request)
        return to(ELSEWHERE)

    script = Script(gone, endless=True)
    with (
        make_client(script) as client,
        pytest.raises(FileHostUnreachable, match=r"inst-fs\.example cannot be reached"),
    ):
        client.download(LINK, io.BytesIO())
    assert len(script.requests) == 8
    with make_client(Script(httpx.ConnectError("refused"), endless=True)) as client:
        with pytest.raises(Unreachable) as caught:
            client.download(LINK, io.BytesIO())
    assert not isinstance(caught.value, FileHostUnreachable)


def test_a_file_host_with_a_bad_certificate() -> None:
    import ssl

    error = httpx.ConnectError("tls")
    error.__cause__ = ssl.SSLCertVerificationError(1, "bad")
    with make_client(Script(to(ELSEWHERE), error)) as client:
        with pytest.raises(FileHostUnreachable, match="no valid certificate"):
            client.download(LINK, io.BytesIO())


def test_a_full_disk_is_not_the_networks_fault() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any, /) -> int:
            raise OSError(28, "No space left on device")

    script = Script(whole())
    with make_client(script) as client, pytest.raises(OSError, match="No space left"):
        client.download(LINK, Full())
    assert len(script.requests) == 1


def test_the_slot_is_given_back_when_the_bytes_begin() -> None:
    """A long download must not keep the conversations waiting."""
    with make_client(Script()) as client:
        seen = []

        def look() -> bytes:
            seen.append(client.limiter.in_flight)
            return b"x"

        client._http._transport = httpx.MockTransport(Script(streamed(look)))
        client.download(LINK, io.BytesIO())
    assert seen == [0]


# -- uploads -----------------------------------------------------------------------------------

TICKET = {
    "upload_url": "https://inst-fs.example/files?token=jwt",
    "upload_params": {"key": "a/b", "acl": None, "success_action_status": 201, "x": True, 'odd"name': "ü"},
    "file_param": "attachment",
}
STORED = {"id": "61", "display_name": "a.txt", "content-type": "text/plain", "size": 5, "url": "https://x/f"}


def put(*replies: Any, data: bytes = b"hello", size: int = 5, name: str = "a.txt", kind: str = "text/plain", **options: Any) -> tuple[Any, Script]:  # fmt: skip  # noqa: E501
    script = Script(*replies)
    with make_client(script, **options) as client:
        return client.upload_file(name, kind, io.BytesIO(data), size), script


class Pipe(io.BytesIO):
    """A file that can be read once."""

    def seekable(self) -> bool:
        return False


def test_a_file_that_cannot_be_rewound_is_uploaded_from_where_it_stands() -> None:
    script = Script(httpx.Response(200, json=TICKET), httpx.Response(201, json=STORED))
    data = Pipe(b"...hello")
    data.read(3)
    with make_client(script) as client:
        assert client.upload_file("a.txt", "text/plain", data, 5).id == 61
    assert b"\r\n\r\nhello\r\n--" in script.requests[1].content


def test_the_three_steps_of_an_upload() -> None:
    created = httpx.Response(201, headers={"Location": f"{URL}/api/v1/files/61/create_success?uuid=u"})
    found, script = put(
        httpx.Response(200, json=TICKET),
        created,
        httpx.Response(200, json=STORED),
        name='a"b\r\n.txt',
        as_user_id=44,
    )
    assert found.id == 61 and found.content_type == "text/plain"
    first, second, third = script.requests
    assert first.url.path == "/api/v1/users/self/files" and first.url.params["as_user_id"] == "44"
    assert b"parent_folder_path=conversation+attachments&on_duplicate=rename" in first.content
    assert b"size=5&content_type=text%2Fplain" in first.content
    assert str(second.url) == TICKET["upload_url"] and "Authorization" not in second.headers
    assert int(second.headers["Content-Length"]) == len(second.content)
    assert "Transfer-Encoding" not in second.headers
    boundary = second.headers["Content-Type"].partition("boundary=")[2].encode()
    parts = second.content.split(b"--" + boundary)
    assert parts[0] == b"" and parts[-1] == b"--\r\n"
    bodies = [one.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for one in parts[1:-1]]
    assert bodies == [b"a/b", b"", b"201", b"true", "ü".encode(), b"hello"]
    assert b'name="odd%22name"' in parts[5]
    assert b'name="attachment"; filename="a%22b%0D%0A.txt"\r\nContent-Type: text/plain\r\n' in parts[6]
    assert third.headers["Authorization"] == f"Bearer {SECRET}"
    assert dict(third.url.params) == {"uuid": "u", "as_user_id": "44"}


@pytest.mark.parametrize(
    "second",
    [
        httpx.Response(303, headers={"Location": f"{URL}/api/v1/files/61/create_success?uuid=u"}),
        httpx.Response(301, headers={"Location": f"{URL}/api/v1/files/61/create_success?uuid=u"}),
        httpx.Response(201, json={"location": f"{URL}/api/v1/files/61/create_success?uuid=u", "id": 61}),
    ],
)
def test_other_ways_to_be_told_where_to_confirm(second: httpx.Response) -> None:
    found, script = put(httpx.Response(200, json=TICKET), second, httpx.Response(200, json=STORED))
    assert found.id == 61 and script.targets[2].startswith("GET /api/v1/files/61/create_success")


def test_an_upload_that_answers_with_the_file_itself() -> None:
    found, script = put(httpx.Response(200, json=TICKET), httpx.Response(200, json=STORED))
    assert found.id == 61 and len(script.requests) == 2


def test_the_token_is_not_sent_to_confirm_elsewhere() -> None:
    away = httpx.Response(201, headers={"Location": "https://evil.example/api/v1/files/61"})
    script = Script(httpx.Response(200, json=TICKET), away)
    with make_client(script) as client, pytest.raises(UnsafeRedirect, match="token was not sent"):
        client.upload_file("a.txt", "text/plain", io.BytesIO(b"hello"), 5)
    assert with_token(script) == [True, False]


@pytest.mark.parametrize("location", ["https://[::", "mailto:a@b.c"])
def test_a_confirmation_that_is_no_address(location: str) -> None:
    with pytest.raises(MalformedAnswer):
        put(httpx.Response(200, json=TICKET), httpx.Response(201, headers={"Location": location}))


@pytest.mark.parametrize(
    ("ticket", "kind"),
    [
        ([], MalformedAnswer),
        ({"upload_params": {}}, UnsafeRedirect),
        ({**TICKET, "upload_url": 5}, MalformedAnswer),
        ({**TICKET, "upload_url": "https://[::"}, MalformedAnswer),
        ({**TICKET, "upload_url": "http://inst-fs.example/"}, UnsafeRedirect),
        ({**TICKET, "upload_params": {"a": [1]}}, MalformedAnswer),
        ({**TICKET, "upload_params": []}, MalformedAnswer),
    ],
)
def test_a_ticket_that_cannot_be_used(ticket: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        put(httpx.Response(200, json=ticket))


def test_a_refused_upload() -> None:
    quota = httpx.Response(400, json={"message": "file size exceeds quota limits"})
    with pytest.raises(BadRequest, match="quota"):
        put(quota)
    with pytest.raises(NotPermitted):
        put(httpx.Response(200, json=TICKET), httpx.Response(403, text="<Error>expired</Error>"))


def test_bytes_that_may_have_arrived_are_not_sent_twice() -> None:
    for trouble in (httpx.ReadError(""), httpx.Response(502)):
        with pytest.raises((Unreachable, ServerFailure), match="unknown whether"):
            put(httpx.Response(200, json=TICKET), trouble)


def test_bytes_that_were_never_sent_are_sent_again() -> None:
    found, script = put(
        httpx.Response(200, json=TICKET), httpx.ConnectTimeout(""), httpx.Response(200, json=STORED)
    )
    assert found.id == 61 and len(script.requests) == 3


@pytest.mark.parametrize(
    ("data", "size"), [(b"hell", 5), (b"hello!", 5), (b"", 5), (b"x" * 200_000, 100_000)]
)
def test_a_file_that_is_not_as_long_as_announced(data: bytes, size: int) -> None:
    with pytest.raises(BadInput, match="changed while it was being uploaded"):
        put(httpx.Response(200, json=TICKET), httpx.Response(200, json=STORED), data=data, size=size)


def test_a_content_type_cannot_break_out_of_its_header() -> None:
    _, script = put(
        httpx.Response(200, json=TICKET), httpx.Response(200, json=STORED), kind="text/plain\r\nX-Evil: 1"
    )
    assert b"X-Evil" not in script.requests[1].content
    assert b"Content-Type: application/octet-stream\r\n" in script.requests[1].content
