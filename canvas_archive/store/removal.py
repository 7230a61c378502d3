"""Deleting an archive: only what is its own, and no link is followed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from canvas_archive.errors import ForeignFolder, NoArchive
from canvas_archive.store import drafts
from canvas_archive.store.blobs import INCOMING
from canvas_archive.store.folder import (
    DB_NAME,
    FILE_NAMES,
    FILES_NAME,
    FOLDER_NAMES,
    SEARCH_NAME,
    SIGNATURES_NAME,
    UNFINISHED_NAME,
    is_archive,
)
from canvas_archive.store.lock import LOCK_NAME

_MOST_NAMED = 5
_LEFT = UNFINISHED_NAME.removeprefix(DB_NAME)
_DATABASE = rf"{re.escape(DB_NAME)}(\.before-v\d+(\.\d+)?|{re.escape(_LEFT)})?(-wal|-shm|-journal)?"
_OTHERS = "|".join(map(re.escape, FILE_NAMES))
_OWN_FILE = re.compile(rf"{_DATABASE}|({_OTHERS})(\.partial)?")
_BLOBS, _PARTS = r"[0-9a-f]{2}(/[0-9a-f]{64}(\.partial)?)?", rf"{re.escape(INCOMING)}(/[0-9]+\.part)?"
_OWN_BELOW = {
    FILES_NAME: re.compile(f"{_BLOBS}|{_PARTS}"),
    drafts.DRAFTS_NAME: re.compile(drafts.OWN_PATH),
    SEARCH_NAME: re.compile(r"_?MAIN_[0-9A-Za-z_]+(\.[0-9A-Za-z]+)*"),
    SIGNATURES_NAME: re.compile(r"[0-9A-Za-z._-]+"),
}
"""What an archive's folders hold, by their paths below them."""
_WITH_FOLDERS = (FILES_NAME, drafts.DRAFTS_NAME)
"""Those that hold folders, of which each path is one name."""


def check_own(folder: Path) -> list[tuple[str, int]]:
    """Return the relative path and mode of everything in an archive's folder.

    Raises ForeignFolder when the folder is a link or holds anything that is not an archive's.
    """
    if folder.is_symlink():
        raise ForeignFolder(f"{folder} is a link: nothing was deleted. Name the folder that it leads to.")
    if not is_archive(folder):
        raise NoArchive(f"There is no archive in {folder}. To see which there are: canvas-archive archives")
    found = list(_walk(folder))
    foreign = [path for path, mode in found if not _is_own(path, mode)]
    if foreign:
        named = ", ".join(foreign[:_MOST_NAMED])
        more = f" and {len(foreign) - _MOST_NAMED:,} more" if len(foreign) > _MOST_NAMED else ""
        raise ForeignFolder(
            f"Nothing was deleted: {folder} holds what is not of the archive: {named}{more}. "
            "Move it elsewhere, then run the command again."
        )
    return found


def remove_archive(folder: Path) -> None:
    """Delete an archive's folder. The caller holds the writer's lock, and has closed the database.

    The database goes last: after an interruption the folder is still an archive, and can be removed. Raises
    what ``check_own`` raises.
    """
    found = check_own(folder)
    last = {LOCK_NAME: 2, DB_NAME: 1}
    # Folders come after what is in them.
    for path, mode in sorted(found, key=lambda one: (last.get(one[0], 0), -one[0].count("/"))):
        if stat.S_ISDIR(mode):
            (folder / path).rmdir()
        elif path != LOCK_NAME or os.name == "posix":
            (folder / path).unlink()
    if os.name == "posix":
        folder.rmdir()


def _walk(folder: Path, below: str = "") -> Iterator[tuple[str, int]]:
    """Yield the relative path and mode of everything in a folder; no link is followed."""
    with os.scandir(folder / below) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            path = f"{below}{entry.name}"
            if stat.S_ISDIR(mode):
                yield from _walk(folder, f"{path}/")
            yield path, mode


def _is_own(path: str, mode: int) -> bool:
    top, _, rest = path.partition("/")
    if stat.S_ISDIR(mode):
        if not rest:
            return top in FOLDER_NAMES
        return top in _WITH_FOLDERS and "/" not in rest and _OWN_BELOW[top].fullmatch(rest) is not None
    if not stat.S_ISREG(mode):
        return False
    if not rest:
        return _OWN_FILE.fullmatch(top) is not None
    return top in _OWN_BELOW and _OWN_BELOW[top].fullmatch(rest) is not None
