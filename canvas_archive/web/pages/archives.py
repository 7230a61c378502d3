"""``/mail`` where several archives are attached: which one to read."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from datasette import Forbidden, Response

from canvas_archive.web import queries
from canvas_archive.web.cache import cached
from canvas_archive.web.gate import AttachedArchive, archives, mail_path, require_reading
from canvas_archive.web.page_request import CALM
from canvas_archive.web.pages import folders
from canvas_archive.web.render import render


@dataclass(frozen=True, slots=True)
class ArchiveChoice:
    """An archive to choose: whose mailbox it is and what is in it."""

    name: str
    owner: str
    base_url: str
    inbox: int
    unread: int
    href: str


async def choose(request: Any, datasette: Any) -> Any:
    """Answer with the archives the visitor may read; with the inbox where there is only one archive."""
    found = archives(datasette)
    if len(found) == 1:
        return await folders.folder(request, datasette)
    choices = []
    for archive in found:
        if await _may_read(datasette, request, archive):
            choices.append(await _choice(datasette, archive))
    if not choices:
        raise Forbidden("view-database")
    page = render(datasette, "mail/archives.html", choices=choices)
    return Response.html(page, headers=dict(CALM))


async def _may_read(datasette: Any, request: Any, archive: AttachedArchive) -> bool:
    try:
        await require_reading(datasette, request, archive, "conversations")
    except Forbidden:
        return False
    return True


async def _choice(datasette: Any, archive: AttachedArchive) -> ArchiveChoice:
    def read(connection: sqlite3.Connection) -> ArchiveChoice:
        account = connection.execute(queries.ACCOUNT).fetchone()
        counts = cached(connection, "counts", lambda: dict(connection.execute(queries.COUNTS).fetchone()))
        return ArchiveChoice(
            archive.name,
            account["owner_name"] or archive.name,
            account["base_url"],
            counts["inbox"],
            counts["unread"],
            mail_path(datasette, archive.name, "/mail"),
        )

    choice: ArchiveChoice = await archive.database.execute_fn(read)
    return choice
