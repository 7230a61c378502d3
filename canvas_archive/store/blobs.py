"""Attachment bytes on the disk: ``files/ab/ab12...``, named by their SHA-256 and by nothing else.

A download is written to ``files/.incoming/<attachment id>.part`` and hashed on the way; an interrupted
one stays there and goes on from its size. After the bytes reached the disk, they get their name in one step,
right before the row that refers to them is written: no sync leaves bytes that belong to nothing.
Names that people gave to files never become paths. Nothing is written through a link.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from canvas_archive.errors import BadInput
from canvas_archive.store.private import (
    descriptor_of,
    is_regular,
    make_folder,
    require_folder,
    sync_folder,
    touch_private,
)

if TYPE_CHECKING:
    from collections.abc import Container
    from types import TracebackType

INCOMING = ".incoming"
LEAST_TAKEN = -(2**62)
"""Part numbers up to this one are taken by files that another process may be copying into the archive."""

_HASH = re.compile(r"[0-9a-f]{64}\Z")
_PART = re.compile(r"(-?\d{1,20})\.part\Z")
_ABANDONED_SECONDS = 86_400.0
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """Where bytes were stored. ``size`` in bytes; ``known`` when the same bytes were there before."""

    sha256: str
    size: int
    path: Path
    known: bool


def blob_path(files_dir: Path, digest: str) -> Path:
    """Return the path of stored bytes. Raises BadInput for anything but 64 lowercase hex digits."""
    if not _HASH.match(digest):
        raise BadInput(f"{digest!r} is not a SHA-256 in hexadecimal.")
    return files_dir / digest[:2] / digest


def readable_blob(files_dir: Path, digest: str) -> Path | None:
    """Return the path of stored bytes; ``None`` when they are not there, or a link stands in their place.

    A folder or file that is a link leads out of the archive, and somebody else may have chosen where to; so
    does a row whose hash is none.
    """
    if not _HASH.match(digest):
        return None
    path = blob_path(files_dir, digest)
    if path.parent.is_symlink() or path.is_symlink() or not path.is_file():
        return None
    return path


def open_blob(files_dir: Path, digest: str) -> BinaryIO:
    """Open stored bytes for reading. Raises FileNotFoundError where ``readable_blob`` finds none."""
    path = readable_blob(files_dir, digest)
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(files_dir / digest))
    return path.open("rb")


def clean_parts(files_dir: Path, wanted: Container[int]) -> int:
    """Remove unfinished downloads that are empty or not ``wanted`` any more; return how many.

    Raises UnusableFile when the folder of unfinished downloads is a link.
    """
    folder = files_dir / INCOMING
    if not os.path.lexists(folder):
        return 0
    require_folder(folder)
    removed = 0
    for path in list(folder.iterdir()):
        match = _PART.match(path.name)
        try:
            about = path.lstat()
        except FileNotFoundError:  # another process has finished with it
            continue
        if match is None or not stat.S_ISREG(about.st_mode):
            continue
        number = int(match[1])
        if number <= LEAST_TAKEN:
            leftover = time.time() - about.st_mtime > _ABANDONED_SECONDS
        else:
            leftover = about.st_size == 0 or number not in wanted
        if leftover:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def forget_part(files_dir: Path, attachment_id: int) -> None:
    """Remove what an unfinished download left, if anything."""
    path = part_path(files_dir, attachment_id)
    if is_regular(path):
        path.unlink(missing_ok=True)


def part_path(files_dir: Path, attachment_id: int) -> Path:
    """Return the path of an unfinished download."""
    return files_dir / INCOMING / f"{int(attachment_id)}.part"


def place_blob(files_dir: Path, finished: StoredBlob) -> StoredBlob:
    """Give finished bytes the name of their hash; the same bytes are stored once.

    Raises UnusableFile where a link, or anything but a folder, has the name of the folder.
    """
    target = blob_path(files_dir, finished.sha256)
    make_folder(target.parent)
    if is_regular(target) and target.lstat().st_size == finished.size:
        finished.path.unlink()
        return replace(finished, path=target, known=True)
    finished.path.chmod(0o600)
    finished.path.replace(target)  # a link of that name is replaced, not followed
    sync_folder(target.parent)
    return replace(finished, path=target)


class BlobWriter:
    """A sink for one attachment's bytes; a context manager.

    ``size`` is what is there already, also from an earlier try: ask for the rest from that offset, or
    ``restart`` when the server gives everything again. Leaving the block without ``commit`` or
    ``discard`` keeps what arrived for the next try.

    Raises UnusableFile where a link, or anything but a file or folder, has the name of one.
    """

    def __init__(self, files_dir: Path, attachment_id: int) -> None:
        self._files_dir = files_dir
        self.path = part_path(files_dir, attachment_id)
        make_folder(files_dir)
        make_folder(self.path.parent)
        self._hash = sha256()
        self.size = 0
        self._file = os.fdopen(self._open(), "r+b")
        while chunk := self._file.read(_CHUNK):
            self._hash.update(chunk)
            self.size += len(chunk)

    def _open(self) -> int:
        touch_private(self.path)
        descriptor = descriptor_of(self.path, os.O_RDWR)
        if os.fstat(descriptor).st_nlink > 1:
            # The same bytes have another name somewhere: these are not ours to change.
            os.close(descriptor)
            self.path.unlink()
            touch_private(self.path)
            descriptor = descriptor_of(self.path, os.O_RDWR)
        return descriptor

    def write(self, data: bytes) -> int:
        """Append bytes; return how many."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self.size

    def flush(self) -> None:
        """Hand what is buffered to the system."""
        self._file.flush()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to the start (which means beginning anew, see ``restart``) or stay at the end."""
        target = offset + (0 if whence == os.SEEK_SET else self.size)
        if target == 0:
            self.restart()
        elif target != self.size:
            raise ValueError("bytes are only ever appended")
        return self.size

    def truncate(self, size: int | None = None) -> int:
        """Drop everything (0), or nothing (the present size)."""
        return self.seek(self.size if size is None else size)

    def restart(self) -> None:
        """Throw away what is there and begin at offset 0."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = sha256()
        self.size = 0

    def finish(self) -> StoredBlob:
        """Bring the bytes to the disk, still as an unfinished download; ``place_blob`` names them."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return StoredBlob(self._hash.hexdigest(), self.size, self.path, known=False)

    def commit(self) -> StoredBlob:
        """Bring the bytes to the disk and give them their name; the same bytes are stored once."""
        return place_blob(self._files_dir, self.finish())

    def head(self, length: int) -> bytes:
        """Return the first bytes."""
        self._file.seek(0)
        found = self._file.read(length)
        self._file.seek(0, os.SEEK_END)
        return found

    def discard(self) -> None:
        """Drop everything that arrived."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop here and keep what arrived, if anything, for the next try."""
        if self._file.closed:
            return
        self._file.close()
        if self.size == 0:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
