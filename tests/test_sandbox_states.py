"""docs/canvas-behaviour.md 1.5 to 1.7, 2, 3 and 7.1: scopes and their orders, and what changes what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox_support import ADA, BEN, BIO, CLEO, DEE, TEAM, Pair, at, running


@pytest.fixture
def canvas() -> Iterator[Pair]:
    with running() as pair:
        yield pair


def put(canvas: Pair, number: int, **fields: Any) -> Any:
    form = {f"conversation[{name}]": value for name, value in fields.items()}
    answer = canvas.client.call("PUT", f"conversations/{number}", form)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestScopes:
    """The five scopes and their orders: section 2."""

    def test_the_five_scopes(self, canvas: Pair) -> None:
        ids = canvas.client.ids
        assert ids("inbox") == [101, 100, 105, 104]
        assert ids("unread") == [100, 105]
        assert ids("archived") == [102]
        assert ids("sent") == [103, 100]
        assert ids("starred") == [101]

    def test_an_archived_conversation_without_answer_stays_in_sent_alone(self, canvas: Pair) -> None:
        assert put(canvas, 103, workflow_state="archived")["workflow_state"] == "archived"
        assert 103 in canvas.client.ids("sent")
        assert 103 not in canvas.client.ids("archived") + canvas.client.ids("inbox")

    def test_an_unanswered_starred_one_is_in_sent_and_starred(self, canvas: Pair) -> None:
        put(canvas, 103, starred="true")
        assert canvas.client.ids("starred") == [103, 101]

    def test_starred_is_ordered_by_the_last_change_of_the_row(self, canvas: Pair) -> None:
        put(canvas, 104, starred="1")
        put(canvas, 100, starred="1")
        assert canvas.client.ids("starred") == [100, 104, 101]
        put(canvas, 101, workflow_state="unread")
        assert canvas.client.ids("starred") == [101, 100, 104]

    def test_opening_an_unread_one_moves_it_among_the_starred(self, canvas: Pair) -> None:
        put(canvas, 100, starred="1")
        put(canvas, 104, starred="1")
        canvas.client.get("conversations/100")
        assert canvas.client.ids("starred") == [100, 104, 101]

    def test_a_new_message_does_not_move_it_among_the_starred(self, canvas: Pair) -> None:
        put(canvas, 104, starred="1")
        canvas.school.receive(101, BEN, "News")
        assert canvas.client.ids("starred") == [104, 101]

    def test_one_second_is_shared_and_the_higher_id_comes_first(self, canvas: Pair) -> None:
        canvas.school.tick = timedelta(0)
        canvas.school.receive(100, DEE, "One")
        canvas.school.receive(104, DEE, "Two")
        canvas.school.receive(101, BEN, "Three")
        assert canvas.client.ids()[:3] == [104, 101, 100]
        dates = {row["last_message_at"] for row in canvas.client.get("conversations", per_page=3)}
        assert dates == {"2026-03-01T19:00:00Z"}

    def test_every_conversation_is_in_inbox_archived_sent_or_starred(self, canvas: Pair) -> None:
        union = {
            one for scope in ("inbox", "archived", "sent", "starred") for one in canvas.client.ids(scope)
        }
        assert union == set(canvas.school.truth())

    def test_removing_one_message_of_an_unanswered_conversation_empties_its_row(self, canvas: Pair) -> None:
        first = canvas.school.own_reply(103, "Hello?")
        canvas.school.owner_remove_messages(103, [first])
        assert 103 not in canvas.client.ids("sent") + canvas.client.ids("inbox")
        canvas.school.receive(103, CLEO, "Yes")
        assert canvas.client.ids()[0] == 103


class TestUpdate:
    """An update, and the states it leads to: sections 1.5 and 3."""

    def test_the_answer_has_no_messages_and_no_context_name(self, canvas: Pair) -> None:
        row = put(canvas, 100, starred="true")
        assert "messages" not in row
        assert "context_name" not in row
        assert row["context_code"] == f"course_{BIO}"

    @pytest.mark.parametrize("word", ["true", "1", "yes", "y", "t", "on", "2", "-1"])
    def test_words_for_true(self, canvas: Pair, word: str) -> None:
        assert put(canvas, 100, starred=word)["starred"] is True

    @pytest.mark.parametrize("word", ["false", "0", "no", "n", "f", "off", "", "junk"])
    def test_words_for_false_and_junk_unstar(self, canvas: Pair, word: str) -> None:
        assert put(canvas, 101, starred=word)["starred"] is False

    @pytest.mark.parametrize("state", ["bogus", "", "READ"])
    def test_an_unknown_state_silently_becomes_unread(self, canvas: Pair, state: str) -> None:
        assert put(canvas, 101, workflow_state=state)["workflow_state"] == "unread"

    def test_absent_fields_are_left_alone(self, canvas: Pair) -> None:
        before = canvas.client.show(101)
        row = put(canvas, 101, subject="Another")
        assert (row["subject"], row["starred"], row["workflow_state"]) == ("Lab", True, "read")
        assert canvas.client.show(101) == before

    def test_missing_conversation(self, canvas: Pair) -> None:
        answer = canvas.client.call("PUT", "conversations/101", {"workflow_state": "read"})
        assert (answer.status_code, answer.json()) == (
            400,
            {"errors": [{"message": "conversation is missing"}]},
        )

    def test_a_conversation_that_is_no_object_fails(self, canvas: Pair) -> None:
        answer = canvas.client.call("PUT", "conversations/101", json={"conversation": "archived"})
        assert answer.status_code == 500

    def test_a_body_that_is_a_list_has_no_parameters(self, canvas: Pair) -> None:
        assert canvas.client.call("PUT", "conversations/101", json=["archived"]).status_code == 400

    def test_resubscribing_to_a_deleted_conversation_leaves_it_deleted(self, canvas: Pair) -> None:
        canvas.school.owner_set(101, subscribed=False)
        canvas.school.owner_delete(101)
        canvas.school.owner_set(101, subscribed=True)
        assert canvas.client.call("GET", "conversations/101").status_code == 404

    def test_json_bodies_work_too(self, canvas: Pair) -> None:
        body = {"conversation": {"workflow_state": "archived", "starred": True}}
        row = canvas.client.call("PUT", "conversations/100", json=body).json()
        assert (row["workflow_state"], row["starred"]) == ("archived", True)

    def test_archiving_moves_it_to_its_place_by_date_and_keeps_the_star(self, canvas: Pair) -> None:
        row = put(canvas, 101, workflow_state="archived")
        assert row["last_message_at"] == "2026-03-01T09:20:00Z"
        assert canvas.client.ids("archived") == [101, 102]
        assert canvas.client.ids("starred") == [101]
        put(canvas, 101, workflow_state="read")
        assert canvas.client.ids("inbox") == [101, 100, 105, 104]

    def test_unread_count_follows(self, canvas: Pair) -> None:
        put(canvas, 101, workflow_state="unread")
        assert canvas.client.get("conversations/unread_count") == {"unread_count": "3"}
        put(canvas, 101, workflow_state="archived")
        put(canvas, 100, workflow_state="read")
        assert canvas.client.get("conversations/unread_count") == {"unread_count": "1"}

    def test_unsubscribing_makes_unread_read(self, canvas: Pair) -> None:
        put(canvas, 101, workflow_state="unread")
        row = put(canvas, 101, subscribed="false")
        assert (row["subscribed"], row["workflow_state"]) == (False, "read")

    def test_an_explicit_state_outranks_the_subscription(self, canvas: Pair) -> None:
        row = put(canvas, 101, subscribed="false", workflow_state="unread")
        assert (row["subscribed"], row["workflow_state"]) == (False, "unread")

    def test_private_conversations_ignore_the_subscription(self, canvas: Pair) -> None:
        assert put(canvas, 100, subscribed="false")["subscribed"] is True

    def test_unsubscribed_messages_only_count(self, canvas: Pair) -> None:
        put(canvas, 101, subscribed="0")
        canvas.school.receive(101, BEN, "Unheard")
        row = canvas.client.show(101)
        assert (row["message_count"], row["workflow_state"]) == (3, "read")
        assert row["last_message_at"] == "2026-03-01T09:20:00Z"
        assert row["last_message"] == "Unheard"

    def test_resubscribing_catches_up_and_makes_unread_even_in_the_archive(self, canvas: Pair) -> None:
        put(canvas, 101, subscribed="0")
        put(canvas, 101, workflow_state="archived")
        canvas.school.receive(101, BEN, "Unheard")
        row = put(canvas, 101, subscribed="1")
        assert row["workflow_state"] == "unread"
        assert row["last_message_at"] == "2026-03-01T19:00:00Z"

    def test_resubscribing_with_nothing_new_changes_nothing_else(self, canvas: Pair) -> None:
        put(canvas, 101, subscribed="0")
        assert put(canvas, 101, subscribed="1")["workflow_state"] == "read"


class TestArrivals:
    """What a new message changes in the person's row: section 7.1."""

    def test_a_message_makes_unread_and_comes_to_the_top(self, canvas: Pair) -> None:
        canvas.school.receive(104, DEE, "News")
        row = canvas.client.get("conversations", per_page=1)[0]
        assert (row["id"], row["workflow_state"], row["message_count"]) == (104, "unread", 2)
        assert row["last_message_at"] == "2026-03-01T19:00:00Z"

    def test_an_archived_conversation_comes_back_unread(self, canvas: Pair) -> None:
        canvas.school.receive(102, BEN, "News")
        assert canvas.client.ids("archived") == []
        assert canvas.client.ids("unread")[0] == 102

    def test_the_first_answer_brings_an_unanswered_one_into_the_inbox(self, canvas: Pair) -> None:
        canvas.school.receive(103, CLEO, "Yes!")
        assert canvas.client.ids()[0] == 103

    def test_a_reply_by_e_mail_moves_the_senders_own_row(self, canvas: Pair) -> None:
        put(canvas, 102, workflow_state="archived")
        canvas.school.own_reply(102, "From my phone", by_email=True)
        row = canvas.client.show(102)
        assert (row["workflow_state"], row["last_message_at"]) == ("read", "2026-03-01T19:00:00Z")

    def test_a_message_between_others_is_not_there(self, canvas: Pair) -> None:
        before = canvas.client.show(101)
        canvas.school.receive(101, BEN, "Not for Ada", to_ids=[CLEO])
        after = canvas.client.show(101)
        assert after["message_count"] == before["message_count"]
        assert after["messages"] == before["messages"]

    def test_added_people_change_the_audience_alone(self, canvas: Pair) -> None:
        before = canvas.client.get("conversations", per_page=1)[0]
        canvas.school.add_people(101, BEN, [DEE])
        after = canvas.client.get("conversations", per_page=1)[0]
        assert sorted(after.pop("audience")) == [BEN, CLEO, DEE]
        changed = {name for name in after if after[name] != before[name]}
        assert changed == {"participants"}

    def test_a_rename_shows_everywhere(self, canvas: Pair) -> None:
        canvas.school.rename(BEN, "Benjamin", "Benjamin Okri")
        people = canvas.client.show(101)["participants"]
        assert {"Benjamin", "Benjamin Okri"} <= {one["name"] for one in people} | {
            one["full_name"] for one in people
        }

    def test_shared_messages_count(self, canvas: Pair) -> None:
        hidden = canvas.school.receive(101, BEN, "Earlier", to_ids=[CLEO])
        canvas.school.share(101, [hidden], [ADA])
        assert canvas.client.show(101)["message_count"] == 3

    def test_a_message_may_be_dated_in_the_past(self, canvas: Pair) -> None:
        canvas.school.receive(104, DEE, "Imported", at=at(1))
        assert [one["body"] for one in canvas.client.show(104)["messages"]] == ["See below", "Imported"]

    def test_the_known_defect_that_reverts_an_archiving(self, canvas: Pair) -> None:
        put(canvas, 101, workflow_state="archived")
        canvas.school.revert_archive(101)
        assert canvas.client.show(101)["workflow_state"] == "unread"


