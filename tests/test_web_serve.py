"""``canvas-archive serve`` as a process: its first line, its end, and its warnings."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from datasette.plugins import pm

import canvas_archive.web as plugin
from canvas_archive.cli import run
from canvas_archive.hosts import is_loopback
from canvas_archive.web import opening, server
from tests.web_support import make_archive

pytestmark = pytest.mark.sampled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("serve") / "archive")


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "canvas_archive", "serve", "--archive", str(folder), "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    lines: queue.Queue[str] = queue.Queue()
    out = process.stdout
    assert out is not None
    threading.Thread(target=lambda: lines.put(out.readline()), daemon=True).start()
    try:
        yield process, lines.get(timeout=40).strip()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one process on Windows")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_the_link_serves_and_ends_with_130(folder: Path, stop: signal.Signals) -> None:
    with serving(folder) as (process, address):
        assert address.startswith("http://127.0.0.1:") and "/mail/login?token=" in address
        base = address.partition("/mail")[0]
        with httpx.Client() as client:
            assert client.get(f"{base}/mail").status_code == 403
            assert client.get(address).status_code == 200
            page = client.get(f"{base}/mail")
            assert page.status_code == 200 and "Midterm review session" in page.text
            assert "server" not in page.headers
        process.send_signal(stop)
        rest, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert rest == ""  # nothing but the address on standard output
    assert "works once" in told
    assert "token" not in told and "Traceback" not in told


@pytest.mark.thorough
def test_without_sign_in_the_address_is_the_mail(folder: Path) -> None:
    with serving(folder, "--no-login", "--no-open") as (_, address):
        assert address.endswith("/mail")
        assert httpx.get(address).status_code == 200
        assert httpx.get(address, headers={"host": "evil.example"}).status_code == 421


@pytest.mark.thorough
def test_beyond_the_loopback_there_is_a_warning(folder: Path) -> None:
    with serving(folder, "--host", "0.0.0.0", "--no-open") as (process, address):
        assert address.startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=20)
    assert "Warning: everyone who can reach 0.0.0.0" in told


def test_without_sign_in_beyond_the_loopback_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--archive", str(folder), "--host", "0.0.0.0", "--no-login"]) == 9
    assert "--no-login" in capsys.readouterr().err


def test_a_folder_without_archive_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--archive", str(tmp_path), "--port", "0"]) == 2
    assert capsys.readouterr().err.startswith("Error: ")


def test_serving_in_this_process_from_the_first_line_to_the_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = server.prepare(folder, login=False)
    monkeypatch.setattr(server, "prepare", lambda *arguments, **options: made)
    told: list[str] = []
    answers: list[int] = []

    def opened(url: str) -> None:
        """Stand in for a browser: look at the page, then end the server as a signal would."""
        answers.append(httpx.get(url).status_code)
        made.server.should_exit = True

    monkeypatch.setattr(opening, "open_browser", opened)
    with pytest.raises(KeyboardInterrupt):
        server.serve_archive(folder, login=False, open_browser=True, ready=told.append)
    assert told == [made.url] and answers == [200]
    assert made.listener.fileno() == -1  # the port is free again


def test_serving_tells_nobody_who_does_not_ask(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = server.prepare(folder, login=False)
    monkeypatch.setattr(server, "prepare", lambda *arguments, **options: made)
    monkeypatch.setattr(opening, "open_browser", lambda url: pytest.fail("a browser was opened"))
    made.server.should_exit = True
    with pytest.raises(KeyboardInterrupt):
        server.serve_archive(folder, login=False)
    assert made.server.started and made.listener.fileno() == -1


def test_a_server_that_cannot_start_opens_no_browser(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = server.prepare(folder, login=False)
    monkeypatch.setattr(server, "prepare", lambda *arguments, **options: made)

    async def ends(sockets: object) -> None:
        """End as uvicorn does when the application fails to start."""

    monkeypatch.setattr(made.server, "serve", ends)
    monkeypatch.setattr(opening, "open_browser", lambda url: pytest.fail("a browser was opened"))
    told: list[str] = []
    server.serve_archive(folder, login=False, open_browser=True, ready=told.append)
    assert told == []


@pytest.mark.parametrize(
    ("host", "alone"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False),
     ("192.168.1.9", False), ("mail.example", False)],
)  # fmt: skip
def test_which_addresses_only_this_machine_reaches(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]"), ("mail.example", "mail.example")],
)
def test_the_address_to_open_is_one_a_browser_can_open(host: str, shown: str) -> None:
    assert server._shown_host(host) == shown


def test_from_a_source_tree_the_plugin_is_registered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[tuple[object, str]] = []
    monkeypatch.setattr(pm, "get_plugins", lambda: set(pm._name2plugin.values()) - {plugin})
    monkeypatch.setattr(pm, "register", lambda module, name: registered.append((module, name)))
    served = server.build(folder, host="127.0.0.1", port=1, login=True)
    for database in served.databases.values():
        database.close()
    served.executor.shutdown()
    assert registered == [(plugin, "canvas_archive.web")]
