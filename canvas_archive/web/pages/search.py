"""``/mail/search``: the message search, with facets that narrow, and saved searches.

A facet that narrows is counted without itself, so that its other values stay in sight and can be added.
"""

from __future__ import annotations

import json
import shlex
import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from datasette import Response
from markupsafe import Markup

from canvas_archive.clock import SYSTEM
from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.store.writing import brief_writer
from canvas_archive.web import queries
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import Context, PageRequest, form_of, in_thread, view
from canvas_archive.web.pages.suggest import suggestions
from canvas_archive.web.undo import remember
from canvas_archive.web.writing import PATIENCE

if TYPE_CHECKING:
    from canvas_archive.search import Filters, Hit, SearchResult
    from canvas_archive.search.service import Sort

PAGE = 20
LONGEST = 1000
SHOWN_VALUES = 8
MOST_CHOSEN = 20
LAST_PAGE = 200
SORTS = {"relevance": "Best", "newest": "Newest", "oldest": "Oldest"}
FACETS = {"person": "Person", "course": "Course", "year": "Year", "has": "With"}
"""The name of a facet in the search and in an address, and its heading."""

OPERATORS = (
    ("exam schedule", "both words, in any form"),
    ('"final exam"', "this phrase"),
    ("photo* -late", "words that begin so, without another"),
    ("exam OR quiz", "either"),
    ("from:ana to:me with:felix", "people"),
    ("course:bio subject:lab", "where"),
    ("has:attachment has:pdf filename:essay larger:1M", "files"),
    ("is:unread is:starred in:sent", "state and folder"),
    ("after:2025-09 before:2026 on:2025-03", "time; also 7d, 6m, yesterday"),
)


@dataclass(frozen=True, slots=True)
class SearchForm:
    """What an address asks for."""

    text: str = ""
    chosen: tuple[tuple[str, str], ...] = ()
    sort: str = "relevance"
    page: int = 1
    opened: str = ""  # the facet of which all values are shown

    def toggled(self, name: str, value: str) -> SearchForm:
        """Return the same with a facet's value added, or taken away when it was there."""
        pair = (name, value)
        kept = tuple(one for one in self.chosen if one != pair)
        return replace(self, chosen=kept if pair in self.chosen else (*kept, pair), page=1)

    def values_of(self, name: str) -> tuple[str, ...]:
        """Return the chosen values of a facet."""
        return tuple(value for facet, value in self.chosen if facet == name)

    @property
    def filters(self) -> Filters:
        """Return the choice as the search takes it."""
        from canvas_archive.search import Filters

        return Filters(
            person=tuple(int(value) for value in self.values_of("person") if value.isdecimal()),
            course=self.values_of("course"),
            year=tuple(int(value) for value in self.values_of("year") if value.isdecimal()),
            has=self.values_of("has"),
        )

    @property
    def href(self) -> str:
        """Return the address that asks for this."""
        pairs = [("q", self.text), *self.chosen]
        if self.sort != "relevance":
            pairs.append(("sort", self.sort))
        if self.page > 1:
            pairs.append(("page", str(self.page)))
        if self.opened:
            pairs.append(("more", self.opened))
        return f"/mail/search?{urlencode(pairs)}"


def search_form_of(page_request: PageRequest) -> SearchForm:
    """Read the address."""
    page, sort = page_request.argument("page", 6), page_request.argument("sort", 20)
    chosen = [
        (name, value[:120])
        for name in FACETS
        for value in page_request.request.args.getlist(name)
        if value.strip()
    ]
    return SearchForm(
        page_request.argument("q", LONGEST),
        tuple(chosen[:MOST_CHOSEN]),
        sort if sort in SORTS else "relevance",
        min(LAST_PAGE, max(1, int(page))) if page.isdecimal() else 1,
        more if (more := page_request.argument("more", 10)) in FACETS else "",
    )


def name_of(connection: sqlite3.Connection, user_id: str) -> str:
    """Return the name that means this user alone, else the id."""
    from canvas_archive.search.query.resolve import people

    row = connection.execute(queries.PERSON, {"person": user_id}).fetchone()
    name = " ".join(str(row[1]).split()) if row else ""
    alone = name and [str(number) for number in people(connection, "from", name, set())] == [user_id]
    return name if alone else user_id


