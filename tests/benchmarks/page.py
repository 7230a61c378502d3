"""The pages that show kept figures: made by cog from the JSON file of a run, never by hand."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.__main__ import GROUPS, read
from tests.benchmarks.figures import Machine, Row, table

TITLES = {
    "startup": "Start-up",
    "sync": "Syncing",
    "store": "Writing",
    "search": "Searching",
    "web": "Pages",
    "export": "Exporting",
    "fleet": "Many custodians",
    "growth": "Foreign text",
    "memory": "Every command at 1,000,000 messages",
    "scale": "Every page at 1,000,000 messages",
}


def whole(file: Path) -> str:
    """Return every row of a file, group by group, each with its machine, versions, command and moment."""
    parts = []
    for group in read(file):
        about = Machine(**group["machine"])
        versions = ", ".join(f"{name} {version}" for name, version in about.packages.items())
        load = (
            "" if about.load is None else f"; load {about.load:.1f} before, {group['load_at_end']:.1f} after"
        )
        parts += [
            f"## {TITLES[group['group']]}",
            "",
            f"{GROUPS[group['group']][0].upper()}{GROUPS[group['group']][1:]}.",
            "",
            table(Row(**row) for row in group["rows"]),
            "",
            f"`{group['command']}`, {group['measured_at']}{load}. {about.sentence()}; {versions}.",
            "",
        ]
    return "\n".join(parts)


def targets(file: Path) -> str:
    """Return the table of the rows that have a target; of the commands' memory, only the largest."""
    rows = []
    for group in read(file):
        judged = [row for row in (Row(**told) for told in group["rows"]) if row.met is not None]
        rows += _largest(judged) if group["group"] in ("memory", "scale") else judged
    return table(rows)


def _largest(rows: list[Row]) -> list[Row]:
    """Return the row that is nearest to its limit, and those that miss it."""
    ordered = sorted(rows, key=lambda row: row.value or 0, reverse=True)
    return ordered[:1] + [row for row in ordered[1:] if not row.met]
