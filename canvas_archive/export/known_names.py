"""Where known people are named in a text: names whole and in parts, logins, addresses and ids.

One pass goes over the words of the text (``plain_letters``), whatever the number of people: it takes time
in proportion to the text. This errs on the side of taking out too much. What it cannot find is a nickname,
and a person who is not in the archive.
"""

from __future__ import annotations

import heapq
import re
from array import array
from collections.abc import Iterator
from typing import NamedTuple
from unicodedata import normalize

from canvas_archive.export.phrases import Phrases
from canvas_archive.export.plain_letters import Letters, folded, letters
from canvas_archive.export.written_addresses import written_addresses


def known_words(words: str) -> frozenset[str]:
    """Return a set of words, written as a text."""
    return frozenset(words.split())


# Scripts written without blanks: a name is found inside a run of letters. Letters of Korean are decomposed.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\U00020000-\U0003ffff"
)
_LETTER = f"(?:[^\\W\\d_{_UNSPACED}]|[\u0900-\u0963\u0971-\u0dff])"
_TOKEN = re.compile(f"{_LETTER}+|[0-9]+|[{_UNSPACED}]")
_ONE_UNSPACED = re.compile(f"[{_UNSPACED}]")
_BETWEEN = re.compile("(?:[\\s._,'+/&;:\u2010-\u2015-]|\\)|\\(){0,3}\\Z")
_OF_PERSON = known_words("""
    user users grades about profile profiles student students observee observees observer author sender
    recipient recipients participant participants teacher grader login sis uid
""")
_OF_THING = {
    "conversation": "conversation", "conversations": "conversation", "message": "message",
    "messages": "message", "file": "file", "files": "file", "attachment": "file", "attachments": "file",
}  # fmt: skip
_OF_OTHERS = known_words("""
    course courses assignment assignments quiz quizzes section sections group groups page pages room
    chapter module modules topic topics term terms account accounts
""")
# The word before a number, and what is between them: user_id=5, users/5, recipients[]=5, "student_id": 5.
_BEFORE_NUMBER = re.compile(
    r"([a-z]{2,20})(?:_?ids?)?(?:\[[a-z0-9_]{0,20}\])?[\"']?(\s?[=/:_#~]|\s)\s?[\"']?(?:\d{1,8}~)?\Z"
)
_BRACKETED = re.compile(r"\[([a-z]{2,20})(?:_ids?)?\][\"']?([=:])[\"']?\Z")
_LONGEST_ID = 18

# Parts of names that name nobody alone.
_NO_NAMES = known_words("""
    jr sr dr prof professor mr mrs ms mx miss sir madam phd md ba ma ii iii iv esq hon rev user student
    test teacher ta admin administrator unknown anonymous guest observer instructor designer staff team
    account de la las los del della di da do dos du des le van von der den ter ten zu zur bin ibn bint
    al el abu of the and und y e et st san santa o d l mc mac
""")
_ALSO_WORDS = known_words("""
    all an angel apple art autumn ball bank bass bay bear bell berry best bill bird bishop blue bob bond
    book brook brown buck burns bush can carol carter case chance chase chip christian church clay cliff
    coin cook cross crystal dale dawn day dean do drew earl early east face faith field fields fine fish
    flowers ford forest fox frank free freed gene glass glen gold good gray grace grant green guy hall
    hand harmony hart hill holly hope house hunt hunter in iris jack jasmine jay jewel joy june just
    keen key king knight lamb land lane lark last law lee light lily little long lord love mall march
    mark mason masters may mercy miles mills moon more my north olive page paris park parks pat pearl
    penny person pick place pool power price prince pride rain ray read reed rice rich ring rivers robin
    rose ruby rush rusty sage sales sand sandy school scout sharp short sky small so speed spring star
    stone storm street strong summer summers sun sunny temple tell the to trip true turner victor violet
    wade walk wall ward waters way wells west white wide wild will wills winter winters wise wolf wood
    woods words work young
""")
_ENDINGS = (
    "s",
    "es",
    "ova",
    "ovi",
    "ovou",
    "ovy",
    "em",
    "a",
    "owi",
    "ego",
    "son",
    "om",
    "а",
    "у",
    "ым",
    "е",
    "ои",
    "и",
    "ы",
    "ом",
    "ю",
    "я",
    "ои\u0306",
)
_LONGEST_ENDING = max(map(len, _ENDINGS))
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "đ": "dj", "æ": "ae"})
_MOST_WORDS = 12  # of a name whose words are also combined


class Found(NamedTuple):
    """A place in a text that names somebody. ``number`` is ``None`` where several share the name."""

    start: int
    end: int
    kind: str  # "name", "part", "address", "id", or what the id is of: "conversation", "message", "file"
    number: int | None


