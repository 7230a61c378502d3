"""send and reply: what Canvas gets, what is asked first, and what the archive shows right after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from canvas_archive.sync.outbox import Outbox
from tests.push_support import ADA, BEN, CLEO, DEE, Mail, open_mail
from tests.sync_support import assert_equal

pytestmark = pytest.mark.thorough


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def told(mail: Mail, conversation_id: int) -> dict[str, Any]:
    found: dict[str, Any] = mail.sandbox.school.truth()[conversation_id]
    return found


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canvas_archive.cli.consent.can_ask", lambda: True)
    monkeypatch.setattr("canvas_archive.cli.compose.can_ask", lambda: True)


# -- send -------------------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_a_message_to_one_person(mail: Mail) -> None:
    ran = mail.run("send", "--to", str(BEN), "--subject", "Plan", "--body", "Friday?")
    assert ran.code == 0
    number = int(ran.out)
    assert (told(mail, number)["subject"], told(mail, number)["messages"][0]["body"]) == ("Plan", "Friday?")
    assert mail.one("SELECT body FROM messages WHERE conversation_id = ?", number) == "Friday?"
    assert_equal(mail)
    assert [(method, path) for method, path, _ in mail.writes] == [("POST", "/conversations")]
    assert mail.writes[0][2]["force_new"] == "true"  # an old thread's subject is not revived
    assert mail.run("list", "--folder", "sent").out.split()[0] == str(number)


def test_one_message_to_each_of_several(mail: Mail) -> None:
    ran = mail.run("send", "--to", str(BEN), "--to", str(CLEO), "--body", "Friday?", "-y", "--json")
    assert (ran.code, ran.json["state"], len(ran.json["conversation_ids"])) == (0, "sent", 2)
    assert_equal(mail)


def test_one_conversation_with_several(mail: Mail) -> None:
    ran = mail.run("send", "--to", str(BEN), "--to", str(CLEO), "--body", "Friday?", "--group", "-y")
    (number,) = ran.out.split()
    assert {person["id"] for person in told(mail, int(number))["participants"]} == {ADA, BEN, CLEO}
    assert "force_new" not in mail.writes[0][2]
    assert_equal(mail)


def test_to_a_course_or_group_by_its_code(mail: Mail) -> None:
    ran = mail.run("send", "--to", "course_10_teachers", "--to", "group_20", "--body", "Hi", "-y", "--json")
    assert len(ran.json["conversation_ids"]) == 2  # Dr. Dee and Ben
    assert_equal(mail)


def test_to_a_name(mail: Mail) -> None:
    ran = mail.run("send", "--to", "cleo stern", "--body", "Hi", "--context", "course_10")
    assert ran.code == 0
    assert told(mail, int(ran.out))["context_code"] == "course_10"
    assert mail.writes[0][2]["recipients"] == [str(CLEO)]


def test_a_name_that_more_than_one_has_is_not_guessed(mail: Mail) -> None:
    school = mail.sandbox.school
    twins = [school.add_person("Kim Lee", course_ids=[10]) for _ in range(2)]
    ran = mail.run("send", "--to", "Kim", "--body", "Hi")
    assert ran.code == 2 and mail.writes == []
    assert all(str(one) in ran.err for one in twins)
    ran = mail.run("send", "--to", "Nobody Known", "--body", "Hi")
    assert ran.code == 2 and "Nobody Known" in ran.err and mail.writes == []


def test_offline_names_are_those_the_archive_knows(mail: Mail) -> None:
    mail.run("send", "--to", "Ben Okri", "--body", "Hi", "--queue")
    assert mail.outbox()[0].draft.recipients == (str(BEN),)
    ran = mail.run("send", "--to", "Nobody Known", "--body", "Hi", "--queue")
    assert ran.code == 2 and len(mail.sandbox.log) == 0


def test_an_old_thread_is_continued_only_when_asked_to(mail: Mail) -> None:
    ran = mail.run("send", "--to", str(BEN), "--body", "Again", "--reuse")
    assert ran.out.strip() == "102"
    assert mail.run("send", "--to", str(BEN), "--body", "Again", "--reuse", "--group").code == 2
    assert_equal(mail)


@pytest.mark.sampled
def test_files_go_along(mail: Mail, tmp_path: Path) -> None:
    for name, content in (("plan.pdf", b"%PDF-1.4 plan"), ("leaf.png", b"\x89PNG")):
        (tmp_path / name).write_bytes(content)
    ran = mail.run(
        "send", "--to", str(BEN), "--body", "Look",
        "--attach", str(tmp_path / "plan.pdf"), "--attach", str(tmp_path / "leaf.png"),
    )  # fmt: skip
    files = told(mail, int(ran.out))["messages"][0]["attachments"]
    assert [(file["display_name"], file["content-type"]) for file in files] == [
        ("plan.pdf", "application/pdf"),
        ("leaf.png", "image/png"),
    ]
    assert mail.sql("SELECT DISTINCT state FROM attachments WHERE id >= ?", files[0]["id"])[0][0] == "stored"
    assert mail.sandbox.leaked_tokens == []


@pytest.mark.parametrize("name", ["missing.pdf", "empty.pdf"])
def test_a_file_that_cannot_go_along_stops_it(mail: Mail, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.pdf").touch()
    ran = mail.run("send", "--to", str(BEN), "--body", "Look", "--attach", str(tmp_path / name))
    assert ran.code == 2 and name in ran.err
    assert mail.writes == [] and mail.outbox() == []


# -- the text ---------------------------------------------------------------------------------------------


def test_the_text_comes_from_a_file_or_from_standard_input(mail: Mail, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Grüße,\n\nAda\n\n", encoding="utf-8")
    for args, given in (
        (("--body-file", str(letter)), None),
        (("--body-file", "-"), "Grüße,\n\nAda\n"),
        (("--body", "-"), "Grüße,\n\nAda\n"),
    ):
        ran = mail.run("send", "--to", str(BEN), *args, input=given)
        assert told(mail, int(ran.out))["messages"][0]["body"] == "Grüße,\n\nAda"


def test_the_text_comes_from_an_editor_at_a_terminal(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, terminal: None
) -> None:
    monkeypatch.setattr("click.edit", lambda *args, **named: "Written by hand\n")
    ran = mail.run("reply", "101", "--body-file", "-", "-y", input="x")
    assert ran.code == 0
    ran = mail.run("send", "--to", str(BEN))
    assert told(mail, int(ran.out))["messages"][0]["body"] == "Written by hand"
    monkeypatch.setattr("click.edit", lambda *args, **named: None)
    assert mail.run("send", "--to", str(BEN)).code == 1  # left without saving


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "--body"),
        (("--body", " \n"), "empty"),
        (("--body", "x", "--body-file", "-"), "not with both"),
        (("--body", "x" * 65_536), "65,536"),
        (("--body", "x", "--subject", "y" * 256), "256"),
    ],
)
def test_a_text_canvas_would_refuse_is_refused_here(mail: Mail, args: tuple[str, ...], said: str) -> None:
    ran = mail.run("send", "--to", str(BEN), *args)
    assert ran.code == 2 and said in ran.err
    assert mail.writes == []


def test_a_file_that_is_no_text(mail: Mail, tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_bytes(b"\xff\xfe\x00")
    ran = mail.run("reply", "101", "--body-file", str(tmp_path / "odd.txt"), "-y")
    assert ran.code == 2 and "UTF-8" in ran.err


# -- asking -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("send", "--to", str(BEN), "--to", str(CLEO), "--body", "Hi"),
        ("send", "--to", "course_10_students", "--body", "Hi"),
        ("reply", "101", "--body", "Hi"),
    ],
)
def test_writing_to_several_is_asked_about(mail: Mail, args: tuple[str, ...]) -> None:
    ran = mail.run(*args)
    assert ran.code == 2 and "-y" in ran.err
    assert mail.writes == [] and mail.outbox() == []


def test_the_answer_at_the_terminal_counts(mail: Mail, terminal: None) -> None:
    assert mail.run("reply", "101", "--body", "Hi", input="n\n").code == 1
    assert mail.writes == []
    assert mail.run("reply", "101", "--body", "Hi", input="y\n").code == 0
    assert len(mail.writes) == 1


def test_writing_in_the_name_of_another_is_always_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(conversations=10) as sandbox:
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.admin_token)
        school = sandbox.school
        Archive.create(
            tmp_path / "archive",
            base_url=sandbox.url,
            user_id=school.admin_id,
            name="Custodian",
            as_user_id=sandbox.user_id,
        ).close()
        mail = Mail(sandbox, tmp_path / "archive")
        mail.sync(mode="full", attachments=False)
        number = _private(mail)
        ran = mail.run("reply", str(number), "--body", "Hi")
        assert ran.code == 2 and "in the name of Custodian" in ran.err
        assert mail.run("reply", str(number), "--body", "Hi", "-y").code == 0
        message = told(mail, number)["messages"][0]
        assert (message["author_id"], message["body"]) == (sandbox.user_id, "Hi")


def _private(mail: Mail) -> int:
    for id_, conversation in mail.sandbox.school.truth().items():
        if conversation["private"] and not conversation.get("cannot_reply") and conversation["audience"]:
            return id_
    raise AssertionError("no private conversation")


# -- reply ------------------------------------------------------------------------------------------------


def test_a_reply(mail: Mail) -> None:
    ran = mail.run("reply", "100", "--body", "Thank you again")
    message = told(mail, 100)["messages"][0]
    assert int(ran.out) == message["id"] and message["body"] == "Thank you again"
    assert mail.writes == [("POST", "/conversations/100/add_message", {"body": "Thank you again"})]
    assert told(mail, 100)["workflow_state"] == "unread"  # answering does not mark as read
    assert_equal(mail)


def test_a_reply_to_one_of_many(mail: Mail) -> None:
    ran = mail.run("reply", "101", "--to", "Cleo", "--body", "Only for you", "--json")
    assert ran.code == 0 and ran.json["conversation_ids"] == [101]
    assert set(told(mail, 101)["messages"][0]["participating_user_ids"]) == {ADA, CLEO}
    assert ran.json["message_ids"] == [told(mail, 101)["messages"][0]["id"]]


def test_replies_that_cannot_be(mail: Mail) -> None:
    assert mail.run("reply", "4711", "--body", "Hi").code == 2
    ran = mail.run("reply", "105", "--body", "Hi")
    assert ran.code == 4 and "Course concluded" in ran.err
    assert mail.outbox()[0].state == "failed"
    mail.sandbox.school.owner_delete(100)
    mail.sync(mode="full", attachments=False)
    ran = mail.run("reply", "100", "--body", "Hi")
    assert ran.code == 2 and "no longer on Canvas" in ran.err


def test_a_pending_edit_is_not_disturbed_by_a_reply(mail: Mail) -> None:
    mail.set(100, workflow_state="archived")
    mail.run("reply", "100", "--body", "Hi")
    assert mail.column(100) == "archived"
    assert mail.run("push").code == 0
    assert mail.state(100) == "archived"  # an own message is no news


def test_a_lost_answer_says_what_to_do(mail: Mail) -> None:
    mail.sandbox.faults.add("reset", r"/add_message$", performed=True)
    ran = mail.run("reply", "100", "--body", "Hi")
    assert ran.code == 4 and "push" in ran.err and "--message 1" in ran.err
    assert mail.run("push", "--json").json["counts"]["messages"]["recognised"] == 1
    assert sum(message["body"] == "Hi" for message in told(mail, 100)["messages"]) == 1
    assert_equal(mail)


def test_what_certainly_failed_is_not_sent_later_by_surprise(mail: Mail) -> None:
    mail.sandbox.faults.add("revoke_token", r"/add_message$")
    assert mail.run("reply", "100", "--body", "Hi").code == 3
    mail.sandbox.tokens.reinstate(mail.sandbox.token)
    assert mail.outbox()[0].state == "failed"
    assert mail.run("push").code == 0
    assert not any(message["body"] == "Hi" for message in told(mail, 100)["messages"])


def test_an_interruption_before_the_request_leaves_nothing_to_be_sent_later(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Outbox, "send", interrupted)
    assert mail.run("reply", "100", "--body", "Yes").code != 0
    (row,) = mail.outbox()
    assert (row.state, row.detail) == ("failed", "interrupted before it was sent")
    assert mail.writes == []


def test_an_empty_recipient_is_refused(mail: Mail) -> None:
    ran = mail.run("send", "--to", " ", "--body", "Hi")
    assert ran.code == 2 and "A recipient is empty" in ran.err
    assert mail.writes == []


def test_a_wrong_account_sends_nothing(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_API_TOKEN", mail.sandbox.tokens.issue(DEE))
    assert mail.run("reply", "100", "--body", "Hi").code == 9
    assert mail.writes == [] and mail.outbox() == []
