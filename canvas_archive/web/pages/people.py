"""``/mail/people`` and ``/mail/people/ID``: everyone who ever wrote or was written to."""

from __future__ import annotations

import json
import re
import sqlite3
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasette import NotFound

from canvas_archive.web import queries
from canvas_archive.web.cache import cached
from canvas_archive.web.chart import Period, bucketed, counted, draw, periods_of
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import Context, PageRequest, view
from canvas_archive.web.rows import PAGE_WITH_CHART, period_source, read_page, source_of, total_of

PAGE = 80

_AFTER = re.compile(r"(?P<n>[0-9]{1,9})~(?P<id>[0-9]{1,18})")


def like(text: str) -> str:
    """Return a pattern that finds ``text`` anywhere, taken literally."""
    literal = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{literal}%"


@dataclass(frozen=True, slots=True)
class Correspondent:
    """Someone in the list of people: how many messages they wrote, and when the last one."""

    id: int
    name: str
    pronouns: str | None
    n: int
    last: str | None


def correspondents(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """Return everyone's id and how many messages they wrote, who wrote most first."""
    return cached(
        connection,
        "correspondents",
        lambda: [(row[0], row[1]) for row in connection.execute(queries.CORRESPONDENTS)],
    )


def named(connection: sqlite3.Connection, people: Sequence[tuple[int, int]]) -> list[Correspondent]:
    """Return some people of that list with their names, in the same order."""
    ids = json.dumps([ident for ident, _ in people])
    rows = {row["id"]: row for row in connection.execute(queries.PEOPLE, {"ids": ids})}
    return [
        Correspondent(ident, row["name"], row["pronouns"], n, row["last"])
        for ident, n in people
        if (row := rows.get(ident)) is not None
    ]


@view(table="users")
async def index(page_request: PageRequest) -> Any:
    """Answer with the people, those who wrote most first."""
    wanted = page_request.argument("name", 100)
    match = _AFTER.fullmatch(page_request.argument("after"))

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        everyone = [(ident, n) for ident, n in correspondents(connection) if ident != frame.owner_id]
        if wanted:
            called = {row[0] for row in connection.execute(queries.CALLED, {"like": like(wanted)})}
            everyone = [(ident, n) for ident, n in everyone if ident in called]
        first = 0
        if match:
            first = bisect_right(
                everyone, (-int(match["n"]), int(match["id"])), key=lambda one: (-one[1], one[0])
            )
        shown = everyone[first : first + PAGE]
        return {
            "title": "People",
            "name": wanted,
            "people": named(connection, shown),
            "total": len(everyone),
            "next": f"{shown[-1][1]}~{shown[-1][0]}" if len(everyone) > first + PAGE else None,
        }

    return await page_request.page("mail/people.html", build, active="people")


def answered(
    connection: sqlite3.Connection, periods: tuple[Period, ...], person: int, owner: int
) -> list[int]:
    """Count what the owner wrote in conversations with someone, by period."""

    def count() -> list[int]:
        answers = connection.execute(queries.TO_PERSON, {"person": person, "owner": owner})
        return bucketed((row[0] for row in answers), periods)

    return cached(connection, ("answers", person, periods), count)


@view(table="users")
async def person(page_request: PageRequest) -> Any:
    """Answer with one person: when they wrote, and every conversation with them."""
    ident = int(page_request.request.url_vars["id"])
    when = page_request.argument("when", 10)
    bounds = page_request.dates.period(when)

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        who = connection.execute(queries.PERSON, {"person": ident}).fetchone()
        if who is None:
            raise NotFound(f"There is no person {ident} in this archive.")
        wrote = connection.execute(queries.PERSON_WROTE, {"person": ident}).fetchone()
        total = connection.execute(queries.COUNT_PERSON, {"person": ident}).fetchone()[0]
        periods = periods_of(connection, page_request.dates)
        mine = ident == frame.owner_id
        written = counted(connection, periods, ident)
        if mine:
            received, sent = [0] * len(periods), written
        else:
            received, sent = written, answered(connection, periods, ident, frame.owner_id)
        source = source_of(ident, total)
        if bounds:
            source = period_source(bounds, person=ident)
        context = f"person:{ident}" + (f"@{when}" if bounds else "")
        return {
            "title": who["name"],
            "person": who,
            "mine": mine,
            "wrote": wrote,
            "total": total,
            "listed": total_of(connection, source) if bounds else total,
            "chart": draw(periods, received, sent),
            "when": when if bounds else "",
            "page": read_page(page_request, connection, frame, source, context, limit=PAGE_WITH_CHART),
        }

    return await page_request.page("mail/person.html", build, active="people")
