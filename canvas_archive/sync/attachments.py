"""Downloading attachments and recordings, and being honest about what came.

A status of 200 is not success: a login page, a short body or a wrong size is told from the real bytes, and
the address is asked for once more before an item counts as failed. States: ``stored``; ``gone`` (deleted on
Canvas, for good); ``refused`` (locked, too large, not permitted; looked at again by full sweeps); ``failed``
(tried first next time); ``pending``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urljoin

from canvas_archive.canvas import FileHostUnreachable, FileTooLarge
from canvas_archive.errors import (
    BadRequest,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    ServerFailure,
    UnsafeRedirect,
)
from canvas_archive.store.blobs import BlobWriter
from canvas_archive.store.rows import ids_json
from canvas_archive.sync.workers import Stopped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.store import Archive, Ingest

State: TypeAlias = Literal["stored", "gone", "refused", "failed"]

_UNFINISHED = """
SELECT id, url, content_type, size FROM attachments
WHERE state <> 'stored' AND (state IN ('pending', 'failed') OR (? AND state = 'refused'))
ORDER BY state = 'pending', id
"""
_UNFINISHED_MEDIA = """
SELECT message_id, media_id, url, content_type FROM media_comments
WHERE state IN ('pending', 'failed') OR (? AND state = 'refused') ORDER BY message_id
"""
_BY_ID = """
SELECT id, url, content_type, size FROM attachments
WHERE state IN ('pending', 'failed') AND id IN (SELECT value FROM json_each(?))
"""
_MEDIA_OF = """
SELECT r.message_id, r.media_id, r.url, r.content_type FROM media_comments r
JOIN messages m ON m.id = r.message_id WHERE m.conversation_id = ? AND r.state = 'pending'
"""
_SETTLE_MEDIA = """
UPDATE media_comments SET state = :state, sha256 = :sha256, stored_size = :size, error = :error,
  fetched_at = CASE WHEN :state = 'stored' THEN :now ELSE fetched_at END
