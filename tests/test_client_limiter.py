"""How many requests are under way, and how everyone waits when Canvas asks to."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from canvas_archive.canvas import CanvasClient
from canvas_archive.canvas.limiter import Limiter, units
from canvas_archive.canvas.waiting import Stats, Waiter
from canvas_archive.errors import NotPermitted, Throttled, Unanswered
from tests.client_support import FakeClock, Script, Waits, make_client, me

REFUSALS = [
    httpx.Response(
        403, text="403 Forbidden (Rate Limit Exceeded)\n", headers={"X-Rate-Limit-Remaining": "13.7"}
    ),
    httpx.Response(429, text="429 Forbidden (Rate Limit Exceeded)"),
    httpx.Response(429, json={"errors": [{"message": "slow down"}]}),
    httpx.Response(429, html="<html>Too many requests, says the gateway</html>"),
]


def make_limiter(concurrency: int = 8, clock: FakeClock | None = None, waits: Waits | None = None) -> Limiter:
    clock = clock or FakeClock()
    return Limiter(concurrency, clock, Waiter(clock, waits, Stats()), random.Random(1))


def test_the_window_starts_at_four_and_grows_by_one_per_clean_window() -> None:
    limiter = make_limiter()
    sizes = []
    for _ in range(4 + 5 + 6 + 7 + 8):
        limiter.release(limiter.acquire(), clean=True)
        sizes.append(limiter.allowed_in_flight)
    assert sizes == [4] * 3 + [5] * 5 + [6] * 6 + [7] * 7 + [8] * 9


def test_failures_keep_the_window_from_growing() -> None:
    limiter = make_limiter()
    for _ in range(20):
        for clean in (True, True, False):
            limiter.release(limiter.acquire(), clean=clean)
    assert limiter.allowed_in_flight == 4


@pytest.mark.parametrize(("concurrency", "first"), [(1, 1), (2, 2), (4, 4), (32, 4)])
def test_the_window_never_exceeds_the_concurrency(concurrency: int, first: int) -> None:
    limiter = make_limiter(concurrency)
    assert limiter.allowed_in_flight == first
    for _ in range(1000):
        limiter.release(limiter.acquire(), clean=True)
    assert limiter.allowed_in_flight == concurrency


@pytest.mark.parametrize(
    ("remaining", "allowed"),
    [(700, 4), (200, 4), (199, 3), (150, 3), (100, 2), (99, 1), (50, 1), (3, 1), (-80, 1)],
)
def test_no_more_under_way_than_the_bucket_has_room_for(remaining: float, allowed: int) -> None:
    limiter = make_limiter()
    limiter.release(limiter.acquire(), clean=True, remaining=remaining)
    assert limiter.allowed_in_flight == allowed


def test_room_comes_back_with_the_leak() -> None:
    clock = FakeClock()
    limiter = make_limiter(clock=clock)
    limiter.release(limiter.acquire(), clean=True, remaining=700.0)
    limiter.release(limiter.acquire(), clean=True, remaining=100.0)
    assert limiter.allowed_in_flight == 2
    clock.advance(9.9)
    assert limiter.allowed_in_flight == 3
    clock.advance(1000)
    assert limiter.allowed_in_flight == 4


def test_dear_requests_are_reckoned_with_at_what_they_cost() -> None:
    limiter = make_limiter()
    for _ in range(40):
        limiter.release(limiter.acquire(), clean=True, remaining=450.0, cost=150.0)
    assert limiter.allowed_in_flight == 3


def test_an_empty_bucket_is_waited_for_at_its_leak() -> None:
    clock, waits = FakeClock(), Waits()
    limiter = make_limiter(clock=clock, waits=waits)
    limiter.release(limiter.acquire(), clean=True, remaining=20.0)
    limiter.release(limiter.acquire(), clean=True, remaining=60.0)
    assert clock.sleeps == [pytest.approx(4.0)]
    assert "rate limit" in waits[0].reason
    limiter.release(limiter.acquire(), clean=True, remaining=-540.0)
    limiter.release(limiter.acquire(), clean=True)
    assert sum(clock.sleeps) == pytest.approx(4.0 + 60.0)


@pytest.mark.parametrize(
    ("header", "value"),
    [(None, None), ("599.5", 599.5), ("-3", -3.0), ("", None), ("many", None), ("nan", None), ("inf", None)],
)
def test_rate_headers(header: str | None, value: float | None) -> None:
    assert units(header) == value


# -- throttled answers -------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: f"{one.status_code}")
def test_throttled_answers_wait_and_go_on(refusal: httpx.Response) -> None:
    clock, waits = FakeClock(), Waits()
    with make_client(Script(refusal, refusal, me()), clock, on_wait=waits) as client:
        assert client.current_user().id == 7
        assert client.stats.retries == 2
    assert [wait.reason for wait in waits] == ["Canvas asks to slow down"] * 2
    assert 2.0 <= clock.sleeps[0] <= 4.0 and 4.0 <= clock.sleeps[1] <= 8.0


def test_a_plain_403_is_not_taken_for_throttling() -> None:
    denied = httpx.Response(403, json={"errors": [{"message": "user not authorized to perform that action"}]})
    with make_client(Script(me(), denied)) as client:
        client.current_user()
        with pytest.raises(NotPermitted):
            client.conversation(5)


@pytest.mark.parametrize(
    ("asked", "seconds"), [("17", 17.0), ("Mon, 09 Mar 2026 12:01:00 GMT", 60.0), ("0", 1.0), ("0.2", 1.0)]
)
def test_retry_after_is_obeyed(asked: str, seconds: float) -> None:
    clock = FakeClock()
    with make_client(Script(httpx.Response(429, headers={"Retry-After": asked}), me()), clock) as client:
        client.current_user()
    assert clock.sleeps == [pytest.approx(seconds)]


def test_being_asked_for_too_little_again_and_again_makes_the_pauses_longer() -> None:
    clock = FakeClock()
    refusal = httpx.Response(429, headers={"Retry-After": "0"})
    with make_client(Script(*[refusal] * 8, me()), clock) as client:
        client.current_user()
    assert clock.sleeps[:3] == [1.0, 1.0, 1.0]
    assert min(clock.sleeps[4:]) >= 15.0


def test_patience_ends_in_throttled() -> None:
    clock = FakeClock()
    script = Script(REFUSALS[0], endless=True)
    with make_client(script, clock, patience=100.0) as client, pytest.raises(Throttled) as caught:
        client.current_user()
    assert caught.value.status == 403 and caught.value.exit_code == 4
    assert 99.9 <= clock.elapsed <= 100.1


def throttling(*, for_all: bool, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/conversations/5") or (for_all and known):
            return httpx.Response(429, headers={k.replace("_", "-"): v for k, v in headers.items()})
        known.append(1)
        return me()

    known: list[int] = []
    return answer


@pytest.mark.parametrize(
    ("headers", "waited"), [({}, 45), ({"Retry_After": "3"}, 30), ({"Retry_After": "60"}, 61)]
)
def test_a_throttle_of_one_address_alone_costs_that_address(headers: dict[str, str], waited: float) -> None:
    clock = FakeClock()
    with make_client(throttling(for_all=False, **headers), clock) as client:
        client.current_user()
        with pytest.raises(Unanswered, match="answers other requests") as caught:
            client.conversation(5)
        assert caught.value.item_alone and client.limiter.allowed_in_flight > 1
    assert clock.elapsed <= waited


def test_a_throttle_of_one_address_longer_than_the_patience_costs_that_address() -> None:
    clock = FakeClock()
    with make_client(throttling(for_all=False, Retry_After="3600"), clock) as client:
        client.current_user()
        with pytest.raises(Unanswered):
            client.conversation(5)
    assert clock.elapsed == 0


def test_a_throttle_of_everything_is_waited_for_within_the_patience() -> None:
    clock = FakeClock()
    with make_client(throttling(for_all=True), clock, patience=100.0) as client:
        client.current_user()
        with pytest.raises(Throttled) as caught:
            client.conversation(5)
    assert not caught.value.item_alone
    assert clock.elapsed == pytest.approx(100.0)


def test_being_asked_to_wait_longer_than_the_patience_ends_at_once() -> None:
    clock = FakeClock()
    script = Script(httpx.Response(429, headers={"Retry-After": "601"}))
    with make_client(script, clock, patience=600.0) as client, pytest.raises(Throttled):
        client.current_user()
    assert clock.elapsed == 0


def test_no_patience_means_no_waiting() -> None:
    for refusal in (REFUSALS[1], httpx.Response(503)):
        clock = FakeClock()
        with (
            make_client(Script(refusal), clock, patience=0.0) as client,
            pytest.raises(Exception, match="later"),
        ):
            client.current_user()
        assert clock.sleeps == []


def test_throttling_halves_the_window_once_per_burst() -> None:
    clock = FakeClock()
    limiter = make_limiter(clock=clock)
    for _ in range(40):
        limiter.release(limiter.acquire(), clean=True)
    burst = [limiter.acquire() for _ in range(8)]
    for slot in burst:
        limiter.pause(limiter.throttled(slot, None))
        limiter.release(slot, clean=False)
    assert limiter.allowed_in_flight == 1
    probe = limiter.acquire()
    assert len(clock.sleeps) == 1
    limiter.release(probe, clean=True)
    assert limiter.allowed_in_flight == 4


def test_answers_to_earlier_requests_do_not_end_the_caution() -> None:
    limiter = make_limiter()
    earlier, refused = limiter.acquire(), limiter.acquire()
    limiter.pause(limiter.throttled(refused, None))
    limiter.release(refused, clean=False)
    limiter.release(earlier, clean=True)
    assert limiter.allowed_in_flight == 1


# -- threads -----------------------------------------------------------------------------------


class Crowd:
    """A server that counts who is inside; whoever enters waits until no more can come in."""

    def __init__(self, answer: Callable[[int], httpx.Response]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._inside = 0
        self._number = 0
        self.most = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self._inside += 1
            self._number += 1
            self.most = max(self.most, self._inside)
            number = self._number
        threading.Event().wait(0.002)  # let the others in, if anything lets them
        with self._lock:
            self._inside -= 1
            return self._answer(number)


def crowd_in(client: CanvasClient, requests: int, threads: int = 12) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(client.unread_count) for _ in range(requests)]:
            done.result(timeout=30)


def count_answer(**headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, json={"unread_count": "3"}, headers=named)


@pytest.mark.thorough
@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_threads_never_exceed_the_concurrency(concurrency: int) -> None:
    crowd = Crowd(lambda number: count_answer())
    with make_client(crowd, concurrency=concurrency) as client:
        crowd_in(client, 120)
        assert client.stats.requests == 120 and client.limiter.in_flight == 0
    assert min(concurrency, 2) <= crowd.most <= concurrency


def test_threads_respect_the_room_in_the_bucket() -> None:
    crowd = Crowd(lambda number: count_answer(X_Rate_Limit_Remaining="110.0", X_Request_Cost="0.5"))
    with make_client(crowd) as client:
        client.unread_count()
        crowd_in(client, 40)
    assert crowd.most <= 2


def test_threads_survive_a_leaky_bucket() -> None:
    """Against Canvas's own arithmetic: twelve threads, hardly a refusal, and all get through."""
    clock = FakeClock()
    lock = threading.Lock()
    level, leaked_at, refused = 0.0, 0.0, 0

    def bucket(request: httpx.Request) -> httpx.Response:
        nonlocal level, leaked_at, refused
        with lock:
            level = max(0.0, level - 10 * (clock.elapsed - leaked_at)) + 50
            leaked_at = clock.elapsed
            if level >= 300:
                level -= 50
                refused += 1
                left = {"X-Rate-Limit-Remaining": str(300 - level)}
                return httpx.Response(429, text="429 Forbidden (Rate Limit Exceeded)", headers=left)
        threading.Event().wait(0.001)
        with lock:
            level += 30 - 50
            left = {"X-Rate-Limit-Remaining": str(300 - level), "X-Request-Cost": "30"}
        return httpx.Response(200, json={"unread_count": "3"}, headers=left)

    with make_client(bucket, clock, concurrency=12) as client:
        crowd_in(client, 100)
        assert client.stats.requests == 100 + refused
    assert refused <= 2
    assert clock.elapsed >= (100 * 30 - 300) / 10 * 0.9


