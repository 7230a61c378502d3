"""canvas-archive(1): what ``--help`` says, in the form that ``man`` shows, and installed where it looks."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from canvas_archive.cli.topics import EXIT_CODES, TOPICS
from tests.docs_support import every_command
from tests.man_support import manual, roff

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def page(repository: Path) -> Path:
    return repository / "docs" / "canvas-archive.1"


def shown(command: list[str]) -> str:
    """Return what a formatter prints, without what it does for bold letters; no word may go unsaid."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return re.sub(r".\x08|\x1b\[[\d;]*m", "", done.stdout)


def test_the_page_is_what_the_help_says(page: Path) -> None:
    assert manual() in page.read_text(encoding="ascii"), "run: python -m cogapp -r docs/canvas-archive.1"


def test_every_command_and_option_is_in_it() -> None:
    text = manual()
    for name, command in every_command():
        assert f".SS {roff(name)}" in text, name
        for option in (one for one in command.params if isinstance(one, click.Option)):
            assert all(roff(way) in text for way in option.opts), (name, option.opts)
    assert all(f".B {code}\n" in text for code in EXIT_CODES)
    for topic in ("query", "folders", "tables", "environment"):
        assert roff(TOPICS[topic].text.splitlines()[0]) in text


def test_text_cannot_be_taken_for_requests() -> None:
    assert roff(".TH here\n'br there\na\\b – c-d") == "\\&.TH here\n\\&\\(aqbr there\na\\eb \\[u2013] c\\-d"
    requests = {line.split()[0] for line in manual().splitlines() if line.startswith(".")}
    assert requests == {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".BR", ".nf", ".fi"}


def test_mandoc_finds_nothing_wrong(page: Path) -> None:
    shown(["mandoc", "-Tlint", "-Wwarning", str(page)])


def test_groff_shows_it_without_a_warning(page: Path) -> None:
    text = shown(["groff", "-ww", "-man", "-Tutf8", str(page)])
    assert 'canvas-archive sql "SELECT * FROM inbox" --csv' in text
    assert "'canvas-archive push' sends." in text and "EXIT STATUS" in text


def test_the_wheel_puts_it_where_man_looks(repository: Path, page: Path) -> None:
    document: dict[str, Any] = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))
    shared = document["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared == {page.relative_to(repository).as_posix(): "share/man/man1/canvas-archive.1"}
