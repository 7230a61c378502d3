"""Writing a segment: documents are inverted in memory and written once, in order.

Whoosh's own writer sorts postings one by one; here each term's list grows in document order anyway, so a
segment is one pass over the documents and one over the terms. The files are Whoosh's: ``.trm`` (term
index), ``.pst`` (posting lists), ``.col`` (columns).
"""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

from canvas_archive.search.index import weights
from canvas_archive.search.index.analysis import Analysis, analysed
from canvas_archive.search.index.documents import Document
from canvas_archive.search.index.forms import stem_table
from canvas_archive.search.index.hashfile import term_index
from canvas_archive.search.index.postings import TERM_INFO, encode, place_of
from canvas_archive.search.index.record import fingerprint
from canvas_archive.search.index.schema import (
    COLUMNS,
    FIELD_NUMBERS,
    FIELDS,
    INDEX_NAME,
    TEXT_FIELDS,
    pack_context,
)
from canvas_archive.store.private import CREATE

_LONGEST_TEXT = 1_000_000  # terms; a position must fit into a character
_LONGEST_PART = 10_000  # terms of a subject, a list of names
_GAP = 8  # positions between the parts of a document, so that no phrase spans two
_CHARACTERS = "".join(map(chr, range(1, 0xD800)))

_ROW = struct.Struct("=" + "".join(COLUMNS.values()))

_HEADS = 4_096  # combinations of subject, names and course that a builder remembers
_SHORT = 500  # characters of a part that is remembered
_COMMON = 200  # terms of one, so that hostile ones do not fill the memory

# term -> document, level, positions, document, level, positions, ...
_Inverted = dict[str, "list[int | str]"]


@dataclass(frozen=True)
class WrittenSegment:
    """A segment on disk: its id, how many documents it holds, and size and SHA-256 of each file."""

    id: str
    count: int
    files: dict[str, tuple[int, str]]


class _Head(NamedTuple):
    """The parts of a message beside its body. Those of a conversation have most of it in common.

    Each term has its weight, its level and its places, counted from the end of the body: a single one as a
    number, which is the usual case.
    """

    terms: list[tuple[str, float, int, int | list[int]]]
    subject: Analysis
    names: Analysis


class SegmentBuilder:
    """Collects documents and writes them as one segment."""

    def __init__(self, usual_length: float = weights.USUAL_LENGTH) -> None:
        self._usual = usual_length
        self._texts: dict[str, _Inverted] = {name: {} for name in TEXT_FIELDS}
        self._lists: dict[str, dict[str, list[int]]] = {"author": {}, "to": {}, "context": {}, "has": {}}
        self._heads: dict[tuple[str, ...], _Head] = {}
        self._rows = bytearray()
        self.count = 0

    def add_all(self, documents: Iterable[Document], skipped: list[int]) -> Iterator[int]:
        """Add messages and yield the id of each; those that cannot be added are noted in ``skipped``."""
        for document in documents:
            try:
                self.add(document)
            except (MemoryError, OSError):
                raise
            except Exception:
                skipped.append(document.message_id)
            else:
                yield document.message_id

    def add(self, document: Document) -> None:
        """Add one message. Whatever is wrong with it is raised before anything is added."""
        row = _ROW.pack(
            document.message_id,
            document.conversation_id,
            document.author_id,
            document.written,
            pack_context(document.course),
            document.carries,
        )
        body = _first(analysed(document.body), _LONGEST_TEXT)
        attached = _first(analysed(document.attached_text), _LONGEST_TEXT) if document.attached_text else None
        head = self._head(document)
        number = self.count
        self.count += 1
        self._rows += row
        self._add_text(number, body, head)
        self._add_part("subject", number, head.subject, 8.0)
        self._add_part("file", number, head.names, None)
        if attached is not None:
            self._add_part("attached", number, attached, 1000.0)
        self._list("author", (str(document.author_id),), number)
        self._list("to", document.recipient_ids, number)
        if document.course:
            self._list("context", (document.course,), number)
        if document.carries:
            self._list("has", document.has, number)

    def _head(self, document: Document) -> _Head:
        """Return the analysed parts beside the body, from memory where another message had the same."""
        texts = (document.subject, document.author, document.context_name, document.recipients)
        key = (*texts, *document.file_names)
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            head = _head_of(*texts, document.file_names)
            if len(head.terms) <= _COMMON:
                self._heads[key] = head
        return head

    def _list(self, field: str, terms: Iterable[str], number: int) -> None:
        lists = self._lists[field]
        for term in terms:
            found = lists.get(term)
            if found is None:
                lists[term] = [number]
            else:
                found.append(number)

    def _add_text(self, number: int, body: Analysis, head: _Head) -> None:
        """Add the body with the parts beside it, each term with all its positions."""
        norm = weights.body_norm(len(body.terms), self._usual)
        places = _places(body)
        inverted = self._texts["text"]
        first = len(body.terms) + 1
        get = inverted.get
        for term, weight, level, at in head.terms:
            if isinstance(at, int):
                positions = place_of(first + at)
            else:
                positions = "".join([place_of(first + place) for place in at])
            if term in places:
                inside = places.pop(term)
                level = weights.level(weight + norm * len(inside))
                positions = inside + positions
            found = get(term)
            if found is None:
                found = inverted[term] = []
            found.append(number)
            found.append(level)
            found.append(positions)
        _invert(inverted, number, places, norm)

    def _add_part(self, field: str, number: int, found: Analysis, usual: float | None) -> None:
        """Add a part to its own field, normed by its length where there is a usual one."""
        if found.terms:
            norm = 1.0 if usual is None else weights.body_norm(len(found.terms), usual)
            _invert(self._texts[field], number, _places(found), norm)

    def write(self, folder: Path) -> WrittenSegment:
        """Write the segment's files into the folder and return what was written."""
        segment = secrets.token_hex(8)
        stem_name = f"{INDEX_NAME}_{segment}"
        paths = {extension: folder / f"{stem_name}{extension}" for extension in (".trm", ".pst")}
        with _create(paths[".pst"]) as lists:
            rows: list[tuple[bytes, bytes]] = []
            offset = 0
            for field in FIELDS:
                prefix = FIELD_NUMBERS[field].to_bytes(2, "big")
                for term, documents, levels, positions in self._entries(field):
                    highest = float(max(levels)) if levels else 1.0
                    data = encode(documents, levels, positions)
                    lists.write(data)
                    row = TERM_INFO.pack(
                        0, float(len(documents)), len(documents), 1, 1, highest,
                        documents[0], documents[-1], offset, len(data),
                    )  # fmt: skip
                    rows.append((prefix + term.encode(), row))
                    offset += len(data)
        with _create(paths[".trm"]) as index:
            index.write(term_index(rows, {"fieldmap": dict(FIELD_NUMBERS)}))
        columns = zip(*_ROW.iter_unpack(self._rows), strict=True)
        for (name, code), values in zip(COLUMNS.items(), columns, strict=True):
            paths[name] = folder / f"{stem_name}.{name}.col"
            with _create(paths[name]) as column:
                column.write(struct.pack(f">{len(values)}{code}", *values))
        return WrittenSegment(segment, self.count, {path.name: fingerprint(path) for path in paths.values()})

    def _entries(self, field: str) -> Iterable[tuple[str, list[int], list[int] | None, list[str] | None]]:
        """Yield a field's terms in order with their lists, letting go of each as it is written."""
        if field == "forms":
            for key, lines in stem_table({form for name in TEXT_FIELDS for form in self._texts[name]}):
                yield key, [0], None, [lines]
        elif field in self._lists:
            plain = self._lists[field]
            for term in sorted(plain):
                yield term, plain[term], None, None
        else:
            inverted = self._texts[field]
            for term in sorted(inverted):
                entry = inverted[term]
                yield term, entry[0::3], entry[1::3], entry[2::3]  # type: ignore[misc]


