"""Repeating the receipts of an archive, in their order, in an empty database.

The database is a temporary one of SQLite's: it goes to a file without a name when it outgrows the cache, and
the system removes it when it is closed.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from canvas_archive.canvas import parse
from canvas_archive.clock import parse_iso
from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Conversation
from canvas_archive.store.derived_columns import INDEXES_NEEDED
from canvas_archive.store.flags import FIELDS
from canvas_archive.store.ingest import Ingest
from canvas_archive.store.migrations import MIGRATIONS
from canvas_archive.store.receipts import Receipt
from canvas_archive.typed_text import typed_by

PARSER = 1
"""The version of what turns answers into rows: the parser, the decoder of texts and the ingest. Raise it when
the same receipts give other rows: the next sync then derives those of every archive again.
"""

MOST_TOGETHER = 64
"""How many conversations are inserted together, as in a sync."""

_MOST_WAITING = 8_000_000
"""How many characters of JSON wait to be written together."""

_WITHOUT_ROWS = ("erased", "parser", "replaced")
_EVERYTHING = ("inbox", "archived", "sent", "starred")
"""The lists that together name every conversation a person can see."""

_NEEDED_INDEXES = frozenset({"messages_conversation", "edits_pending"}) | INDEXES_NEEDED
"""What the ingest looks rows up by, besides primary keys."""

_PROGRESS_EVERY = 500


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that the receipts do not explain: its table, its primary key as text, and a sentence."""

    table: str
    row: str
    sentence: str


class _ReceiptTime:
    """A clock that shows the time of the receipt at hand."""

    def __init__(self) -> None:
        self.at = ""
        self._moment = datetime.min

    def set(self, at: str) -> None:
        """Show another time."""
        if at != self.at:
            self._moment = parse_iso(at)
            self.at = at

    def now(self) -> datetime:
        """Return the time of the receipt."""
        return self._moment

    def monotonic(self) -> float:
        """Return zero: no time passes within a receipt."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Do not wait."""


def empty_database() -> sqlite3.Connection:
    """Return a temporary database with the tables of an archive, without most indexes.

    Of the triggers, it has those that keep derived columns.
    """
    db = sqlite3.connect("", isolation_level=None)
    for pragma in ("journal_mode = MEMORY", "synchronous = OFF", "foreign_keys = OFF", "cache_size = -65536"):
        db.execute(f"PRAGMA {pragma}")
    for step in MIGRATIONS:
        step.apply(db)
    parts = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql NOT NULL"
    for kind, name in db.execute(parts).fetchall():
        if name not in _NEEDED_INDEXES and not name.startswith("derived_"):
            db.execute(f"DROP {kind} {name}")
    return db


def derive(
    receipts: Iterable[Receipt], progress: Callable[[int], None] = lambda done: None
) -> tuple[sqlite3.Connection, list[Fault]]:
    """Return a database that the caller closes, with the rows that follow from ``receipts``.

    The faults are the receipts that no row can follow from. ``progress`` is called with the number of
    receipts so far.
    """
    db = empty_database()
    try:
        db.execute("BEGIN")
        fold = _Fold(db)
        for done, receipt in enumerate(receipts, start=1):
            fold.take(receipt)
            if done % _PROGRESS_EVERY == 0:
                progress(done)
        fold.finish()
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db, fold.faults


