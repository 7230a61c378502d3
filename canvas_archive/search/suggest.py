"""Did you mean: words of the index that are spelt nearly like those that were not found."""

from __future__ import annotations

import re
from collections.abc import Iterator

from canvas_archive.search.analysis import stem, terms
from canvas_archive.search.language import OPERATORS
from canvas_archive.search.reading import OpenIndex
from canvas_archive.search.spelling import nearest_word, reach, slips

_WORD = re.compile(r"[^\W\d_]+")
_OPERATOR = re.compile(r"^-?[a-z]+:", re.IGNORECASE)
_SHORTEST = 3
# Of shorter ones nearly any word is near.
_LONG_OPERATORS = tuple(name for name in OPERATORS if len(name) > 3)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MOST_WORDS = 8  # words of a query that are looked at
_CANDIDATES = 40_000  # terms compared with a word, at most


def respelt(index: OpenIndex, text: str) -> str | None:
    """Return the query with its unknown words replaced by near ones; ``None`` when there are none."""
    better: dict[str, str | None] = {}
    changed = False
    parts = re.split(r"(\s+)", text)
    for at, part in enumerate(parts):
        if (
            not part.strip()
            or part in ("OR", "AND", "NOT")
            or (_OPERATOR.match(part) and not part.lower().startswith("subject:"))
        ):
            continue
        words = part[8:] if part.lower().startswith("subject:") else part
        for word in _WORD.findall(words):
            if word not in better and len(better) < _MOST_WORDS:
                better[word] = nearest(index, word)
            replacement = better.get(word)
            if replacement is not None:
                parts[at] = parts[at].replace(word, replacement)
                changed = True
    return "".join(parts) if changed else None


def respelt_operators(text: str) -> str | None:
    """Return the query with what is nearly an operator made one (``form:chen``); ``None`` when nothing is."""
    parts = re.split(r"(\s+)", text)
    for at, part in enumerate(parts):
        if match := _OPERATOR.match(part):
            name = match.group().strip("-:").lower()
            near = None if name in OPERATORS else nearest_word(name, _LONG_OPERATORS)
            if near is not None:
                parts[at] = part.replace(match.group().lstrip("-"), f"{near}:", 1)
    better = "".join(parts)
    return better if better != text else None


def nearest(index: OpenIndex, word: str) -> str | None:
    """Return the word of the index that was probably meant; ``None`` for a known word or none near."""
    folded = terms(word)
    if len(folded) != 1 or len(folded[0]) < _SHORTEST or _known(index, folded[0]):
        return None
    wanted = folded[0]
    most = reach(wanted)
    best: tuple[float, str] | None = None
    for term, documents in _candidates(index, wanted, most).items():
        count = slips(wanted, term, most)
        if count > most:
            continue
        # A slip more must be made up by being ten times as frequent; the first letter is seldom wrong.
        rank = documents / 10.0 ** (count + (term[0] != wanted[0]))
        if best is None or (rank, term) > best:
            best = (rank, term)
    return best[1] if best else None


def _known(index: OpenIndex, term: str) -> bool:
    if index.documents_with("text", term):
        return True
    base = stem(term)
    return any(segment.forms(base) for segment in index.segments) or bool(index.documents_with("text", base))


def _candidates(index: OpenIndex, wanted: str, most: int) -> dict[str, int]:
    """Return terms worth comparing, with the number of their documents."""
    found: dict[str, int] = {}
    left = _CANDIDATES
    for segment in index.segments:
        for term, entry in segment.expand("text", wanted[0]):
            left -= 1
            if left < 0:
                break
            word = not term.isdecimal() and term[-1] not in "+#-"  # with a sign it stands beside another
            if word and abs(len(term) - len(wanted)) <= most:
                found[term] = found.get(term, 0) + entry.documents
    for term in _first_letter_slips(wanted):
        documents = index.documents_with("text", term)
        if documents:
            found[term] = documents
    return found


def _first_letter_slips(word: str) -> Iterator[str]:
    yield word[1:]
    yield word[1] + word[0] + word[2:]
    for letter in _LETTERS:
        yield letter + word
        yield letter + word[1:]
