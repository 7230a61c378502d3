"""What the trust tests share: a process that dies at its n-th write, and the count of what was tried.

The product has no hook for any of this. Run as ``python -m tests.trust_support``, this module is a small
server: it has everything imported, forks for each command it is told, and in the fork counts (and, when
told, dies of SIGKILL at) every *write boundary*: right before and right after each COMMIT and each write
outside a transaction, before every file that is opened for writing, renamed, removed, made or linked, around
every fsync, and around every request that changes something on Canvas.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent

TALLY: Counter[str] = Counter()
"""What was tried in this process, as ``group: what``. ``reliability`` prints the sums at the end of a run."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: ``status`` is the exit code, negative for a signal; ``trail`` the boundaries."""

    status: int
    stdout: str
    stderr: str
    trail: tuple[str, ...]


class Workshop:
    """Runs commands of the program in processes that die when they are told to."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.trust_support"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *arguments: str,
        scratch: Path,
        die_at: int | None = None,
        die_after: float | None = None,
        largest_file: int | None = None,
        open_files: int | None = None,
    ) -> Ended:
        """Run a command with the environment of this moment; ``scratch`` takes its output.

        ``die_at`` is the write boundary to die at (from 1), ``die_after`` a time in seconds, ``largest_file``
        the size in bytes that no file may outgrow, ``open_files`` how many may be open.
        """
        scratch.mkdir(exist_ok=True)
        order = {
            "arguments": arguments,
            "environment": dict(os.environ),
            "scratch": str(scratch),
            "die_at": die_at,
            "die_after": die_after,
            "largest_file": largest_file,
            "open_files": open_files,
        }
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        trail = (scratch / "trail").read_text().splitlines()
        return Ended(status, (scratch / "stdout").read_text(), (scratch / "stderr").read_text(), tuple(trail))

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)


def spread(count: int, points: int | None) -> list[int]:
    """Choose so many of the boundaries 1 to ``count``, with the first and the last; all for ``None``."""
    if points is None or points >= count:
        return list(range(1, count + 1))
    return sorted({1 + round(at * (count - 1) / (points - 1)) for at in range(points)})


def copied(source: Path, target: Path) -> Path:
    """Return a fresh copy of a folder."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
    return target


def unclean(folder: Path) -> list[str]:
    """Return what ``verify`` has to say against an archive; an empty list when nothing."""
    from canvas_archive.export.verify import verify_archive

    return [f"{check.name}: {check.detail} {check.items}" for check in verify_archive(folder) if not check.ok]


_KEPT = (
    "SELECT 'message', id, coalesce(body, '') FROM messages",
    "SELECT 'conversation', id, coalesce(subject, '') FROM conversations",
    "SELECT 'file', id, sha256 FROM attachments WHERE state = 'stored'",
    "SELECT 'edit', id, field || value FROM edits",
    "SELECT 'revision', id, before || after FROM revisions",
    "SELECT 'outbox', id, '' FROM outbox",
)


def holdings(folder: Path) -> set[tuple[str, int, str]]:
    """Return everything an archive holds that may never be lost again."""
    db = sqlite3.connect(folder / "archive.db")
    try:
        return {tuple(row) for query in _KEPT for row in db.execute(query)}
    finally:
        db.close()


# -- in the fork -------------------------------------------------------------------------------------------


_READING = ("", "SELECT", "BEGIN", "WITH", "EXPLAIN")
_WRITING_PRAGMAS = ("journal_mode =", "user_version =", "application_id =", "checkpoint", "optimize")


