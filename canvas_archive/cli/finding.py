"""Searching with an index that is up to date: what ``search`` and the filters of ``list`` share."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, TypeVar

from canvas_archive.cli.context import Settings
from canvas_archive.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

# What is brought up to date on the way to a search: about a second of work.
_SMALL_UPDATE = 2_000
_DOCUMENT_SECONDS = 5.0  # for attached files that nobody has read yet: a search does not wait for all of them


def with_index(settings: Settings, find: Callable[[Path, Path], T]) -> T:
    """Return what ``find`` returns for the database and the index folder of the archive.

    The index is brought up to date first where that is quick, and built where there is none.
    """
    from canvas_archive.cli.index import bring_up_to_date
    from canvas_archive.search import IndexUnusable, pending_messages
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        db_path, search_dir = archive.db_path, archive.search_dir
        pending = pending_messages(archive.db)
    if 0 < pending <= _SMALL_UPDATE and search_dir.is_dir():
        # A sync that is running will do it, and a read-only disk cannot: a search never fails for it.
        with contextlib.suppress(ArchiveError, OSError, sqlite3.Error):
            bring_up_to_date(settings, document_seconds=_DOCUMENT_SECONDS)
    try:
        return find(db_path, search_dir)
    except IndexUnusable as error:
        if error.exit_code != IndexUnusable.exit_code:
            raise  # somebody else's archive: nothing is built in it
        settings.note(f"{error.reason} Building it.")
        bring_up_to_date(settings, anew=True, document_seconds=_DOCUMENT_SECONDS)
        return find(db_path, search_dir)
