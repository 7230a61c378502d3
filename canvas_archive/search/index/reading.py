"""Reading an index: its segments, their lists and columns.

Whoosh's files are pickles in places, and an unpickler runs whatever they name. Here every one is read by an
unpickler that knows only plain values. Whoosh's table of contents, a pickle of objects, is written for other
programs and never read here: the segments are in the index's record. An index that somebody else made can
therefore be wrong, but it cannot run code.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import sys
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from canvas_archive.search.index import docset
from canvas_archive.search.index.docset import DocSet
from canvas_archive.search.index.forms import forms_in, table_key
from canvas_archive.search.index.hashfile import TermIndex
from canvas_archive.search.index.postings import BLOCK, TERM_INFO, Damaged, PostingBlock, blocks
from canvas_archive.search.index.record import IndexRecord, ListedSegment
from canvas_archive.search.index.schema import COLUMNS, FIELD_NUMBERS
from canvas_archive.store.private import open_regular

Files: TypeAlias = "Mapping[str, tuple[int, str]]"
"""The size and SHA-256 of each file of an index, as its record names them."""

_KEYS = {name: number.to_bytes(2, "big") for name, number in FIELD_NUMBERS.items()}
"""What the keys of a field's terms begin with."""

# Documents in lists that are cached during a search, for each document of the segment.
_CACHED = 8
# Documents in lists that stay cached until the next search, in all segments together: about 20 MB.
_RETAINED = 1_500_000
# Lists of so many documents are cached as sets during a search; a set is a byte for every document.
_FEW = 1000
_MOST_SETS = 8
_SHORT = 8  # Lists of fewer documents than one for so many of the segment are not read as sets.
_MOST_STEMS = 1000  # stems whose forms are remembered from one search to the next


def mapped(path: Path) -> mmap.mmap | bytes:
    """Return a file's bytes, mapped into memory. Raises UnusableFile for a link or anything but a file."""
    with open_regular(path) as source:
        try:
            return mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file cannot be mapped
            return b""


class TermEntry:
    """A term of one segment: in how many documents, the first and the last of them, and where its list is.

    ``highest`` is its highest level in any document.
    """

    __slots__ = ("documents", "first", "highest", "last", "offset", "size")

    def __init__(self, row: bytes) -> None:
        self.documents: int
        self.highest: float
        try:
            inline, _, self.documents, _, _, self.highest, self.first, self.last, self.offset, self.size = (
                TERM_INFO.unpack(row)
            )
        except struct.error as error:
            raise Damaged(f"the term index cannot be read: {error}") from error
        if inline:
            raise Damaged("a term holds its list inline, which this program never writes")


