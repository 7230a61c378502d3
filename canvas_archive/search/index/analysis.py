"""Text into terms: the one analyser that both the index and every query use.

A text is composed (NFC), folded character by character (NFKC, case, accents, full-width forms, digits of
any script) and cut into terms:

* runs of letters, with apostrophes resolved: ``don't`` is ``dont``, ``Chen's`` is ``chen``, ``l'école`` is
  ``l`` and ``ecole``;
* runs of digits, always apart from letters, so that ``BIO-101``, ``bio101`` and ``BIO 101`` are the same two
  terms side by side, and likewise e-mail addresses, URLs, dates and times;
* scripts written without spaces (Chinese, Japanese, Korean, Thai, ...) as overlapping pairs of characters,
  across spaces, line breaks and punctuation, too; the last character stands alone, so that a single one can
  be looked up as a prefix;
* emoji, each a term of its own; skin tones and joiners fall away.

Beside some terms, at the same position, there is a second one:

* a word or number with its sign: ``c++``, ``c#``, ``a+``, ``a-``, ``.net``, ``#7``, ``§7``, ``50%``, ``$50``
  (also from ``50 $``). A query that has the sign finds only that; one without it finds both;
* two numbers with a point or comma between them: ``3.5`` (also from ``3,5``), but not from ``3 5``;
* the parts of a name with an apostrophe: ``brien`` beside ``obrien``, ``ankara`` beside ``ankarada``.

Terms are exact forms. Stems serve only as a way from one form to the others (see ``stem``): the index keeps
forms, so phrases stay exact and an exact form can rank above its relatives.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Container, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from canvas_archive.folding import DROPPED, FOLD, SPECIAL
from canvas_archive.unicode import normalized

# Raise this with every change that makes other terms out of the same text: indexes of another
# version are rebuilt.
ANALYSER_VERSION = 2

_WORD_LETTERS = "abcdefghijklmnopqrstuvwxyz'"
_FEW_TERMS = 40  # terms that are looked for one by one
_FEW_APOSTROPHES = 200  # words that are looked at one by one
LONGEST_TERM = 40  # longer runs are cut in pieces, at indexing and in queries alike

_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003134f"
)
_EMOJI = "\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\U0001f000-\U0001faff"
_LETTER = f"(?:[^\\W\\d_{_SPACELESS}]|[\u0900-\u0963\u0971-\u0dff])"

_PLAIN_TERM = re.compile(r"[a-z]{1,40}|[0-9]{1,40}")  # of an ASCII text without apostrophes
_ASCII_TERM = re.compile(r"[a-z]{1,40}(?:'[a-z]{1,40})*|[0-9]{1,40}")
_ANY_TERM = re.compile(
    rf"{_LETTER}{{1,40}}(?:'{_LETTER}{{1,40}})*|[0-9]{{1,40}}|[{_SPACELESS}]{{1,40}}|[{_EMOJI}]"
)
_CUT_RUN = re.compile(rf"[A-Za-z]{{{LONGEST_TERM + 1}}}|[0-9]{{{LONGEST_TERM + 1}}}")
_SPACELESS_START = re.compile(f"[{_SPACELESS}]")

_CURRENCY = "$\u00a2-\u00a5\u0e3f\u20a0-\u20c0"
# What may be a sign beside a term, or an apostrophe within a name: most texts have none.
_SIGN = re.compile(
    rf"[+#%‰§{_CURRENCY}.,'-](?:(?<=[+#%‰§{_CURRENCY}])|(?<=\.)(?=[^\W\d_])|(?<=[0-9][.,])(?=[0-9])"
    r"|(?<=[^\W\d_]-)(?<![^\W_]{2}-)(?![^\W_])"
    r"|(?<=[^\W\d_]')(?=[^\W\d_])(?!(?:[tsmd]|ll|re|ve)(?![^\W_'])))"
)
# Endings of one word: a part before or after them is no name.
_CONTRACTED = frozenset({"t", "s", "m", "d", "ll", "re", "ve"})
_SHORTEST_PART = 3
_FOLDED_BELOW = 0x20000  # from there on, no character has a case or is a digit
_MONEY = re.compile(f"[{_CURRENCY}]")

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


class Analysis(NamedTuple):
    """The terms of a text by their positions, and those beside them: (position, term)."""

    terms: Sequence[str]
    beside: Sequence[tuple[int, str]]


_Place: TypeAlias = "tuple[int, int, str]"
"""Where a term starts and ends in a folded text, and the term."""

_Beside: TypeAlias = "tuple[int, int, int, str, bool]"
"""The position, start, end and term, and whether a query looks for it instead of the term it is beside."""


class _RunTable(dict[str, str]):
    """What a run of characters beyond ASCII folds to, its quotation marks and dashes as ``*``."""

    def __missing__(self, run: str) -> str:
        folded = _SILENT.sub("*", composed(run).translate(FOLD))
        if len(self) < 20_000 and len(run) <= LONGEST_TERM:
            self[run] = folded
        return folded


_RUNS = _RunTable()
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
# Hyphens, dashes, quotation marks and bullets: neither part of a term nor a sign, like the asterisk.
_SILENT = re.compile("[\u2010-\u2023]")


def composed(text: str) -> str:
    """Return the text in the form that spans count in (NFC: what is displayed does not change)."""
    return normalized("NFC", text)


def fold(text: str) -> str:
    """Return the text without case, accents and compatibility forms."""
    return text.lower() if text.isascii() else composed(text).translate(FOLD)


def terms(text: str) -> list[str]:
    """Return the terms of a text in order; a term's index in the list is its position."""
    return _terms_of(fold(text))


