"""docs/canvas-behaviour.md 4 (attachments) and the three-step upload: downloads, second origin, uploads."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.sandbox_support import ADA, BEN, CLEO, EVE, PDF, PNG, Pair, running

SYLLABUS = b"%PDF-1.4 syllabus " * 40


@pytest.fixture
def canvas() -> Iterator[Pair]:
    with running() as pair:
        yield pair


def bare(url: str, *, follow: bool = True, headers: dict[str, str] | None = None) -> httpx.Response:
    """Fetch an address as somebody without a token."""
    return httpx.get(url, follow_redirects=follow, headers=headers, trust_env=False)


def link(canvas: Pair) -> str:
    return str(canvas.client.show(100)["messages"][-1]["attachments"][0]["url"])


class TestDownloads:
    def test_a_verifier_opens_the_file_without_a_token(self, canvas: Pair) -> None:
        answer = bare(link(canvas))
        assert answer.content == SYLLABUS
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-length"] == str(len(SYLLABUS))

    def test_the_bytes_come_from_a_second_origin(self, canvas: Pair) -> None:
        answer = bare(link(canvas), follow=False)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(canvas.sandbox.files_url)
        assert canvas.sandbox.files_url != canvas.sandbox.url

    def test_a_token_sent_to_the_second_origin_is_noted(self, canvas: Pair) -> None:
        location = bare(link(canvas), follow=False).headers["location"]
        assert canvas.sandbox.leaked_tokens == []
        bare(location, headers={"Authorization": "Bearer secret"})
        assert len(canvas.sandbox.leaked_tokens) == 1

    def test_several_hops(self, canvas: Pair) -> None:
        canvas.sandbox.files.hops = 3
        answer = bare(link(canvas))
        assert answer.content == SYLLABUS
        assert len(answer.history) == 3

    def test_local_storage_answers_at_once(self, canvas: Pair) -> None:
        canvas.sandbox.files.hops = 0
        assert bare(link(canvas), follow=False).content == SYLLABUS

    def test_a_wrong_verifier_is_refused(self, canvas: Pair) -> None:
        assert bare(link(canvas) + "x").status_code == 403

    def test_without_verifier_a_browser_is_sent_to_the_login_page(self, canvas: Pair) -> None:
        canvas.school.file_links = "plain"
        answer = bare(link(canvas))
        assert answer.status_code == 200
        assert "Log in" in answer.text

    @pytest.mark.parametrize(("allowed", "works"), [(True, True), (False, False)])
    def test_without_verifier_a_token_opens_it_where_the_site_allows(
        self, canvas: Pair, allowed: bool, works: bool
    ) -> None:
        canvas.school.file_links = "location"
        canvas.sandbox.files.api_tokens = allowed
        answer = canvas.client.http.get(link(canvas))
        assert (canvas.sandbox.files_url in answer.headers["location"]) is works

    def test_a_deleted_file_is_a_404_page_but_still_named_by_its_message(self, canvas: Pair) -> None:
        url = link(canvas)
        canvas.school.delete_file(PDF)
        answer = bare(url)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
        assert link(canvas) == url
        assert canvas.client.call("GET", f"files/{PDF}").status_code == 404

    def test_a_locked_file_is_refused(self, canvas: Pair) -> None:
        url = link(canvas)
        canvas.school.lock_file(PDF)
        assert bare(url).status_code == 403

    @pytest.mark.thorough
    def test_ranges(self, canvas: Pair) -> None:
        location = bare(link(canvas), follow=False).headers["location"]
        for wanted, content, described in (
            ("bytes=700-", SYLLABUS[700:], "bytes 700-719/720"),
            ("bytes=0-9", SYLLABUS[:10], "bytes 0-9/720"),
            ("bytes=-5", SYLLABUS[-5:], "bytes 715-719/720"),
        ):
            part = bare(location, headers={"Range": wanted})
            assert (part.status_code, part.content) == (206, content)
            assert part.headers["content-range"] == described
        over = bare(location, headers={"Range": "bytes=720-"})
        assert (over.status_code, over.headers["content-range"]) == (416, "bytes */720")
        stale = bare(location, headers={"Range": "bytes=10-", "If-Range": '"other"'})
        assert (stale.status_code, stale.content) == (200, SYLLABUS)

    def test_ranges_can_be_unsupported(self, canvas: Pair) -> None:
        canvas.sandbox.files.ranges = False
        answer = bare(link(canvas), headers={"Range": "bytes=700-"})
        assert (answer.status_code, answer.content) == (200, SYLLABUS)
        assert "accept-ranges" not in answer.headers

    def test_an_expired_link_is_refused_until_it_is_asked_for_anew(self, canvas: Pair) -> None:
        location = bare(link(canvas), follow=False).headers["location"]
        canvas.sandbox.files.expire_links()
        assert bare(location).status_code == 403
        assert bare(link(canvas)).content == SYLLABUS

    def test_a_file_deleted_after_its_link_was_given_out(self, canvas: Pair) -> None:
        location = bare(link(canvas), follow=False).headers["location"]
        canvas.school.delete_file(PDF)
        assert bare(location).status_code == 404

    def test_a_made_up_link_is_refused(self, canvas: Pair) -> None:
        assert bare(f"{canvas.sandbox.files_url}/files/{PDF}/x?signature=0&generation=0").status_code == 403

    def test_a_recording_needs_a_token(self, canvas: Pair) -> None:
        url = canvas.client.show(101)["messages"][0]["media_comment"]["url"]
        assert "Log in" in bare(url).text
        answer = canvas.client.http.get(url, follow_redirects=True)
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.content[4:8] == b"ftyp"
        assert canvas.client.http.get(url.replace("m-1", "m-0")).status_code == 404

    def test_pictures_are_there(self, canvas: Pair) -> None:
        answer = bare(canvas.client.show(100)["avatar_url"])
        assert answer.headers["content-type"] == "image/png"


class TestFilesApi:
    def test_a_file_of_a_message_one_got(self, canvas: Pair) -> None:
        assert canvas.client.get(f"files/{PDF}")["display_name"] == "Syllabus März.pdf"

    def test_messages_that_forward_each_other_are_no_trap(self, canvas: Pair) -> None:
        number = canvas.school.add_file(EVE, "eve.txt", b"eve")
        hidden = canvas.school.receive(106, EVE, "Between us", attachments=[number])
        canvas.school.receive(106, EVE, "Again", forwarded_ids=[hidden, hidden])
        assert canvas.client.call("GET", f"files/{number}").status_code == 404

    def test_an_administrator_reads_every_file(self, canvas: Pair) -> None:
        headers = {"Authorization": f"Bearer {canvas.sandbox.admin_token}"}
        assert canvas.client.http.get(f"/api/v1/files/{PDF}", headers=headers).json()["id"] == PDF

    def test_a_file_that_only_came_forwarded(self, canvas: Pair) -> None:
        assert canvas.as_person(BEN).get(f"files/{PDF}")["id"] == PDF

    def test_a_strangers_file(self, canvas: Pair) -> None:
        assert canvas.as_person(CLEO).call("GET", f"files/{PDF}").status_code == 404

    def test_the_public_url_needs_no_token(self, canvas: Pair) -> None:
        url = canvas.client.get(f"files/{PDF}/public_url")["public_url"]
        assert url.startswith(canvas.sandbox.files_url)
        assert bare(url).content == SYLLABUS


class TestUpload:
    FOLDER = "conversation attachments"

    def begin(self, canvas: Pair, folder: str | None = FOLDER) -> dict[str, object]:
        form = {"name": "essay.txt", "size": "5", "content_type": "text/plain"}
        if folder is not None:
            form["parent_folder_path"] = folder
        answer = canvas.client.call("POST", "users/self/files", form)
        assert answer.status_code == 200
        found: dict[str, object] = answer.json()
        return found

    def send(self, ticket: dict[str, object], content: bytes = b"essay") -> httpx.Response:
        files = {str(ticket["file_param"]): ("essay.txt", content, "text/plain")}
        return httpx.post(
            str(ticket["upload_url"]),
            data=ticket["upload_params"],  # type: ignore[arg-type]
            files=files,
            trust_env=False,
        )

    @pytest.mark.thorough
    @pytest.mark.parametrize("status", [201, 303])
    def test_the_three_steps(self, canvas: Pair, status: int) -> None:
        canvas.sandbox.files.upload_status = status
        ticket = self.begin(canvas)
        assert str(ticket["upload_url"]).startswith(canvas.sandbox.files_url)
        answer = self.send(ticket)
        assert answer.status_code == status
        file = canvas.client.http.get(answer.headers["location"]).json()
        assert (file["display_name"], file["size"]) == ("essay.txt", 5)
        assert file["upload_status"] == "success"
        assert bare(file["url"]).content == b"essay"
        assert canvas.sandbox.leaked_tokens == []

    def test_an_uploaded_file_can_be_attached(self, canvas: Pair) -> None:
        location = self.send(self.begin(canvas)).headers["location"]
        number = canvas.client.http.get(location).json()["id"]
        form = {"body": "Here", "attachment_ids[]": str(number)}
        shown = canvas.client.call("POST", "conversations/101/add_message", form).json()
        assert [one["id"] for one in shown["messages"][0]["attachments"]] == [number]
        assert canvas.as_person(BEN).get(f"files/{number}")["size"] == 5

    def test_only_files_of_the_conversation_attachments_folder_can(self, canvas: Pair) -> None:
        location = self.send(self.begin(canvas, None)).headers["location"]
        number = canvas.client.http.get(location).json()["id"]
        form = {"body": "Here", "attachment_ids[]": str(number)}
        shown = canvas.client.call("POST", "conversations/101/add_message", form).json()
        assert shown["messages"][0]["attachments"] == []

    def test_the_folder_can_be_named_by_its_id(self, canvas: Pair) -> None:
        folder = canvas.client.get(f"files/{PNG}")["folder_id"]
        form = {"name": "essay.txt", "parent_folder_id": str(folder)}
        self.send(canvas.client.call("POST", "users/self/files", form).json())
        assert canvas.school.state.files[max(canvas.school.state.files)].folder == self.FOLDER

    def test_nothing_is_there_before_the_second_step(self, canvas: Pair) -> None:
        self.begin(canvas)
        number = max(canvas.school.state.files)
        uuid = canvas.school.state.files[number].uuid
        answer = canvas.client.call("GET", f"files/{number}/create_success?uuid={uuid}")
        assert answer.status_code == 404
        assert bare(f"{canvas.sandbox.url}/files/{number}/download?verifier={uuid}").status_code == 404

    def test_an_upload_address_works_once(self, canvas: Pair) -> None:
        ticket = self.begin(canvas)
        assert self.send(ticket).status_code == 201
        assert self.send(ticket).status_code == 403

    def test_the_second_step_needs_the_file(self, canvas: Pair) -> None:
        url = str(self.begin(canvas)["upload_url"])
        assert httpx.post(url, data={"x": "y"}, trust_env=False).status_code == 400

    def test_nobody_uploads_for_others(self, canvas: Pair) -> None:
        assert canvas.client.call("POST", f"users/{BEN}/files", {"name": "x"}).status_code == 403
        assert canvas.client.call("POST", f"users/{ADA}/files", {"name": "x"}).status_code == 200

    def test_a_name_is_needed(self, canvas: Pair) -> None:
        answer = canvas.client.call("POST", "users/self/files", {"size": "5"})
        assert (answer.status_code, answer.json()) == (400, {"errors": [{"message": "name is missing"}]})


def test_everyone_has_their_own_conversation_attachments(canvas: Pair) -> None:
    number = canvas.school.add_file(EVE, "eve.txt", b"eve", "text/plain")
    form = {"body": "Mine?", "attachment_ids[]": str(number)}
    shown = canvas.client.call("POST", "conversations/101/add_message", form).json()
    assert shown["messages"][0]["attachments"] == []
    assert canvas.client.show(101)["messages"][0]["author_id"] == ADA
