"""What the archive knows of its index: the row that makes an index valid.

The table ``index_state`` in archive.db names the segments that count, their deleted documents, and the size
and digest of every file. Committing an update *is* writing that row, in the same transaction that empties
the queue: whatever a killed update left in the folder is not named, so it does not exist, and the next
update does the work again. An index of another archive, another version, or with a file missing or of
another size does not match its row and is rebuilt.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from canvas_archive.errors import ArchiveError, GuardRefused
from canvas_archive.search.index.analysis import ANALYSER_VERSION
from canvas_archive.search.index.schema import INDEX_NAME, SCHEMA_VERSION
from canvas_archive.store.adoption import is_adopted
from canvas_archive.store.counts import pending_messages as pending_messages
from canvas_archive.store.private import open_regular
from canvas_archive.store.schema import INDEX_STATE

TABLE = INDEX_STATE.replace("TABLE", "TABLE IF NOT EXISTS", 1)
_READ = "SELECT record FROM index_state WHERE id = 1"
_WRITE = "INSERT OR REPLACE INTO index_state (id, record) VALUES (1, ?)"
_IDENTITY = "SELECT base_url || ' ' || user_id || ' ' || created_at FROM account"

VERSION = f"{SCHEMA_VERSION}.{ANALYSER_VERSION}"


class IndexUnusable(ArchiveError):
    """There is no index, or none that can be trusted; ``index --rebuild`` makes one."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Run 'canvas-archive index --rebuild' to build it anew.")
        self.reason = reason


class IndexBehind(ArchiveError):
    """Messages wait to be indexed, and the answer must not leave any out."""

    def __init__(self, pending: int) -> None:
        waiting = "1 message is" if pending == 1 else f"{pending:,} messages are"
        super().__init__(
            f"{waiting} not in the search index yet, so a search could miss some. "
            "Run 'canvas-archive index', then ask again."
        )


class ForeignIndex(IndexUnusable):
    """The index came with an archive that this user has neither made nor adopted: it is not opened."""

    exit_code = GuardRefused.exit_code

    def __init__(self) -> None:
        ArchiveError.__init__(
            self,
            "This archive was made on another machine or by somebody else, and the index that came with it "
            "is not opened. If it is yours, or you trust whoever gave it to you: canvas-archive adopt",
        )
        self.reason = "It came with an archive that is not adopted, and was not opened."


@dataclass(frozen=True, slots=True)
class ListedSegment:
    """A segment: what its files' names begin with, how many documents it has, and which are deleted."""

    name: str
    count: int
    deleted: tuple[int, ...] = ()

    @property
    def live(self) -> int:
        """Return how many documents are not deleted."""
        return self.count - len(self.deleted)


@dataclass(frozen=True)
class IndexRecord:
    """The index as it was committed. ``built_at`` and ``updated_at`` are ISO times.

    ``files`` are the size and the SHA-256 of each file, ``changed`` when each was last changed (nanoseconds).
    ``skipped`` are the messages that could not be indexed.
    """

    generation: int
    segments: tuple[ListedSegment, ...]
    files: dict[str, tuple[int, str]]
    version: str
    identity: str
    total: int
    usual_length: float
    built_at: str
    updated_at: str
    skipped: tuple[int, ...] = ()
    changed: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the record as the text that is stored."""
        return json.dumps(asdict(self))


def toc_name(generation: int) -> str:
    """Return the file name of a table of contents."""
    return f"_{INDEX_NAME}_{generation}.toc"


def identity(db: sqlite3.Connection) -> str:
    """Return what distinguishes this archive from any other."""
    row = db.execute(_IDENTITY).fetchone()
    return str(row[0]) if row else ""


def committed(db: sqlite3.Connection) -> str | None:
    """Return the record of the committed index as it is stored: another one means that it was renewed."""
    try:
        row = db.execute(_READ).fetchone()
    except sqlite3.OperationalError:  # no such table: nothing was ever indexed
        return None
    return None if row is None else row[0]


def read_record(db: sqlite3.Connection) -> IndexRecord | None:
    """Return the record of the committed index; ``None`` when there never was one or it cannot be read."""
    text = committed(db)
    return None if text is None else _parsed(text)


@lru_cache(maxsize=4)  # a search needs it, and it seldom changes
def _parsed(text: str) -> IndexRecord | None:
    try:
        fields = json.loads(text)
        fields.pop("digest", None)  # of a version that did not record segments
        fields["segments"] = tuple(
            ListedSegment(str(one["name"]), int(one["count"]), tuple(map(int, one["deleted"])))
            for one in fields.get("segments", ())
        )
        fields["files"] = {name: (int(size), str(digest)) for name, (size, digest) in fields["files"].items()}
        fields["skipped"] = tuple(map(int, fields.get("skipped", ())))
        fields["changed"] = {str(name): int(at) for name, at in fields.get("changed", {}).items()}
        return IndexRecord(**fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def write_record(db: sqlite3.Connection, record: IndexRecord) -> None:
    """Store the record; the caller holds the transaction."""
    db.execute(_WRITE, (record.to_json(),))


def usable_record(db: sqlite3.Connection, folder: Path) -> IndexRecord:
    """Return the record if the files in the folder are those it names.

    They are judged by their sizes and times. One of another time (a copied archive, or a change) is read, and
    judged by its digest.

    Raises IndexUnusable with the reason otherwise.
    """
    if not is_adopted(db):
        raise ForeignIndex
    record = read_record(db)
    if record is None:
        raise IndexUnusable("There is no search index yet.")
    if record.version != VERSION:
        raise IndexUnusable("The search index was made by another version of this program.")
    if record.identity != identity(db):
        raise IndexUnusable("The search index belongs to another archive.")
    inside, changed = f"{folder}{os.sep}", record.changed
    for name, (size, _) in record.files.items():
        try:
            found = os.lstat(inside + name)  # hundreds of files, in every search
        except OSError:
            if name == toc_name(record.generation):
                raise IndexUnusable("The search index is missing.") from None
            raise IndexUnusable(f"A file of the search index is missing ({name}).") from None
        same = found.st_size == size and stat.S_ISREG(found.st_mode)
        if same and found.st_mtime_ns == changed.get(name):
            continue
        if not same or (name in changed and _is_changed(record, folder, name)):
            raise IndexUnusable(f"A file of the search index is damaged ({name}).")
    return record


def times_of(record: IndexRecord, folder: Path) -> dict[str, int]:
    """Return when each file of the index was last changed, in nanoseconds."""
    return {name: (folder / name).lstat().st_mtime_ns for name in record.files}


def changed_files(record: IndexRecord, folder: Path) -> Iterable[str]:
    """Return the names of files whose bytes are not what was written (reads them all)."""
    return (name for name in record.files if _is_changed(record, folder, name))


def fingerprint(path: Path) -> tuple[int, str]:
    """Return a regular file's size and SHA-256. Raises OSError for anything else."""
    digest = hashlib.sha256()
    size = 0
    with open_regular(path) as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _is_changed(record: IndexRecord, folder: Path, name: str) -> bool:
    try:
        return fingerprint(folder / name) != record.files[name]
    except OSError:
        return True
