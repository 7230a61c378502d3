"""Reading every stored attachment again: in parallel, and able to go on after an interruption.

Nothing is written into the archive: how far a run came is kept in a file of the user's own. For each block of
files that were read it has a hash over their sizes, times and numbers on the disk. A run that resumes passes
over the blocks that are still so, but for what was wrong then; it reads the rest.
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

from canvas_archive.errors import BadInput
from canvas_archive.export.listing import is_foreign
from canvas_archive.export.manifest import hash_file, in_parallel, walk
from canvas_archive.places import state_folder
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
    foreign: list[str] = field(default_factory=list)


@dataclass
class _State:
    """The blocks that were read, each with its last hash and the hash over its files; and what was wrong."""

    blocks: list[tuple[str, str]] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)


def check_blobs(
    files_dir: Path,
    db: sqlite3.Connection,
    *,
    jobs: int,
    state_file: Path | None,
    resume: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> BlobReport:
    """Re-hash all stored files in the order of their hashes, and look for files no row refers to.

    How far it came is kept in ``state_file`` while it runs (where that can be written); ``resume`` goes on
    there, unless that file is not as it was written.
    """
    report, state = BlobReport(), _State()
    before = (_load(state_file) if resume and state_file else None) or _State()
    total = db.execute(_COUNT).fetchone()[0]
    for rows, known in _blocks(map(tuple, db.execute(_STORED)), before.blocks):
        found = _about(files_dir, rows)  # before they are read: what changes meanwhile differs later
        to_read = [row for row in rows if row[0] in before.bad] if found == known else rows
        report.skipped += len(rows) - len(to_read)
        state.blocks.append((rows[-1][0], found))
        for (sha256, *_), problem in in_parallel(partial(_problem, files_dir), to_read, max(1, jobs)):
            report.checked += 1
            if problem:
                report.bad.append(problem)
                state.bad.add(sha256)
            if sha256 == to_read[-1][0]:
                _save(state_file, state, before)
            progress(report.checked + report.skipped, total)
        if not to_read:
            progress(report.checked + report.skipped, total)
    for name in _unknown(files_dir, db):
        if is_foreign(name):
            report.foreign.append(name)
        else:
            report.unknown.append(f"{files_dir / name}: no attachment refers to it")
    with contextlib.suppress(OSError):
        if state_file:
            state_file.unlink(missing_ok=True)
    return report


def _blocks(
    rows: Iterator[tuple[Any, ...]], known: list[tuple[str, str]]
) -> Iterator[tuple[list[tuple[Any, ...]], str | None]]:
    """Yield the rows in blocks, those that an earlier run read with its hash over them."""
    ends = iter([*known, None])
    end, size = next(ends), 0
    block: list[tuple[Any, ...]] = []
    for row in rows:
        while end is not None and row[0] > end[0]:
            if block:
                yield block, end[1]
            end, block, size = next(ends), [], 0
        block.append(row)
        size += row[2] or 0
        if end is None and (len(block) >= _SAVE_EVERY or size >= _SAVE_BYTES):
            yield block, None
            block, size = [], 0
    if block:
        yield block, None if end is None else end[1]


def _about(files_dir: Path, rows: list[tuple[Any, ...]]) -> str:
    """Return a hash over what the disk and the tables say of some files."""
    digest = hashlib.sha256()
    for sha256, least, most, _ in rows:
        about: tuple[int, ...] = ()
        with contextlib.suppress(OSError):
            found = (files_dir / sha256[:2] / sha256).lstat()
            # No program can set the time of a change of the inode, as it can set that of the content.
            about = found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino
        digest.update(repr((sha256, least, most, about)).encode())
    return digest.hexdigest()


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
            yield name


def state_path(folder: Path) -> Path | None:
    """Return where the state of a run is kept; ``None`` where this user has no folder for such files."""
    try:
        name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
        return state_folder() / "verify" / f"{name}.json"
    except (BadInput, OSError):
        return None


def _load(state_file: Path) -> _State | None:
    """Return what an interrupted run left; ``None`` when there is nothing, or nothing to be trusted."""
    try:
        text, _, digest = read_regular(state_file, _MOST_STATE).decode("utf-8").rpartition("\n")
        if hashlib.sha256(text.encode("utf-8")).hexdigest() != digest:
            return None
        document = json.loads(text)
        blocks = [(str(last), str(about)) for last, about in document["blocks"]]
        return _State(blocks, set(document["bad"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(state_file: Path | None, state: _State, before: _State) -> None:
    """Write down what was read, and behind it what is still known from an earlier run."""
    if state_file is None:
        return
    (*_, (last, _)) = state.blocks
    blocks = [*state.blocks, *(block for block in before.blocks if block[0] > last)]
    bad = state.bad | {sha256 for sha256 in before.bad if sha256 > last}
    data = json.dumps({"blocks": blocks, "bad": sorted(bad)}).encode("utf-8")
    with contextlib.suppress(OSError):  # a disk that cannot be written to is no reason not to verify
        state_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(state_file, data + f"\n{hashlib.sha256(data).hexdigest()}".encode("ascii"))