class TestDeletion:
    """A conversation is deleted: section 1.7."""

    def test_the_answer_describes_an_empty_row(self, canvas: Pair) -> None:
        row = canvas.client.call("DELETE", "conversations/100").json()
        assert row["visible"] is False
        assert row["message_count"] == 0
        assert row["starred"] is False
        assert row["properties"] == []
        assert row["workflow_state"] == "read"  # it was unread
        assert row["audience_contexts"] == {"courses": {}, "groups": {}}
        for name in ("last_message", "last_message_at", "last_authored_message", "last_authored_message_at"):
            assert row[name] is None

    def test_an_archived_one_stays_archived_underneath(self, canvas: Pair) -> None:
        assert canvas.client.call("DELETE", "conversations/102").json()["workflow_state"] == "archived"

    def test_it_is_gone_from_every_scope_and_address(self, canvas: Pair) -> None:
        canvas.client.call("DELETE", "conversations/101")
        for scope in ("inbox", "unread", "archived", "sent", "starred"):
            assert 101 not in canvas.client.ids(scope)
        for method in ("GET", "PUT", "DELETE"):
            answer = canvas.client.call(method, "conversations/101", {"conversation[starred]": "1"})
            assert answer.status_code == 404
            assert answer.json() == {"errors": [{"message": "The specified resource does not exist."}]}

    def test_others_keep_it(self, canvas: Pair) -> None:
        canvas.client.call("DELETE", "conversations/101")
        assert canvas.as_person(BEN).show(101)["message_count"] == 2

    def test_a_new_message_brings_the_same_id_back_with_that_message_alone(self, canvas: Pair) -> None:
        canvas.client.call("DELETE", "conversations/101")
        canvas.school.receive(101, BEN, "Again")
        row = canvas.client.show(101)
        assert [one["body"] for one in row["messages"]] == ["Again"]
        assert (row["message_count"], row["workflow_state"]) == (1, "unread")

    def test_the_unread_count_goes_down(self, canvas: Pair) -> None:
        canvas.client.call("DELETE", "conversations/100")
        assert canvas.client.get("conversations/unread_count") == {"unread_count": "1"}

    def test_deleted_for_all_vanishes_from_everyone(self, canvas: Pair) -> None:
        assert canvas.client.ids("starred") == [101]
        canvas.school.delete_for_all(101)
        assert canvas.client.call("GET", "conversations/101").status_code == 404
        assert canvas.as_person(BEN).call("GET", "conversations/101").status_code == 404
        assert 101 not in canvas.client.ids() + canvas.client.ids("starred")
        canvas.school.delete_for_all(102)
        made = canvas.school.start_conversation(BEN, [ADA], None, "Afresh", private=True)
        assert made != 102

    def test_a_deleted_conversation_can_be_restored(self, canvas: Pair) -> None:
        before = [one["id"] for one in canvas.client.show(101)["messages"]]
        canvas.school.owner_delete(101)
        canvas.school.restore_conversation(101)
        assert [one["id"] for one in canvas.client.show(101)["messages"]] == before


