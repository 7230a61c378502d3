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

from canvas_archive.cli import run
from tests.web_support import make_archive


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


def test_without_sign_in_the_address_is_the_mail(folder: Path) -> None:
    with serving(folder, "--no-login", "--no-open") as (_, address):
        assert address.endswith("/mail")
        assert httpx.get(address).status_code == 200
        assert httpx.get(address, headers={"host": "evil.example"}).status_code == 421


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
