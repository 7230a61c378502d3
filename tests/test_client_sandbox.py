"""The client against the local Canvas, over a real socket: the two were written apart."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.canvas.client import SCOPES
from canvas_archive.errors import (
    MalformedAnswer,
    NotFound,
    ServerFailure,
    TokenRefused,
    Unreachable,
    UnsafeRedirect,
)
from canvas_archive.sandbox import Sandbox
from tests.client_support import FakeClock

pytestmark = pytest.mark.sampled


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(conversations=60) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[CanvasClient]:
    with CanvasClient(sandbox.url, Token(sandbox.token), patience=20.0) as connected:
        yield connected


def every_id(client: CanvasClient) -> list[int]:
    found: set[int] = set()
    for scope in SCOPES:
        for page in client.conversations(scope, per_page=25, with_all_ids=True):
            assert not page.malformed
            found.update(one.id for one in page.conversations)
            assert page.all_ids is None or {one.id for one in page.conversations} <= set(page.all_ids)
    return sorted(found)


def test_a_whole_mailbox_is_read_by_threads_and_nothing_is_marked_as_read(
    sandbox: Sandbox, client: CanvasClient
) -> None:
    assert client.current_user().id == sandbox.user_id
    unread = client.unread_count()
    numbers = every_id(client)
    with ThreadPoolExecutor(8) as pool:
        conversations = list(pool.map(client.conversation, numbers))
    assert [one.id for one in conversations] == numbers and len(numbers) == 60
    assert all(one.messages is not None and len(one.messages) >= one.message_count for one in conversations)
    assert client.unread_count() == unread > 0
    assert 1 <= client.limiter.allowed_in_flight <= 8


@pytest.mark.thorough
def test_attachments_arrive_complete_and_can_be_continued(client: CanvasClient) -> None:
    attachments = [
        attachment
        for number in every_id(client)
        for message in client.conversation(number).messages or ()
        for attachment in message.attachments
    ]
    attachment = next(one for one in attachments if one.url and (one.size or 0) > 200)
    whole = io.BytesIO()
    report = client.download(attachment.url or "", whole)
    assert report.written == report.total == attachment.size == len(whole.getvalue())
    part = io.BytesIO(whole.getvalue()[:100])
    part.seek(100)
    report = client.download(attachment.url or "", part, offset=100)
    assert report.resumed and part.getvalue() == whole.getvalue()
    assert client.file(attachment.id).size == attachment.size


def test_writing_and_reading_back(client: CanvasClient) -> None:
    file = client.upload_file('Ünïcode "1".txt', "text/plain", io.BytesIO(b"abc" * 100_000), 300_000)
    assert file.size == 300_000 and file.display_name == 'Ünïcode "1".txt'
    person = next(one for one in client.search_recipients("a", types=["user"]) if one.kind == "user")
    (sent,) = client.create_conversation(
        [person.id], "hello", subject="Hi", attachment_ids=[file.id], force_new=True
    )
    assert sent.subject == "Hi" and sent.extra["visible"] is False
    first = client.conversation(sent.id).messages
    assert first is not None and first[0].attachments[0].id == file.id
    assert client.add_message(sent.id, "again").messages[0].body == "again"  # type: ignore[index]
    flagged = client.update_conversation(sent.id, starred=True, workflow_state="archived")
    assert flagged.starred and flagged.workflow_state == "archived"
    shown = client.conversation(sent.id)
    assert shown.starred and [one.body for one in shown.messages or ()] == ["again", "hello"]
    job = client.batch_update([sent.id], "unstar")
    assert client.progress(job.id).id == job.id
    assert client.delete_conversation(sent.id).message_count == 0
    with pytest.raises(NotFound):
        client.conversation(sent.id)


def test_removing_a_message(client: CanvasClient) -> None:
    long = next(
        one for page in client.conversations() for one in page.conversations if one.message_count >= 3
    )
    before = client.conversation(long.id).messages or ()
    target = next(one.id for one in before if not one.generated)
    removed = client.remove_messages(long.id, [target])
    assert removed is not None and removed.message_count == long.message_count - 1
    after = client.conversation(long.id).messages or ()
    assert [one.id for one in after] == [one.id for one in before if one.id != target]


def test_wrong_token_and_nobody_there(sandbox: Sandbox) -> None:
    with (
        CanvasClient(sandbox.url, Token("wrong")) as client,
        pytest.raises(TokenRefused, match="New Access Token"),
    ):
        client.current_user()
    with (
        CanvasClient("http://127.0.0.1:1", Token("any"), clock=FakeClock()) as client,
        pytest.raises(Unreachable, match="is refused"),
    ):
        client.current_user()
    with CanvasClient(sandbox.url.replace("http:", "https:"), Token("any")) as client:
        with pytest.raises(Unreachable, match="does not speak TLS"):
            client.current_user()


# -- trouble on the wire -----------------------------------------------------------------------


@pytest.fixture
def faulty(sandbox: Sandbox) -> Iterator[Sandbox]:
    yield sandbox
    sandbox.faults.clear()


def hurried(sandbox: Sandbox, **options: Any) -> CanvasClient:
    """A client for which waiting takes no time, and which has had an answer before."""
    client = CanvasClient(sandbox.url, Token(sandbox.token), clock=FakeClock(), **options)
    client.current_user()
    return client


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 500}),
        ("status", {"status": 502}),
        ("status", {"status": 503}),
        ("throttle_403", {}),
        ("throttle_429", {}),
        ("throttle_429", {"retry_after": 20}),
        ("html_login", {}),
        ("reset", {}),
        ("abort", {}),
        ("truncate", {}),
        ("invalid_json", {}),
        ("slow", {"delay": 0.01}),
    ],
)
def test_trouble_that_passes_is_survived(faulty: Sandbox, kind: Any, options: dict[str, Any]) -> None:
    with hurried(faulty) as client:
        number = every_id(client)[0]
        fault = faulty.faults.add(kind, f"/conversations/{number}", times=2, **options)
        assert client.conversation(number).id == number
        assert fault.struck >= 1
        assert client.stats.retries == (0 if kind == "slow" else fault.struck)


def test_a_server_that_hangs_is_left_and_asked_again(faulty: Sandbox) -> None:
    with hurried(faulty, timeout=0.4) as client:
        fault = faulty.faults.add("hang", "/unread_count", times=1)
        assert client.unread_count() >= 0
        assert fault.struck == 1 and client.stats.retries == 1


@pytest.mark.parametrize(
    ("kind", "match", "error"),
    [
        ("foreign_redirect", "/unread_count", UnsafeRedirect),
        ("gzip_bomb", "/unread_count", MalformedAnswer),
        ("html_login", "/unread_count", MalformedAnswer),
        ("invalid_json", "/unread_count", MalformedAnswer),
        ("status", "/unread_count", ServerFailure),
        ("abort", "/unread_count", Unreachable),
        ("loop_next", "/conversations", MalformedAnswer),
        ("foreign_next", "/conversations", UnsafeRedirect),
    ],
)
def test_trouble_that_stays_is_told(faulty: Sandbox, kind: Any, match: str, error: type[Exception]) -> None:
    with hurried(faulty, patience=60.0, max_answer_bytes=1_000_000) as client:
        faulty.faults.add(kind, match, times=None)
        with pytest.raises(error):
            client.unread_count() if match == "/unread_count" else list(client.conversations(per_page=10))


def test_a_download_over_a_bad_line_arrives_whole(faulty: Sandbox) -> None:
    with hurried(faulty) as client:
        attachment = next(
            attachment
            for number in every_id(client)
            for message in client.conversation(number).messages or ()
            for attachment in message.attachments
            if attachment.url and attachment.size
        )
        for kind in ("truncate", "abort", "throttle_403", "reset"):
            faulty.faults.add(kind, rf"/files/{attachment.id}", times=1)
        sink = io.BytesIO()
        assert client.download(attachment.url or "", sink).total == attachment.size == len(sink.getvalue())


def test_a_token_revoked_midway_is_a_credential_problem(faulty: Sandbox) -> None:
    with Sandbox(conversations=5) as other, hurried(other) as client:
        other.faults.add("revoke_token", "/unread_count")
        with pytest.raises(TokenRefused):
            client.unread_count()
