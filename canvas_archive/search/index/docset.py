"""Sets of a segment's documents.

A set is held as ascending numbers, as one integer with a byte of 0 or 1 for every document, or as both: each
is made from the other when it is first asked for. A few documents are compared as numbers, one by one. Of
many, Python's integers are the arrays that the interpreter itself works through at the speed of memory: what
two conditions agree on is one ``&`` over all documents. The bytes of such an integer are what
``itertools.compress`` takes to pick rows of a column.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, compress

# The most documents to each one of a list whose steps are turned into bytes all at once.
_CLOSE = 3
# The most documents to each one of a set that are walked through instead of looked for.
_WALKED = 10
# The least documents to each one of a set whose numbers are compared one by one.
_FEW = 8


class DocSet:
    """A set of documents out of ``count``. Sets do not change."""

    __slots__ = ("_flags", "_numbers", "_size", "_whole", "count")

    def __init__(self, count: int, numbers: list[int] | None = None, whole: int | None = None) -> None:
        """Hold ascending ``numbers``, or the ``whole`` as an integer of bytes."""
        self.count = count
        self._numbers = numbers
        self._whole = whole
        self._flags: bytes | None = None
        self._size = -1 if numbers is None else len(numbers)

    @property
    def numbers(self) -> list[int]:
        """Return the documents, ascending. The list is not to be changed."""
        if self._numbers is None:
            flags = self.flags
            if self.size * _WALKED > self.count:
                self._numbers = list(compress(_all_numbers(self.count.bit_length()), flags))
            else:
                self._numbers = numbers = []
                find = flags.find
                at = find(1)
                while at >= 0:
                    numbers.append(at)
                    at = find(1, at + 1)
        return self._numbers

    @property
    def whole(self) -> int:
        """Return the set as an integer: a byte of 0 or 1 for each document, the first one lowest."""
        if self._whole is None:
            self._whole = int.from_bytes(self.flags, "little")
        return self._whole

    @property
    def flags(self) -> bytes:
        """Return a byte of 0 or 1 for each document."""
        if self._flags is None:
            if self._whole is not None:
                self._flags = self._whole.to_bytes(self.count, "little")
            else:
                flags = bytearray(self.count)
                for number in self.numbers:
                    flags[number] = 1
                self._flags = bytes(flags)
        return self._flags

    @property
    def size(self) -> int:
        """Return how many documents are in the set."""
        if self._size < 0:
            self._size = self.whole.bit_count()
        return self._size

    @property
    def is_few(self) -> bool:
        """Return whether there are so few that they are looked at one by one."""
        return self._numbers is not None and len(self._numbers) * _FEW <= self.count

    def pick(self, column: array[int]) -> Iterable[int]:
        """Return the values that a column has in the documents, in their order."""
        if self.is_few:
            return map(column.__getitem__, self.numbers)
        return compress(column, self.flags)

    def __bool__(self) -> bool:
        """Return whether there is any document."""
        return bool(self._whole if self._numbers is None else self._numbers)

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same documents."""
        if not isinstance(other, DocSet):
            return NotImplemented
        if self._numbers is not None and other._numbers is not None:
            return self._numbers == other._numbers
        return self.whole == other.whole

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: DocSet) -> DocSet:
        """Return the documents that are in both."""
        if self.is_few or other.is_few:
            few, others = (self, other) if self.is_few else (other, self)
            if others.is_few:
                return DocSet(self.count, sorted(set(few.numbers).intersection(others.numbers)))
            flags = others.flags
            return DocSet(self.count, [number for number in few.numbers if flags[number]])
        return DocSet(self.count, whole=self.whole & other.whole)

    def __or__(self, other: DocSet) -> DocSet:
        """Return the documents that are in either."""
        if not self or not other:
            return self or other
        if self.is_few and other.is_few:
            return DocSet(self.count, sorted({*self.numbers, *other.numbers}))
        return DocSet(self.count, whole=self.whole | other.whole)

    def __sub__(self, other: DocSet) -> DocSet:
        """Return the documents that are not in the other."""
        if not other or not self:
            return self
        if self.is_few:
            flags = other.flags
            return DocSet(self.count, [number for number in self.numbers if not flags[number]])
        return DocSet(self.count, whole=self.whole ^ (self.whole & other.whole))


@lru_cache(maxsize=8)
def _all_numbers(bits: int) -> list[int]:
    """Return all numbers of so many bits: those that exist need not be made in every search."""
    return list(range(1 << bits))


def nothing(count: int) -> DocSet:
    """Return the set of none of so many documents."""
    return DocSet(count, [])


@lru_cache(maxsize=8)
def everything(count: int) -> DocSet:
    """Return the set of all of so many documents."""
    return DocSet(count, whole=int.from_bytes(b"\1" * count, "little"))


def from_flags(flags: bytes | bytearray) -> DocSet:
    """Return the set of the documents whose byte is 1 (all others are 0)."""
    return DocSet(len(flags), whole=int.from_bytes(flags, "little"))


def from_numbers(numbers: Iterable[int], count: int) -> DocSet:
    """Return the set of these documents, which come in any order.

    Raises IndexError for one that the segment does not have.
    """
    flags = bytearray(count)
    for number in numbers:
        flags[number] = 1
    return from_flags(flags)


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
    return DocSet(count, numbers[1:])


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
    return DocSet(count, whole=int.from_bytes(flags, "little"))
