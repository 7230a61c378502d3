"""The term index of a segment, written in one go.

The file is Whoosh's ordered hash: rows of key and value in ascending order, 256 hash tables over them, and
the rows' positions for looking up by beginning. Whoosh's own writer works row by row and takes several
times as long; the tests compare the two byte for byte.
"""

from __future__ import annotations

import hashlib
import pickle
import struct
import sys
from array import array
from collections.abc import Mapping, Sequence
from itertools import accumulate

_HEADER = b"HSH3" + struct.pack("!Bii", 0, 0, 0)  # 0: keys are hashed by MD5
_SIZES = struct.Struct("!ii")
_SLOT = struct.Struct("!Iq")
_DIRECTORY = struct.Struct("!qi")
_EMPTY = _SLOT.pack(0, 0)
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
    return b"".join([*chunks, tail, struct.pack("!i", len(tail))])
