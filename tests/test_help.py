"""``help``: every command and topic can be read, and what the topics say is so."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from canvas_archive.cli import cli
from canvas_archive.cli.help import help_
from canvas_archive.cli.read import FOLDERS
from canvas_archive.cli.registry import COMMANDS
from canvas_archive.cli.topics import EXIT_CODES, TOPICS
from canvas_archive.errors import BadInput
from canvas_archive.search.index.schema import HAS
from canvas_archive.search.query import language
from canvas_archive.search.query.operators import IS, OPERATORS
from canvas_archive.store.adoption import ALL_ADOPTED
from tests.docs_support import REPOSITORY, command_lines, every_command, parse_call, tables


def told(*names: str) -> str:
    """Return what ``help`` prints; raises what it raises."""
    done = CliRunner().invoke(cli, ["help", *names], prog_name="canvas-archive", catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_tells_what_a_commands_own_option_tells(name: str) -> None:
    own = CliRunner().invoke(cli, [name, "--help"], prog_name="canvas-archive").stdout
    assert told(name) == own


def test_help_finds_the_commands_of_a_group() -> None:
    assert told("fleet", "sync").startswith("Usage: canvas-archive fleet sync ")
    assert told("edits", "discard").startswith("Usage: canvas-archive edits discard ")


def test_help_alone_lists_commands_and_topics() -> None:
    text = told()
    assert text.startswith("Usage: canvas-archive ")
    for name, topic in TOPICS.items():
        assert re.search(rf"^  help {name} +{re.escape(topic.summary)}$", text, re.M)


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (("snyc",), "Did you mean 'sync'?"),
        (("fleet", "serch"), "Did you mean 'search'?"),
        (("querry",), "Did you mean 'query'?"),
        (("list", "more"), "Topics are query, folders"),
        (("zzz",), "Topics are query, folders"),
    ],
)
def test_what_there_is_no_help_for_is_told(names: tuple[str, ...], hint: str) -> None:
    with pytest.raises(BadInput) as caught:
        told(*names)
    assert f"'{' '.join(names)}'" in str(caught.value) and hint in str(caught.value)


def test_no_topic_hides_a_command() -> None:
    assert not set(TOPICS) & set(COMMANDS)
    for name in TOPICS:
        assert name in (help_.help or "")


@pytest.mark.parametrize("name", list(TOPICS))
def test_a_topic_fits_the_terminal_and_its_examples_parse(name: str) -> None:
    text = told(name)
    assert max(map(len, text.splitlines())) <= 100
    for line in text.splitlines():
        if line.startswith("  canvas-archive "):
            for call in command_lines(line):
                parse_call(call)


def test_the_search_topic_names_every_operator() -> None:
    text = told("query")
    synonyms = {"file"}
    for operator in OPERATORS:
        assert operator in synonyms or re.search(rf"\b{operator}\b", text), operator
    for values in (IS, HAS):
        for value in values:
            if value not in ("subscribed", "unsubscribed", "sent", "received"):
                assert re.search(rf":{value}\b", text), value


def test_the_search_topics_examples_are_understood() -> None:
    from datetime import datetime, timezone

    for line in told("query").partition("\n\n")[2].splitlines():
        example = line.strip().partition("  ")[0]
        if example and line.startswith("  ") and "canvas-archive" not in line:
            language.parse(example, now=datetime(2026, 3, 9, tzinfo=timezone.utc))


def test_the_folders_and_tables_are_those_there_are() -> None:
    assert set(FOLDERS) == set(re.findall(r"^  ([a-z]+)  ", told("folders"), re.M))
    known = tables()
    text = told("tables")
    for name in re.findall(r"^  ([a-z_]+)  ", text, re.M):
        assert name in known, name
    for query in re.findall(r'sql "([^"]+)"', text):
        assert query.startswith("SELECT ")


def test_the_exit_codes_are_those_of_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| exit code |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", table, re.M)
    assert {int(code): meaning.replace("`", "") for code, meaning in rows} == EXIT_CODES


def test_the_variables_are_those_the_commands_know() -> None:
    text = told("environment")
    known = {
        "CANVAS_API_TOKEN",
        "NO_COLOR",
        "FORCE_COLOR",
        "PAGER",
        "CANVAS_ARCHIVE_COMMAND_OPTION",
        ALL_ADOPTED,
    }
    known |= {
        "FORCE_COLOR",
        "PAGER",
        "HTTPS_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
    }  # of other programs, too
    for _, command in every_command():
        known |= {str(option.envvar) for option in command.params if option.envvar}
    assert set(re.findall(r"^  ([A-Z_]+)", text, re.M)) <= known | {"CANVAS_API_URL"}


def test_any_option_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_ARCHIVE_LIST_LIMIT", "none")
    done = CliRunner().invoke(cli, ["list"], auto_envvar_prefix="CANVAS_ARCHIVE")
    assert done.exit_code == 2 and "'none' is not a valid" in done.stderr
