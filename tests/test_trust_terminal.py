"""Nothing that people wrote reaches the terminal as more than letters, from any command."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.canvas.answers import messages_of
from canvas_archive.cli.registry import COMMANDS
from canvas_archive.cli.terminal import one_line, printable
from canvas_archive.sandbox import Fault
from canvas_archive.unicode import json_text
from tests.fleet_support import collection
from tests.hostile_support import (
    FIRST_COURSE,
    FIRST_MESSAGE,
    FIRST_PERSON,
    FIRST_THREAD,
    SOME_AND_ALL,
    Hostile,
    Shown,
    assert_inert,
    fields_of,
    hostile_archive,
    on_terminal,
)
from tests.hostile_texts import ALL, FORGED, TERMINAL

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]

OBEYED = [ALL.index(text) for text in TERMINAL]
"""The texts that are about terminals; they are shown one by one in every run."""

FIRST_TERMINAL = FIRST_THREAD + ALL.index(TERMINAL[0])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    with hostile_archive(tmp_path_factory.mktemp("terminal") / "archive") as made:
        _plant(made.folder)
        yield made


def _plant(folder: Path) -> None:
    """Put the texts also where no Canvas puts them: problems, runs, saved searches, details of edits."""
    with closing(sqlite3.connect(folder / "archive.db")) as db, db:
        for number, text in enumerate(TERMINAL):
            db.execute(
                "INSERT INTO problems (kind, item_id, error, attempts, first_at, last_at) "
                "VALUES ('attachment', ?, ?, 1, ?, ?)",
                (f"{number}{text}", text, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            )
            db.execute(
                "INSERT INTO saved_searches (name, query, created_at) VALUES (?, ?, '2026-01-01T00:00:00Z')",
                (f"{number} {text}", text),
            )
        db.execute("UPDATE sync_runs SET error = ?", ("".join(TERMINAL),))


@pytest.fixture(autouse=True)
def _surroundings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "hostile" not in request.fixturenames:
        return  # it takes seconds to make
    hostile: Hostile = request.getfixturevalue("hostile")
    for name, value in hostile.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CANVAS_ARCHIVE", str(hostile.folder))


def _commands(hostile: Hostile, scratch: Path, numbers: range) -> dict[str, list[list[object]]]:
    """Return every command of the program, with the arguments that make it show the most."""
    thread, person, course = FIRST_TERMINAL, FIRST_PERSON + ALL.index(TERMINAL[0]), FIRST_COURSE
    folders = ("inbox", "unread", "starred", "archived", "sent", "removed")
    every = [[command, FIRST_TERMINAL + at] for at in range(3) for command in ("star", "unstar", "archive")]
    return {
        "list": [["list", "--folder", folder, "--limit", 1000] for folder in folders],
        "show": [["show", FIRST_THREAD + number] for number in sorted({*numbers, *OBEYED})],
        "search": [
            ["search", "before", "--limit", 1000, "--facets"],
            ["search", "--list-saved"],
            ["search", "before", "--threads", "--limit", 1000, "--sort", "newest"],
            *(["search", "--", text] for text in TERMINAL[:12]),
            ["search", "--forget", f"0 {TERMINAL[0]}"],
            ["search", "--saved", f"1 {TERMINAL[1]}"],
        ],
        "sql": [
            ["sql", "SELECT * FROM conversations"],
            ["sql", "SELECT * FROM users"],
            ["sql", "--csv", "SELECT * FROM messages"],
            ["sql", 'SELECT 1 AS "a\x1b[2J\nb"'],
            ["sql", "SELECT \x1b[2J"],
        ],
        "star": every[0::3],
        "unstar": every[1::3],
        "archive": every[2::3],
        "unarchive": [["unarchive", thread]],
        "mark": [["mark", "read", thread, thread + 1], ["mark", "unread", thread, thread + 1]],
        "attachments": [["attachments"], ["attachments", "--save", scratch / "files"]],
        "subscribe": [["subscribe", thread]],
        "unsubscribe": [["unsubscribe", thread]],
        "edits": [["edits"], ["edits", "--all"]],
        "push": [["push", "-n"], ["push"]],
        "send": [
            ["send", "--to", person, "--body", "x", "-y"],
            ["send", "--to", TERMINAL[1], "--body", "x"],
            ["send", "--to", "m", "--body", "x"],
            ["send", "--queue", "--to", person, "--body", TERMINAL[2]],
        ],
        "reply": [
            ["reply", thread, "--body", TERMINAL[0], "-y"],
            ["reply", thread, "--queue", "--body", "x"],
        ],
        "add-recipients": [["add-recipients", thread, person, "-y"]],
        "remove-messages": [
            ["remove-messages", thread + 5, FIRST_MESSAGE + 3 * (thread + 5 - FIRST_THREAD), "-y"]
        ],
        "delete": [["delete", thread + 6, "-y"], ["delete", thread + 7]],
        "mark-all-read": [["mark-all-read", "-y"]],
        "recipients": [["recipients", "--context", f"course_{course + n}"] for n in range(0, len(ALL), 25)]
        + [["recipients", "name"]],
        "unread-count": [["unread-count"]],
        "batches": [["batches"]],
        "sync": [["sync", "-n"], ["sync", "--full", "-vv"], ["sync", "--quick"]],
        "status": [["status"]],
        "doctor": [["doctor"], ["doctor", "--offline"]],
        "index": [["index"], ["index", "--check"], ["index", "--rebuild"]],
        "adopt": [["adopt", "-y"]],
        "verify": [["verify", "-v"], ["verify", "--remote", "-v"]],
        "export": [
            ["export", scratch / "out", "-f", "jsonl", "-f", "html"],
            ["export", scratch / "none", "-f", "csv", "--with", TERMINAL[0]],
        ],
        "backup": [["backup", scratch / "backup"]],
        "restore": [["restore", scratch / "backup", scratch / "restored"]],
        "init": [["--archive", scratch / "second", "init", hostile.sandbox.url]],
        "token": [["token"]],
    }


ELSEWHERE = {
    "demo": "shows nothing but its own sample mailbox",
    "sandbox": "prints an address and a token",
    "serve": "prints an address; its pages are in test_trust_web",
    "open": "is serve, with a browser",
    "fleet": "has a test of its own below",
}


@pytest.mark.thorough
@pytest.mark.parametrize("numbers", SOME_AND_ALL)
def test_no_command_passes_on_what_a_terminal_obeys(hostile: Hostile, tmp_path: Path, numbers: range) -> None:
    table = _commands(hostile, tmp_path, numbers)
    unknown = set(COMMANDS) - set(table) - set(ELSEWHERE)
    for name in unknown:  # a new command at least says what it wants without showing anything hostile
        table[name] = [[name]]
    ran = 0
    for invocations in table.values():
        for arguments in invocations:
            shown = on_terminal(*arguments)
            assert_inert(shown, arguments)
            assert shown.code in (0, 2, 3, 4, 5, 6, 8, 9), (arguments, shown.text[-500:])
            ran += 1
    assert ran > len({*numbers, *OBEYED}) + 60


@pytest.mark.thorough
def test_colours_and_bars_are_the_program_s_own(hostile: Hostile, tmp_path: Path) -> None:
    assert_inert(on_terminal("list", "--limit", 1000, colour=True))
    assert_inert(on_terminal("search", "before", "--limit", 1000, "--facets", colour=True))
    for number in range(0, len(ALL), 7):
        assert_inert(on_terminal("show", FIRST_THREAD + number, colour=True), number)
    for arguments in (
        ["sync", "--full"],
        ["verify"],
        ["export", tmp_path / "out", "-f", "mbox", "-f", "eml"],
        ["index", "--rebuild"],
    ):
        shown = on_terminal(*arguments, progress=True, colour=True)
        assert_inert(shown, arguments, progress=True)


@pytest.mark.thorough
def test_json_is_valid_and_escapes_what_a_terminal_obeys(hostile: Hostile) -> None:
    """The texts come back letter for letter from the document, and none of their controls is in its bytes."""
    told: set[str] = set()
    for arguments in (
        ["list", "--limit", 1000],
        ["status"],
        ["edits", "--all"],
        ["search", "before", "--limit", 1000, "--facets"],
        ["search", "--list-saved"],
        ["sql", "SELECT * FROM messages"],
        ["sql", "SELECT * FROM users"],
        ["verify"],
        ["doctor", "--offline"],
        ["recipients", "--context", f"course_{FIRST_COURSE}"],
        *(["show", FIRST_THREAD + number] for number in range(len(ALL))),
    ):
        shown = on_terminal(*arguments, "--json", "-q")
        assert_inert(shown, arguments)
        document, end = json.JSONDecoder().raw_decode(shown.text)
        assert shown.code in (0, 8)
        assert shown.text[end:].strip() == "" or shown.code == 8
        told.update(fields_of(document))
    assert set(ALL) - {""} <= told


@pytest.mark.thorough
def test_what_canvas_says_in_an_error_stays_a_sentence(hostile: Hostile) -> None:
    for text in TERMINAL:
        for document in (
            {"errors": [{"message": text}]},
            {"message": text},
            {"errors": {text: text}},
            [{"message": text}],
        ):
            for line in messages_of(document):
                assert one_line(line) == line == printable(line), text


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["status", "html_login", "invalid_json", "wrong_type", "foreign_next"])
def test_a_failing_canvas_is_told_in_letters(hostile: Hostile, kind: str) -> None:
    hostile.sandbox.faults.add(Fault(kind, "conversations", status=400, field="subject"))  # type: ignore[arg-type]
    try:
        for arguments in (
            ["sync", "--full", "--patience", "0"],
            ["sync", "--full", "--patience", "0", "--debug"],
        ):
            shown = on_terminal(*arguments)
            assert_inert(shown, arguments, debug="--debug" in arguments)
    finally:
        hostile.sandbox.faults.clear()


@pytest.mark.thorough
def test_a_name_that_is_markup_is_shown_as_it_is(hostile: Hostile) -> None:
    shown = on_terminal("sql", "SELECT name FROM users WHERE name LIKE '[%'")
    for text in ("[red]markup[/red]", "[/]", "[link=http://outside.invalid/]click[/link]", "[bold"):
        assert text in shown.text


@pytest.mark.thorough
def test_the_fleet_s_tables_are_lines_of_letters(
    hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = collection(hostile.sandbox, tmp_path, monkeypatch)
    people = [FIRST_PERSON + ALL.index(text) for text in TERMINAL[:3]]
    names = {number: TERMINAL[at] for at, number in enumerate(people)}
    gathered.write_list(people, name=names)
    for arguments in (
        ["sync", gathered.list, "--url", hostile.sandbox.url],
        ["status"],
        ["search", "before"],
        ["export", tmp_path / "out", "-f", "jsonl", "-v"],
    ):
        for more in ([], ["--json"]):
            shown = on_terminal("fleet", *arguments, "--root", gathered.root, *more)
            assert_inert(shown, arguments)
            if arguments[0] == "export":
                break  # once: a second one would have to replace the first
    shown = on_terminal("fleet", "sync", gathered.list, "--url", hostile.sandbox.url, "--root", gathered.root,
                        progress=True, colour=True)  # fmt: skip
    assert_inert(shown, progress=True)


@pytest.mark.parametrize("text", TERMINAL)
def test_printable_leaves_the_letters(text: str) -> None:
    assert not any(letter in printable(text) for letter in "\x1b\x9b\x07\x08\r\x7f\u202e\u2066\ufeff\u2028")
    assert "\n" not in one_line(text)
    assert not one_line(text).startswith(FORGED)
    assert json.loads(json_text({"text": text})) == {"text": text}


def test_half_a_surrogate_pair_breaks_no_output() -> None:
    assert printable("a\ud800b") == "a\ufffdb"
    assert json.loads(json_text("a\ud800b")) == "a\ud800b"
    json_text("a\ud800b").encode("utf-8")


def test_the_watch_over_the_terminal_would_notice() -> None:
    for text in TERMINAL:
        if printable(text) != text or FORGED in text:
            with pytest.raises(AssertionError):
                assert_inert(Shown(0, text.encode()))
