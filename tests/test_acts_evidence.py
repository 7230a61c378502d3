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
from canvas_archive.store import Archive, migrations, schema, transaction
from canvas_archive.store.acts import begin_act, settle_act
from canvas_archive.store.chain import check_chain, extend_chain
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


def tampered(archive: Archive, statement: str) -> list[tuple[str, int, str]]:
    db = archive.db
    for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    db.execute(statement)
    return [(fault.source, fault.row_key, fault.sentence) for fault in check_chain(db)]


def test_each_act_is_in_the_chain_once(archive: Archive) -> None:
    rows = archive.db.execute("SELECT row_key, state FROM evidence_chain WHERE source = 'acts'").fetchall()
    assert [tuple(row) for row in rows] == [(1, "done"), (2, "done")]
    assert check_chain(archive.db) == []
    with transaction(archive.db):
        begin_act(archive.db, acts.reading_all())
        assert extend_chain(archive.db) == 0  # one without an answer waits for it
    assert check_chain(archive.db) == []


@pytest.mark.parametrize(
    ("statement", "number", "sentence"),
    [
        ("UPDATE acts SET answer = 'no' WHERE id = 2", 2, "the row was changed after it was recorded"),
        (
            "UPDATE acts SET parameters = '{\"a\": 1}' WHERE id = 1",
            1,
            "the row was changed after it was recorded",
        ),
        ("DELETE FROM acts WHERE id = 1", 1, "the row was recorded and is gone"),
        ("DELETE FROM evidence_chain WHERE row_key = 1 AND source = 'acts'", 1, "among recorded ones"),
    ],
)
def test_a_changed_act_is_named(archive: Archive, statement: str, number: int, sentence: str) -> None:
    assert any(
        fault[:2] == ("acts", number) and sentence in fault[2] for fault in tampered(archive, statement)
    )


def test_the_chain_of_an_older_archive_stays_valid(archive: Archive) -> None:
    db = archive.db
    db.execute(
        "INSERT INTO sync_runs (mode, started_at, finished_at, status) VALUES ('full', 'a', 'b', 'ok')"
    )
    with transaction(db):
        extend_chain(db)
    db.execute("DROP TRIGGER evidence_chain_kept")
    db.execute("DELETE FROM evidence_chain WHERE source = 'acts'")
    before = [tuple(row) for row in db.execute("SELECT * FROM evidence_chain")]
    db.executescript("DROP TABLE acts; DROP TABLE evidence_chain")
    for script in (schema.TABLES, schema.INDEXES, schema.TRIGGERS):
        for statement in migrations.statements(script):
            if "evidence_chain" in statement:
                db.execute(statement)
    db.executemany("INSERT INTO evidence_chain VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", before)
    db.execute("ANALYZE")

    migrations.m004_acts(db)
    assert [tuple(row) for row in db.execute("SELECT * FROM evidence_chain")] == before
    for statement in ("UPDATE evidence_chain SET at = at", "DELETE FROM evidence_chain"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
    act(archive, 102)
    last = db.execute("SELECT seq, source, previous FROM evidence_chain ORDER BY seq DESC").fetchone()
    assert tuple(last) == (before[-1][0] + 1, "acts", before[-1][-1])


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
