"""Writing: a reply in its thread, a new message. Both go to the outbox; a page asks before one is sent."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from datasette import NotFound, Response

from canvas_archive.errors import BadInput
from canvas_archive.store.outbox import Draft
from canvas_archive.web import queries, writing
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import Context, PageRequest, form_of, in_thread, view
from canvas_archive.web.pending import Pending, read_pending
from canvas_archive.web.undo import remember

MOST_SUGGESTED = 400
MOST_RECIPIENTS = 100
_SEPARATOR = re.compile(r"[,;\n]")


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed into the form of a new message, and what is wrong with it."""

    to: str = ""
    subject: str = ""
    body: str = ""
    group: bool = False
    error: str = ""


def body_of(text: str) -> str:
    """Return a text field as it is sent: one kind of line break, no blank end."""
    return text.replace("\r\n", "\n").rstrip()


def queued(page_request: PageRequest, number: int, *, send: bool) -> Any:
    """Go on after a message was put into the outbox: to the question, or to Changes."""
    if send:
        return Response.redirect(page_request.path(f"/mail/send/{number}"), status=303)
    notice = remember(page_request.datasette, "The message waits on Changes until it is sent.")
    return Response.redirect(page_request.path(f"/mail/edits?done={notice.key}"), status=303)


@view(table="outbox", method="POST")
async def reply(page_request: PageRequest) -> Any:
    """``POST /mail/c/ID/reply``: put a reply into the outbox: to everyone, or to those ticked (``to``)."""
    from canvas_archive.sync.online import check_text

    form, ident = form_of(page_request), int(page_request.request.url_vars["id"])
    body = body_of(form.one("body"))
    check_text(body)
    chosen = () if form.one("all") else tuple(dict.fromkeys(form.all("to")))
    if not form.one("all") and not chosen:
        raise BadInput("Tick whom the reply goes to. Go back: your text is still there.")

    def check(connection: sqlite3.Connection) -> None:
        row = connection.execute(queries.REPLY_TO, {"id": ident}).fetchone()
        if row is None or row["removed_at"] is not None:
            raise BadInput("This conversation is no longer on Canvas: nobody would get a reply.")
        people = connection.execute(queries.PEOPLE_OF, {"ids": f"[{ident}]"}).fetchall()
        if not set(chosen) <= {str(person["id"]) for person in people}:
            raise BadInput("A reply goes only to people of its conversation. Go back and tick them again.")

    await page_request.read(check)
    draft = Draft("reply", body, conversation_id=ident, recipients=chosen)
    number = await in_thread(lambda: writing.queue(page_request.archive.path, draft))
    return queued(page_request, number, send=form.one("do") == "send")


async def _form(page_request: PageRequest, typed: Typed, status: int = 200) -> Any:
    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        suggested = connection.execute(queries.SUGGESTED, {"limit": MOST_SUGGESTED, "owner": frame.owner_id})
        return {
            "title": "New message",
            "typed": typed,
            "suggested": [row[0] for row in suggested],
            "can_sync": page_request.can_sync,
        }

    return await page_request.page("mail/new.html", build, status=status)


@view(table="outbox")
async def new(page_request: PageRequest) -> Any:
    """``/mail/new``: the form of a new message; ``to`` fills in whom it is for."""
    return await _form(page_request, Typed(to=page_request.argument("to", 2000)))


@view(table="outbox", method="POST")
async def write(page_request: PageRequest) -> Any:
    """``POST /mail/new/queue``: put a new message into the outbox. What is wrong is said above the form."""
    from canvas_archive.store.addressees import resolve_offline
    from canvas_archive.sync.online import check_text

    form = form_of(page_request)
    typed = Typed(
        form.one("to"), form.one("subject").strip(), body_of(form.one("body")), bool(form.one("group"))
    )
    names = [name for part in _SEPARATOR.split(typed.to) if (name := part.strip())]
    try:
        if not names:
            raise BadInput("Whom is it for? Give names, with commas between them.")
        if len(names) > MOST_RECIPIENTS:
            raise BadInput(
                f"At most {MOST_RECIPIENTS} names. For a whole course give its code, like course_12."
            )
        check_text(typed.body, typed.subject or None)
        people = await page_request.read(lambda connection: resolve_offline(connection, names))
    except BadInput as error:
        error_sentence = str(error).replace("'canvas-archive recipients NAME'", "People")
        return await _form(page_request, Typed(**{**_fields(typed), "error": error_sentence}), 400)
    draft = Draft(
        "send",
        typed.body,
        recipients=tuple(one.code for one in people),
        subject=typed.subject or None,
        group=typed.group,
        force_new=not typed.group,  # not into an old private conversation, whose subject would win
    )
    number = await in_thread(lambda: writing.queue(page_request.archive.path, draft))
    return queued(page_request, number, send=form.one("do") == "send")


def _fields(typed: Typed) -> dict[str, Any]:
    return {name: getattr(typed, name) for name in Typed.__slots__}


@view(table="outbox")
async def ask(page_request: PageRequest) -> Any:
    """``/mail/send/N``: ask whether one waiting message is to be sent now."""
    number = int(page_request.request.url_vars["id"])

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        waits = read_pending(connection, frame.counts)
        chosen = [one for one in waits.messages if one.queued.id == number]
        if not chosen:
            raise NotFound("That message no longer waits.")
        pending = Pending(edits=(), conflicts=(), messages=chosen, failed=())
        return {"title": "Send?", "pending": pending, "can_sync": page_request.can_sync}

    return await page_request.page("mail/send.html", build, active="edits")
