"""Messages that wait and messages whose fate is unknown: each reaches Canvas once, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.canvas import CanvasClient
from canvas_archive.errors import BadRequest, CanvasProblem, TokenRefused, Unreachable
from canvas_archive.model import Conversation, Message, Participant
from canvas_archive.store import outbox as store
from canvas_archive.sync import outbox as sending
from canvas_archive.sync import sent_messages
from canvas_archive.sync.sent_messages import FoundInPart, FoundOnCanvas
from tests.push_support import ADA, BEN, CLEO, DEE, Mail, open_mail
from tests.test_push_crash import PUSH_UNTIL_KILLED, Killed, kill_after

pytestmark = pytest.mark.thorough

ADD = r"/conversations/101/add_message$"
NEW = r"^/api/v1/conversations$"


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def texts(mail: Mail, conversation_id: int = 101) -> list[str]:
    """Return the owner's messages as Canvas has them."""
    told = mail.sandbox.school.truth()[conversation_id]
    return [one["body"] for one in told["messages"] if one["author_id"] == ADA]


def everywhere(mail: Mail, body: str) -> int:
    """Count the conversations of the owner's that hold a message with these words."""
    return sum(
        one["body"] == body for told in mail.sandbox.school.truth().values() for one in told["messages"]
    )


def queue_reply(mail: Mail, body: str = "Yes, Friday.", *more: str) -> None:
    ran = mail.run("reply", "101", "--body", body, "--queue", "-y", *more)
    assert ran.code == 0, ran.err


def queue_send(mail: Mail, *args: str) -> None:
    ran = mail.run("send", *args, "--queue", "-y")
    assert ran.code == 0, ran.err


def push_killed_after(mail: Mail, monkeypatch: pytest.MonkeyPatch, where: object, name: str) -> None:
    """Push, and die as soon as that function has done its work."""
    with monkeypatch.context() as patch:
        kill_after(patch, where, name)
        with pytest.raises(Killed):
            mail.push()


def posts(mail: Mail) -> list[str]:
    return [path for method, path, _ in mail.writes if method == "POST"]


def only_row(mail: Mail) -> store.Queued:
    (row,) = mail.outbox()
    return row


# -- the ordinary way -------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_queued_offline_and_sent_by_push(mail: Mail) -> None:
    queue_reply(mail)
    assert len(mail.sandbox.log) == 0
    assert mail.run("edits", "--json").json["outbox"][0]["state"] == "queued"
    ran = mail.run("push", "--json")
    assert (ran.code, ran.json["counts"]["messages"]) == (0, {"sent": 1, "recognised": 0, "queued": 0})
    assert texts(mail)[0] == "Yes, Friday."
    assert posts(mail) == ["/conversations/101/add_message"]
    row = only_row(mail)
    assert row.state == "sent" and row.sent_ids == (mail.one("SELECT max(id) FROM messages"),)
    assert mail.run("push").code == 0
    assert len(mail.writes) == 1


def test_a_queued_new_message_with_a_file(mail: Mail, tmp_path: Path) -> None:
    paper = tmp_path / "Märzplan.pdf"
    paper.write_bytes(b"%PDF-1.4 plan")
    queue_send(
        mail, "--to", "Ben Okri", "--subject", "Plan", "--body", "See the plan", "--attach", str(paper)
    )
    paper.unlink()
    assert mail.run("push").code == 0
    told = next(one for one in mail.sandbox.school.truth().values() if one["subject"] == "Plan")
    assert [file["display_name"] for file in told["messages"][0]["attachments"]] == ["Märzplan.pdf"]
    state, sha256 = mail.sql("SELECT state, sha256 FROM attachments ORDER BY id DESC LIMIT 1")[0]
    assert state == "stored"  # the bytes are here already
    assert (mail.folder / "files" / sha256[:2] / sha256).read_bytes() == b"%PDF-1.4 plan"