@dataclass(slots=True)
class _Fold:
    """Takes receipts one by one. Whole threads of the same run and second are written together."""

    db: sqlite3.Connection
    faults: list[Fault] = field(default_factory=list)
    _clock: _ReceiptTime = field(default_factory=_ReceiptTime)
    _ingest: Ingest | None = None
    _run: int | None = None
    _together: list[tuple[Receipt, Conversation]] = field(default_factory=list)
    _waiting: int = 0
    _lists: dict[str, array[int]] = field(default_factory=dict)

    def take(self, receipt: Receipt) -> None:
        """Write the rows that follow from a receipt, now or with those that come next."""
        if receipt.kind == "thread":
            conversation = self._tried(receipt, lambda: _conversation(receipt))
            if conversation is None:
                return
            if self._together:
                last = self._together[-1][0]
                if (
                    (last.run_id, last.at) != (receipt.run_id, receipt.at)
                    or len(self._together) == MOST_TOGETHER
                    or self._waiting + receipt.size > _MOST_WAITING
                ):
                    self.finish()
            self._together.append((receipt, conversation))
            self._waiting += receipt.size
            return
        self.finish()
        self._alone(receipt, None)

    def finish(self) -> None:
        """Write the threads that wait for others."""
        waiting, self._together, self._waiting = self._together, [], 0
        if not waiting:
            return
        ingest = self._ingest_at(waiting[0][0])
        self.db.execute("SAVEPOINT together")
        try:
            ingest.save_conversations([conversation for _, conversation in waiting])
        except _FAILURES:
            self.db.execute("ROLLBACK TO together")
            self.db.execute("RELEASE together")
            for receipt, conversation in waiting:
                self._alone(receipt, conversation)
        else:
            self.db.execute("RELEASE together")

    def _alone(self, receipt: Receipt, conversation: Conversation | None) -> None:
        self.db.execute("SAVEPOINT alone")
        done = self._tried(receipt, lambda: self._write(receipt, conversation))
        if not done:
            self.db.execute("ROLLBACK TO alone")
        self.db.execute("RELEASE alone")

    def _write(self, receipt: Receipt, conversation: Conversation | None) -> bool:
        ingest = self._ingest_at(receipt)
        if conversation is None:
            self._look_at_lists(receipt)
            apply(ingest, receipt)
        else:
            ingest.save_conversation(conversation)
        return True

    def _look_at_lists(self, receipt: Receipt) -> None:
        """Remember what a list names. Raises MalformedAnswer for a removal that the lists contradict."""
        payload: Any = receipt.payload
        if receipt.kind == "ids":
            self._lists[payload["scope"]] = array("q", payload["ids"])
        elif receipt.kind == "removal" and payload == {"unlisted": True}:
            for scope in _EVERYTHING:
                ids = self._lists.get(scope)
                at = 0 if ids is None else bisect_left(ids, _key(receipt))
                if ids is not None and at < len(ids) and ids[at] == receipt.key:
                    raise MalformedAnswer(f"the list {scope} names the conversation.")

    def _tried(self, receipt: Receipt, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except _FAILURES as error:
            sentence = f"no row can follow from the receipt: {error or type(error).__name__}"
            self.faults.append(Fault("receipts", str(receipt.id), sentence))
            return None

    def _ingest_at(self, receipt: Receipt) -> Ingest:
        if self._ingest is None or receipt.run_id != self._run:
            self._run = receipt.run_id
            self._ingest = Ingest(self.db, self._clock, self._run, receipts=False)
        self._clock.set(receipt.at)
        return self._ingest


_FAILURES = (MalformedAnswer, sqlite3.Error, KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What a receipt that somebody made up may raise."""


def _conversation(receipt: Receipt) -> Conversation:
    return typed_by(parse.conversation(receipt.payload), receipt.texts)


def apply(ingest: Ingest, receipt: Receipt) -> None:
    """Write the rows that follow from a receipt. Raises MalformedAnswer for an unknown kind."""
    payload: Any = receipt.payload
    if receipt.kind in ("thread", "part"):
        ingest.save_conversation(_conversation(receipt), complete=receipt.kind == "thread")
    elif receipt.kind in ("row", "row_unnamed"):
        ingest.save_summary(_conversation(receipt), named=receipt.kind == "row")
    elif receipt.kind == "flags":
        ingest.save_flags(payload["id"], **{name: payload[name] for name in FIELDS if name in payload})
    elif receipt.kind == "pushed":
        ingest.save_answered_flags(_conversation(receipt))
    elif receipt.kind == "removal":
        ingest.mark_removed(_key(receipt))
    elif receipt.kind == "messages_removed":
        ingest.mark_messages_removed(payload["id"], payload["message_ids"])
    elif receipt.kind == "courses":
        ingest.save_courses([parse.course(one) for one in payload])
    elif receipt.kind == "file":
        if "record" in payload and parse.attachment(payload["record"]).id != payload["id"]:
            raise MalformedAnswer("its record is that of another file.")
        ingest.save_attachment_state(payload["id"], **_named(payload, "id"))
    elif receipt.kind == "media":
        ingest.save_media_state(**payload)
    elif receipt.kind == "bodies":
        sent = {int(message_id): str(text) for message_id, text in payload["sent"].items()}
        ingest.save_bodies(decode=payload["decoded"], sent=sent)
    elif receipt.kind == "account":
        ingest.save_account(payload)
    elif receipt.kind == "user":
        ingest.save_user(parse.user(payload))
    elif receipt.kind == "ids":
        ingest.save_ids(payload["scope"], payload["ids"])
    elif receipt.kind == "rows":
        ingest.save_rows(payload["table"], payload["columns"], payload["rows"])
    elif receipt.kind == "unreadable":
        raise MalformedAnswer(str(payload))
    elif receipt.kind not in _WITHOUT_ROWS:
        raise MalformedAnswer(f"its kind, {receipt.kind}, is unknown.")


def _key(receipt: Receipt) -> int:
    if receipt.key is None:
        raise MalformedAnswer("it names no conversation.")
    return receipt.key


def _named(payload: dict[str, Any], but: str) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != but}
