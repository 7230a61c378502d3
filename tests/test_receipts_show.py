"""``show --receipt``: what Canvas said, harmless on a terminal, and without what opens a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import run
from canvas_archive.derive.again import derive_again
from canvas_archive.store import Archive
from canvas_archive.store.receipt_reading import keyless
from tests.receipt_rows import write_receipts
from tests.receipt_support import copy_of, erase, small_archive, unguarded
from tests.store_support import TickingClock
from tests.sync_support import Pair

pytestmark = pytest.mark.sampled


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with small_archive(tmp_path_factory.mktemp("receipts") / "archive") as pair:
        yield pair


def show(pair: Pair, *arguments: str) -> int:
    return run(["--archive", str(pair.folder), "show", "--receipt", *arguments])


def shown(pair: Pair, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the document that the command prints."""
    capsys.readouterr()
    assert show(pair, *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_a_conversation_has_a_list_and_a_newest_answer(
    synced: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = shown(synced, capsys, "#100")
    lines = [line for line in listed["receipts"] if line["kind"] == "thread"]
    assert listed["total"] == len(listed["receipts"])
    assert [line["address"] for line in lines] == ["GET /api/v1/conversations/100"] * 2
    assert [line["status"] for line in lines] == [200, 200]
    assert any(line["kind"] == "file" for line in listed["receipts"]), "the syllabus is in 100"
    newest = shown(synced, capsys, "conversation:100")
    assert newest["id"] == lines[-1]["id"] and newest["evidence_chain"] == "matches"
    assert len(newest["answer"]["messages"]) == 4
    first = shown(synced, capsys, str(lines[0]["id"]))
    assert len(first["answer"]["messages"]) == 3, "each receipt says what was said then"
    assert show(synced, "#100") == 0
    out = capsys.readouterr().out
    assert f"{lines[0]['id']:>9}  " in out and "GET /api/v1/conversations/100" in out


def test_a_message_is_shown_alone_as_canvas_sent_it(synced: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    number = synced.one("SELECT max(id) FROM messages WHERE conversation_id = 100")
    document = shown(synced, capsys, f"message:{number}")
    assert document["answer"]["id"] == str(number)
    assert document["key"] == 100
    assert "thing" in document["answer"]["body"]
    assert show(synced, f"message:{number}") == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "\\u001b" in printed
    assert "Status:       200" in printed and "(matches the evidence chain)" in printed


def test_what_opens_a_file_is_left_out_and_said_to_be(
    synced: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    assert synced.one("SELECT count(*) FROM attachments WHERE url LIKE '%verifier=%'")
    capsys.readouterr()
    for (number,) in synced.sql("SELECT id FROM receipts"):
        assert show(synced, str(number)) == 0
        printed = capsys.readouterr().out
        assert "verifier" not in printed
        assert "Left out:     signatures of addresses" in printed
    nested: Any = "end"
    for _ in range(900):
        nested = [nested]
    assert "end" not in json.dumps(keyless({"a": nested}))
    deep = {"a": [{"uuid": "1", "preview_url": "x?k=1", "body": "b?c", "calendar": {"ics": "s"}}]}
    assert keyless(deep) == {"a": [{"preview_url": "x", "body": "b?c", "calendar": {}}]}  # type: ignore[arg-type]


def test_rows_that_were_replaced_have_no_keys_either(
    synced: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = copy_of(synced, tmp_path / "copy")
    last = pair.one("SELECT max(id) FROM receipts")
    with Archive.open(pair.folder, write=True) as archive:
        archive.db.execute(
            "UPDATE attachments SET display_name = 'old', extra = json_set(extra, '$.uuid', 'opens')"
        )
        assert derive_again(archive.db, TickingClock(), 1) > 0
    made = pair.sql("SELECT id FROM receipts WHERE id > ?", last)
    told = [shown(pair, capsys, str(number)) for (number,) in made]
    (files,) = [one["answer"] for one in told if one["address"] == "table attachments"]
    assert sorted(one["kind"] for one in told) == ["parser", "replaced"]
    assert dict(zip(files["columns"], files["rows"][0], strict=True))["display_name"] == "old"
    assert not any(key in json.dumps(told) for key in ("verifier", "opens"))
    (number,) = [one["id"] for one in told if one["kind"] == "replaced"]
    assert show(pair, str(number)) == 0
    assert f"{number}: rows as an older version derived them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("9999", "There is no receipt 9999 in this archive; the last one is"),
        ("message:9999", "There is no message 9999"),
        ("conversation:9999", "There is no conversation 9999"),
        ("#9999", "There is no conversation 9999"),
        ("message:", "is not a conversation"),
        ("message:99999999999999999999", "is not a conversation"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    synced: Pair, capsys: pytest.CaptureFixture[str], named: str, sentence: str
) -> None:
    assert show(synced, named) == 2
    assert sentence in capsys.readouterr().err


def test_a_receipt_and_conversations_do_not_go_together(
    synced: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(synced, "1", "100") == 2
    assert "Leave out the ids" in capsys.readouterr().err
    assert run(["--archive", str(synced.folder), "show"]) == 2
    assert "ID is missing" in capsys.readouterr().err


def test_an_altered_or_damaged_receipt_is_said_to_be(
    synced: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = copy_of(synced, tmp_path / "copy")
    first = pair.one("SELECT min(id) FROM receipts WHERE kind = 'thread'")
    with unguarded(pair.folder) as db:
        db.execute("UPDATE receipts SET address = 'GET /elsewhere' WHERE id = ?", (first,))
        db.execute("UPDATE receipts SET payload = x'00ff' WHERE id = ?", (first + 1,))
    assert show(pair, str(first)) == 0
    assert "DOES NOT MATCH THE EVIDENCE CHAIN" in capsys.readouterr().out
    assert show(pair, str(first + 1)) == 8
    assert f"Receipt {first + 1} cannot be read" in capsys.readouterr().err


def test_an_erased_receipt_is_a_tombstone(
    synced: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = copy_of(synced, tmp_path / "copy")
    with unguarded(pair.folder) as db:
        number = erase(db, 100, ["the search index", "a backup of 2026-04-01"])[0]
    document = shown(pair, capsys, str(number))
    assert document["answer"] is None and document["erased_at"] == "2026-05-01T00:00:00Z"
    assert document["evidence_chain"] == "matches"
    assert show(pair, str(number)) == 0
    assert "Also held in: the search index, a backup of 2026-04-01" in capsys.readouterr().out
    assert show(pair, "#101") == 0, "the others are what they were"


def test_what_an_older_version_stored_has_no_answer(
    synced: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = copy_of(synced, tmp_path / "copy")
    with unguarded(pair.folder) as db:
        db.execute("DELETE FROM receipts")
        write_receipts(db)
    for named in ("message:1000", "conversation:100"):
        assert show(pair, named) == 2
        said = capsys.readouterr().err
        assert "may have stored it without one, or" in said and "--refetch' asks Canvas again" in said
    assert shown(pair, capsys, "#100") == {"receipts": [], "total": 0}
    number = pair.one("SELECT min(id) FROM receipts")
    assert shown(pair, capsys, str(number))["kind"] == "rows"
    for (each,) in pair.sql("SELECT id FROM receipts"):
        assert "verifier" not in json.dumps(shown(pair, capsys, str(each)))
