"""The measuring itself: rows, runs and peers are what the table says of them. No test looks at a time."""

from __future__ import annotations

import csv
import json
import mailbox
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from canvas_archive.cli.registry import COMMANDS
from canvas_archive.export.formats import FORMATS
from tests.benchmarks import __main__ as command
from tests.benchmarks import export_peers, fleet, memory, scale, store, sync
from tests.benchmarks.canvasapi_peer import canvasapi_peer
from tests.benchmarks.children import Failed, canvas_archive, installed, run_child
from tests.benchmarks.figures import Machine, Plan, Row, by_turns, line, machine, skipped, table
from tests.benchmarks.generate import generate
from tests.benchmarks.local_canvas import local_canvas
from tests.benchmarks.talking import talking

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="what a child cost is asked of a POSIX system"),
    pytest.mark.uncounted,
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive as the generator makes it, with 300 messages and an index."""
    folder = tmp_path_factory.mktemp("benchmarks") / "archive"
    generate(folder, 300)
    return folder


# -- rows and their file --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "written"),
    [(None, ""), (0.0456, "0.046"), (1.0, "1.0"), (6.94, "6.9"), (121.4, "121"), (1234.5, "1,234")],
)
def test_a_ratio_is_written_as_people_read_it(ratio: float | None, written: str) -> None:
    assert line(Row("a", "1 s", "2 s", ratio, 3)) == f"| a | 1 s | 2 s | {written} | 3 |  |"


def test_a_row_says_whether_it_met_its_target() -> None:
    assert line(Row("a", "1 s", target="< 2 s", met=True)).endswith("| < 2 s ✓ |")
    assert line(Row("a", "3 s", target="< 2 s", met=False)).endswith("| < 2 s ✗ |")
    assert len(table([Row("a", "1 s")]).splitlines()) == 3


def test_what_was_not_measured_has_no_number_of_runs() -> None:
    assert (
        line(skipped("pages", "there are none")) == "| pages: not measured, there are none |  |  |  |  |  |"
    )


def test_the_sides_take_turns() -> None:
    order: list[str] = []

    def side(name: str) -> int:
        order.append(name)
        return len(order)

    answers = by_turns([lambda: side("ours"), lambda: side("theirs")], 3)
    assert order == ["ours", "theirs"] * 3
    assert answers == [[1, 3, 5], [2, 4, 6]]


def test_the_machine_is_described() -> None:
    about = machine()
    assert about.python in about.sentence() and about.commit in about.sentence()
    assert about.packages["canvasapi"]
    assert replace(about, memory=None).sentence().count("GB") == 0


def test_a_group_replaces_itself_in_the_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.json"
    about = Machine("a processor", 2, 4.0, "Linux", "3.11", "3.40", "abc", 1.0)

    def group(name: str, row: str) -> dict[str, object]:
        return command.document(name, [Row(row, "1 s")], about, "python …", False)

    command.keep(file, group("fleet", "many"))
    command.keep(file, group("startup", "old"))
    command.keep(file, group("startup", "new"))
    told = command.read(file)
    assert [(one["group"], one["rows"][0]["name"]) for one in told] == [("startup", "new"), ("fleet", "many")]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    summary = command.summary(file)
    assert "| new | 1 s |" in summary and "old" not in summary and "a processor, 2 cores, 4 GB" in summary


def test_a_table_is_printed_without_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "benchmarks.json"
    command.keep(file, command.document("startup", [Row("quick", "1 s")], machine(), "python …", True))
    assert command.main(["--table", str(file)]) == 0
    assert "| quick | 1 s |" in capsys.readouterr().out


# -- the command ----------------------------------------------------------------------------------


@pytest.mark.thorough
def test_start_up_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert command.main(["--quick", "--only", "startup", "--json", str(file)]) == 0
    (group,) = command.read(file)
    assert group["quick"] and group["command"].endswith("--json " + str(file))
    names = [row["name"] for row in group["rows"]]
    assert any("--help" in name for name in names) and any("status" in name for name in names)
    for row in group["rows"]:
        assert row["value"] > 0 and row["target"] == "" and row["met"] is None
        assert line(Row(**row)) in capsys.readouterr().out or row is not group["rows"][0]


def test_what_needs_a_million_messages_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "memory", "scale", "--json", str(tmp_path / "figures.json")]) == 0
    assert capsys.readouterr().out.count("not measured, it needs --million FOLDER") == 2


def test_a_failed_group_is_told_and_the_next_one_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(plan: Plan) -> Iterator[Row]:
        yield Row("before", "1 s", target="< 2 s", met=True)
        raise Failed("it ended with 7")

    def late(plan: Plan) -> Iterator[Row]:
        yield Row("slow", "3 s", target="< 2 s", met=False)

    monkeypatch.setattr(memory, "rows", failing)
    monkeypatch.setattr(scale, "rows", late)
    assert command.main(["--only", "memory", "scale", "--json", str(tmp_path / "figures.json")]) == 1
    said = capsys.readouterr().out
    assert "| before | 1 s |" in said and "it failed: it ended with 7" in said
    assert said.endswith("targets missed: 2\n  memory\n  slow\n")
    assert [len(group["rows"]) for group in command.read(tmp_path / "figures.json")] == [2, 1]


def test_an_interrupted_group_keeps_the_rows_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(plan: Plan) -> Iterator[Row]:
        yield Row("before", "1 s")
        raise KeyboardInterrupt

    monkeypatch.setattr(scale, "rows", interrupted)
    file = tmp_path / "figures.json"
    with pytest.raises(KeyboardInterrupt):
        command.main(["--only", "scale", "--json", str(file)])
    assert [row["name"] for group in command.read(file) for row in group["rows"]] == ["before"]


# -- programs -------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_programs_memory_is_its_own() -> None:
    large = bytearray(b"x") * 300_000_000  # of whoever starts it
    ran = run_child([sys.executable, "-c", "print('done')"])
    assert ran.output == "done\n" and ran.seconds > 0 and 3 < ran.megabytes < 150
    assert len(large) == 300_000_000
    itself = run_child([sys.executable, "-c", "x = bytearray(b'x') * 200_000_000"])
    assert itself.megabytes > 190


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import os; os.abort()"])
def test_a_program_that_ends_badly_has_no_figures(code: str) -> None:
    with pytest.raises(Failed, match="ended with"):
        run_child([sys.executable, "-c", code])


def test_an_expected_exit_code_is_no_failure() -> None:
    assert run_child([sys.executable, "-c", "raise SystemExit(3)"], expected=(3,)).seconds > 0


@pytest.mark.thorough
def test_the_program_is_measured_compiled_as_pip_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    program = canvas_archive("--version")
    code = "import canvas_archive.cli.main as main, os; print(os.path.exists(main.__cached__))"
    assert "canvas-archive" in run_child(program).output
    assert run_child([sys.executable, "-c", code]).output == "True\n"


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(Failed, match="could not be started"):
        run_child([installed("no-such-program")[0]])


@pytest.mark.thorough
def test_a_process_that_ends_instead_of_answering_is_told() -> None:
    with talking("tests.benchmarks.local_canvas", "--conversations", "3") as talker:
        assert talker.hear()["user_id"]
        with pytest.raises(Failed, match="local_canvas ended with 1"):
            talker.ask("change nothing-like-a-number")


# -- memory ---------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_every_run_of_a_command_writes_to_a_new_place_and_ends_well(archive: Path) -> None:
    (export,) = (one for one in memory.COMMANDS if "--query" in one.arguments)
    before = {path.name for path in archive.parent.iterdir()}
    (row,) = memory.measure(archive, [export], 2)
    assert row.n == 2 and row.met is True
    assert row.name == "`export DEST --format mbox --without-attachments --query midterm`"
    assert {path.name for path in archive.parent.iterdir()} == before


@pytest.mark.thorough
def test_a_command_that_fails_is_a_missed_row(archive: Path) -> None:
    wrong = memory.Command(("list", "--folder", "attic"))
    right = memory.Command(("list",))
    failed, listed = memory.measure(archive, [wrong, right], 1)
    assert failed.met is False and failed.ours == "failed" and "ended with 2" in failed.name
    assert listed.met is True


@pytest.mark.thorough
def test_a_slow_command_waits_to_be_asked_for(archive: Path) -> None:
    slow = memory.Command(("list",), slow=True)
    assert "--slow" in next(memory.measure(archive, [slow], 1)).name
    assert next(memory.measure(archive, [slow], 1, slow=True)).n == 1


@pytest.mark.thorough
def test_a_sync_with_a_canvas_that_has_the_archives_mailbox_finds_nothing_new(
    archive: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "archive"
    shutil.copytree(archive, copy)
    rows = list(memory.online(copy, 2))
    assert [row.met for row in rows] == [True] * len(memory.ONLINE), rows
    with closing(sqlite3.connect(copy / "archive.db")) as db:
        runs = db.execute(
            "SELECT status, requests, counts ->> '$.conversations.changed'"
            " FROM sync_runs WHERE mode = 'quick'"
        ).fetchall()
    assert runs == [("ok", 6, 0)] * 2


def test_every_format_is_measured_and_every_command_is_one() -> None:
    assert {one.arguments[0] for one in memory.COMMANDS} <= COMMANDS.keys()
    exports = [one.arguments for one in memory.COMMANDS if one.arguments[0] == "export"]
    assert {arguments[arguments.index("--format") + 1] for arguments in exports} == FORMATS.keys()


# -- a sync and its peer --------------------------------------------------------------------------


@pytest.mark.thorough
def test_both_sides_of_a_sync_have_every_conversation(tmp_path: Path) -> None:
    with local_canvas(12, throttle=True, cost=2.0) as canvas, canvasapi_peer(canvas.environment()) as peer:
        mailbox_ = sync.Mailbox(canvas, tmp_path)
        mailbox_.begin()
        ran, told = mailbox_.sync()
        assert told.requests == json.loads(ran.output)["requests"] > 12
        assert told.cost == 2.0 * told.requests and told.throttled == 0 and told.allowed > 550
        first = peer.sync()
        with closing(sqlite3.connect(next(tmp_path.iterdir()) / "archive.db")) as db:
            assert db.execute("SELECT count(*) FROM conversations").fetchone() == (first.conversations,)
        _, quiet = mailbox_.sync()
        assert quiet.requests == 6
        canvas.change(2)
        canvas.forget()
        peer.sync()
        assert canvas.tell().requests == 4 + 2


@pytest.mark.thorough
def test_the_units_used_are_compared_with_those_allowed(tmp_path: Path) -> None:
    row = sync._bucket(Plan(tmp_path, quick=True))
    assert row.value == sync.COSTLY * int(row.name.split(" refused")[0].split()[-1])
    assert row.peer_value is not None and row.met is None  # too few requests to fill the bucket


@pytest.mark.thorough
def test_a_fleet_that_is_not_complete_is_a_failure(tmp_path: Path) -> None:
    with local_canvas(3) as canvas:
        listed = tmp_path / "custodians.csv"
        listed.write_text(f"user_id\n{canvas.people[0]}\n")
        ran, told = fleet._collect(canvas, listed, tmp_path / "fleet", 1)
        assert told.requests > 0 and json.loads(ran.output)["custodians"][0]["status"] == "ok"
        with pytest.raises(Failed, match="only 1 of 2"):
            fleet._collect(canvas, listed, tmp_path / "fleet", 2)


# -- the other peers ------------------------------------------------------------------------------


def test_both_write_the_same_messages(tmp_path: Path) -> None:
    conversations = store.fetched(15)
    count = sum(len(one.messages or ()) for one in conversations)
    ours = store.write_ours(tmp_path / "ours", conversations, 4)
    source = store.rows_of(tmp_path / "ours")
    theirs = store.write_theirs(tmp_path / "theirs.db", source)
    assert ours.messages == theirs.messages >= count > 0
    with closing(sqlite3.connect(tmp_path / "ours" / "archive.db")) as db:
        expected = db.execute("SELECT count(*) FROM message_recipients").fetchone()
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as db:
        assert db.execute("SELECT count(*) FROM message_recipients").fetchone() == expected


def loop(archive: Path, name: str, dest: Path) -> Path:
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        export_peers.LOOPS[name][1](db, dest)
    return dest


@pytest.mark.thorough
def test_the_loops_write_every_message(archive: Path, tmp_path: Path) -> None:
    lines = loop(archive, "jsonl", tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    assert sum(len(json.loads(text)["messages"]) for text in lines) == 300
    with loop(archive, "csv", tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.reader(stream))) == 300
    with closing(mailbox.mbox(loop(archive, "mbox", tmp_path / "a.mbox"))) as box:
        assert len(box) == 300
    assert len(list(loop(archive, "eml", tmp_path / "eml").iterdir())) == 300


@pytest.mark.thorough
def test_the_columns_of_the_parquet_loop(archive: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(loop(archive, "parquet", tmp_path / "a.parquet")).num_rows == 300


def test_the_copy_and_the_check(archive: Path, tmp_path: Path) -> None:
    loop(archive, "verify", tmp_path / "nothing")
    assert loop(archive, "backup", tmp_path / "copy.db").stat().st_size > 100_000


@pytest.mark.thorough
def test_the_generated_files_all_belong_to_a_message(archive: Path) -> None:
    assert run_child(canvas_archive("--archive", str(archive), "verify")).seconds > 0
