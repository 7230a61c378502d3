"""``fleet status`` and ``fleet search`` over 2,000 archives, next to a loop of ``sqlite3`` over them.

The loop opens each database, counts, and looks for the word with LIKE: no ranking, no check of anything.
The archives are copies of one with a conversation each; what a fleet's commands cost is the number of them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from canvas_archive.clock import iso
from canvas_archive.sync.fleet_record import CustodianOutcome, Fleet
from tests.benchmarks.children import canvas_archive, run_child
from tests.benchmarks.figures import Plan, Row, median
from tests.fleet_support import SCHOOL, local_fleet
from tests.web_support import NOW

CUSTODIANS = 2_000
FIRST = 10_000
STATUS_TARGET, SEARCH_TARGET = 2.0, 5.0
_LOOP = """
import pathlib, sqlite3, sys
found = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/archive.db")):
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    found += db.execute(sys.argv[2]).fetchone()[0]
    db.close()
print(found)
"""
_COUNT = "SELECT (SELECT count(*) FROM conversations) + (SELECT count(*) FROM messages)"
_LIKE = "SELECT count(*) FROM messages WHERE body LIKE '%word%'"


def rows(plan: Plan) -> Iterator[Row]:
    """Yield both commands over a fleet whose archives have not changed since the last one."""
    count = plan.size(CUSTODIANS, 5)
    root = make_fleet(plan.work / "many", count)
    environment = {"CANVAS_ARCHIVE_ADOPTED": "1", "XDG_CACHE_HOME": str(plan.work / "cache")}
    run_child(canvas_archive("fleet", "status", "--root", str(root)), **environment)
    for command, statement, target in (
        (["status"], _COUNT, STATUS_TARGET),
        (["search", "word"], _LIKE, SEARCH_TARGET),
    ):
        ours, theirs = [], []
        for _ in range(plan.size(3, 1)):
            ours.append(run_child(canvas_archive("fleet", *command, "--root", str(root)), **environment))
            theirs.append(run_child([sys.executable, "-c", _LOOP, str(root), statement]))
        mine, peer = median(one.seconds for one in ours), median(one.seconds for one in theirs)
        yield Row(
            f"fleet {command[0]}, {count:,} custodians (peer: a loop of sqlite3)",
            f"{mine:.2f} s ({median(one.cpu for one in ours):.2f} s of processor)",
            f"{peer:.2f} s",
            peer / mine,
            len(ours),
            f"under {target:g} s",
            mine < target,
            mine,
            peer,
            "s",
        )


def make_fleet(root: Path, count: int) -> Path:
    """Make a fleet by copying one archive; the files are an hour old, as those of a fleet at rest are."""
    local_fleet(root, {FIRST: ("Somebody Else", "Art")})
    pattern = root / str(FIRST)
    with closing(sqlite3.connect(pattern / "archive.db", isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    fleet = Fleet(root)
    for user_id in range(FIRST + 1, FIRST + count):
        folder = Path(shutil.copytree(pattern, root / str(user_id)))
        with closing(sqlite3.connect(folder / "archive.db", isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("UPDATE account SET as_user_id = ?", (user_id,))
        fleet.outcomes[user_id] = CustodianOutcome(
            user_id, str(user_id), f"Custodian {user_id}", "ok", succeeded_at=iso(NOW)
        )
    fleet.open_at(SCHOOL)
    fleet.record(fleet.outcomes[FIRST])
    for path in root.glob("*/*"):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    return root


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    sys.exit(main(["--only", "custodians", *sys.argv[1:]]))
