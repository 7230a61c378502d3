"""The JSON of every command is what the tables of ``cli.documents`` say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import click
import pytest

from canvas_archive.cli.documents import BASIC, DOCUMENTS, NAMES, RECORDS, SAME, document
from canvas_archive.cli.main import cli
from canvas_archive.sandbox import Sandbox
from tests.json_support import faults
from tests.sandbox_support import BEN, small_mailbox
from tests.signing_support import make_key
from tests.ux_support import say

NO_DOCUMENT = {"sql"}
"""Commands that print an array: its rows have the columns of the query."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a sandbox to ask, and the environment of its archive."""
    with Sandbox(mailbox=small_mailbox()) as sandbox:
        monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
        monkeypatch.setenv("CANVAS_ARCHIVE", str(tmp_path / "mail"))
        make_key(tmp_path, "key")
        (tmp_path / "admin").write_text(sandbox.admin_token)
        (tmp_path / "people.csv").write_text(f"user_id,name\n{BEN},Ben\n")
        yield tmp_path


def admin_token(place: Path) -> str:
    """Return the token of an administrator, who may act as anybody."""
    return (place / "admin").read_text()


def session(place: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield commands with what they are called in the tables, in an order in which each finds something."""
    fleet = ["--root", str(place / "fleet")]
    yield "init", ["init", os.environ["CANVAS_API_URL"]]
    yield "adopt", ["adopt", "-y"]
    yield "sync", ["sync", "-n"]
    yield "sync", ["sync"]
    yield "search --list-saved", ["search", "--save", "mine", "a*"]
    for name in ("status", "whoami", "archives", "config", "log", "size", "version", "stats", "doctor"):
        yield name, [name]
    yield "doctor", ["doctor", "--offline"]
    yield "problems", ["problems", "--all"]
    for name in ("list", "people", "courses", "attachments"):
        yield name, [name, "--all"] if name != "attachments" else [name]
    yield "list", ["list", "--all", "--folder", "all"]
    yield "show", ["show", "100"]
    yield "show", ["show", "100", "101"]
    yield "search", ["search", "a*", "--facets"]
    yield "search", ["search", "nothing-like-this"]
    yield "search --list-saved", ["search", "--list-saved"]
    yield "attachments", ["attachments", "--save", str(place / "saved")]
    yield "recipients", ["recipients", "e"]
    yield "unread-count", ["unread-count"]
    yield "batches", ["batches"]
    for name in ("star", "unstar", "archive", "unarchive", "mark unread", "mark read"):
        yield name, [*name.split(), "100"]
    yield "star", ["star", "--query", "a*", "-y"]
    for name in ("unsubscribe", "subscribe"):
        yield name, [name, "101"]
    yield "undo", ["undo"]
    yield "show", ["show", "100", "101"]
    yield "edits", ["edits"]
    yield "push", ["push", "-n"]
    yield "push", ["push", "-y"]
    yield "archive", ["archive", "100", "--push"]
    yield "send", ["send", "--to", str(BEN), "--subject", "Hi", "--body", "Hello", "--queue"]
    yield "send", ["send", "--to", str(BEN), "--subject", "Hi", "--body", "Hello", "-y"]
    yield "reply", ["reply", "100", "--body", "Yes", "-y"]
    yield "edits", ["edits", "--all"]
    yield "edits discard", ["edits", "discard", "--message", "1"]
    yield "add-recipients", ["add-recipients", "101", "4", "-y"]
    yield "mark-all-read", ["mark-all-read", "-y"]
    yield "remove-messages", ["remove-messages", "100", "1000", "-y"]
    yield "delete", ["delete", "102", "-y"]
    yield "edits", ["edits", "--all"]
    yield "index", ["index"]
    yield "index --check", ["index", "--check"]
    yield "verify", ["verify"]
    yield "export", ["export", str(place / "out"), "--format", "jsonl", "--format", "html", "--bag"]
    yield "verify", ["verify", str(place / "out")]
    yield "sign", ["sign", "--key", str(place / "key")]
    yield "backup", ["backup", str(place / "copy")]
    yield "restore", ["restore", str(place / "copy"), str(place / "again")]
    yield "problems retry", ["problems", "retry", "all"]
    yield "problems accept", ["problems", "accept", "all"]
    yield "forward", ["forward", "101", str(BEN), "--body", "See", "-y"]
    yield "token status", ["token", "status"]
    moved = os.environ["CANVAS_API_URL"].replace("127.0.0.1", "localhost")
    with patch.dict(os.environ, CANVAS_API_URL=moved):
        yield "rebind", ["rebind", moved, "-y"]
    yield "log --last", ["log", "--last"]
    yield "logout", ["logout"]
    yield "forget", ["forget", str(place / "again"), "-y"]
    yield "demo", ["demo", "--no-serve", "--conversations", "3"]
    with patch.dict(os.environ, CANVAS_API_TOKEN=admin_token(place)):
        url = ["--url", os.environ["CANVAS_API_URL"]]
        yield "fleet sync", ["fleet", "sync", str(place / "people.csv"), *url, *fleet]
        yield "fleet status", ["fleet", "status", *fleet]
        yield "fleet search", ["fleet", "search", "a*", *fleet]
        yield "fleet verify", ["fleet", "verify", *fleet]
        yield "fleet backup", ["fleet", "backup", str(place / "copies"), *fleet]
        yield "fleet export", ["fleet", "export", str(place / "exports"), "--format", "csv", *fleet]


def commands_with_json(group: click.Group = cli, above: str = "") -> Iterator[str]:
    """Yield the names of all commands that take ``--json``."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        called = f"{above} {name}".strip()
        if any("--json" in one.opts for one in command.params):
            yield called
        if isinstance(command, click.Group):
            yield from commands_with_json(command, called)


@pytest.mark.thorough
def test_every_document_has_the_names_and_types_of_the_tables(place: Path) -> None:
    printed, wrong = set(), []
    for name, arguments in session(place):
        if arguments[:2] == ["search", "--save"]:
            assert say(arguments).code == 0
            continue
        said = say([*arguments, "--json"])
        if said.code not in (0, 5) or not said.out:
            wrong.append(f"{arguments}: {said.code} {said.err}")
            continue
        wrong += [f"{arguments}: {fault}" for fault in faults(name, json.loads(said.out))]
        printed.add(name)
    assert not wrong, "\n".join(wrong)
    assert printed == (set(DOCUMENTS) | set(SAME)) - {"error", "read"}


def test_every_command_with_json_is_in_the_tables() -> None:
    assert set(commands_with_json()) - set(DOCUMENTS) - set(SAME) == NO_DOCUMENT
    assert {name.partition(" --")[0] for name in (*DOCUMENTS, *SAME)} - {"error", "read"} <= set(
        commands_with_json()
    )


def test_the_tables_fit_each_other() -> None:
    used = {
        name.partition(":")[0] for names in (*DOCUMENTS.values(), *RECORDS.values()) for name in names.split()
    }
    assert used == set(NAMES)
    kinds = {one.kind.rstrip("?").strip("[]") for one in NAMES.values()}
    assert kinds <= {*BASIC, *RECORDS}
    assert set(SAME.values()) <= set(DOCUMENTS)


def test_a_document_refuses_a_name_that_is_missing() -> None:
    with pytest.raises(AttributeError):
        document("whoami", name="Ada")
    with pytest.raises(KeyError):
        document("whoami", {"name": "Ada"})


def test_errors_are_json_too() -> None:
    for arguments, code in (
        (["list", "--limit", "many"], 2),
        (["show"], 2),
        (["status"], 2),
        (["nothing"], 2),
    ):
        said = say([*arguments, "--json"])
        told = json.loads(said.err.splitlines()[-1])
        assert faults("error", told) == [] and said.code == told["exit_code"] == code, said
        assert said.out == "" and "--json" not in told["error"]
    assert say(["search", "--", "--json"]).err.startswith("Error: ")
