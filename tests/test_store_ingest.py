"""Saving answers: what is kept, what is recorded as replaced, what is left alone."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Attachment, Course, MediaComment
from canvas_archive.store import Archive, Ingest, ingest_people, transaction
from canvas_archive.store.flags import merge_flags
from canvas_archive.store.receipts import read_receipts
from canvas_archive.store.revisions import changed_columns
from canvas_archive.store.rows import clean, context_parts, to_json
from canvas_archive.store.runs import start_run
from canvas_archive.store.summaries import stored_fingerprints, stored_summaries
from tests.store_support import OWNER, TickingClock, conversation, create, message, person

BIG = 2**63 - 1


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Open a new archive for writing."""
    with create(tmp_path / "mail") as made:
        yield made


@pytest.fixture
def ingest(archive: Archive) -> Ingest:
    """Return a writer for it."""
    return Ingest(archive.db, TickingClock())


def one(db: sqlite3.Connection, sql: str, *values: object) -> object:
    row = db.execute(sql, values).fetchone()
    return None if row is None else row[0]


def revisions(db: sqlite3.Connection) -> list[tuple[str, str, object, object]]:
    rows = db.execute('SELECT "table", id, before, after FROM revisions ORDER BY revision')
    return [(row[0], row[1], json.loads(row[2]), json.loads(row[3])) for row in rows]


def queued(db: sqlite3.Connection) -> list[int]:
    ids = [row[0] for row in db.execute("SELECT message_id FROM index_queue ORDER BY seq")]
    db.execute("DELETE FROM index_queue")
    return ids


FILE = Attachment(
    501,
    "Syllabus.pdf",
    "Syllabus.pdf",
    "application/pdf",
    1234,
    "2026-01-01T00:00:00Z",
    "https://x/501",
    {"folder_id": 3},
)
MEDIA = MediaComment("m-1", "audio", "Voice", "audio/mp4", "https://x/m-1")


def test_a_whole_answer_is_stored_field_by_field(archive: Archive, ingest: Ingest) -> None:
    letter = message(
        100,
        "Hello",
        attachments=(FILE, replace(FILE, id=502)),
        media_comment=MEDIA,
        forwarded_messages=(message(90, "Old", author=31, forwarded_messages=(message(80, author=32),)),),
        extra={"new_field": [1, {"b": 2, "a": "é"}]},
    )
    answer = conversation(
        1,
        letter,
        message(101, generated=True, author=20),
        starred=True,
        private=True,
        properties=("attachments", "last_author"),
        avatar_url="https://x/a.png",
        extra={"visible": True},
    )
    with transaction(archive.db):
        saved = ingest.save_conversation(answer)
    assert (saved.new, saved.changed, saved.new_messages) == (True, True, 2)
    assert saved.new_attachment_ids == (501, 502)
    db = archive.db
    row = db.execute("SELECT * FROM conversations").fetchone()
    assert row["starred"] == row["remote_starred"] == row["private"] == 1
    assert json.loads(row["properties"]) == ["attachments", "last_author"]
    assert (row["audience"], row["extra"], row["context_name"]) == ("[20]", '{"visible":true}', "BIO 101")
    assert row["fetched_at"] and row["first_seen_at"] and row["removed_at"] is None
    assert one(db, "SELECT extra FROM messages WHERE id = 100") == '{"new_field":[1,{"a":"é","b":2}]}'
    homes = dict(db.execute("SELECT id, conversation_id FROM messages ORDER BY id").fetchall())
    assert homes == {80: None, 90: None, 100: 1, 101: 1}
    links = [tuple(row) for row in db.execute("SELECT * FROM forwarded_messages ORDER BY message_id")]
    assert links == [(90, 80, 0), (100, 90, 0)]
    assert [tuple(row) for row in db.execute("SELECT * FROM message_attachments")] == [
        (100, 501, 0),
        (100, 502, 1),
    ]
    assert one(db, "SELECT state FROM attachments WHERE id = 501") == "pending"
    assert one(db, "SELECT extra FROM attachments WHERE id = 501") == '{"folder_id":3}'
    assert one(db, "SELECT media_type FROM media_comments WHERE message_id = 100") == "audio"
    assert one(db, "SELECT name FROM users WHERE id = 31") is None
    assert one(db, "SELECT roles FROM conversation_contexts") == '["StudentEnrollment"]'
    context = db.execute("SELECT kind, canvas_id, name FROM contexts WHERE code = 'course_12'").fetchone()
    assert tuple(context) == ("course", 12, "BIO 101")
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert revisions(db) == [] and one(db, "SELECT count(*) FROM edits") == 0


