"""What there is to download (new files, what is due, what may have changed), and how a download ended."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias

from canvas_archive.clock import parse_iso
from canvas_archive.errors import UnusableFile
from canvas_archive.store import runs
from canvas_archive.store.blobs import clean_parts
from canvas_archive.store.rows import ids_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

    from canvas_archive.clock import Clock
    from canvas_archive.model import JsonObject
    from canvas_archive.store import Archive

State: TypeAlias = Literal["stored", "gone", "refused", "failed", "pending"]
Kind: TypeAlias = Literal["attachment", "media"]

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
"""A full sync checks at least so often whether a deleted file has come back."""


class Ending(Enum):
    """How a download ended."""

    STORED = "the bytes are in the archive"
    GONE = "Canvas's own record says that the file was deleted"
    UPLOADING = "Canvas says that the file has not arrived there yet"
    MISSING = "the address answers 404, and nothing says that the file was deleted"
    LOCKED = "locked on Canvas"
    TOO_LARGE = "larger than the user's limit"
    FORBIDDEN = "not permitted"
    UNSAFE = "the address leads to a host that no file is fetched from"
    SIGN_IN = "a sign-in is asked for, or its page came instead"
    WRONG = "what came is not the file, not all of it, or no answer that makes sense"
    HOST = "the host broke off, was silent, failed (5xx) or refused for the rate"
    PLACE = "a link or the like is where the bytes belong in the archive"
    UNTRIED = "the host rests"

    @property
    def state(self) -> State:
        """Return the state of a file that ended so."""
        return _STATES.get(self, "failed")

    @property
    def is_failure(self) -> bool:
        """Return whether the file was tried and failed, against what the user and Canvas intend."""
        return self not in _MEANT


_STATES: dict[Ending, State] = {
    Ending.STORED: "stored",
    Ending.GONE: "gone",
    Ending.UPLOADING: "pending",
    Ending.MISSING: "pending",
    Ending.UNTRIED: "pending",
    Ending.LOCKED: "refused",
    Ending.TOO_LARGE: "refused",
    Ending.FORBIDDEN: "refused",
    Ending.UNSAFE: "refused",
}
_MEANT = frozenset(
    {Ending.STORED, Ending.GONE, Ending.UPLOADING, Ending.LOCKED, Ending.TOO_LARGE, Ending.UNTRIED}
)


@dataclass(frozen=True, slots=True)
class FileTask:
    """One thing to download. ``size`` is what Canvas says, in bytes; unknown for recordings.

    ``is_new``: a message of this run brought it, so it is tried even where a host rests since an earlier run.
    ``failed_before``: its requests are made once, and not repeated.
    """

    kind: Kind
    key: str
    url: str | None
    content_type: str | None
    size: int | None
    is_new: bool = False
    failed_before: bool = False

    @property
    def part_number(self) -> int:
        """Return the number that names an unfinished download: the id, or a hash of the key."""
        if self.kind == "attachment":
            return int(self.key)
        return -int.from_bytes(hashlib.sha256(self.key.encode()).digest()[:7], "big")


@dataclass(frozen=True, slots=True)
class FileResult:
    """How a download ended; ``url`` is a fresher address when one had to be asked for.

    ``sentence`` says why the bytes are not here, or, for stored ones, what is odd about them. ``hosts`` are
    those that answered, or the one that rests. ``record`` is what Canvas said of the file, when it was asked.
    """

    ending: Ending
    sentence: str | None = None
    sha256: str | None = None
    size: int | None = None
    url: str | None = None
    hosts: tuple[str, ...] = ()
    record: JsonObject | None = None


def unfinished_tasks(archive: Archive, clock: Clock, *, full: bool, everything: bool) -> list[FileTask]:
    """Return what earlier runs left undone and is due. Remove parts of files that are not asked for any more.

    ``full``: also refused files, and deleted ones whose last check is long enough ago. ``everything``: also
    files that rest.
    """
    db = archive.db
    found = [(_attachment(row), row) for row in db.execute(_ATTACHMENTS)]
    found += [(_recording(row), row) for row in db.execute(_RECORDINGS)]
    # New files come first: those that fail again would use up the tries of their host.
    found.sort(key=lambda one: one[1]["state"] == "failed")
    with suppress(UnusableFile):  # every download reports it
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
    """Return whether to check a deleted file again: the intervals double."""
    if row["fetched_at"] is None or row["first_seen_at"] is None:
        return True
    looked = parse_iso(row["fetched_at"])
    rest = min(looked - parse_iso(row["first_seen_at"]), LONGEST_UNLOOKED)
    return not timedelta() <= clock.now() - looked < rest


def new_tasks(
    db: sqlite3.Connection, conversation_id: int, attachment_ids: Collection[int]
) -> Iterator[FileTask]:
    """Yield the new files of a conversation that was just stored: these attachments, and its recordings."""
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
