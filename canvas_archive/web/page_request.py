"""One request for a mail page: the archive, the reader's zone and rights, and the frame around the page.

A page is made in one go in the database's own thread: the frame, the page's queries and the template.
One hop between threads instead of one per query, and a single time limit over all of it.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from datasette import NotFound, Response
from datasette.utils import sqlite_timelimit

from canvas_archive.clock import SYSTEM
from canvas_archive.errors import ArchiveError
from canvas_archive.store.adoption import require_adopted
from canvas_archive.store.connection import connect_readonly
from canvas_archive.store.drafts import count_drafts, incoming
from canvas_archive.web import login, tokens
from canvas_archive.web.dates import Dates, zone_named
from canvas_archive.web.forms import PostedForm, read_form
from canvas_archive.web.frame import Frame, read_frame
from canvas_archive.web.gate import (
    ARCHIVE_PREFIX,
    PLUGIN,
    AttachedArchive,
    archives,
    gate,
    mail_path,
    may_edit,
)
from canvas_archive.web.preferences import COOKIE, Preferences, preferences_of
from canvas_archive.web.render import render
from canvas_archive.web.undo import notice_of

T = TypeVar("T")
Context: TypeAlias = dict[str, Any]
Build: TypeAlias = "Callable[[sqlite3.Connection, Frame], Context]"
View: TypeAlias = Callable[["PageRequest"], Awaitable[Any]]

ZONE_COOKIE = "canvas_archive_zone"
_UNDER_PREFIX = re.compile(rf"^{ARCHIVE_PREFIX}/[^/?]+")
CALM = {"Cache-Control": "private, no-store"}


class PageTooSlow(ArchiveError):
    """A page's queries ran over the time limit."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request, and how its answer is made."""

    datasette: Any
    request: Any
    archive: AttachedArchive
    dates: Dates
    can_edit: bool

    @property
    def form_token(self) -> str:
        """Return what every form of this visitor must carry."""
        return login.form_token(self.datasette, self.request)

    @property
    def signed_in(self) -> bool:
        """Return whether there is a session that could be ended."""
        return login.access_policy(self.datasette).locked

    @property
    def is_secure(self) -> bool:
        """Return whether the browser reaches this server by https."""
        return login.is_secure(self.datasette, self.request)

    @property
    def can_sync(self) -> bool:
        """Return whether this visitor can start a sync: with the right to edit, and a token."""
        return self.can_edit and tokens.token_available(self.datasette, self.archive.folder)

    @property
    def wants_json(self) -> bool:
        """Return whether the page's script sent the request, rather than a plain form."""
        return "application/json" in self.request.headers.get("accept", "")

    @property
    def accepts_html(self) -> bool:
        """Return whether a browser without our script sent the request: it needs a page."""
        return "text/html" in self.request.headers.get("accept", "")

    @property
    def preferences(self) -> Preferences:
        """Return what the reader chose for the pages."""
        return preferences_of(self.request.cookies.get(COOKIE) or "")

    @property
    def here(self) -> str:
        """Return this page's address as ``path`` takes it, without server, base path and archive."""
        base = self.datasette.setting("base_url").rstrip("/")
        return _UNDER_PREFIX.sub("/mail", str(self.request.full_path).removeprefix(base))

    def incoming(self) -> Path:
        """Return the folder for files of a form. Raises NotAdopted for somebody else's archive."""
        with closing(connect_readonly(self.archive.path)) as reader:
            require_adopted(reader, self.archive.folder)
        return incoming(self.archive.folder)

    def argument(self, name: str, limit: int = 400) -> str:
        """Return a query parameter without surrounding space, cut to ``limit``; empty when absent."""
        return str(self.request.args.get(name) or "").strip()[:limit]

    def path(self, tail: str) -> str:
        """Return the address of a page of this archive, below the base path."""
        return mail_path(self.datasette, self.archive.name, tail)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on a read-only connection in the database's thread.

        Raises TooSlow over Datasette's ``sql_time_limit_ms``.
        """
        limit = self.datasette.setting("sql_time_limit_ms")

        def within_limit(connection: sqlite3.Connection) -> T:
            with sqlite_timelimit(connection, limit):
                try:
                    return work(connection)
                except sqlite3.OperationalError as error:
                    if "interrupted" in str(error):
                        raise PageTooSlow(
                            "That took longer than a page may take. Narrow it down, or ask in SQL."
                        ) from None
                    raise

        result: T = await self.archive.database.execute_fn(within_limit)
        return result

    async def page(self, template: str, build: Build, *, active: str = "", status: int = 200) -> Any:
        """Answer with a whole page: ``build`` returns the template's own variables."""

        def make(connection: sqlite3.Connection) -> str:
            frame = read_frame(connection, self.dates)
            return self.draw(template, frame, build(connection, frame), active=active)

        return Response.html(await self.read(make), status=status, headers=dict(CALM))

    def draw(self, template: str, frame: Frame, context: Context, *, active: str = "") -> str:
        """Render a template inside the frame."""
        mail = self.path("/mail")  # once: a list has hundreds of addresses
        return render(
            self.datasette,
            template,
            **{
                "q": "",
                "page_request": self,
                "path": lambda tail: mail + tail.removeprefix("/mail"),
                "others": len(archives(self.datasette)) > 1,
                "shelf": self.datasette.urls.path("/mail"),
                "frame": frame,
                "dates": self.dates,
                "offset": self.dates.offset,
                "active": active,
                "can_edit": self.can_edit,
                "preferences": self.preferences,
                "drafts": count_drafts(self.archive.folder),
                "token": self.form_token,
                "here": self.here,
                "tables": self.datasette.urls.database(self.archive.name),
                "database": self.archive.name,
                "notice": notice_of(self.datasette, self.argument("done", 64)),
                **context,
            },
        )

    async def message(self, title: str, sentence: str, status: int) -> Any:
        """Answer with a page of one sentence."""
        if self.wants_json:
            return Response.json({"ok": False, "message": sentence}, status=status, headers=dict(CALM))
        return await self.page(
            "mail/message.html",
            lambda connection, frame: {"title": title, "sentence": sentence},
            status=status,
        )


