"""``/mail/search``: the message search, with facets that narrow sideways, and searches worth keeping.

A facet is an operator of the query language, added to what was typed. A facet that narrows is counted
without itself, so that its other values stay in sight: one more search per active facet.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datasette import Response
from markupsafe import Markup

from canvas_archive.clock import SYSTEM, iso
from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.web import queries, writing
from canvas_archive.web.frame import Frame
from canvas_archive.web.undo import remember
from canvas_archive.web.visit import Context, Visit, form_of, in_thread, view

if TYPE_CHECKING:
    from canvas_archive.search import Hit, SearchResult

PAGE = 20
LONGEST = 1000
SHOWN_VALUES = 8
LAST_PAGE = 200
SORTS = {"relevance": "Best", "newest": "Newest", "oldest": "Oldest"}
FACETS = {"from": "Person", "course": "Course", "year": "Year"}
"""The parameter of a facet in an address, and its heading."""

FIELD_OF = {"from": "person", "course": "course", "year": "year"}
OPERATORS = (
    ("exam schedule", "both words, in any form"),
    ('"final exam"', "this phrase"),
    ("photo* -late", "words that begin so, without another"),
    ("exam OR quiz", "either"),
    ("from:ana to:me with:felix", "people"),
    ("course:bio subject:lab", "where"),
    ("has:attachment filename:essay", "files"),
    ("is:unread is:starred in:sent", "state and folder"),
    ("after:2025-09 before:2026 on:2025-03", "time; also 7d, 6m, yesterday"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for."""

    text: str = ""
    filters: tuple[tuple[str, str], ...] = ()
    sort: str = "relevance"
    page: int = 1

    @property
    def query(self) -> str:
        """Return the text with the facets added as operators."""
        return " ".join((self.text, *(operator(name, value) for name, value in self.filters))).strip()

    def without(self, name: str) -> Asked:
        """Return the same without one facet."""
        return replace(self, filters=tuple(pair for pair in self.filters if pair[0] != name), page=1)

    def with_value(self, name: str, value: str) -> Asked:
        """Return the same, narrowed by a facet's value."""
        return replace(self, filters=(*self.without(name).filters, (name, value)), page=1)

    def value_of(self, name: str) -> str:
        """Return the value a facet narrows to; empty when it does not."""
        return dict(self.filters).get(name, "")

    @property
    def href(self) -> str:
        """Return the address that asks for this."""
        pairs = [("q", self.text), *self.filters]
        if self.sort != "relevance":
            pairs.append(("sort", self.sort))
        if self.page > 1:
            pairs.append(("page", str(self.page)))
        return f"/mail/search?{urlencode(pairs)}"


def operator(name: str, value: str) -> str:
    """Write a facet's value in the query language."""
    quoted = value.replace('"', " ")
    if name == "year":
        return f"on:{quoted}" if quoted.isdigit() else ""
    return f"{name}:{quoted}" if quoted.isdigit() or quoted == "me" else f'{name}:"{quoted}"'


def asked_of(visit: Visit) -> Asked:
    """Read the address."""
    pages = visit.argument("page", 6)
    filters = [(name, visit.argument(name, 120)) for name in FACETS]
    sort = visit.argument("sort", 20)
    return Asked(
        visit.argument("q", LONGEST),
        tuple((name, value) for name, value in filters if value),
        sort if sort in SORTS else "relevance",
        min(LAST_PAGE, max(1, int(pages))) if pages.isdigit() else 1,
    )


@dataclass(frozen=True, slots=True)
class FacetLine:
    """A value of a facet, and where it leads."""

    label: str
    count: int
    href: str
    on: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave: the answer and the facets, or the sentence why there is none."""

    result: SearchResult | None = None
    facets: tuple[tuple[str, tuple[FacetLine, ...]], ...] = ()
    milliseconds: float = 0.0
    trouble: str = ""
    missing: bool = False


def run(visit: Visit, asked: Asked) -> Found:
    """Search, in a thread of its own: the index is read with no connection of Datasette's."""
    archive = visit.archive
    if not archive.search.is_dir() or not any(archive.search.iterdir()):
        return Found(missing=True)
    from canvas_archive.search import search

    def once(question: Asked, *, limit: int, offset: int = 0) -> SearchResult:
        return search(
            archive.path,
            archive.search,
            question.query,
            limit=limit,
            offset=offset,
            sort=question.sort,  # type: ignore[arg-type]
            facets=True,
            tz=visit.dates.zone,
            now=visit.dates.now,
        )

    began = time.perf_counter()
    try:
        result = once(asked, limit=PAGE, offset=(asked.page - 1) * PAGE)
        facets = []
        for name, title in FACETS.items():
            source = once(asked.without(name), limit=1) if asked.value_of(name) else result
            lines = facet_lines(visit, asked, name, (source.facets or {}).get(FIELD_OF[name], ()))
            if lines:
                facets.append((title, lines))
    except BadInput as error:
        return Found(trouble=str(error))
    except ArchiveError as error:
        return Found(trouble=str(error), missing=True)
    return Found(result, tuple(facets), (time.perf_counter() - began) * 1000)


