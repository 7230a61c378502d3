"""Every measurement with one command: ``python -m tests.benchmarks``.

    python -m tests.benchmarks [--quick] [--only GROUP…] [--million FOLDER] [--slow] [--json FILE]
    python -m tests.benchmarks --table FILE

Prints one table and keeps it in a JSON file, row by row, with the machine and the versions it was made on. A
later run with ``--only`` replaces its groups in that file and leaves the others. A peer is measured in the
same run, turn by turn where that is possible: compare ratios, for times are those of one machine on one day.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from canvas_archive.clock import iso
from tests.benchmarks.children import Failed
from tests.benchmarks.figures import Machine, Plan, Row, line, load, machine, skipped, table

GROUPS = {
    # module: what it measures
    "startup": "commands that have next to nothing to do, next to sqlite-utils and Datasette",
    "sync": "a sync next to a script on canvasapi, under Canvas's limits",
    "store": "writing parsed conversations, next to sqlite-utils",
    "receipts": "what receipts cost, next to an archive without them",
    "search": "indexing and searching, next to FTS5 and tantivy",
    "web": "the mail pages, next to Datasette's own of the same rows",
    "export": "exports, next to loops of the standard library",
    "fleet": "200 custodians, next to a script on canvasapi",
    "custodians": "status and search of 2,000 archives, next to a loop of sqlite3",
    "growth": "what a byte of foreign text costs in a long and in a short one, next to a plain pass",
    "memory": "time and memory of every command at a million messages",
    "scale": "every page at a million messages",
}
DEFAULT_FILE = Path("benchmarks.json")


def measure(group: str, plan: Plan) -> Iterator[Row]:
    """Yield the rows of a group as they are measured; without verdicts in a quick run."""
    for row in importlib.import_module(f"tests.benchmarks.{group}").rows(plan):
        # At a tenth of the size nothing can be said about a target.
        yield replace(row, target="", met=None) if plan.quick else row


def document(name: str, rows: Sequence[Row], about: Machine, command: str, quick: bool) -> dict[str, Any]:
    """Return what the JSON file keeps of one group."""
    return {
        "group": name,
        "measured_at": iso(datetime.now(timezone.utc)),
        "command": command,
        "quick": quick,
        "machine": asdict(about),
        "load_at_end": load(),
        "rows": [row.to_json() for row in rows],
    }


def keep(file: Path, group: dict[str, Any]) -> None:
    """Write a group into the file, in place of what it has of the same one."""
    kept = {told["group"]: told for told in read(file)} if file.exists() else {}
    kept[group["group"]] = group
    ordered = [kept[name] for name in GROUPS if name in kept]
    unfinished = file.with_name(f".{file.name}.new")
    unfinished.write_text(json.dumps({"groups": ordered}, indent=2, ensure_ascii=False) + "\n", "utf-8")
    unfinished.replace(file)


def read(file: Path) -> list[dict[str, Any]]:
    """Return the groups of a file."""
    groups: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["groups"]
    return groups


def summary(file: Path) -> str:
    """Return the table of a file, with where and when its groups were measured."""
    told = read(file)
    lines = [table(Row(**row) for group in told for row in group["rows"]), ""]
    for group in told:
        about = Machine(**group["machine"])
        busy = "" if about.load is None else f", load {about.load:.1f} to {group['load_at_end']:.1f}"
        lines.append(f"- {group['group']}: {group['measured_at']}{busy}; {about.sentence()}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit code is 1 when a target was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__.partition("\n")[0],
        epilog="Groups: " + "; ".join(f"{name}: {what}" for name, what in GROUPS.items()) + ".",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: only shows that everything runs")
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="GROUP", default=list(GROUPS))
    parser.add_argument("--million", type=Path, metavar="FOLDER", help="an archive made by .generate")
    parser.add_argument(
        "--slow", action="store_true", help="also exports of a million messages to many files"
    )
    parser.add_argument("--json", type=Path, default=DEFAULT_FILE, metavar="FILE", help=f"[{DEFAULT_FILE}]")
    parser.add_argument("--table", type=Path, metavar="FILE", help="measure nothing; print this file's table")
    options = parser.parse_args(arguments)
    if options.table:
        print(summary(options.table))
        return 0
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "tests.benchmarks", *given])
    print(machine().sentence(), "", table([]), sep="\n", flush=True)
    missed: list[str] = []
    for name in options.only:
        about = machine()
        rows = []
        with tempfile.TemporaryDirectory(prefix=f"benchmarks-{name}-") as work:
            plan = Plan(Path(work), options.quick, options.million, options.slow)
            try:
                for row in measure(name, plan):
                    print(line(row), flush=True)
                    rows.append(row)
                    # At once: some groups take long enough to be interrupted.
                    keep(options.json, document(name, rows, about, command, options.quick))
            except Failed as failure:
                rows.append(skipped(name, f"it failed: {failure}"))
                print(line(rows[-1]), flush=True)
                missed.append(name)
        missed += [row.name for row in rows if row.met is False]
        keep(options.json, document(name, rows, about, command, options.quick))
    print(f"\nload {load() or 0:.1f}; targets missed: {len(missed)}", *missed, sep="\n  ")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
