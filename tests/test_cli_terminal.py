"""What a person sees: columns that fit, a pager, colours, ids in every form, and hints that can be copied."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from unicodedata import combining, east_asian_width

import pytest

from canvas_archive.cli.context import Settings
from canvas_archive.cli.hints import with_archive
from canvas_archive.cli.paging import show_lines
from canvas_archive.search import update_index
from canvas_archive.store import Ingest
from tests.push_support import Mail, open_mail
from tests.store_support import TickingClock, conversation, create, message
from tests.terminal_support import a_terminal, on_screen
from tests.ux_support import say

URL = "https://school.example"
CONVERSATIONS = 60
ANSI = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive with long subjects, some of them of wide characters."""
    folder = tmp_path / "my mail"
    with create(folder, base_url=URL) as archive:
        ingest = Ingest(archive.db, TickingClock())
        for number in range(1, CONVERSATIONS + 1):
            subject = (
                "期中考试 – 🎓 一二三四五六七八九十一二三四五六七八九十"
                if number % 2
                else "A long subject " * 9
            )
            ingest.save_conversation(
                conversation(
                    number, message(1000 + number, f"Text {number} " * 40), subject=subject, message_count=2
                )
            )
        archive.db.commit()
        update_index(archive.db, archive.search_dir)
    monkeypatch.setenv("CANVAS_ARCHIVE", str(folder))
    return folder


def cells(line: str) -> int:
    """Return how many cells of a terminal a line takes."""
    plain = ANSI.sub("", line)
    return sum(2 if east_asian_width(one) in "WF" else not combining(one) for one in plain)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 170])
def test_no_line_of_a_list_is_wider_than_the_terminal(mail: Path, width: int) -> None:
    code, text = on_screen(("list", "-n", "5"), width, PAGER="")
    lines = text.splitlines()
    assert code == 0 and len(lines) == 7
    assert max(map(cells, lines)) <= width
    heads = ANSI.sub("", lines[0]).split()
    assert heads[0] == "id" and (width < 50 or heads[1] == "received")
    assert ("course" in heads) == (width >= 110) and ("text" in heads) == (width >= 150)
    assert lines[-1] == "5 of 60 in inbox. More: -n N or --all"


@pytest.mark.parametrize("width", [60, 80])
def test_words_of_hits_and_messages_are_wrapped_at_the_width(mail: Path, width: int) -> None:
    for call in (("search", "text", "-n", "3"), ("show", "2")):
        code, text = on_screen(call, width, PAGER="")
        assert code == 0 and max(map(cells, text.splitlines())) <= width


def test_a_pipe_gets_whole_values_with_tabs_between(mail: Path) -> None:
    said = say(["list", "--limit", "1"])
    assert said.out.count("\n") == 1 and said.err == ""
    number, when, state, _, _, subject, count = said.out.rstrip("\n").split("\t")
    assert (number, when[-1], state, count) == ("60", "Z", "read", "2")
    assert subject == "A long subject " * 9
    (hit,) = say(["search", "text", "--limit", "1"]).out.splitlines()
    assert len(hit.split("\t")) == 7


def test_long_output_goes_through_the_pager(mail: Path, tmp_path: Path) -> None:
    copy = tmp_path / "paged"
    pager = f"tee {shlex.quote(str(copy))}"
    with a_terminal(80, typed="", PAGER=pager, CANVAS_API_TOKEN="secret", LINES="24"):
        from canvas_archive.cli import main

        assert main.run(["list", "--all", "--no-pager"]) == 0 and not copy.exists()
        assert main.run(["list", "-n", "3"]) == 0 and not copy.exists()
        assert main.run(["list", "--all"]) == 0
    paged = copy.read_text(encoding="utf-8").splitlines()
    assert len([line for line in paged if line.strip()]) == CONVERSATIONS + 2
    assert "60 in inbox." in paged


def test_the_pager_does_not_get_the_token(mail: Path, tmp_path: Path) -> None:
    copy = tmp_path / "environment"
    script = tmp_path / "pager"
    script.write_text(f"#!/bin/sh\nenv > {shlex.quote(str(copy))}\ncat > /dev/null\n")
    script.chmod(0o700)
    with a_terminal(80, typed="", PAGER=str(script), CANVAS_API_TOKEN="secret", LINES="5"):
        show_lines(Settings(), ["line"] * 10)
    assert "CANVAS_API_TOKEN" not in copy.read_text()


