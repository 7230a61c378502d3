"""Time and peak memory of every command on a large archive: ``python -m tests.benchmarks.memory ARCHIVE``.

Every command runs in a process of its own; the peak is what the system says of that process. Building the
whole index is listed, but has no limit: it uses two processes and as much memory as its segments need.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.figures import Row, canvas_archive, milliseconds, run_child, table

LIMIT_MB = 200
READING = (
    ("status",),
    ("list",),
    ("list", "--folder", "sent"),
    ("show", "3"),
    ("show", "100", "--json"),
    ("search", "midterm"),
    ("search", "room", "--sort", "newest", "--json"),
    ("search", "the", "--facets"),
    ("sql", "SELECT * FROM inbox LIMIT 20"),
    ("sql", "SELECT author_id, count(*) FROM messages GROUP BY 1 ORDER BY 2 DESC LIMIT 20"),
    ("edits",),
    ("star", "3"),
    ("unstar", "3"),
    ("push", "-n"),
    ("index",),
    ("index", "--check"),
)
"""Commands without their archive; what they change, the next one changes back."""

FORMATS = ("jsonl", "csv", "mbox", "html", "rsmf", "parquet")
_UNLIMITED = {"index --rebuild"}


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, without the archive. ``long`` ones run once."""

    arguments: tuple[str, ...]
    long: bool = False

    @property
    def name(self) -> str:
        """Return how the table names it."""
        return " ".join(word for word in self.arguments if not word.startswith("/"))


def commands(scratch: Path, formats: tuple[str, ...] = FORMATS) -> Iterator[Command]:
    """Yield every command that works offline; results go below ``scratch``."""
    for arguments in READING:
        yield Command(arguments)
    yield Command(("verify",), long=True)
    for name in formats:
        yield Command(("export", str(scratch / name), "--format", name, "--without-attachments"), long=True)
    yield Command(("export", str(scratch / "one.mbox"), "--query", "midterm", "--without-attachments"))
    yield Command(("backup", str(scratch / "backup")), long=True)


def measure(folder: Path, *, repeats: int = 3, formats: tuple[str, ...] = FORMATS) -> list[Row]:
    """Run everything on an archive; return a row each with time and peak memory."""
    rows = []
    for command in _each(folder, formats):
        runs = []
        for _ in range(1 if command.long else repeats):
            ran = run_child(canvas_archive("--archive", str(folder), *command.arguments))
            runs.append(ran)
            if "one.mbox" in command.name or command.long:
                break
        last = runs[-1]
        peak = max(ran.megabytes for ran in runs)
        seconds = statistics.median(ran.seconds for ran in runs)
        ended = "" if last.code == 0 else f" (exit {last.code})"
        rows.append(
            Row(
                f"`{command.name}`",
                f"{milliseconds(seconds)}, {peak:.0f} MB{ended}",
                n=len(runs),
                target="" if command.name in _UNLIMITED else f"< {LIMIT_MB} MB",
                met=None if command.name in _UNLIMITED else peak < LIMIT_MB,
            )
        )
        print(table(rows[-1:]).splitlines()[-1], flush=True)
        if last.code not in (0, 3):
            print(last.errors[-300:], flush=True)
    return rows


def _each(folder: Path, formats: tuple[str, ...]) -> Iterator[Command]:
    """Yield the commands, with room for their results on the archive's own disk while each of them runs."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="measured-") as scratch:
        for command in commands(Path(scratch), formats):
            yield command
            for left in Path(scratch).iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(table(measure(options.archive, repeats=options.repeats)))


if __name__ == "__main__":
    main()
