"""What the archives of a fleet hold, without opening them: a cache that holds while their files are the same.

To open a database, SQLite reads its whole schema, which takes longer than all that a list of custodians asks
of it. So the answers lie in one file, each beside the sizes, times and numbers of the files it came from.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from canvas_archive.clock import SYSTEM, Clock
from canvas_archive.errors import BadInput
from canvas_archive.places import cache_folder
from canvas_archive.store import Archive
from canvas_archive.store.config import CONFIG_NAME
from canvas_archive.store.counts import archive_counts
from canvas_archive.store.folder import DB_NAME
from canvas_archive.store.migrations import known_version
from canvas_archive.store.private import make_folder, read_regular, write_private

_VERSION = 1
_MOST_BYTES = 256 << 20
_SETTLED = 2.0
"""Seconds after which another change of a file has another time, on every file system."""

_LAST_SYNC = "SELECT finished_at FROM sync_runs ORDER BY id DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Summary:
    """How much an archive holds, whose it is, and when its last sync ended."""

    base_url: str
    owner_id: int
    conversations: int
    messages: int
    problems: int
    last_sync_at: str | None


def summarise(archive: Archive) -> Summary:
    """Return the summary of an open archive."""
    counts = archive_counts(archive.db)
    last = archive.db.execute(_LAST_SYNC).fetchone()
    account = archive.account
    return Summary(
        account.base_url, account.owner_id, counts.conversations, counts.messages, counts.problems,
        None if last is None else last[0],
    )  # fmt: skip


class Summaries:
    """The cache of one fleet. One that cannot be read or written costs time and nothing else."""

    def __init__(self, root: Path, clock: Clock = SYSTEM) -> None:
        self._root = root
        self._clock = clock
        self._changed = False
        self._known: dict[str, tuple[list[object], Summary]] = {}
        with suppress(BadInput, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            document = json.loads(read_regular(_file_of(root), _MOST_BYTES))
            if document["version"] == [_VERSION, known_version()]:
                self._known = {
                    folder: (mark, Summary(**row)) for folder, (mark, row) in document["archives"].items()
                }

    def get(self, folder: str) -> Summary | None:
        """Return the summary of an archive whose files are those it was made from; else ``None``."""
        mark, summary = self._known.get(folder, (None, None))
        return summary if mark is not None and mark == self.mark(folder) else None

    def put(self, folder: str, before: list[object] | None, summary: Summary) -> None:
        """Keep a summary, unless its files changed since ``before`` or a moment ago."""
        if before is None or before != self.mark(folder):
            return
        newest = max(one[1] for one in before if isinstance(one, list))
        if self._clock.now().timestamp() - newest / 1e9 > _SETTLED:
            self._known[folder] = before, summary
            self._changed = True

    def mark(self, folder: str) -> list[object] | None:
        """Return what the files of an archive are known by; ``None`` where they cannot be."""
        path = f"{self._root}{os.sep}{folder}"
        try:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                return None
            found: list[object] = [_file_mark(f"{path}{os.sep}{name}") for name in (DB_NAME, CONFIG_NAME)]
            if None in found:
                return None
            with suppress(FileNotFoundError):
                log = _file_mark(f"{path}{os.sep}{DB_NAME}-wal")
                if log is None or log[0]:
                    found.append(log)
        except OSError:
            return None
        return found

    def save(self) -> None:
        """Write what is new."""
        if not self._changed:
            return
        archives = {folder: [mark, asdict(summary)] for folder, (mark, summary) in self._known.items()}
        document = {"version": [_VERSION, known_version()], "archives": archives}
        with suppress(BadInput, OSError):
            path = _file_of(self._root)
            make_folder(path.parent)
            write_private(path, json.dumps(document).encode("utf-8"))
            self._changed = False


def _file_of(root: Path) -> Path:
    """Return the file of a fleet's cache: the fleet's own folder is only read. Raises BadInput."""
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]
    return cache_folder() / "fleets" / f"{name}.json"


def _file_mark(path: str) -> list[int] | None:
    """Return size, time and numbers of a file; ``None`` for anything else. Raises OSError."""
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode):
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev]
