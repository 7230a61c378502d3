"""Names of people and courses that complete a search, for the search field."""

from __future__ import annotations

import re
import sqlite3
from typing import Any, Literal, cast

from datasette import Response

from canvas_archive.web import queries
from canvas_archive.web.frame import CourseLabel, Frame, read_frame
from canvas_archive.web.page_request import CALM, PageRequest, view
from canvas_archive.web.pages.people import correspondents, like, named

MOST_SUGGESTED = 8

_LAST_WORD = re.compile(
    r"(?P<head>(?:.*\s)?-?)(?P<operator>from|to|with|course):\"?(?P<name>[^\s\":][^\":]*|)$"
)


def suggestions(connection: sqlite3.Connection, frame: Frame, text: str) -> list[str]:
    """Return queries that complete the name at the end of a text: ``from:an`` to ``from:"Ana Ruiz"``.

    Without a text, return some to begin with.
    """
    from canvas_archive.search.query.tree import CourseNode, PersonNode
    from canvas_archive.search.query.written import canonical_query

    def course_query(course: CourseLabel) -> str:
        return canonical_query(CourseNode(" ".join((course.name or course.label).split())))

    if not text:
        busiest = [
            pair for pair in correspondents(connection)[: MOST_SUGGESTED + 1] if pair[0] != frame.owner_id
        ]
        names = [" ".join(one.name.split()) for one in named(connection, busiest)]
        people = [canonical_query(PersonNode("from", name)) for name in names]
        return people + [course_query(course) for term in frame.terms for course in term.courses]
    match = _LAST_WORD.fullmatch(text)
    if match is None:
        return []
    head, operator, name = match["head"], match["operator"], match["name"].strip()
    if operator == "course":
        wanted = name.casefold()
        found = [one for one in frame.courses.values() if wanted in f"{one.label} {one.name}".casefold()]
        return [head + course_query(course) for course in found[:MOST_SUGGESTED]]
    role = cast("Literal['from', 'to', 'with']", operator)
    values = {"like": like(name), "limit": MOST_SUGGESTED}
    called = [" ".join(str(row[0]).split()) for row in connection.execute(queries.NAMES_LIKE, values)]
    return [head + canonical_query(PersonNode(role, one)) for one in dict.fromkeys(called)]


@view(table="users")
async def suggest(page_request: PageRequest) -> Any:
    """``GET /mail/search/suggest?q=``: completions of a query, for the page's script."""
    text = page_request.argument("q", 200)
    found = await page_request.read(
        lambda connection: suggestions(connection, read_frame(connection, page_request.dates), text)
    )
    return Response.json(found if text else [], headers=dict(CALM))
