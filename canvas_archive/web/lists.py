"""Which list a conversation was opened from, and which page of it: what an address says, and the way back."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from canvas_archive.store.folders import FOLDERS
from canvas_archive.web import queries
from canvas_archive.web.dates import Dates
from canvas_archive.web.frame import Frame
from canvas_archive.web.rows import (
    FORMER_NAMES,
    ListSource,
    carried,
    period_source,
    source_of,
    source_of_folder,
)

LONGEST_CONTEXT = 1100
"""A query of a thousand characters, and the name of its kind."""

_PLACE = re.compile(r"(?P<way>before|after):(?P<key>[0-9TZ:.+-]{0,40}~[0-9]{1,18})")
_OF_SEARCH = frozenset({"person", "course", "year", "has", "sort", "page", "more"})


@dataclass(frozen=True, slots=True)
class OpenedList:
    """A list and the page of it that was open. ``source`` is ``None`` for the hits of a search."""

    title: str
    path: str
    context: str = ""
    place: str = ""
    source: ListSource | None = None
    query: tuple[tuple[str, str], ...] = ()
    words: str = ""

    def back(self, conversation_id: int) -> str:
        """Return the address of that page, at the row of this conversation."""
        pairs = list(self.query)
        if match := _PLACE.fullmatch(self.place):
            pairs.append((match["way"], match["key"]))
        pairs.append(("row", str(conversation_id)))
        return f"{self.path}?{urlencode(pairs)}#here"

    @property
    def arguments(self) -> str:
        """Return what the address of a conversation carries along: ``?in=…&p=…``, or nothing."""
        return carried(self.context, self.place)


def list_of(
    connection: sqlite3.Connection, frame: Frame, dates: Dates, context: str, place: str = ""
) -> OpenedList:
    """Return the list that an address names; the inbox for anything unknown."""
    kind, _, rest = context.partition(":")
    if kind == "search":
        pairs = [pair for pair in parse_qsl(place[:2000]) if pair[0] in _OF_SEARCH]
        return OpenedList(
            f"Search: {rest[:40]}{'…' if len(rest) > 40 else ''}" if rest else "Search",
            "/mail/search",
            context,
            place,
            query=(("q", rest), *pairs),
            words=rest,
        )
    name, _, when = rest.partition("@")
    bounds = dates.period(when) if when else None
    query = (("when", when),) if bounds else ()
    if kind == "course" and name:
        known = frame.course(name)
        return OpenedList(
            known.label if known else "Course",
            f"/mail/courses/{quote(name)}",
            context,
            place,
            period_source(bounds, course=name)
            if bounds
            else ListSource(queries.IN_COURSE, "latest_at", {"code": name}),
            query,
        )
    if kind == "person" and name.isascii() and name.isdecimal() and len(name) < 19:
        person = int(name)
        row = connection.execute(queries.PERSON, {"person": person}).fetchone()
        total = connection.execute(queries.COUNT_PERSON, {"person": person}).fetchone()[0]
        return OpenedList(
            row["name"] if row else "Person",
            f"/mail/people/{person}",
            context,
            place,
            period_source(bounds, person=person) if bounds else source_of(person, total),
            query,
        )
    if kind == "timeline" and (bounds := dates.period(rest)):
        title = dates.period_name(rest)
        return OpenedList(title, "/mail/timeline", context, place, period_source(bounds), (("when", rest),))
    kind = FORMER_NAMES.get(kind, kind)
    key = kind if kind in FOLDERS and not rest else "inbox"
    return OpenedList(
        FOLDERS[key].label,
        "/mail" if key == "inbox" else f"/mail/{key}",
        "" if key == "inbox" else key,
        place,
        source_of_folder(key),
    )
