"""Running a script of ``.ci`` in a folder of its own, with stand-ins for all the programs it calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

needs_bash = pytest.mark.skipif(sys.platform == "win32" or not shutil.which("bash"), reason="a shell script")

_REPOSITORY = Path(__file__).resolve().parent.parent


def run_script(
    folder: Path, name: str, stand_in: str, programs: Iterable[str], **environment: str
) -> tuple[int, str]:
    """Run ``.ci/NAME`` with ``stand_in`` in place of ``programs``; return its exit code and what it wrote.

    A program with a slash in its name takes the place of a file of the checkout.
    """
    stand_ins, checkout, temporary = folder / "stand-ins", folder / "checkout", folder / "temporary"
    for made in (stand_ins, checkout / ".ci", temporary):
        made.mkdir(parents=True)
    script = checkout / ".ci" / name
    shutil.copy2(_REPOSITORY / ".ci" / name, script)
    for program in programs:
        place = (checkout if "/" in program else stand_ins) / program
        place.write_text(stand_in)
        place.chmod(0o755)
    done = subprocess.run(
        [script],
        env={"PATH": f"{stand_ins}:{os.environ['PATH']}", "TMPDIR": str(temporary), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert not any(temporary.iterdir()), "it leaves nothing behind"
    return done.returncode, done.stdout
