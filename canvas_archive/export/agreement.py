"""Whether the formats of an export say the same: each message, as every format that is there has it.

What follows from the receipts of an export counts as one more format. A file of an export can be changed and
every manifest made anew. What the other formats say stays. Memory does not grow with the export: what each
format says goes into a temporary database as short hashes.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from canvas_archive.export.checks import MOST_ITEMS, Check
from canvas_archive.export.format_readers import READERS, Unread
from canvas_archive.export.formats import FORMATS
from canvas_archive.export.receipts_check import ExportedReceipts, derived_statements
from canvas_archive.export.statements import SAID, Statement, differing
from canvas_archive.store.private import open_regular

_TABLE = """
CREATE TABLE said (message INTEGER, format INTEGER, digests BLOB, PRIMARY KEY (message, format)) WITHOUT ROWID
"""
_LONGEST_NAMED = 300
_RECEIPTS = "receipts"
_ORDER = (*FORMATS, _RECEIPTS)
_COPY = re.compile(rb"([0-9a-f]{64})[ \t]+\*?(?:data/)?attachments/[0-9a-f]{2}/([0-9a-f]{16})/")


def check_agreement(
    folder: Path, counted: object, manifest: Path, receipts: ExportedReceipts | None = None
) -> Iterator[Check]:
    """Compare what the formats below ``folder`` say of each message, with ``counted`` messages in all.

    ``manifest`` lists the files with their SHA-256, by which the copies of attachments are named.
    ``receipts`` are those of the export, where it has some.
    """
    names = [name for name, one in FORMATS.items() if os.path.lexists(folder / one.name)]
    if not names:
        return
    with closing(sqlite3.connect("", isolation_level=None)) as db:
        db.execute(_TABLE)
        db.execute("BEGIN")
        problems = _Problems()
        compared = [name for name in names if _note(db, name, _reader(folder, name), problems)]
        total = db.execute("SELECT count(DISTINCT message) FROM said").fetchone()[0]
        lenient = None
        if receipts is not None and receipts.db is not None:
            if _note(db, _RECEIPTS, lambda: derived_statements(receipts), problems):
                compared.append(_RECEIPTS)
            lenient = _RECEIPTS if receipts.few_messages else None
        _compare(db, compared, problems, lenient)
        if compared and counted != total:
            problems.add(f"export.json counts {counted} messages; there are {total:,}")
        _check_copies(folder, manifest, problems)
    unread = [name for name in names if name not in compared and name not in problems.broken]
    more = f" Not looked into: {', '.join(unread)} (pyarrow is not installed)." if unread else ""
    if len(compared) == 1:
        detail = f"{compared[0]} holds {total:,} messages; there is no other format to compare it with.{more}"
    else:
        those = ", ".join(name.replace("_", " ") for name in SAID)
        detail = (
            f"{', '.join(compared)} say the same of {total:,} messages ({those}, where each has it).{more}"
        )
    if problems.count:
        detail = f"{problems.count:,} things are not the same in all formats: a file was changed"
    yield Check("formats", not problems.count, detail, tuple(problems.items))


class _Problems:
    """What was found; after the first thousand it is counted."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.broken: set[str] = set()
        self.count = 0

    def add(self, item: str) -> None:
        """Note one more."""
        self.count += 1
        if self.count <= MOST_ITEMS:
            self.items.append(item)


def _reader(folder: Path, name: str) -> Callable[[], Iterable[Statement]]:
    return lambda: READERS[name](folder / FORMATS[name].name)


def _note(
    db: sqlite3.Connection, name: str, read: Callable[[], Iterable[Statement]], problems: _Problems
) -> bool:
    """Write down what a format says; return whether it could be read."""
    number = _ORDER.index(name)
    rows = ((one.message, number, one.digests()) for one in read())
    try:
        for message, _, digests in rows:
            values = message, number, digests
            if not db.execute("INSERT OR IGNORE INTO said VALUES (?, ?, ?)", values).rowcount:
                problems.add(f"message {message}: twice in {name}")
    except Unread:
        return False
    except Exception as error:  # a stranger's file may do anything to what reads it
        what = str(error) if isinstance(error, (ValueError, OSError)) else repr(error)
        problems.add(f"{name} cannot be read as this program writes it: {what[:_LONGEST_NAMED]}")
        problems.broken.add(name)
        return False
    return True


def _compare(db: sqlite3.Connection, names: list[str], problems: _Problems, lenient: str | None) -> None:
    """Note what is not the same. The ``lenient`` format may hold messages that no other has."""
    order = _ORDER
    wanted = {order.index(name) for name in names}
    more = -1 if lenient is None else order.index(lenient)
    rows = db.execute("SELECT message, format, digests FROM said ORDER BY message, format")
    for message, group in groupby(rows, itemgetter(0)):
        said = {number: digests for _, number, digests in group if number in wanted}
        if not said.keys() - {more}:
            continue
        missing = [order[number] for number in sorted(wanted - said.keys())]
        if missing:
            have = ", ".join(order[number] for number in said)
            problems.add(f"message {message}: in {have}, not in {', '.join(missing)}")
        for name in differing(list(said.values())):
            problems.add(f"message {message}: the {name} is not the same in {_apart(said, name, order)}")


def _apart(said: dict[int, bytes], name: str, order: Sequence[str]) -> str:
    """Return the formats that say something, those that say the same together."""
    at = 8 * [one.replace("_", " ") for one in SAID].index(name)
    groups: dict[bytes, list[str]] = {}
    for number, digests in said.items():
        if any(digests[at : at + 8]):
            groups.setdefault(digests[at : at + 8], []).append(order[number])
    return " and ".join(", ".join(names) for names in groups.values())


def _check_copies(folder: Path, manifest: Path, problems: _Problems) -> None:
    """Compare the hash of each attachment's copy with the one it is named by."""
    if not os.path.lexists(folder / "attachments"):
        return
    try:
        with open_regular(manifest) as file:
            for line in iter(lambda: file.readline(1 << 16), b""):
                found = _COPY.match(line)
                if found is not None and not found[1].startswith(found[2]):
                    path = line.split(None, 1)[1].decode("utf-8", "replace").strip()
                    problems.add(f"{path}: not the content that its name says")
    except OSError as error:
        problems.add(f"{manifest.name}: {error}")


def recorded_count(record: object) -> object:
    """Return how many messages an export says it holds; ``None`` when it does not say it."""
    counts = record.get("counts") if isinstance(record, dict) else None
    return counts.get("messages") if isinstance(counts, dict) else None
