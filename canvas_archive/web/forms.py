"""Posted forms: fields, and files that go to the disk as they arrive. Every part of one is bounded."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from canvas_archive.errors import BadInput
from canvas_archive.store.drafts import MOST_FILES
from canvas_archive.store.private import CREATE
from canvas_archive.unicode import FILE_NAME, filtered

MOST_FIELDS = 2000
MOST_BYTES = 700_000
"""Of all fields: a message of 65,535 characters takes up to nine bytes for each as a form sends it."""

MOST_FILE = 100_000_000
MOST_TOGETHER = 200_000_000
PART_SECONDS = 60.0
WHOLE_SECONDS = 1800.0

_MOST_BODY = MOST_BYTES + MOST_TOGETHER + 1_000_000
_MOST_HEADERS = 8_192
_MOST_NAME = 200
_ABANDONED_SECONDS = 86_400.0
_NOT_WHOLE = "The form did not arrive whole."


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form, at a temporary place. ``size`` in bytes."""

    name: str
    path: Path
    sha256: str
    size: int

    @property
    def content_type(self) -> str:
        """Return the type that the name suggests, as for ``--attach``."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


class PostedForm:
    """The fields and files of a posted form; a name may come several times."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.files: list[Upload] = []

    def one(self, name: str) -> str:
        """Return the first value of that name, or nothing."""
        return next((value for key, value in self.pairs if key == name), "")

    def all(self, name: str) -> list[str]:
        """Return every value of that name."""
        return [value for key, value in self.pairs if key == name]

    def close(self) -> None:
        """Delete the files that nobody has taken."""
        for file in self.files:
            file.path.unlink(missing_ok=True)


def upload_name(given: str) -> str:
    """Return the name of an uploaded file: its last part, without what a name on a disk cannot have."""
    for escaped, sign in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):  # as browsers write them
        given = given.replace(escaped, sign)
    name = filtered(re.split(r"[/\\]", given)[-1], FILE_NAME).strip(" .")
    stem, dot, ending = name.rpartition(".")
    if len(name) > _MOST_NAME and dot and len(ending) < 20:
        name = f"{stem[: _MOST_NAME - len(ending) - 1]}.{ending}"
    return name[:_MOST_NAME] or "file"


async def read_form(
    request: Any, admits: Callable[[PostedForm], bool], place: Callable[[], Path] | None
) -> PostedForm:
    """Read a form. ``place`` returns the folder for its files; without it, a form may have none.

    Files are read only of a form that ``admits`` accepts by the fields before them; reading stops otherwise.
    Raises BadInput for one that is too large, too slow or broken.
    """
    kind, options = parse_options_header(request.headers.get("content-type") or "")
    if kind != b"multipart/form-data":
        return _urlencoded(await _whole(request))
    if place is None:
        raise BadInput("This form takes no files.")
    declared = request.headers.get("content-length") or "0"
    if declared.isdecimal() and int(declared[:15]) > _MOST_BODY:
        raise BadInput(f"All files together may have {MOST_TOGETHER // 1_000_000} MB.")
    form = PostedForm()
    folder = await asyncio.to_thread(place)
    await asyncio.to_thread(_clean, folder)
    try:
        reader = _MultipartReader(options.get(b"boundary", b""), folder, admits, form)
        try:
            await _feed(request, reader)
        finally:
            reader.close()
    except (FormParserError, ValueError) as error:
        form.close()
        raise BadInput(_NOT_WHOLE) from error
    except BaseException:
        form.close()
        raise
    return form


async def _next(request: Any, until: float) -> tuple[bytes, bool]:
    seconds = min(PART_SECONDS, until - time.monotonic())
    try:
        message = await asyncio.wait_for(request.receive(), max(seconds, 0.001))
    except (asyncio.TimeoutError, TimeoutError):
        raise BadInput("The form took too long to arrive.") from None
    if message["type"] != "http.request":
        raise BadInput(_NOT_WHOLE)
    return message.get("body", b""), message.get("more_body", False)


async def _whole(request: Any) -> bytes:
    body, more, until = b"", True, time.monotonic() + WHOLE_SECONDS
    while more:
        part, more = await _next(request, until)
        body += part
        if len(body) > MOST_BYTES:
            raise BadInput("That form is too large.")
    return body


