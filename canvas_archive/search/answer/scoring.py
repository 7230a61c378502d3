"""What the matching documents score by the words of a query: BM25F.

The index keeps a level for each term in each document, one byte. The levels of the matching documents are
picked out list by list as bytes; turned into bounds, such lanes are added up for all documents at once, as
one integer. Only the documents whose bound may be among the best are scored exactly.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from math import ceil
from operator import add

from canvas_archive.search.answer.matching import TextMatcher
from canvas_archive.search.answer.slots import WordSlot
from canvas_archive.search.index.docset import DocSet
from canvas_archive.search.index.postings import Damaged, places_in
from canvas_archive.search.index.reading import OpenIndex, Segment, TermEntry
from canvas_archive.search.index.weights import SATURATION, WEIGHT, inverse_document_frequency, saturated

# A beginning that fits more forms than this, or whose forms' lists are together longer than this and than
# the number of messages, says nothing about a message: it does not count.
_WIDE = 2000
_OFTEN = 100_000
# Below this many documents, only the blocks of a list that can hold one of them are read.
_FEW = 2000
_MOST_LANES = 24
# Floating point may have rounded a bound by this share.
_ROUNDING = 1.0 - 1e-9

Entries = list[tuple[TermEntry, float]]  # where lists are, and how much each form counts


@dataclass(frozen=True)
class Candidates:
    """Documents that may be among the best of a segment, as (score, number).

    ``bound`` is what all others score below; 0 when there are no others.
    """

    scored: list[tuple[float, int]]
    bound: float


class Scorer:
    """Scores documents of an index by the words of a plan."""

    def __init__(self, index: OpenIndex, texts: Sequence[TextMatcher]) -> None:
        self._slots: list[tuple[WordSlot, float]] = []
        for slot in (slot for text in texts for slot in text.slots):
            documents = sum(slot.documents(segment) for segment in index.segments)
            if slot.beginning and (len(slot.forms) > _WIDE or documents > max(_OFTEN, index.count)):
                continue
            idf = inverse_document_frequency(min(documents, index.count), index.count)
            self._slots.append((slot, idf))

    def __bool__(self) -> bool:
        """Return whether there is anything to score by."""
        return bool(self._slots)

    def highest(self, segment: Segment) -> float:
        """Return what no document of the segment scores above."""
        total = 0.0
        for slot, idf in self._slots:
            weight = sum(share * WEIGHT[_level(entry)] for entry, share in slot.entries(segment))
            total += idf * saturated(weight)
        return total / _ROUNDING

    def candidates(
        self, segment: Segment, chosen: DocSet, wanted: int, floor: float, slack: float
    ) -> Candidates:
        """Return the documents that may be among the best.

        Left out are those that score below ``floor``, and those below ``slack`` times what the ``wanted``
        best ones score at least.
        """
        size = chosen.size
        slots = [(slot.entries(segment), idf) for slot, idf in self._slots]
        slots = [(entries, idf) for entries, idf in slots if entries]
        if size >= _FEW and 0 < sum(len(entries) for entries, _ in slots) <= _MOST_LANES:
            return _Lanes(segment, slots, chosen).candidates(wanted, floor * _ROUNDING, slack * _ROUNDING)
        numbers = chosen.numbers
        scored = list(zip(self.scores(segment, numbers), numbers, strict=True))
        if len(scored) > wanted:
            floor = max(floor, heapq.nlargest(wanted, scored)[-1][0] * slack)
        floor *= _ROUNDING
        scored = [one for one in scored if one[0] >= floor]
        return Candidates(scored, floor if len(scored) < size else 0.0)

    def scores(self, segment: Segment, numbers: Sequence[int]) -> list[float]:
        """Return the scores of these documents, which ascend, in their order."""
        if len(numbers) < _FEW:
            return self._few_scores(segment, numbers)
        total = [0.0] * len(numbers)
        for slot, idf in self._slots:
            weights = [0.0] * segment.count
            for entry, share in slot.entries(segment):
                table = [weight * share for weight in WEIGHT]
                for block in segment.blocks(entry):
                    for number, level in zip(segment.numbers(block), block.levels, strict=False):
                        weights[number] += table[level]
            total = list(map(add, total, _contributions(idf, map(weights.__getitem__, numbers))))
        return total

    def _few_scores(self, segment: Segment, numbers: Sequence[int]) -> list[float]:
        """Return the scores of a few documents, reading only the blocks that can hold them."""
        total = dict.fromkeys(numbers, 0.0)
        for slot, idf in self._slots:
            weights: dict[int, float] = {}
            for place, (entry, share) in enumerate(slot.entries(segment)):
                for block in segment.blocks(entry, numbers):
                    documents, levels = segment.numbers(block), block.levels
                    here = places_in(documents, numbers, total) if levels else ()
                    found = {documents[at]: WEIGHT[levels[at]] * share for at in here}
                    if place:
                        found = {number: weights.get(number, 0.0) + found[number] for number in found}
                    weights.update(found)
            for number, score in zip(weights, _contributions(idf, weights.values()), strict=True):
                total[number] += score
        return list(total.values())


class _Lanes:
    """The levels of a segment's matching documents, a lane of bytes for each list."""

    def __init__(self, segment: Segment, slots: Sequence[tuple[Entries, float]], chosen: DocSet) -> None:
        self._segment = segment
        self._slots = slots
        self._chosen = chosen
        self._flags = chosen.flags
        self._size = chosen.size
        self._lanes = [[self._lane(entry) for entry, _ in entries] for entries, _ in slots]

    def _lane(self, entry: TermEntry) -> bytes:
        """Return the term's level in each of the documents, 0 where it does not occur."""
        segment, flags = self._segment, self._flags
        listed = segment.documents(entry)
        if self._chosen & listed != self._chosen:
            row = bytearray(segment.count)
            for block in segment.blocks(entry):
                for number, level in zip(segment.numbers(block), block.levels, strict=False):
                    row[number] = level
            return bytes(compress(row, flags))
        levels = b"".join(block.levels for block in segment.blocks(entry))
        if len(levels) != listed.size:
            raise Damaged("a posting list says too little of its documents")
        if self._chosen == listed:
            return levels
        return bytes(compress(levels, compress(flags, listed.flags)))

    def candidates(self, wanted: int, floor: float, slack: float) -> Candidates:
        """Return the documents that may be among the best, as ``Scorer.candidates`` does."""
        count = sum(map(len, self._lanes))
        peak = sum(
            idf * saturated(share * WEIGHT[_level(entry)])
            for entries, idf in self._slots
            for entry, share in entries
        )
        # In these units a document's bound is at least its score: several forms of a word together never
        # score more than the sum of what each would score alone.
        units = (255 - count) / peak if peak else 0.0
        bounds = self._bounds(units)
        if self._size > wanted and units:
            seen = 0
            for bound in range(255, -1, -1):  # pragma: no branch - at 0 all are seen, more than wanted
                seen += bounds.count(bound)
                if seen >= wanted:
                    # Whichever documents these are, the best ones score as much as the least of them.
                    reached = self._scores(bounds.translate(_from(bound)))
                    floor = max(floor, heapq.nlargest(wanted, reached)[-1] * slack)
                    break
        lowest = min(256, int(floor * units))
        picked = bounds.translate(_from(lowest))
        if 1 not in picked:
            return Candidates([], floor)
        numbers = compress(self._chosen.numbers, picked)
        scored = [one for one in zip(self._scores(picked), numbers, strict=True) if one[0] >= floor]
        return Candidates(scored, floor if len(scored) < self._size else 0.0)

    def _bounds(self, units: float) -> bytes:
        total = 0
        for (entries, idf), lanes in zip(self._slots, self._lanes, strict=True):
            for (entry, share), lane in zip(entries, lanes, strict=True):
                highest = _level(entry)
                scores = _saturated(share)[: highest + 1]
                table = bytes([ceil(idf * score * units) for score in scores])
                table += table[-1:] * (255 - highest)
                total += int.from_bytes(lane.translate(table), "little")
        return total.to_bytes(self._size, "little")

    def _scores(self, picked: bytes) -> list[float]:
        """Return the exact scores of the documents that are picked."""
        total: list[float] = []
        for (entries, idf), lanes in zip(self._slots, self._lanes, strict=True):
            weights: list[float] = []
            for (_, share), lane in zip(entries, lanes, strict=True):
                more = [WEIGHT[level] * share for level in compress(lane, picked)]
                weights = list(map(add, weights, more)) if weights else more
            scores = _contributions(idf, weights)
            total = list(map(add, total, scores)) if total else scores
        return total


def _contributions(idf: float, weights: Iterable[float]) -> list[float]:
    """Return what terms of these weights score: ``idf * saturated(weight)``, without a call for each."""
    most = SATURATION + 1.0
    return [idf * (weight * most / (weight + SATURATION)) for weight in weights]


@lru_cache(maxsize=16)
def _saturated(share: float) -> tuple[float, ...]:
    """Return what each level contributes when so much of its weight counts, before the factor of the IDF."""
    return tuple(saturated(share * weight) for weight in WEIGHT)


def _from(lowest: int) -> bytes:
    """Return a table that turns bytes from this one on into 1, all below it into 0."""
    return bytes(lowest) + b"\1" * (256 - lowest)


def _level(entry: TermEntry) -> int:
    """Return the highest level of a term, as far as it makes sense."""
    return int(entry.highest) if 0.0 <= entry.highest <= 255.0 else 255
