"""The prebuilt search index of the static site: words to conversations, cut into small scripts.

A page opened from a disk cannot read files, but it can add script elements: so every part of the index is
a script. Words are kept by their first two letters (three where there are many), so a search loads a few
small files however large the archive is. Building needs little memory: postings go to one temporary file
per beginning and are sorted file by file.
"""

from __future__ import annotations

import json
import re
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from canvas_archive.unicode import normalized

DOCS_PER_FILE = 200
LONGEST_WORD = 40
SPLIT_ABOVE = 200_000
"""Postings of one two-letter beginning above which it is cut by the third letter."""

_EVERYWHERE = 0
_FEW = 200
_HELD = 200_000

Postings: TypeAlias = "dict[str, array[int]]"
"""Words with the places of the conversations that hold them, each once."""

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> Iterator[str]:
    """Yield the words of a text as they are searched: without case and accents, at most 40 letters."""
    for match in _WORD.finditer(fold(text)):
        word = match[0][:LONGEST_WORD]
        if len(word) > 1 or not word.isascii():
            yield word


def fold(text: str) -> str:
    """Return text without accents and case, the way the pages' script does it."""
    if text.isascii():
        return text.lower()
    plain = normalized("NFKD", text)
    return "".join(char for char in plain if not unicodedata.category(char).startswith("M")).lower()


def file_of(beginning: str) -> str:
    """Return the name (without ``.js``) of the file for words that begin so."""
    return "w-" + "".join(
        char if char.isascii() and char.isalnum() else f"_{ord(char):x}" for char in beginning
    )


class SearchIndex:
    """Collects postings and writes the index into ``folder``; ``work`` holds temporary files."""

    def __init__(self, folder: Path, work: Path) -> None:
        self._folder = folder
        self._work = work
        self._held: dict[str, list[str]] = defaultdict(list)
        self._count = 0

    def add(self, number: int, texts: Iterable[str]) -> None:
        """Note the words of one conversation; ``number`` counts them from 0 in the order of coming."""
        for word in {word for text in texts for word in words(text)}:
            self._held[word[:2]].append(f"{word} {number}\n")
            self._count += 1
        if self._count > _HELD:
            self._spill()

    def _spill(self) -> None:
        for beginning, lines in self._held.items():
            with (self._work / file_of(beginning)).open("a", encoding="utf-8") as file:
                file.writelines(lines)
        self._held.clear()
        self._count = 0

    def finish(self, ranks: array[int]) -> None:
        """Write the index. ``ranks`` maps a conversation's number to its place in the results."""
        self._spill()
        split = []
        for path in sorted(self._work.glob("w-*")):
            postings: Postings = defaultdict(lambda: array("I"))
            total = 0
            with path.open("r", encoding="utf-8", newline="\n") as file:
                for line in file:
                    word, _, number = line.rpartition(" ")
                    postings[word].append(ranks[int(number)])
                    total += 1
            path.unlink()
            beginning = next(iter(postings))[:2]
            if total > SPLIT_ABOVE:
                split.append(beginning)
                self._write_split(postings, len(ranks))
            else:
                self._write(beginning, postings, len(ranks))
        about = {"count": len(ranks), "per_file": DOCS_PER_FILE, "split": sorted(split)}
        write_script(self._folder / "about.js", "about", about)

    def _write_split(self, postings: Postings, documents: int) -> None:
        by_three: dict[str, Postings] = defaultdict(dict)
        for word, numbers in postings.items():
            by_three[word[:3]][word] = numbers
        for beginning, part in sorted(by_three.items()):
            self._write(beginning, part, documents)

    def _write(self, beginning: str, postings: Postings, documents: int) -> None:
        name = file_of(beginning)
        with (self._folder / f"{name}.js").open("w", encoding="ascii", newline="\n") as file:
            file.write(f"canvasArchive.put({json.dumps(name)},{{")
            for place, word in enumerate(sorted(postings)):
                file.write(f"{',' if place else ''}{json.dumps(word)}:{_packed(postings[word], documents)}")
            file.write("});\n")


def _packed(numbers: array[int], documents: int) -> str:
    if documents > _FEW and len(numbers) * 2 > documents:
        return str(_EVERYWHERE)  # a word that is nearly everywhere tells nothing apart
    ordered = sorted(numbers)
    steps = (number - before for before, number in zip([0, *ordered], ordered, strict=False))
    return f"[{','.join(map(str, steps))}]"


def write_script(path: Path, name: str, data: object) -> None:
    """Write a part of the index as a script; JSON in ASCII with ``<`` escaped is safe in any context."""
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    path.write_text(f"canvasArchive.put({json.dumps(name)},{text});\n", "ascii")
