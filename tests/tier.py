"""The quick tier: the part of the tests that plain ``pytest`` runs, in under 90 seconds on two quiet cores.

Two markers say what it leaves out. What is ``thorough`` is left out whole. Of a ``sampled`` test the first
parameters run: kill points, faults and hostile inputs are tried by the dozen, and one of them shows that
the others can run. Both may mark a file, a class or a test, and the nearest counts: a test of a thorough file
can be sampled.

``pytest --all`` runs everything. Whoever names a file or a test, or chooses with ``-k``, ``-m`` or ``--lf``,
gets all of that. The ``torture`` versions run only where ``-m`` asks for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

QUICK_FILES = pytest.StashKey[set[str]]()
"""The names of the files that have tests in the quick tier, where everything was collected."""

_COLLECTED, _RAN = pytest.StashKey[int](), pytest.StashKey[int]()
"""How many tests the run chose from (0: it ran everything it was asked for), and how many it ran."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer ``--all``."""
    parser.addoption("--all", action="store_true", help="run every test, not only the quick tier")


def pytest_configure(config: pytest.Config) -> None:
    """Nothing has been collected, and nothing has run."""
    config.stash[_COLLECTED] = config.stash[_RAN] = 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the torture versions, and in the quick tier what does not belong to it."""
    if config.option.markexpr:
        return
    chosen = [item for item in items if item.get_closest_marker("torture") is None]
    if is_unasked(config):
        few = quick(chosen)
        config.stash[QUICK_FILES] = {item.path.name for item in few}
        if not config.option.all:
            config.stash[_COLLECTED] = len(chosen)
            chosen = few
    left_out = set(items).difference(chosen)
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = chosen


def is_unasked(config: pytest.Config) -> bool:
    """Return whether nobody asked for a file or a test, or chose some with an option."""
    option = config.option
    if option.markexpr or option.keyword or getattr(option, "lf", False):
        return False
    return all(Path(argument).is_dir() for argument in config.args)


def quick(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return those of all tests that are in the quick tier, in the same order."""
    chosen, sampled = [], set()
    for item in items:
        marks = (mark.name for mark in item.iter_markers() if mark.name in ("thorough", "sampled"))
        nearest = next(marks, None)
        name = item.nodeid.partition("[")[0]
        if nearest is None or (nearest == "sampled" and name not in sampled):
            chosen.append(item)
            sampled.add(name)
    return chosen


# -- how many of how many ----------------------------------------------------------------------------------


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let one of several processes say how many tests it chose from."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["collected"] = session.config.stash[_COLLECTED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take the number from a process that ended; each of them collected everything."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[_COLLECTED] = max(node.config.stash[_COLLECTED], output.get("collected", 0))


class _Ran:
    """Counts the tests that ran, in whichever process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._config.stash[_RAN] += report.when == "call"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin to count."""
    session.config.pluginmanager.register(_Ran(session.config))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Any:
    """Say at the end, after everything else, what part of the tests this was."""
    result = yield
    if config.stash[_COLLECTED] and not config.option.collectonly:
        ran = f"ran {config.stash[_RAN]:,} of {config.stash[_COLLECTED]:,}; everything: pytest --all"
        terminalreporter.write_line(ran)
    return result
