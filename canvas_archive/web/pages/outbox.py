"""Messages that wait: changed, withdrawn or tried again on the Changes page, and sent once confirmed."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from canvas_archive.errors import BadInput
from canvas_archive.web import writing
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import Context, PageRequest, form_of, in_thread, view
from canvas_archive.web.pages.edits import answer
from canvas_archive.web.pages.status import stream
from canvas_archive.web.pending import Pending, named_in_form, read_pending

NO_LONGER = "That message no longer waits."
_DO = re.compile(r"(?P<verb>withdraw|again|redraft):(?P<number>[0-9]{1,18})")


@view(table="outbox", method="POST")
async def change(page_request: PageRequest) -> Any:
    """``POST /mail/outbox/N``: write another text into a message that waits."""
    from canvas_archive.sync.online import check_text

    form, number = form_of(page_request), int(page_request.request.url_vars["id"])
    body = form.one("body").replace("\r\n", "\n").rstrip()
    subject = form.one("subject").strip() or None
    check_text(body, subject)
    done = await in_thread(
        lambda: writing.change_message(page_request.archive.path, number, body=body, subject=subject)
    )
    return answer(page_request, "The message is changed. It still waits." if done else NO_LONGER)


@view(table="outbox", method="POST")
async def decide(page_request: PageRequest) -> Any:
    """``POST /mail/outbox``: withdraw a message, make a draft of it, or let a refused one wait again."""
    match = _DO.fullmatch(form_of(page_request).one("do"))
    if match is None:
        raise BadInput("That button is not known. Reload the page and try again.")
    act, said = {
        "withdraw": (writing.withdraw, "The message is withdrawn. It will not be sent."),
        "redraft": (
            lambda path, number: writing.back_to_draft(path, number) is not None,
            "The message is a draft again. It will not be sent.",
        ),
        "again": (writing.queue_again, "The message waits to be sent once more."),
    }[match["verb"]]
    done = await in_thread(lambda: act(page_request.archive.path, int(match["number"])))
    return answer(page_request, said if done else NO_LONGER)


@view(table="edits", method="POST")
async def push(page_request: PageRequest) -> Any:
    """``POST /mail/status/push``: send the edits and messages that the form names, as its page showed them.

    Before a message leaves, a page asks; the form of that page says ``sure``.
    """
    form = form_of(page_request)
    edits, messages = named_in_form(form.all("edit")), named_in_form(form.all("message"))
    if not edits and not messages:
        raise BadInput("Nothing was chosen to be sent. Open Changes to see what waits.")
    if messages and form.one("sure") != "yes":
        return await _ask(page_request, edits, messages)
    return await stream(page_request, "push", lambda syncing: syncing.push_work(edits, messages))


async def _ask(page_request: PageRequest, edits: dict[int, str], messages: dict[int, str]) -> Any:
    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        waits = read_pending(connection, frame.counts)
        chosen = Pending(
            edits=[one for one in waits.edits if one.edit.id in edits],
            conflicts=(),
            messages=[one for one in waits.messages if one.queued.id in messages],
            failed=(),
        )
        return {"title": "Send?", "pending": chosen, "can_sync": page_request.can_sync}

    return await page_request.page("mail/send.html", build, active="edits")
