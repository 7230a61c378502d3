"""An index's table of contents: which segments it consists of.

The file is Whoosh's: a header, the schema, a pickled list of segments. It is read here instead of by Whoosh,
whose reader brings along half of the library, analysers and all: a search in a new process would wait for
that longer than for anything else. The stored schema is skipped, and of the list only what an unpickler
makes that knows no other classes than those of such a list.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from canvas_archive.search.index.postings import Damaged, PlainUnpickler
from canvas_archive.search.index.reading import MappedFile
from canvas_archive.search.index.record import toc_name

# The sizes of numbers, a number that tells the order of bytes, the version of the layout.
_HEADER = b"\x04\x08\x04" + struct.pack("!ii", -12345, -111)
_SEGMENT = ("whoosh.codec.whoosh3", "W3Segment")
_CODEC = ("whoosh.codec.whoosh3", "W3Codec")


class _Codec:
    """Stands for the codec, which is part of every listed segment and of which nothing is asked."""


class ListedSegment:
    """What a search needs of Whoosh's ``W3Segment``, under the same names."""

    indexname: str
    segid: str
    _doccount: int
    _deleted: set[int] | None

    def segment_id(self) -> str:
        """Return what the names of its files begin with."""
        return f"{self.indexname}_{self.segid}"

    def doc_count_all(self) -> int:
        """Return how many documents it holds, deleted ones included."""
        return self._doccount

    def deleted_docs(self) -> Iterable[int]:
        """Return the numbers of the deleted documents."""
        return self._deleted or ()


class _Unpickler(PlainUnpickler):
    """Adds to plain values the classes that a list of segments consists of."""

    classes: dict[tuple[str, str], type]

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the known classes; refuse all others."""
        if module in ("builtins", "__builtin__") and name == "set":
            return set
        known = self.classes.get((module, name))
        return super().find_class(module, name) if known is None else known


class _ToSearch(_Unpickler):
    classes = {_SEGMENT: ListedSegment, _CODEC: _Codec}  # noqa: RUF012 (read only)


def read_toc(folder: Path, generation: int) -> list[Any]:
    """Return the segments of one generation, to be searched. Raises Damaged or OSError."""
    return _read(folder, generation, _ToSearch)


def read_toc_to_change(folder: Path, generation: int) -> list[Any]:
    """Return the segments of one generation as Whoosh's own, to be written again. Raises as ``read_toc``."""
    from whoosh.codec.whoosh3 import W3Codec, W3Segment

    class ToChange(_Unpickler):
        classes = {_SEGMENT: W3Segment, _CODEC: W3Codec}  # noqa: RUF012 (read only)

    return _read(folder, generation, ToChange)


def _read(folder: Path, generation: int, unpickler: type[_Unpickler]) -> list[Any]:
    stream = MappedFile(folder / toc_name(generation))
    try:
        if stream.get(0, len(_HEADER)) != _HEADER:
            raise Damaged("the table of contents begins with something else")
        stream.seek(len(_HEADER))
        for _ in range(3):  # the version of Whoosh that wrote it
            stream.read_varint()
        stream.skip_string()
        if stream.read_int() != generation:
            raise Damaged("the table of contents is of another generation")
        stream.read_int()
        segments = unpickler(stream.file).load()
    except Damaged:
        raise
    except Exception as error:
        # Whatever a broken file makes a reader raise, it is a broken file.
        raise Damaged(f"the table of contents cannot be read: {error}") from error
    finally:
        stream.close()
    wanted = unpickler.classes[_SEGMENT]
    if not isinstance(segments, list) or any(type(segment) is not wanted for segment in segments):
        raise Damaged("the table of contents lists something that is not a segment")
    return segments
