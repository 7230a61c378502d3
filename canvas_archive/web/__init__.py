"""The web pages: a Datasette plugin that makes an archive readable as mail.

It is a package on purpose: for a plain module, where Datasette finds templates depends on the Python
version. Datasette loads it in every process of its environment, so no hook acts unless an archive is
attached (``gate.archives``). Each hook is in the module of its subject; this module gathers them.
"""

from __future__ import annotations

from canvas_archive.web.cells import render_cell
from canvas_archive.web.gate import permission_allowed
from canvas_archive.web.guard import asgi_wrapper
from canvas_archive.web.limits import handle_exception, prepare_connection
from canvas_archive.web.login import actor_from_request, forbidden, skip_csrf
from canvas_archive.web.routes import register_routes
from canvas_archive.web.sql_search import filters_from_request
from canvas_archive.web.statements import startup
from canvas_archive.web.tables import (
    extra_css_urls,
    get_metadata,
    menu_links,
    table_actions,
)

__all__ = [
    "actor_from_request",
    "asgi_wrapper",
    "extra_css_urls",
    "filters_from_request",
    "forbidden",
    "get_metadata",
    "handle_exception",
    "menu_links",
    "permission_allowed",
    "prepare_connection",
    "register_routes",
    "render_cell",
    "skip_csrf",
    "startup",
    "table_actions",
]
