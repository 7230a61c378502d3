"""Receipts: what is stored again, what reading costs at most, and which check names a forgery."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from canvas_archive.canvas import parse
from canvas_archive.derive.compare import check_derived
from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Attachment, JsonObject
from canvas_archive.store import Ingest, receipts, runs, transaction
from canvas_archive.store.chain import chain_head, check_chain, extend_chain, has_head
from canvas_archive.store.deltas import apply_delta, delta
from canvas_archive.store.migrations import known_version
from canvas_archive.store.receipts import (
    MOST_DIFFERENCES,
    ReceiptWriter,
    Unreadable,
    pack,
    read_receipts,
    unpack,
)
from tests.store_support import OWNER, TickingClock, conversation, fresh_database, message

_COPY = """
INSERT INTO receipts
SELECT NULL, run_id, source, kind, key, address, at, status, texts, base, packing, salt, payload
FROM receipts WHERE id = ?
"""
_SWAP = "UPDATE receipts SET id = CASE id WHEN ?1 THEN -1 WHEN ?2 THEN ?1 END WHERE id IN (?1, ?2)"


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    opened = fresh_database()
    opened.execute(f"PRAGMA user_version = {known_version()}")
    yield opened
    opened.close()


@pytest.fixture
def synced(db: sqlite3.Connection) -> sqlite3.Connection:
    """An archive after two recorded runs that fetched two conversations each."""
    clock = TickingClock()
    for first in (1, 3):
        run = runs.start_run(db, "full", clock)
        with transaction(db):
            ingest = Ingest(db, clock, run)
            ingest.save_ids("inbox", range(1, first + 2))
            for number in (first, first + 1):
                ingest.save_conversation(conversation(number, message(100 + number)))
        runs.finish_run(db, run, "ok", True, 1, 1, {}, None, clock=clock)
        with transaction(db):
            extend_chain(db, clock=clock)
    return db


def kinds(db: sqlite3.Connection) -> list[str]:
    return [one.kind for one in read_receipts(db)]


def contents(db: sqlite3.Connection) -> list[str]:
    return [f"{one.table} {one.row}: {one.sentence}" for one in check_derived(db).faults]


def chain(db: sqlite3.Connection) -> list[str]:
    return [f"{one.source} {one.row_key}: {one.sentence}" for one in check_chain(db)]


def unguarded(db: sqlite3.Connection) -> sqlite3.Connection:
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    return db


# -- what is stored ---------------------------------------------------------------------------------------


def test_a_list_of_ids_is_stored_when_it_changed_and_as_a_difference(db: sqlite3.Connection) -> None:
    ingest = Ingest(db, TickingClock())
    many = list(range(1, 3000, 2))
    ingest.save_ids("inbox", many)
    ingest.save_ids("inbox", reversed(many))
    ingest.save_ids("sent", many)
    ingest.save_ids("inbox", [*many[:700], *many[701:], 9000])
    said = [one for one in read_receipts(db) if one.kind == "ids"]
    assert [one.payload["scope"] for one in said] == ["inbox", "sent", "inbox"]  # type: ignore[index, call-overload]
    assert said[2].payload == {"scope": "inbox", "ids": [*many[:700], *many[701:], 9000]}
    assert said[0].address == "GET /api/v1/conversations?scope=inbox"
    lengths = [row[0] for row in db.execute("SELECT length(payload) FROM receipts WHERE kind = 'ids'")]
    assert lengths[2] < 60 < lengths[0]


def test_what_canvas_says_of_the_owner_is_stored_when_it_changed(db: sqlite3.Connection) -> None:
    ingest = Ingest(db, TickingClock())
    raw: JsonObject = {
        "id": OWNER,
        "name": "Ada Owner",
        "locale": "en",
        "avatar_url": "https://a.example/1?verifier=1",
    }
    ingest.save_user(parse.user(raw))
    ingest.save_user(parse.user({**raw, "avatar_url": "https://a.example/1?verifier=2"}))
    assert [one.payload for one in read_receipts(db) if one.kind == "user"] == [raw]
    ingest.save_user(parse.user({**raw, "name": "Ada Married"}))
    assert kinds(db).count("user") == 2
    with pytest.raises(MalformedAnswer, match="User 8 is not the owner"):
        ingest.save_user(parse.user({"id": 8, "name": "Somebody"}))
    assert contents(db) == []


def test_a_download_that_fails_alike_is_stored_once_with_the_record_of_the_file(
    db: sqlite3.Connection,
) -> None:
    ingest = Ingest(db, TickingClock())
    ingest.save_conversation(conversation(1, message(100, attachments=(Attachment(501, "a.pdf"),))))
    record: JsonObject = {"id": 501, "display_name": "a.pdf", "url": "https://c.example/501?verifier=1"}
    for verifier in "12":
        url = f"https://c.example/501?verifier={verifier}"
        ingest.save_attachment_state(501, "failed", error="Lost.", url=url, record=record)
    said = [one.payload for one in read_receipts(db) if one.kind == "file"]
    assert [one["record"] for one in said] == [record]  # type: ignore[index, call-overload]
    assert contents(db) == []


def test_after_many_differences_an_answer_is_stored_whole(db: sqlite3.Connection) -> None:
    writer = ReceiptWriter(db.cursor(), None)
    for number in range(MOST_DIFFERENCES + 3):
        writer.add("thread", 1, "GET /", "2026-03-09T12:00:00Z", {"messages": [*range(number)]})
    writer.write()
    whole = [row[0] for row in db.execute("SELECT id FROM receipts WHERE kind = 'thread' AND base IS NULL")]
    assert [number - whole[0] for number in whole] == [0, MOST_DIFFERENCES + 1]
    said = [one.payload for one in read_receipts(db) if one.kind == "thread"]
    assert said == [{"messages": [*range(number)]} for number in range(MOST_DIFFERENCES + 3)]


def test_an_answer_that_is_nested_too_deeply_is_refused_and_nothing_of_it_stays(
    db: sqlite3.Connection,
) -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    before = kinds(db)
    odd = replace(conversation(1, message(100)), raw={"id": 1, "odd": deep})  # type: ignore[dict-item]
    with pytest.raises(MalformedAnswer, match="nested too deeply"), transaction(db):
        Ingest(db, TickingClock()).save_conversation(odd)
    assert kinds(db) == before
    assert db.execute("SELECT count(*) FROM conversations").fetchone()[0] == 0


# -- what reading costs at most ---------------------------------------------------------------------------


def forged_payload(db: sqlite3.Connection, data: bytes, base: int | None = None) -> str:
    """Put a receipt of one's own behind the others; return what reading it says."""
    db.execute(
        "INSERT INTO receipts (source, kind, key, at, texts, base, packing, payload) "
        "VALUES ('api', 'thread', 1, '2026-03-09T12:00:00Z', 'raw', ?, 1, ?)",
        (base, data),
    )
    *_, last = read_receipts(db)
    assert last.kind == "unreadable"
    return str(last.payload)


