"""What one format says of a message, in a form that can be compared with what another format says.

Formats write the same text differently: control characters become spaces, pictures or nothing, a spreadsheet
gets an apostrophe before a formula. What is left after taking that out has to be equal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from canvas_archive.export.mime import known_moment

_UNWRITABLE = re.compile("[\x80-\x9f\ud800-\udfff\ufffd]")
_DROPPED = re.compile("[\\s\x00-\x1f\x7f\u2400-\u2421]+")
_DIGEST_BYTES = 8
_NOTHING = bytes(_DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a format says of one message; ``None`` where it does not say it. Made by ``statement``."""

    message: int
    conversation: str | None = None
    subject: str | None = None
    author_id: str | None = None
    author: str | None = None
    time: str | None = None
    recipients: str | None = None
    body: str | None = None
    generated: str | None = None
    files: str | None = None
    forwarded: str | None = None

    def digests(self) -> bytes:
        """Return a short hash of everything that is said, one behind the other."""
        return b"".join(_digest(getattr(self, name)) for name in SAID)


SAID = tuple(one.name for one in fields(Statement) if one.name != "message")
"""What can be said of a message, in the order of its digests."""


@dataclass(slots=True)
class Forwarded:
    """A message inside another, with those inside it."""

    id: int
    body: str
    inner: Sequence[Forwarded] = ()

    def text(self) -> str:
        """Return it as text to compare."""
        return f"{self.id}:{body_text(self.body)}({forwarded_text(self.inner)})"


def name_text(text: str) -> str:
    """Return a name or a subject as text to compare: headers of mail keep fewer characters than others."""
    return body_text(text).replace("?", "")


def body_text(text: str) -> str:
    """Return a text to compare, without what some format cannot write as it is."""
    if not text.isascii():
        text = _UNWRITABLE.sub("?", text)
    return _DROPPED.sub("", text).lstrip("'")


def time_text(text: str) -> str:
    """Return a time to compare, to the second."""
    return known_moment(text)


def recipients_text(ids: Iterable[int], author: int) -> str:
    """Return the recipients to compare: a mail names its author only where there is nobody else."""
    everyone = set(ids)
    return " ".join(map(str, sorted(everyone - {author} or everyone)))


def files_text(hashes: Iterable[str]) -> str:
    """Return the files that are in the export to compare: the beginnings of their SHA-256."""
    return " ".join(sorted({value[:16] for value in hashes}))


def forwarded_text(messages: Iterable[Forwarded]) -> str:
    """Return the messages that are forwarded with another, to compare."""
    return ",".join(message.text() for message in messages)


def differing(digests: Sequence[bytes]) -> list[str]:
    """Return what several formats do not say alike, of those that say it."""
    found = []
    for number, name in enumerate(SAID):
        start = number * _DIGEST_BYTES
        said = {one[start : start + _DIGEST_BYTES] for one in digests} - {_NOTHING}
        if len(said) > 1:
            found.append(name.replace("_", " "))
    return found


def _digest(value: str | None) -> bytes:
    if value is None:
        return _NOTHING
    return hashlib.blake2b(value.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()
