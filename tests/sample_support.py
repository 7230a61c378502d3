"""An archive of the sample mailbox that is the same on every machine: what the golden exports are made of.

It is synced for real, from the sandbox over a socket; only the clock stands still, and the names of the
hosts are put in where the ports of this run would be.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.sample import NOW
from canvas_archive.store import Archive
from canvas_archive.sync.service import SyncOptions, sync
from tests.export_support import FixedClock

CANVAS = "https://canvas.example.edu"
FILES = "https://files.example.edu"


class CollectionClock(FixedClock):
    """Stands an hour after the sample mailbox was looked at last."""

    def now(self) -> datetime:
        """Return the one moment."""
        return NOW + timedelta(hours=1)


class FixedHosts(httpx.BaseTransport):
    """Carries requests for the names above to a sandbox, and puts the names into what it answers."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._places = {CANVAS: sandbox.url.rstrip("/"), FILES: sandbox.files_url.rstrip("/")}
        self._client = httpx.Client(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on, without asking for compression."""
        name = f"{request.url.scheme}://{request.url.host}"
        kept = {key: value for key, value in request.headers.items() if key in ("authorization", "accept")}
        answer = self._client.request(
            request.method,
            self._places[name] + request.url.raw_path.decode("ascii"),
            headers={**kept, "Accept-Encoding": "identity"},
            content=request.read(),
        )
        is_text = answer.headers.get("content-type", "").startswith("application/json")
        headers = [
            (key, self._named(value.encode()).decode())
            for key, value in answer.headers.multi_items()
            if key not in ("content-length", "date")
        ]
        content = self._named(answer.content) if is_text else answer.content
        return httpx.Response(answer.status_code, headers=headers, content=content)

    def _named(self, data: bytes) -> bytes:
        for name, place in self._places.items():
            data = data.replace(place.encode(), name.encode())
        return data

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def sample_archive(folder: Path) -> Path:
    """Sync the mailbox that ``canvas-archive demo`` shows into a new archive."""
    clock = CollectionClock()
    with Sandbox() as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANVAS_API_TOKEN", sandbox.token)
        owner = sandbox.school.state.people[sandbox.user_id].name
        Archive.create(folder, base_url=CANVAS, user_id=sandbox.user_id, name=owner, clock=clock).close()

        def client(archive: Archive, **options: object) -> CanvasClient:
            return CanvasClient(
                CANVAS, Token(sandbox.token), clock=clock, concurrency=1, transport=FixedHosts(sandbox)
            )

        patch.setattr("canvas_archive.sync.service.open_client", client)
        result = sync(folder, SyncOptions(jobs=1, index=False), clock=clock)
    if result.error is not None:
        raise result.error
    return folder
