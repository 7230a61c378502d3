"""Folders, threads, counts and a person's own SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.model import Attachment, MediaComment
from canvas_archive.store import Archive, Ingest, edits, reading
from canvas_archive.store.counts import archive_counts
from canvas_archive.store.folders import FOLDERS
from canvas_archive.store.forwarded import DEEPEST_FORWARD
from canvas_archive.store.reading import list_conversations
from canvas_archive.store.sql_access import run_sql
from canvas_archive.store.threads import read_thread
from tests.store_support import OWNER, TickingClock, conversation, create, message, person

pytestmark = pytest.mark.sampled


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Open an archive with one conversation of every kind."""
    with create(tmp_path / "mail") as made:
        ingest = Ingest(made.db, TickingClock())
        for number in (1, 2, 3):
            ingest.save_conversation(conversation(number, message(number * 100)))
        ingest.save_conversation(conversation(4, message(400), workflow_state="unread", starred=True))
        ingest.save_conversation(conversation(5, message(500), workflow_state="archived"))
        sent = conversation(
            6,
            message(600, author=OWNER),
            last_message=None,
            last_message_at=None,
            last_authored_message="Body of 600",
            last_authored_message_at="2026-03-09T22:00:00Z",
            starred=True,
        )
        ingest.save_conversation(sent)
        ingest.save_conversation(conversation(7, message(700), starred=True))
        ingest.mark_removed(7)
        yield made


@pytest.mark.parametrize(
    ("folder", "ids"),
    [
        ("inbox", [4, 3, 2, 1]),
        ("unread", [4]),
        ("starred", [6, 4]),
        ("archived", [5]),
        ("sent", [6]),
        ("removed", [7]),
    ],
)
def test_folders_hold_what_canvas_would_show(archive: Archive, folder: str, ids: list[int]) -> None:
    page = list_conversations(archive.db, folder)
    assert [line.id for line in page.lines] == ids and page.next is None


def test_a_line_says_what_there_is_to_see(archive: Archive) -> None:
    edits.record_edit(archive.db, 4, "starred", False, "cli")
    (line,) = list_conversations(archive.db, "unread").lines
    assert (line.people, line.subject, line.context_name) == ("Person 20", "Midterm", "BIO 101")
    assert (line.starred, line.edited, line.preview, line.message_count) == (False, True, "Body of 400", 1)
    assert line.subscribed is True and line.private is False
    (sent,) = list_conversations(archive.db, "sent").lines
    assert (sent.preview, sent.latest_at) == ("Body of 600", "2026-03-09T22:00:00Z")


def test_pages_follow_each_other_without_gaps(archive: Archive) -> None:
    seen, before = [], None
    while True:
        page = list_conversations(archive.db, "inbox", 2, before)
        seen += [line.id for line in page.lines]
        before = page.next
        if before is None:
            break
    assert seen == [4, 3, 2, 1]


def test_pages_do_not_stumble_over_equal_times(archive: Archive) -> None:
    archive.db.execute("UPDATE conversations SET last_message_at = '2026-03-09T10:00:00Z' WHERE id < 4")
    first = list_conversations(archive.db, "inbox", 2)
    second = list_conversations(archive.db, "inbox", 2, first.next)
    assert [line.id for line in first.lines + second.lines] == [4, 3, 2, 1]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("top", [True, False])
def test_folders_are_read_in_index_order(archive: Archive, folder: str, top: bool) -> None:
    values = {"most": 50, "time": "2026-03-09T10:00:00Z", "id": 3}
    statement = reading._statement(reading._LISTED[folder], top=top, oldest=False, chosen=False)
    plan = archive.db.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    page = next(row[3] for row in plan if "conversations" in row[3])
    assert "USING" in page and "INDEX conversations_" in page, page


def test_wrong_folders_and_limits_are_errors(archive: Archive) -> None:
    with pytest.raises(BadInput, match="no folder 'spam'"):
        list_conversations(archive.db, "spam")
    with pytest.raises(BadInput, match="at least 1"):
        list_conversations(archive.db, "inbox", 0)


