"""Searching an archive: the one entry for the command line, the web pages, exports and edits."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import Any, Literal

from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.search.answer.facets import (
    FACETS,
    MOST_VALUES,
    FacetValue,
    Filters,
    count_courses,
    count_has,
    count_people,
    count_years,
)
from canvas_archive.search.answer.matching import AllOf, Matcher, TextMatcher
from canvas_archive.search.answer.planning import Plan, Planner
from canvas_archive.search.answer.ranking import Matches, Ranked, Ranker
from canvas_archive.search.answer.snippet import Marking, Snippet, make_snippet
from canvas_archive.search.index.opened import forget, open_index, reader
from canvas_archive.search.index.postings import Damaged
from canvas_archive.search.index.record import IndexBehind, IndexUnusable, changed_files, pending_messages
from canvas_archive.search.query.dates import local_zone, zone, zone_name
from canvas_archive.search.query.explain import explain
from canvas_archive.search.query.language import parse
from canvas_archive.search.query.resolve import AbsentNames
from canvas_archive.search.query.suggest import respelt
from canvas_archive.search.query.tree import Node
from canvas_archive.search.query.understood import Understanding
from canvas_archive.search.query.written import canonical_query
from canvas_archive.store.connection import bad_text_replaced, connect_readonly, plain_cursor

Sort = Literal["relevance", "newest", "oldest"]

_HITS = """
SELECT m.id, m.conversation_id, m.created_at, m.author_id, m.body, c.subject,
       c.context_code, coalesce(x.name, c.context_name) AS course, u.name, u.full_name
FROM messages m
JOIN conversations c ON c.id = m.conversation_id
LEFT JOIN contexts x ON x.code = c.course
LEFT JOIN users u ON u.id = m.author_id
WHERE m.id IN (SELECT value FROM json_each(?))
"""
_FILE_TEXTS = """
SELECT f.message_id, t.text FROM message_attachments f
JOIN attachments a ON a.id = f.attachment_id JOIN attachment_texts t ON t.sha256 = a.sha256
WHERE t.text IS NOT NULL AND f.message_id IN (SELECT value FROM json_each(?))
ORDER BY f.message_id, f.position
"""
_USER_NAMES = "SELECT id, coalesce(name, full_name) FROM users WHERE id IN (SELECT value FROM json_each(?))"
_COURSE_NAMES = """
SELECT code, name FROM contexts WHERE code IN (SELECT value FROM json_each(?))
"""
_HAS_LABELS = {
    "attachment": "Attachment",
    "media": "Recording",
    "link": "Link",
    "forwarded": "Forwarded message",
}


@dataclass(frozen=True, slots=True)
class Hit:
    """One message that was found. ``created_at`` is ISO-8601 UTC.

    ``course`` is the name of the course or group, ``context_code`` its code.
    """

    message_id: int
    conversation_id: int
    subject: str | None
    author: str | None
    author_id: int
    created_at: str
    context_code: str | None
    course: str | None
    snippet: Snippet
    score: float


@dataclass(frozen=True, slots=True)
class Freshness:
    """How current the index was: messages that wait to be indexed, and when it was last updated (ISO).

    ``skipped`` counts the messages that cannot be indexed, because their rows are damaged.
    """

    pending: int
    updated_at: str
    skipped: int = 0

    @property
    def current(self) -> bool:
        """Return whether nothing waits."""
        return self.pending == 0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found. ``total`` is exact; with ``threads`` it counts conversations.

    ``suggestion`` is another query that finds something, ``explanation`` a sentence why this one does not.
    ``understood`` says what the query means, ``canonical`` is a query of the same tree, and ``zone`` is the
    time zone of its dates.
    """

    query: str
    total: int
    hits: tuple[Hit, ...]
    facets: dict[str, tuple[FacetValue, ...]] | None
    suggestion: str | None
    milliseconds: float
    freshness: Freshness
    explanation: str | None = None
    understood: str = ""
    canonical: str = ""
    zone: str = ""


