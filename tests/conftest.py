"""Fixtures every test may use, and the order of the files.

Beside it: ``tier`` (what plain ``pytest`` runs), ``reliability`` (the section at the end of a run) and
``line_counting`` (what ``--cov`` counts).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count as counting
from pathlib import Path
from typing import Any

import keyring.core
import pytest

from canvas_archive import credentials
from canvas_archive.store import migrations, upgrade
from tests.trust_support import Workshop

pytest_plugins = ["tests.tier", "tests.reliability", "tests.line_counting"]

# Without files of bytecode, each process rewrites the assertions of all tests, for 14 seconds,
# and each command that tests start compiles the program.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_HOMES = counting()

_IGNORED_BY_PYTHON = {getattr(signal, name, None) for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ")}
"""The signals that every Python ignores, and that ``subprocess`` restores by itself."""

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


@pytest.fixture(scope="session", autouse=True)
def _own_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is remembered of archives (see ``store.adoption``) for as long as shared archives live.

    And keep every test, and what a whole file of tests shares, away from the real keyring.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        yield


@pytest.fixture(scope="session", autouse=True)
def _schema_made_once() -> Iterator[None]:
    """Let the migrations make a new database once: later ones are copies of it. Most tests make an archive.

    Databases that are not new are migrated as ever, and so is the first after a test changed the migrations.
    """
    apply_pending = upgrade.apply_pending
    made: dict[object, tuple[bytes, int]] = {}

    def apply_or_copy(db_path: Path, **options: Any) -> int:
        if db_path.stat().st_size:
            return apply_pending(db_path, **options)
        steps = migrations.MIGRATIONS
        if steps in made:
            db_path.write_bytes(made[steps][0])
        else:
            version = apply_pending(db_path, **options)
            made[steps] = db_path.read_bytes(), version
        return made[steps][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upgrade, "apply_pending", apply_or_copy)
        yield


@pytest.fixture(scope="session", autouse=True)
def _signals_as_usual() -> Iterator[None]:
    """Let signals have their usual effect in the processes that tests start, whatever the shell ignores.

    Under ``nohup``, or in the background of a script, this process ignores SIGHUP or SIGINT, and a process
    that it starts inherits that. A handler is not inherited: with one that does nothing, this process still
    survives the signal, and a new one meets it as usual.
    """
    ignored = [
        number
        for number in signal.valid_signals()
        if signal.getsignal(number) is signal.SIG_IGN and number not in _IGNORED_BY_PYTHON
    ]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


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
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):  # no command opens a browser there
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(credentials, "_typed", {})


@pytest.fixture
def web_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a sandbox and an archive of its mailbox (``push_support.Mail``) whose pages have its clock."""
    from canvas_archive.web import syncing
    from tests.push_support import open_mail

    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        monkeypatch.setattr(syncing, "SYSTEM", opened.clock)
        yield opened


@pytest.fixture
def web_visitor(web_mail: Any) -> Iterator[Any]:
    """Return a visitor (``web_support.Visitor``) of the pages of ``web_mail``."""
    from tests.web_support import open_visitor

    visitor = open_visitor(web_mail.folder)
    yield visitor
    visitor.close()


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
    """Let a test run a loop of its own while a browser is open.

    Playwright leaves its loop running in the thread of the tests, where asyncio then refuses to run another.
    Its synchronous interface works in that thread alone, and asyncio has no public way to set a running loop
    aside.
    """
    loop = asyncio._get_running_loop()
    if loop is None or "chromium" in getattr(item, "fixturenames", ()):
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop if loop.is_running() else None)


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    places = {f"test_{name}.py": place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
