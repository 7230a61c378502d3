"""The best passage of a text, with the words that were found marked."""

from __future__ import annotations

import html
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from canvas_archive.search.index.analysis import Span, composed, lone_occurrences, occurrences, spans, terms
from canvas_archive.unicode import SNIPPET, filtered

LENGTH = 220  # characters of a passage, about
_LONGEST_TEXT = 60_000  # characters looked at
_NEAR = 100  # characters in which two terms of a sequence mostly stand


@dataclass(frozen=True, slots=True)
class Snippet:
    """A passage in pieces, each marked or not. Text is as people wrote it: hostile until escaped."""

    pieces: tuple[tuple[str, bool], ...] = ()

    @property
    def plain(self) -> str:
        """Return the passage without marks, on one line, safe to print on a terminal."""
        return self.marked("", "")

    def marked(self, start: str, end: str) -> str:
        """Return the passage with the marks given, on one line, safe to print on a terminal."""
        return "".join(
            f"{start}{printable(text)}{end}" if is_marked else printable(text)
            for text, is_marked in self.pieces
        )

    def html(self) -> str:
        """Return the passage escaped for HTML, with ``<mark>`` around what was found."""
        return "".join(
            f"<mark>{html.escape(printable(text))}</mark>" if is_marked else html.escape(printable(text))
            for text, is_marked in self.pieces
        )


@dataclass(frozen=True)
class Marking:
    """What to mark: single terms, and sequences of (offset, terms) that stand side by side."""

    terms: dict[str, float] = field(default_factory=dict)
    sequences: tuple[tuple[tuple[int, frozenset[str]], ...], ...] = ()

    @cached_property
    def wanted(self) -> frozenset[str]:
        """Return every term that any mark may begin, hold or end with."""
        parts = (terms for sequence in self.sequences for _, terms in sequence)
        return frozenset(self.terms).union(*parts)

    @cached_property
    def _pairs(self) -> tuple[frozenset[str], frozenset[str]] | None:
        """Return what may begin and what may end a sequence, where each is of two terms side by side."""
        if any(len(sequence) != 2 or sequence[1][0] != 1 for sequence in self.sequences):
            return None
        first, second = (frozenset[str]().union(*(one[at][1] for one in self.sequences)) for at in (0, 1))
        return first, second

    def may_join(self, first: str, second: str) -> bool:
        """Return whether it matters how far the second term is from the first, the one found before it."""
        return self._pairs is None or (first in self._pairs[0] and second in self._pairs[1])

    def marks(self, found: Sequence[Span]) -> list[tuple[int, int, str, float]]:
        """Return (start, end, what, score) of everything to mark in the text, by place."""
        marks = [
            (span.start, span.end, span.term, self.terms[span.term])
            for span in found
            if span.term in self.terms
        ]
        if self.sequences:
            by_place = {span.at: span for span in found}
            for sequence in self.sequences:
                first = sequence[0][1]
                for span in found:
                    if span.term not in first:
                        continue
                    others = [(by_place.get(span.at + offset), terms) for offset, terms in sequence[1:]]
                    if all(other is not None and other.term in terms for other, terms in others):
                        end = max([span.end, *(other.end for other, _ in others if other is not None)])
                        marks.append((span.start, end, repr(sequence), 3.0 * len(sequence)))
        return sorted(marks)


def printable(text: str) -> str:
    """Return people's text safe for a terminal, on one line."""
    return filtered(text, SNIPPET)


def make_snippet(text: str, marking: Marking, length: int = LENGTH) -> tuple[Snippet, float]:
    """Return the passage that holds most of what is to be marked, and how much that is (0: nothing)."""
    text = composed(text[:_LONGEST_TEXT])
    places = marking.marks(_occurrences(text, marking))
    if not places:
        return Snippet(((_shortened(text, length), False),) if text else ()), 0.0
    at, score = _best_window(places, length)
    start, end = _passage(text, places[at][0], places, length)
    return Snippet(_pieces(text, start, end, places)), score


