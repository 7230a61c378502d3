"""What plain ``pytest`` runs: some of every file, and every module of the program."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tier

pytest_plugins = ["pytester"]
REPOSITORY = Path(__file__).resolve().parent.parent

WITHOUT_QUICK_TESTS = {
    "test_docs_compliance.py": "it collects the mail of a whole school, as the page does",
    "test_export_golden_sample.py": "it exports the sample mailbox, and test_export_golden.py a small one",
    "test_push_machine.py": "random histories take several seconds, and test_push_table.py has each step",
    "test_search_everywhere.py": "it needs a browser, and test_web_browser.py starts the one of the tier",
    "test_sync_machine.py": "random histories take several seconds, and test_sync_changes.py has each step",
    "test_sync_moving.py": "each of its syncs goes through hundreds of conversations",
    "test_trust_other_user.py": "it waits for whole runs of the program beside a second user",
    "test_trust_web_content.py": "its mailbox of hostile texts takes several seconds",
}
"""The files none of whose tests are in the quick tier, and why."""


def pytest_in(folder: Path, *arguments: str) -> str:
    """Run pytest in a folder; return what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def quick_files(request: pytest.FixtureRequest) -> set[str]:
    """Return the files with tests in the tier, of another run where this one is not of everything."""
    known = request.config.stash.get(tier.QUICK_FILES, None)
    if known is None:
        collected = pytest_in(REPOSITORY, "-n", "0", "--collect-only", "tests")
        known = {Path(line.partition("::")[0]).name for line in collected.splitlines() if "::" in line}
    return known


def test_some_of_every_file_is_in_the_tier(quick_files: set[str]) -> None:
    files = {path.name for path in (REPOSITORY / "tests").glob("test_*.py")}
    assert quick_files == files - set(WITHOUT_QUICK_TESTS)


# -- every module ------------------------------------------------------------------------------------------


def modules_in(folder: str) -> dict[str, Path]:
    """Return the modules of a package by name."""
    found = {}
    for path in (REPOSITORY / folder).rglob("*.py"):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def named_in(path: Path, module: str) -> set[str]:
    """Return what a file imports, anywhere in it, or names in a text as a table of commands does."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= {node.value, f"{module.rpartition('.')[0]}.{node.value.partition(':')[0]}"}
    return names


def leads_to(path: Path, name: str, other: str) -> bool:
    """Return whether a module belongs to the package of one that names it, or to no package."""
    alone = path.name != "__init__.py" and other.count(".") == 1
    return alone or name.split(".")[:2] == other.split(".")[:2]


def test_every_module_is_exercised(quick_files: set[str]) -> None:
    """A file of the tier names it, or a module that leads to it does.

    The rule is cheap and coarse: it finds a package without quick tests, and a module that nothing uses.
    """
    helpers, modules = modules_in("tests"), modules_in("canvas_archive")
    paths = {**helpers, **modules}
    reached: set[str] = set()
    waiting = {f"tests.{Path(name).stem}" for name in quick_files}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        named = named_in(paths[name], name).intersection(paths) - reached
        waiting |= {one for one in named if name in helpers or leads_to(paths[one], name, one)}
    assert sorted(set(modules) - reached) == []


# -- what is chosen ----------------------------------------------------------------------------------------

SUITE = """
import pytest

@pytest.mark.parametrize("point", range(3))
@pytest.mark.sampled
def test_kill(point):
    pass

@pytest.mark.thorough
def test_slow():
    pass

@pytest.mark.thorough
class TestSlow:
    @pytest.mark.sampled
    def test_sample(self):
        pass

    def test_other(self):
        pass

@pytest.mark.torture
def test_for_hours():
    pass

def test_quick():
    pass
"""
HINT = "ran 3 of 7; everything: pytest --all"


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("arguments", "ran", "hint"),
    [
        ([], 3, HINT),
        (["tests"], 3, HINT),
        (["-n", "2"], 3, HINT),
        (["--all"], 7, ""),
        (["tests/test_it.py"], 7, ""),
        (["tests/test_it.py::test_slow"], 1, ""),
        (["-k", "kill"], 3, ""),
        (["-m", "thorough"], 3, ""),
        (["-m", "torture"], 1, ""),
    ],
)
def test_what_is_chosen(pytester: pytest.Pytester, arguments: list[str], ran: int, hint: str) -> None:
    pytester.makeini("[pytest]\ntestpaths = tests\nmarkers =\n  sampled\n  thorough\n  torture")
    pytester.mkdir("tests").joinpath("test_it.py").write_text(SUITE)
    done = pytester.runpytest_inprocess("-p", "tests.tier", *arguments)
    done.assert_outcomes(passed=ran, deselected=None)
    assert [line for line in done.outlines if "everything:" in line] == [hint] * bool(hint)
