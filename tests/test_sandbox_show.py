"""docs/canvas-behaviour.md 1.4 and 4: one conversation with all its messages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.sandbox_support import ADA, BEN, BIO, CLEO, DEE, EVE, PDF, TEAM, Pair, running


@pytest.fixture
def canvas() -> Iterator[Pair]:
    with running() as pair:
        yield pair


def test_show_has_the_fields_of_the_list_and_messages(canvas: Pair) -> None:
    row = next(one for one in canvas.client.get("conversations", per_page=100) if one["id"] == 101)
    shown = canvas.client.show(101)
    assert set(shown) == set(row) | {"messages", "submissions"}
    assert shown["submissions"] == []
    for name in set(row) - {"participants"}:
        assert shown[name] == row[name]


def test_reading_marks_as_read_unless_told_otherwise(canvas: Pair) -> None:
    for value in ("false", "0", ""):
        assert canvas.client.get("conversations/100", auto_mark_as_read=value)["workflow_state"] == "unread"
    assert canvas.client.get("conversations/100")["workflow_state"] == "read"
    assert canvas.client.get("conversations/unread_count") == {"unread_count": "1"}


def test_explicit_true_marks_as_read(canvas: Pair) -> None:
    assert canvas.client.get("conversations/105", auto_mark_as_read="true")["workflow_state"] == "read"


def test_reading_leaves_an_archived_conversation_archived(canvas: Pair) -> None:
    assert canvas.client.get("conversations/102")["workflow_state"] == "archived"


def test_all_messages_newest_first_then_by_id(canvas: Pair) -> None:
    canvas.school.tick = timedelta(0)
    first, second = canvas.school.receive(101, BEN, "a"), canvas.school.receive(101, CLEO, "b")
    assert [one["id"] for one in canvas.client.show(101)["messages"]] == [second, first, 1011, 1010]


def test_there_is_no_limit_to_messages(canvas: Pair) -> None:
    for number in range(150):
        canvas.school.receive(101, BEN, f"message {number}")
    assert len(canvas.client.show(101)["messages"]) == 152


def test_generated_messages_are_shown_but_not_counted(canvas: Pair) -> None:
    canvas.school.add_people(101, CLEO, [DEE])
    shown = canvas.client.show(101)
    assert len(shown["messages"]) == shown["message_count"] + 1
    assert shown["messages"][0]["body"] == "Dr. Dee was added to the conversation by Cleo"


def test_several_added_people_are_listed(canvas: Pair) -> None:
    canvas.school.add_people(104, DEE, [CLEO, EVE])
    body = canvas.client.show(104)["messages"][0]["body"]
    assert body == "Cleo and Eve were added to the conversation by Dr. Dee"


def test_a_message_has_exactly_the_documented_fields(canvas: Pair) -> None:
    message = canvas.client.show(101)["messages"][1]
    assert message == {
        "id": 1010,
        "created_at": "2026-03-01T09:02:00Z",
        "body": "Lab on Friday?",
        "author_id": BEN,
        "generated": False,
        "media_comment": None,
        "forwarded_messages": [],
        "attachments": [],
        "participating_user_ids": [ADA, BEN, CLEO],
    }


def test_a_media_comment(canvas: Pair) -> None:
    media = canvas.client.show(101)["messages"][0]["media_comment"]
    assert media == {
        "content-type": "audio/mp4",
        "display_name": "note.mp3",
        "media_id": "m-1",
        "media_type": "audio",
        "url": f"{canvas.sandbox.url}/users/{ADA}/media_download?entryId=m-1&redirect=1&type=mp4",
    }


def test_forwarded_messages_are_nested_with_their_own_attachments_and_people(canvas: Pair) -> None:
    (message,) = canvas.client.show(104)["messages"]
    (forwarded,) = message["forwarded_messages"]
    assert (forwarded["id"], forwarded["author_id"]) == (1041, EVE)
    assert [one["id"] for one in forwarded["attachments"]] == [PDF]
    assert sorted(forwarded["participating_user_ids"]) == [DEE, EVE]
    assert [one["id"] for one in forwarded["forwarded_messages"]] == [1042]


def test_authors_of_forwarded_messages_are_participants_but_not_audience(canvas: Pair) -> None:
    shown = canvas.client.show(104)
    assert {one["id"] for one in shown["participants"]} == {ADA, BEN, DEE, EVE, CLEO}
    assert sorted(shown["audience"]) == [BEN, DEE]


def test_participants_have_avatars_and_what_is_shared_with_the_caller(canvas: Pair) -> None:
    people = {one["id"]: one for one in canvas.client.show(101)["participants"]}
    assert people[BEN]["common_courses"] == {str(BIO): ["StudentEnrollment"]}
    assert people[BEN]["common_groups"] == {str(TEAM): ["Member"]}
    assert people[ADA]["common_courses"] == {}
    assert all("avatar_url" in one for one in people.values())


def test_participant_contexts_can_be_left_out(canvas: Pair) -> None:
    people = canvas.client.show(101, include_participant_contexts="false")["participants"]
    assert not any("common_courses" in one for one in people)


def test_avatars_are_left_out_above_a_hundred_people(canvas: Pair) -> None:
    crowd = [canvas.school.add_person(f"Student {number}", course_ids=[BIO]) for number in range(99)]
    number = canvas.school.start_conversation(DEE, [ADA, *crowd], "All", "Hello")
    assert len(canvas.client.show(number)["participants"]) == 101
    assert not any("avatar_url" in one for one in canvas.client.show(number)["participants"])


def test_cannot_reply_is_there_only_when_true(canvas: Pair) -> None:
    assert canvas.client.show(105)["cannot_reply"] is True
    assert "cannot_reply" not in canvas.client.show(100)


def test_visible_is_about_the_scope_asked_for(canvas: Pair) -> None:
    assert canvas.client.show(103)["visible"] is False
    assert canvas.client.show(103, scope="sent")["visible"] is True


ATTACHMENT_FIELDS = {
    "id",
    "folder_id",
    "display_name",
    "filename",
    "upload_status",
    "content-type",
    "url",
    "size",
    "created_at",
    "updated_at",
    "unlock_at",
    "locked",
    "hidden",
    "lock_at",
    "hidden_for_user",
    "thumbnail_url",
    "modified_at",
    "mime_class",
    "media_entry_id",
    "category",
    "locked_for_user",
}


def test_an_attachment(canvas: Pair) -> None:
    (attachment,) = canvas.client.show(100)["messages"][-1]["attachments"]
    assert set(attachment) == ATTACHMENT_FIELDS
    assert attachment["display_name"] == "Syllabus März.pdf"
    assert attachment["filename"] == "Syllabus+M%C3%A4rz.pdf"
    assert (attachment["content-type"], attachment["mime_class"]) == ("application/pdf", "pdf")
    assert attachment["size"] == 720
    assert attachment["url"].startswith(f"{canvas.sandbox.url}/files/{PDF}/download?download_frd=1&verifier=")


def test_an_own_file_shows_its_uuid_and_a_picture_its_thumbnail(canvas: Pair) -> None:
    number = canvas.school.add_file(ADA, "me.png", b"png", "image/png")
    canvas.school.own_reply(101, "Look", attachments=[number])
    (attachment,) = canvas.client.show(101)["messages"][0]["attachments"]
    assert set(attachment) == ATTACHMENT_FIELDS | {"uuid"}
    assert attachment["thumbnail_url"].startswith(canvas.sandbox.url)


def test_url_forms_follow_the_accounts_settings(canvas: Pair) -> None:
    def url() -> str:
        return str(canvas.client.show(100)["messages"][-1]["attachments"][0]["url"])

    canvas.school.file_links = "plain"
    assert url() == f"{canvas.sandbox.url}/files/{PDF}/download?download_frd=1"
    canvas.school.file_links = "location"
    assert url().endswith("download_frd=1&location=conversation_message_1000")


def test_a_locked_file_has_no_addresses(canvas: Pair) -> None:
    canvas.school.lock_file(PDF)
    (attachment,) = canvas.client.show(100)["messages"][-1]["attachments"]
    assert (attachment["url"], attachment["locked_for_user"]) == ("", True)
    assert "lock_explanation" in attachment