class Segment:
    """One segment, opened. ``files`` are the record's: sizes and digests, by which columns are checked."""

    def __init__(self, folder: Path, segment: ListedSegment, files: Files | None = None) -> None:
        self._files = files or {}
        self.name = segment.name
        self.count = segment.count
        try:
            self.dead = docset.from_numbers(segment.deleted, self.count)
        except (IndexError, ValueError, OverflowError) as error:
            raise Damaged("documents are deleted that are not there") from error
        self._folder = folder
        self._terms = TermIndex(mapped(folder / f"{self.name}.trm"))
        if self._terms.extras.get("fieldmap") != FIELD_NUMBERS:
            raise Damaged("the index has other fields")
        self._lists = mapped(folder / f"{self.name}.pst")
        self._columns: dict[str, array[int]] = {}
        self._span: tuple[int, int] | None = None
        self._by_age: array[int] | None = None
        self._forms: dict[str, tuple[str, ...]] = {}
        self._lists_read: OrderedDict[int, list[PostingBlock]] = OrderedDict()
        self._room = _CACHED * self.count
        self._sets: dict[int, DocSet] = {}

    def entry(self, field: str, term: str) -> TermEntry | None:
        """Look a term up."""
        row = self._terms.get(_KEYS[field] + term.encode())
        return None if row is None else TermEntry(row)

    def expand(self, field: str, prefix: str) -> Iterator[tuple[str, TermEntry]]:
        """Yield the terms that begin so, in order."""
        for found, row in self._terms.beginning_with(_KEYS[field] + prefix.encode()):
            try:
                yield found[2:].decode(), TermEntry(row)
            except UnicodeDecodeError as error:
                raise Damaged(f"the term index cannot be read: {error}") from error

    def forms(self, stem: str) -> tuple[str, ...]:
        """Return the forms other than the stem itself that occur in this segment."""
        found = self._forms.get(stem)
        if found is None:
            if len(self._forms) >= _MOST_STEMS:
                self._forms.clear()
            entry = self.entry("forms", table_key(stem))
            parts = () if entry is None else blocks(self._list(entry))
            found = tuple(form for block in parts for form in forms_in(block.positions()[0], stem))
            self._forms[stem] = found
        return found

    def _list(self, entry: TermEntry) -> bytes:
        return self._lists[entry.offset : entry.offset + entry.size]

    def blocks(
        self, entry: TermEntry, within: Sequence[int] | None = None, *, with_positions: bool = False
    ) -> Iterable[PostingBlock]:
        """Return a list's blocks; with ``within`` (ascending) those that may matter.

        A list that is read whole is cached, as long as there is room. Positions are read when they are asked
        for, or ``with_positions`` at once.
        """
        cached = self._lists_read.get(entry.offset)
        if cached is not None:
            self._lists_read.move_to_end(entry.offset)
            return cached
        if within is not None and len(within) * BLOCK >= entry.documents:
            within = None  # they may be in any block
        found = blocks(self._list(entry), within, with_positions=with_positions)
        if within is None and entry.documents <= self._room:
            self._room -= entry.documents
            cached = self._lists_read[entry.offset] = list(found)
            return cached
        return found

    def numbers(self, block: PostingBlock) -> Sequence[int]:
        """Return a block's documents, which ascend. Raises Damaged when the segment does not have them."""
        documents = block.documents
        if not 0 <= documents[0] <= documents[-1] < self.count:
            raise Damaged("a posting list names documents that are not there")
        return documents

    def listed(self, entry: TermEntry) -> list[int]:
        """Return the documents of a list, ascending, one by one: the way for short lists.

        Raises Damaged when the segment does not have them.
        """
        if entry.documents <= 2:  # known without looking
            if not entry.first <= entry.last < self.count:
                raise Damaged("a term names documents that are not there")
            return [entry.first] if entry.first == entry.last else [entry.first, entry.last]
        found: list[int] = []
        for block in self.blocks(entry):
            documents = self.numbers(block)
            if found and documents[0] <= found[-1]:
                raise Damaged("a posting list names documents that are not there: they do not ascend")
            found += documents
        return found

    def is_short(self, entry: TermEntry) -> bool:
        """Return whether a list is best looked at one document at a time."""
        return entry.documents * _SHORT <= self.count or entry.documents <= 2

    def documents(self, entry: TermEntry) -> DocSet:
        """Return the documents of a term's list."""
        found = self._sets.get(entry.offset)
        if found is None:
            if self.is_short(entry):
                found = DocSet(self.count, self.listed(entry))
            else:
                found = self._read_documents(entry)
            if len(self._sets) < _MOST_SETS and entry.documents > _FEW:
                self._sets[entry.offset] = found
        return found

    def _read_documents(self, entry: TermEntry) -> DocSet:
        try:
            steps = array("H" if self.count <= 1 << 16 else "I")
            before = -1
            for block in self.blocks(entry):
                at = len(steps)
                same = isinstance(block.gaps, array) and block.gaps.typecode == steps.typecode
                steps.extend(block.gaps if same else tuple(block.gaps))
                steps[at] -= before
                before = block.last
            return docset.from_gaps(steps, self.count)
        except (ValueError, IndexError, OverflowError, TypeError) as error:
            raise Damaged(f"a posting list names documents that are not there: {error}") from error

    def column(self, name: str) -> array[int]:
        """Return a column: one number per document."""
        column = self._columns.get(name)
        if column is None:
            column = array(COLUMNS[name])
            file = f"{self.name}.{name}.col"
            with open_regular(self._folder / file) as source:
                data = source.read()
            column.frombytes(data[: len(data) - len(data) % column.itemsize])
            if len(column) != self.count:
                raise Damaged(f"the column {name} has {len(column)} rows for {self.count} documents")
            # A wrong number in a column looks like any other, and would answer wrongly.
            if file in self._files and hashlib.sha256(data).hexdigest() != self._files[file][1]:
                raise Damaged(f"the column {name} is not what was written")
            if sys.byteorder == "little":  # pragma: no branch - on big-endian machines they fit already
                column.byteswap()
            self._columns[name] = column
        return column

    def span(self) -> tuple[int, int]:
        """Return when the oldest and the newest of the documents were written, in seconds since 1970."""
        if self._span is None:
            written = self.column("written")
            self._span = (min(written), max(written)) if written else (0, 0)
        return self._span

    def dated_between(self, start: int, end: int) -> DocSet:
        """Return the documents written at or after the first moment and before the second."""
        written = self.column("written").__getitem__
        if self._by_age is None:
            self._by_age = array("I", sorted(range(self.count), key=written))
        first = bisect_left(self._by_age, start, key=written)
        return docset.from_numbers(
            self._by_age[first : bisect_left(self._by_age, end, key=written)], self.count
        )

    def trim(self, most: int) -> None:
        """Drop sets, and the lists that were not used for longest, down to so many documents in lists."""
        self._sets.clear()
        retained = _CACHED * self.count - self._room
        while self._lists_read and retained > most:
            _, dropped = self._lists_read.popitem(last=False)
            retained -= sum(len(block.gaps) for block in dropped)
        self._room = _CACHED * self.count - (retained if self._lists_read else 0)

    def close(self) -> None:
        """Let go of the files."""
        self._terms.close()
        if isinstance(self._lists, mmap.mmap):
            self._lists.close()


class OpenIndex:
    """All segments of one generation. Not thread-safe by itself: hold ``lock`` while reading."""

    def __init__(self, folder: Path, record: IndexRecord) -> None:
        self.lock = threading.Lock()
        self.segments = [Segment(folder, segment, record.files) for segment in record.segments]
        self.count = sum(segment.count - segment.dead.size for segment in self.segments)
        self._newest: int | None = None

    def trim(self) -> None:
        """Let go of what was read, but for the lists that the next search may want, too."""
        for segment in self.segments:
            segment.trim(_RETAINED // len(self.segments))

    def documents_with(self, field: str, term: str) -> int:
        """Return in how many documents a term occurs (deleted ones included)."""
        entries = (segment.entry(field, term) for segment in self.segments)
        return sum(entry.documents for entry in entries if entry is not None)

    def newest(self) -> int:
        """Return when the newest message was written, in seconds since 1970; 0 in an empty index."""
        if self._newest is None:
            self._newest = max((segment.span()[1] for segment in self.segments), default=0)
        return self._newest

    def close(self) -> None:
        """Let go of the files."""
        for segment in self.segments:
            segment.close()
