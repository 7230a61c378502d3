"""What is tried again, how often, how long, and what is not."""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from canvas_archive.canvas import CanvasClient
from canvas_archive.canvas.address import Origin
from canvas_archive.canvas.failures import of_connection
from canvas_archive.canvas.waiting import ITEM_SECONDS, ITEM_TRIES, backoff, retry_after
from canvas_archive.errors import (
    CanvasProblem,
    MalformedAnswer,
    ServerFailure,
    TokenRefused,
    Unanswered,
    Unreachable,
)
from tests.client_support import (
    ME,
    START,
    AnswersOthers,
    FakeClock,
    Script,
    Waits,
    letter,
    make_client,
    me,
    row,
    shown,
    streamed,
)

OK = httpx.Response(200, json=shown(5))
RESET = httpx.ReadError("connection reset by peer")
TIMEOUT = httpx.ReadTimeout("timed out")
TRUNCATED = httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def caused(error: httpx.TransportError, cause: BaseException) -> httpx.TransportError:
    error.__cause__ = cause
    return error


def refused() -> httpx.ConnectError:
    return httpx.ConnectError("[Errno 111] Connection refused")


def acquainted(script: Script, clock: FakeClock | None = None, **options: object) -> CanvasClient:
    """A client that has had an answer before, of a Canvas that is not away."""
    client = make_client(AnswersOthers(script), clock, **options)
    client.current_user()
    return client


def abandoned(script: Script, clock: FakeClock | None = None, **options: object) -> CanvasClient:
    """A client that has had an answer before, of a Canvas that then answers as in the script alone."""
    script._replies.insert(0, me())
    client = make_client(script, clock, **options)
    client.current_user()
    script.requests.clear()
    return client


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500, json={"errors": [{"message": "An error occurred."}]}),
        httpx.Response(502, html="<html>Bad gateway</html>"),
        httpx.Response(503, text="maintenance"),
        httpx.Response(504),
        httpx.Response(408),
        RESET,
        TIMEOUT,
        TRUNCATED,
        httpx.WriteError("broken pipe"),
        httpx.ConnectTimeout("slow"),
        refused(),
        httpx.Response(200, content=b'{"id": 5, "workfl'),
        httpx.Response(200, content=b""),
        streamed(b'{"id"', TRUNCATED),
    ],
    ids=str,
)
def test_reading_survives_what_passes(trouble: httpx.Response | Exception) -> None:
    clock, waits = FakeClock(), Waits()
    failures = 1 if isinstance(trouble, httpx.TimeoutException) else 2
    script = Script(*[trouble] * failures, OK)
    with acquainted(script, clock, on_wait=waits) as client:
        assert client.conversation(5).id == 5
        assert client.stats.retries == failures
        assert client.stats.requests == 2 * failures + 1, "the second failure makes it look after Canvas"
        assert client.stats.waits == failures and client.stats.waited == pytest.approx(sum(clock.sleeps))
    assert len(clock.sleeps) == len(waits) == failures
    assert all(slept <= longest for slept, longest in zip(clock.sleeps, (1.0, 2.0), strict=False))
    assert waits[0].reason and waits[0].until == START + timedelta(seconds=waits[0].seconds)


