"""``/mail/timeline``: messages by month, with people and courses; a bar opens its month."""

from __future__ import annotations

import sqlite3
from typing import Any

from canvas_archive.web.chart import counted, draw, periods_of
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import Context, PageRequest, view
from canvas_archive.web.pages.courses import tallies_of
from canvas_archive.web.pages.people import correspondents, named
from canvas_archive.web.rows import PAGE_WITH_CHART, period_source, read_page, total_of

TOP = 8


@view(table="messages")
async def timeline(page_request: PageRequest) -> Any:
    """Answer with the chart, and under it the busiest people and courses, or a month's conversations."""
    when = page_request.argument("when", 10)
    bounds = page_request.dates.period(when)
    source = period_source(bounds) if bounds else None

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        periods = periods_of(connection, page_request.dates)
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
            context["total"] = total_of(connection, source)
            context["page"] = read_page(
                page_request, connection, frame, source, f"timeline:{when}", limit=PAGE_WITH_CHART
            )
            return context
        busiest = [(ident, n) for ident, n in correspondents(connection) if n and ident != frame.owner_id]
        context["top_people"] = named(connection, busiest[:TOP])
        tallies = sorted(
            (-tally.conversations, code)
            for code, tally in tallies_of(connection).items()
            if code in frame.courses
        )
        context["top_courses"] = [(frame.courses[code], -n) for n, code in tallies[:TOP]]
        return context

    return await page_request.page("mail/timeline.html", build, active="timeline")