def search(
    db_path: Path,
    search_dir: Path,
    text: str,
    *,
    limit: int = 20,
    offset: int = 0,
    sort: Sort = "relevance",
    threads: bool = False,
    facets: bool = False,
    filters: Filters | None = None,
    tz: str | tzinfo | None = None,
    now: datetime | None = None,
    absent: AbsentNames | None = None,
    keep_open: bool = False,
) -> SearchResult:
    """Return the messages that match, best first (or by date), with a snippet each.

    ``threads`` gives one hit, the best, per conversation. ``tz`` is the zone of the query's dates and the
    facets' years (local without one). An empty text matches every message. With ``absent``, a name that the
    archive does not know is added to it and matches nothing. ``keep_open`` is for servers: the connection
    stays open for the next search.

    Raises BadInput for a query that cannot be, UnknownName for a name that the archive does not know,
    IndexUnusable when there is no sound index.
    """
    began = time.perf_counter()
    tree, where = _parsed(text, tz, now)
    with reader(db_path, keep=keep_open) as db, bad_text_replaced(db):
        noted: AbsentNames | None = None if absent is None else set()
        with _Session(db, search_dir, noted) as session:
            found = session.find(tree, filters or Filters(), where)
            if absent is not None and noted:
                absent |= noted  # now: the names in suggestions are not the query's
            hits = session.hits(found, max(0, limit), max(0, offset), sort, threads=threads)
            total = session.conversations(found.matches) if threads else found.total
            counted = session.facets(found, where) if facets else None
            suggestion = session.suggestion(text, where, now) if not total and text.strip() else None
            explanation = session.explanation(tree, found) if not total else None
            return SearchResult(
                text,
                total,
                hits,
                counted,
                suggestion,
                (time.perf_counter() - began) * 1000.0,
                session.freshness,
                explanation,
                understood=Understanding(db, where, absent).sentence(tree),
                canonical=canonical_query(tree),
                zone=zone_name(where),
            )


def words_to_mark(
    db_path: Path,
    search_dir: Path,
    text: str,
    *,
    tz: str | tzinfo | None = None,
    now: datetime | None = None,
) -> Marking:
    """Return what the snippets of a search mark, for marking it in whole texts. Raises as ``search`` does."""
    tree, _ = _parsed(text, tz, now)
    with reader(db_path, keep=True) as db, bad_text_replaced(db), _Session(db, search_dir) as session:
        return session.marking(tree)


def check_query(text: str, *, tz: str | tzinfo | None = None, now: datetime | None = None) -> None:
    """Raise BadInput for a query that cannot be in any archive, or a zone that is none."""
    _parsed(text, tz, now)


def understand(
    db_path: Path | None,
    text: str,
    *,
    tz: str | tzinfo | None = None,
    now: datetime | None = None,
    absent: AbsentNames | None = None,
    redact: bool = False,
) -> tuple[str, str]:
    """Return how a query is understood, and the time zone of its dates. Needs no index.

    Without ``db_path``, names stay as they were typed. ``absent`` and ``redact`` are as in
    ``Understanding``. Raises BadInput for a query that cannot be, UnknownName for an unknown name.
    """
    tree, where = _parsed(text, tz, now)
    if db_path is None:
        return Understanding(None, where).sentence(tree), zone_name(where)
    with closing(connect_readonly(db_path)) as db, bad_text_replaced(db):
        return Understanding(db, where, absent, redact).sentence(tree), zone_name(where)


def _parsed(text: str, tz: str | tzinfo | None, now: datetime | None) -> tuple[Node, tzinfo]:
    where = (zone(tz) if isinstance(tz, str) else tz) or local_zone()
    return parse(text, now=now or datetime.now(timezone.utc), tz=where), where


def select_messages(
    db_path: Path,
    search_dir: Path,
    text: str,
    *,
    tz: str | tzinfo | None = None,
    now: datetime | None = None,
    absent: AbsentNames | None = None,
    current: bool = False,
) -> list[int]:
    """Return the ids of all messages that match, ascending. ``absent`` and errors are as in ``search``.

    With ``current``, raises IndexBehind when messages wait to be indexed.
    """
    return sorted(_select(db_path, search_dir, text, "message", tz, now, absent, current=current))


