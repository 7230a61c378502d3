"""``/mail/c/ID``: one conversation, read as mail."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from datasette import NotFound, Response

from canvas_archive.errors import BadInput
from canvas_archive.store.folders import FOLDERS
from canvas_archive.store.threads import read_thread, thread_files
from canvas_archive.store.verbs import state_words
from canvas_archive.web import queries
from canvas_archive.web.composing import compose_form, reply_draft
from canvas_archive.web.dates import Dates
from canvas_archive.web.files import POLICY, disposition
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import CALM, Context, PageRequest, in_thread, view
from canvas_archive.web.pending import replies_to
from canvas_archive.web.rows import FORMER_NAMES, ListSource, key_of, source_of, source_of_folder
from canvas_archive.web.thread_parts import Key, ThreadPart, thread_part
from canvas_archive.web.threads import MessageView, every_file, forwarded_ids, listed_files, message_views

SHOWN_PEOPLE = 12
SHOWN_FILES = 24


@dataclass(frozen=True, slots=True)
class BackLink:
    """The list a conversation was opened from."""

    title: str
    href: str


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


def list_of(connection: sqlite3.Connection, argument: str) -> tuple[BackLink, ListSource | None, str]:
    """Return the list a conversation was opened from: a folder, a course, a person, or the inbox."""
    kind, _, rest = argument.partition(":")
    if kind == "search":
        return BackLink("Search", f"/mail/search?{urlencode({'q': rest})}"), None, argument
    if kind == "course" and rest:
        return (
            BackLink("Course", f"/mail/courses/{quote(rest)}"),
            ListSource(queries.IN_COURSE, "latest_at", {"code": rest}),
            argument,
        )
    if kind == "person" and rest.isdecimal() and len(rest) < 19:
        total = connection.execute(queries.COUNT_PERSON, {"person": int(rest)}).fetchone()[0]
        return BackLink("Person", f"/mail/people/{rest}"), source_of(int(rest), total), argument
    kind = FORMER_NAMES.get(kind, kind)
    key = kind if kind in FOLDERS and not rest else "inbox"
    return (
        BackLink(FOLDERS[key].label, "/mail" if key == "inbox" else f"/mail/{key}"),
        source_of_folder(key),
        "" if key == "inbox" else key,
    )


def neighbour(
    connection: sqlite3.Connection, source: ListSource | None, ident: int, row: sqlite3.Row, *, newer: bool
) -> int | None:
    """Return the conversation next to this one in a list; ``None`` at its end, or without a list."""
    at = row[source.order] if source else None
    if source is None or at is None:
        return None
    statement = queries.listing(source.where, source.order, source=source.tables, newer=newer)
    values = {**source.values, "at": at, "id": ident, "limit": 1}
    found = connection.execute(statement, values).fetchone()
    return int(found["id"]) if found else None


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


def pagination_of(part: ThreadPart, messages: tuple[MessageView, ...], context: str) -> Pagination | None:
    """Return the pagination of a long conversation; ``None`` for one that is shown whole."""
    if part.ids is None:
        return None
    pairs = [("in", context)] if context else []

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


@view(table="messages")
async def conversation(page_request: PageRequest) -> Any:
    """Answer with one conversation; of a long one, with a part (``parts``)."""
    ident = int(page_request.request.url_vars["id"])
    message = page_request.argument("m", 18)

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        back, source, context = list_of(connection, page_request.argument("in", 80))
        part = thread_part(
            connection,
            ident,
            message=int(message) if message.isdecimal() else None,
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
        files = every_file(messages) if part.ids is None else listed_files(*thread_files(connection, ident))
        people = sorted(thread.participants, key=lambda person: person.id == frame.owner_id)
        urls, name = page_request.datasette.urls, page_request.archive.name
        return {
            "title": thread.subject or "(no subject)",
            "c": thread,
            "row": row,
            "course": frame.course(thread.context_code, thread.context_name),
            "messages": messages,
            "pagination": pagination_of(part, messages, context),
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
            "back": back,
            "context": f"?in={quote(context)}" if context else "",
            "newer": neighbour(connection, source, ident, row, newer=True),
            "older": neighbour(connection, source, ident, row, newer=False),
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
