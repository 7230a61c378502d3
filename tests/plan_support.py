"""How SQLite would carry out the statements that are really executed, on an archive of a million messages.

A recorder stands between the program and ``sqlite3.connect``: every statement is explained just before it
runs, on its own connection, so that temporary tables and statistics are those it meets. The statistics are
those of a mailbox of a million messages, written into a small one: the plans are the large one's.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LARGE = frozenset(
    {
        "users", "conversations", "conversation_participants", "conversation_contexts", "messages",
        "message_recipients", "forwarded_messages", "attachments", "message_attachments", "media_comments",
        "edits", "revisions", "receipts", "erased", "evidence_chain", "index_queue", "attachment_texts",
    }
)  # fmt: skip
"""Tables that grow with the mailbox."""

STATISTICS = """
account||1
attachments|attachments_created|50312 1 1
attachments|attachments_sha256|50312 168 168
attachments|attachments_state|993 993
contexts|sqlite_autoindex_contexts_1|400 1
conversation_contexts|conversation_contexts|158252 1 1
conversation_contexts|conversation_contexts_context|158252 396 1
conversation_participants|conversation_participants|1101775 6 1
conversation_participants|conversation_participants_user|1101775 142 1
conversations|conversations_context|198095 495 1 1
conversations|conversations_inbox|152064 1 1
conversations|conversations_gone|2000 1 1
conversations|conversations_latest|198095 1 1
conversations|conversations_removed|2000 1 1
conversations|conversations_sent|144643 1 1
conversations|conversations_starred|9831 1 1
conversations|conversations_state|198095 66032 2 1
edits|edits_conversation|20000 2
edits|edits_pending|900 2 1
edits|edits_settled|4000 1
edits|edits_unsettling|100 1
edits|edits_waiting|900 1
evidence_chain|evidence_chain_row|40000 10000 1 1
evidence_chain|sqlite_autoindex_evidence_chain_1|40000 1
message_attachments|message_attachments|50312 1 1
message_attachments|message_attachments_attachment|50312 1
message_recipients|message_recipients|5548938 6 1
message_recipients|message_recipients_user|5548938 714 1
messages|messages_author|1000000 129 1
messages|messages_conversation|1000000 6 1 1 1 1
messages|messages_created|1000000 1 1 1
messages|messages_removed|5000 1 1
receipts|receipts_key|260000 2 1
revisions|revisions_row|30000 8000 3
sync_runs||900
users||8000
"""
"""``sqlite_stat1`` after a full ANALYZE of a generated mailbox: table, index, statistics."""

_READING = re.compile(r"\s*(?:--[^\n]*\n\s*)*(?:SELECT|WITH|INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
_SOURCE = re.compile(
    r"(?:\b(?:FROM|JOIN|UPDATE|INTO)|,)\s+(?:main\.|temp\.)?[\[\"]?(\w+)[\]\"]?"
    r"(?:\s+(?:AS\s+)?(?!(?:JOIN|LEFT|CROSS|INNER|WHERE|ON|ORDER|GROUP|LIMIT|SET|UNION)\b)(\w+))?",
    re.IGNORECASE,
)
_ENDED = re.compile(r"^(?:(?!\bwhere\b).)*\blimit\b", re.IGNORECASE | re.DOTALL)
_SCAN = re.compile(r"SCAN (\S+)(?: USING (.*))?$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plan; ``for_each`` tells that it is done for each row of something around it."""

    text: str
    for_each: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One statement and its plan; ``views`` is the text of the views, whose names for tables appear in it."""

    sql: str
    plan: tuple[Line, ...]
    views: str
    partial: frozenset[str] = frozenset()

    def tables(self, name: str) -> set[str]:
        """Return the tables a name in the plan may stand for."""
        found = {name}
        for table, alias in _SOURCE.findall(f"{self.sql} {self.views}"):
            if name in (alias, table):
                found.add(table)
        return found

    def faults(self, *, walks: bool = False) -> Iterator[str]:
        """Yield what would cost more in a larger mailbox: walks over a table, and sorts.

        A walk over an index that holds all it needs is none, nor one over a partial index, nor one without a
        condition that a LIMIT ends. The people of each conversation may be sorted: they are few. With
        ``walks`` a walk over a table is what the command is for, as in ``verify``; sorting all of it is not.
        """
        for line in self.plan:
            match = _SCAN.match(line.text)
            if match and not walks and self.tables(match[1]) & LARGE:
                using = (match[2] or "").split()
                covered = "COVERING" in using or (bool(using) and using[1] in self.partial)
                if not covered and not _ENDED.search(self.sql):
                    yield line.text
            if line.text.startswith("USE TEMP B-TREE FOR RIGHT PART"):
                continue  # rows of the same time, or of the same message: few
            if "USE TEMP B-TREE" in line.text and not line.for_each:
                yield line.text


def _lines(rows: Iterable[tuple[int, int, int, str]]) -> Iterator[Line]:
    within: set[int] = set()
    for ident, parent, _, text in rows:
        if parent in within or text.startswith("CORRELATED"):
            within.add(ident)
        yield Line(text, ident in within)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the statements that match may do, ``sort``, ``walk`` or ``walk+sort``, and why it stays cheap."""

    pattern: str
    what: str
    why: str


