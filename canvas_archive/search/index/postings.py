"""Posting lists as Whoosh's W3 segments store them, written whole and read by the block.

A list is a magic tag and blocks of up to ``BLOCK`` documents. Each block is a length, a pickled tuple about
it, and the pickled data: document numbers as gaps, one weight byte per document, and the documents'
positions. Stock Whoosh reads these lists; what it reads as a weight is our level (``weights.py``).

Here nothing on disk is ever unpickled freely: the tuple about a block has a fixed layout and is read with
``struct``; the data is read by an unpickler that knows plain values and arrays of numbers, nothing else.
"""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import sub
from typing import Any, NamedTuple

BLOCK = 512  # documents; large, because lists are read whole
_COMPRESS_FROM = 160  # bytes; shorter data does not get shorter
_COMPRESSED = 3
_SEVERAL = 8  # documents to each that is looked for; with fewer, all are walked through
_ARRAY_FROM = 48  # documents; from there on an array is read faster than a tuple

_MAGIC = b"W3Bl"
_LENGTH = struct.Struct("!i")
# A protocol 2 pickle of (count, last document, highest weight, compression, shortest, longest):
# PROTO MARK BININT BININT BINFLOAT BININT BININT BININT TUPLE STOP.
_ABOUT = struct.Struct("<3scicic8scicici2s")
_ABOUT_SIZE = _ABOUT.size
_FLOAT = struct.Struct(">d")

# One row of the term index: flags, total weight, documents, shortest, longest, highest weight, first and
# last document, then where the list is. W3TermInfo's own layout.
TERM_INFO = struct.Struct("!BfIBBfIIqi")

_SEPARATOR = "\x00"


class Damaged(Exception):
    """The bytes are not what this program writes."""


class PlainUnpickler(pickle.Unpickler):
    """Reads numbers, bytes, text, tuples, lists, dicts and arrays; refuses every other class and function."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what makes an array; refuse everything else."""
        if module != "array" or name not in ("array", "_array_reconstructor"):
            raise Damaged(f"an object of {module}.{name} where there can be none")
        return super().find_class(module, name)


def place_of(position: int) -> str:
    """Return the character that stands for a position; those reserved for UTF-16 are skipped."""
    return chr(position if position < 0xD800 else position + 0x800)


def position_of(place: str) -> int:
    """Return the position a character stands for."""
    code = ord(place)
    return code if code < 0xD800 else code - 0x800


def plain_loads(data: bytes) -> Any:
    """Unpickle plain values and arrays only."""
    return PlainUnpickler(io.BytesIO(data)).load()


@dataclass(slots=True, eq=False)
class PostingBlock:
    """One block of a list: documents as gaps, a level for each, the packed positions.

    The first gap is the first document itself. The last document and the highest level are what the block
    says of itself. A block that was read without positions has the data that they are in.
    """

    gaps: Sequence[int]
    levels: bytes
    packed: bytes
    last: int = 0
    highest: float = 255.0
    data: memoryview | None = None
    _documents: array[int] | None = None

    @property
    def documents(self) -> array[int]:
        """Return the ascending document numbers. Raises Damaged when they cannot be any."""
        if self._documents is None:
            if min(self.gaps[1:], default=1) < 1:
                raise Damaged("a posting list names documents that are not there: they do not ascend")
            try:
                self._documents = array("I", accumulate(self.gaps))
            except OverflowError as error:
                raise Damaged(f"a posting list names documents that are not there: {error}") from error
        return self._documents

    def positions(self) -> list[str]:
        """Return each document's positions as a string of characters, one per position."""
        try:
            return self._unpacked().decode().split(_SEPARATOR)
        except UnicodeDecodeError as error:
            raise Damaged("positions that cannot be read") from error

    def positions_at(self, places: Sequence[int]) -> list[str]:
        """Return the positions of the documents at some places of the block, which ascend."""
        if not places:
            return []
        most = places[-1] + 1
        try:
            if len(places) * _SEVERAL < most:
                few = self._unpacked().split(_SEPARATOR.encode(), most)
                return [few[at].decode() for at in places]
            listed = self._unpacked().decode().split(_SEPARATOR, most)
        except UnicodeDecodeError as error:
            raise Damaged("positions that cannot be read") from error
        return listed if len(listed) == len(places) else [listed[at] for at in places]

    def _unpacked(self) -> bytes:
        if self.data is not None:
            whole = _decode(self.data, _COMPRESSED, len(self.gaps), self.last, self.highest)
            self.packed, self.data = whole.packed, None
        if self.packed.count(_SEPARATOR.encode()) + 1 != len(self.gaps):
            raise Damaged("positions of another number of documents")
        return self.packed


