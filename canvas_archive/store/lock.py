"""One writer at a time: a lock of the operating system's on the file ``lock`` in the archive's folder.

The file also says who holds it, for the sentence the other one gets. The lock itself is the operating
system's and goes away with its process, however that ends, so a file left behind blocks nobody.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.errors import ArchiveError, ArchiveLocked
from canvas_archive.store.private import descriptor_of, open_regular, require_regular

if TYPE_CHECKING:
    from types import TracebackType

    from filelock import BaseFileLock

LOCK_NAME = "lock"


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who wrote their name into the lock file: process id and ISO time."""

    pid: int
    since: str


class WriterLock:
    """The right to write to the archive in ``folder``; a context manager.

    ``acquire`` raises ArchiveLocked when another process (or another part of this one) has it.
    """

    def __init__(self, folder: Path, *, clock: Clock = SYSTEM) -> None:
        self.path = folder / LOCK_NAME
        self._clock = clock
        self._lock: BaseFileLock | None = None

    def acquire(self) -> None:
        """Take the lock without waiting, and write this process's id into the file."""
        from filelock import FileLock, Timeout

        with suppress(FileNotFoundError):
            require_regular(self.path)
        holder = read_holder(self.path)
        lock = FileLock(self.path, timeout=0, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            present = read_holder(self.path)
            if holder is not None and present is None:
                # Older versions of filelock empty the file when they try: the next one shall know, too.
                self._write(_entry(holder))
            raise ArchiveLocked(_sentence(self.path.parent, present or holder)) from None
        except (OSError, NotImplementedError) as error:
            from canvas_archive.machine import machine_trouble

            sentence = f"The archive in {self.path.parent} cannot be locked: {error}."
            raise machine_trouble(error) or ArchiveError(sentence) from error
        self._lock = lock
        self._write(_entry(LockHolder(os.getpid(), iso(self._clock.now()))))

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._lock is not None:
            self._write("")
            self._lock.release()
            self._lock = None

    def _write(self, text: str) -> None:
        # Only a courtesy to the other process: on Windows the file may be unwritable while locked.
        with suppress(OSError):
            descriptor = descriptor_of(self.path, os.O_WRONLY | os.O_TRUNC)
            try:
                os.write(descriptor, text.encode("ascii"))
            finally:
                os.close(descriptor)
            self.path.chmod(0o600)

    def __enter__(self) -> WriterLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def read_holder(path: Path) -> LockHolder | None:
    """Return who is written in the lock file; ``None`` when nobody is, or it cannot be read."""
    try:
        with open_regular(path) as file:
            file.seek(1)  # Windows locks the first byte, even against reading
            words = file.read(200).decode("ascii", "replace").split()
        return LockHolder(int(words[0]), words[1])
    except (OSError, IndexError, ValueError):
        return None


def present_writer(folder: Path) -> LockHolder | None:
    """Return who is writing to the archive now; ``None`` for nobody, or for somebody who was killed."""
    holder = read_holder(folder / LOCK_NAME)
    return holder if holder is not None and _is_alive(holder.pid) else None


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # pragma: no cover - Windows, where asking could end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's, or nothing that can be asked for
        return True
    return True


def _entry(holder: LockHolder) -> str:
    return f" {holder.pid} {holder.since}\n"


def _sentence(folder: Path, holder: LockHolder | None) -> str:
    who = f"process {holder.pid} (since {holder.since})" if holder else "another process"
    return f"The archive in {folder} is being written to by {who}. Wait until that ends, or stop it."
