"""The eight verbs over every state: the command line, the pages and SQL journal the same edits."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.errors import ArchiveLocked, BadInput, NotAdopted
from canvas_archive.store import Ingest, transaction
from canvas_archive.store.adoption import ALL_ADOPTED
from canvas_archive.store.edits import record_edit
from canvas_archive.store.flags import as_value
from canvas_archive.store.verbs import VERBS, Applied
from canvas_archive.store.writing import brief_write
from canvas_archive.web import writing
from tests.store_support import TickingClock, conversation, create, message
from tests.ux_support import say

STATES = {
    # number: how Canvas answers, one answer after the other, and the edits made after them
    "read": (1, [{"workflow_state": "read"}], {}),
    "unread": (2, [{"workflow_state": "unread"}], {}),
    "archived on Canvas": (3, [{"workflow_state": "archived"}], {}),
    "archived on Canvas, seen unread": (
        4,
        [{"workflow_state": "unread"}, {"workflow_state": "archived"}],
        {},
    ),
    "archived on Canvas, seen read": (5, [{"workflow_state": "read"}, {"workflow_state": "archived"}], {}),
    "archived here, was unread": (6, [{"workflow_state": "unread"}], {"workflow_state": "archived"}),
    "archived here, was read": (7, [{"workflow_state": "read"}], {"workflow_state": "archived"}),
    "in the inbox here, archived on Canvas": (
        8,
        [{"workflow_state": "archived"}],
        {"workflow_state": "read"},
    ),
    "starred": (9, [{"workflow_state": "read", "starred": True}], {}),
    "starred here": (10, [{"workflow_state": "read"}], {"starred": "1"}),
    "unsubscribed group": (11, [{"workflow_state": "read", "subscribed": False}], {}),
    "unsubscribed here": (12, [{"workflow_state": "read"}], {"subscribed": "0"}),
    "private": (13, [{"workflow_state": "read", "private": True}], {}),
    "removed": (14, [{"workflow_state": "unread"}], {}),
    "removed, archived here before": (15, [{"workflow_state": "unread"}], {"workflow_state": "archived"}),
}
NUMBERS = {number: name for name, (number, _, _) in STATES.items()}

SET = "recorded"
BACK = "set_back"
NO = "refused"
EXPECTED: dict[str, dict[int, tuple[str, str]]] = {
    # verb: number: the value that is set, and what became of it; nothing for a state that stays as it is
    "star": {**dict.fromkeys((*range(1, 9), 11, 12, 13), ("1", SET)), 14: ("", NO), 15: ("", NO)},
    "unstar": {9: ("0", SET), 10: ("0", BACK)},
    "archive": {
        **dict.fromkeys((1, 2, 9, 10, 11, 12, 13), ("archived", SET)), 8: ("archived", BACK), 14: ("", NO),
    },
    "unarchive": {
        3: ("read", SET), 4: ("unread", SET), 5: ("read", SET),
        6: ("unread", BACK), 7: ("read", BACK), 15: ("unread", BACK),
    },
    "read": {2: ("read", SET), 14: ("", NO)},
    "unread": {
        **dict.fromkeys((1, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13), ("unread", SET)),
        6: ("unread", BACK), 15: ("unread", BACK),
    },
    "subscribe": {11: ("1", SET), 12: ("1", BACK)},
    "unsubscribe": {**dict.fromkeys(range(1, 11), ("0", SET)), 13: ("", NO), 14: ("", NO), 15: ("", NO)},
}  # fmt: skip

COMMAND = {verb: ["mark", verb] for verb in ("read", "unread")}
JOURNAL = "SELECT conversation_id, field, base_value, value, state FROM edits ORDER BY id"
COLUMNS = "SELECT id, starred, workflow_state, subscribed FROM conversations ORDER BY id"
REMOVE = "UPDATE conversations SET removed_at = '2026-03-10T00:00:00Z' WHERE id IN (14, 15)"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with one conversation in every state."""
    folder = tmp_path_factory.mktemp("verbs") / "archive"
    with create(folder) as archive:
        ingest = Ingest(archive.db, TickingClock())
        for number, answers, edits in STATES.values():
            for answer in answers:
                fields: dict[str, Any] = {"private": False, **answer}
                ingest.save_conversation(conversation(number, message(100 + number), **fields))
            with transaction(archive.db):
                for field, value in edits.items():
                    record_edit(archive.db, number, field, value, "cli")
        archive.db.execute(REMOVE)
    return folder