@pytest.mark.parametrize(
    ("environment", "options", "coloured"),
    [
        ({}, (), False),
        ({"FORCE_COLOR": "1"}, (), True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, (), False),
        ({"NO_COLOR": "1"}, ("--color", "always"), True),
        ({"FORCE_COLOR": "1"}, ("--color", "never"), False),
    ],
)
def test_colours_in_a_pipe(
    mail: Path,
    environment: dict[str, str],
    options: tuple[str, ...],
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = say(["show", "1", *options])
    assert ("\x1b[" in said.out) == coloured


# -- conversations by any name -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "60", "#60", "latest", "1060", f"{URL}/conversations/60", f"{URL}/api/v1/conversations/60",
        "http://127.0.0.1:8001/mail/c/60", "http://127.0.0.1:8001/mail/c/60?folder=inbox#m1060",
    ],
)  # fmt: skip
def test_a_conversation_is_found_by_any_of_its_names(mail: Path, name: str) -> None:
    assert json.loads(say(["show", name, "--json"]).out)["conversations"][0]["id"] == 60


def test_several_conversations_are_one_document(mail: Path) -> None:
    document = json.loads(say(["show", "3", "#2", "1003", "--json"]).out)
    assert [one["id"] for one in document["conversations"]] == [3, 2] and document["total"] == 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("https://other.example/conversations/60", "That page is on other.example."),
        ("https://school.example/courses/60", "is not a conversation"),
        ("1.5", "is not a conversation"),
        ("9" * 30, "is not a conversation"),
        ("²", "is not a conversation"),
        ("99999", "There is no conversation 99999 in this archive."),
    ],
)
def test_what_names_no_conversation_is_told(mail: Path, name: str, sentence: str) -> None:
    said = say(["show", name])
    assert (
        said.code == 2 and said.out == "" and sentence in said.err and "ID..." not in said.err.split("\n")[0]
    )


def test_edits_can_be_planned_made_and_taken_back(mail: Path) -> None:
    assert say(["star", "latest", "--dry-run"]).err == "1 conversation would change; nothing was changed.\n"
    assert say(["undo"]).err == "There is no edit to take back.\n"
    assert say(["mark", "unread", "#60", "59"]).code == 0
    assert say(["undo"]).code == 0
    assert len(json.loads(say(["edits", "--json"]).out)["edits"]) == 1
    assert say(["undo", "--json"]).code == 0
    assert json.loads(say(["undo", "--json"]).out) == {"edits": []}


# -- hints -------------------------------------------------------------------------------------------------


def test_a_hint_names_the_archive_that_the_command_named(
    mail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say(["star", "1"]).err.endswith("Send it to Canvas with: canvas-archive push\n")
    monkeypatch.setenv("CANVAS_ARCHIVE", str(tmp_path / "none"))
    said = say(["--archive", str(mail), "star", "2"])
    (hint,) = re.findall(r"canvas-archive (.+)", said.err)
    assert shlex.split(hint) == ["push", "--archive", str(mail)]


def test_hints_with_words_between() -> None:
    folder = Path("/a b")
    for text, named in (
        ("run canvas-archive mark read 1 now", "run canvas-archive mark read --archive '/a b' 1 now"),
        ("'canvas-archive push -n'", "'canvas-archive push --archive '/a b' -n'"),
        ("canvas-archive help schedule", "canvas-archive help schedule"),
        ("canvas-archive serve --archive x", "canvas-archive serve --archive x"),
        ("canvas-archive unread-count", "canvas-archive unread-count --archive '/a b'"),
        ("canvas-archive is a program", "canvas-archive is a program"),
    ):
        assert with_archive(text, folder) == named


# -- before something is sent ------------------------------------------------------------------------------


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def test_a_message_says_to_whom_it_goes(school: Mail) -> None:
    said = school.run("send", "--to", "2", "--subject", "Plan", "--body", "See the plan")
    assert said.code == 0 and said.err.splitlines()[0] == "To Ben (Team Fern)"
    school.forget_requests()
    said = school.run("send", "--to", "2", "--to", "3", "--subject", "Plan", "--body", "Plan")
    assert said.code == 2 and "Send to 2 people?" in said.err
    assert not [one for one in school.sandbox.log if one.method == "POST"]


def test_a_push_says_what_waits_before_it_sends(school: Mail) -> None:
    school.run("star", "100")
    school.run("send", "--to", "2", "--subject", "Plan", "--body", "x", "--queue")
    listed = school.run("edits").out
    assert "Ben (Team Fern)" in listed
    said = school.run("push")
    assert said.code == 0
    assert said.err.splitlines()[:2] == [
        "To send: 1 edit of 1 conversation and 1 message.", "  Plan: to Ben (Team Fern)",
    ]  # fmt: skip


def test_requests_are_counted_and_listed(school: Mail) -> None:
    counted = school.run("sync", "-v", "--quick")
    assert "Asked of Canvas: 5 x GET /conversations" in counted.err.splitlines()
    listed = school.run("sync", "-vv", "--quick")
    assert len(re.findall(r"^GET /api/v1/\S+ -> 200 in \d+ ms", listed.err, re.M)) == 6
    assert "Asked of" not in school.run("sync", "--quick").err