WHERE message_id = :message_id AND media_id = :media_id
"""


@dataclass(frozen=True, slots=True)
class FileTask:
    """One thing to download. ``size`` is what Canvas says, in bytes; unknown for recordings."""

    kind: Literal["attachment", "media"]
    key: str
    url: str | None
    content_type: str | None
    size: int | None

    @property
    def part_number(self) -> int:
        """Return the number an unfinished download is kept under: its id, or a stable stand-in."""
        if self.kind == "attachment":
            return int(self.key)
        return -int.from_bytes(hashlib.sha256(self.key.encode()).digest()[:7], "big")


@dataclass(frozen=True, slots=True)
class FileResult:
    """How a download ended; ``url`` is a fresher address when one had to be asked for.

    ``host_away`` says that it failed because the host that keeps the files does not answer.
    """

    state: State
    sha256: str | None = None
    size: int | None = None
    error: str | None = None
    url: str | None = None
    host_away: bool = False


class _Unusable(Exception):
    """What arrived is not the file; a fresh address may help."""


class Files:
    """Knows what is still to download, downloads one thing (in any thread), records the result."""

    def __init__(self, archive: Archive, client: CanvasClient, max_bytes: int | None) -> None:
        self._archive = archive
        self._client = client
        self._max_bytes = max_bytes
        self.given_up = False
        """Set when the host of the files is away: what is queued then stays pending."""

    # -- what is wanted --------------------------------------------------------------------------

    def unfinished(self, *, retry_refused: bool) -> Iterator[FileTask]:
        """Yield what earlier runs left undone: failures first."""
        db = self._archive.db
        for row in db.execute(_UNFINISHED, (retry_refused,)).fetchall():
            yield FileTask("attachment", str(row["id"]), row["url"], row["content_type"], row["size"])
        for row in db.execute(_UNFINISHED_MEDIA, (retry_refused,)).fetchall():
            yield self._media_task(row["message_id"], row["media_id"], row["url"], row["content_type"])

    def of_conversation(self, conversation_id: int, new_ids: Collection[int]) -> Iterator[FileTask]:
        """Yield what a conversation just stored brought: these attachments, and its recordings."""
        db = self._archive.db
        if new_ids:
            for row in db.execute(_BY_ID, (ids_json(new_ids),)).fetchall():
                yield FileTask("attachment", str(row["id"]), row["url"], row["content_type"], row["size"])
        for row in db.execute(_MEDIA_OF, (conversation_id,)).fetchall():
            yield self._media_task(row["message_id"], row["media_id"], row["url"], row["content_type"])

    def _media_task(
        self, message_id: int, media_id: str, url: str | None, content_type: str | None
    ) -> FileTask:
        return FileTask("media", f"{message_id}/{media_id}", url, content_type, None)

    # -- fetching --------------------------------------------------------------------------------

    def fetch(self, task: FileTask) -> FileResult:
        """Download one thing to its place under ``files/``. Errors of one item become a result.

        Raises CredentialProblem and the CanvasProblems that concern more than this item.
        """
        if self.given_up:
            raise Stopped
        if self._is_too_large(task.size):
            return FileResult("refused", error=self._too_large(task.size))
        fresh_url: str | None = None
        complaint = ""
        for attempt in range(2):
            try:
                url = task.url if attempt == 0 else self._fresh_url(task)
            except (BadRequest, MalformedAnswer, ServerFailure) as error:
                return FileResult("failed", error=str(error), host_away=isinstance(error, ServerFailure))
            if url is None:
                continue
            if not url:
                complaint = "refused: locked on Canvas"
                continue
            if attempt == 1:
                fresh_url = url
            try:
                digest, size = self._download(task, urljoin(self._client.base_url + "/", url))
            except FileTooLarge as error:
                return FileResult("refused", error=str(error), url=fresh_url)
            except NotFound:
                complaint = "gone"
            except _Unusable as error:
                complaint = str(error)
            except (NotPermitted, BadRequest, UnsafeRedirect) as error:
                complaint = f"refused: {error}"
            except (ServerFailure, MalformedAnswer) as error:
                complaint = str(error)
            except FileHostUnreachable as error:
                return FileResult("failed", error=str(error), url=fresh_url, host_away=True)
            else:
                return FileResult("stored", sha256=digest, size=size, url=fresh_url)
            if complaint == "gone" and task.kind == "media":
                break
        return self._given_up(complaint, fresh_url)

    def _given_up(self, complaint: str, url: str | None) -> FileResult:
        if complaint == "gone":
            return FileResult("gone", error="deleted on Canvas", url=url)
        if complaint.startswith("refused: "):
            return FileResult("refused", error=complaint.removeprefix("refused: "), url=url)
        return FileResult("failed", error=complaint or "Canvas gives no address for it", url=url)

    def _fresh_url(self, task: FileTask) -> str | None:
        """Ask Canvas for the address again: links expire, and a deleted file is only known for sure this way.

        :calls: GET /api/v1/files/:id
        """
        if task.kind != "attachment":
            return None
        try:
            return self._client.file(int(task.key)).url or ""
        except (NotFound, NotPermitted):
            return None

    def _download(self, task: FileTask, url: str) -> tuple[str, int]:
        with BlobWriter(self._archive.files_dir, task.part_number) as sink:
            if task.size is not None and sink.size >= task.size:
                sink.restart()
            limit = self._max_bytes
            try:
                answer = self._client.download(url, sink, offset=sink.size, max_bytes=limit)
            except FileTooLarge:
                sink.discard()
                raise
            except MalformedAnswer as error:
                sink.discard()
                raise _Unusable(str(error)) from None
            sentence = self._objection(task, answer.content_type, sink.size)
            if sentence is not None:
                sink.discard()
                raise _Unusable(sentence)
            blob = sink.commit()
            return blob.sha256, blob.size

    def _objection(self, task: FileTask, content_type: str | None, size: int) -> str | None:
        """Say why what arrived cannot be the file, or nothing."""
        arrived = (content_type or "").partition(";")[0].strip().lower()
        declared = (task.content_type or "").partition(";")[0].strip().lower()
        html = {"text/html", "application/xhtml+xml"}
        if size != task.size and arrived in html and declared not in html:
            return "a web page (a login page?) came instead of the file"
        if task.size is not None and size != task.size:
            return f"{size:,} bytes came, Canvas says it has {task.size:,}"
        return None

    def _is_too_large(self, size: int | None) -> bool:
        return self._max_bytes is not None and size is not None and size > self._max_bytes

    def _too_large(self, size: int | None) -> str:
        return f"{size or 0:,} bytes is over the limit of {self._max_bytes or 0:,}"

    # -- recording -------------------------------------------------------------------------------

    def record(self, task: FileTask, result: FileResult, ingest: Ingest, now: str) -> None:
        """Write down how it ended; the caller holds the transaction."""
        if task.kind == "attachment":
            ingest.save_attachment_state(
                int(task.key),
                result.state,
                sha256=result.sha256,
                stored_size=result.size,
                error=result.error,
                url=result.url,
            )
            return
        message_id, _, media_id = task.key.partition("/")
        self._archive.db.execute(
            _SETTLE_MEDIA,
            {
                "state": result.state,
                "sha256": result.sha256,
                "size": result.size,
                "error": result.error,
                "now": now,
                "message_id": int(message_id),
                "media_id": media_id,
            },
        )
