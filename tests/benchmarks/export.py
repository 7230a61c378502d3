"""How fast exports, verification and backups are, and how much memory they take.

    python -m tests.benchmarks.export [MESSAGES] [--formats jsonl,csv,…] [--keep FOLDER]

Makes an archive of that many messages (100,000 by default; a million take minutes and gigabytes of
disk), then runs each step in a process of its own and prints messages per second, the seconds of processor
time (which a busy machine does not blur), the peak memory, and the size and number of files.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from canvas_archive.export.formats import FORMATS
from tests.benchmarks.children import Ran, canvas_archive, run_child
from tests.benchmarks.export_peers import LOOPS
from tests.benchmarks.figures import Plan, Row, by_turns, median
from tests.benchmarks.generate import generate

PER_CONVERSATION = 4
SLOW = ("mbox", "eml", "html", "rsmf")
"""Formats that are measured once: they, or the loops beside them, take minutes."""


def step(archive: Path, name: str, work: Path) -> None:
    """Run one step and print its seconds and peak memory as JSON."""
    began = time.perf_counter()
    if name == "verify":
        from canvas_archive.export.verify import VerifyOptions, verify_archive

        bad = [check for check in verify_archive(archive, VerifyOptions()) if not check.ok]
        if bad:
            raise SystemExit(f"not verified: {bad}")
    elif name == "backup":
        from canvas_archive.export.backup import backup

        backup(archive, work / "backup")
    else:
        from canvas_archive.export.context import ExportOptions
        from canvas_archive.export.run import Request, export

        form = name.removesuffix("+bag").removesuffix("+redact")
        request = Request(
            archive,
            archive / "archive.db",
            archive / "files",
            work / "out",
            (form,),
            options=ExportOptions(redacted=name.endswith("+redact")),
            bag=name.endswith("+bag"),
        )
        export(request)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
    }
    print(json.dumps(figures))


def size_of(folder: Path) -> tuple[float, int]:
    """Return the size of all files below a folder in megabytes, and how many there are."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes) / 1e6, len(sizes)


def rows(plan: Plan) -> Iterator[Row]:
    """Yield a row for each format, ``verify`` and ``backup``: the command beside a plain loop, by turns."""
    archive = plan.work / "archive"
    total = plan.size(100_000, 1_000)
    generate(archive, total, index=False)
    for name in (*FORMATS, "verify", "backup"):
        # The loops beside the slow ones take many minutes for a hundred thousand messages.
        peer = LOOPS.get(name) if name not in SLOW or plan.quick or plan.slow else None
        sides = [partial(_run_ours, archive, name, plan.work)]
        if peer is not None:
            sides.append(partial(_run_loop, archive, name, plan.work))
        n = 1 if name in SLOW else plan.size(3, 1)
        ours, *theirs = by_turns(sides, n)
        mine = median(ran.seconds for ran in ours)
        other = median(ran.seconds for ran in theirs[0]) if theirs else None
        yield Row(
            f"{name}, messages a second" + (f" (peer: {peer[0]})" if peer else ""),
            f"{total / mine:,.0f}, {max(ran.megabytes for ran in ours):.0f} MB",
            f"{total / other:,.0f}, {max(ran.megabytes for ran in theirs[0]):.0f} MB" if other else "",
            other / mine if other else None,
            n,
            value=total / mine,
            peer_value=total / other if other else None,
            unit="1/s",
        )


def _run_ours(archive: Path, name: str, work: Path) -> Ran:
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        dest = str(Path(scratch) / "out")
        arguments = {
            "verify": ["verify"],
            "backup": ["backup", dest],
        }.get(name, ["export", dest, "--format", name, "--without-attachments"])
        return run_child(canvas_archive("--archive", str(archive), *arguments))


def _run_loop(archive: Path, name: str, work: Path) -> Ran:
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        dest = str(Path(scratch) / "out")
        return run_child([sys.executable, "-m", "tests.benchmarks.export_peers", name, str(archive), dest])


def main() -> None:
    """Parse the arguments, make the archive, run the steps, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("messages", nargs="?", type=int, default=100_000)
    parser.add_argument(
        "--formats", default=",".join([*FORMATS, "jsonl+bag", "jsonl+redact", "verify", "backup"])
    )
    parser.add_argument("--keep", type=Path, help="where the archive is made, or taken from")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        step(Path(arguments.step[0]), arguments.step[1], Path(arguments.step[2]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        archive = arguments.keep or Path(temporary) / "archive"
        if not (archive / "archive.db").exists():
            from tests.export_support import generated_archive

            began = time.perf_counter()
            generated_archive(archive, arguments.messages // PER_CONVERSATION, PER_CONVERSATION)
            print(f"made {arguments.messages:,} messages in {time.perf_counter() - began:.1f} s")
        print(
            f"{'step':14} {'seconds':>8} {'cpu s':>7} {'messages/s':>11} {'peak MB':>8} {'output MB':>10} "
            f"{'files':>9}"
        )
        for name in arguments.formats.split(","):
            with tempfile.TemporaryDirectory() as work:
                done = subprocess.run(
                    [sys.executable, "-m", "tests.benchmarks.export", "--step", str(archive), name, work],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                result = json.loads(done.stdout)
                rate = arguments.messages / result["seconds"]
                size, files = size_of(Path(work))
                print(
                    f"{name:14} {result['seconds']:8.1f} {result['cpu_seconds']:7.1f} {rate:11,.0f} "
                    f"{result['peak_mb']:8.0f} {size:10.1f} {files:9,}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