def select_conversations(
    db_path: Path, search_dir: Path, text: str, *, tz: str | tzinfo | None = None, now: datetime | None = None
) -> list[int]:
    """Return the ids of all conversations with a match, ascending. Raises as ``search`` does."""
    return sorted(_select(db_path, search_dir, text, "conversation", tz, now))


def _select(
    db_path: Path,
    search_dir: Path,
    text: str,
    column: str,
    tz: str | tzinfo | None,
    now: datetime | None,
    absent: AbsentNames | None = None,
    *,
    current: bool = False,
) -> set[int]:
    tree, where = _parsed(text, tz, now)
    with closing(connect_readonly(db_path)) as db, bad_text_replaced(db):
        with _Session(db, search_dir, absent) as session:
            if current and not session.freshness.current:
                raise IndexBehind(session.freshness.pending)
            return session.values(session.find(tree, Filters(), where).matches, column)


@dataclass(frozen=True)
class _Found:
    """What matched, what it would be without each filter, and the words to rank and mark by."""

    matches: Matches
    unfiltered: Matches
    filters: dict[str, Matcher]
    plan: Plan

    @property
    def total(self) -> int:
        return sum(chosen.size for chosen in self.matches)


class _Session:
    """One search: a connection, an open index, held while it lasts."""

    def __init__(self, db: sqlite3.Connection, folder: Path, absent: AbsentNames | None = None) -> None:
        self._db = db
        self._folder = folder
        self._absent = absent

    def __enter__(self) -> _Session:
        self._index, self._record = open_index(self._db, self._folder)
        self.freshness = Freshness(
            pending_messages(self._db), self._record.updated_at, len(self._record.skipped)
        )
        self._planner = Planner(self._index, self._db, self._absent)
        self._index.lock.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._index.trim()
        self._index.lock.release()
        if isinstance(error, Damaged):
            forget(self._folder)
            raise IndexUnusable(f"The search index is damaged: {error}.") from error
        if isinstance(error, Exception) and not isinstance(error, ArchiveError):
            # Whatever damaged bytes make a reader raise: the files say whether they are damaged.
            changed = next(iter(changed_files(self._record, self._folder)), None)
            if changed is not None:
                forget(self._folder)
                raise IndexUnusable(f"A file of the search index is damaged ({changed}).") from error

    def find(self, tree: Node, filters: Filters, tz: tzinfo | None) -> _Found:
        """Match the tree in every segment, then the filters."""
        plan = self._planner.plan(tree)
        unfiltered = self._match(plan.matcher, None)
        chosen = filters.matchers(tz)
        matches = self._match(AllOf(tuple(chosen.values())), unfiltered) if chosen else unfiltered
        return _Found(matches, unfiltered, chosen, plan)

    def _match(self, matcher: Matcher, within: Matches | None) -> Matches:
        found: Matches = []
        for at, segment in enumerate(self._index.segments):
            chosen = matcher.match(segment, None if within is None else within[at])
            found.append(chosen - segment.dead)
        return found

    def values(self, matches: Matches, column: str) -> set[int]:
        """Return the distinct values of a column over all matches."""
        found: set[int] = set()
        for segment, chosen in zip(self._index.segments, matches, strict=False):
            if chosen:
                found.update(chosen.pick(segment.column(column)))
        return found

    def conversations(self, matches: Matches) -> int:
        """Return in how many conversations there are matches."""
        return len(self.values(matches, "conversation"))

    def hits(self, found: _Found, limit: int, offset: int, sort: Sort, *, threads: bool) -> tuple[Hit, ...]:
        """Return one page of hits."""
        ranker = Ranker(self._index, found.plan.texts)
        count = limit + offset
        if sort == "relevance":
            ranked = ranker.best(found.matches, count, threads=threads)
        else:
            ranked = ranker.by_date(found.matches, count, newest_first=sort == "newest", threads=threads)
        return self._filled(ranked[offset:], found.plan.texts)

    def marking(self, tree: Node) -> Marking:
        """Return what to mark in messages for this query."""
        return _marking_in_messages(self._planner.plan(tree).texts)

    def _filled(self, ranked: Sequence[Ranked], texts: Sequence[TextMatcher]) -> tuple[Hit, ...]:
        wanted = json.dumps([hit.message_id for hit in ranked])
        rows = {row[0]: row for row in plain_cursor(self._db).execute(_HITS, (wanted,))}
        marking = _marking_in_messages(texts)
        in_files = marking_for([text for text in texts if text.field == "attached"])
        files: dict[int, list[str]] = {}
        if in_files.terms or in_files.sequences:
            for message_id, text in self._db.execute(_FILE_TEXTS, (wanted,)):
                files.setdefault(message_id, []).append(text)
        hits = []
        for one in ranked:
            row = rows.get(one.message_id)
            if row is None:  # gone from the tables since it was indexed: cannot be, but must not break a page
                continue
            _, thread, created_at, author_id, body, subject, code, course, name, full_name = row
            snippet, best = make_snippet(body, marking)
            for text in files.get(one.message_id, ()):
                other, score = make_snippet(text, in_files)
                if score > best:
                    snippet, best = other, score
            hits.append(
                Hit(
                    one.message_id, thread, subject, name or full_name, author_id, created_at, code, course,
                    snippet, one.score,
                )
            )  # fmt: skip
        return tuple(hits)

    def facets(self, found: _Found, tz: tzinfo | None) -> dict[str, tuple[FacetValue, ...]]:
        """Count by every facet, each without the filter on itself."""
        bases = {}
        for name in FACETS:
            others = tuple(matcher for facet, matcher in found.filters.items() if facet != name)
            if len(others) == len(found.filters):
                bases[name] = found.matches
            else:
                bases[name] = self._match(AllOf(others), found.unfiltered) if others else found.unfiltered
        people = count_people(self._index, bases["person"])
        courses = count_courses(self._index, bases["course"])
        years = count_years(self._index, bases["year"], tz)
        has = count_has(self._index, bases["has"])
        return {
            "person": self._values(people, _USER_NAMES, "User "),
            "course": self._values(courses, _COURSE_NAMES, ""),
            "year": tuple(
                FacetValue(str(year), str(year), years[year]) for year in sorted(years, reverse=True)
            ),
            "has": tuple(FacetValue(name, _HAS_LABELS[name], count) for name, count in has.most_common()),
        }

    def _values(self, counts: Counter[Any], names: str, unnamed: str) -> tuple[FacetValue, ...]:
        top = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:MOST_VALUES]
        labels = dict(tuple(row) for row in self._db.execute(names, (json.dumps([key for key, _ in top]),)))
        return tuple(FacetValue(str(key), labels.get(key) or f"{unnamed}{key}", count) for key, count in top)

    def suggestion(self, text: str, tz: tzinfo | None, now: datetime | None) -> str | None:
        """Return another query that finds something, when this one does not."""
        moment = now or datetime.now(timezone.utc)
        candidates = (respelt(self._index, text), f"{text} in:attachments")
        for candidate in candidates:
            if candidate is None:
                continue
            # What is only a guess may be beyond the bounds of a query, or name nobody.
            with suppress(BadInput):
                if self.find(parse(candidate, now=moment, tz=tz), Filters(), tz).total:
                    return candidate
        return None

    def explanation(self, tree: Node, found: _Found) -> str | None:
        """Return why a search found nothing, as far as its parts show."""
        unfiltered = sum(chosen.size for chosen in found.unfiltered)
        if unfiltered:
            return f"Leave out the chosen filters to find {unfiltered:,}."

        def count(part: Node) -> int:
            return self.find(part, Filters(), None).total

        return explain(tree, count)


def _marking_in_messages(texts: Sequence[TextMatcher]) -> Marking:
    return marking_for([text for text in texts if text.field != "attached"])


def marking_for(texts: Sequence[TextMatcher]) -> Marking:
    """Return what to mark for these words: single words in every form, phrases only as phrases."""
    terms: dict[str, float] = {}
    sequences = []
    for text in texts:
        if len(text.slots) == 1:
            for form in text.slots[0].forms:
                terms[form.term] = max(terms.get(form.term, 0.0), form.share)
        else:
            sequences.append(
                tuple((slot.offset, frozenset(form.term for form in slot.forms)) for slot in text.slots)
            )
    return Marking(terms, tuple(sequences))
