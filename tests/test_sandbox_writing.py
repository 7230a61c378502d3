"""docs/canvas-behaviour.md 1.2 and 1.8 to 1.10: writing messages, adding people, removing messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sandbox_support import ADA, BEN, BIO, CLEO, DEE, EVE, OLD, PDF, PNG, TEAM, Client, Pair, running


@pytest.fixture
def canvas() -> Iterator[Pair]:
    with running() as pair:
        yield pair


def create(canvas: Pair, client: Client | None = None, **data: Any) -> httpx.Response:
    recipients = data.pop("recipients", None)
    form = {"body": "Hello", **data}
    if recipients is not None:
        form["recipients[]"] = recipients
    return (client or canvas.client).call("POST", "conversations", form)


class TestCreate:
    """A message is written: section 1.2."""

    def test_no_recipients(self, canvas: Pair) -> None:
        answer = create(canvas)
        assert (answer.status_code, answer.json()) == (
            400,
            [{"attribute": "recipients", "message": "blank"}],
        )

    @pytest.mark.parametrize("recipient", [str(EVE), "99999", "course_999", "Ben", ""])
    def test_nobody_who_can_be_written_to(self, canvas: Pair, recipient: str) -> None:
        answer = create(canvas, recipients=[recipient])
        assert (answer.status_code, answer.json()) == (
            400,
            [{"attribute": "recipients", "message": "invalid"}],
        )

    def test_numbers_in_json_are_rejected_and_text_is_not(self, canvas: Pair) -> None:
        send = {"recipients": [BEN], "body": "Hi"}
        answer = canvas.client.call("POST", "conversations", json=send)
        assert answer.json() == [{"attribute": "recipients", "message": "invalid"}]
        send["recipients"] = [str(BEN)]  # type: ignore[list-item]
        assert canvas.client.call("POST", "conversations", json=send).status_code == 201

    def test_checks_come_in_order_recipients_body_context(self, canvas: Pair) -> None:
        wrong = {"body": "", "context_code": "course_999"}
        assert create(canvas, recipients=[str(EVE)], **wrong).json()[0]["attribute"] == "recipients"
        assert create(canvas, recipients=[str(BEN)], **wrong).json() == [
            {"attribute": "body", "message": "blank"}
        ]
        wrong["body"] = "text"
        assert create(canvas, recipients=[str(BEN)], **wrong).json() == [
            {"attribute": "context_code", "message": "invalid"}
        ]

    def test_a_concluded_course_cannot_be_the_context(self, canvas: Pair) -> None:
        answer = create(canvas, recipients=[str(BEN)], context_code=f"course_{OLD}")
        assert (answer.status_code, answer.json()) == (
            400,
            [{"attribute": "Course concluded", "message": "Unable to send messages"}],
        )

    def test_a_course_one_is_not_in_is_named_in_a_sentence(self, canvas: Pair) -> None:
        eve = canvas.as_person(EVE)
        answer = create(canvas, eve, recipients=[str(EVE)], context_code=f"course_{BIO}")
        assert answer.json() == [
            {"attribute": "Unable to send messages to users in Biology 101", "message": ""}
        ]

    def test_students_may_not_write_to_a_whole_course_but_teachers_may(self, canvas: Pair) -> None:
        data = {"recipients": [f"course_{BIO}"], "group_conversation": "true"}
        assert create(canvas, **dict(data)).json() == [
            {"attribute": "recipients", "message": "restricted by role"}
        ]
        answer = create(canvas, canvas.as_person(DEE), **dict(data))
        assert answer.status_code == 201
        assert sorted(answer.json()[0]["audience"]) == [ADA, BEN, CLEO]
        assert create(canvas, recipients=[f"course_{BIO}_teachers"]).status_code == 201

    def test_a_subject_of_more_than_255_characters(self, canvas: Pair) -> None:
        answer = create(canvas, recipients=[str(CLEO)], subject="s" * 256, group_conversation="1")
        assert answer.status_code == 400
        assert "subject" in answer.json()["errors"]
        assert create(canvas, recipients=[str(CLEO)], subject="s" * 255).status_code == 201

    def test_more_than_a_hundred_people_need_bulk(self, canvas: Pair) -> None:
        for number in range(101):
            canvas.school.add_person(f"Student {number}", course_ids=[BIO])
        dee = canvas.as_person(DEE)
        data = {"recipients": [f"course_{BIO}"], "group_conversation": "true"}
        answer = create(canvas, dee, **dict(data))
        assert answer.json() == [{"attribute": "recipients", "message": "too many for group conversation"}]
        answer = create(canvas, dee, **dict(data), bulk_message="true")
        assert answer.status_code == 201
        assert len(answer.json()) == 104

    def test_one_recipient_gives_one_private_conversation_with_its_message(self, canvas: Pair) -> None:
        answer = create(canvas, recipients=[str(CLEO)], subject="New", body="First")
        assert answer.status_code == 201
        (made,) = answer.json()
        assert made["private"] is True
        assert [one["body"] for one in made["messages"]] == ["First"]
        assert all("avatar_url" in one and "common_courses" in one for one in made["participants"])
        assert "context_name" not in made

    def test_the_sender_finds_a_fresh_conversation_only_in_sent(self, canvas: Pair) -> None:
        (made,) = create(canvas, recipients=[str(CLEO)]).json()
        assert made["last_message_at"] is None
        assert made["last_message"] is None
        assert made["visible"] is False
        assert made["workflow_state"] == "read"
        assert made["message_count"] == 1
        assert made["id"] == canvas.client.ids("sent")[0]
        assert made["id"] not in canvas.client.ids("inbox") + canvas.client.ids("archived")

    def test_visible_depends_on_the_scope_asked_for(self, canvas: Pair) -> None:
        (made,) = create(canvas, recipients=[str(CLEO)], scope="sent").json()
        assert made["visible"] is True

    def test_recipients_get_it_unread(self, canvas: Pair) -> None:
        (made,) = create(canvas, recipients=[str(CLEO)]).json()
        (row,) = canvas.as_person(CLEO).get("conversations", scope="unread", per_page=1)
        assert row["id"] == made["id"]
        assert row["last_message"] == "Hello"

    def test_an_existing_private_conversation_is_reused_and_keeps_its_subject(self, canvas: Pair) -> None:
        data = {"context_code": f"course_{BIO}", "subject": "Another subject"}
        (made,) = create(canvas, recipients=[str(DEE)], **data).json()
        assert made["id"] == 100
        assert made["subject"] == "Welcome"
        assert made["message_count"] == 4

    def test_without_its_context_it_is_another_conversation(self, canvas: Pair) -> None:
        (made,) = create(canvas, recipients=[str(DEE)]).json()
        assert made["id"] != 100

    def test_force_new_starts_another_that_is_not_private(self, canvas: Pair) -> None:
        data = {"context_code": f"course_{BIO}", "subject": "Fresh", "force_new": "1"}
        (made,) = create(canvas, recipients=[str(DEE)], **data).json()
        assert made["id"] not in (100, 103)
        assert (made["subject"], made["private"]) == ("Fresh", False)
        assert "messages" not in made

    def test_a_deleted_private_conversation_is_resurrected_with_its_old_subject(self, canvas: Pair) -> None:
        canvas.school.owner_delete(100)
        data = {"context_code": f"course_{BIO}", "subject": "New subject"}
        (made,) = create(canvas, recipients=[str(DEE)], **data).json()
        assert (made["id"], made["subject"], made["message_count"]) == (100, "Welcome", 1)
        assert 100 in canvas.client.ids("sent")
        assert 100 not in canvas.client.ids("inbox")

    def test_several_recipients_give_one_conversation_each_without_messages(self, canvas: Pair) -> None:
        answer = create(canvas, recipients=[str(BEN), str(CLEO), str(DEE)])
        assert answer.status_code == 201
        made = answer.json()
        assert len({one["id"] for one in made}) == 3
        assert all(one["private"] and len(one["audience"]) == 1 for one in made)
        assert all("messages" not in one for one in made)
        assert not any("avatar_url" in person for one in made for person in one["participants"])
        assert not any("common_courses" in person for one in made for person in one["participants"])

    def test_a_group_conversation_is_one_for_all(self, canvas: Pair) -> None:
        (made,) = create(canvas, recipients=[str(BEN), str(CLEO)], group_conversation="true").json()
        assert made["private"] is False
        assert sorted(made["audience"]) == [BEN, CLEO]

    def test_a_group_conversation_is_never_reused(self, canvas: Pair) -> None:
        data = {"recipients": [str(BEN), str(CLEO)], "group_conversation": "true"}
        first, second = (create(canvas, **dict(data)).json()[0]["id"] for _ in range(2))
        assert first != second

    def test_recipients_may_be_a_comma_separated_string_or_uuids(self, canvas: Pair) -> None:
        form = {"recipients": f"{BEN},{CLEO}", "body": "Hi", "group_conversation": "1"}
        (made,) = canvas.client.call("POST", "conversations", form).json()
        assert sorted(made["audience"]) == [BEN, CLEO]
        people = canvas.client.show(101, **{"include[]": "uuid"})["participants"]
        uuid = next(one["uuid"] for one in people if one["id"] == CLEO)
        (made,) = create(canvas, recipients=[f"uuid:{uuid}"]).json()
        assert made["audience"] == [CLEO]

    def test_a_context_recipient_stands_for_its_people(self, canvas: Pair) -> None:
        (made,) = create(canvas, recipients=[f"group_{TEAM}"], group_conversation="1").json()
        assert made["audience"] == [BEN]

    def test_async_answers_at_once_and_is_seen_among_the_batches(self, canvas: Pair) -> None:
        answer = create(canvas, recipients=[str(BEN), str(CLEO), str(DEE)], mode="async")
        assert (answer.status_code, answer.json()) == (202, [])
        number = int(answer.headers["X-Conversation-Batch-Id"])
        (batch,) = canvas.client.get("conversations/batches")
        assert set(batch) == {"id", "workflow_state", "completion", "recipient_count", "message", "tags"}
        assert (batch["id"], batch["workflow_state"], batch["recipient_count"]) == (number, "sending", 3)
        assert 0 < batch["completion"] < 1
        assert batch["message"]["body"] == "Hello"
        canvas.school.finish_jobs()
        assert canvas.client.get("conversations/batches") == []
        assert len(canvas.client.ids("sent")) == 5

    def test_async_is_ignored_for_one_recipient(self, canvas: Pair) -> None:
        assert create(canvas, recipients=[str(BEN)], mode="async").status_code == 201

    def test_attachments_must_be_the_senders_own(self, canvas: Pair) -> None:
        data = {"attachment_ids[]": [str(PNG), str(PDF), "9999"]}
        (made,) = create(canvas, recipients=[str(CLEO)], **data).json()
        assert [one["id"] for one in made["messages"][0]["attachments"]] == [PNG]
        assert "attachments" in made["properties"]

    def test_messages_are_forwarded(self, canvas: Pair) -> None:
        data = {"forwarded_message_ids[]": ["1002", "1000"]}
        (made,) = create(canvas, recipients=[str(CLEO)], **data).json()
        assert [one["id"] for one in made["messages"][0]["forwarded_messages"]] == [1002, 1000]
        assert DEE in [one["id"] for one in made["participants"]]
        assert DEE not in made["audience"]

    def test_forwarding_from_two_conversations_fails(self, canvas: Pair) -> None:
        data = {"forwarded_message_ids[]": ["1002", "1010"]}
        answer = create(canvas, recipients=[str(CLEO)], **data)
        assert answer.status_code == 500
        assert answer.json()["errors"][0]["error_code"] == "internal_server_error"

    def test_media_comments(self, canvas: Pair) -> None:
        data = {"media_comment_id": "m-9", "media_comment_type": "video"}
        (made,) = create(canvas, recipients=[str(CLEO)], **data).json()
        assert made["messages"][0]["media_comment"]["content-type"] == "video/mp4"
        assert "media_objects" in made["properties"]

    def test_a_body_of_64_kilobytes_is_too_long(self, canvas: Pair) -> None:
        answer = create(canvas, recipients=[str(CLEO)], body="b" * 65536)
        assert answer.status_code == 400
        assert "body" in answer.json()["errors"]
        assert create(canvas, recipients=[str(CLEO)], body="b" * 65535).status_code == 201

    def test_a_group_one_does_not_know_has_no_people(self, canvas: Pair) -> None:
        answer = create(canvas, canvas.as_person(EVE), recipients=[f"group_{TEAM}"])
        assert answer.json() == [{"attribute": "recipients", "message": "invalid"}]
        assert create(canvas, recipients=["group_999"]).status_code == 400
        assert create(canvas, recipients=[f"course_{OLD}_teachers"]).status_code == 400

    def test_an_administrator_may_write_to_anyone_in_the_name_of_the_account(self, canvas: Pair) -> None:
        admin = Client(canvas.sandbox, canvas.sandbox.admin_token)
        canvas.opened.append(admin)
        (made,) = create(canvas, admin, recipients=[str(EVE)], context_code="account_1").json()
        assert made["context_code"] == "account_1"
        assert admin.show(made["id"])["context_name"] == "Account"
        answer = create(canvas, recipients=[str(CLEO)], context_code="account_1")
        assert answer.json() == [{"attribute": "context_code", "message": "invalid"}]

    def test_multipart_forms_are_read_too(self, canvas: Pair) -> None:
        parts = {"recipients[]": (None, str(CLEO)), "body": (None, "In parts")}
        answer = canvas.client.call("POST", "conversations", files=parts)
        assert answer.json()[0]["messages"][0]["body"] == "In parts"


class TestAddMessage:
    """A message is answered: section 1.9."""

    def reply(self, canvas: Pair, number: int, client: Client | None = None, **data: Any) -> httpx.Response:
        form = {"body": "A reply", **data}
        return (client or canvas.client).call("POST", f"conversations/{number}/add_message", form)

    def test_the_answer_is_the_conversation_with_the_new_message_alone(self, canvas: Pair) -> None:
        answer = self.reply(canvas, 101)
        assert answer.status_code == 200
        assert [one["body"] for one in answer.json()["messages"]] == ["A reply"]
        assert answer.json()["message_count"] == 3

    def test_an_own_reply_leaves_last_message_at_and_state(self, canvas: Pair) -> None:
        before = canvas.client.show(100)
        after = self.reply(canvas, 100).json()
        assert after["last_message_at"] == before["last_message_at"]
        assert after["workflow_state"] == "unread"
        assert after["last_message"] == "A reply"
        assert after["last_authored_message_at"] > before["last_authored_message_at"]
        assert canvas.client.ids("sent")[0] == 100
        assert canvas.client.ids("inbox") == [101, 100, 105, 104]

    def test_a_reply_to_an_archived_conversation_leaves_it_archived(self, canvas: Pair) -> None:
        assert self.reply(canvas, 102).json()["workflow_state"] == "archived"
        assert canvas.client.ids("archived") == [102]

    @pytest.mark.parametrize("body", ["", "  "])
    def test_a_blank_body(self, canvas: Pair, body: str) -> None:
        answer = self.reply(canvas, 101, body=body)
        assert (answer.status_code, answer.json()) == (
            400,
            [{"attribute": "empty_message", "message": "Unable to create message without a body"}],
        )

    def test_a_concluded_course_is_a_401_that_is_no_token_problem(self, canvas: Pair) -> None:
        answer = self.reply(canvas, 105)
        assert answer.status_code == 401
        assert answer.json() == [
            {"attribute": "workflow_state", "message": "Course concluded, unable to send messages"}
        ]
        assert "www-authenticate" not in answer.headers

    def test_replies_are_locked_for_those_who_left_the_course(self, canvas: Pair) -> None:
        number = canvas.school.start_conversation(
            DEE, [ADA, EVE], "Guests", "Hello", context_code=f"course_{BIO}"
        )
        answer = self.reply(canvas, number, canvas.as_person(EVE))
        assert (answer.status_code, answer.json()["status"]) == (403, "unauthorized")

    def test_people_outside_the_course_are_a_401(self, canvas: Pair) -> None:
        number = canvas.school.start_conversation(
            DEE, [ADA, EVE], "Guests", "Hello", context_code=f"course_{BIO}"
        )
        answer = self.reply(canvas, number, **{"recipients[]": [str(EVE)]})
        assert answer.status_code == 401
        assert answer.json()[0]["attribute"] == "recipients"
        assert "www-authenticate" not in answer.headers
        teacher = canvas.as_person(DEE)
        assert self.reply(canvas, number, teacher, **{"recipients[]": [str(EVE)]}).status_code == 200

    def test_included_messages_must_belong_here_and_be_ones_own(self, canvas: Pair) -> None:
        answer = self.reply(canvas, 101, **{"included_messages[]": ["1000"]})
        assert (answer.status_code, answer.json()) == (
            400,
            [{"attribute": "included_messages", "message": "not for this conversation"}],
        )
        secret = canvas.school.receive(101, BEN, "Between us", to_ids=[CLEO])
        answer = self.reply(canvas, 101, **{"included_messages[]": [str(secret)]})
        assert answer.json() == [{"attribute": "included_messages", "message": "not a participant"}]

    def test_named_recipients_alone_get_the_message(self, canvas: Pair) -> None:
        made = self.reply(canvas, 101, **{"recipients[]": [str(BEN)]}).json()
        assert sorted(made["messages"][0]["participating_user_ids"]) == [ADA, BEN]
        assert canvas.as_person(CLEO).show(101)["message_count"] == 2

    def test_new_people_join_a_group_and_see_only_what_comes_and_what_is_included(self, canvas: Pair) -> None:
        self.reply(canvas, 101, **{"recipients[]": [str(DEE)], "included_messages[]": ["1010"]})
        seen = canvas.as_person(DEE).show(101)
        assert [one["body"] for one in seen["messages"]] == ["A reply", "Lab on Friday?"]
        assert seen["message_count"] == 2
        assert seen["workflow_state"] == "unread"
        assert DEE in canvas.client.show(101)["audience"]

    def test_an_included_message_counts_once_and_returns_to_those_who_removed_it(self, canvas: Pair) -> None:
        ben = canvas.as_person(BEN)
        ben.call("POST", "conversations/101/remove_messages", {"remove[]": "1011"})
        self.reply(canvas, 101, **{"included_messages[]": ["1010", "1011"]})
        assert [one["id"] for one in ben.show(101)["messages"]][1:] == [1011, 1010]
        assert ben.show(101)["message_count"] == 3
        assert canvas.client.show(101)["message_count"] == 3

    def test_a_deleted_conversation_takes_replies_and_is_then_in_sent(self, canvas: Pair) -> None:
        canvas.school.owner_delete(101)
        answer = self.reply(canvas, 101)
        assert answer.status_code == 200
        assert answer.json()["message_count"] == 1
        assert 101 in canvas.client.ids("sent")
        assert 101 not in canvas.client.ids("inbox")

    def test_an_unknown_conversation(self, canvas: Pair) -> None:
        assert self.reply(canvas, 9999).status_code == 404

    def test_a_hundred_participants_queue_the_message(self, canvas: Pair) -> None:
        crowd = [canvas.school.add_person(f"Student {number}", course_ids=[BIO]) for number in range(98)]
        number = canvas.school.start_conversation(DEE, [ADA, *crowd], "All", "Hello")
        answer = self.reply(canvas, number)
        assert answer.status_code == 202
        assert answer.json()["messages"][0]["id"] == 0
        assert answer.json()["message_count"] == 1
        assert canvas.client.show(number)["message_count"] == 2

    def test_too_many_participants(self, canvas: Pair) -> None:
        crowd = [canvas.school.add_person(f"Student {number}", course_ids=[BIO]) for number in range(99)]
        recipients = {"recipients[]": [str(one) for one in crowd]}
        answer = self.reply(canvas, 104, **recipients)
        assert answer.json() == [
            {"attribute": "recipients", "message": "Too many participants for group conversation"}
        ]


class TestAddRecipients:
    """People are added: section 1.8."""

    def add(self, canvas: Pair, number: int, *people: int) -> httpx.Response:
        form = {"recipients[]": [str(one) for one in people]}
        return canvas.client.call("POST", f"conversations/{number}/add_recipients", form)

    def test_the_answer_carries_the_generated_message(self, canvas: Pair) -> None:
        answer = self.add(canvas, 101, DEE)
        assert answer.status_code == 200
        (message,) = answer.json()["messages"]
        assert message["generated"] is True
        assert message["body"] == "Dr. Dee was added to the conversation by Ada"

    def test_nothing_moves_for_those_already_there(self, canvas: Pair) -> None:
        before = canvas.client.show(101)
        after = self.add(canvas, 101, DEE).json()
        for field in ("message_count", "last_message_at", "workflow_state", "last_message"):
            assert after[field] == before[field]
        assert len(canvas.client.show(101)["messages"]) == before["message_count"] + 1

    def test_the_new_person_gets_everything_the_adder_could_see(self, canvas: Pair) -> None:
        self.add(canvas, 101, DEE)
        seen = canvas.as_person(DEE).show(101)
        assert [one["id"] for one in seen["messages"] if not one["generated"]] == [1011, 1010]
        assert (seen["message_count"], seen["workflow_state"]) == (2, "unread")
        assert seen["last_message_at"] == "2026-03-01T09:20:00Z"
        assert DEE in canvas.client.show(101)["messages"][-1]["participating_user_ids"]

    def test_nobody_to_add(self, canvas: Pair) -> None:
        answer = self.add(canvas, 101, EVE)
        assert (answer.status_code, answer.json()) == (400, {})

    def test_people_who_are_in_already_change_nothing(self, canvas: Pair) -> None:
        before = canvas.client.show(101)
        assert self.add(canvas, 101, BEN).status_code == 200
        assert canvas.client.show(101) == before

    def test_a_private_conversation_fails(self, canvas: Pair) -> None:
        answer = self.add(canvas, 100, BEN)
        assert answer.status_code == 500
        assert answer.json() == {
            "errors": [{"message": "An error occurred.", "error_code": "internal_server_error"}]
        }

    def test_too_many(self, canvas: Pair) -> None:
        crowd = [canvas.school.add_person(f"Student {number}", course_ids=[BIO]) for number in range(99)]
        assert self.add(canvas, 104, *crowd).json() == [
            {"attribute": "recipients", "message": "too many participants for group conversation"}
        ]

    def test_generated_text_follows_the_names_people_have_now(self, canvas: Pair) -> None:
        self.add(canvas, 101, DEE)
        canvas.school.rename(DEE, "Prof. Dee")
        assert canvas.client.show(101)["messages"][0]["body"].startswith("Prof. Dee was added")


class TestRemoveMessages:
    """Messages are removed: section 1.10."""

    def remove(self, canvas: Pair, number: int, *messages: int) -> httpx.Response:
        form = {"remove[]": [str(one) for one in messages]}
        return canvas.client.call("POST", f"conversations/{number}/remove_messages", form)

    def test_count_and_date_go_back(self, canvas: Pair) -> None:
        answer = self.remove(canvas, 101, 1011)
        assert answer.status_code == 200
        assert answer.json()["message_count"] == 1
        assert answer.json()["last_message_at"] == "2026-03-01T09:02:00Z"
        assert answer.json()["properties"] == []
        assert "messages" not in answer.json()
        assert [one["id"] for one in canvas.client.show(101)["messages"]] == [1010]

    def test_only_the_callers_view_changes_and_the_copy_is_still_counted_as_theirs(
        self, canvas: Pair
    ) -> None:
        self.remove(canvas, 101, 1011)
        seen = canvas.as_person(BEN).show(101)
        assert seen["message_count"] == 2
        assert ADA in seen["messages"][0]["participating_user_ids"]

    def test_unknown_ids_are_ignored(self, canvas: Pair) -> None:
        before = canvas.client.show(101)
        assert self.remove(canvas, 101, 77, 1000).status_code == 200
        assert canvas.client.show(101) == before

    def test_removing_everything_deletes_the_conversation(self, canvas: Pair) -> None:
        answer = self.remove(canvas, 101, 1010, 1011).json()
        assert (answer["message_count"], answer["last_message_at"], answer["starred"]) == (0, None, False)
        assert canvas.client.call("GET", "conversations/101").status_code == 404

    def test_generated_messages_do_not_stay_alone(self, canvas: Pair) -> None:
        canvas.school.add_people(101, BEN, [DEE])
        self.remove(canvas, 101, 1010, 1011)
        assert canvas.client.call("GET", "conversations/101").status_code == 404

    def test_sent_loses_a_conversation_without_own_messages(self, canvas: Pair) -> None:
        assert 100 in canvas.client.ids("sent")
        self.remove(canvas, 100, 1001)
        assert 100 not in canvas.client.ids("sent")
        assert 100 in canvas.client.ids("inbox")

    def test_without_the_parameter_the_answer_is_empty(self, canvas: Pair) -> None:
        answer = canvas.client.call("POST", "conversations/101/remove_messages")
        assert (answer.status_code, answer.content) == (204, b"")

    def test_an_unsubscribed_row_keeps_its_date_or_takes_the_one_before(self, canvas: Pair) -> None:
        canvas.school.owner_set(101, subscribed=False)
        later = canvas.school.receive(101, BEN, "Unheard")
        assert self.remove(canvas, 101, 1010).json()["last_message_at"] == "2026-03-01T09:20:00Z"
        row = self.remove(canvas, 101, 1011).json()
        assert row["last_message_at"] == "2026-03-01T19:00:00Z"  # nothing older is left
        assert [one["id"] for one in canvas.client.show(101)["messages"]] == [later]

    def test_a_removed_message_can_be_restored(self, canvas: Pair) -> None:
        self.remove(canvas, 101, 1011)
        canvas.school.restore_message(101, 1011)
        assert [one["id"] for one in canvas.client.show(101)["messages"]] == [1011, 1010]
        assert canvas.client.show(101)["message_count"] == 2
