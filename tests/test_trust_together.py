"""Several at once, and a world that does not hold still: processes, readers, signals, clocks, the network.

Whatever happens at the same moment, nothing is lost, nobody who reads gets an error, a second writer is sent
away with exit code 7, and a sync makes archive and Canvas equal.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from canvas_archive.clock import SYSTEM
from canvas_archive.errors import MachineTrouble, Unreachable
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.store import Archive, transaction
from canvas_archive.store.outbox import Draft, queue_message
from canvas_archive.sync import downloads
from canvas_archive.sync.service import due_mode
from tests.sync_support import Pair, assert_equal, bind
from tests.test_sync_faults import QuickClock
from tests.test_web_serve import serving
from tests.trust_support import TALLY, Ended, Workshop, holdings, unclean

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
    pytest.mark.uncounted,
    pytest.mark.thorough,
]
CONVERSATIONS = 12
SHOW = r"^/api/v1/conversations/\d+"
ANY = r"^/api/v1/"


def converges(pair: Pair) -> None:
    """Check that the next sync makes all of it whole."""
    pair.sync(mode="full", index=True, clock=QuickClock())
    assert_equal(pair)
    assert unclean(pair.folder) == []


# -- two processes -----------------------------------------------------------------------------------------


class Meanwhile:
    """Runs other commands right when the n-th request of the first one is about to be answered."""

    def __init__(self, pair: Pair, workshop: Workshop, scratch: Path) -> None:
        self._pair, self._workshop, self._scratch = pair, workshop, scratch
        self.ended: dict[str, Ended] = {}

    def at(self, number: int, *commands: tuple[str, ...], match: str = SHOW) -> None:
        def step(count: int) -> None:
            if count == number:
                for words in commands:
                    here = ("--archive", str(self._pair.folder))
                    self.ended[words[0]] = self._workshop.run(*words, *here, scratch=self._scratch)

        self._pair.sandbox.faults.on_request(match, step)


WRITERS = (("sync",), ("push",), ("index",))


@pytest.mark.sampled
def test_a_second_writer_is_sent_away_and_readers_are_not(
    pair: Pair, workshop: Workshop, tmp_path: Path
) -> None:
    meanwhile = Meanwhile(pair, workshop, tmp_path / "run")
    readers = (
        ("status",),
        ("list", "--json"),
        ("sql", "SELECT count(*) FROM messages"),
        ("export", str(tmp_path / "out"), "--format", "jsonl", "--allow-incomplete"),
        ("backup", str(tmp_path / "backup")),
        ("edits",),
    )
    meanwhile.at(5, *WRITERS, *readers)
    report = pair.sync(mode="full", index=True).report
    assert report.problems == []
    for words in WRITERS:
        ended = meanwhile.ended[words[0]]
        assert ended.status == 7, (words, ended.stderr)
        assert str(os.getpid()) in ended.stderr and "Traceback" not in ended.stderr
        TALLY["faults: two processes at once"] += 1
    for words in readers:
        ended = meanwhile.ended[words[0]]
        assert ended.status == 0, (words, ended.stderr)
        TALLY["faults: two processes at once"] += 1
    for made in ("out", "backup"):
        assert workshop.run("verify", str(tmp_path / made), scratch=tmp_path / "run").status in (0, 5)
    converges(pair)


def test_edits_made_during_a_sync_are_kept(pair: Pair, workshop: Workshop, tmp_path: Path) -> None:
    pair.sync(mode="full", index=True)
    ids = pair.sandbox.school.ids("inbox")
    for id_ in ids:
        if pair.others(id_):
            pair.sandbox.school.receive(id_, pair.others(id_)[0], "News.")
    starred = {id_: pair.one("SELECT starred FROM conversations WHERE id = ?", id_) for id_ in ids[:6]}
    meanwhile = Meanwhile(pair, workshop, tmp_path / "run")
    for number, (id_, was) in enumerate(starred.items(), start=2):
        meanwhile.at(number, ("unstar" if was else "star", str(id_)))
    pair.sync(mode="full")
    assert {name: ended.status for name, ended in meanwhile.ended.items() if ended.status} == {}
    for id_, was in starred.items():
        assert pair.one("SELECT starred FROM conversations WHERE id = ?", id_) != was
    assert pair.one("SELECT count(*) FROM edits WHERE state = 'pending'") == len(starred)
    TALLY["faults: two processes at once"] += len(starred)
    pair.sync(mode="full", push=True)
    truth = pair.sandbox.school.truth()
    assert all(truth[id_]["starred"] != bool(was) for id_, was in starred.items())
    converges(pair)


def test_two_pushes_send_a_message_once(pair: Pair, workshop: Workshop, tmp_path: Path) -> None:
    pair.sync(mode="full")
    school = pair.sandbox.school
    ids = [id_ for id_ in school.ids("inbox") if pair.others(id_)]
    for id_ in ids:
        kind, _, number = str(school.truth()[id_]["context_code"]).partition("_")
        if kind == "course":
            school.conclude_course(int(number), concluded=False)
    with Archive.open(pair.folder, write=True) as archive, transaction(archive.db):
        queue_message(archive.db, Draft("reply", "Said once.", ids[0]))
    meanwhile = Meanwhile(pair, workshop, tmp_path / "run")
    meanwhile.at(2, ("push",), ("sync",), match=ANY)
    first = workshop_free_push(pair)
    assert first == 0
    assert meanwhile.ended["push"].status == meanwhile.ended["sync"].status == 7
    TALLY["faults: two processes at once"] += 2
    assert [m["body"] for m in school.truth()[ids[0]]["messages"]].count("Said once.") == 1
    converges(pair)


def workshop_free_push(pair: Pair) -> int:
    """Push from this process, so that the other one is free to be the second."""
    from canvas_archive.cli import run

    return run(["push", "-q", "--archive", str(pair.folder)])


def test_a_first_sync_while_an_archive_is_made_in_the_same_folder(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ``init`` at once: one makes the archive, the other is told, and there is one archive."""
    with Sandbox(conversations=3) as sandbox:
        monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
        command = [sys.executable, "-m", "canvas_archive", "init", "--archive", str(tmp_path / "archive")]
        both = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        ends = [(*process.communicate(timeout=60), process.returncode) for process in both]
        assert sorted(end[2] for end in ends)[0] == 0, ends
        assert sorted(end[2] for end in ends)[1] in (7, 9), ends
        assert all("Traceback" not in end[1] for end in ends)
        TALLY["faults: two processes at once"] += 1
        pair = Pair(sandbox, tmp_path / "archive")
        pair.sync(mode="full")
        assert_equal(pair)


