"""Requests and seconds of a sync, next to ``canvasapi`` doing the same job on the same local Canvas.

    python -m tests.benchmarks.sync [--sizes 100,1000,10000] [--latency MS] [--json FILE]

The job: have every conversation with all its messages. ``canvasapi`` has no store, so for it the job is
what its users write: list the four scopes at 100 rows a page and get each conversation that is not known to
be unchanged (told by comparing its list row with the last one, which is the best a list can tell). The
sandbox answers both; requests are counted by the sandbox.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from canvas_archive.sync.service import SyncOptions, sync

SCOPES = (None, "archived", "sent", "starred")


class Peer:
    """A backup script on canvasapi, as carefully written as the library allows."""

    def __init__(self, sandbox: Sandbox) -> None:
        from canvasapi import Canvas

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.canvas = Canvas(sandbox.url, sandbox.token)
        self.rows: dict[int, Any] = {}
        self.threads: dict[int, list[Any]] = {}

    def sync(self) -> None:
        for scope in SCOPES:
            options = {"scope": scope} if scope else {}
            for row in self.canvas.get_conversations(per_page=100, **options):
                told = (
                    row.message_count,
                    row.last_message_at,
                    row.last_authored_message_at,
                    row.last_message,
                )
                if self.rows.get(row.id) != told:
                    full = self.canvas.get_conversation(row.id, auto_mark_as_read=False)
                    self.rows[row.id] = told
                    self.threads[row.id] = full.messages


def measure(sandbox: Sandbox, work: Any) -> tuple[int, float]:
    """Return the requests that one piece of work cost, and its seconds."""
    sandbox.log.clear()
    started = time.perf_counter()
    work()
    return len(sandbox.log), time.perf_counter() - started


def change(sandbox: Sandbox, count: int) -> None:
    """Let somebody write in that many conversations."""
    school = sandbox.school
    ids = [i for i in school.ids("inbox") if len(school.conversation(i).rows) > 1][:count]
    for id_ in ids:
        author = next(u for u in school.conversation(id_).rows if u != sandbox.user_id)
        school.receive(id_, author, "Something new.")


def run(sizes: list[int], latency: float = 0.0) -> list[dict[str, Any]]:
    """Return one row for each size and event: requests and seconds of both."""
    rows = []
    for size in sizes:
        with Sandbox(conversations=size, latency=latency) as sandbox, tempfile.TemporaryDirectory() as folder:
            os.environ.update(CANVAS_API_URL=sandbox.url, CANVAS_API_TOKEN=sandbox.token)
            path = Path(folder) / "archive"
            Archive.create(path, base_url=sandbox.url, user_id=sandbox.user_id, name="Owner").close()
            peer = Peer(sandbox)

            def ours(path: Path = path) -> None:
                result = sync(path, SyncOptions(attachments=False, index=False))
                if result.error:
                    raise result.error

            for event, changes in (
                ("first sync", 0),
                ("no change", 0),
                ("1 new message", 1),
                ("50 changes", 50),
            ):
                change(sandbox, changes)
                requests, seconds = measure(sandbox, ours)
                if event == "no change":
                    seconds = statistics.median([seconds, *(measure(sandbox, ours)[1] for _ in range(4))])
                peer_requests, peer_seconds = measure(sandbox, peer.sync)
                rows.append(
                    {
                        "conversations": size,
                        "event": event,
                        "requests": requests,
                        "seconds": round(seconds, 3),
                        "canvasapi_requests": peer_requests,
                        "canvasapi_seconds": round(peer_seconds, 3),
                        "fewer_requests": round(peer_requests / requests, 1),
                        "times_faster": round(peer_seconds / seconds, 1),
                    }
                )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| conversations | event | requests | canvasapi | seconds | canvasapi | times faster |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        lines.append(
            f"| {r['conversations']:,} | {r['event']} | {r['requests']:,} | {r['canvasapi_requests']:,} "
            f"| {r['seconds']:.2f} | {r['canvasapi_seconds']:.2f} | {r['times_faster']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100,1000,10000")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds for every request")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = run([int(size) for size in options.sizes.split(",")], options.latency / 1000)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
