"""Where the pages live: everything under ``/mail``, and the front page of an archive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from datasette import Response

from canvas_archive.web import assets, files, login
from canvas_archive.web.gate import archives
from canvas_archive.web.hooks import hook
from canvas_archive.web.pages import (
    changes,
    courses,
    edits,
    folders,
    people,
    search,
    status,
    thread,
    timeline,
)

ID = r"(?P<id>[0-9]{1,18})"


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
        (r"^/mail/logout$", status.sign_out),
        (rf"^/mail/c/{ID}$", thread.conversation),
        (rf"^/mail/c/{ID}\.(?P<kind>txt|json|eml)$", thread.saved),
        (r"^/mail/edit$", changes.edit),
        (r"^/mail/undo$", changes.undo),
        (r"^/mail/search$", search.page),
        (r"^/mail/search/save$", search.save),
        (r"^/mail/people$", people.index),
        (rf"^/mail/people/{ID}$", people.person),
        (r"^/mail/courses$", courses.index),
        (r"^/mail/courses/(?P<code>[A-Za-z0-9_]{1,80})$", courses.course),
        (r"^/mail/timeline$", timeline.timeline),
        (r"^/mail/edits$", edits.journal),
        (r"^/mail/edits/discard$", edits.discard),
        (r"^/mail/status$", status.status),
        (r"^/mail/status/sync$", status.sync),
        (r"^/mail/status/push$", status.push),
        (rf"^/mail/files/{ID}(?:/[^/]*)?$", files.attachment),
        (r"^/mail/media/(?P<message>[0-9]{1,18})/(?P<media>[^/]{1,200})$", files.recording),
        (r"^/mail(?:/(?P<folder>[a-z]+))?$", folders.folder),
        (r"^/mail/.*$", folders.nowhere),
    ]
    return ([(r"^/$", home)] if len(found) == 1 else []) + pages
