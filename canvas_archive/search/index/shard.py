"""Building segments of a share of the messages, in this process or in a second one.

The second process is ``python -c "... shard.main()"``. Its task is its argument and its answer one line of
JSON. No pickles cross, and nothing depends on how the first process was started.
"""

from __future__ import annotations

import gc
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from canvas_archive.children import child_environment
from canvas_archive.search.index.documents import message_ids, read_documents
from canvas_archive.search.index.segments import SegmentBuilder, WrittenSegment

_EVERY = 500  # documents between two calls about progress
# The current folder is no place to import from.
_CHILD = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; "
    "from canvas_archive.search.index.shard import main; main()"
)

Range = tuple[int, int]


def build_range(
    db: sqlite3.Connection,
    folder: Path,
    span: Range,
    usual_length: float,
    step: Callable[[int], None],
    skipped: list[int],
) -> WrittenSegment | None:
    """Write one segment of the messages whose ids lie in the span; ``None`` when there are none.

    Messages that cannot be indexed are added to ``skipped``.
    """
    builder = SegmentBuilder(usual_length)
    with _uncollected():
        for _ in builder.add_all(read_documents(db, message_ids(db, *span), skipped), skipped):
            if builder.count % _EVERY == 0:
                step(_EVERY)
        step(builder.count % _EVERY)
        return builder.write(folder) if builder.count else None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hold the cycle collector: it would look at millions of lists again and again; none is in a cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class SecondProcess:
    """Builds segments of some spans beside this process."""

    def __init__(self, db_path: Path, folder: Path, spans: Sequence[Range], usual_length: float) -> None:
        self.spans = list(spans)
        self._process: subprocess.Popen[str] | None = None
        task = {"db": str(db_path), "folder": str(folder), "spans": self.spans, "usual": usual_length}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, json.dumps(task)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env=child_environment(),
            )  # fmt: skip
        except OSError:  # it cannot start: this process does it all
            return

    def result(self) -> tuple[list[WrittenSegment], list[int]] | None:
        """Wait; return the segments and the messages left out, or ``None`` when the process failed."""
        if self._process is None:
            return None
        try:
            answer, _ = self._process.communicate()
            if self._process.returncode != 0:
                return None
            found = json.loads(answer)
            segments = []
            for one in found["segments"]:
                files = {name: (size, digest) for name, (size, digest) in one["files"].items()}
                segments.append(WrittenSegment(one["id"], one["count"], files))
            return segments, [int(number) for number in found["skipped"]]
        except (ValueError, AttributeError, TypeError, KeyError):  # it died, or answered something else
            return None

    def close(self) -> None:
        """Stop the process if it still runs."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def main() -> None:
    """Do what the first argument says, as the second process."""
    from canvas_archive.store.connection import connect_readonly

    task = json.loads(sys.argv[1])
    skipped: list[int] = []

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def step(_count: int) -> None:
        say("")  # fails when the first process has ended

    with closing(connect_readonly(Path(task["db"]))) as db:
        written = [
            build_range(db, Path(task["folder"]), (first, last), task["usual"], step, skipped)
            for first, last in task["spans"]
        ]
    say(json.dumps({"segments": [asdict(one) for one in written if one], "skipped": skipped}))
