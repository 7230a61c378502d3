"""``/mail/c/ID``: one conversation, read as mail."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from datasette import NotFound, Response

from canvas_archive.errors import BadInput
from canvas_archive.store.threads import read_thread, thread_files
from canvas_archive.store.verbs import state_words
from canvas_archive.web import queries
from canvas_archive.web.composing import compose_form, reply_draft
from canvas_archive.web.dates import Dates
from canvas_archive.web.files import POLICY, disposition
from canvas_archive.web.frame import Frame
from canvas_archive.web.lists import LONGEST_CONTEXT, OpenedList, list_of
from canvas_archive.web.page_request import CALM, Context, PageRequest, in_thread, view
from canvas_archive.web.pending import replies_to
from canvas_archive.web.render import body
from canvas_archive.web.rows import ListSource, key_of, place_of, rows_after
from canvas_archive.web.searched_words import NO_WORDS, searched_words
from canvas_archive.web.thread_parts import Key, ThreadPart, thread_part
from canvas_archive.web.threads import MessageView, every_file, forwarded_ids, listed_files, message_views

SHOWN_PEOPLE = 12
SHOWN_FILES = 24
FOLDED_FROM = 7
"""A conversation of so many messages is folded up to what is new in it."""

ALWAYS_OPEN = 2
"""The last messages of a conversation, which are never folded."""


@dataclass(frozen=True, slots=True)
class EditNote:
    """The state of an edit of this conversation, in words."""

    state: str
    sentence: str


def note_of(row: sqlite3.Row) -> EditNote:
    """Return the state of an edit as one sentence."""
    wanted = state_words(row["field"], row["value"])
    if row["state"] == "pending" and row["remote"] not in (row["base_value"], row["value"]):
        canvas = state_words(row["field"], row["remote"])
        return EditNote("pending", f"Canvas: {canvas}. You: {wanted}. Decide under")
    if row["state"] == "pending":
        return EditNote("pending", f"Waiting to be sent to Canvas: {wanted}.")
    if row["state"] == "conflict":
        return EditNote("conflict", f"Conflict: you wanted “{wanted}”, Canvas has something else.")
    return EditNote(row["state"], f"Canvas took back “{wanted}” after it was sent.")


def neighbour(
    connection: sqlite3.Connection, source: ListSource | None, ident: int, *, newer: bool
) -> int | None:
    """Return the conversation next to this one in a list; ``None`` at its end, or without a list."""
    place = place_of(connection, source, ident) if source else None
    if source is None or place is None:
        return None
    found = rows_after(connection, source, place, 1, newer=newer)
    return int(found[0]["id"]) if found else None


def span_of(part: ThreadPart, dates: Dates) -> str:
    """Return the days from the first message to the last."""
    if not part.written:
        return ""
    first, last = dates.day(part.first_at), dates.day(part.last_at)
    return first if first == last else f"{first} to {last}"


@dataclass(frozen=True, slots=True)
class Pagination:
    """The pagination of a long conversation: which messages this page shows, and links to the others."""

    sentence: str
    whole: str
    older: str
    newer: str
    newest: str


def pagination_of(
    part: ThreadPart, messages: tuple[MessageView, ...], opened: OpenedList
) -> Pagination | None:
    """Return the pagination of a long conversation; ``None`` for one that is shown whole."""
    if part.ids is None:
        return None
    pairs = [(name, value) for name, value in (("in", opened.context), ("p", opened.place)) if value]

    def to(name: str, edge: MessageView, nearest: Key | None) -> str:
        if nearest is None:
            return ""
        return f"?{urlencode([*pairs, (name, f'{edge.created_at}~{edge.id}')])}#m{nearest[1]}"

    shown = sum(not message.generated for message in messages)
    return Pagination(
        sentence=f"Messages {part.before + 1:,} to {part.before + shown:,} of {part.written:,}",
        whole=f"?{urlencode([*pairs, ('all', '1')])}",
        older=to("before", messages[0], part.older),
        newer=to("after", messages[-1], part.newer),
        newest=f"?{urlencode(pairs)}" if part.newer else "",
    )


def folded_ids(
    messages: tuple[MessageView, ...], hits: frozenset[int], *, unread: bool, wanted: int | None
) -> frozenset[int]:
    """Return which messages of a long conversation are shown as one line until they are opened.

    Open are the last ones, in an unread conversation all since the reader wrote, the one that was asked for,
    those with searched words, and those that Canvas removed.
    """
    written = [message for message in messages if not message.generated]
    if len(written) < FOLDED_FROM:
        return frozenset()
    first_open = len(written) - ALWAYS_OPEN
    if unread:
        own = [place for place, message in enumerate(written) if message.mine]
        first_open = min(first_open, own[-1] + 1 if own else 0)
    return frozenset(
        message.id
        for message in written[:first_open]
        if message.id != wanted and message.removed_at is None and message.id not in hits
    )


@view(table="messages")
async def conversation(page_request: PageRequest) -> Any:
    """Answer with one conversation; of a long one, with a part (``parts``)."""
    ident = int(page_request.request.url_vars["id"])
    message = page_request.argument("m", 18)
    wanted = int(message) if message.isascii() and message.isdecimal() else None
    context, place = page_request.argument("in", LONGEST_CONTEXT), page_request.argument("p", 2000)
    words = NO_WORDS
    if context.startswith("search:"):
        words = await in_thread(lambda: searched_words(page_request, context))
    newest_first = page_request.preferences.order == "newest"

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        opened = list_of(connection, frame, page_request.dates, context, place)
        part = thread_part(
            connection,
            ident,
            message=wanted,
            before=key_of(page_request.argument("before")),
            after=key_of(page_request.argument("after")),
            whole=page_request.argument("all") == "1",
        )
        try:
            thread = read_thread(connection, ident, part.ids)
        except BadInput as error:
            raise NotFound(str(error)) from None
        row = connection.execute(queries.CONVERSATION, {"id": ident}).fetchone()
        forwarded = json.dumps(sorted(set(forwarded_ids(thread.messages))))
        homes = dict(tuple(found) for found in connection.execute(queries.HOMES_OF, {"ids": forwarded}))
        messages = message_views(thread, frame.owner_id, homes, part.before)
        hits = frozenset(message.id for message in messages if words.in_message(message))
        asked_for_all = page_request.argument("open", 4) == "all"
        paged = bool(page_request.argument("before") or page_request.argument("after"))
        folded = (
            frozenset()
            if asked_for_all or paged
            else folded_ids(messages, hits, unread=thread.workflow_state == "unread", wanted=wanted)
        )
        files = every_file(messages) if part.ids is None else listed_files(*thread_files(connection, ident))
        people = sorted(thread.participants, key=lambda person: person.id == frame.owner_id)
        urls, name = page_request.datasette.urls, page_request.archive.name
        return {
            "title": thread.subject or "(no subject)",
            "c": thread,
            "row": row,
            "course": frame.course(thread.context_code, thread.context_name),
            "messages": messages[::-1] if newest_first else messages,
            "newest_first": newest_first,
            "folded": folded,
            "body_of": (lambda text: body(text, words.marked)) if words else body,
            "hits": len(hits),
            "words": opened.words,
            "pagination": pagination_of(part, messages, opened),
            "written": part.written,
            "span": span_of(part, page_request.dates),
            "reply": compose_form(
                connection,
                reply_draft(page_request.archive.folder, ident, page_request.argument("draft", 40)),
                frame.owner_id,
                can_send=page_request.can_sync,
            ),
            "people": people[:SHOWN_PEOPLE],
            "more_people": people[SHOWN_PEOPLE:],
            "files_shown": files[:SHOWN_FILES],
            "more_files": files[SHOWN_FILES:],
            "edits": [note_of(edit) for edit in connection.execute(queries.EDITS_OF, {"id": ident})],
            "replies": replies_to(connection, ident),
            "revisions": connection.execute(queries.REVISIONS_OF, {"id": ident}).fetchone()[0],
            "opened": opened,
            "newer": neighbour(connection, opened.source, ident, newer=True),
            "older": neighbour(connection, opened.source, ident, newer=False),
            "row_href": urls.row(name, "conversations", str(ident)),
            "messages_href": f"{urls.table(name, 'messages')}?conversation_id={ident}&_sort=created_at",
            "revisions_href": f"{urls.table(name, 'revisions')}?table=conversations&id={ident}",
        }

    return await page_request.page("mail/thread.html", build)


@view(table="messages")
async def saved(page_request: PageRequest) -> Any:
    """``/mail/c/ID.txt``, ``.json``, ``.eml``: the conversation as a file to keep."""
    from canvas_archive.web import saving

    ident, kind = int(page_request.request.url_vars["id"]), page_request.request.url_vars["kind"]

    def read(connection: sqlite3.Connection) -> tuple[str, str, str]:
        try:
            thread = read_thread(connection, ident)
        except BadInput as error:
            raise NotFound(str(error)) from None
        base_url = connection.execute(queries.ACCOUNT).fetchone()["base_url"]
        text = saving.thread_text(thread, page_request.dates, base_url)
        if kind == "json":
            return thread.subject or "", saving.thread_json(thread, base_url), text
        return thread.subject or "", "", text

    subject, document, text = await page_request.read(read)
    if kind == "eml":
        archive = page_request.archive
        content = await in_thread(lambda: saving.thread_eml(archive.path, archive.files, ident, text))
    else:
        content = (document or text).encode("utf-8", "replace")
    name = f"{subject[:80].strip() or 'conversation'} {ident}.{kind}"
    return Response(
        content,
        content_type=saving.TYPES[kind],
        headers={"Content-Disposition": disposition(name), "Content-Security-Policy": POLICY, **CALM},
    )
