"""Lists, page by page: the Link header alone says whether there is more, and where."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from canvas_archive.canvas import ConversationPage
from canvas_archive.errors import MalformedAnswer, UnsafeRedirect
from tests.client_support import SECRET, URL, AnswersOthers, Script, make_client, row

LIST = f"{URL}/api/v1/conversations"


def page(rows: Any, following: str | None = None, **headers: str) -> httpx.Response:
    if following is not None:
        headers["Link"] = (
            f'<{LIST}?page=1>; rel="current",<{following}>; rel="next",<{LIST}?page=1>; rel="first"'
        )
    return httpx.Response(200, json=rows, headers=headers)


def ids(pages: list[ConversationPage]) -> list[list[int]]:
    return [[one.id for one in each.conversations] for each in pages]


def test_pages_are_followed_while_there_is_a_next_link_however_short_they_are() -> None:
    script = Script(
        page([row(1)], f"{LIST}?scope=inbox&page=2&per_page=100"),
        page([], f"{LIST}?scope=inbox&page=3&per_page=100"),
        page([row(n) for n in range(10, 110)], "/api/v1/conversations?scope=inbox&page=4"),
        page([row(4)]),
    )
    with make_client(script) as client:
        found = ids(list(client.conversations()))
    assert found == [[1], [], list(range(10, 110)), [4]]
    assert script.targets == [
        "GET /api/v1/conversations?scope=inbox&per_page=100",
        "GET /api/v1/conversations?scope=inbox&page=2&per_page=100",
        "GET /api/v1/conversations?scope=inbox&page=3&per_page=100",
        "GET /api/v1/conversations?scope=inbox&page=4",
    ]
    assert all(one.headers["Authorization"] == f"Bearer {SECRET}" for one in script.requests)


def test_pages_are_asked_for_one_by_one() -> None:
    script = Script(page([row(1)], f"{LIST}?page=2"))
    with make_client(script) as client:
        assert next(client.conversations()).conversations[0].id == 1
        assert len(script.requests) == 1


def test_all_ids_are_asked_for_on_the_first_page_only() -> None:
    script = Script(
        page(
            {"conversations": [row(3)], "conversation_ids": ["3", 9007199254740993]},
            f"{LIST}?scope=sent&include_all_conversation_ids=1&page=2",
        ),
        page([row(9007199254740993)]),
    )
    with make_client(script) as client:
        first, second = client.conversations("sent", with_all_ids=True)
    assert first.all_ids == (3, 9007199254740993) and second.all_ids is None
    assert second.conversations[0].id == 9007199254740993
    assert script.targets == [
        "GET /api/v1/conversations?scope=sent&per_page=100&include_all_conversation_ids=1",
        "GET /api/v1/conversations?scope=sent&page=2",
    ]


def test_a_malformed_row_does_not_lose_the_page() -> None:
    rows = [row(1), row(2, starred="yes"), "nonsense", {"id": -5}, None, row(6)]
    with make_client(Script(page(rows))) as client:
        (found,) = client.conversations()
    assert [one.id for one in found.conversations] == [1, 6]
    assert [bad.id for bad in found.malformed] == [2, None, None, None]
    assert found.malformed[0].sentence == "Conversation 2: starred is not true or false."


@pytest.mark.parametrize("document", [{"conversations": None}, {}, "text", 7, {"conversations": {}}])
def test_a_list_that_is_none(document: Any) -> None:
    with make_client(Script(page(document))) as client, pytest.raises(MalformedAnswer, match="not a list"):
        list(client.conversations())


def test_the_ids_of_a_list_must_be_ids() -> None:
    with make_client(Script(page({"conversations": [], "conversation_ids": ["x"]}))) as client:
        with pytest.raises(MalformedAnswer, match="conversation_ids"):
            list(client.conversations(with_all_ids=True))


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/api/v1/conversations?page=2",
        "http://school.example/api/v1/conversations?page=2",
        "https://school.example:8443/api/v1/conversations?page=2",
        "https://school.example.evil.example/api/v1/conversations?page=2",
        "https://school.example@evil.example/api/v1/conversations?page=2",
        "https://me:you@school.example/api/v1/conversations?page=2",
        "//evil.example/page2",
    ],
)
def test_a_next_link_elsewhere_never_gets_the_token(following: str) -> None:
    script = Script(page([row(1)], following))
    with make_client(script) as client, pytest.raises(UnsafeRedirect, match="token was not sent"):
        list(client.conversations())
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "following", ["javascript:alert(1)", "https://[::1", "https://a b/", "mailto:a@b.example"]
)
def test_a_next_link_that_is_no_address(following: str) -> None:
    with make_client(Script(page([row(1)], following))) as client:
        with pytest.raises(MalformedAnswer, match="not a web address"):
            list(client.conversations())


def test_a_next_link_in_a_loop_is_named() -> None:
    script = Script(
        page([row(1)], f"{LIST}?page=2"), page([row(2)], f"{LIST}?page=3"), page([row(3)], f"{LIST}?page=2")
    )
    with make_client(script) as client, pytest.raises(MalformedAnswer) as caught:
        list(client.conversations())
    assert "/api/v1/conversations?page=2" in str(caught.value)
    assert len(script.requests) == 3


def test_a_next_link_to_itself_is_a_loop() -> None:
    script = Script(page([row(1)], f"{LIST}?scope=inbox&per_page=100#again"))
    with make_client(script) as client, pytest.raises(MalformedAnswer, match="lead back"):
        list(client.conversations())


def test_empty_pages_without_end_end() -> None:
    number = 1

    def more(request: httpx.Request) -> httpx.Response:
        nonlocal number
        number += 1
        return page([], f"{LIST}?page={number}&access_token=abc")

    script = Script(more, endless=True)
    with make_client(script) as client, pytest.raises(MalformedAnswer) as caught:
        list(client.conversations())
    assert "100 empty pages" in str(caught.value) and "abc" not in str(caught.value)
    assert len(script.requests) == 100


def test_the_masqueraded_user_goes_with_every_page() -> None:
    script = Script(
        page([row(1)], f"{LIST}?page=2"),
        page([row(2)], f"{LIST}?page=3&as_user_id=99"),
        page([row(3)], f"{LIST}?page=4&as_user_id=44"),
        page([row(4)]),
    )
    with make_client(script, as_user_id=44) as client:
        list(client.conversations())
    assert [one.url.params.get_list("as_user_id") for one in script.requests] == [["44"]] * 4


def test_opaque_page_tokens_are_kept_as_they_are() -> None:
    token = "bookmark:WyJhIiwgMV0=%2B"
    script = Script(
        httpx.Response(
            200, json=[], headers={"Link": f'<{URL}/api/v1/search/recipients?page={token}>; rel="next"'}
        ),
        httpx.Response(200, json=[]),
    )
    with make_client(script) as client:
        assert list(client.search_recipients("x")) == []
    assert script.targets[1] == f"GET /api/v1/search/recipients?page={token}"


def test_rows_of_other_lists_that_cannot_be_read_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"id": 1, "name": "BIO"}, {"id": "x"}, "odd", {"id": 2, "access_restricted_by_date": True}]
    with make_client(Script(httpx.Response(200, json=rows))) as client:
        assert [one.id for one in client.courses()] == [1, 2]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    with make_client(Script(httpx.Response(200, json={"courses": []}))) as client:
        with pytest.raises(MalformedAnswer, match="not a list"):
            list(client.courses())


def test_a_failing_page_is_tried_again_and_nothing_is_skipped() -> None:
    script = Script(
        page([row(1)], f"{LIST}?page=2"), httpx.Response(502), httpx.ReadError(""), page([row(2)])
    )
    with make_client(AnswersOthers(script)) as client:
        assert ids(list(client.conversations())) == [[1], [2]]
    assert script.targets[1:] == ["GET /api/v1/conversations?page=2"] * 3
