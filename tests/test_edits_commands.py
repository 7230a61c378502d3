"""star, archive, read and the rest: local edits by ids or by a search, the journal, taking back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.store.lock import WriterLock
from tests.push_support import BEN, Mail, big_mailbox, open_mail

pytestmark = pytest.mark.thorough


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch, big_mailbox(25)) as opened:
        yield opened


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("command", "conversation", "field", "value"),
    [
        ("star", 100, "starred", 1),
        ("unstar", 101, "starred", 0),
        ("archive", 100, "workflow_state", "archived"),
        ("unarchive", 102, "workflow_state", "read"),
        ("mark read", 100, "workflow_state", "read"),
        ("mark unread", 102, "workflow_state", "unread"),
        ("unsubscribe", 101, "subscribed", 0),
    ],
)
def test_each_command_edits_offline_and_push_sends_it(
    mail: Mail, command: str, conversation: int, field: str, value: object
) -> None:
    ran = mail.run(*command.split(), str(conversation))
    assert ran.code == 0
    assert ran.out.split()[0] == str(conversation)
    assert mail.column(conversation, field) == value
    assert len(mail.sandbox.log) == 0
    assert mail.journal() == [(conversation, field, str(value), "pending", "cli")]
    assert mail.run("push").code == 0
    assert mail.state(conversation, field) == (bool(value) if isinstance(value, int) else value)
    mail.settled()


def test_subscribe_takes_an_unsubscription_back(mail: Mail) -> None:
    mail.run("unsubscribe", "101")
    ran = mail.run("subscribe", "101", "--json")
    assert ran.json["conversations"][0]["outcome"] == "set_back"
    assert mail.run("push").code == 0
    assert mail.writes == []


def test_what_is_so_already_is_counted_as_unchanged(mail: Mail) -> None:
    ran = mail.run("star", "101", "100")
    assert (ran.code, ran.out.split()[0]) == (0, "100")
    assert "1 conversation changed, 1 unchanged." in ran.err


def test_reading_does_not_bring_archived_ones_back(mail: Mail) -> None:
    assert mail.run("mark", "read", "102").code == 0
    assert mail.column(102) == "archived"
    assert mail.journal() == []


def test_unarchiving_gives_back_the_state_from_before(mail: Mail) -> None:
    assert mail.column(100) == "unread"
    mail.run("archive", "100")
    mail.run("unarchive", "100")
    assert mail.column(100) == "unread"
    assert mail.one("SELECT count(*) FROM pending_edits") == 0


def test_an_unknown_id_is_named_and_nothing_is_changed(mail: Mail) -> None:
    ran = mail.run("star", "100", "4711")
    assert ran.code == 2 and "4711" in ran.err
    assert mail.column(100, "starred") == 0


def test_a_private_conversation_has_no_subscription(mail: Mail) -> None:
    ran = mail.run("unsubscribe", "101", "100")
    assert ran.code == 2
    assert "a private conversation has no subscription" in ran.err and "100" in ran.err
    assert mail.column(101, "subscribed") == 1


def test_a_conversation_gone_from_canvas_cannot_be_edited(mail: Mail) -> None:
    mail.sandbox.school.owner_delete(100)
    mail.sync(mode="full", attachments=False)
    ran = mail.run("star", "100")
    assert ran.code == 2 and "no longer on Canvas" in ran.err


@pytest.mark.sampled
@pytest.mark.parametrize("args", [(), ("100", "--query", "lab")])
def test_ids_or_a_query(mail: Mail, args: tuple[str, ...]) -> None:
    assert mail.run("star", *args).code == 2


def test_a_search_chooses_the_conversations(mail: Mail) -> None:
    mail.sync(mode="quick", index=True, attachments=False)
    ran = mail.run("archive", "--query", "from:ben", "--json")
    found = {line["id"] for line in ran.json["conversations"]}
    assert found == {101, 105} and ran.json["unchanged_count"] == 1
    assert "3 conversations found." in ran.err


def test_a_search_leaves_out_what_cannot_be_edited(mail: Mail) -> None:
    mail.sync(mode="quick", index=True, attachments=False)
    ran = mail.run("unsubscribe", "--query", "from:ben", "--json")
    assert ran.code == 0
    assert {line["id"] for line in ran.json["conversations"]} == {101, 105}
    assert [line["id"] for line in ran.json["skipped"]] == [102]


def test_a_search_that_makes_no_sense_is_told(mail: Mail) -> None:
    mail.sync(mode="quick", index=True, attachments=False)
    ran = mail.run("archive", "--query", "before:yesteryear")
    assert ran.code == 2 and "yesteryear" in ran.err
    assert mail.journal() == []


def test_over_twenty_are_asked_about(many: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [str(id_) for id_ in range(1001, 1022)]
    ran = many.run("archive", *ids)
    assert ran.code == 2 and "-y" in ran.err and "21 conversations" in ran.err
    assert many.journal() == []
    monkeypatch.setattr("canvas_archive.cli.consent.can_ask", lambda: True)
    assert many.run("archive", *ids, input="n\n").code == 1
    assert many.journal() == []
    assert many.run("archive", *ids[:20]).code == 0
    assert many.run("archive", *ids, input="").code == 0  # only one would change
    many.run("unarchive", *ids, "-y")
    assert many.run("archive", *ids, input="y\n").code == 0
    assert many.one("SELECT count(*) FROM pending_edits") == 21


def test_push_sends_at_once_and_nothing_else(mail: Mail) -> None:
    mail.set(104, starred=1)
    mail.run("archive", "101")
    ran = mail.run("star", "100", "--push", "--json")
    assert ran.code == 0 and ran.json["push"]["counts"]["edits"]["pushed"] == 1
    assert [path for _, path, _ in mail.writes] == ["/conversations/100"]
    assert mail.one("SELECT count(*) FROM pending_edits") == 2
    ran = mail.run("archive", "101", "--push")  # wished before, sent now
    assert mail.state(101) == "archived" and "1 unchanged" in ran.err


def test_push_at_once_without_a_token_keeps_the_edit(mail: Mail) -> None:
    mail.sandbox.tokens.revoke(mail.sandbox.token)
    assert mail.run("star", "100", "--push").code == 3
    assert mail.journal() == [(100, "starred", "1", "pending", "cli")]


def test_edits_are_made_while_a_sync_has_the_lock(mail: Mail) -> None:
    with WriterLock(mail.folder):
        assert mail.run("star", "100").code == 0
        assert mail.run("edits", "discard", "--all").code == 0
        assert mail.run("push").code == 7
        assert mail.run("push", "-n").code == 0


def test_a_database_that_is_never_free_is_told(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canvas_archive.store.connection.BUSY_MILLISECONDS", 1)
    blocker = sqlite3.connect(mail.folder / "archive.db", isolation_level=None)
    try:
        blocker.execute("BEGIN IMMEDIATE")
        ran = mail.run("star", "100")
    finally:
        blocker.close()
    assert ran.code == 7 and "Nothing was changed" in ran.err


def test_no_archive(mail: Mail, tmp_path: Path) -> None:
    mail.folder = tmp_path / "nowhere"
    for command in (("star", "1"), ("edits",), ("push",)):
        assert mail.run(*command).code == 2


# -- the journal ------------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_edits_lists_what_waits_and_with_all_what_became_of_the_rest(mail: Mail) -> None:
    mail.run("archive", "101")
    mail.run("push")
    mail.run("star", "100")
    mail.run("mark", "unread", "104")
    mail.run("edits", "discard", "3")
    waiting = mail.run("edits", "--json").json["edits"]
    assert [(one["conversation_id"], one["field"], one["subject"]) for one in waiting] == [
        (100, "starred", "Welcome")
    ]
    everything = mail.run("edits", "--all", "--json").json["edits"]
    assert [one["state"] for one in everything] == ["pushed", "pending", "discarded"]
    lines = mail.run("edits", "--all").out.splitlines()
    assert len(lines) == 4 and "workflow_state: read → archived" in lines[1]


def test_nothing_to_list(mail: Mail) -> None:
    ran = mail.run("edits")
    assert (ran.code, ran.out) == (0, "") and "Nothing waits" in ran.err


@pytest.mark.sampled
def test_discarding_shows_canvas_again(mail: Mail) -> None:
    mail.run("archive", "101", "104")
    ran = mail.run("edits", "discard", "1", "--json")
    assert ran.json == {"counts": {"edits": 1, "messages": 0}}
    assert mail.column(101) == "read" and mail.column(104) == "archived"
    assert mail.run("edits", "discard", "--all").code == 0
    mail.settled()
    assert mail.run("push").code == 0 and mail.writes == []


@pytest.mark.parametrize("args", [(), ("7",), ("1", "--all"), ("--message", "3")])
def test_discarding_what_is_not_there(mail: Mail, args: tuple[str, ...]) -> None:
    mail.run("archive", "101")
    assert mail.run("edits", "discard", *args).code == 2
    assert mail.column(101) == "archived"


def test_discarding_over_twenty_is_asked_about(many: Mail) -> None:
    many.run("archive", *[str(id_) for id_ in range(1001, 1023)], "-y")
    assert many.run("edits", "discard", "--all").code == 2
    assert many.run("edits", "discard", "--all", "-y").code == 0
    many.settled()


def test_hostile_subjects_do_not_reach_the_terminal(mail: Mail) -> None:
    mail.sandbox.school.start_conversation(BEN, [1], "Hi\x1b[31m\nthere\u202e", "Body")
    mail.sync(mode="full", attachments=False)
    ran = mail.run("star", str(mail.one("SELECT max(id) FROM conversations")))
    assert len(ran.out.splitlines()) == 1
    assert "\x1b" not in ran.out and "\u202e" not in ran.out
