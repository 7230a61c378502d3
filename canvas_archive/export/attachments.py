"""The attachments as files of their own, for the formats that point to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from canvas_archive.export.context import ExportContext
from canvas_archive.export.records import MessageRecord, StoredFile, ThreadRecord


class AttachmentCopier:
    """Writes ``attachments/ab/<hash>/<name>``: each content once under each of its names."""

    def __init__(self, root: Path, context: ExportContext) -> None:
        self._root = root
        self._context = context

    def add(self, thread: ThreadRecord) -> None:
        """Copy the files of one conversation."""
        for message in thread.messages:
            for file in files_of(message):
                relative = self._context.copy_path(file)
                if relative is None:
                    continue
                target = self._root / relative
                if target.exists():
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as copy:
                    for chunk in self._context.blobs.chunks(file):
                        copy.write(chunk)

    def finish(self) -> None:
        """Nothing comes last."""

    def close(self) -> None:
        """Nothing stays open."""


def files_of(message: MessageRecord) -> Iterator[StoredFile]:
    """Yield the files of a message and of all that is forwarded with it."""
    yield from message.files
    for inner in message.forwarded:
        yield from files_of(inner)
