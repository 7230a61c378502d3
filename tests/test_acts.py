"""What is done on Canvas at once leaves a row: written before the request leaves, settled by the answer."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.store import Archive, transaction
from canvas_archive.store.acts import begin_act, list_acts
from canvas_archive.store.lock import WriterLock
from canvas_archive.sync import acts
from tests.docs_support import REPOSITORY
from tests.push_support import BEN, CLEO, DEE, Mail, open_mail
from tests.store_support import create

pytestmark = pytest.mark.thorough

COMMANDS: dict[str, tuple[str, ...]] = {
    "remove-messages": ("remove-messages", "100", "1001", "1002", "-y"),
    "mark-all-read": ("mark-all-read", "-y"),
    "add-recipients": ("add-recipients", "104", str(CLEO), str(DEE), "-y"),
    "send": ("send", "--to", str(BEN), "--subject", "Hello", "--body", "How are you?"),
    "reply": ("reply", "101", "--body", "See you", "-y"),
    "delete": ("delete", "100", "-y"),
}
every_command = pytest.mark.parametrize("args", COMMANDS.values(), ids=COMMANDS.keys())


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def journal(mail: Mail) -> list[dict[str, Any]]:
    return [dict(row) for row in mail.sql("SELECT * FROM acts ORDER BY id")]


def sent(mail: Mail) -> list[str]:
    """Return the requests that could change something, as the journal writes them."""
    return [f"{method} /api/v1{path}" for method, path, _ in mail.writes]


# -- every request has a row ------------------------------------------------------------------------------


@pytest.mark.sampled
@every_command
def test_each_command_writes_down_what_it_sends_before_it_is_sent(mail: Mail, args: tuple[str, ...]) -> None:
    seen: list[list[str]] = []

    def look(number: int) -> None:
        if mail.sandbox.log.writes:
            seen.append([act["state"] for act in journal(mail)])

    mail.sandbox.faults.on_request(r"", look)
    assert mail.run(*args).code == 0
    assert seen[0] == ["begun"]
    (act,) = journal(mail)
    assert [act["request"]] == sent(mail)
    assert (act["command"], act["state"], act["answer"]) == (args[0], "done", "done")
    assert (act["user_id"], act["as_user_id"]) == (mail.owner, None)
    assert act["begun_at"] <= act["ended_at"]
    assert mail.sandbox.token not in json.dumps(act)
    assert mail.run("verify", "--no-files").code == 0


def test_the_row_says_what_was_sent(mail: Mail) -> None:
    for args in COMMANDS.values():
        assert mail.run(*args).code == 0
    rows = {act["command"]: act for act in journal(mail)}
    assert rows["delete"]["conversation_id"] == 100
    assert json.loads(rows["remove-messages"]["message_ids"]) == [1001, 1002]
    assert rows["add-recipients"]["recipients"] == 2
    assert json.loads(rows["add-recipients"]["parameters"]) == {"recipients[]": [str(CLEO), str(DEE)]}
    assert json.loads(rows["send"]["parameters"]) == {
        "recipients[]": [str(BEN)], "subject": "Hello", "body": "How are you?", "force_new": True,
    }  # fmt: skip
    (new,) = json.loads(rows["send"]["result_ids"])
    assert mail.one("SELECT subject FROM conversations WHERE id = ?", new) == "Hello"
    (reply,) = json.loads(rows["reply"]["result_ids"])
    assert mail.one("SELECT body FROM messages WHERE id = ?", reply) == "See you"


def test_files_and_queued_messages_leave_rows_as_well(mail: Mail, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("A file.")
    assert mail.run("reply", "100", "--body", "Here", "--attach", str(notes), "--queue").code == 0
    assert journal(mail) == []
    assert mail.run("push").code == 0
    upload, reply = journal(mail)
    assert (upload["command"], reply["command"]) == ("upload", "reply")
    assert upload["state"] == reply["state"] == "done" and upload["conversation_id"] == 100
    assert json.loads(upload["parameters"])["name"] == "notes.txt"
    assert json.loads(reply["parameters"])["attachment_ids[]"] == json.loads(upload["result_ids"])


def test_deleting_several_is_one_row_for_each_request(mail: Mail) -> None:
    mail.sandbox.school.owner_delete(101)
    mail.sandbox.faults.add("status", r"/conversations/102$", method="DELETE", status=400)
    mail.run("delete", "100", "101", "102", "-y")
    assert [(act["conversation_id"], act["state"]) for act in journal(mail)] == [
        (100, "done"), (101, "refused"), (102, "unknown"),
    ]  # fmt: skip
    assert "404" in journal(mail)[1]["answer"]


@pytest.mark.sampled
def test_no_other_module_writes_to_canvas() -> None:
    """The client's methods that write are called where they are journalled: here, and for edits in push."""
    text = (REPOSITORY / "canvas_archive/canvas/conversations_api.py").read_text("utf-8")
    methods = re.findall(r"def (\w+)\((?:(?!\n    def ).)*?:calls: (?:POST|PUT|DELETE)", text, re.S)
    assert len(methods) >= 8
    call = re.compile(rf"client\.({'|'.join([*methods, 'upload_file'])})\(")
    found = {
        (path.name, name)
        for path in (REPOSITORY / "canvas_archive").rglob("*.py")
        if path.parent.name not in ("canvas", "sandbox")
        for name in call.findall(path.read_text("utf-8"))
    }
    assert found == {
        ("online.py", "add_recipients"), ("online.py", "remove_messages"), ("online.py", "mark_all_as_read"),
        ("online.py", "delete_conversation"), ("outbox.py", "add_message"), ("outbox.py", "upload_file"),
        ("outbox.py", "create_conversation"), ("push.py", "update_conversation"), ("push.py", "batch_update"),
    }  # fmt: skip


