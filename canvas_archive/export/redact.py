"""Pseudonyms for people in the records of an export, the same person the same one everywhere in it.

Without a key of its own, an export keeps the custodian's name: the archive's key makes the pseudonyms. With
one key for several archives the custodians are replaced too, because who is named in one export would be
found in the others by the times and texts of the same messages. Ids of messages, conversations and
files are replaced in both.

``known_names`` says how people are found in texts.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from canvas_archive.export.known_names import Found, KnownNames, known_words
from canvas_archive.export.pseudonyms import Pseudonyms
from canvas_archive.export.records import (
    Custodian,
    MessageRecord,
    PersonRecord,
    StoredFile,
    ThreadRecord,
)
from canvas_archive.store.cells import cell

SOMEONE = "[name]"
ADDRESS = "[e-mail address]"
UNKNOWN_RULE = "a word with a capital beside a name that was replaced, and no greeting or title"

_BESIDE = re.compile(r"(?:\A|(?<=[^\w]))([^\W\d_][\w'’-]{2,40})[ \u00a0-]\Z")
_BEHIND = re.compile(r"[ \u00a0-]([^\W\d_][\w'’-]{2,40})")
_GREETINGS = known_words("""
    dear hello thanks thank regards cheers sincerely best hey hallo liebe lieber hola bonjour from with
    and the but for professor prof doctor mrs miss sir madam coach dean please when what who yes also
    both either this that attn cher querida querido beste kind
""")
_MOST_UNKNOWN = 10_000


class Redactor:
    """Replaces people in the records of one export. ``people`` are all whose names may occur in text.

    ``more`` are (user id, kind, text): names they had before, and what they log in with.
    The custodian is replaced where ``custodian_too`` says so.
    """

    def __init__(
        self,
        key: bytes,
        custodian_id: int,
        people: Iterable[PersonRecord],
        more: Iterable[tuple[int, str, str]] = (),
        *,
        custodian_too: bool = False,
    ) -> None:
        self._made = Pseudonyms(key)
        self._stays = None if custodian_too else custodian_id
        self._known = KnownNames()
        self._names: dict[int, str] = {}
        self._replaced: Counter[tuple[str, str]] = Counter()
        self._unknown: Counter[str] = Counter()
        self._used: set[int] = set()
        for person in people:
            self._names[person.id] = person.full_name
            self._known.learn_id(person.id)
            for name in {person.name, person.full_name}:
                self._known.learn(person.id, name)
        for number, kind, text in more:
            self._known.learn_id(number)
            if kind == "login":
                self._known.learn_login(number, text)
            else:
                self._known.learn(number, text)
        self._known.prepare()

    def set_apart(self, kind: str, idents: Iterable[object]) -> None:
        """See ``Pseudonyms.set_apart``."""
        self._made.set_apart(kind, idents)

    def number(self, kind: str, ident: object) -> int:
        """Return what stands for the id of a "message", "conversation" or "file"."""
        return self._made.number(kind, ident)

    def id(self, number: int) -> int:
        """Return the number that stands for a person."""
        return self._pseudonym(number)[0]

    def name(self, number: int) -> str:
        """Return the name that stands for a person."""
        return self._pseudonym(number)[1]

    def _pseudonym(self, number: int) -> tuple[int, str]:
        if number == self._stays:
            return number, self._names.get(number, f"User {number}")
        self._used.add(number)
        return self._made.person(number)

    def person(self, person: PersonRecord) -> PersonRecord:
        """Return who stands for a person."""
        if person.id == self._stays:
            return person
        number, name = self._pseudonym(person.id)
        return PersonRecord(number, name, name)

    def custodian(self, custodian: Custodian) -> Custodian:
        """Return who the export says the mailbox belongs to, and who collected it."""
        collector = self.id(custodian.collected_by)
        if custodian.user_id == self._stays:
            return replace(custodian, collected_by=collector)
        number, name = self._pseudonym(custodian.user_id)
        return replace(custodian, user_id=number, name=name, collected_by=collector)

    def thread(self, thread: ThreadRecord) -> ThreadRecord:
        """Return a conversation with people replaced."""
        return replace(
            thread,
            id=self.number("conversation", thread.id),
            message_ids=tuple(self.number("message", number) for number in thread.message_ids),
            context_code=self.text(thread.context_code),
            contexts={self.text(code) or "": roles for code, roles in thread.contexts.items()},
            course_code=self.text(thread.course_code),
            subject=self.text(thread.subject),
            context_name=self.text(thread.context_name),
            audience=tuple(self.id(number) for number in thread.audience),
            participants=tuple(map(self.person, thread.participants)),
            messages=tuple(map(self.message, thread.messages)),
            # Fields nobody has looked at may hold anything.
            extra={},
        )

    def message(self, message: MessageRecord) -> MessageRecord:
        """Return a message with people replaced."""
        return replace(
            message,
            id=self.number("message", message.id),
            conversation_id=self.number("conversation", message.conversation_id)
            if message.conversation_id is not None
            else None,
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
            id=str(self.number("file", file.id)),
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
        pieces: list[str] = []
        done = 0
        for place in self._known.find(text):
            if place.number is not None and place.number == self._stays:
                continue
            substitute = self._substitute(place)
            self._replaced[(substitute, place.kind)] += 1
            if place.kind in ("name", "part"):
                self._look_beside(text, done, place)
            pieces += [text[done : place.start], substitute]
            done = place.end
        return "".join((*pieces, text[done:])) if pieces else text

    def _substitute(self, place: Found) -> str:
        if place.kind == "address":
            return ADDRESS
        if place.number is None:
            return SOMEONE  # a first name that several share says no more than that somebody is meant
        if place.kind == "id":
            return str(self.id(place.number))
        if place.kind in ("name", "part"):
            return self.name(place.number)
        return str(self.number(place.kind, place.number))

    def _look_beside(self, text: str, done: int, place: Found) -> None:
        before = _BESIDE.search(text[max(done, place.start - 43) : place.start])
        behind = _BEHIND.match(text, place.end)
        for match in (before, behind):
            if match and match[1][0].isupper() and len(self._unknown) < _MOST_UNKNOWN:
                word = match[1]
                if word.lower() not in _GREETINGS and next(self._known.find(word), None) is None:
                    self._unknown[word] += 1

    def report(self) -> str:
        """Return what was replaced how often, and which words may be names of people nobody knows."""
        lines = ["Replaced (by what, as what, how often):"]
        lines += [f"{name}\t{kind}\t{count}" for (name, kind), count in sorted(self._replaced.items())]
        lines += ["", f"Not replaced, perhaps names ({UNKNOWN_RULE}):"]
        found = sorted(self._unknown.items(), key=lambda one: (-one[1], one[0]))
        lines += [f"{word}\t{count}" for word, count in found] or ["(none)"]
        return "\n".join(lines) + "\n"

    def names_table(self) -> str:
        """Return who is behind each pseudonym used so far, as CSV."""
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\r\n")
        rows.writerow(("pseudonym", "pseudonym_id", "user_id", "name"))
        for number in sorted(self._used):
            stand_in, name = self._made.person(number)
            rows.writerow((name, stand_in, number, cell(self._names.get(number, ""))))
        return table.getvalue()
