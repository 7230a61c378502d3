"""Pseudonyms for everyone but the custodian, the same person the same one in every export of an archive.

A pseudonym is a keyed hash of the person's Canvas id. The key is made once and stays in the archive's
folder (``redaction.key``), so nobody can go back from a pseudonym to an id by trying all ids.

Names are also looked for in running text, subjects and file names: whole names, both orders, written
together, and each part alone, without regard to case and accents. Parts that are English words too
("Mark", "May") count only with a capital. E-mail addresses and links to profiles go as well. This errs on
the side of taking out too much; what nobody can find is a nickname, or a person no message is from.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import io
import os
import re
import secrets
import unicodedata
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from canvas_archive.errors import BadInput, UnusableFile
from canvas_archive.export.phrases import Phrases
from canvas_archive.export.records import MessageRecord, PersonRecord, StoredFile, ThreadRecord
from canvas_archive.store.cells import cell
from canvas_archive.store.private import read_regular
from canvas_archive.unicode import normalized

KEY_NAME = "redaction.key"
SOMEONE = "[name]"
ADDRESS = "[e-mail address]"

_WORD = re.compile(r"[^\W\d_]+")
_LOCAL = re.compile(r"[\w.+-]+")  # the part of an e-mail address before its @
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_PROFILE = re.compile(r"(/users/)(\d{1,20})(?!\d)")
_BETWEEN = re.compile(r"[\s._,'’\u2010-\u2015-]{1,3}\Z")
# Scripts written without blanks: a name is found inside a run of letters.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]"
)
_ALSO_WORDS = frozenset(
    _WORD.findall("""
    an angel art autumn bay bear bill bishop blue bob brook brown buck can carol case chance chase chip
    christian church clay cliff cook crystal dale dawn day dean do drew earl east faith field fish ford
    forest fox frank free gene glen good gray grace grant green guy hall harmony hill holly hope hunter
    iris jack jasmine jay jewel joy june king lane last law lee lily little long love march mark mason mercy
    miles moon north olive page paris park pat pearl penny person price prince rain ray reed rich robin
    rose ruby rusty sage sandy scout sky so spring star stone storm street summer sun sunny the to trip
    victor violet wade ward west white will winter wolf wood young
    """)
)


def load_key(folder: Path) -> bytes:
    """Return the archive's key, made now if there is none. Raises BadInput when it cannot be kept."""
    path = folder / KEY_NAME
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise BadInput(
            f"--redact keeps a key in the archive, but {path} cannot be written: {error}."
        ) from error
    else:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
    try:
        key = bytes.fromhex(read_regular(path, 1000).decode("ascii").strip())
    except UnusableFile:
        raise
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no key: {error}. Restore it from a backup, or remove it.") from error
    if len(key) < 32:
        raise BadInput(f"{path} is no key: it is too short. Restore it from a backup, or remove it.")
    return key