def analysed(text: str) -> Analysis:
    """Return the terms of a text and those beside them: what the index holds of it."""
    folded = _folded_fast(text)
    if _SIGN.search(folded) is None:
        return Analysis(_terms_of(folded), ())
    listed: list[str] = []
    beside: list[tuple[int, str]] = []
    # Neither terms nor signs reach beyond the end of a sentence, but pairs of characters do.
    for part in folded.replace(".\n", ". ").split(". ") if folded.isascii() else (folded,):
        if _SIGN.search(part) is None:
            listed += _terms_of(part)
        else:
            found = _listed(part)
            beside += [(len(listed) + at, term) for at, _, _, term, _ in _beside(part, found)]
            listed += [place[2] for place in found]
    return Analysis(listed, beside)


def _folded_fast(text: str) -> str:
    """Return the text folded run by run, so that one with few characters beyond ASCII becomes ASCII.

    It has the terms and signs of ``fold(text)``: lower case folds alike, and what an ASCII letter and a mark
    compose to folds to the letter.
    """
    if text.isascii():
        return text.lower()
    lowered = text.lower().replace("`", "'").replace("\x00", " ")
    return _BEYOND_ASCII.sub(lambda run: _RUNS[run[0]], lowered)


def spans(text: str, wanted: Container[str] | None = None) -> list[Span]:
    """Return the terms of an already composed text with their places: the same terms as ``analysed``.

    With ``wanted`` only those among them.
    """
    folded, origin = _folded_with_origin(text)
    found: list[Span] = []
    if _SIGN.search(folded) is None:
        for at, (start, end, term) in enumerate(_places(folded)):
            if wanted is None or term in wanted:
                found.append(Span(at, start, end, term))
    else:
        listed = _listed(folded)
        found = [Span(at, *place) for at, place in enumerate(listed) if wanted is None or place[2] in wanted]
        beside = _beside(folded, listed)
        found += [Span(*one[:4]) for one in beside if wanted is None or one[3] in wanted]
        found.sort(key=itemgetter(0))
    return _in_the_text(found, origin)


def _in_the_text(found: list[Span], origin: Sequence[int] | None) -> list[Span]:
    """Return spans of a folded text with their places in the text itself."""
    if origin is None:
        return found
    return [Span(at, origin[low], origin[high - 1] + 1, term) for at, low, high, term in found]


