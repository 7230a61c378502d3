"""Files: their API, the three-step upload, the download links, and the second origin that has the bytes.

Canvas itself never sends bytes: a download link answers with a redirect to another host, which must not get
the token. The second origin notes every Authorization header it is sent.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from canvas_archive.sandbox.answers import forbidden, html_page, json_answer, missing, not_found
from canvas_archive.sandbox.call import Call
from canvas_archive.sandbox.composing_api import ATTACHMENTS_FOLDER
from canvas_archive.sandbox.contents import file_bytes, media_bytes
from canvas_archive.sandbox.loading import file_uuid
from canvas_archive.sandbox.mailbox import SandboxFile
from canvas_archive.sandbox.school import School
from canvas_archive.sandbox.state import StoredFile

_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da6364f8cf50"
    "0f0003860180b5e2d3d60000000049454e44ae426082"
)


@dataclass(slots=True)
class FileService:
    """How the school serves files. ``hops`` is the number of redirects before the bytes come.

    ``api_tokens`` lets a bearer token open download links that carry no verifier. ``upload_status`` is what
    the second origin answers an upload with: 201, or 303. Links older than ``generation`` have expired.
    """

    school: School
    origin: str = ""
    hops: int = 1
    api_tokens: bool = True
    ranges: bool = True
    upload_status: int = 201
    generation: int = 0
    leaks: list[str] = field(default_factory=list)
    served: list[str] = field(default_factory=list)

    def expire_links(self) -> None:
        """Make every link to the second origin that was handed out so far answer 403."""
        self.generation += 1

    def signed(self, kind: str, key: str, name: str, hop: int = 1) -> str:
        """Return a link to the second origin; it holds until links are expired."""
        signature = self._signature(kind, key, self.generation)
        query = f"hop={hop}&generation={self.generation}&signature={signature}"
        # A file may be called "..", which no client would send as a part of a path.
        last = "file" if name in (".", "..") else quote(name, safe="")
        return f"{self.origin}/{kind}/{quote(key, safe='')}/{last}?{query}"

    @staticmethod
    def _signature(kind: str, key: str, generation: int) -> str:
        return hashlib.sha256(f"{kind} {key} {generation}".encode()).hexdigest()[:32]

    def check(self, kind: str, key: str, query: dict[str, str]) -> bool:
        """Return whether a link is one of ours and has not expired."""
        genuine = query.get("signature") == self._signature(kind, key, int(query.get("generation") or 0))
        return genuine and int(query.get("generation") or 0) >= self.generation


# The API -----------------------------------------------------------------------------------------------


def show(call: Call) -> Response:
    """:calls: GET /api/v1/files/:id"""
    return call.answer(call.writer.attachment(_readable(call)))


def public_url(call: Call, service: FileService) -> Response:
    """:calls: GET /api/v1/files/:id/public_url"""
    stored = _readable(call)
    return call.answer({"public_url": service.signed("files", str(stored.file.id), stored.file.display_name)})


def begin_upload(call: Call, service: FileService) -> Response:
    """:calls: POST /api/v1/users/self/files"""
    if call.path_id != "self" and call.number() != call.user_id:
        raise forbidden()
    name = call.params.text("name") or call.params.text("filename")
    if not name:
        raise missing("name")
    folder = call.params.text("parent_folder_path") or "my files"
    if call.params.text("parent_folder_id") == str(100 + call.user_id):
        folder = ATTACHMENTS_FOLDER
    state = call.state
    kind = call.params.text("content_type") or "application/octet-stream"
    file = SandboxFile(state.next_id("file"), call.user_id, name, kind, call.school.now)
    stored = StoredFile(file, file_uuid(file.id), folder.strip("/").lower(), "pending", 0)
    state.files[file.id] = stored
    return call.answer(
        {
            "upload_url": f"{service.origin}/upload/{stored.uuid}",
            "upload_params": {"filename": name, "content_type": kind},
            "file_param": "file",
            "progress": None,
        }
    )


def confirm_upload(call: Call) -> Response:
    """:calls: GET /api/v1/files/:id/create_success"""
    stored = call.state.files.get(call.number())
    if stored is None or stored.uuid != call.params.text("uuid") or stored.state != "available":
        raise not_found()
    return call.answer(call.writer.attachment(stored), 201 if call.params.flag("created") else 200)


def _readable(call: Call) -> StoredFile:
    stored = call.state.files.get(call.number())
    if stored is None or stored.state == "deleted" or not _may_read(call, stored):
        raise not_found()
    return stored


def _may_read(call: Call, stored: StoredFile) -> bool:
    """Return whether the file is the caller's own or came with a message they got, also a forwarded one."""
    state, number = call.state, stored.file.id
    if stored.file.owner_id == call.user_id or call.user_id in state.admin_ids:
        return True
    pending = list(state.attached_to.get(number, ()))
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if one in seen:
            continue
        seen.add(one)
        if call.user_id in state.messages[one].to_ids:
            return True
        pending.extend(state.forwarded_by.get(one, ()))
    return False


