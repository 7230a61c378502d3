"""What may stand where a file of an archive belongs, in the tests of what is opened."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

ODD = ("link", "fifo", "socket", "folder", "zero") if os.name == "posix" else ("link", "folder")
"""A link to a file, a FIFO nobody writes to, a socket, a folder, and an endless device behind a link."""


def put_odd(path: Path, odd: str) -> None:
    """Put something that is no file in the place of a file or folder, which may be there or not."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if odd == "link":
        target = path.parent.parent / f"target of {path.name}"
        target.write_bytes(b"precious")
        path.symlink_to(target)
    elif odd == "fifo":
        os.mkfifo(path)
    elif odd == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # the address of a socket is short
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
        finally:
            os.chdir(here)
    elif odd == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
