"""``POST /mail/edit`` and ``POST /mail/undo``: the buttons of lists and conversations.

One form holds a whole list: its check boxes are named ``id``, its buttons ``do``. A button of a single
row says ``star:17``: it means that row, and no check box.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

from datasette import Response

from canvas_archive.errors import BadInput
from canvas_archive.store.verbs import VERBS
from canvas_archive.web import writing
from canvas_archive.web.frame import read_frame
from canvas_archive.web.lists import list_of
from canvas_archive.web.page_request import PageRequest, form_of, in_thread, view
from canvas_archive.web.render import plural
from canvas_archive.web.rows import ids_of
from canvas_archive.web.undo import Notice, remember, take

_NEXT = re.compile(r"/mail(?:/[\w~/.:-]*)?(?:\?[\w~/?=&%.:+*-]*)?")
_FOR_ONCE = re.compile(r"([?&])(?:done|select|row)=[^&]*&?")
_DO = re.compile(r"(?P<verb>[a-z]+)(?::(?P<id>[0-9]{1,18}))?")


def safe_next(target: str) -> str:
    """Return where to go after a form: a mail page of this server, without the last notice."""
    if not _NEXT.fullmatch(target) or "//" in target:
        return "/mail"
    return _FOR_ONCE.sub(r"\1", _FOR_ONCE.sub(r"\1", target)).rstrip("?&")


async def whole_list(page_request: PageRequest, scope: str, total: str) -> list[int]:
    """Return the conversations of the list that a form names, when it still has as many as the page said.

    Raises BadInput for a list that has changed or is too long.
    """

    def read(connection: sqlite3.Connection) -> tuple[list[int], int]:
        frame = read_frame(connection, page_request.dates)
        opened = list_of(connection, frame, page_request.dates, "" if scope == "inbox" else scope)
        if (opened.context or "inbox") != scope or opened.source is None:
            raise BadInput("That list is not known. Reload the page and try again.")
        return ids_of(connection, opened.source, writing.WHOLE_LIST)

    ids, count = await page_request.read(read)
    if str(count) != total:
        raise BadInput(
            f"The list has changed: it has {plural(count, 'conversation')} now. Nothing was changed. "
            "Select all again."
        )
    return ids


def wanted(do: str, ticked: list[str], all_of_list: list[int] | None = None) -> tuple[str, list[int]]:
    """Read what a form asks for: the verb, and the conversations in their order.

    Raises BadInput for an unknown verb, no conversation at all, or too many.
    """
    match = _DO.fullmatch(do)
    if match is None or match["verb"] not in VERBS:
        raise BadInput("That button is not known. Reload the page and try again.")
    texts = [match["id"]] if match["id"] else ticked
    ids = list(dict.fromkeys(int(text) for text in texts if re.fullmatch(r"[0-9]{1,18}", text)))
    if all_of_list is not None:
        return match["verb"], all_of_list
    if not ids:
        raise BadInput("Tick at least one conversation first.")
    if len(ids) > writing.AT_ONCE:
        raise BadInput(f"At most {writing.AT_ONCE} conversations can be changed at once.")
    return match["verb"], ids


def go_on(page_request: PageRequest, key: str, message: str, *, can_undo: bool, changed: list[int]) -> Any:
    """Answer a form: JSON for the page's script, else back to the page the form was on."""
    if page_request.wants_json:
        return Response.json(
            {"ok": True, "message": message, "undo": key if can_undo else None, "changed": changed},
            headers={"Cache-Control": "no-store"},
        )
    target = safe_next(form_of(page_request).one("next"))
    return Response.redirect(
        page_request.path(f"{target}{'&' if '?' in target else '?'}done={key}"), status=303
    )


@view(method="POST")
async def edit(page_request: PageRequest) -> Any:
    """Star, archive or mark what the form names."""
    form = form_of(page_request)
    do, scope = form.one("do"), form.one("scope")
    ticked = await whole_list(page_request, scope, form.one("total")) if scope and ":" not in do else None
    verb, ids = wanted(do, form.all("id") if ticked is None else [], ticked)
    applied = await in_thread(lambda: writing.apply(page_request.archive.path, verb, ids))
    changes = tuple(applied.changes)
    message = writing.sentence(verb, changes)
    notice = remember(page_request.datasette, message, changes)
    return go_on(
        page_request,
        notice.key,
        message,
        can_undo=notice.can_undo,
        changed=[change.conversation_id for change in changes],
    )


def _undone(path: Path, notice: Notice) -> str:
    if notice.message is None:
        return writing.undone(notice.changes, writing.undo(path, notice.changes))
    if writing.back_to_draft(path, notice.message) is None:
        return "Nothing to undo: that message no longer waits."
    return "Undone. The message is a draft again."


@view(method="POST")
async def undo(page_request: PageRequest) -> Any:
    """Undo the changes of the notice with that key."""
    notice = take(page_request.datasette, form_of(page_request).one("undo"))
    if notice is None:
        raise BadInput("That was already undone, or is too long ago. The Changes page can still discard it.")
    message = await in_thread(lambda: _undone(page_request.archive.path, notice))
    return go_on(
        page_request,
        remember(page_request.datasette, message).key,
        message,
        can_undo=False,
        changed=[change.conversation_id for change in notice.changes],
    )
