"""An independent client, canvasapi from PyPI, does its whole job against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from canvasapi import Canvas
from canvasapi.exceptions import BadRequest, InvalidAccessToken, ResourceDoesNotExist, Unauthorized

from tests.sandbox_support import ADA, BEN, BIO, CLEO, DEE, Pair, running

# It warns about plain HTTP, which is all a sandbox on this machine speaks, and of its own use of the API.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Canvas may respond unexpectedly:UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # it never closes its sessions
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def canvas() -> Iterator[Pair]:
    with running() as pair:
        yield pair


@pytest.fixture
def api(canvas: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canvas]:
    monkeypatch.setenv("NO_PROXY", "*")
    client = Canvas(canvas.sandbox.url, canvas.sandbox.token)
    yield client
    client._Canvas__requester._session.close()


@pytest.mark.parametrize("scope", ["inbox", "unread", "archived", "sent", "starred"])
def test_list_each_scope(canvas: Pair, api: Canvas, scope: str) -> None:
    found = [one.id for one in api.get_conversations(scope=scope, per_page=1)]
    assert found == canvas.school.ids(scope)


def test_lists_page_through_many(canvas: Pair, api: Canvas) -> None:
    for number in range(35):
        canvas.school.start_conversation(BEN, [ADA], f"Subject {number}", "Text")
    found = [one.id for one in api.get_conversations()]
    assert found == canvas.school.ids()
    assert len(found) == 39


def test_get(canvas: Pair, api: Canvas) -> None:
    found = api.get_conversation(100, auto_mark_as_read=False)
    assert found.workflow_state == "unread"
    assert [one["id"] for one in found.messages] == [1002, 1001, 1000]
    api.get_conversation(100)
    assert 100 not in canvas.school.ids("unread")


def test_edit(canvas: Pair, api: Canvas) -> None:
    conversation = api.get_conversation(100, auto_mark_as_read=False)
    assert conversation.edit(conversation={"workflow_state": "archived", "starred": True}) is True
    assert canvas.school.ids("archived") == [100, 102]
    assert 100 in canvas.school.ids("starred")


def test_create(canvas: Pair, api: Canvas) -> None:
    made = api.create_conversation(
        [str(BEN), str(CLEO)], "Hello both", subject="Both", group_conversation=True
    )
    assert [one.subject for one in made] == ["Both"]
    assert canvas.school.ids("sent")[0] == made[0].id
    made = api.create_conversation([str(CLEO)], "Hello you", force_new=True)
    assert len(made) == 1
    with pytest.raises(BadRequest, match="blank"):
        api.create_conversation([str(CLEO)], "")


def test_add_message(canvas: Pair, api: Canvas) -> None:
    api.get_conversation(101).add_message("From canvasapi")
    assert canvas.client.show(101)["last_message"] == "From canvasapi"


def test_a_concluded_course_raises_unauthorized_not_an_invalid_token(api: Canvas) -> None:
    with pytest.raises(Unauthorized):
        api.get_conversation(105).add_message("Too late")


def test_add_recipients(canvas: Pair, api: Canvas) -> None:
    api.get_conversation(101).add_recipients([str(DEE)])
    assert DEE in canvas.client.show(101)["audience"]


def test_remove_messages(canvas: Pair, api: Canvas) -> None:
    api.get_conversation(101).delete_messages([1011])
    assert [one["id"] for one in canvas.client.show(101)["messages"]] == [1010]


def test_delete(canvas: Pair, api: Canvas) -> None:
    assert api.get_conversation(101).delete() is True
    with pytest.raises(ResourceDoesNotExist):
        api.get_conversation(101)


def test_mark_all_as_read_and_unread_count(api: Canvas) -> None:
    assert api.conversations_unread_count() == {"unread_count": "2"}
    assert api.conversations_mark_all_as_read() is True
    assert api.conversations_unread_count() == {"unread_count": "0"}


def test_batch_update_and_progress(canvas: Pair, api: Canvas) -> None:
    progress = api.conversations_batch_update([100, 101, 104], "archive")
    states = [progress.workflow_state]
    while progress.query().workflow_state not in ("completed", "failed"):
        states.append(progress.workflow_state)
    assert states == ["queued", "running"]
    assert progress.workflow_state == "completed"
    assert canvas.school.ids("archived") == [101, 100, 102, 104]


def test_running_batches(canvas: Pair, api: Canvas) -> None:
    canvas.school.jobs.paused = True
    api.create_conversation([str(BEN), str(CLEO)], "To each", mode="async")
    (batch,) = api.conversations_get_running_batches()
    assert (batch["workflow_state"], batch["recipient_count"]) == ("created", 2)


def test_find_recipients(api: Canvas) -> None:
    found = api.search_recipients(search="cleo")
    assert [one["id"] for one in found] == [CLEO]


def test_users_courses_files(canvas: Pair, api: Canvas) -> None:
    user = api.get_current_user()
    assert (user.id, user.name) == (ADA, "Ada Lovelace")
    assert user.get_profile()["primary_email"] == "ada@school.example"
    assert BIO in [one.id for one in api.get_courses()]
    assert api.get_file(501).display_name == "Syllabus März.pdf"


def test_upload(canvas: Pair, api: Canvas, tmp_path: Path) -> None:
    essay = tmp_path / "essay.txt"
    essay.write_text("An essay")
    done, answer = api.get_current_user().upload(str(essay), parent_folder_path="conversation attachments")
    assert done is True
    api.get_conversation(101).add_message("Attached", attachment_ids=[answer["id"]])
    (attachment,) = canvas.client.show(101)["messages"][0]["attachments"]
    assert (attachment["display_name"], attachment["size"]) == ("essay.txt", 8)


def test_a_wrong_token(canvas: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(InvalidAccessToken):
        Canvas(canvas.sandbox.url, "wrong").get_current_user()
