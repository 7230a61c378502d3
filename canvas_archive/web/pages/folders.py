"""``/mail`` and ``/mail/unread|starred|archived|sent|gone``: the lists."""

from __future__ import annotations

import sqlite3
from typing import Any

from datasette import NotFound

from canvas_archive.web import queries
from canvas_archive.web.frame import Frame
from canvas_archive.web.rows import Source, read_page
from canvas_archive.web.visit import Context, Visit, view


@view()
async def folder(visit: Visit) -> Any:
    """Answer with one page of a folder."""
    key = visit.request.url_vars.get("folder") or "inbox"
    chosen = queries.FOLDERS.get(key)
    if chosen is None or visit.request.url_vars.get("folder") == "inbox":
        raise NotFound("There is no such folder.")
    source = Source(chosen.where, chosen.order, {}, mine=key == "sent")

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        return {
            "title": chosen.title,
            "empty": chosen.empty,
            "folder": key,
            "total": frame.counts[key],
            "page": read_page(visit, connection, frame, source),
        }

    return await visit.page("mail/folder.html", build, active=key)


@view()
async def nowhere(visit: Visit) -> Any:
    """Answer calmly to any other address below ``/mail``."""
    raise NotFound("There is no such page.")