def test_backoff_is_jittered_and_capped() -> None:
    rng = random.Random(1)
    for attempt, limit in ((1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (50, 30), (5000, 30)):
        pauses = [backoff(attempt, rng) for _ in range(300)]
        assert 0 <= min(pauses) < limit * 0.1 and limit * 0.9 < max(pauses) <= limit


def test_patience_bounds_an_outage() -> None:
    clock = FakeClock()
    script = Script(httpx.Response(503, text="down"), endless=True)
    with abandoned(script, clock, patience=120.0) as client:
        with pytest.raises(Unreachable, match=r"\(503\)") as caught:
            client.conversation(5)
    assert not caught.value.item_alone
    assert 119.9 <= clock.elapsed <= 120.1
    assert len(script.requests) >= 8


def test_timeouts_count_against_the_patience() -> None:
    clock = FakeClock()

    def hangs(request: httpx.Request) -> httpx.Response:
        clock.advance(60)
        raise httpx.ReadTimeout("", request=request)

    script = Script(hangs, endless=True)
    with abandoned(script, clock, patience=300.0) as client:
        with pytest.raises(Unreachable, match="too long to answer") as caught:
            client.conversation(5)
    assert not caught.value.item_alone
    assert len(script.requests) <= 8


def test_an_answer_that_does_not_come_is_waited_for_twice() -> None:
    script = Script(TIMEOUT, endless=True)
    with acquainted(script) as client, pytest.raises(Unanswered, match="too long to answer"):
        client.conversation(5)
    assert len(script.requests) == 2


def test_what_failed_before_gets_one_try() -> None:
    for trouble in (TIMEOUT, RESET, httpx.Response(502), httpx.Response(200, content=b"{")):
        script = Script(trouble, OK)
        with acquainted(script) as client:
            with client.one_try(), pytest.raises(CanvasProblem) as caught:
                client.conversation(5)
            assert caught.value.item_alone
            assert client.conversation(5).id == 5


def test_what_failed_before_gets_more_tries_when_canvas_is_away() -> None:
    script = Script(RESET, RESET, RESET, RESET, OK)
    with abandoned(script) as client, client.one_try():
        assert client.conversation(5).id == 5


def test_an_item_waits_for_twenty_seconds_in_all() -> None:
    for seed in range(30):
        clock = FakeClock()
        script = Script(RESET, endless=True)
        with acquainted(script, clock, rng=random.Random(seed)) as client, pytest.raises(Unanswered):
            client.conversation(5)
        assert clock.elapsed <= ITEM_SECONDS + 1 and len(script.requests) <= ITEM_TRIES


def test_a_revoked_token_ends_the_doubt() -> None:
    refused = httpx.Response(
        401, json={"errors": [{"message": "Invalid access token."}]}, headers={"WWW-Authenticate": "Bearer"}
    )
    with abandoned(Script(RESET, RESET, refused)) as client, pytest.raises(TokenRefused):
        client.conversation(5)


def test_canvas_failing_on_one_request_is_given_up_before_the_patience_ends() -> None:
    clock = FakeClock()
    script = Script(httpx.Response(500, json={"errors": [{"message": "An error occurred."}]}), endless=True)
    with acquainted(script, clock) as client:
        with pytest.raises(ServerFailure, match="An error occurred"):
            client.conversation(5)
    assert len(script.requests) == 6
    assert clock.elapsed < 22


def test_a_request_that_fails_while_others_succeed_is_given_up_early() -> None:
    """A 502 for one conversation alone is that conversation's trouble, not an outage."""
    clock = FakeClock()
    client: CanvasClient

    def others_go_on(seconds: float) -> None:
        FakeClock.sleep(clock, seconds)
        client.unread_count()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/unread_count"):
            return httpx.Response(200, json={"unread_count": "3"})
        clock.advance(0.1)
        return httpx.Response(502, text="bad")

    clock.sleep = others_go_on  # type: ignore[method-assign]
    script = Script(answer, endless=True)
    with make_client(script, clock) as client, pytest.raises(ServerFailure):
        client.conversation(5)
    assert sum(target.startswith("GET /api/v1/conversations/5") for target in script.targets) == 6
    assert not any(target.endswith("/users/self") for target in script.targets), "others' answers suffice"


def test_retry_after_of_an_outage_is_obeyed() -> None:
    clock = FakeClock()
    later = httpx.Response(503, headers={"Retry-After": "77"})
    with abandoned(Script(later, later, OK), clock) as client:
        client.conversation(5)
    assert clock.sleeps == [77.0]
    with acquainted(Script(httpx.Response(503, headers={"Retry-After": "3600"})), clock) as client:
        with pytest.raises(ServerFailure):
            client.conversation(5)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("12", 12.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("Mon, 09 Mar 2026 12:00:30 GMT", 30.0),
        ("Mon, 09 Mar 2026 11:00:00 GMT", 0.0),
        ("Mon, 09 Mar 2026 12:00:30 -0000", 30.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, None),
        ("²", None),
        ("", None),
        ("nan", None),
    ],
)
def test_retry_after_headers(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, START) == seconds


