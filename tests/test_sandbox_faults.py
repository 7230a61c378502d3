"""Programmed trouble: every kind happens once, over a real socket; and the log that tells of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from canvas_archive.sandbox import Fault
from tests.sandbox_support import BEN, PDF, Pair, running

LIST = "conversations"


@pytest.fixture
def canvas() -> Iterator[Pair]:
    with running() as pair:
        yield pair


def get(canvas: Pair, path: str = LIST, **params: object) -> httpx.Response:
    return canvas.client.http.get(f"/api/v1/{path}", params=params or None)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_status_with_an_html_body(canvas: Pair, status: int) -> None:
    canvas.sandbox.faults.add("status", LIST, status=status)
    answer = get(canvas)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert get(canvas).status_code == 200  # once, unless told otherwise


def test_a_failed_request_is_not_performed_unless_told(canvas: Pair) -> None:
    form = {"conversation[workflow_state]": "archived"}
    canvas.sandbox.faults.add("status", method="PUT")
    assert canvas.client.call("PUT", "conversations/101", form).status_code == 500
    assert canvas.client.ids("archived") == [102]
    canvas.sandbox.faults.add("status", method="PUT", performed=True)
    assert canvas.client.call("PUT", "conversations/101", form).status_code == 500
    assert canvas.client.ids("archived") == [101, 102]


@pytest.mark.parametrize("kind", ["reset", "abort"])
def test_broken_connections(canvas: Pair, kind: str) -> None:
    canvas.sandbox.faults.add(kind, LIST)  # type: ignore[arg-type]
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        get(canvas)
    assert get(canvas).status_code == 200


def test_an_answer_lost_after_the_work_was_done(canvas: Pair) -> None:
    canvas.sandbox.faults.add("abort", "add_message", performed=True)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        canvas.client.call("POST", "conversations/101/add_message", {"body": "Once"})
    assert canvas.client.show(101)["messages"][0]["body"] == "Once"


def test_a_hanging_request_times_out(canvas: Pair) -> None:
    canvas.sandbox.faults.add("hang", LIST)
    with pytest.raises(httpx.ReadTimeout):
        canvas.client.http.get("/api/v1/conversations", timeout=0.05)
    assert get(canvas).status_code == 200


def test_a_truncated_body(canvas: Pair) -> None:
    canvas.sandbox.faults.add("truncate", LIST)
    with pytest.raises(httpx.RemoteProtocolError):
        get(canvas)


def test_invalid_json(canvas: Pair) -> None:
    canvas.sandbox.faults.add("invalid_json", LIST)
    answer = get(canvas)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_login_page(canvas: Pair) -> None:
    canvas.sandbox.faults.add("html_login", LIST)
    answer = get(canvas)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_both_throttle_answers(canvas: Pair) -> None:
    canvas.sandbox.faults.add("throttle_403", LIST)
    canvas.sandbox.faults.add("throttle_429", LIST, retry_after=3)
    old, new = get(canvas), get(canvas)
    assert (old.status_code, old.text) == (403, "403 Forbidden (Rate Limit Exceeded)\n")
    assert (new.status_code, new.headers["retry-after"]) == (429, "3")
    assert "Rate Limit Exceeded" in new.text


def test_a_slow_body_comes_whole(canvas: Pair) -> None:
    canvas.sandbox.faults.add("slow", LIST, delay=0.001, chunks=3)
    assert len(get(canvas).json()) == 4


def test_an_endless_body(canvas: Pair) -> None:
    canvas.sandbox.faults.add("endless", LIST, delay=0.001)
    with canvas.client.http.stream("GET", "/api/v1/conversations") as answer:
        assert answer.status_code == 200 and "content-length" not in answer.headers
        pieces = answer.iter_raw()
        assert b"".join(next(pieces) for _ in range(20)).isspace()
    assert get(canvas).status_code == 200


def test_a_refusal_in_the_words_of_canvas(canvas: Pair) -> None:
    canvas.sandbox.faults.add("refuse", LIST, status=403)
    answer = get(canvas)
    assert answer.status_code == 403 and answer.json() == {"errors": [{"message": "An error occurred."}]}


def test_a_token_revoked_midway(canvas: Pair) -> None:
    canvas.sandbox.faults.add("revoke_token", LIST, after=1)
    assert get(canvas).status_code == 200
    assert get(canvas).json() == {"errors": [{"message": "Revoked access token."}]}
    assert get(canvas).status_code == 401


def test_a_next_link_that_loops(canvas: Pair) -> None:
    canvas.sandbox.faults.add("loop_next", LIST)
    links = get(canvas, per_page=1).links
    assert links["next"]["url"] == links["current"]["url"]


def test_a_next_link_to_another_host(canvas: Pair) -> None:
    canvas.sandbox.faults.add("foreign_next", LIST)
    assert get(canvas, per_page=1).links["next"]["url"].startswith(canvas.sandbox.files_url)
    canvas.sandbox.faults.add("foreign_next", LIST, url="https://elsewhere.example/api")
    assert get(canvas, per_page=1).links["next"]["url"] == "https://elsewhere.example/api"


def test_a_redirect_to_another_host(canvas: Pair) -> None:
    canvas.sandbox.faults.add("foreign_redirect", LIST)
    assert get(canvas).headers["location"].startswith(canvas.sandbox.files_url)


def test_rows_twice_and_rows_missing(canvas: Pair) -> None:
    canvas.sandbox.faults.add("duplicate_rows", LIST)
    assert [row["id"] for row in get(canvas).json()] == [101, 100, 105, 104, 105, 104]
    canvas.sandbox.faults.add("drop_row", LIST)
    assert [row["id"] for row in get(canvas).json()] == [101, 100, 104]
    canvas.sandbox.faults.add("drop_row", LIST)
    whole = get(canvas, include_all_conversation_ids=1).json()
    assert (len(whole["conversations"]), len(whole["conversation_ids"])) == (3, 4)


def test_a_field_of_another_type(canvas: Pair) -> None:
    canvas.sandbox.faults.add("wrong_type", LIST, field="message_count")
    assert get(canvas).json()[0]["message_count"] == {"unexpected": True}
    canvas.sandbox.faults.add("wrong_type", LIST, field="no_such_field")
    assert all("no_such_field" not in row for row in get(canvas).json())


def test_a_gzip_bomb_is_small_on_the_wire(canvas: Pair) -> None:
    canvas.sandbox.faults.add("gzip_bomb", LIST, size=3_000_000)
    with canvas.client.http.stream("GET", "/api/v1/conversations") as answer:
        wire = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(wire) < 10_000
    canvas.sandbox.faults.add("gzip_bomb", LIST, size=3_000_000)
    assert len(get(canvas).content) == 3_000_002


def test_a_file_that_is_short_a_login_page_or_expired(canvas: Pair) -> None:
    url = canvas.client.show(100)["messages"][-1]["attachments"][0]["url"]

    def fetch() -> httpx.Response:
        return httpx.get(url, follow_redirects=True, trust_env=False)

    canvas.sandbox.faults.add("short_body", origin="files")
    answer = fetch()
    assert (answer.status_code, len(answer.content)) == (200, 360)
    canvas.sandbox.faults.add("html_login", origin="files")
    assert "Log in" in fetch().text
    for origin, status in (("files", 403), ("canvas", 200)):
        canvas.sandbox.faults.add("expire_links", origin=origin)
        assert fetch().status_code == status
    assert len(fetch().content) == 720
    assert canvas.client.get(f"files/{PDF}")["size"] == 720


class TestChoosing:
    def test_times_after_and_forever(self, canvas: Pair) -> None:
        fault = canvas.sandbox.faults.add(Fault("status", "users/self", times=2, after=1))
        assert [get(canvas, "users/self").status_code for _ in range(5)] == [200, 500, 500, 200, 200]
        assert fault.struck == 2
        canvas.sandbox.faults.add("status", times=None)
        assert [get(canvas).status_code for _ in range(4)] == [500] * 4
        canvas.sandbox.faults.clear()
        assert get(canvas).status_code == 200

    def test_a_function_chooses(self, canvas: Pair) -> None:
        canvas.sandbox.faults.add("status", lambda entry: entry.params.get("scope") == "sent")
        assert get(canvas, scope="inbox").status_code == 200
        assert get(canvas, scope="sent").status_code == 500

    def test_the_query_can_be_matched(self, canvas: Pair) -> None:
        canvas.sandbox.faults.add("status", r"page=2")
        assert get(canvas, page=1).status_code == 200
        assert get(canvas, page=2).status_code == 500

    def test_probability_is_the_same_for_the_same_seed(self) -> None:
        def run() -> list[int]:
            with running() as canvas:
                canvas.sandbox.faults.add("status", times=None, probability=0.5, seed=7)
                return [get(canvas, "users/self").status_code for _ in range(20)]

        first = run()
        assert first == run()
        assert {200, 500} == set(first)

    def test_the_school_can_change_between_two_pages(self, canvas: Pair) -> None:
        def arrive(count: int) -> None:
            if count == 2:
                canvas.school.receive(104, BEN, "Just now")

        canvas.sandbox.faults.on_request(r"^/api/v1/conversations\?", arrive)
        first = get(canvas, per_page=2, page=1).json()
        second = get(canvas, per_page=2, page=2).json()
        assert [row["id"] for row in first] == [101, 100]
        assert [row["id"] for row in second] == [100, 105]  # pushed down by the arrival


class TestLog:
    def test_every_request_with_its_params_and_status(self, canvas: Pair) -> None:
        get(canvas, scope="sent", per_page=1)
        canvas.client.call("PUT", "conversations/101", {"conversation[starred]": "0"})
        canvas.client.call("PUT", "conversations", json={"conversation_ids": ["1"], "event": "star"})
        canvas.client.call("GET", "conversations/999")
        reading, form, body, missing = canvas.sandbox.log
        assert (reading.method, reading.path, reading.status) == ("GET", "/api/v1/conversations", 200)
        assert reading.query == (("scope", "sent"), ("per_page", "1"))
        assert reading.authorized is True
        assert form.params == {"conversation": {"starred": "0"}}
        assert body.json == {"conversation_ids": ["1"], "event": "star"}
        assert missing.status == 404
        assert canvas.sandbox.log.writes == [form, body]
        assert canvas.sandbox.log[-1:] == [missing]

    def test_faults_are_named_and_tokens_are_not(self, canvas: Pair) -> None:
        canvas.sandbox.faults.add("reset", LIST)
        with pytest.raises(httpx.RemoteProtocolError):
            canvas.client.call("GET", f"conversations?access_token={canvas.sandbox.token}")
        (entry,) = canvas.sandbox.log
        assert (entry.fault, entry.status) == ("reset", 0)
        assert canvas.sandbox.token not in repr(entry)

    def test_requests_of_both_origins(self, canvas: Pair) -> None:
        url = canvas.client.show(100)["messages"][-1]["attachments"][0]["url"]
        httpx.get(url, follow_redirects=True, trust_env=False)
        assert [(one.origin, one.authorized) for one in canvas.sandbox.log] == [
            ("canvas", True),
            ("canvas", False),
            ("files", False),
        ]
        assert len(canvas.sandbox.log.api) == 1
        canvas.sandbox.log.clear()
        assert len(canvas.sandbox.log) == 0


def test_a_fault_of_the_sandbox_itself_is_an_answer_and_a_traceback(
    canvas: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    del canvas.school.state.people[1]
    assert get(canvas, "users/self").status_code == 500
    assert "KeyError" in caplog.text
