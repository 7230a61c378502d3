"""Canvas undoing an archive wish by itself: pushed once more, then reported. Two archives of one mailbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.sync.push_report import PushReport
from canvas_archive.sync.reverts import repush_reverted
from tests.push_support import BEN, Mail, open_mail, synced


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def archived(mail: Mail, conversation_id: int = 101) -> None:
    mail.set(conversation_id, workflow_state="archived")
    mail.push()
    mail.forget_requests()


def pull(mail: Mail, *, mode: str = "quick") -> None:
    """Sync without what a sync does about reverted edits, so that a test can do it in steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("canvas_archive.sync.reverts.repush_reverted", lambda *args, **named: 0)
        mail.sync(mode=mode, attachments=False, clock=mail.clock)


def look(mail: Mail, *, mode: str = "quick") -> PushReport:
    pull(mail, mode=mode)
    report = PushReport()
    with mail.opened() as (archive, client):
        repush_reverted(archive, client, mail.clock, report=report)
    return report


@pytest.mark.parametrize("mode", ["quick", "full"])
def test_a_reverted_archiving_is_pushed_once_more(mail: Mail, mode: str) -> None:
    archived(mail)
    mail.sandbox.school.revert_archive(101)
    mail.clock.advance(minutes=5)
    report = look(mail, mode=mode)
    assert (report.repushed, report.reverted) == (1, 0)
    assert mail.state(101) == mail.column(101) == "archived"
    assert len(mail.writes) == 1
    assert [(state, origin) for *_, state, origin in mail.journal()] == [
        ("pushed", "sql"),
        ("pushed", "repush"),
    ]
    mail.settled()


def test_reverted_again_it_is_reported_and_left_alone(mail: Mail) -> None:
    archived(mail)
    for _ in range(2):
        mail.sandbox.school.revert_archive(101)
        mail.clock.advance(minutes=5)
        report = look(mail)
    assert (report.repushed, report.reverted) == (0, 1)
    assert "stays in the inbox" in report.notes[0]
    assert len(mail.writes) == 1
    assert mail.journal()[-1][3:] == ("reverted", "repush")
    assert mail.state(101) == mail.column(101) == "unread"
    assert look(mail).reverted == 0
    mail.settled()


def test_any_sync_does_that(mail: Mail) -> None:
    archived(mail)
    mail.sandbox.school.revert_archive(101)
    result = mail.sync(attachments=False)
    assert "archived once more" in result.notes[0]
    assert mail.state(101) == mail.column(101) == "archived"
    mail.sandbox.school.revert_archive(101)
    result = mail.sync(attachments=False)
    assert result.report.reverted == 1 and len(mail.writes) == 1


def test_a_new_message_is_no_revert(mail: Mail) -> None:
    archived(mail)
    mail.sandbox.school.receive(101, BEN, "News")
    mail.clock.advance(minutes=5)
    assert look(mail).repushed == 0
    assert mail.writes == []
    assert mail.column(101) == "unread"


def test_a_new_message_right_after_the_sync_wins_over_the_second_push(mail: Mail) -> None:
    archived(mail)
    mail.sandbox.school.revert_archive(101)
    pull(mail)
    mail.sandbox.school.receive(101, BEN, "News")
    report = PushReport()
    with mail.opened() as (archive, client):
        repush_reverted(archive, client, mail.clock, report=report)
    assert (report.repushed, report.conflicts) == (0, 1)
    assert mail.writes == [] and mail.column(101) == "unread"


def test_an_own_reply_after_archiving_is_no_new_message(mail: Mail) -> None:
    archived(mail)
    mail.sandbox.school.own_reply(101, "One more thing from me")
    mail.sandbox.school.revert_archive(101)
    assert look(mail).repushed == 1
    assert mail.state(101) == "archived"


def test_after_an_hour_it_is_the_persons_own_doing(mail: Mail) -> None:
    archived(mail)
    mail.sandbox.school.revert_archive(101)
    mail.clock.advance(hours=2)
    assert look(mail).repushed == 0
    assert mail.writes == []


def test_a_later_wish_is_not_overruled(mail: Mail) -> None:
    archived(mail)
    mail.set(101, workflow_state="unread")
    mail.push()
    mail.forget_requests()
    assert look(mail).repushed == 0
    assert mail.writes == []


def test_a_second_push_that_fails_stays_pending(mail: Mail) -> None:
    archived(mail)
    mail.sandbox.school.revert_archive(101)
    mail.sandbox.faults.add("status", r"/conversations/101$", method="PUT", status=500, times=None)
    report = look(mail)
    assert report.repushed == 0 and report.problems
    mail.sandbox.faults.clear()
    assert mail.push().pushed == 1
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
