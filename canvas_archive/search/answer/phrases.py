"""Where terms stand, and which documents hold them side by side.

A document's positions are a string with a character for each (``postings.place_of``). To see whether one
term stands so far after another, the characters of the first are moved by that much, for all documents at
once, and looked for among those of the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, compress

from canvas_archive.search.answer.slots import WordSlot
from canvas_archive.search.index.docset import DocSet
from canvas_archive.search.index.postings import place_of, places_in, position_of
from canvas_archive.search.index.reading import Segment, TermEntry

# Below this many documents, only the blocks of a list that can hold one of them are read.
_FEW = 2000
# Places below 0x8000 that move no farther than this stay clear of the gap in their numbering.
_FARTHEST = 0x5000
_LAST = 0x10F800  # positions for which there is a character


def side_by_side(segment: Segment, ordered: Sequence[WordSlot], within: DocSet) -> DocSet:
    """Return those of the documents in which the slots' positions line up.

    The slots come in the order in which they are looked at: those in the fewest documents first.
    """
    anchor = ordered[0]
    starts = places(segment, anchor.lists(segment), within)
    for at, slot in enumerate(ordered[1:], 2):  # pragma: no branch - the last slot returns
        targets = places(segment, slot.lists(segment), within)
        by = slot.offset - anchor.offset
        if by >= 0:
            starts, anchor = moved(starts, by), slot
        else:
            targets = moved(targets, -by)
        if at == len(ordered):
            return DocSet(segment.count, list(compress(within.numbers, touching(starts, targets))))
        common = _in_common(starts, targets)
        within = DocSet(segment.count, list(compress(within.numbers, common)))
        if not within:
            break
        starts = list(filter(None, common))
    return within


def places(segment: Segment, entries: Sequence[TermEntry], within: DocSet) -> list[str]:
    """Return where any of the terms stand in each of the documents, in their order; ``""`` for nowhere."""
    numbers = within.numbers
    if len(numbers) >= _FEW and len(entries) == 1:
        listed = segment.documents(entries[0])
        if within & listed == within:
            read = segment.blocks(entries[0], with_positions=True)
            strings = chain.from_iterable(block.positions() for block in read)
            return list(compress(strings, compress(within.flags, listed.flags)))
    found = positions(segment, entries, numbers)
    if len(found) == len(numbers):
        return list(found.values()) if len(entries) == 1 else [found[number] for number in numbers]
    return [found.get(number, "") for number in numbers]


def positions(segment: Segment, entries: Sequence[TermEntry], numbers: Sequence[int]) -> dict[int, str]:
    """Return where any of the terms stand, by document, out of some ascending documents."""
    found: dict[int, str] = {}
    narrowed = numbers if len(numbers) < _FEW else None
    chosen = set(numbers)
    for entry in entries:
        listed: list[int] = []
        strings: list[str] = []
        for block in segment.blocks(entry, narrowed, with_positions=True):
            documents = segment.numbers(block)
            here = places_in(documents, numbers, chosen)
            listed += [documents[at] for at in here]
            strings += block.positions_at(here)
        if not found:
            found = dict(zip(listed, strings, strict=True))
            continue
        for number, string in zip(listed, strings, strict=True):
            found[number] = found[number] + string if number in found else string
    return found


def moved(strings: Sequence[str], by: int) -> list[str]:
    """Return the strings with every place moved up by so many positions."""
    joined = "\0".join(strings)
    units = joined.encode("utf-16-le")
    if 0 < by < _FARTHEST and len(units) == 2 * len(joined):
        each = int.from_bytes(units, "little")
        if not each & int.from_bytes(b"\x00\x80" * len(joined), "little"):  # all are below 0x8000
            each += int.from_bytes(by.to_bytes(2, "little") * len(joined), "little")
            # What was between the strings has been moved, too; no place comes before it.
            return each.to_bytes(len(units), "little").decode("utf-16-le").split(chr(by))
    return ["".join([_moved(place, by) for place in string]) for string in strings]


def _moved(place: str, by: int) -> str:
    position = position_of(place) + by
    return place_of(position) if position < _LAST else ""


def _in_common(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return, string by string, the places of the second that are in the first, too."""
    return [
        (one if one in other else "") if len(one) == 1 else "".join(set(one).intersection(other))
        for one, other in zip(first, second, strict=True)
    ]


def touching(first: Sequence[str], second: Sequence[str]) -> list[bool]:
    """Return, string by string, whether the two have a place in common."""
    return [
        one in other if len(one) == 1 else other in one if len(other) == 1 else not set(one).isdisjoint(other)
        for one, other in zip(first, second, strict=True)
    ]
