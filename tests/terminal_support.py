"""The program on a pseudo-terminal: what it writes there, and what stays on the screen."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import click

from canvas_archive.cli import main


def on_terminal(
    mail: Path, arguments: tuple[str, ...], width: int, *, interrupt_at: str = "", **environment: str
) -> tuple[int, str]:
    """Run the program on a pseudo-terminal; return its exit code and everything it wrote.

    It is interrupted, as by Ctrl-C, as soon as it has written ``interrupt_at``.
    """
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    names = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "canvas_archive", *arguments],
        env={**names, "CANVAS_ARCHIVE": str(mail), "TERM": "xterm", "PAGER": "", **environment},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    read = bytearray()
    try:
        while piece := os.read(ours, 65536):
            read += piece
            if interrupt_at and interrupt_at.encode() in read:
                process.send_signal(signal.SIGINT)
                interrupt_at = ""
    except OSError:
        pass  # the program has closed its end
    finally:
        os.close(ours)
    return process.wait(timeout=60), read.decode()


class Terminal(io.StringIO):
    """Standard output and error of this process, when they are to be a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]
    errors = "strict"  # type: ignore[assignment]

    def isatty(self) -> bool:
        """It says so."""
        return True


@contextlib.contextmanager
def a_terminal(width: int = 80, *, typed: str | None = None, **environment: str) -> Iterator[Terminal]:
    """Let both streams of this process be a terminal, and somebody type ``typed``, or nobody be there."""
    shown = Terminal()
    own = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "LINES")}
    with (
        patch.dict(os.environ, {**own, "TERM": "xterm", "COLUMNS": str(width), **environment}, clear=True),
        patch.object(sys, "stdout", shown),
        patch.object(sys, "stderr", shown),
        patch.object(sys, "stdin", io.StringIO() if typed is None else Terminal(typed)),
        patch.object(click.termui, "hidden_prompt_func", input),  # the real one reads the machine's terminal
    ):
        yield shown


def on_screen(
    arguments: tuple[str, ...], width: int = 80, *, typed: str | None = None, **environment: str
) -> tuple[int, str]:
    """Run the program in this process as if on a terminal; return its exit code and everything it wrote."""
    with a_terminal(width, typed=typed, **environment) as shown:
        code = main.run(list(arguments))
    return code, shown.getvalue()


_PIECE = re.compile(
    r"\x1b\[(?P<numbers>[?\d;]*)(?P<command>[A-Za-z])|(?P<control>[\r\n])|(?P<text>[^\x1b\r\n]+)"
)


def screen(written: str, width: int) -> list[str]:
    """Return the lines that a terminal shows in the end; what is wider goes on in the next one."""
    lines = [""]
    row = column = 0
    for piece in _PIECE.finditer(written):
        for letter in piece["text"] or "":
            if column == width:
                row, column = row + 1, 0
                lines += [""] * (row == len(lines))
            lines[row] = lines[row].ljust(column)[:column] + letter + lines[row][column + 1 :]
            column += 1
        if piece["control"] == "\r":
            column = 0
        elif piece["control"] == "\n":
            row, column = row + 1, 0  # a terminal's driver makes a return and a line feed of it
            lines += [""] * (row == len(lines))
        elif piece["command"] == "A":
            row = max(0, row - int(piece["numbers"] or 1))
        elif piece["command"] == "K":
            lines[row] = ""
    while lines and not lines[-1]:
        lines.pop()
    return lines
