"""Whether an index is sound: every file of it as it was written, and its messages those of the archive."""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from canvas_archive.search.index import docset
from canvas_archive.search.index.documents import IDS
from canvas_archive.search.index.merging import LARGEST_SEGMENT
from canvas_archive.search.index.postings import Damaged
from canvas_archive.search.index.reading import Files, Segment
from canvas_archive.search.index.record import (
    IndexUnusable,
    ListedSegment,
    changed_files,
    pending_messages,
    usable_record,
)

_QUEUED = "SELECT DISTINCT message_id FROM index_queue ORDER BY message_id"


@dataclass(frozen=True)
class IndexState:
    """What ``index --check`` finds. ``problem`` is ``None`` for a sound index.

    ``skipped`` counts the messages that cannot be indexed, because their rows are damaged.
    """

    problem: str | None
    total: int
    pending: int
    segments: int
    deleted: int
    bytes: int
    updated_at: str | None
    missing: int = 0
    surplus: int = 0
    skipped: int = 0


def check_index(db: sqlite3.Connection, search_dir: Path) -> IndexState:
    """Read every file of the index and compare its messages with the archive's. Changes nothing."""
    pending = pending_messages(db)
    try:
        record = usable_record(db, search_dir)
    except IndexUnusable as error:
        return IndexState(error.reason, 0, pending, 0, 0, 0, None)
    size = sum(size for size, _ in record.files.values())
    try:
        changed = list(changed_files(record, search_dir))
        # Sorted arrays, not sets: of a million messages these take 8 MB.
        found = [
            array("q", sorted(live_messages(search_dir, segment, record.files)))
            for segment in record.segments
        ]
    except (Damaged, OSError) as error:
        return IndexState(f"The index cannot be read: {error}.", 0, pending, 0, 0, size, record.updated_at)
    deleted = sum(len(segment.deleted) for segment in record.segments)
    missing, surplus = compare_messages(db, [*found, array("q", record.skipped)])
    problem = None
    if changed:
        problem = f"{len(changed)} of the index's files are damaged ({', '.join(sorted(changed)[:3])})."
    elif missing or surplus:
        problem = f"The index misses {missing} messages and holds {surplus} that do not belong."
    return IndexState(
        problem,
        sum(map(len, found)),
        pending,
        len(record.segments),
        deleted,
        size,
        record.updated_at,
        missing,
        surplus,
        len(record.skipped),
    )


def compare_messages(
    db: sqlite3.Connection, found: Sequence[array[int]], at_once: int = LARGEST_SEGMENT
) -> tuple[int, int]:
    """Count what the index misses and what it holds too much; ``found`` are its segments, each ascending.

    Neither counts what is queued. They are compared ``at_once`` at a time: memory stays flat.
    """
    queued = array("q", (row[0] for row in db.execute(_QUEUED)))
    missing = surplus = 0
    first, last = -(2**63), 2**63 - 1
    ids = db.execute(IDS, (first, last))
    while True:
        expected = {row[0] for row in ids.fetchmany(at_once)}
        end = max(expected, default=last) if len(expected) == at_once else last
        here = [number for segment in found for number in _between(segment, first, end)]
        distinct = set(here)
        waiting = set(_between(queued, first, end))
        missing += len(expected - distinct - waiting)
        surplus += len(distinct - expected - waiting) + len(here) - len(distinct)
        if end == last:
            return missing, surplus
        first = end + 1


def _between(ascending: array[int], first: int, last: int) -> array[int]:
    return ascending[bisect_left(ascending, first) : bisect_right(ascending, last)]


def live_messages(folder: Path, segment: ListedSegment, files: Files) -> set[int]:
    """Return the messages of a segment's documents that are not deleted. Raises Damaged or OSError."""
    with closing(Segment(folder, segment, files)) as opened:
        live = docset.everything(opened.count) - opened.dead
        return set(live.pick(opened.column("message")))
