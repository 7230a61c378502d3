"""Attachment bytes: found by their hash in the archive's own folder, and sent only as a download.

A browser must never show a file as a page of this server, with any name and content type.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from datasette import NotFound

from canvas_archive.store.blobs import readable_blob
from canvas_archive.store.threads import recording_name
from canvas_archive.web import queries
from canvas_archive.web.page_request import PageRequest, view
from canvas_archive.web.render import file_name

CHUNK = 256 * 1024
POLICY = "default-src 'none'; sandbox"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSAFE_ASCII = re.compile(r"[^A-Za-z0-9 ._()+-]")


def disposition(name: str) -> str:
    """Return a ``Content-Disposition`` that survives quotes, line breaks and any script (RFC 6266)."""
    name = file_name(name).replace("/", "_").replace("\\", "_")[:200]
    plain = _UNSAFE_ASCII.sub("_", name.encode("ascii", "replace").decode()).strip(" .") or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def blob(files: Path, sha256: str | None) -> Path:
    """Return the path of the bytes with that hash.

    Raises NotFound when it is not a hash, or the file is missing or a link.
    """
    if sha256 is None or not _SHA256.fullmatch(sha256):
        raise NotFound("The bytes of this file were not fetched from Canvas.")
    path = readable_blob(files, sha256)
    if path is None:
        raise NotFound(
            "The bytes of this file are missing from the archive's folder. Run canvas-archive verify."
        )
    return path


class FileResponse:
    """A response that streams a file of any size in pieces."""

    def __init__(self, path: Path, name: str, *, head: bool = False) -> None:
        self.path = path
        self.name = name
        self.head = head

    async def asgi_send(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Send headers, then the bytes."""
        loop = asyncio.get_running_loop()
        stream: BinaryIO = await loop.run_in_executor(None, self.path.open, "rb")
        try:
            headers = {
                "content-type": "application/octet-stream",
                "content-length": str(self.path.stat().st_size),
                "content-disposition": disposition(self.name),
                "x-content-type-options": "nosniff",
                "content-security-policy": POLICY,
                "cache-control": "private, no-store",
            }
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
                }
            )
            while not self.head:
                piece = await loop.run_in_executor(None, stream.read, CHUNK)
                if not piece:
                    break
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            stream.close()


async def _row(page_request: PageRequest, statement: str, values: dict[str, Any]) -> sqlite3.Row:
    row: sqlite3.Row | None = await page_request.read(
        lambda connection: connection.execute(statement, values).fetchone()
    )
    if row is None:
        raise NotFound("There is no such file in this archive.")
    return row


def _download(page_request: PageRequest, row: sqlite3.Row, name: str) -> FileResponse:
    path = blob(page_request.archive.files, row["sha256"] if row["state"] == "stored" else None)
    return FileResponse(path, name, head=page_request.request.method == "HEAD")


@view(table="attachments")
async def attachment(page_request: PageRequest) -> Any:
    """``/mail/files/ID[/NAME]``: the name in the address is for people, the id decides."""
    row = await _row(page_request, queries.ATTACHMENT, {"id": int(page_request.request.url_vars["id"])})
    return _download(page_request, row, row["name"])


@view(table="media_comments")
async def recording(page_request: PageRequest) -> Any:
    """``/mail/media/MESSAGE/ID``: an audio or video comment."""
    values = {
        "message": int(page_request.request.url_vars["message"]),
        "media": page_request.request.url_vars["media"],
    }
    row = await _row(page_request, queries.RECORDING, values)
    return _download(page_request, row, recording_name(row["name"], row["media_type"], row["content_type"]))
