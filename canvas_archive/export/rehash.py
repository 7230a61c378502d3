"""Reading every stored attachment again: in parallel, and able to go on after an interruption."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from canvas_archive.export.manifest import hash_file, walk
from canvas_archive.store.blobs import INCOMING

_SAVE_EVERY = 500

_STORED = """
SELECT sha256, min(stored_size), max(stored_size), group_concat(name, ', ') FROM (
  SELECT sha256, stored_size, 'attachment ' || id AS name FROM attachments WHERE state = 'stored'
  UNION ALL
  SELECT sha256, stored_size, 'recording ' || media_id FROM media_comments WHERE state = 'stored')
WHERE sha256 > ? GROUP BY sha256 ORDER BY sha256
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
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> BlobReport:
    """Re-hash all stored files in the order of their hashes, and look for files no row refers to.

    How far it came is kept in ``state_file`` while it runs (where that can be written), with what was
    found so far; ``resume`` begins there.
    """
    report = BlobReport()
    after = _resume(state_file, report) if resume else ""
    total = db.execute(_COUNT).fetchone()[0]
    for sha256, problem in _in_parallel(map(tuple, db.execute(_STORED, (after,))), files_dir, jobs):
        report.checked += 1
        if problem:
            report.bad.append(problem)
        if report.checked % _SAVE_EVERY == 0:
            _save(state_file, sha256, report)
        tell(report.checked + report.skipped, total)
    report.unknown = list(_unknown(files_dir, db))
    with contextlib.suppress(OSError):
        state_file.unlink()
    return report


def _in_parallel(
    rows: Iterator[tuple[Any, ...]], files_dir: Path, jobs: int
) -> Iterator[tuple[str, str | None]]:
    waiting: deque[tuple[str, Future[str | None]]] = deque()
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        try:
            for row in rows:
                sha256, least, most, names = row
                waiting.append((sha256, pool.submit(_problem, files_dir, sha256, least, most, names)))
                if len(waiting) >= 8 * max(1, jobs):
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            # After an interruption nothing that has not begun is begun.
            for _, future in waiting:
                future.cancel()


def _problem(files_dir: Path, sha256: str, least: int, most: int, names: str) -> str | None:
    path = files_dir / sha256[:2] / sha256
    who = names if len(names) < 200 else names[:200] + "…"
    try:
        size = path.stat().st_size
        found = hash_file(path)[0]
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


def _resume(state_file: Path, report: BlobReport) -> str:
    try:
        state = json.loads(state_file.read_text("utf-8"))
        after, report.skipped, report.bad = str(state["after"]), int(state["checked"]), list(state["bad"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return after


def _save(state_file: Path, after: str, report: BlobReport) -> None:
    document = {"after": after, "checked": report.checked + report.skipped, "bad": report.bad}
    # An archive on a medium that cannot be written is verified all the same.
    with contextlib.suppress(OSError):
        descriptor = os.open(state_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file)