def _urlencoded(body: bytes) -> PostedForm:
    form = PostedForm()
    try:
        form.pairs = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise BadInput(f"A form may have {MOST_FIELDS} fields at most.") from None
    return form


async def _feed(request: Any, reader: _MultipartReader) -> None:
    more, received, until = True, 0, time.monotonic() + WHOLE_SECONDS
    while more and not reader.refused:
        part, more = await _next(request, until)
        received += len(part)
        if received > _MOST_BODY:
            raise BadInput(f"All files together may have {MOST_TOGETHER // 1_000_000} MB.")
        if part:
            await asyncio.to_thread(reader.write, part)
    if not reader.refused and not reader.ended:
        raise BadInput(_NOT_WHOLE)


class _Refused(Exception):
    """The fields before the first file do not admit it."""


class _MultipartReader:
    """Takes the bytes of a form and fills in ``form``."""

    def __init__(
        self, boundary: bytes, folder: Path, admits: Callable[[PostedForm], bool], form: PostedForm
    ) -> None:
        if not 0 < len(boundary) <= 70:
            raise BadInput(_NOT_WHOLE)
        self.refused = self.ended = False
        self._folder, self._admits, self._form = folder, admits, form
        self._parts = self._fields = self._together = 0
        self._file: BinaryIO | None = None
        self._path = folder
        self._begin()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._header(self._key, data[start:end]),
                "on_header_value": lambda data, start, end: self._header(self._value, data[start:end]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": lambda data, start, end: self._data(data[start:end]),
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def write(self, data: bytes) -> None:
        """Take more bytes. Raises BadInput or FormParserError."""
        with suppress(_Refused):
            self._parser.write(data)

    def close(self) -> None:
        """Drop a file that has not arrived whole."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)
            self._file = None

    def _begin(self) -> None:
        self._key, self._value, self._text = bytearray(), bytearray(), bytearray()
        self._disposition = b""
        self._headers = self._size = 0
        self._name = ""
        self._file_name: str | None = None
        self._hash = sha256()

    def _header(self, part: bytearray, data: bytes) -> None:
        self._headers += len(data)
        if self._headers > _MOST_HEADERS:
            raise BadInput("A part of the form has too many headers.")
        part += data

    def _header_end(self) -> None:
        if bytes(self._key).strip().lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._key, self._value = bytearray(), bytearray()

    def _headers_end(self) -> None:
        self._parts += 1
        if self._parts > MOST_FIELDS:
            raise BadInput(f"A form may have {MOST_FIELDS} fields at most.")
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise BadInput(_NOT_WHOLE)
        self._name = options[b"name"].decode("utf-8", "replace")
        given = options.get(b"filename")
        if given is None:
            return
        self._file_name = given.decode("utf-8", "replace")
        if not self._admits(self._form):
            self.refused = True
            raise _Refused
        if self._file_name:
            if len(self._form.files) >= MOST_FILES:
                raise BadInput(f"A message may have {MOST_FILES} files at most.")
            self._path = self._folder / f"{secrets.token_hex(16)}.part"
            self._file = os.fdopen(os.open(self._path, CREATE, 0o600), "wb")

    def _data(self, data: bytes) -> None:
        if self._file_name is None:
            self._fields += len(data)
            if self._fields > MOST_BYTES:
                raise BadInput("That form is too large.")
            self._text += data
            return
        self._size += len(data)
        self._together += len(data)
        name = upload_name(self._file_name)
        if self._size > MOST_FILE:
            raise BadInput(f"{name} is too large: a file may have {MOST_FILE // 1_000_000} MB.")
        if self._together > MOST_TOGETHER:
            raise BadInput(f"All files together may have {MOST_TOGETHER // 1_000_000} MB.")
        if self._file is not None:
            self._file.write(data)
            self._hash.update(data)

    def _part_end(self) -> None:
        if self._file_name is None:
            self._form.pairs.append((self._name, self._text.decode("utf-8", "replace")))
            return
        if self._file is None:
            return  # no file was chosen
        self._file.close()
        self._file = None
        name = upload_name(self._file_name)
        self._form.files.append(Upload(name, self._path, self._hash.hexdigest(), self._size))
        if self._size == 0:
            raise BadInput(f"{name} is empty; it was not attached.")

    def _end(self) -> None:
        self.ended = True


def _clean(folder: Path) -> None:
    """Delete what arrived for a server that was killed."""
    for path in folder.glob("*.part"):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()
