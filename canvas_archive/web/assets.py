"""``/mail/static/NAME``: the style sheets and the script, cached for ever under their hash."""

from __future__ import annotations

from typing import Any

from datasette import NotFound, Response

from canvas_archive.web.render import STATIC

TYPES = {
    "mail.css": "text/css; charset=utf-8",
    "tables.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "mail.js": "text/javascript; charset=utf-8",
}


async def static(request: Any) -> Any:
    """Answer with one of our own static files. They hold nothing private, so anyone may have them."""
    name = request.url_vars["name"]
    if name not in TYPES:
        raise NotFound("There is no such file.")
    return Response(
        (STATIC / name).read_bytes(),
        content_type=TYPES[name],
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )
