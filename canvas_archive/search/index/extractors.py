"""The reading process: takes the bytes of one file after the other, and answers with their text.

Attached files come from other people, and what reads them has faults. So they are read here, in a process
that has no secrets, no network and little of the machine (``confine``), and that may be killed at any time.
``extraction.py`` is the other side. A request is a kind, a size and the bytes of a file. An answer is a
status, a size and a text in UTF-8. No file is opened here.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

REQUEST = struct.Struct("!BI")
ANSWER = struct.Struct("!BI")
READY, TEXT, UNREADABLE, NO_LIBRARY = range(4)
KINDS = ("plain", "html", "pdf", "docx")

LARGEST_TEXT = 400_000  # characters kept of each file
CPU_SECONDS = 20  # of the processor, for one document
MEMORY = 1 << 30  # bytes of address space
_OPEN_FILES = 32
_CHUNK = 1 << 16

_UNSEEN = frozenset(("script", "style", "template"))
# Elements that do not end a word. All others do.
_INLINE = frozenset(
    ("a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "ins", "kbd", "mark", "q", "s",
     "samp", "small", "span", "strong", "sub", "sup", "tt", "u", "var")
)  # fmt: skip
_CHARSET = re.compile(rb"""charset\s{0,9}=\s{0,9}["']?([\w:.-]{1,40})""", re.IGNORECASE)
_MAIN_PART = re.compile(r"word/document\d{0,9}\.xml")
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_GAPS = {f"{_WORD}{name}": gap for name, gap in (("p", "\n"), ("tab", " "), ("br", " "), ("cr", " "))}


class _Collector:
    """Collects text up to ``LARGEST_TEXT``; what a parser of lxml calls while it reads."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0

    @property
    def full(self) -> bool:
        """Return whether there is as much text as is kept."""
        return self._size >= LARGEST_TEXT

    def add(self, text: str) -> None:
        """Add a piece of text."""
        self._parts.append(text)
        self._size += len(text)

    def text(self) -> str:
        """Return the text that was collected."""
        return "".join(self._parts)[:LARGEST_TEXT]

    def close(self) -> None:
        """End the document; a parser asks for this method."""


class _HtmlText(_Collector):
    """The text of a page as its reader sees it."""

    def __init__(self) -> None:
        super().__init__()
        self._unseen = 0
        self._gap = False

    def start(self, tag: str, attributes: object) -> None:
        """Begin an element."""
        self._unseen += tag in _UNSEEN
        self._gap = self._gap or tag not in _INLINE

    def end(self, tag: str) -> None:
        """End an element."""
        self._unseen = max(0, self._unseen - (tag in _UNSEEN))
        self._gap = self._gap or tag not in _INLINE

    def data(self, text: str) -> None:
        """Take a text between tags."""
        if not self._unseen:
            self.add(f" {text}" if self._gap else text)
            self._gap = False


class _WordText(_Collector):
    """The text of a Word document: what stands in ``w:t``, a line for each paragraph."""

    def __init__(self) -> None:
        super().__init__()
        self._within = False

    def start(self, tag: str, attributes: object) -> None:
        """Begin an element."""
        self._within = tag == f"{_WORD}t"

    def end(self, tag: str) -> None:
        """End an element."""
        self._within = False
        if tag in _GAPS and self._parts:
            self.add(_GAPS[tag])

    def data(self, text: str) -> None:
        """Take a text between tags."""
        if self._within:
            self.add(text)


def plain_text(data: bytes) -> str:
    """Return a text file's text."""
    # Four bytes per character are the most that any encoding here needs.
    return decode(data[: 4 * LARGEST_TEXT])[:LARGEST_TEXT]


def html_text(data: bytes) -> str:
    """Return the text of a page, without scripts and styles."""
    from lxml import etree

    collector = _HtmlText()
    parser = etree.HTMLParser(target=collector, encoding="utf-8", huge_tree=True, no_network=True)
    source = decode(data, _declared(data)).replace("\0", " ").encode("utf-8", "replace")
    _feed(parser, io.BytesIO(source), collector)
    return collector.text()


