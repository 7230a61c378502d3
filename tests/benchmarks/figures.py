"""What the measurements share: a row of the table, how sides are timed by turns, and what a run is told of.

A group of measurements is a module with ``rows(plan)``; ``Plan`` says how large everything is to be.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = (
    "canvasapi", "datasette", "duckdb", "httpx", "pyarrow", "sqlite-utils", "tantivy", "uvicorn", "whoosh3",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is. ``million``: an archive of a million messages, read only; ``work``: free space;
    ``slow``: also what takes many minutes.
    """

    work: Path
    quick: bool = False
    million: Path | None = None
    slow: bool = False

    def size(self, full: int, quick: int) -> int:
        """Return the size that this run takes."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``ratio`` is how many times better than the peer ours is; ``n`` runs each.

    ``ours`` and ``peer`` are for people; ``value`` and ``peer_value`` are the same as bare numbers.
    """

    name: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    n: int = 1
    target: str = ""
    met: bool | None = None
    value: float | None = None
    peer_value: float | None = None
    unit: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the row for the JSON file."""
        return asdict(self)


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| measurement | ours | peer | times better | median of | target |",
        "|---|---:|---:|---:|---:|---|",
    ]
    lines += [line(row) for row in rows]
    return "\n".join(lines)


def line(row: Row) -> str:
    """Return one row as a line of the table; a row of nothing but a name says why nothing was measured."""
    ratio = (
        "" if row.ratio is None
        else f"{row.ratio:.2g}" if row.ratio < 1
        else f"{row.ratio:.1f}" if row.ratio < 100
        else f"{row.ratio:,.0f}"
    )  # fmt: skip
    verdict = "" if row.met is None else " ✓" if row.met else " ✗"
    times = row.n if row.ours else ""
    return f"| {row.name} | {row.ours} | {row.peer} | {ratio} | {times} | {row.target}{verdict} |"


def skipped(what: str, why: str) -> Row:
    """Return the line that says what was not measured, and why."""
    return Row(f"{what}: not measured, {why}", "", n=0)


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and the versions, as far as figures depend on them; memory in GB."""

    cpu: str
    cores: int | None
    memory: float | None
    system: str
    python: str
    sqlite: str
    commit: str
    load: float | None
    packages: dict[str, str] = field(default_factory=dict)

    def sentence(self) -> str:
        """Say it in one line."""
        memory = "" if self.memory is None else f", {self.memory:.0f} GB"
        return (
            f"{self.cpu}, {self.cores} cores{memory}, {self.system}, Python {self.python}, "
            f"SQLite {self.sqlite}, commit {self.commit}"
        )


def machine() -> Machine:
    """Look at the machine this runs on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return Machine(
        cpu=model,
        cores=os.cpu_count(),
        memory=memory,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        commit=_commit(),
        load=load(),
        packages=_packages(),
    )


def load() -> float | None:
    """Return how many processes wanted a processor in the last minute, where the system tells."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _commit() -> str:
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip()


def _packages() -> dict[str, str]:
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def timed(call: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def by_turns(calls: Sequence[Callable[[], T]], n: int) -> list[list[T]]:
    """Run each call ``n`` times, one after the other in every round; return the answers of each.

    A busy minute of the machine then slows every side, and not the one whose turn it was.
    """
    answers: list[list[T]] = [[] for _ in calls]
    for _ in range(n):
        for call, told in zip(calls, answers, strict=True):
            told.append(call())
    return answers


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def milliseconds(seconds: float) -> str:
    """Write seconds as milliseconds."""
    return f"{seconds * 1000:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
