"""Which documents of a segment match, a whole set at a time.

A query's tree becomes a tree of matchers: names are resolved, words have found their forms. Each matcher
yields a set of document numbers, given the set it is to choose from (``None``: all). A conjunction starts
with the rarest part and hands what is left from one part to the next, so long lists are read only where it
matters; conditions on columns look only at what is left.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from canvas_archive.search.postings import place_of, position_of
from canvas_archive.search.reading import Entry, Segment
from canvas_archive.search.resolve import StateSets

# Below this many candidates, only the blocks of a list that can hold one of them are read.
_FEW = 3000

Numbers = set[int]


class Matcher:
    """Anything that chooses documents."""

    def match(self, segment: Segment, within: Numbers | None) -> Numbers:
        """Return the matching documents, out of ``within``; deleted ones may be among them."""
        raise NotImplementedError

    def estimate(self, segment: Segment) -> int:
        """Return about how many documents match, at most."""
        return segment.count


@dataclass(frozen=True)
class Form:
    """A term that counts as the word asked for, and how much of its weight counts."""

    term: str
    share: float = 1.0


@dataclass(eq=False)
class Slot:
    """One place in a text and the forms that may stand there; ``offset`` counts from the first slot."""

    field: str
    offset: int
    forms: tuple[Form, ...]
    _listed: dict[str, list[tuple[Entry, float]]] = dataclass_field(default_factory=dict)

    def entries(self, segment: Segment) -> list[tuple[Entry, float]]:
        """Return where the forms' lists are in a segment, with the forms' shares; looked up once."""
        listed = self._listed.get(segment.name)
        if listed is None:
            found = ((segment.entry(self.field, form.term), form.share) for form in self.forms)
            listed = [(entry, share) for entry, share in found if entry is not None]
            self._listed[segment.name] = listed
        return listed

    def found(self, segment: Segment, entries: list[tuple[Entry, float]]) -> None:
        """Note the entries of a segment that are known already."""
        self._listed[segment.name] = entries

    def documents(self, segment: Segment) -> int:
        """Return the length of all lists together."""
        return sum(entry.documents for entry, _ in self.entries(segment))


@dataclass(eq=False)
class TextMatcher(Matcher):
    """A word (one slot) or words side by side (several)."""

    field: str
    slots: tuple[Slot, ...]

    def match(self, segment: Segment, within: Numbers | None) -> Numbers:
        """Return the documents that hold the word, or the words in their places."""
        if not all(slot.entries(segment) for slot in self.slots):
            return set()
        if len(self.slots) == 1:
            return _union(segment, _lists(self.slots[0], segment), within)
        return self._side_by_side(segment, within)

    def estimate(self, segment: Segment) -> int:
        """Return the length of the shortest list."""
        return min((slot.documents(segment) for slot in self.slots), default=0)

    def _side_by_side(self, segment: Segment, within: Numbers | None) -> Numbers:
        """Return the documents in which the slots' positions line up, beginning with the rarest slot."""
        ordered = sorted(self.slots, key=lambda slot: slot.documents(segment))
        rarest = ordered[0]
        starts = positions(segment, _lists(rarest, segment), within)
        for at, slot in enumerate(ordered[1:], 2):
            here = positions(segment, _lists(slot, segment), starts)
            by = slot.offset - rarest.offset
            lined_up = _touching if at == len(ordered) else _kept
            left: dict[int, str] = {}
            for number, target in here.items():
                places = lined_up(starts[number], target, by)
                if places:
                    left[number] = places
            starts = left
            if not starts:
                break
        return set(starts)


@dataclass(frozen=True)
class ListMatcher(Matcher):
    """Documents on any of the lists: people, courses, what a message carries."""

    fields: tuple[str, ...]
    terms: tuple[str, ...]

    def match(self, segment: Segment, within: Numbers | None) -> Numbers:
        """Return the documents on the lists."""
        return _union(segment, self._entries(segment), within)

    def estimate(self, segment: Segment) -> int:
        """Return the length of all lists together."""
        return _size(self._entries(segment))

    def _entries(self, segment: Segment) -> list[Entry]:
        found = (segment.entry(field, term) for field in self.fields for term in self.terms)
        return [entry for entry in found if entry is not None]


@dataclass(frozen=True)
class DateMatcher(Matcher):
    """Documents written in any of the spans (start included, end not; ``None`` is open)."""

    spans: tuple[tuple[int | None, int | None], ...]

    def match(self, segment: Segment, within: Numbers | None) -> Numbers:
        """Return the documents written then."""
        written = segment.column("written")
        chosen: Numbers = set()
        candidates = range(segment.count) if within is None else within
        for start, end in self.spans:
            low = -(2**62) if start is None else start
            high = 2**62 if end is None else end
            chosen |= {number for number in candidates if low <= written[number] < high}
        return chosen