def test_the_same_answer_twice_changes_nothing(archive: Archive, ingest: Ingest) -> None:
    inner = message(90, author=31)
    answer = conversation(
        1, message(100, attachments=(FILE,), media_comment=MEDIA, forwarded_messages=(inner,))
    )
    tables = ("users", "messages", "message_recipients", "attachments", "conversation_participants")
    for writer in (ingest, ingest, Ingest(archive.db, TickingClock())):
        with transaction(archive.db):
            saved = writer.save_conversation(answer)
        if writer is ingest and saved.new:
            before = [archive.db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
            queued(archive.db)
            continue
        assert (saved.new, saved.changed, saved.new_messages, saved.new_attachment_ids) == (
            False,
            False,
            0,
            (),
        )
    assert [archive.db.execute(f"SELECT * FROM {table}").fetchall() for table in tables] == before
    assert revisions(archive.db) == [] and queued(archive.db) == []


def test_what_an_answer_replaces_is_in_revisions(archive: Archive) -> None:
    run = start_run(archive.db, "full", TickingClock())
    ingest = Ingest(archive.db, TickingClock(), run)
    ingest.save_conversation(conversation(1, message(100)))
    changed = conversation(
        1,
        replace(message(100), body="Edited", author_id=21),
        subject="Final",
        participants=(person(OWNER, "Ada Owner"), person(20, "New Name")),
    )
    assert ingest.save_conversation(changed).changed
    found = {(table, row_id): (before, after) for table, row_id, before, after in revisions(archive.db)}
    assert found["messages", "100"] == (
        {"author_id": 20, "body": "Body of 100"},
        {"author_id": 21, "body": "Edited"},
    )
    assert found["conversations", "1"] == (
        {"last_message": "Body of 100", "subject": "Midterm"},
        {"last_message": "Edited", "subject": "Final"},
    )
    assert found["users", "20"][0] == {"name": "Person 20", "full_name": "Person 20 Full"}
    assert {row[0] for row in archive.db.execute("SELECT sync_run_id FROM revisions")} == {run}


def test_what_is_volatile_is_written_without_a_revision(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100, attachments=(FILE,), media_comment=MEDIA)))
    moved = message(
        100,
        attachments=(replace(FILE, url="https://y/501"),),
        media_comment=replace(MEDIA, url="https://y/m"),
    )
    answer = conversation(
        1,
        moved,
        avatar_url="https://y/a",
        extra={"visible": False},
        participants=(person(OWNER, "Ada Owner"), person(20, avatar_url="https://y/20", extra={"uuid": "z"})),
    )
    assert not ingest.save_conversation(answer).changed
    assert revisions(archive.db) == []
    assert one(archive.db, "SELECT url FROM attachments") == "https://y/501"
    assert one(archive.db, "SELECT url FROM media_comments") == "https://y/m"
    assert one(archive.db, "SELECT avatar_url FROM users WHERE id = 20") == "https://y/20"
    assert one(archive.db, "SELECT extra FROM conversations") == '{"visible":false}'


def test_what_canvas_leaves_out_does_not_erase(archive: Archive, ingest: Ingest) -> None:
    rich = person(20, avatar_url="https://x/20", extra={"common_courses": {"1": []}})
    ingest.save_conversation(
        conversation(
            1, message(100, attachments=(FILE,), media_comment=MEDIA), participants=(person(OWNER), rich)
        )
    )
    bare = message(100, attachments=(replace(FILE, url="", size=None),))
    ingest.save_conversation(
        conversation(1, bare, participants=(person(OWNER), person(20)), audience_contexts={})
    )
    ingest.save_conversation(conversation(1, message(100), participants=()))
    db = archive.db
    assert tuple(db.execute("SELECT url, size FROM attachments").fetchone()) == ("https://x/501", 1234)
    assert one(db, "SELECT avatar_url FROM users WHERE id = 20") == "https://x/20"
    for table in ("message_attachments", "media_comments", "conversation_contexts"):
        assert one(db, f"SELECT count(*) FROM {table}") == 1
    assert one(db, "SELECT count(*) FROM conversation_participants") == 2


