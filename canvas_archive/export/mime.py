"""Messages as e-mail: RFC 5322 headers, MIME parts, written as a stream so that large files need no memory.

Only seven-bit lines of bounded length are produced, and no line begins with ``From ``: the result can go
into an mbox of any dialect as it is. Header values are encoded by the standard library's ``email``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from email.header import Header
from email.utils import format_datetime, quote
from urllib.parse import quote as percent

from canvas_archive.clock import iso, parse_iso
from canvas_archive.export.context import ExportContext
from canvas_archive.export.names import content_type, safe_name
from canvas_archive.export.records import MessageRecord, PersonRecord, StoredFile, ThreadRecord
from canvas_archive.unicode import MAIL_HEADER, filtered

Out = Callable[[bytes], object]

MOST_REFERENCES = 20
"""How many earlier messages ``References`` names: the first, which holds a thread, and the latest."""

_ODD_IN_BODY = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]|^>*From |\n>*From ")
_FROM_LINE = re.compile(rb"^>*From ", re.MULTILINE)
_ATOM = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]+\Z")
_LONGEST_LINE = 900
_LONG_VALUE = 2000


class MailRenderer:
    """Renders messages of one export; addresses and names are remembered while it lives."""

    def __init__(self, context: ExportContext) -> None:
        self._context = context
        self._host = context.custodian.host
        self._addresses: dict[PersonRecord, str] = {}

    def message_id(self, number: int) -> str:
        """Return the Message-ID of a message: the same in every export of every copy of the archive."""
        return f"<msg.{number}@{self._host}>"

    def address(self, person: PersonRecord) -> str:
        """Return a person as ``Name <user.ID@host.invalid>``; ``.invalid`` is reserved and goes nowhere."""
        known = self._addresses.get(person)
        if known is None:
            if len(self._addresses) > 20_000:
                self._addresses.clear()
            known = f"{display_name(person.full_name)} <{self.mailbox(person)}>"
            self._addresses[person] = known
        return known

    def mailbox(self, person: PersonRecord) -> str:
        """Return the bare address of a person."""
        return f"user.{person.id}@{self._host}.invalid"

    def write(
        self,
        out: Out,
        thread: ThreadRecord,
        message: MessageRecord,
        position: int,
        more_headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Write one message with ``\\n`` line ends. ``position`` is its place in ``thread.message_ids``."""
        lines = [*self._identity(message)]
        if thread.subject:
            lines.append(header("Subject", thread.subject))
        lines += self._references(thread.message_ids, position)
        lines += [header(name, value) for name, value in self._state(thread, message)]
        lines += [header(name, value) for name, value in more_headers]
        self._write_content(out, message, lines, 0)

    def write_forwarded(self, out: Out, message: MessageRecord) -> None:
        """Write a message that is known only from being forwarded."""
        self._write_content(out, message, [*self._identity(message)], 0)

    def _identity(self, message: MessageRecord) -> Iterable[str]:
        yield f"Message-ID: {self.message_id(message.id)}\n"
        yield date_header(message.created_at)
        yield f"From: {self.address(message.author)}\n"
        others = [person for person in message.recipients if person.id != message.author.id]
        to = others or list(message.recipients)
        # Each on a line of its own, the usual folding of a long list.
        listed = ",\n ".join(self.address(person) for person in to)
        yield f"To: {listed}\n" if to else "To: undisclosed-recipients:;\n"

    def _references(self, ids: tuple[int, ...], position: int) -> Iterable[str]:
        if position == 0:
            return
        # Only these are cut out of the ids, which a long conversation has as many of as messages.
        latest = max(1, position - MOST_REFERENCES + 1)
        named = (ids[0], *ids[latest:position])
        yield f"In-Reply-To: {self.message_id(named[-1])}\n"
        yield "References: " + "\n ".join(self.message_id(number) for number in named) + "\n"

    def _state(self, thread: ThreadRecord, message: MessageRecord) -> Iterable[tuple[str, str]]:
        yield "X-Canvas-Conversation-Id", str(thread.id)
        yield "X-Canvas-Message-Id", str(message.id)
        if thread.context_code:
            yield "X-Canvas-Context", thread.context_code
        if thread.context_name:
            yield "X-Canvas-Context-Name", thread.context_name
        yield "X-Canvas-State", thread.workflow_state
        yield "X-Canvas-Folders", " ".join(thread.folders)
        if not self._context.collection.is_complete:
            yield "X-Canvas-Collection", self._context.collection.sentence
        if thread.starred:
            yield "X-Canvas-Starred", "true"
        if thread.private:
            yield "X-Canvas-Private", "true"
        if message.generated:
            yield "X-Canvas-Generated", "true"
        removed = message.removed_at or thread.removed_at
        if removed:
            yield "X-Canvas-Removed-At", removed

    def _write_content(self, out: Out, message: MessageRecord, lines: list[str], depth: int) -> None:
        present, missing = self._context.split(message.files)
        lines += [header("X-Canvas-Missing-Attachment", f"{file.name} ({file.state})") for file in missing]
        lines.append("MIME-Version: 1.0\n")
        boundary = f"=_canvas-{message.id}-{depth}"
        text_headers, text = encode_text(message.body)
        if not message.files and not message.forwarded:
            out("".join((*lines, text_headers, "\n")).encode("ascii"))
            out(text)
            return
        lines.append(f'Content-Type: multipart/mixed; boundary="{boundary}"\n\n--{boundary}\n')
        out("".join((*lines, text_headers, "\n")).encode("ascii"))
        out(text)
        if missing:
            note_headers, note = encode_text(_absences(missing))
            out(f"\n--{boundary}\n{note_headers}Content-Disposition: inline\n\n".encode("ascii"))
            out(note)
        for file in present:
            out(f"\n--{boundary}\n{_file_headers(file)}\n".encode("ascii"))
            for chunk in self._context.blobs.chunks(file):
                out(base64_lines(chunk))
        for inner in message.forwarded:
            out(
                f"\n--{boundary}\nContent-Type: message/rfc822\nContent-Disposition: inline\n\n".encode(
                    "ascii"
                )
            )
            self._write_content(out, inner, [*self._identity(inner)], depth + 1)
        out(f"\n--{boundary}--\n".encode("ascii"))


