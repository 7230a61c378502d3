"""Counting hits by person, course, year and what they carry."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo

from canvas_archive.search.dates import year_bounds
from canvas_archive.search.matching import DateMatcher, ListMatcher, Matcher
from canvas_archive.search.ranking import Matches
from canvas_archive.search.reading import OpenIndex
from canvas_archive.search.schema import HAS, unpack_context

FACETS = ("person", "course", "year", "has")
MOST_VALUES = 30


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
    for segment, numbers in zip(index.segments, matches, strict=False):
        # Documents are nearly in order of time, which makes this sort cheap.
        times = sorted(map(segment.column("written").__getitem__, sorted(numbers)))
        at = 0
        while at < len(times):
            year = datetime.fromtimestamp(times[at], tz or timezone.utc).year
            if tz is None:
                year = datetime.fromtimestamp(times[at]).astimezone().year
            after = bisect_left(times, year_bounds(year, tz)[1], at)
            counts[year] += after - at
            at = after
    return counts


def count_has(index: OpenIndex, matches: Matches) -> Counter[str]:
    """Return how many messages carry each kind of thing."""
    counts = _by_column(index, matches, "carries")
    found = {name: sum(count for bits, count in counts.items() if bits & bit) for name, bit in HAS.items()}
    return Counter({name: count for name, count in found.items() if count})


def _by_column(index: OpenIndex, matches: Matches, name: str) -> Counter[int]:
    counts: Counter[int] = Counter()
    for segment, numbers in zip(index.segments, matches, strict=False):
        if len(numbers) == segment.count:
            counts.update(segment.column(name))
        else:
            counts.update(map(segment.column(name).__getitem__, numbers))
    return counts