def test_a_text_that_unpacks_without_end_is_cut_off(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MOST_BYTES", 100_000)
    assert "too many" in forged_payload(db, pack(json.dumps("0" * 50_000_000)))


def test_a_text_with_too_many_parts_is_never_parsed(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MOST_PARTS", 1000)
    assert "too many parts" in forged_payload(db, pack("[" + "[]," * 2000 + "0]"))
    with pytest.raises(MalformedAnswer, match="more than a receipt can hold"):
        writer = ReceiptWriter(db.cursor(), None)
        writer.add("thread", 1, "GET /", "2026-03-09T12:00:00Z", {"odd": [[] for _ in range(2000)]})
        writer.write()


def test_a_difference_cannot_multiply_a_list(db: sqlite3.Connection) -> None:
    writer = ReceiptWriter(db.cursor(), None)
    writer.add("thread", 1, "GET /", "2026-03-09T12:00:00Z", {"id": 1, "messages": [1, 2, 3]})
    writer.write()
    first = db.execute("SELECT max(id) FROM receipts").fetchone()[0]
    bomb = {"-": [], "=": {"messages": [None, [[0, 3]] * 1000]}}
    *_, whole = (one for one in read_receipts(db))
    trail = json.dumps(whole.payload, separators=(",", ":"), sort_keys=True)
    assert "no difference" in forged_payload(db, pack(json.dumps(bomb), trail), first)


@pytest.mark.parametrize(
    ("base", "new"), [([1], [1, 1, 1]), ([1, 1, 2], [1, 2, 1, 1]), ([{"id": 1}, {"id": 1}], [{"id": 1}] * 3)]
)
def test_a_list_that_names_something_twice_comes_back(base: list[object], new: list[object]) -> None:
    change = delta({"l": base}, {"l": new})  # type: ignore[dict-item]
    assert apply_delta({"l": base}, change) == {"l": new}  # type: ignore[dict-item]


def test_receipts_that_differ_from_each_other_without_end_are_refused(db: sqlite3.Connection) -> None:
    nothing = zlib.compressobj(6, zlib.DEFLATED, -15)
    data = nothing.compress(b'{"-":[],"=":{}}') + nothing.flush()
    rows = [
        ("api", "thread", 1, "2026", "raw", number - 1 if number > 10 else None, 1, data)
        for number in range(10, 900)
    ]
    db.executemany(
        "INSERT INTO receipts (source, kind, key, at, texts, base, packing, payload) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    assert kinds(db).count("unreadable") >= 890 - MOST_DIFFERENCES - 1


def test_another_dictionary_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = pack('{"body":"Words"}')
    assert unpack(stored, 1) == '{"body":"Words"}'
    monkeypatch.setitem(receipts._DICTIONARIES, 1, "0" * 64)
    receipts._dictionary.cache_clear()
    try:
        with pytest.raises(Unreadable, match="was changed"):
            unpack(stored, 1)
        with pytest.raises(Unreadable, match="packing 7"):
            unpack(stored, 7)
    finally:
        receipts._dictionary.cache_clear()


# -- forgeries, and which check names each ----------------------------------------------------------------


def test_bodies_swapped_together_with_their_receipts_break_the_chain(synced: sqlite3.Connection) -> None:
    db = unguarded(synced)
    said = {one.key: one.id for one in read_receipts(db) if one.kind == "thread"}
    db.execute(_SWAP, (said[1], said[2]))
    db.execute("UPDATE receipts SET id = ?, key = key WHERE id = -1", (said[2],))
    assert any("are not the recorded ones" in fault for fault in chain(db))
    texts = [row[0] for row in db.execute("SELECT body FROM messages WHERE id IN (101, 102) ORDER BY id")]
    db.execute(
        "UPDATE messages SET body = CASE id WHEN 101 THEN ?2 ELSE ?1 END WHERE id IN (101, 102)", texts
    )
    assert [fault for fault in contents(db) if "body" in fault]


def test_a_copied_receipt_belongs_to_a_run_that_was_over(synced: sqlite3.Connection) -> None:
    said = next(one.id for one in read_receipts(synced) if one.kind == "thread")
    synced.execute(_COPY, (said,))  # no trigger forbids what comes last
    added = synced.execute("SELECT max(id) FROM receipts").fetchone()[0]
    named = f"receipts {added}: the receipt was added after run 1 was recorded"
    assert chain(synced) == [named]
    clock = TickingClock()
    run = runs.start_run(synced, "full", clock)
    runs.finish_run(synced, run, "ok", True, 1, 1, {}, None, clock=clock)
    with transaction(synced):
        extend_chain(synced)
    assert chain(synced) == [named]


def test_the_receipts_of_a_run_that_was_killed_belong_to_it(synced: sqlite3.Connection) -> None:
    clock = TickingClock()
    killed = runs.start_run(synced, "full", clock)
    with transaction(synced):
        Ingest(synced, clock, killed).save_conversation(conversation(9, message(900)))
    assert chain(synced) == []
    run = runs.start_run(synced, "full", clock)
    runs.finish_run(synced, run, "ok", True, 1, 1, {}, None, clock=clock)
    with transaction(synced):
        extend_chain(synced)
    assert chain(synced) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE receipts SET run_id = 3 - run_id WHERE run_id IN (1, 2)",
        "UPDATE sync_runs SET started_at = (SELECT started_at FROM sync_runs o WHERE o.id <> sync_runs.id)",
        "UPDATE sync_runs SET id = -id; UPDATE sync_runs SET id = 3 + id",
    ],
)
def test_two_runs_that_changed_places_break_the_chain(synced: sqlite3.Connection, statement: str) -> None:
    unguarded(synced).executescript(statement)
    assert chain(synced)


def test_a_removal_that_the_lists_contradict_is_named(synced: sqlite3.Connection) -> None:
    clock = TickingClock()
    with transaction(synced):
        Ingest(synced, clock).save_ids("inbox", [1, 2, 4])
        Ingest(synced, clock).mark_removed(3, unlisted=True)
    assert contents(synced) == []
    with transaction(synced):
        Ingest(synced, clock).mark_removed(2, unlisted=True)  # as our own package would, or by hand
    assert any(
        "no row can follow from the receipt: the list inbox names" in fault for fault in contents(synced)
    )
    assert any(fault.startswith("conversations 2:") and "removed_at" in fault for fault in contents(synced))


def test_a_chain_that_is_cut_at_its_end_lacks_the_head_that_was_noted(synced: sqlite3.Connection) -> None:
    """An archive that is consistent, and older: only a head or a signature from outside shows it."""
    noted = chain_head(synced).chain
    db = unguarded(synced)
    last = db.execute("SELECT max(row_key) FROM evidence_chain WHERE source = 'sync_runs'").fetchone()[0]
    db.execute(
        "DELETE FROM evidence_chain WHERE seq >= (SELECT seq FROM evidence_chain "
        "WHERE source = 'sync_runs' AND row_key = ?)",
        (last,),
    )
    db.execute("DELETE FROM receipts WHERE run_id = ?", (last,))
    db.execute("DELETE FROM sync_runs WHERE id = ?", (last,))
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("DELETE FROM conversations WHERE id IN (3, 4)")
    db.execute("DELETE FROM messages WHERE conversation_id IN (3, 4)")
    for table in ("conversation_participants", "conversation_contexts"):
        db.execute(f"DELETE FROM {table} WHERE conversation_id IN (3, 4)")
    db.execute("DELETE FROM message_recipients WHERE message_id NOT IN (SELECT id FROM messages)")
    assert chain(db) == [] and contents(db) == []
    assert not has_head(db, noted)