def test_a_generated_body_keeps_its_first_wording(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100), message(101, "Eva was added", generated=True)))
    again = conversation(1, message(100), message(101, "Eva wurde hinzugefügt", generated=True))
    again = replace(again, last_message="Body of 101", message_count=2)
    ingest.save_conversation(again)
    assert one(archive.db, "SELECT body FROM messages WHERE id = 101") == "Eva was added"
    assert all(table != "messages" for table, *_ in revisions(archive.db))


def test_a_missing_message_is_marked_and_comes_back(archive: Archive, ingest: Ingest) -> None:
    both = conversation(1, message(100), message(101))
    ingest.save_conversation(both)
    assert ingest.save_conversation(conversation(1, message(101))).changed
    assert one(archive.db, "SELECT removed_at FROM messages WHERE id = 100") is not None
    assert one(archive.db, "SELECT body FROM messages WHERE id = 100") == "Body of 100"
    assert not ingest.save_conversation(conversation(1, message(101))).changed
    assert ingest.save_conversation(both).changed
    assert one(archive.db, "SELECT count(removed_at) FROM messages") == 0
    moments = [(before, after) for table, _, before, after in revisions(archive.db) if table == "messages"]
    assert [set(before) for before, _ in moments] == [{"removed_at"}, {"removed_at"}]
    assert moments[0][1] == moments[1][0]


def test_a_forwarded_copy_is_no_removal_and_finds_its_home(archive: Archive, ingest: Ingest) -> None:
    copy = message(50, author=31)
    ingest.save_conversation(conversation(1, message(100, forwarded_messages=(copy,))))
    queued(archive.db)
    ingest.save_conversation(conversation(1, message(100)))
    assert one(archive.db, "SELECT removed_at FROM messages WHERE id = 50") is None
    assert one(archive.db, "SELECT count(*) FROM forwarded_messages") == 1
    saved = ingest.save_conversation(conversation(2, copy))
    assert saved.new_messages == 1
    assert one(archive.db, "SELECT conversation_id FROM messages WHERE id = 50") == 2
    assert 50 in queued(archive.db)
    ingest.save_conversation(conversation(1, message(100, forwarded_messages=(copy,))))
    assert one(archive.db, "SELECT conversation_id FROM messages WHERE id = 50") == 2
    assert [entry for entry in revisions(archive.db) if entry[0] == "messages"] == []


def test_a_forwarded_copy_does_not_bring_a_removed_message_back(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(2, message(50), message(51)))
    ingest.save_conversation(conversation(2, message(51)))
    ingest.save_conversation(conversation(1, message(100, forwarded_messages=(message(50),))))
    assert one(archive.db, "SELECT removed_at FROM messages WHERE id = 50") is not None


def test_the_threads_own_message_outranks_its_forwarded_copy(archive: Archive, ingest: Ingest) -> None:
    copy = replace(message(100), body="cut off")
    ingest.save_conversation(conversation(1, message(101, forwarded_messages=(copy,)), message(100)))
    row = archive.db.execute("SELECT conversation_id, body FROM messages WHERE id = 100").fetchone()
    assert tuple(row) == (1, "Body of 100")


def test_a_message_that_moved_to_another_conversation_is_followed(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100)))
    ingest.save_conversation(conversation(2, message(100)))
    assert one(archive.db, "SELECT conversation_id FROM messages") == 2
    assert ("messages", "100", {"conversation_id": 1}, {"conversation_id": 2}) in revisions(archive.db)


def test_people_who_left_are_no_participants_but_recorded(archive: Archive, ingest: Ingest) -> None:
    three = (person(OWNER, "Ada Owner"), person(20), person(21))
    ingest.save_conversation(conversation(1, message(100), participants=three))
    assert ingest.save_conversation(conversation(1, message(100), participants=(three[2], three[0]))).changed
    rows = archive.db.execute("SELECT user_id, position FROM conversation_participants ORDER BY position")
    assert [tuple(row) for row in rows] == [(21, 0), (OWNER, 1)]
    assert revisions(archive.db) == [("conversation_participants", "1/20", {"position": 1}, {})]
    assert one(archive.db, "SELECT name FROM users WHERE id = 20") == "Person 20"


