"""Another user of the machine finds no token, no sign-in link and no message while the program runs."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from tests.spy_support import needs_second_user, second_user
from tests.web_support import make_archive

pytestmark = [needs_second_user, pytest.mark.thorough]

# Opens its argument as a browser does, reads the messages, reports, and stays until the test has looked.
BROWSER = r"""#!{python}
import http.cookiejar, json, os, re, socket, sys, urllib.request
from urllib.parse import unquote, urlsplit

opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
address, told = sys.argv[-1], {{"argv": sys.argv, "token": os.environ.get("CANVAS_API_TOKEN")}}
if address.startswith("file:"):
    page = unquote(urlsplit(address).path)
    told |= {{"page": page, "mode": os.stat(page).st_mode, "folder": os.stat(os.path.dirname(page)).st_mode}}
    address = re.search(r"url=([^\"]+)", open(page).read())[1]
opener.open(address).read()
base = address.partition("/mail")[0]
rows = json.load(opener.open(base + "/archive/messages.json?_shape=array&_size=max"))
told |= {{"address": address, "bodies": [row["body"] for row in rows]}}
with socket.create_connection(("127.0.0.1", {port}), timeout=30) as test:
    test.sendall(json.dumps(told).encode() + b"\n")
    test.recv(1)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter and read, in which the program's own folders lie."""
    folder = Path(tempfile.mkdtemp(prefix="canvas-archive-open-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def program(place: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    for name in ("home", "state", "temporary"):
        (place / name).mkdir(mode=0o755, exist_ok=True)
    surroundings = {
        **os.environ,
        "HOME": str(place / "home"),
        "XDG_STATE_HOME": str(place / "state"),
        "TMPDIR": str(place / "temporary"),
        "CANVAS_ARCHIVE_ADOPTED": "1",
        **environment,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "canvas_archive", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=surroundings, umask=0,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def found(report: dict[str, list[str]], hidden: list[str]) -> list[tuple[str, str]]:
    """Return where a secret was seen."""
    return [
        (where, secret)
        for where, texts in report.items()
        for secret in hidden
        if any(secret in text for text in texts)
    ]


@pytest.mark.thorough
@pytest.mark.parametrize("command", ["serve", "demo"])
def test_nothing_is_found_while_a_browser_is_opened(place: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(40)
        browser = place / "browser"
        browser.write_text(BROWSER.format(python=sys.executable, port=listener.getsockname()[1]))
        browser.chmod(0o755)
        arguments = ["serve", "--port", "0", "--archive", str(make_archive(place / "archive"))]
        if command == "demo":
            arguments = ["demo", "--conversations", "5"]
        token = secrets.token_urlsafe()  # no process of another test has this one
        environment = {"BROWSER": f"{browser} --new-window %s", "CANVAS_API_TOKEN": token}
        with second_user(place) as spy, program(place, *arguments, "--open", **environment):
            connection, _ = listener.accept()
            with connection:
                told: dict[str, Any] = json.loads(connection.makefile().readline())
                seen = spy.report(int(told["address"].split("/")[2].rpartition(":")[2]))
        link = told["address"].rpartition("=")[2]
        assert len(link) > 30 and len(told["bodies"]) > 10
        assert found(seen, [link, token, *(body for body in told["bodies"] if len(body) > 25)]) == []
        # It has looked: at the browser's command line, and at what the server says to strangers.
        assert any(told["page"] in line for line in seen["cmdline"])
        assert any("This archive is private" in page for page in seen["pages"])
        assert told["token"] is None
        assert (stat.S_IMODE(told["mode"]), stat.S_IMODE(told["folder"])) == (0o600, 0o700)
        assert not Path(told["page"]).exists()


def test_nothing_is_found_while_a_sync_runs(place: Path) -> None:
    folder = place / "archive"
    with Sandbox(conversations=5, token=f"7~{secrets.token_urlsafe()}") as sandbox:
        Archive.create(folder, base_url=sandbox.url, user_id=sandbox.user_id, name=None).close()
        with (
            second_user(place) as spy,
            program(place, "sync", "--archive", str(folder), CANVAS_API_TOKEN=sandbox.token) as process,
        ):
            said, _ = process.communicate(timeout=40)
            assert process.returncode == 0, said
            seen = spy.report()
        with Archive.open(folder) as archive:
            rows = archive.db.execute("SELECT body FROM messages WHERE length(body) > 25").fetchall()
        assert len(rows) > 5
        assert found(seen, [sandbox.token, *(row["body"] for row in rows)]) == []
        assert any(f"canvas_archive\0sync\0--archive\0{folder}" in line for line in seen["cmdline"])
