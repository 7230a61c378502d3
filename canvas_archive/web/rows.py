"""A list of conversations: one page of it, with the keys of the pages around it."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from canvas_archive.store.folders import FOLDERS
from canvas_archive.typed_text import decoded_preview
from canvas_archive.web import queries
from canvas_archive.web.frame import CourseLabel, Frame
from canvas_archive.web.page_request import PageRequest

PAGE = 40
PAGE_WITH_CHART = 30
SHOWN_NAMES = 3
PREVIEW = 110
BUSY = 20_000
"""From so many conversations on, a person's are walked by date until a page is full, instead of sorted.

Quicker only for someone who is nearly everywhere: it passes all that is newer than what they took part in.
"""

_KEY = re.compile(r"(?P<at>[0-9TZ:.+-]{0,40})~(?P<id>[0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class PersonLabel:
    """Someone, as pages name them."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation in a list."""

    id: int
    subject: str
    preview: str
    people: tuple[PersonLabel, ...]
    more_people: int
    count: int
    at: str
    unread: bool
    starred: bool
    archived: bool
    files: bool
    removed: bool
    course: CourseLabel | None

    @property
    def names(self) -> str:
        """Return the names of the first few people."""
        return ", ".join(person.name for person in self.people)


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A dated heading and the rows under it."""

    title: str
    rows: tuple[ConversationRow, ...]


@dataclass(frozen=True, slots=True)
class ListView:
    """One page of a list; ``older`` and ``newer`` are the keys of its neighbours."""

    groups: tuple[RowGroup, ...]
    older: str | None
    newer: str | None

    @property
    def empty(self) -> bool:
        """Return whether there is nothing on it."""
        return not self.groups


@dataclass(frozen=True, slots=True)
class ListSource:
    """Which conversations, by which time: constants of ``queries`` and the values they need."""

    where: str
    order: str
    values: dict[str, Any]
    tables: str = "conversations c"
    mine: bool = False  # show what the owner wrote last, not what came last


FORMER_NAMES = {"gone": "removed"}
"""What folders were called in addresses that somebody may have kept."""


def source_of_folder(name: str) -> ListSource:
    """Return the list of a folder."""
    return ListSource(FOLDERS[name].condition("c"), queries.folder_order(name), {}, mine=name == "sent")


def source_of(person: int, conversations: int) -> ListSource:
    """Return the list of someone's conversations, by the cheaper of two ways."""
    values = {"person": person}
    if conversations > BUSY:
        return ListSource(queries.WITH_BUSY_PERSON, "latest_at", values)
    return ListSource(queries.WITH_PERSON, "latest_at", values, tables=queries.WITH_PERSON_SOURCE)


def key_of(text: str) -> tuple[str, int] | None:
    """Read a page's key (``time~id``); ``None`` for anything else."""
    match = _KEY.fullmatch(text)
    return (match["at"], int(match["id"])) if match else None


def read_page(
    page_request: PageRequest,
    connection: sqlite3.Connection,
    frame: Frame,
    source: ListSource,
    *,
    limit: int = PAGE,
) -> ListView:
    """Read the page of a list that an address asks for: ``before`` a key, ``after`` one, or the newest."""
    before, after = page_request.argument("before"), page_request.argument("after")
    newer = not before and bool(after)
    key = key_of(after if newer else before)
    statement = queries.listing(
        source.where, source.order, source=source.tables, top=key is None, newer=newer and key is not None
    )
    at, row_id = key or (None, None)
    values = {**source.values, "at": at, "id": row_id, "limit": limit + 1}
    found = connection.execute(statement, values).fetchall()
    more = len(found) > limit
    found = found[:limit]
    if newer and key:
        found.reverse()
    people = _people(connection, [row["id"] for row in found], frame)
    rows = [_row(row, people.get(row["id"], []), frame, mine=source.mine) for row in found]
    groups: list[RowGroup] = []
    for row in rows:
        title = page_request.dates.group(row.at)
        if groups and groups[-1].title == title:
            groups[-1] = RowGroup(title, (*groups[-1].rows, row))
        else:
            groups.append(RowGroup(title, (row,)))
    older_exists, newer_exists = (True, more) if newer and key else (more, key is not None)
    return ListView(
        tuple(groups),
        f"{rows[-1].at}~{rows[-1].id}" if rows and older_exists else None,
        f"{rows[0].at}~{rows[0].id}" if rows and newer_exists else None,
    )


def _people(connection: sqlite3.Connection, ids: list[int], frame: Frame) -> dict[int, list[PersonLabel]]:
    found: dict[int, list[PersonLabel]] = {}
    for row in connection.execute(queries.PEOPLE_OF, {"ids": json.dumps(ids)}):
        if row["id"] != frame.owner_id:
            found.setdefault(row["conversation_id"], []).append(PersonLabel(row["id"], row["name"]))
    return found


def _row(row: sqlite3.Row, people: list[PersonLabel], frame: Frame, *, mine: bool) -> ConversationRow:
    last, authored = row["last_message"], row["last_authored_message"]
    preview = ((authored or last) if mine else (last or authored)) or ""
    if row["texts"] == "entities":
        preview = decoded_preview(preview)
    return ConversationRow(
        id=row["id"],
        subject=row["subject"] or "",
        preview=" ".join(preview[:PREVIEW].split()),
        people=tuple(people[:SHOWN_NAMES]) or (PersonLabel(frame.owner_id, frame.owner_name),),
        more_people=max(0, len(people) - SHOWN_NAMES),
        count=row["message_count"],
        at=row["at"] or "",
        unread=row["workflow_state"] == "unread",
        starred=bool(row["starred"]),
        archived=row["workflow_state"] == "archived",
        files='"attachments"' in row["properties"],
        removed=row["removed_at"] is not None,
        course=frame.course(row["course"], row["context_name"]),
    )