def facet_lines(visit: Visit, asked: Asked, name: str, values: Iterable[Any]) -> tuple[FacetLine, ...]:
    """Return a facet's values as links: choosing narrows, choosing again widens."""
    chosen = asked.value_of(name)
    lines = []
    for value in values:
        key = str(value.value)
        target = asked.without(name) if key == chosen else asked.with_value(name, key)
        lines.append(FacetLine(value.label, value.count, visit.path(target.href), key == chosen))
    return tuple(lines[:SHOWN_VALUES])


@dataclass(frozen=True, slots=True)
class HitLine:
    """A hit as the page shows it."""

    href: str
    subject: str
    author: str
    author_id: int
    course: str
    at: str
    snippet: Markup


def hit_of(visit: Visit, frame: Frame, asked: Asked, hit: Hit) -> HitLine:
    """Describe a hit."""
    back = urlencode({"in": f"search:{asked.text}"[:80]})
    return HitLine(
        href=visit.path(f"/mail/c/{hit.conversation_id}?{back}#m{hit.message_id}"),
        subject=hit.subject or "(no subject)",
        author="You" if hit.author_id == frame.owner_id else hit.author,
        author_id=hit.author_id,
        course=hit.course or "",
        at=hit.created_at,
        snippet=Markup(hit.snippet.html()),  # noqa: S704 (the search escapes all but its own marks)
    )


@view(table="messages")
async def page(visit: Visit) -> Any:
    """Answer with the hits, or without a query with saved searches and the language."""
    asked = asked_of(visit)
    found = await in_thread(lambda: run(visit, asked)) if asked.query else Found()

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        result = found.result
        total = result.total if result else 0
        return {
            "title": asked.text or "Search",
            "q": asked.text,
            "asked": asked,
            "asking": bool(asked.query),
            "found": found,
            "total": total,
            "hits": [hit_of(visit, frame, asked, hit) for hit in result.hits] if result else [],
            "suggestion": visit.path(replace(asked, text=result.suggestion, page=1).href)
            if result and result.suggestion
            else "",
            "sorts": [
                (label, visit.path(replace(asked, sort=key, page=1).href), key == asked.sort)
                for key, label in SORTS.items()
            ],
            "clear": visit.path(replace(asked, filters=(), page=1).href),
            "more": visit.path(replace(asked, page=asked.page + 1).href)
            if total > asked.page * PAGE and asked.page < LAST_PAGE
            else "",
            "less": visit.path(replace(asked, page=asked.page - 1).href) if asked.page > 1 else "",
            "saved": connection.execute(queries.SAVED_SEARCHES).fetchall(),
            "operators": OPERATORS,
        }

    return await visit.page("mail/search.html", build, active="search")


@view(table="saved_searches", method="POST")
async def save(visit: Visit) -> Any:
    """``POST /mail/search/save``: keep a search under a name, or forget the one named ``forget``."""
    form = form_of(visit)
    forget, name, query = form.one("forget"), form.one("name").strip()[:80], form.one("query").strip()[:LONGEST]
    if forget:
        await in_thread(
            lambda: writing.write(
                visit.archive.path, lambda db: db.execute("DELETE FROM saved_searches WHERE name = ?", (forget,))
            )
        )
        target, message = "/mail/search", f"“{forget}” is forgotten."
    else:
        if not name or not query:
            raise BadInput("Give the search a name before you save it.")
        await in_thread(
            lambda: writing.write(
                visit.archive.path,
                lambda db: db.execute(
                    "INSERT INTO saved_searches (name, query, created_at) VALUES (?, ?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET query = excluded.query",
                    (name, query, iso(SYSTEM.now())),
                ),
            )
        )
        target, message = f"/mail/search?{urlencode({'q': query})}", f"Saved as “{name}”."
    notice = remember(visit.datasette, message)
    joined = "&" if "?" in target else "?"
    return Response.redirect(visit.path(f"{target}{joined}done={notice.key}"), status=303)
