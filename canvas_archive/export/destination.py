"""Where an export goes: what may be replaced, and how a finished one gets its name in one step."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from canvas_archive.errors import BadInput, ForeignFolder
from canvas_archive.export.bag import PAYLOAD
from canvas_archive.export.formats import format_for
from canvas_archive.store.private import read_regular

RECORD = "export.json"
RECORD_TYPE = "canvas-archive export"
IN_USE = "in-use"
"""The file in a staging folder that is locked while an export is written there."""

_MOST_BYTES = 16 << 20


def is_single_file(dest: Path, formats: tuple[str, ...]) -> bool:
    """Return whether the destination is one file (``inbox.mbox``) and not a folder."""
    return len(formats) == 1 and format_for(dest) == formats[0] and not dest.is_dir()


def check_destination(dest: Path, archive_folder: Path, *, alone: bool, force: bool) -> None:
    """Refuse a destination that exists, or that may not be replaced."""
    if dest.resolve().is_relative_to(archive_folder.resolve()):
        raise BadInput(f"{dest} lies inside the archive. Export to another folder.")
    if not dest.parent.is_dir():
        raise BadInput(f"The folder {dest.parent} does not exist.")
    if not dest.exists() or (dest.is_dir() and not any(dest.iterdir())):
        return
    if not force:
        raise BadInput(f"{dest} exists. Choose another name, or replace it with --force.")
    if dest.is_dir() and not is_export(dest):
        raise ForeignFolder(f"{dest} holds something that is not an export; it is not replaced.")
    if dest.is_file() and not alone:
        raise BadInput(f"{dest} is a file; an export of several files needs a folder.")


def is_export(folder: Path) -> bool:
    """Return whether a folder holds an export of this program, in a bag or not."""
    for record in (folder / RECORD, folder / PAYLOAD / RECORD):
        with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
            if json.loads(read_regular(record, _MOST_BYTES)).get("type") == RECORD_TYPE:
                return True
    return False


@contextlib.contextmanager
def staging(dest: Path) -> Iterator[Path]:
    """Provide a private folder on the destination's disk, removed at the end whatever happens.

    What an export to the same name left behind when it was killed is removed first.
    """
    from filelock import FileLock

    prefix = f".{dest.name}.partial-"
    _remove_leftovers(dest.parent, prefix)
    try:
        stage = Path(tempfile.mkdtemp(prefix=prefix, dir=dest.parent))
    except OSError as error:
        raise BadInput(f"Nothing can be written to {dest.parent}: {error.strerror}.") from error
    try:
        with FileLock(stage / IN_USE, mode=0o600):
            yield stage
    finally:
        _remove(stage)


def _remove_leftovers(folder: Path, prefix: str) -> None:
    """Remove staging folders of this user's that no process holds any more."""
    from filelock import FileLock, Timeout

    name = re.compile(re.escape(prefix) + r"[a-z0-9_]{8}")
    with contextlib.suppress(OSError):
        for stage in [path for path in folder.iterdir() if name.fullmatch(path.name)]:
            with contextlib.suppress(OSError, Timeout):
                about = (stage / IN_USE).lstat()
                own = os.name != "posix" or about.st_uid == os.getuid()
                if own and stat.S_ISREG(about.st_mode) and not stage.is_symlink():
                    with FileLock(stage / IN_USE, timeout=0, mode=0o600):
                        pass
                    _remove(stage)


def _remove(stage: Path) -> None:
    shutil.rmtree(stage, ignore_errors=True)
    _remove_with_few_files(stage)


def _remove_with_few_files(stage: Path) -> None:
    """Remove what ``rmtree`` left because it opens two files for every level, and there were too few."""
    for folder, _, names in os.walk(stage, topdown=False):
        for name in names:
            with contextlib.suppress(OSError):
                Path(folder, name).unlink()
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def put_in_place(made: Path, dest: Path) -> None:
    """Give what was made its name; what had the name before goes only when the new is there.

    A folder and what it replaces change places in one step where the system can do that; elsewhere there is
    a moment between two steps in which nothing has the name.
    """
    if made.is_file():
        made.chmod(0o600)
        made.replace(dest)
        return
    if not dest.exists():
        made.rename(dest)
        return
    if exchange(made, dest):
        return  # what was there lies in the staging folder now, and goes with it
    old = made.parent / "replaced"
    dest.rename(old)
    try:
        made.rename(dest)
    except OSError:
        old.rename(dest)
        raise


def exchange(one: Path, other: Path) -> bool:
    """Swap the names of two files or folders on one disk in one step; return whether the system did it."""
    swap = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":  # pragma: no cover - macOS's name for it
            return bool(library.renamex_np(os.fsencode(one), os.fsencode(other), swap) == 0)
        here = -100  # AT_FDCWD
        return bool(library.renameat2(here, os.fsencode(one), here, os.fsencode(other), swap) == 0)
    except (AttributeError, OSError, TypeError):
        return False
