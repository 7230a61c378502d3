"""The text within attached files, bounded in size and time, kept in ``attachment_texts``.

Plain text, CSV, Markdown and HTML are read here. PDF and Word documents need the extra ``documents`` and are
read in a process of their own, which is stopped when it takes too long or too much memory: such files come
from other people. A file that yields nothing is noted with the reason and not tried again.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

from canvas_archive.clock import SYSTEM, iso
from canvas_archive.store.blobs import readable_blob
from canvas_archive.store.connection import transaction

LARGEST_FILE = 20 * 1024 * 1024  # bytes; larger documents are found by name alone
LARGEST_TEXT = 400_000  # characters kept of each file
PATIENCE = 20.0  # seconds for one document
_MEMORY = 1024 * 1024 * 1024  # bytes of address space for one document

_PLAIN = frozenset(
    ("txt", "text", "csv", "tsv", "md", "markdown", "rst", "log", "ics", "vcf", "json", "xml", "yaml", "yml",
     "tex", "srt", "vtt", "py", "java", "r", "sql")
)  # fmt: skip
_HTML = frozenset(("html", "htm", "xhtml"))
_DOCUMENTS = frozenset(("pdf", "docx"))
_TYPES = {"text/html": "html", "application/pdf": "pdf", "text/plain": "txt", "text/csv": "csv",
          "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx"}  # fmt: skip

_MISSING = """
SELECT DISTINCT a.sha256, coalesce(a.display_name, a.filename, ''), coalesce(a.content_type, '')
FROM attachments a
WHERE a.state = 'stored' AND a.sha256 IN
  (SELECT sha256 FROM attachments WHERE sha256 IS NOT NULL EXCEPT SELECT sha256 FROM attachment_texts)
"""
_SAVE = "INSERT OR IGNORE INTO attachment_texts (sha256, text, error, extracted_at) VALUES (?, ?, ?, ?)"
# Files whose text has just been read change the documents of the messages that carry them.
_REQUEUE = """
INSERT INTO index_queue (message_id)
SELECT m.message_id FROM message_attachments m JOIN attachments a ON a.id = m.attachment_id WHERE a.sha256 = ?
"""
_CHILD = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; "
    "from canvas_archive.search.attachments import main; main()"
)


def extract_missing(db: sqlite3.Connection, files_dir: Path) -> int:
    """Read the text of stored files that have not been read yet; return how many were looked at.

    Each file is one small transaction. Files of kinds that hold no text are left alone.
    """
    looked = 0
    seen: set[str] = set()
    for sha256, name, content_type in db.execute(_MISSING).fetchall():
        kind = text_kind(name, content_type)
        if kind is None or sha256 in seen or not _readable(kind):
            continue
        seen.add(sha256)
        path = readable_blob(files_dir, sha256)
        text, error = read_text(path, kind) if path else (None, "the file is missing")
        with transaction(db):
            db.execute(_SAVE, (sha256, text, error, iso(SYSTEM.now())))
            if text:
                db.execute(_REQUEUE, (sha256,))
        looked += 1
    return looked


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


def _readable(kind: str) -> bool:
    """Tell whether the library for a kind is there; without it a file waits for the day it is."""
    module = {"pdf": "pypdf", "docx": "docx"}.get(kind)
    return module is None or find_spec(module) is not None


def read_text(path: Path, kind: str) -> tuple[str | None, str | None]:
    """Return (text, None) or (None, why there is none). Never raises for a bad file."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return None, "larger than 20 MB"
        if kind in _DOCUMENTS:
            return _in_another_process(path, kind)
        # Four bytes per character are the most that any encoding here needs.
        with path.open("rb") as source:
            text = decode(source.read(4 * LARGEST_TEXT))
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    if kind == "html":
        text = _html_text(text)
    text = text[:LARGEST_TEXT].strip()
    return (text, None) if text else (None, "holds no text")


def decode(data: bytes) -> str:
    """Decode text of unknown encoding: by its mark, as UTF-8, else as Windows-1252."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":  # the last character was cut in two
            return data[: error.start].decode("utf-8")
    return data.decode("cp1252", "replace")


class _Html(HTMLParser):
    """Collects what a reader would see."""

    _unseen = frozenset(("script", "style", "template", "head"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._depth += tag in self._unseen
        self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._depth = max(0, self._depth - (tag in self._unseen))
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._depth:
            self.parts.append(data)


def _html_text(source: str) -> str:
    parser = _Html()
    parser.feed(source)
    parser.close()
    return "".join(parser.parts)


def _in_another_process(path: Path, kind: str) -> tuple[str | None, str | None]:
    try:
        run = subprocess.run(
            [sys.executable, "-c", _CHILD, kind, str(path)],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, f"took longer than {PATIENCE:g} seconds"
    if run.returncode == 3:
        return None, "needs the extra 'documents'"
    if run.returncode != 0:
        return None, "cannot be read as a document"
    text = run.stdout.decode("utf-8", "replace")[:LARGEST_TEXT].strip()
    return (text, None) if text else (None, "holds no text")


def main() -> None:
    """Print the text of one document, as the process of its own."""
    kind, path = sys.argv[1:3]
    _limit_memory()
    try:
        text = _pdf_text(path) if kind == "pdf" else _docx_text(path)
    except ImportError:
        sys.exit(3)
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit; the time limit holds there
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _pdf_text(path: str) -> str:
    from pypdf import PdfReader

    parts: list[str] = []
    size = 0
    for page in PdfReader(path).pages:
        parts.append(page.extract_text())
        size += len(parts[-1])
        if size > LARGEST_TEXT:
            break
    return "\n".join(parts)


def _docx_text(path: str) -> str:
    from docx import Document

    document = Document(path)
    parts = [paragraph.text for paragraph in document.paragraphs]
    parts += [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join(parts)
