"""The first guesses of new users work, or are answered with the command to type."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from canvas_archive.cli.registry import COMMANDS
from canvas_archive.cli.topics import TOPICS
from canvas_archive.cli.words import INSTEAD, OPTIONS, SAME
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from canvas_archive.store.folders import FOLDERS
from canvas_archive.sync.service import SyncOptions, sync
from tests.docs_support import every_command, parse_call
from tests.store_support import create
from tests.ux_support import Said, say

GUESSES = [
    line
    for line in (Path(__file__).parent / "guesses.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


@dataclass(frozen=True)
class Place:
    """The variables of somebody with an archive, and what the words of a guess stand for."""

    environment: dict[str, str]
    words: dict[str, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An archive of the sample mailbox, and its Canvas."""
    folder = tmp_path_factory.mktemp("guesses")
    with Sandbox(conversations=30) as sandbox:
        environment = {
            "CANVAS_API_URL": sandbox.url,
            "CANVAS_API_TOKEN": sandbox.token,
            "CANVAS_ARCHIVE": str(folder / "mail"),
            "CANVAS_ARCHIVE_ADOPTED": "1",
        }
        with patch.dict(os.environ, environment):
            create(folder / "mail", base_url=sandbox.url, user_id=sandbox.user_id).close()
            assert sync(folder / "mail", SyncOptions(mode="full")).error is None
            with Archive.open(folder / "mail") as archive:
                one, other = (row[0] for row in archive.db.execute("SELECT id FROM inbox LIMIT 2"))
                message = archive.db.execute(
                    "SELECT max(id) FROM messages WHERE conversation_id = ?", (one,)
                ).fetchone()[0]
        words = {"ID2": str(other), "ID": str(one), "MESSAGE": str(message)}
        yield Place(
            environment, {**words, "CANVAS": urlsplit(sandbox.url).netloc, "ANY": str(folder / "any")}
        )


@pytest.fixture(autouse=True)
def surroundings(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables are set during every test."""
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    return place.words


def run(guess: str, surroundings: dict[str, str]) -> Said:
    for name, value in surroundings.items():
        guess = re.sub(rf"\b{name}\b", lambda _, value=value: value, guess)  # type: ignore[misc]
    return say(shlex.split(guess.replace("#", "\\#")))


def is_answered(said: Said, words: str) -> bool:
    """Return whether a command did something, or its sentence names what to type."""
    sentence = "\n".join(line for line in (said.out + said.err).splitlines() if not line.startswith("Usage:"))
    if words:
        return re.search(words, sentence) is not None
    return said.code == 0


def test_new_users_guess_right(surroundings: dict[str, str]) -> None:
    missed = []
    for line in GUESSES:
        guess, _, words = (part.strip() for part in line.partition("=>"))
        said = run(guess, surroundings)
        if not is_answered(said, words):
            missed.append((line, said))
        assert said.code in (0, 2), (line, said)
    assert missed == []
    assert len(GUESSES) > 150


def test_another_name_stands_for_a_command_or_a_topic() -> None:
    whole = {name for name, _ in every_command()}
    topics = {f"help {name}" for name in (*TOPICS, "topics", "commands")}
    folders = {f"list {name}" for name in FOLDERS}
    for word, meant in SAME.items():
        assert meant.partition(" --")[0] in whole | topics | folders, word
        assert word not in COMMANDS and word not in INSTEAD, word


def test_an_answer_names_a_command_that_there_is() -> None:
    for word, sentence in (*INSTEAD.items(), *OPTIONS.items()):
        for name in re.findall(r"canvas-archive ([a-z][\w-]*)", sentence):
            assert name in COMMANDS or "install canvas-archive" in sentence, word
        assert word not in COMMANDS, word


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("frobnicate", "All commands: canvas-archive help commands"),
        ("inboxx", "Did you mean 'list inbox'?"),
        ("Inbox", ""),
        ("SYNC", "Did you mean 'sync'?"),
        ("uninstal", "pip uninstall canvas-archive"),
        ("remove", "canvas-archive delete ID"),
        ("watch", "canvas-archive sync --watch MINUTES"),
        ("star-all", "Did you mean 'star"),
    ],
)
def test_a_word_is_answered_by_meaning_then_by_spelling(
    typed: str, answer: str, surroundings: dict[str, str]
) -> None:
    said = say([typed])
    assert (said.code, answer in said.err) == (2 if answer else 0, True), said


def test_read_and_unread_mark_nothing(surroundings: dict[str, str]) -> None:
    one, other = surroundings["ID"], surroundings["ID2"]
    before = say(["edits", "--all", "--json"]).out
    for words, command in (
        (["read", one, other], f"canvas-archive mark read {one} {other}"),
        (["read", one, "--push"], f"canvas-archive mark read {one} --push"),
        (["read", "--query", "to:me exam", "-y"], "canvas-archive mark read --query 'to:me exam' --yes"),
        (["unread", f"#{one}"], f"canvas-archive mark unread {one}"),
        (["unread", "--query", "exam"], "canvas-archive mark unread --query exam"),
    ):
        said = say(words)
        assert said.code == 2 and said.out == "" and command in said.err, said
        parse_call(shlex.split(command)[1:])
    assert say(["edits", "--all", "--json"]).out == before
