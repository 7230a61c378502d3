"""``/mail/status``: how fresh and how complete the archive is, and "sync now" and "push now"."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from datasette import Response

from canvas_archive.errors import CredentialProblem
from canvas_archive.store.counts import archive_counts
from canvas_archive.web import actions, login, queries
from canvas_archive.web.frame import Frame, read_frame
from canvas_archive.web.kept import kept
from canvas_archive.web.streams import ProgressStream, is_running
from canvas_archive.web.visit import Context, Visit, view

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
    told = [
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
        counts=", ".join(told),
        error=row["error"] or "",
    )


def duration(visit: Visit, start: str, end: str | None) -> str:
    """Return how long something took: ``45 s``, ``3 min``."""
    first, last = visit.dates.local(start), visit.dates.local(end) if end else None
    if first is None or last is None:
        return ""
    seconds = int((last - first).total_seconds())
    return f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"


def context_of(visit: Visit, connection: sqlite3.Connection, frame: Frame) -> Context:
    """Read everything the page shows."""
    runs = connection.execute(queries.SYNC_RUNS, {"limit": RUNS}).fetchall()
    return {
        "title": "Sync and status",
        "can_sync": visit.can_edit and actions.token_available(visit.archive.folder),
        "counts": kept(connection, "archive", lambda: archive_counts(connection)),
        "stored_bytes": kept(
            connection, "bytes", lambda: connection.execute(queries.STORED_BYTES).fetchone()[0]
        ),
        "runs": [run_of(row, duration(visit, row["started_at"], row["finished_at"])) for row in runs],
        "problems": connection.execute(queries.PROBLEMS, {"limit": PROBLEMS}).fetchall(),
        "folder_path": str(visit.archive.folder),
        "running": is_running(visit.datasette),
        "mark": "",
        "doing": "",
    }


@view(table="sync_runs")
async def status(visit: Visit) -> Any:
    """Answer with the state of the archive."""
    return await visit.page(
        "mail/status.html", lambda connection, frame: context_of(visit, connection, frame), active="status"
    )


async def _stream(visit: Visit, doing: str) -> Any:
    service = actions.service()
    if service is None or not actions.token_available(visit.archive.folder):
        raise CredentialProblem(
            "There is no access token for Canvas at hand. Run canvas-archive sync in a terminal."
        )
    work = service.push_now if doing == "push" else service.sync_now
    folder = visit.archive.folder
    if not visit.accepts_html:
        return ProgressStream(visit.datasette, lambda: work(folder))

    def make(connection: sqlite3.Connection) -> str:
        frame = read_frame(connection, visit.dates)
        context = {**context_of(visit, connection, frame), "mark": MARK, "doing": doing}
        return visit.draw("mail/status.html", frame, context, active="status")

    before, _, after = (await visit.read(make)).partition(MARK)
    return ProgressStream(visit.datasette, lambda: work(folder), before=before, after=after)


@view(table="sync_runs", method="POST")
async def sync(visit: Visit) -> Any:
    """``POST /mail/status/sync``: pull now, and tell what happens line by line."""
    return await _stream(visit, "sync")


@view(table="edits", method="POST")
async def push(visit: Visit) -> Any:
    """``POST /mail/status/push``: send the pending changes now."""
    return await _stream(visit, "push")


@view(method="POST")
async def sign_out(visit: Visit) -> Any:
    """``POST /mail/logout``: end this browser's session."""
    door = login.door_of(visit.datasette)
    door.leave(visit.request.cookies.get(door.cookie, ""))
    response = Response.redirect(visit.path("/mail"), status=303)
    response.set_cookie(
        door.cookie, "", max_age=0, httponly=True, samesite="strict", path=visit.datasette.setting("base_url")
    )
    return response
