"""Fixtures every test may use, and the reliability section at the end of a run.

That section counts what was made to go wrong, and where everything held: kill points, faults, hostile inputs,
random histories, fuzz inputs. It sums what the processes of a parallel run counted.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import count as counting
from pathlib import Path
from typing import Any

import keyring.core
import pytest

import canvas_archive
from tests.trust_support import TALLY, Workshop, lines_of

_HOMES = counting()

FIRST = (
    "web_browser",
    "trust_crash",
    "trust_faults",
    "trust_content",
    "trust_web_content",
    "trust_together",
    "docs_readme",
    "trust_terminal",
    "benchmarks",
    "trust_web",
    "docs_compliance",
    "docs",
    "cli",
    "trust_secrets",
)
"""The files that take longest begin first: one at the end keeps one process busy and the others idle."""


def pytest_collection_finish() -> None:
    """Import the whole package first: what an uncounted test imported would seem never to be run."""
    if _coverage() is not None:
        for module in pkgutil.walk_packages(canvas_archive.__path__, "canvas_archive."):
            importlib.import_module(module.name)


@pytest.fixture(scope="session", autouse=True)
def _own_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is remembered of archives (see ``store.adoption``) for as long as shared archives live.

    And keep every test, and what a whole file of tests shares, away from the real keyring.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        yield


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep every test away from the real home, archive and colours of whoever runs it."""
    home = tmp_path_factory.getbasetemp() / f"home-{next(_HOMES)}"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("CANVAS_", "XDG_"))]:
        if name != "XDG_STATE_HOME":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Return a browser for the whole run: Playwright allows one of its kind in a process."""
    from tests.web_support import CHROMIUM, CHROMIUM_ARGUMENTS

    if not CHROMIUM:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium, and in CI there must be one")
        pytest.skip("there is no Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


OF_THE_SANDBOX = ("test_sandbox_", "test_sample_", "test_client_")
"""The beginnings of the files whose tests say what the sandbox does."""

_sandbox_is_counted = True


@pytest.fixture(scope="session", autouse=True)
def _count_the_sandbox_in_its_own_tests() -> Iterator[None]:
    """Elsewhere it is only what a test speaks to, and counting its lines would take most of the time."""
    from canvas_archive.sandbox.server import _Server

    startup = _Server.startup

    @wraps(startup)
    async def maybe_uncounted(self: _Server, *arguments: Any, **options: Any) -> None:
        if not _sandbox_is_counted:
            sys.settrace(None)  # of this thread, which serves and ends
        await startup(self, *arguments, **options)

    _Server.startup = maybe_uncounted  # type: ignore[method-assign]
    yield
    _Server.startup = startup  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Count no lines of what is marked ``uncounted``, from its setup to its teardown."""
    global _sandbox_is_counted
    _sandbox_is_counted = item.path.name.startswith(OF_THE_SANDBOX)
    with without_counting_lines(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Set a test up as if there was no browser, unless it uses one, and no keyring of another test."""
    keyring.core._keyring_backend = None  # it would keep the first one it made
    with without_the_loop_of_a_browser(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run it so, too. Tearing down is left alone: it may be that of a whole file's page."""
    with without_the_loop_of_a_browser(item):
        return (yield)


@contextmanager
def without_the_loop_of_a_browser(item: pytest.Item) -> Iterator[None]:
    """Playwright leaves its loop running in the thread of the tests, where no other could then be run."""
    loop = asyncio._get_running_loop()
    if loop is None or "chromium" in getattr(item, "fixturenames", ()):
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop if loop.is_running() else None)


@contextmanager
def without_counting_lines(item: pytest.Item) -> Iterator[None]:
    """Run what is marked ``uncounted`` at full speed: coverage makes it take twice as long."""
    stopped: list[Any] = []
    if item.get_closest_marker("uncounted"):
        # Two of them in a process of a parallel run: pytest-cov's own lies below, and would go on counting.
        while (coverage := _coverage()) is not None:
            coverage.stop()
            stopped.append(coverage)
    try:
        yield
    finally:
        for coverage in reversed(stopped):
            coverage.start()


def _coverage() -> Any:
    """Return what counts lines in this process, or None."""
    try:
        from coverage import Coverage
    except ImportError:
        return None
    return Coverage.current()


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the folder that holds pyproject.toml."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    """Where commands run in processes of their own, and die there."""
    made = Workshop()
    yield made
    made.close()


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An archive bound to a school of as many conversations as the module says, never synced."""
    from canvas_archive.sandbox import Sandbox
    from tests.sync_support import bind

    with Sandbox(conversations=request.module.CONVERSATIONS) as sandbox:
        yield bind(sandbox, tmp_path / "archive", monkeypatch)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first; leave the long versions out unless ``-m`` asks for something by itself."""
    places = {f"test_{name}.py": place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
    if config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("torture")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item.get_closest_marker("torture") is None]


# -- what was tried ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _count_faults_of_the_sandbox() -> Iterator[None]:
    """Count every fault that strikes a request of a sandbox in this process."""
    from canvas_archive.sandbox.faults import Fault

    strikes = Fault.strikes

    @wraps(strikes)
    def counting(self: Fault, *args: Any) -> bool:
        struck = strikes(self, *args)
        TALLY[f"faults: {self.kind} on the network"] += struck
        return struck

    Fault.strikes = counting  # type: ignore[method-assign]
    yield
    Fault.strikes = strikes  # type: ignore[method-assign]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts of one of several processes to the one that started them."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["tally"] = dict(TALLY)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take the counts of a process that ended."""
    TALLY.update(getattr(node, "workeroutput", {}).get("tally", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the counts: a line for each kind, and with ``-v`` or ``-m torture`` what they are made of."""
    tally = +TALLY
    if not tally:
        return
    terminalreporter.section("reliability")
    whole = config.get_verbosity() > 0 or "torture" in config.option.markexpr
    groups = Counter[str]()
    for name, count in tally.items():
        groups[name.partition(":")[0]] += count
    for group in sorted(groups):
        terminalreporter.write_line(f"{groups[group]:>9,}  {group}")
        if whole:
            for line in lines_of(tally, group):
                terminalreporter.write_line(line)
