"""Files that only their owner may read, and that are files: no links, FIFOs, sockets or devices.

A file is written in one step: a crash leaves the old one or the new one. A file is opened by
``open_regular``, which follows no link and waits for no FIFO, so an archive that somebody else made can
neither lead out of its folder nor stop the program.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, NoReturn

from canvas_archive.errors import UnusableFile

PARTIAL = ".partial"
"""The end of the name under which a file is written; a crash may leave such a file behind."""

_BINARY = getattr(os, "O_BINARY", 0)  # without it, Windows would turn every line feed into two bytes
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISREG, "a file"),
)


def _refuse(path: Path, mode: int, wanted: str) -> NoReturn:
    found = next((name for matches, name in _KINDS if matches(mode)), "something else")
    raise UnusableFile(
        f"{path} is {found}, not {wanted}. Nothing is read from it or written to it. "
        f"Put {wanted} of that name in its place.",
        reason=f"is {found}, not {wanted}",
    )


def require_regular(path: Path) -> os.stat_result:
    """Return what the system knows of a file. Raises UnusableFile for a link or anything but a file."""
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode):
        _refuse(path, found.st_mode, "a file")
    return found


def require_folder(path: Path) -> None:
    """Raise UnusableFile for a link to a folder, or anything but a folder."""
    mode = os.lstat(path).st_mode
    if not stat.S_ISDIR(mode):
        _refuse(path, mode, "a folder")


def is_regular(path: Path) -> bool:
    """Return whether a file is there: not a link to one, and nothing else."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def require_way(path: Path, below: Path) -> None:
    """Raise UnusableFile when a folder between ``below`` and ``path`` is a link or no folder."""
    for folder in reversed(path.relative_to(below).parents[:-1]):
        require_folder(below / folder)


def descriptor_of(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a file and return its descriptor. Raises UnusableFile for a link or anything but a file.

    The file is looked at before it is opened, because some devices act on being opened, and after, because
    it may have been replaced in between.
    """
    before = require_regular(path)
    try:
        descriptor = os.open(path, flags | _NO_FOLLOW | _BINARY)
    except OSError:
        require_regular(path)
        raise
    after = os.fstat(descriptor)
    if not stat.S_ISREG(after.st_mode) or not os.path.samestat(before, after):
        os.close(descriptor)
        raise UnusableFile(
            f"{path} was replaced while it was opened. Nothing was read from it or written to it.",
            reason="was replaced while it was opened",
        )
    return descriptor


def open_regular(path: Path, *, below: Path | None = None) -> BinaryIO:
    """Open a file for reading. Raises UnusableFile for a link or anything but a file.

    With ``below``, the folders between that one and the file may be no links either.
    """
    if below is not None:
        require_way(path, below)
    return os.fdopen(descriptor_of(path), "rb")


def read_regular(path: Path, most: int) -> bytes:
    """Return the bytes of a small file. Raises UnusableFile when it has more than ``most``, or is no file."""
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UnusableFile(
            f"{path} has more than {most:,} bytes. Nothing was read from it. Restore it from a backup.",
            reason=f"has more than {most:,} bytes",
        )
    return data


def touch_private(path: Path) -> None:
    """Make an empty file, mode 0600, unless it is there. Raises UnusableFile for anything but a file."""
    try:
        os.close(os.open(path, CREATE, 0o600))
    except FileExistsError:
        require_regular(path)


def write_private(path: Path, data: bytes) -> None:
    """Write a small file, mode 0600, and bring it to the disk. Raises OSError; the old file is kept then.

    Whatever link, FIFO or device had the name is replaced; a folder is an UnusableFile.
    """
    partial = path.with_name(f"{path.name}{PARTIAL}")
    for taken in (path, partial):
        if taken.is_dir() and not taken.is_symlink():
            require_regular(taken)
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
