"""A second user of the machine, who looks at the processes, sockets and files of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534

needs_second_user = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not Path("/proc/self/cmdline").exists(),
    reason="only root on Linux can become a second user",
)

# Looks until its standard input ends, then writes what it saw. Its arguments are folders to look into.
_SPY = r"""
import json, os, select, socket, sys
import encodings.idna, encodings.latin_1

# From here on this is the second user. (The interpreter itself may lie where that one cannot look.)
os.setgroups([])
os.setresgid(NOBODY, NOBODY, NOBODY)
os.setresuid(NOBODY, NOBODY, NOBODY)
seen = {"cmdline": set(), "environ": set(), "files": set(), "sockets": set(), "pages": set()}
looked = {}
earlier = set(os.listdir("/proc"))  # what began before the test is none of its business; it has the spy in it

def read(path, most=1_000_000):
    try:
        # Not blocking: it may be a FIFO.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(most) or b""
    except (OSError, TypeError):
        return b""

def processes():
    for number in filter(str.isdecimal, set(os.listdir("/proc")) - earlier):
        for name in ("cmdline", "environ"):
            text = read(f"/proc/{number}/{name}")
            if text:
                seen[name].add(text)

def files():
    for top in sys.argv[1:]:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    stamp = os.stat(path).st_mtime_ns, os.stat(path).st_size
                except OSError:
                    continue
                if looked.get(path) != stamp:
                    looked[path] = stamp
                    seen["files"].add(path.encode() + b"\0" + read(path))

def sockets():
    seen["sockets"].add(read("/proc/net/unix"))
    for line in read("/proc/net/unix").decode("utf-8", "replace").splitlines()[1:]:
        name = line.split()[-1]
        if name.startswith("@") and "\\" not in name and name not in looked:
            looked[name] = True
            try:
                with socket.socket(socket.AF_UNIX) as one:
                    one.settimeout(0.2)
                    one.connect("\0" + name[1:])
                    seen["pages"].add(one.recv(10_000))
            except OSError:
                pass

def pages():
    for port in PORTS:
        for path in ("/", "/mail", "/mail/login", "/archive.json?sql=select+body+from+messages"):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=2) as one:
                    one.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                    while part := one.recv(100_000):
                        seen["pages"].add(part)
            except OSError:
                pass

print("ready", flush=True)
turn = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    processes()
    if turn % 20 == 0:
        files()
        sockets()
    turn += 1
PORTS = json.loads(sys.stdin.readline())
processes()
files()
sockets()
pages()
print(json.dumps({name: sorted(one.decode("latin-1") for one in all_) for name, all_ in seen.items()}))
"""


class Spy:
    """The second user; ``report`` ends it, and returns all it saw, by where it was seen."""

    def __init__(self, *folders: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SPY.replace("NOBODY", str(NOBODY)), *map(str, folders)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", env={},
        )  # fmt: skip
        assert self._process.stdout is not None and self._process.stdout.readline() == "ready\n"

    def report(self, *ports: int) -> dict[str, list[str]]:
        """End the spy, which asks the servers at these ports for pages first."""
        out, said = self._process.communicate(json.dumps(ports) + "\n", timeout=30)
        assert self._process.returncode == 0, said
        found: dict[str, list[str]] = json.loads(out)
        return found

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def second_user(*folders: Path) -> Iterator[Spy]:
    """Let a second user look at processes, sockets, and the files of these folders meanwhile."""
    spy = Spy(*folders)
    try:
        yield spy
    finally:
        spy.stop()
