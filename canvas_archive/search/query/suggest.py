"""Did you mean: words of the index that are spelt nearly like those that were not found."""

from __future__ import annotations

import re
from collections.abc import Iterator

from canvas_archive.search.index.analysis import fold, stem, terms
from canvas_archive.search.index.reading import OpenIndex
from canvas_archive.search.query.spelling import edit_distance, max_distance

_WORD = re.compile(r"[^\W\d_]+")
# Neighbours outside quotes; a word after a colon belongs to an operator.
_TWO_WORDS = re.compile(r"""(?<![\w:"“„«'’-])([^\W\d_]+)[ -]([^\W\d_]+)(?![\w:"”»'’*])""")
_CONNECTORS = ("OR", "AND", "NOT")
# Words of a question that its answer seldom repeats.
_ASKING = frozenset((
    "a", "about", "an", "and", "are", "at", "can", "could", "did", "do", "does", "for", "from", "get",
    "had", "has", "have", "he", "how", "i", "in", "is", "it", "me", "my", "of", "on", "or", "our", "she",
    "the", "there", "they", "this", "to", "us", "was", "we", "were", "what", "when", "where", "which",
    "who", "whose", "why", "will", "with", "would", "you", "your",
))  # fmt: skip
_MARKS = re.compile('["“„«():|*]')
_OPERATOR = re.compile(r"^-?[a-z]+:", re.IGNORECASE)
_SHORTEST = 3
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MOST_WORDS = 8  # words of a query that are looked at
_CANDIDATES = 40_000  # terms compared with a word, at most


def respelt(index: OpenIndex, text: str) -> str | None:
    """Return the query with its unknown words replaced by near ones; ``None`` when there are none.

    Two words that are one in the index are joined, and one that is two there is split. When every word is
    known, the words of a question (``what was the``) are left out.
    """
    better: dict[str, str | None] = {}
    respaced = _joined_words(index, text)
    changed = respaced != text
    parts = re.split(r"(\s+)", respaced)
    for at, part in enumerate(parts):
        if (
            not part.strip()
            or part in _CONNECTORS
            or (_OPERATOR.match(part) and not part.lower().startswith("subject:"))
        ):
            continue
        words = part[8:] if part.lower().startswith("subject:") else part
        for word in _WORD.findall(words):
            if word not in better and len(better) < _MOST_WORDS:
                better[word] = nearest(index, word) or _two_words(index, word)
            replacement = better.get(word)
            if replacement is not None:
                parts[at] = parts[at].replace(word, replacement)
                changed = True
    return "".join(parts) if changed else _without_asking(text)


def _without_asking(text: str) -> str | None:
    """Return a query that begins as a question without the words that only ask; ``None`` for any other."""
    words = text.rstrip("?! ").split()
    if any(word in _CONNECTORS or word.startswith("-") or _MARKS.search(word) for word in words):
        return None
    left = [word for word in words if word.lower() not in _ASKING]
    return " ".join(left) if left and left[0] != words[0] else None


def nearest(index: OpenIndex, word: str) -> str | None:
    """Return the word of the index that was probably meant; ``None`` for a known word or none near."""
    folded = terms(word)
    if len(folded) != 1 or len(folded[0]) < _SHORTEST or _known(index, folded[0]):
        return None
    wanted = folded[0]
    most = max_distance(wanted)
    best: tuple[float, str] | None = None
    for term, documents in _candidates(index, wanted, most).items():
        count = edit_distance(wanted, term, most)
        if count > most:
            continue
        # A greater distance must be made up by being ten times as frequent; the first letter is seldom wrong.
        rank = documents / 10.0 ** (count + (term[0] != wanted[0]))
        if best is None or (rank, term) > best:
            best = (rank, term)
    return best[1] if best else None


def _joined_words(index: OpenIndex, text: str) -> str:
    """Return the query with two words as one where the index has only that one (``mid term``)."""
    at = 0
    for _ in range(_MOST_WORDS):
        pair = _TWO_WORDS.search(text, at)
        if pair is None:
            break
        at = pair.start(2)
        joined = fold("".join(pair.groups()))
        if (
            index.documents_with("text", joined)
            and not any(word in _CONNECTORS for word in pair.groups())
            and not all(_known(index, fold(word)) for word in pair.groups())
        ):
            text = text[: pair.start()] + joined + text[pair.end() :]
            at = pair.start() + len(joined)
    return text


def _two_words(index: OpenIndex, word: str) -> str | None:
    """Return an unknown word as the two frequent ones it is made of (``hashtable``); ``None`` for none."""
    whole = fold(word)
    if _known(index, whole):
        return None
    cuts = [(whole[:at], whole[at:]) for at in range(2, len(whole) - 1)]
    counted = [(min(index.documents_with("text", part) for part in cut), cut) for cut in cuts]
    fewest, cut = max(counted, default=(0, ("", "")))
    return "-".join(cut) if fewest else None


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
    for term in _first_letter_edits(wanted):
        documents = index.documents_with("text", term)
        if documents:
            found[term] = documents
    return found


def _first_letter_edits(word: str) -> Iterator[str]:
    yield word[1:]
    yield word[1] + word[0] + word[2:]
    for letter in _LETTERS:
        yield letter + word
        yield letter + word[1:]
