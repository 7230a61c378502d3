"""Counting hits by person, course, year and what they carry."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from itertools import compress

from canvas_archive.search import docset
from canvas_archive.search.dates import year_bounds
from canvas_archive.search.docset import DocSet
from canvas_archive.search.matching import DateMatcher, ListMatcher, Matcher
from canvas_archive.search.ranking import Matches
from canvas_archive.search.reading import OpenIndex, Segment
from canvas_archive.search.schema import HAS, unpack_context

FACETS = ("person", "course", "year", "has")
MOST_VALUES = 30
_SPARSE = 16


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet: what a filter takes, what people read, and in how many messages."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Filters:
    """Values chosen beside the text: any of a facet's values, all of the facets.

    ``person`` holds user ids (authors), ``course`` context codes, ``year`` years, ``has`` names of ``has:``.
    """

    person: tuple[int, ...] = ()
    course: tuple[str, ...] = ()
    year: tuple[int, ...] = ()
    has: tuple[str, ...] = ()

    def matchers(self, tz: tzinfo | None) -> dict[str, Matcher]:
        """Return the matcher of each facet that has chosen values."""
        found: dict[str, Matcher] = {}
        if self.person:
            found["person"] = ListMatcher(("author",), tuple(map(str, self.person)))
        if self.course:
            found["course"] = ListMatcher(("context",), self.course)
        if self.year:
            spans = [year_bounds(year, tz) for year in self.year if 1970 <= year <= 2199]
            found["year"] = DateMatcher(tuple(spans))
        if self.has:
            found["has"] = ListMatcher(("has",), self.has)
        return found


def count_people(index: OpenIndex, matches: Matches) -> Counter[int]:
    """Return how many messages each author wrote."""
    return _by_column(index, matches, "writer")


def count_courses(index: OpenIndex, matches: Matches) -> Counter[str]:
    """Return how many messages belong to each course or group."""
    counts = _by_column(index, matches, "course")
    return Counter({code: count for number, count in counts.items() if (code := unpack_context(number))})


def count_years(index: OpenIndex, matches: Matches, tz: tzinfo | None) -> Counter[int]:
    """Return how many messages were written in each year of the zone."""
    counts: Counter[int] = Counter()
    for segment, chosen in zip(index.segments, matches, strict=False):
        if not chosen:
            continue
        first, last = (_year(moment, tz) for moment in segment.span())
        if first == last:
            counts[first] += docset.size(chosen)
            continue
        # Documents are nearly in order of time, which makes this sort cheap.
        times = sorted(_values(segment, "written", chosen))
        at = 0
        while at < len(times):
            year = _year(times[at], tz)
            after = bisect_left(times, year_bounds(year, tz)[1], at)
            counts[year] += after - at
            at = after
    return counts


def _year(moment: int, tz: tzinfo | None) -> int:
    """Return the year of a moment in the zone (``None``: local time)."""
    when = datetime.fromtimestamp(moment, tz or timezone.utc)
    return when.year if tz is not None else when.astimezone().year


def count_has(index: OpenIndex, matches: Matches) -> Counter[str]:
    """Return how many messages carry each kind of thing."""
    counts = _by_column(index, matches, "carries")
    found = {name: sum(count for bits, count in counts.items() if bits & bit) for name, bit in HAS.items()}
    return Counter({name: count for name, count in found.items() if count})


def _by_column(index: OpenIndex, matches: Matches, name: str) -> Counter[int]:
    counts: Counter[int] = Counter()
    for segment, chosen in zip(index.segments, matches, strict=False):
        if chosen:
            counts.update(_values(segment, name, chosen))
    return counts


def _values(segment: Segment, name: str, chosen: DocSet) -> Iterable[int]:
    """Return a column's values in some documents."""
    column = segment.column(name)
    size = docset.size(chosen)
    if size == segment.count:
        return column
    if size * _SPARSE < segment.count:
        return map(column.__getitem__, docset.to_numbers(chosen, segment.count))
    return compress(column, docset.mask(chosen, segment.count))
