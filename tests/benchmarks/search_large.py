"""Every kind of query on a large archive: ``python -m tests.benchmarks.search_large ARCHIVE``.

Processor time, the median after one search that nobody counts: what a web server's second visitor waits
for on a quiet machine. The archive is one of ``tests.benchmarks.generate``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from canvas_archive.search import search
from tests.benchmarks.figures import Row, milliseconds, table

NOW = datetime(2027, 1, 1, tzinfo=timezone.utc)
LIMIT_SECONDS = 0.3
PAGE: dict[str, Any] = {"facets": True}
QUERIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("a rare word", "monmonier", {}),
    ("a word in nearly every message", "the", {}),
    ("its page with facets", "the", PAGE),
    ("its page 200", "the", {"offset": 3980}),
    ("newest first", "the", {"sort": "newest"}),
    ("by conversation", "the", {"threads": True}),
    ("a common word", "week", {}),
    ("its page with facets", "week", PAGE),
    ("three words", "exam lab schedule", {}),
    ("three very common words", "the and for", {}),
    ("a word or a condition", "exam OR has:attachment", {}),
    ("a phrase", '"problem set"', {}),
    ("a phrase of very common words", '"of the"', {}),
    ("a beginning of one letter", "s*", {}),
    ("of two letters", "st*", {}),
    ("of three letters", "str*", {}),
    ("person, word, year", "from:chen week on:2024", {}),
    ("conditions alone", "is:starred has:attachment", {}),
    ("a state of most messages, with facets", "is:read", PAGE),
    ("everything, with facets", "", PAGE),
)


def measure(folder: Path, *, repeats: int = 5) -> list[Row]:
    """Ask every query several times; return a row each."""
    rows = []
    for name, text, options in QUERIES:
        times = []
        for _ in range(repeats + 1):
            began = time.process_time()
            result = search(folder / "archive.db", folder / "search", text, tz="UTC", now=NOW, **options)
            times.append(time.process_time() - began)
        took = statistics.median(times[1:])
        rows.append(
            Row(
                f"{name}: `{text}`, {result.total:,} hits",
                milliseconds(took),
                n=repeats,
                target=f"< {LIMIT_SECONDS * 1000:.0f} ms",
                met=took < LIMIT_SECONDS,
            )
        )
        print(table(rows[-1:]).splitlines()[-1], flush=True)
    return rows


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(table(measure(options.archive, repeats=options.repeats)))


if __name__ == "__main__":
    main()
