"""The documentation is true: every recipe runs, every example parses, every generated part is up to date."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest

from canvas_archive import errors
from canvas_archive.cli import main
from canvas_archive.cli.registry import COMMANDS
from canvas_archive.cli.topics import EXIT_CODES
from canvas_archive.sandbox import Sandbox
from tests.docs_support import (
    PAGES,
    REPOSITORY,
    Block,
    Sample,
    blocks,
    command_lines,
    described,
    every_command,
    live_through,
    parse_call,
    tables,
)

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]

COOKBOOK = REPOSITORY / "docs" / "cookbook.md"
RECIPES = [block for block in blocks(COOKBOOK) if block.title[:1].isdigit()]


def recipes(language: str) -> Any:
    """Parametrise over the recipes in one language."""
    chosen = [block for block in RECIPES if block.language == language]
    return pytest.mark.parametrize("recipe", chosen, ids=[block.title for block in chosen])


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    """An archive of the sample mailbox in which something has happened, and its Canvas still running."""
    with pytest.MonkeyPatch.context() as patch, Sandbox(conversations=120) as sandbox:
        patch.setenv("CANVAS_API_URL", sandbox.url)
        patch.setenv("CANVAS_API_TOKEN", sandbox.token)
        yield live_through(sandbox, tmp_path_factory.mktemp("docs") / "archive")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The very archive that the cookbook tells its reader to make."""
    (call,) = command_lines(next(block for block in blocks(COOKBOOK) if block.title == "Cookbook").text)
    folder = tmp_path_factory.mktemp("cookbook") / "demo-archive"
    code, out = run([str(folder) if word == "demo-archive" else word for word in call])
    assert code == 0, out
    return folder


