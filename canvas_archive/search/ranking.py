"""The order of the hits: BM25F, words side by side preferred, then a little for being recent."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from canvas_archive.search.matching import Numbers, Slot, TextMatcher, positions
from canvas_archive.search.postings import place_of, position_of
from canvas_archive.search.reading import OpenIndex, Segment
from canvas_archive.search.weights import WEIGHT, rarity, saturated

RECENT = 0.06  # share by which the newest message outranks one of equal score that is very old
_HALF_LIFE = 365.0 * 86400.0  # seconds in which that share halves
ADJACENT = 0.15  # share for each pair of words that stand side by side as in the query
_LOOKED_AT = 200  # best hits whose words' places are looked at
_WIDE = 2000  # forms of a beginning
_PAIRS = 6  # pairs of words looked at
_FEW = 3000  # documents below which only some blocks of a list are read

Matches = list[Numbers]  # one set per segment


class Ranked(NamedTuple):
    """A hit; hits compare by score, then by when they were written, then by id."""

    score: float
    written: int
    message_id: int
    segment: int
    number: int


class Ranker:
    """Ranks what matched in an index by the words of a plan."""

    def __init__(self, index: OpenIndex, texts: Sequence[TextMatcher]) -> None:
        self.index = index
        self.texts = texts
        self._known: dict[Slot, float] = {}

    def best(self, matches: Matches, count: int, *, threads: bool) -> list[Ranked]:
        """Return the ``count`` best hits in order; with ``threads`` the best one of each conversation."""
        wanted = max(count, _LOOKED_AT)
        newest = self.index.newest()
        everything: list[Ranked] = []
        for at, numbers in enumerate(matches):
            segment = self.index.segments[at]
            written = segment.column("written")
            scores = self.scores(segment, numbers) if numbers else {}
            chosen: Iterable[int] = numbers
            if threads:
                chosen = _best_of_each(segment.column("conversation"), written, numbers, scores)
            elif len(numbers) > wanted and scores:
                chosen = _worth_it(numbers, scores, wanted)
            get = scores.get
            everything += [
                self._ranked(get(number, 0.0) * _recent(newest - written[number]), at, number)
                for number in chosen
            ]
        if threads:
            everything = self._one_of_each(everything, newest_first=True)
        found = heapq.nlargest(wanted, everything)
        return [*self._side_by_side(found[:_LOOKED_AT]), *found[_LOOKED_AT:]][:count]

    def by_date(self, matches: Matches, count: int, *, newest_first: bool, threads: bool) -> list[Ranked]:
        """Return the newest or oldest hits in order; with ``threads`` one of each conversation."""
        take = heapq.nlargest if newest_first else heapq.nsmallest
        everything: list[Ranked] = []
        for at, numbers in enumerate(matches):
            written = self.index.segments[at].column("written")
            chosen: Iterable[int] = numbers
            if len(numbers) > count and not threads:
                edge = take(count, map(written.__getitem__, numbers))[-1]
                chosen = [n for n in numbers if (written[n] >= edge if newest_first else written[n] <= edge)]
            everything += [self._ranked(0.0, at, number) for number in chosen]
        if threads:
            everything = self._one_of_each(everything, newest_first=newest_first)
        found = take(count, everything)
        scores = [self.scores(self.index.segments[hit.segment], {hit.number}) for hit in found]
        return [
            hit._replace(score=score.get(hit.number, 0.0)) for hit, score in zip(found, scores, strict=True)
        ]

    def _one_of_each(self, hits: list[Ranked], *, newest_first: bool) -> list[Ranked]:
        """Keep the first hit of each conversation, in the order that is wanted."""
        kept: dict[int, Ranked] = {}
        for hit in hits:
            conversation = self.index.segments[hit.segment].column("conversation")[hit.number]
            other = kept.get(conversation)
            if other is None or (hit > other if newest_first else hit < other):
                kept[conversation] = hit
        return list(kept.values())

    def scores(self, segment: Segment, numbers: Numbers) -> dict[int, float]:
        """Return each document's score by the words alone."""
        total: dict[int, float] = {}
        for text in self.texts:
            for slot in text.slots:
                # A beginning that fits very many words tells nothing about a message.
                if len(slot.forms) <= _WIDE:
                    self._add_slot(total, segment, slot, numbers)
        return total

    def _add_slot(self, total: dict[int, float], segment: Segment, slot: Slot, numbers: Numbers) -> None:
        entries = slot.entries(segment)
        if not entries:
            return
        telling = self._rarity(slot)
        narrowed = sorted(numbers) if len(numbers) < _FEW else None
        if len(entries) == 1:
            entry, share = entries[0]
            table = [telling * saturated(weight * share) for weight in WEIGHT]
            for block in segment.blocks(entry, narrowed):
                scored = zip(block.documents, map(table.__getitem__, block.levels), strict=False)
                if not total:
                    # Scores of documents that did not match do no harm, so the first block goes in whole.
                    total.update(scored)
                    continue
                for number, score in scored:
                    if number in numbers:
                        total[number] = total.get(number, 0.0) + score
            return
        weights: dict[int, float] = {}
        get = weights.get
        for entry, share in entries:
            table = [weight * share for weight in WEIGHT]
            for block in segment.blocks(entry, narrowed):
                for number, level in zip(block.documents, block.levels, strict=False):
                    if number in numbers:
                        weights[number] = get(number, 0.0) + table[level]
        for number, weight in weights.items():
            total[number] = total.get(number, 0.0) + telling * saturated(weight)

    def _rarity(self, slot: Slot) -> float:
        """Return how much a word tells, judged by all its forms together."""
        known = self._known.get(slot)
        if known is None:
            documents = sum(slot.documents(segment) for segment in self.index.segments)
            known = self._known[slot] = rarity(min(documents, self.index.count), self.index.count)
        return known

    def _ranked(self, score: float, at: int, number: int) -> Ranked:
        segment = self.index.segments[at]
        return Ranked(score, segment.column("written")[number], segment.column("message")[number], at, number)

    def _side_by_side(self, hits: list[Ranked]) -> list[Ranked]:
        """Raise the hits in which words of the query stand side by side, in its order."""
        pairs = [
            (first, second)
            for first, second in zip(self.texts, self.texts[1:], strict=False)
            if first.field == second.field and len(first.slots) == len(second.slots) == 1
        ][:_PAIRS]
        raised: dict[tuple[int, int], float] = {}
        for at in {hit.segment for hit in hits} if pairs else ():
            segment = self.index.segments[at]
            numbers = {hit.number for hit in hits if hit.segment == at}
            for first, second in pairs:
                left = _exact_positions(segment, first, numbers)
                right = _exact_positions(segment, second, left)
                for number, places in right.items():
                    if any(place_of(position_of(place) + 1) in places for place in left[number]):
                        raised[at, number] = raised.get((at, number), 1.0) + ADJACENT
        if not raised:
            return hits
        return sorted(
            (hit._replace(score=hit.score * raised.get((hit.segment, hit.number), 1.0)) for hit in hits),
            reverse=True,
        )


