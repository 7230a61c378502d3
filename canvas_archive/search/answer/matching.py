"""Which documents of a segment match, a whole set at a time.

A query's tree becomes a tree of matchers: names are resolved, words have found their forms. Each matcher
yields a set of documents, given the set it is to choose from (``None``: all). A conjunction starts with the
rarest part and hands what is left from one part to the next, so long lists are read only where it matters;
conditions on columns look only at what is left.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from itertools import chain

from canvas_archive.search.answer.phrases import side_by_side
from canvas_archive.search.answer.slots import WordSlot, total_documents
from canvas_archive.search.index import docset
from canvas_archive.search.index.docset import DocSet
from canvas_archive.search.index.postings import places_in
from canvas_archive.search.index.reading import Segment, TermEntry
from canvas_archive.search.query.resolve import StateSets

# With fewer candidates than one for so many documents of a list, only the blocks that can hold one are read.
_SPARSE = 128
# Below this many candidates, a condition on columns looks at each instead of at all documents.
_FEW = 2000
# A phrase whose words have at most so many lists each is looked for in few candidates without their union.
_FEW_LISTS = 4


class Matcher(ABC):
    """Anything that chooses documents."""

    @abstractmethod
    def match(self, segment: Segment, within: DocSet | None) -> DocSet:
        """Return the matching documents, out of ``within``; deleted ones may be among them."""

    def estimate(self, segment: Segment) -> int:
        """Return about how many documents match, at most."""
        return segment.count


@dataclass(eq=False)
class TextMatcher(Matcher):
    """A word (one slot) or words side by side (several)."""

    field: str
    slots: tuple[WordSlot, ...]

    def match(self, segment: Segment, within: DocSet | None) -> DocSet:
        """Return the documents that hold the word, or the words in their places."""
        ordered = sorted(self.slots, key=lambda slot: slot.documents(segment))
        for at, slot in enumerate(ordered):
            within = union(segment, slot.lists(segment), within)
            if not within:
                return within
            if within.size < _FEW and all(
                len(other.lists(segment)) <= _FEW_LISTS for other in ordered[at + 1 :]
            ):
                break  # side_by_side reads the other lists, positions and all, for these documents alone
        if within is None:  # no slots
            return docset.nothing(segment.count)
        if len(ordered) == 1:
            return within
        return side_by_side(segment, ordered, within)

    def estimate(self, segment: Segment) -> int:
        """Return the length of the shortest list."""
        return min((slot.documents(segment) for slot in self.slots), default=0)


@dataclass(frozen=True)
class ListMatcher(Matcher):
    """Documents on any of the lists: people, courses, what a message carries."""

    fields: tuple[str, ...]
    terms: tuple[str, ...]
    _listed: dict[str, list[TermEntry]] = dataclass_field(default_factory=dict, compare=False, repr=False)

    def match(self, segment: Segment, within: DocSet | None) -> DocSet:
        """Return the documents on the lists."""
        return union(segment, self._entries(segment), within)

    def estimate(self, segment: Segment) -> int:
        """Return the length of all lists together."""
        return total_documents(self._entries(segment))

    def _entries(self, segment: Segment) -> list[TermEntry]:
        """Return where the lists are in a segment; a name may mean hundreds of people, looked up once."""
        listed = self._listed.get(segment.name)
        if listed is None:
            found = (segment.entry(field, term) for field in self.fields for term in self.terms)
            listed = self._listed[segment.name] = [entry for entry in found if entry is not None]
        return listed


@dataclass(frozen=True)
class DateMatcher(Matcher):
    """Documents written in any of the spans (start included, end not; ``None`` is open)."""

    spans: tuple[tuple[int | None, int | None], ...]

    def match(self, segment: Segment, within: DocSet | None) -> DocSet:
        """Return the documents written then."""
        first, last = segment.span()
        chosen = docset.nothing(segment.count)
        for start, end in self.spans:
            low = first if start is None else start
            high = last + 1 if end is None else end
            if low <= first and last < high:
                return docset.everything(segment.count) if within is None else within
            if low <= last and first < high:
                chosen |= dated_between(segment, low, high, within)
        return chosen


@dataclass(frozen=True)
class StateMatcher(Matcher):
    """Documents in a state that the tables know."""

    sets: StateSets

    def match(self, segment: Segment, within: DocSet | None) -> DocSet:
        """Return the documents in that state."""
        sets = self.sets
        chosen = docset.everything(segment.count) if within is None else within
        if sets.writer is not None:
            theirs = rows(segment, "writer", sets.writer.__eq__, chosen)
            chosen = chosen - theirs if sets.others else theirs
        if sets.conversations is not None:
            found = rows(segment, "conversation", sets.conversations.__contains__, chosen)
            if sets.messages:
                found |= rows(segment, "message", sets.messages.__contains__, chosen)
            chosen = chosen - found if sets.inverse else found
        return chosen


@dataclass(frozen=True)
class AllOf(Matcher):
    """Documents that every part matches; without parts, all."""

    parts: tuple[Matcher, ...]

    def match(self, segment: Segment, within: DocSet | None) -> DocSet:
        """Return what all parts agree on, asking the rarest first."""
        ordered = self.parts
        if len(ordered) > 1:
            ordered = tuple(sorted(ordered, key=lambda part: part.estimate(segment)))
        for part in ordered:
            within = part.match(segment, within)
            if not within:
                return within
        return docset.everything(segment.count) if within is None else within

    def estimate(self, segment: Segment) -> int:
        """Return what the rarest part may match."""
        return min((part.estimate(segment) for part in self.parts), default=segment.count)


@dataclass(frozen=True)
class AnyOf(Matcher):
    """Documents that at least one part matches; without parts, none."""

    parts: tuple[Matcher, ...]

    def match(self, segment: Segment, within: DocSet | None) -> DocSet:
        """Return what any part matches."""
        chosen = docset.nothing(segment.count)
        for part in self.parts:
            chosen |= part.match(segment, within)
        return chosen

    def estimate(self, segment: Segment) -> int:
        """Return what the parts may match together."""
        return sum(part.estimate(segment) for part in self.parts)


@dataclass(frozen=True)
class NoneOf(Matcher):
    """Documents that the part does not match."""

    part: Matcher

    def match(self, segment: Segment, within: DocSet | None) -> DocSet:
        """Return the rest."""
        candidates = docset.everything(segment.count) if within is None else within
        return candidates - self.part.match(segment, candidates)


def dated_between(segment: Segment, start: int, end: int, within: DocSet | None) -> DocSet:
    """Return the documents, out of ``within``, written from one moment on and before another."""
    if within is not None and within.size < _FEW:
        return rows(segment, "written", lambda moment: start <= moment < end, within)
    found = segment.dated_between(start, end)
    return found if within is None else found & within


def rows(segment: Segment, name: str, holds: Callable[[int], bool], within: DocSet | None) -> DocSet:
    """Return the documents, out of ``within``, whose value in a column meets the condition."""
    column = segment.column(name)
    if within is not None and within.size < _FEW:
        return DocSet(segment.count, [number for number in within.numbers if holds(column[number])])
    found = docset.from_flags(bytes(map(holds, column)))
    return found if within is None else found & within


def union(segment: Segment, entries: Sequence[TermEntry], within: DocSet | None) -> DocSet:
    """Return the documents, out of ``within``, that are on any of the lists."""
    if within is not None and within.is_few:
        return _union_among(segment, entries, within)
    chosen = docset.nothing(segment.count)
    short: list[list[int]] = []
    for entry in entries:
        if within is not None and within.size * _SPARSE <= entry.documents:
            short.append(_among(segment, entry, within.numbers))
        elif segment.is_short(entry):
            short.append(segment.listed(entry))
        else:
            chosen |= segment.documents(entry)
    if len(short) == 1:
        chosen |= DocSet(segment.count, short[0])
    elif short:
        chosen |= docset.from_numbers(chain.from_iterable(short), segment.count)
    return chosen if within is None else chosen & within


def _union_among(segment: Segment, entries: Sequence[TermEntry], within: DocSet) -> DocSet:
    """Return those of a few documents that are on any of the lists."""
    found: set[int] = set()
    chosen = set(within.numbers)
    for entry in entries:
        if within.size * _SPARSE <= entry.documents:
            found.update(_among(segment, entry, within.numbers))
        elif segment.is_short(entry):
            if entry.documents <= 2:
                found |= chosen.intersection(segment.listed(entry))
                continue
            for block in segment.blocks(entry):
                found |= chosen.intersection(segment.numbers(block))
        else:
            found.update((within & segment.documents(entry)).numbers)
    return DocSet(segment.count, sorted(found))


def _among(segment: Segment, entry: TermEntry, candidates: Sequence[int]) -> list[int]:
    """Return those of a few documents that are on a list, reading only the blocks that can hold them."""
    found: list[int] = []
    chosen = set(candidates)
    for block in segment.blocks(entry, candidates):
        documents = segment.numbers(block)
        found += [documents[at] for at in places_in(documents, candidates, chosen)]
    return found