def _folded_with_origin(text: str) -> tuple[str, list[int] | None]:
    """Return a composed text folded, and for each of its characters the one it came from (``None``: same)."""
    if text.isascii():
        return text.lower(), None
    folded = _folded_fast(text)
    uneven = {char for char in set(text) if char > "\x7f" and len(FOLD[ord(char)]) != 1}
    origin = _origin(text) if uneven else None
    if len(folded) == len(text if origin is None else origin):
        return folded, origin
    pieces = [FOLD[ord(character)] for character in text]
    return "".join(pieces), [at for at, piece in enumerate(pieces) for _ in piece]


def _origin(text: str) -> list[int]:
    """Return for each character of the folded text which one of the text it comes from."""
    origin: list[int] = []
    at = 0
    for run in _BEYOND_ASCII.finditer(text):
        origin += range(at, run.start())
        for at, character in enumerate(run[0], run.start()):
            origin += [at] * len(FOLD[ord(character)])
        at = run.end()
    origin += range(at, len(text))
    return origin


def _terms_of(folded: str) -> list[str]:
    """Return the terms of a folded text; ``_places`` without the places, for speed."""
    if folded.isascii():
        if "'" not in folded:
            return _PLAIN_TERM.findall(folded)
        found: list[str] = _ASCII_TERM.findall(folded)
    else:
        found = _ANY_TERM.findall(folded)
    resolved: list[str] = []
    before = ""
    for run in found:
        if "'" in run:
            resolved += [term for _, _, term in _apostrophes(run)]
        elif run[0] >= "\u0e00" and _SPACELESS_START.match(run):
            if before:
                resolved[-1] += run[0]
            resolved += [run[at : at + 2] for at in range(len(run))]
            before = run
            continue
        else:
            resolved.append(run)
        before = ""
    return resolved


def _places(folded: str) -> Iterator[_Place]:
    """Yield (start, end, term) of the terms of a folded text, in order."""
    last: _Place | None = None
    """The last character of a spaceless run, which waits for the first of the next."""
    for match in (_ASCII_TERM if folded.isascii() else _ANY_TERM).finditer(folded):
        run, start = match.group(), match.start()
        if run[0] >= "\u0e00" and _SPACELESS_START.match(run):
            if last is not None:
                yield last[0], start + 1, last[2] + run[0]
            for low in range(len(run) - 1):
                yield start + low, start + low + 2, run[low : low + 2]
            last = match.end() - 1, match.end(), run[-1]
            continue
        if last is not None:
            yield last
            last = None
        if "'" in run:
            for low, high, term in _apostrophes(run):
                yield start + low, start + high, term
        else:
            yield start, match.end(), run
    if last is not None:
        yield last


def _listed(folded: str) -> list[_Place]:
    """Return the places of the terms; plain texts, the most frequent, the shorter way."""
    if folded.isascii() and "'" not in folded:
        return [(*match.span(), match.group()) for match in _ASCII_TERM.finditer(folded)]
    return list(_places(folded))


def _beside(folded: str, places: Sequence[_Place]) -> Iterator[_Beside]:
    """Yield the terms beside those at the places, by position."""
    near: set[int] = set()
    for sign in _SIGN.finditer(folded):
        following = bisect_right(places, sign.start(), key=itemgetter(0))
        near.update((following - 1, following))
    for at in sorted(near):
        if 0 <= at < len(places):
            yield from _beside_one(folded, places, at)


def _beside_one(folded: str, places: Sequence[_Place], at: int) -> Iterator[_Beside]:
    """Yield the terms beside one."""
    start, end, term = places[at]
    if is_spaceless(term):
        return
    if "'" in folded[start:end]:
        yield from _name_parts(at, start, folded[start:end])
    elif len(term) < LONGEST_TERM and (term.isdecimal() or term[0].isalpha()):
        if term.isdecimal():
            yield from _number_signs(folded, at, start, end, term)
            yield from _pair(folded, places, at)
        yield from _signs(folded, at, start, end, term)


