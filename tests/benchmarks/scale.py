"""Every mail page of a large archive through ``serve``: ``python -m tests.benchmarks.scale ARCHIVE``.

The server is the real one, in a process of its own; a page's time is from the request to the last byte of
the answer, after one request that nobody counts.
"""

from __future__ import annotations

import argparse
import os
import re
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

from tests.benchmarks.children import canvas_archive
from tests.benchmarks.figures import ROOT, Plan, Row, milliseconds, skipped, table

LIMIT_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Server:
    """A running ``serve``: where it is, and its process."""

    base: str
    pid: int

    def peak_megabytes(self) -> float | None:
        """Return the most memory it ever had, where the system tells."""
        status = Path(f"/proc/{self.pid}/status")
        match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
        return int(match[1]) / 1e3 if match else None


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve an archive without sign-in on the loopback."""
    command = canvas_archive("--archive", str(folder), "serve", "--port", "0", "--no-login", "--no-open")
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        told = ""
        while process.stdout is not None and (line := process.stdout.readline()):
            told += line
            match = re.search(r"http://127\.0\.0\.1:\d+", line)
            if match:
                yield Server(match[0], process.pid)
                return
        raise RuntimeError(f"serve did not start: {told}")
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def pages(folder: Path) -> dict[str, str]:
    """Return the pages to ask for: name and address. Deep pages, the longest thread, the busiest people."""
    with closing(sqlite3.connect(f"file:{folder / 'archive.db'}?mode=ro", uri=True)) as db:

        def one(query: str) -> tuple[object, ...]:
            row: tuple[object, ...] = db.execute(query).fetchone()
            return row

        deep = one(
            "SELECT last_message_at, id FROM conversations WHERE last_message_at > '' "
            "ORDER BY 1, 2 LIMIT 1 OFFSET (SELECT count(*) / 10 FROM conversations)"
        )
        longest = one("SELECT conversation_id FROM messages GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")[0]
        middle = one(
            f"SELECT id FROM messages WHERE conversation_id = {longest} ORDER BY created_at, id "
            f"LIMIT 1 OFFSET (SELECT count(*) / 2 FROM messages WHERE conversation_id = {longest})"
        )[0]
        latest = one(
            "SELECT latest_at, id FROM conversations ORDER BY latest_at DESC "
            "LIMIT 1 OFFSET (SELECT min(50000, count(*) / 2) FROM conversations)"
        )
        busiest = one(
            "SELECT user_id FROM conversation_participants WHERE user_id <> (SELECT user_id FROM account) "
            "GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        )[0]
        quiet = one("SELECT max(user_id) FROM conversation_participants")[0]
        course = one(
            "SELECT context_code FROM conversations WHERE context_code > '' "
            "GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        )[0]
        file = one("SELECT id FROM attachments WHERE state = 'stored' LIMIT 1")[0]
    key = quote(f"{deep[0]}~{deep[1]}")
    following = f"{str(latest[0]).replace(':', '~3A')},{latest[1]}"
    return {
        "inbox": "/mail",
        "inbox, nine tenths down": f"/mail?before={key}",
        "unread": "/mail/unread",
        "starred": "/mail/starred",
        "archived, nine tenths down": f"/mail/archived?before={key}",
        "sent": "/mail/sent",
        "gone from Canvas": "/mail/removed",
        "a conversation": "/mail/c/3",
        "the longest conversation": f"/mail/c/{longest}",
        "the longest conversation, its middle": f"/mail/c/{longest}?m={middle}",
        "search, a word": "/mail/search?q=midterm",
        "search, a common word": "/mail/search?q=the",
        "search, person and year": "/mail/search?q=from%3Achen+on%3A2024",
        "people": "/mail/people",
        "people by name": "/mail/people?name=chen",
        "the busiest person": f"/mail/people/{busiest}",
        "a quiet person": f"/mail/people/{quiet}",
        "courses": "/mail/courses",
        "the busiest course": f"/mail/courses/{course}",
        "timeline": "/mail/timeline",
        "timeline, a month": "/mail/timeline?when=2024-03",
        "changes": "/mail/edits",
        "status": "/mail/status",
        "a file": f"/mail/files/{file}",
        "table: messages": "/archive/messages",
        "table: conversations": "/archive/conversations",
        "table: conversations, page 1,000": f"/archive/conversations?_next={following}",
        "table: threads": "/archive/threads",
        "table: inbox": "/archive/inbox",
        "database": "/archive",
    }


def measure(folder: Path, *, repeats: int = 5) -> list[Row]:
    """Ask for every page several times; return a row each, and one for the server's memory."""
    rows = []
    with serving(folder) as server:
        for name, path in pages(folder).items():
            times = []
            for _ in range(repeats + 1):
                began = time.perf_counter()
                try:
                    with urlopen(server.base + path, timeout=60) as answer:
                        answer.read()
                        problem = ""
                except OSError as error:
                    problem = f" ({error})"
                times.append(time.perf_counter() - began)
            took = statistics.median(times[1:])
            rows.append(
                Row(
                    f"page: {name}",
                    f"{milliseconds(took)}{problem}",
                    n=repeats,
                    target=f"< {LIMIT_SECONDS * 1000:.0f} ms",
                    met=took < LIMIT_SECONDS and not problem,
                    value=took,
                    unit="s",
                )
            )
        peak = server.peak_megabytes()
    if peak is not None:
        rows.append(
            Row(
                "`serve`, after all pages", f"{peak:.0f} MB", ratio=200 / peak, target="< 200 MB",
                met=peak < 200, value=peak, peer_value=200, unit="MB",
            )
        )  # fmt: skip
    return rows


def rows(plan: Plan) -> Iterator[Row]:
    """Yield the rows of an archive of a million messages."""
    if plan.million is None:
        yield skipped("pages at a million messages", "it needs --million FOLDER")
        return
    yield from measure(plan.million, repeats=plan.size(5, 1))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(table(measure(options.archive, repeats=options.repeats)))


if __name__ == "__main__":
    main()
