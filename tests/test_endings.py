"""How a run of the program ends, and what commands say of the rarer outcomes, in this process."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest

from canvas_archive.cli import fleet_reading, main, sync
from canvas_archive.cli.context import Settings
from canvas_archive.cli.editing import show_report
from canvas_archive.cli.fleet_reading import SharedHit
from canvas_archive.cli.streams import prepare_streams, reader_left, takes_everything
from canvas_archive.cli.terminal import age, count_of, fit, local_time
from canvas_archive.cli.usage import call_of, sentence_of
from canvas_archive.errors import ArchiveLocked, CanvasProblem, CredentialProblem
from canvas_archive.search import search
from canvas_archive.store import Archive, Ingest, edits, runs
from canvas_archive.store.writing import brief_write
from canvas_archive.sync.push_report import PushReport
from canvas_archive.sync.report import Report, ReportedProblem
from canvas_archive.sync.service import SyncResult
from tests.push_support import BEN, CLEO, DEE, Mail, open_mail
from tests.store_support import TickingClock, conversation, create, message
from tests.terminal_support import Terminal, on_screen
from tests.ux_support import Said, say


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of one private and one group conversation, named by the variable."""
    folder = tmp_path / "mail"
    monkeypatch.setenv("CANVAS_ARCHIVE", str(folder))
    with create(folder) as archive:
        ingest = Ingest(archive.db, TickingClock())
        ingest.save_conversation(conversation(1, message(11, "Hello"), subject="One", private=True))
        ingest.save_conversation(
            conversation(2, message(12, "Again"), subject="Two", private=False, subscribed=False)
        )
    return folder


def ending(monkeypatch: pytest.MonkeyPatch, error: BaseException | None, *arguments: str) -> Said:
    """Run ``status``, in which that happens."""

    def strike(archive: Archive) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr("canvas_archive.cli.status.read_status", strike)
    return say(["status", *arguments])


