"""The process that reads attached files, seen from the process that asks it.

One process reads many files (``extractors.py``). It starts when the first file is to be read, with an
environment that holds nothing. A file that makes it die, hang or answer nonsense costs that file its text and
the process its life; the next file gets a new one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

from canvas_archive.children import kill_group
from canvas_archive.errors import ArchiveError
from canvas_archive.search.index.extractors import (
    ANSWER,
    CPU_SECONDS,
    KINDS,
    LARGEST_TEXT,
    NO_LIBRARY,
    READY,
    REQUEST,
    TEXT,
    UNREADABLE,
)

PATIENCE = 30.0  # seconds for one document; on a busy machine the limit of processor time strikes first
_START = 30.0  # seconds for the process to start
_END = 2.0  # seconds for it to end
_LARGEST_ANSWER = 4 * LARGEST_TEXT  # bytes
_VERSION = 1  # raise this when texts are read otherwise: files without a text are read again

_LIBRARIES = {"html": "lxml", "docx": "lxml", "pdf": "pypdf"}
# What Python itself needs of an environment.
_NEEDED = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_CHILD = (
    "import sys; sys.path += sys.argv[1:]; from canvas_archive.search.index.extractors import main; main()"
)


class Unreadable(Exception):
    """The file has no text; the message says why."""


class ReaderUnavailable(ArchiveError):
    """No file can be read now, whatever it holds."""


def can_read(kind: str) -> bool:
    """Return whether the library that reads a kind is installed."""
    return kind not in _LIBRARIES or find_spec(_LIBRARIES[kind]) is not None


def reader_of(kind: str) -> str:
    """Return what reads a kind now, with its version: files without a text are read again by another."""
    if kind not in _LIBRARIES:
        return str(_VERSION)
    try:
        return f"{_VERSION} {_LIBRARIES[kind]} {version(_LIBRARIES[kind])}"
    except PackageNotFoundError:  # installed without a record of its version
        return f"{_VERSION} {_LIBRARIES[kind]}"


class Reader:
    """Reads files in a process of its own; a context manager. The process starts with the first file."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._late = False
        self._idle = False  # whether the process waits for a request

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, kind: str, data: bytes) -> str:
        """Return the text in a file's bytes.

        Raises Unreadable when the file has none, ReaderUnavailable when no file of the kind can be read.
        """
        if self._process is None:
            self._start()
        try:
            status, text = self._exchange(REQUEST.pack(KINDS.index(kind), len(data)) + data, self._patience)
        except (OSError, EOFError, ValueError) as error:
            raise Unreadable(self._why(error)) from error
        if self._late:  # it was stopped just after its answer
            self.close()
        if status == TEXT:
            text = text.replace("\0", " ")[:LARGEST_TEXT].strip()
            if not text:
                raise Unreadable("holds no text")
            return text
        if status == NO_LIBRARY:
            raise ReaderUnavailable(f"The library {_LIBRARIES.get(kind, kind)} cannot be loaded.")
        if text == MemoryError.__name__:
            self.close()
            raise Unreadable("takes too much memory to read")
        raise Unreadable(f"cannot be read as a document ({text[:60]})")

    def close(self) -> None:
        """End the process and everything that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        if not self._idle:  # it reads a file, and would not notice that there are no more
            kill_group(process)
        with suppress(OSError):  # what was not sent any more
            cast("IO[bytes]", process.stdin).close()
        try:
            process.wait(_END)
        except subprocess.TimeoutExpired:
            kill_group(process)
            process.wait()
        cast("IO[bytes]", process.stdout).close()

    def _start(self) -> None:
        command = [sys.executable, "-I", "-S", "-c", _CHILD, *_places()]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=reader_environment(), start_new_session=True,
            )  # fmt: skip
            ready, _ = self._exchange(b"", _START)
        except (OSError, EOFError, ValueError, RuntimeError) as error:
            self.close()
            raise ReaderUnavailable(f"The process that reads files cannot be started: {error}.") from error
        if ready != READY:
            self.close()
            raise ReaderUnavailable("The process that reads files does not answer as it should.")

    def _exchange(self, request: bytes, seconds: float) -> tuple[int, str]:
        """Send a request and return the answer. Raises OSError, EOFError or ValueError when there is none."""
        process = cast("subprocess.Popen[bytes]", self._process)
        asking, answering = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        self._late = self._idle = False
        timer = threading.Timer(seconds, self._too_late, (process,))
        timer.daemon = True
        timer.start()
        try:
            asking.write(request)
            asking.flush()
            status, size = ANSWER.unpack(_whole(answering, ANSWER.size))
            if size > _LARGEST_ANSWER or status not in (READY, TEXT, UNREADABLE, NO_LIBRARY):
                raise ValueError("an answer that no reader gives")
            text = _whole(answering, size).decode("utf-8", "replace")
            self._idle = True
            return status, text
        finally:
            timer.cancel()

    def _too_late(self, process: subprocess.Popen[bytes]) -> None:
        self._late = True
        kill_group(process)

    def _why(self, error: Exception) -> str:
        """End a process that did not answer, and return what is to be noted of its file."""
        process = cast("subprocess.Popen[bytes]", self._process)
        try:
            ended = process.wait(0 if isinstance(error, ValueError) else _END)
        except subprocess.TimeoutExpired:
            ended = 0
        self.close()
        if self._late:
            return f"took longer than {self._patience:g} seconds"
        if ended == -getattr(signal, "SIGXCPU", 0) and ended:
            return f"took longer than {CPU_SECONDS} seconds of the processor"
        return "cannot be read as a document (it ended the program that reads it)"


def reader_environment() -> dict[str, str]:
    """Return the environment of the reading process: what Python cannot start without."""
    return {name: os.environ[name] for name in _NEEDED if name in os.environ}


def _places() -> list[str]:
    """Return the folders that this package and the libraries are in: all that can be imported there."""
    specs = [find_spec(name) for name in ("canvas_archive", "lxml", "pypdf")]
    origins = [spec.origin for spec in specs if spec is not None and spec.origin]
    return list(dict.fromkeys(str(Path(origin).parents[1]) for origin in origins))


def _whole(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the process ended")
    return data
