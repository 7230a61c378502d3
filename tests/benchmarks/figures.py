"""What the measurements share: a row of the table, medians, and what a child process cost."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``ratio`` is how many times better than the peer ours is; ``n`` runs each."""

    name: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    n: int = 1
    target: str = ""
    met: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row for the JSON file."""
        return asdict(self)


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| measurement | ours | peer | times better | median of | target |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.1f}" if row.ratio < 100 else f"{row.ratio:,.0f}"
        verdict = "" if row.met is None else " ✓" if row.met else " ✗"
        lines.append(f"| {row.name} | {row.ours} | {row.peer} | {ratio} | {row.n} | {row.target}{verdict} |")
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Describe the machine and the versions, as far as figures depend on them."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load": load,
    }


def timed(call: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def median_of(call: Callable[[], object], n: int) -> float:
    """Return the median seconds of several calls."""
    return statistics.median(timed(call) for _ in range(n))


@dataclass(frozen=True, slots=True)
class Ran:
    """What a child process cost: wall and processor seconds, peak memory in MB, and how it ended."""

    seconds: float
    cpu: float
    megabytes: float
    code: int
    errors: str = ""


def run_child(arguments: list[str], **environment: str) -> Ran:
    """Run a program to its end; its output goes nowhere, its standard error is kept."""
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        text = errors.read().decode("utf-8", "replace")
    per_unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes here
    cpu = usage.ru_utime + usage.ru_stime
    return Ran(seconds, cpu, usage.ru_maxrss / per_unit, child.returncode, text[-2000:])


def canvas_archive(*arguments: str) -> list[str]:
    """Return the command line of canvas-archive in this interpreter."""
    return [sys.executable, "-m", "canvas_archive", *arguments]


def milliseconds(seconds: float) -> str:
    """Write seconds as milliseconds."""
    return f"{seconds * 1000:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
