"""The README's examples run: from the first to the last, in their order, in one folder, against a sandbox."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from canvas_archive.cli import main
from canvas_archive.sandbox import Sandbox
from tests.docs_support import REPOSITORY, blocks, command_lines

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]

LINES = [
    line
    for block in blocks(REPOSITORY / "README.md")
    if block.language == "sh"
    for line in re.sub(r"\\\n\s*", " ", block.text).splitlines()
    if line.strip()
]

NOT_RUN = {
    "pip install": "what it installs is tried by .ci/smoke",
    "canvas-archive demo": "serves until it is stopped; tests/test_cli.py",
    "canvas-archive serve": "serves until it is stopped; tests/test_web_serve.py",
    "canvas-archive sync --watch": "goes on until it is stopped",
    "git ": "is no business of this program",
    "pytest": "is what runs this",
    "python -m tests.": "takes minutes, and is no promise to a user",
    "python -m canvas_archive": "another name of the same",
    "export ": "sets variables",
    "eval ": "is for the shell; tests/test_completion.py",
    "source ": "is for the shell",
}


@dataclass
class Place:
    """Where the README is followed."""

    folder: Path
    sandbox: Sandbox

    def here(self, text: str) -> str:
        """Return a line with the README's school and folders replaced by what there is."""
        text = text.replace("https://school.instructure.com", self.sandbox.url)
        return text.replace("/mnt/usb", str(self.folder / "usb")).replace("~/", f"{self.folder}/home/")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A folder with a list of custodians, and the sandbox of an administrator and of Jules."""
    folder = tmp_path_factory.mktemp("readme")
    with Sandbox() as sandbox:
        people = [one for one in sandbox.school.state.people if one != sandbox.school.admin_id]
        with (folder / "CUSTODIANS.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([["user_id"], [sandbox.user_id], [people[1]]])
        (folder / "usb").mkdir()
        (folder / "home").mkdir()
        yield Place(folder, sandbox)


def _run(call: list[str]) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main.run(call)
    return code, out.getvalue()


def test_the_readme_from_the_first_example_to_the_last(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("CANVAS_ARCHIVE", str(place.folder / "mail"))
    monkeypatch.setenv("CANVAS_API_URL", place.sandbox.url)
    ran = 0
    for line in map(str.strip, LINES):
        if line.startswith(tuple(NOT_RUN)):
            continue
        token = place.sandbox.admin_token if " fleet " in line else place.sandbox.token
        monkeypatch.setenv("CANVAS_API_TOKEN", token)
        if line.startswith("sqlite3 "):
            _sqlite(place, line)
        elif line.startswith("duckdb "):
            _duckdb(line)
        else:
            calls = command_lines(place.here(line))
            assert calls, f"nobody knows how to run: {line}"
            for call in calls:
                code, text = _run(call)
                assert code == 0, f"{line}\n{text}"
        ran += 1
    assert ran >= 20
    assert (place.folder / "home" / "inbox" / "archive.db").exists()


def _sqlite(place: Place, line: str) -> None:
    shell = shutil.which("sqlite3")
    if shell is None:
        return
    words = shlex.split(line, comments=True)
    subprocess.run([shell, *words[1:]], cwd=place.folder / "mail", check=True, timeout=60)
    code, text = _run(["edits", "--json"])
    assert code == 0 and json.loads(text)


def _duckdb(line: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    (query,) = [word for word in shlex.split(line)[1:] if not word.startswith("-")]
    assert len(duckdb.sql(query).fetchall()) == 2, "a row for each custodian"


def test_the_searches_of_the_readme_find_something(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_ARCHIVE", str(place.folder / "mail"))
    for line in LINES:
        for call in command_lines(line):
            if call[0] == "search":
                assert json.loads(_run([*call, "--json"])[1])["total"], call


@pytest.mark.sampled
def test_what_is_not_run_is_there() -> None:
    for start in (
        "pip install",
        "canvas-archive demo",
        "canvas-archive serve",
        "canvas-archive sync --watch",
    ):
        assert any(start in line for line in LINES)
