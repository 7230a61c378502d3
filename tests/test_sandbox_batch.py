"""docs/canvas-behaviour.md 5: batch updates and their Progress."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox_support import BEN, Pair, running


@pytest.fixture
def canvas() -> Iterator[Pair]:
    with running() as pair:
        yield pair


def begin(canvas: Pair, event: str | None, ids: Any) -> Any:
    form = {"conversation_ids[]": [str(one) for one in ids]} | ({"event": event} if event else {})
    return canvas.client.call("PUT", "conversations", form)


def finished(canvas: Pair, progress: Any) -> Any:
    for _ in range(10):
        state = canvas.client.get(f"progress/{progress['id']}")
        if state["workflow_state"] in ("completed", "failed"):
            return state
    raise AssertionError("the job never ends")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"event": "star"}, "conversation_ids not specified"),
        ({"event": "star", "conversation_ids": "1"}, "conversation_ids not specified"),
        (
            {"conversation_ids[]": [str(one) for one in range(501)]},
            "conversation batch size limit (500) exceeded",
        ),
        ({"conversation_ids[]": ["1"]}, "event not specified"),
        ({"conversation_ids[]": ["1"], "event": "unarchive"}, "invalid event"),
    ],
)
def test_refusals_in_their_order(canvas: Pair, form: Any, message: str) -> None:
    answer = canvas.client.call("PUT", "conversations", form)
    assert (answer.status_code, answer.json()) == (400, {"message": message})


def test_five_hundred_are_allowed(canvas: Pair) -> None:
    assert begin(canvas, "star", range(500)).status_code == 200


def test_the_answer_is_a_queued_progress(canvas: Pair) -> None:
    progress = begin(canvas, "star", [100]).json()
    assert progress == {
        "id": progress["id"],
        "context_id": 1,
        "context_type": "User",
        "user_id": 1,
        "tag": "conversation_batch_update",
        "completion": 0.0,
        "workflow_state": "queued",
        "created_at": "2026-03-01T19:00:00Z",
        "updated_at": "2026-03-01T19:00:00Z",
        "message": None,
        "url": f"{canvas.sandbox.url}/api/v1/progress/{progress['id']}",
    }


def test_states_go_from_queued_over_running_to_completed(canvas: Pair) -> None:
    ids = [100, 101, 102, 104]
    progress = begin(canvas, "archive", ids).json()
    running_state = canvas.client.get(f"progress/{progress['id']}")
    assert running_state["workflow_state"] == "running"
    assert running_state["message"] is None
    end = finished(canvas, progress)
    assert (end["workflow_state"], end["completion"]) == ("completed", 100.0)
    assert end["message"] == "4 conversations processed"
    assert sorted(canvas.client.ids("archived")) == ids


def test_a_job_goes_on_without_being_asked_about(canvas: Pair) -> None:
    begin(canvas, "archive", [100, 101])
    canvas.client.get("users/self")
    canvas.client.get("users/self")
    assert sorted(canvas.client.ids("archived")) == [100, 101, 102]


@pytest.mark.parametrize(
    ("event", "field", "value"),
    [
        ("mark_as_read", "workflow_state", "read"),
        ("mark_as_unread", "workflow_state", "unread"),
        ("archive", "workflow_state", "archived"),
        ("star", "starred", True),
        ("unstar", "starred", False),
    ],
)
def test_every_event(canvas: Pair, event: str, field: str, value: object) -> None:
    finished(canvas, begin(canvas, event, [100, 101, 102]).json())
    assert [canvas.client.show(number)[field] for number in (100, 101, 102)] == [value] * 3


def test_destroy(canvas: Pair) -> None:
    assert finished(canvas, begin(canvas, "destroy", [100]).json())["message"] == "1 conversation processed"
    assert canvas.client.call("GET", "conversations/100").status_code == 404


def test_completed_with_failed_ids_named_in_the_message(canvas: Pair) -> None:
    end = finished(canvas, begin(canvas, "star", [100, 999, "abc"]).json())
    assert end["workflow_state"] == "completed"
    assert end["message"] == (
        "1 conversation processed\nThe user is not participating in this conversation: 999, abc"
    )


@pytest.mark.parametrize("ids", [[999], []])
def test_failed_when_none_succeeded(canvas: Pair, ids: list[int]) -> None:
    body = {"conversation_ids": [str(one) for one in ids], "event": "star"}
    end = finished(canvas, canvas.client.call("PUT", "conversations", json=body).json())
    assert (end["workflow_state"], end["completion"]) == ("failed", 100.0)
    assert end["message"].startswith("0 conversations processed")


def test_deleted_conversations_count_as_the_callers(canvas: Pair) -> None:
    canvas.school.owner_delete(100)
    assert finished(canvas, begin(canvas, "archive", [100]).json())["workflow_state"] == "completed"


def test_another_persons_progress_is_not_there(canvas: Pair) -> None:
    progress = begin(canvas, "star", [100]).json()
    assert canvas.as_person(BEN).call("GET", f"progress/{progress['id']}").status_code == 404


def test_cancel_sets_failed(canvas: Pair) -> None:
    progress = begin(canvas, "star", [100, 101]).json()
    answer = canvas.client.call("POST", f"progress/{progress['id']}/cancel")
    assert answer.json()["workflow_state"] == "failed"
    again = canvas.client.call("POST", f"progress/{progress['id']}/cancel")
    assert again.json() == answer.json()


def test_jobs_can_be_held_back(canvas: Pair) -> None:
    canvas.school.jobs.paused = True
    progress = begin(canvas, "archive", [101]).json()
    for _ in range(3):
        assert canvas.client.get(f"progress/{progress['id']}")["workflow_state"] == "queued"
    assert canvas.client.ids("archived") == [102]
    canvas.school.finish_jobs()
    assert canvas.client.ids("archived") == [101, 102]


def test_more_steps_show_more_of_the_way(canvas: Pair) -> None:
    canvas.school.jobs.steps = 4
    progress = begin(canvas, "star", [str(one) for one in range(50)]).json()
    seen = [canvas.client.get(f"progress/{progress['id']}")["completion"] for _ in range(5)]
    assert seen == sorted(seen)
    assert 0 < seen[1] < 100
