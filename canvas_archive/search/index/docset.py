"""Sets of a segment's documents: one integer, with a byte of 0 or 1 for every document.

Python's integers are the arrays that the interpreter itself works through at the speed of memory: what two
conditions agree on is one ``&`` over all documents, not a step for each. The byte of a document is 0 or 1,
so that the integer's bytes are what ``itertools.compress`` takes to pick rows of a column, and a set's size
is its number of bits.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, compress

DocSet = int

NOTHING: DocSet = 0

# The most documents to each one of a list whose steps are turned into bytes all at once.
_CLOSE = 3
# The most documents to each one of a set that are walked through instead of looked for.
_WALKED = 10


def everything(count: int) -> DocSet:
    """Return the set of all documents of a segment that has so many."""
    return int.from_bytes(b"\1" * count, "little")


def mask(chosen: DocSet, count: int) -> bytes:
    """Return a byte of 0 or 1 for each of the segment's documents."""
    return chosen.to_bytes(count, "little")


def from_mask(flags: bytes | bytearray) -> DocSet:
    """Return the set of the documents whose byte is 1 (all others are 0)."""
    return int.from_bytes(flags, "little")


def size(chosen: DocSet) -> int:
    """Return how many documents are in the set."""
    return chosen.bit_count()


def without(chosen: DocSet, others: DocSet) -> DocSet:
    """Return the documents of the first set that are not in the second."""
    return chosen ^ (chosen & others)


def from_numbers(numbers: Iterable[int], count: int) -> DocSet:
    """Return the set of these documents. Raises IndexError for one that the segment does not have."""
    flags = bytearray(count)
    for number in numbers:
        flags[number] = 1
    return int.from_bytes(flags, "little")


def to_numbers(chosen: DocSet, count: int) -> list[int]:
    """Return the documents of the set, ascending."""
    flags = chosen.to_bytes(count, "little")
    if chosen.bit_count() * _WALKED > count:
        return list(compress(_numbers(count.bit_length()), flags))
    find = flags.find
    numbers = []
    at = find(1)
    while at >= 0:
        numbers.append(at)
        at = find(1, at + 1)
    return numbers


@lru_cache(maxsize=8)
def _numbers(bits: int) -> list[int]:
    """Return all numbers of so many bits: those that exist need not be made in every search."""
    return list(range(1 << bits))


def from_gaps(gaps: Sequence[int], count: int) -> DocSet:
    """Return the set of a list written as gaps: the first document plus one, then the steps to the next.

    Raises ValueError for a step that is not positive, IndexError when the steps lead beyond the segment.
    """
    if isinstance(gaps, array) and len(gaps) * _CLOSE > count:
        raw, wide = gaps.tobytes(), gaps.itemsize
        steps = raw[0 if sys.byteorder == "little" else wide - 1 :: wide]
        if 0 not in steps and raw.count(0) == len(raw) - len(steps):  # all below 256
            return _from_short_steps(steps, count)
    numbers = list(accumulate(gaps, initial=-1))
    if min(gaps, default=1) < 1:
        raise ValueError("documents that do not ascend")
    if numbers[-1] >= count:
        raise IndexError("documents beyond the end")
    return from_numbers(numbers[1:], count)


def _from_short_steps(steps: bytes, count: int) -> DocSet:
    """Return the set: a step of 1 is the byte 1 already, a step of 3 becomes the bytes 0 0 1."""
    flags = steps
    left = steps.translate(None, b"\1")
    for step in range(2, 256):
        if not left:
            break
        one = bytes((step,))
        if one in left:
            left = left.translate(None, one)
            flags = flags.replace(one, b"\0" * (step - 1) + b"\1")
    if len(flags) > count:
        raise IndexError("documents beyond the end")
    return int.from_bytes(flags, "little")