def test_a_dry_run_tells_the_requests(mail: Mail) -> None:
    queue_send(mail, "--to", str(BEN), "--subject", "Plan", "--body", "See the plan")
    queue_reply(mail)
    ran = mail.run("push", "-n")
    assert ran.out.splitlines() == [
        "message      1  Plan: to Ben (Team Fern)",
        "message      2  reply in “Lab”: to Cleo (BIO 101) and Ben (Team Fern)",
    ]
    ran = mail.run("push", "-n", "--http")
    assert ran.out.splitlines() == [
        f"POST /api/v1/conversations recipients[]={BEN} subject='Plan' force_new=true body='See the plan'",
        "POST /api/v1/conversations/101/add_message body='Yes, Friday.'",
    ]
    assert mail.writes == [] and {row.state for row in mail.outbox()} == {"queued"}


def test_withdrawn_is_not_sent(mail: Mail) -> None:
    queue_reply(mail)
    assert mail.run("edits", "discard", "--message", "1").code == 0
    assert mail.run("push").code == 0
    assert mail.writes == [] and only_row(mail).state == "discarded"


def test_withdrawn_at_the_last_moment_is_not_sent(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    queue_reply(mail)
    mail.sandbox.faults.on_request(
        r"/conversations/101\?", lambda number: mail.run("edits", "discard", "--message", "1")
    )
    mail.push()
    assert mail.writes == [] and only_row(mail).state == "discarded"


@pytest.mark.sampled
def test_a_refused_message_is_kept_as_failed_and_the_next_goes_on(mail: Mail) -> None:
    assert mail.run("reply", "105", "--body", "Is it over?", "--queue").code == 0  # its course is
    queue_reply(mail)
    ran = mail.run("push")
    assert ran.code == 5 and "Course concluded" in ran.err
    assert [row.state for row in mail.outbox()] == ["failed", "sent"]
    assert mail.run("push").code == 0  # not tried again
    assert everywhere(mail, "Is it over?") == 0


def test_edits_go_first(mail: Mail) -> None:
    queue_reply(mail)
    mail.set(101, workflow_state="archived")
    assert mail.run("push").code == 0
    assert [method for method, *_ in mail.writes] == ["PUT", "POST"]


# -- killed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["add_message", "upload_file"])
def test_a_reply_killed_after_canvas_had_it(
    mail: Mail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    paper = tmp_path / "plan.txt"
    paper.write_text("plan")
    queue_reply(mail, "With a file", "--attach", str(paper))
    push_killed_after(mail, monkeypatch, CanvasClient, method)
    report = mail.push()
    assert report.problems == []
    assert texts(mail).count("With a file") == 1
    assert posts(mail).count("/conversations/101/add_message") == 1
    assert (report.recognised, report.sent_messages) == ((1, 0) if method == "add_message" else (0, 1))
    assert only_row(mail).state == "sent"
    assert mail.one("SELECT count(*) FROM messages WHERE body = 'With a file'") == 1


def test_killed_before_the_request_it_is_sent_after_canvas_had_its_time(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_reply(mail)
    push_killed_after(mail, monkeypatch, store, "begin_sending")
    # The kill took the transaction with it; now one that comes right after it.
    assert only_row(mail).state == "queued"
    with monkeypatch.context() as patch:
        patch.setattr(CanvasClient, "add_message", _killed)
        with pytest.raises(Killed):
            mail.push()
    assert only_row(mail).state == "sending" and mail.writes == []
    assert mail.push().sent_messages == 1
    assert 0 < sum(mail.clock.sleeps) <= sending.SETTLING_SECONDS
    assert texts(mail).count("Yes, Friday.") == 1


def _killed(*args: Any, **named: Any) -> Any:
    raise Killed


def test_a_request_that_arrives_late_is_seen(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Canvas may still be working on the request of a process that is gone."""
    queue_reply(mail)
    with monkeypatch.context() as patch:
        patch.setattr(CanvasClient, "add_message", _killed)
        with pytest.raises(Killed):
            mail.push()
    original = mail.clock.sleep

    def sleep(seconds: float) -> None:
        original(seconds)
        mail.sandbox.school.own_reply(101, "Yes, Friday.")

    monkeypatch.setattr(mail.clock, "sleep", sleep)
    assert mail.push().recognised == 1
    assert texts(mail).count("Yes, Friday.") == 1 and mail.writes == []


def test_the_same_words_written_before_are_not_taken_for_it(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail.sandbox.school.own_reply(101, "Yes, Friday.")  # this archive does not know of it
    queue_reply(mail)
    with monkeypatch.context() as patch:
        patch.setattr(CanvasClient, "add_message", _killed)
        with pytest.raises(Killed):
            mail.push()
    assert mail.push().sent_messages == 1
    assert texts(mail).count("Yes, Friday.") == 2


@pytest.mark.parametrize(
    ("to", "count"),
    [((str(BEN),), 1), ((str(BEN), str(CLEO), str(DEE)), 3), ((str(BEN), str(CLEO), "--group"), 1)],
)
def test_a_new_message_killed_after_canvas_had_it(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, to: tuple[str, ...], count: int
) -> None:
    args = [part for one in to for part in ((one,) if one.startswith("--") else ("--to", one))]
    queue_send(mail, *args, "--subject", "Plan", "--body", "See & <b>read</b>")
    push_killed_after(mail, monkeypatch, CanvasClient, "create_conversation")
    assert mail.push().recognised == 1
    assert posts(mail) == ["/conversations"]
    row = only_row(mail)
    assert row.state == "sent" and len(row.sent_ids) == count
    assert mail.one("SELECT count(*) FROM messages WHERE body = 'See & <b>read</b>'") == count


def test_a_continued_private_thread_killed_after_canvas_had_it(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_send(mail, "--to", str(BEN), "--body", "Again", "--reuse")
    push_killed_after(mail, monkeypatch, CanvasClient, "create_conversation")
    assert mail.push().recognised == 1
    assert everywhere(mail, "Again") == 1
    assert only_row(mail).sent_ids == (102,)  # the old thread with Ben


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
@pytest.mark.parametrize("performed", [True, False])
def test_kill_nine_while_canvas_takes_its_time(mail: Mail, performed: bool) -> None:
    queue_reply(mail)
    held, go_on = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        held.set()
        go_on.wait(20)

    mail.sandbox.faults.on_request(ADD, hold)
    if not performed:
        mail.sandbox.faults.add("hang", ADD)
    process = subprocess.Popen(
        [sys.executable, "-c", PUSH_UNTIL_KILLED, str(mail.folder)], env=dict(os.environ)
    )
    try:
        assert held.wait(30)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
    finally:
        go_on.set()
        process.kill()
        process.wait(20)
    report = mail.push()
    assert (report.recognised, report.sent_messages) == ((1, 0) if performed else (0, 1))
    assert texts(mail).count("Yes, Friday.") == 1
    assert only_row(mail).state == "sent"


# -- answers that say nothing -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reset", "abort", "truncate"])
def test_an_answer_lost_on_the_way_is_no_second_message(mail: Mail, kind: Any) -> None:
    queue_reply(mail)
    mail.sandbox.faults.add(kind, ADD, performed=True)
    with pytest.raises(Unreachable, match="unknown whether"):
        mail.push()
    assert only_row(mail).state == "sending"
    assert mail.push().recognised == 1
    assert texts(mail).count("Yes, Friday.") == 1
    assert len(posts(mail)) == 1


@pytest.mark.parametrize(("kind", "status"), [("status", 500), ("status", 504), ("invalid_json", 0)])
def test_an_answer_that_makes_no_sense_is_cleared_up_at_once(mail: Mail, kind: Any, status: int) -> None:
    queue_reply(mail)
    mail.sandbox.faults.add(kind, ADD, performed=True, status=status)
    report = mail.push()
    assert (report.problems, report.recognised) == ([], 1)
    assert texts(mail).count("Yes, Friday.") == 1 and only_row(mail).state == "sent"


def test_a_failure_that_did_nothing_is_left_in_doubt_and_then_repeated(mail: Mail) -> None:
    queue_reply(mail)
    mail.sandbox.faults.add("status", ADD, status=500)
    report = mail.push()
    assert report.problems and report.queued_messages == 1
    assert only_row(mail).state == "sending" and only_row(mail).detail
    assert mail.push().sent_messages == 1
    assert texts(mail).count("Yes, Friday.") == 1


def test_a_revoked_token_leaves_it_queued(mail: Mail) -> None:
    queue_reply(mail)
    mail.sandbox.faults.add("revoke_token", ADD)
    with pytest.raises(TokenRefused):
        mail.push()
    assert only_row(mail).state == "queued"
    mail.sandbox.tokens.reinstate(mail.sandbox.token)
    assert mail.push().sent_messages == 1
    assert texts(mail).count("Yes, Friday.") == 1


def test_throttled_past_the_patience_it_stays_queued(mail: Mail) -> None:
    queue_reply(mail)
    mail.sandbox.faults.add("throttle_429", ADD, times=None)
    with pytest.raises(CanvasProblem):
        mail.push()
    assert only_row(mail).state == "queued"
    mail.sandbox.faults.clear()
    assert mail.push().sent_messages == 1


def test_a_conversation_that_went_while_a_reply_was_in_doubt(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_reply(mail)
    with monkeypatch.context() as patch:
        patch.setattr(CanvasClient, "add_message", _killed)
        with pytest.raises(Killed):
            mail.push()
    mail.sandbox.school.owner_delete(101)
    report = mail.push()
    assert only_row(mail).state == "failed" and "gone from Canvas" in report.problems[0].error


def test_an_enclosed_file_that_vanished(mail: Mail, tmp_path: Path) -> None:
    paper = tmp_path / "plan.txt"
    paper.write_text("plan")
    queue_reply(mail, "With a file", "--attach", str(paper))
    digest = only_row(mail).draft.enclosures[0].sha256
    (mail.folder / "files" / digest[:2] / digest).unlink()
    report = mail.push()
    assert "plan.txt cannot be read" in report.problems[0].error
    assert only_row(mail).state == "failed" and mail.writes == []


def test_canvas_queueing_a_reply_counts_as_sent(mail: Mail) -> None:
    """Replies in conversations of a hundred people are delivered later, and have no id yet."""
    school = mail.sandbox.school
    people = [school.add_person(f"Student {n}", course_ids=[10]) for n in range(100)]
    school.add_people(101, BEN, people)
    queue_reply(mail)
    assert mail.push().sent_messages == 1
    row = only_row(mail)
    assert (row.state, row.sent_ids) == ("sent", ()) and "later" in (row.detail or "")
    assert mail.push().sent_messages == 0
    school.finish_jobs()
    assert texts(mail).count("Yes, Friday.") == 1


def test_a_conversation_that_went_before_a_reply_was_sent(mail: Mail) -> None:
    queue_reply(mail)
    mail.sandbox.school.owner_delete(101)
    report = mail.push()
    assert [problem.kind for problem in report.problems] == ["message"]
    assert only_row(mail).state == "failed" and mail.writes == []


def test_a_file_that_canvas_refuses_is_named(
    mail: Mail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = tmp_path / "plan.txt"
    paper.write_text("plan")
    queue_reply(mail, "With a file", "--attach", str(paper))

    def refused(*_: Any, **__: Any) -> Any:
        raise BadRequest("The quota is used up.", status=400)

    monkeypatch.setattr(CanvasClient, "upload_file", refused)
    assert [problem.error for problem in mail.push().problems] == ["The quota is used up."]
    row = only_row(mail)
    assert (row.state, row.detail) == ("failed", "plan.txt: The quota is used up.")
    assert "With a file" not in texts(mail)


def test_a_file_is_uploaded_once_though_the_message_has_to_wait(mail: Mail, tmp_path: Path) -> None:
    paper = tmp_path / "plan.txt"
    paper.write_text("plan")
    queue_reply(mail, "With a file", "--attach", str(paper))
    mail.sandbox.faults.add("throttle_429", ADD, times=None)
    with pytest.raises(CanvasProblem):
        mail.push()
    mail.sandbox.faults.clear()
    mail.forget_requests()
    assert mail.push().sent_messages == 1
    assert posts(mail) == ["/conversations/101/add_message"]


def test_a_conversation_that_goes_right_after_an_answer_that_makes_no_sense(mail: Mail) -> None:
    queue_reply(mail)
    mail.sandbox.faults.add("status", ADD, performed=True, status=500)
    mail.sandbox.faults.on_request(
        r"/conversations/101\?", lambda count: count > 1 and mail.sandbox.school.owner_delete(101)
    )
    report = mail.push()
    assert only_row(mail).state == "failed"  # it cannot be told any more
    assert "gone from Canvas" in report.problems[0].error


def test_looking_at_once_may_fail_and_the_next_push_looks_again(mail: Mail) -> None:
    queue_reply(mail)
    mail.sandbox.faults.add("status", ADD, performed=True, status=500)
    mail.sandbox.faults.add("html_login", r"/conversations/101\?", after=1, times=None)
    report = mail.push()
    assert len(report.problems) == 1 and only_row(mail).state == "sending"
    mail.sandbox.faults.clear()
    mail.clock.advance(minutes=1)  # Canvas has had its time: nobody has to wait for it
    mail.clock.sleeps.clear()
    assert mail.push().recognised == 1
    assert mail.clock.sleeps == []
    assert texts(mail).count("Yes, Friday.") == 1


def test_a_sent_message_counts_although_it_cannot_be_read_again(mail: Mail) -> None:
    queue_reply(mail)
    mail.sandbox.faults.add("html_login", r"/conversations/101\?", after=1, times=None)
    report = mail.push()
    assert (report.problems, report.sent_messages) == ([], 1)
    assert only_row(mail).state == "sent"
    mail.sandbox.faults.clear()
    assert mail.push().sent_messages == 0


def test_a_message_to_many_is_left_to_the_next_sync(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MOST_SHOWN", 1)
    queue_send(mail, "--to", str(BEN), "--to", str(CLEO), "--subject", "Plan", "--body", "See the plan")
    assert mail.push().sent_messages == 1
    assert len(only_row(mail).sent_ids) == 2
    shown = [one.path for one in mail.sandbox.log if one.method == "GET" and "/conversations/" in one.path]
    assert shown == []


def test_a_file_that_canvas_changed_is_downloaded_again(
    mail: Mail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = tmp_path / "plan.txt"
    paper.write_text("plan")
    queue_reply(mail, "With a file", "--attach", str(paper))
    known = only_row(mail).draft.enclosures[0]
    monkeypatch.setattr(store, "begin_sending", _with_size(store.begin_sending, known.size + 1))
    mail.push()
    assert mail.one("SELECT state FROM attachments ORDER BY id DESC LIMIT 1") == "pending"


def _with_size(begin: Any, size: int) -> Any:
    """Make the outbox believe that its files had another size."""

    def begun(db: Any, queued: store.Queued, baseline: store.Baseline) -> bool:
        for enclosure in queued.draft.enclosures:
            object.__setattr__(enclosure, "size", size)
        return bool(begin(db, queued, baseline))

    return begun


def test_a_message_that_reached_some_of_the_people_is_told_and_not_repeated(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_send(mail, "--to", str(BEN), "--to", str(CLEO), "--subject", "Plan", "--body", "See the plan")
    create = CanvasClient.create_conversation

    def to_one(self: CanvasClient, recipients: Any, body: str, **more: Any) -> Any:
        create(self, [str(BEN)], body, **more)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(CanvasClient, "create_conversation", to_one)
        with pytest.raises(Killed):
            mail.push()
    report = mail.push()
    row = only_row(mail)
    assert row.state == "failed" and "delivered it to 1 of 2 people only" in (row.detail or "")
    assert [problem.error for problem in report.problems] == ["delivered in part"]
    assert 0 < sum(mail.clock.sleeps) <= sending.SETTLING_SECONDS  # Canvas might still have been at it
    assert everywhere(mail, "See the plan") == 1


def test_a_conversation_that_goes_while_it_is_looked_at_is_no_candidate(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_send(mail, "--to", str(BEN), "--subject", "Plan", "--body", "See the plan")
    push_killed_after(mail, monkeypatch, CanvasClient, "create_conversation")
    mail.sandbox.school.own_reply(102, "Something else")
    mail.sandbox.faults.on_request(r"/conversations/102\?", lambda _: mail.sandbox.school.owner_delete(102))
    assert mail.push().recognised == 1
    assert everywhere(mail, "See the plan") == 1


def test_every_page_of_sent_is_looked_at_while_all_of_it_is_new(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_send(mail, "--to", str(BEN), "--subject", "Plan", "--body", "See the plan")
    push_killed_after(mail, monkeypatch, CanvasClient, "create_conversation")
    conversations = CanvasClient.conversations

    def by_one(self: CanvasClient, scope: Any, **more: Any) -> Any:
        return conversations(self, scope, **{**more, "per_page": 1})

    def all_new(row: Conversation, baseline: store.Baseline) -> bool:
        return True

    monkeypatch.setattr(CanvasClient, "conversations", by_one)
    monkeypatch.setattr(sent_messages, "may_hold_new", all_new)
    assert mail.push().recognised == 1
    assert everywhere(mail, "See the plan") == 1


def test_what_is_not_there_after_canvas_had_its_time_is_sent_without_waiting(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_reply(mail)
    with monkeypatch.context() as patch:
        patch.setattr(CanvasClient, "add_message", _killed)
        with pytest.raises(Killed):
            mail.push()
    mail.clock.advance(minutes=1)
    mail.clock.sleeps.clear()
    assert mail.push().sent_messages == 1
    assert mail.clock.sleeps == []
    assert texts(mail).count("Yes, Friday.") == 1


def test_without_a_note_of_what_canvas_had_nothing_is_sent_again(mail: Mail) -> None:
    queue_reply(mail)
    mail.update("UPDATE outbox SET state = 'sending'")  # as no version of the program leaves it
    report = mail.push()
    assert only_row(mail).state == "failed" and "cannot be told" in (only_row(mail).detail or "")
    assert report.problems[0].error == "what Canvas had before it was sent is not recorded"
    assert mail.writes == []


# -- telling a message again: pure ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("line\r\n\r\nnext  word ", "line\nnext word"),
        ("<b>bold</b> move", "bold move"),
        ("5 &lt; 6", "5 < 6"),
    ],
)
def test_bodies_are_compared_by_their_words(sent: str, stored: str) -> None:
    assert sent_messages.same_body(sent, stored)
    assert not sent_messages.same_body(sent, stored + " not")


DRAFT = store.Draft("send", "Hello", recipients=("2", "3"), subject="Hi")
BEFORE = store.Baseline("2026-03-01T00:00:00Z", sent=((7, "2026-03-01T00:00:00Z", 3),))


def conversation(
    number: int, other: int, *, subject: str | None = "Hi", at: str = "2026-03-02T00:00:00Z", **fields: Any
) -> Conversation:
    message = Message(number * 10, ADA, at, fields.pop("body", "Hello"))
    people = (Participant(ADA), Participant(other))
    return Conversation(number, "read", subject=subject, participants=people, messages=(message,), **fields)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], None),
        ([conversation(8, 2), conversation(9, 3)], FoundOnCanvas((8, 9))),
        ([conversation(8, 2)], FoundInPart((8,), 2)),
        ([conversation(8, 2, subject="Other"), conversation(9, 4)], None),
        ([conversation(8, 2, at="2026-02-28T00:00:00Z")], None),
        ([conversation(8, 2, body="Hello you")], None),
        ([conversation(7, 2, subject="Old"), conversation(9, 3)], FoundOnCanvas((7, 9))),
    ],
)
def test_new_messages_are_found_by_words_people_subject_and_time(
    candidates: list[Conversation], expected: object
) -> None:
    assert sent_messages.find_new(DRAFT, BEFORE, candidates, ADA) == expected


def test_a_message_with_other_files_is_another_message() -> None:
    draft = replace(DRAFT, enclosures=(store.OutgoingFile("0" * 64, "a", "text/plain", 1),))
    assert sent_messages.find_new(draft, BEFORE, [conversation(8, 2)], ADA) is None


def test_a_message_to_a_course_is_found_without_knowing_who_is_in_it() -> None:
    draft = replace(DRAFT, recipients=("course_10_students",))
    assert sent_messages.find_new(draft, BEFORE, [conversation(8, 2)], ADA) == FoundOnCanvas((8,))


def test_the_file_of_a_queued_message_is_known_to_verify_and_kept_by_a_backup(
    mail: Mail, tmp_path: Path
) -> None:
    from canvas_archive.cli import run

    paper = tmp_path / "paper.txt"
    paper.write_text("The notes of Friday.")
    queue_send(mail, "--to", "Ben Okri", "--subject", "Notes", "--body", "Attached.", "--attach", str(paper))
    assert run(["-q", "--archive", str(mail.folder), "verify"]) == 0
    copy = tmp_path / "copy"
    assert run(["-q", "--archive", str(mail.folder), "backup", str(copy)]) == 0
    assert [path for path in (copy / "files").rglob("*") if path.is_file()]
    assert run(["-q", "verify", str(copy)]) == 0
