"""``/mail/courses`` and ``/mail/courses/CODE``: mail by where it belongs."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from datasette import NotFound

from canvas_archive.web import queries
from canvas_archive.web.chart import bucketed, draw, periods_of
from canvas_archive.web.frame import Course, Frame, by_term
from canvas_archive.web.rows import Source, read_page
from canvas_archive.web.visit import Context, Visit, view

GROUPS = "Groups and others"


@dataclass(frozen=True, slots=True)
class Tally:
    """What a course holds."""

    conversations: int
    unread: int


@view(table="contexts")
async def index(visit: Visit) -> Any:
    """Answer with all courses by term, and groups after them."""

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        courses: list[Course] = []
        others: list[Course] = []
        tallies: dict[str, Tally] = {}
        for row in connection.execute(queries.COURSES):
            course = frame.courses[row["code"]]
            (courses if row["kind"] == "course" else others).append(course)
            tallies[course.code] = Tally(row["conversations"], row["unread"])
        return {
            "title": "Courses",
            "terms": (*by_term(courses), *by_term(others, GROUPS)),
            "tallies": tallies,
            "total": len(courses),
        }

    return await visit.page("mail/courses.html", build, active="courses")


@view(table="contexts")
async def course(visit: Visit) -> Any:
    """Answer with one course or group: when there was mail, and its conversations."""
    code = visit.request.url_vars["code"]
    when = visit.argument("when", 10)
    bounds = visit.dates.period(when)

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        total = connection.execute(queries.COUNT_COURSE, {"code": code}).fetchone()[0]
        known = frame.course(code)
        if known is None or (code not in frame.courses and not total):
            raise NotFound(f"There is no course {code} in this archive.")
        periods = periods_of(connection, visit.dates)
        rows = connection.execute(queries.COURSE_TIMES, {"code": code, "owner": frame.owner_id}).fetchall()
        received = bucketed((row[0] for row in rows if not row[1]), periods)
        sent = bucketed((row[0] for row in rows if row[1]), periods)
        source = Source(queries.IN_COURSE, "latest_at", {"code": code})
        if bounds:
            source = Source(
                queries.PERIOD_IN_COURSE,
                "h.at",
                {"code": code, "start": bounds[0], "end": bounds[1]},
                tables=queries.PERIOD_SOURCE,
            )
        return {
            "title": known.name or known.label,
            "course": known,
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
            ),
        }

    return await visit.page("mail/course.html", build, active=code)
