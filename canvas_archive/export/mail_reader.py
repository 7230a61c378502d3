"""Reading the mails that ``mime`` writes, as a stream and strictly: nothing else passes for one of them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from email.utils import getaddresses, parsedate_to_datetime
from functools import lru_cache
from typing import IO

from canvas_archive.clock import iso
from canvas_archive.export.statements import (
    Forwarded,
    Statement,
    body_text,
    files_text,
    forwarded_text,
    name_text,
    recipients_text,
    time_text,
)

_LONGEST_LINE = 1 << 16
_MOST_HEADERS = 1 << 20
_MOST_TEXT = 256 << 20
_DEEPEST = 40
_BOUNDARY = re.compile(r'multipart/mixed; boundary="(=_canvas-[a-z0-9-]{1,60})"')
_MAILBOX = re.compile(r"user\.([0-9]{1,18})@.*\.invalid")
_MESSAGE_ID = re.compile(r"<msg\.([0-9]{1,18})@.*>")
_REPEATED = "x-canvas-missing-attachment"


@dataclass
class Mail:
    """A mail that was read; ``parts`` are the SHA-256 hashes of its files."""

    headers: dict[str, str]
    body: str = ""
    parts: list[str] = field(default_factory=list)
    inner: list[Mail] = field(default_factory=list)

    @property
    def id(self) -> int:
        """Return the id of the message. Raises ValueError when there is none."""
        return int(_matched(_MESSAGE_ID, self.headers.get("message-id", "")))

    def forwarded(self) -> list[Forwarded]:
        """Return the messages inside."""
        return [Forwarded(mail.id, mail.body, mail.forwarded()) for mail in self.inner]

    def statement(self) -> Statement:
        """Return what the mail says. Raises ValueError when it lacks a header that every one has."""
        headers = self.headers
        number = int(headers["x-canvas-message-id"])
        if number != self.id:
            raise ValueError("Message-ID and X-Canvas-Message-Id name different messages")
        ((name, author),) = _people(headers["from"])
        date = iso(parsedate_to_datetime(headers["date"])) if "date" in headers else ""
        return Statement(
            message=number,
            conversation=str(int(headers["x-canvas-conversation-id"])),
            subject=name_text(_decoded(headers.get("subject", ""))),
            author_id=str(author),
            author=name_text(_decoded(name)),
            time=time_text(date),
            recipients=recipients_text((number for _, number in _people(headers["to"])), author),
            body=body_text(self.body),
            generated=str("x-canvas-generated" in headers),
            files=files_text(self.parts),
            forwarded=forwarded_text(self.forwarded()),
        )


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file without their ends. Raises ValueError for one that is longer than ours."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise ValueError("it has a line that is longer than any this program writes")
        yield line.rstrip(b"\r\n")


def read_mails(lines: Iterator[bytes]) -> Iterator[Mail]:
    """Yield the mails of an mbox. Raises ValueError for anything else."""
    source = _Lines(lines, mbox=True)
    first = next(lines, None)
    if first is not None and not first.startswith(b"From "):
        raise ValueError("it does not begin as an mbox does")
    while first is not None:
        source.next_mail()
        yield _read(source, (), 0)
        if source.ended:
            return


def read_mail(lines: Iterator[bytes], sink: IO[bytes] | None = None) -> Mail:
    """Return the one mail of a file. The bytes of its last file go to ``sink``. Raises ValueError."""
    return _read(_Lines(lines, mbox=False), (), 0, sink)


class _Lines:
    """Lines up to the end of a mail."""

    def __init__(self, lines: Iterator[bytes], *, mbox: bool) -> None:
        self._lines = lines
        self._mbox = mbox
        self.ended = False
        self._done = False

    def next_mail(self) -> None:
        """Go on behind the line that separates mails."""
        self._done = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._done:
            raise StopIteration
        line = next(self._lines, None)
        if line is None or (self._mbox and line.startswith(b"From ")):
            self.ended, self._done = line is None, True
            raise StopIteration
        return line


def _read(lines: _Lines, ends: tuple[bytes, ...], depth: int, sink: IO[bytes] | None = None) -> Mail:
    """Read a mail up to a line of ``ends``, which is the boundary of what it is in; return it."""
    mail, _ = _read_until(lines, ends, depth, sink)
    return mail


def _read_until(
    lines: _Lines, ends: tuple[bytes, ...], depth: int, sink: IO[bytes] | None
) -> tuple[Mail, bytes]:
    if depth > _DEEPEST:
        raise ValueError("mails lie in mails, deeper than this program writes them")
    mail = Mail(_headers(lines))
    kind = mail.headers.get("content-type", "")
    if not kind.startswith("multipart/"):
        mail.body, end = _text(lines, mail.headers, ends)
        return mail, end
    boundary = _matched(_BOUNDARY, kind).encode("ascii")
    between, last = b"--" + boundary, b"--" + boundary + b"--"
    if next(lines, b"") != between:
        raise ValueError("its first part does not follow its headers")
    mail.body, end = _text(lines, _headers(lines), (between, last))
    while end == between:
        headers = _headers(lines)
        if headers.get("content-type") == "message/rfc822":
            inner, end = _read_until(lines, (between, last), depth + 1, None)
            mail.inner.append(inner)
        elif headers.get("content-disposition", "").startswith("attachment"):
            digest, end = _hash(lines, headers, (between, last), sink)
            mail.parts.append(digest)
        elif headers.get("content-disposition") == "inline":
            _, end = _text(lines, headers, (between, last))  # the note of the files that are not here
        else:
            raise ValueError("it has a part that this program does not write")
    if end != last:
        raise ValueError("it was cut off")
    for line in lines:
        if line in ends:
            return mail, line
        if line:
            raise ValueError("there is something behind its last part")
    return mail, b""


def _headers(lines: _Lines) -> dict[str, str]:
    """Read headers up to the empty line; a header that comes twice is none of ours."""
    found: dict[str, str] = {}
    name, size = "", 0
    for line in lines:
        if not line:
            return found
        size += len(line)
        text = line.decode("ascii")
        if text[0] in " \t" and name:
            found[name] += f" {text.strip()}"
        else:
            name, colon, value = text.partition(":")
            name = name.lower()
            if not colon or size > _MOST_HEADERS or (name in found and name != _REPEATED):
                raise ValueError(f"it has a header that this program does not write ({text[:40]!r})")
            found[name] = value.strip()
    raise ValueError("it ends among its headers")


def _text(lines: _Lines, headers: dict[str, str], ends: tuple[bytes, ...]) -> tuple[str, bytes]:
    """Return a text part, decoded, and the line that ended it."""
    if not headers.get("content-type", "").startswith("text/plain"):
        raise ValueError("it has no plain text where this program writes it")
    kept: list[bytes] = []
    size, end = 0, b""
    for line in lines:
        if line in ends:
            end = line
            break
        size += len(line) + 1
        if size > _MOST_TEXT:
            raise ValueError("its text is larger than any message")
        kept.append(line)
    raw = b"\n".join(kept)
    encoding = headers.get("content-transfer-encoding")
    if encoding == "base64":
        raw = base64.b64decode(raw)
    elif encoding == "quoted-printable":
        raw = binascii.a2b_qp(raw)
    elif encoding != "7bit":
        raise ValueError("its text is encoded as this program does not write it")
    return raw.decode("utf-8"), end


def _hash(
    lines: _Lines, headers: dict[str, str], ends: tuple[bytes, ...], sink: IO[bytes] | None
) -> tuple[str, bytes]:
    """Return the SHA-256 of a file, and the line that ended it; write its bytes to ``sink``."""
    if headers.get("content-transfer-encoding") != "base64":
        raise ValueError("it has a file that is encoded as this program does not write it")
    digest = hashlib.sha256()
    if sink is not None:
        sink.seek(0)
        sink.truncate()
    for line in lines:
        if line in ends:
            return digest.hexdigest(), line
        data = base64.b64decode(line, validate=True)
        digest.update(data)
        if sink is not None:
            sink.write(data)
    raise ValueError("it was cut off")


def _matched(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:60]!r} is not what this program writes there")
    return found[1]


@lru_cache(4096)
def _people(text: str) -> tuple[tuple[str, int], ...]:
    """Return name and id of everybody in an address header."""
    found = [(name, address) for name, address in getaddresses([text]) if address]
    return tuple((name, int(_matched(_MAILBOX, address))) for name, address in found)


def _decoded(text: str) -> str:
    return str(make_header(decode_header(text))) if "=?" in text else text
