"""``/mail`` and ``/mail/unread|starred|archived|sent|removed``: the lists."""

from __future__ import annotations

import sqlite3
from typing import Any

from datasette import NotFound, Response

from canvas_archive.store.folders import FOLDERS
from canvas_archive.web import queries
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import Context, PageRequest, view
from canvas_archive.web.rows import FORMER_NAMES, read_page, source_of_folder


@view()
async def folder(page_request: PageRequest) -> Any:
    """Answer with one page of a folder."""
    named = page_request.request.url_vars.get("folder")
    if named in FORMER_NAMES:
        query = page_request.request.query_string
        address = f"/mail/{FORMER_NAMES[named]}" + (f"?{query}" if query else "")
        return Response.redirect(page_request.path(address), status=301)
    key = named or "inbox"
    if key not in FOLDERS or named == "inbox":
        raise NotFound("There is no such folder.")
    source = source_of_folder(key)

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        return {
            "title": FOLDERS[key].label,
            "empty": queries.EMPTY[key],
            "folder": key,
            "total": frame.counts[key],
            "page": read_page(page_request, connection, frame, source, "" if key == "inbox" else key),
            "can_sync": page_request.can_sync,
        }

    return await page_request.page("mail/folder.html", build, active=key)


@view()
async def nowhere(page_request: PageRequest) -> Any:
    """Answer any other address below ``/mail`` with a page that says so."""
    raise NotFound("There is no such page.")
