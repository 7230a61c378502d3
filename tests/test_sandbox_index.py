"""docs/canvas-behaviour.md 1.1: what a list of conversations looks like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from canvas_archive.sandbox.addressing import user_uuid
from tests.sandbox_support import ADA, BEN, BIO, CLEO, DEE, EVE, PDF, TEAM, Pair, running

INDEX_FIELDS = {
    "id",
    "subject",
    "workflow_state",
    "last_message",
    "last_message_at",
    "last_authored_message",
    "last_authored_message_at",
    "message_count",
    "subscribed",
    "private",
    "starred",
    "properties",
    "audience",
    "audience_contexts",
    "avatar_url",
    "participants",
    "visible",
    "context_name",
    "context_code",
}


@pytest.fixture
def canvas() -> Iterator[Pair]:
    with running() as pair:
        yield pair


def rows(canvas: Pair, **params: Any) -> dict[int, Any]:
    return {row["id"]: row for row in canvas.client.get("conversations", per_page=100, **params)}


def test_a_row_has_exactly_the_documented_fields(canvas: Pair) -> None:
    assert {frozenset(row) for row in rows(canvas).values()} == {frozenset(INDEX_FIELDS)}


@pytest.mark.parametrize("scope", ["inbox", "default", "nonsense", ""])
def test_any_unknown_scope_is_the_inbox(canvas: Pair, scope: str) -> None:
    assert canvas.client.ids(scope) == [101, 100, 105, 104]


def test_no_scope_at_all_is_the_inbox(canvas: Pair) -> None:
    assert list(rows(canvas)) == [101, 100, 105, 104]


def test_previews_are_cut_to_97_characters_and_three_dots(canvas: Pair) -> None:
    row = rows(canvas)[100]
    assert row["last_message"] == "x" * 97 + "..."
    assert row["last_authored_message"] == "Thank you!"
    assert row["last_authored_message_at"] == "2026-03-01T09:01:00Z"


def test_a_body_of_exactly_100_characters_is_not_cut(canvas: Pair) -> None:
    canvas.school.receive(101, BEN, "y" * 100)
    assert rows(canvas)[101]["last_message"] == "y" * 100


def test_last_message_is_null_without_last_message_at(canvas: Pair) -> None:
    row = rows(canvas, scope="sent")[103]
    assert (row["last_message"], row["last_message_at"]) == (None, None)
    assert row["last_authored_message"] == "Are you there?"


def test_last_message_can_be_newer_than_last_message_at(canvas: Pair) -> None:
    canvas.school.own_reply(100, "My answer")
    row = rows(canvas)[100]
    assert row["last_message"] == "My answer"
    assert row["last_message_at"] == "2026-03-01T09:10:00Z"


def test_properties_name_the_flags_that_are_true(canvas: Pair) -> None:
    found = rows(canvas)
    assert found[100]["properties"] == ["attachments"]
    assert found[101]["properties"] == ["media_objects"]
    assert found[104]["properties"] == []
    canvas.school.own_reply(104, "Mine")
    assert rows(canvas)[104]["properties"] == ["last_author"]


def test_starred_and_subscribed_are_always_booleans(canvas: Pair) -> None:
    for row in rows(canvas).values():
        assert isinstance(row["starred"], bool)
        assert isinstance(row["subscribed"], bool)


def test_the_audience_leaves_out_the_caller_and_puts_latest_writers_first(canvas: Pair) -> None:
    found = rows(canvas)
    assert found[101]["audience"] == [CLEO, BEN]
    assert found[104]["audience"] == [DEE, BEN]  # Ben never wrote: after those who did
    canvas.school.receive(101, BEN, "Later")
    assert rows(canvas)[101]["audience"] == [BEN, CLEO]


def test_participants_include_the_caller_without_avatars_or_contexts(canvas: Pair) -> None:
    people = rows(canvas)[100]["participants"]
    assert {one["id"] for one in people} == {ADA, DEE}
    assert [one for one in people if one["id"] == ADA] == [
        {"id": ADA, "name": "Ada", "full_name": "Ada Lovelace", "pronouns": "she/her"}
    ]
    assert next(one for one in people if one["id"] == DEE)["pronouns"] is None


def test_include_participant_avatars_and_uuid(canvas: Pair) -> None:
    params = {"include[]": ["participant_avatars", "uuid"]}
    person = rows(canvas, **params)[100]["participants"][0]
    assert person["avatar_url"].startswith(canvas.sandbox.url)
    assert isinstance(person["uuid"], str)


def test_audience_contexts_have_roles_only_for_a_single_other_person(canvas: Pair) -> None:
    found = rows(canvas)
    assert found[100]["audience_contexts"] == {"courses": {str(BIO): ["TeacherEnrollment"]}, "groups": {}}
    assert found[101]["audience_contexts"] == {"courses": {str(BIO): []}, "groups": {str(TEAM): []}}


def test_roles_can_be_left_out(canvas: Pair) -> None:
    found = rows(canvas, include_private_conversation_enrollments="false")
    assert found[100]["audience_contexts"]["courses"] == {str(BIO): []}


def test_a_note_to_self_has_no_audience_and_empty_contexts(canvas: Pair) -> None:
    canvas.client.call("POST", "conversations", {"recipients[]": str(ADA), "body": "Milk"})
    row = next(one for one in rows(canvas, scope="sent").values() if one["audience"] == [])
    assert row["audience_contexts"] == {"courses": {}, "groups": {}}
    assert row["last_message_at"] is None


def test_the_group_picture_is_for_three_people_and_more(canvas: Pair) -> None:
    found = rows(canvas)
    assert found[101]["avatar_url"].endswith("avatar-group-50.png")
    assert found[100]["avatar_url"].endswith("avatar-50.png")


def test_context_name_and_code(canvas: Pair) -> None:
    found = rows(canvas)
    assert (found[100]["context_code"], found[100]["context_name"]) == (f"course_{BIO}", "Biology 101")
    assert (found[101]["context_code"], found[101]["context_name"]) == (f"group_{TEAM}", "Team Fern")
    assert found[104]["context_code"] is None
    assert found[104]["context_name"] == "Biology 101"  # the first course all of them share


def test_an_administrator_sees_the_account_as_context(canvas: Pair) -> None:
    school, admin = canvas.school, canvas.school.admin_id
    number = school.start_conversation(admin, [ADA], "Hello", "From the office", context_code=f"course_{BIO}")
    school.receive(number, ADA, "Yes?")
    headers = {"Authorization": f"Bearer {canvas.sandbox.admin_token}"}
    row = canvas.client.http.get("/api/v1/conversations", headers=headers).json()[0]
    assert row["context_code"] == "account_1"


def test_beta_only_when_asked(canvas: Pair) -> None:
    assert rows(canvas, include_beta="1")[100]["beta"] is True
    assert rows(canvas, include_beta="1")[104]["beta"] is False


@pytest.mark.parametrize("value", ["1", "true", "false", "0", ""])
def test_any_present_value_turns_all_ids_on(canvas: Pair, value: str) -> None:
    answer = canvas.client.get("conversations", include_all_conversation_ids=value, per_page=1)
    assert [row["id"] for row in answer["conversations"]] == [101]
    assert answer["conversation_ids"] == [101, 100, 105, 104]


@pytest.mark.parametrize(
    ("filters", "mode", "expected"),
    [
        ([f"course_{BIO}"], None, [101, 100, 104]),
        ([f"group_{TEAM}"], None, [101, 104]),
        ([f"user_{CLEO}"], None, [101]),
        ([f"user_{CLEO}", f"user_{DEE}"], None, [101, 100, 104]),
        ([f"user_{CLEO}", f"user_{BEN}"], "and", [101]),
        ([f"course_{BIO}", f"user_{DEE}"], "and", [100, 104]),
        (["course_999"], None, []),
        ([f"uuid:{user_uuid(CLEO)}"], None, [101]),
        ([""], None, [101, 100, 105, 104]),
    ],
)
def test_filters_narrow_the_list(
    canvas: Pair, filters: list[str], mode: str | None, expected: list[int]
) -> None:
    params: dict[str, Any] = {"filter[]": filters} | ({"filter_mode": mode} if mode else {})
    if filters == [""]:
        params["filter"] = params.pop("filter[]")[0]
    assert list(rows(canvas, **params)) == expected


def test_the_id_list_follows_the_filter(canvas: Pair) -> None:
    answer = canvas.client.get(
        "conversations", filter=f"user_{CLEO}", include_all_conversation_ids=1, per_page=10
    )
    assert answer["conversation_ids"] == [101]


def test_an_unknown_filter_mode_is_refused(canvas: Pair) -> None:
    answer = canvas.client.call("GET", "conversations?filter_mode=xor")
    assert answer.status_code == 400
    assert answer.json() == [{"attribute": "filter_mode", "message": "invalid"}]


def test_a_row_without_its_conversation_shortens_the_page_but_not_the_id_list(canvas: Pair) -> None:
    canvas.school.orphan(100)
    answer = canvas.client.get("conversations", per_page=2, include_all_conversation_ids=1)
    assert [row["id"] for row in answer["conversations"]] == [101]
    assert answer["conversation_ids"] == [101, 100, 105, 104]
    assert canvas.client.call("GET", "conversations/100").status_code == 404


def test_a_list_marks_nothing_as_read(canvas: Pair) -> None:
    before = canvas.school.unread_count
    rows(canvas)
    assert canvas.school.unread_count == before == 2


def test_unread_count_is_text(canvas: Pair) -> None:
    assert canvas.client.get("conversations/unread_count") == {"unread_count": "2"}


class TestRecipients:
    """Who can be written to: section 1.12."""

    def test_nothing_asked_finds_nothing(self, canvas: Pair) -> None:
        assert canvas.client.get("search/recipients") == []
        assert canvas.client.get("search/recipients", context="nonsense") == []

    def test_both_addresses_answer_alike(self, canvas: Pair) -> None:
        new = canvas.client.get("search/recipients", search="b")
        assert new == canvas.client.get("conversations/find_recipients", search="b")
        assert [one["id"] for one in new] == [f"course_{BIO}", BEN]

    def test_a_person(self, canvas: Pair) -> None:
        (person,) = canvas.client.get("search/recipients", search="dora")
        assert person == {
            "id": DEE,
            "name": "Dr. Dee",
            "full_name": "Dora Dee",
            "pronouns": None,
            "common_courses": {str(BIO): ["TeacherEnrollment"]},
            "common_groups": {},
            "avatar_url": f"{canvas.sandbox.url}/images/messages/avatar-50.png",
        }

    def test_a_context(self, canvas: Pair) -> None:
        (team,) = canvas.client.get("search/recipients", search="fern")
        assert team["id"] == f"group_{TEAM}"
        assert team["type"] == "context"
        assert team["user_count"] == 2
        assert team["permissions"] == {}
        assert team["context_name"] == "Biology 101"

    def test_nobody_who_shares_nothing(self, canvas: Pair) -> None:
        assert canvas.client.get("search/recipients", search="eve") == []
        assert canvas.client.get("search/recipients", user_id=EVE) == []

    def test_within_a_context_and_by_kind(self, canvas: Pair) -> None:
        found = canvas.client.get("search/recipients", context=f"course_{BIO}_teachers")
        assert [one["id"] for one in found] == [DEE]
        found = canvas.client.get("search/recipients", search="", type="context")
        assert [one["id"] for one in found] == [f"course_{BIO}", f"group_{TEAM}"]
        found = canvas.client.get("search/recipients", **{"search": "", "types[]": ["user"]})
        assert [one["id"] for one in found] == [ADA, BEN, CLEO, DEE]

    def test_exclude_and_user_id(self, canvas: Pair) -> None:
        params = {"search": "", "type": "user", "exclude[]": [str(BEN), str(CLEO)]}
        assert [one["id"] for one in canvas.client.get("search/recipients", **params)] == [ADA, DEE]
        assert [one["id"] for one in canvas.client.get("search/recipients", user_id=BEN)] == [BEN]

    def test_a_made_up_bookmark_is_a_404(self, canvas: Pair) -> None:
        for name in ("bookmark:!", "seven"):
            answer = canvas.client.call("GET", f"search/recipients?search=&page={name}")
            assert answer.status_code == 404

    def test_kinds_of_contexts(self, canvas: Pair) -> None:
        found = canvas.client.get("search/recipients", search="", type="group")
        assert [one["id"] for one in found] == [f"group_{TEAM}"]

    def test_pages_are_bookmarks_without_a_last_one(self, canvas: Pair) -> None:
        found: list[int] = []
        url = "/api/v1/search/recipients?search=&type=user&per_page=3"
        pages = 0
        while url:
            answer = canvas.client.http.get(url)
            assert "last" not in answer.links
            found += [one["id"] for one in answer.json()]
            url = answer.links.get("next", {}).get("url", "")
            pages += 1
        assert found == [ADA, BEN, CLEO, DEE]
        assert pages == 2


def test_a_deleted_attachment_shows_nowhere_in_the_list(canvas: Pair) -> None:
    before = rows(canvas)[100]
    canvas.school.delete_file(PDF)
    assert rows(canvas)[100] == before
