"""What the machine refuses (disk, permissions, open files, locks), told as errors of this program.

The code that reads and writes does not watch for these: they can strike anywhere, and nothing there could
mend them. They are translated once, where a whole run ends.
"""

from __future__ import annotations

import codecs
import errno
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from canvas_archive.errors import ArchiveError, ArchiveLocked, MachineTrouble, VerificationFailed

_DISK_FULL = "The disk is full: {where} cannot be written. Make room and run the command again; {kept}."
_TOO_LARGE = (
    "{where} may not grow any larger: a limit of this machine or of the file system. Raise it; {kept}."
)
_READ_ONLY = "{where} is on a disk that can only be read. Make it writable, or work on a copy; {kept}."
_NOT_ALLOWED = "{where} may not be read or written by you. Give yourself the permission; {kept}."
_TOO_MANY_FILES = "Too many files are open for this machine's limit (ulimit -n). Raise it; {kept}."
_CANNOT_OPEN = (
    "{where} cannot be opened: you lack the permission, or too many files are open (ulimit -n); {kept}."
)
_NO_SUCH_LETTERS = (
    "The name {where} has letters this machine's locale cannot write. Set LC_ALL=C.UTF-8 or PYTHONUTF8=1; "
    "{kept}."
)
_DISK_FAILS = "The disk fails at {where}. Look after it, then run 'canvas-archive verify'; {kept}."
_KEPT = "what was done before is kept"

_BY_NUMBER = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EFBIG: _TOO_LARGE,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.EMFILE: _TOO_MANY_FILES,
    errno.ENFILE: _TOO_MANY_FILES,
    errno.EIO: _DISK_FAILS,
}
# SQLite's own sentences: Python 3.10 has no numbers for them.
_BY_SENTENCE = {
    "database or disk is full": _DISK_FULL,
    "attempt to write a readonly database": _READ_ONLY,
    "disk i/o error": _DISK_FAILS,
    "unable to open database file": _CANNOT_OPEN,
}


def machine_trouble(error: BaseException) -> ArchiveError | None:
    """Return the error to tell for trouble of the machine; ``None`` when this is something else. Pure.

    ArchiveLocked for a database that another program keeps locked, VerificationFailed for one that is
    damaged, MachineTrouble for the rest.
    """
    if isinstance(error, sqlite3.DatabaseError):
        return _of_sqlite(str(error).lower())
    if isinstance(error, OSError) and error.errno in _BY_NUMBER:
        where = error.filename2 or error.filename
        return _trouble(_BY_NUMBER[error.errno], str(where) if isinstance(where, (str, bytes)) else "a file")
    if isinstance(error, UnicodeEncodeError) and _is_for_files(error.encoding):
        return _trouble(_NO_SUCH_LETTERS, ascii(error.object))
    return None


def _is_for_files(encoding: str) -> bool:
    return codecs.lookup(encoding) == codecs.lookup(sys.getfilesystemencoding())


def concerns_every_archive(error: BaseException) -> bool:
    """Return whether another archive would meet the same: a full disk, too many open files. Pure."""
    converted = error if isinstance(error, MachineTrouble) else machine_trouble(error.__cause__ or error)
    return isinstance(converted, MachineTrouble) and converted.everywhere


def as_archive_error(error: Exception) -> ArchiveError:
    """Return the error to show for one of many archives, whatever it was: the others go on. Pure."""
    converted = error if isinstance(error, ArchiveError) else machine_trouble(error)
    if converted is None and isinstance(error, sqlite3.Error):
        converted = VerificationFailed(
            f"The archive's database cannot be read ({error}). 'canvas-archive verify' shows what is wrong."
        )
    if converted is None:
        converted = ArchiveError(
            f"Unexpected error: {type(error).__name__}: {error}. This is a defect. The same command with "
            "--archive DIR --debug shows where it happened."
        )
    if converted is not error:
        converted.__cause__ = error
    return converted


@contextmanager
def machine_errors_converted() -> Iterator[None]:
    """Raise what ``machine_trouble`` makes of an error of the block, where it makes anything of it."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        trouble = machine_trouble(error)
        if trouble is None:
            raise
        raise trouble from error


def _of_sqlite(sentence: str) -> ArchiveError | None:
    if "locked" in sentence:
        return ArchiveLocked(
            "Another program keeps the archive's database locked (an open transaction in a SQLite shell?). "
            "End it and run the command again."
        )
    if "malformed" in sentence or "not a database" in sentence:
        return VerificationFailed(
            "The archive's database is damaged. 'canvas-archive verify' tells what; restore a backup, or "
            "make a new archive: what is on Canvas can be pulled again."
        )
    for known, template in _BY_SENTENCE.items():
        if known in sentence:
            return _trouble(template, "the archive's database")
    return None


def _trouble(template: str, where: str) -> MachineTrouble:
    sentence = template.format(where=where, kept=_KEPT)
    trouble = MachineTrouble(sentence[0].upper() + sentence[1:])
    trouble.everywhere = template in (_DISK_FULL, _TOO_MANY_FILES)
    return trouble
