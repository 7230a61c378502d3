"""Files that only their owner may read, written in one step: a crash leaves the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path

PARTIAL = ".partial"
"""The end of the name under which a file is written; a crash may leave such a file behind."""

# Without O_BINARY, Windows would turn every line feed into two bytes.
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def write_private(path: Path, data: bytes) -> None:
    """Write a small file, mode 0600, and bring it to the disk. Raises OSError; the old file is kept then."""
    partial = path.with_name(f"{path.name}{PARTIAL}")
    partial.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(partial, CREATE, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Write a folder's entries to the disk, where the system can do that (not on Windows)."""
    if os.name == "posix":  # pragma: no branch - Windows cannot open a folder
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError:  # some network file systems refuse; the rename itself has happened
            return
        finally:
            os.close(descriptor)
