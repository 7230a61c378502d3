"""docs/canvas.md names every endpoint and parameter the client asks for, and no other."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from canvas_archive.canvas import CanvasClient
from canvas_archive.errors import CanvasProblem
from tests.client_support import make_client
from tests.docs_support import REPOSITORY

PAGE = (REPOSITORY / "docs" / "canvas.md").read_text(encoding="utf-8")
TOLD = {
    call: set(re.findall(r"`([^`]+)`", parameters))
    for call, parameters in re.findall(r"^\| `([A-Z]+ /api/v1/[^`]+)` \| ([^|]*)\|", PAGE, re.M)
}
_CALLS = re.compile(r":calls: (.+)")
_ENDPOINT = re.compile(r"(?:GET|PUT|POST|DELETE) /api/v1/[\w/:]+")
MEDIA: dict[str, Any] = {"media_comment_id": "m-1", "media_comment_type": "audio"}
RECIPIENTS: dict[str, Any] = {"context": "course_1", "exclude": [1], "types": ["user"], "user_id": 2}

EVERYTHING: dict[str, Callable[[CanvasClient], object]] = {
    "current_user": lambda client: client.current_user(),
    "conversations": lambda client: list(
        client.conversations("sent", with_all_ids=True, filters=["course_1"], include=["uuid"])
    ),
    "conversation": lambda client: client.conversation(1),
    "unread_count": lambda client: client.unread_count(),
    "running_batches": lambda client: list(client.running_batches()),
    "find_recipients": lambda client: list(client.find_recipients("chen", **RECIPIENTS)),
    "search_recipients": lambda client: list(client.search_recipients("chen", **RECIPIENTS)),
    "courses": lambda client: list(client.courses()),
    "file": lambda client: client.file(1),
    "file_public_url": lambda client: client.file_public_url(1),
    "progress": lambda client: client.progress(1),
    "update_conversation": lambda client: client.update_conversation(
        1, workflow_state="read", starred=True, subscribed=True
    ),
    "batch_update": lambda client: client.batch_update([1], "star"),
    "create_conversation": lambda client: client.create_conversation(
        [1],
        "body",
        subject="subject",
        group_conversation=True,
        bulk_message=True,
        force_new=True,
        attachment_ids=[1],
        forwarded_message_ids=[1],
        mode="async",
        context_code="course_1",
        **MEDIA,
    ),
    "add_message": lambda client: client.add_message(
        1, "body", recipients=[1], attachment_ids=[1], included_messages=[1], **MEDIA
    ),
    "add_recipients": lambda client: client.add_recipients(1, [2]),
    "current_token": lambda client: client.current_token(),
    "remove_messages": lambda client: client.remove_messages(1, [2]),
    "mark_all_as_read": lambda client: client.mark_all_as_read(),
    "delete_conversation": lambda client: client.delete_conversation(1),
    "upload_file": lambda client: client.upload_file("a.txt", "text/plain", io.BytesIO(b"a"), 1),
}


def _called() -> Iterator[str]:
    """Yield every ``:calls:`` of the program, the sandbox aside."""
    package = REPOSITORY / "canvas_archive"
    for path in package.rglob("*.py"):
        if "sandbox" not in path.relative_to(package).parts:
            for line in _CALLS.findall(path.read_text(encoding="utf-8")):
                yield from _ENDPOINT.findall(line)


def test_the_page_names_the_endpoints_the_program_calls() -> None:
    assert set(TOLD) == set(_called())


@pytest.mark.parametrize("method", EVERYTHING)
def test_the_page_names_the_parameters_of_each_request(method: str) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(404, json={})

    with make_client(answer, patience=0.0) as client, contextlib.suppress(CanvasProblem):
        EVERYTHING[method](client)
    documented = _CALLS.findall(inspect.getdoc(getattr(CanvasClient, method)) or "")[0]
    request = sent[0]
    assert f"{request.method} {re.sub(r'/1(?=/|$)', '/:id', request.url.path)}" == documented
    names = {
        name for name, _ in (*parse_qsl(request.url.query.decode()), *parse_qsl(request.read().decode()))
    }
    assert names == TOLD[documented]


def test_every_endpoint_of_the_page_is_looked_at() -> None:
    documented = {
        _CALLS.findall(inspect.getdoc(getattr(CanvasClient, method)) or "")[0] for method in EVERYTHING
    }
    assert documented == set(TOLD)


def test_every_surprise_names_its_code_and_its_test() -> None:
    section = PAGE.partition("## What surprises")[2].partition("\n## ")[0]
    rows = [
        line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| Canvas |")
    ]
    assert len(rows) > 30
    for row in rows:
        _, _, _, code, test, _ = re.split(r" ?\| ?", row)
        assert re.fullmatch(r"`\w+/\w+\.py`", code), row
        assert re.fullmatch(r"`tests/test_\w+\.py::test_\w+`", test), row


_CITED = re.compile(r'"""docs/canvas-behaviour\.md (\d[\d., toand]*)|""".*: sections? (\d[\d., and]*)"""')
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def test_the_sections_that_tests_of_the_sandbox_cite_exist() -> None:
    """A test says which fact it pins, and the fact is in the repository."""
    page = (REPOSITORY / "docs" / "canvas-behaviour.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)[ .]", page, re.M))
    cited: set[str] = set()
    for path in (REPOSITORY / "tests").glob("test_sandbox_*.py"):
        for numbers in _CITED.findall(path.read_text(encoding="utf-8")):
            cited.update(_NUMBER.findall(" ".join(numbers)))
    assert len(cited) > 15
    assert cited <= sections
