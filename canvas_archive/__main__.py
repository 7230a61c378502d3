"""The console entry point: ``canvas-archive`` and ``python -m canvas_archive``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its documented code."""
    _speak_unicode()
    from canvas_archive.cli import run

    raise SystemExit(run())


def _speak_unicode() -> None:
    """Begin again in Python's UTF-8 mode where arguments and file names would be ASCII alone.

    That is a C locale whose UTF-8 mode was switched off: what is typed would arrive as unreadable bytes, and
    files could not be named as Canvas names them.
    """
    ascii_alone = sys.getfilesystemencoding() == "ascii"
    if ascii_alone and not sys.flags.ignore_environment and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 (this very program)


if __name__ == "__main__":
    main()
