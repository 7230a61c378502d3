"""Nothing is sent that was not named before: what is queued or changed meanwhile waits, and that is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import compose, edit
from canvas_archive.cli import push as push_module
from canvas_archive.store import outbox as store
from canvas_archive.store.outbox import Draft
from canvas_archive.store.writing import brief_write
from canvas_archive.sync import service
from tests.push_support import ADA, DEE, Mail, open_mail

pytestmark = pytest.mark.thorough


ADD_PERSON = "UPDATE conversations SET audience = json_insert(audience, '$[#]', ?) WHERE id = 101"


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def queue(mail: Mail, body: str, conversation_id: int = 101) -> int:
    with brief_write(mail.folder / "archive.db") as db:
        return store.queue_message(db, Draft("reply", body, conversation_id=conversation_id))


def after(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, act: Callable[[], object]) -> None:
    """Let ``act`` happen right after a function of a module has returned."""
    original = getattr(module, name)

    def wrapped(*args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        act()
        return result

    monkeypatch.setattr(module, name, wrapped)


def own_bodies(mail: Mail) -> set[str]:
    told = mail.sandbox.school.truth()
    return {one["body"] for thread in told.values() for one in thread["messages"] if one["author_id"] == ADA}


@pytest.mark.parametrize("command", [("push",), ("sync", "--push", "--quick")])
def test_what_is_queued_after_the_announcement_waits(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    queue(mail, "Shown.")
    mail.set(100, starred=1)
    mail.set(101, starred=0)

    def meanwhile() -> None:
        queue(mail, "Not shown.")
        mail.set(102, starred=1)
        mail.set(101, starred=1)
        mail.set(101, workflow_state="archived")

    after(monkeypatch, push_module, "announce", meanwhile)
    said = mail.run(*command)
    assert said.code == 0 and "To send: 2 edits of 2 conversations and 1 message." in said.err
    assert (
        "2 edits and 1 message were added or changed meanwhile and wait: run 'canvas-archive push'"
        in said.err
    )
    assert "Shown." in own_bodies(mail) and "Not shown." not in own_bodies(mail)
    assert mail.state(100, "starred") and not mail.state(102, "starred") and mail.state(101, "starred")
    assert mail.state(101) != "archived"


@pytest.mark.sampled
def test_a_text_changed_after_the_announcement_waits(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    number = queue(mail, "Shown.")

    def change() -> None:
        with brief_write(mail.folder / "archive.db") as db:
            assert store.change_message(db, number, body="Changed.", subject=None)

    after(monkeypatch, push_module, "announce", change)
    said = mail.run("push")
    assert "1 message was added or changed meanwhile and waits" in said.err
    assert not own_bodies(mail) & {"Shown.", "Changed."}


def test_a_reply_whose_people_changed_since_waits(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    queue(mail, "To the two of you.")

    def join() -> None:
        mail.update(
            "UPDATE conversations SET audience = json_insert(audience, '$[#]', ?) WHERE id = 101", DEE
        )

    after(monkeypatch, push_module, "announce", join)
    said = mail.run("push")
    assert "1 message was added or changed meanwhile and waits" in said.err
    assert "To the two of you." not in own_bodies(mail)


def test_a_reply_sent_at_once_asks_again_when_its_people_changed(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    def join() -> None:
        mail.update(
            "UPDATE conversations SET audience = json_insert(audience, '$[#]', ?) WHERE id = 101", DEE
        )

    after(monkeypatch, compose, "ask_to_send", join)
    said = mail.run("reply", "101", "--body", "Hello", "-y")
    assert said.code == 2 and "Its people changed meanwhile. Nothing was sent." in said.err
    assert "Hello" not in own_bodies(mail)


def test_a_mark_that_is_sent_at_once_is_the_mark_that_was_made(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = edit._push

    def late(*args: Any) -> Any:
        mail.set(100, workflow_state="unread" if mail.state(100) == "read" else "read")
        mail.set(102, starred=1)
        return original(*args)

    monkeypatch.setattr(edit, "_push", late)
    said = mail.run("archive", "100", "101", "--push")
    assert said.code == 0 and "Changed meanwhile, and not sent: 1 edit." in said.err
    assert mail.state(101) == "archived" and mail.state(100) != "archived"
    assert not mail.state(102, "starred")


def test_a_library_call_sends_what_waits_when_the_sync_begins(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail.set(100, starred=1)
    after(monkeypatch, service, "waiting", lambda: queue(mail, "Later."))
    result = mail.sync(mode="quick", attachments=False, push=True, clock=mail.clock)
    assert mail.state(100, "starred") and "Later." not in own_bodies(mail)
    assert any("1 message was added or changed meanwhile" in note for note in result.notes)