def view(
    table: str = "conversations", *, method: str = "GET", files: bool = False
) -> Callable[[View], Callable[..., Awaitable[Any]]]:
    """Make a route of a function of a PageRequest: gated, with errors turned into pages.

    A ``POST`` view is reached only with the right to edit and a form of ours, which may have ``files``.
    """
    methods = ("GET", "HEAD") if method == "GET" else (method,)

    def decorate(function: View) -> Callable[..., Awaitable[Any]]:
        async def route(request: Any, datasette: Any) -> Any:
            if request.method not in methods:
                return Response.text(
                    f"{method} only.\n", status=405, headers={"Allow": ", ".join(methods), **CALM}
                )
            archive = await gate(datasette, request, table)
            zone = zone_named(
                request.cookies.get(ZONE_COOKIE) or (datasette.plugin_config(PLUGIN) or {}).get("timezone")
            )
            page_request = PageRequest(
                datasette,
                request,
                archive,
                Dates(zone, SYSTEM.now()),
                await may_edit(datasette, request, archive),
            )
            try:
                if method == "POST":
                    return await _posted(function, page_request, files=files)
                return await function(page_request)
            except NotFound as error:
                return await page_request.message("Not found", str(error), 404)
            except PageTooSlow as error:
                return await page_request.message("Too much at once", str(error), 503)
            except ArchiveError as error:
                return await page_request.message("That did not work", str(error), 400)

        # Not functools.wraps: Datasette passes what the signature names, and would follow it to ``function``.
        route.__name__, route.__doc__ = function.__name__, function.__doc__
        return route

    return decorate


async def _posted(function: View, page_request: PageRequest, *, files: bool) -> Any:
    if not page_request.archive.writable:
        return await page_request.message(
            "Read only", "This archive is open as immutable, so nothing in it can change.", 403
        )
    if not page_request.can_edit:
        return await page_request.message(
            "Sign in first",
            "Open the link that the terminal printed, then try again. Nothing was changed.",
            403,
        )

    def is_ours(form: PostedForm) -> bool:
        return login.form_is_ours(page_request.datasette, page_request.request, form.one("csrf"))

    form = await read_form(page_request.request, is_ours, page_request.incoming if files else None)
    try:
        page_request.request.scope["canvas_archive_form"] = form
        if not is_ours(form):
            return await page_request.message(
                "This page was out of date",
                "The server was restarted or you signed in again since. Reload the page and try once more.",
                403,
            )
        return await function(page_request)
    finally:
        form.close()


def form_of(page_request: PageRequest) -> PostedForm:
    """Return the form of a ``POST`` view."""
    form: PostedForm = page_request.request.scope["canvas_archive_form"]
    return form


async def in_thread(work: Callable[[], T]) -> T:
    """Run blocking work that needs no database connection of Datasette's."""
    return await asyncio.get_running_loop().run_in_executor(None, work)
