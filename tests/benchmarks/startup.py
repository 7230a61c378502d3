"""How long a command takes that has next to nothing to do, next to the programs people know."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.children import Ran, canvas_archive, installed, run_child
from tests.benchmarks.figures import Plan, Row, by_turns, median, milliseconds
from tests.benchmarks.generate import generate

HELP_SECONDS = 0.1
STATUS_SECONDS = 0.2
SMALL = 2_000


def rows(plan: Plan) -> Iterator[Row]:
    """Yield a row for each command. The peers' share is what the interpreter alone takes, too."""
    small = plan.work / "small"
    generate(small, plan.size(SMALL, 200), index=False)
    n = plan.size(15, 2)
    yield _row("an interpreter that does nothing", [sys.executable, "-c", "pass"], None, n)
    yield _row(
        "`--help` (peer: `sqlite-utils --help`)",
        canvas_archive("--help"), installed("sqlite-utils", "--help"), n, HELP_SECONDS,
    )  # fmt: skip
    yield _row(
        "`--help` (peer: `datasette --help`)",
        canvas_archive("--help"), installed("datasette", "--help"), n, HELP_SECONDS,
    )  # fmt: skip
    folders = (
        {"small": small} if plan.million is None else {"small": small, "1,000,000 messages": plan.million}
    )
    for name, folder in folders.items():
        yield _row(
            f"`status`, {name} (peer: `sqlite-utils tables --counts`)",
            canvas_archive("--archive", str(folder), "status"),
            installed("sqlite-utils", "tables", _read_only(folder), "--counts"),
            n if folder is small else min(n, 5), STATUS_SECONDS,
        )  # fmt: skip


def _read_only(folder: Path) -> str:
    return os.fspath(folder / "archive.db")


def _row(
    name: str, ours: list[str], theirs: list[str] | None, n: int, most_seconds: float | None = None
) -> Row:
    calls = [lambda: run_child(ours)]
    if theirs is not None:
        calls.append(lambda: run_child(theirs))
    answers = by_turns(calls, n)
    mine = _median(answers[0])
    peer = _median(answers[1]) if theirs is not None else None
    return Row(
        name,
        mine.told(),
        "" if peer is None else peer.told(),
        None if peer is None else peer.seconds / mine.seconds,
        n,
        "" if most_seconds is None else f"< {milliseconds(most_seconds)}",
        None if most_seconds is None else mine.seconds < most_seconds,
        mine.seconds,
        None if peer is None else peer.seconds,
        "s",
    )


def _median(runs: list[Ran]) -> Ran:
    return Ran(
        median(run.seconds for run in runs),
        median(run.cpu for run in runs),
        max(run.megabytes for run in runs),
    )