def _absences(files: Iterable[StoredFile]) -> str:
    """Return the note that a mail program shows below the text, where the files themselves would be."""
    listed = "\n".join(f"[Attachment: {filtered(file.name, MAIL_HEADER)}, {file.absence}]" for file in files)
    return f"{listed}\n"


def known_moment(text: str) -> str:
    """Return a time as ISO UTC text, to put things in order by; the start of 1970 for what is no time."""
    try:
        return iso(parse_iso(text))
    except ValueError:
        return "1970-01-01T00:00:00Z"


def date_header(moment: str) -> str:
    """Return ``Date`` for a message, or a header of our own for what is no time."""
    try:
        return f"Date: {format_datetime(parse_iso(moment))}\n"
    except ValueError:
        return header("X-Canvas-Unreadable-Date", moment)


def header(name: str, value: str) -> str:
    """Return one header, folded and encoded as RFC 2047 asks; a line break cannot start another."""
    value = filtered(value, MAIL_HEADER).strip()
    if value.isascii() and "=?" not in value and len(name) + len(value) < 76:
        return f"{name}: {value}\n"
    if len(value) > _LONG_VALUE:
        return f"{name}: {_long_value(value)}\n"
    if value.isascii() and "=?" not in value and max(map(len, value.split(" "))) < 70:
        encoded = Header(value, "us-ascii", header_name=name, maxlinelen=76).encode(linesep="\n")
    else:
        encoded = Header(value, "utf-8", header_name=name, maxlinelen=76).encode(linesep="\n")
    return f"{name}: {encoded}\n"


def display_name(name: str) -> str:
    """Return a person's name as it may stand before an address."""
    name = filtered(name, MAIL_HEADER).strip()
    if not name:
        return '""'
    if name.isascii() and "=?" not in name and len(name) <= 60:
        return name if _ATOM.match(name) else f'"{quote(name)}"'
    if len(name) > _LONG_VALUE:
        return _long_value(name)
    return Header(name, "utf-8", maxlinelen=60).encode(linesep="\n")


def _long_value(value: str) -> str:
    """Return a long value in encoded words, one on a line. ``email`` takes 10 seconds for a megabyte."""
    starts = (0, *range(2, len(value), 11))  # the first is short, for it stands behind the field's name
    pieces = (value[start : start + 11 if start else 2].encode("utf-8", "replace") for start in starts)
    return "\n ".join(f"=?utf-8?b?{base64.b64encode(piece).decode('ascii')}?=" for piece in pieces)


def encode_text(body: str) -> tuple[str, bytes]:
    """Return the headers and the encoded lines of a text part."""
    text = body.replace("\r\n", "\n")
    if not text.endswith("\n"):
        text += "\n"
    if (
        text.isascii()
        and not _ODD_IN_BODY.search(text)
        and "--=_canvas-" not in text
        and (len(text) < _LONGEST_LINE or max(map(len, text.split("\n"))) < _LONGEST_LINE)
    ):
        return "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit\n", text.encode(
            "ascii"
        )
    raw = text.encode("utf-8", "replace")
    kind = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
    ascii_share = sum(1 for byte in raw if byte < 0x80) / len(raw)
    readable = _quoted_printable(raw) if ascii_share > 0.7 else None
    if readable is not None:
        return kind + "quoted-printable\n", readable
    return kind + "base64\n", base64_lines(raw)


def _quoted_printable(raw: bytes) -> bytes | None:
    # As binary except for the line ends: a lone carriage return or a form feed must come back as it was.
    encoded = b"\n".join(
        binascii.b2a_qp(line, quotetabs=False, istext=False, header=False) for line in raw.split(b"\n")
    )
    if _FROM_LINE.search(encoded):
        encoded = _FROM_LINE.sub(lambda found: b"=%02X%s" % (found.group()[0], found.group()[1:]), encoded)
        if max(map(len, encoded.split(b"\n"))) > 76:
            return None
    return encoded


def base64_lines(data: bytes) -> bytes:
    """Return base64 in lines of 76 characters. Chunks of a multiple of 57 bytes can be strung together."""
    encoded = base64.b64encode(data)
    return b"".join(encoded[start : start + 76] + b"\n" for start in range(0, len(encoded), 76))


def _file_headers(file: StoredFile) -> str:
    name = safe_name(file.name)
    return (
        f"Content-Type: {content_type(file.content_type)}{parameter('name', name)}\n"
        "Content-Transfer-Encoding: base64\n"
        f"Content-Disposition: attachment{parameter('filename', name)}\n"
    )


def parameter(name: str, value: str) -> str:
    """Return a header parameter with the ``;`` before it, in the form of RFC 2231 when it needs one."""
    if value.isascii() and len(value) <= 60:
        return f';\n {name}="{quote(value)}"'
    encoded = percent(value.encode("utf-8"), safe="!#$&+-.^_`|~")
    if len(encoded) <= 55:
        return f";\n {name}*=utf-8''{encoded}"
    pieces = re.findall(r"(?:%..|[^%]){1,18}", encoded)
    pieces[0] = f"utf-8''{pieces[0]}"
    return "".join(f";\n {name}*{number}*={piece}" for number, piece in enumerate(pieces))