def test_unreadable_answers_are_given_up_after_three_tries() -> None:
    script = Script(httpx.Response(200, content=b"{"), endless=True)
    with acquainted(script) as client, pytest.raises(MalformedAnswer, match="not valid JSON"):
        client.conversation(5)
    assert len(script.requests) == 3


def test_malformed_data_is_not_asked_for_again() -> None:
    script = Script(httpx.Response(200, json=row(5, workflow_state="bogus")))
    with acquainted(script) as client, pytest.raises(MalformedAnswer, match="workflow_state"):
        client.conversation(5)


# -- first contact -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (ConnectionRefusedError(111, "refused"), "the connection is refused"),
        (socket.gaierror(-2, "Name or service not known"), "no machine of that name is known"),
        (None, "the connection fails (no route to host)"),
    ],
)
def test_a_wrong_address_is_found_out_within_seconds(cause: Exception | None, words: str) -> None:
    clock = FakeClock()
    error = httpx.ConnectError("no route to host")
    script = Script(caused(error, cause) if cause else error, endless=True)
    with make_client(script, clock) as client, pytest.raises(Unreachable) as caught:
        client.current_user()
    assert f"https://school.example cannot be reached: {words}" in str(caught.value)
    assert len(script.requests) == 4 and clock.elapsed < 8


def test_a_silent_address_is_given_up_after_four_time_outs() -> None:
    for error in (httpx.ConnectTimeout(""), TIMEOUT):
        script = Script(error, endless=True)
        with make_client(script) as client, pytest.raises(Unreachable, match="too long to answer"):
            client.current_user()
        assert len(script.requests) == 4


def test_a_connection_lost_later_is_waited_for() -> None:
    clock = FakeClock()
    script = Script(*[refused() for _ in range(9)], OK, endless=True)
    with abandoned(script, clock) as client:
        assert client.conversation(5).id == 5


@pytest.mark.parametrize("known", [False, True])
def test_a_bad_certificate_ends_at_once(known: bool) -> None:
    bad = ssl.SSLCertVerificationError(1, "certificate verify failed")
    bad.verify_message = "self-signed certificate"
    script = Script(caused(httpx.ConnectError("tls"), caused(httpx.ConnectError("inner"), bad)))
    opened: Callable[..., CanvasClient] = abandoned if known else make_client
    with opened(script) as client, pytest.raises(Unreachable, match=r"no valid certificate \(self-signed"):
        client.current_user()
    assert len(script.requests) == 1


def test_no_tls_at_all_ends_at_once_on_first_contact() -> None:
    bad = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    script = Script(caused(httpx.ConnectError("tls"), bad))
    with make_client(script) as client, pytest.raises(Unreachable, match="does not speak TLS"):
        client.current_user()
    with acquainted(Script(caused(httpx.ConnectError("tls"), bad), OK)) as client:
        assert client.conversation(5).id == 5


def test_odd_failures_are_told_too() -> None:
    with make_client(Script(httpx.ProxyError("407 Proxy\x1b[0m"), endless=True)) as client:
        with pytest.raises(Unreachable, match=r"the proxy refuses \(407 Proxy \[0m\)"):
            client.current_user()
    with make_client(Script(httpx.ReadError(""), endless=True)) as client:
        with pytest.raises(Unreachable, match=r"the connection fails \(ReadError\)"):
            client.current_user()


# -- writing -----------------------------------------------------------------------------------

WRITES: list[Callable[[CanvasClient], object]] = [
    lambda client: client.create_conversation([8], "hello"),
    lambda client: client.add_message(5, "hello"),
    lambda client: client.add_recipients(5, [9]),
    lambda client: client.remove_messages(5, [31]),
    lambda client: client.delete_conversation(5),
    lambda client: client.batch_update([5], "destroy"),
    lambda client: client.mark_all_as_read(),
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    "trouble", [RESET, TIMEOUT, httpx.Response(502), httpx.Response(500, json={"errors": []})], ids=str
)
def test_a_write_that_may_have_happened_is_never_repeated(
    write: Callable[[CanvasClient], object], trouble: httpx.Response | Exception
) -> None:
    script = Script(trouble)
    with acquainted(script) as client:
        with pytest.raises((Unreachable, ServerFailure), match="unknown whether Canvas did it"):
            write(client)
    assert len(script.requests) == 1


