"""What a format is told about the export it takes part in, and how it reads the bytes of attachments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from canvas_archive import __version__
from canvas_archive.errors import VerificationFailed
from canvas_archive.export.completeness import Completeness
from canvas_archive.export.names import inert_name
from canvas_archive.export.records import Custodian, StoredFile, ThreadRecord
from canvas_archive.export.selection import Scope, Selection
from canvas_archive.store.blobs import readable_blob

GENERATOR = f"canvas-archive {__version__}"
ATTACHMENTS = "attachments"
"""The folder of an export that holds the attachments as files of their own."""

CHUNK = 57 * 4096
"""Bytes read at once: a multiple of what one line of base64 takes."""


@dataclass(frozen=True, slots=True)
class Blobs:
    """The bytes in ``files_dir``; none at all when ``included`` is false."""

    files_dir: Path
    included: bool = True

    def path(self, file: StoredFile) -> Path | None:
        """Return where the bytes lie; ``None`` when they are not stored, not there, or not to be exported."""
        if not self.included or not file.is_stored or file.sha256 is None:
            return None
        return readable_blob(self.files_dir, file.sha256)

    def chunks(self, file: StoredFile) -> Iterator[bytes]:
        """Yield the bytes of a file that has a ``path``.

        Raises VerificationFailed at their end when they are not the recorded ones: evidence that was altered
        on the disk must not leave the house unnoticed. The same for a file that has gone in the meantime.
        """
        path = self.path(file)
        if path is None:
            raise VerificationFailed(
                f"The stored file of {file.name} is gone. Run 'canvas-archive verify', then sync again or "
                "restore a backup."
            )
        digest = hashlib.sha256()
        with path.open("rb") as source:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                yield chunk
        if digest.hexdigest() != file.sha256:
            raise VerificationFailed(
                f"The stored file {path} ({file.name}) does not match its SHA-256. "
                "Run 'canvas-archive verify', then sync again or restore a backup."
            )


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How an export is written, whatever is selected."""

    attachments: bool = True
    slice_by_day: bool = False
    excel: bool = False
    separator: str | None = None
    raw: bool = False
    string_ids: bool = False
    redacted: bool = False
    receipts: bool = False


@dataclass(frozen=True, slots=True)
class ExportContext:
    """What every format knows. ``copies`` says whether attachments also lie in the export as files."""

    custodian: Custodian
    selection: Selection
    scope: Scope
    blobs: Blobs
    collection: Completeness
    options: ExportOptions = field(default_factory=ExportOptions)
    copies: bool = False
    is_folder: bool = False

    def split(self, files: Iterable[StoredFile]) -> tuple[list[StoredFile], list[StoredFile]]:
        """Return the files whose bytes can be read, and the others."""
        present: list[StoredFile] = []
        missing: list[StoredFile] = []
        for file in files:
            (missing if self.blobs.path(file) is None else present).append(file)
        return present, missing

    def copy_path(self, file: StoredFile) -> str | None:
        """Return the path (with ``/``) of a file's copy below the export's root; ``None`` for no copy."""
        if not self.copies or file.sha256 is None or self.blobs.path(file) is None:
            return None
        # The hash keeps equal names apart and equal files together; 64 bits of it are plenty for that.
        return f"{ATTACHMENTS}/{file.sha256[:2]}/{file.sha256[:16]}/{inert_name(file.name)}"


class Writer(Protocol):
    """One format at work. ``add`` gets the conversations by id; ``finish`` completes the files."""

    def add(self, thread: ThreadRecord) -> None:
        """Write one conversation."""

    def finish(self) -> None:
        """Write what comes last, and close the files."""

    def close(self) -> None:
        """Let go of open files; called after ``finish`` too, and when the export is given up."""
