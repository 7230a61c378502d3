"""A push killed, cut off or turned away at any point: the next one converges, and nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.canvas import CanvasClient
from canvas_archive.errors import ServerFailure, TokenRefused, Unreachable
from canvas_archive.store import Archive
from canvas_archive.store.edits import record_edit
from canvas_archive.sync.push import Push
from canvas_archive.sync.settling import Settling
from tests.push_support import Mail, big_mailbox, open_mail

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]


class Killed(BaseException):
    """The end of a process, as far as one thread can play it."""


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def kill_after(monkeypatch: pytest.MonkeyPatch, owner: Any, method: str, *, calls: int = 1) -> None:
    """Let the process end right after the n-th call of a method has done its work."""
    original = getattr(owner, method)
    left = [calls]

    def killed(self: Any, *args: Any, **named: Any) -> Any:
        result = original(self, *args, **named)
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return result

    monkeypatch.setattr(owner, method, killed)


def wish(mail: Mail) -> None:
    mail.set(101, workflow_state="archived", starred=0)
    mail.set(104, starred=1)
    mail.set(105, workflow_state="read")


def arrived(mail: Mail) -> bool:
    return (
        mail.state(101) == "archived"
        and not mail.state(101, "starred")
        and mail.state(104, "starred")
        and mail.state(105) == "read"
    )


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_killed_after_canvas_has_answered(mail: Mail, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    wish(mail)
    with monkeypatch.context() as patch:
        kill_after(patch, CanvasClient, "update_conversation", calls=calls)
        with pytest.raises(Killed):
            mail.push()
    assert len(mail.writes) == calls
    assert mail.push().problems == []
    assert arrived(mail)
    assert len(mail.writes) == 3  # what had arrived was not written again
    mail.settled()


@pytest.mark.parametrize(
    ("owner", "method"), [(Push, "_read_rows"), (Push, "_settle_unsent"), (Settling, "sent")]
)
def test_killed_between_the_steps(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    wish(mail)
    with monkeypatch.context() as patch:
        kill_after(patch, owner, method)
        with pytest.raises(Killed):
            mail.push()
    mail.push()
    assert arrived(mail)
    assert len(mail.writes) == 3
    mail.settled()


def test_killed_within_the_transaction_that_settles(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal and the column are committed together or not at all."""
    wish(mail)
    with monkeypatch.context() as patch:
        kill_after(patch, Settling, "take_row")
        with pytest.raises(Killed):
            mail.push()
    assert mail.one("SELECT count(*) FROM pending_edits") == 4
    mail.push()
    assert arrived(mail) and len(mail.writes) == 3
    mail.settled()