class Recorder:
    """The statements that ran, each with its plan the first time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.steps: dict[str, Step] = {}

    def note(self, connection: sqlite3.Connection, sql: str, parameters: Any) -> None:
        """Explain a statement that is about to run. One that cannot be explained will tell so itself."""
        if sql in self.steps or not _READING.match(sql):
            return
        cursor = sqlite3.Cursor(connection)
        cursor.row_factory = None
        try:
            sqlite3.Cursor.execute(cursor, f"EXPLAIN QUERY PLAN {sql}", parameters)
            plan = tuple(_lines(cursor.fetchall()))
            sqlite3.Cursor.execute(cursor, "SELECT type, name, sql FROM main.sqlite_master WHERE sql > ''")
            made = cursor.fetchall()
        except sqlite3.Error:
            return
        views = " ".join(text for kind, _, text in made if kind == "view")
        partial = frozenset(name for kind, name, text in made if kind == "index" and " WHERE " in text)
        with self._lock:
            self.steps[sql] = Step(sql, plan, views, partial)

    def faults(self, allowed: Iterable[Allowed] = (), *, walks: bool = False) -> list[str]:
        """Return every fault as "what: statement", without those that are ``allowed``."""
        found = []
        for step in self.steps.values():
            sql = " ".join(step.sql.split())
            granted = {word for one in allowed if re.search(one.pattern, sql) for word in one.what.split("+")}
            for fault in step.faults(walks=walks):
                if ("walk" if fault.startswith("SCAN") else "sort") not in granted:
                    found.append(f"{fault}: {sql}")
        return found


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Record what runs on the connections that are opened meanwhile, in any thread."""
    recorder = Recorder()

    class RecordingCursor(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            recorder.note(self.connection, sql, parameters)
            return super().execute(sql, parameters)

        def executemany(self, sql: str, parameters: Iterable[Any]) -> sqlite3.Cursor:
            rows = list(parameters)
            if rows:
                recorder.note(self.connection, sql, rows[0])
            return super().executemany(sql, rows)

    class RecordingConnection(sqlite3.Connection):
        def cursor(self, factory: Any = None) -> Any:
            return super().cursor(factory or RecordingCursor)

        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            recorder.note(self, sql, parameters)
            return super().execute(sql, parameters)

        def executemany(self, sql: str, parameters: Iterable[Any]) -> sqlite3.Cursor:
            cursor: sqlite3.Cursor = self.cursor()
            return cursor.executemany(sql, parameters)

    plain = sqlite3.connect

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        options.setdefault("factory", RecordingConnection)
        found: sqlite3.Connection = plain(*arguments, **options)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", connect)
        yield recorder


def as_if_large(folder: Path) -> None:
    """Write the statistics of a large mailbox into an archive, for all connections opened from now on."""
    with closing(sqlite3.connect(folder / "archive.db")) as db, db:
        db.execute("ANALYZE")
        db.execute("DELETE FROM sqlite_stat1")
        rows = [line.split("|") for line in STATISTICS.split("\n") if line]
        db.executemany(
            "INSERT INTO sqlite_stat1 VALUES (?, ?, ?)",
            [(table, index or None, stat) for table, index, stat in rows],
        )
