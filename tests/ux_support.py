"""What the program says in every situation a new user meets, as one text.

``python -m tests.ux_support`` writes it to ``tests/golden/messages.txt``, to be read there from the first
line to the last; ``tests/test_ux.py`` compares. What differs from run to run stands as a word in capitals.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from canvas_archive.cli import main
from tests.ux_situations import SITUATIONS, Situation

GOLDEN = Path(__file__).resolve().parent / "golden" / "messages.txt"


@dataclass(frozen=True)
class Said:
    """What one command ended with and wrote."""

    code: int
    out: str
    err: str


def say(arguments: list[str], piped: str = "") -> Said:
    """Run the program in this process, where nobody can be asked, and a pipe gives it a text."""
    out, err = io.StringIO(), io.StringIO()
    # Python itself writes a warning there when nobody listens; under pytest somebody does.
    written = logging.StreamHandler(err)
    logger = logging.getLogger("canvas_archive.store")
    logger.addHandler(written)
    with (
        contextlib.closing(written),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.object(sys, "stdin", io.StringIO(piped)),
    ):
        try:
            code = main.run(arguments)
        finally:
            logger.removeHandler(written)
    return Said(code, out.getvalue(), err.getvalue())


# -- the text ---------------------------------------------------------------------------------------------

_UNSTEADY = (
    (r"127\.0\.0\.1:(?!9\b)\d+", "127.0.0.1:PORT"),
    (r"Python \d[\w.]*, SQLite [\d.]+, (?:[\w-]+ [\w.]+(?:, )?)+", "VERSIONS"),
    (r"[\d.,]+ [TGM]B free", "N GB free"),
    (r"([Pp])rocess \d+", r"\1rocess PID"),
    (r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?", "TIME"),
    (r"\b[\d.]+ (?:s|ms)\b", "N s"),
    (r"\b\d+ requests\b", "N requests"),
    (r"\b[0-9a-f]{64}\b", "HASH"),
    (r"\b\d+ minutes? ago\b", "N minutes ago"),
    (r"[\d.]+ MB\b", "N MB"),
    (r"trusted are .*", "trusted are CERTIFICATES"),
    (r"by (Open|Libre)SSL .*", "by LIBRARY"),
)


def steady(text: str, folder: Path) -> str:
    """Return the text with words in capitals where runs and machines differ."""
    text = text.replace(str(folder), "DIR")
    for pattern, word in _UNSTEADY:
        text = re.sub(pattern, word, text)
    return text


def transcript(situation: Situation) -> str:
    """Return what the program says in one situation."""
    parts = [f"## {situation.title}", ""]
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="canvas-archive-ux-") as made:
        folder = Path(made).resolve()
        own = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CANVAS_", "XDG_"))},
            "HOME": made,
            "XDG_STATE_HOME": made,
            "CANVAS_ARCHIVE": str(folder / "mail"),
            "TZ": "UTC",
            "NO_COLOR": "1",
            "COLUMNS": "100",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "NO_PROXY": "*",
        }
        with patch.dict(os.environ, own, clear=True):
            os.chdir(folder)
            try:
                with situation.prepare(folder):
                    for call in situation.calls:
                        parts += [*_told(call, say(shlex.split(call)), folder, situation), ""]
            finally:
                os.chdir(before)
    return "\n".join(parts)


def _told(call: str, said: Said, folder: Path, situation: Situation) -> Iterator[str]:
    yield f"$ canvas-archive {call}"
    for prefix, text in (("", said.out), ("! ", said.err)):
        told = steady(text, folder).splitlines()
        for line in told[: situation.lines]:
            yield prefix + (line if situation.numbers else re.sub(r"\b\d[\d,]*\b", "N", line)).rstrip()
        if len(told) > situation.lines:
            yield f"{prefix}…"
    if said.code:
        yield f"[exit {said.code}]"


HEADER = """\
What canvas-archive says, situation by situation. "!" marks standard error; words in capitals stand for what
differs from run to run. Written by: python -m tests.ux_support

"""

if __name__ == "__main__":
    GOLDEN.write_text(HEADER + "\n".join(map(transcript, SITUATIONS)), encoding="utf-8")
