"""Which databases are archives of ours, and who may see or change them.

The plugin is loaded by every Datasette of its environment. It acts only where ``archives()`` finds
one; everything else in this package asks here first.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from datasette import NotFound
from datasette.utils import tilde_decode, tilde_encode

from canvas_archive.errors import ArchiveError
from canvas_archive.store import connect_readonly
from canvas_archive.store.connection import require_files
from canvas_archive.web.hooks import hook
from canvas_archive.web.per_datasette import PerDatasette

PLUGIN = "canvas-archive"
ARCHIVE_PREFIX = "/mail/archive"
"""Below it are the pages of one archive among several, by the name of its database."""

EDIT = "canvas-archive-edit"
"""The permission to star, archive, mark, discard and save searches."""

OWNER: dict[str, str] = {"id": "owner"}
"""The actor who signed in with the link that ``canvas-archive serve`` printed."""

EDITORS = frozenset({"owner", "root"})
"""``root`` is who opened plain Datasette's ``--root`` link; on 0.65 that actor is nothing more."""

OUR_TABLES = frozenset(
    {"account", "users", "contexts", "conversations", "conversation_participants", "messages", "edits"}
)


@dataclass(frozen=True, slots=True)
class AttachedArchive:
    """A database that is an archive, as Datasette names it, and the folder around it."""

    name: str
    database: Any
    folder: Path

    @property
    def path(self) -> Path:
        """Return the path of ``archive.db``."""
        return Path(self.database.path)

    @property
    def files(self) -> Path:
        """Return the folder of the attachment bytes."""
        return self.folder / "files"

    @property
    def search(self) -> Path:
        """Return the folder of the search index."""
        return self.folder / "search"

    @property
    def writable(self) -> bool:
        """Return whether Datasette opened the database as one that can change."""
        return bool(self.database.is_mutable)


@PerDatasette
def _judged(datasette: Any) -> dict[str, tuple[Any, AttachedArchive | None]]:
    """Return the databases that were examined, by name, each with the archive in it."""
    return {}


def _is_archive(database: Any) -> bool:
    """Examine a database file without Datasette's threads: hooks need the answer before start-up."""
    try:
        with closing(_connect(database)) as connection:
            found = {
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
    except (sqlite3.Error, ArchiveError):
        return False
    return found >= OUR_TABLES


def _connect(database: Any, write: bool = False) -> sqlite3.Connection:
    """Open a database of Datasette's by its exact path.

    Datasette itself parses ``#``, ``?`` and ``%41`` in the path as parts of an address, and then opens (or
    makes) another file. It also cannot open a database on a read-only medium.
    """
    path = Path(database.path).absolute()
    require_files(path)
    if write:
        connection = sqlite3.connect(path, check_same_thread=False)
    elif database.is_mutable:
        connection = connect_readonly(path)
    else:
        connection = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True, check_same_thread=False)
    database._all_file_connections.append(connection)
    return connection


def archives(datasette: Any) -> tuple[AttachedArchive, ...]:
    """Return the attached archives in Datasette's order; each database file is examined once."""
    judged = _judged(datasette)
    found = []
    for name, database in datasette.databases.items():
        known = judged.get(name)
        if known is None or known[0] is not database:
            known = judged[name] = (database, _archive_in(name, database))
        if known[1] is not None:
            found.append(known[1])
    return tuple(found)


def _archive_in(name: str, database: Any) -> AttachedArchive | None:
    if database.path is None or database.is_memory:
        return None
    if not _is_archive(database):
        return None
    database.connect = partial(_connect, database)
    return AttachedArchive(name, database, Path(database.path).absolute().parent)


def archive_named(datasette: Any, database: str | None) -> AttachedArchive | None:
    """Return the archive of that name; ``None`` for a database that is none."""
    return next((archive for archive in archives(datasette) if archive.name == database), None)


def is_archive(datasette: Any, database: str | None) -> bool:
    """Return whether the database of that name is an archive."""
    return archive_named(datasette, database) is not None


def mail_path(datasette: Any, name: str, tail: str) -> str:
    """Return the address of a mail page (``tail`` begins with ``/mail``) of the archive of that name.

    Where several archives are attached, each has its pages below ``/mail/archive/NAME``.
    """
    if len(archives(datasette)) > 1:
        tail = f"{ARCHIVE_PREFIX}/{tilde_encode(name)}{tail.removeprefix('/mail')}"
    return str(datasette.urls.path(tail))


async def gate(datasette: Any, request: Any, table: str = "conversations") -> AttachedArchive:
    """Return the archive the address names, or the first one, or stop the request.

    Routes of plugins bypass Datasette's permissions, so every view begins here.
    Raises NotFound without an archive, Forbidden when the actor may not view ``table``.
    """
    found = archives(datasette)
    name = request.url_vars.get("database")
    if name is not None:
        found = tuple(archive for archive in found if archive.name == tilde_decode(name))
    if not found:
        raise NotFound("No archive is attached" if name is None else "There is no archive of that name.")
    await require_reading(datasette, request, found[0], table)
    return found[0]


async def require_reading(datasette: Any, request: Any, archive: AttachedArchive, table: str) -> None:
    """Raise Forbidden when the actor may not view ``table``."""
    await datasette.ensure_permissions(
        request.actor,
        [("view-table", (archive.name, table)), ("view-database", archive.name), "view-instance"],
    )


async def may_edit(datasette: Any, request: Any, archive: AttachedArchive) -> bool:
    """Return whether the actor may change the archive, and whether it can be changed at all."""
    if not archive.writable:
        return False
    return bool(await datasette.permission_allowed(request.actor, EDIT, resource=archive.name, default=False))


@hook
def permission_allowed(actor: dict[str, Any] | None, action: str) -> bool | None:
    """Decide our own action alone: on 0.65 the last answer wins, so a ``True`` would open view-* too."""
    if action != EDIT:
        return None
    return bool(actor and actor.get("id") in EDITORS)
