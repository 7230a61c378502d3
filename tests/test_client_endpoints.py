"""Every method: the request it makes, what it returns, and what it refuses before sending."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from canvas_archive.canvas import CanvasClient
from canvas_archive.errors import ArchiveError, MalformedAnswer, NotFound
from canvas_archive.model import Batch, Course, Progress, Recipient
from tests.client_support import ME, Script, letter, make_client, row, shown

PROGRESS = {
    "id": "70",
    "context_id": "7",
    "context_type": "User",
    "workflow_state": "queued",
    "completion": 0.0,
    "message": None,
    "url": "https://school.example/api/v1/progress/70",
}


def asked(
    reply: Any, call: Callable[[CanvasClient], Any], status: int = 200, **options: Any
) -> tuple[Any, Script]:
    """Make one call; return its result and the script that saw its request."""
    answer = httpx.Response(status) if reply is None else httpx.Response(status, json=reply)
    script = Script(answer)
    with make_client(script, **options) as client:
        result = call(client)
    return result, script


def form(script: Script) -> list[tuple[str, str]]:
    (request,) = script.requests
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    return parse_qsl(request.content.decode(), keep_blank_values=True)


def test_every_request_carries_token_accept_and_user() -> None:
    _, script = asked(ME, lambda client: client.current_user(), as_user_id=44)
    (request,) = script.requests
    assert request.headers["Authorization"] == "Bearer 1234~verysecrettokenvalue"
    assert request.headers["Accept"] == "application/json+canvas-string-ids, application/json"
    assert request.headers["Accept-Encoding"] == "gzip"
    assert request.headers["User-Agent"].startswith("canvas-archive/")
    assert script.targets == ["GET /api/v1/users/self?as_user_id=44"]


def test_current_user() -> None:
    user, script = asked({**ME, "pronouns": "they"}, lambda client: client.current_user())
    assert (user.id, user.name, user.extra) == (7, "Jules", {"pronouns": "they"})
    assert script.targets == ["GET /api/v1/users/self"]


def test_courses() -> None:
    rows = [
        {"id": 12, "name": "BIO 101", "course_code": "BIO", "term": {"id": 1, "name": "Spring"}, "uuid": "u"},
        {"id": "13", "access_restricted_by_date": True},
    ]
    found, script = asked(rows, lambda client: list(client.courses()))
    assert found[0] == Course(
        12, "BIO 101", "BIO", "Spring", {"term": {"id": 1, "name": "Spring"}, "uuid": "u"}
    )
    assert found[1] == Course(13, extra={"access_restricted_by_date": True})
    assert script.requests[0].url.params.multi_items() == [
        ("include[]", "term"),
        ("state[]", "unpublished"),
        ("state[]", "available"),
        ("state[]", "completed"),
        ("per_page", "100"),
    ]


def test_conversations_with_every_parameter() -> None:
    _, script = asked(
        [],
        lambda client: list(
            client.conversations(
                "archived",
                per_page=50,
                filters=("course_1", "user_2"),
                filter_mode="and",
                include=("participant_avatars",),
            )
        ),
    )
    assert script.requests[0].url.params.multi_items() == [
        ("scope", "archived"),
        ("per_page", "50"),
        ("filter[]", "course_1"),
        ("filter[]", "user_2"),
        ("filter_mode", "and"),
        ("include[]", "participant_avatars"),
    ]


def test_showing_marks_nothing_as_read_unless_asked_to() -> None:
    found, script = asked(shown(5), lambda client: client.conversation(5))
    assert found.id == 5 and found.messages[0].id == 31
    assert script.targets == ["GET /api/v1/conversations/5?auto_mark_as_read=false"]
    _, script = asked(shown(5), lambda client: client.conversation(5, auto_mark_as_read=True))
    assert script.targets == ["GET /api/v1/conversations/5?auto_mark_as_read=true"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [(row(5), "no messages"), (shown(6), "conversation 6"), (row(5, messages=None), "no messages")],
)
def test_showing_gives_the_whole_conversation_or_none(reply: Any, words: str) -> None:
    with pytest.raises(MalformedAnswer, match=words):
        asked(reply, lambda client: client.conversation(5))
    with pytest.raises(MalformedAnswer, match="message 32: author_id"):
        asked(shown(5, letter(31), letter(32, author_id=None)), lambda client: client.conversation(5))


def test_creating() -> None:
    found, script = asked(
        [shown(5)],
        lambda client: client.create_conversation(
            [8, "course_12_students"],
            "hellö & <b>\n",
            subject="S=1",
            group_conversation=True,
            bulk_message=True,
            force_new=True,
            attachment_ids=[1, 2],
            forwarded_message_ids=[3],
            media_comment_id="m-1",
            media_comment_type="audio",
            mode="async",
            context_code="course_12",
        ),
        status=201,
    )
    assert [one.id for one in found] == [5]
    assert script.targets == ["POST /api/v1/conversations"]
    assert form(script) == [
        ("recipients[]", "8"),
        ("recipients[]", "course_12_students"),
        ("subject", "S=1"),
        ("body", "hellö & <b>\n"),
        ("group_conversation", "true"),
        ("bulk_message", "true"),
        ("force_new", "true"),
        ("attachment_ids[]", "1"),
        ("attachment_ids[]", "2"),
        ("forwarded_message_ids[]", "3"),
        ("media_comment_id", "m-1"),
        ("media_comment_type", "audio"),
        ("mode", "async"),
        ("context_code", "course_12"),
    ]


def test_creating_plainly_and_in_the_background() -> None:
    found, script = asked(
        [row(5), row(6)], lambda client: client.create_conversation([8, 9], "x"), status=201
    )
    assert [one.id for one in found] == [5, 6] and found[0].messages is None
    assert form(script) == [("recipients[]", "8"), ("recipients[]", "9"), ("body", "x")]
    for reply in ([], None):
        found, _ = asked(reply, lambda client: client.create_conversation([8], "x", mode="async"), status=202)
        assert found == ()


def test_a_body_with_half_a_surrogate_can_be_sent() -> None:
    _, script = asked([row(5)], lambda client: client.create_conversation([8], "a\ud800b"), status=201)
    assert ("body", "a?b") in form(script)


def test_running_batches() -> None:
    rows = [{"id": 4, "workflow_state": "sending", "completion": 0.5, "recipient_count": 9, "message": letter(1), "tags": ["course_1"], "x": 1}]  # fmt: skip  # noqa: E501
    found, script = asked(rows, lambda client: list(client.running_batches()))
    assert script.targets == ["GET /api/v1/conversations/batches?per_page=100"]
    assert isinstance(found[0], Batch)
    assert (found[0].id, found[0].completion, found[0].recipient_count) == (4, 0.5, 9)
    assert found[0].message.id == 1 and found[0].tags == ("course_1",) and found[0].extra == {"x": 1}


def test_updating() -> None:
    found, script = asked(
        row(5, starred=True),
        lambda client: client.update_conversation(
            5, workflow_state="archived", starred=True, subscribed=False
        ),
    )
    assert found.starred and script.targets == ["PUT /api/v1/conversations/5"]
    assert form(script) == [
        ("conversation[workflow_state]", "archived"),
        ("conversation[starred]", "true"),
        ("conversation[subscribed]", "false"),
    ]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.update_conversation(5, workflow_state="bogus"),
        lambda client: client.update_conversation(5, workflow_state=""),
        lambda client: client.update_conversation(5),
        lambda client: client.batch_update(range(501), "star"),
        lambda client: client.batch_update([], "star"),
        lambda client: client.batch_update([1], "unarchive"),
        lambda client: client.conversations("bogus"),
        lambda client: client.conversation("5/../6"),
        lambda client: client.download("https://school.example/f", None, offset=-1),
    ],
)
def test_what_is_refused_before_anything_is_sent(call: Callable[[CanvasClient], Any]) -> None:
    script = Script()
    with make_client(script) as client, pytest.raises(ValueError):
        call(client)
    assert script.requests == []


def test_marking_all_as_read() -> None:
    result, script = asked({}, lambda client: client.mark_all_as_read())
    assert result is None and script.targets == ["POST /api/v1/conversations/mark_all_as_read"]
    assert form(script) == []


def test_deleting() -> None:
    gone = row(
        5, visible=False, message_count=0, last_message=None, last_message_at=None, audience_contexts={}
    )
    found, script = asked(gone, lambda client: client.delete_conversation(5))
    assert found.message_count == 0 and script.targets == ["DELETE /api/v1/conversations/5"]


def test_adding_recipients() -> None:
    found, script = asked(shown(5), lambda client: client.add_recipients(5, [8, "group_3"]))
    assert found.messages is not None
    assert script.targets == ["POST /api/v1/conversations/5/add_recipients"]
    assert form(script) == [("recipients[]", "8"), ("recipients[]", "group_3")]


def test_adding_a_message() -> None:
    found, script = asked(
        shown(5, letter(0)),
        lambda client: client.add_message(
            5, "hello", recipients=[8], attachment_ids=[1], included_messages=[30], media_comment_id="m"
        ),
        status=202,
    )
    assert found.messages[0].id == 0
    assert script.targets == ["POST /api/v1/conversations/5/add_message"]
    assert form(script) == [
        ("body", "hello"),
        ("recipients[]", "8"),
        ("attachment_ids[]", "1"),
        ("included_messages[]", "30"),
        ("media_comment_id", "m"),
    ]


def test_removing_messages() -> None:
    found, script = asked(row(5), lambda client: client.remove_messages(5, [31, 32]))
    assert found.id == 5 and form(script) == [("remove[]", "31"), ("remove[]", "32")]
    assert script.targets == ["POST /api/v1/conversations/5/remove_messages"]
    assert asked(None, lambda client: client.remove_messages(5, []), status=204)[0] is None


def test_batch_updates() -> None:
    found, script = asked(PROGRESS, lambda client: client.batch_update([1, 2], "archive"))
    assert found == Progress(
        70, "queued", 0.0, None, PROGRESS["url"], {"context_id": "7", "context_type": "User"}
    )
    assert script.targets == ["PUT /api/v1/conversations"]
    assert form(script) == [("event", "archive"), ("conversation_ids[]", "1"), ("conversation_ids[]", "2")]
    _, script = asked(PROGRESS, lambda client: client.batch_update(range(500), "destroy"))
    assert len(form(script)) == 501


def test_progress() -> None:
    done = {
        **PROGRESS,
        "workflow_state": "completed",
        "completion": 100,
        "message": "2 conversations processed",
    }
    found, script = asked(done, lambda client: client.progress(70))
    assert (found.workflow_state, found.completion, found.message) == ("completed", 100.0, done["message"])
    assert script.targets == ["GET /api/v1/progress/70"]


@pytest.mark.parametrize("name", ["find_recipients", "search_recipients"])
def test_recipients(name: str) -> None:
    rows = [
        {"id": 8, "name": "Chen", "full_name": "Chen W", "pronouns": None, "common_courses": {"12": []}},
        {"id": "course_12", "name": "BIO", "type": "context", "user_count": 30, "permissions": {}},
        {"id": "12345678901234567", "name": None},
    ]
    found, script = asked(
        rows,
        lambda client: list(
            getattr(client, name)(
                "che", context="course_12", exclude=[7, "group_1"], types=["user"], user_id=8
            )
        ),
    )
    assert found[0] == Recipient(
        "8", "Chen", "user", "Chen W", None, {"pronouns": None, "common_courses": {"12": []}}
    )
    assert found[1] == Recipient(
        "course_12", "BIO", "context", None, 30, {"type": "context", "permissions": {}}
    )
    assert found[2] == Recipient("12345678901234567", "", "user")
    path = "/api/v1/conversations/find_recipients" if name[0] == "f" else "/api/v1/search/recipients"
    assert script.requests[0].url.path == path
    assert script.requests[0].url.params.multi_items() == [
        ("per_page", "100"),
        ("search", "che"),
        ("context", "course_12"),
        ("exclude[]", "7"),
        ("exclude[]", "group_1"),
        ("types[]", "user"),
        ("user_id", "8"),
    ]


@pytest.mark.parametrize("count", ["7", 7])
def test_unread_count(count: Any) -> None:
    found, script = asked({"unread_count": count}, lambda client: client.unread_count())
    assert found == 7 and script.targets == ["GET /api/v1/conversations/unread_count"]


@pytest.mark.parametrize(
    "document", [{"unread_count": None}, {"unread_count": "many"}, {}, [], {"unread_count": -1}]
)
def test_an_unread_count_that_is_none(document: Any) -> None:
    with pytest.raises(MalformedAnswer):
        asked(document, lambda client: client.unread_count())


def test_file() -> None:
    found, script = asked(
        {"id": "9", "display_name": "a.pdf", "content-type": "application/pdf", "size": 5, "url": ""},
        lambda client: client.file(9),
    )
    assert (found.id, found.content_type, found.size, found.url) == (9, "application/pdf", 5, "")
    assert script.targets == ["GET /api/v1/files/9"]


def test_errors_after_the_first_answer_of_users_self_are_what_they_are() -> None:
    missing = httpx.Response(404, json={"errors": [{"message": "gone"}]})
    with make_client(Script(httpx.Response(200, json=ME), missing)) as client:
        client.current_user()
        with pytest.raises(NotFound):
            client.current_user()


def public_methods() -> list[str]:
    return [
        name
        for name, member in inspect.getmembers(CanvasClient, inspect.isfunction)
        if not name.startswith("_") and name not in ("close", "one_try")
    ]


@pytest.mark.parametrize("name", public_methods())
def test_every_method_names_its_endpoint(name: str) -> None:
    text = inspect.getdoc(getattr(CanvasClient, name)) or ""
    assert ":calls: " in text


def test_all_thirteen_endpoints_of_the_conversations_api_have_a_method() -> None:
    calls = {
        line.split(":calls: ", 1)[1]
        for name in public_methods()
        for line in (inspect.getdoc(getattr(CanvasClient, name)) or "").splitlines()
        if line.startswith(":calls: ")
    }
    base = "/api/v1/conversations"
    assert {call for call in calls if base in call} == {
        f"GET {base}",
        f"POST {base}",
        f"GET {base}/batches",
        f"GET {base}/:id",
        f"PUT {base}/:id",
        f"POST {base}/mark_all_as_read",
        f"DELETE {base}/:id",
        f"POST {base}/:id/add_recipients",
        f"POST {base}/:id/add_message",
        f"POST {base}/:id/remove_messages",
        f"PUT {base}",
        f"GET {base}/find_recipients",
        f"GET {base}/unread_count",
    }


def test_a_closed_client_and_a_representation() -> None:
    client = make_client(Script())
    assert repr(client) == "<CanvasClient https://school.example>"
    assert client.base_url == "https://school.example"
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.current_user()
    assert not isinstance(RuntimeError(), ArchiveError)