@pytest.fixture
def folder(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that archive, which the commands read."""
    monkeypatch.setenv(ALL_ADOPTED, "1")
    return copied(world, tmp_path / "archive", monkeypatch)


def copied(world: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(world, to)
    monkeypatch.setenv("CANVAS_ARCHIVE", str(to))
    return to


def rows(folder: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        return db.execute(query, values).fetchall()


def state_of(folder: Path) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the journal and the columns."""
    return rows(folder, JOURNAL), rows(folder, COLUMNS)


@pytest.mark.parametrize("verb", list(VERBS))
def test_the_command_line_the_pages_and_sql_make_the_same_edits(
    verb: str, world: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = copied(world, tmp_path / "pages", monkeypatch)
    plain = copied(world, tmp_path / "plain", monkeypatch)
    monkeypatch.setenv("CANVAS_ARCHIVE", str(folder))
    expected = EXPECTED[verb]
    refused = [number for number in NUMBERS if expected.get(number, ("", ""))[1] == NO]
    for number in refused:
        said = say([*COMMAND.get(verb, [verb]), "1", str(number)])
        with pytest.raises(BadInput, match=f"Conversation {number}: .* Nothing was changed.") as error:
            writing.apply(pages / "archive.db", verb, [1, number])
        assert said.code == 2 and str(error.value) in said.err
    assert state_of(folder) == state_of(pages) == state_of(world)
    can = [number for number in NUMBERS if number not in refused]
    document = json.loads(say([*COMMAND.get(verb, [verb]), *map(str, can), "--json", "-y"]).out)
    applied = writing.apply(pages / "archive.db", verb, can)
    found = {change.conversation_id: (change.after, change.outcome.value) for change in applied.changes}
    assert found == {number: expected[number] for number in can if number in expected}
    assert {number: (as_value(VERBS[verb].field, value), how) for number, (value, how) in found.items()} == {
        line["id"]: (line["value"], line["outcome"]) for line in document["conversations"]
    }
    assert document["unchanged_count"] == applied.unchanged == len(can) - len(found)
    with closing(sqlite3.connect(plain / "archive.db")) as db, db:
        for number, (value, _) in found.items():
            db.execute(f"UPDATE conversations SET {VERBS[verb].field} = ? WHERE id = ?", (value, number))
    assert state_of(folder) == state_of(pages) == state_of(plain)
    assert {row[0] for row in rows(pages, "SELECT DISTINCT origin FROM edits")} <= {"cli", "web"}


@pytest.mark.parametrize("verb", list(VERBS))
def test_undoing_on_the_pages_restores_every_state(verb: str, folder: Path) -> None:
    """What waits afterwards is what waited before, and every column shows what it showed."""
    before = rows(folder, COLUMNS)
    waiting = rows(folder, "SELECT conversation_id, field, value FROM pending_edits ORDER BY 1, 2")
    can = [number for number in NUMBERS if EXPECTED[verb].get(number, ("", ""))[1] != NO]
    changes = writing.apply(folder / "archive.db", verb, can).changes
    done = writing.undo(folder / "archive.db", changes)
    # The edit of a conversation that was removed since may be taken back, and not be made again.
    lost = {15} & {change.conversation_id for change in changes}
    assert done == len(changes) - len(lost)
    assert [row for row in rows(folder, COLUMNS) if row[0] not in lost] == [
        row for row in before if row[0] not in lost
    ]
    now = rows(folder, "SELECT conversation_id, field, value FROM pending_edits ORDER BY 1, 2")
    assert [row for row in now if row[0] not in lost] == [row for row in waiting if row[0] not in lost]
    if lost:
        assert writing.undone(changes, done) == f"{done} of {len(changes)} undone. " + (
            "The others have changed again since."
        )


def sync_answer(folder: Path, number: int, **fields: object) -> None:
    """Let Canvas answer about a conversation."""
    with brief_write(folder / "archive.db") as db:
        db.execute("COMMIT")  # the ingest holds its own transaction
        fields = {"private": False, **fields}
        Ingest(db, TickingClock()).save_conversation(conversation(number, message(100 + number), **fields))
        db.execute("BEGIN IMMEDIATE")


def test_moving_an_unread_conversation_back_leaves_nothing_to_send(folder: Path) -> None:
    """The pages once wrote "read" here, which the next push sent."""
    path = folder / "archive.db"
    writing.apply(path, "archive", [2])
    writing.apply(path, "unarchive", [2])
    assert rows(folder, "SELECT workflow_state FROM conversations WHERE id = 2") == [("unread",)]
    assert rows(folder, "SELECT count(*) FROM pending_edits WHERE conversation_id = 2") == [(0,)]


@pytest.mark.parametrize(("number", "state"), [(1, "read"), (2, "unread")])
def test_moving_back_after_a_push_restores_the_state_from_before(
    folder: Path, number: int, state: str
) -> None:
    path = folder / "archive.db"
    writing.apply(path, "archive", [number])
    sync_answer(folder, number, workflow_state="archived")
    assert rows(folder, "SELECT state FROM edits WHERE conversation_id = ?", number) == [("pushed",)]
    assert say(["unarchive", str(number)]).code == 0
    newest = f"SELECT base_value, value FROM edits WHERE conversation_id = {number} ORDER BY id DESC LIMIT 1"
    assert rows(folder, newest) == [("archived", state)]


def test_undoing_does_not_mark_a_message_read_that_came_since(folder: Path) -> None:
    """Canvas had it read, so the page archived a read conversation. Then somebody wrote."""
    path = folder / "archive.db"
    changes = writing.apply(path, "archive", [1]).changes
    sync_answer(folder, 1, workflow_state="unread")
    assert writing.undo(path, changes) == 1
    assert rows(folder, "SELECT workflow_state FROM conversations WHERE id = 1") == [("unread",)]
    assert rows(folder, "SELECT state FROM edits WHERE conversation_id = 1") == [("discarded",)]


def test_undoing_what_was_pushed_is_an_edit_of_its_own(folder: Path) -> None:
    path = folder / "archive.db"
    changes = writing.apply(path, "archive", [2]).changes
    sync_answer(folder, 2, workflow_state="archived")
    assert writing.undo(path, changes) == 1
    newest = "SELECT base_value, value, state FROM edits WHERE conversation_id = 2 ORDER BY id DESC LIMIT 1"
    assert rows(folder, newest) == [("archived", "unread", "pending")]


def test_undoing_one_of_two(folder: Path) -> None:
    path = folder / "archive.db"
    changes = writing.apply(path, "archive", [1, 2]).changes
    writing.apply(path, "unread", [2])
    done = writing.undo(path, changes)
    assert writing.undone(changes, done) == "1 of 2 undone. The others have changed again since."
    assert writing.undone(changes, 0) == "Nothing to undo: it has changed again since."


def test_a_mixed_selection_changes_only_what_is_not_so_yet(folder: Path) -> None:
    path = folder / "archive.db"
    mixed = writing.apply(path, "unarchive", [1, 2, 3, 4, 6])
    assert [(change.conversation_id, change.after) for change in mixed.changes] == [
        (3, "read"),
        (4, "unread"),
        (6, "unread"),
    ]
    assert mixed.unchanged == 2 and writing.sentence("unarchive", mixed.changes) == (
        "3 conversations moved to the inbox."
    )
    nothing: Applied = writing.apply(path, "read", [5, 7])
    assert writing.sentence("read", nothing.changes) == (
        "Nothing to change: it already was read or archived."
    )


def test_nothing_is_opened_for_writing_before_an_archive_is_adopted(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = copied(world, tmp_path / "foreign", monkeypatch)
    (foreign / "identity.key").unlink()
    opened: list[Path] = []
    monkeypatch.setattr("canvas_archive.store.writing.connect_writable", opened.append)
    with pytest.raises(NotAdopted):
        writing.apply(foreign / "archive.db", "star", [1])
    assert say(["star", "1"]).code == 9 and opened == []


def test_the_command_line_and_the_pages_say_the_same_of_a_busy_archive(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PATIENCE", 0.01)
    monkeypatch.setattr("canvas_archive.store.connection.BUSY_MILLISECONDS", 10)
    with closing(sqlite3.connect(folder / "archive.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(ArchiveLocked) as refused:
            writing.apply(folder / "archive.db", "star", [1])
        said = say(["star", "1"])
    assert said.code == 7 and str(refused.value) in said.err
