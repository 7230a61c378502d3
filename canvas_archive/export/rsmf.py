"""Relativity Short Message Format 2.0: what review platforms take chats as.

An ``.rsmf`` file is an e-mail with a readable text and one attachment, ``rsmf.zip``, that holds
``rsmf_manifest.json`` and the files. One file per conversation, or per conversation and UTC day; a very
long one is split, because reviewers' tools want no more than ten thousand events at once.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from canvas_archive.export.context import CHUNK, GENERATOR, ExportContext
from canvas_archive.export.mime import (
    MailRenderer,
    base64_lines,
    date_header,
    encode_text,
    header,
    known_moment,
)
from canvas_archive.export.names import safe_name
from canvas_archive.export.records import MessageRecord, PersonRecord, StoredFile, ThreadRecord

VERSION = "2.0.0"
PLATFORM = "canvas"
MOST_EVENTS = 10_000
MANIFEST_NAME = "rsmf_manifest.json"

_IN_MEMORY = 8 << 20
_FOLDERS = 256

Json = dict[str, object]


class RsmfWriter:
    """Writes ``rsmf/xx/conversation-ID.rsmf``."""

    def __init__(self, target: Path, context: ExportContext) -> None:
        self._folder = target
        self._folder.mkdir(exist_ok=True)
        self._context = context
        self._mail = MailRenderer(context)

    def add(self, thread: ThreadRecord) -> None:
        """Write the file or files of one conversation."""
        for suffix, part in self._slices(thread):
            # Many thousand files in one folder are hard on file managers and on Windows.
            folder = self._folder / f"{thread.id % _FOLDERS:02x}"
            folder.mkdir(exist_ok=True)
            with (folder / f"conversation-{thread.id}{suffix}.rsmf").open("xb") as out:
                self._write(out, thread, part, suffix)

    def finish(self) -> None:
        """Nothing comes last: each file is complete on its own."""

    def close(self) -> None:
        """Nothing stays open."""

    def _slices(self, thread: ThreadRecord) -> Iterator[tuple[str, list[MessageRecord]]]:
        days: dict[str, list[MessageRecord]] = {}
        for message in thread.messages:
            day = f"-{known_moment(message.created_at)[:10]}" if self._context.options.slice_by_day else ""
            days.setdefault(day, []).append(message)
        for day, messages in days.items():
            if len(messages) <= MOST_EVENTS:
                yield day, messages
                continue
            for number, start in enumerate(range(0, len(messages), MOST_EVENTS), start=1):
                yield f"{day}-part{number}", messages[start : start + MOST_EVENTS]

    def _write(self, out: IO[bytes], thread: ThreadRecord, part: list[MessageRecord], suffix: str) -> None:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as archive:
            attachments = self._write_zip(archive, thread, part)
            archive.seek(0)
            self._write_mail(out, thread, part, suffix, attachments, archive)

    def _write_mail(
        self,
        out: IO[bytes],
        thread: ThreadRecord,
        part: list[MessageRecord],
        suffix: str,
        attachments: int,
        archive: IO[bytes],
    ) -> None:
        custodian = self._context.custodian
        owner = PersonRecord(custodian.user_id, custodian.name, custodian.name)
        boundary = f"=_canvas-rsmf-{thread.id}"
        begin, end = known_moment(part[0].created_at), known_moment(part[-1].created_at)
        everyone = _people(thread, part)
        people = [self._mail.address(person) for person in everyone if person.id != owner.id]
        lines = [
            header("X-RSMF-Version", VERSION),
            header("X-RSMF-Generator", GENERATOR),
            header("X-RSMF-BeginDate", begin),
            header("X-RSMF-EndDate", end),
            header("X-RSMF-EventCount", str(sum(len(_joined(thread, message)) or 1 for message in part))),
            header("X-RSMF-AttachmentCount", str(attachments)),
            header("X-RSMF-EventCollectionID", self._collection_id(thread)),
            header("X-RSMF-Custodian", custodian.name),
            header("X-RSMF-Participants", "; ".join(person.full_name for person in everyone)),
            header("X-RSMF-Application", "Canvas"),
            f"Message-ID: <rsmf.{thread.id}{suffix}@{custodian.host}>\n",
            date_header(end),
            f"From: {self._mail.address(owner)}\n",
            ("To: " + ",\n ".join(people) + "\n") if people else "To: undisclosed-recipients:;\n",
        ]
        if thread.subject:
            lines.append(header("Subject", thread.subject))
        text_headers, text = encode_text(_readable(part))
        lines.append(f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{boundary}"\n\n')
        lines.append(f"--{boundary}\n{text_headers}\n")
        _crlf(out, "".join(lines).encode("ascii"))
        _crlf(out, text)
        _crlf(
            out,
            f'\n--{boundary}\nContent-Type: application/zip; name="rsmf.zip"\n'
            "Content-Transfer-Encoding: base64\n"
            'Content-Disposition: attachment; filename="rsmf.zip"\n\n'.encode("ascii"),
        )
        while chunk := archive.read(CHUNK):
            _crlf(out, base64_lines(chunk))
        _crlf(out, f"\n--{boundary}--\n".encode("ascii"))

    def _write_zip(self, archive: IO[bytes], thread: ThreadRecord, part: list[MessageRecord]) -> int:
        # Stored, not deflated: compressors of different versions give different bytes.
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as zipped:
            events = [event for message in part for event in self._events(zipped, thread, message)]
            with zipped.open(_entry(MANIFEST_NAME), "w") as entry:
                entry.write(self._manifest(thread, part, events))
            return len(zipped.namelist()) - 1

    def _manifest(self, thread: ThreadRecord, part: list[MessageRecord], events: list[Json]) -> bytes:
        custodian = self._context.custodian
        everyone = _people(thread, part)
        ids = {person.id for person in everyone}
        conversation: Json = {
            "id": str(thread.id),
            "display": thread.subject or "",
            "platform": PLATFORM,
            # Of a private conversation Canvas never changes the participants.
            "type": "direct" if thread.private else "channel",
            "participants": [str(person.id) for person in everyone],
            "custom": _custom(
                ("Canvas host", custodian.host),
                ("Collection", self._context.collection.sentence),
                ("Context", thread.context_name),
                ("Context code", thread.context_code),
                ("Folders", " ".join(thread.folders)),
                ("State", thread.workflow_state),
                ("Starred", "true" if thread.starred else None),
                ("Removed from Canvas", thread.removed_at),
            ),
        }
        if custodian.user_id in ids:
            conversation["custodian"] = str(custodian.user_id)
        document: Json = {
            "version": VERSION,
            "participants": [self._participant(person) for person in everyone],
            "conversations": [conversation],
            "events": events,
            "eventcollectionid": self._collection_id(thread),
        }
        return json.dumps(document, ensure_ascii=True, indent=1).encode("ascii")

    def _participant(self, person: PersonRecord) -> Json:
        return {
            "id": str(person.id),
            "display": person.full_name,
            "email": self._mail.mailbox(person),
            "account_id": str(person.id),
        }

    def _events(self, zipped: zipfile.ZipFile, thread: ThreadRecord, message: MessageRecord) -> list[Json]:
        """Return the event of a message; of people who were added, one for each of them."""
        event = self._event(zipped, thread, message)
        joined = _joined(thread, message)
        return [
            {
                **event,
                "id": f"{message.id}-{person.id}" if number else event["id"],
                "type": "join",
                "participant": str(person.id),
            }
            for number, person in enumerate(joined)
        ] or [event]

    def _event(self, zipped: zipfile.ZipFile, thread: ThreadRecord, message: MessageRecord) -> Json:
        outgoing = message.author.id == self._context.custodian.user_id
        present, missing = self._context.split(message.files)
        event: Json = {
            "id": str(message.id),
            # Lines that Canvas wrote itself are no message of the person they are filed under.
            "type": "unknown" if message.generated else "message",
            "body": message.body,
            "participant": str(message.author.id),
            "conversation": str(thread.id),
            "timestamp": known_moment(message.created_at),
            "direction": "outgoing" if outgoing else "incoming",
            "deleted": bool(message.removed_at or thread.removed_at),
            "custom": _custom(
                ("Recipients", "; ".join(person.full_name for person in message.recipients)),
                ("Generated by Canvas", "true" if message.generated else None),
                ("Added by", message.author.full_name if _joined(thread, message) else None),
                ("Removed from Canvas", message.removed_at),
                ("Files not collected", "; ".join(f"{file.name} ({file.state})" for file in missing)),
                ("Forwards", ", ".join(str(inner.id) for inner in message.forwarded)),
            ),
        }
        attachments = [self._store(zipped, message, file) for file in present] + [
            self._forward(zipped, thread, message, inner) for inner in message.forwarded
        ]
        if attachments:
            event["attachments"] = attachments
        return event

    def _store(self, zipped: zipfile.ZipFile, message: MessageRecord, file: StoredFile) -> Json:
        name = safe_name(f"{message.id}-{safe_name(file.id)}-{file.name}")
        if name in zipped.NameToInfo:  # two recordings whose long ids begin alike
            name = safe_name(f"{len(zipped.NameToInfo)}-{name}")
        with zipped.open(_entry(name, file.stored_size or 0), "w") as entry:
            for chunk in self._context.blobs.chunks(file):
                entry.write(chunk)
        return {"id": name, "display": safe_name(file.name), "size": file.stored_size or 0}

    def _forward(
        self, zipped: zipfile.ZipFile, thread: ThreadRecord, message: MessageRecord, inner: MessageRecord
    ) -> Json:
        name = f"{message.id}-forwarded-{inner.id}.eml"
        with zipped.open(_entry(name, mail_size(inner)), "w") as entry:
            self._mail.write_forwarded(lambda data: _crlf(entry, data), inner)
        return {"id": name, "display": name, "size": zipped.getinfo(name).file_size}

    def _collection_id(self, thread: ThreadRecord) -> str:
        return f"{thread.id}@{self._context.custodian.host}"


def _joined(thread: ThreadRecord, message: MessageRecord) -> list[PersonRecord]:
    """Return who was added by a line that Canvas wrote; nobody where its text does not name them for certain.

    Canvas writes such lines in the reader's language, but always with the names of those who were added.
    """
    if not message.generated:
        return []
    everyone = {person.id: person for person in (*thread.participants, message.author)}
    names = {name: one.id for one in everyone.values() for name in (one.name, one.full_name) if name}
    rest, found = message.body, set()
    # Longer names first: "Ann" is not named by "Ann Lee".
    for name in sorted(names, key=len, reverse=True):
        rest, times = re.subn(rf"(?<!\w){re.escape(name)}(?!\w)", "\0", rest)
        if times:
            if any(name in (one.name, one.full_name) and one.id != names[name] for one in everyone.values()):
                return []  # two people have it
            found.add(names[name])
    return [person for person in thread.participants if person.id in found - {message.author.id}]


def _people(thread: ThreadRecord, part: list[MessageRecord]) -> list[PersonRecord]:
    found = {person.id: person for person in thread.participants}
    for message in part:
        found.setdefault(message.author.id, message.author)
    return list(found.values())


def _custom(*pairs: tuple[str, str | None]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in pairs if value]


def _entry(name: str, size: int = 0) -> zipfile.ZipInfo:
    # The size decides whether the entry is written as ZIP64, which small ones should not be: not everything
    # that reads RSMF can read that, and versions of Python differ in how they write it.
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o600 << 16
    entry.file_size = size
    return entry


def mail_size(message: MessageRecord) -> int:
    """Return about how many bytes a forwarded message takes as a mail; rather too many. Pure."""
    texts = 4 * len(message.body.encode("utf-8", "replace")) + 10_000
    files = sum((file.stored_size or 0) * 3 // 2 + 1000 for file in message.files)
    return texts + files + sum(mail_size(inner) * 3 // 2 for inner in message.forwarded)


def _readable(part: list[MessageRecord]) -> str:
    return "\n\n".join(
        f"[{message.created_at}] {message.author.full_name}:\n{message.body}" for message in part
    )


def _crlf(out: IO[bytes], data: bytes) -> None:
    out.write(data.replace(b"\n", b"\r\n"))
