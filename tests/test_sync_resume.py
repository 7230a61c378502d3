"""A sync that is killed or interrupted: nothing is lost, nothing finished is fetched again."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from canvas_archive.sandbox import Sandbox
from canvas_archive.sync.workers import WorkerPool
from tests.sync_support import Pair, assert_equal, bind, told_by_archive

SHOW = r"^/api/v1/conversations/\d+"
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
    pytest.mark.uncounted,
    pytest.mark.thorough,
]


def run_and_signal(
    pair: Pair, number: int, what: signal.Signals, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run ``sync`` in a process of its own and send it a signal when the n-th show arrives."""
    arrived = threading.Event()
    pair.sandbox.faults.on_request(SHOW, lambda count: arrived.set() if count >= number else None)
    process = subprocess.Popen(
        [sys.executable, "-m", "canvas_archive", "sync", "--archive", str(pair.folder), *arguments],
        env={**os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert arrived.wait(60)
    process.send_signal(what)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.sampled
@pytest.mark.parametrize("number", [1, 9, 31])
def test_killed_and_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    with Sandbox(conversations=45) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        died = run_and_signal(pair, number, signal.SIGKILL, "--no-index")
        assert died.returncode == -signal.SIGKILL
        done = set(told_by_archive(pair.folder))
        for row in pair.sql("SELECT id FROM conversations WHERE fetched_at IS NOT NULL"):
            told = sandbox.school.truth()[row["id"]]
            assert pair.one("SELECT count(*) FROM messages WHERE conversation_id = ?", row["id"]) == len(
                told["messages"]
            )
        report = pair.sync(mode="full").report
        log = sandbox.log.api
        begun = max(at for at, entry in enumerate(log) if entry.path == "/api/v1/users/self")
        shown = [
            int(entry.path.rpartition("/")[2])
            for entry in log[begun:]
            if entry.path.startswith("/api/v1/conversations/") and entry.path.rpartition("/")[2].isdigit()
        ]
        assert len(shown) == len(set(shown)) and not done & set(shown)
        assert report.complete
        assert_equal(pair)
        assert [row["status"] for row in pair.sql("SELECT status FROM sync_runs ORDER BY id")] == [
            "interrupted",
            "ok",
        ]


def test_a_quick_sync_after_a_killed_one_looks_below_what_that_one_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(conversations=320) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        pair.sync(mode="full", attachments=False)
        for id_ in [i for i in sandbox.school.ids("inbox") if pair.others(i)][:180]:
            sandbox.school.receive(id_, pair.others(id_)[0], "One of many.")
        died = run_and_signal(
            pair, 130, signal.SIGKILL, "--quick", "--no-index", "--no-attachments", "--jobs", "1"
        )
        assert died.returncode == -signal.SIGKILL
        pair.sync(mode="quick", attachments=False)
        assert_equal(pair)


@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_ends_cleanly_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: signal.Signals
) -> None:
    with Sandbox(conversations=45, latency=0.01) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        done = run_and_signal(pair, 30, what, "--no-index")
        assert done.returncode == 130
        kept = "Interrupted. Downloaded conversations are saved. To continue: canvas-archive sync --archive "
        assert done.stderr.strip() == f"{kept}{pair.folder}"
        assert pair.sql("SELECT status FROM sync_runs")[0]["status"] == "interrupted"
        assert pair.one("SELECT count(*) FROM conversations WHERE fetched_at IS NOT NULL") > 0
        pair.sync(mode="full")
        assert_equal(pair)


def test_interrupted_while_waiting_for_a_throttled_canvas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from canvas_archive.sandbox.faults import Fault

    with Sandbox(conversations=30) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        sandbox.faults.add(Fault("throttle_429", SHOW, times=None, after=5, retry_after="120"))
        # The sixth is the first that is turned away: whether a seventh is under way by then is chance.
        done = run_and_signal(pair, 6, signal.SIGINT, "--no-index")
        assert done.returncode == 130


def test_a_second_writer_is_refused_with_7(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from canvas_archive.store import Archive

    with Sandbox(conversations=12) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        with Archive.open(pair.folder, write=True):
            done = subprocess.run(
                [sys.executable, "-m", "canvas_archive", "sync", "--archive", str(pair.folder)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 7
        assert str(os.getpid()) in done.stderr and done.stderr.count("\n") == 1


def test_an_interruption_inside_a_transaction_is_recorded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from canvas_archive.sync.pull import Pull

    def strike(pull: Pull) -> None:
        pull._db.execute("BEGIN IMMEDIATE")
        pull._db.execute("INSERT INTO contexts (code, kind) VALUES ('course_0', 'course')")
        raise KeyboardInterrupt

    with Sandbox(conversations=12) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        monkeypatch.setattr(Pull, "run", strike)
        with pytest.raises(KeyboardInterrupt):
            pair.sync(mode="full")
        assert pair.sql("SELECT status FROM sync_runs")[0]["status"] == "interrupted"
        assert pair.one("SELECT count(*) FROM contexts") == 0


def test_an_interruption_while_a_worker_starts_ends_the_run_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    crew = WorkerPool[int](2, "worker", queue.SimpleQueue())
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        crew.submit(1, int)
    crew.stop()
    crew.join(time.monotonic() + 1)