def _signs(folded: str, at: int, start: int, end: int, term: str) -> Iterator[_Beside]:
    """Yield a word or number with what is written right before or after it."""
    before, after = folded[start - 1 : start], folded[end : end + 1]
    following = folded[end + 1 : end + 2]
    if after != "'":
        if before == "#":
            yield at, start - 1, end, f"#{term}", True
        elif before == "." and term[0].isalpha():
            yield at, start - 1, end, f".{term}", not folded[start - 2 : start - 1].isalnum()
    if before == "'":
        return
    if after == "#":
        yield at, start, end + 1, f"{term}#", True
    elif after == "+" and following == "+":
        yield at, start, end + 2, f"{term}++", True
    elif after == "+" and not following.isalnum():
        yield at, start, end + 1, f"{term}+", True
    elif after == "-" and following != "-" and len(term) == 1 and term.isalpha():
        if before.isalnum() or following.isalnum():
            return
        yield at, start, end + 1, f"{term}-", True


def _pair(folded: str, places: Sequence[_Place], at: int) -> Iterator[_Beside]:
    """Yield two numbers with a point or a comma between them."""
    start, end, term = places[at]
    if folded[end : end + 1] in (".", ",") and at + 1 < len(places):
        following, last, number = places[at + 1]
        if following == end + 1 and number.isdecimal() and len(number) < LONGEST_TERM:
            yield at, start, last, f"{term}.{number}", True


def _number_signs(folded: str, at: int, start: int, end: int, number: str) -> Iterator[_Beside]:
    """Yield the paragraph, the percentage or the amount that a number is, with a space between or none."""
    low = start - 1 - (folded[start - 1 : start].isspace())
    sign = folded[low] if low >= 0 else ""
    if sign and (sign == "§" or _MONEY.match(sign)):
        yield at, low, end, f"{sign}{number}", True
    high = end + (folded[end : end + 1].isspace())
    sign = folded[high : high + 1]
    if sign and sign in "%‰":
        yield at, start, high + 1, f"{number}{sign}", True
    elif sign and _MONEY.match(sign):
        yield at, start, high + 1, f"{sign}{number}", True


def _name_parts(at: int, start: int, run: str) -> Iterator[_Beside]:
    """Yield the parts of a word with apostrophes that may be looked for alone."""
    parts = run.split("'")
    if parts[-1] in _CONTRACTED:
        return
    for part in parts:
        if len(part) >= _SHORTEST_PART:
            yield at, start, start + len(part), part, False
        start += len(part) + 1


@lru_cache(maxsize=16)  # the same ones are looked for in each text of a page
def _findable(wanted: frozenset[str]) -> tuple[tuple[str, Callable[[str], bool]], ...] | None:
    """Return the terms with what no neighbour of theirs may be; ``None`` when looking for them is no use."""
    if len(wanted) > _FEW_TERMS or any(len(term) >= LONGEST_TERM or not term.isalnum() for term in wanted):
        return None
    return tuple((term, str.isdigit if term[0].isdigit() else str.isalpha) for term in wanted)


def occurrences(text: str, wanted: frozenset[str]) -> list[Span]:
    """Return where the wanted terms stand in an already composed text, by place; ``at`` means nothing here.

    The places are those of ``spans`` (but within runs that are cut in pieces), found faster where the text
    is plain and the terms are few.
    """
    found = _found(text, wanted)
    return spans(text, wanted) if found is None else sorted(found[0] + found[1], key=itemgetter(1))


def lone_occurrences(text: str, wanted: frozenset[str]) -> list[Span] | None:
    """Return the same where each stands for itself, so that the terms between two can be counted.

    ``None`` where that cannot be said: a word with an apostrophe is among them, or a run that is cut.
    """
    found = _found(text, wanted)
    if found is None or found[1] or not is_plain(text):
        return None
    return sorted(found[0], key=itemgetter(1))


