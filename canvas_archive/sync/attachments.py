"""Downloading attachments and recordings, and checking that what came is the file.

A status of 200 is not success: it may be a login page, a short body or another size. Before an item counts as
failed, Canvas is asked for a new address. The errors of one file become a ``FileResult``.
States: ``stored``; ``gone`` (Canvas's own record of the file says so; full syncs look again at growing
intervals); ``refused`` (locked, too large, not permitted; full syncs look again); ``failed``; ``pending``
(not tried yet, or Canvas has a record of the file and no bytes).
"""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, urljoin, urlsplit

from canvas_archive.canvas import FileTooLarge, SignInNeeded
from canvas_archive.clock import SYSTEM
from canvas_archive.errors import (
    CanvasProblem,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    ServerFailure,
    TokenRefused,
    Unreachable,
    UnsafeRedirect,
    UnusableFile,
)
from canvas_archive.store import runs
from canvas_archive.store.blobs import BlobWriter, forget_part
from canvas_archive.sync.file_bytes import Verdict, judge
from canvas_archive.sync.file_hosts import LEDGER, FileHosts, HostRests
from canvas_archive.sync.file_tasks import Ending, FileResult, FileTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.canvas.download import Visit
    from canvas_archive.clock import Clock
    from canvas_archive.model import Attachment
    from canvas_archive.store import Archive

T = TypeVar("T")

_FINAL = frozenset({Ending.STORED, Ending.TOO_LARGE, Ending.HOST, Ending.PLACE, Ending.UNTRIED})
"""Where another address of the same file would not help."""

_HEAD = 1024


