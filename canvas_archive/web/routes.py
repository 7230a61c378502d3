"""The addresses of the pages: everything under ``/mail``, and the front page of an archive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from datasette import Response

from canvas_archive.web import assets, files, login
from canvas_archive.web.gate import ARCHIVE_PREFIX, archives
from canvas_archive.web.hooks import hook
from canvas_archive.web.pages import archives as shelf
from canvas_archive.web.pages import (
    changes,
    compose,
    courses,
    edits,
    folders,
    outbox,
    people,
    receipts,
    search,
    status,
    suggest,
    thread,
    timeline,
    view,
)

ID = r"(?P<id>[0-9]{1,18})"
MAIL = rf"(?:{ARCHIVE_PREFIX}/(?P<database>[^/]+)|/mail)"
"""The one archive, or one among several by its name."""


async def home(datasette: Any) -> Any:
    """``/``: mail comes first. Datasette's own index is one click further, under its databases."""
    return Response.redirect(datasette.urls.path("/mail"))


@hook
def register_routes(datasette: Any) -> list[tuple[str, Callable[..., Any]]]:
    """Return the mail pages: none where no archive is attached."""
    found = archives(datasette)
    if not found:
        return []
    # Datasette marks its own static views so that a cookie does not switch off their caching.
    assets.static._datasette_static = True  # type: ignore[attr-defined]
    pages: list[tuple[str, Callable[..., Any]]] = [
        (r"^/mail/static/(?P<name>[\w.-]+)$", assets.static),
        (r"^/mail/login$", login.login),
        (r"^/mail$", shelf.choose),
        (rf"^{MAIL}/logout$", status.sign_out),
        (rf"^{MAIL}/c/{ID}$", thread.conversation),
        (rf"^{MAIL}/c/{ID}\.(?P<kind>txt|json|eml)$", thread.saved),
        (rf"^{MAIL}/c/{ID}/receipts$", receipts.listed),
        (rf"^{MAIL}/receipts/{ID}$", receipts.one),
        (rf"^{MAIL}/c/{ID}/reply$", compose.reply),
        (rf"^{MAIL}/new$", compose.new),
        (rf"^{MAIL}/new/queue$", compose.write),
        (rf"^{MAIL}/send/{ID}$", compose.ask),
        (rf"^{MAIL}/drafts$", compose.listed),
        (rf"^{MAIL}/drafts/discard$", compose.discard),
        (rf"^{MAIL}/edit$", changes.edit),
        (rf"^{MAIL}/undo$", changes.undo),
        (rf"^{MAIL}/search$", search.page),
        (rf"^{MAIL}/search/save$", search.save),
        (rf"^{MAIL}/search/suggest$", suggest.suggest),
        (rf"^{MAIL}/view$", view.choices),
        (rf"^{MAIL}/people$", people.index),
        (rf"^{MAIL}/people/{ID}$", people.person),
        (rf"^{MAIL}/courses$", courses.index),
        (rf"^{MAIL}/courses/(?P<code>[A-Za-z0-9_]{{1,80}})$", courses.course),
        (rf"^{MAIL}/timeline$", timeline.timeline),
        (rf"^{MAIL}/edits$", edits.journal),
        (rf"^{MAIL}/edits/discard$", edits.discard),
        (rf"^{MAIL}/edits/keep$", edits.keep),
        (rf"^{MAIL}/outbox$", outbox.decide),
        (rf"^{MAIL}/outbox/{ID}$", outbox.change),
        (rf"^{MAIL}/status$", status.status),
        (rf"^{MAIL}/status/sync$", status.sync),
        (rf"^{MAIL}/status/push$", outbox.push),
        (rf"^{MAIL}/files/{ID}(?:/[^/]*)?$", files.attachment),
        (rf"^{MAIL}/media/(?P<message>[0-9]{{1,18}})/(?P<media>[^/]{{1,200}})$", files.recording),
        (rf"^{MAIL}(?:/(?P<folder>[a-z]+))?$", folders.folder),
        (rf"^{MAIL}/.*$", folders.nowhere),
    ]
    return ([(r"^/$", home)] if len(found) == 1 else []) + pages
