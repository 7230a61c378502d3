"""``/mail/timeline``: when there was how much, with whom and where; a bar opens its month."""

from __future__ import annotations

import sqlite3
from typing import Any

from canvas_archive.web import queries
from canvas_archive.web.chart import counted, draw, periods_of
from canvas_archive.web.dates import Dates
from canvas_archive.web.frame import Frame
from canvas_archive.web.rows import PAGE_WITH_CHART, Source, read_page
from canvas_archive.web.visit import Context, Visit, view

TOP = 8


def period_source(when: str, dates: Dates) -> Source | None:
    """Return the list of conversations with a message in a period; ``None`` when it is no period."""
    bounds = dates.period(when)
    if bounds is None:
        return None
    values = {"start": bounds[0], "end": bounds[1]}
    return Source(queries.PERIOD_WHERE, "h.at", values, tables=queries.PERIOD_SOURCE)


@view(table="messages")
async def timeline(visit: Visit) -> Any:
    """Answer with the chart, and under it the busiest people and courses, or a month's conversations."""
    when = visit.argument("when", 10)
    source = period_source(when, visit.dates)

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        periods = periods_of(connection, visit.dates)
        everything = counted(connection, periods, None)
        sent = counted(connection, periods, frame.owner_id)
        received = [total - mine for total, mine in zip(everything, sent, strict=True)]
        context: Context = {
            "title": "Timeline",
            "chart": draw(periods, received, sent),
            "when": when if source else "",
            "page": None,
            "total": 0,
            "top_people": [],
            "top_courses": [],
        }
        if source is not None:
            context["total"] = connection.execute(queries.COUNT_PERIOD, source.values).fetchone()[0]
            context["page"] = read_page(
                connection,
                frame,
                visit.dates,
                source,
                before=visit.argument("before"),
                after=visit.argument("after"),
                limit=PAGE_WITH_CHART,
            )
            return context
        context["top_people"] = connection.execute(
            queries.TOP_PEOPLE, {"owner": frame.owner_id, "limit": TOP}
        ).fetchall()
        context["top_courses"] = [
            (frame.courses[row["code"]], row["n"])
            for row in connection.execute(queries.TOP_COURSES, {"limit": TOP})
        ]
        return context

    return await visit.page("mail/timeline.html", build, active="timeline")
