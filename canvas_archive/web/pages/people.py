"""``/mail/people`` and ``/mail/people/ID``: everyone who ever wrote or was written to."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from datasette import NotFound

from canvas_archive.web import queries
from canvas_archive.web.chart import bucketed, counted, draw, periods_of
from canvas_archive.web.frame import Frame
from canvas_archive.web.rows import PAGE_WITH_CHART, Source, read_page
from canvas_archive.web.visit import Context, Visit, view

PAGE = 80
BUSY = 1500
"""From so many conversations on, walking by date is quicker than sorting them."""

_AFTER = re.compile(r"(?P<n>[0-9]{1,9})~(?P<id>[0-9]{1,18})")


def like(text: str) -> str | None:
    """Return a pattern that finds ``text`` anywhere, taken literally; ``None`` for no text."""
    if not text:
        return None
    literal = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{literal}%"


@view(table="users")
async def index(visit: Visit) -> Any:
    """Answer with the people, those who wrote most first."""
    wanted = visit.argument("name", 100)
    match = _AFTER.fullmatch(visit.argument("after"))

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        values = {
            "owner": frame.owner_id,
            "like": like(wanted),
            "n": int(match["n"]) if match else None,
            "id": int(match["id"]) if match else None,
            "limit": PAGE + 1,
        }
        found = connection.execute(queries.PEOPLE, values).fetchall()
        shown = found[:PAGE]
        return {
            "title": "People",
            "name": wanted,
            "people": shown,
            "total": connection.execute(queries.COUNT_PEOPLE, values).fetchone()[0],
            "next": f"{shown[-1]['n']}~{shown[-1]['id']}" if len(found) > PAGE else None,
        }

    return await visit.page("mail/people.html", build, active="people")


def source_of(person: int, conversations: int) -> Source:
    """Return the list of someone's conversations, by the cheaper of two ways."""
    values = {"person": person}
    if conversations > BUSY:
        return Source(queries.WITH_BUSY_PERSON, "latest_at", values)
    return Source(queries.WITH_PERSON, "latest_at", values, tables=queries.WITH_PERSON_SOURCE)


@view(table="users")
async def person(visit: Visit) -> Any:
    """Answer with one person: when they wrote, and every conversation with them."""
    ident = int(visit.request.url_vars["id"])
    when = visit.argument("when", 10)
    bounds = visit.dates.period(when)

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        who = connection.execute(queries.PERSON, {"person": ident}).fetchone()
        if who is None:
            raise NotFound(f"There is no person {ident} in this archive.")
        wrote = connection.execute(queries.PERSON_WROTE, {"person": ident}).fetchone()
        total = connection.execute(queries.COUNT_PERSON, {"person": ident}).fetchone()[0]
        periods = periods_of(connection, visit.dates)
        mine = ident == frame.owner_id
        written = counted(connection, periods, ident)
        if mine:
            received, sent = [0] * len(periods), written
        else:
            answers = connection.execute(queries.TO_PERSON, {"person": ident, "owner": frame.owner_id})
            received, sent = written, bucketed((row[0] for row in answers), periods)
        source = source_of(ident, total)
        if bounds:
            source = Source(
                queries.PERIOD_WITH_PERSON,
                "h.at",
                {"person": ident, "start": bounds[0], "end": bounds[1]},
                tables=queries.PERIOD_SOURCE,
            )
        return {
            "title": who["name"],
            "person": who,
            "mine": mine,
            "wrote": wrote,
            "total": total,
            "chart": draw(periods, received, sent),
            "when": when if bounds else "",
            "page": read_page(
                connection,
                frame,
                visit.dates,
                source,
                before=visit.argument("before"),
                after=visit.argument("after"),
                limit=PAGE_WITH_CHART,
            ),
        }

    return await visit.page("mail/person.html", build, active="people")