@pytest.fixture
def copy(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """A copy of the sample that a test may change, in the folder the test works in."""
    folder = tmp_path / "archive"
    shutil.copytree(sample.folder, folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CANVAS_ARCHIVE", str(folder))
    monkeypatch.setenv("CANVAS_API_URL", sample.sandbox.url)
    monkeypatch.setenv("CANVAS_API_TOKEN", sample.sandbox.token)
    return Sample(folder, sample.sandbox)


def run(arguments: list[str]) -> tuple[int, str]:
    """Run the program in this process; return its exit code and what it wrote to standard output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
        code = main.run(arguments)
    return code, out.getvalue() if code == 0 else out.getvalue() + err.getvalue()


# -- the cookbook -----------------------------------------------------------------------------------------


def test_there_are_recipes_enough_and_numbered() -> None:
    titles = list(dict.fromkeys(block.title for block in RECIPES))
    assert [int(title.split(".")[0]) for title in titles] == list(range(1, len(titles) + 1))
    assert len(titles) >= 20


@pytest.mark.thorough
@recipes("sql")
def test_sql_recipe(sample: Sample, demo: Path, recipe: Block, request: pytest.FixtureRequest) -> None:
    if recipe.text.startswith("UPDATE"):
        copied: Sample = request.getfixturevalue("copy")
        before = _edits(copied)
        assert copied.update(recipe.text) > 0
        assert _edits(copied) != before, "no edit was journalled, or taken back"
        return
    code, out = run(["sql", recipe.text, "--json", "--archive", str(demo)])
    assert code == 0 and (json.loads(out) or recipe.may_be_empty), out
    code, out = run(["sql", recipe.text, "--json", "--archive", str(sample.folder)])
    assert code == 0, out
    rows = json.loads(out)
    assert rows
    for column in rows[0] if rows else ():
        assert any(row[column] is not None for row in rows), f"{column} is never anything"


def _edits(sample: Sample) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(sample.folder / "archive.db")) as db:
        return db.execute("SELECT id, state, value FROM edits ORDER BY id").fetchall()


@pytest.mark.thorough
@recipes("sh")
def test_shell_recipe(copy: Sample, demo: Path, recipe: Block) -> None:
    calls = command_lines(recipe.text)
    assert calls
    for call in calls:
        code, out = run(call)
        assert code == 0, out
        if call[0] == "search":
            assert json.loads(run([*call, "--json"])[1])["total"], call
            if "--saved" not in call:
                shown = [word for word in call if word not in ("--save", "cs-files")]
                told = json.loads(run([*shown, "--archive", str(demo), "--json"])[1])
                assert told["total"] or recipe.may_be_empty, call
        if call[0] == "export":
            assert Path(call[1]).exists()


@pytest.mark.thorough
@recipes("python")
def test_python_recipe(copy: Sample, recipe: Block) -> None:
    for block in RECIPES:
        if block.title == recipe.title and block.language == "sh":
            for call in command_lines(block.text):
                assert run(call)[0] == 0
    done = subprocess.run([sys.executable, "-c", recipe.text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "GEOG 118" in done.stdout


# -- commands and options ---------------------------------------------------------------------------------


def test_every_command_and_option_is_in_the_reference() -> None:
    text = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert list(sections) == list(COMMANDS)
    missing = []
    for name, command in every_command():
        told = sections[name.partition(" ")[0]]
        if name.partition(" ")[2] not in told:
            missing.append(name)
        for parameter in command.params:
            for spelling in (*parameter.opts, *parameter.secondary_opts):
                if isinstance(parameter, click.Option) and not re.search(
                    rf"(?<![\w-]){re.escape(spelling)}(?![\w-])", told
                ):
                    missing.append(f"{name} {spelling}")
    assert not missing


def test_every_option_says_what_it_does() -> None:
    bare = {
        f"{name} {parameter.opts[0]}"
        for name, command in every_command()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help and not parameter.hidden
    }
    assert not bare, "options without a word of help"


CALLS = [
    (block, call)
    for page in PAGES
    for block in blocks(page)
    if block.language in ("sh", "ini", "text", "")
    and "canvas-archive " in block.text
    and page.name != "commands.md"
    for call in command_lines(block.text)
]


@pytest.mark.parametrize(
    ("block", "call"), CALLS, ids=[f"{block.page}: {' '.join(call)[:50]}" for block, call in CALLS]
)
def test_the_calls_in_the_pages_parse(
    block: Block, call: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        parse_call(call)
    except click.BadParameter as error:
        # What an earlier line of the page makes is not there when nothing is run.
        assert "does not exist" in error.message


INLINE = sorted(
    {
        (page.name, text)
        for page in PAGES
        if page.name not in ("commands.md", "CHANGELOG.md")
        for text in re.findall(r"`(canvas-archive [^`\n]+)`", page.read_text(encoding="utf-8"))
        if "COMMAND" not in text and "…" not in text
    }
)


@pytest.mark.parametrize(("page", "text"), INLINE, ids=[f"{page}: {text}" for page, text in INLINE])
def test_the_calls_within_sentences_name_commands_and_options(page: str, text: str) -> None:
    words = text.split()[1:]
    name = words[0]
    known = dict(every_command())
    assert name in COMMANDS
    spellings = {
        spelling
        for whole, command in known.items()
        if whole.split()[0] == name
        for parameter in command.params
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help"}
    for word in words[1:]:
        if word.startswith("-"):
            assert word in spellings, f"{name} has no {word}"


def test_a_wrong_example_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        parse_call(["sync", "--no-such-option"])
    with pytest.raises(click.UsageError):
        parse_call(["snyc"])
    with pytest.raises(click.UsageError):
        parse_call(["edits", "discrad"])
    assert command_lines("$ x | canvas-archive sync -q && canvas-archive push # canvas-archive no") == [
        ["sync", "-q"],
        ["push"],
    ]


# -- exit codes, links, generated parts -------------------------------------------------------------------


def _error_classes() -> Iterator[type[errors.ArchiveError]]:
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.ArchiveError):
            yield value


def test_the_table_of_exit_codes_is_that_of_the_program() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| exit code |")[2].partition("\n\n")[0]
    told = [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)]
    codes = {errors.EXIT_OK, errors.EXIT_UNEXPECTED, errors.EXIT_INTERRUPTED}
    codes |= {error.exit_code for error in _error_classes()}
    assert told == sorted(codes)
    assert list(EXIT_CODES) == told


def test_the_hierarchy_of_errors_is_drawn_as_it_is() -> None:
    drawn = dict(re.findall(r"([A-Z]\w+) +(\d)? ", errors.__doc__ or ""))
    for error in _error_classes():
        assert error.__name__ in (errors.__doc__ or ""), f"{error.__name__} is not in the drawing"
        if drawn.get(error.__name__):
            assert int(drawn[error.__name__]) == error.exit_code


GENERATED = [page for page in PAGES if "[[[cog" in page.read_text(encoding="utf-8")]


@pytest.mark.thorough
@pytest.mark.skipif(bool(os.environ.get("CI")), reason="CI does this by itself, beside the tests")
def test_generated_parts_are_up_to_date() -> None:
    names = [str(page.relative_to(REPOSITORY)) for page in GENERATED]
    assert {"README.md", "docs/commands.md", "docs/schema.md"} <= {Path(name).as_posix() for name in names}
    done = subprocess.run(
        [sys.executable, "-m", "cogapp", "--check", *names],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nRun: python -m cogapp -r {' '.join(names)}"


def test_ci_looks_at_all_generated_parts() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    (line,) = [line for line in script.splitlines() if "cogapp --check" in line]
    names = {page.relative_to(REPOSITORY).as_posix() for page in GENERATED}
    assert {word for word in line.split() if Path(word).suffix} == names | {"docs/canvas-archive.1"}


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        aimed = (page.parent / name).resolve() if name else page
        assert aimed.exists(), f"{page.name}: {target}"
        if fragment:
            titles = re.findall(r"^#+ (.+)$", aimed.read_text(encoding="utf-8"), re.M)
            assert fragment in {_anchor(title) for title in titles}, f"{page.name}: {target}"


def test_every_page_is_in_the_table_of_contents() -> None:
    told = (REPOSITORY / "docs" / "index.md").read_text(encoding="utf-8")
    for page in PAGES:
        if page.parent.name == "docs" and page.name != "index.md":
            assert f"({page.name})" in told


PATHS = re.compile(
    r"`((?:canvas_archive|tests|templates|docs)/[\w./-]+|(?:cli|sync|store|canvas|export|search|web|sandbox)/[\w/]+\.py)(?:::(\w+))?`"
)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_modules_and_tests_that_are_named_exist(page: Path) -> None:
    for name, member in PATHS.findall(page.read_text(encoding="utf-8")):
        path = REPOSITORY / name
        if not path.exists():
            path = REPOSITORY / "canvas_archive" / name
        assert path.exists(), f"{page.name}: {name}"
        if member:
            assert re.search(rf"(?:def|class) {member}\b", path.read_text(encoding="utf-8")), (
                f"{name}::{member}"
            )


# -- the schema -------------------------------------------------------------------------------------------


def test_every_table_and_column_is_described_and_nothing_else_is() -> None:
    told = described()
    for name, table in tables().items():
        assert told[name]["description"].strip(), name
        assert list(told[name]["columns"]) == [column.name for column in table.columns], name
    invented = {name for name in told if not name.startswith(("sqlite_", "_sqlite_"))} - set(tables())
    assert not invented


def test_every_value_a_column_may_have_is_explained() -> None:
    page = (REPOSITORY / "docs" / "schema.md").read_text(encoding="utf-8")
    section = page.partition("## What the states mean")[2].partition("\n## ")[0]
    rows: dict[str, str] = {}
    current = ""
    for columns, values in re.findall(r"^\|\s*([^|]*?)\s*\|\s*([^|]*?)\s*\|", section, re.M):
        current = columns.strip() or current
        for column in re.findall(r"`([\w.]+)`", current):
            rows[column] = rows.get(column, "") + values
    for table in tables().values():
        for column in table.columns:
            if set(column.choices) <= {"0", "1"}:
                continue
            told = rows[f"{table.name}.{column.name.removeprefix('remote_')}"]
            assert set(re.findall(r"`(\w+)`", told)) == set(column.choices), f"{table.name}.{column.name}"