class KnownNames:
    """The names of people: learn them all, then call ``prepare``, then ``find``."""

    def __init__(self) -> None:
        self._phrases = Phrases()
        self._inside = Phrases()
        self._parts: dict[str, set[int]] = {}
        self._numbered: dict[str, set[int]] = {}
        self._words: set[str] = set()
        self._ids: set[int] = set()
        self._learnt: set[tuple[int, str]] = set()

    def prepare(self) -> None:
        """Make ready for ``find``."""
        self._phrases.prepare()
        self._inside.prepare()

    def learn_id(self, number: int) -> None:
        """Learn that this is a person."""
        self._ids.add(number)

    def learn_login(self, number: int, login: str) -> None:
        """Learn what a person logs in with, or their id elsewhere; an address without its domain."""
        words = _TOKEN.findall(folded(login.partition("@")[0]))
        if sum(map(len, words)) > 3:
            self._phrase(words, number)
            if len(words) == 1 and words[0].isalpha():
                self._part(words[0], number)

    def learn(self, number: int, name: str) -> None:
        """Learn a name of a person."""
        if (number, name) in self._learnt:
            return
        self._learnt.add((number, name))
        name = normalize("NFC", name) if len(name) < 1000 else name
        for spelt in dict.fromkeys((name, name.lower().translate(_GERMAN))):
            self._learn_spelt(number, spelt)

    def _learn_spelt(self, number: int, name: str) -> None:
        chunks = [_TOKEN.findall(folded(chunk)) for chunk in name.split()]
        words = [word for chunk in chunks for word in chunk]
        core = [word for word in words if word not in _NO_NAMES or word.isdecimal()]
        if _ONE_UNSPACED.search(folded(name)):
            self._learn_unspaced(number, name)
        if not any(len(word) > 1 for word in words):
            return
        self._orders(words, number)
        if len(words) > _MOST_WORDS:
            return
        if any(not word.isdecimal() for word in core):
            self._orders(core, number)
            self._orders([core[0], core[-1]], number)
            for some in (core[:-1], core[1:], core[-1:] + core[:-1]):
                self._orders(some, number)
            self._logins(["".join(chunk) for chunk in chunks if chunk and chunk[-1] in core], number)
        for chunk in chunks:
            joined = "".join(chunk)
            for word in {*chunk, joined}:
                if (
                    len(word) > 1
                    and word not in _NO_NAMES
                    and not word[0].isdecimal()
                    and not _ONE_UNSPACED.match(word)
                ):
                    self._part(word, number)

    def _learn_unspaced(self, number: int, name: str) -> None:
        for piece in {"".join(name.split()), *name.split()}:
            self._phrase(_TOKEN.findall(folded(piece)), number) if len(piece) > 1 else None
            if len(piece) == 3 and all("\u3400" <= letter <= "\ud7ff" for letter in piece):
                self._phrase(_TOKEN.findall(folded(piece[1:])), number)  # the given name

    def _orders(self, words: list[str], number: int) -> None:
        if len(words) < 2:
            return
        for order in (words, words[::-1]):
            self._phrase(order, number)
            joined = "".join(order)
            if len(words) <= _MOST_WORDS and len(joined) > 3:
                self._part(joined, number)
                if len(joined) > 6 and joined.isalpha():
                    self._inside.add(joined, number)

    def _logins(self, chunks: list[str], number: int) -> None:
        if len(chunks) < 2 or not all(chunk.isalpha() for chunk in chunks):
            return
        first, last = chunks[0], chunks[-1]
        if len(last) > 2:
            usual = self._numbered if last in _ALSO_WORDS or len(last) < 4 else self._parts
            usual.setdefault(first[0] + last, set()).add(number)
            usual.setdefault(last + first[0], set()).add(number)
        if len(first) > 2:
            self._numbered.setdefault(first + last[0], set()).add(number)

    def _phrase(self, words: list[str], number: int) -> None:
        if words:
            self._phrases.add(words, number)
            self._words.update(words)

    def _part(self, word: str, number: int) -> None:
        self._parts.setdefault(word, set()).add(number)

    def find(self, text: str) -> Iterator[Found]:
        """Yield the places that name somebody, in order; none overlap."""
        plain = letters(text)
        addresses = list(written_addresses(plain.text, self._is_name))
        begin, end = addresses[0] if addresses else (len(plain.text), len(plain.text))
        following = iter(addresses[1:])
        starts, ends = array("q"), array("q")
        words: list[str] = []
        for start, stop, word in self._tokens(text, plain):
            while start >= end < len(plain.text):
                begin, end = next(following, (len(plain.text), len(plain.text)))
            if stop <= begin:
                starts.append(start)
                ends.append(stop)
                words.append(word)
        yield from _merged(
            self._in_words(text, plain, words, starts, ends),
            (Found(plain.start(low), plain.end(high), "address", None) for low, high in addresses),
        )

    def _is_name(self, word: str) -> bool:
        return word in self._parts or word in self._numbered or word in self._words

    def _tokens(self, text: str, plain: Letters) -> Iterator[tuple[int, int, str]]:
        parts, known = self._parts, self._words
        for match in _TOKEN.finditer(plain.text):
            word = match[0]
            start, end = match.span()
            if word not in parts and word not in known and end - start > 3:
                raw = text[plain.start(start) : plain.end(end)]
                if not (raw.islower() or raw.isupper() or raw[1:].islower()):
                    yield from _camel(text, plain, start, end)
                    continue
            yield start, end, word

    def _in_words(
        self, text: str, plain: Letters, words: list[str], starts: array[int], ends: array[int]
    ) -> Iterator[Found]:
        def joined(at: int) -> bool:
            low, high = ends[at], starts[at + 1]
            return high - low <= 3 and _BETWEEN.match(plain.text, low, high) is not None

        done = 0
        for at, length, number in (*self._phrases.find(words, joined), (len(words), 0, 0)):
            for place in range(done, at):
                following = (
                    place + 1 < len(words)
                    and starts[place + 1] == ends[place]
                    and words[place + 1].isdecimal()
                )
                yield from self._alone(text, plain, words[place], starts[place], ends[place], bool(following))
            if length:
                low, high = starts[at], ends[at + length - 1]
                first = text[plain.start(low)]
                if length == 1 and words[at] in _ALSO_WORDS and first.islower():
                    pass
                else:
                    yield Found(plain.start(low), plain.end(high), "name", number)
            done = at + length

    def _alone(
        self, text: str, plain: Letters, word: str, start: int, end: int, numbered: bool
    ) -> Iterator[Found]:
        if word.isdecimal():
            yield from self._id(plain, word, start, end)
            return
        owners, length = self._owners(word)
        if owners is None and numbered:
            owners, length = self._numbered.get(word), len(word)
        if owners is None:
            for at, size, number in self._inside.find(word) if len(word) > 6 else ():
                yield Found(plain.start(start + at), plain.end(start + at + size), "part", number)
            return
        stem = word[:length]
        if (stem in _ALSO_WORDS or len(stem) < 3) and text[plain.start(start)].islower():
            return
        yield Found(
            plain.start(start), plain.end(end), "part", next(iter(owners)) if len(owners) == 1 else None
        )

    def _owners(self, word: str) -> tuple[set[int] | None, int]:
        owners = self._parts.get(word)
        if owners is not None:
            return owners, len(word)
        for cut in range(1, min(_LONGEST_ENDING, len(word) - 4) + 1):
            if word[-cut:] in _ENDINGS:
                owners = self._parts.get(word[:-cut])
                if owners is not None:
                    return owners, len(word) - cut
        return None, 0

    def _id(self, plain: Letters, digits: str, start: int, end: int) -> Iterator[Found]:
        if len(digits) > _LONGEST_ID:
            return
        number = int(digits)
        before = plain.text[max(0, start - 60) : start]
        match = _BRACKETED.search(before) or _BEFORE_NUMBER.search(before)
        word, sign = (match[1], match[2].strip()) if match else ("", "")
        word = word.removesuffix("_id").removesuffix("id").rstrip("_") if word not in _OF_PERSON else word
        if word in _OF_THING and sign:
            yield Found(plain.start(start), plain.end(end), _OF_THING[word], number)
        elif word in _OF_OTHERS:
            return
        elif (word in _OF_PERSON and sign) or (
            number in self._ids
            and (
                word in _OF_PERSON
                or (
                    len(digits) > 3
                    and before[-1:] in tuple("=/,:#~[ ")
                    and (before[-1:] != " " or before[-5:].strip(" :").endswith("id"))
                )
            )
        ):
            yield Found(plain.start(start), plain.end(end), "id", number)


def _camel(text: str, plain: Letters, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Yield the words that capitals set apart in a word such as HWEvansFinal."""
    low = start
    for at in range(start + 1, end):
        if (
            text[plain.start(at)].isupper()
            and plain.start(at) != plain.start(at - 1)
            and (
                text[plain.start(at - 1)].islower() or (at + 1 < end and text[plain.start(at + 1)].islower())
            )
        ):
            yield low, at, plain.text[low:at]
            low = at
    yield low, end, plain.text[low:end]


def _merged(found: Iterator[Found], addresses: Iterator[Found]) -> Iterator[Found]:
    """Yield both in order; what overlaps an earlier one is left out."""
    done = 0
    for one in heapq.merge(found, addresses, key=lambda place: place.start):
        if one.start >= done:
            yield one
            done = one.end
