"""Deriving the rows of an export from its own ``receipts.jsonl``, and comparing both.

The receipts become a temporary database (``derive``), which is read as the archive was. What depends on
edits of the custodian is not compared (the marks, and so the folders). Of a selection, what other
conversations may have shown is not compared either: names of people and courses, and when a message was
first seen.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from canvas_archive.derive.fold import derive
from canvas_archive.errors import ArchiveError
from canvas_archive.export.checks import MOST_ITEMS, Check, capped, findings
from canvas_archive.export.completeness import completeness
from canvas_archive.export.context import Blobs, ExportContext
from canvas_archive.export.format_readers import statement_of
from canvas_archive.export.jsonl import encode_completion, thread_json
from canvas_archive.export.reader import Snapshot
from canvas_archive.export.receipts import RECEIPTS
from canvas_archive.export.selection import Selection
from canvas_archive.export.statements import Statement
from canvas_archive.store.deltas import settled
from canvas_archive.store.private import open_regular
from canvas_archive.store.receipt_reading import keyless
from canvas_archive.store.receipts import Receipt
from canvas_archive.store.revisions import VOLATILE
from canvas_archive.string_ids import with_string_ids

_LONGEST_LINE = 256 << 20
_LINES = "conversations.jsonl"
_LOCAL = frozenset({"starred", "workflow_state", "subscribed", "folders", "messages"})
_NAMES = frozenset({"context_name", "course_code", "term", "author", "first_seen_at"})
"""What other conversations than the chosen ones may have shown."""

_OF_FORWARDED = frozenset({"conversation_id", "removed_at", "recipient_ids", "extra", "generated"})
"""What the conversation of a forwarded message shows, which need not be a chosen one."""

_NESTED = frozenset({"attachments", "forwarded_messages", "path"})
Json: TypeAlias = Mapping[str, Any]


@dataclass(slots=True)
class ExportedReceipts:
    """The receipts of an export: a check of them, and a database that follows from them, if there can be one.

    ``part``: the export is a selection. ``few_messages``: it holds some messages of its conversations.
    """

    check: Check
    db: sqlite3.Connection | None
    part: bool
    few_messages: bool

    def close(self) -> None:
        """Let go of the database."""
        if self.db is not None:
            self.db.close()


def exported_receipts(folder: Path, record: object) -> ExportedReceipts | None:
    """Read ``receipts.jsonl`` below ``folder``; ``None`` for an export without. ``record`` is its own."""
    document = record if isinstance(record, dict) else {}
    path = folder / RECEIPTS
    if not os.path.lexists(path) and "receipts" not in document:
        return None
    selection = document.get("selection")
    chosen = selection if isinstance(selection, dict) else {}
    few = not chosen.get("whole_threads") and any(name in chosen for name in ("query", "after", "before"))
    counts: dict[str, int] = {}
    try:
        db, faults = derive(_read(path, counts))
    except (ArchiveError, sqlite3.Error, OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        return ExportedReceipts(_broken(str(error) or type(error).__name__), None, bool(chosen), few)
    items = [f"receipt {fault.row}: {fault.sentence}" for fault in faults]
    if not db.execute("SELECT EXISTS (SELECT 1 FROM account)").fetchone()[0]:
        db.close()
        return ExportedReceipts(_broken("no receipt says whose mailbox it is"), None, bool(chosen), few)
    recorded = document.get("receipts")
    if not isinstance(recorded, dict) or recorded.get("by_source") != counts:
        items.append("export.json counts other receipts")
    sources = ", ".join(f"{count:,} {source}" for source, count in sorted(counts.items()))
    good = f"{sum(counts.values()):,} receipts ({sources})"
    check = findings("receipts", items, good, "{count} receipts make no sense, or are not those recorded")
    return ExportedReceipts(check, db, bool(chosen), few)


def _broken(problem: str) -> Check:
    return Check("receipts", False, "the receipts cannot be read", (f"{RECEIPTS}: {problem[:300]}",))


def _read(path: Path, counts: dict[str, int]) -> Iterator[Receipt]:
    """Yield the receipts of a file, and count them by source. Raises ValueError when it is not as written."""
    digest = hashlib.sha256()
    last, before = b"", 0
    with open_regular(path) as file:
        for line in iter(partial(file.readline, _LONGEST_LINE), b""):
            if len(line) == _LONGEST_LINE:
                raise ValueError(f"a line has {_LONGEST_LINE:,} bytes or more")
            if last:
                digest.update(last)
                receipt = _receipt(json.loads(last))
                if receipt.id <= before:
                    raise ValueError(f"receipt {receipt.id} is not in its place")
                before = receipt.id
                counts[receipt.source] = counts.get(receipt.source, 0) + 1
                yield receipt
            last = line
    record = json.loads(last or b"null")
    if not isinstance(record, dict) or record.get("type") != "completion":
        raise ValueError("the completion record is missing: the file was cut off")
    if record.get("sha256") != digest.hexdigest():
        raise ValueError("the file was changed (its SHA-256 is not the recorded one)")
    described = {name: value for name, value in record.items() if name != "record_sha256"}
    if encode_completion(described) != last or record.get("by_source") != counts:
        raise ValueError("the completion record was changed")


def _receipt(line: Any) -> Receipt:
    texts = (line["source"], line["kind"], line["address"], line["at"], line["texts"])
    numbers = (line["id"], line["run_id"] or 0, line["key"] or 0, line["status"] or 0)
    if not all(isinstance(one, str) for one in texts) or not all(type(one) is int for one in numbers):
        raise ValueError("a line is no receipt")
    return Receipt(
        line["id"], line["run_id"], line["source"], line["kind"], line["key"], line["address"], line["at"],
        line["status"], line["texts"], line["answer"],
    )  # fmt: skip


def derived_threads(receipts: ExportedReceipts) -> Generator[Json, None, None]:
    """Yield the conversations that follow from the receipts, as ``conversations.jsonl`` has them."""
    if receipts.db is None:
        return
    snapshot = Snapshot(receipts.db)
    try:
        scope = snapshot.choose(Selection())
        blobs, known = Blobs(Path(), included=False), completeness(receipts.db)
        context = ExportContext(snapshot.custodian, Selection(), scope, blobs, known)
        for thread in snapshot.threads(scope):
            yield thread_json(thread, context)
    finally:
        receipts.db.execute("ROLLBACK")


def derived_statements(receipts: ExportedReceipts) -> Iterator[Statement]:
    """Yield what the receipts say of each message. Files that are not in the export are in the receipts."""
    for thread in derived_threads(receipts):
        for message in thread["messages"]:
            said = replace(statement_of(thread, message), files=None)
            yield replace(said, author=None) if receipts.part else said


def check_rows(folder: Path, receipts: ExportedReceipts) -> Iterator[Check]:
    """Compare ``conversations.jsonl``, field by field, with what follows from the receipts."""
    path = folder / _LINES
    if receipts.db is None or not os.path.lexists(path):
        return
    comparison = _Comparison(receipts)
    try:
        with closing(derived_threads(receipts)) as derived, open_regular(path) as file:
            comparison.compare(_stored_threads(file), derived)
    except (ArchiveError, sqlite3.Error, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        comparison.items.append(f"{path.name} cannot be compared: {str(error)[:300] or type(error).__name__}")
    more = " (names of people and courses may come from other conversations)" if receipts.part else ""
    good = f"{comparison.messages:,} messages of {path.name} follow from the receipts{more}"
    bad = f"{len(comparison.items):,} rows are not what the receipts say"
    ok = not comparison.items
    yield Check("rows", ok, good if ok else bad, () if ok else capped(comparison.items))


def _stored_threads(file: Any) -> Iterator[Json]:
    for line in iter(partial(file.readline, _LONGEST_LINE), b""):
        thread = json.loads(line)
        if thread["type"] == "conversation":
            yield thread


class _Comparison:
    """Walks the conversations of an export and those of its receipts side by side, both by id."""

    def __init__(self, receipts: ExportedReceipts) -> None:
        self._part = receipts.part
        self._few_messages = receipts.few_messages
        self.items: list[str] = []
        self.messages = 0

    def compare(self, stored: Iterator[Json], derived: Iterator[Json]) -> None:
        """Note each difference."""
        one, other = next(stored, None), next(derived, None)
        while (one is not None or other is not None) and len(self.items) <= MOST_ITEMS:
            if other is None or (one is not None and int(one["id"]) < int(other["id"])):
                self.items.append(f"conversations {one['id']}: no receipt explains it")  # type: ignore[index]
                one = next(stored, None)
            elif one is None or int(one["id"]) > int(other["id"]):
                self.items.append(f"conversations {other['id']}: receipts explain it, and it is not there")
                other = next(derived, None)
            else:
                self._threads(one, other)
                one, other = next(stored, None), next(derived, None)

    def _threads(self, stored: Json, derived: Json) -> None:
        self._fields("conversations", stored, derived, _LOCAL)
        known = {str(message["id"]): message for message in derived["messages"]}
        for message in stored["messages"]:
            self.messages += 1
            self._message(message, known.pop(str(message["id"]), None), inner=False)
        if not self._few_messages:
            self.items += [
                f"messages {number}: a receipt explains it, and it is not there" for number in known
            ]

    def _message(self, stored: Json, derived: Json | None, *, inner: bool) -> None:
        if derived is None:
            self.items.append(f"messages {stored['id']}: no receipt explains it")
            return
        self._fields(
            "messages", stored, derived, _NESTED | (_OF_FORWARDED if inner and self._part else set())
        )
        self._listed("attachments", stored, derived)
        mine, theirs = stored["forwarded_messages"], derived["forwarded_messages"]
        if [str(one["id"]) for one in mine] != [str(one["id"]) for one in theirs]:
            self.items.append(f"messages {stored['id']}: not what the receipts say: forwarded_messages")
            return
        for one, other in zip(mine, theirs, strict=True):
            self._message(one, other, inner=True)

    def _listed(self, name: str, stored: Json, derived: Json) -> None:
        mine, theirs = stored[name], derived[name]
        if [str(one["id"]) for one in mine] != [str(one["id"]) for one in theirs]:
            self.items.append(f"messages {stored['id']}: not what the receipts say: {name}")
            return
        for one, other in zip(mine, theirs, strict=True):
            table = name if one["kind"] == "attachment" else "media_comments"
            self._fields(table, one, other, _NESTED)

    def _fields(self, table: str, stored: Json, derived: Json, skipped: Any) -> None:
        left_out = skipped | _NAMES if self._part else skipped
        differing = [
            name
            for name, value in derived.items()
            if name not in left_out and self._lasting(name, stored.get(name)) != self._lasting(name, value)
        ]
        strange = sorted(stored.keys() - derived.keys() - {"type"})
        if differing or strange:
            fields = ", ".join([*differing, *strange])
            self.items.append(f"{table} {stored['id']}: not what the receipts say: {fields}")

    def _lasting(self, name: str, value: Any) -> Any:
        if name == "participants" and self._part and isinstance(value, list):
            return [str(person["id"]) for person in value]
        if name == "extra" and isinstance(value, dict):
            return settled(keyless({key: one for key, one in value.items() if key not in VOLATILE}))
        ((_, lasting),) = keyless({name: with_string_ids({name: value})[name]}).items()  # type: ignore[index, union-attr]
        return lasting
