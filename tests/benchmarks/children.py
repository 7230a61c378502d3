"""Programs as a person would start them, in processes of their own: their time, memory and exit code."""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.benchmarks.figures import ROOT, milliseconds

LAUNCHER = Path(__file__).with_name("launch.py")


class Failed(Exception):
    """A measured program did not end as it should; its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program cost: wall and processor seconds (its children's, too), peak memory in MB."""

    seconds: float
    cpu: float
    megabytes: float
    output: str = ""

    def told(self) -> str:
        """Say the two times."""
        return f"{milliseconds(self.seconds)} ({milliseconds(self.cpu)} of processor)"


def run_child(arguments: Sequence[str], *, expected: tuple[int, ...] = (0,), **environment: str) -> Ran:
    """Run a program to its end and return what it cost.

    Raises Failed when its exit code is none of the ``expected``.
    """
    reading, writing = os.pipe()
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        os.fdopen(reading, "rb") as told,
    ):
        try:
            launcher = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCHER), str(writing), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                pass_fds=(writing,),
                cwd=ROOT,
                env={**os.environ, **environment},
            )
        finally:
            os.close(writing)
        document = told.read()
        launcher.wait()
        output.seek(0)
        errors.seek(0)
        said, complaint = output.read().decode("utf-8", "replace"), errors.read().decode("utf-8", "replace")
    what, complaint = " ".join(arguments), " ".join(complaint[-1000:].split())
    if not document:
        raise Failed(f"{what} could not be started: {complaint}")
    result = json.loads(document)
    if result["code"] not in expected:
        raise Failed(f"{what} ended with {result['code']}: {complaint}")
    return Ran(result["seconds"], result["cpu"], result["megabytes"], said)


def canvas_archive(*arguments: str) -> list[str]:
    """Return the command line of canvas-archive in this interpreter, compiled as pip leaves it."""
    _compiled()
    return [sys.executable, "-m", "canvas_archive", *arguments]


@cache
def _compiled() -> None:
    # What pip installs is compiled, the peers too. A source tree under PYTHONDONTWRITEBYTECODE never is: each
    # start would compile all it imports, a sixth of what a sync without changes takes.
    compileall.compile_dir(ROOT / "canvas_archive", quiet=1)


def installed(program: str, *arguments: str) -> list[str]:
    """Return the command line of a program that was installed beside this interpreter."""
    return [str(Path(sys.executable).with_name(program)), *arguments]
