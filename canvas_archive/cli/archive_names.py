"""Archives with a name: folders beside the user's own archive, so that ``--archive NAME`` finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.cli.context import fail
from canvas_archive.places import data_folder, expanded

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "canvas-archives"


def named_folder() -> Path:
    """Return the folder of the archives with a name."""
    return data_folder().with_name(FOLDER)


def named_archives() -> list[Path]:
    """Return the folders of the archives with a name, in the order of their names."""
    below = named_folder()
    return sorted(one for one in below.iterdir() if one.is_dir()) if below.is_dir() else []


def resolved(text: str, *, new: bool = False) -> Path:
    """Return the folder that a name or a path stands for; with ``new``, of an archive that is made.

    A path with a slash, and a folder that exists here, is that folder. Raises BadInput when an archive has
    the name of a folder here.
    """
    path = expanded(text)
    if "/" in text or "\\" in text or path.is_absolute() or text in (".", ".."):
        return path
    named = named_folder() / text
    if not named.is_dir():
        return named if new and not path.exists() else path
    if path.exists():
        fail(
            f"'{text}' is a folder here, and an archive of that name is in {named}. "
            f"For the folder, write --archive ./{text}; for the other one, write its whole path."
        )
    return named
