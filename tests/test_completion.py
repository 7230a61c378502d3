"""Completion in the shells themselves: bash, zsh and fish, each skipped where it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from canvas_archive.cli import cli
from canvas_archive.cli.completion import HOW, VARIABLE
from canvas_archive.cli.context import Settings
from canvas_archive.store import Archive, Ingest, edits
from tests.store_support import TickingClock, conversation, create, message

pytestmark = pytest.mark.sampled

BASH = """
eval "$(canvas-archive completion bash)"
COMP_WORDS=({words})
COMP_CWORD={last}
_canvas_archive_completion canvas-archive
printf '%s\n' "${{COMPREPLY[@]}}"
"""

# What zsh's own completion would be asked to show is printed instead.
ZSH = """
compdef() {{ :; }}
_describe() {{ print -l -- ${{(P)3}} }}
compadd() {{ print -l -- ${{(P)${{@[-1]}}}} }}
eval "$(canvas-archive completion zsh)"
words=({words})
CURRENT={count}
_canvas_archive_completion
"""

FISH = """
canvas-archive completion fish | source
complete -C "{line}"
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with two conversations, a pending edit and a saved search."""
    folder = tmp_path / "archive"
    with create(folder) as opened:
        ingest = Ingest(opened.db, TickingClock())
        ingest.save_conversation(conversation(1701, message(11), subject="Field: trip"))
        ingest.save_conversation(conversation(2002, message(12), subject="Exam\x1b[31m"))
        edits.record_edit(opened.db, 1701, "starred", True, "cli")
        opened.db.execute(
            "INSERT INTO saved_searches (name, query, created_at) VALUES ('exams', 'midterm', '2026')"
        )
        opened.db.commit()
    return folder


@pytest.fixture
def program(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell that finds ``canvas-archive``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "canvas-archive"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m canvas_archive "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}


def in_shell(shell: str, words: list[str], program: dict[str, str]) -> str:
    """Return what the shell offers after these words, of which the last is being typed."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell} on this machine")
    quoted = " ".join(f"'{word}'" for word in words)
    script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell].format(
        words=quoted, last=len(words) - 1, count=len(words), line=" ".join(words)
    )
    plain = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [found, *plain, "-c", script], env=program, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stderr == "", done.stderr
    return done.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("shell", list(HOW))
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["sta"], "status"),
        (["sync", "--qu"], "--quick"),
        (["list", "--folder", "ar"], "archived"),
        (["show", "17"], "1701"),
        (["fleet", "se"], "search"),
        (["help", "quer"], "query"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_in_the_shell(
    shell: str, words: list[str], offered: str, program: dict[str, str], archive: Path
) -> None:
    out = in_shell(shell, ["canvas-archive", *words], {**program, "CANVAS_ARCHIVE": str(archive)})
    assert offered in out.split() or offered in [line.partition(":")[0] for line in out.split("\n")], out


def offers(archive: Path, arguments: list[str], incomplete: str) -> dict[str, str | None]:
    """Return what is offered, with the words beside it."""
    complete = ShellComplete(cli, {"obj": Settings(archive=archive)}, "canvas-archive", VARIABLE)
    return {str(one.value): one.help for one in complete.get_completions(arguments, incomplete)}


@pytest.mark.parametrize("command", ["show", "star", "reply", "delete", "add-recipients"])
def test_ids_are_offered_with_their_subjects(archive: Path, command: str) -> None:
    assert offers(archive, [command], "1") == {"1701": "Field: trip"}


def test_nothing_a_terminal_obeys_is_offered(archive: Path) -> None:
    assert offers(archive, ["show"], "2") == {"2002": "Exam[31m"}


def test_edits_and_saved_searches_are_offered(archive: Path) -> None:
    assert offers(archive, ["edits", "discard"], "") == {"1": "starred: 1"}
    assert offers(archive, ["search", "--saved"], "ex") == {"exams": "midterm"}
    assert offers(archive, ["search", "--saved"], "fi") == {}


def test_the_archive_option_on_the_line_counts(archive: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    assert offers(elsewhere, ["show", "--archive", str(archive)], "17") == {"1701": "Field: trip"}


def test_without_an_archive_nothing_is_offered(tmp_path: Path) -> None:
    assert offers(tmp_path / "none", ["show"], "") == {}
    (tmp_path / "archive.db").write_bytes(b"no database")
    assert offers(tmp_path, ["show"], "") == {}


def test_an_unknown_shell_is_refused() -> None:
    done = CliRunner().invoke(cli, ["completion", "tcsh"])
    assert done.exit_code == 2 and "tcsh" in done.stderr


@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        (["list", "--folder"], "s", {"starred", "sent"}),
        (["show"], "17", {"1701"}),
        (["edits", "discard"], "", {"1"}),
        (["search", "--saved"], "ex", {"exams"}),
        (["help"], "exit", {"exit-codes"}),
    ],
)
def test_what_is_offered(archive: Path, words: list[str], begun: str, offered: set[str]) -> None:
    complete = ShellComplete(cli, {}, "canvas-archive", VARIABLE)
    items = complete.get_completions(["--archive", str(archive), *words], begun)
    assert {item.value for item in items} == offered


@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        (["export", "x", "--format"], "m", {"mbox"}),
        (["export", "x", "--folder"], "st", {"starred"}),
        (["list", "--from"], "ch", {"chen"}),
        (["list", "--with"], "", {"Astrid"}),
        (["list", "--course"], "course_3", {"course_30"}),
        (["list", "--course"], "GE", {"GEOG"}),
        (["search"], "fr", {"from:"}),
        (["search", "exam"], "course:ge", {"course:geOG"}),
        (["search", "from", ":"], "ast", {"astrid"}),
        (["search"], "has:att", {"has:attachment"}),
        (["search"], "is:sta", {"is:starred"}),
        (["search"], "from:%", set()),
        (["search"], "", set()),
    ],
)
def test_names_courses_and_operators_are_offered(
    archive: Path, words: list[str], begun: str, offered: set[str]
) -> None:
    with Archive.open(archive, write=True) as opened:
        opened.db.execute("UPDATE users SET full_name = 'Astrid Chen', name = 'Astrid Chen'")
        opened.db.execute("INSERT INTO contexts (code, kind, name) VALUES ('course_30', 'course', 'GEOG')")
        opened.db.commit()
    assert set(offers(archive, words, begun)) == offered


def test_a_name_that_a_terminal_would_obey_is_harmless(archive: Path) -> None:
    with Archive.open(archive, write=True) as opened:
        opened.db.execute("UPDATE users SET full_name = 'Evil\x1b[31m\nRed'")
        opened.db.commit()
    for name, about in offers(archive, ["list", "--from"], "Evil").items():
        assert name == "Evil" and "\x1b" not in str(about) and "\n" not in str(about)
