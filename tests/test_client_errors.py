"""Every answer that is not data, and the error and sentence it becomes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from canvas_archive.canvas.answers import messages_of, one_line
from canvas_archive.errors import (
    ArchiveError,
    BadRequest,
    MalformedAnswer,
    NotCanvas,
    NotFound,
    NotPermitted,
    TokenRefused,
    UnsafeRedirect,
)
from tests.client_support import SECRET, URL, AnswersOthers, Script, make_client, me, shown

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="canvas-lms"'}


UNAUTHORIZED = {
    "status": "unauthorized",
    "errors": [{"message": "user not authorized to perform that action"}],
}


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"errors": [{"message": message, **more}]}


@pytest.mark.parametrize(
    ("document", "messages"),
    [
        (said("The specified resource does not exist."), ("The specified resource does not exist.",)),
        ([{"attribute": "recipients", "message": "blank"}], ("recipients: blank",)),
        ([{"attribute": "Unable to send to BIO", "message": ""}], ("Unable to send to BIO",)),
        ({"message": "conversation_ids not specified"}, ("conversation_ids not specified",)),
        ({"errors": {"subject": [{"type": "too_long", "message": "too long"}]}}, ("subject: too long",)),
        ({"errors": {"a": ["long", "odd"], "b": "blank"}}, ("a: long", "a: odd", "b: blank")),
        ({"errors": {"subject": [{"type": "too_long"}]}}, ("subject: too_long",)),
        ({"errors": {"subject": [{"message": 7}, "blank"]}}, ("subject: blank",)),
        ({"errors": "Invalid as_user_id", "merged_into_user_id": 5}, ("Invalid as_user_id",)),
        ({"errors": {"message": "one"}}, ("one",)),
        ({"error": "from a proxy"}, ("from a proxy",)),
        ({"errors": ["a", "a", {"message": "b"}]}, ("a", "b")),
        ({}, ()),
        ([], ()),
        (None, ()),
        (7, ()),
        ({"errors": None, "message": 3}, ()),
        ({"errors": [[[[[[[["too deep"]]]]]]]]}, ()),
    ],
)  # fmt: skip
def test_the_shapes_of_error_bodies(document: Any, messages: tuple[str, ...]) -> None:
    assert messages_of(document) == messages


def test_messages_are_made_fit_for_a_terminal() -> None:
    assert one_line("a\x1b[2Jb\r\n\u202ec\ud800") == "a [2Jb c"
    assert len(one_line("x" * 10_000)) == 400
    assert len(messages_of({"errors": [{"message": str(n)} for n in range(1000)]})) == 10


def outcome(*replies: httpx.Response, **options: Any) -> ArchiveError:
    """What asking for a conversation raises, once the client knows that it talks to Canvas."""
    with make_client(AnswersOthers(Script(*replies)), **options) as client:
        client.current_user()
        with pytest.raises(ArchiveError) as caught:
            client.conversation(5)
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (said("Invalid access token."), "does not know this access token"),
        (said("Revoked access token."), "has been revoked"),
        (said("Expired access token.", expired_at="2026-01-01T00:00:00Z"), "expired at 2026-01-01T00:00:00Z"),
        (said("Expired access token."), "The access token expired."),
        (
            {"status": "unauthenticated", "errors": [{"message": "user authorization required"}]},
            "got no access token",
        ),
    ],
)
def test_a_401_with_a_challenge_is_about_the_token(body: Any, words: str) -> None:
    error = outcome(httpx.Response(401, json=body, headers=CHALLENGE))
    assert isinstance(error, TokenRefused)
    assert error.exit_code == 3
    assert words in str(error)
    assert "Account > Settings > New Access Token" in str(error)
    assert str(error).endswith("run: canvas-archive login")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, said("Insufficient scopes on access token."), "do not allow GET /api/v1"),
        (401, {"errors": "Invalid as_user_id"}, "may not act as user 44"),
        (401, [{"attribute": "workflow_state", "message": "Course concluded, unable"}], "Course concluded"),
        (401, UNAUTHORIZED, "not authorized"),
        (403, UNAUTHORIZED, "not authorized"),
    ],
)  # fmt: skip
def test_other_refusals_are_about_permission(status: int, body: Any, words: str) -> None:
    error = outcome(httpx.Response(status, json=body), as_user_id=44)
    assert isinstance(error, NotPermitted)
    assert words in str(error)
    assert (error.status, error.request, error.exit_code) == (status, "GET /api/v1/conversations/5", 4)
    assert error.messages == messages_of(body)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotFound),
        (410, NotFound),
        (400, BadRequest),
        (422, BadRequest),
        (409, BadRequest),
        (413, BadRequest),
    ],
)
def test_other_statuses(status: int, kind: type[ArchiveError]) -> None:
    error = outcome(httpx.Response(status, json=said("Why not.")))
    assert type(error) is kind
    assert "Why not" in str(error) and f"({status})" in str(error)


def test_an_empty_error_is_still_one() -> None:
    error = outcome(httpx.Response(400, json={}))
    assert isinstance(error, BadRequest) and error.messages == ()
    assert isinstance(outcome(httpx.Response(404)), NotFound)


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, html="<!DOCTYPE html><title>Log in</title>"),
        httpx.Response(200, content=b"\n  <html>", headers={"Content-Type": "application/json"}),
        httpx.Response(404, html="<html>nothing here</html>"),
        httpx.Response(403, html="<html>go away</html>"),
        httpx.Response(404, text="404 page not found"),
        httpx.Response(401, text="who are you", headers={}),
        httpx.Response(302, headers={"Location": "/login/saml"}),
        httpx.Response(404, json={"message": "no Route matched"}),
        httpx.Response(200, json={"hello": "world"}),
        httpx.Response(200, json=["hello"]),
    ],
)
def test_something_that_is_no_canvas(reply: httpx.Response) -> None:
    script = Script(reply, endless=True)
    with make_client(script) as client, pytest.raises(NotCanvas) as caught:
        client.current_user()
    assert "https://school.example answers, but not as a Canvas API" in str(caught.value)
    assert len(script.requests) == (1 if reply.status_code < 500 and "json" in media_type(reply) else 3)


def media_type(reply: httpx.Response) -> str:
    return "" if reply.content.lstrip().startswith(b"<") else str(reply.headers.get("Content-Type"))


def test_a_login_page_as_the_first_answer_may_pass() -> None:
    for passing in (
        httpx.Response(200, html="<!DOCTYPE html><title>Log in</title>"),
        httpx.Response(302, headers={"Location": "/login/saml"}),
    ):
        with make_client(Script(passing, passing, me())) as client:
            assert client.current_user().id == 7


def test_a_login_page_later_is_a_malformed_answer_after_a_few_tries() -> None:
    page = httpx.Response(200, html="<html>Log in</html>")
    error = outcome(page, page, page)
    assert isinstance(error, MalformedAnswer) and "web page" in str(error)
    to_login = httpx.Response(302, headers={"Location": f"{URL}/login"})
    assert isinstance(outcome(to_login, to_login, to_login), MalformedAnswer)


def test_a_web_page_with_404_does_not_prove_that_something_is_gone() -> None:
    page = httpx.Response(404, html="<html>Not here, says the gateway</html>")
    assert isinstance(outcome(page, page, page), MalformedAnswer)


def test_a_login_page_that_passes_is_no_failure() -> None:
    page = httpx.Response(200, html="<html>Maintenance</html>")
    script = Script(page, page, httpx.Response(200, json=shown(5)))
    with make_client(AnswersOthers(script)) as client:
        client.current_user()
        assert client.conversation(5).id == 5


def test_redirects_within_canvas_are_followed_for_reading() -> None:
    moved = httpx.Response(307, headers={"Location": "/api/v1/conversations/5?auto_mark_as_read=false&x=1"})
    script = Script(moved, httpx.Response(200, json=shown(5)))
    with make_client(script) as client:
        assert client.conversation(5).id == 5
    assert script.targets[1].endswith("&x=1")
    assert script.requests[1].headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    "location",
    [
        "https://other.example/api/v1/users/self",
        "http://school.example/api/v1/users/self",
        "https://school.example:444/",
        "//evil.example/",
        "https://a:b@school.example/api/v1/users/self",
    ],
)
def test_redirects_elsewhere_are_not_followed(location: str) -> None:
    script = Script(httpx.Response(302, headers={"Location": location}))
    with make_client(script) as client, pytest.raises(UnsafeRedirect, match="token was not sent"):
        client.current_user()
    assert len(script.requests) == 1


@pytest.mark.parametrize("location", ["", "https://[::", "mailto:a@b.c"])
def test_redirects_to_nothing(location: str) -> None:
    script = Script(httpx.Response(302, headers={"Location": location}))
    with make_client(script) as client, pytest.raises((MalformedAnswer, NotCanvas)):
        client.current_user()
    assert len(script.requests) == 1


def test_redirects_in_circles_end() -> None:
    replies = [httpx.Response(302, headers={"Location": f"/api/v1/x{number}"}) for number in range(20)]
    script = Script(*replies)
    with make_client(script) as client, pytest.raises(MalformedAnswer, match="circles"):
        client.conversation(5)
    assert len(script.requests) == 6


def test_a_write_is_never_redirected() -> None:
    script = Script(httpx.Response(307, headers={"Location": "/api/v1/conversations/5/add_message2"}))
    with make_client(script) as client, pytest.raises(MalformedAnswer, match="redirect"):
        client.add_message(5, "hello")
    assert len(script.requests) == 1


def test_odd_statuses_are_no_data() -> None:
    error = outcome(httpx.Response(101))
    assert isinstance(error, MalformedAnswer)


def test_no_cookies_are_kept() -> None:
    baked = httpx.Response(200, json={"id": 7, "name": "J"}, headers={"Set-Cookie": "session=abc; Path=/"})
    script = Script(baked, me())
    with make_client(script) as client:
        client.current_user()
        client.current_user()
    assert all("Cookie" not in one.headers for one in script.requests)
