"""Which files a sync tries: new ones, what is due in the ledger, and at full syncs what may have changed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from canvas_archive.clock import parse_iso
from canvas_archive.errors import UnusableFile
from canvas_archive.store import runs
from canvas_archive.store.blobs import clean_parts
from canvas_archive.store.rows import ids_json
from canvas_archive.sync.file_tasks import FileTask, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

    from canvas_archive.clock import Clock
    from canvas_archive.store import Archive

_ATTACHMENTS = """
SELECT id, url, content_type, size, state, fetched_at,
  CASE state WHEN 'gone' THEN
    (SELECT min(m.first_seen_at) FROM message_attachments l JOIN messages m ON m.id = l.message_id
     WHERE l.attachment_id = attachments.id) END AS first_seen_at
FROM attachments WHERE state <> 'stored'
"""
_RECORDINGS = """
SELECT message_id, media_id, url, content_type, state, fetched_at, NULL AS first_seen_at
FROM media_comments WHERE state IN ('pending', 'failed', 'refused', 'gone')
"""
_NEW_ATTACHMENTS = """
SELECT id, url, content_type, size FROM attachments
WHERE state IN ('pending', 'failed') AND id IN (SELECT value FROM json_each(?))
"""
_NEW_RECORDINGS = """
SELECT r.message_id, r.media_id, r.url, r.content_type FROM media_comments r
JOIN messages m ON m.id = r.message_id WHERE m.conversation_id = ? AND r.state = 'pending' AND r.error IS NULL
"""

LONGEST_UNLOOKED = timedelta(days=30)
"""A full sync looks again at least so often whether a file that is gone has come back."""


def unfinished(archive: Archive, clock: Clock, *, full: bool, everything: bool = False) -> list[FileTask]:
    """Return what earlier runs left undone and is due. Remove unfinished downloads that nobody asks for.

    ``full``: also what was refused, and what is gone and was not looked at for long enough. ``everything``:
    also what rests.
    """
    db = archive.db
    found = [(_attachment(row), row) for row in db.execute(_ATTACHMENTS)]
    found += [(_recording(row), row) for row in db.execute(_RECORDINGS)]
    # What was never tried comes first: files that fail again would use up what their host is allowed.
    found.sort(key=lambda one: one[1]["state"] == "failed")
    with suppress(UnusableFile):  # every download says so itself
        clean_parts(archive.files_dir, {task.part_number for task, row in found if row["state"] != "gone"})
    kinds: tuple[Kind, ...] = ("attachment", "media")
    known = {kind: {problem.item_id for problem in runs.open_problems(db, kind)} for kind in kinds}
    due = {
        kind: {problem.item_id for problem in runs.due_problems(db, kind, clock, everything=everything)}
        for kind in kinds
    }
    tasks = []
    for task, row in found:
        failed_before = task.key in known[task.kind]
        if failed_before:
            wanted = task.key in due[task.kind]
        elif row["state"] == "gone":
            wanted = everything or (full and _is_due(row, clock))
        else:
            wanted = everything or full or row["state"] != "refused"
        if wanted:
            tasks.append(replace(task, failed_before=failed_before))
    return tasks


def _is_due(row: sqlite3.Row, clock: Clock) -> bool:
    """Return whether to look at a file that is gone: after twice the time it took to the last look."""
    if row["fetched_at"] is None or row["first_seen_at"] is None:
        return True
    looked = parse_iso(row["fetched_at"])
    rest = min(looked - parse_iso(row["first_seen_at"]), LONGEST_UNLOOKED)
    return not timedelta() <= clock.now() - looked < rest


def brought(
    db: sqlite3.Connection, conversation_id: int, attachment_ids: Collection[int]
) -> Iterator[FileTask]:
    """Yield what a conversation that was just stored brought: these attachments, and its recordings."""
    if attachment_ids:
        for row in db.execute(_NEW_ATTACHMENTS, (ids_json(attachment_ids),)).fetchall():
            yield replace(_attachment(row), is_new=True)
    for row in db.execute(_NEW_RECORDINGS, (conversation_id,)).fetchall():
        yield replace(_recording(row), is_new=True)


def _attachment(row: sqlite3.Row) -> FileTask:
    return FileTask("attachment", str(row["id"]), row["url"], row["content_type"], row["size"])


def _recording(row: sqlite3.Row) -> FileTask:
    key = f"{row['message_id']}/{row['media_id']}"
    return FileTask("media", key, row["url"], row["content_type"], None)
