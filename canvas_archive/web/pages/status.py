"""``/mail/status``: how fresh and how complete the archive is, and "sync now"."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from datasette import Response

from canvas_archive.errors import CredentialProblem
from canvas_archive.store.counts import archive_counts
from canvas_archive.web import login, queries
from canvas_archive.web.cache import cached
from canvas_archive.web.frame import Frame, read_frame
from canvas_archive.web.page_request import Context, PageRequest, view
from canvas_archive.web.streams import ProgressStream, is_running

Job: TypeAlias = "Callable[[Path, Callable[[str], None]], None]"
"""Work on an archive's folder that calls its last argument with each line."""

RUNS = 12
PROBLEMS = 100
MARK = "<!-- progress -->"
TONES = {"ok": "ok", "partial": "warn", "failed": "warn", "interrupted": "warn", "running": ""}


@dataclass(frozen=True, slots=True)
class RunLine:
    """A sync in words."""

    mode: str
    status: str
    tone: str
    started_at: str
    took: str
    requests: int
    bytes: int
    counts: str
    error: str


def run_of(row: sqlite3.Row, took: str) -> RunLine:
    """Describe a row of ``sync_runs``."""
    counts = json.loads(row["counts"])
    lines = [
        f"{value:,} {key.replace('_', ' ')}"
        for key, value in counts.items()
        if isinstance(value, int) and not isinstance(value, bool) and value
    ]
    return RunLine(
        mode=row["mode"],
        status=row["status"],
        tone=TONES.get(row["status"], ""),
        started_at=row["started_at"],
        took=took,
        requests=row["requests"],
        bytes=row["bytes"],
        counts=", ".join(lines),
        error=row["error"] or "",
    )


def duration(page_request: PageRequest, start: str, end: str | None) -> str:
    """Return how long something took: ``45 s``, ``3 min``."""
    first, last = page_request.dates.local(start), page_request.dates.local(end) if end else None
    if first is None or last is None:
        return ""
    seconds = int((last - first).total_seconds())
    return f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"


def context_of(page_request: PageRequest, connection: sqlite3.Connection, frame: Frame) -> Context:
    """Read everything the page shows."""
    runs = connection.execute(queries.SYNC_RUNS, {"limit": RUNS}).fetchall()
    return {
        "title": "Sync and status",
        "can_sync": page_request.can_sync,
        "counts": cached(connection, "archive", lambda: archive_counts(connection)),
        "stored_bytes": cached(
            connection, "bytes", lambda: connection.execute(queries.STORED_BYTES).fetchone()[0]
        ),
        "runs": [run_of(row, duration(page_request, row["started_at"], row["finished_at"])) for row in runs],
        "problems": connection.execute(queries.PROBLEMS, {"limit": PROBLEMS}).fetchall(),
        "folder_path": str(page_request.archive.folder),
        "running": is_running(page_request.datasette),
        "mark": "",
        "doing": "",
    }


@view(table="sync_runs")
async def status(page_request: PageRequest) -> Any:
    """Answer with the state of the archive."""
    return await page_request.page(
        "mail/status.html",
        lambda connection, frame: context_of(page_request, connection, frame),
        active="status",
    )


async def stream(page_request: PageRequest, doing: str, work_of: Callable[[ModuleType], Job]) -> Any:
    """Answer with the lines of a sync or a push (``doing``), as text or inside the status page.

    ``work_of`` gets the module ``web.syncing``, which is not imported before a button is pressed.
    Raises CredentialProblem when there is no token.
    """
    if not page_request.can_sync:
        raise CredentialProblem(
            "There is no access token for Canvas at hand. Run canvas-archive sync in a terminal."
        )
    from canvas_archive.web import syncing

    work = partial(work_of(syncing), page_request.archive.folder)
    if not page_request.accepts_html:
        return ProgressStream(page_request.datasette, work)

    def make(connection: sqlite3.Connection) -> str:
        frame = read_frame(connection, page_request.dates)
        context = {**context_of(page_request, connection, frame), "mark": MARK, "doing": doing}
        return page_request.draw("mail/status.html", frame, context, active="status")

    before, _, after = (await page_request.read(make)).partition(MARK)
    return ProgressStream(page_request.datasette, work, before=before, after=after)


@view(table="sync_runs", method="POST")
async def sync(page_request: PageRequest) -> Any:
    """``POST /mail/status/sync``: sync now, and show the progress line by line."""
    return await stream(page_request, "sync", lambda syncing: syncing.sync_now)


@view(method="POST")
async def sign_out(page_request: PageRequest) -> Any:
    """``POST /mail/logout``: end this browser's session."""
    policy = login.access_policy(page_request.datasette)
    policy.leave(page_request.request.cookies.get(policy.cookie, ""))
    response = Response.redirect(page_request.path("/mail"), status=303)
    response.set_cookie(
        policy.cookie,
        "",
        max_age=0,
        httponly=True,
        samesite="strict",
        path=page_request.datasette.setting("base_url"),
    )
    return response
