"""The one reader behind every format: a consistent snapshot of the archive, conversation by conversation.

Everything is read inside one transaction, so a sync that runs meanwhile changes nothing in the export.
Conversations come in the order of their ids, in small batches, so that memory does not grow with the mailbox.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from canvas_archive.export.records import Custodian, MessageRecord, PersonRecord, StoredFile, ThreadRecord
from canvas_archive.export.selection import Scope, Selection, resolve
from canvas_archive.model import JsonObject
from canvas_archive.store import connect_readonly
from canvas_archive.store.account import read_account
from canvas_archive.store.forwarded import Forwards
from canvas_archive.store.reading import recording_name

if TYPE_CHECKING:
    from canvas_archive.search.query.resolve import AbsentNames

BATCH_MESSAGES = 1000
"""How many messages are held at once (one conversation is never split)."""

_PEOPLE_KEPT = 20_000
_DEEPEST_FORWARD = 20

# A file's address carries a key that opens it to anyone: it has no place in a package handed on.
_VERIFIER = re.compile(r"([?&]verifier=)[^&\"\\\s]+")

_CONVERSATIONS = """
SELECT c.id, c.subject, c.context_code, coalesce(x.name, c.context_name), x.course_code, x.term, c.private,
  c.starred, c.workflow_state, c.subscribed, c.remote_starred, c.remote_workflow_state, c.remote_subscribed,
  c.message_count, c.last_message_at, c.last_authored_message_at, c.properties, c.audience, c.removed_at,
  c.first_seen_at, c.fetched_at, c.extra
FROM conversations c LEFT JOIN contexts x ON x.code = c.context_code
WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY c.id
"""
_PARTICIPANTS = """
SELECT conversation_id, user_id FROM conversation_participants
WHERE conversation_id IN (SELECT value FROM json_each(?)) ORDER BY conversation_id, position, user_id
"""
_CONTEXTS = """
SELECT conversation_id, context_code, roles FROM conversation_contexts
WHERE conversation_id IN (SELECT value FROM json_each(?)) ORDER BY conversation_id, context_code
"""
_MESSAGE_COLUMNS = (
    "m.id, m.conversation_id, m.author_id, m.created_at, m.body, m.generated, m.removed_at, "
    "m.first_seen_at, m.extra"
)
_MESSAGE_IDS = """
SELECT conversation_id, id FROM messages
WHERE conversation_id IN (SELECT value FROM json_each(?)) ORDER BY conversation_id, created_at, id
"""
_RECIPIENTS = """
SELECT message_id, user_id FROM message_recipients
WHERE message_id IN (SELECT value FROM json_each(?)) ORDER BY message_id, user_id
"""
_ATTACHMENTS = """
SELECT l.message_id, a.id, a.display_name, a.filename, a.content_type, a.size, a.created_at, a.state,
  a.sha256, a.stored_size, a.error, a.url, a.extra