PUSH_UNTIL_KILLED = """
import sys
from canvas_archive.cli import run
sys.exit(run(["push", "--archive", sys.argv[1]]))
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
@pytest.mark.parametrize("performed", [True, False])
def test_kill_nine_while_canvas_takes_its_time(mail: Mail, performed: bool) -> None:
    wish(mail)
    held, go_on = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        held.set()
        go_on.wait(20)

    mail.sandbox.faults.on_request(r"/conversations/104$", hold)
    if not performed:
        mail.sandbox.faults.add("hang", r"/conversations/104$", method="PUT")
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
    assert report.problems == [] and arrived(mail)
    to_104 = [one for one in mail.writes if one[1] == "/conversations/104"]
    assert len(to_104) == (1 if performed else 2)
    assert len([one for one in mail.writes if one[1] == "/conversations/101"]) == 1
    mail.settled()


# -- cut off, turned away ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reset", "abort", "truncate"])
@pytest.mark.parametrize("performed", [True, False])
def test_a_lost_answer_is_asked_for_again(mail: Mail, kind: Any, performed: bool) -> None:
    """Setting the same value again changes nothing, so the client may repeat it."""
    wish(mail)
    mail.sandbox.faults.add(kind, r"/conversations/101$", method="PUT", performed=performed)
    assert mail.push().problems == []
    assert arrived(mail)
    mail.settled()


def test_a_revoked_token_stops_with_the_rest_pending(mail: Mail) -> None:
    wish(mail)
    mail.sandbox.faults.add("revoke_token", r"/conversations/104$", method="PUT")
    ran = mail.run("push")
    assert ran.code == 3
    assert "1 pending" not in ran.err and "Edits: 2 pushed, 2 pending." in ran.err
    assert mail.one("SELECT count(*) FROM pending_edits") == 2
    mail.sandbox.tokens.reinstate(mail.sandbox.token)
    assert mail.run("push").code == 0
    assert arrived(mail)
    mail.settled()


def test_a_token_revoked_from_the_start_changes_nothing(mail: Mail) -> None:
    wish(mail)
    mail.sandbox.tokens.revoke(mail.sandbox.token)
    with pytest.raises(TokenRefused):
        mail.push()
    assert mail.writes == []
    assert mail.one("SELECT count(*) FROM pending_edits") == 4


def test_another_persons_token_is_refused(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    wish(mail)
    monkeypatch.setenv("CANVAS_API_TOKEN", mail.sandbox.tokens.issue(2))
    assert mail.run("push").code == 9
    assert mail.writes == []


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["throttle_403", "throttle_429"])
def test_throttling_is_waited_for(mail: Mail, kind: Any) -> None:
    wish(mail)
    mail.sandbox.faults.add(kind, r"/conversations/\d+$", method="PUT", times=3)
    with mail.opened(patience=600) as (archive, client):
        from canvas_archive.sync.push import push_archive

        assert push_archive(archive, client, mail.clock).problems == []
    assert arrived(mail)
    assert mail.clock.sleeps


def test_one_refused_conversation_does_not_hold_up_the_others(mail: Mail) -> None:
    wish(mail)
    mail.sandbox.faults.add("status", r"/conversations/104$", method="PUT", status=500, times=None)
    ran = mail.run  # the command's own patience would be minutes: push in process
    report = mail.push()
    assert [problem.id for problem in report.problems] == ["104"]
    assert report.pending == 1
    assert report.error() is not None and report.error().exit_code == 5  # type: ignore[union-attr]
    mail.sandbox.faults.clear()
    assert ran("push").code == 0
    assert arrived(mail)
    mail.settled()


def test_a_canvas_that_fails_at_everything_ends_the_push(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_mail(tmp_path / "archive", monkeypatch, big_mailbox(6)) as mail:
        for id_ in range(1001, 1007):
            mail.set(id_, starred=1)
        mail.sandbox.faults.add("status", r"/conversations/\d+$", method="PUT", status=500, times=None)
        with pytest.raises(ServerFailure):
            mail.push()
        assert mail.one("SELECT count(*) FROM pending_edits") == 6
        mail.sandbox.faults.clear()
        assert mail.push().pushed == 6
        mail.settled()


def test_an_unreadable_row_is_told_and_the_others_go_on(mail: Mail) -> None:
    wish(mail)
    mail.sandbox.faults.add("invalid_json", r"/conversations/104\?", times=None)
    report = mail.push()
    assert [problem.id for problem in report.problems] == ["104"]
    assert (report.pushed, report.pending) == (3, 1)


def test_no_canvas_at_all(mail: Mail) -> None:
    wish(mail)
    mail.sandbox.close()
    with pytest.raises(Unreachable):
        mail.push()
    assert mail.one("SELECT count(*) FROM pending_edits") == 4


def test_an_answer_that_contradicts_the_request_leaves_the_edit_pending(mail: Mail) -> None:
    """Canvas ignores a subscription to a private conversation, and says so by its answer only."""
    mail.update("UPDATE conversations SET private = 0 WHERE id = 100")
    mail.set(100, subscribed=0)
    report = mail.push()
    assert "was told subscribed = 0, but still says 1" in report.problems[0].error
    assert report.pending == 1


# -- changed while the request was under way --------------------------------------------------------------


def test_a_wish_taken_back_during_the_request_is_not_lost(mail: Mail) -> None:
    mail.set(101, workflow_state="archived")
    before = mail.one("SELECT remote_workflow_state FROM conversations WHERE id = 101")
    mail.sandbox.faults.on_request(
        r"/conversations/101$", lambda number: mail.set(101, workflow_state=before)
    )
    assert mail.push().pending == 1
    mail.sandbox.faults.clear()
    assert mail.column(101) == before and mail.state(101) == "archived"
    assert mail.push().notes == []  # no false conflict: what was sent is the new base
    assert mail.state(101) == before
    mail.settled()


def test_a_wish_changed_during_the_request_is_sent_next(mail: Mail) -> None:
    mail.set(101, workflow_state="archived")
    mail.sandbox.faults.on_request(
        r"/conversations/101$", lambda number: mail.set(101, workflow_state="unread")
    )
    mail.push()
    mail.sandbox.faults.clear()
    assert mail.column(101) == "unread"
    report = mail.push(policy="ask")
    assert (report.asked, report.pushed) == (0, 1)
    assert mail.state(101) == "unread"
    mail.settled()


# -- nothing unknown is ever sent -------------------------------------------------------------------------


def test_a_value_canvas_does_not_know_is_never_sent(mail: Mail) -> None:
    """Canvas would take it for unread. The table refuses it; so does the push, should one ever get there."""
    import sqlite3

    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        mail.set(101, workflow_state="bogus")
    mail.set(101, workflow_state="archived")
    mail.update("UPDATE edits SET value = 'bogus'")
    report = mail.push()
    assert "nothing Canvas knows" in report.problems[0].error
    assert mail.writes == []


@pytest.mark.sampled
def test_a_dry_run_writes_nothing_anywhere(mail: Mail) -> None:
    wish(mail)
    mail.sandbox.school.owner_set(105, workflow_state="archived")
    with Archive.open(mail.folder) as archive:
        before = list(archive.db.iterdump())
    ran = mail.run("push", "-n", "--http")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "PUT /api/v1/conversations/101 conversation[workflow_state]=archived conversation[starred]=false",
        "PUT /api/v1/conversations/104 conversation[starred]=true",
        "PUT /api/v1/conversations/105 conversation[workflow_state]=read",
    ]
    assert mail.writes == []
    with Archive.open(mail.folder) as archive:
        assert list(archive.db.iterdump()) == before
    sent = json.loads(mail.run("push", "--json").out)["calls"]
    assert sent == ran.out.splitlines()


def test_what_is_pushed_is_in_the_chain_of_evidence(mail: Mail) -> None:
    from canvas_archive.store.chain import check_chain

    wish(mail)
    mail.push()
    with Archive.open(mail.folder) as archive:
        chained = archive.db.execute(
            "SELECT count(*) FROM evidence_chain WHERE source = 'edits' AND state = 'pushed'"
        ).fetchone()[0]
        assert chained == 4
        assert check_chain(archive.db) == []


def test_the_origin_of_an_edit_is_kept(mail: Mail) -> None:
    with mail.opened() as (archive, _):
        archive.db.execute("BEGIN")
        record_edit(archive.db, 101, "starred", False, "web")
        archive.db.execute("COMMIT")
    mail.push()
    assert mail.journal() == [(101, "starred", "0", "pushed", "web")]