class TestMarkAllAsRead:
    """Everything is marked as read: section 1.6."""

    def test_everything_unread_is_read_and_nothing_else_changes(self, canvas: Pair) -> None:
        starred = [put(canvas, number, starred="1") for number in (100, 105)]
        assert starred
        before = canvas.client.ids("starred")
        answer = canvas.client.call("POST", "conversations/mark_all_as_read")
        assert (answer.status_code, answer.json()) == (200, {})
        assert canvas.client.ids("unread") == []
        assert canvas.client.ids("archived") == [102]
        assert canvas.client.ids("starred") == before
        assert canvas.client.get("conversations/unread_count") == {"unread_count": "0"}


def test_ids_in_paths_that_are_no_ids_find_nothing(canvas: Pair) -> None:
    for text in ("abc", "0", "1~", "99999999999999999999"):
        assert canvas.client.call("GET", f"conversations/{text}").status_code == 404


def test_the_owner_can_act_elsewhere(canvas: Pair) -> None:
    canvas.school.owner_set(100, workflow_state="archived", starred=True)
    canvas.school.owner_set(101, subscribed=False)
    assert canvas.client.ids("archived") == [100, 102]
    assert 100 in canvas.client.ids("starred")
    assert canvas.client.show(101)["subscribed"] is False


def test_others_start_conversations(canvas: Pair) -> None:
    number = canvas.school.start_conversation(
        BEN, [ADA, CLEO], "Study", "Tonight?", context_code=f"group_{TEAM}"
    )
    assert canvas.client.ids()[0] == number
    assert canvas.client.show(number)["subject"] == "Study"
    again = canvas.school.start_conversation(BEN, [ADA], None, "Psst", private=True)
    assert again == 102  # the private one they have
