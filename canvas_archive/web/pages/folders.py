"""``/mail`` and ``/mail/unread|starred|archived|sent|gone``: the lists."""

from __future__ import annotations

import sqlite3
from typing import Any

from datasette import NotFound

from canvas_archive.web import queries
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import Context, PageRequest, view
from canvas_archive.web.rows import ListSource, read_page


@view()
async def folder(page_request: PageRequest) -> Any:
    """Answer with one page of a folder."""
    key = page_request.request.url_vars.get("folder") or "inbox"
    chosen = queries.FOLDERS.get(key)
    if chosen is None or page_request.request.url_vars.get("folder") == "inbox":
        raise NotFound("There is no such folder.")
    source = ListSource(chosen.where, chosen.order, {}, mine=key == "sent")

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        return {
            "title": chosen.title,
            "empty": chosen.empty,
            "folder": key,
            "total": frame.counts[key],
            "page": read_page(page_request, connection, frame, source),
        }

    return await page_request.page("mail/folder.html", build, active=key)


@view()
async def nowhere(page_request: PageRequest) -> Any:
    """Answer any other address below ``/mail`` with a page that says so."""
    raise NotFound("There is no such page.")