def as_text(asked: SearchForm, frame: Frame, connection: sqlite3.Connection) -> str:
    """Return a query with its facets in the query language alone, as it is saved."""
    from canvas_archive.search.query.tree import CourseNode, PersonNode
    from canvas_archive.search.query.written import canonical_query

    parts = [asked.text] if asked.text else []
    for name in FACETS:
        words = []
        for value in asked.values_of(name):
            if name == "course":
                known = frame.course(value)
                title = (known.name or known.label) if known else value
                words.append(canonical_query(CourseNode(" ".join(title.split()))))
            elif name == "person":
                words.append(canonical_query(PersonNode("from", name_of(connection, value))))
            else:
                words.append(f"{ {'year': 'on', 'has': 'has'}[name] }:{value}")
        if words:
            parts.append(words[0] if len(words) == 1 else f"({' OR '.join(words)})")
    return " ".join(parts)


@dataclass(frozen=True, slots=True)
class FacetLine:
    """A value of a facet, and where it leads."""

    label: str
    count: int
    href: str
    on: bool


@dataclass(frozen=True, slots=True)
class FacetView:
    """A facet: its values, and where the rest of them is shown."""

    title: str
    lines: tuple[FacetLine, ...]
    rest: int
    more: str


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """What a search found, or the sentence why it failed. ``missing``: there is no sound index."""

    result: SearchResult | None = None
    trouble: str = ""
    missing: bool = False


def run(page_request: PageRequest, asked: SearchForm) -> SearchOutcome:
    """Search, in a thread of its own: the index is read with no connection of Datasette's."""
    from canvas_archive.search import search

    try:
        result = search(
            page_request.archive.path,
            page_request.archive.search,
            asked.text,
            limit=PAGE,
            offset=(asked.page - 1) * PAGE,
            sort=cast("Sort", asked.sort),
            facets=True,
            threads=page_request.preferences.hits == "conversations",
            filters=asked.filters,
            tz=page_request.dates.zone,
            now=page_request.dates.now,
            keep_open=True,
        )
    except BadInput as error:
        return SearchOutcome(trouble=str(error))
    except ArchiveError as error:
        return SearchOutcome(trouble=str(error), missing=True)
    return SearchOutcome(result)


def facets_of(
    page_request: PageRequest, frame: Frame, asked: SearchForm, result: SearchResult
) -> list[FacetView]:
    """Return each facet's values as links: choosing one adds it, choosing it again takes it away."""
    found = []
    for name, title in FACETS.items():
        chosen = asked.values_of(name)
        values = sorted((result.facets or {}).get(name, ()), key=lambda value: value.value not in chosen)
        lines = []
        shown = len(values) if asked.opened == name else max(SHOWN_VALUES, len(chosen))
        for value in values[:shown]:
            label = value.label
            if name == "person" and value.value == str(frame.owner_id):
                label = "You"
            elif name == "course" and (course := frame.course(value.value, value.label)):
                label = course.label
            href = page_request.path(asked.toggled(name, value.value).href)
            lines.append(FacetLine(label, value.count, href, value.value in chosen))
        if lines:
            more = page_request.path(replace(asked, opened=name).href) if len(values) > shown else ""
            found.append(FacetView(title, tuple(lines), len(values) - shown, more))
    return found


@dataclass(frozen=True, slots=True)
class HitState:
    """What of a hit's conversation its buttons need. ``fixed``: it cannot be changed."""

    starred: bool = False
    unread: bool = False
    fixed: bool = True


def states_of(connection: sqlite3.Connection, result: SearchResult) -> dict[int, HitState]:
    """Return the states of the conversations of a page of hits."""
    ids = json.dumps([hit.conversation_id for hit in result.hits])
    return {
        row["id"]: HitState(
            bool(row["starred"]), row["workflow_state"] == "unread", row["removed_at"] is not None
        )
        for row in connection.execute(queries.STATES_OF, {"ids": ids})
    }


@dataclass(frozen=True, slots=True)
class HitLine:
    """A hit as the page shows it."""

    href: str
    conversation_id: int
    subject: str
    author: str
    name: str
    author_id: int
    course: str
    at: str
    snippet: Markup
    state: HitState


