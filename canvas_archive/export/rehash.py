"""Reading every stored attachment again: in parallel, and able to go on after an interruption.

While it runs, ``verify.state`` says how far it came and what was wrong. A run that resumes reads again
what was wrong then, and every file that was touched since the first run began; it passes over the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from canvas_archive.export.manifest import hash_file, in_parallel, walk
from canvas_archive.store.blobs import INCOMING, readable_blob
from canvas_archive.store.private import read_regular, write_private

_SAVE_EVERY = 500
_SAVE_BYTES = 256 << 20
_MOST_STATE = 256 << 20

_STORED = """
SELECT sha256, min(stored_size), max(stored_size), group_concat(name, ', ') FROM (
  SELECT sha256, stored_size, 'attachment ' || id AS name FROM attachments WHERE state = 'stored'
  UNION ALL
  SELECT sha256, stored_size, 'recording ' || media_id FROM media_comments WHERE state = 'stored')
GROUP BY sha256 ORDER BY sha256
"""
_COUNT = """
SELECT count(*) FROM (
  SELECT sha256 FROM attachments WHERE state = 'stored'
  UNION SELECT sha256 FROM media_comments WHERE state = 'stored')
"""


@dataclass
class BlobReport:
    """What came of it. ``skipped`` were read by the run that this one resumes."""

    checked: int = 0
    skipped: int = 0
    bad: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def check_blobs(
    files_dir: Path,
    db: sqlite3.Connection,
    *,
    jobs: int,
    state_file: Path,
    resume: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> BlobReport:
    """Re-hash all stored files in the order of their hashes, and look for files no row refers to.

    How far it came is kept in ``state_file`` while it runs (where that can be written); ``resume`` goes on
    there, unless that file is not as it was written.
    """
    report = BlobReport()
    state = (_load(state_file) if resume else None) or _begin(state_file)
    total = db.execute(_COUNT).fetchone()[0]
    files = size = 0
    rows = _to_read(map(tuple, db.execute(_STORED)), files_dir, state, report)
    for (sha256, _, stored, _), problem in in_parallel(partial(_problem, files_dir), rows, max(1, jobs)):
        report.checked += 1
        state.note(sha256, sound=problem is None)
        if problem:
            report.bad.append(problem)
        files, size = files + 1, size + (stored or 0)
        if files >= _SAVE_EVERY or size >= _SAVE_BYTES:
            _save(state_file, state)
            files = size = 0
        progress(report.checked + report.skipped, total)
    report.unknown = list(_unknown(files_dir, db))
    with contextlib.suppress(OSError):
        state_file.unlink(missing_ok=True)
    return report


@dataclass
class _State:
    """Files up to the hash ``after`` are read, ``bad`` of them were wrong; ``began`` is in nanoseconds."""

    began: int
    after: str = ""
    bad: set[str] = field(default_factory=set)

    def note(self, sha256: str, *, sound: bool) -> None:
        """Take what was found of one file into account."""
        (self.bad.discard if sound else self.bad.add)(sha256)
        self.after = max(self.after, sha256)

    def covers(self, sha256: str, path: Path, sizes: set[int]) -> bool:
        """Return whether a file was read and sound, and lies there untouched since, of the recorded size."""
        if sha256 > self.after or sha256 in self.bad:
            return False
        try:
            # No program can set the time of a change of the inode, as it can set that of the content.
            about = path.lstat()
            return about.st_ctime_ns < self.began and sizes == {about.st_size}
        except OSError:
            return False


def _to_read(
    rows: Iterator[tuple[Any, ...]], files_dir: Path, state: _State, report: BlobReport
) -> Iterator[tuple[Any, ...]]:
    resumed = _State(state.began, state.after, set(state.bad))
    for row in rows:
        sha256, least, most, _ = row
        if resumed.covers(sha256, files_dir / sha256[:2] / sha256, {least, most}):
            report.skipped += 1
        else:
            yield row


def _problem(files_dir: Path, row: tuple[Any, ...], stop: Event) -> str | None:
    sha256, least, most, names = row
    path = files_dir / sha256[:2] / sha256
    who = names if len(names) < 200 else names[:200] + "…"
    if readable_blob(files_dir, sha256) is None:
        found = "is missing" if not os.path.lexists(path) else "is a link or no file"
        return f"{who}: {path} {found}"
    try:
        size = path.stat().st_size
        found = hash_file(path, below=files_dir, stop=stop)[0]
    except FileNotFoundError:
        return f"{who}: {path} is missing"
    except OSError as error:
        return f"{who}: {path} cannot be read ({error.strerror})"
    if found != sha256:
        return f"{who}: {path} was altered"
    if not least == most == size:
        return f"{who}: {path} has {size} bytes, recorded are {least}"
    return None


def _unknown(files_dir: Path, db: sqlite3.Connection) -> Iterator[str]:
    if not files_dir.is_dir():
        return
    for name in walk(files_dir):
        folder, _, sha256 = name.partition("/")
        if folder == INCOMING:
            continue  # downloads under way
        known = (
            sha256[:2] == folder
            and db.execute(
                "SELECT EXISTS (SELECT 1 FROM attachments WHERE sha256 = ?1) "
                "OR EXISTS (SELECT 1 FROM media_comments WHERE sha256 = ?1) "
                "OR EXISTS (SELECT 1 FROM outbox, json_each(payload, '$.enclosures') "
                "WHERE json_extract(value, '$.sha256') = ?1)",
                (sha256,),
            ).fetchone()[0]
        )
        if not known:
            yield f"{files_dir / name}: no attachment refers to it"


def _begin(state_file: Path) -> _State:
    """Start a run: its beginning is a time by the clock of the disk that the files lie on."""
    state = _State(0)
    _save(state_file, state)
    with contextlib.suppress(OSError):
        state.began = state_file.stat().st_ctime_ns
    return state


def _load(state_file: Path) -> _State | None:
    """Return what an interrupted run left; ``None`` when there is nothing, or nothing to be trusted."""
    try:
        text, _, digest = read_regular(state_file, _MOST_STATE).decode("utf-8").rpartition("\n")
        if hashlib.sha256(text.encode("utf-8")).hexdigest() != digest:
            return None
        document = json.loads(text)
        return _State(int(document["began"]), str(document["after"]), set(document["bad"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(state_file: Path, state: _State) -> None:
    text = json.dumps({"began": state.began, "after": state.after, "bad": sorted(state.bad)})
    # An archive on a medium that cannot be written is verified all the same.
    with contextlib.suppress(OSError):
        data = text.encode("utf-8")
        write_private(state_file, data + f"\n{hashlib.sha256(data).hexdigest()}".encode("ascii"))
