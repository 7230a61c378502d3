"""``/mail/courses`` and ``/mail/courses/CODE``: mail by course."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from datasette import NotFound

from canvas_archive.web import queries
from canvas_archive.web.cache import cached
from canvas_archive.web.chart import bucketed, draw, periods_of
from canvas_archive.web.frame import Frame, by_term
from canvas_archive.web.page_request import Context, PageRequest, view
from canvas_archive.web.rows import PAGE_WITH_CHART, ListSource, period_source, read_page, total_of

PAGE = 150
GROUPS = "Groups and others"


@dataclass(frozen=True, slots=True)
class CourseCounts:
    """What a course holds."""

    conversations: int
    unread: int


def tallies_of(connection: sqlite3.Connection) -> dict[str, CourseCounts]:
    """Return what each course with mail holds, by its code."""

    def count() -> dict[str, CourseCounts]:
        unread = dict(tuple(row) for row in connection.execute(queries.UNREAD_TALLIES))
        return {code: CourseCounts(n, unread.get(code, 0)) for code, n in connection.execute(queries.TALLIES)}

    return cached(connection, "tallies", count)


@view(table="contexts")
async def index(page_request: PageRequest) -> Any:
    """Answer with all courses by term, and groups after them."""

    first = page_request.argument("from", 6)
    skipped = int(first) if first.isdecimal() else 0

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        tallies = tallies_of(connection)
        courses = [course for course in frame.courses.values() if course.kind == "course"]
        others = [course for course in frame.courses.values() if course.kind != "course"]
        terms = (*by_term(courses), *by_term(others, GROUPS))
        flat = [(term.title, course) for term in terms for course in term.courses]
        shown = flat[skipped : skipped + PAGE]
        return {
            "title": "Courses",
            "terms": [
                (title, [course for _, course in group]) for title, group in groupby(shown, key=itemgetter(0))
            ],
            "tallies": tallies,
            "nothing": CourseCounts(0, 0),
            "total": len(courses),
            "next": skipped + PAGE if len(flat) > skipped + PAGE else 0,
        }

    return await page_request.page("mail/courses.html", build, active="courses")


@view(table="contexts")
async def course(page_request: PageRequest) -> Any:
    """Answer with one course or group: when there was mail, and its conversations."""
    code = page_request.request.url_vars["code"]
    when = page_request.argument("when", 10)
    bounds = page_request.dates.period(when)

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        total = connection.execute(queries.COUNT_COURSE, {"code": code}).fetchone()[0]
        known = frame.course(code)
        if known is None or (code not in frame.courses and not total):
            raise NotFound(f"There is no course {code} in this archive.")
        periods = periods_of(connection, page_request.dates)
        rows = connection.execute(queries.COURSE_TIMES, {"code": code, "owner": frame.owner_id}).fetchall()
        received = bucketed((row[0] for row in rows if not row[1]), periods)
        sent = bucketed((row[0] for row in rows if row[1]), periods)
        source = ListSource(queries.IN_COURSE, "latest_at", {"code": code})
        if bounds:
            source = period_source(bounds, course=code)
        context = f"course:{code}" + (f"@{when}" if bounds else "")
        return {
            "title": known.name or known.label,
            "course": known,
            "total": total,
            "listed": total_of(connection, source) if bounds else total,
            "chart": draw(periods, received, sent),
            "when": when if bounds else "",
            "page": read_page(page_request, connection, frame, source, context, limit=PAGE_WITH_CHART),
        }

    return await page_request.page("mail/course.html", build, active=code)
