"""Every conversation belongs to one course, and everything that asks for a course means that one."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.canvas import parse
from canvas_archive.cli import run
from canvas_archive.derive.compare import check_derived
from canvas_archive.export.formats import FORMATS
from canvas_archive.search import search, update_index
from canvas_archive.store import Archive, Ingest, transaction
from canvas_archive.store.migrations import MIGRATIONS
from canvas_archive.store.tallies import courses_by_conversations
from canvas_archive.sync.fleet_record import CustodianOutcome, Fleet
from tests.numbers_support import COURSES, NEWCOMER, OUTSIDER, eventful
from tests.sample_support import sample_archive
from tests.store_support import OWNER, TickingClock, conversation, create, message, received

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]

GIVEN = [
    ("course_12", "Biology", "course_12"),
    ("course_12", "A name of its own", "course_12"),
    (None, "Chemistry", "course_13"),
    ("", "Chemistry", "course_13"),
    (None, "chemistry", None),
    (None, "Seminar", None),
    (None, "Nothing known", None),
    (None, "course_12", None),
    (None, "", None),
    (None, None, None),
]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive with a conversation for each of ``GIVEN``."""
    with create(tmp_path / "archive") as archive:
        ingest = Ingest(archive.db, TickingClock())
        with transaction(archive.db):
            ingest.save_courses([parse.course(one) for one in COURSES])
            for number, (code, name, _) in enumerate(GIVEN, start=1):
                ingest.save_conversation(about(number, code, name))
        yield archive


def about(number: int, code: str | None, name: str | None, **fields: object) -> object:
    given = {"context_code": code, "context_name": name, "audience_contexts": {}, **fields}
    return received(conversation(number, message(number * 10), **given))


def courses(db: sqlite3.Connection) -> list[str | None]:
    return [row[0] for row in db.execute("SELECT course FROM conversations ORDER BY id")]


def test_the_course_of_a_conversation(archive: Archive) -> None:
    assert courses(archive.db) == [course for _, _, course in GIVEN]
    assert check_derived(archive.db).faults == []
    tallies = {(one.code, one.name): one.conversations for one in courses_by_conversations(archive.db)}
    assert tallies["course_13", "Chemistry"] == 2
    assert tallies[None, "Seminar"] == tallies[None, "course_12"] == 1
    assert sum(tallies.values()) == len(GIVEN) - 2


def test_a_course_that_is_renamed_or_joined_by_another_of_its_name(archive: Archive) -> None:
    ingest = Ingest(archive.db, TickingClock())
    steps = [
        ({"id": 18, "name": "Chemistry", "course_code": "C2"}, None),
        ({"id": 18, "name": "Chemistry II", "course_code": "C2"}, "course_13"),
        ({"id": 13, "name": "Alchemy", "course_code": "CHEM 110"}, None),
        ({"id": 18, "name": "Chemistry", "course_code": "C2"}, "course_18"),
    ]
    for course, expected in steps:
        with transaction(archive.db):
            ingest.save_courses([parse.course(course)])
        assert courses(archive.db)[2:4] == [expected, expected], course
    with transaction(archive.db):
        ingest.save_conversation(about(3, None, "Biology", last_message_at="2026-05-01T00:00:00Z"))
    row = archive.db.execute("SELECT course, latest_at FROM conversations WHERE id = 3").fetchone()
    assert tuple(row) == ("course_12", "2026-05-01T00:00:00Z")
    assert check_derived(archive.db).faults == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE conversations SET course = 'course_14' WHERE id = 3",
        "UPDATE conversations SET latest_at = '' WHERE id = 1",
        "UPDATE conversation_participants SET direct = 0 WHERE user_id = 20 AND conversation_id = 2",
    ],
)
def test_a_derived_column_that_was_changed_by_hand_is_found(archive: Archive, change: str) -> None:
    archive.db.execute(change)
    (fault,) = check_derived(archive.db).faults
    assert "not what the receipts say" in fault.sentence


def test_the_search_means_the_same_course(archive: Archive) -> None:
    update_index(archive.db, archive.search_dir)

    def found(query: str) -> list[int]:
        return sorted(hit.conversation_id for hit in search(archive.db_path, archive.search_dir, query).hits)

    assert found('course:"CHEM 110"') == found("course:course_13") == found("course:13") == [3, 4]
    assert found("course:Seminar") == [6]
    assert found('course:"Nothing known"') == [7]
    assert found("course:course_12") == [1, 2]
    with transaction(archive.db):
        renamed = {"id": 12, "name": "Nothing known", "course_code": "BIO 101"}
        Ingest(archive.db, TickingClock()).save_courses([parse.course(renamed)])
    update_index(archive.db, archive.search_dir)
    assert found('course:"BIO 101"') == [1, 2, 7]


