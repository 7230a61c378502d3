"""delete, remove-messages, mark-all-read, add-recipients, and the commands that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.canvas import CanvasClient
from canvas_archive.errors import BadInput, BadRequest
from canvas_archive.sync.online import enclose
from tests.push_support import ADA, BEN, CLEO, DEE, Mail, open_mail
from tests.sync_support import assert_equal

pytestmark = pytest.mark.thorough


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


@pytest.mark.parametrize(
    "args", [("delete", "100"), ("remove-messages", "100", "1000"), ("mark-all-read",)], ids=lambda a: a[0]
)
def test_what_cannot_be_undone_is_asked_about(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    ran = mail.run(*args)
    assert ran.code == 2 and "-y" in ran.err
    monkeypatch.setattr("canvas_archive.cli.consent.can_ask", lambda: True)
    assert mail.run(*args, input="n\n").code == 1
    assert mail.writes == []
    assert mail.run(*args, input="y\n").code == 0
    assert len(mail.writes) == 1


# -- delete -----------------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_deleting_keeps_the_archives_copy(mail: Mail) -> None:
    ran = mail.run("delete", "100", "101", "-y")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == ["100", "101"]
    assert not {100, 101} & mail.sandbox.school.truth().keys()
    assert mail.one("SELECT count(*) FROM conversations WHERE removed_at IS NOT NULL") == 2
    assert mail.one("SELECT count(*) FROM messages WHERE conversation_id IN (100, 101)") == 5
    assert "Welcome" in mail.run("show", "100").out
    assert_equal(mail)
    mail.sync(mode="full", attachments=False)
    assert_equal(mail)


def test_deleting_what_is_gone_already(mail: Mail) -> None:
    mail.sandbox.school.owner_delete(100)
    ran = mail.run("delete", "100", "-y", "--json")
    assert (ran.code, ran.json["absent_ids"], ran.json["conversation_ids"]) == (0, [100], [])
    assert mail.one("SELECT removed_at IS NOT NULL FROM conversations WHERE id = 100") == 1


def test_deleting_goes_on_past_a_refusal(mail: Mail) -> None:
    mail.sandbox.faults.add("status", r"/conversations/100$", method="DELETE", status=400)
    ran = mail.run("delete", "100", "101", "-y")
    assert ran.code == 5 and mail.one("SELECT removed_at FROM conversations WHERE id = 100") is None
    assert 100 in mail.sandbox.school.truth() and 101 not in mail.sandbox.school.truth()


def test_deleting_an_unknown_one(mail: Mail) -> None:
    assert mail.run("delete", "100", "4711", "-y").code == 2
    assert mail.writes == []


def test_a_pending_edit_of_a_deleted_conversation_ends(mail: Mail) -> None:
    mail.set(100, starred=1)
    mail.run("delete", "100", "-y")
    assert mail.run("push", "--json").json["counts"]["edits"]["gone"] == 1
    mail.settled()


# -- remove-messages --------------------------------------------------------------------------------------


def test_removed_messages_stay_in_the_archive(mail: Mail) -> None:
    ran = mail.run("remove-messages", "100", "1001", "1002", "-y")
    assert ran.code == 0 and ran.out.split() == ["1001", "1002"]
    assert [one["id"] for one in mail.sandbox.school.truth()[100]["messages"]] == [1000]
    assert mail.sql("SELECT id, body FROM messages WHERE removed_at IS NOT NULL")[0]["body"] == "Thank you!"
    assert_equal(mail)


def test_removing_the_last_message_takes_the_conversation(mail: Mail) -> None:
    ran = mail.run("remove-messages", "102", "1020", "-y", "--json")
    assert ran.json["conversation_left"] is False
    assert mail.one("SELECT removed_at IS NOT NULL FROM conversations WHERE id = 102") == 1
    assert mail.one("SELECT count(*) FROM messages WHERE conversation_id = 102") == 1
    assert_equal(mail)


def test_messages_of_another_conversation_are_not_removed(mail: Mail) -> None:
    ran = mail.run("remove-messages", "100", "1000", "1020", "-y")
    assert ran.code == 2 and "1020" in ran.err
    assert mail.writes == []


# -- mark-all-read ----------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_everything_is_read_in_one_request(mail: Mail) -> None:
    ran = mail.run("mark-all-read", "-y", "--json")
    assert ran.json == {"conversation_count": 2}
    assert mail.sandbox.school.ids("unread") == []
    assert mail.writes == [("POST", "/conversations/mark_all_as_read", {})]
    assert_equal(mail)
    mail.settled()


def test_a_wish_for_unread_outlives_it(mail: Mail) -> None:
    mail.set(104, workflow_state="unread")
    mail.run("mark-all-read", "-y")
    assert mail.run("push").code == 0
    assert mail.state(104) == "unread"


# -- add-recipients ---------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_adding_people(mail: Mail) -> None:
    ran = mail.run("add-recipients", "101", "Dr. Dee")
    assert ran.code == 0 and any(line.split()[0] == str(DEE) for line in ran.out.splitlines())
    assert DEE in {one["id"] for one in mail.sandbox.school.truth()[101]["participants"]}
    assert_equal(mail)


def test_adding_several_is_asked_about(mail: Mail) -> None:
    assert mail.run("add-recipients", "104", str(CLEO), str(DEE)).code == 2
    assert mail.writes == []
    assert mail.run("add-recipients", "104", str(CLEO), str(DEE), "-y").code == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [(("100", str(BEN)), "private"), (("101", "5"), "None of these"), (("4711", "2"), "4711")],
)
def test_adding_that_cannot_be(mail: Mail, args: tuple[str, ...], said: str) -> None:
    ran = mail.run("add-recipients", *args)
    assert ran.code == 2 and said in ran.err
    assert len(mail.sandbox.school.truth()[101]["participants"]) == 3


def test_canvass_own_words_are_told_when_adding_is_refused(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise BadRequest("The group is full.", status=400, messages=("The group is full.",))

    monkeypatch.setattr(CanvasClient, "add_recipients", refused)
    ran = mail.run("add-recipients", "101", str(DEE))
    assert ran.code == 4 and "The group is full." in ran.err


def test_a_folder_cannot_be_attached(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be attached"):
        enclose(tmp_path / "files", [tmp_path])


# -- asking -----------------------------------------------------------------------------------------------


def test_finding_recipients(mail: Mail) -> None:
    ran = mail.run("recipients", "ben")
    assert [line.split()[0] for line in ran.out.splitlines()] == [str(BEN)]
    found = mail.run("recipients", "--context", "course_10", "--json").json
    assert {one["name"] for one in found["recipients"]} >= {"Ben", "Cleo", "Dr. Dee"}
    assert mail.run("recipients").code == 2
    assert mail.run("recipients", "zzz").out == ""
    assert mail.writes == []


def test_the_unread_count_of_both(mail: Mail) -> None:
    mail.set(100, workflow_state="read")
    assert mail.run("unread-count").out == "2\n"
    assert mail.run("unread-count", "--json").json == {"unread_count": 2, "archive_unread_count": 1}


def test_bulk_messages_under_way(mail: Mail) -> None:
    assert mail.run("batches").out == ""
    mail.sandbox.school.jobs.paused = True
    with mail.opened() as (_, client):
        client.create_conversation([BEN, CLEO], "To all of you", mode="async")
    ran = mail.run("batches")
    assert "2 people" in ran.out and "To all of you" in ran.out
    assert mail.run("batches", "--json").json["batches"][0]["recipient_count"] == 2


def test_nothing_is_sent_without_a_token(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANVAS_API_TOKEN")
    for args in (("recipients", "ben"), ("delete", "100", "-y"), ("unread-count",), ("mark-all-read", "-y")):
        assert mail.run(*args).code == 3
    assert mail.one("SELECT count(*) FROM conversations WHERE removed_at IS NOT NULL") == 0


def test_only_what_was_asked_for_is_in_canvass_log(mail: Mail) -> None:
    """All reading commands and an undisturbed sync, push and dry run leave no write behind."""
    for args in (
        ("list",), ("show", "100"), ("edits", "--all"), ("status",), ("push",), ("push", "-n"),
        ("recipients", "ben"), ("unread-count",), ("batches",), ("sync", "--no-index", "--push"),
    ):  # fmt: skip
        assert mail.run(*args).code == 0, args
    assert mail.writes == []
    assert mail.sandbox.school.unread_count == 2
    assert mail.owner == ADA