def test_recipients_only_grow_and_queue_their_message(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100), message(101)))
    assert sorted(queued(archive.db)) == [100, 101]
    grown = message(100, participating_user_ids=(OWNER, 33))
    assert ingest.save_conversation(conversation(1, grown, message(101))).changed
    assert queued(archive.db) == [100]
    rows = archive.db.execute("SELECT user_id FROM message_recipients WHERE message_id = 100")
    assert sorted(row[0] for row in rows) == [OWNER, 20, 33]
    lists = {"recipients": [OWNER, 20]}, {"recipients": [OWNER, 20, 33]}
    assert revisions(archive.db) == [("messages", "100", *lists)]


def test_a_later_attachment_queues_its_message(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100)))
    queued(archive.db)
    saved = ingest.save_conversation(conversation(1, message(100, attachments=(FILE,))))
    assert saved.new_attachment_ids == (501,) and saved.changed
    assert queued(archive.db) == [100]
    ingest.save_attachment_state(501, "stored", sha256="ab" * 32, stored_size=1234)
    assert queued(archive.db) == [100]


def test_what_a_known_message_gets_later_is_recorded(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100)))
    later = message(100, attachments=(FILE,), media_comment=MEDIA, forwarded_messages=(message(50),))
    people = (person(OWNER, "Ada Owner"), person(20), person(21))
    ingest.save_conversation(conversation(1, later, participants=people))
    told = {"media_type": "audio", "display_name": "Voice", "content_type": "audio/mp4"}
    assert revisions(archive.db) == [
        ("conversation_participants", "1/21", {}, {"position": 2}),
        ("messages", "100", {"forwarded_messages": []}, {"forwarded_messages": [50]}),
        ("messages", "100", {"attachments": []}, {"attachments": [501]}),
        ("media_comments", "100/m-1", {}, told),
    ]
    assert not ingest.save_conversation(conversation(1, later, participants=people)).changed
    assert len(revisions(archive.db)) == 4


def test_attachment_states(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100, attachments=(FILE,))))
    ingest.save_attachment_state(501, "failed", error="timed out", url="https://new/501")
    row = archive.db.execute("SELECT state, error, url, fetched_at FROM attachments").fetchone()
    assert tuple(row) == ("failed", "timed out", "https://new/501", None)
    ingest.save_attachment_state(501, "stored", sha256="ab" * 32, stored_size=1234)
    ingest.save_attachment_state(501, "gone", error="deleted")
    row = archive.db.execute("SELECT state, error, sha256, stored_size FROM attachments").fetchone()
    assert tuple(row) == ("gone", "deleted", "ab" * 32, 1234)
    with pytest.raises(sqlite3.IntegrityError):
        ingest.save_attachment_state(501, "nonsense")


def test_an_answer_to_sending_adds_its_message_and_removes_none(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100)))
    known = stored_fingerprints(archive.db, [1])
    answer = conversation(1, message(101, author=OWNER), message_count=2)
    saved = ingest.save_conversation(answer, complete=False)
    assert (saved.new_messages, saved.changed) == (1, True)
    assert one(archive.db, "SELECT count(removed_at) FROM messages") == 0
    assert stored_fingerprints(archive.db, [1]) == known


def test_a_queued_message_without_an_id_is_not_stored(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100), message(0)), complete=False)
    assert [row[0] for row in archive.db.execute("SELECT id FROM messages")] == [100]


def test_ids_of_other_shards_and_odd_text(archive: Archive, ingest: Ingest) -> None:
    odd = "half \ud83d a pair, NUL \x00, emoji 🎓, עברית"
    answer = conversation(
        BIG,
        message(BIG, odd, author=BIG, participating_user_ids=(BIG,)),
        subject="\udc00",
        audience=(BIG,),
        participants=(person(BIG, "N\udfffame"),),
        extra={"n": math.inf, "m": [math.nan], "s": "\ud800"},
        context_code="weird",
        audience_contexts={"course_99999999999999999999": ()},
    )
    with transaction(archive.db):
        ingest.save_conversation(answer)
    body = one(archive.db, "SELECT body FROM messages WHERE id = ?", BIG)
    assert body == odd.replace("\ud83d", "\ufffd")
    assert one(archive.db, "SELECT subject FROM conversations WHERE id = ?", BIG) == "\ufffd"
    assert json.loads(str(one(archive.db, "SELECT extra FROM conversations"))) == {
        "m": ["nan"],
        "n": "inf",
        "s": "\ufffd",
    }
    kinds = archive.db.execute("SELECT kind, canvas_id FROM contexts ORDER BY code").fetchall()
    assert [tuple(row) for row in kinds] == [("other", None), ("other", None)]
    assert not ingest.save_conversation(answer).changed


