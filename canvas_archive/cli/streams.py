"""Standard output and error that take any text, and a reader of them that may go away."""

from __future__ import annotations

import io
import os
import sys


def prepare_streams() -> None:
    """Let both streams write every character, whatever encoding the machine chose for them.

    A terminal, and an encoding the person named in ``PYTHONIOENCODING``, stay as they are: what they
    cannot show is written as ``\\u1234``. A pipe or file in a code page becomes UTF-8.
    """
    named = bool(os.environ.get("PYTHONIOENCODING"))
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue  # a test's, or a program's that runs us within itself
        if _is_unicode(stream.encoding) or stream.isatty() or named:
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def takes_everything() -> bool:
    """Return whether standard output can write every character as it is."""
    return _is_unicode(getattr(sys.stdout, "encoding", None) or "utf-8")


def _is_unicode(encoding: str) -> bool:
    return encoding.lower().replace("_", "-").startswith(("utf-8", "utf8", "utf-16", "utf-32"))


def reader_left() -> bool:
    """Return whether click found the reader of standard output gone (``| head``) and ended the run for it."""
    # By its name: the class is click's own affair, and moves from version to version.
    return type(sys.stdout).__name__.strip("_") == "PacifyFlushWrapper"
