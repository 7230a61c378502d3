"""Time and peak memory of every command on an archive of a million messages.

Every run is a process of its own that must end well; what it writes goes to a folder that is new for it.
Commands that change something work on a copy. Building the whole index is left out: it has no limit.
"""

from __future__ import annotations

import shlex
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.children import Failed, Ran, canvas_archive, run_child
from tests.benchmarks.figures import Plan, Row, median, milliseconds, skipped
from tests.benchmarks.talking import talking

LIMIT_MB = 200
DEST = "DEST"
"""Stands in a command for a path in the run's own folder."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line without its archive. A ``long`` one runs once; a ``slow`` one only when asked for."""

    arguments: tuple[str, ...]
    long: bool = False
    slow: bool = False

    @property
    def name(self) -> str:
        """Return how the table names it."""
        return shlex.join(self.arguments)


def _export(form: str, *more: str, slow: bool = False, long: bool = True) -> Command:
    arguments = ("export", DEST, "--format", form, "--without-attachments", *more)
    return Command(arguments, long=long, slow=slow)


COMMANDS = (
    Command(("status",)),
    Command(("status", "--json")),
    Command(("list",)),
    Command(("list", "--folder", "unread")),
    Command(("list", "--folder", "starred")),
    Command(("list", "--folder", "archived")),
    Command(("list", "--folder", "sent")),
    Command(("list", "--folder", "removed")),
    Command(("list", "--limit", "500", "--json")),
    Command(("show", "3")),
    Command(("show", "100", "--json")),
    Command(("search", "midterm")),
    Command(("search", "room", "--sort", "newest", "--json")),
    Command(("search", "from:chen midterm")),
    Command(("search", '"office hours"')),
    Command(("search", "mid*")),
    Command(("search", "the", "--facets")),
    Command(("sql", "SELECT * FROM inbox LIMIT 20")),
    Command(("sql", "SELECT author_id, count(*) FROM messages GROUP BY 1 ORDER BY 2 DESC LIMIT 20")),
    Command(("sql", "SELECT id, created_at FROM messages", "--csv")),
    Command(("star", "3")),
    Command(("edits",)),
    Command(("unstar", "3")),
    Command(("index",)),
    Command(("index", "--check"), long=True),
    Command(("verify",), long=True),
    Command(("backup", DEST), long=True),
    _export("mbox", "--query", "midterm", long=False),
    _export("jsonl"),
    _export("csv"),
    _export("mbox"),
    _export("parquet"),
    _export("sqlite"),
    _export("rsmf", slow=True),
    _export("html", slow=True),
    _export("eml", slow=True),
)
"""What one changes, a later one changes back."""

ONLINE = (
    Command(("sync", "--quick", "--no-index")),
    Command(("star", "3")),
    Command(("push", "-n")),
    Command(("unstar", "3")),
)
"""With a Canvas on which nothing has changed. Adopting the copy has dropped its index: it stays so."""


def rows(plan: Plan) -> Iterator[Row]:
    """Yield a row for each command: its median time, and the most memory any of its runs took."""
    if plan.million is None:
        yield skipped("memory of each command", "it needs --million FOLDER")
        return
    archive = plan.work / "archive"
    shutil.copytree(plan.million, archive)
    yield from measure(archive, COMMANDS, plan.size(3, 1), slow=plan.slow)
    yield from online(archive, plan.size(3, 1))


def measure(
    archive: Path, commands: Iterable[Command], repeats: int, *, slow: bool = False, **environment: str
) -> Iterator[Row]:
    """Run the commands on an archive that may be changed."""
    for command in commands:
        if command.slow and not slow:
            yield skipped(f"`{command.name}`", "it needs --slow")
            continue
        limit = f"< {LIMIT_MB} MB"
        try:
            runs = [_run(archive, command, environment) for _ in range(1 if command.long else repeats)]
        except Failed as failure:
            yield Row(f"`{command.name}`: {failure}", "failed", target=limit, met=False)
            continue
        peak = max(ran.megabytes for ran in runs)
        seconds = median(ran.seconds for ran in runs)
        cpu = median(ran.cpu for ran in runs)
        yield Row(
            f"`{command.name}`",
            f"{peak:.0f} MB, {milliseconds(seconds)} ({milliseconds(cpu)} of processor)",
            ratio=LIMIT_MB / peak,
            n=len(runs),
            target=limit,
            met=peak < LIMIT_MB,
            value=peak,
            peer_value=LIMIT_MB,
            unit="MB",
        )


def online(archive: Path, repeats: int) -> Iterator[Row]:
    """Yield the rows of what needs a Canvas, with one that has this archive's mailbox."""
    with talking("tests.benchmarks.archive_canvas", str(archive)) as canvas:
        url = canvas.hear()["url"]
        _move(archive, url)
        environment = {"CANVAS_API_URL": url, "CANVAS_API_TOKEN": "7~" + "0" * 30}
        yield from measure(archive, ONLINE, repeats, **environment)


def _move(archive: Path, url: str) -> None:
    """Make an archive one of another Canvas, and our own."""
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        db.execute("UPDATE account SET base_url = ?", (url,))
        db.commit()
    (archive / "config.toml").write_text(f'base_url = "{url}"\n')
    run_child(canvas_archive("--archive", str(archive), "adopt", "--yes"))


def _run(archive: Path, command: Command, environment: dict[str, str]) -> Ran:
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="written-") as scratch:
        dest = str(Path(scratch) / "out")
        arguments = [dest if word == DEST else word for word in command.arguments]
        return run_child(canvas_archive("--archive", str(archive), *arguments), **environment)


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    sys.exit(main(["--only", "memory", *sys.argv[1:]]))