def test_an_unknown_state_is_refused_before_anything_is_written(archive: Archive, ingest: Ingest) -> None:
    with pytest.raises(MalformedAnswer, match="unknown state"):
        ingest.save_conversation(conversation(1, message(100), workflow_state="vanished"))
    assert one(archive.db, "SELECT count(*) FROM users") == 0


def test_a_failed_save_leaves_no_revision_for_the_next(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100)))
    broken = conversation(1, replace(message(100), body=None), subject="Other")  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError), transaction(archive.db):
        ingest.save_conversation(broken)
    with transaction(archive.db):
        assert not ingest.save_conversation(conversation(1, message(100))).changed
    assert revisions(archive.db) == []


def test_a_rollback_by_the_caller_loses_nobody(archive: Archive, ingest: Ingest) -> None:
    answer = conversation(1, message(100))
    with pytest.raises(ZeroDivisionError), transaction(archive.db):
        ingest.save_conversation(answer)
        raise ZeroDivisionError
    with transaction(archive.db):
        assert ingest.save_conversation(answer).new
    assert one(archive.db, "SELECT count(*) FROM users") == 2
    assert archive.db.execute("PRAGMA foreign_key_check").fetchall() == []


# -- list rows ------------------------------------------------------------------------------------


def test_a_full_memory_of_people_is_emptied_and_loses_nobody(
    archive: Archive, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_people, "MOST_REMEMBERED", 1)
    for number in (1, 2, 3):
        ingest.save_conversation(conversation(number, message(100 + number), participants=(person(20),)))
    renamed = conversation(3, message(103), participants=(person(20, "Renamed"),))
    ingest.save_conversation(renamed)
    assert archive.db.execute("SELECT name FROM users WHERE id = 20").fetchone()[0] == "Renamed"
    assert archive.db.execute("SELECT count(*) FROM users").fetchone()[0] == 2


def test_a_list_row_moves_the_flags_alone(archive: Archive, ingest: Ingest) -> None:
    whole = conversation(1, message(100))
    ingest.save_conversation(whole)
    before = stored_fingerprints(archive.db, [1])
    row = replace(whole, messages=None, workflow_state="unread", message_count=2, subject="Other")
    assert ingest.save_summary(row).changed
    assert stored_fingerprints(archive.db, [1]) == before
    assert stored_summaries(archive.db)[1].workflow_state == "unread"
    assert revisions(archive.db) == [
        ("conversations", "1", {"remote_workflow_state": "read"}, {"remote_workflow_state": "unread"})
    ]


def test_an_equal_list_row_brings_new_names(archive: Archive, ingest: Ingest) -> None:
    whole = conversation(1, message(100))
    ingest.save_conversation(whole)
    later = Ingest(archive.db, TickingClock())
    row = replace(
        whole,
        messages=None,
        context_name="BIO 101 (2026)",
        participants=(person(OWNER, "Ada Owner"), person(20, "Renamed")),
    )
    assert later.save_summary(row).changed
    assert one(archive.db, "SELECT name FROM users WHERE id = 20") == "Renamed"
    assert one(archive.db, "SELECT context_name FROM conversations") == "BIO 101 (2026)"
    # Another row of the same run still has the name that Canvas cached for it.
    later.save_summary(replace(whole, id=2, messages=None))
    later.save_summary(replace(whole, messages=None))
    assert one(archive.db, "SELECT name FROM users WHERE id = 20") == "Renamed"


ROWS = [replace(conversation(id_, message(100 + id_)), messages=None) for id_ in range(1, 9)]
LISTED = [
    ROWS[0],
    replace(ROWS[1], starred=True),
    replace(ROWS[1], starred=False),  # named twice: it moved while the list was being read
    replace(ROWS[2], participants=(person(OWNER, "Ada Owner"), person(20, "Renamed"))),
    replace(ROWS[3], participants=(person(OWNER, "Ada Owner"), person(20, "Once more"))),
    replace(ROWS[4], context_name="BIO 101 (2026)"),
    replace(ROWS[5], participants=(*ROWS[5].participants, person(77, "Never seen"))),
    ROWS[6],  # starred here, and that waits for a push
    ROWS[7],  # marked as removed
    replace(ROWS[0], id=99, context_code="course_99", context_name="New"),
    replace(ROWS[0], audience=(), context_name=None),
    replace(ROWS[0], audience=(20, 88)),
]


