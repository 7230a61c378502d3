"""Reading each export format as it is written here: one statement for each message, as a stream.

For what this program does not write they raise ValueError, KeyError or TypeError; Unread without a library.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, Any

from canvas_archive.clock import iso
from canvas_archive.export.listing import is_foreign
from canvas_archive.export.mail_reader import lines_of, read_mail, read_mails
from canvas_archive.export.manifest import walk
from canvas_archive.export.spreadsheet import LONG_CELLS
from canvas_archive.export.sqlite_reader import read_sqlite
from canvas_archive.export.statements import (
    Forwarded,
    Statement,
    body_text,
    files_text,
    forwarded_text,
    name_text,
    recipients_text,
    time_text,
)
from canvas_archive.store.private import open_regular, require_way

_LONGEST = 256 << 20
_IN_MEMORY = 8 << 20
_COPY = re.compile(r"attachments/[0-9a-f]{2}/([0-9a-f]{16})/")
_CUT = re.compile(rf"; the whole text is in (?P<path>{LONG_CELLS}/[0-9]+-[a-z_]+\.txt)\]\Z")
_NO_SUBJECT = "(no subject)"


class Unread(Exception):
    """A format cannot be read here: the library for it is not installed."""


def read_jsonl(path: Path) -> Iterator[Statement]:
    """Read JSON Lines."""
    with open_regular(path) as file:
        for line in iter(partial(file.readline, _LONGEST), b""):
            thread = json.loads(line)
            if thread["type"] == "conversation":
                yield from (statement_of(thread, message) for message in thread["messages"])


def statement_of(thread: Mapping[str, Any], message: Mapping[str, Any]) -> Statement:
    """Return what a conversation says of one of its messages, both as JSON Lines have them."""
    return Statement(
        message=int(message["id"]),
        conversation=str(int(thread["id"])),
        subject=name_text(thread["subject"] or ""),
        author_id=str(int(message["author_id"])),
        author=name_text(message["author"]),
        time=time_text(message["created_at"]),
        recipients=recipients_text(map(int, message["recipient_ids"]), int(message["author_id"])),
        body=body_text(message["body"]),
        generated=str(bool(message["generated"])),
        files=files_text(file["sha256"] for file in message["attachments"] if file["path"]),
        forwarded=forwarded_text(_forwarded_json(message)),
    )


def _forwarded_json(message: Mapping[str, Any]) -> list[Forwarded]:
    return [
        Forwarded(int(inner["id"]), inner["body"], _forwarded_json(inner))
        for inner in message["forwarded_messages"]
    ]


def read_csv(path: Path) -> Iterator[Statement]:
    """Read the table of messages, also one for Excel."""
    with open_regular(path) as file:
        lines = enumerate(iter(partial(file.readline, _LONGEST), b""))
        text = (line.decode("utf-8" if number else "utf-8-sig") for number, line in lines)
        first = next(text, "")
        names = first
        separator = ","
        if first.startswith("sep="):
            separator, names = first[4:5], next(text, "")
        columns = next(csv.reader([names], delimiter=separator), [])
        for cells in _csv_rows(csv.reader(text, delimiter=separator)):
            row = {name: _whole_cell(path.parent, cell) for name, cell in zip(columns, cells, strict=True)}
            author = int(row["author_id"])
            ids = map(int, filter(None, row["recipient_ids"].split(";")))
            yield Statement(
                message=int(row["message_id"]),
                conversation=str(int(row["conversation_id"])),
                subject=name_text(row["subject"]),
                author_id=str(author),
                author=name_text(row["author"]),
                time=time_text(row["created_at"]),
                recipients=recipients_text(ids, author),
                body=body_text(row["body"]),
                generated=str(row["generated"] == "1"),
                files=files_text(_COPY.findall(row["attachment_paths"])),
            )


def _csv_rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield rows with cells of any length; the limit is the process's, so it is raised for each row alone."""
    while True:
        before = csv.field_size_limit(_LONGEST)
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise ValueError(str(error)) from error
        finally:
            csv.field_size_limit(before)
        if row is None:
            return
        yield row