def test_a_thread_with_everything(archive: Archive) -> None:
    file = Attachment(501, None, "a%20b.pdf", "application/pdf", 12, None, "https://x")
    media = MediaComment("m-1", "audio", "Voice", "audio/mp4", "https://m")
    inner = message(890, author=31, forwarded_messages=(message(880, author=32, attachments=(file,)),))
    answer = conversation(
        8,
        message(801, media_comment=media, author=33),
        message(800, attachments=(file,), forwarded_messages=(inner,)),
        participants=(person(20, pronouns="they/them"), person(OWNER, "Ada Owner")),
    )
    ingest = Ingest(archive.db, TickingClock())
    ingest.save_conversation(answer)
    edits.record_edit(archive.db, 8, "workflow_state", "archived", "cli")
    thread = read_thread(archive.db, 8)
    assert [m.id for m in thread.messages] == [800, 801]
    assert [p.id for p in thread.participants] == [20, OWNER]
    assert thread.participants[0].pronouns == "they/them"
    first, second = thread.messages
    assert first.attachments[0].name == "a%20b.pdf" and first.attachments[0].state == "pending"
    assert first.author.name == "Person 20" and second.author.name == "User 33"
    assert [p.id for p in first.recipients] == [OWNER, 20]
    assert second.media[0].name == "Voice"
    assert first.forwarded[0].forwarded[0].attachments[0].id == 501
    assert first.forwarded[0].forwarded[0].author.id == 32
    assert thread.edits == {"workflow_state": "archived"} and thread.workflow_state == "archived"


def test_a_removed_message_is_shown_as_such(archive: Archive) -> None:
    ingest = Ingest(archive.db, TickingClock())
    ingest.mark_messages_removed(1, [100])
    assert read_thread(archive.db, 1).messages[0].removed_at is not None


def test_messages_that_forward_each_other_end(archive: Archive) -> None:
    archive.db.executemany(
        "INSERT INTO forwarded_messages VALUES (?, ?, 0)", [(100, 200), (200, 100), (200, 200), (200, 300)]
    )
    (only,) = read_thread(archive.db, 1).messages
    assert [m.id for m in only.forwarded] == [200]
    assert [m.id for m in only.forwarded[0].forwarded] == [300]


def test_a_very_long_chain_of_forwards_is_cut(archive: Archive) -> None:
    nested = message(10_000)
    for number in range(10_001, 10_400):
        nested = message(number, forwarded_messages=(nested,))
    Ingest(archive.db, TickingClock()).save_conversation(conversation(9, nested))
    (shown,) = read_thread(archive.db, 9).messages
    depth = 1
    while shown.forwarded:
        shown, depth = shown.forwarded[0], depth + 1
    assert depth == DEEPEST_FORWARD
    assert archive.db.execute("SELECT count(*) FROM messages WHERE id >= 10000").fetchone()[0] == 400


def test_an_unknown_thread_is_an_error(archive: Archive) -> None:
    with pytest.raises(BadInput, match="no conversation 12345"):
        read_thread(archive.db, 12345)


def test_counts(archive: Archive) -> None:
    ingest = Ingest(archive.db, TickingClock())
    files = (Attachment(1, "a"), Attachment(2, "b"))
    letter = message(
        100, attachments=files, forwarded_messages=(message(50),), media_comment=MediaComment("m")
    )
    ingest.save_conversation(conversation(1, letter))
    ingest.save_attachment_state(1, "stored", sha256="0" * 64, stored_size=1)
    ingest.save_summary(replace(conversation(9), messages=None))
    ingest.mark_messages_removed(2, [200])
    edits.record_edit(archive.db, 1, "starred", True, "cli")
    counts = archive_counts(archive.db)
    assert (counts.conversations, counts.removed_conversations, counts.unread) == (8, 1, 1)
    assert (counts.messages, counts.removed_messages, counts.forwarded_only) == (7, 1, 1)
    assert counts.unfetched == 1 and counts.pending_edits == 1 and counts.problems == 0
    assert counts.attachments == {"pending": 1, "stored": 1} and counts.media == {"pending": 1}
    assert counts.people == 2 and counts.contexts == 1
    # Two removals, and what a known message got: files, a forwarded message, a recording.
    assert counts.revisions == 5


