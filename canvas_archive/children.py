"""Other programs: they see everything of this one's environment but its secrets, and they end in time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, NamedTuple

SECRET_VARIABLES = frozenset({"CANVAS_API_TOKEN"})
"""Variables that hold a secret. No child process starts with one of them."""


def child_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without its secrets and with what is added, for ``subprocess``."""
    return {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES} | more


class Ended(NamedTuple):
    """How a program ended, and the beginning of what it wrote."""

    code: int
    output: bytes
    complaint: str


def run_bounded(
    command: Sequence[str], data: bytes, *, seconds: float, may_ask: bool = False, most: int = 1 << 16
) -> Ended:
    """Run a program on ``data``; return how it ended and at most ``most`` bytes of each of its outputs.

    It has no terminal to ask on, unless it ``may_ask``. Raises OSError when it cannot be started,
    subprocess.TimeoutExpired when it takes longer; it and what it started is ended then.
    """
    with _spool(data) as given, _spool() as written, _spool() as complained:
        process = subprocess.Popen(
            command,
            stdin=given, stdout=written, stderr=complained,
            env=child_environment(**{} if may_ask else {"SSH_ASKPASS_REQUIRE": "never"}),
            start_new_session=not may_ask,
        )  # fmt: skip
        try:
            process.wait(seconds)
        except BaseException:
            kill_group(process)
            process.wait()
            raise
        outputs = []
        for stream in (written, complained):
            stream.seek(0)
            outputs.append(stream.read(most))
    return Ended(process.returncode, outputs[0], outputs[1].decode("utf-8", "replace").strip())


@contextmanager
def _spool(data: bytes = b"") -> Iterator[IO[bytes]]:
    """Open a temporary file with these bytes. Unlike a pipe, it lets neither side wait for the other."""
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its group, where it leads one."""
    if process.poll() is not None:
        return
    kill = getattr(os, "killpg", None)  # Windows has no groups
    if kill is not None:
        with suppress(ProcessLookupError, PermissionError):  # not (yet) a group of its own, or gone
            kill(process.pid, 9)
    process.kill()


@contextmanager
def secrets_hidden() -> Iterator[None]:
    """Take the secrets out of ``os.environ`` during the block: for a library that starts a program itself."""
    hidden = {name: os.environ.pop(name) for name in SECRET_VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
