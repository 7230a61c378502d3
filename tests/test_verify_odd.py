"""verify where things are odd: broken manifests, backups under way, a Canvas that lists what is not there."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from canvas_archive.canvas import CanvasClient
from canvas_archive.errors import NotFound, WrongAccount
from canvas_archive.export import verify as verifying
from canvas_archive.export.backup import UNFINISHED, backup
from canvas_archive.export.bag_check import check_bag
from canvas_archive.export.checks import MOST_ITEMS, Check, findings
from canvas_archive.export.jsonl import encode_completion
from canvas_archive.export.remote import verify_remote
from canvas_archive.export.run import Request, export
from canvas_archive.export.verify import VerifyOptions, verify_archive
from canvas_archive.export.verify_files import check_jsonl, check_manifest
from canvas_archive.store import connect_readonly
from tests.export_support import OWNER, FixedClock, small_archive

pytestmark = pytest.mark.sampled


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("odd") / "archive")


@pytest.fixture
def archive(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "archive"))


def checks(folder: Path) -> dict[str, Check]:
    return {check.name: check for check in verify_archive(folder, VerifyOptions(files=False))}


def change(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "archive.db")) as db, db:
        for statement in statements:
            db.execute(statement)


# -- an archive ---------------------------------------------------------------------------------------------


def test_a_check_that_cannot_look_does_not_hide_the_others(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path, db: sqlite3.Connection) -> Check:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(verifying, "check_search_index", refuse)
    found = checks(archive)
    assert not found["index"].ok and "could not be looked at (PermissionError" in found["index"].detail
    assert found["permissions"].ok


def test_what_fails_while_damage_is_being_found_is_put_down_to_it(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = threading.Event()

    def damaged(db: sqlite3.Connection) -> Check:
        assert failing.wait(10)
        return Check("database", False, "the database is damaged", ("page 3",))

    def confused(db: sqlite3.Connection) -> Check:
        failing.set()
        raise KeyError("a row that there is not")

    monkeypatch.setattr(verifying, "check_integrity", damaged)
    monkeypatch.setattr(verifying, "check_completeness", confused)
    assert list(checks(archive)) == ["database"]


def test_a_database_of_nobody(archive: Path) -> None:
    change(archive, "DELETE FROM account")
    assert checks(archive)["account"].detail == "the database belongs to 0 accounts instead of one"


def test_a_configuration_that_cannot_be_read(archive: Path) -> None:
    (archive / "config.toml").write_text("base_url = [")
    account = checks(archive)["account"]
    assert not account.ok and "config.toml" in account.detail


def test_a_column_that_was_changed_past_the_journal(archive: Path) -> None:
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        triggers = db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'conversations'"
        ).fetchall()
    change(
        archive,
        *(f"DROP TRIGGER {name}" for (name,) in triggers),
        "UPDATE conversations SET starred = 1 - starred WHERE id = 102",
    )
    assert checks(archive)["edits"].items == (
        "conversation 102: starred differs from Canvas without an edit",
    )


def test_of_very_many_findings_the_rest_is_counted() -> None:
    check = findings("x", [f"item {n}" for n in range(MOST_ITEMS + 2500)], "good", "{count} bad")
    assert check.detail == "3,500 bad"
    assert len(check.items) == MOST_ITEMS + 1 and check.items[-1] == "and 2,500 more"


# -- what left it -------------------------------------------------------------------------------------------


def test_a_backup_whose_next_one_was_begun_is_still_whole(archive: Path, tmp_path: Path) -> None:
    backup(archive, tmp_path / "backup", clock=FixedClock())
    (tmp_path / "backup" / UNFINISHED).touch()
    (tmp_path / "backup" / "archive.db.partial").write_bytes(b"half")
    assert next(check_manifest(tmp_path / "backup")).ok
    (tmp_path / "backup" / "config.toml").write_bytes(b"altered")
    assert not next(check_manifest(tmp_path / "backup")).ok


@pytest.mark.parametrize("text", ["no hash and no path\n", "\xff\xfe\n", f"{'0' * 64}  ../secret\n"])
def test_a_manifest_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest-sha256.txt").write_text(text, "latin-1")
    check = next(check_manifest(tmp_path))
    (item,) = check.items
    assert not check.ok and item.startswith("manifest-sha256.txt: ")


def test_a_completion_record_that_counts_wrongly(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "inbox.jsonl"
    export(Request(archive, archive / "archive.db", archive / "files", path, ("jsonl",)))
    assert next(check_jsonl(path)).ok
    *lines, last = path.read_bytes().splitlines(keepends=True)
    record = json.loads(last)
    del record["record_sha256"]
    path.write_bytes(b"".join(lines) + encode_completion({**record, "messages": record["messages"] + 1}))
    (item,) = next(check_jsonl(path)).items
    assert item == "inbox.jsonl: it holds 5 conversations and 8 messages, not as many as recorded"


def test_a_jsonl_that_is_not_there(tmp_path: Path) -> None:
    (item,) = next(check_jsonl(tmp_path / "inbox.jsonl")).items
    assert item.startswith("inbox.jsonl: it cannot be read (FileNotFoundError")


def test_a_bag_without_its_declaration(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("a")
    digest = hashlib.sha512(b"a").hexdigest()
    (tmp_path / "manifest-sha512.txt").write_text(f"{digest}  data/a\n")
    found = {check.name: check for check in check_bag(tmp_path)}
    assert not found["bag declaration"].ok and "bagit.txt" in found["bag declaration"].items[0]
    assert found["payload sha512"].ok  # one list is enough


# -- against Canvas -----------------------------------------------------------------------------------------


@dataclass
class Given:
    """A message that Canvas gives."""

    id: int
    generated: bool = False


@dataclass
class Listed:
    """A conversation as a list shows it, or with its messages as Canvas gives it."""

    id: int
    message_count: int
    messages: tuple[Given, ...] = ()


@dataclass
class Page:
    """A page of a list."""

    all_ids: tuple[int, ...] | None
    conversations: tuple[Listed, ...]


@dataclass
class User:
    """Whom a token belongs to."""

    id: int
    name: str = "Somebody Else"


class ToldCanvas:
    """A Canvas that lists what it is told to; ``there`` are the conversations it can show."""

    def __init__(
        self,
        pages: dict[str, Page],
        there: frozenset[int] = frozenset(),
        user: int = OWNER,
        messages: tuple[Given, ...] = (),
    ) -> None:
        self.pages, self.there, self.user, self.messages = pages, there, user, messages
        self.asked: list[int] = []

    def current_user(self) -> User:
        return User(self.user)

    def conversations(self, scope: str, *, per_page: int, with_all_ids: bool) -> Iterator[Page]:
        assert with_all_ids
        yield self.pages.get(scope, Page(None, ()))

    def conversation(self, number: int, *, auto_mark_as_read: bool) -> Listed:
        assert auto_mark_as_read is False  # verifying must not mark anything as read
        self.asked.append(number)
        if number not in self.there:
            raise NotFound(f"conversation {number}", status=404)
        return Listed(number, 0, self.messages)


def compared(archive: Path, canvas: ToldCanvas) -> dict[str, Check]:
    with closing(connect_readonly(archive / "archive.db")) as db:
        return {check.name: check for check in verify_remote(db, cast("CanvasClient", canvas))}


def test_somebody_else_s_token_compares_nothing(archive: Path) -> None:
    canvas = ToldCanvas({}, user=99)
    with pytest.raises(WrongAccount, match=r"belongs to Somebody Else \(99\)"):
        compared(archive, canvas)


def test_an_id_that_canvas_lists_but_cannot_show_is_not_missed(archive: Path) -> None:
    inbox = Page((100, 101, 555, 556), (Listed(100, 3), Listed(101, 9)))
    messages = (Given(1010), Given(1011), Given(1012, generated=True))
    canvas = ToldCanvas({"inbox": inbox}, frozenset({101, 102, 104, 556}), messages=messages)
    found = compared(archive, canvas)
    assert found["remote: conversations"].items == ("conversation 556: on Canvas, not in the archive",)
    assert found["remote: messages"].items == (
        "conversation 101: 1 messages on Canvas are not in the archive",
    )
    assert found["remote: removed"].ok  # those that no list names can still be shown
    assert canvas.asked == [555, 556, 101, 102, 104]


@pytest.mark.parametrize("there", [frozenset({101}), frozenset()])
def test_a_counter_of_canvas_s_that_drifted_is_a_note(archive: Path, there: frozenset[int]) -> None:
    inbox = Page((100, 101, 102, 104), (Listed(101, 2),))
    canvas = ToldCanvas({"inbox": inbox}, there, messages=(Given(1010), Given(1003, generated=True)))
    check = compared(archive, canvas)["remote: messages"]
    gives = 1 if there else 0
    assert (check.ok, check.items) == (
        True,
        (f"conversation 101: Canvas counts 2 messages, and gives {gives}",),
    )


def test_what_is_gone_from_canvas_is_told(archive: Path) -> None:
    canvas = ToldCanvas({"inbox": Page((100, 101, 102), ())})
    assert compared(archive, canvas)["remote: removed"].items == (
        "conversation 104: gone from Canvas, not marked as removed",
    )