class Redactor:
    """Replaces people in the records of one export. ``people`` are all whose names may occur in text."""

    def __init__(self, key: bytes, custodian_id: int, people: Iterable[PersonRecord]) -> None:
        self._key = key
        self._custodian = custodian_id
        self._made: dict[int, tuple[int, str]] = {}
        self._phrases = Phrases()
        self._parts: dict[str, set[int]] = {}
        self._inside = Phrases()
        self._names: dict[int, str] = {}
        for person in people:
            self._learn(person)
        self._phrases.prepare()
        self._inside.prepare()

    def _learn(self, person: PersonRecord) -> None:
        self._names[person.id] = person.full_name
        for name in {person.name, person.full_name}:
            words = tuple(_fold(word) for word in _WORD.findall(name))
            if _UNSPACED.search(name):
                for piece in {name.strip(), *_WORD.findall(name)}:
                    if _UNSPACED.search(piece):
                        self._inside.add(piece, person.id)
            if not words or (len(words) == 1 and len(words[0]) < 2):
                continue
            for order in {words, words[::-1], ("".join(words),), ("".join(words[::-1]),)}:
                if len(order) > 1 or len(words) > 1:
                    self._phrases.add(order, person.id)
            for word in words:
                if len(word) > 1:
                    self._parts.setdefault(word, set()).add(person.id)

    def id(self, number: int) -> int:
        """Return the number that stands for a person."""
        return self._pseudonym(number)[0]

    def name(self, number: int) -> str:
        """Return the name that stands for a person."""
        return self._pseudonym(number)[1]

    def _pseudonym(self, number: int) -> tuple[int, str]:
        if number == self._custodian:
            return number, self._names.get(number, f"User {number}")
        made = self._made.get(number)
        if made is None:
            digest = hmac.new(self._key, f"person:{number}".encode("ascii"), hashlib.sha256).digest()
            # Fifty bits: ten characters, and a number that JavaScript still holds exactly.
            label = base64.b32encode(digest[:7]).decode("ascii")[:10]
            made = (int.from_bytes(digest[:7], "big") >> 6, f"Person {label}")
            self._made[number] = made
        return made

    def person(self, person: PersonRecord) -> PersonRecord:
        """Return who stands for a person; the custodian stays."""
        if person.id == self._custodian:
            return person
        number, name = self._pseudonym(person.id)
        return PersonRecord(number, name, name)

    def thread(self, thread: ThreadRecord) -> ThreadRecord:
        """Return a conversation with everyone but the custodian replaced."""
        return replace(
            thread,
            subject=self.text(thread.subject),
            context_name=self.text(thread.context_name),
            audience=tuple(self.id(number) for number in thread.audience),
            participants=tuple(map(self.person, thread.participants)),
            messages=tuple(map(self.message, thread.messages)),
            # Fields nobody has looked at may hold anything.
            extra={},
        )

    def message(self, message: MessageRecord) -> MessageRecord:
        """Return a message with everyone but the custodian replaced."""
        return replace(
            message,
            author=self.person(message.author),
            recipients=tuple(map(self.person, message.recipients)),
            body=self.text(message.body) or "",
            files=tuple(map(self.file, message.files)),
            forwarded=tuple(map(self.message, message.forwarded)),
            extra={},
        )

    def file(self, file: StoredFile) -> StoredFile:
        """Return a file whose name names nobody; its address, which leads to people, is left out."""
        return replace(
            file,
            name=self.text(file.name) or "",
            filename=self.text(file.filename),
            error=self.text(file.error),
            url=None,
            extra={},
        )

    def text(self, text: str | None) -> str | None:
        """Return text without the names of people; ``None`` stays."""
        if not text:
            return text
        if "@" in text:
            text = _without_addresses(text)
        text = _PROFILE.sub(lambda found: f"{found[1]}{self.id(int(found[2]))}", text)
        if _UNSPACED.search(text):
            found = ((at, at + length, self.name(number)) for at, length, number in self._inside.find(text))
            text = _replaced(text, found)
        return _replaced(text, self._names_in(text))

    def _names_in(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield (start, end, substitute) of the names in a text: whole ones, and parts of them alone."""
        starts, ends = array("q"), array("q")
        known: dict[str, str] = {}
        words: list[str] = []
        for match in _WORD.finditer(text):
            starts.append(match.start())
            ends.append(match.end())
            words.append(known.get(match[0]) or known.setdefault(match[0], _fold(match[0])))

        def joined(at: int) -> bool:
            return _BETWEEN.match(text, ends[at], starts[at + 1]) is not None

        done = 0
        for at, length, number in (*self._phrases.find(words, joined), (len(words), 0, 0)):
            for place in range(done, at):
                substitute = self._part(words[place], text[starts[place]])
                if substitute is not None:
                    yield starts[place], ends[place], substitute
            if length:
                yield starts[at], ends[at + length - 1], self.name(number)
            done = at + length

    def _part(self, word: str, initial: str) -> str | None:
        """Return what stands for a part of a name alone; ``None`` for any other word."""
        owners = self._parts.get(word)
        if not owners or (word in _ALSO_WORDS and initial.islower()):
            return None
        if owners == {self._custodian}:
            return None
        # A first name that several share says no more than that somebody is meant.
        return self.name(next(iter(owners))) if len(owners) == 1 else SOMEONE

    def key_table(self) -> str:
        """Return who is behind each pseudonym used so far, as CSV."""
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\r\n")
        rows.writerow(("pseudonym", "pseudonym_id", "user_id", "name"))
        for number, (stand_in, name) in sorted(self._made.items()):
            rows.writerow((name, stand_in, number, cell(self._names.get(number, ""))))
        return table.getvalue()


def _replaced(text: str, found: Iterable[tuple[int, int, str]]) -> str:
    """Return the text with each (start, end, substitute) replaced; they come in order."""
    pieces: list[str] = []
    done = 0
    for start, end, substitute in found:
        pieces += [text[done:start], substitute]
        done = end
    return "".join((*pieces, text[done:])) if pieces else text


def _without_addresses(text: str) -> str:
    """Return the text with a substitute for every e-mail address.

    The search begins at each ``@`` and goes both ways: a pattern that begins with what may stand before it
    would try every letter of every word.
    """

    def addresses() -> Iterator[tuple[int, int, str]]:
        done = 0
        sign = text.find("@")
        while sign >= 0:
            before = _LOCAL.match(text[done:sign][::-1])
            domain = _DOMAIN.match(text, sign + 1) if before else None
            if before and domain:
                yield sign - before.end(), domain.end(), ADDRESS
            done = domain.end() if domain else sign + 1
            sign = text.find("@", done)

    return _replaced(text, addresses())


def _fold(word: str) -> str:
    if word.isascii():
        return word.lower()
    plain = "".join(char for char in normalized("NFKD", word) if not unicodedata.combining(char))
    return plain.casefold()