# -- what is known of the answer --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "performed"),
    [
        *((name, "abort", True) for name in COMMANDS),
        *(("delete", kind, performed) for kind in ("status", "html_login") for performed in (True, False)),
        ("delete", "invalid_json", True),
        ("delete", "abort", False),
    ],
)
def test_without_a_readable_answer_it_is_unknown(mail: Mail, name: str, kind: Any, performed: bool) -> None:
    args = COMMANDS[name]
    mail.sandbox.faults.add(kind, lambda entry: entry.method in ("POST", "DELETE"), performed=performed)
    assert mail.run(*args).code in (0, 4, 5)  # a message is looked for, and may be found
    assert journal(mail)[0]["state"] == "unknown"
    assert mail.run("verify", "--no-files").code == 0


def test_what_canvas_certainly_did_not_do_is_refused(mail: Mail) -> None:
    mail.sandbox.faults.add("revoke_token", lambda entry: entry.method in ("POST", "DELETE"))
    assert mail.run(*COMMANDS["mark-all-read"]).code == 3
    assert [act["state"] for act in journal(mail)] == ["refused"]


def test_a_connection_that_cannot_be_made_is_no_doubt() -> None:
    assert acts.outcome_of(acts.Unreachable("No.", never_sent=True)) == "refused"
    assert acts.outcome_of(acts.Unreachable("No.")) == "unknown"
    assert acts.outcome_of(KeyboardInterrupt()) == "unknown"
    assert acts.words_of(KeyboardInterrupt()) == "ended by KeyboardInterrupt"


# -- a process that dies ----------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


def killed(mail: Mail, monkeypatch: pytest.MonkeyPatch, *args: str) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(acts, "settle_act", die)
        mail.run(*args)
    assert [act["state"] for act in journal(mail)] == ["begun"]


