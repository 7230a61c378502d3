"""Text into terms: the one analyser that both the index and every query use.

A text is composed (NFC), folded character by character (NFKC, case, accents, full-width forms, digits of
any script) and cut into terms:

* runs of letters, with apostrophes resolved: ``don't`` is ``dont``, ``Chen's`` is ``chen``, ``l'école`` is
  ``l`` and ``ecole``;
* runs of digits, always apart from letters, so that ``BIO-101``, ``bio101`` and ``BIO 101`` are the same two
  terms side by side, and likewise e-mail addresses, URLs, dates and times;
* scripts written without spaces (Chinese, Japanese, Korean, Thai, ...) as overlapping pairs of characters,
  plus the last character alone, so that a single one can be looked up as a prefix;
* emoji, each a term of its own; skin tones and joiners fall away.

Terms are exact forms. Stems serve only as a way from one form to the others (see ``stem``): the index keeps
forms, so phrases stay exact and an exact form can rank above its relatives.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Container
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from canvas_archive.unicode import normalized

# Raise this with every change that makes other terms out of the same text: indexes of another
# version are rebuilt.
ANALYSER_VERSION = 1

_FEW_TERMS = 40  # terms that are looked for one by one
LONGEST_TERM = 40  # longer runs are cut in pieces, at indexing and in queries alike

# Letters that Unicode does not decompose but people leave out on their keyboards.
_SPECIAL = {
    "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "ŧ": "t", "ŋ": "n", "æ": "ae", "œ": "oe",
    "þ": "th", "’": "'", "‘": "'", "ʼ": "'", "ʻ": "'", "´": "'", "`": "'", "＇": "'", "′": "'", "\x00": " ",
}  # fmt: skip

# Marks that are dropped: accents, vowel points of Hebrew and Arabic, joiners, variation selectors,
# soft hyphens and skin tones. Vowel signs of Indic scripts are letters and stay.
_DROPPED = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)

_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003134f"
)
_EMOJI = "\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\U0001f000-\U0001faff"
_LETTER = f"(?:[^\\W\\d_{_SPACELESS}]|[\u0900-\u0963\u0971-\u0dff])"

_ASCII_TERM = re.compile(r"[a-z]{1,40}(?:'[a-z]{1,40})*|[0-9]{1,40}")
_ANY_TERM = re.compile(
    rf"{_LETTER}{{1,40}}(?:'{_LETTER}{{1,40}})*|[0-9]{{1,40}}|[{_SPACELESS}]{{1,40}}|[{_EMOJI}]"
)
_SPACELESS_START = re.compile(f"[{_SPACELESS}]")

_ELIDED = frozenset({"l", "d", "j", "c", "n", "qu"})
# Forms that rules do not join with their word; the words of a school first.
_IRREGULAR = {
    form: word
    for word, forms in {
        "quiz": "quizzes quizzed quizzing", "thesis": "theses", "analysis": "analyses",
        "hypothesis": "hypotheses", "crisis": "crises",
        "diagnosis": "diagnoses", "synthesis": "syntheses",
        "parenthesis": "parentheses", "matrix": "matrices", "vertex": "vertices", "index": "indices",
        "appendix": "appendices", "syllabus": "syllabi", "focus": "foci", "nucleus": "nuclei",
        "stimulus": "stimuli", "alumnus": "alumni", "curriculum": "curricula", "datum": "data",
        "memorandum": "memoranda", "bacterium": "bacteria", "criterion": "criteria",
        "phenomenon": "phenomena", "formula": "formulae", "larva": "larvae", "child": "children",
        "man": "men", "woman": "women", "person": "people", "foot": "feet", "tooth": "teeth", "mouse": "mice",
        "half": "halves", "shelf": "shelves", "knife": "knives",
        "self": "selves", "wolf": "wolves", "loaf": "loaves", "wife": "wives", "go": "went gone goes",
        "write": "wrote written", "meet": "met", "teach": "taught", "send": "sent", "give": "gave given",
        "take": "took taken", "find": "found", "choose": "chose chosen", "bring": "brought", "buy": "bought",
        "think": "thought", "speak": "spoke spoken", "forget": "forgot forgotten", "begin": "began begun",
        "lose": "lost", "pay": "paid", "run": "ran", "hold": "held", "tell": "told", "keep": "kept",
    }.items()
    for form in forms.split()
}  # fmt: skip
_STEMMABLE = re.compile(r"[a-z]{3,30}\Z")


class Span(NamedTuple):
    """Where a term stands: the how-manyeth it is, and its place in the composed text."""

    at: int
    start: int
    end: int
    term: str


class _FoldTable(dict[int, str]):
    """What each character folds to, worked out when it is first met (for ``str.translate``)."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = unicodedata.normalize("NFKC", character).casefold()
        folded = "".join(_SPECIAL.get(part, part) for part in unicodedata.normalize("NFD", folded))
        folded = unicodedata.normalize("NFC", _DROPPED.sub("", folded))
        folded = "".join(
            str(unicodedata.digit(part)) if unicodedata.category(part) == "Nd" else part for part in folded
        )
        if len(self) < 20_000:
            self[code] = folded
        return folded


_FOLD = _FoldTable()