def _whole_cell(folder: Path, cell: str) -> str:
    """Return a cell's text: of one that Excel gets as text or cut, what was put into it."""
    if cell.startswith('="') and cell.endswith('"') and cell[2:-1].isdecimal():
        return cell[2:-1]
    cut = _CUT.search(cell[-200:])
    if cut is None:
        return cell
    with open_regular(folder / cut["path"], below=folder) as file:
        return file.read(_LONGEST).decode("utf-8")


def read_mbox(path: Path) -> Iterator[Statement]:
    """Read an mbox."""
    with open_regular(path) as file:
        for mail in read_mails(lines_of(file)):
            yield mail.statement()


def read_eml(folder: Path) -> Iterator[Statement]:
    """Read the mails of a folder."""
    for path, lines in _files(folder, ".eml"):
        statement = read_mail(lines).statement()
        if not path.endswith(f"-{statement.message}.eml"):
            raise ValueError(f"{path} holds message {statement.message}")
        yield statement


def _files(folder: Path, ending: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield path and lines of each file with this ending; an error that is raised names the file."""
    for path in walk(folder):
        if path.endswith(ending):
            with _named(path), open_regular(folder / path, below=folder) as file:
                yield path, lines_of(file)
        elif not is_foreign(path):
            raise ValueError(f"{path}: this program writes no such file there")


@contextmanager
def _named(path: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: {error}") from error


def read_rsmf(folder: Path) -> Iterator[Statement]:
    """Read the RSMF files of a folder."""
    for _, lines in _files(folder, ".rsmf"):
        yield from _read_rsmf(lines)


def _read_rsmf(lines: Iterator[bytes]) -> Iterator[Statement]:
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as archive:
        mail = read_mail(lines, archive)
        archive.seek(0)
        with zipfile.ZipFile(archive) as zipped:
            if any(one.compress_type != zipfile.ZIP_STORED for one in zipped.infolist()):
                raise ValueError("its files are packed, as this program does not write them")
            if len(zipped.NameToInfo) != len(zipped.infolist()):
                raise ValueError("two of its files have one name")
            if zipped.getinfo("rsmf_manifest.json").file_size > _LONGEST:
                raise ValueError("its manifest is larger than any this program writes")
            document = json.loads(zipped.read("rsmf_manifest.json"))
            names = {one["id"]: one["display"] for one in document["participants"]}
            subjects = {one["id"]: one["display"] for one in document["conversations"]}
            shown, at = body_text(mail.body), 0
            for event in document["events"]:
                if event["type"] == "join" and "-" in event["id"]:
                    continue  # another person of the same line
                statement = _of_event(zipped, event, names, subjects)
                # The readable text is what many programs show: it holds each body, one after the other.
                at = shown.find(statement.body or "", at)
                if at < 0:
                    raise ValueError(f"its readable text lacks message {event['id']}")
                at += len(statement.body or "")
                yield statement


def _of_event(
    zipped: zipfile.ZipFile, event: Mapping[str, Any], names: Mapping[str, str], subjects: Mapping[str, str]
) -> Statement:
    hashes, inner = [], []
    joined = event["type"] == "join"
    for one in event.get("attachments", ()):
        with zipped.open(one["id"]) as entry:
            if re.fullmatch(rf"{re.escape(event['id'])}-forwarded-[0-9]+\.eml", one["id"]):
                mail = read_mail(lines_of(entry))
                inner.append(Forwarded(mail.id, mail.body, mail.forwarded()))
            else:
                hashes.append(_hash(entry))
    return Statement(
        message=int(event["id"]),
        conversation=str(int(event["conversation"])),
        subject=name_text(subjects[event["conversation"]]),
        # The event of somebody who was added is theirs, not that of the author.
        author_id=None if joined else str(int(event["participant"])),
        author=None if joined else name_text(names[event["participant"]]),
        time=time_text(event["timestamp"]),
        body=body_text(event["body"]),
        generated=str(event["type"] != "message"),
        files=files_text(hashes),
        forwarded=forwarded_text(inner),
    )


def _hash(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def read_html(folder: Path) -> Iterator[Statement]:
    """Read the pages of the conversations."""
    threads = folder / "threads"
    for path in walk(threads) if os.path.lexists(threads) else ():
        page = _Page()
        with _named(path):
            with open_regular(threads / path, below=threads) as file:
                page.feed(file.read(_LONGEST).decode("utf-8"))
            page.close()
            number = str(int(Path(path).stem))
            heading = "".join(page.heading)
            subject = None if heading == _NO_SUBJECT else name_text(heading)
            yield from (one.statement(number, subject) for one in page.messages)


class _Shown:
    """A message on a page, or one that is shown inside it."""

    def __init__(self, number: int, *, generated: bool = False) -> None:
        self.id = number
        self.generated = generated
        self.time = ""
        self.author: list[str] = []
        self.body: list[str] = []
        self.hashes: list[str] = []
        self.inner: list[_Shown] = []

    def forwarded(self) -> list[Forwarded]:
        return [Forwarded(one.id, "".join(one.body), one.forwarded()) for one in self.inner]

    def statement(self, conversation: str, subject: str | None) -> Statement:
        return Statement(
            message=self.id,
            conversation=conversation,
            subject=subject,
            author=name_text("".join(self.author)),
            time=time_text(self.time),
            body=body_text("".join(self.body)),
            generated=str(self.generated),
            files=files_text(self.hashes),
            forwarded=forwarded_text(self.forwarded()),
        )


class _Page(HTMLParser):
    """The page of one conversation."""

    def __init__(self) -> None:
        super().__init__()
        self.heading: list[str] = []
        self.messages: list[_Shown] = []
        self._open: list[_Shown] = []
        self._into = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "article":
            self.messages.append(
                _Shown(int(known["data-message"]), generated=known.get("class") == "generated")
            )
            self._open = [self.messages[-1]]
        elif tag == "blockquote" and self._open:
            inner = _Shown(int(known["data-forwarded"]))
            self._open[-1].inner.append(inner)
            self._open.append(inner)
        elif tag == "h1":
            self._into = "subject"
        elif tag == "span" and known.get("class") == "from":
            self._into = "author"
        elif tag == "div" and known.get("class") == "body":
            self._into = "body"
        elif tag == "time" and self._open:
            self._open[-1].time = known["datetime"]
        elif tag == "a" and self._open and self._into != "body":
            self._open[-1].hashes += _COPY.findall(known.get("href", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("article", "blockquote") and self._open:
            self._open.pop()
        if tag in ("h1", "span", "div"):
            self._into = ""

    def handle_data(self, data: str) -> None:
        if self._into == "subject":
            self.heading.append(data)
        elif self._into and self._open:
            shown = self._open[-1]
            (shown.author if self._into == "author" else shown.body).append(data)


def read_parquet(folder: Path) -> Iterator[Statement]:
    """Read the table of messages."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise Unread from None
    for path in walk(folder / "messages"):
        require_way(folder / "messages" / path, folder)
        try:
            with open_regular(folder / "messages" / path, below=folder) as file:
                table = parquet.ParquetFile(file)
                for batch in table.iter_batches(batch_size=1000):
                    yield from map(_of_row, batch.to_pylist())
        except ArrowException as error:
            raise ValueError(f"{path}: {error}") from error


def _of_row(row: Mapping[str, Any]) -> Statement:
    when: datetime | None = row["created_at"]
    return Statement(
        message=row["message_id"],
        conversation=str(row["conversation_id"]),
        subject=name_text(row["subject"] or ""),
        author_id=str(row["author_id"]),
        author=name_text(row["author"]),
        time=time_text(iso(when) if when else ""),
        recipients=recipients_text(row["recipient_ids"], row["author_id"]),
        body=body_text(row["body"]),
        generated=str(row["generated"]),
    )


READERS: dict[str, Callable[[Path], Iterable[Statement]]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "mbox": read_mbox,
    "eml": read_eml,
    "html": read_html,
    "rsmf": read_rsmf,
    "parquet": read_parquet,
    "sqlite": read_sqlite,
}
"""What reads each format, by the names of ``formats``."""
