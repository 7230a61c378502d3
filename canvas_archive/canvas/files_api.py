"""Files: what Canvas says of one, getting its bytes, and putting one where messages can carry it."""

from __future__ import annotations

from typing import BinaryIO

import httpx

from canvas_archive.canvas import parse
from canvas_archive.canvas.address import origin_of, require_safe
from canvas_archive.canvas.answers import Answer, error_of
from canvas_archive.canvas.body import decode_json
from canvas_archive.canvas.download import Download, Downloader, Sink, Visit
from canvas_archive.canvas.endpoints import Endpoints
from canvas_archive.canvas.failures import TransientFailure
from canvas_archive.canvas.upload import Multipart, Target, upload_target
from canvas_archive.errors import MalformedAnswer, UnsafeRedirect
from canvas_archive.model import Attachment, Json

_FOLDER = "conversation attachments"


class FilesApi(Endpoints):
    """The endpoints around files."""

    def file(self, file_id: int) -> Attachment:
        """Return what Canvas knows of a file, with a fresh ``url`` (empty when it is locked).

        Raises NotFound when it was deleted, NotPermitted.

        :calls: GET /api/v1/files/:id
        """
        return parse.attachment(self._read(f"/files/{int(file_id)}"))

    def file_public_url(self, file_id: int) -> str:
        """Return an address of a file's bytes that needs no token, for a while.

        Raises NotFound, NotPermitted; MalformedAnswer when there is none in the answer.

        :calls: GET /api/v1/files/:id/public_url
        """
        document = self._read(f"/files/{int(file_id)}/public_url")
        url = document.get("public_url") if isinstance(document, dict) else None
        if not isinstance(url, str) or not url:
            raise MalformedAnswer("Canvas gives no public address for the file.")
        return url

    def download(
        self,
        url: str,
        sink: Sink,
        *,
        offset: int = 0,
        max_bytes: int | None = None,
        room: int | None = None,
        visit: Visit | None = None,
    ) -> Download:
        """Fetch a file's bytes into a sink; return how it went. Sizes are in bytes.

        ``offset`` is how much of the file the sink holds already: it goes on there if the server does
        ranges, and otherwise empties the sink (``seek(0)``, ``truncate(0)``) and begins again. Up to 10
        redirects are followed, the token goes to the configured host only. Broken connections are taken up
        again for as long as that brings more of the file. ``room`` is how many bytes the disk can take.
        ``visit`` is called with every host before it is asked, and returns whether a request that breaks off
        there is worth repeating; what it raises ends the download.

        Raises NotFound, NotPermitted and the other ApiErrors; SignInNeeded where the token does not count;
        FileTooLarge over ``max_bytes``; NoRoom; UnsafeRedirect for an address that is not encrypted, and
        PrivateAddress, which is one, for a host that is not public; FileHostUnreachable when it is not Canvas
        that is away; MalformedAnswer for bytes that do not add up. What the sink holds after an error can be
        resumed.

        :calls: GET the url of an attachment
        """
        if offset < 0:
            raise ValueError("offset is negative")
        if not url:
            raise MalformedAnswer("The file has no address: it is locked.")
        try:
            address = httpx.URL(f"{self.base_url}/").join(url)
        except (httpx.InvalidURL, ValueError):
            raise MalformedAnswer("The address of a file is no web address.") from None
        return Downloader(
            self._transport, address, sink, offset=offset, max_bytes=max_bytes, room=room, visit=visit
        ).run()

    def upload_file(self, name: str, content_type: str, data: BinaryIO, size: int) -> Attachment:
        """Put a file into the caller's folder of conversation attachments; return it, ready to be attached.

        ``size`` is in bytes and must be what ``data`` yields. Canvas renames it when the name is taken.
        Raises BadRequest (over the quota), BadInput when the size is wrong, UnsafeRedirect; never sent twice.

        :calls: POST /api/v1/users/self/files
        """
        form = (
            ("name", name),
            ("size", str(size)),
            ("content_type", content_type),
            ("parent_folder_path", _FOLDER),
            ("on_duplicate", "rename"),
        )
        target = self._written(upload_target, self._write("POST", "/users/self/files", form))
        origin = require_safe(target.url, self._transport.home, "The address to upload to")
        self._transport.reach.check(origin.host)
        answer = self._send_bytes(target, name, content_type, data, size)
        return parse.attachment(self._confirmed(answer))

    def _send_bytes(self, target: Target, name: str, content_type: str, data: BinaryIO, size: int) -> Answer:
        """Send the file itself. The address is signed: no token goes there, whichever host it is."""
        transport = self._transport
        request_name = f"POST {target.url.path}"
        effort = transport.effort()
        start = data.tell() if data.seekable() else None
        while True:
            if start is not None:
                data.seek(start)
            body = Multipart(target, name, content_type, data, size)
            headers = {"Accept": "application/json", "Accept-Encoding": "gzip", **body.headers}
            request = transport.http.build_request(
                "POST",
                target.url,
                headers=headers,
                content=iter(body),
                extensions={"timeout": transport.patient},
            )
            try:
                answer = transport.exchange(request, request_name)
                if answer.status >= 500:
                    raise transport.server_trouble(answer)
                if answer.status >= 400 or answer.status < 200:
                    raise error_of(answer, token_sent=False)
                return answer
            except TransientFailure as failure:
                transport.before_retry(request_name, failure, effort, idempotent=False)

    def _confirmed(self, answer: Answer) -> Json:
        """Complete the upload by asking for what the answer points to; return the file's JSON."""
        transport = self._transport
        location = answer.location
        if not location:
            document = decode_json(answer.body)
            inner = document.get("location") if isinstance(document, dict) else None
            if not isinstance(inner, str):
                return document
            location = inner
        try:
            url = answer.url.join(location)
            origin = origin_of(url)
        except (httpx.InvalidURL, ValueError):
            raise MalformedAnswer("An upload ends with something that is no address.") from None
        if origin != transport.home:
            raise UnsafeRedirect(
                f"The upload is to be completed at {origin}, which is not {transport.home}. The token was "
                "not sent there, and the file may not have arrived."
            )
        if transport.as_user_id is not None:
            url = url.copy_set_param("as_user_id", str(transport.as_user_id))
        return transport.request(transport.reading(url))[1]