def composed(text: str) -> str:
    """Return the text in the form that spans count in (NFC: what is displayed does not change)."""
    return normalized("NFC", text)


def fold(text: str) -> str:
    """Return the text without case, accents and compatibility forms."""
    return text.lower() if text.isascii() else composed(text).translate(_FOLD)


def terms(text: str) -> list[str]:
    """Return the terms of a text in order; a term's index in the list is its position."""
    folded = fold(text)
    if folded.isascii():
        found: list[str] = _ASCII_TERM.findall(folded)
        if "'" not in folded:
            return found
    else:
        found = _ANY_TERM.findall(folded)
    resolved: list[str] = []
    for run in found:
        if "'" in run:
            resolved += [term for _, _, term in _apostrophes(run)]
        elif run[0] >= "\u0e00" and len(run) > 1 and _SPACELESS_START.match(run):
            resolved += [run[at : at + 2] for at in range(len(run))]
        else:
            resolved.append(run)
    return resolved


def spans(text: str, wanted: Container[str] | None = None) -> list[Span]:
    """Return the terms of an already composed text with their places: the same terms as ``terms``.

    With ``wanted`` only those among them.
    """
    if text.isascii():
        folded, origin = text.lower(), None
    else:
        pieces = [_FOLD[ord(character)] for character in text]
        folded = "".join(pieces)
        origin = None
        if len(folded) != len(text) or any(len(piece) != 1 for piece in pieces):
            origin = [at for at, piece in enumerate(pieces) for _ in piece]
    found: list[Span] = []
    at = 0
    for match in (_ASCII_TERM if folded.isascii() else _ANY_TERM).finditer(folded):
        run = match.group()
        if "'" in run:
            resolved = _apostrophes(run)
        elif run[0] >= "\u0e00" and len(run) > 1 and _SPACELESS_START.match(run):
            resolved = [(low, min(low + 2, len(run)), run[low : low + 2]) for low in range(len(run))]
        else:
            if wanted is None or run in wanted:
                found.append(Span(at, match.start(), match.end(), run))
            at += 1
            continue
        start = match.start()
        for low, high, term in resolved:
            if wanted is None or term in wanted:
                found.append(Span(at, start + low, start + high, term))
            at += 1
    if origin is None:
        return found
    return [Span(at, origin[low], origin[high - 1] + 1, term) for at, low, high, term in found]


def occurrences(text: str, wanted: Collection[str]) -> list[Span]:
    """Return where the wanted terms stand in an already composed text, by place; ``at`` means nothing here.

    The places are those of ``spans`` (but within runs that are cut in pieces), found faster where the text
    is plain and the terms are few.
    """
    if len(wanted) > _FEW_TERMS or not text.isascii() or any(len(term) >= LONGEST_TERM for term in wanted):
        return spans(text, wanted)
    folded = text.lower()
    joined = folded.replace("'", "") if "'" in folded else folded
    found: list[Span] = []
    for term in wanted:
        if joined is not folded and joined.count(term) != folded.count(term):  # as dont in don't
            return spans(text, wanted)
        kind = str.isdigit if term[0].isdigit() else str.isalpha
        start = folded.find(term)
        while start >= 0:
            end = start + len(term)
            before, after = folded[start - 1 : start], folded[end : end + 1]
            if before == "'" or after == "'":  # it depends on more than its neighbours
                return spans(text, wanted)
            if not kind(before) and not kind(after):
                found.append(Span(0, start, end, term))
            start = folded.find(term, start + 1)
    return sorted(found, key=itemgetter(1))


def query_terms(text: str) -> list[tuple[int, str]]:
    """Return a query word's terms with their relative positions.

    The lone last character of a spaceless run is left out: the pair before it already holds it.
    """
    found = spans(composed(text))
    kept = [
        (at, span.term)
        for at, span in enumerate(found)
        if not (
            at
            and len(span.term) == 1
            and len(found[at - 1].term) == 2
            and found[at - 1].term[1] == span.term
            and _SPACELESS_START.match(span.term)
            and found[at - 1].end == span.end
        )
    ]
    first = kept[0][0] if kept else 0
    return [(at - first, term) for at, term in kept]


def is_spaceless(term: str) -> bool:
    """Tell whether the term is of a script that is indexed by pairs of characters."""
    return _SPACELESS_START.match(term) is not None


@lru_cache(maxsize=200_000)
def stem(form: str) -> str:
    """Return the English stem of a form: Porter 2, after the irregular forms.

    Forms that are not plain letters are their own stem.
    """
    if not _STEMMABLE.match(form):
        return form
    from canvas_archive.search.stemming import porter

    return porter(_IRREGULAR.get(form, form))


def _apostrophes(run: str) -> list[tuple[int, int, str]]:
    """Resolve a run of letters with apostrophes into (start, end, term) within the run."""
    parts = run.split("'")
    end = len(run)
    found: list[tuple[int, int, str]] = []
    start = 0
    if parts[-1] == "s" and len(parts) > 1:
        parts.pop()
        end -= 2
    if len(parts) > 1 and parts[0] in _ELIDED and len(parts[1]) > 1:
        start = len(parts[0]) + 1
        found.append((0, start - 1, parts.pop(0)))
    found.append((start, end, "".join(parts)))
    return found