def hit_of(page_request: PageRequest, frame: Frame, asked: SearchForm, hit: Hit, state: HitState) -> HitLine:
    """Describe a hit."""
    name = hit.author or f"User {hit.author_id}"
    place = asked.href.partition("?")[2].partition("&")[2]
    back = urlencode(
        [
            ("in", f"search:{asked.text}"),
            *([("p", place)] if place else []),
            ("m", hit.message_id),
        ]
    )
    return HitLine(
        href=page_request.path(f"/mail/c/{hit.conversation_id}?{back}#m{hit.message_id}"),
        conversation_id=hit.conversation_id,
        subject=hit.subject or "(no subject)",
        author="You" if hit.author_id == frame.owner_id else name,
        name=name,
        author_id=hit.author_id,
        course=frame.label_of(hit.course or ""),
        at=hit.created_at,
        snippet=Markup(hit.snippet.html()),  # noqa: S704 (the search escapes all but its own marks)
        state=state,
    )


@view(table="messages")
async def page(page_request: PageRequest) -> Any:
    """Answer with the hits, or without a question with saved searches and the language."""
    asked = search_form_of(page_request)
    asking = bool(asked.text or asked.chosen)
    found = await in_thread(lambda: run(page_request, asked)) if asking else SearchOutcome()

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        result = found.result
        total = result.total if result else 0
        states = states_of(connection, result) if result else {}
        query = as_text(asked, frame, connection)
        suggestion = result.suggestion if result else None
        return {
            "title": asked.text or "Search",
            "q": asked.text,
            "asked": asked,
            "asking": asking,
            "trouble": found.trouble,
            "missing": found.missing,
            "total": total,
            "milliseconds": round(result.milliseconds) if result else 0,
            "waiting": result.freshness.pending if result else 0,
            "skipped": result.freshness.skipped if result else 0,
            "hits": [
                hit_of(page_request, frame, asked, hit, states.get(hit.conversation_id, HitState()))
                for hit in result.hits
            ]
            if result
            else [],
            "threads": page_request.preferences.hits == "conversations",
            "here_row": page_request.argument("row", 18),
            "examples": [] if asking else suggestions(connection, frame, ""),
            "export": f"canvas-archive export results --format csv --query {shlex.quote(query)}",
            "facets": facets_of(page_request, frame, asked, result) if result else [],
            "understood": result.understood if result else "",
            "explanation": result.explanation if result else None,
            "suggestion": suggestion,
            "suggested": page_request.path(replace(asked, text=suggestion, page=1).href)
            if suggestion
            else "",
            "sorts": [
                (label, page_request.path(replace(asked, sort=key, page=1).href), key == asked.sort)
                for key, label in SORTS.items()
            ],
            "clear": page_request.path(replace(asked, chosen=(), page=1).href),
            "more": page_request.path(replace(asked, page=asked.page + 1).href)
            if total > asked.page * PAGE and asked.page < LAST_PAGE
            else "",
            "less": page_request.path(replace(asked, page=asked.page - 1).href) if asked.page > 1 else "",
            "as_text": query,
            "saved": connection.execute(queries.SAVED_SEARCHES).fetchall(),
            "operators": OPERATORS,
        }

    refused = bool(found.trouble) and not found.missing
    return await page_request.page("mail/search.html", build, active="search", status=400 if refused else 200)


@view(table="saved_searches", method="POST")
async def save(page_request: PageRequest) -> Any:
    """``POST /mail/search/save``: keep a search under a name, or forget the one named ``forget``."""
    from canvas_archive.search import forget_search, save_search

    form = form_of(page_request)
    forget, name, query = form.one("forget"), form.one("name").strip(), form.one("query").strip()

    def keep() -> None:
        with brief_writer(page_request.archive.path, patience=PATIENCE) as db:
            if forget:
                forget_search(db, forget)
            else:
                save_search(db, name, query, now=SYSTEM.now())

    await in_thread(keep)
    if forget:
        target, message = "/mail/search?", f"“{forget}” is forgotten."
    else:
        target, message = f"/mail/search?{urlencode({'q': query})}&", f"Saved as “{name}”."
    notice = remember(page_request.datasette, message)
    return Response.redirect(page_request.path(f"{target}done={notice.key}"), status=303)