def word_text(data: bytes) -> str:
    """Return the text of a Word document (.docx)."""
    from zipfile import ZipFile

    from lxml import etree

    collector = _WordText()
    parser = etree.XMLParser(target=collector, resolve_entities=False, no_network=True, huge_tree=True)
    with ZipFile(io.BytesIO(data)) as package:
        name = next(name for name in package.namelist() if _MAIN_PART.fullmatch(name))
        with package.open(name) as source:
            _feed(parser, source, collector)
    return collector.text()


def pdf_text(data: bytes) -> str:
    """Return the text of a PDF."""
    from pypdf import PdfReader

    collector = _Collector()
    for page in PdfReader(io.BytesIO(data)).pages:
        collector.add(f"{page.extract_text()}\n")
        if collector.full:
            break
    return collector.text()


def _feed(parser: Any, source: Any, collector: _Collector) -> None:
    """Let a parser read until the end, or until there is enough text."""
    while not collector.full and (chunk := source.read(_CHUNK)):
        parser.feed(chunk)
    if not collector.full:
        parser.close()


def _declared(data: bytes) -> str | None:
    """Return the encoding that a page declares in its first kilobyte; ``None`` for one unknown here."""
    found = _CHARSET.search(data[:1024])
    if found is None:
        return None
    name = found[1].decode("ascii", "replace").lower()
    if name.startswith("utf-16"):  # it could not have been found
        return "utf-8"
    if name in ("iso-8859-1", "latin1", "ascii", "us-ascii"):  # what is declared so is Windows-1252
        return "cp1252"
    with suppress(LookupError, UnicodeError):
        codecs.lookup(name)
        b"a".decode(name)
        return name
    return None


def decode(data: bytes, declared: str | None = None) -> str:
    """Decode text: by its mark, by the encoding declared, as UTF-8, else as Windows-1252."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    if declared:
        return data.decode(declared, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":  # the last character was cut in two
            return data[: error.start].decode("utf-8")
    return data.decode("cp1252", "replace")


_READERS: dict[str, Callable[[bytes], str]] = {
    "plain": plain_text, "html": html_text, "pdf": pdf_text, "docx": word_text,
}  # fmt: skip


def answer(kind: str, data: bytes) -> tuple[int, str]:
    """Return the status and the text of one file, or why there is none."""
    try:
        return TEXT, _READERS[kind](data)
    except ImportError as error:
        return NO_LIBRARY, str(error.name or error)
    except Exception as error:
        # Whatever a broken or hostile file makes a library raise, the file has no text.
        return UNREADABLE, type(error).__name__


def confine() -> None:
    """Give up what a reader of documents does not need, as far as the system lets a process do so.

    SECURITY.md has a table of the limits on each system.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, most in (
        ("AS", MEMORY), ("FSIZE", 0), ("CORE", 0), ("NOFILE", _OPEN_FILES), ("NPROC", 0),
    ):  # fmt: skip
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is not None:
            with suppress(ValueError, OSError):
                resource.setrlimit(kind, (most, most))
    if sys.platform == "linux":
        with suppress(Exception):
            import ctypes

            libc = ctypes.CDLL(None)
            libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
            libc.unshare(0x10000000 | 0x40000000)  # CLONE_NEWUSER | CLONE_NEWNET: no network


def _bound_processor_time() -> None:
    """Let the next document have ``CPU_SECONDS``; the system kills the process then."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + CPU_SECONDS, most))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more. A process that lacks memory ends after its answer."""
    _send(answers, READY, "")
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        kind, size = REQUEST.unpack(head)
        data = requests.read(size)
        _bound_processor_time()
        status, text = answer(KINDS[kind], data)
        _send(answers, status, text)
        if (status, text) == (UNREADABLE, MemoryError.__name__):
            return


def _send(answers: BinaryIO, status: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    answers.write(ANSWER.pack(status, len(data)) + data)
    answers.flush()


def main() -> None:
    """Be the reading process: requests on standard input, answers on standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):  # what a library prints is no answer
        os.dup2(nowhere, descriptor)
    confine()
    serve(sys.stdin.buffer, answers)
