"""mbox and EML: the files that mail programs read."""

from __future__ import annotations

import re
from pathlib import Path

from canvas_archive.clock import parse_iso
from canvas_archive.export.context import ExportContext
from canvas_archive.export.mime import MailRenderer, known_moment
from canvas_archive.export.records import MessageRecord, ThreadRecord


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
        moment = parse_iso(known_moment(message.created_at))
        return f"From {self._mail.mailbox(message.author)} {moment.ctime()}\n".encode("ascii")


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
            date = known_moment(message.created_at)
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
