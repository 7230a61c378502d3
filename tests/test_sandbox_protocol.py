"""docs/canvas-behaviour.md 6: pages, throttling, tokens, masquerading, ids, who am I."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from canvas_archive.sandbox.paging import PageParams, link_header
from canvas_archive.sandbox.throttle import Throttle
from tests.sandbox_support import ADA, BEN, BIO, DEE, EVE, OLD, Pair, running


@pytest.fixture
def canvas() -> Iterator[Pair]:
    with running() as pair:
        yield pair


def fetch(canvas: Pair, path: str, token: str | None = None, **params: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return canvas.client.http.get(f"/api/v1/{path}", params=params or None, headers=headers)


class TestPages:
    """Pages and the links between them: section 6.1."""

    def fill(self, canvas: Pair, count: int) -> None:
        for number in range(count):
            canvas.school.start_conversation(BEN, [ADA], f"Subject {number}", "Text")

    @pytest.mark.parametrize(
        ("wanted", "given"),
        [(None, 10), ("5", 5), ("0", 1), ("-3", 1), ("abc", 1), ("", 1), ("1000", 100), ("100", 100)],
    )
    def test_per_page_is_10_and_clamped_to_1_and_100(
        self, canvas: Pair, wanted: str | None, given: int
    ) -> None:
        self.fill(canvas, 120)
        params = {} if wanted is None else {"per_page": wanted}
        answer = fetch(canvas, "conversations", **params)
        assert len(answer.json()) == given
        assert f"per_page={given}>" in answer.headers["link"]

    def test_the_link_header_in_its_order(self, canvas: Pair) -> None:
        answer = fetch(canvas, "conversations", per_page=1, page=2)
        url = f"{canvas.sandbox.url}/api/v1/conversations"
        assert answer.headers["link"] == ",".join(
            [
                f'<{url}?page=2&per_page=1>; rel="current"',
                f'<{url}?page=3&per_page=1>; rel="next"',
                f'<{url}?page=1&per_page=1>; rel="prev"',
                f'<{url}?page=1&per_page=1>; rel="first"',
                f'<{url}?page=4&per_page=1>; rel="last"',
            ]
        )

    def test_no_prev_on_the_first_and_no_next_on_the_last(self, canvas: Pair) -> None:
        assert set(fetch(canvas, "conversations", per_page=2).links) == {"current", "next", "first", "last"}
        last = fetch(canvas, "conversations", per_page=2, page=2)
        assert set(last.links) == {"current", "prev", "first", "last"}

    def test_other_params_are_kept_and_the_token_is_not(self, canvas: Pair) -> None:
        token = canvas.sandbox.token
        path = f"conversations?include[]=uuid&scope=inbox&per_page=1&access_token={token}&api_key=k"
        answer = canvas.client.call("GET", path)
        following = answer.links["next"]["url"]
        assert following.endswith("/conversations?include%5B%5D=uuid&scope=inbox&page=2&per_page=1")
        assert token not in answer.headers["link"]

    def test_the_json_suffix_is_dropped(self, canvas: Pair) -> None:
        answer = fetch(canvas, "conversations.json", per_page=1)
        assert answer.links["next"]["url"].startswith(f"{canvas.sandbox.url}/api/v1/conversations?")

    def test_following_the_links_yields_everything_once(self, canvas: Pair) -> None:
        self.fill(canvas, 23)
        url, found = "/api/v1/conversations?per_page=7", []
        while url:
            answer = canvas.client.http.get(url)
            found += [row["id"] for row in answer.json()]
            url = answer.links.get("next", {}).get("url", "")
        assert found == canvas.school.ids("inbox")
        assert len(found) == 27

    def test_a_page_past_the_end_is_empty(self, canvas: Pair) -> None:
        answer = fetch(canvas, "conversations", page=50)
        assert answer.json() == []
        assert "next" not in answer.links

    @pytest.mark.parametrize("page", ["0", "-1", "two"])
    def test_a_page_that_is_no_number_is_a_404(self, canvas: Pair, page: str) -> None:
        assert fetch(canvas, "conversations", page=page).status_code == 404

    def test_links_beyond_six_kilobytes_are_left_out_by_priority(self) -> None:
        query = (("filter[]", "course_" + "1" * 1900),)
        header = link_header("http://canvas/api/v1/conversations", query, PageParams(2, 10), 100)
        assert [part.rpartition("rel=")[2] for part in header.split(",")] == ['"next"', '"prev"', '"last"']


class TestThrottle:
    """The bucket that fills, and what a client then gets: section 6.2."""

    def test_headers_come_with_every_answer(self, canvas: Pair) -> None:
        answer = fetch(canvas, "users/self")
        assert float(answer.headers["x-request-cost"]) > 0
        assert 599 < float(answer.headers["x-rate-limit-remaining"]) <= 600

    def test_the_twelfth_request_at_once_on_an_empty_bucket_is_refused(self) -> None:
        throttle = Throttle(lambda: 0.0, enforced=True)
        assert [throttle.admit("token") for _ in range(12)] == [True] * 11 + [False]

    def test_the_up_front_cost_is_given_back(self) -> None:
        throttle = Throttle(lambda: 0.0, enforced=True)
        for _ in range(50):
            assert throttle.admit("token")
            throttle.settle("token", 0.5)
        assert throttle.remaining("token") == 575.0

    def test_ten_units_leak_each_second_and_the_level_has_a_ceiling(self) -> None:
        now = [0.0]
        throttle = Throttle(lambda: now[0], enforced=True)
        throttle.fill("token", 5000)
        assert throttle.remaining("token") == -200.0
        now[0] = 30.0
        assert throttle.remaining("token") == 100.0
        assert throttle.admit("token")

    def test_an_hour_of_rest_empties_the_bucket(self) -> None:
        now = [0.0]
        throttle = Throttle(lambda: now[0])
        throttle.outflow = 0.0
        throttle.fill("token", 500)
        now[0] = 3601.0
        assert throttle.remaining("token") == 600.0

    def test_a_full_bucket_is_refused_with_429_and_no_cost(self) -> None:
        with running(throttle=True) as canvas:
            canvas.sandbox.throttle.outflow = 0.0
            canvas.sandbox.throttle.fill(canvas.sandbox.token, 580)
            answer = fetch(canvas, "users/self")
            assert answer.status_code == 429
            assert "Rate Limit Exceeded" in answer.text
            assert "x-request-cost" not in answer.headers
            # taken after the up-front cost went back, so it can look as if there were room
            assert float(answer.headers["x-rate-limit-remaining"]) == 20.0

    def test_requests_in_flight_hold_their_up_front_cost(self) -> None:
        inside, release = threading.Semaphore(0), threading.Event()

        async def pause(seconds: float) -> None:
            inside.release()
            while not release.is_set():
                await asyncio.sleep(0.001)

        with running(throttle=True, latency=1) as canvas, ThreadPoolExecutor(11) as pool:
            canvas.sandbox.app.pause = pause
            canvas.sandbox.throttle.outflow = 0.0
            waiting = [pool.submit(fetch, canvas, "users/self") for _ in range(11)]
            for _ in waiting:
                assert inside.acquire(timeout=10)
            try:
                assert fetch(canvas, "users/self").status_code == 429
            finally:
                release.set()
            assert {one.result(10).status_code for one in waiting} == {200}
            assert fetch(canvas, "users/self").status_code == 200

    def test_older_servers_refuse_with_403_in_plain_text(self) -> None:
        with running(throttle=True) as canvas:
            canvas.sandbox.throttle.status = 403
            canvas.sandbox.throttle.fill(canvas.sandbox.token, 790)
            answer = fetch(canvas, "users/self")
            assert (answer.status_code, answer.text) == (403, "403 Forbidden (Rate Limit Exceeded)\n")
            assert answer.headers["content-type"].startswith("text/plain")

    def test_buckets_belong_to_tokens(self) -> None:
        with running(throttle=True) as canvas:
            canvas.sandbox.throttle.fill(canvas.sandbox.token, 790)
            assert canvas.as_person(BEN).call("GET", "users/self").status_code == 200

    def test_a_blocked_client_has_nothing_left(self) -> None:
        with running(throttle=True) as canvas:
            canvas.sandbox.throttle.blocked.add(canvas.sandbox.token)
            answer = fetch(canvas, "users/self")
            assert answer.status_code == 429
            assert answer.headers["x-rate-limit-remaining"] == "0.0"

    def test_off_by_default(self, canvas: Pair) -> None:
        canvas.sandbox.throttle.fill(canvas.sandbox.token, 790)
        answer = fetch(canvas, "users/self")
        assert answer.status_code == 200
        assert float(answer.headers["x-rate-limit-remaining"]) < 0


class TestTokens:
    """Which token is refused, and how: section 6.3."""

    CHALLENGE = 'Bearer realm="canvas-lms"'

    def test_none(self, canvas: Pair) -> None:
        answer = httpx.get(f"{canvas.sandbox.url}/api/v1/users/self", trust_env=False)
        assert answer.status_code == 401
        assert answer.json() == {
            "status": "unauthenticated",
            "errors": [{"message": "user authorization required"}],
        }
        assert answer.headers["www-authenticate"] == self.CHALLENGE

    def test_unknown(self, canvas: Pair) -> None:
        answer = fetch(canvas, "users/self", "wrong")
        assert answer.status_code == 401
        assert answer.json() == {"errors": [{"message": "Invalid access token."}]}
        assert answer.headers["www-authenticate"] == self.CHALLENGE

    def test_revoked_and_reinstated(self, canvas: Pair) -> None:
        canvas.sandbox.tokens.revoke(canvas.sandbox.token)
        answer = fetch(canvas, "users/self")
        assert answer.json() == {"errors": [{"message": "Revoked access token."}]}
        assert answer.headers["www-authenticate"] == self.CHALLENGE
        canvas.sandbox.tokens.reinstate(canvas.sandbox.token)
        assert fetch(canvas, "users/self").status_code == 200

    def test_expired(self, canvas: Pair) -> None:
        canvas.sandbox.tokens.expire(canvas.sandbox.token, "2026-03-01T00:00:00Z")
        answer = fetch(canvas, "users/self")
        problem = {"message": "Expired access token.", "expired_at": "2026-03-01T00:00:00Z"}
        assert (answer.status_code, answer.json()) == (401, {"errors": [problem]})
        assert answer.headers["www-authenticate"] == self.CHALLENGE

    def test_insufficient_scopes_carry_no_challenge(self, canvas: Pair) -> None:
        canvas.sandbox.tokens.unscope(canvas.sandbox.token)
        answer = fetch(canvas, "users/self")
        assert answer.status_code == 401
        assert answer.json() == {"errors": [{"message": "Insufficient scopes on access token."}]}
        assert "www-authenticate" not in answer.headers

    def test_as_a_parameter(self, canvas: Pair) -> None:
        url = f"{canvas.sandbox.url}/api/v1/users/self"
        answer = httpx.get(url, params={"access_token": canvas.sandbox.token}, trust_env=False)
        assert answer.json()["id"] == ADA

    def test_a_fake_student_is_refused(self, canvas: Pair) -> None:
        number = canvas.school.add_person("Test Student", role="student_view")
        answer = canvas.as_person(number).call("GET", "conversations")
        assert (answer.status_code, answer.json()) == (
            403,
            {
                "status": "unauthorized",
                "errors": [{"message": "user not authorized to perform that action"}],
            },
        )

    def test_a_scoped_key_cuts_includes_down_to_uuid(self, canvas: Pair) -> None:
        token = canvas.sandbox.tokens.issue(ADA, includes=False)
        path = "conversations?include[]=participant_avatars&include[]=uuid"
        person = fetch(canvas, path, token).json()[0]["participants"][0]
        assert "uuid" in person
        assert "avatar_url" not in person

    def test_unknown_addresses_are_404_and_broken_json_is_400(self, canvas: Pair) -> None:
        answer = fetch(canvas, "no/such/thing")
        assert (answer.status_code, answer.json()) == (
            404,
            {"errors": [{"message": "The specified resource does not exist."}]},
        )
        headers = {"Content-Type": "application/json"}
        answer = canvas.client.call("PUT", "conversations/100", content=b"{", headers=headers)
        assert answer.status_code == 400


class TestMasquerading:
    """An administrator acts as somebody: section 6.4."""

    def test_an_administrator_sees_a_persons_mailbox(self, canvas: Pair) -> None:
        admin = canvas.sandbox.admin_token
        assert fetch(canvas, "users/self", admin).json()["name"] == "Account Admin"
        assert fetch(canvas, "users/self", admin, as_user_id=ADA).json()["id"] == ADA
        rows = fetch(canvas, "conversations", admin, as_user_id=ADA).json()
        assert [row["id"] for row in rows] == canvas.client.ids()

    @pytest.mark.parametrize("wanted", ["999", "abc", "sis_user_id:xyz"])
    def test_a_bad_as_user_id_is_a_string_error(self, canvas: Pair, wanted: str) -> None:
        answer = fetch(canvas, "users/self", canvas.sandbox.admin_token, as_user_id=wanted)
        assert (answer.status_code, answer.json()) == (401, {"errors": "Invalid as_user_id"})
        assert "www-authenticate" not in answer.headers

    def test_ordinary_people_may_only_be_themselves(self, canvas: Pair) -> None:
        assert fetch(canvas, "users/self", as_user_id=BEN).status_code == 401
        assert fetch(canvas, "users/self", as_user_id=ADA).json()["id"] == ADA

    def test_conversations_of_foreign_accounts_are_hidden(self, canvas: Pair) -> None:
        canvas.school.move_to_foreign_account(101)
        admin = canvas.sandbox.admin_token
        answer = fetch(canvas, "conversations", admin, as_user_id=ADA, include_all_conversation_ids=1).json()
        assert answer["conversation_ids"] == [100, 105, 104]
        assert [row["id"] for row in answer["conversations"]] == [100, 105, 104]
        assert fetch(canvas, "conversations/101", admin, as_user_id=ADA).status_code == 404
        assert 101 in canvas.client.ids()

    def test_the_link_header_keeps_as_user_id(self, canvas: Pair) -> None:
        answer = fetch(canvas, "conversations", canvas.sandbox.admin_token, as_user_id=ADA, per_page=1)
        assert f"as_user_id={ADA}" in answer.links["next"]["url"]


class TestIds:
    """Ids as numbers and as text: section 6.5."""

    def test_the_accept_header_turns_ids_into_text(self, canvas: Pair) -> None:
        headers = {"Accept": "application/json+canvas-string-ids"}
        path = "/api/v1/conversations/100?auto_mark_as_read=0"
        shown = canvas.client.http.get(path, headers=headers).json()
        assert shown["id"] == "100"
        assert shown["audience"] == [str(DEE)]
        assert shown["participants"][0]["id"] in (str(ADA), str(DEE))
        message = shown["messages"][0]
        assert (message["id"], message["author_id"]) == ("1002", str(DEE))
        assert set(message["participating_user_ids"]) == {str(ADA), str(DEE)}
        assert shown["message_count"] == 3
        assert isinstance(shown["messages"][-1]["attachments"][0]["size"], int)
        answer = canvas.client.http.get(
            "/api/v1/conversations?include_all_conversation_ids=1", headers=headers
        )
        assert answer.json()["conversation_ids"] == ["101", "100", "105", "104"]

    def test_keys_of_maps_are_always_text(self, canvas: Pair) -> None:
        assert list(canvas.client.show(100)["audience_contexts"]["courses"]) == [str(BIO)]

    def test_ids_of_other_shards_in_both_notations(self) -> None:
        from tests.sandbox_support import small_mailbox

        mailbox = small_mailbox()
        thread = mailbox.threads.pop(101)
        thread.id = 10_000_000_000_101
        mailbox.threads[thread.id] = thread
        with running(mailbox) as canvas:
            assert canvas.client.show(10_000_000_000_101)["id"] == 10_000_000_000_101
            assert canvas.client.get("conversations/1~101")["id"] == 10_000_000_000_101
            form = {"recipients[]": str(EVE), "body": "x"}
            assert canvas.client.call("POST", "conversations", form).status_code == 400
            made = canvas.school.start_conversation(BEN, [ADA], "Local", "id")
            assert made == 107  # new ids are local ones


class TestWhoAmI:
    """The person and the courses: section 6.6."""

    def test_users_self(self, canvas: Pair) -> None:
        me = canvas.client.get("users/self")
        assert me["name"] == "Ada Lovelace"
        assert (me["short_name"], me["sortable_name"]) == ("Ada", "Lovelace, Ada")
        assert me["email"] == "ada@school.example"
        assert set(me["permissions"]) == {
            "can_update_name",
            "can_update_avatar",
            "limit_parent_app_web_access",
        }

    def test_the_profile(self, canvas: Pair) -> None:
        me = canvas.client.get("users/self/profile")
        assert "pronouns" in me and "pronouns" not in canvas.as_person(BEN).get("users/self/profile")
        assert me["primary_email"] == "ada@school.example"
        assert me["calendar"]["ics"].startswith(canvas.sandbox.url)

    def test_pronouns_only_if_set(self, canvas: Pair) -> None:
        assert canvas.client.get("users/self")["pronouns"] == "she/her"
        assert "pronouns" not in canvas.as_person(BEN).get("users/self")

    def test_courses(self, canvas: Pair) -> None:
        courses = {one["id"]: one for one in canvas.client.get("courses", **{"include[]": "term"})}
        assert courses[BIO]["name"] == "Biology 101"
        assert courses[BIO]["enrollments"][0]["type"] == "student"
        assert courses[OLD]["workflow_state"] == "completed"
        assert courses[BIO]["term"]["name"] == "Spring"

    def test_a_course_closed_by_date_has_no_name(self, canvas: Pair) -> None:
        canvas.school.restricted_courses.add(BIO)
        canvas.school.nicknames[OLD] = "Physics, never again"
        restricted, nicknamed = canvas.client.get("courses")
        assert restricted == {"id": BIO, "access_restricted_by_date": True}
        assert nicknamed["name"] == "Physics, never again"
        assert nicknamed["original_name"] == "Old Physics"

    def test_another_person_by_id(self, canvas: Pair) -> None:
        assert canvas.client.get(f"users/{BEN}")["name"] == "Ben Okri"
        assert canvas.client.call("GET", f"users/{EVE}").status_code == 404