def test_the_rows_of_a_list_are_written_as_they_would_be_one_by_one(tmp_path: Path) -> None:
    dumps = []
    for name in ("together", "one by one"):
        with create(tmp_path / name) as archive:
            whole = [replace(row, messages=(message(100 + row.id),)) for row in ROWS]
            Ingest(archive.db, TickingClock()).save_conversations(whole)
            Ingest(archive.db, TickingClock()).mark_removed(8)
            archive.db.execute("UPDATE conversations SET starred = 1 WHERE id = 7")
            archive.db.execute("UPDATE edits SET made_at = ''")
            ingest = Ingest(archive.db, TickingClock())
            if name == "together":
                saved = ingest.save_summaries(LISTED)
            else:
                saved = [ingest.save_summary(row) for row in LISTED]
            dumps.append(([(one.new, one.changed) for one in saved], _without_times(archive.db)))
    assert dumps[0] == dumps[1]
    assert dumps[0][0][:3] == [(False, False), (False, True), (False, True)]


def _without_times(db: sqlite3.Connection) -> list[str]:
    """Everything that is stored, but for times and salts; the clock of these tests never stands."""
    dump = [re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.+]+Z?", "TIME", line) for line in db.iterdump()]
    stored = [re.sub(r"X'[0-9A-F]{32}'", "SALT", line) for line in dump if not _is_receipt(line)]
    return stored + [repr(replace(receipt, at="TIME")) for receipt in read_receipts(db)]


def _is_receipt(line: str) -> bool:
    return line.startswith('INSERT INTO "receipts"')


def test_rows_that_say_what_is_stored_cost_a_few_statements_for_all(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversations([replace(row, messages=(message(100 + row.id),)) for row in ROWS])
    later, statements = Ingest(archive.db, TickingClock()), list[str]()
    archive.db.set_trace_callback(statements.append)
    assert not any(saved.changed for saved in later.save_summaries(ROWS))
    archive.db.set_trace_callback(None)
    assert len(statements) < len(ROWS)
    assert not [text for text in statements if "temp." not in text and not text.lstrip().startswith("SELECT")]


def test_names_recalled_in_a_transaction_that_failed_are_forgotten(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100)))
    row = replace(ROWS[0], participants=(person(OWNER, "Ada Owner"), person(20, "Renamed")))
    whole = replace(row, messages=(message(100),))
    later = Ingest(archive.db, TickingClock())
    with pytest.raises(RuntimeError), transaction(archive.db):
        ingest.save_conversation(whole)
        assert not later.save_summaries([row])[0].changed
        raise RuntimeError("in between")
    with transaction(archive.db):
        assert later.save_conversation(whole).changed
    assert one(archive.db, "SELECT name FROM users WHERE id = 20") == "Renamed"


def test_conversations_in_the_same_state_share_one_summary(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversations([replace(row, messages=(message(100 + row.id),)) for row in ROWS])
    ingest.save_flags(2, starred=True)
    summaries = stored_summaries(archive.db)
    assert len({id(summary) for summary in summaries.values()}) == 2
    assert [id_ for id_, summary in summaries.items() if summary.starred] == [2]


def test_an_unknown_list_row_waits_for_its_messages(archive: Archive, ingest: Ingest) -> None:
    row = replace(conversation(1), messages=None)
    assert ingest.save_summary(row).new
    assert not stored_summaries(archive.db)[1].fetched
    assert ingest.save_conversation(conversation(1, message(100))).new_messages == 1
    assert stored_summaries(archive.db)[1].fetched


def test_removed_conversations_are_kept_and_come_back(archive: Archive, ingest: Ingest) -> None:
    whole = conversation(1, message(100))
    ingest.save_conversation(whole)
    assert ingest.mark_removed(1) and not ingest.mark_removed(1) and not ingest.mark_removed(99)
    assert stored_summaries(archive.db)[1].removed
    assert ingest.save_flags(1, starred=True)
    assert stored_summaries(archive.db)[1].removed, "an id in a list is no proof that it is back"
    assert ingest.save_summary(replace(whole, messages=None, starred=True)).changed
    assert not stored_summaries(archive.db)[1].removed
    assert [set(before) for _, _, before, _ in revisions(archive.db)] == [
        {"removed_at"},
        {"remote_starred"},
        {"removed_at"},
    ]


def test_single_messages_are_marked(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100), message(101)))
    assert ingest.mark_messages_removed(1, [100, 999]) == 1
    assert ingest.mark_messages_removed(1, [100]) == 0
    assert ingest.mark_messages_removed(2, [101]) == 0
    assert one(archive.db, "SELECT count(removed_at) FROM messages") == 1


