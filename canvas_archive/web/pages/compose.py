"""Writing a reply, a new message or a forwarded one. Each is a draft until it is queued."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from dataclasses import replace
from typing import Any

from datasette import NotFound, Response

from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.store import drafts
from canvas_archive.store.addressees import described, of_code
from canvas_archive.store.drafts import SavedDraft
from canvas_archive.store.forwarded import forwardable, forwarded_subject
from canvas_archive.web import writing
from canvas_archive.web.composing import check, compose_form, settle_names, typed_draft
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import CALM, Context, PageRequest, form_of, in_thread, view
from canvas_archive.web.pending import Pending, read_pending
from canvas_archive.web.per_datasette import PerDatasette
from canvas_archive.web.undo import remember

_MOST_REMEMBERED = 1000
_SUBJECT = "SELECT coalesce(subject, '(no subject)') FROM conversations WHERE id = ?"
TWICE = "This message was queued already. It stands below."
BESIDE = (
    "Another page had changed, queued or discarded this draft. What you typed here is another draft now. "
    "Look at its files."
)


@PerDatasette
def _queued(datasette: Any) -> OrderedDict[str, None]:
    """Return the names of drafts that were queued: a button pressed twice sends once."""
    return OrderedDict()


@view(table="outbox", method="POST", files=True)
async def reply(page_request: PageRequest) -> Any:
    """``POST /mail/c/ID/reply``: queue, send, keep or discard a reply: to ``all``, or to those ticked."""
    ident = int(page_request.request.url_vars["id"])
    return await _act(page_request, SavedDraft("", "reply", ident))


@view(table="outbox", method="POST", files=True)
async def write(page_request: PageRequest) -> Any:
    """``POST /mail/new/queue``: the same for a new message, or a forwarded one."""
    return await _act(page_request, SavedDraft(""))


async def _act(page_request: PageRequest, blank: SavedDraft) -> Any:
    """Do what a button of the form says (``do``); whatever fails, what was typed is kept as a draft."""
    form, archive = form_of(page_request), page_request.archive
    do, _, detail = (form.one("do") or "queue").partition(":")
    ident = form.one("draft") if drafts.is_id(form.one("draft")) else drafts.new_id()
    if ident in _queued(page_request.datasette):
        return _go_on(page_request, TWICE, "/mail/edits", status=409)
    if do == "discard":
        await in_thread(lambda: writing.discard_draft(archive.path, ident))
        return _go_on(page_request, "The draft is discarded.", "/mail/drafts")
    stored = await in_thread(lambda: drafts.read_draft(archive.folder, ident))
    typed = typed_draft(form, stored, replace(blank, id=ident))
    if do != "keep":
        typed = await page_request.read(lambda connection: settle_names(connection, typed))
    if typed.is_empty and not form.files and stored is None:
        kept = writing.Kept(typed)
    else:
        kept = await in_thread(
            lambda: writing.keep_draft(
                archive.path, typed, form.one("version"), form.files, detail if do == "remove" else ""
            )
        )
    if kept.beside:
        return await _form(page_request, kept.draft, BESIDE, 409)
    if do == "keep" and page_request.wants_json:
        return Response.json(
            {"ok": True, "draft": kept.draft.id, "version": kept.draft.version}, headers=CALM
        )
    if do == "keep":
        return _go_on(page_request, "The draft is kept. It is not sent.", _place_of(kept.draft))
    if do in ("attach", "remove", "find"):
        return Response.redirect(page_request.path(_place_of(kept.draft)), status=303)
    try:
        await page_request.read(lambda connection: check(connection, kept.draft))
        number = await in_thread(lambda: writing.queue_draft(archive.path, kept.draft))
    except ArchiveError as error:
        return await _form(page_request, kept.draft, str(error), 400)
    queued = _queued(page_request.datasette)
    queued[ident] = None
    while len(queued) > _MOST_REMEMBERED:
        queued.popitem(last=False)
    if do == "send":
        return Response.redirect(page_request.path(f"/mail/send/{number}"), status=303)
    notice = remember(
        page_request.datasette, "The message waits on Changes until it is sent.", message=number
    )
    return Response.redirect(page_request.path(f"/mail/edits?done={notice.key}"), status=303)


def _place_of(draft: SavedDraft) -> str:
    """Return the page that shows a draft."""
    if draft.kind == "reply":
        return f"/mail/c/{draft.conversation_id}?draft={draft.id}#reply"
    return f"/mail/new?draft={draft.id}"


def _go_on(page_request: PageRequest, sentence: str, place: str, *, status: int = 200) -> Any:
    if page_request.wants_json:
        return Response.json({"ok": status == 200, "message": sentence}, status=status, headers=CALM)
    notice = remember(page_request.datasette, sentence)
    target, hash_sign, anchor = place.partition("#")
    mark = "&" if "?" in target else "?"
    return Response.redirect(
        page_request.path(f"{target}{mark}done={notice.key}{hash_sign}{anchor}"), status=303
    )


async def _form(page_request: PageRequest, draft: SavedDraft, error: str = "", status: int = 200) -> Any:
    if page_request.wants_json:
        return Response.json(
            {"ok": False, "message": error, "draft": draft.id, "version": draft.version},
            status=status,
            headers=CALM,
        )

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        form = compose_form(connection, draft, frame.owner_id, can_send=page_request.can_sync, error=error)
        row = connection.execute(_SUBJECT, (draft.conversation_id,)).fetchone()
        subject = row[0] if row else ""
        title = (
            f"Reply: {subject}" if form.is_reply else "Forward" if draft.conversation_id else "New message"
        )
        return {"title": title, "form": form}

    return await page_request.page("mail/new.html", build, status=status)


@view(table="outbox")
async def new(page_request: PageRequest) -> Any:
    """``/mail/new``: a draft, or a new form: ``to`` fills in people, ``forward`` a conversation."""
    folder, ident = page_request.archive.folder, page_request.argument("draft", 40)
    if ident:
        draft = await in_thread(lambda: drafts.read_draft(folder, ident))
        if draft is None:
            raise NotFound("There is no such draft: it was queued or discarded.")
        return await _form(page_request, draft)
    begun = SavedDraft(drafts.new_id(), names=page_request.argument("to", 2000))
    source, message = page_request.argument("forward", 18), page_request.argument("m", 18)
    if source.isdecimal():
        wanted = [int(message)] if message.isdecimal() else []

        def forwarding(connection: sqlite3.Connection) -> SavedDraft:
            chosen = forwardable(connection, int(source), wanted)
            subject = forwarded_subject(connection, int(source))
            return replace(begun, conversation_id=int(source), forwarded=chosen, subject=subject)

        return await _form(page_request, await page_request.read(forwarding))
    return await _form(page_request, begun)


@view(table="outbox")
async def listed(page_request: PageRequest) -> Any:
    """``/mail/drafts``: the messages that are not finished."""
    found = await in_thread(lambda: drafts.list_drafts(page_request.archive.folder))

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        lines = []
        for draft in found:
            row = connection.execute(_SUBJECT, (draft.conversation_id,)).fetchone()
            to = described(connection, map(of_code, draft.recipients))
            names = [to.named(8)] if draft.recipients else []
            names += [draft.names] if draft.names else []
            everyone = draft.kind == "reply" and draft.everyone
            lines.append(
                {
                    "draft": draft,
                    "href": _place_of(draft),
                    "subject": (row[0] if row and draft.kind == "reply" else draft.subject) or "(no subject)",
                    "to": "everyone in the conversation" if everyone else ", ".join(names) or "nobody yet",
                }
            )
        return {"title": "Drafts", "lines": lines}

    return await page_request.page("mail/drafts.html", build, active="drafts")


@view(table="outbox", method="POST")
async def discard(page_request: PageRequest) -> Any:
    """``POST /mail/drafts/discard``: discard a draft (``draft``) and its files."""
    ident = form_of(page_request).one("draft")
    if not drafts.is_id(ident):
        raise BadInput("Choose a draft first.")
    done = await in_thread(lambda: writing.discard_draft(page_request.archive.path, ident))
    sentence = "The draft is discarded." if done else "That draft is there no more."
    return _go_on(page_request, sentence, "/mail/drafts")


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