def test_no_stampede_after_a_pause() -> None:
    """All wait together, one pause is made and told, one request goes first, then the others follow."""

    class PatientClock(FakeClock):
        def sleep(self, seconds: float) -> None:
            while client.limiter.in_flight:  # half a minute is longer than any answer under way takes
                threading.Event().wait(0.001)
            super().sleep(seconds)

    clock, waits = PatientClock(), Waits()
    starts: list[float] = []
    lock = threading.Lock()
    inside_after_pause = most_after_pause = 0
    answered_after_pause = False

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal inside_after_pause, most_after_pause, answered_after_pause
        with lock:
            starts.append(clock.elapsed)
            early = clock.elapsed == 0
            if not early and not answered_after_pause:
                inside_after_pause += 1
                most_after_pause = max(most_after_pause, inside_after_pause)
        threading.Event().wait(0.003)
        if early:
            return httpx.Response(429, headers={"Retry-After": "30"})
        with lock:
            answered_after_pause = True
        return count_answer()

    with make_client(answer, clock, on_wait=waits) as client:
        crowd_in(client, 12)
    assert most_after_pause == 1
    assert len(waits) == 1 and waits[0].seconds == pytest.approx(30.0)
    assert all(start == 0 or start >= 30.0 for start in starts)
    assert starts.count(0) <= 4
