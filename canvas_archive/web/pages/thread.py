"""``/mail/c/ID``: one conversation, read as mail."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from datasette import NotFound

from canvas_archive.web import queries
from canvas_archive.web.dates import Dates
from canvas_archive.web.frame import Frame
from canvas_archive.web.rows import Source
from canvas_archive.web.threads import Thread, read_thread
from canvas_archive.web.visit import Context, Visit, view

SHOWN_PEOPLE = 12
WISHES = {
    ("starred", "1"): "a star",
    ("starred", "0"): "no star",
    ("workflow_state", "archived"): "archived",
    ("workflow_state", "read"): "read, in the inbox",
    ("workflow_state", "unread"): "unread, in the inbox",
    ("subscribed", "1"): "followed",
    ("subscribed", "0"): "no longer followed",
}


@dataclass(frozen=True, slots=True)
class Back:
    """The list a conversation was opened from."""

    title: str
    href: str


@dataclass(frozen=True, slots=True)
class EditNote:
    """What waits for, or happened to, an edit of this conversation."""

    state: str
    sentence: str


def wish(field: str, value: str) -> str:
    """Name the value of an edit as a person would."""
    return WISHES.get((field, value), f"{field} = {value}")


def note_of(row: sqlite3.Row) -> EditNote:
    """Say in one sentence how an edit stands."""
    wanted = wish(row["field"], row["value"])
    if row["state"] == "pending":
        return EditNote("pending", f"Waiting to be sent to Canvas: {wanted}.")
    if row["state"] == "conflict":
        return EditNote("conflict", f"Conflict: you wanted “{wanted}”, Canvas has something else.")
    return EditNote(row["state"], f"Canvas took back “{wanted}” after it was sent.")


def list_of(argument: str) -> tuple[Back, Source, str]:
    """Return the list a conversation was opened from: a folder, a course, a person, or the inbox."""
    kind, _, rest = argument.partition(":")
    if kind == "course" and rest:
        return (
            Back("Course", f"/mail/courses/{rest}"),
            Source(queries.IN_COURSE, "latest_at", {"code": rest}),
            argument,
        )
    if kind == "person" and rest.isdigit() and len(rest) < 19:
        return (
            Back("Person", f"/mail/people/{rest}"),
            Source(
                queries.WITH_PERSON, "latest_at", {"person": int(rest)}, tables=queries.WITH_PERSON_SOURCE
            ),
            argument,
        )
    key = kind if kind in queries.FOLDERS and not rest else "inbox"
    folder = queries.FOLDERS[key]
    return (
        Back(folder.title, "/mail" if key == "inbox" else f"/mail/{key}"),
        Source(folder.where, folder.order, {}),
        "" if key == "inbox" else key,
    )


def neighbour(
    connection: sqlite3.Connection, source: Source, row: dict[str, Any], *, newer: bool
) -> int | None:
    """Return the conversation next to this one in a list."""
    statement = queries.listing(source.where, source.order, source=source.tables, newer=newer)
    values = {**source.values, "at": row[source.order] or "", "id": row["id"], "limit": 1}
    found = connection.execute(statement, values).fetchone()
    return int(found["id"]) if found else None


def span_of(thread: Thread, dates: Dates) -> str:
    """Return the days from the first message to the last."""
    if not thread.letters:
        return ""
    first, last = dates.day(thread.letters[0].created_at), dates.day(thread.letters[-1].created_at)
    return first if first == last else f"{first} to {last}"


@view(table="messages")
async def conversation(visit: Visit) -> Any:
    """Answer with one conversation."""
    ident = int(visit.request.url_vars["id"])
    back, source, context = list_of(visit.argument("in", 80))

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        thread = read_thread(connection, ident)
        if thread is None:
            raise NotFound(f"There is no conversation {ident} in this archive.")
        urls, name = visit.datasette.urls, visit.archive.name
        people = sorted(thread.people, key=lambda person: person.id == frame.owner_id)
        return {
            "title": thread.row["subject"] or "(no subject)",
            "c": thread.row,
            "course": frame.course(thread.row["context_code"], thread.row["context_name"]),
            "messages": thread.messages,
            "letters": len(thread.letters),
            "span": span_of(thread, visit.dates),
            "people": people[:SHOWN_PEOPLE],
            "more_people": people[SHOWN_PEOPLE:],
            "all_files": thread.files,
            "edits": [note_of(row) for row in connection.execute(queries.EDITS_OF, {"id": ident})],
            "revisions": connection.execute(queries.REVISIONS_OF, {"id": ident}).fetchone()[0],
            "back": back,
            "context": f"?in={context}" if context else "",
            "newer": neighbour(connection, source, thread.row, newer=True),
            "older": neighbour(connection, source, thread.row, newer=False),
            "row_href": urls.row(name, "conversations", str(ident)),
            "messages_href": f"{urls.table(name, 'messages')}?conversation_id={ident}&_sort=created_at",
            "revisions_href": f"{urls.table(name, 'revisions')}?table=conversations&id={ident}",
        }

    return await visit.page("mail/thread.html", build)
