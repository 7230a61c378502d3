"""Each row of the published conflict table, from an UPDATE in SQLite to the sandbox and back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.sync.consent import Shown
from tests.push_support import BEN, DEE, Mail, open_mail

pytestmark = pytest.mark.thorough


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


@pytest.mark.sampled
def test_unchanged_here_changed_there_takes_canvas(mail: Mail) -> None:
    mail.sandbox.school.owner_set(101, workflow_state="archived", starred=False)
    assert mail.run("push").code == 0
    mail.sync(mode="full", attachments=False)
    assert (mail.column(101), mail.column(101, "starred")) == ("archived", 0)
    assert mail.writes == []
    mail.settled()


@pytest.mark.sampled
def test_changed_here_unchanged_there_is_sent_and_read_back(mail: Mail) -> None:
    mail.set(101, workflow_state="archived")
    ran = mail.run("push")
    assert ran.code == 0
    assert mail.state(101) == "archived"
    assert mail.writes == [("PUT", "/conversations/101", {"conversation": {"workflow_state": "archived"}})]
    assert mail.journal() == [(101, "workflow_state", "archived", "pushed", "sql")]
    mail.settled()


@pytest.mark.sampled
def test_changed_to_the_same_on_both_sides_is_settled_without_a_request(mail: Mail) -> None:
    mail.set(101, workflow_state="archived")
    mail.sandbox.school.owner_set(101, workflow_state="archived")
    assert mail.run("push").code == 0
    assert mail.writes == []
    assert mail.journal() == [(101, "workflow_state", "archived", "pushed", "sql")]
    assert mail.detail() == "already so on Canvas"
    mail.settled()


@pytest.mark.sampled
def test_a_conflict_is_won_by_the_local_wish_and_journalled(mail: Mail) -> None:
    mail.set(101, workflow_state="unread")
    mail.sandbox.school.owner_set(101, workflow_state="archived")
    assert mail.run("push").code == 0
    assert mail.state(101) == "unread"
    assert len(mail.writes) == 1
    assert mail.detail() == "conflict: Canvas had archived; the local wish won"
    mail.settled()


def test_a_conflict_can_be_left_to_canvas(mail: Mail) -> None:
    mail.set(101, workflow_state="unread")
    mail.sandbox.school.owner_set(101, workflow_state="archived")
    assert mail.run("push", "--on-conflict", "remote").code == 0
    assert mail.state(101) == mail.column(101) == "archived"
    assert mail.writes == []
    assert mail.journal() == [(101, "workflow_state", "unread", "conflict", "sql")]
    mail.settled()


def test_a_conflict_nobody_can_be_asked_about_stays_and_is_told(mail: Mail) -> None:
    mail.set(101, workflow_state="unread", starred=0)
    mail.sandbox.school.owner_set(101, workflow_state="archived")
    ran = mail.run("push", "--on-conflict", "ask", "--json")
    assert ran.code == 6
    assert (
        ran.json["counts"]["edits"]["undecided"],
        ran.json["counts"]["edits"]["pushed"],
        ran.json["counts"]["edits"]["pending"],
    ) == (
        1,
        1,
        1,
    )
    assert mail.state(101) == "archived" and mail.state(101, "starred") is False
    assert mail.column(101) == "unread"
    assert mail.run("push", "--on-conflict", "local").code == 0
    assert mail.state(101) == "unread"
    mail.settled()


@pytest.mark.parametrize(
    ("answer", "there", "code"), [("mine", "unread", 0), ("canvas", "archived", 0), ("later", "archived", 6)]
)
def test_a_conflict_is_asked_about_at_a_terminal(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, answer: str, there: str, code: int
) -> None:
    monkeypatch.setattr("canvas_archive.cli.push.can_ask", lambda: True)
    mail.set(101, workflow_state="unread")
    mail.sandbox.school.owner_set(101, workflow_state="archived")
    ran = mail.run("push", "--on-conflict", "ask", input=f"{answer}\n")
    assert ran.code == code
    assert "you want unread, Canvas has archived" in ran.err
    assert mail.state(101) == there


@pytest.mark.sampled
def test_a_new_message_beats_a_wish_to_archive(mail: Mail) -> None:
    mail.set(101, workflow_state="archived")
    mail.sandbox.school.receive(101, BEN, "Wait, one more thing")
    ran = mail.run("push")
    assert ran.code == 0
    assert "a new message arrived" in ran.err
    assert mail.writes == []
    assert mail.state(101) == mail.column(101) == "unread"
    assert mail.journal() == [(101, "workflow_state", "archived", "conflict", "sql")]
    mail.settled()


def test_a_new_message_beats_it_also_when_a_sync_has_fetched_it(mail: Mail) -> None:
    mail.set(101, workflow_state="archived")
    mail.update("UPDATE edits SET made_at = '2026-01-01T00:00:00Z'")
    mail.sandbox.school.receive(101, BEN, "Wait, one more thing")
    mail.sync(mode="quick", attachments=False)
    assert mail.column(101) == "archived"
    assert mail.run("push").code == 0
    assert mail.writes == []
    assert mail.state(101) == mail.column(101) == "unread"
    mail.settled()


def test_a_message_that_was_there_before_the_wish_does_not_hold_it_up(mail: Mail) -> None:
    """Whatever came with the sync right before the edit is seen, also within the same second."""
    mail.sandbox.school.receive(101, BEN, "One more thing")
    mail.sync(mode="quick", attachments=False)
    mail.set(101, workflow_state="archived")
    mail.update("UPDATE messages SET first_seen_at = (SELECT made_at FROM edits)")
    assert mail.run("push").code == 0
    assert mail.state(101) == "archived"
    mail.settled()


def test_an_own_message_elsewhere_does_not_hold_up_an_archive_wish(mail: Mail) -> None:
    mail.set(101, workflow_state="archived")
    mail.sandbox.school.own_reply(101, "From the web")
    assert mail.run("push").code == 0
    assert mail.state(101) == "archived"


def test_news_in_a_conversation_one_has_left_do_not_matter(mail: Mail) -> None:
    mail.sandbox.school.owner_set(101, subscribed=False)
    mail.sync(mode="full", attachments=False)
    mail.set(101, workflow_state="archived")
    mail.update("UPDATE edits SET made_at = '2026-01-01T00:00:00Z'")
    mail.sandbox.school.receive(101, BEN, "You will not miss this")
    mail.sync(mode="full", attachments=False)
    assert mail.run("push").code == 0
    assert mail.state(101) == "archived"


@pytest.mark.sampled
def test_a_conversation_that_is_gone_takes_the_edit_with_it(mail: Mail) -> None:
    mail.set(101, workflow_state="archived", starred=0)
    mail.sandbox.school.owner_delete(101)
    ran = mail.run("push", "--json")
    assert (ran.code, ran.json["counts"]["edits"]["gone"]) == (0, 2)
    assert mail.writes == []
    assert {state for *_, state, _ in mail.journal()} == {"gone"}
    assert mail.one("SELECT removed_at IS NOT NULL FROM conversations WHERE id = 101") == 1
    assert mail.one("SELECT count(*) FROM messages WHERE conversation_id = 101 AND removed_at IS NULL") == 2
    mail.settled()


def test_a_conversation_that_goes_between_reading_and_sending(mail: Mail) -> None:
    mail.set(101, workflow_state="archived")
    # The address that is read has a query; the one that is written to ends with the id.
    mail.sandbox.faults.on_request(
        r"/conversations/101$", lambda number: mail.sandbox.school.owner_delete(101)
    )
    ran = mail.run("push", "--json")
    assert (ran.code, ran.json["counts"]["edits"]["gone"]) == (0, 1)
    mail.settled()


def test_fields_are_decided_one_by_one(mail: Mail) -> None:
    mail.set(101, workflow_state="archived", starred=0)
    mail.sandbox.school.receive(101, BEN, "News")
    assert mail.run("push").code == 0
    assert mail.writes == [("PUT", "/conversations/101", {"conversation": {"starred": "false"}})]
    assert mail.state(101) == "unread" and mail.state(101, "starred") is False
    mail.settled()


def test_unsubscribing_does_not_take_an_unread_wish_away(mail: Mail) -> None:
    """Canvas marks as read what one leaves; a wish that is already so goes along and wins."""
    mail.set(104, workflow_state="archived")
    mail.set(104, workflow_state="unread", subscribed=0)
    mail.sandbox.school.owner_set(104, workflow_state="unread")
    assert mail.run("push").code == 0
    assert (mail.state(104), mail.state(104, "subscribed")) == ("unread", False)
    mail.settled()


def test_an_update_in_another_sqlite_client_reaches_canvas(mail: Mail) -> None:
    """Nothing of this program is loaded where the edit is made."""
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
        "db.execute(\"UPDATE conversations SET workflow_state = 'archived'"
        " WHERE context_name LIKE 'Team%'\");"
        "db.commit(); db.close()"
    )
    subprocess.run([sys.executable, "-I", "-c", script, str(mail.folder / "archive.db")], check=True)
    assert mail.run("push").code == 0
    assert mail.state(101) == "archived"
    assert len(mail.writes) == 1


def test_setting_a_column_back_leaves_nothing_to_send(mail: Mail) -> None:
    mail.set(101, workflow_state="archived")
    mail.set(101, workflow_state="read" if mail.state(101) == "read" else "unread")
    assert mail.run("push").code == 0
    assert mail.writes == []
    assert len(mail.sandbox.log) == 0


def test_another_wish_of_the_same_conversation_is_untouched_by_what_is_read_back(mail: Mail) -> None:
    mail.sandbox.school.receive(100, DEE, "News")
    mail.set(100, starred=1, workflow_state="archived")
    report = mail.push(shown=Shown({mail.one("SELECT id FROM edits WHERE field = 'starred'"): "0>1"}, {}))
    assert (report.pushed, report.pending) == (1, 0)
    assert mail.one("SELECT count(*) FROM pending_edits") == 1
    assert mail.column(100) == "archived"