FROM message_attachments l JOIN attachments a ON a.id = l.attachment_id
WHERE l.message_id IN (SELECT value FROM json_each(?)) ORDER BY l.message_id, l.position, a.id
"""
_RECORDINGS = """
SELECT message_id, media_id, media_type, display_name, content_type, state, sha256, stored_size, error, url
FROM media_comments WHERE message_id IN (SELECT value FROM json_each(?)) ORDER BY message_id, media_id
"""
_FORWARDED = """
SELECT message_id, forwarded_message_id FROM forwarded_messages
WHERE message_id IN (SELECT value FROM json_each(?)) ORDER BY message_id, position, forwarded_message_id
"""
_PEOPLE = (
    "SELECT id, name, full_name, pronouns, avatar_url FROM users WHERE id IN (SELECT value FROM json_each(?))"
)


class Snapshot:
    """The archive's database as it was at one moment; a context manager."""

    def __init__(self, db_path: Path) -> None:
        self.db = connect_readonly(db_path)
        self.db.row_factory = None
        try:
            self.db.execute("BEGIN")
            self.custodian = _custodian(self.db)
        except BaseException:
            self.db.close()
            raise
        self._people: dict[int, PersonRecord] = {}

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the snapshot."""
        self.db.close()

    def choose(
        self,
        selection: Selection,
        find_messages: Callable[[str], Iterable[int]] | None = None,
        absent: AbsentNames | None = None,
    ) -> Scope:
        """Resolve the filters; the answer says how much ``threads`` will yield."""
        return resolve(self.db, selection, find_messages, absent)

    def threads(self, scope: Scope) -> Iterator[ThreadRecord]:
        """Yield the chosen conversations by id, each with its chosen messages, oldest first."""
        last = -1
        while batch := self._next_batch(last):
            yield from self._load(batch, scope)
            last = batch[-1]

    def _next_batch(self, after: int) -> list[int]:
        batch: list[int] = []
        messages = 0
        for number, wanted in self.db.execute(
            "SELECT conversation_id, wanted FROM temp.chosen WHERE conversation_id > ? "
            "ORDER BY conversation_id LIMIT 500",
            (after,),
        ):
            if batch and messages + wanted > BATCH_MESSAGES:
                break
            batch.append(number)
            messages += wanted
        return batch

    def _load(self, ids: list[int], scope: Scope) -> Iterator[ThreadRecord]:
        key = json.dumps(ids)
        rows = self.db.execute(
            f"SELECT {_MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id IN "  # noqa: S608 (constants)
            f"(SELECT value FROM json_each(?)) AND {scope.condition} "
            "ORDER BY m.conversation_id, m.created_at, m.id",
            (key, *scope.parameters),
        ).fetchall()
        parts = _Parts.load(self.db, rows)
        participants = _grouped(self.db.execute(_PARTICIPANTS, (key,)))
        contexts: dict[int, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for number, code, roles in self.db.execute(_CONTEXTS, (key,)):
            contexts[number][code] = tuple(json.loads(roles))
        of_thread: dict[int, list[MessageRow]] = defaultdict(list)
        for row in rows:
            of_thread[row[1]].append(row)
        # Of a part of a conversation, the ids of the rest are still needed to thread it.
        all_ids = (
            {number: [row[0] for row in found] for number, found in of_thread.items()}
            if scope.whole
            else _grouped(self.db.execute(_MESSAGE_IDS, (key,)))
        )
        people = self._people_for(
            parts.people() | {user for users in participants.values() for user in users}
        )
        for row in self.db.execute(_CONVERSATIONS, (key,)).fetchall():
            number = row[0]
            yield ThreadRecord(
                id=number,
                subject=row[1],
                context_code=row[2],
                context_name=row[3],
                course_code=row[4],
                term=row[5],
                private=bool(row[6]),
                starred=bool(row[7]),
                workflow_state=row[8],
                subscribed=bool(row[9]),
                remote={"starred": bool(row[10]), "workflow_state": row[11], "subscribed": bool(row[12])},
                message_count=row[13],
                last_message_at=row[14],
                last_authored_message_at=row[15],
                properties=tuple(json.loads(row[16])),
                audience=tuple(json.loads(row[17])),
                removed_at=row[18],
                first_seen_at=row[19],
                fetched_at=row[20],
                participants=tuple(people[user] for user in participants.get(number, ())),
                contexts=contexts.get(number, {}),
                messages=tuple(parts.message(entry, people) for entry in of_thread.get(number, ())),
                message_ids=tuple(all_ids.get(number, ())),
                extra=_extra(row[21]),
            )

    def _people_for(self, wanted: set[int]) -> dict[int, PersonRecord]:
        missing = [number for number in wanted if number not in self._people]
        if missing:
            if len(self._people) + len(missing) > _PEOPLE_KEPT:
                self._people = {}
                missing = list(wanted)
            for row in self.db.execute(_PEOPLE, (json.dumps(missing),)):
                self._people[row[0]] = _person(*row)
        return self._people

    def everyone(self) -> Iterator[PersonRecord]:
        """Yield everybody the archive knows."""
        for row in self.db.execute("SELECT id, name, full_name FROM users ORDER BY id"):
            yield _person(*row)


MessageRow: TypeAlias = "tuple[Any, ...]"
"""The columns of ``_MESSAGE_COLUMNS``."""


@dataclass
class _Parts:
    """What belongs to a batch of messages, by message id; forwarded messages are loaded to the bottom."""

    recipients: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    files: dict[int, list[StoredFile]] = field(default_factory=lambda: defaultdict(list))
    forwarded: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    rows: dict[int, MessageRow] = field(default_factory=dict)
    forwards: Forwards = field(default_factory=lambda: Forwards({}))

    @classmethod
    def load(cls, db: sqlite3.Connection, rows: list[MessageRow]) -> _Parts:
        parts = cls()
        parts.rows = {row[0]: row for row in rows}
        wanted = list(parts.rows)
        for _ in range(_DEEPEST_FORWARD):
            if not wanted:
                break
            more = parts._add(db, json.dumps(wanted))
            wanted = [number for number in more if number not in parts.rows]
            for row in db.execute(
                f"SELECT {_MESSAGE_COLUMNS} FROM messages m WHERE m.id IN (SELECT value FROM json_each(?))",  # noqa: S608 (constants)
                (json.dumps(wanted),),
            ):
                parts.rows[row[0]] = row
        parts.forwards = Forwards(parts.forwarded)
        return parts

    def _add(self, db: sqlite3.Connection, key: str) -> set[int]:
        for message, user in db.execute(_RECIPIENTS, (key,)):
            self.recipients[message].append(user)
        for row in db.execute(_ATTACHMENTS, (key,)):
            self.files[row[0]].append(_attachment(row))
        for row in db.execute(_RECORDINGS, (key,)):
            self.files[row[0]].append(_recording(row))
        more: set[int] = set()
        for message, forwarded in db.execute(_FORWARDED, (key,)):
            self.forwarded[message].append(forwarded)
            more.add(forwarded)
        return more

    def people(self) -> set[int]:
        found = {row[2] for row in self.rows.values()}
        found.update(user for users in self.recipients.values() for user in users)
        return found

    def message(
        self, row: MessageRow, people: dict[int, PersonRecord], above: frozenset[int] = frozenset()
    ) -> MessageRecord:
        number = row[0]
        inner = above | {number}
        return MessageRecord(
            id=number,
            conversation_id=row[1],
            author=people[row[2]],
            created_at=row[3],
            body=row[4],
            generated=bool(row[5]),
            removed_at=row[6],
            first_seen_at=row[7],
            recipients=tuple(people[user] for user in self.recipients.get(number, ())),
            files=tuple(self.files.get(number, ())),
            forwarded=tuple(
                self.message(self.rows[other], people, inner)
                for other in self.forwards.below(number, above)
                if other in self.rows
            ),
            extra=_extra(row[8]),
        )


def _person(
    number: int,
    name: str | None,
    full_name: str | None,
    pronouns: str | None = None,
    avatar_url: str | None = None,
) -> PersonRecord:
    shown = name or full_name or f"User {number}"
    return PersonRecord(number, shown, full_name or shown, pronouns, avatar_url)


def _attachment(row: tuple[Any, ...]) -> StoredFile:
    _, number, display, filename, kind, size, created, state, sha256, stored, error, url, extra = row
    return StoredFile(
        id=str(number),
        kind="attachment",
        name=display or filename or f"file {number}",
        filename=filename,
        content_type=kind,
        size=size,
        created_at=created,
        state=state,
        sha256=sha256,
        stored_size=stored,
        error=error,
        url=_without_key(url),
        extra=_extra(extra),
    )


def _recording(row: tuple[Any, ...]) -> StoredFile:
    _, media_id, media_type, display, content_type, state, sha256, stored, error, url = row
    return StoredFile(
        id=media_id,
        kind=media_type or "media",
        name=recording_name(display or f"{media_type or 'media'} comment", media_type, content_type),
        filename=None,
        content_type=content_type,
        size=None,
        created_at=None,
        state=state,
        sha256=sha256,
        stored_size=stored,
        error=error,
        url=_without_key(url),
    )


def _without_key(url: str | None) -> str | None:
    return _VERIFIER.sub(r"\1removed", url) if url else url


def _extra(text: str) -> JsonObject:
    if text == "{}":
        return {}
    document: JsonObject = json.loads(_VERIFIER.sub(r"\1removed", text))
    return document


def _grouped(rows: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for key, value in rows:
        found[key].append(value)
    return found


def _custodian(db: sqlite3.Connection) -> Custodian:
    account = read_account(db)
    owner, name = account.owner_id, account.name
    if account.as_user_id is not None:
        known = db.execute("SELECT coalesce(full_name, name) FROM users WHERE id = ?", (owner,)).fetchone()
        name = known[0] if known else None
    # The archive's own dates stand in for the clock, so that the same archive gives the same bytes.
    collected = db.execute("SELECT max(finished_at) FROM sync_runs").fetchone()[0]
    collected = collected or db.execute("SELECT max(fetched_at) FROM conversations").fetchone()[0]
    return Custodian(
        base_url=account.base_url,
        host=_host(account.base_url),
        user_id=owner,
        name=name or f"User {owner}",
        collected_by=account.user_id,
        created_at=account.created_at,
        collected_at=collected or account.created_at,
        schema_version=db.execute("PRAGMA user_version").fetchone()[0],
    )


def _host(base_url: str) -> str:
    host = urlsplit(base_url).hostname or "canvas"
    # An IPv6 address cannot stand in a Message-ID as it is.
    return re.sub(r"[^a-z0-9.-]", "-", host.lower()).strip("-.") or "canvas"