# -- a person's own SQL ---------------------------------------------------------------------------


def test_a_query_with_parameters(archive: Archive) -> None:
    result = run_sql(archive.db_path, "SELECT id, subject FROM inbox WHERE id > :low", {"low": "2"})
    assert result.columns == ("id", "subject")
    assert list(result.rows) == [(4, "Midterm"), (3, "Midterm")]
    assert list(run_sql(archive.db_path, "SELECT ? + 1", (41,)).rows) == [(42,)]


def test_many_rows_come_in_batches(archive: Archive) -> None:
    sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234) SELECT i FROM n"
    assert [row[0] for row in run_sql(archive.db_path, sql).rows] == list(range(1, 1235))


@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA table_info(users)",
        "PRAGMA user_version",
        "SELECT * FROM pragma_table_list",
        "SELECT value FROM conversations, json_each(audience)",
        "EXPLAIN SELECT 1",
    ],
)
def test_looking_at_the_schema_is_allowed(archive: Archive, sql: str) -> None:
    assert list(run_sql(archive.db_path, sql).rows)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE conversations SET starred = 1",
        "DELETE FROM problems",
        "CREATE TEMP TABLE t (x)",
        "ATTACH '/tmp/other.db' AS other",
        "PRAGMA user_version = 7",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = NULL",
        "BEGIN IMMEDIATE",
        "VACUUM",
        "VACUUM INTO '/tmp/copy.db'",
        "WITH x AS (SELECT 1) INSERT INTO problems SELECT 'a', 'b', 'c', 1, 'd', 'e'",
    ],
)
def test_writing_is_refused(archive: Archive, sql: str) -> None:
    with pytest.raises(BadInput):
        run_sql(archive.db_path, sql)
    assert archive.db.execute("SELECT count(*) FROM conversations WHERE starred = 1").fetchone()[0] == 3


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("SELECT salary FROM users", "no such column: salary"),
        ("SELECT 1; SELECT 2", "one SQL statement"),
        ("", "not a query"),
        ("-- nothing", "not a query"),
        ("SELECT :missing", "binding"),
        ("SELECT '\ud800'", "SQLite says"),
    ],
)
def test_wrong_sql_is_explained(archive: Archive, sql: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        run_sql(archive.db_path, sql, {"other": 1} if ":" in sql else ())


ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"


def test_an_endless_query_is_stopped(archive: Archive) -> None:
    with pytest.raises(BadInput, match=r"stopped after 0\.05 seconds"):
        run_sql(archive.db_path, ENDLESS.format("count(*)"), timeout=0.05)


def test_an_endless_answer_is_stopped_while_it_is_read(archive: Archive) -> None:
    result = run_sql(archive.db_path, ENDLESS.format("i"), timeout=0.05)
    with pytest.raises(BadInput, match="stopped after"):
        for _ in result.rows:
            pass


def test_without_a_limit_of_time_errors_are_still_explained(archive: Archive) -> None:
    result = run_sql(archive.db_path, "SELECT count(*) FROM account", timeout=None)
    assert list(result.rows) == [(1,)]
    with pytest.raises(BadInput, match="Only reading"):
        run_sql(archive.db_path, "DELETE FROM account", timeout=None)
    with pytest.raises(BadInput, match="Only reading"):
        run_sql(archive.db_path, "PRAGMA journal_mode = DELETE")


def test_a_missing_database_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be opened"):
        run_sql(tmp_path / "nothing.db", "SELECT 1")


def test_reading_works_on_a_reader(archive: Archive) -> None:
    with closing(Archive.open(archive.folder)) as reader:
        assert len(list_conversations(reader.db, "inbox").lines) == 4
        assert read_thread(reader.db, 1).subject == "Midterm"
        assert archive_counts(reader.db).conversations == 7