# -- readers throughout ------------------------------------------------------------------------------------


class Reading:
    """Asks for something again and again in a thread of its own, until it is told to stop."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._stop = threading.Event()
        self.answers: list[object] = []
        self.errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._loop, name="reading", daemon=True)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(self._ask())
            except BaseException as error:
                self.errors.append(error)
                return

    def __enter__(self) -> Reading:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


PAGES = ("/mail", "/mail?folder=unread", "/mail/people", "/mail/courses", "/mail/timeline", "/archive",
         "/archive/messages", "/archive/messages.json?_shape=array",
         "/archive.json?sql=select+count(*)+from+messages&_shape=array")  # fmt: skip


@pytest.mark.parametrize(
    "size", [pytest.param(25, id="some"), pytest.param(600, id="many", marks=pytest.mark.torture)]
)
def test_the_web_and_sql_read_throughout_a_first_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    with Sandbox(conversations=size, latency=0.02) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        with serving(pair.folder, "--no-login", "--no-open") as (_, address):
            base = address.partition("/mail")[0]
            pages = iter(PAGES * 10_000)
            with httpx.Client(timeout=60) as browser:

                def page() -> tuple[str, int]:
                    path = next(pages)
                    return path, browser.get(base + path).status_code

                def count() -> int:
                    with closing(sqlite3.connect(f"file:{pair.folder}/archive.db?mode=ro", uri=True)) as db:
                        messages, orphans = db.execute(
                            "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM messages m"
                            " WHERE conversation_id IS NOT NULL AND NOT EXISTS"
                            " (SELECT 1 FROM conversations c WHERE c.id = m.conversation_id))"
                        ).fetchone()
                    assert orphans == 0
                    return int(messages)

                with Reading(page) as web, Reading(count) as sql:
                    pair.sync(mode="full", index=True)
                refused = [answer for answer in web.answers if answer[1] != 200]  # type: ignore[index]
                assert not refused and not web.errors and not sql.errors
                counts = [int(str(answer)) for answer in sql.answers]
                assert counts == sorted(counts) and len(web.answers) > 5
                TALLY["reads: of pages and tables throughout a first sync"] += len(web.answers) + len(counts)
                found = browser.get(base + "/mail/search?q=the")
                assert found.status_code == 200
    assert_equal(pair)
    assert unclean(pair.folder) == []


# -- signals -----------------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("when", [4, *(pytest.param(n, marks=pytest.mark.torture) for n in (1, 2, 7, 11))])
def test_a_signal_ends_a_first_sync_cleanly(pair: Pair, name: str, when: int) -> None:
    ended = signalled(pair, signal.Signals[name], when)
    assert ended.returncode == 130, ended.stderr
    kept = "Interrupted. Downloaded conversations are saved. To continue: canvas-archive sync --archive "
    assert ended.stderr.strip() == f"{kept}{pair.folder}"
    assert pair.one("SELECT status FROM sync_runs") == "interrupted"
    TALLY["faults: signals"] += 1
    converges(pair)


def test_under_nohup_a_closing_terminal_does_not_end_it(pair: Pair) -> None:
    ended = signalled(pair, signal.SIGHUP, 5, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert ended.returncode == 0, ended.stderr
    TALLY["faults: signals"] += 1
    assert_equal(pair)


def signalled(
    pair: Pair, what: signal.Signals, when: int, before: Callable[[], object] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``sync`` in a process that gets a signal when its n-th conversation is asked for."""
    ready = threading.Event()
    box: list[subprocess.Popen[str]] = []

    def strike(count: int) -> None:
        if count == when:
            ready.wait(30)
            box[0].send_signal(what)

    pair.sandbox.faults.on_request(SHOW, strike)
    process = subprocess.Popen(
        [sys.executable, "-m", "canvas_archive", "sync", "--archive", str(pair.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )
    box.append(process)
    ready.set()
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


# -- the clock ---------------------------------------------------------------------------------------------


class JumpingClock:
    """Says the times it is told, one after the other, and the last one for ever; ``monotonic`` goes on."""

    def __init__(self, *times: datetime) -> None:
        self._times = list(times)
        self._lock = threading.Lock()
        self.slept = 0.0

    def now(self) -> datetime:
        with self._lock:
            return self._times.pop(0) if len(self._times) > 1 else self._times[0]

    def monotonic(self) -> float:
        return SYSTEM.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
YEARS = timedelta(days=365)
CLOCKS: dict[str, tuple[datetime, ...]] = {
    "back while it runs": (*(NOW - timedelta(hours=number) for number in range(300)),),
    "forth and back": (*(NOW + (-1) ** number * 30 * YEARS for number in range(300)),),
    "before Canvas was": (datetime(1970, 1, 1, tzinfo=timezone.utc),),
    "far in the future": (datetime(2199, 12, 31, 23, 59, 59, tzinfo=timezone.utc),),
    "one that stands still": (NOW,),
}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("back while it runs", "forth and back"),
        ("far in the future", "before Canvas was"),
        *(pytest.param(first, second, marks=pytest.mark.torture) for first in CLOCKS for second in CLOCKS),
    ],
)
def test_a_clock_that_jumps_between_and_during_syncs(pair: Pair, first: str, second: str) -> None:
    pair.sync(clock=JumpingClock(*CLOCKS[first]), attachments=False)
    assert_equal(pair)
    school = pair.sandbox.school
    ids = [id_ for id_ in school.ids("inbox") if pair.others(id_)]
    for id_ in ids[:4]:
        school.receive(id_, pair.others(id_)[0], f"While the clock said {second}.")
    before = holdings(pair.folder)
    pair.update("UPDATE conversations SET starred = NOT starred WHERE id = ?", ids[5])
    wish = pair.one("SELECT starred FROM conversations WHERE id = ?", ids[5])
    pair.sync(clock=JumpingClock(*CLOCKS[second]), push=True, attachments=False)
    TALLY["faults: a clock that jumps"] += 2
    assert not before - holdings(pair.folder)
    assert school.truth()[ids[5]]["starred"] == bool(wish)
    converges(pair)


