"""An archiving undone on Canvas: said by a sync, sent again by a push, then reported. Two archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.sync.merge import Policy
from canvas_archive.sync.service import SyncResult
from tests.push_support import BEN, Mail, open_mail, synced

pytestmark = pytest.mark.thorough


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def archived(mail: Mail, conversation_id: int = 101) -> None:
    mail.set(conversation_id, workflow_state="archived")
    mail.push()
    mail.forget_requests()


def look(mail: Mail, *, mode: str = "quick") -> SyncResult:
    """Sync plainly: whatever Canvas has undone, nothing is sent."""
    mail.forget_requests()
    result = mail.sync(mode=mode, attachments=False, clock=mail.clock)
    assert mail.writes == []
    return result


def undone(mail: Mail, conversation_id: int = 101) -> None:
    """Archive a conversation here, let Canvas undo it, and sync."""
    archived(mail, conversation_id)
    mail.sandbox.school.revert_archive(conversation_id)
    mail.clock.advance(minutes=5)


def waiting(mail: Mail) -> list[tuple[int, str]]:
    return [
        (id_, origin)
        for id_, _, value, state, origin in mail.journal()
        if (state, value) == ("pending", "archived")
    ]


@pytest.mark.sampled
@pytest.mark.parametrize("mode", ["quick", "full"])
def test_a_sync_says_what_canvas_undid_and_a_push_sends_it_again(mail: Mail, mode: str) -> None:
    undone(mail)
    result = look(mail, mode=mode)
    assert [note for note in result.notes if "101" in note and "canvas-archive push" in note]
    assert mail.state(101) == "unread" and waiting(mail) == [(101, "repush")]
    assert mail.run("status", "--json").json["counts"]["edits"] == {"pending": 1, "undone": 1}
    assert look(mail).notes == result.notes  # said again for as long as it waits

    ran = mail.run("push", "-n")
    assert ran.out.split() == ["101", "archive", "Lab"]
    assert "unread on Canvas again" in ran.err
    report = mail.push()
    assert (report.repushed, report.pushed, report.reverted) == (1, 0, 0)
    assert mail.state(101) == mail.column(101) == "archived"
    assert len(mail.writes) == 1
    assert [(state, origin) for *_, state, origin in mail.journal()] == [
        ("pushed", "sql"),
        ("pushed", "repush"),
    ]
    mail.settled()


def test_undone_again_it_is_reported_and_left_alone(mail: Mail) -> None:
    undone(mail)
    look(mail)
    mail.push()
    mail.sandbox.school.revert_archive(101)
    mail.clock.advance(minutes=5)
    result = look(mail)
    assert result.report.reverted == 1 and "stays in the inbox" in result.notes[0]
    assert mail.journal()[-1][3:] == ("reverted", "repush")
    assert mail.state(101) == mail.column(101) == "unread"
    assert look(mail).report.reverted == 0 and mail.push().requests == []
    mail.settled()


def test_a_sync_with_push_sends_it_again_at_once(mail: Mail) -> None:
    undone(mail)
    result = mail.sync(attachments=False, push=True, clock=mail.clock)
    assert "It is archived once more." in result.notes[0]
    assert mail.state(101) == mail.column(101) == "archived" and len(mail.writes) == 1


def test_a_push_that_nobody_was_shown_anything_before_sends_nothing_again(mail: Mail) -> None:
    undone(mail)
    assert mail.push().requests == []
    assert mail.state(101) == "unread"


@pytest.mark.parametrize("mode", ["--quick", "--full"])
def test_the_dry_run_of_a_sync_shows_it(mail: Mail, mode: str) -> None:
    undone(mail)
    mail.forget_requests()
    ran = mail.run("sync", "-n", mode)
    assert ran.code == 0 and "101: archived from here" in ran.out and "canvas-archive push" in ran.out
    assert mail.writes == [] and waiting(mail) == []
    look(mail)
    assert "archived from here" in mail.run("sync", "-n", mode).out


# -- what the owner did on Canvas is not undone ------------------------------------------------------------


def test_left_in_the_inbox_by_discarding_it_stays_there(mail: Mail) -> None:
    undone(mail)
    look(mail)
    assert mail.run("edits", "discard", "2").code == 0
    assert look(mail).notes == [] and mail.push().requests == []
    assert mail.state(101) == mail.column(101) == "unread"
    mail.settled()


@pytest.mark.parametrize("policy", ["local", "remote", "ask"])
def test_a_mark_the_owner_set_meanwhile_is_not_undone_by_a_push(mail: Mail, policy: Policy) -> None:
    undone(mail)
    look(mail)
    mail.forget_requests()
    mail.sandbox.school.owner_set(101, workflow_state="read")
    report = mail.push(policy=policy)
    assert mail.writes == [] and report.conflicts == 1 and "stays so" in report.notes[0]
    assert mail.state(101) == mail.column(101) == "read"
    mail.settled()


@pytest.mark.parametrize("what", ["read", "message"])
def test_what_happened_meanwhile_ends_the_second_push_at_the_next_sync(mail: Mail, what: str) -> None:
    undone(mail)
    look(mail)
    if what == "read":
        mail.sandbox.school.owner_set(101, workflow_state="read")
    else:
        mail.sandbox.school.receive(101, BEN, "News")
    result = look(mail)
    assert "not archived again" in result.notes[0]
    assert mail.column(101) == mail.state(101) and mail.push().requests == []
    mail.settled()


def test_archived_by_the_owner_meanwhile_nothing_is_left_to_send(mail: Mail) -> None:
    undone(mail)
    look(mail)
    mail.sandbox.school.owner_set(101, workflow_state="archived")
    assert look(mail).notes == [] and mail.push().requests == []
    mail.settled()


def test_a_new_message_is_no_revert(mail: Mail) -> None:
    archived(mail)
    mail.sandbox.school.receive(101, BEN, "News")
    mail.clock.advance(minutes=5)
    assert look(mail).notes == [] and waiting(mail) == []
    assert mail.column(101) == "unread"


def test_a_new_message_right_after_the_sync_wins_over_the_second_push(mail: Mail) -> None:
    undone(mail)
    look(mail)
    mail.sandbox.school.receive(101, BEN, "News")
    report = mail.push()
    assert (report.repushed, report.conflicts) == (0, 1)
    assert mail.writes == [] and mail.column(101) == "unread"


def test_an_own_reply_after_archiving_is_no_new_message(mail: Mail) -> None:
    archived(mail)
    mail.sandbox.school.own_reply(101, "One more thing from me")
    mail.sandbox.school.revert_archive(101)
    look(mail)
    assert mail.push().repushed == 1
    assert mail.state(101) == "archived"


def test_after_an_hour_it_is_the_persons_own_doing(mail: Mail) -> None:
    archived(mail)
    mail.sandbox.school.revert_archive(101)
    mail.clock.advance(hours=2)
    assert look(mail).notes == [] and mail.push().requests == []


@pytest.mark.sampled
def test_a_later_wish_is_not_overruled(mail: Mail) -> None:
    archived(mail)
    mail.set(101, workflow_state="unread")
    mail.push()
    assert look(mail).notes == [] and waiting(mail) == []


def test_a_second_push_that_fails_stays_pending(mail: Mail) -> None:
    undone(mail)
    look(mail)
    mail.sandbox.faults.add("status", r"/conversations/101$", method="PUT", status=500, times=None)
    report = mail.push()
    assert report.repushed == 0 and report.problems
    mail.sandbox.faults.clear()
    assert mail.push().repushed == 1
    mail.settled()


# -- two archives of one mailbox --------------------------------------------------------------------------


@pytest.fixture
def other(mail: Mail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mail:
    return synced(mail.sandbox, tmp_path / "other", monkeypatch)


def test_the_same_wish_in_both_is_sent_once(mail: Mail, other: Mail) -> None:
    for one in (mail, other):
        one.set(101, workflow_state="archived", starred=0)
        one.push()
        one.settled()
    assert len(mail.writes) == 1


def test_the_later_push_of_contrary_wishes_wins_and_says_so(mail: Mail, other: Mail) -> None:
    mail.set(100, workflow_state="archived")
    other.set(100, workflow_state="read")
    mail.push()
    other.push()
    assert other.detail() == "conflict: Canvas had archived; the local wish won"
    mail.sync(mode="quick", attachments=False)
    assert mail.column(100) == other.column(100) == mail.state(100) == "read"
    mail.settled()
    other.settled()


def test_wishes_about_different_fields_do_not_meet(mail: Mail, other: Mail) -> None:
    mail.set(101, workflow_state="archived")
    other.set(101, starred=0)
    mail.push()
    assert other.push().notes == []
    mail.sync(mode="quick", attachments=False)
    assert (mail.column(101), mail.column(101, "starred")) == ("archived", 0)
    mail.settled()
