"""Writing a segment: documents are inverted in memory and written once, in order.

Whoosh's own writer sorts postings one by one; here each term's list grows in document order anyway, so a
segment is one pass over the documents and one over the terms. The files are Whoosh's: ``.trm`` (term
index), ``.pst`` (posting lists), ``.col`` (columns).
"""

from __future__ import annotations

import os
import secrets
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from pathlib import Path
from typing import BinaryIO

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

# term -> document, level, positions, document, level, positions, ...
_Inverted = dict[str, "list[int | str]"]


@dataclass(frozen=True)
class WrittenSegment:
    """A segment on disk: its id, how many documents it holds, and size and SHA-256 of each file."""

    id: str
    count: int
    files: dict[str, tuple[int, str]]


class _Parts:
    """The terms of a message's parts. Whatever cannot be analysed is raised here."""

    __slots__ = ("attached", "author", "body", "context", "names", "recipients", "subject")

    def __init__(self, document: Document) -> None:
        self.body = _first(analysed(document.body), _LONGEST_TEXT)
        self.subject = _first(_analysed(document.subject), _LONGEST_PART)
        self.names = _first(_joined([analysed(name) for name in document.file_names]), _LONGEST_PART)
        self.author = _first(_analysed(document.author), _LONGEST_PART)
        self.context = _first(_analysed(document.context_name), _LONGEST_PART)
        self.recipients = _first(_analysed(document.recipients), _LONGEST_PART)
        self.attached = _first(analysed(document.attached_text), _LONGEST_TEXT)


class SegmentBuilder:
    """Collects documents and writes them as one segment."""

    def __init__(self, usual_length: float = weights.USUAL_LENGTH) -> None:
        self._usual = usual_length
        self._texts: dict[str, _Inverted] = {name: {} for name in TEXT_FIELDS}
        self._lists: dict[str, dict[str, list[int]]] = {"author": {}, "to": {}, "context": {}, "has": {}}
        self._columns: dict[str, array[int]] = {name: array(code) for name, code in COLUMNS.items()}
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
            pack_context(document.context_code),
            document.carries,
        )
        parts = _Parts(document)
        number = self.count
        self.count += 1
        self._add_text(number, parts)
        for column, value in zip(self._columns.values(), _ROW.unpack(row), strict=True):
            column.append(value)
        self._list("author", str(document.author_id), number)
        for user_id in document.recipient_ids:
            self._list("to", user_id, number)
        if document.context_code:
            self._list("context", document.context_code, number)
        for name in document.has:
            self._list("has", name, number)

    def _list(self, field: str, term: str, number: int) -> None:
        found = self._lists[field].get(term)
        if found is None:
            self._lists[field][term] = [number]
        else:
            found.append(number)

    def _add_text(self, number: int, parts: _Parts) -> None:
        body, subject, names, attached = parts.body, parts.subject, parts.names, parts.attached
        norm = weights.body_norm(len(body.terms), self._usual)
        places = _places(body)
        heavy: dict[str, float] = {}
        extra: dict[str, str] = {}
        at = len(body.terms) + 1
        for part, boost in (
            (subject, weights.SUBJECT),
            (names, weights.FILENAME),
            (parts.author, weights.AUTHOR),
            (parts.context, weights.CONTEXT),
            (parts.recipients, weights.RECIPIENT),
        ):
            at += _GAP
            for place, term in chain(enumerate(part.terms), part.beside):
                heavy[term] = heavy.get(term, 0.0) + boost
                extra[term] = extra.get(term, "") + place_of(at + place)
            at += len(part.terms)
        self._add_heavy(number, heavy, extra, places, norm)
        inverted = self._texts["text"]
        levels = weights.body_levels(round(norm, 3))
        once = levels[1]
        get = inverted.get
        for term, positions in places.items():
            times = len(positions)
            level = once if times == 1 else levels[times] if times <= 64 else levels[64]
            found = get(term)
            if found is None:
                inverted[term] = [number, level, positions]
            else:
                found += (number, level, positions)
        if subject.terms:
            self._add_part("subject", number, subject, weights.body_norm(len(subject.terms), 8.0))
        if names.terms:
            self._add_part("file", number, names, 1.0)
        if attached.terms:
            self._add_part("attached", number, attached, weights.body_norm(len(attached.terms), 1000.0))

    def _add_heavy(
        self, number: int, heavy: dict[str, float], extra: dict[str, str], places: dict[str, str], norm: float
    ) -> None:
        """Add the terms of the parts beside the body, taking theirs in the body along."""
        inverted = self._texts["text"]
        for term, weight in heavy.items():
            inside = places.pop(term, "")
            level = weights.level(weight + norm * len(inside))
            inverted.setdefault(term, []).extend((number, level, inside + extra[term]))

    def _add_part(self, field: str, number: int, found: Analysis, norm: float) -> None:
        inverted = self._texts[field]
        levels = weights.body_levels(round(norm, 3))
        for term, positions in _places(found).items():
            inverted.setdefault(term, []).extend((number, levels[min(len(positions), 64)], positions))

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
        for name, values in self._columns.items():
            paths[name] = folder / f"{stem_name}.{name}.col"
            with _create(paths[name]) as column:
                if sys.byteorder == "little":  # pragma: no branch - on big-endian machines they fit already
                    values.byteswap()
                column.write(values.tobytes())
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


@lru_cache(maxsize=20_000)
def _analysed(text: str) -> Analysis:
    """Return the terms of a text that stands in many messages: a subject, people's names, a course's."""
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