def test_flags_of_an_unknown_conversation_are_nothing(ingest: Ingest) -> None:
    assert ingest.save_flags(12345, starred=True) is False


# -- courses --------------------------------------------------------------------------------------


def test_the_course_list_outranks_names_in_conversations(archive: Archive, ingest: Ingest) -> None:
    ingest.save_conversation(conversation(1, message(100)))
    queued(archive.db)
    assert ingest.save_courses([Course(12, "Biology", "BIO 101", "Spring", {"x": 1}), Course(13)]) == 2
    assert queued(archive.db) == [100]
    assert [table for table, *_ in revisions(archive.db)] == ["contexts"], "a name replaced, a code learned"
    ingest.save_conversation(conversation(1, message(100), context_name="Old nickname"))
    row = archive.db.execute("SELECT name, course_code, term FROM contexts WHERE code = 'course_12'")
    assert tuple(row.fetchone()) == ("Biology", "BIO 101", "Spring")
    restricted = Course(12, extra={"access_restricted_by_date": True})
    assert ingest.save_courses([restricted, Course(13)]) == 0
    assert one(archive.db, "SELECT extra FROM contexts WHERE code = 'course_12'") == '{"x":1}'
    assert ingest.save_courses([Course(12, "Biology II", "BIO 101", "Spring", {"x": 1})]) == 1
    assert ("contexts", "course_12", {"name": "Biology"}, {"name": "Biology II"}) in revisions(archive.db)


def test_a_group_takes_its_name_from_whole_answers(archive: Archive, ingest: Ingest) -> None:
    group = conversation(1, message(100), context_code="group_3", context_name="Team A")
    ingest.save_conversation(group)
    ingest.save_conversation(replace(group, context_name="Team B"))
    assert one(archive.db, "SELECT name FROM contexts WHERE code = 'group_3'") == "Team B"
    assert ("contexts", "group_3", {"name": "Team A"}, {"name": "Team B"}) in revisions(archive.db)


# -- pure parts -----------------------------------------------------------------------------------


def test_changed_columns_ignores_volatile_keys() -> None:
    before = {"a": 1, "b": 2, "extra": '{"visible":true,"k":1}'}
    assert changed_columns(before, {"a": 1, "b": 3, "extra": '{"visible":false,"k":1}'}) == (
        {"b": 2},
        {"b": 3},
    )
    assert changed_columns(before, {"extra": '{"k":2}'})[1] == {"extra": '{"k":2}'}
    assert changed_columns({}, {"a": None}) == ({}, {})


def test_merging_an_answer_with_a_pending_wish() -> None:
    stored = {"starred": 1, "remote_starred": 0, "workflow_state": "read", "remote_workflow_state": "read"}
    same = merge_flags(stored, {"starred": 0, "workflow_state": "unread"}, {"starred": "1"})
    assert same.columns == {"remote_workflow_state": "unread", "workflow_state": "unread"}
    met = merge_flags(stored, {"starred": 1}, {"starred": "1"})
    assert (met.columns, met.fulfilled, met.remote_before) == (
        {"remote_starred": 1},
        ("starred",),
        {"remote_starred": 0},
    )


def test_codes_and_text() -> None:
    assert context_parts("group_7") == ("group", 7)
    assert context_parts("course_x") == ("other", None)
    assert clean("🎓") == "🎓" and clean("\ud83c\udf93") == "🎓" and clean(None) is None
    assert to_json({"b": 1, "a": ()}) == '{"a":[],"b":1}'


def test_a_list_row_that_fails_leaves_no_half_of_a_revision(
    archive: Archive, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = conversation(1, message(100))
    ingest.save_conversation(whole)
    row = replace(whole, messages=None, workflow_state="unread")

    def fail(*rest: object) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(ingest._log, "write", fail)
        with pytest.raises(sqlite3.OperationalError), transaction(archive.db):
            ingest.save_summary(row)
    assert revisions(archive.db) == []
    with transaction(archive.db):
        assert ingest.save_summary(row).changed
    assert len(revisions(archive.db)) == 1
