"""A conversation as a file: text to read, JSON to process, e-mail to open in a mail program."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from canvas_archive.errors import BadInput
from canvas_archive.export.completeness import completeness
from canvas_archive.export.context import Blobs, ExportContext, ExportOptions
from canvas_archive.export.mail import positions
from canvas_archive.export.mime import MailRenderer, date_header, encode_text, header
from canvas_archive.export.reader import Snapshot
from canvas_archive.export.selection import Selection
from canvas_archive.store.threads import Thread, ThreadMessage
from canvas_archive.web.dates import Dates

WIDTH = 78
DEEPEST_QUOTE = 8
TYPES = {
    "txt": "text/plain; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "eml": "message/rfc822",
}


def thread_text(thread: Thread, dates: Dates, base_url: str) -> str:
    """Return a conversation as plain text, oldest message first."""
    lines = [thread.subject or "(no subject)"]
    if thread.context_name:
        lines.append(thread.context_name)
    lines += textwrap.wrap("With " + ", ".join(person.name for person in thread.participants), WIDTH)
    lines.append(f"Conversation {thread.id} on {base_url}")
    if thread.removed_at:
        lines.append(f"No longer on Canvas since {dates.full(thread.removed_at)}")
    for message in thread.messages:
        lines += ["", "-" * WIDTH, *_message_lines(message, dates, 0)]
    return "\n".join(lines) + "\n"


def _message_lines(message: ThreadMessage, dates: Dates, depth: int) -> Iterator[str]:
    margin = "> " * min(depth, DEEPEST_QUOTE)
    if message.generated:
        yield f"{margin}[{dates.full(message.created_at)}] {message.body}"
        return
    yield f"{margin}{message.author.name}, {dates.exact(message.created_at)}"
    if message.removed_at:
        yield f"{margin}(removed from Canvas, noticed {dates.day(message.removed_at)})"
    yield margin.rstrip()
    for line in message.body.splitlines():
        yield f"{margin}{line}".rstrip()
    for file in message.attachments:
        yield f"{margin}[Attachment: {file.name}{'' if file.state == 'stored' else f', {file.state}'}]"
    for media in message.media:
        yield f"{margin}[{(media.media_type or 'recording').capitalize()}: {media.name or media.media_id}]"
    for inner in message.forwarded:
        yield margin.rstrip()
        yield f"{margin}Forwarded message:"
        yield from _message_lines(inner, dates, depth + 1)


def thread_json(thread: Thread, base_url: str) -> str:
    """Return a conversation as one JSON document."""
    return json.dumps({"base_url": base_url, **asdict(thread)}, ensure_ascii=False, indent=2) + "\n"


def thread_eml(db_path: Path, files: Path, conversation_id: int, transcript: str) -> bytes:
    """Return a conversation as one e-mail.

    A single message is that message. Several become parts of one, each openable by itself with its
    attachments, below a transcript of all. Raises BadInput when there is no message to write.
    """
    with Snapshot(db_path) as snapshot:
        scope = snapshot.choose(Selection(ids=(conversation_id,)))
        context = ExportContext(
            custodian=snapshot.custodian,
            selection=Selection(),
            scope=scope,
            collection=completeness(snapshot.db, chosen=True),
            blobs=Blobs(files),
            options=ExportOptions(),
        )
        mail = MailRenderer(context)
        thread = next(iter(snapshot.threads(scope)), None)
        if thread is None or not thread.messages:
            raise BadInput(f"The archive holds no message of conversation {conversation_id}.")
        place = positions(thread)
        parts: list[bytes] = []
        for message in thread.messages:
            pieces: list[bytes] = []
            mail.write(pieces.append, thread, message, place[message.id])
            parts.append(b"".join(pieces))
        if len(parts) == 1:
            return parts[0].replace(b"\n", b"\r\n")
        last = thread.messages[-1]
        boundary = f"=_canvas-thread-{thread.id}"
        others = [person for person in thread.participants if person.id != last.author.id]
        text_headers, text = encode_text(transcript)
        head = "".join(
            (
                f"Message-ID: <thread.{thread.id}@{snapshot.custodian.host}>\n",
                date_header(last.created_at),
                f"From: {mail.address(last.author)}\n",
                "To: " + (",\n ".join(map(mail.address, others)) or "undisclosed-recipients:;") + "\n",
                header("Subject", thread.subject or "(no subject)"),
                f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{boundary}"\n\n',
                f"--{boundary}\n{text_headers}\n",
            )
        ).encode("ascii")
        nested = (
            f"\n--{boundary}\nContent-Type: message/rfc822\nContent-Disposition: attachment;"
            f' filename="{number:03d}.eml"\n\n'.encode("ascii")
            + part
            for number, part in enumerate(parts, 1)
        )
        whole = b"".join((head, text, *nested, f"\n--{boundary}--\n".encode("ascii")))
        return whole.replace(b"\n", b"\r\n")