def test_an_older_archive_gets_the_columns(tmp_path: Path) -> None:
    with closing(eventful(tmp_path / "archive")) as new:
        tables = ("contexts", "conversations", "users", "conversation_participants", "account", "messages")
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as old:
            for step in MIGRATIONS[:6]:
                step.apply(old)
            for table in tables:
                columns = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
                names = ", ".join(columns)
                old.executemany(
                    f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})",
                    new.execute(f"SELECT {names} FROM {table}"),
                )
            old.execute("DELETE FROM index_queue")
            MIGRATIONS[6].apply(old)
            for table in ("conversations", "conversation_participants"):
                columns = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
                query = f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2"
                assert old.execute(query).fetchall() == new.execute(query).fetchall()
            queued = {row[0] for row in old.execute("SELECT DISTINCT message_id / 1000 FROM index_queue")}
            assert queued == {2, 3, 4}, "the search documents of conversations without a code"
        direct = dict(
            new.execute("SELECT user_id, direct FROM conversation_participants WHERE conversation_id > 5")
        )
    assert (direct[OUTSIDER], direct[98], direct[NEWCOMER]) == (0, 0, 1)


# -- exports ------------------------------------------------------------------------------------------------


def exported(folder: Path, dest: Path, *options: str) -> list[dict[str, object]]:
    given = [
        "export",
        str(dest),
        "--format",
        "jsonl",
        "--allow-incomplete",
        "--archive",
        str(folder),
        *options,
    ]
    assert run(given) == 0
    return [
        json.loads(line) for line in (dest / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_an_export_of_a_course_is_that_course_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "archive"
    eventful(folder).close()
    lines = exported(folder, tmp_path / "alone", "--course", "chem 110")
    assert [(one["id"], one["contexts"]) for one in lines if one["type"] == "conversation"] == [
        (2, {"course_13": ["StudentEnrollment"]})
    ]
    lines = exported(folder, tmp_path / "shared", "--course", "CHEM 110", "--with-shared-courses")
    assert [one["id"] for one in lines if one["type"] == "conversation"] == [1, 2]
    assert "3 of them belong to no such course: their people share one." in capsys.readouterr().err
    record = json.loads((tmp_path / "shared" / "export.json").read_text(encoding="utf-8"))
    assert record["selection"] == {"course": ["CHEM 110"], "with_shared_courses": True}
    lines = exported(folder, tmp_path / "by name", "--course", "Old course")
    assert [one["id"] for one in lines if one["type"] == "conversation"] == [4]
    assert run(["export", str(tmp_path / "no"), "-f", "jsonl", "--with-shared-courses"]) == 2
    assert "--with-shared-courses goes with --course." in capsys.readouterr().err


def test_the_export_of_a_fleet_says_what_shared_courses_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "fleet"
    eventful(root / "7", user_id=9000, as_user_id=OWNER).close()
    fleet = Fleet(root)
    fleet.open_at("https://canvas.example.edu")
    fleet.record(CustodianOutcome(OWNER, "7", "Ada Owner", "ok", succeeded_at="2026-01-01T00:00:00Z"))
    words = ["fleet", "export", str(tmp_path / "out"), "--root", str(root), "--format", "jsonl"]
    assert run([*words, "--allow-incomplete", "--course", "CHEM 110", "--with-shared-courses"]) == 0
    assert "3 of them belong to no such course: their people share one." in capsys.readouterr().err


@pytest.mark.thorough
def test_a_redacted_export_of_a_course_discloses_no_other(tmp_path: Path) -> None:
    folder = sample_archive(tmp_path / "archive")
    formats = [word for name in FORMATS for word in ("--format", name)]
    dest = tmp_path / "bag"
    options = ["--course", "GEOG 118", "--redact", "--bag", "--allow-incomplete", "--archive", str(folder)]
    assert run(["export", str(dest), *formats, *options]) == 0
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        query = "SELECT code, name, course_code, canvas_id FROM contexts WHERE course_code IS NOT 'GEOG 118'"
        others = [str(value) for row in db.execute(query) for value in row[:3] if value]
        written = " ".join(
            row[0] for row in db.execute("SELECT body FROM messages_full WHERE course_code = 'GEOG 118'")
        )
    told = [name.encode() for name in others if name not in written]
    assert len(told) > 20
    for path in (path for path in dest.rglob("*") if path.is_file()):
        for content in contents(path.read_bytes()):
            assert [name for name in told if name in content] == [], path


def contents(content: bytes) -> Iterator[bytes]:
    yield content
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as inner:
            yield from (inner.read(name) for name in inner.namelist())