class Boundaries:
    """Counts write boundaries of this process and ends it at the wanted one."""

    def __init__(self, trail: Path, die_at: int | None) -> None:
        self._trail = os.open(trail, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._die_at = die_at
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._count = 0

    def reach(self, name: str) -> None:
        """Note that a boundary was reached."""
        if os.getpid() != self._pid:
            return  # a helper process of the command's; its work is a boundary only when it is taken over
        with self._lock:
            self._count += 1
            os.write(self._trail, f"{name}\n".encode("utf-8", "backslashreplace"))
            if self._count == self._die_at:
                os.kill(self._pid, signal.SIGKILL)

    def watch(self) -> None:
        """Put the counting in place of, or around, everything that writes."""
        sys.addaudithook(self._audit)
        os.fsync = self._around(os.fsync, "fsync")  # type: ignore[assignment]
        self._watch_sqlite()
        self._watch_requests()

    def _around(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def reaching(*args: Any, **kwargs: Any) -> Any:
            self.reach(f"before {name}")
            result = call(*args, **kwargs)
            self.reach(f"after {name}")
            return result

        return reaching

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = args
            writing = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if writing and not str(path).startswith("/dev/"):
                self.reach(f"open {path}")
        elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"):
            self.reach(f"{event} {args[0]}")

    def _watch_sqlite(self) -> None:
        boundaries = self

        class Cursor(sqlite3.Cursor):
            """A cursor whose commits and lone writes are boundaries."""

            def execute(self, sql: str, *args: Any) -> Any:
                word = sql.lstrip().split(None, 1)[0].upper().rstrip(";") if sql.strip() else ""
                lone = not self.connection.in_transaction and word not in _READING
                if word == "PRAGMA" and not any(what in sql for what in _WRITING_PRAGMAS):
                    lone = False
                if word not in ("COMMIT", "END") and not lone:
                    return super().execute(sql, *args)
                boundaries.reach(f"before {sql[:60]!r}")
                result = super().execute(sql, *args)
                boundaries.reach(f"after {sql[:60]!r}")
                return result

        class Connection(sqlite3.Connection):
            """A connection with such cursors."""

            def cursor(self, factory: Any = Cursor) -> Any:
                return super().cursor(factory)

            def execute(self, sql: str, *args: Any) -> Any:
                return self.cursor().execute(sql, *args)

            commit = self._around(sqlite3.Connection.commit, "commit()")
            backup = self._around(sqlite3.Connection.backup, "backup()")
            executescript = self._around(sqlite3.Connection.executescript, "executescript()")

        plain = sqlite3.connect

        def connect(*args: Any, **kwargs: Any) -> Any:
            kwargs.setdefault("factory", Connection)
            return plain(*args, **kwargs)

        sqlite3.connect = connect  # type: ignore[assignment]

    def _watch_requests(self) -> None:
        import httpx

        plain = httpx.HTTPTransport.handle_request

        def handle_request(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
            if request.method in ("GET", "HEAD"):
                return plain(transport, request)
            self.reach(f"before {request.method} {request.url.path}")
            response = plain(transport, request)
            response.read()
            self.reach(f"after {request.method} {request.url.path}")
            return response

        httpx.HTTPTransport.handle_request = handle_request  # type: ignore[method-assign]


def _perform(order: dict[str, Any]) -> int:
    """Run one command in this (forked) process and return its exit code."""
    os.environ.clear()
    os.environ.update(order["environment"])
    scratch = Path(order["scratch"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        descriptor = os.open(scratch / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1, closefd=False)
    boundaries = Boundaries(scratch / "trail", order["die_at"])
    boundaries.watch()
    if order["largest_file"] is not None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest_file"], resource.RLIM_INFINITY))
    if order["open_files"] is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (order["open_files"], order["open_files"]))
    if order["die_after"] is not None:
        signal.setitimer(signal.ITIMER_REAL, order["die_after"])  # nobody listens: it ends on the spot
    from canvas_archive.cli.main import run

    status = run(order["arguments"])
    sys.stdout.flush()
    return status


def _serve() -> None:
    """Take orders, one JSON line each, and answer each with the status its process ended with."""
    import canvas_archive

    sys.dont_write_bytecode = True
    for module in pkgutil.walk_packages(canvas_archive.__path__, "canvas_archive."):
        if ".web" not in module.name and "__main__" not in module.name and ".sandbox" not in module.name:
            importlib.import_module(module.name)
    for name in ("filelock", "keyring", "tomli_w", "keyring.backends.null", "pyarrow.parquet"):
        importlib.import_module(name)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = _perform(json.loads(line))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        _, ended = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


if __name__ == "__main__":
    _serve()
