"""The prebuilt search index of the static site: terms to their positions, cut into small scripts.

A page opened from a disk cannot read files, but it can add script elements: so every part of the index is
a script. The terms are those of the program's own search (``search.analysis``); the page's script takes only
the query apart, with the tables that ``query_tables`` gives it.

Terms are grouped by their beginning, so a search loads a few small files however large the archive is. A
term's list holds each of its positions, counted through all conversations in the order of the results.
Building needs little memory: postings go to one temporary file per beginning and are sorted file by file.
"""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from pathlib import Path

from canvas_archive.search.index.analysis import analysed, is_spaceless, query_tables, stem
from canvas_archive.search.query.operators import ALIASES, OPERATORS

DOCS_PER_FILE = 200
SPLIT_ABOVE = 200_000
"""Positions of one two-letter beginning above which it is cut by the third letter."""

DIGITS = "".join(chr(code) for code in range(35, 127) if chr(code) not in "<\\")
"""The digits of packed numbers: in the first half the last of a number, in the second half the others."""

_BASE = len(DIGITS) // 2
_GAP = 8  # positions between texts, so that no phrase spans two
_HELD = 200_000


def beginning_of(term: str) -> str:
    """Return the beginning by which a term, or the stem of forms, is grouped."""
    return term[:1] if is_spaceless(term) else term[:2]


def file_of(beginning: str) -> str:
    """Return the name (without ``.js`` and what precedes it) of the file for what begins so."""
    return "".join(char if char.isascii() and char.isalnum() else f"_{ord(char):x}" for char in beginning)


class SearchIndex:
    """Collects postings and writes the index into ``folder``; ``work`` holds temporary files."""

    def __init__(self, folder: Path, work: Path) -> None:
        self._folder = folder
        self._work = work
        self._held: dict[str, list[str]] = defaultdict(list)
        self._count = 0
        self._lengths = array("Q")
        self._words: list[str] = []
        self._forms: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def add(self, number: int, texts: Iterable[str]) -> None:
        """Note the terms of one conversation; ``number`` counts them from 0 in the order of coming."""
        places: dict[str, list[int]] = defaultdict(list)
        at = 0
        for text in texts:
            found = analysed(text)
            for place, term in chain(enumerate(found.terms), found.beside):
                places[term].append(at + place)
            at += len(found.terms) + _GAP
            self._count += len(found.terms)
        self._lengths.append(at)
        for term, listed in places.items():
            line = f"{term} {number} {' '.join(map(str, sorted(listed)))}\n"
            self._held[beginning_of(term)].append(line)
        if self._count > _HELD:
            self._spill()

    def _spill(self) -> None:
        for beginning, lines in self._held.items():
            with (self._work / f"w-{file_of(beginning)}").open("a", encoding="utf-8", newline="\n") as file:
                file.writelines(lines)
        self._held.clear()
        self._count = 0

    def finish(self, ranks: array[int]) -> None:
        """Write the index. ``ranks`` maps a conversation's number to its place in the results."""
        self._spill()
        lengths = [0] * len(ranks)
        for number, rank in enumerate(ranks):
            lengths[rank] = self._lengths[number]
        starts = list(accumulate(lengths, initial=0))[:-1]
        for path in sorted(self._work.glob("w-*")):
            postings: dict[str, array[int]] = defaultdict(lambda: array("Q"))
            total = 0
            with path.open("r", encoding="utf-8", newline="\n") as file:
                for line in file:
                    term, conversation, *places = line.split(" ")
                    start = starts[ranks[int(conversation)]]
                    postings[term].extend(start + int(place) for place in places)
                    total += len(places)
            path.unlink()
            self._write(postings, total)
        for beginning, forms in sorted(self._forms.items()):
            listed = {base: " ".join(sorted(forms[base])) for base in sorted(forms)}
            name = f"f-{file_of(beginning)}"
            write_script(self._folder / f"{name}.js", name, listed)
        about = {
            "count": len(ranks),
            "per_file": DOCS_PER_FILE,
            "starts": packed(starts),
            "words": sorted(self._words),
            "forms": sorted(self._forms),
        }
        write_script(self._folder / "about.js", "about", about)
        write_script(
            self._folder / "query.js",
            "query",
            {"digits": DIGITS, "operators": sorted({*OPERATORS, *ALIASES}), **query_tables()},
        )

    def _write(self, postings: dict[str, array[int]], total: int) -> None:
        """Write the terms of one beginning, by their third letter where there are many."""
        parts: dict[str, dict[str, str]] = defaultdict(dict)
        for term in sorted(postings):
            beginning = term[:3] if total > SPLIT_ABOVE else beginning_of(term)
            parts[beginning][term] = packed(sorted(postings[term]))
            if (base := stem(term)) != term:
                self._forms[beginning_of(base)][base].append(term)
        for beginning, part in parts.items():
            name = f"w-{file_of(beginning)}"
            write_script(self._folder / f"{name}.js", name, part)
            self._words.append(beginning)


def packed(numbers: Sequence[int]) -> str:
    """Return ascending numbers as text: their differences, in the digits of ``DIGITS``."""
    before = 0
    parts = []
    for number in numbers:
        step = number - before
        before = number
        digits = DIGITS[step % _BASE]
        while step := step // _BASE:
            digits = DIGITS[_BASE + step % _BASE] + digits
        parts.append(digits)
    return "".join(parts)


def write_script(path: Path, name: str, data: object) -> None:
    """Write a part of the index as a script; JSON in ASCII with ``<`` escaped is safe in any context."""
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    path.write_text(f"canvasArchive.put({json.dumps(name)},{text});\n", "ascii")