def test_a_sweep_in_the_future_does_not_put_off_the_next(pair: Pair) -> None:
    pair.sync(mode="full", clock=JumpingClock(NOW + 50 * YEARS), attachments=False)
    with Archive.open(pair.folder) as archive:
        assert due_mode(archive, JumpingClock(NOW)) == "full"
    pair.sync(clock=JumpingClock(NOW), attachments=False)
    TALLY["faults: a clock that jumps"] += 1
    with Archive.open(pair.folder) as archive:
        assert due_mode(archive, JumpingClock(NOW + timedelta(hours=1))) == "quick"
        assert due_mode(archive, JumpingClock(NOW + timedelta(hours=25))) == "full"


# -- the network -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failures", [3, None])
def test_names_that_cannot_be_resolved(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, failures: int | None
) -> None:
    """No name service for a moment: waited for. None at all: exit 4, and nothing is touched."""
    asked = 0
    resolve = socket.getaddrinfo

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal asked
        asked += 1
        if failures is None or 2 <= asked < 2 + failures:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", failing)
    result = pair.sync(mode="full", clock=QuickClock(), check=False, patience_minutes=1)
    monkeypatch.undo()
    monkeypatch.setenv("CANVAS_API_URL", pair.sandbox.url)
    monkeypatch.setenv("CANVAS_API_TOKEN", pair.sandbox.token)
    TALLY["faults: no name service"] += min(asked, 4)
    if failures is None:
        assert isinstance(result.error, Unreachable) and result.error.exit_code == 4
        assert pair.one("SELECT count(*) FROM conversations") == 0
    else:
        assert result.error is None
        assert_equal(pair)
    converges(pair)