class _Unusable(Exception):
    """What arrived is not the file."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.sentence)
        self.ending = Ending.SIGN_IN if verdict.kind == "page" else Ending.WRONG


class Files:
    """Downloads one thing; used by several threads.

    ``everything``: also from hosts that rest since an earlier run.
    """

    def __init__(
        self,
        archive: Archive,
        client: CanvasClient,
        max_bytes: int | None,
        clock: Clock = SYSTEM,
        *,
        everything: bool = False,
    ) -> None:
        self._archive = archive
        self._client = client
        self._max_bytes = max_bytes
        self._clock = clock
        resting = () if everything else runs.resting_ids(archive.db, LEDGER, clock)
        self.hosts = FileHosts(resting)
        self._token_refused = False

    def fetch(self, task: FileTask) -> FileResult:
        """Download one thing to its place under ``files/``. Errors of one item become a result.

        Raises CredentialProblem, CanvasProblem when Canvas as a whole does not answer, and OSError for
        an error of the machine.
        """
        if self._max_bytes is not None and task.size is not None and task.size > self._max_bytes:
            sentence = f"{task.size:,} bytes is over the limit of {self._max_bytes:,}"
            return FileResult(Ending.TOO_LARGE, sentence)
        try:
            with self._client.one_try() if task.failed_before else nullcontext():
                result = self._recording(task) if task.kind == "media" else self._attachment(task)
        except HostRests as error:  # the address was tried, and Canvas's record of the file cannot be read
            return FileResult(Ending.UNTRIED, self.hosts.why(error.host), hosts=(error.host,))
        if result.ending.state in ("gone", "refused"):
            forget_part(self._archive.files_dir, task.part_number)
        return result

    def _recording(self, task: FileTask) -> FileResult:
        """Fetch a recording. Canvas has no record of recordings that could be read."""
        if not task.url:
            return FileResult(Ending.WRONG, "Canvas gives no address for it")
        return self._try(task, task.url)

    def _attachment(self, task: FileTask) -> FileResult:
        """Try the known address, then what Canvas's record says, then an address that needs no token."""
        result = FileResult(Ending.WRONG, "Canvas gives no address for it")
        public_first = bool(task.url) and not self._is_worth_trying(task.url)
        if public_first:
            result = self._public(task)
        elif task.url:
            result = self._try(task, task.url)
        if result.ending in _FINAL:
            return result
        record = self._record(task)
        if isinstance(record, FileResult):
            return record
        if record is not None:
            url, old = record.url or "", task.url
            task = replace(task, size=record.size, content_type=record.content_type, url=url)
            if self._is_worth_trying(url) and not (result.ending is Ending.SIGN_IN and url == old):
                result = replace(self._try(task, url), url=url)
            result = replace(result, record=record.raw)
            if result.ending is Ending.MISSING:
                result = replace(
                    result, sentence="Canvas has a record of the file, and answers 404 for its bytes"
                )
        if result.ending in (Ending.SIGN_IN, Ending.FORBIDDEN) and not public_first:
            found = self._public(task)
            if found.ending is Ending.STORED and task.url and self._is_bare(task.url):
                self._token_refused = True
            if found.ending in _FINAL:
                return replace(found, record=result.record)
        return result

    def _is_bare(self, url: str) -> bool:
        """Return whether an address is Canvas's own and holds no verifier, so that only a token opens it."""
        try:
            parts = urlsplit(urljoin(self._client.base_url + "/", url))
        except ValueError:
            return False
        own = f"{parts.scheme}://{parts.netloc}".lower() == self._client.base_url
        return own and "verifier" not in parse_qs(parts.query)

    def _is_worth_trying(self, url: str | None) -> bool:
        """Return whether an address may work: it does not need the token where Canvas refuses it."""
        if not url:
            return False
        return not (self._token_refused and self._is_bare(url))

    # -- what Canvas says of a file --------------------------------------------------------------

    def _record(self, task: FileTask) -> Attachment | FileResult | None:
        """Return Canvas's record of a file, or the result that follows from it; ``None``: not permitted.

        :calls: GET /api/v1/files/:id
        """
        try:
            record = self._asked(task, self._client.file)
        except NotFound:
            return FileResult(Ending.GONE, "deleted on Canvas")
        except TokenRefused:
            self._require_token()
            return None
        except NotPermitted:
            return None
        except CanvasProblem as error:
            return _of_problem(error)
        raw = record.raw
        if "deleted" in (record.extra.get("workflow_state"), record.extra.get("file_state")):
            return FileResult(Ending.GONE, "deleted on Canvas", record=raw)
        if record.extra.get("upload_status") == "pending":
            return FileResult(Ending.UPLOADING, "the file has not arrived at Canvas yet", record=raw)
        if record.extra.get("upload_status") == "failed":
            return FileResult(Ending.WRONG, "Canvas says that the upload of the file failed", record=raw)
        return record if record.url else FileResult(Ending.LOCKED, "locked on Canvas", record=raw)

    def _public(self, task: FileTask) -> FileResult:
        """Fetch a file from its public address, which needs no token.

        :calls: GET /api/v1/files/:id/public_url
        """
        try:
            url = self._asked(task, self._client.file_public_url)
        except TokenRefused as error:
            self._require_token()
            return FileResult(Ending.FORBIDDEN, str(error))
        except CanvasProblem as error:
            return _of_problem(error)
        return self._try(task, url)

    def _asked(self, task: FileTask, question: Callable[[int], T]) -> T:
        """Ask the API about a file, unless it keeps failing at that. Raises HostRests then."""
        host = f"{self._client.base_url} (records of files)"
        if self.hosts.rests(host, anew=task.is_new):
            raise HostRests(host)
        try:
            with self._client.one_try() if self.hosts.is_doubtful(host) else nullcontext():
                answer = question(int(task.key))
        except (ServerFailure, Unreachable, MalformedAnswer) as error:
            self.hosts.failed(host, str(error))
            raise
        self.hosts.answered([host])
        return answer

    def _require_token(self) -> None:
        """Raise TokenRefused when Canvas refuses the token as a whole, and not only for one address.

        :calls: GET /api/v1/users/self
        """
        try:
            self._client.current_user()
        except CanvasProblem as error:
            if not error.item_alone:
                raise

    # -- one address -----------------------------------------------------------------------------

    def _try(self, task: FileTask, url: str) -> FileResult:
        """Download from one address, and learn about the hosts on the way."""
        visited: list[str] = []
        began = self._clock.monotonic()

        def visit(origin: object) -> bool:
            own = str(origin) == self._client.base_url
            kind = "recordings" if task.kind == "media" else "attachments"
            host = f"{origin} ({kind})" if own else str(origin)
            visited.append(host)
            if self.hosts.rests(host, anew=task.is_new):
                raise HostRests(host)
            return not (task.failed_before or self.hosts.is_doubtful(host))

        try:
            result = replace(self._download(task, url, visit), hosts=tuple(visited))
        except HostRests as error:
            led = visited[0] != error.host
            why = self.hosts.led_to_resting(visited[0], error.host) if led else None
            return FileResult(Ending.UNTRIED, why, hosts=(error.host,))
        except UnusableFile as error:
            return FileResult(Ending.PLACE, str(error))
        except _Unusable as error:
            result = FileResult(error.ending, str(error))
        except TokenRefused:
            self._require_token()
            result = FileResult(Ending.SIGN_IN, "Canvas does not take the token at the address of the file")
        except CanvasProblem as error:
            result = _of_problem(error)
        failed = result.ending is Ending.HOST or (result.ending is Ending.SIGN_IN and task.kind == "media")
        last = visited[-1] if failed and visited else None
        self.hosts.answered(host for host in set(visited) if host != last)
        if last is not None:
            self.hosts.failed(last, result.sentence or "", self._clock.monotonic() - began)
        return result

    def _download(self, task: FileTask, url: str, visit: Visit) -> FileResult:
        earlier: int | None = None
        with BlobWriter(self._archive.files_dir, task.part_number) as sink:
            if task.size is not None and sink.size >= task.size:
                sink.restart()
            while True:
                room = shutil.disk_usage(self._archive.files_dir).free
                try:
                    answer = self._client.download(
                        url, sink, offset=sink.size, max_bytes=self._max_bytes, room=room, visit=visit
                    )
                except MalformedAnswer:
                    sink.discard()
                    raise
                found = judge(task.size, task.content_type, answer, sink.size, sink.head(_HEAD), earlier)
                if found.kind == "file":
                    blob = sink.finish()
                    return FileResult(Ending.STORED, found.sentence, blob.sha256, blob.size)
                if found.kind != "again":
                    sink.discard()
                    raise _Unusable(found)
                earlier = sink.size
                sink.restart()


def _of_problem(error: CanvasProblem) -> FileResult:
    """Return what an error of one request means for the file that was asked for.

    Raises the error when it is about Canvas as a whole.
    """
    if not error.item_alone:
        raise error
    kinds: tuple[tuple[type[CanvasProblem], Ending], ...] = (
        (FileTooLarge, Ending.TOO_LARGE),
        (NotFound, Ending.MISSING),
        (SignInNeeded, Ending.SIGN_IN),
        (NotPermitted, Ending.FORBIDDEN),
        (UnsafeRedirect, Ending.UNSAFE),
        (ServerFailure, Ending.HOST),
        (Unreachable, Ending.HOST),
    )
    ending = next((ending for kind, ending in kinds if isinstance(error, kind)), Ending.WRONG)
    return FileResult(ending, str(error))
