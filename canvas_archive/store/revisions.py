"""The append-only record of what was replaced, and what counts as a replacement.

| change                                                            | in ``revisions``            |
|-------------------------------------------------------------------|-----------------------------|
| message: body, author, time, thread, extra                        | yes                         |
| body of a message that Canvas generates                           | never updated: the first    |
|                                                                   | one stored stays            |
| message or conversation gone from Canvas, or back (``removed_at``) | yes                         |
| a forwarded message whose own thread becomes known                | no: it replaces nothing     |
| a known message with more recipients, attachments, recordings or  | yes: the lists before and   |
| forwarded messages than before                                    | after                       |
| conversation: subject, context, counters, previews, audience, ... | yes                         |
| flags as Canvas says them (``remote_*``)                          | yes: evidence of who had    |
|                                                                   | read what, and when         |
| flags as the user wants them                                      | no: that is in ``edits``    |
| person: name, full name, pronouns                                 | yes, but not the first ones |
| person: avatar, and ``extra`` (the courses you share today)       | no: written, not recorded   |
| person who left or joined a conversation                          | yes: the row itself         |
| course or group: name, code, term                                 | yes, but not learning one   |
| course: ``extra`` (enrolments, dates, quotas)                       | no: written, not recorded   |
| attachment: names, type, size, time, extra                        | yes                         |
| attachment, media and avatar addresses (they carry signatures)    | no                          |
| keys of ``extra`` that depend on who looks and when (``VOLATILE``)  | no                          |
| ``fetched_at``, positions in a list, download state               | no                          |

What Canvas leaves out is not a change: a missing name, address or size does not replace a known one,
and recipients, attachments, forwarded messages and shared courses that are no longer listed stay.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from canvas_archive.model import Json
from canvas_archive.store.deltas import settled
from canvas_archive.store.rows import to_json

VOLATILE = frozenset({"visible", "thumbnail_url", "preview_url", "url"})
"""Keys of ``extra`` whose change is written but no revision."""

_INSERT = """
INSERT INTO revisions ("table", id, seen_at, sync_run_id, before, after) VALUES (?, ?, ?, ?, ?, ?)
"""


def changed_columns(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """Return the columns of ``after`` that differ from ``before``, as they were and as they are now.

    ``extra`` (JSON text on both sides) counts as differing only in keys that are not ``VOLATILE``.
    """
    was: dict[str, object] = {}
    now: dict[str, object] = {}
    for column, value in after.items():
        old = before.get(column)
        if old == value or (column == "extra" and _lasting(old) == _lasting(value)):
            continue
        was[column], now[column] = old, value
    return was, now


def _lasting(extra: object) -> Json:
    return settled({key: value for key, value in json.loads(str(extra)).items() if key not in VOLATILE})


class RevisionLog:
    """Collects revisions and writes them in one go; ``seen_at`` is the time of the answer, in ISO text."""

    def __init__(self, cursor: sqlite3.Cursor, run_id: int | None) -> None:
        self._cursor = cursor
        self._run_id = run_id
        self._rows: list[tuple[str, str, str, int | None, str, str]] = []

    def add(
        self,
        table: str,
        row_id: object,
        seen_at: str,
        before: Mapping[str, object],
        after: Mapping[str, object],
    ) -> None:
        """Note one replaced row; ``before`` and ``after`` hold the changed columns only."""
        row = (table, str(row_id), seen_at, self._run_id, to_json(dict(before)), to_json(dict(after)))
        self._rows.append(row)

    def __len__(self) -> int:
        return len(self._rows)

    def write(self) -> None:
        """Insert what was noted."""
        if self._rows:
            rows, self._rows = self._rows, []
            self._cursor.executemany(_INSERT, rows)

    def forget(self) -> None:
        """Drop what was noted and not written (the transaction around it failed)."""
        self._rows = []
