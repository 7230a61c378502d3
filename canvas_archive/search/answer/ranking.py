"""The order of the hits: BM25F, words side by side preferred, then a little for being recent.

Segments are looked at newest first. What is best so far is the mark for the rest: a segment that cannot
reach it is passed over, and in the others only documents that may reach it become hits.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from itertools import chain, compress
from typing import NamedTuple

from canvas_archive.search.answer.matching import TextMatcher
from canvas_archive.search.answer.phrases import moved, positions, touching
from canvas_archive.search.answer.scoring import Scorer
from canvas_archive.search.index.docset import DocSet
from canvas_archive.search.index.reading import OpenIndex, Segment

RECENT = 0.06  # share by which the newest message outranks one of equal score that is very old
_HALF_LIFE = 365.0 * 86400.0  # seconds in which that share halves
ADJACENT = 0.15  # share for each pair of words that stand side by side as in the query
_LOOKED_AT = 200  # best hits whose words' places are looked at
_PAIRS = 6  # pairs of words looked at
_ROUNDING = 1e-9  # share by which floating point may have rounded a score

Matches = list[DocSet]  # one set per segment


class Ranked(NamedTuple):
    """A hit; hits compare by score, then by when they were written, then by id."""

    score: float
    sent: int
    message_id: int
    segment: int
    number: int


class Ranker:
    """Ranks what matched in an index by the words of a plan."""

    def __init__(self, index: OpenIndex, texts: Sequence[TextMatcher]) -> None:
        self.index = index
        self.texts = texts
        self._scorer = Scorer(index, texts)

    def best(self, matches: Matches, count: int, *, threads: bool) -> list[Ranked]:
        """Return the ``count`` best hits in order; with ``threads`` the best one of each conversation."""
        wanted = max(count, _LOOKED_AT)
        if not self._scorer:
            found = self._dated(matches, wanted, newest_first=True, threads=threads)
        elif threads:
            found = self._best_of_each(matches, wanted)
        else:
            found = self._best(matches, wanted)
        return [*self._side_by_side(found[:_LOOKED_AT], count), *found[_LOOKED_AT:]][:count]

    def by_date(self, matches: Matches, count: int, *, newest_first: bool, threads: bool) -> list[Ranked]:
        """Return the newest or oldest hits in order; with ``threads`` one of each conversation."""
        found = self._dated(matches, count, newest_first=newest_first, threads=threads)
        scores: dict[tuple[int, int], float] = {}
        for at in {hit.segment for hit in found} if self._scorer else ():
            numbers = sorted(hit.number for hit in found if hit.segment == at)
            found_scores = self._scorer.scores(self.index.segments[at], numbers)
            scores |= {(at, number): score for number, score in zip(numbers, found_scores, strict=True)}
        return [hit._replace(score=scores.get((hit.segment, hit.number), 0.0)) for hit in found]

    def _best(self, matches: Matches, wanted: int) -> list[Ranked]:
        """Return the best hits by score and age."""
        best: list[Ranked] = []
        floor = 0.0
        for at in self._by_age(matches, newest_first=True):
            segment = self.index.segments[at]
            oldest, newest = self._factors(segment)
            if floor and self._scorer.highest(segment) * newest < floor:
                continue
            candidates = self._scorer.candidates(
                segment, matches[at], wanted, floor / newest, oldest / newest
            )
            best = heapq.nlargest(wanted, [*best, *self._hits(at, candidates.scored)])
            if len(best) == wanted:
                floor = best[-1].score
        return best

    def _best_of_each(self, matches: Matches, wanted: int) -> list[Ranked]:
        """Return the best hit of each conversation: of those in a segment, the one with the best words.

        More and more of each segment's best are looked at, until enough conversations are ahead of
        everything that was not.
        """
        looked_at = wanted
        while True:
            of_each: dict[int, Ranked] = {}
            rest = 0.0
            for at in self._by_age(matches, newest_first=True):
                segment = self.index.segments[at]
                candidates = self._scorer.candidates(segment, matches[at], looked_at, 0.0, 1.0)
                rest = max(rest, candidates.bound * self._factors(segment)[1])
                written, conversation = segment.column("written"), segment.column("conversation")
                chosen: dict[int, tuple[float, int, int]] = {}
                for score, number in candidates.scored:
                    candidate = (score, written[number], number)
                    if candidate > chosen.get(conversation[number], (-1.0,)):
                        chosen[conversation[number]] = candidate
                scored = [(score, number) for score, _, number in chosen.values()]
                for group, hit in zip(chosen, self._hits(at, scored), strict=True):
                    if group not in of_each or hit > of_each[group]:
                        of_each[group] = hit
            best = heapq.nlargest(wanted, of_each.values())
            if not rest or (len(best) == wanted and best[-1].score > rest):
                return best
            looked_at *= 4

    def _dated(self, matches: Matches, count: int, *, newest_first: bool, threads: bool) -> list[Ranked]:
        """Return the newest or oldest hits, without scores; with ``threads`` one of each conversation."""
        looked_at = count
        while count > 0:
            found, rest = self._dated_of(
                matches, count, looked_at, newest_first=newest_first, threads=threads
            )
            if rest is None or not threads:
                return found
            if len(found) == count and (found[-1].sent >= rest if newest_first else found[-1].sent <= rest):
                return found
            looked_at *= 4  # a few long conversations took all the places
        return []

    def _dated_of(
        self, matches: Matches, count: int, looked_at: int, *, newest_first: bool, threads: bool
    ) -> tuple[list[Ranked], int | None]:
        """Return hits of the first messages of each segment, and beyond which moment none was looked at."""
        take = heapq.nlargest if newest_first else heapq.nsmallest
        found: list[Ranked] = []
        edges: list[int] = []
        for at in self._by_age(matches, newest_first=newest_first):
            segment = self.index.segments[at]
            first, last = segment.span()
            if len(found) == count and (last < found[-1].sent if newest_first else first > found[-1].sent):
                break
            numbers = matches[at].numbers
            written = segment.column("written")
            if len(numbers) > looked_at:
                edge = take(looked_at, map(written.__getitem__, numbers))[-1]
                numbers = [n for n in numbers if (written[n] >= edge if newest_first else written[n] <= edge)]
                edges.append(edge)
            found += self._hits(at, [(0.0, number) for number in numbers])
            found = take(count, self._one_of_each(found, newest_first=newest_first) if threads else found)
        if not edges:
            return found, None
        return found, max(edges) if newest_first else min(edges)

    def _by_age(self, matches: Matches, *, newest_first: bool) -> list[int]:
        """Return the segments with matches: those with the newest messages first, or with the oldest."""
        found = [at for at, chosen in enumerate(matches) if chosen]
        if newest_first:
            return sorted(found, key=lambda at: self.index.segments[at].span()[1], reverse=True)
        return sorted(found, key=lambda at: self.index.segments[at].span()[0])

    def _factors(self, segment: Segment) -> tuple[float, float]:
        """Return the factors for the age of a segment's oldest and newest message."""
        newest = self.index.newest()
        first, last = segment.span()
        return _recent(newest - first), _recent(newest - last)

    def _hits(self, at: int, scored: Iterable[tuple[float, int]]) -> list[Ranked]:
        segment = self.index.segments[at]
        written, message = segment.column("written"), segment.column("message")
        newest = self.index.newest()
        return [
            Ranked(
                # As _recent, without a call for each.
                score * (1.0 + RECENT * 0.5 ** ((newest - (sent := written[number])) / _HALF_LIFE)),
                sent,
                message[number],
                at,
                number,
            )
            for score, number in scored
        ]

    def _one_of_each(self, hits: list[Ranked], *, newest_first: bool) -> list[Ranked]:
        """Keep the first hit of each conversation, in the order that is wanted."""
        first: dict[int, Ranked] = {}
        for hit in hits:
            conversation = self.index.segments[hit.segment].column("conversation")[hit.number]
            other = first.get(conversation)
            if other is None or (hit > other if newest_first else hit < other):
                first[conversation] = hit
        return list(first.values())

    def _side_by_side(self, hits: list[Ranked], count: int) -> list[Ranked]:
        """Raise the hits in which words of the query stand side by side, in its order.

        Only those are looked at that, raised, may be among the ``count`` best.
        """
        pairs = [
            (first, second)
            for first, second in zip(self.texts, self.texts[1:], strict=False)
            if first.field == second.field and len(first.slots) == len(second.slots) == 1
        ][:_PAIRS]
        if not pairs or count < 1:
            return hits
        most = 1.0 + ADJACENT * len(pairs) + _ROUNDING
        least = hits[count - 1].score if count < len(hits) else 0.0
        promising = [hit for hit in hits if hit.score * most >= least]
        looked_for = dict.fromkeys(chain.from_iterable(pairs))
        raised: dict[tuple[int, int], float] = {}
        by_segment: dict[int, list[int]] = {}
        for hit in promising:
            by_segment.setdefault(hit.segment, []).append(hit.number)
        for at, numbers in by_segment.items():
            segment = self.index.segments[at]
            numbers.sort()
            stands = {text: _exact_places(segment, text, numbers) for text in looked_for}
            for first, second in pairs:
                adjacent = touching(moved(stands[first], 1), stands[second])
                for number in compress(numbers, adjacent):
                    raised[at, number] = raised.get((at, number), 1.0) + ADJACENT
        if not raised:
            return hits
        for place, hit in enumerate(hits):
            factor = raised.get((hit.segment, hit.number))
            if factor is not None:
                hits[place] = hit._replace(score=hit.score * factor)
        return sorted(hits, reverse=True)


def _exact_places(segment: Segment, text: TextMatcher, numbers: Sequence[int]) -> list[str]:
    entry = segment.entry(text.field, text.slots[0].forms[0].term) if text.slots[0].forms else None
    found = {} if entry is None else positions(segment, [entry], numbers)
    return [found.get(number, "") for number in numbers]


def _recent(age: int) -> float:
    """Return the factor for a message that much older (in seconds) than the newest one."""
    return 1.0 + RECENT * float(0.5 ** (max(age, 0) / _HALF_LIFE))