# Links on Canvas itself --------------------------------------------------------------------------------


def download(request: Request, service: FileService, user_id: int | None) -> Response:
    """Answer ``/files/:id/download``: a redirect to the bytes, or what a browser would be shown."""
    state = service.school.state
    stored = state.files.get(int(request.path_params["id"]))
    if stored is None or stored.state in ("deleted", "pending"):
        return html_page("Page Not Found", 404)
    verifier = request.query_params.get("verifier")
    if verifier is not None and verifier != stored.uuid:
        return html_page("Unauthorized", 403)
    if verifier is None and not (service.api_tokens and user_id is not None):
        return RedirectResponse("/login/canvas", 302)
    if stored.state == "locked":
        return html_page("This file is currently locked", 403)
    if service.hops == 0:
        return _bytes(request, file_bytes(stored.file), stored.file.content_type, service)
    return RedirectResponse(service.signed("files", str(stored.file.id), stored.file.display_name), 302)


def media_download(request: Request, service: FileService, user_id: int | None) -> Response:
    """Answer ``/users/:id/media_download``."""
    if not (service.api_tokens and user_id is not None):
        return RedirectResponse("/login/canvas", 302)
    media_id = request.query_params.get("entryId", "")
    if media_id not in service.school.state.media:
        return html_page("Page Not Found", 404)
    return RedirectResponse(service.signed("media", media_id, "recording.mp4"), 302)


def picture() -> Response:
    """Answer for avatars and thumbnails."""
    return Response(_PIXEL, media_type="image/png")


# The second origin -------------------------------------------------------------------------------------


async def second_origin(request: Request, body: bytes, service: FileService, canvas: str) -> Response:
    """Answer a request to the second origin: a signed link, or the second step of an upload."""
    kind, _, rest = str(request.scope["path"]).strip("/").partition("/")
    if kind == "upload" and request.method == "POST":
        return await _receive_upload(request, body, service, canvas, rest)
    key = rest.partition("/")[0]
    query = dict(parse_qsl(request.url.query))
    if kind not in ("files", "media") or not service.check(kind, key, query):
        return html_page("Forbidden", 403)
    if int(query.get("hop") or 1) < service.hops:
        return RedirectResponse(service.signed(kind, key, "file", int(query.get("hop") or 1) + 1), 302)
    state = service.school.state
    service.served.append(request.url.path)
    if kind == "media":
        return _bytes(request, media_bytes(state.media[key]), "video/mp4", service)
    stored = state.files.get(int(key)) if key.isdigit() else None
    if stored is None or stored.state != "available":
        return html_page("Not Found", 404)
    return _bytes(request, file_bytes(stored.file), stored.file.content_type, service)


async def _receive_upload(
    request: Request, body: bytes, service: FileService, canvas: str, uuid: str
) -> Response:
    stored = next((one for one in service.school.state.files.values() if one.uuid == uuid), None)
    if stored is None or stored.state != "pending":
        return html_page("Forbidden", 403)
    form = await request.form()
    upload = form.get("file")
    if upload is None or isinstance(upload, str):
        return Response("file is missing", 400, media_type="text/plain")
    content = await upload.read()
    await form.close()
    with service.school.lock:
        stored.file.content = content
        stored.size = len(content)
        stored.state = "available"
    number = stored.file.id
    location = f"{canvas}/api/v1/files/{number}/create_success?uuid={stored.uuid}"
    if service.upload_status == 303:
        return RedirectResponse(location, 303)
    answer: dict[str, Any] = {
        "location": location,
        "id": number,
        "instfs_uuid": stored.uuid,
        "display_name": stored.file.display_name,
        "filename": stored.file.display_name,
        "content-type": stored.file.content_type,
        "size": stored.size,
        "url": f"{canvas}/files/{number}/download?download_frd=1&verifier={stored.uuid}",
    }
    return json_answer(answer, 201, {"Location": location})


def _bytes(request: Request, content: bytes, kind: str, service: FileService) -> Response:
    """Send bytes, or the part a Range header asks for when ranges are offered."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Content-Disposition": "attachment"}
    match = _RANGE.match(request.headers.get("range", ""))
    if not service.ranges:
        return Response(content, headers=headers, media_type=kind)
    headers["Accept-Ranges"] = "bytes"
    if match is None or request.headers.get("if-range", etag) != etag:
        return Response(content, headers=headers, media_type=kind)
    start, end = _span(match, len(content))
    if start >= len(content) or end < start:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return Response(content[start : end + 1], 206, headers, media_type=kind)


def _span(match: re.Match[str], size: int) -> tuple[int, int]:
    first, last = match[1], match[2]
    if not first:
        return max(size - int(last or 0), 0), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1
