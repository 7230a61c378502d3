"""The second step of an upload: one multipart body, streamed, parameters first and the file last."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import httpx

from canvas_archive.canvas import values
from canvas_archive.canvas.values import as_object
from canvas_archive.errors import BadInput, MalformedAnswer
from canvas_archive.model import Json

_CHUNK = 64 * 1024
_WHERE = "The answer to an upload"


@dataclass(frozen=True, slots=True)
class Target:
    """Where Canvas wants the bytes, and what must go with them, in its order."""

    url: httpx.URL
    params: tuple[tuple[str, str], ...]
    file_param: str = "file"


def upload_target(document: Json) -> Target:
    """Read the answer to the first step. Raises MalformedAnswer."""
    item = as_object(document, _WHERE)
    address = values.text(item, "upload_url", _WHERE)
    params = item.get("upload_params")
    pairs = []
    for name, value in as_object({} if params is None else params, f"{_WHERE}: upload_params").items():
        if isinstance(value, (dict, list)):
            raise values.wrong(_WHERE, "upload_params", "a set of texts")
        pairs.append((name, _form_text(value)))
    try:
        return Target(
            httpx.URL(address or ""), tuple(pairs), values.text(item, "file_param", _WHERE) or "file"
        )
    except (httpx.InvalidURL, ValueError):
        raise MalformedAnswer(f"{_WHERE}: upload_url is no address.") from None


def _form_text(value: str | bool | int | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _quoted(text: str) -> str:
    # As browsers do it: the rest of a name travels as plain UTF-8.
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


class Multipart:
    """A multipart body of known length whose file is read while it is sent."""

    def __init__(self, target: Target, name: str, content_type: str, data: BinaryIO, size: int) -> None:
        boundary = secrets.token_hex(16)
        fields = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(key)}"\r\n\r\n{value}\r\n'
            for key, value in target.params
        ]
        kind = (
            content_type
            if content_type.isascii() and content_type.isprintable()
            else "application/octet-stream"
        )
        fields.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(target.file_param)}"; '
            f'filename="{_quoted(name)}"\r\nContent-Type: {kind}\r\n\r\n'
        )
        self._head = "".join(fields).encode("utf-8", "replace")
        self._tail = f"\r\n--{boundary}--\r\n".encode("ascii")
        self._data = data
        self._size = size
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + size + len(self._tail)),
        }

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body once. Raises BadInput when the file has not the size it was announced with."""
        yield self._head
        left = self._size
        while chunk := self._data.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
        if left != 0:
            raise BadInput("The file changed while it was being uploaded. Try again.")
        yield self._tail