def _exact_positions(
    segment: Segment, text: TextMatcher, numbers: Numbers | dict[int, str]
) -> dict[int, str]:
    entry = segment.entry(text.field, text.slots[0].forms[0].term) if text.slots[0].forms else None
    return positions(segment, [entry], numbers) if entry is not None and numbers else {}


def _recent(age: int) -> float:
    """Return the factor for a message that much older (in seconds) than the newest one."""
    return 1.0 + RECENT * float(0.5 ** (max(age, 0) / _HALF_LIFE))


def _worth_it(numbers: Numbers, scores: dict[int, float], count: int) -> Iterable[int]:
    """Return the documents that may still be among the best when being recent is counted in."""
    edge = heapq.nlargest(count, map(scores.__getitem__, numbers))[-1] / (1.0 + RECENT)
    return [number for number in numbers if scores[number] >= edge]


def _best_of_each(
    groups: array[int], written: array[int], numbers: Numbers, scores: dict[int, float]
) -> Iterable[int]:
    """Return the best-scoring, then newest, document of each group."""
    best: dict[int, tuple[float, int, int]] = {}
    get = scores.get
    for number in numbers:
        group = groups[number]
        candidate = (get(number, 0.0), written[number], number)
        if group not in best or candidate > best[group]:
            best[group] = candidate
    return [number for _, _, number in best.values()]