def test_an_answer_to_a_write_is_waited_for_longer() -> None:
    done = httpx.Response(200, json=shown(5, letter(99)))
    script = Script(OK, done)
    with acquainted(script, timeout=7.0) as client:
        client.conversation(5)
        client.add_message(5, "hello")
    assert [one.extensions["timeout"]["read"] for one in script.requests] == [7.0, 21.0]


@pytest.mark.parametrize("write", WRITES)
def test_an_unreadable_answer_to_a_write_is_no_reason_to_repeat_it(
    write: Callable[[CanvasClient], object],
) -> None:
    script = Script(httpx.Response(200, content=b"{"))
    with acquainted(script) as client, pytest.raises(MalformedAnswer, match="look before you repeat it"):
        write(client)


@pytest.mark.parametrize("write", WRITES[:-1])
def test_a_malformed_answer_to_a_write_says_that_it_was_taken(
    write: Callable[[CanvasClient], object],
) -> None:
    script = Script(httpx.Response(200, json={"id": "x"}))
    with acquainted(script) as client, pytest.raises(MalformedAnswer, match="Canvas took the request"):
        write(client)


def test_a_write_is_repeated_where_canvas_certainly_did_not_act() -> None:
    throttled = httpx.Response(403, text="403 Forbidden (Rate Limit Exceeded)\n")
    done = httpx.Response(200, json=shown(5, letter(99)))
    for unsent in ([throttled, refused(), refused()], [httpx.ConnectTimeout("")], [httpx.PoolTimeout("")]):
        script = Script(*unsent, done)
        with acquainted(script) as client:
            reply = client.add_message(5, "hello")
        assert reply.messages is not None and reply.messages[0].id == 99
        assert {one.content for one in script.requests} == {b"body=hello"}


def test_setting_flags_is_repeated() -> None:
    script = Script(RESET, httpx.Response(502), httpx.Response(200, json=row(5, starred=True)))
    with acquainted(script) as client:
        assert client.update_conversation(5, starred=True).starred
    assert len(script.requests) == 3


def test_a_batch_that_sets_a_state_is_repeated() -> None:
    job = httpx.Response(200, json={"id": 9, "workflow_state": "queued"})
    script = Script(httpx.Response(200, content=b"{"), RESET, httpx.Response(502), job)
    with acquainted(script) as client:
        assert client.batch_update([5], "archive").id == 9
    assert len(script.requests) == 4


def test_a_stopped_wait_ends_the_call() -> None:
    """Whoever stops the run raises from the clock's sleep: nothing swallows it."""

    class Stopped(Exception):
        pass

    class StoppedClock(FakeClock):
        def sleep(self, seconds: float) -> None:
            raise Stopped

    for trouble in (httpx.Response(503), httpx.Response(429)):
        with make_client(Script(httpx.Response(200, json=ME), trouble), StoppedClock()) as client:
            client.current_user()
            with pytest.raises(Stopped):
                client.conversation(5)
            assert client.limiter.in_flight == 0


def test_an_interruption_gives_the_slot_back() -> None:
    def interrupted(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    with make_client(Script(interrupted)) as client:
        with pytest.raises(KeyboardInterrupt):
            client.current_user()
        assert client.limiter.in_flight == 0


def test_the_cause_of_a_failure_is_looked_for_only_so_deep() -> None:
    error: BaseException = socket.gaierror("deep below")
    for _ in range(30):
        outer = httpx.ConnectError("broken")
        outer.__cause__ = error
        error = outer
    assert isinstance(error, httpx.ConnectError)
    trouble = of_connection(error, Origin("https", "canvas.example", 443), "GET /", first=False)
    assert str(trouble) == "the connection fails (broken)"
