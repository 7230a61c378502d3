"""A list of conversations: one page of it, with the keys of the pages around it."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from canvas_archive.errors import BadInput
from canvas_archive.store.folders import FOLDERS
from canvas_archive.typed_text import decoded_preview
from canvas_archive.web import queries
from canvas_archive.web.cache import cached
from canvas_archive.web.frame import CourseLabel, Frame
from canvas_archive.web.page_request import PageRequest

PAGE = 40
PAGE_WITH_CHART = 30
SHOWN_NAMES = 3
LEAD = 10
"""How many rows are above the one that a reader comes back to, when its page has to be found."""
PREVIEW = 110
LABEL = 40
BUSY = 20_000
"""From so many conversations on, a person's are walked by date until a page is full, instead of sorted.

Quicker only for someone who is nearly everywhere: it passes all that is newer than what they took part in.
"""

_KEY = re.compile(r"(?P<at>[0-9TZ:.+-]{0,40})~(?P<id>[0-9]{1,18})")


Key = tuple[str, int]


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
    mine: bool
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

    @property
    def label(self) -> str:
        """Return what its buttons call it: the beginning of the subject."""
        name = self.subject or f"conversation with {self.names}"
        return name if len(name) <= LABEL else f"{name[: LABEL - 1]}…"


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A dated heading and the rows under it."""

    title: str
    rows: tuple[ConversationRow, ...]


@dataclass(frozen=True, slots=True)
class ListView:
    """One page of a list; ``older`` and ``newer`` are the keys of its neighbours.

    ``first`` is the number of its first row in the whole list. ``here`` is the row that a reader came back
    to, ``place`` the page's own key as a conversation's address carries it.
    """

    groups: tuple[RowGroup, ...]
    older: str | None
    newer: str | None
    first: int = 1
    here: int | None = None
    place: str = ""
    selected: str = ""
    context: str = ""
    when: str = ""

    @property
    def arguments(self) -> str:
        """Return what the address of a conversation carries along, so that it leads back here."""
        return carried(self.context, self.place)

    @property
    def query(self) -> str:
        """Return what the addresses of the other pages begin with: ``when=2026-03&``, or nothing."""
        return f"when={self.when}&" if self.when else ""

    @property
    def own_query(self) -> str:
        """Return what an address of this same page begins with."""
        way, _, key = self.place.partition(":")
        return self.query + (f"{urlencode({way: key})}&" if key else "")

    @property
    def span(self) -> str:
        """Return the numbers of its rows: ``41–80``."""
        count = sum(len(group.rows) for group in self.groups)
        return f"{self.first:,}–{self.first + count - 1:,}" if count > 1 else f"{self.first:,}"

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

    @property
    def of_period(self) -> bool:
        """Return whether it is a list of conversations with a message between two moments."""
        return self.tables == queries.PERIOD_SOURCE


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


def carried(context: str, place: str = "") -> str:
    """Return the arguments that name a list and its page; empty for the first page of the inbox."""
    pairs = [(name, value) for name, value in (("in", context), ("p", place)) if value]
    return f"?{urlencode(pairs)}" if pairs else ""


def period_source(
    bounds: tuple[str, str], *, course: str | None = None, person: int | None = None
) -> ListSource:
    """Return the list of conversations with a message between two moments, of a course or a person."""
    values: dict[str, Any] = {"start": bounds[0], "end": bounds[1]}
    where = queries.PERIOD_WHERE
    if course is not None:
        where, values = queries.PERIOD_IN_COURSE, {**values, "code": course}
    elif person is not None:
        where, values = queries.PERIOD_WITH_PERSON, {**values, "person": person}
    return ListSource(where, "h.at", values, tables=queries.PERIOD_SOURCE)


def day_of(text: str) -> date | None:
    """Read a day (``2026-03-09``); ``None`` for anything else, and at the ends of the calendar."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1900 <= day.year < 9000 else None


def key_of(text: str) -> Key | None:
    """Read a page's key (``time~id``); ``None`` for anything else."""
    match = _KEY.fullmatch(text)
    return (match["at"], int(match["id"])) if match else None


def rows_after(
    connection: sqlite3.Connection, source: ListSource, key: Key | None, limit: int, *, newer: bool = False
) -> list[sqlite3.Row]:
    """Return rows after a key, in the order they are read; from the newest without one."""
    statement = queries.listing(
        source.where, source.order, source=source.tables, top=key is None, newer=newer and key is not None
    )
    at, row_id = key or (None, None)
    return connection.execute(statement, {**source.values, "at": at, "id": row_id, "limit": limit}).fetchall()


def _asked(page_request: PageRequest) -> tuple[Key | None, bool, str]:
    """Return the key that an address asks for, whether it is of newer rows, and both as one word."""
    before, after = page_request.argument("before"), page_request.argument("after")
    newer = not before and bool(after)
    key = key_of(after if newer else before)
    if key is None and (day := day_of(page_request.argument("on", 10))) is not None:
        key = (page_request.dates.midnight(day + timedelta(days=1)), 0)
    if key is None:
        return None, False, ""
    return key, newer, f"{'after' if newer else 'before'}:{key[0]}~{key[1]}"


def _edge(row: sqlite3.Row) -> Key:
    return row["at"], row["id"]