@every_command
def test_killed_after_the_request_it_is_told_and_settled_as_unknown(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    killed(mail, monkeypatch, *args)
    said = f"'{args[0]}'"
    assert said in mail.run("status").out
    assert mail.run("status", "--json").json["counts"]["acts"] == {"unsettled": 1}
    assert "unknown whether Canvas did it" in mail.run("edits").out
    assert mail.run("edits", "--json").json["acts"][0]["state"] == "begun"
    assert mail.run("verify", "--no-files").code == 0
    ran = mail.run("push" if args[0] in ("send", "reply") else "sync")
    assert ran.code == 0 and said in ran.err and "unknown whether Canvas did it" in ran.err
    assert journal(mail)[0]["state"] == "unknown"
    assert said not in mail.run("sync").err + mail.run("status").out
    assert mail.run("verify", "--no-files").code == 0


def test_the_next_act_tells_it_too(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(mail, monkeypatch, "delete", "100", "-y")
    assert "'delete' (conversation 100)" in mail.run("mark-all-read", "-y").err
    killed_again = [act["state"] for act in journal(mail)]
    assert killed_again == ["unknown", "done"]


@every_command
def test_nothing_is_sent_unrecorded(mail: Mail, args: tuple[str, ...]) -> None:
    with WriterLock(mail.folder):
        ran = mail.run(*args)
    assert ran.code == 7 and str(mail.folder) in ran.err


@every_command
def test_what_cannot_be_recorded_is_not_sent(
    mail: Mail, args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("canvas_archive.sync.acts.begin_act", full)
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        mail.run(*args)
    assert mail.writes == [] and journal(mail) == []


# -- the list ---------------------------------------------------------------------------------------------


def test_edits_all_lists_acts(mail: Mail) -> None:
    mail.run(*COMMANDS["delete"])
    assert mail.run("edits").out == "" and mail.run("edits", "--json").json["acts"] == []
    ran = mail.run("edits", "--all")
    assert ran.code == 0 and re.search(r"1\tdelete\tdone\t.*\t100\t\w", ran.out)
    (act,) = mail.run("edits", "--all", "--json").json["acts"]
    assert (act["command"], act["conversation_id"], act["state"]) == ("delete", 100, "done")
    assert act["subject"] == mail.one("SELECT subject FROM conversations WHERE id = 100")


@pytest.mark.sampled
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM acts",
        "UPDATE acts SET answer = 'It was not me'",
        "UPDATE acts SET state = 'refused'",
        "UPDATE acts SET state = 'begun', ended_at = NULL",
        "INSERT INTO acts (command, request, user_id, begun_at, state, ended_at)"
        " VALUES ('delete', 'DELETE /', 1, '2026', 'done', '2026')",
        "INSERT OR REPLACE INTO acts (id, command, request, user_id, begun_at) VALUES (1, 'x', 'x', 1, 'x')",
    ],
)
def test_a_settled_act_never_changes(mail: Mail, statement: str) -> None:
    mail.run(*COMMANDS["mark-all-read"])
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        mail.update(statement)


@pytest.mark.parametrize(
    "column", ["request", "parameters", "begun_at", "command", "conversation_id", "user_id"]
)
def test_what_was_sent_cannot_be_rewritten_when_it_is_settled(mail: Mail, column: str) -> None:
    with Archive.open(mail.folder, write=True) as archive, transaction(archive.db):
        begin_act(archive.db, acts.deletion(100))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        mail.update(f"UPDATE acts SET state = 'done', ended_at = 'now', {column} = 7")


def test_the_person_acted_for_is_named(tmp_path: Path) -> None:
    with create(tmp_path / "mail", as_user_id=5) as archive:
        with transaction(archive.db):
            begin_act(archive.db, acts.deletion(100))
        (act,) = list_acts(archive.db)
        assert (act.user_id, act.as_user_id) == (archive.account.user_id, 5)


def test_the_pages_show_acts(mail: Mail) -> None:
    from canvas_archive.web.pages.edits import act_line
    from canvas_archive.web.queries import ACTS

    mail.run(*COMMANDS["delete"])
    with Archive.open(mail.folder, write=True) as archive:
        with transaction(archive.db):
            begin_act(archive.db, acts.reading_all())
        lines = [act_line(row) for row in archive.db.execute(ACTS, {"limit": 5})]
    assert [(one.command, one.outcome, one.conversation_id) for one in lines] == [
        ("mark-all-read", "unknown", None),
        ("delete", "done", 100),
    ]
