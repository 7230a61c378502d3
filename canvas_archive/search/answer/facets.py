"""Counting hits by person, course, year and what they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TypeAlias
from weakref import WeakKeyDictionary

from canvas_archive.search.answer.matching import DateMatcher, ListMatcher, Matcher
from canvas_archive.search.answer.ranking import Matches
from canvas_archive.search.index import docset
from canvas_archive.search.index.docset import DocSet
from canvas_archive.search.index.reading import OpenIndex, Segment
from canvas_archive.search.index.schema import HAS, unpack_context
from canvas_archive.search.query.dates import year_bounds

FACETS = ("person", "course", "year", "has")
MOST_VALUES = 30
_NEARLY_ALL = 0.75


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
        if chosen:
            for year, written in _years(segment, tz):
                counts[year] += (chosen if written is None else chosen & written).size
    return +counts


def count_has(index: OpenIndex, matches: Matches) -> Counter[str]:
    """Return how many messages carry each kind of thing."""
    counts: Counter[str] = Counter()
    for segment, chosen in zip(index.segments, matches, strict=False):
        if chosen:
            carried = bytes(chosen.pick(segment.column("carries")))
            for bits in set(carried):
                times = carried.count(bits)
                counts.update({name: times for name, bit in HAS.items() if bits & bit})
    return +counts


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# Days that every zone and system knows, in seconds since 1970.
_FIRST, _LAST = (
    int((datetime(*day, tzinfo=timezone.utc) - _EPOCH).total_seconds()) for day in ((2, 1, 2), (9998, 12, 30))
)

Years: TypeAlias = "list[tuple[int, DocSet | None]]"
"""Years with a segment's documents of each; ``None`` for all of them."""

_years_of: WeakKeyDictionary[Segment, tuple[tzinfo | None, Years]] = WeakKeyDictionary()


def _years(segment: Segment, tz: tzinfo | None) -> Years:
    """Return in which years the documents of a segment were written; cached for the zone last asked for."""
    known = _years_of.get(segment)
    if known is not None and known[0] == tz:
        return known[1]
    first, last = (_year(moment, tz) for moment in segment.span())
    years: Years = [(first, None)]
    if first != last:
        written = segment.column("written")
        years = []
        rest = docset.everything(segment.count)
        while first < last:
            end = year_bounds(first, tz)[1]
            later = docset.from_flags(bytes(map(end.__le__, written)))
            years.append((first, rest - later))
            # A date far away would else be walked to year by year.
            first = max(first + 1, _year(min(filter(end.__le__, written), default=end), tz))
            rest = later
        years.append((last, rest))
    _years_of[segment] = tz, years
    return years


def _year(moment: int, tz: tzinfo | None) -> int:
    """Return the year of a moment in the zone (``None``: local time), 2 to 9998 for all that is beyond."""
    moment = min(max(moment, _FIRST), _LAST)
    when = _EPOCH + timedelta(seconds=moment)
    try:
        return when.astimezone(tz).year
    except (OSError, OverflowError):  # Windows knows no local time before 1970
        return when.year


_totals: WeakKeyDictionary[OpenIndex, dict[str, Counter[int]]] = WeakKeyDictionary()


def _by_column(index: OpenIndex, matches: Matches, name: str) -> Counter[int]:
    """Count a column's values: one by one, or of what is nearly everything all but the few others."""
    documents = sum(segment.count for segment in index.segments)
    if sum(chosen.size for chosen in matches) < _NEARLY_ALL * documents:
        return _counted(index, matches, name)
    known = _totals.setdefault(index, {})
    if name not in known:
        known[name] = _counted(index, [docset.everything(segment.count) for segment in index.segments], name)
    others = [
        docset.everything(segment.count) - chosen
        for segment, chosen in zip(index.segments, matches, strict=False)
    ]
    return known[name] - _counted(index, others, name)


def _counted(index: OpenIndex, matches: Matches, name: str) -> Counter[int]:
    counts: Counter[int] = Counter()
    for segment, chosen in zip(index.segments, matches, strict=False):
        if chosen:
            counts.update(_values(segment, name, chosen))
    return counts


def _values(segment: Segment, name: str, chosen: DocSet) -> Iterable[int]:
    """Return a column's values in some documents."""
    column = segment.column(name)
    return column if chosen.size == segment.count else chosen.pick(column)
