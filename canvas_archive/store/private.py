"""Files that only their owner may read, written in one step: a crash leaves the old one or the new one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from canvas_archive.errors import ForeignFolder

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


def open_regular(path: Path, flags: int, mode: int = 0o600) -> int:
    """Open a regular file, never through a link, and return its descriptor.

    Raises ForeignFolder when a link, a folder, a pipe or a device has that name, OSError for the rest.
    """
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not hasattr(os, "O_NOFOLLOW") and path.is_symlink():
        raise _not_regular(path)
    try:
        descriptor = os.open(path, flags | safe, mode)
    except OSError as error:
        # ELOOP: a link; ENXIO: a pipe without a reader, or a socket.
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO):
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor


def _not_regular(path: Path) -> ForeignFolder:
    return _in_the_way(path, "not a regular file", "opened")


def real_folder(path: Path) -> None:
    """Make sure that a folder is there, private when it is new. Raises ForeignFolder for anything else."""
    try:
        path.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise _in_the_way(path, "not a folder", "written to") from None


def _in_the_way(path: Path, otherwise: str, done: str) -> ForeignFolder:
    what = "a symbolic link" if path.is_symlink() else otherwise
    return ForeignFolder(f"{path} is {what}: it is not {done}. Move it away.")


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