def places_in(documents: Sequence[int], numbers: Sequence[int], known: Container[int]) -> list[int]:
    """Return at which places of some documents any of the numbers stand; both ascend.

    ``known`` holds the same numbers, to look one up.
    """
    low = bisect_left(numbers, documents[0])
    high = bisect_right(numbers, documents[-1], low)
    if (high - low) * _SEVERAL >= len(documents):
        return [at for at, number in enumerate(documents) if number in known]
    places = [(bisect_left(documents, number), number) for number in numbers[low:high]]
    return [at for at, number in places if documents[at] == number]


def encode(documents: Sequence[int], levels: Sequence[int] | None, positions: Sequence[str] | None) -> bytes:
    """Return the bytes of one list. ``levels`` and ``positions`` are ``None`` for plain id lists."""
    total = len(documents)
    if total <= BLOCK:
        return _MAGIC + _encode_block(documents, levels, positions, last=True)
    chunks = [_MAGIC]
    for at in range(0, total, BLOCK):
        end = at + BLOCK
        chunks.append(
            _encode_block(
                documents[at:end],
                None if levels is None else levels[at:end],
                None if positions is None else positions[at:end],
                last=end >= total,
            )
        )
    return b"".join(chunks)


def _encode_block(
    documents: Sequence[int], levels: Sequence[int] | None, positions: Sequence[str] | None, *, last: bool
) -> bytes:
    gaps: Sequence[int] = (documents[0], *map(sub, documents[1:], documents))
    if len(gaps) >= _ARRAY_FROM:
        gaps = array("H" if documents[-1] < 1 << 16 else "I", gaps)
    weights = None if levels is None else bytes(levels)
    packed = None if positions is None else _SEPARATOR.join(positions).encode()
    data = pickle.dumps((gaps, weights, packed), 3)
    compressed = 0
    if len(data) >= _COMPRESS_FROM:
        data = zlib.compress(data, 1)
        compressed = _COMPRESSED
    size = _ABOUT_SIZE + len(data)
    about = _ABOUT.pack(
        b"\x80\x02(", b"J", len(documents), b"J", documents[-1],
        b"G", _FLOAT.pack(max(weights) if weights else 1.0), b"J", compressed, b"J", 1, b"J", 1, b"t.",
    )  # fmt: skip
    return _LENGTH.pack(-size if last else size) + about + data


def blocks(
    data: bytes, within: Sequence[int] | None = None, *, with_positions: bool = True
) -> Iterator[PostingBlock]:
    """Yield the blocks of a list; with ``within`` (ascending) only those that may hold one of its documents.

    Positions are most of a list; who does not need them saves inflating them for now.

    Raises Damaged when the bytes are not a list.
    """
    if data[:4] != _MAGIC:
        raise Damaged("a posting list without its tag")
    at, end = 4, len(data)
    view = memoryview(data)
    wanted = 0
    while at < end:
        try:
            (size,) = _LENGTH.unpack_from(data, at)
            fields = _ABOUT.unpack_from(data, at + 4)
        except struct.error as error:
            raise Damaged("a posting list is cut short") from error
        if fields[0] != b"\x80\x02(" or fields[13] != b"t.":
            raise Damaged("a posting block has an unknown layout")
        following = at + 4 + abs(size)
        if within is not None:
            if wanted == len(within):
                return
            last = fields[4]
            reach = bisect_left(within, last + 1, wanted)
            if reach == wanted:
                at = following
                continue
            wanted = reach
        packed = view[at + 4 + _ABOUT_SIZE : following]
        yield _decode(
            packed, fields[8], fields[2], fields[4], *_FLOAT.unpack(fields[6]), with_positions=with_positions
        )
        at = following
        if size < 0:
            return


