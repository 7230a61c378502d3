"""Which databases are archives of ours, and who may see or change them.

The plugin is loaded by every Datasette of its environment. It acts only where ``archives()`` finds
one; everything else in this package asks here first.
"""

from __future__ import annotations

import sqlite3
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from datasette import NotFound
from datasette.utils import tilde_decode, tilde_encode

from canvas_archive.store.connection import require_files
from canvas_archive.web.hooks import hook

PLUGIN = "canvas-archive"
SHELF = "/mail/archive"
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
class Archive:
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
        """Tell whether Datasette opened the database as one that can change."""
        return bool(self.database.is_mutable)


_judged: weakref.WeakKeyDictionary[Any, dict[str, tuple[Any, Archive | None]]] = weakref.WeakKeyDictionary()
"""Of each Datasette the databases that were looked into, by name, and what was found there."""


def _is_archive(path: str, *, mutable: bool) -> bool:
    """Look into a database file without Datasette's threads: hooks need the answer before start-up."""
    try:
        require_files(Path(path))
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?{'mode=ro' if mutable else 'immutable=1'}", uri=True
        )
    except (sqlite3.Error, OSError):
        return False
    try:
        found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return False
    finally:
        connection.close()
    return found >= OUR_TABLES


def archives(datasette: Any) -> tuple[Archive, ...]:
    """Return the attached archives in Datasette's order; each database file is looked into once."""
    judged = _judged.setdefault(datasette, {})
    found = []
    for name, database in datasette.databases.items():
        known = judged.get(name)
        if known is None or known[0] is not database:
            known = judged[name] = (database, _archive_in(name, database))
        if known[1] is not None:
            found.append(known[1])
    return tuple(found)


def _archive_in(name: str, database: Any) -> Archive | None:
    if database.path is None or database.is_memory:
        return None
    if not _is_archive(database.path, mutable=database.is_mutable):
        return None
    return Archive(name, database, Path(database.path).absolute().parent)


def is_archive(datasette: Any, database: str | None) -> bool:
    """Tell whether the database of that name is an archive."""
    return any(archive.name == database for archive in archives(datasette))


def mail_path(datasette: Any, name: str, tail: str) -> str:
    """Return the address of a mail page (``tail`` begins with ``/mail``) of the archive of that name.

    Where several archives are attached, each has its pages below ``/mail/archive/NAME``.
    """
    if len(archives(datasette)) > 1:
        tail = f"{SHELF}/{tilde_encode(name)}{tail.removeprefix('/mail')}"
    return str(datasette.urls.path(tail))


async def gate(datasette: Any, request: Any, table: str = "conversations") -> Archive:
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


async def require_reading(datasette: Any, request: Any, archive: Archive, table: str) -> None:
    """Raise Forbidden when the actor may not view ``table``."""
    await datasette.ensure_permissions(
        request.actor,
        [("view-table", (archive.name, table)), ("view-database", archive.name), "view-instance"],
    )


async def may_edit(datasette: Any, request: Any, archive: Archive) -> bool:
    """Tell whether the actor may change the archive, and whether it can be changed at all."""
    if not archive.writable:
        return False
    return bool(await datasette.permission_allowed(request.actor, EDIT, resource=archive.name, default=False))


@hook
def permission_allowed(actor: dict[str, Any] | None, action: str) -> bool | None:
    """Decide our own action alone: on 0.65 the last answer wins, so a ``True`` would open view-* too."""
    if action != EDIT:
        return None
    return bool(actor and actor.get("id") in EDITORS)