def is_plain(text: str) -> bool:
    """Return whether the terms of every part of a composed text are those the whole has there."""
    if text.isascii():
        return _CUT_RUN.search(text) is None
    return "`" not in text and _CUT_RUN.search(_folded_fast(text)) is None


def _found(text: str, wanted: frozenset[str]) -> tuple[list[Span], list[Span]] | None:
    """Return where wanted terms stand, alone and in words with apostrophes; ``None`` where it takes more."""
    findable = _findable(wanted)
    if findable is None:
        return None
    folded, origin = _folded_with_origin(text)
    if not folded.isascii() or folded.count("'") > _FEW_APOSTROPHES:
        return None
    found: list[Span] = []
    within: list[Span] = []
    if "'" in folded:
        folded, within = _beside_apostrophes(folded, wanted)
    for term, kind in findable:
        start = folded.find(term)
        while start >= 0:
            end = start + len(term)
            if not kind(folded[start - 1 : start]) and not kind(folded[end : end + 1]):
                found.append(Span(0, start, end, term))
            start = folded.find(term, start + 1)
    return _in_the_text(found, origin), _in_the_text(within, origin)


def _beside_apostrophes(folded: str, wanted: frozenset[str]) -> tuple[str, list[Span]]:
    """Return an ASCII text with its words with apostrophes blanked, and the wanted terms in those."""
    found: list[Span] = []
    others: list[str] = []
    end, at = 0, folded.find("'")
    while at >= 0:
        others.append(folded[end:at].rstrip(_WORD_LETTERS))
        low, high = end + len(others[-1]), at + 1
        while high < len(folded) and folded[high] in _WORD_LETTERS:
            high += 1
        first = max(0, low - 1)  # what a word's parts are depends on its neighbours, too
        for _, start, stop, term in spans(folded[first : high + 1], wanted):
            if low <= first + start < high:
                found.append(Span(0, first + start, first + stop, term))
        others.append(" " * (high - low))
        end, at = high, folded.find("'", high)
    return "".join([*others, folded[end:]]), found


def query_terms(text: str) -> list[tuple[int, str]]:
    """Return a query word's terms with their relative positions.

    A term with a sign takes the place of the one without. The lone last character of a spaceless run is left
    out: the pair before it already holds it.
    """
    folded, _ = _folded_with_origin(composed(text))
    places = _listed(folded)
    whole = [(at, term) for at, _, _, term, is_whole in _beside(folded, places) if is_whole]
    replaced = {at for at, _ in whole}
    replaced |= {at + 1 for at, term in whole if term[0].isdecimal() and "." in term}
    kept = [
        (at, term)
        for at, (_, end, term) in enumerate(places)
        if at not in replaced
        and not (at and len(term) == 1 and places[at - 1][1] == end and is_spaceless(term))
    ]
    kept = sorted(kept + whole)
    first = kept[0][0] if kept else 0
    return [(at - first, term) for at, term in kept]


def query_tables() -> dict[str, object]:
    """Return what a script needs to take queries apart as ``query_terms`` and ``stem`` do.

    Sets of characters are the insides of classes of regular expressions.
    """
    from canvas_archive.search.index.stemming import tables

    below = [chr(code) for code in range(_FOLDED_BELOW) if not 0xD800 <= code < 0xE000]
    return {
        "casefold": {char: char.casefold() for char in below if char.casefold() != char.lower()},
        "zeros": "".join(char for char in below if unicodedata.decimal(char, None) == 0),
        "special": SPECIAL,
        "dropped": DROPPED.pattern[1:-1],
        "spaceless": _SPACELESS,
        "emoji": _EMOJI,
        "currency": _CURRENCY,
        "elided": sorted(_ELIDED),
        "irregular": _IRREGULAR,
        "stemming": tables(),
    }


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
    from canvas_archive.search.index.stemming import porter

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
