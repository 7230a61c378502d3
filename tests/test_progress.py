"""What long work shows on a terminal: what it does, how far it is, how long it may take; where nothing."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from canvas_archive.cli.context import Settings
from canvas_archive.cli.fleet_progress import fleet_progress
from canvas_archive.cli.progress import PlainLines, sync_progress
from canvas_archive.cli.progress_display import ProgressDisplay, row_text
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.search import update_index
from canvas_archive.store import Archive, Ingest
from tests.export_support import swept
from tests.fleet_support import Collection, collection
from tests.store_support import TickingClock, conversation, create, message
from tests.terminal_support import Terminal, a_terminal, on_screen, on_terminal, screen

pytestmark = pytest.mark.sampled

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
NARROW, USUAL = 40, 80


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An indexed archive of some messages."""
    folder = tmp_path_factory.mktemp("progress") / "mail"
    with create(folder) as archive:
        ingest = Ingest(archive.db, TickingClock())
        for number in range(1, 40):
            ingest.save_conversation(conversation(number, message(number, f"Exam {number}")))
        update_index(archive.db, archive.search_dir)
    return swept(folder)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(conversations=30) as running:
        yield running


@pytest.fixture
def fresh(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive into which nothing was pulled yet, and the token for it."""
    monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
    monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
    folder = tmp_path / "mail"
    Archive.create(folder, base_url=sandbox.url, user_id=sandbox.user_id, name="Jules").close()
    return folder


def check_nothing_left(written: str, width: int) -> None:
    """The cursor is back, and of the rows that were shown none is still on the screen."""
    assert written.count(HIDE) == written.count(SHOW) > 0
    rows = re.compile(r"━|─|\d+/\d+|\d:\d\d(?: left)?$")
    assert not [line for line in screen(written, width) if rows.search(line)], written


# -- one row -----------------------------------------------------------------------------------------------


def test_a_row_says_what_how_far_and_how_long() -> None:
    row = row_text("Conversations", 50, 200, left=3723.0, elapsed=60.0, width=USUAL - 1)
    assert row == "Conversations   ━━━━━━━───────────────────────  50/200  1:02:03 left"
    assert row_text("Indexing", 3, 4, left=None, elapsed=1.0, width=60, plain=True) == (
        "Indexing        ####################.......  3/4"
    )


def test_a_row_without_a_total_shows_that_it_goes_on() -> None:
    assert row_text("Connecting", 0, 0, left=None, elapsed=7.9, width=USUAL) == "Connecting  0:07"
    assert row_text("remote", 1200, 0, left=None, elapsed=62.0, width=USUAL) == "remote  1,200  1:02"


def test_a_narrow_row_gives_up_the_bar_then_the_end_of_the_name() -> None:
    row = row_text("Conversations", 70_000, 123_456, left=250.0, elapsed=9, width=NARROW - 1)
    assert row == "Conversatio…  70,000/123,456  4:10 left"
    assert row_text("研究室の先生方", 1, 2, left=None, elapsed=1, width=12) == "研究室…  1/2"


@settings(deadline=None)
@given(
    what=st.text(st.characters(exclude_categories=("C", "M", "Z")), max_size=40),
    total=st.integers(0, 10**7),
    part=st.floats(0, 1.2),
    left=st.none() | st.floats(0, 10**5),
    width=st.integers(20, 200),
)
def test_no_row_is_wider_than_the_terminal(
    what: str, total: int, part: float, left: float | None, width: int
) -> None:
    row = row_text(what, int(total * part), total, left=left, elapsed=1.0, width=width)
    assert cell_len(row) <= width


# -- the board ---------------------------------------------------------------------------------------------


class Moments:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def moments() -> Moments:
    return Moments()


def shown_now(board: ProgressDisplay, terminal: Terminal) -> str:
    """Return what the rows say when they are drawn."""
    before = terminal.tell()
    board._rows.refresh()
    return terminal.getvalue()[before:]


def test_the_time_left_is_estimated_from_the_work_at_hand(moments: Moments) -> None:
    with a_terminal() as terminal, ProgressDisplay(Console(stderr=True), moments) as board:
        for done in range(5):
            board.step("Conversations", done, 104)
            moments.now += 1
        assert "4/104  1:40 left" in shown_now(board, terminal)
        board.step("Indexing", 0, 104)
        assert "0/104" in shown_now(board, terminal) and "left" not in shown_now(board, terminal)
        board.step("Completing")
        moments.now += 2
        assert "Completing  0:02" in shown_now(board, terminal)


def test_a_wait_shows_for_as_long_as_it_lasts(moments: Moments) -> None:
    with a_terminal() as terminal, ProgressDisplay(Console(stderr=True), moments) as board:
        board.step("Conversations", 3, 10)
        board.wait(30, "Canvas asks to slow down")
        assert "3/10" in shown_now(board, terminal)
        moments.now += 12
        assert "Waiting 18 s: Canvas asks to slow down" in shown_now(board, terminal)
        moments.now += 18
        assert "Waiting" not in shown_now(board, terminal)


def test_a_wait_may_be_the_first_there_is_to_show(moments: Moments) -> None:
    with a_terminal() as terminal, ProgressDisplay(Console(stderr=True), moments) as board:
        board.wait(9, "no connection")
        assert "Waiting 9 s: no connection" in shown_now(board, terminal)
    check_nothing_left(terminal.getvalue(), USUAL)


def test_lines_appear_above_the_rows(moments: Moments) -> None:
    chosen = Settings()
    with a_terminal() as terminal, ProgressDisplay(Console(stderr=True), moments) as board:
        board.step("Sending", 1, 2)
        chosen.note("a note")
        chosen.warn("a warning " + 12 * "of many words ")
        print("and output")
        print("cut short", end="")
        with pytest.raises(io.UnsupportedOperation):  # as the stream that stands for the terminal here
            sys.stdout.fileno()
        board.drop(0)
        board.drop(0)
    lines = screen(terminal.getvalue(), USUAL)
    assert lines[0] == "a note" and lines[1].startswith("Warning: a warning of many")
    assert lines[-2:] == ["and output", "cut short"]
    check_nothing_left(terminal.getvalue(), USUAL)


def test_a_sync_shows_attachments_below_and_drops_them_with_their_phase() -> None:
    with a_terminal() as terminal, sync_progress(Settings()) as progress:
        print("a password, please")
        assert terminal.getvalue() == "a password, please\n"  # nothing is shown before there is something
        progress.phase("Sending")
        progress.conversations(1, 2)
        progress.files(3, 4)
        progress.waiting(20, "the network")
        progress.phase("Indexing")
        progress.indexed(500, 923)
    written = terminal.getvalue()
    for row in ("Sending", "Attachments", "3/4", "Waiting 20 s: the network", "500/923"):
        assert row in written, row
    check_nothing_left(written, USUAL)


def test_lines_for_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PlainLines(Settings(verbosity=2))
    lines.phase("Conversations")
    lines.conversations(100, 250)
    lines.files(200, 250)
    lines.files(201, 250)
    lines.indexed(500, 923)
    lines.waiting(4, "the network")
    lines.waiting(6, "Canvas asks to slow down")
    assert capsys.readouterr().err.splitlines() == [
        "Conversations …",
        "  100 of 250 conversations",
        "  200 of 250 attachments",
        "  500 of 923 messages indexed",
        "Waiting 6 s: Canvas asks to slow down",
    ]
    with fleet_progress(Settings(), 3) as progress:
        progress.waiting(6, "Canvas asks to slow down")
    assert "Waiting 6 s" in capsys.readouterr().err


# -- every command that takes long -------------------------------------------------------------------------


@pytest.mark.parametrize("width", [NARROW, USUAL])
@pytest.mark.parametrize(
    ("call", "rows"),
    [
        ("index --rebuild", ["Indexing", "39/39"]),
        ("index --check", ["Checking the index"]),
        ("verify", ["database", "attachments", "index"]),
        ("export {dest}/mail.mbox", ["Messages", "Completing"]),
        ("backup {dest}/kept", ["database", "attachments"]),
    ],
)
def test_work_on_an_archive(mail: Path, tmp_path: Path, width: int, call: str, rows: list[str]) -> None:
    code, written = on_screen(tuple(call.format(dest=tmp_path).split()), width, CANVAS_ARCHIVE=str(mail))
    assert code == 0, written
    for row in rows:
        assert row in written, row
    check_nothing_left(written, width)


def test_reading_an_export_and_restoring_a_backup(mail: Path, tmp_path: Path) -> None:
    where = {"CANVAS_ARCHIVE": str(mail)}
    assert on_screen(("backup", str(tmp_path / "kept")), **where)[0] == 0
    code, written = on_screen(("verify", str(tmp_path / "kept" / "none")), **where)
    assert code == 2 and HIDE not in written
    code, written = on_screen(("export", str(tmp_path / "bag"), "-f", "jsonl", "--bag"), **where)
    assert code == 0, written
    code, written = on_screen(("verify", str(tmp_path / "bag")), **where)
    assert code == 0 and "Reading the files" in written, written
    check_nothing_left(written, USUAL)
    code, written = on_screen(("restore", str(tmp_path / "kept"), str(tmp_path / "again")), **where)
    assert code == 0 and "search index" in written, written
    check_nothing_left(written, USUAL)


@pytest.mark.thorough
@pytest.mark.parametrize("width", [NARROW, USUAL])
def test_a_first_sync(fresh: Path, width: int) -> None:
    code, written = on_screen(("sync",), width, CANVAS_ARCHIVE=str(fresh))
    assert code == 0, written
    for row in ("Connecting", "Conversations", "Attachments"):
        assert row in written, row
    assert re.search(r"Indexing +\S* +(\d+)/\1", written), written
    check_nothing_left(written, width)
    assert "30 conversations: 30 new" in written


@pytest.mark.thorough
def test_a_push_and_what_it_waits_for(fresh: Path, sandbox: Sandbox) -> None:
    where = {"CANVAS_ARCHIVE": str(fresh)}
    assert on_screen(("sync", "--no-index", "-q"), **where)[0] == 0
    school = sandbox.school
    newest = next(id_ for id_ in school.ids("inbox") if not school.owner_row(id_).starred)
    sandbox.faults.add(Fault("throttle_429", r"^/api/v1/conversations", retry_after=1))
    code, written = on_screen(("star", str(newest), "--push"), **where)
    assert code == 0 and "Sending" in written, written
    assert "Waiting" in written and "slow down" in written
    check_nothing_left(written, USUAL)
    assert on_screen(("unstar", str(newest)), **where)[0] == 0
    code, written = on_screen(("push",), **where)
    assert code == 0 and "Sending" in written, written


@pytest.fixture(scope="module")
def school() -> Iterator[Sandbox]:
    with Sandbox(conversations=12) as running:
        yield running


@pytest.mark.thorough
def test_a_fleet(school: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet: Collection = collection(school, tmp_path, monkeypatch)
    people = fleet.people[:2]
    fleet.write_list(people, name={people[0]: "Jules Marchetti"})
    root = ("--root", str(fleet.root))
    code, written = on_screen(("fleet", "sync", str(fleet.list), *root), NARROW)
    assert code == 0, written
    for row in ("Custodians", "2/2", "Jules Marchetti", f"User {people[1]}"):
        assert row in written, row
    check_nothing_left(written, NARROW)
    code, written = on_screen(("fleet", "search", "the", *root))
    assert code == 0 and "Searching" in written, written
    check_nothing_left(written, USUAL)
    code, written = on_screen(("fleet", "export", str(tmp_path / "out"), "-f", "jsonl", *root))
    assert code == 0 and "Custodians" in written and "Messages" in written, written
    check_nothing_left(written, USUAL)


# -- where nothing is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["--no-progress", "-q", "NO_COLOR"])
def test_who_wants_no_rows_gets_none(mail: Path, way: str) -> None:
    refused = {"NO_COLOR": "1"} if way == "NO_COLOR" else {}
    words = () if refused else (way,)
    code, written = on_screen(("index", "--rebuild", *words), CANVAS_ARCHIVE=str(mail), **refused)
    assert code == 0 and "Rebuilt" in written
    assert HIDE not in written and "500" not in written


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_no_rows_unless_both_streams_are_a_terminal(monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    with a_terminal():
        assert Settings().show_progress
        monkeypatch.setattr(f"sys.{stream}", io.StringIO())
        assert not Settings().show_progress
        monkeypatch.undo()


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_ctrl_c_leaves_a_clean_terminal(fresh: Path, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("hang", r"^/api/v1/conversations/\d+", times=None))
    try:
        code, written = on_terminal(fresh, ("sync",), NARROW, interrupt_at="Conversations")
    finally:
        sandbox.faults.clear()
    assert code == 130
    check_nothing_left(written, NARROW)
    # The empty line is where a terminal shows its ^C.
    kept = "Interrupted. Downloaded conversations are saved. To continue: canvas-archive sync"
    assert "".join(screen(written, NARROW)) == kept