def _invert(inverted: _Inverted, number: int, places: dict[str, str], norm: float) -> None:
    """Add a document with its terms' positions to the lists."""
    levels = weights.body_levels(round(norm, 3))
    once = levels[1]
    get = inverted.get
    for term, positions in places.items():
        found = get(term)
        if found is None:
            found = inverted[term] = []
        times = len(positions)
        found.append(number)
        found.append(once if times == 1 else levels[times if times <= 64 else 64])
        found.append(positions)


def _head_of(subject: str, author: str, context: str, recipients: str, file_names: Sequence[str]) -> _Head:
    """Analyse the parts of a message beside its body."""
    subjects = _part(subject)
    names = _first(_joined([analysed(name) for name in file_names]), _LONGEST_PART)
    heavy: dict[str, float] = {}
    places: dict[str, list[int]] = {}
    start = 0
    for part, boost in (
        (subjects, weights.SUBJECT),
        (names, weights.FILENAME),
        (_part(author), weights.AUTHOR),
        (_part(context), weights.CONTEXT),
        (_part(recipients), weights.RECIPIENT),
    ):
        start += _GAP
        for place, term in chain(enumerate(part.terms), part.beside):
            heavy[term] = heavy.get(term, 0.0) + boost
            places.setdefault(term, []).append(start + place)
        start += len(part.terms)
    terms = [
        (term, weight, weights.level(weight), at[0] if len(at) == 1 else at)
        for (term, weight), at in zip(heavy.items(), places.values(), strict=True)
    ]
    return _Head(terms, subjects, names)


def _part(text: str) -> Analysis:
    """Return the terms of a subject, of people's names or a course's: these stand in many messages."""
    return _short_part(text) if len(text) <= _SHORT else _first(analysed(text), _LONGEST_PART)


@lru_cache(maxsize=20_000)
def _short_part(text: str) -> Analysis:
    return analysed(text)


def _first(found: Analysis, most: int) -> Analysis:
    """Return the first terms and those beside them."""
    if len(found.terms) <= most:
        return found
    return Analysis(found.terms[:most], [(at, term) for at, term in found.beside if at < most])


def _joined(parts: Sequence[Analysis]) -> Analysis:
    """Return the terms of several texts as those of one."""
    starts = accumulate((len(part.terms) for part in parts), initial=0)
    return Analysis(
        [term for part in parts for term in part.terms],
        [(start + at, term) for start, part in zip(starts, parts, strict=False) for at, term in part.beside],
    )


def _create(path: Path) -> BinaryIO:
    """Open a new file that only its owner may read."""
    path.unlink(missing_ok=True)  # it may be a link
    return os.fdopen(os.open(path, CREATE, 0o600), "wb", buffering=1 << 16)


def _places(found: Analysis) -> dict[str, str]:
    """Return each term's positions, the first being 1."""
    places: dict[str, str] = {}
    get = places.get
    if len(found.terms) < len(_CHARACTERS):
        for term, place in zip(found.terms, _CHARACTERS, strict=False):
            places[term] = get(term, "") + place
        for at, term in found.beside:
            places[term] = get(term, "") + _CHARACTERS[at]
    else:
        # Joined once: what a hostile text repeats a million times would else be copied as often.
        long: dict[str, list[str]] = {}
        for at, term in chain(enumerate(found.terms), found.beside):
            long.setdefault(term, []).append(place_of(at + 1))
        places.update((term, "".join(each)) for term, each in long.items())
    return places
