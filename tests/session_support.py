"""The first ten minutes of a new user, as they really go: the commands, and what they print.

``docs/first-session.md`` is made from this by cog. The school is a sandbox with the sample mailbox; its
address, and what differs from run to run, are replaced by what a real one would show.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from canvas_archive.cli import main
from canvas_archive.sandbox import Sandbox
from tests.terminal_support import Terminal

SCHOOL = "https://school.instructure.com"

SESSION = f"""
Make an archive. Without the variable, `init` asks for the token and keeps it in the system keyring.
  export CANVAS_API_TOKEN=…
  export CANVAS_ARCHIVE=~/inbox
  canvas-archive init {SCHOOL}
Pull everything. Nothing is sent, and nothing on Canvas changes, not even a read mark.
  canvas-archive sync
  canvas-archive status
Read and find, offline.
  canvas-archive list --limit 4
  canvas-archive search 'midterm from:chen' --limit 2
  canvas-archive show FOUND
Change something, look at what would be sent, send it.
  canvas-archive star NEWEST
  canvas-archive archive --query 'from:library before:2026-10'
  canvas-archive push -n
  canvas-archive push
Later: only what changed is asked for.
  canvas-archive sync
Take it elsewhere, and check that everything is as it was.
  canvas-archive export mail.mbox
  canvas-archive verify
Read it in a browser.
  canvas-archive serve
"""
"""What is said, and the commands below it; NEWEST is the first of the list, FOUND that of the first hit."""

MOST_LINES = 16
WIDTH = 100


def session_markdown() -> str:
    """Return the session as Markdown: paragraphs and fenced blocks."""
    with tempfile.TemporaryDirectory(prefix="canvas-archive-session-") as made, Sandbox() as sandbox:
        folder = Path(made).resolve()
        own = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CANVAS_", "XDG_"))},
            "HOME": made,
            "TZ": "UTC",
            "NO_COLOR": "1",
            "PAGER": "",
            "COLUMNS": str(WIDTH),
            "CANVAS_API_URL": sandbox.url,
            "CANVAS_API_TOKEN": sandbox.token,
            "CANVAS_ARCHIVE": str(folder / "inbox"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }
        with _within(folder, own):
            return "\n".join(_lines(folder, sandbox.url))


def _lines(folder: Path, address: str) -> Iterator[str]:
    known = {"NEWEST": "", "FOUND": ""}
    fenced = False
    for line in SESSION.strip().splitlines():
        if not line.startswith("  "):
            yield from (["```", ""] if fenced else [])
            yield from (line, "", "```console")
            fenced = True
            continue
        call = re.sub("NEWEST|FOUND", lambda name: known[name[0]], line.strip())
        text = steady(_run(call.replace(SCHOOL, address)), folder, address)
        yield from (f"$ {call}", *shortened(text))
        for name, pattern in (("NEWEST", r"^(\d{6,})  "), ("FOUND", r"^1  .*#(\d+)$")):
            known[name] = known[name] or "".join(re.findall(pattern, text, re.M)[:1])
    yield "```"


@contextlib.contextmanager
def _within(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Work in a folder, with these variables and their time zone."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with patch.dict(os.environ, environment, clear=True):
            _heed_time_zone()
            yield
    finally:
        os.chdir(before)
        _heed_time_zone()


def _heed_time_zone() -> None:
    if hasattr(time, "tzset"):  # not on Windows
        time.tzset()


def _run(line: str) -> str:
    """Return what a line of the shell prints on a terminal, standard error as well."""
    words = shlex.split(line)
    if words[0] == "export":
        return ""
    if words[1] == "serve":
        return _served()
    out = Terminal()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        patch.object(sys, "stdin", io.StringIO()),
    ):
        code = main.run(words[1:])
    if code:
        raise RuntimeError(f"{line} ended with {code}: {out.getvalue()}")
    return out.getvalue()


def _served() -> str:
    """Serve for as long as it takes to say the address."""
    command = [sys.executable, "-m", "canvas_archive", "serve", "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            return "".join(process.stdout.readline() for _ in range(2)) if process.stdout else ""
        finally:
            process.terminate()
            process.communicate(timeout=60)


def steady(text: str, folder: Path, address: str) -> str:
    """Return the text as it would be at a school, the same in every run."""
    text = text.replace(address, SCHOOL).replace(str(folder), "~")
    text = re.sub(r"http://127\.0\.0\.1:\d+/(\S*?)=\S+", r"http://127.0.0.1:8001/\1=…", text)
    text = re.sub(r"\b\d+\.\d s\b", "3.1 s", text)
    text = re.sub(r"\b\d+ ms\b", "8 ms", text)
    text = re.sub(r"\b\d+ minutes? ago\b", "just now", text)  # a machine with much else to do
    text = re.sub(r"(Complete as of )[0-9T:-]+Z", r"\g<1>2026-03-09T14:05:00Z", text)
    return re.sub(r"\b[0-9a-f]{64}\b", "788ad3d8… (64 characters)", text)


def shortened(text: str) -> Iterator[str]:
    """Yield the lines, long ones and many of them cut short."""
    lines = text.rstrip("\n").split("\n") if text else []
    for line in lines[:MOST_LINES]:
        yield (line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…").rstrip()
    if len(lines) > MOST_LINES:
        yield "…"
