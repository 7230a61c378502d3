"""``/mail/view``: how pages look and which keys there are. A choice is remembered in a cookie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from datasette import Response

from canvas_archive.web.page_request import PageRequest, view
from canvas_archive.web.pages.changes import safe_next
from canvas_archive.web.preferences import CHOICES, COOKIE, YEAR


@view()
async def choices(page_request: PageRequest) -> Any:
    """Answer with the choices and the keys; remember a choice, and go back to the page ``next``."""
    chosen = {
        name: value
        for name, values in CHOICES.items()
        if (value := page_request.argument(name, 16)) in values
    }
    back = safe_next(page_request.argument("next", 2000))
    if not chosen:
        return await page_request.page(
            "mail/view.html",
            lambda connection, frame: {"title": "View and keys", "next": back},
            active="view",
        )
    response = Response.redirect(page_request.path(back), status=303)
    response.set_cookie(
        COOKIE,
        replace(page_request.preferences, **chosen).cookie,
        max_age=YEAR,
        httponly=True,
        samesite="strict",
        secure=page_request.is_secure,
        path=page_request.datasette.setting("base_url"),
    )
    return response
