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
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from canvas_archive.errors import BadInput, UnusableFile
from canvas_archive.export.records import MessageRecord, Person, StoredFile, ThreadRecord
from canvas_archive.store.cells import cell
from canvas_archive.store.private import read_regular

KEY_NAME = "redaction.key"
SOMEONE = "[name]"
ADDRESS = "[e-mail address]"

_WORD = re.compile(r"[^\W\d_]+")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
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

    def __init__(self, key: bytes, custodian_id: int, people: Iterable[Person]) -> None:
        self._key = key
        self._custodian = custodian_id
        self._made: dict[int, tuple[int, str]] = {}
        self._phrases: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        self._parts: dict[str, set[int]] = {}
        self._inside: dict[str, int] = {}
        self._names: dict[int, str] = {}
        for person in people:
            self._learn(person)
        for known in self._phrases.values():
            known.sort(key=lambda entry: (-len(entry[0]), entry))
        longest_first = sorted(self._inside, key=lambda name: (-len(name), name))
        self._inside_pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def _learn(self, person: Person) -> None:
        self._names[person.id] = person.full_name
        for name in {person.name, person.full_name}:
            words = tuple(_fold(word) for word in _WORD.findall(name))
            if _UNSPACED.search(name):
                for piece in {name.strip(), *_WORD.findall(name)}:
                    if _UNSPACED.search(piece):
                        self._inside.setdefault(piece, person.id)
            if not words or (len(words) == 1 and len(words[0]) < 2):
                continue
            for order in {words, words[::-1], ("".join(words),), ("".join(words[::-1]),)}:
                if len(order) > 1 or len(words) > 1:
                    self._phrases.setdefault(order[0], []).append((order, person.id))
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

    def person(self, person: Person) -> Person:
        """Return who stands for a person; the custodian stays."""
        if person.id == self._custodian:
            return person
        number, name = self._pseudonym(person.id)
        return Person(number, name, name)

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
        text = _EMAIL.sub(ADDRESS, text)
        text = _PROFILE.sub(lambda found: f"{found[1]}{self.id(int(found[2]))}", text)
        if self._inside_pattern is not None:
            text = self._inside_pattern.sub(lambda found: self.name(self._inside[found[0]]), text)
        return self._replace_words(text)

    def _replace_words(self, text: str) -> str:
        words = list(_WORD.finditer(text))
        folded = [_fold(word[0]) for word in words]
        pieces: list[str] = []
        done = place = 0
        while place < len(words):
            length, substitute = self._match(text, words, folded, place)
            if length:
                pieces += [text[done : words[place].start()], substitute]
                done = words[place + length - 1].end()
            place += length or 1
        return "".join((*pieces, text[done:])) if pieces else text

    def _match(self, text: str, words: list[re.Match[str]], folded: list[str], place: int) -> tuple[int, str]:
        first = folded[place]
        for phrase, number in self._phrases.get(first, ()):
            length = len(phrase)
            if tuple(folded[place : place + length]) == phrase and all(
                _BETWEEN.match(text, words[at].end(), words[at + 1].start())
                for at in range(place, place + length - 1)
            ):
                return length, self.name(number)
        owners = self._parts.get(first)
        if not owners or (first in _ALSO_WORDS and words[place][0][:1].islower()):
            return 0, ""
        if owners == {self._custodian}:
            return 0, ""
        # A first name that several share says no more than that somebody is meant.
        return 1, self.name(next(iter(owners))) if len(owners) == 1 else SOMEONE

    def key_table(self) -> str:
        """Return who is behind each pseudonym used so far, as CSV."""
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\r\n")
        rows.writerow(("pseudonym", "pseudonym_id", "user_id", "name"))
        for number, (stand_in, name) in sorted(self._made.items()):
            rows.writerow((name, stand_in, number, cell(self._names.get(number, ""))))
        return table.getvalue()


def _fold(word: str) -> str:
    if word.isascii():
        return word.lower()
    plain = "".join(char for char in unicodedata.normalize("NFKD", word) if not unicodedata.combining(char))
    return plain.casefold()
