"""Waiting for a batch of edits that Canvas carries out in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canvas_archive.canvas import CanvasClient
    from canvas_archive.clock import Clock
    from canvas_archive.model import Progress

POLL_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
POLL_LIMIT_SECONDS = 900.0


def await_batch(client: CanvasClient, clock: Clock, progress: Progress) -> str:
    """Poll until Canvas says that the batch is over; return what it says of failures.

    The rows show the outcome: a completed batch may have failed for some of them. Raises
    CanvasProblem when the batch cannot be followed.

    :calls: GET /api/v1/progress/:id
    """
    deadline = clock.monotonic() + POLL_LIMIT_SECONDS
    waits = iter(POLL_SECONDS)
    pause = next(waits)
    while progress.workflow_state in ("queued", "running"):
        if clock.monotonic() > deadline:
            return f" (its batch, progress {progress.id}, is not finished)"
        clock.sleep(pause)
        pause = next(waits, pause)
        progress = client.progress(progress.id)
    _, _, failures = (progress.message or "").partition("\n")
    return f" ({' '.join(failures.split())})" if failures else ""
