"""The sandbox as a whole: its truth, its determinism, its size, and the command that runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.server import _Server
from tests.sandbox_support import ADA, BEN, CLEO, DEE, Client, running, small_mailbox


def test_the_truth_is_what_show_answers_and_marks_nothing_as_read() -> None:
    with running() as canvas:
        truth = canvas.school.truth()
        assert set(truth) == {100, 101, 102, 103, 104, 105}
        assert canvas.school.unread_count == 2
        for number, fields in truth.items():
            assert canvas.client.show(number) == fields


def test_the_mailbox_given_is_left_as_it_was() -> None:
    mailbox = small_mailbox()
    with running(mailbox) as canvas:
        canvas.school.add_people(101, BEN, [DEE])
        canvas.school.rename(BEN, "Somebody")
        canvas.school.conclude_course(10)
        canvas.school.delete_file(501)
    assert mailbox == small_mailbox()


def test_the_same_calls_give_the_same_answers() -> None:
    def story() -> list[Any]:
        with Sandbox(conversations=40, seed=11) as sandbox:
            client = Client(sandbox)
            first = client.ids()[0]
            other = client.show(first)["audience"][0]
            made = client.call("POST", "conversations", {"recipients[]": str(other), "body": "Hi"}).json()
            sandbox.school.receive(first, other, "News")
            answers = [made, client.show(first), client.get("conversations", scope="sent", per_page=100)]
            client.http.close()
            return json.loads(json.dumps(answers).replace(sandbox.url, "http://canvas"))

    assert story() == story()


@pytest.mark.thorough
def test_the_sample_mailbox_can_be_read_in_full() -> None:
    with Sandbox(conversations=60) as sandbox:
        client = Client(sandbox)
        found = {one for scope in ("inbox", "archived", "sent", "starred") for one in client.ids(scope)}
        assert found == set(sandbox.school.truth())
        assert len(found) == 60
        shown = [client.show(number) for number in sorted(found)]
        client.http.close()
    attachments = [
        one
        for conversation in shown
        for message in conversation["messages"]
        for one in message["attachments"]
    ]
    assert attachments
    assert all(one["size"] > 0 for one in attachments)


def test_large_mailboxes_page_as_the_id_list_says() -> None:
    with running() as canvas:
        canvas.school.tick *= 0
        for number in range(1200):
            canvas.school.start_conversation(BEN, [ADA, CLEO], f"Subject {number}", "Text")
        everything = canvas.client.get("conversations", include_all_conversation_ids=1, per_page=1)
        paged: list[int] = []
        for page in range(1, 14):
            paged += canvas.client.ids(page=page)
        assert paged == everything["conversation_ids"]
        assert len(paged) == len(set(paged)) == 1204


def test_scopes_stay_sorted_through_many_changes() -> None:
    with running() as canvas:
        school = canvas.school
        numbers = [school.start_conversation(BEN, [ADA], f"S {one}", "T") for one in range(60)]
        for step, number in enumerate(numbers * 3):
            if step % 3 == 0:
                school.owner_set(number, workflow_state=("read", "unread", "archived")[step % 7 % 3])
            elif step % 3 == 1:
                school.owner_set(number, starred=step % 2 == 0)
            else:
                school.receive(number, BEN, "More")
            if step % 11 == 0:
                school.own_reply(number, "Mine")
            if step % 13 == 0:
                school.owner_delete(number)
        live = {scope: school.ids(scope) for scope in ("inbox", "unread", "archived", "sent", "starred")}
        school.state._folders.clear()  # built anew from the rows, without any of the steps between
        assert live == {scope: school.ids(scope) for scope in live}


def test_control_from_other_threads_while_requests_run() -> None:
    with running() as canvas:
        writers = [
            threading.Thread(target=lambda: [canvas.school.receive(101, BEN, "x") for _ in range(50)])
            for _ in range(3)
        ]
        for writer in writers:
            writer.start()
        counts = [canvas.client.show(101)["message_count"] for _ in range(20)]
        for writer in writers:
            writer.join()
        assert counts == sorted(counts)
        assert canvas.client.show(101)["message_count"] == 152


def test_time_is_settable_and_moves_with_every_message() -> None:
    with running() as canvas:
        canvas.school.now = canvas.school.now.replace(year=2030, microsecond=999)
        first = canvas.school.receive(101, BEN, "a")
        second = canvas.school.receive(101, BEN, "b")
        dates = {one["id"]: one["created_at"] for one in canvas.client.show(101)["messages"]}
        assert (dates[first], dates[second]) == ("2030-03-01T19:00:00Z", "2030-03-01T19:00:01Z")


def test_latency_delays_every_answer() -> None:
    slept: list[float] = []

    async def pause(seconds: float) -> None:
        slept.append(seconds)

    with running(latency=2.5) as canvas:
        canvas.sandbox.app.pause = pause
        canvas.client.get("users/self")
        canvas.client.get("conversations/unread_count")
    assert slept == [2.5, 2.5]


def test_closing_frees_the_port_and_drops_waiting_clients() -> None:
    with running() as canvas:
        url = canvas.sandbox.url
        canvas.sandbox.faults.add("hang")
        arrived = threading.Event()
        canvas.sandbox.faults.on_request("", lambda count: arrived.set())
        failures: list[Exception] = []

        def wait() -> None:
            try:
                httpx.get(f"{url}/api/v1/users/self", timeout=20, trust_env=False)
            except httpx.TransportError as error:
                failures.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert arrived.wait(10)
        canvas.sandbox.close()
        waiting.join(10)
        assert len(failures) == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_it_can_go_away_and_come_back_at_the_same_address() -> None:
    with running() as canvas:
        url, files = canvas.sandbox.url, canvas.sandbox.files_url
        canvas.sandbox.close()
        with pytest.raises(httpx.ConnectError):
            canvas.client.get("users/self")
        canvas.sandbox.start()
        assert (canvas.sandbox.url, canvas.sandbox.files_url) == (url, files)
        assert canvas.client.get("users/self")["id"] == ADA


def test_a_port_of_the_files_that_was_taken_meanwhile_leaves_nothing_open() -> None:
    with running() as canvas:
        ports = (canvas.sandbox.app.canvas_port, canvas.sandbox.app.files_port)
        canvas.sandbox.close()
        with socket.create_server(("127.0.0.1", ports[1])):
            with pytest.raises(OSError, match="in use"):
                canvas.sandbox.start()
        canvas.sandbox.start()
        assert canvas.client.get("users/self")["id"] == ADA


def test_a_browser_is_shown_pages() -> None:
    with running() as canvas:
        assert "Log in" in canvas.client.http.get("/", follow_redirects=True).text
        assert canvas.client.http.get("/courses/10").status_code == 404


def test_a_client_that_leaves_in_the_middle_of_its_request_is_no_trouble() -> None:
    with running() as canvas:
        with socket.create_connection(("127.0.0.1", canvas.sandbox.app.canvas_port)) as raw:
            raw.sendall(b"POST /api/v1/conversations HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhalf")
        assert canvas.client.get("users/self")["id"] == ADA
        assert [entry.method for entry in canvas.sandbox.log] == ["GET"]


def test_no_one_can_join_a_private_conversation() -> None:
    with running() as canvas, pytest.raises(ValueError, match="private"):
        canvas.school.add_people(100, DEE, [BEN])


def test_only_what_is_archived_comes_back_by_itself() -> None:
    with running() as canvas:
        before = canvas.school.ids("unread")
        canvas.school.owner_set(100, workflow_state="read")
        canvas.school.revert_archive(100)
        assert canvas.school.ids("unread") == [id_ for id_ in before if id_ != 100]
        canvas.school.owner_set(100, workflow_state="archived")
        canvas.school.revert_archive(100)
        assert 100 in canvas.school.ids("unread")


def test_stopping_what_does_not_run_is_no_trouble() -> None:
    _Server(uvicorn.Config(small_mailbox)).stop()
    sandbox = Sandbox(small_mailbox()).start()
    server = sandbox._server
    sandbox.close()
    sandbox.close()
    assert server is not None
    server.stop()


class TestCommand:
    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-m", "canvas_archive", "sandbox", "--conversations", "3", *options]

    @pytest.mark.thorough
    def test_it_prints_one_json_line_and_ends_with_130_on_ctrl_c(self, tmp_path: Path) -> None:
        secret = tmp_path / "token"
        process = subprocess.Popen(
            self.command("--token-file", str(secret), "-q"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert set(ready) == {"url", "token", "user_id"}
        headers = {"Authorization": f"Bearer {ready['token']}"}
        me = httpx.get(f"{ready['url']}/api/v1/users/self", headers=headers, trust_env=False).json()
        assert me["id"] == ready["user_id"]
        assert secret.read_text() == ready["token"] + "\n"
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=20)
        assert process.returncode == 130
        assert rest == ""
        assert "Traceback" not in complaints
        assert "Warning" not in complaints

    @pytest.mark.thorough
    def test_a_taken_port_is_one_sentence_and_exit_2(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = subprocess.run(
                self.command("--port", str(port)), capture_output=True, text=True, timeout=30, check=False
            )
        assert done.returncode == 2
        assert done.stdout == ""
        assert f"port {port}" in done.stderr

    @pytest.mark.thorough
    def test_a_token_file_that_cannot_be_written(self, tmp_path: Path) -> None:
        done = subprocess.run(
            self.command("--token-file", str(tmp_path / "no" / "token")),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert "The token cannot be written" in done.stderr

    @pytest.mark.thorough
    def test_a_list_of_custodians_to_try_a_fleet_with(self, tmp_path: Path) -> None:
        people, root = tmp_path / "people.csv", tmp_path / "fleet"
        process = subprocess.Popen(
            self.command("--custodians", str(people), "-q"), stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert set(ready) == {"url", "token", "user_id", "admin_token"}
            header, *rows = people.read_text("utf-8").splitlines()
            assert header == "user_id,name"
            assert any(row.startswith(f"{ready['user_id']},") for row in rows)
            done = subprocess.run(
                [sys.executable, "-m", "canvas_archive", "fleet", "sync", str(people), "--root", str(root)],
                env={
                    **os.environ, "CANVAS_API_URL": ready["url"], "CANVAS_API_TOKEN": ready["admin_token"]
                },
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert len(list(root.glob("*/archive.db"))) == len(rows)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
        assert process.returncode == 130

    @pytest.mark.thorough
    def test_a_list_that_cannot_be_written(self, tmp_path: Path) -> None:
        done = subprocess.run(
            self.command("--custodians", str(tmp_path / "no" / "people.csv")),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert "The list cannot be written" in done.stderr

    @pytest.mark.thorough
    def test_listening_for_others_is_warned_of(self) -> None:
        process = subprocess.Popen(
            self.command("--host", "0.0.0.0"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["url"].startswith("http://127.0.0.1:")
        process.terminate()
        complaints = process.communicate(timeout=20)[1]
        assert "Warning: The sandbox listens on 0.0.0.0" in complaints
        assert process.returncode == 130