# -- endings -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_ended_is_an_interruption(
    mail: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def end(archive: Archive) -> None:
        signal.raise_signal(number)

    before = signal.signal(number, signal.SIG_DFL)
    try:
        monkeypatch.setattr("canvas_archive.cli.status.read_status", end)
        said = say(["status"])
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert said.code == 130 and said.err == "\nInterrupted. Nothing was changed.\n"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_under_nohup_the_terminal_may_go() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main._ending_signals() == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_defect_is_told_as_one_and_shown_with_debug(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = ending(monkeypatch, LookupError("no \x1b[31mcolours"))
    assert said.code == 1 and "Traceback" not in said.err
    assert "Unexpected error: LookupError: no [31mcolours\nThis is a defect" in said.err
    said = ending(monkeypatch, LookupError("here"), "--debug")
    assert "Traceback (most recent call last)" in said.err and "read_status" in said.err


def test_an_error_of_click_itself(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = ending(monkeypatch, click.ClickException("The editor \x1b[0m failed"))
    assert (said.code, said.err) == (1, "Error: The editor [0m failed\n")


def test_a_reader_that_left_ends_well(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdout", sys.stdout)
        assert ending(monkeypatch, BrokenPipeError()).code == 0
        monkeypatch.setattr(main, "reader_left", lambda: True)
        assert ending(monkeypatch, SystemExit(1)).code == 0
        monkeypatch.setattr(main, "reader_left", lambda: False)
        with pytest.raises(SystemExit):
            ending(monkeypatch, SystemExit(3))


def test_quiet_may_be_said_before_a_command_and_refused_by_a_variable(
    mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say(["-q", "star", "1"]).err == ""
    monkeypatch.setenv("CANVAS_ARCHIVE_STAR_QUIET", "0")
    assert "1 unchanged" in say(["star", "1"]).err


# -- streams and texts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "named", "then"),
    [("cp1252", False, "utf-8"), ("cp1252", True, "cp1252"), ("utf-8", False, "utf-8")],
)
def test_streams_take_every_character(
    monkeypatch: pytest.MonkeyPatch, encoding: str, named: bool, then: str
) -> None:
    if named:
        monkeypatch.setenv("PYTHONIOENCODING", encoding)
    else:
        monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        patched.setattr(sys, "stderr", io.StringIO())
        prepare_streams()
        whole = takes_everything()
        stream.write("期")
        stream.flush()
    assert (stream.encoding, whole) == (then, then == "utf-8")
    assert raw.getvalue() == ("期".encode() if whole else b"\\u671f")


def test_dates_that_are_none() -> None:
    assert local_time(None) == local_time("") == ""
    assert local_time("last\x1b[1m spring") == "last[1m spring"
    assert age(None) == "never"
    assert (count_of(1, "edit"), count_of(1200, "edit")) == ("1 edit", "1,200 edits")


def test_a_text_fits_its_cells() -> None:
    assert fit("Ada", 5) == "Ada  " and fit("Adelaide", 5) == "Adel…" and fit("Adela", 5) == "Adela"
    assert fit("研究室の先生", 6) == "研究… " and fit("研究室", 6) == "研究室"
    assert fit("Zoe\u0308", 4) == "Zoe\u0308 "


def test_usage_without_a_command_and_numbers_without_an_end() -> None:
    error = click.UsageError("No such thing")
    assert (sentence_of(error), call_of(error)) == ("No such thing", None)
    for call, told in (
        (["list", "--limit", "0"], "is less than 1."),
        (["sandbox", "--port", "99999"], "is not from 0 to 65535."),
        (["edits", "drop"], "Unknown command: edits drop."),
        (["fleet"], "Commands:"),
        (["fleet", "-v"], "A command is missing."),
        (["status", "more"], "Unexpected argument: more"),
        (["send"], "--to is missing: A user id"),
    ):
        said = say(call)
        assert said.code == 2 and told in said.err + said.out, (call, said)


# -- reading -----------------------------------------------------------------------------------------------


def test_what_a_thread_says_of_itself(mail: Path) -> None:
    with Archive.open(mail, write=True) as archive:
        edits.record_edit(archive.db, 2, "starred", True, "cli")
        archive.db.commit()
    said = say(["show", "2"])
    assert "starred, unsubscribed" in said.out and "Waiting to be sent: starred = 1" in said.out
    whole = say(["list", "--folder", "inbox"])
    first = say(["list", "--folder", "inbox", "--limit", "1"])
    cursor = json.loads(say(["list", "--limit", "1", "--json"]).out)["next"]
    assert first.out + say(["list", "--cursor", cursor]).out == whole.out
    wrong = say(["list", "--cursor", "yesterday"])
    assert wrong.code == 2 and "'yesterday' is not where a list ended" in wrong.err


def test_a_query_from_standard_input(mail: Path) -> None:
    code, written = on_screen(("sql", "-"), typed="SELECT subject FROM conversations ORDER BY id")
    assert code == 0, written
    assert "subject" in written and "One" in written and "Two" in written
    code, written = on_screen(("sql", "--csv", "SELECT x'00ff' AS bytes, NULL AS missing"))
    assert code == 0 and written.splitlines()[-2:] == ["bytes,missing", "00ff,"]
    assert say(["sql", "--csv", "SELECT 1 AS one, NULL AS two"]).out == "one,two\n1,\n"
    assert json.loads(say(["sql", "--json", "SELECT x'00ff' AS bytes"]).out) == [{"bytes": "00ff"}]


def test_what_is_for_an_archive_alone(mail: Path, tmp_path: Path) -> None:
    assert say(["export", str(tmp_path / "out"), "-f", "jsonl", "-q", "--allow-incomplete"]).code == 0
    for option in (["--remote"], ["--chain-head", "0" * 64]):
        said = say(["verify", str(tmp_path / "out"), *option])
        assert said.code == 2 and "are for an archive" in said.err


def test_a_status_with_an_unfinished_sweep_and_an_error(mail: Path) -> None:
    with Archive.open(mail, write=True) as archive:
        run = runs.start_run(archive.db, "quick", TickingClock())
        archive.db.execute(
            "UPDATE sync_runs SET status = 'ok', finished_at = started_at, error = ? WHERE id = ?",
            ("one item failed", run),
        )
        archive.db.commit()
        for number in range(12):
            runs.record_problem(archive.db, "conversation", str(number), "it is odd", TickingClock())
        archive.db.commit()
    said = say(["status"])
    assert said.out.count("it is odd") == 10 and "and 2 more (canvas-archive problems)" in said.out
    assert "one item failed" in said.out and "'canvas-archive sync --full' fetches the rest" in said.out


# -- edits -------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_an_edit_that_canvas_refuses_at_once_is_told_and_stays(online: Mail) -> None:
    online.sandbox.faults.add("status", r"^/api/v1/conversations/100", status=403, method="PUT", times=None)
    ran = online.run("star", "100", "--push")
    assert ran.code not in (0, 1) and "1 conversation changed" in ran.err
    assert online.one("SELECT count(*) FROM pending_edits") == 1


def test_either_ids_or_a_search(mail: Path) -> None:
    said = say(["star", "1", "--query", "hello"])
    assert said.code == 2 and "not both" in said.err


def test_what_a_search_finds_and_nobody_can_edit_is_left_out(mail: Path) -> None:
    assert say(["index"]).code == 0
    said = say(["unsubscribe", "--query", "hello"])
    assert said.code == 0 and "Warning: conversation 1 was left out: " in said.err
    assert "0 conversations changed, 0 unchanged." in said.err


@pytest.mark.parametrize(
    ("said", "raised"), [("database is locked", ArchiveLocked), ("no such table: x", sqlite3.Error)]
)
def test_a_database_that_stays_locked(mail: Path, said: str, raised: type[Exception]) -> None:
    with Archive.open(mail) as archive, pytest.raises(raised):
        with brief_write(archive.db_path):
            raise sqlite3.OperationalError(said)


def test_a_report_of_many_problems_names_the_first_ten(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [
        ReportedProblem("edit" if number else "message", str(number), "it cannot be") for number in range(12)
    ]
    report = PushReport(problems=problems)
    show_report(Settings(), report)
    lines = capsys.readouterr().err.splitlines()
    assert sum("it cannot be" in line for line in lines) == 10 and "Message 0: it cannot be" in lines[0]
    assert "Warning: and 2 more." in lines


# -- online ------------------------------------------------------------------------------------------------


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


@pytest.mark.thorough
def test_what_online_commands_print(online: Mail) -> None:
    added = online.run("add-recipients", "101", str(CLEO), "-y")
    assert added.code == 0 and f"{CLEO:>14}  Cleo" in added.out
    online.sandbox.school.owner_delete(100)
    dee = online.run("add-recipients", "101", str(DEE), "-y", "--json")
    assert DEE in {person["id"] for person in dee.json["participants"]}
    gone = online.run("delete", "100", "-y")
    assert gone.code == 0 and "Conversation 100 was no longer on Canvas." in gone.err
    queued = online.run("send", "--to", str(BEN), "--body", "Later", "--queue", "--json")
    assert queued.json["state"] == "queued" and queued.json["conversation_ids"] == []


# -- sync --------------------------------------------------------------------------------------------------


def outcome(error: Exception | None = None, **report: Any) -> SyncResult:
    made = Report(mode="full")
    for name, value in report.items():
        setattr(made, name, value)
    return SyncResult(made, error, ["Something to know"])


def synced(monkeypatch: pytest.MonkeyPatch, *results: SyncResult) -> None:
    """Let one sync after the other end so."""
    coming = iter(results)
    monkeypatch.setattr("canvas_archive.sync.service.sync", lambda folder, options, progress: next(coming))


def test_what_a_sync_tells(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = ReportedProblem("conversation", "7", "it is odd")
    synced(monkeypatch, outcome(actions=["fetch 7"], problems=[problem]), outcome(new=1))
    said = say(["sync"])
    assert said.out == "fetch 7\n"
    assert "Something to know" in said.err and "Warning: conversation 7: it is odd" in said.err
    assert json.loads(say(["sync", "--json"]).out)["counts"]["conversations"]["new"] == 1


def test_a_sync_that_fails_before_it_did_anything_says_only_why(
    mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced(monkeypatch, outcome(CanvasProblem("Canvas is away")), outcome(CanvasProblem("Later"), new=2))
    nothing, something = say(["sync"]), say(["sync"])
    assert nothing.code == something.code == 4
    assert "conversations" not in nothing.err and "2 new" in something.err


def test_watching_survives_what_may_pass_and_ends_with_what_needs_a_person(
    mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(sync.time, "sleep", pauses.append)
    synced(
        monkeypatch,
        outcome(new=1),
        outcome(CanvasProblem("Canvas is away")),
        outcome(CredentialProblem("The token has expired")),
    )
    said = say(["sync", "--watch", "5", "-v"])
    assert said.code == 3 and said.err.endswith("Error: The token has expired\n")
    assert "Warning: Canvas is away" in said.err and "Next sync in 5 minutes" in said.err
    assert pauses == [300.0, 300.0]


def test_a_hit_without_a_text_is_its_title_alone(mail: Path) -> None:
    with Archive.open(mail, write=True) as archive:
        Ingest(archive.db, TickingClock()).save_conversation(
            conversation(3, message(13, ""), subject="Syllabus attached")
        )
        archive.db.commit()
    said = say(["search", "subject:syllabus"])
    assert said.code == 0 and len(said.out.splitlines()) == 1 and "Syllabus attached" in said.out
    with Archive.open(mail) as archive:
        result = search(archive.db_path, archive.search_dir, "subject:syllabus")
    everywhere = [SharedHit(hit, ()) for hit in result.hits]
    assert len(list(fleet_reading._lines(everywhere))) == 1


def test_who_ends_the_output_early_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not reader_left()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdout", type("_PacifyFlushWrapper", (), {})())
        assert reader_left()


def test_a_table_on_a_terminal(mail: Path) -> None:
    with closing(sqlite3.connect(mail / "archive.db")) as db, db:
        db.execute("UPDATE conversations SET starred = 1 WHERE id = 1")
    code, written = on_screen(("edits",), 100)
    assert code == 0 and "starred: 0 → 1" in written and "\t" not in written
    assert isinstance(Terminal().encoding, str)