def place_of(connection: sqlite3.Connection, source: ListSource, row_id: int) -> Key | None:
    """Return where a conversation is in a list, or would be; ``None`` where it has no time for that."""
    by_order = queries.ORDERED_BY.format(order=source.order)
    statement = queries.LAST_IN_PERIOD if source.of_period else by_order
    row = connection.execute(statement, {**source.values, "id": row_id}).fetchone()
    return (row["at"], row_id) if row is not None and row["at"] is not None else None


def read_page(
    page_request: PageRequest,
    connection: sqlite3.Connection,
    frame: Frame,
    source: ListSource,
    context: str = "",
    *,
    limit: int = PAGE,
) -> ListView:
    """Read the page of a list that an address asks for.

    It names a key (``before`` or ``after``) or a day (``on``). ``row`` names the conversation that a reader
    comes back from: another page is read when that one is not on it. ``context`` names the list in addresses.
    """
    key, newer, place = _asked(page_request)
    found = rows_after(connection, source, key, limit + 1, newer=newer)
    wanted = page_request.argument("row", 18)
    at_row = None
    if wanted.isascii() and wanted.isdecimal():
        at_row = place_of(connection, source, int(wanted))
    if at_row and found and not _spans(found, limit, key, at_row, newer=newer):
        lead = rows_after(connection, source, at_row, LEAD + 1, newer=True)
        key = _edge(lead[LEAD]) if len(lead) > LEAD else None
        place = f"before:{key[0]}~{key[1]}" if key else ""
        newer = False
        found = rows_after(connection, source, key, limit + 1)
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
    selected = page_request.argument("select", 4)
    return ListView(
        tuple(groups),
        f"{rows[-1].at}~{rows[-1].id}" if rows and older_exists else None,
        f"{rows[0].at}~{rows[0].id}" if rows and newer_exists else None,
        _number(connection, source, _edge(found[0])) if found and key else 1,
        _here(found, int(wanted), at_row) if wanted.isascii() and wanted.isdecimal() else None,
        place,
        selected if selected in ("page", "all") else "",
        context,
        page_request.argument("when", 10) if source.of_period else "",
    )


def _spans(found: list[sqlite3.Row], limit: int, key: Key | None, at_row: Key, *, newer: bool) -> bool:
    """Return whether a place in the list is on the page that these rows were read for."""
    last = _edge(found[limit - 1]) if len(found) > limit else None
    if newer:
        return (key is None or at_row > key) and (last is None or at_row <= last)
    return (key is None or at_row < key) and (last is None or at_row >= last)


def _here(found: list[sqlite3.Row], wanted: int, at_row: Key | None) -> int | None:
    """Return the row of that conversation; where it is no longer on the page, the one that took its place."""
    if any(row["id"] == wanted for row in found):
        return wanted
    if at_row is None or not found:
        return None
    return int(next((row["id"] for row in found if _edge(row) < at_row), found[-1]["id"]))


def _number(connection: sqlite3.Connection, source: ListSource, first: Key) -> int:
    """Return the number in the list of the row with this key."""
    statement = queries.counting(source.where, source.order, source=source.tables)
    values = {**source.values, "at": first[0], "id": first[1]}

    def count() -> int:
        return int(connection.execute(statement, values).fetchone()[0]) + 1

    return cached(connection, ("number", statement, *values.values()), count)


def total_of(connection: sqlite3.Connection, source: ListSource) -> int:
    """Return how many conversations a list has."""
    statement = queries.total(source.where, source=source.tables)

    def count() -> int:
        return int(connection.execute(statement, source.values).fetchone()[0])

    return cached(connection, ("total", statement, *source.values.values()), count)


def ids_of(connection: sqlite3.Connection, source: ListSource, most: int) -> tuple[list[int], int]:
    """Return the conversations of a list that can be edited, and how many it has.

    Raises BadInput for more than ``most``.
    """
    statement = queries.everything(source.where, source=source.tables)
    found = connection.execute(statement, {**source.values, "limit": most + 1}).fetchall()
    if len(found) > most:
        raise BadInput(
            f"At most {most:,} conversations can be changed at once on a page. Choose a month, a course or a "
            "person, or use canvas-archive archive --query in a terminal. Nothing was changed."
        )
    return [row["id"] for row in found if row["removed_at"] is None], len(found)


def _people(connection: sqlite3.Connection, ids: list[int], frame: Frame) -> dict[int, list[PersonLabel]]:
    found: dict[int, list[PersonLabel]] = {}
    for row in connection.execute(queries.PEOPLE_OF, {"ids": json.dumps(ids)}):
        if row["id"] != frame.owner_id:
            found.setdefault(row["conversation_id"], []).append(PersonLabel(row["id"], row["name"]))
    return found


def _row(row: sqlite3.Row, people: list[PersonLabel], frame: Frame, *, mine: bool) -> ConversationRow:
    last, authored = row["last_message"], row["last_authored_message"]
    own = bool(authored) and (
        mine or not last or (row["last_authored_message_at"] or "") > (row["last_message_at"] or "")
    )
    preview = (authored if own else last) or ""
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
        mine=own,
        unread=row["workflow_state"] == "unread",
        starred=bool(row["starred"]),
        archived=row["workflow_state"] == "archived",
        files='"attachments"' in row["properties"],
        removed=row["removed_at"] is not None,
        course=frame.course(row["course"], row["context_name"]),
    )