@dataclass(frozen=True)
class StateMatcher(Matcher):
    """Documents in a state that the tables tell."""

    sets: StateSets

    def match(self, segment: Segment, within: Numbers | None) -> Numbers:
        """Return the documents in that state."""
        sets = self.sets
        chosen: Numbers = set(range(segment.count)) if within is None else within
        if sets.writer is not None:
            writer = segment.column("writer")
            chosen = {number for number in chosen if (writer[number] == sets.writer) is not sets.others}
        if sets.conversations is not None:
            conversation = segment.column("conversation")
            inside = sets.conversations
            kept = {number for number in chosen if conversation[number] in inside}
            if sets.messages:
                message = segment.column("message")
                kept |= {number for number in chosen if message[number] in sets.messages}
            chosen = chosen - kept if sets.inverse else kept
        return chosen


@dataclass(frozen=True)
class AllOf(Matcher):
    """Documents that every part matches; without parts, all."""

    parts: tuple[Matcher, ...]

    def match(self, segment: Segment, within: Numbers | None) -> Numbers:
        """Return what all parts agree on, asking the rarest first."""
        ordered = self.parts
        if len(ordered) > 1:
            ordered = tuple(sorted(ordered, key=lambda part: part.estimate(segment)))
        for part in ordered:
            within = part.match(segment, within)
            if not within:
                return within
        return set(range(segment.count)) if within is None else within

    def estimate(self, segment: Segment) -> int:
        """Return what the rarest part may match."""
        return min((part.estimate(segment) for part in self.parts), default=segment.count)


@dataclass(frozen=True)
class AnyOf(Matcher):
    """Documents that at least one part matches; without parts, none."""

    parts: tuple[Matcher, ...]

    def match(self, segment: Segment, within: Numbers | None) -> Numbers:
        """Return what any part matches."""
        chosen: Numbers = set()
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

    def match(self, segment: Segment, within: Numbers | None) -> Numbers:
        """Return the rest."""
        candidates = set(range(segment.count)) if within is None else within
        return candidates - self.part.match(segment, candidates)


def _kept(places: str, target: str, by: int) -> str:
    """Return the places that have one of the target's, ``by`` positions away."""
    return "".join([place for place in places if _moved(place, by) in target])


def _touching(places: str, target: str, by: int) -> str:
    """Return the first such place; what the last slot needs to know."""
    for place in places:
        if _moved(place, by) in target:
            return place
    return ""


def _moved(place: str, by: int) -> str:
    code = ord(place) + by
    if 0 < code < 0xD000:  # far from the gap in the numbering
        return chr(code)
    position = position_of(place) + by
    return place_of(position) if position > 0 else " \0"


def positions(
    segment: Segment, entries: Sequence[Entry], within: Numbers | dict[int, str] | None
) -> dict[int, str]:
    """Return where the terms stand in each of the documents (``None``: in all), as strings of places."""
    found: dict[int, str] = {}
    chosen = None if within is None else set(within)
    narrowed = sorted(chosen) if chosen is not None and len(chosen) < _FEW else None
    for entry in entries:
        for block in segment.blocks(entry, narrowed):
            documents = block.documents
            here = chosen.intersection(documents) if chosen is not None else documents
            if not here:
                continue
            listed = block.positions()
            if len(here) == len(documents):
                pairs: Iterable[tuple[int, str]] = zip(documents, listed, strict=True)
            else:
                pairs = [(number, listed[bisect_left(documents, number)]) for number in here]
            if len(entries) == 1:
                found.update(pairs)
            else:
                for number, places in pairs:
                    found[number] = found[number] + places if number in found else places
    return found


def _union(segment: Segment, entries: Sequence[Entry], within: Numbers | None) -> Numbers:
    if within is None:
        chosen: Numbers = set()
        for entry in entries:
            chosen.update(segment.ids(entry))
        return chosen
    narrowed = sorted(within) if len(within) < _FEW else None
    if len(entries) == 1:
        return within.intersection(segment.ids(entries[0], narrowed))
    chosen = set()
    for entry in entries:
        chosen.update(segment.ids(entry, narrowed))
    return chosen & within


def _lists(slot: Slot, segment: Segment) -> list[Entry]:
    return [entry for entry, _ in slot.entries(segment)]


def _size(entries: Sequence[Entry]) -> int:
    return sum(entry.documents for entry in entries)
