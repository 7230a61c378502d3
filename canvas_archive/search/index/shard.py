"""Building segments of a share of the messages, in this process or in a second one.

The second process is ``python -c "... shard.main()"``: it reads one JSON document from standard input and
answers in JSON lines. No pickles cross, and nothing depends on how the first process was started.
"""

from __future__ import annotations

import gc
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from canvas_archive.children import child_environment
from canvas_archive.search.index.documents import message_ids, read_documents
from canvas_archive.search.index.segments import SegmentBuilder, WrittenSegment

_EVERY = 500  # documents between two words about progress
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
        self.done = 0
        self.skipped: list[int] = []
        self._segments: list[WrittenSegment] = []
        self._failed = False
        self._process: subprocess.Popen[str] | None = None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CHILD],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env=child_environment(),
            )  # fmt: skip
        except OSError:  # no second process to be had: the first one does it all
            return
        task = {"db": str(db_path), "folder": str(folder), "spans": self.spans, "usual": usual_length}
        pipes = (cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout))
        self._reader = threading.Thread(
            target=self._listen, args=(self._process, json.dumps(task), *pipes), daemon=True
        )
        self._reader.start()

    def _listen(self, process: subprocess.Popen[str], task: str, asking: IO[str], answering: IO[str]) -> None:
        try:
            with answering:
                with asking:
                    asking.write(task)
                for line in answering:
                    word = json.loads(line)
                    self.done += word.get("step", 0)
                    self.skipped += word.get("skipped", ())
                    if "id" in word:
                        files = {name: (size, digest) for name, (size, digest) in word["files"].items()}
                        self._segments.append(WrittenSegment(word["id"], word["count"], files))
        except (
            OSError,
            ValueError,
            AttributeError,
            TypeError,
            KeyError,
        ):  # it died, or speaks of something else
            self._failed = True
            process.kill()

    def result(self) -> list[WrittenSegment] | None:
        """Wait for the end; return a segment for each span, or ``None`` when the process failed."""
        if self._process is None:
            return None
        self._reader.join()
        whole = self._process.wait() == 0 and not self._failed and len(self._segments) == len(self.spans)
        return self._segments if whole else None

    def close(self) -> None:
        """Stop the process if it still runs."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._reader.join()


def main() -> None:
    """Do what standard input says, as the second process."""
    from canvas_archive.store.connection import connect_readonly

    task = json.load(sys.stdin)

    def say(**word: object) -> None:
        sys.stdout.write(json.dumps(word) + "\n")
        sys.stdout.flush()

    db = connect_readonly(Path(task["db"]))
    try:
        for first, last in task["spans"]:
            skipped: list[int] = []
            written = build_range(
                db, Path(task["folder"]), (first, last), task["usual"], lambda count: say(step=count), skipped
            )
            if skipped:
                say(skipped=skipped)
            if written is not None:
                say(id=written.id, count=written.count, files=written.files)
    finally:
        db.close()