def _decode(
    data: memoryview, compressed: int, count: int, last: int, highest: float, *, with_positions: bool = True
) -> PostingBlock:
    """Return a block. Without positions, only as much is inflated as the gaps and levels take."""
    try:
        layout = _layout("H" if last < 1 << 16 else "I", count)
        if compressed and not with_positions:
            block = _cut(zlib.decompressobj().decompress(data, layout.length), layout, last, highest, data)
            if block is not None:
                return block
        whole = zlib.decompress(data) if compressed else bytes(data)
        block = _cut(whole, layout, last, highest, None)
        if block is not None:
            if sum(block.gaps) != last:
                raise Damaged("a posting block ends with another document than it says")
            return block
        gaps, levels, packed = plain_loads(whole)
        last = sum(gaps)
    except (
        ValueError, TypeError, EOFError, IndexError, OverflowError, zlib.error, pickle.UnpicklingError,
    ) as error:  # fmt: skip
        raise Damaged(f"a posting block cannot be read: {error}") from error
    plain = all(part is None or type(part) is bytes for part in (levels, packed))
    if not plain or not gaps or type(last) is not int:
        raise Damaged("a posting block holds something else than a list")
    if len(gaps) != count or (levels is not None and len(levels) != count):
        raise Damaged("a posting block holds another number of documents than it says")
    return PostingBlock(gaps, levels or b"", packed or b"", last, highest)


# A block is a pickle with a layout that its writer fixes, so its gaps, levels and positions can be cut out of
# it at their places: what the pickle begins with on this machine, up to the bytes of the gaps, and how wide a
# gap is. An unpickler takes longer than all the rest, and needs the whole block, also where only its front
# was inflated. A block of another layout goes to the unpickler: a short one with a tuple of gaps, one
# from a machine with the other order of bytes.
_FRONTS = {
    code: (pickle.dumps((array(code, [1]), None, None), 3).partition(b"C")[0], array(code).itemsize)
    for code in ("H", "I")
}
_AFTER_GAPS = b"q\x03tq\x04Rq\x05"
_AFTER_LEVELS = b"q\x06"
_PLAIN = b"NN\x87q\x06."  # a list of ids: no levels, no positions
_END = b"q\x07\x87q\x08."


class _Layout(NamedTuple):
    """What stands before and between the gaps and the levels of so many documents."""

    code: str
    head: bytes
    middle: bytes
    gaps_end: int
    levels_start: int
    length: int


def _cut(
    whole: bytes, layout: _Layout, last: int, highest: float, packed_in: memoryview | None
) -> PostingBlock | None:
    """Return the block that is cut out of a pickle, or out of its beginning when ``packed_in`` has the rest.

    ``None`` when the pickle has another layout.
    """
    if not whole.startswith(layout.head):
        return None
    gaps = array(layout.code)
    gaps.frombytes(whole[len(layout.head) : layout.gaps_end])
    if whole.startswith(_AFTER_GAPS + _PLAIN[: None if packed_in is None else 1], layout.gaps_end):
        return PostingBlock(gaps, b"", b"", last, highest)
    if len(whole) < layout.length or not whole.startswith(layout.middle, layout.gaps_end):
        return None
    levels = whole[layout.levels_start : layout.length]
    if packed_in is not None:
        return PostingBlock(gaps, levels, b"", last, highest, packed_in)
    start = layout.length + len(_AFTER_LEVELS)
    size = len(whole) - start - len(_END)
    front = _mark(max(0, size - 2)) if size < 258 else _mark(size - 5)
    if not whole.endswith(_END) or not whole.startswith(_AFTER_LEVELS + front, layout.length):
        return None
    return PostingBlock(gaps, levels, whole[start + len(front) : len(whole) - len(_END)], last, highest)


@lru_cache(maxsize=1024)
def _layout(code: str, count: int) -> _Layout:
    front, width = _FRONTS[code]
    head, middle = front + _mark(count * width), _AFTER_GAPS + _mark(count)
    gaps_end = len(head) + count * width
    return _Layout(code, head, middle, gaps_end, gaps_end + len(middle), gaps_end + len(middle) + count)


def _mark(size: int) -> bytes:
    """Return what stands before so many pickled bytes."""
    return b"C" + bytes((size,)) if size < 256 else b"B" + size.to_bytes(4, "little")
