"""mbox and EML: the files that mail programs read."""

from __future__ import annotations

import re
from pathlib import Path

from canvas_archive.clock import iso, parse_iso
from canvas_archive.export.context import ExportContext
from canvas_archive.export.mime import MailRenderer
from canvas_archive.export.records import MessageRecord, ThreadRecord

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = "1970-01-01T00:00:00Z"


def positions(thread: ThreadRecord) -> dict[int, int]:
    """Return each stored message's place in its conversation."""
    return {number: place for place, number in enumerate(thread.message_ids)}


class MboxWriter:
    """Writes ``messages.mbox``: every message, conversation after conversation."""

    def __init__(self, target: Path, context: ExportContext) -> None:
        self._mail = MailRenderer(context)
        self._file = target.open("wb", buffering=1 << 20)

    def add(self, thread: ThreadRecord) -> None:
        """Append the messages of one conversation."""
        place = positions(thread)
        # What mutt and others keep in an mbox: seen and old, and the flag of a starred message.
        flags = [("Status", "O" if thread.workflow_state == "unread" else "RO")]
        if thread.starred:
            flags.append(("X-Status", "F"))
        for message in thread.messages:
            self._file.write(self._separator(message))
            self._mail.write(self._file.write, thread, message, place[message.id], flags)
            self._file.write(b"\n")

    def finish(self) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _separator(self, message: MessageRecord) -> bytes:
        moment = parse_iso(_date(message))
        day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
        clock = moment.strftime("%H:%M:%S")
        sender = self._mail.mailbox(message.author)
        return f"From {sender} {day} {month} {moment.day:2d} {clock} {moment.year:04d}\n".encode("ascii")


class EmlWriter:
    """Writes one ``.eml`` per message, in folders by year and month."""

    def __init__(self, target: Path, context: ExportContext) -> None:
        self._mail = MailRenderer(context)
        self._folder = target
        self._folder.mkdir(exist_ok=True)
        self._made: set[Path] = set()

    def add(self, thread: ThreadRecord) -> None:
        """Write the messages of one conversation."""
        place = positions(thread)
        for message in thread.messages:
            date = _date(message)
            folder = self._folder / date[:4] / date[5:7]
            if folder not in self._made:
                folder.mkdir(parents=True, exist_ok=True)
                self._made.add(folder)
            moment = re.sub(r"[^0-9TZ]", "", date)
            with (folder / f"{moment}-{message.id}.eml").open("xb") as file:
                self._mail.write(
                    lambda data, write=file.write: write(data.replace(b"\n", b"\r\n")),  # type: ignore[misc]
                    thread,
                    message,
                    place[message.id],
                )

    def finish(self) -> None:
        """Nothing comes last: each file is complete on its own."""

    def close(self) -> None:
        """Nothing stays open."""


def _date(message: MessageRecord) -> str:
    try:
        return iso(parse_iso(message.created_at))
    except ValueError:
        return _EPOCH