FLAKY = ("truncate", "abort", "reset", "short_body", "status", "invalid_json")


@pytest.mark.parametrize(
    "runs", [pytest.param(2, id="some"), pytest.param(60, id="many", marks=pytest.mark.torture)]
)
def test_a_connection_that_drops_all_the_time(pair: Pair, runs: int) -> None:
    """Every request, of the API and of files alike, may break; the syncs add up to all of it."""
    school = pair.sandbox.school
    for number in range(runs):
        pair.sandbox.faults.clear()
        for at, kind in enumerate(FLAKY):
            pair.sandbox.faults.add(
                Fault(kind, times=None, probability=0.06, seed=100 * number + at, status=502)  # type: ignore[arg-type]
            )
        id_ = next(id_ for id_ in school.ids("inbox") if pair.others(id_))
        file_id = school.add_file(pair.others(id_)[0], "a.bin", bytes([number % 256]) * 40_000)
        school.receive(id_, pair.others(id_)[0], f"Number {number}.", attachments=[file_id])
        before = holdings(pair.folder)
        pair.sync(mode="full" if number % 2 else None, clock=QuickClock(), check=False)
        assert not before - holdings(pair.folder)
        found = [one for one in unclean(pair.folder) if not one.startswith(("index", "unknown files"))]
        assert [one for one in found if not one.startswith("completeness")] == []
    pair.sandbox.faults.clear()
    pair.sync(mode="full", refetch=True, clock=QuickClock(), check=False)
    converges(pair)


def test_a_sync_that_ends_before_a_download_is_recorded_leaves_no_stray_bytes(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came then may not be what comes next: only part of the file, with a length that says all of it."""
    pair.sandbox.faults.add(Fault("short_body", "/download", times=None))
    with monkeypatch.context() as patch:
        patch.setattr(downloads, "place", _disk_is_gone)
        ended = pair.sync(mode="full", clock=QuickClock(), check=False)
    assert isinstance(ended.error, MachineTrouble)
    stored = {path for path in (pair.folder / "files").rglob("*") if path.is_file()}
    assert stored and {path.parent.name for path in stored} == {".incoming"}
    pair.sandbox.faults.clear()
    converges(pair)


def _disk_is_gone(*_: object) -> None:
    raise OSError(errno.EIO, "the disk is gone")
