"""The sign-in link: how a browser gets it, how long it works, and what its second use says."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from canvas_archive.errors import BadInput
from canvas_archive.store.adoption import state_file
from canvas_archive.web import opening, server
from canvas_archive.web.login import LINK_SECONDS, USED_TWICE, AccessPolicy
from tests.web_support import SteadyClock, make_archive

URL = "http://127.0.0.1:1/mail/login?token=a-secret&b=<\"'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("signing-in") / "archive")


@pytest.fixture
def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[server.BoundServer]:
    """What ``serve_archive`` will serve."""
    served = server.prepare(folder)
    monkeypatch.setattr(server, "prepare", lambda *arguments, **options: served)
    monkeypatch.setattr(opening, "browser_reads_files", lambda: True)
    yield served
    assert not list((state_file().parent / opening.FOLDER_NAME).glob("*"))


# -- how a browser gets it ---------------------------------------------------------------------------------


def page_request(address: str) -> str:
    """Return the text of the page that a browser is to open."""
    return Path(unquote(urlsplit(address).path)).read_text("utf-8")


@pytest.mark.thorough
def test_the_browser_gets_a_private_file_that_goes_when_it_was_used(
    made: server.BoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def opened(address: str) -> None:
        page = Path(unquote(urlsplit(address).path))
        target = re.search(r'content="0; url=([^"]+)"', page.read_text("utf-8"))
        assert target is not None
        seen.extend([address, page.exists(), httpx.get(target[1]).status_code, page.exists()])
        made.server.should_exit = True

    monkeypatch.setattr(opening, "open_browser", opened)
    with pytest.raises(KeyboardInterrupt):
        server.serve_archive(Path(), open_browser=True)
    assert seen[0].startswith("file:///") and "token" not in seen[0]
    assert seen[1:] == [True, 200, False]


def test_a_page_that_was_not_used_goes_at_the_end(
    made: server.BoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def opened(address: str) -> None:
        seen.append(page_request(address))
        made.server.should_exit = True

    monkeypatch.setattr(opening, "open_browser", opened)
    with pytest.raises(KeyboardInterrupt):
        server.serve_archive(Path(), open_browser=True)
    assert made.url in seen[0]


def test_where_no_file_can_be_read_the_link_is_only_printed(
    made: server.BoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_browser() -> bool:
        made.server.should_exit = True
        return False

    monkeypatch.setattr(opening, "browser_reads_files", no_browser)
    monkeypatch.setattr(opening, "open_browser", lambda address: pytest.fail("a browser was opened"))
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        server.serve_archive(Path(), open_browser=True, ready=told.append)
    assert told == [made.url]


@pytest.mark.parametrize("trouble", [OSError(28, "No space left"), BadInput("no home")])
def test_where_no_file_can_be_written_the_link_is_only_printed(
    made: server.BoundServer, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    def fails(url: str) -> Path:
        made.server.should_exit = True
        raise trouble

    monkeypatch.setattr(opening, "write_page", fails)
    monkeypatch.setattr(opening, "open_browser", lambda address: pytest.fail("a browser was opened"))
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        server.serve_archive(Path(), open_browser=True, ready=told.append)
    assert told == [made.url]


def test_the_page_is_private_whatever_the_umask_and_escapes_the_link() -> None:
    folder = state_file().parent / opening.FOLDER_NAME
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    before = os.umask(0)
    try:
        page = opening.write_page(URL)
    finally:
        os.umask(before)
    if os.name == "posix":  # pragma: no branch
        assert (stat.S_IMODE(page.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (0o600, 0o700)
    text = page.read_text("utf-8")
    assert text.count("token=a-secret&amp;b=&lt;&quot;&#x27;") == 2 and "script" not in text
    page.unlink()


def test_a_page_of_a_server_that_was_killed_is_cleared_away() -> None:
    stale, fresh = opening.write_page(URL), opening.write_page(URL)
    os.utime(stale, times=(time.time() - 2 * opening.STALE_SECONDS,) * 2)
    last = opening.write_page(URL)
    assert (stale.exists(), fresh.exists()) == (False, True)
    fresh.unlink()
    last.unlink()


def test_a_browser_starts_without_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    class Started:
        def __init__(self, arguments: list[str], env: dict[str, str], stdin: int) -> None:
            started.extend([arguments, env])

        def wait(self) -> None:
            pass

    monkeypatch.setenv("CANVAS_API_TOKEN", "the-token")
    monkeypatch.setenv("BROWSER", "my-browser %s")
    monkeypatch.setattr(subprocess, "Popen", Started)
    opening.open_browser("file:///x.html")
    arguments, environment = started
    assert arguments[-1] == "file:///x.html" and environment["BROWSER"] == "my-browser %s"
    assert "the-token" not in environment.values()

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", fails)
    opening.open_browser("file:///x.html")  # the link is on the terminal


def test_what_opens_the_browser_is_valid_python(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: not opened.append(address))
    monkeypatch.setattr(sys, "argv", ["-c", "file:///x.html"])
    with pytest.raises(SystemExit) as ended:
        exec(opening._OPEN, {})
    assert opened == ["file:///x.html"] and not ended.value.code


@pytest.mark.parametrize(
    ("system", "release", "browser", "default", "reads"),
    [
        ("linux", "6.1", "", "firefox.desktop\n", True),
        ("linux", "6.1", "", "firefox_firefox.desktop\n", False),
        ("linux", "6.1", "", "\n", True),
        ("linux", "6.1", "", None, True),
        ("linux", "6.1", "firefox %s", None, True),
        ("linux", "6.1", "confined --new-window %s:other", None, False),
        ("linux", "6.1", "'", None, True),
        ("linux", "5.15-microsoft-standard-WSL2", "", None, False),
        ("darwin", "23", "", None, True),
        ("win32", "10", "", None, True),
    ],
)
def test_which_browsers_can_read_the_page(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    system: str,
    release: str,
    browser: str,
    default: str | None,
    reads: bool,
) -> None:
    def asked(*_: Any, **__: Any) -> Any:
        if default is None:
            raise FileNotFoundError("xdg-settings")
        return subprocess.CompletedProcess([], 0, default, "")

    (tmp_path / "firefox_firefox.desktop").touch()
    monkeypatch.setattr(opening, "_APPLICATIONS", [str(tmp_path)])
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.release", lambda: release)
    monkeypatch.setattr(subprocess, "run", asked)
    monkeypatch.setattr("shutil.which", lambda name: {"confined": "/snap/bin/firefox"}.get(name, "/bin/x"))
    monkeypatch.setenv("BROWSER", browser)
    assert opening.browser_reads_files() is reads


# -- how long it works -------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock()


def test_an_unused_link_expires_after_ten_minutes(clock: SteadyClock) -> None:
    policy = AccessPolicy(locked=True, clock=clock)
    early, late = policy.new_link(), policy.new_link()
    clock.seconds += LINK_SECONDS - 1
    session = policy.redeem(early)
    assert LINK_SECONDS == 600 and session is not None
    clock.seconds += 1
    assert policy.redeem(late) is None
    assert (policy.state_of(early), policy.state_of(late)) == ("used", "expired")
    assert policy.admits(session)  # what was signed in stays so
    assert policy.redeem(policy.new_link()) is not None


def test_the_second_use_is_told_once_for_each_link(clock: SteadyClock) -> None:
    told: list[str] = []
    policy = AccessPolicy(locked=True, clock=clock, warn=told.append)
    link = policy.new_link()
    assert policy.redeem("wrong") is None and policy.redeem("") is None and policy.redeem(link) and told == []
    clock.seconds += 10 * LINK_SECONDS
    assert policy.redeem(link) is None and policy.redeem(link) is None
    assert told == [USED_TWICE] and "Ctrl-C" in USED_TWICE
    assert link not in repr(policy)


@pytest.mark.thorough
def test_pages_and_terminal_say_what_became_of_a_link(
    made: server.BoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    pages: list[str] = []
    clock = made.policy.clock = SteadyClock()

    def ready(url: str) -> None:
        """Look at the pages in another thread, while the server goes on."""

        def look() -> None:
            other = made.new_url()
            pages.extend(httpx.get(address).text for address in (url, url, url[:-4]))
            clock.seconds += LINK_SECONDS
            pages.append(httpx.get(other).text)
            made.server.should_exit = True

        monkeypatch.setattr(opening, "open_browser", lambda address: look())

    with pytest.raises(KeyboardInterrupt):
        server.serve_archive(Path(), open_browser=True, ready=ready, warn=warned.append)
    first, again, wrong, late = pages
    assert "/mail" in first and "Private" not in first
    assert "used already" in again and "somebody else is signed in" in again and "Ctrl-C" in again
    assert "This archive is private" in wrong and "used already" not in wrong
    assert "has expired" in late and "Press Enter" in late
    assert warned == [USED_TWICE]


# -- a new one ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="there is no pseudo-terminal")
def test_enter_prints_a_new_link(made: server.BoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    terminal, end = pty.openpty()
    told: list[str] = []

    def ready(url: str) -> None:
        told.append(url)
        if len(told) == 1:
            os.write(terminal, b"\n")
        else:
            made.server.should_exit = True

    with os.fdopen(end, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(KeyboardInterrupt):
            server.serve_archive(Path(), ready=ready)
        os.write(terminal, b"\x04")  # the end of the input ends the thread
    os.close(terminal)
    first, second = told
    assert first == made.url != second
    links = [address.rpartition("=")[2] for address in told]
    answers = [made.policy.redeem(link) is not None for link in links]
    assert answers == [True, True]


def test_without_a_terminal_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    action: Callable[[], None] = lambda: pytest.fail("there is nobody")  # noqa: E731
    monkeypatch.setattr(sys, "stdin", None)
    server.on_enter(action)
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        server.on_enter(action)
