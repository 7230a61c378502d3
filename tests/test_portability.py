"""Nothing stands on what only POSIX systems have: no such module or function without another way beside it.

That other way is looked for twice: in the source, where every such name must stand beside a test for the
system; and at run time, where a whole demo runs in a Python from which the names were taken away.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs_support import REPOSITORY

PACKAGE = REPOSITORY / "canvas_archive"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES = _words("curses fcntl grp posix pty pwd readline resource syslog termios tty _posixsubprocess")
NAMES = {
    "os": _words(
        """
        chown chroot confstr ctermid fchdir fchown fork forkpty fpathconf getegid geteuid getgid getgrouplist
        getgroups getloadavg getpgid getpgrp getpriority getresuid getsid getuid initgroups killpg lchown
        lockf mkfifo mknod nice openpty pathconf pipe2 posix_fadvise posix_fallocate posix_spawn pread
        preadv pwrite pwritev sched_getaffinity sendfile setegid seteuid setgid setpgid setsid setuid statvfs
        sync sysconf tcgetpgrp ttyname uname wait wait3 wait4 waitid O_CLOEXEC O_DIRECTORY O_DSYNC O_NOFOLLOW
        O_NONBLOCK O_SYNC kill
        """
    ),
    "signal": _words(
        "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 SIGWINCH alarm pause setitimer"
    ),
    "time": _words("tzset clock_gettime clock_settime"),
}
"""``kill`` is there on Windows, and ends the process it is asked about."""

# Windows tells it by another call than the one that is taken away here.
ROOM = "shutil.disk_usage = lambda path: shutil._ntuple_diskusage(10**12, 0, 10**12)"

GUARDS = ("os.name", "sys.platform", "ImportError")
LONGEST_PATH = 120
"""Of a path within the repository, so that a checkout fits Windows's 260 characters."""


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def unguarded(source: str) -> list[str]:
    """Return the POSIX-only names in a module that stand outside of a function with a guard, with lines."""
    tree = ast.parse(source)
    lines = source.splitlines()
    safe: set[int] = set()
    for function in _functions(tree):
        text = "\n".join(lines[function.lineno - 1 : function.end_lineno])
        if any(guard in text for guard in GUARDS):
            safe |= {id(node) for node in ast.walk(function)}
    found = []
    for node in ast.walk(tree):
        if id(node) in safe:
            continue
        if isinstance(node, ast.Import):
            found += [f"{node.lineno}: {one.name}" for one in node.names if one.name in MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.lineno}: {node.module}"] * (node.module in MODULES)
            only = NAMES.get(node.module or "", frozenset())
            found += [f"{node.lineno}: {node.module}.{one.name}" for one in node.names if one.name in only]
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.attr in NAMES.get(node.value.id, ())
        ):
            found.append(f"{node.lineno}: {node.value.id}.{node.attr}")
    return found


@pytest.mark.thorough
def test_no_module_stands_on_posix() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): names
        for path in PACKAGE.rglob("*.py")
        if (names := unguarded(path.read_text(encoding="utf-8")))
    }
    assert not found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", ["1: fcntl"]),
        ("from os import fork", ["1: os.fork"]),
        ("import os\nos.geteuid()", ["2: os.geteuid"]),
        ("import os\ndef own():\n    return os.getuid()", ["3: os.getuid"]),
        ("import os\ndef own():\n    if os.name == 'posix':\n        return os.getuid()", []),
        ("def limit():\n    try:\n        import resource\n    except ImportError:\n        return", []),
        ("import os\nos.replace('a', 'b')", []),
    ],
)
def test_what_would_be_found(source: str, found: list[str]) -> None:
    assert unguarded(source) == found


# The user's id stays: os.name says "posix" here, and code that asks for it first may rely on it.
ELSEWHERE = """
import os, signal, sys, time
import asyncio, http.server, multiprocessing, platform, socket, ssl, subprocess, tempfile, uuid  # not ours
blocked, names = json.loads(sys.argv[1])
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name in blocked:
            raise ImportError(f"there is no {name} on this system")
sys.meta_path.insert(0, Nowhere())
for name in blocked:
    if name != "_posixsubprocess" and name != "posix":
        sys.modules.pop(name, None)
for module, gone in names.items():
    for name in gone:
        if hasattr(sys.modules[module], name):
            delattr(sys.modules[module], name)
sys.modules["numpy"] = None  # which Datasette uses where there is one, built for this system
"""

EVERY_MODULE = """
import importlib, pkgutil
import canvas_archive
for found in pkgutil.walk_packages(canvas_archive.__path__, "canvas_archive."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
print("all there")
"""

RUN = "from canvas_archive.cli import run; sys.exit(run(sys.argv[2:]))"


def elsewhere(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a Python without the modules and names that only POSIX systems have."""
    taken = {module: sorted(names - {"geteuid", "getuid", "kill"}) for module, names in NAMES.items()}
    given = json.dumps([sorted(MODULES - {"posix", "_posixsubprocess"}), taken])
    return subprocess.run(
        [sys.executable, "-c", f"import json, shutil{ELSEWHERE}\n{ROOM}\n{code}", given, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "CANVAS_ARCHIVE": str(folder / "mail")},
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.thorough
def test_every_module_can_be_imported_elsewhere(tmp_path: Path) -> None:
    done = elsewhere(EVERY_MODULE, folder=tmp_path)
    assert done.stdout == "all there\n", done.stderr


@pytest.mark.thorough
def test_a_demo_runs_elsewhere(tmp_path: Path) -> None:
    mail = str(tmp_path / "mail")
    for call in (
        ("--archive", mail, "demo", "--no-serve", "--conversations", "5"),
        ("search", "the"),
        ("status",),
        ("verify",),
        ("export", "mail.mbox"),
        ("backup", "copy"),
    ):
        done = elsewhere(RUN, *call, folder=tmp_path)
        assert done.returncode == 0, (call, done.stderr)


def test_the_repository_can_be_checked_out_elsewhere() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout")
    names = listed.stdout.splitlines()
    assert max(map(len, names)) <= LONGEST_PATH
    assert len({name.lower() for name in names}) == len(names), "two names that differ in case alone"
    for name in names:
        for part in name.split("/"):
            assert not set(part) & set('<>:"|?*\\') and part[-1] not in ". ", name
