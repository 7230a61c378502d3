"""A second search that takes no short cuts: every list read whole, every document looked at one by one.

It shares the query language, the planning and the files of an index with the real one; matching, scoring,
ordering and counting are written out here as they are defined, with sets and dictionaries of numbers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from canvas_archive.search.answer.facets import Filters
from canvas_archive.search.answer.matching import (
    AllOf,
    AnyOf,
    DateMatcher,
    ListMatcher,
    Matcher,
    NoneOf,
    StateMatcher,
    TextMatcher,
)
from canvas_archive.search.answer.planning import Plan, Planner
from canvas_archive.search.answer.ranking import ADJACENT, RECENT
from canvas_archive.search.answer.slots import WordSlot
from canvas_archive.search.index.postings import position_of
from canvas_archive.search.index.reading import OpenIndex, Segment
from canvas_archive.search.index.record import usable_record
from canvas_archive.search.index.schema import HAS, unpack_context
from canvas_archive.search.index.weights import WEIGHT, inverse_document_frequency, saturated
from canvas_archive.search.query.language import parse
from tests.search_support import NOW, SearchArchive

YEAR = 365.0 * 86400.0
LOOKED_AT = 200
PAIRS = 6


@dataclass(frozen=True)
class Row:
    """A document that matched. Rows compare as hits do."""

    score: float
    written: int
    message: int
    conversation: int
    at: tuple[int, int]  # segment and number

    @property
    def key(self) -> tuple[float, int, int]:
        return self.score, self.written, self.message


class Oracle:
    """Answers as the search should. Hold no reference to it while the index changes."""

    def __init__(self, archive: SearchArchive) -> None:
        record = usable_record(archive.db, archive.search_dir)
        self._index = OpenIndex(archive.search_dir, record)
        self._db = archive.db
        self._lists: dict[tuple[str, str, str], dict[int, tuple[int, set[int]]]] = {}
        self._newest = max((max(one.column("written")) for one in self._index.segments), default=0)

    def close(self) -> None:
        self._index.close()

    def rows(self, text: str) -> tuple[Plan, list[Row]]:
        """Return what a query means and every document that matches, scored by its words alone."""
        plan = Planner(self._index, self._db).plan(parse(text, now=NOW, tz=timezone.utc))
        self._idf: dict[WordSlot, float] = {}
        return plan, [self._row(plan, at, number) for at, number in self._matching(plan.matcher)]

    def ordered(
        self, plan: Plan, rows: list[Row], sort: str = "relevance", *, threads: bool = False
    ) -> list[tuple[int, float]]:
        """Return (message id, score) of all hits in order."""
        return [(row.message, row.score) for row in self._ordered(plan, list(rows), sort, threads)]

    def counts(self, plan: Plan, filters: Filters) -> dict[str, dict[Any, int]]:
        """Return the counts of each facet's values, each without the filter on itself."""
        matchers = filters.matchers(timezone.utc)
        found = {}
        for name in ("person", "course", "year", "has"):
            others = [matcher for facet, matcher in matchers.items() if facet != name]
            found[name] = self._counted(name, self._matching(AllOf((plan.matcher, *others))))
        return found

    def _matching(self, matcher: Matcher) -> list[tuple[int, int]]:
        return [
            (at, number)
            for at, segment in enumerate(self._index.segments)
            for number in sorted(self._match(matcher, segment) - set(segment.dead.numbers))
        ]

    def _match(self, matcher: Matcher, segment: Segment) -> set[int]:
        everything = set(range(segment.count))
        if isinstance(matcher, AllOf):
            return everything.intersection(*(self._match(part, segment) for part in matcher.parts))
        if isinstance(matcher, AnyOf):
            return set().union(*(self._match(part, segment) for part in matcher.parts))
        if isinstance(matcher, NoneOf):
            return everything - self._match(matcher.part, segment)
        if isinstance(matcher, ListMatcher):
            return {
                number
                for name in matcher.fields
                for term in matcher.terms
                for number in self._list(segment, name, term)
            }
        if isinstance(matcher, DateMatcher):
            written = segment.column("written")
            return {
                number
                for number in everything
                for low, high in matcher.spans
                if (low is None or low <= written[number]) and (high is None or written[number] < high)
            }
        if isinstance(matcher, StateMatcher):
            return {number for number in everything if self._in_state(matcher, segment, number)}
        assert isinstance(matcher, TextMatcher)
        return {number for number in everything if self._stands(matcher, segment, number)}

    def _in_state(self, matcher: StateMatcher, segment: Segment, number: int) -> bool:
        sets = matcher.sets
        if sets.writer is not None and (segment.column("writer")[number] == sets.writer) is sets.others:
            return False
        if sets.conversations is None:
            return True
        inside = (
            segment.column("conversation")[number] in sets.conversations
            or segment.column("message")[number] in sets.messages
        )
        return inside is not sets.inverse

    def _stands(self, matcher: TextMatcher, segment: Segment, number: int) -> bool:
        starts: set[int] | None = None
        for slot in matcher.slots:
            here = {place - slot.offset for place in self._places(slot, segment, number)}
            starts = here if starts is None else starts & here
        return bool(starts)

    def _places(self, slot: WordSlot, segment: Segment, number: int) -> set[int]:
        found: set[int] = set()
        for form in slot.forms:
            found |= self._list(segment, slot.field, form.term).get(number, (0, set()))[1]
        return found

    def _list(self, segment: Segment, field: str, term: str) -> dict[int, tuple[int, set[int]]]:
        key = (segment.name, field, term)
        if key not in self._lists:
            found = self._lists[key] = {}
            entry = segment.entry(field, term)
            for block in segment.blocks(entry) if entry is not None else ():
                levels = block.levels or bytes(len(block.documents))
                strings = block.positions() if block.packed or block.data else [""] * len(block.documents)
                for number, level, places in zip(block.documents, levels, strings, strict=True):
                    found[number] = level, set(map(position_of, places))
        return self._lists[key]

    def _score(self, plan: Plan, segment: Segment, number: int) -> float:
        total = 0.0
        for slot in (slot for text in plan.texts for slot in text.slots):
            weight = 0.0
            for form in slot.forms:
                here = self._list(segment, slot.field, form.term).get(number)
                if here is not None:
                    weight += WEIGHT[here[0]] * form.share
            if weight:
                total += self._idf_of(slot) * saturated(weight)
        return total

    def _idf_of(self, slot: WordSlot) -> float:
        if slot not in self._idf:
            lists = (
                self._list(segment, slot.field, form.term)
                for segment in self._index.segments
                for form in slot.forms
            )
            documents = sum(map(len, lists))
            self._idf[slot] = inverse_document_frequency(min(documents, self._index.count), self._index.count)
        return self._idf[slot]

    def _ordered(self, plan: Plan, rows: list[Row], sort: str, threads: bool) -> list[Row]:
        if sort != "relevance":
            rows.sort(key=lambda row: (row.written, row.message), reverse=sort == "newest")
            return _first_of_each(rows) if threads else rows
        if threads:  # of the messages in one segment, the one whose words score best
            rows.sort(key=lambda row: (row.at[0], row.key), reverse=True)
            best: dict[tuple[int, int], Row] = {}
            for row in rows:
                best.setdefault((row.at[0], row.conversation), row)
            rows = list(best.values())
        rows = [self._aged(row) for row in rows]
        rows.sort(key=lambda row: row.key, reverse=True)
        rows = _first_of_each(rows) if threads else rows
        near = [self._raised(plan, row) for row in rows[:LOOKED_AT]]
        return sorted(near, key=lambda row: row.key, reverse=True) + rows[LOOKED_AT:]

    def _row(self, plan: Plan, at: int, number: int) -> Row:
        segment = self._index.segments[at]
        message, written, conversation = (
            segment.column(name)[number] for name in ("message", "written", "conversation")
        )
        return Row(self._score(plan, segment, number), written, message, conversation, (at, number))

    def _aged(self, row: Row) -> Row:
        factor = 1.0 + RECENT * 0.5 ** ((self._newest - row.written) / YEAR)
        return Row(row.score * factor, row.written, row.message, row.conversation, row.at)

    def _raised(self, plan: Plan, row: Row) -> Row:
        """Raise a hit for each pair of words that stand side by side in it."""
        segment = self._index.segments[row.at[0]]
        pairs = [
            (first, second)
            for first, second in zip(plan.texts, plan.texts[1:], strict=False)
            if first.field == second.field and len(first.slots) == len(second.slots) == 1
        ]
        factor = 1.0
        for first, second in pairs[:PAIRS]:
            if not first.slots[0].forms or not second.slots[0].forms:
                continue
            left, right = (
                self._list(segment, text.field, text.slots[0].forms[0].term).get(row.at[1], (0, set()))[1]
                for text in (first, second)
            )
            if any(place + 1 in right for place in left):
                factor += ADJACENT
        return Row(row.score * factor, row.written, row.message, row.conversation, row.at)

    def _counted(self, name: str, found: list[tuple[int, int]]) -> dict[Any, int]:
        counts: Counter[Any] = Counter()
        for at, number in found:
            segment = self._index.segments[at]
            if name == "person":
                counts[str(segment.column("writer")[number])] += 1
            elif name == "course":
                counts[unpack_context(segment.column("course")[number])] += 1
            elif name == "year":
                moment = datetime.fromtimestamp(segment.column("written")[number], timezone.utc)
                counts[str(moment.year)] += 1
            else:
                counts.update(one for one, bit in HAS.items() if segment.column("carries")[number] & bit)
        counts.pop(None, None)
        return dict(counts)


def _first_of_each(rows: list[Row]) -> list[Row]:
    first: dict[int, Row] = {}
    for row in rows:
        first.setdefault(row.conversation, row)
    return list(first.values())
