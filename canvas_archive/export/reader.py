"""The one reader behind every format: a consistent snapshot of the archive, conversation by conversation.

Everything is read inside one transaction, so a sync that runs meanwhile changes nothing in the export.
Conversations come in the order of their ids, in small batches, so that memory does not grow with the mailbox.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from canvas_archive.export.records import Custodian, MessageRecord, PersonRecord, StoredFile, ThreadRecord
from canvas_archive.export.selection import Scope, Selection, resolve
from canvas_archive.model import JsonObject
from canvas_archive.store import connect_readonly
from canvas_archive.store.account import read_account
from canvas_archive.store.threads import (
    MESSAGE_COLUMNS,
    MessageParts,
    Row,
    file_name_of,
    people_rows,
    recording_name,
)

if TYPE_CHECKING:
    from canvas_archive.search.query.resolve import AbsentNames

BATCH_MESSAGES = 1000
"""How many messages are held at once (one conversation is never split)."""

_PEOPLE_KEPT = 20_000
_DEEPEST_FORWARD = 20

# A file's address carries a key that opens it to anyone: it has no place in a package handed on.
_VERIFIER = re.compile(r"([?&]verifier=)[^&\"\\\s]+")

_CONVERSATIONS = """
SELECT c.id, c.subject, coalesce(c.course, c.context_code), coalesce(x.name, c.context_name), x.course_code,
  x.term, c.private,
  c.starred, c.workflow_state, c.subscribed, c.remote_starred, c.remote_workflow_state, c.remote_subscribed,
  c.message_count, c.last_message_at, c.last_authored_message_at, c.properties, c.audience, c.removed_at,
  c.first_seen_at, c.fetched_at, c.extra
FROM conversations c LEFT JOIN contexts x ON x.code = c.course
WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY c.id
"""
_PARTICIPANTS = """
SELECT conversation_id, user_id FROM conversation_participants
WHERE conversation_id IN (SELECT value FROM json_each(?)) AND direct = 1
ORDER BY conversation_id, position, user_id
"""
_CONTEXTS = """
SELECT conversation_id, context_code, roles FROM conversation_contexts
WHERE conversation_id IN (SELECT value FROM json_each(?)) ORDER BY conversation_id, context_code
"""
_MESSAGE_IDS = """
SELECT conversation_id, id FROM messages
WHERE conversation_id IN (SELECT value FROM json_each(?)) ORDER BY conversation_id, created_at, id
"""

_IDS = {
    "message": "SELECT id FROM messages",
    "conversation": "SELECT id FROM conversations",
    "file": "SELECT id FROM attachments UNION ALL SELECT media_id FROM media_comments",
}
_NAMES = frozenset({"name", "full_name", "short_name", "sortable_name", "display_name"})
_LOGINS = frozenset({"login_id", "sis_user_id", "integration_id", "email", "primary_email", "unique_id"})


class Snapshot:
    """The archive's database, at a path or open, as it was at one moment; a context manager."""

    def __init__(self, source: Path | sqlite3.Connection) -> None:
        self.db = connect_readonly(source) if isinstance(source, Path) else source
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
            f"SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id IN "  # noqa: S608 (constants)
            f"(SELECT value FROM json_each(?)) AND {scope.condition} "
            "ORDER BY m.conversation_id, m.created_at, m.id",
            (key, *scope.parameters),
        ).fetchall()
        parts = MessageParts(self.db.cursor(), rows, _DEEPEST_FORWARD)
        participants = _grouped(self.db.execute(_PARTICIPANTS, (key,)))
        contexts: dict[int, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for number, code, roles in self.db.execute(_CONTEXTS, (key,)):
            # What one course is exported for says nothing of the others that its people share.
            if scope.courses is None or code in scope.courses:
                contexts[number][code] = tuple(json.loads(roles))
        of_thread: dict[int, list[int]] = defaultdict(list)
        for row in rows:
            of_thread[row[1]].append(row[0])
        # Of a part of a conversation, the ids of the rest are still needed to thread it.
        all_ids = of_thread if scope.whole else _grouped(self.db.execute(_MESSAGE_IDS, (key,)))
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
                messages=tuple(_message(parts, entry, people) for entry in of_thread.get(number, ())),
                message_ids=tuple(all_ids.get(number, ())),
                extra=_extra(row[21]),
            )

    def _people_for(self, wanted: set[int]) -> dict[int, PersonRecord]:
        missing = [number for number in wanted if number not in self._people]
        if missing:
            if len(self._people) + len(missing) > _PEOPLE_KEPT:
                self._people = {}
                missing = list(wanted)
            for row in people_rows(self.db.cursor(), missing):
                self._people[row[0]] = _person(*row)
        return self._people

    def everyone(self) -> Iterator[PersonRecord]:
        """Yield everybody the archive knows."""
        for row in self.db.execute("SELECT id, name, full_name FROM users ORDER BY id"):
            yield _person(*row)

    def other_names(self) -> Iterator[tuple[int, str, str]]:
        """Yield (user id, "name" or "login", text): earlier names, and what Canvas sent beside the names."""
        for number, before in self.db.execute("SELECT id, before FROM revisions WHERE \"table\" = 'users'"):
            yield from _other_names(int(number), json.loads(before))
        for number, extra in self.db.execute("SELECT id, extra FROM users WHERE extra <> '{}' ORDER BY id"):
            yield from _other_names(number, json.loads(extra))

    def ids(self, kind: str) -> Iterator[object]:
        """Yield the ids of every message, conversation or file ("message", "conversation", "file")."""
        for row in self.db.execute(_IDS[kind]):
            yield row[0]


def _other_names(number: int, fields: JsonObject) -> Iterator[tuple[int, str, str]]:
    for name, value in fields.items():
        if name == "extra" and isinstance(value, str):
            value = json.loads(value)
        if isinstance(value, dict):
            yield from _other_names(number, value)
        elif isinstance(value, str) and name in _NAMES:
            yield number, "name", value
        elif isinstance(value, (str, int)) and name in _LOGINS:
            yield number, "login", str(value)


def _message(
    parts: MessageParts,
    number: int,
    people: Mapping[int, PersonRecord],
    above: frozenset[int] = frozenset(),
) -> MessageRecord:
    _, conversation_id, author_id, created_at, body, generated, removed_at, first_seen_at, extra = parts.rows[
        number
    ]
    inside = above | {number}
    return MessageRecord(
        id=number,
        conversation_id=conversation_id,
        author=people[author_id],
        created_at=created_at,
        body=body,
        generated=bool(generated),
        removed_at=removed_at,
        first_seen_at=first_seen_at,
        recipients=tuple(people[user] for user in parts.recipients.get(number, ())),
        files=(
            *map(_attachment, parts.attachments.get(number, ())),
            *map(_recording, parts.recordings.get(number, ())),
        ),
        forwarded=tuple(_message(parts, inner, people, inside) for inner in parts.below(number, above)),
        extra=_extra(extra),
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


def _attachment(row: Row) -> StoredFile:
    number, _, filename, kind, size, created, state, sha256, stored, error, url, extra = row
    return StoredFile(
        id=str(number),
        kind="attachment",
        name=file_name_of(row),
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


def _recording(row: Row) -> StoredFile:
    media_id, media_type, display, content_type, state, sha256, stored, error, url = row
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
