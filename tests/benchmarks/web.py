"""How fast the mail pages are on a large mailbox: ``python -m tests.benchmarks.web [FOLDER]``.

Makes (once, in FOLDER) a mailbox of 20,000 conversations and 100,000 messages, then prints the median
server time and the size of each page, warm, asked one after another over HTTP on the loopback.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from canvas_archive.store import Archive
from tests.benchmarks.figures import Plan, Row, by_turns, median, milliseconds
from tests.benchmarks.generate import OWNER, generate
from tests.benchmarks.scale import serving
from tests.web_support import Running

MESSAGES = 100_000
ASKED = 40
MOST_BYTES = 60_000
COOKIE = "canvas_archive_zone=UTC"
PAGES = {
    # name: (path, the median it must stay under, in milliseconds)
    "inbox": ("/mail", 30),
    "inbox, page 2": ("", 30),
    "starred": ("/mail/starred", 30),
    "sent": ("/mail/sent", 30),
    "thread": ("/mail/c/{thread}", 30),
    "person": ("/mail/people/{person}", 30),
    "busiest person": ("/mail/people/{busiest}", 30),
    "search, common words": ("/mail/search?q=lab+report", 80),
    "search, rare words": ("/mail/search?q=extension+deadline+friday", 80),
    "search, narrowed": ("/mail/search?q=draft&year=2025&person=1", 80),
    "course": ("/mail/courses/{course}", None),
    "people": ("/mail/people", None),
    "courses": ("/mail/courses", None),
    "timeline": ("/mail/timeline", None),
    "a month": ("/mail/timeline?when=2026-03", None),
    "changes": ("/mail/edits", None),
    "status": ("/mail/status", None),
    "your own page": ("/mail/people/1", None),
    "Datasette: conversations": ("/archive/conversations", None),
}
PLAIN = {
    # name: Datasette's own page of the same rows
    "inbox": "/archive/inbox",
    "starred": "/archive/conversations?starred=1",
    "sent": "/archive/conversations?_sort_desc=last_authored_message_at",
    "thread": "/archive/messages?conversation_id={thread}",
    "person": "/archive/conversation_participants?user_id={person}",
    "busiest person": "/archive/conversation_participants?user_id={busiest}",
    "search, common words": "/archive/messages?body__contains=lab+report",
    "course": "/archive/conversations?context_code={course}",
    "people": "/archive/users",
    "courses": "/archive/contexts",
}


def measure(connection: http.client.HTTPConnection, path: str, cookie: str, times: int) -> tuple[float, int]:
    """Return the median milliseconds and the size of a page."""
    taken = []
    size = 0
    for turn in range(times + 3):
        began = time.perf_counter()
        connection.request("GET", path, headers={"cookie": cookie})
        answer = connection.getresponse()
        size = len(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        if turn >= 3:  # the first ones warm caches and threads
            taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken), size


def addresses(folder: Path) -> dict[str, int | str]:
    """Return what stands in the pages' addresses: a thread, a person, the busiest one, a course."""
    with Archive.open(folder) as archive:
        (course,) = archive.db.execute(
            "SELECT context_code FROM conversations WHERE context_code IS NOT NULL"
            " GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        ).fetchone()
        (thread,) = archive.db.execute(
            "SELECT id FROM conversations WHERE message_count BETWEEN 5 AND 8 ORDER BY id LIMIT 1 OFFSET "
            " (SELECT min(300, count(*) / 10) FROM conversations WHERE message_count BETWEEN 5 AND 8)"
        ).fetchone()
        by_count = archive.db.execute(
            "SELECT user_id FROM conversation_participants WHERE user_id <> ?"
            " GROUP BY user_id ORDER BY count(*) DESC",
            (OWNER,),
        ).fetchall()
    return {
        "thread": thread,
        "person": by_count[len(by_count) // 2][0],
        "busiest": by_count[0][0],
        "course": course,
    }


def second_page(connection: http.client.HTTPConnection) -> str:
    """Return the address of the inbox's second page, which stands on the first."""
    connection.request("GET", "/mail")
    first = connection.getresponse().read().decode()
    return "/mail" + first.split('rel="next" href="')[1].partition('"')[0].replace("&amp;", "&")


def rows(plan: Plan) -> Iterator[Row]:
    """Yield a row for each page: our median, and that of Datasette's own page of the same rows, by turns."""
    folder = plan.work / "mailbox"
    generate(folder, plan.size(MESSAGES, 3_000))
    known = addresses(folder)
    with serving(folder) as server:
        connection = http.client.HTTPConnection(server.base.partition("//")[2], timeout=60)
        second = second_page(connection)
        for name, (path, limit) in PAGES.items():
            target = path.format(**known) or second
            plain = PLAIN.get(name, "").format(**known)
            sides = [target, plain] if plain else [target]
            answers = by_turns(
                [partial(measure, connection, side, COOKIE, plan.size(ASKED // 4, 2)) for side in sides], 3
            )
            ours, *theirs = (median(taken for taken, _ in told) for told in answers)
            size = answers[0][0][1]
            yield Row(
                f"page: {name}" + (" (peer: Datasette's table of the same)" if plain else ""),
                f"{milliseconds(ours / 1000)}, {size / 1000:.0f} kB",
                milliseconds(theirs[0] / 1000) if theirs else "",
                theirs[0] / ours if theirs else None,
                3 * plan.size(ASKED // 4, 2),
                f"< {limit} ms" if limit else "",
                (ours < limit and size < MOST_BYTES) if limit else None,
                ours,
                theirs[0] if theirs else None,
                "ms",
            )
        connection.close()


def main() -> int:
    """Make, serve, measure and print; the exit code tells whether every page keeps its promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--times", type=int, default=ASKED)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.gettempdir()) / "canvas-archive-benchmark-web"
    if not (folder / "archive.db").exists():
        began = time.perf_counter()
        generate(folder, MESSAGES)
        print(f"made the mailbox in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    running = Running(folder, login=False)
    late = []
    try:
        connection = http.client.HTTPConnection(running.base.partition("//")[2])
        second = second_page(connection)
        known = addresses(folder)
        print(f"| {'page':<26} | {'median ms':>9} | {'limit':>5} | {'kB':>5} |")
        print(f"|{'-' * 28}|{'-' * 10}:|{'-' * 6}:|{'-' * 6}:|")
        for name, (path, limit) in PAGES.items():
            target = path.format(**known) or second
            taken, size = measure(connection, target, COOKIE, options.times)
            print(f"| {name:<26} | {taken:9.1f} | {limit or '':>5} | {size / 1000:5.1f} |")
            if (limit and taken > limit) or (target.startswith("/mail") and size > MOST_BYTES):
                late.append(name)
        connection.close()
    finally:
        running.stop()
    if late:
        print(f"\nover its limit: {', '.join(late)}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
