"""A sync and a push begun on a page: the lines it shows, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from canvas_archive.errors import ItemsFailed, TokenRefused
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.web import syncing
from tests.sync_support import Pair, bind
from tests.test_sync_faults import LIST, SHOW, QuickClock
from tests.web_support import make_archive


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.setattr(syncing, "SYSTEM", QuickClock())
    with Sandbox(conversations=10) as sandbox:
        yield bind(sandbox, tmp_path / "archive", monkeypatch)


def push_all(pair: Pair) -> Callable[[Path, Callable[[str], None]], None]:
    """Return the push of all that waits, as a page would have shown it."""
    rows = pair.sql("SELECT id, base_value, value FROM edits WHERE state = 'pending'")
    return syncing.push_work({number: f"{base}>{value}" for number, base, value in rows}, {})


def test_every_twenty_fifth_conversation_is_a_line() -> None:
    lines: list[str] = []
    progress = syncing.ProgressLines(lines.append)
    for done in range(1, 61):
        progress.conversations(done, 60)
    assert lines == ["25 of 60 conversations", "50 of 60 conversations", "60 of 60 conversations"]


def test_a_sync_shows_waiting_and_its_counts(pair: Pair) -> None:
    pair.sandbox.faults.add(Fault("throttle_429", LIST, times=1, retry_after=3))
    lines: list[str] = []
    syncing.sync_now(pair.folder, lines.append)
    assert any(line.startswith("Waiting ") for line in lines)
    assert lines[-1].startswith("10 conversations: 10 new")


def test_a_sync_with_failed_items_raises_after_its_counts(pair: Pair) -> None:
    pair.sandbox.faults.add(Fault("status", SHOW, times=None, status=404))
    lines: list[str] = []
    with pytest.raises(ItemsFailed):
        syncing.sync_now(pair.folder, lines.append)
    assert lines[-1].startswith("0 conversations: 0 new")


def test_a_refused_token_ends_both(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    syncing.sync_now(pair.folder, lambda line: None)
    pair.update("UPDATE conversations SET starred = 1 - starred WHERE id = (SELECT min(id) FROM inbox)")
    monkeypatch.setenv("CANVAS_API_TOKEN", "7~wrong")
    for work in (syncing.sync_now, push_all(pair)):
        with pytest.raises(TokenRefused):
            work(pair.folder, lambda line: None)


@pytest.mark.thorough
def test_a_push_that_canvas_refused_raises_after_its_counts(pair: Pair) -> None:
    syncing.sync_now(pair.folder, lambda line: None)
    pair.update("UPDATE conversations SET starred = 1 - starred WHERE id = (SELECT min(id) FROM inbox)")
    refused = pair.sandbox.faults.add(Fault("status", method="PUT", times=None, status=400))
    lines: list[str] = []
    with pytest.raises(ItemsFailed, match="1 item could not be sent"):
        push_all(pair)(pair.folder, lines.append)
    assert refused.struck and lines[0] == "Reading what Canvas has…"
    assert lines[-1].startswith("Edits: 0 pushed")
    pair.sandbox.faults.clear()
    pair.update("UPDATE conversations SET starred = 1 - starred WHERE id = (SELECT max(id) FROM inbox)")
    push_all(pair)(pair.folder, lines.append)
    assert "pushed" in lines[-1]


def test_reading_mail_imports_no_network_code(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "archive")
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests import web_support\n"
        f"visitor = web_support.open_visitor(Path({str(folder)!r}))\n"
        "assert visitor.get('/mail').status_code == visitor.get('/mail/status').status_code == 200\n"
        "network = ('canvas_archive.sync', 'canvas_archive.canvas')\n"
        "print(*[name for name in sys.modules if name.startswith(network)])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
