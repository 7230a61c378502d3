"""The text within attached files, kept in ``attachment_texts`` for the search.

The process of ``extraction.py`` reads the files: they come from other people. A file without a text is
recorded with the reason and with what read it, and read again only by another reader. A run reads for a
bounded time; the next one continues.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from canvas_archive.clock import SYSTEM, iso
from canvas_archive.search.index import extraction
from canvas_archive.search.index.extraction import Reader, ReaderUnavailable, Unreadable
from canvas_archive.search.index.extractors import LARGEST_TEXT
from canvas_archive.store.blobs import readable_blob
from canvas_archive.store.connection import bad_text_replaced, transaction
from canvas_archive.store.private import open_regular

LARGEST_FILE = 20 * 1024 * 1024  # bytes; larger documents are found by name alone
SECONDS = 60.0  # for all documents of a run

_PLAIN = frozenset(
    ("txt", "text", "csv", "tsv", "md", "markdown", "rst", "log", "ics", "vcf", "json", "xml", "yaml", "yml",
     "tex", "srt", "vtt", "py", "java", "r", "sql")
)  # fmt: skip
_HTML = frozenset(("html", "htm", "xhtml"))
_DOCUMENTS = frozenset(("pdf", "docx"))
_TYPES = {"text/html": "html", "application/pdf": "pdf", "text/plain": "txt", "text/csv": "csv",
          "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx"}  # fmt: skip

_WITHOUT_TEXT = """
SELECT DISTINCT a.sha256, coalesce(a.display_name, a.filename, ''), coalesce(a.content_type, ''),
  t.reader, t.error
FROM attachments a LEFT JOIN attachment_texts t ON t.sha256 = a.sha256
WHERE a.state = 'stored' AND a.sha256 IS NOT NULL AND t.text IS NULL
"""
_SAVE = """
INSERT INTO attachment_texts (sha256, text, error, extracted_at, reader) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (sha256) DO UPDATE SET
  text = excluded.text, error = excluded.error, extracted_at = excluded.extracted_at, reader = excluded.reader
"""
# Files whose text has just been read change the documents of the messages that carry them.
_REQUEUE = """
INSERT INTO index_queue (message_id)
SELECT m.message_id FROM message_attachments m JOIN attachments a ON a.id = m.attachment_id WHERE a.sha256 = ?
"""
# Recorded for a file that could not be opened: it is tried in every run, and needs no reader for that.
_NO_READER = ""


@dataclass(frozen=True, slots=True)
class Extraction:
    """How many files a run read, and how many wait for the next; ``problem`` says why, if not for time."""

    read: int = 0
    waiting: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _File:
    """A stored file that may hold a text; ``error`` is what is recorded of it."""

    sha256: str
    kind: str
    error: str | None


class _CannotOpen(Exception):
    """The file is not there, or the machine refuses it; the message says why."""


def extract_missing(
    db: sqlite3.Connection,
    files_dir: Path,
    *,
    seconds: float | None = SECONDS,
    progress: Callable[[int, int], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Extraction:
    """Read the stored files that have no text yet, for some seconds (``None``: until all are read).

    Each file is one small transaction. Files of kinds that hold no text are left alone.
    """
    files = list(_unread(db))
    end = None if seconds is None else clock() + seconds
    read = 0
    with Reader() as reader:
        for at, file in enumerate(files):
            if end is not None and clock() >= end:
                return Extraction(read, len(files) - at)
            if progress is not None:
                progress(at, len(files))
            try:
                read += _read(db, files_dir, reader, file)
            except ReaderUnavailable as error:
                return Extraction(read, len(files) - at, str(error))
    if progress is not None and files:
        progress(len(files), len(files))
    return Extraction(read)


def _unread(db: sqlite3.Connection) -> Iterator[_File]:
    """Yield the files to read, each once: those that no reader of today has looked at."""
    current = cache(extraction.reader_of)
    seen: set[str] = set()
    with bad_text_replaced(db):
        rows = db.execute(_WITHOUT_TEXT).fetchall()
    for sha256, name, content_type, reader, error in rows:
        kind = text_kind(name, content_type)
        if kind is None or sha256 in seen or not extraction.can_read(kind):
            continue
        seen.add(sha256)
        if reader is None or reader != current(kind):
            yield _File(sha256, kind, error)


def _read(db: sqlite3.Connection, files_dir: Path, reader: Reader, file: _File) -> bool:
    """Read one file and record what came of it; return whether it was looked at."""
    text = error = None
    name = extraction.reader_of(file.kind)
    try:
        text = reader.read(file.kind, _bytes_of(files_dir, file))
    except Unreadable as reason:
        error = str(reason)
    except _CannotOpen as reason:
        error, name = str(reason), _NO_READER
        if error == file.error:
            return False
    with transaction(db):
        db.execute(_SAVE, (file.sha256, text, error, iso(SYSTEM.now()), name))
        if text:
            db.execute(_REQUEUE, (file.sha256,))
    return True


def _bytes_of(files_dir: Path, file: _File) -> bytes:
    """Return the bytes of a stored file, of a long text the beginning.

    Raises Unreadable for one that is too large, _CannotOpen for one that is no regular file.
    """
    path = readable_blob(files_dir, file.sha256)
    if path is None:
        raise _CannotOpen("the file is missing")
    try:
        with open_regular(path) as source:
            if os.fstat(source.fileno()).st_size > LARGEST_FILE:
                raise Unreadable("larger than 20 MB")
            return source.read(4 * LARGEST_TEXT if file.kind == "plain" else LARGEST_FILE)
    except OSError as error:
        raise _CannotOpen(f"cannot be read: {error.strerror}") from error


def text_kind(name: str, content_type: str) -> str | None:
    """Return ``plain``, ``html``, ``pdf`` or ``docx`` for a file that may hold text, else ``None``."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending not in _PLAIN | _HTML | _DOCUMENTS:
        ending = _TYPES.get(content_type.partition(";")[0].strip().lower(), "")
    if ending in _HTML:
        return "html"
    if ending in _DOCUMENTS:
        return ending
    return "plain" if ending in _PLAIN else None
