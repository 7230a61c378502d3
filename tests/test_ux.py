"""What a new user reads: the messages that ``golden/messages.txt`` keeps, and output of any kind and width.

After a change of wording: ``python -m tests.ux_support``, then read the difference.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from canvas_archive.cli.consent import Declined, require_consent
from canvas_archive.cli.registry import COMMANDS
from canvas_archive.store import Ingest
from canvas_archive.store.lock import LOCK_NAME, present_writer
from tests.docs_support import every_command
from tests.store_support import TickingClock, conversation, create, message
from tests.terminal_support import on_terminal
from tests.ux_situations import SITUATIONS, Situation
from tests.ux_support import GOLDEN, say, transcript

pytestmark = pytest.mark.sampled

SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", GOLDEN.read_text(encoding="utf-8"), re.M | re.S))


@pytest.mark.thorough
@pytest.mark.parametrize("situation", SITUATIONS, ids=[one.title for one in SITUATIONS])
def test_the_messages_of_a_situation(situation: Situation) -> None:
    told = transcript(situation).partition("\n")[2]
    assert told.strip() == SECTIONS[situation.title].strip(), "see the docstring of this module"


def test_the_golden_file_has_no_other_situation() -> None:
    assert list(SECTIONS) == [one.title for one in SITUATIONS]


def test_every_command_is_tried() -> None:
    tried = {word for one in SITUATIONS for call in one.calls for word in call.split()}
    running_on = {"archive", "unarchive", "unstar", "read", "unread", "unsubscribe"}  # as star and subscribe
    assert set(COMMANDS) - running_on <= tried


ERRORS = re.findall(r"^! Error: (.+)$", GOLDEN.read_text(encoding="utf-8"), re.M)


def test_errors_are_sentences() -> None:
    assert len(ERRORS) > 100
    assert "Unexpected error" not in GOLDEN.read_text(encoding="utf-8")
    for sentence in ERRORS:
        assert sentence[0].isupper() or sentence[0] in "'-/1" or sentence.split()[0].islower(), sentence
        assert not re.search(r"Errno|Traceback|Exception|<class", sentence), sentence
        assert len(sentence) < 260, sentence


def test_errors_that_need_a_person_say_what_to_do() -> None:
    for words in (
        "no archive",
        "no access token",
        "is being written to",
        "newer version",
        "not a SQLite database",
    ):
        for sentence in (one for one in ERRORS if words in one):
            assert re.search(r"canvas-archive|Set |Wait |restore ", sentence), sentence


# -- output of any kind -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with names no code page has, and an index."""
    from canvas_archive.search import update_index

    folder = tmp_path_factory.mktemp("ux") / "mail"
    with create(folder) as archive:
        ingest = Ingest(archive.db, TickingClock())
        for number in range(1, 120):
            subject = f"期中考试 {number} – Kaʻiulani’s naïve ★ “plan” 🎓"
            ingest.save_conversation(
                conversation(number, message(number, f"Exam {number} 🎓"), subject=subject)
            )
        update_index(archive.db, archive.search_dir)
    return folder


