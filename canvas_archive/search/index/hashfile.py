"""The term index of a segment: written in one go, and read where it is mapped into memory.

The file is Whoosh's ordered hash: rows of key and value in ascending order, 256 hash tables over them, and
the rows' positions for looking up by beginning. Whoosh's own writer works row by row and takes several
times as long; the tests compare the two byte for byte. Whoosh's own reader takes five times as long.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import pickle
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from canvas_archive.search.index.postings import Damaged, PlainUnpickler

_HEADER = b"HSH3" + struct.pack("!Bii", 0, 0, 0)  # 0: keys are hashed by MD5
_SIZES = struct.Struct("!ii")
_SLOT = struct.Struct("!Iq")
_DIRECTORY = struct.Struct("!qi")
_EMPTY = _SLOT.pack(0, 0)
_END = struct.Struct("!i")
# What reading bytes that are no such file raises.
_BROKEN = (struct.error, ValueError, TypeError, IndexError, OverflowError, EOFError, pickle.UnpicklingError)
# Type codes for the positions, by the highest one, as Whoosh's growing array chooses them.
_WIDTHS = ((2**16, "H"), (2**31, "i"), (2**32, "I"), (2**63, "q"))


def term_index(rows: Sequence[tuple[bytes, bytes]], extras: Mapping[str, object]) -> bytes:
    """Return the bytes of the file. ``rows`` ascend by key, and no key comes twice."""
    chunks = [_HEADER]
    pack = _SIZES.pack
    chunks += [pack(len(key), len(value)) + key + value for key, value in rows]
    ends = list(accumulate(map(len, chunks)))
    positions = ends[:-1]
    buckets: list[list[tuple[int, int]]] = [[] for _ in range(256)]
    md5 = hashlib.md5
    for (key, _), position in zip(rows, positions, strict=True):
        hashed = int.from_bytes(md5(key, usedforsecurity=False).digest()[-4:], "big")
        buckets[hashed & 255].append((hashed, position))
    at = ends[-1]
    directory = []
    for bucket in buckets:
        slots = 2 * len(bucket)
        table = [_EMPTY] * slots
        for hashed, position in bucket:
            slot = (hashed >> 8) % slots
            while table[slot] is not _EMPTY:
                slot = (slot + 1) % slots
            table[slot] = _SLOT.pack(hashed, position)
        directory.append(_DIRECTORY.pack(at, slots))
        chunks += table
        at += slots * _SLOT.size
    chunks += directory
    highest = positions[-1] if positions else 0
    code = next(code for limit, code in _WIDTHS if highest < limit)
    ordered = array(code, positions)
    if sys.byteorder == "little":  # pragma: no branch - on big-endian machines they are in order already
        ordered.byteswap()
    about = pickle.dumps({**extras, "indextype": code, "indexlen": len(positions)}, pickle.HIGHEST_PROTOCOL)
    tail = about + ordered.tobytes()
    return b"".join([*chunks, tail, _END.pack(len(tail))])


class TermIndex:
    """The rows of a term index by their keys. ``extras`` are the plain values that its writer added.

    Every method raises Damaged for bytes that are no such file.
    """

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self._data = data
        try:
            if data[: len(_HEADER)] != _HEADER:
                raise Damaged("a term index without its beginning")
            end = len(data) - _END.size
            start = end - _END.unpack_from(data, end)[0]
            tail = io.BytesIO(data[start:end])
            self.extras: dict[str, object] = dict(PlainUnpickler(tail).load())
            self._positions = array(str(self.extras["indextype"]))
            self._positions.frombytes(tail.read())
            if (
                sys.byteorder == "little"
            ):  # pragma: no branch - on big-endian machines they are in order already
                self._positions.byteswap()
            tables = data[start - 256 * _DIRECTORY.size : start]
            self._tables = list(_DIRECTORY.iter_unpack(tables))
            self._rows_end: int = self._tables[0][0]
            if len(self._tables) != 256 or len(self._positions) != self.extras["indexlen"]:
                raise Damaged("a term index of another size than it says")
        except (*_BROKEN, KeyError) as error:
            raise Damaged(f"a term index cannot be read: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key."""
        data = self._data
        hashed = int.from_bytes(hashlib.md5(key, usedforsecurity=False).digest()[-4:], "big")
        start, slots = self._tables[hashed & 255]
        try:
            slot = (hashed >> 8) % slots if slots else 0
            for _ in range(slots):
                found, position = _SLOT.unpack_from(data, start + slot * _SLOT.size)
                if not position:
                    return None
                if found == hashed:
                    key_size, size = _SIZES.unpack_from(data, position)
                    at = position + _SIZES.size + key_size
                    if data[at - key_size : at] == key:
                        return data[at : at + size]
                slot = (slot + 1) % slots
        except _BROKEN as error:
            raise Damaged(f"the term index cannot be read: {error}") from error
        return None

    def beginning_with(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows whose keys begin so, in order."""
        data = self._data
        try:
            first = bisect_left(self._positions, prefix, key=self._key_at)
            position = self._positions[first] if first < len(self._positions) else self._rows_end
            before = b""
            while position < self._rows_end:
                key_size, size = _SIZES.unpack_from(data, position)
                at = position + _SIZES.size + key_size
                key = data[at - key_size : at]
                if not key.startswith(prefix):
                    return
                if key <= before:  # or damaged sizes could lead round in circles
                    raise Damaged("the term index is out of order")
                yield key, data[at : at + size]
                before = key
                position = at + size
        except _BROKEN as error:
            raise Damaged(f"the term index cannot be read: {error}") from error

    def _key_at(self, position: int) -> bytes:
        start = position + _SIZES.size
        return self._data[start : start + _SIZES.unpack_from(self._data, position)[0]]
