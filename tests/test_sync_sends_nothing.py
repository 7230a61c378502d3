"""A plain sync sends nothing: every kind of it, with everything that could be sent waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.cli import sync as sync_command
from canvas_archive.sandbox import Sandbox
from tests.fleet_support import Collection, collection
from tests.push_support import BEN, Mail, open_mail
from tests.sandbox_support import small_mailbox
from tests.sync_support import bind

pytestmark = pytest.mark.thorough


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def everything_waits(mail: Mail) -> None:
    """Leave an archiving that Canvas undid, one it undid twice, pending edits, queued messages, a problem."""
    for id_ in (101, 104):
        mail.set(id_, workflow_state="archived")
    assert mail.run("push").code == 0
    mail.sandbox.school.revert_archive(104)
    mail.sync(mode="quick", attachments=False)
    assert mail.run("push").code == 0
    for id_ in (101, 104):
        mail.sandbox.school.revert_archive(id_)
    mail.set(100, starred=1, workflow_state="archived")
    mail.set(102, starred=1)
    for args in (("send", "--to", str(BEN)), ("reply", "100")):
        assert mail.run(*args, "--body", "Later", "--queue").code == 0
    mail.sandbox.school.receive(102, BEN, "News")
    mail.update(
        "INSERT INTO problems (kind, item_id, error, attempts, first_at, last_at) "
        "VALUES ('conversation', '102', 'It failed.', 1, '2026', '2026')"
    )


def test_no_kind_of_sync_sends_anything(mail: Mail) -> None:
    everything_waits(mail)
    before = {id_: mail.state(id_) for id_ in (100, 101, 102, 104)}
    # The first ones have a problem to retry; after the dry run, one queues what Canvas undid.
    for args in (("-n",), ("-n", "--full"), (), ("--quick",), ("--full",), ("--refetch", "--json"), ("-n",)):
        mail.forget_requests()
        assert mail.run("sync", "--no-index", *args).code == 0
        assert len(mail.sandbox.log) > 4
        assert mail.writes == []
    assert {id_: mail.state(id_) for id_ in before} == before
    assert [one.state for one in mail.outbox()] == ["queued", "queued"]


def test_nor_does_a_watch(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    everything_waits(mail)
    mail.forget_requests()
    rounds = iter(range(3))

    def wait(seconds: float) -> None:
        if next(rounds) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(sync_command.time, "sleep", wait)
    mail.run("sync", "--watch", "1", "--no-index")
    assert mail.writes == [] and len(mail.sandbox.log) > 12


@pytest.mark.sampled
def test_nor_does_a_first_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(small_mailbox()) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        pair.sync()
        assert pair.one("SELECT count(*) FROM messages") > 5 and len(sandbox.log) > 10
        assert not sandbox.log.writes


def test_nor_does_a_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(conversations=12) as sandbox:
        many: Collection = collection(sandbox, tmp_path, monkeypatch)
        many.write_list([sandbox.user_id])
        assert many.code(many.sync("--no-attachments", "--no-index")) == 0
        mail = Mail(sandbox, many.root / str(sandbox.user_id))
        id_ = mail.one("SELECT id FROM inbox LIMIT 1")
        mail.set(id_, workflow_state="archived")
        assert mail.run("push").code == 0 and mail.state(id_) == "archived"
        sandbox.school.revert_archive(id_)
        mail.forget_requests()
        for _ in range(2):
            assert many.code(many.sync("--no-attachments", "--no-index")) == 0
        assert mail.writes == [] and mail.state(id_) == "unread"
        assert mail.run("push", "--json").json["counts"]["edits"]["repushed"] == 1