def run(mail: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the program as a process of its own, its output read through pipes."""
    return subprocess.run(
        [sys.executable, "-m", "canvas_archive", *arguments],
        env={**os.environ, "CANVAS_ARCHIVE": str(mail), **environment},
        capture_output=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


PRINTING = (
    ("list", "--limit", "3"),
    ("show", "7"),
    ("search", "exam", "--limit", "3"),
    ("sql", "SELECT subject FROM conversations LIMIT 3"),
    ("sql", "--csv", "SELECT subject FROM conversations LIMIT 3"),
)


@pytest.mark.thorough
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
@pytest.mark.parametrize(
    ("surroundings", "encoding"),
    [
        ({"LC_ALL": "C"}, "utf-8"),
        ({"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "utf-8"),
        ({"PYTHONIOENCODING": "utf-8"}, "utf-8"),
        ({"PYTHONIOENCODING": "cp1252"}, "cp1252"),
    ],
    ids=["C", "POSIX", "utf-8", "cp1252"],
)
def test_any_name_can_be_written_whatever_the_encoding(
    mail: Path, arguments: tuple[str, ...], surroundings: dict[str, str], encoding: str
) -> None:
    done = run(mail, *arguments, **surroundings)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding)
    assert ("期中考试" in text) if encoding == "utf-8" else ("\\u671f" in text and "’s naïve" in text)


def test_json_is_whole_in_a_code_page(mail: Path) -> None:
    done = run(mail, "list", "--limit", "1", "--json", PYTHONIOENCODING="cp1252")
    (line,) = json.loads(done.stdout.decode("ascii"))["conversations"]
    assert "期中考试" in line["subject"] and "🎓" in line["subject"]


@pytest.mark.skipif(os.name != "posix", reason="pipes of a POSIX shell")
@pytest.mark.parametrize(
    "call", ["list --limit 1000", "search exam --limit 1000", "verify", "status", "list --json", "--help"]
)
def test_a_reader_that_leaves_early_is_no_error(mail: Path, call: str) -> None:
    line = f'("{sys.executable}" -m canvas_archive {call}; echo "code $?" >&2) | head -c 1'
    done = subprocess.run(
        ["sh", "-c", line], env={**os.environ, "CANVAS_ARCHIVE": str(mail)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    said = [one for one in done.stderr.splitlines() if "messages in" not in one]
    assert [one for one in said if one != 'Messages with "exam".'] == ["code 0"]


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("width", [40, 200])
@pytest.mark.parametrize(
    "arguments", [*PRINTING[:4], ("status",), ("help",), ("help", "query")], ids=" ".join
)
def test_any_width_of_a_terminal(mail: Path, arguments: tuple[str, ...], width: int) -> None:
    code, text = on_terminal(mail, (*arguments, "--no-progress"), width)
    assert code == 0, text
    assert text.strip() and "Traceback" not in text


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_colours_are_for_terminals_that_want_them(mail: Path) -> None:
    assert "\x1b[" in on_terminal(mail, ("verify", "--no-progress"), 80, NO_COLOR="")[1]
    assert "\x1b[" not in on_terminal(mail, ("verify", "--no-progress"), 80, NO_COLOR="1")[1]
    assert b"\x1b[" not in run(mail, "verify", NO_COLOR="").stdout


def test_what_can_be_read_can_be_read_as_json() -> None:
    without = {
        name
        for name, command in every_command()
        if not any("--json" in one.opts for one in command.params) and not isinstance(command, click.Group)
    }
    # A server, a script, a page of text, and what prints a line of its own.
    assert without <= {
        "serve",
        "open",
        "sandbox",
        "completion",
        "help",
        "token",
        "token set",
        "login",
        "fleet login",
        "fleet logout",
        "restore",
        "backup",
        "adopt",
    }


def test_the_archive_option_is_where_it_means_something() -> None:
    for name, command in every_command():
        given = any("--archive" in one.opts for one in command.params)
        assert given is not (name.split()[0] in ("fleet", "help", "completion")), name


# -- single answers ---------------------------------------------------------------------------------------


def test_a_no_does_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canvas_archive.cli.consent.can_ask", lambda: True)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: False)
    with pytest.raises(Declined):
        require_consent("Really?", yes=False)


def test_a_declined_question_is_not_told_as_an_interruption(
    mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_ARCHIVE", str(mail))
    monkeypatch.setattr("canvas_archive.cli.consent.can_ask", lambda: True)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: False)
    said = say(["delete", "7"])
    assert (said.code, said.err) == (130, "Nothing was done.\n")


@pytest.mark.thorough
def test_the_demo_leaves_the_folder_of_the_variable_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_ARCHIVE", str(tmp_path / "mine"))
    said = say(["demo", "--no-serve", "--conversations", "2"])
    assert said.code == 0, said.err
    assert "2 conversations" in said.out and not (tmp_path / "mine").exists()
    said = say(["--archive", str(tmp_path / "named"), "demo", "--no-serve", "--conversations", "2"])
    assert said.code == 0 and (tmp_path / "named" / "archive.db").exists()


def test_a_writer_that_is_gone_is_none(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / LOCK_NAME).write_text(f" {ended.pid} 2026-03-09T12:00:00Z\n")
    assert present_writer(tmp_path) is None
    (tmp_path / LOCK_NAME).write_text(f" {os.getpid()} 2026-03-09T12:00:00Z\n")
    present = present_writer(tmp_path)
    assert present is not None and present.pid == os.getpid()
    (tmp_path / LOCK_NAME).write_text(f" {10**30} 2026-03-09T12:00:00Z\n")
    present_writer(tmp_path)