def marked_text(text: str, marking: Marking) -> tuple[tuple[str, bool], ...]:
    """Return a whole text in pieces, each marked or not. What is beyond ``_LONGEST_TEXT`` is not marked."""
    beginning, rest = composed(text[:_LONGEST_TEXT]), text[_LONGEST_TEXT:]
    pieces = _pieces(beginning, 0, len(beginning), marking.marks(_occurrences(beginning, marking)))
    return (*pieces, (rest, False)) if rest else pieces


def _occurrences(text: str, marking: Marking) -> list[Span]:
    return _with_positions(text, marking) if marking.sequences else occurrences(text, marking.wanted)


def _with_positions(text: str, marking: Marking) -> list[Span]:
    """Return where the wanted terms stand in a text, with positions to compare.

    In plain texts the terms between two of them are counted, as far as it matters for a sequence.
    """
    found = lone_occurrences(text, marking.wanted)
    if found is None:
        return spans(text, marking.wanted)
    farthest = max(offset for sequence in marking.sequences for offset, _ in sequence)
    at = 0
    counted = []
    before: Span | None = None
    for span in found:
        if before is not None and not marking.may_join(before.term, span.term):
            at += 1 + farthest
        elif before is not None:
            between = len(terms(text[before.end : min(span.start, before.end + _NEAR)]))
            if between < farthest and span.start > before.end + _NEAR:
                between = len(terms(text[before.end : span.start]))
            at += 1 + between
        before = span
        counted.append(span._replace(at=at))
    return counted


def _best_window(places: Sequence[tuple[int, int, str, float]], length: int) -> tuple[int, float]:
    """Return the mark at which the best passage begins, and its score.

    Different words count in full, repetitions little; among equals the first passage wins.
    """
    counts: dict[str, int] = {}
    scores: dict[str, float] = {}
    best, best_score = 0, 0.0
    total = 0.0
    end = 0
    for begin, (start, _, what, score) in enumerate(places):
        while end < len(places) and places[end][1] <= max(start + length, places[begin][1]):
            name, value = places[end][2], places[end][3]
            total += value * (0.1 if counts.get(name) else 1.0)
            counts[name] = counts.get(name, 0) + 1
            scores[name] = value
            end += 1
        if total > best_score + 1e-9:
            best, best_score = begin, total
        counts[what] -= 1
        total -= score * (0.1 if counts[what] else 1.0)
    return best, best_score


def _passage(
    text: str, start: int, places: Sequence[tuple[int, int, str, float]], length: int
) -> tuple[int, int]:
    """Return where the passage begins and ends: the marks in it centred, words and sentences whole."""
    last = max(
        end for begin, end, _, _ in places if start <= begin and (end <= start + length or begin == start)
    )
    room = max(0, length - (last - start))
    begin = max(0, start - room // 2)
    end = min(len(text), max(last, begin + length))
    begin = max(0, min(begin, end - length))
    if begin:
        sentence = max(text.rfind(stop, begin, start) for stop in (". ", "! ", "? ", "\n"))
        space = text.find(" ", begin, start)
        if sentence >= 0 and text[sentence + 1 : start].strip():
            begin = sentence + 1
        elif space >= 0:
            begin = space + 1
    if end < len(text):
        space = text.rfind(" ", last, end)
        end = space if space >= 0 else end
    return begin, max(end, min(last, start + 4 * length))


def _pieces(
    text: str, start: int, end: int, places: Sequence[tuple[int, int, str, float]]
) -> tuple[tuple[str, bool], ...]:
    merged: list[list[int]] = []
    for low, high, _, _ in places[max(0, bisect_left(places, (start, 0, "", 0.0)) - 50) :]:
        low, high = max(low, start), min(high, end)
        if low >= high:
            continue
        if merged and (low <= merged[-1][1] or text[merged[-1][1] : low] in ("-", "'", "’")):
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    pieces: list[tuple[str, bool]] = [("… ", False)] if start else []
    at = start
    for low, high in merged:
        pieces += [(text[at:low], False), (text[low:high], True)]
        at = high
    pieces.append((text[at:end] + (" …" if end < len(text.rstrip()) else ""), False))
    return tuple((piece, is_marked) for piece, is_marked in pieces if piece)


def _shortened(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    space = text.rfind(" ", length // 2, length)
    return text[: space if space > 0 else length] + " …"
