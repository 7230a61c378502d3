"""Acts as evidence: in the chain, in ``custody.json``; and archives made before there were acts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.canvas import CanvasClient
from canvas_archive.errors import BadRequest
from canvas_archive.store import Archive, migrations, transaction
from canvas_archive.store.acts import begin_act, settle_act
from canvas_archive.store.chain import GENESIS, check_chain, extend_chain
from canvas_archive.store.journal import check_journal_entries
from canvas_archive.sync import acts
from tests.push_support import BEN, CLEO, DEE, Mail, open_mail
from tests.store_support import create

pytestmark = pytest.mark.sampled


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with create(tmp_path / "mail") as opened:
        for number in (100, 101):
            act(opened, number)
        yield opened


def act(archive: Archive, conversation_id: int) -> None:
    with transaction(archive.db):
        settle_act(archive.db, begin_act(archive.db, acts.deletion(conversation_id)), "done", "done")
        extend_chain(archive.db)


def tampered(archive: Archive, statement: str) -> list[tuple[str, str, str]]:
    db = archive.db
    for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    db.execute(statement)
    chained = [(fault.source, str(fault.row_key), fault.sentence) for fault in check_chain(db)]
    return chained + [(fault.table, fault.key, fault.sentence) for fault in check_journal_entries(db).faults]


def test_each_act_is_in_the_chain_as_it_began_and_as_it_ended(archive: Archive) -> None:
    chained = """
      SELECT j.row_key, json_extract(j.content, '$.state') FROM journal j
      JOIN evidence_chain c ON c.source = 'journal' AND c.row_key = j.id
      WHERE j."table" = 'acts' ORDER BY j.id
    """
    states = [("1", "begun"), ("1", "done"), ("2", "begun"), ("2", "done")]
    assert [tuple(row) for row in archive.db.execute(chained)] == states
    assert check_chain(archive.db) == []
    with transaction(archive.db):
        begin_act(archive.db, acts.reading_all())
        assert extend_chain(archive.db) == 1
    assert [tuple(row) for row in archive.db.execute(chained)] == [*states, ("3", "begun")]
    assert check_chain(archive.db) == []


@pytest.mark.parametrize(
    ("statement", "named", "sentence"),
    [
        ("UPDATE acts SET answer = 'no' WHERE id = 2", ("acts", "2"), "the row was changed"),
        ("UPDATE acts SET parameters = '{\"a\": 1}' WHERE id = 1", ("acts", "1"), "the row was changed"),
        ("DELETE FROM acts WHERE id = 1", ("acts", "1"), "the row is gone"),
        (
            "DELETE FROM evidence_chain WHERE row_key = 1 AND source = 'journal'",
            ("journal", "1"),
            "added among recorded ones",
        ),
    ],
)
def test_a_changed_act_is_named(
    archive: Archive, statement: str, named: tuple[str, str], sentence: str
) -> None:
    found = tampered(archive, statement)
    assert any(fault[:2] == named and sentence in fault[2] for fault in found), found


def test_the_chain_of_an_older_archive_stays_valid() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    for step in migrations.MIGRATIONS[:3]:
        step.apply(db)
    record = (1, "a", "sync_runs", 1, "ok", "{}", "0" * 64, GENESIS, "1" * 64)
    db.execute("INSERT INTO evidence_chain VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", record)
    migrations.m004_acts(db)
    assert db.execute("SELECT * FROM evidence_chain").fetchall() == [record]
    for statement in ("UPDATE evidence_chain SET at = at", "DELETE FROM evidence_chain"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
    db.close()


# -- custody ----------------------------------------------------------------------------------------------


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def custody(mail: Mail, name: str, *options: str) -> tuple[list[dict[str, Any]], str]:
    bag = mail.folder.parent / name
    ran = mail.run("export", str(bag), "--bag", "--allow-incomplete", "--format", "jsonl", *options)
    assert ran.code == 0, ran.err
    text = (bag / "data" / "custody.json").read_text("utf-8")
    return json.loads(text)["acts_on_canvas"], text


def live_through(mail: Mail) -> None:
    for args in (
        ("send", "--to", str(BEN), "--subject", "About Cleo Stern", "--body", "Ask Dora Dee about it."),
        ("add-recipients", "101", str(CLEO), str(DEE), "-y"),
        ("remove-messages", "100", "1001", "-y"),
        ("mark-all-read", "-y"),
        ("reply", "104", "--body", "Secret of 104", "-y"),
        ("delete", "102", "-y"),
    ):
        assert mail.run(*args).code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CanvasClient, "create_conversation", refuse)
        assert mail.run("send", "--to", str(BEN), "--body", "Secret refused", "--subject", "No").code == 4


def refuse(*_: object, **__: object) -> None:
    raise BadRequest("Ben Okri does not want mail.", status=400)


@pytest.mark.thorough
def test_custody_has_every_act_of_a_whole_export(mail: Mail) -> None:
    live_through(mail)
    told, _ = custody(mail, "bag")
    assert [(one["command"], one["state"]) for one in told] == [
        ("send", "done"), ("add-recipients", "done"), ("remove-messages", "done"), ("mark-all-read", "done"),
        ("reply", "done"), ("delete", "done"), ("send", "refused"),
    ]  # fmt: skip
    assert told[0]["parameters"]["body"] == "Ask Dora Dee about it."
    assert told[2]["message_ids"] == [1001] and told[4]["conversation_id"] == 104


@pytest.mark.thorough
def test_custody_of_a_selection_has_no_act_of_another_conversation(mail: Mail) -> None:
    live_through(mail)
    told, text = custody(mail, "bag", "--ids", "100,101")
    assert [one["command"] for one in told] == ["add-recipients", "remove-messages", "mark-all-read", "send"]
    assert (
        "Secret" not in text and "Cleo" not in text
    )  # of the message that began no conversation, no content


@pytest.mark.thorough
def test_a_redacted_custody_names_nobody(mail: Mail) -> None:
    live_through(mail)
    told, text = custody(mail, "bag", "--redact")
    assert len(told) == 7
    for name in ("Ben", "Okri", "Cleo", "Stern", "Dora", "Dee"):
        assert name not in text
    assert all("recipients[]" not in one["parameters"] for one in told)
    assert told[1]["recipients"] == 2
