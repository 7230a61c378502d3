"""Writing what Canvas answered into the archive, so that nothing known before is lost.

The caller holds the transaction and may put several conversations into one. What an answer replaces
goes to ``revisions`` (the rules stand in ``revisions.py``); what it lacks is marked, never deleted.
Flags meet pending edits in ``flags.py``; the syncer's writes never make an edit, because the triggers
see a column that equals its ``remote_`` twin.

Each answer that changes a row becomes a receipt in the same transaction. The rows are a fold over the
receipts in their order: a row depends on the rows before it, and on the payload, the time and the run of
a receipt. Nothing else may influence a row (``derive`` repeats the fold), except the three columns that a
person may edit.

| kind                 | payload                                   | method                    |
|----------------------|-------------------------------------------|---------------------------|
| ``thread``           | a conversation with all its messages      | ``save_conversation``     |
| ``part``             | a conversation with some messages         | ``save_conversation``     |
| ``row``              | a row of a list                           | ``save_summary``          |
| ``row_unnamed``      | the same; known people keep their names   | ``save_summary``          |
| ``flags``            | the id and flags, known from id lists     | ``save_flags``            |
| ``pushed``           | a conversation, when edits were sent      | ``save_answered_flags``   |
| ``removal``          | the answer to deleting, null for a 404, or| ``mark_removed``          |
|                      | ``{"unlisted": true}``: no list has it    |                           |
| ``messages_removed`` | ids of the conversation and messages      | ``mark_messages_removed`` |
| ``courses``          | the new and changed courses of the list   | ``save_courses``          |
| ``file``             | id, state, hash, length, address; and the | ``save_attachment_state`` |
|                      | record of the file, when it was asked for |                           |
| ``media``            | the same of a recording                   | ``save_media_state``      |
| ``bodies``           | ids of bodies decoded later               | ``save_bodies``           |
| ``account``          | the columns of ``account``                | ``save_account``          |
| ``user``             | the owner                                 | ``save_user``             |
| ``ids``              | the name of a list, and its ids, sorted   | ``save_ids``              |
| ``rows``             | rows of an older archive                  | ``save_rows``             |
| ``parser``           | the version of the parser                 | none (``derive/again.py``)|
| ``replaced``         | rows before they were derived again       | none                      |
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from canvas_archive.clock import Clock, iso
from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Conversation, Course, Json, JsonObject, User
from canvas_archive.store import ingest_messages
from canvas_archive.store.derived_columns import settle_all_direct, settle_direct
from canvas_archive.store.flags import FIELDS, STATES, FlagUpdate, merge_flags
from canvas_archive.store.ingest_new import CONVERSATIONS, NewThreads
from canvas_archive.store.ingest_people import PeopleWriter, named_in
from canvas_archive.store.journal import journaled
from canvas_archive.store.receipts import ReceiptWriter
from canvas_archive.store.revisions import RevisionLog, changed_columns
from canvas_archive.store.rows import (
    CONTENT_COLUMNS,
    FLAG_COLUMNS,
    clean,
    content_row,
    distinct_messages,
    ids_json,
    words_json,
)
from canvas_archive.typed_text import decoded

_STORED_COLUMNS = (*FLAG_COLUMNS, "removed_at", *CONTENT_COLUMNS)
_STORED = f"SELECT {', '.join(_STORED_COLUMNS)} FROM conversations WHERE id = ?"  # noqa: S608 (constants)
_SETTLED = """
SELECT id, starred, workflow_state, subscribed, context_name FROM conversations AS c
WHERE id IN (SELECT value FROM json_each(?)) AND removed_at IS NULL AND starred = remote_starred
  AND workflow_state = remote_workflow_state AND subscribed = remote_subscribed
  AND NOT EXISTS (SELECT 1 FROM edits WHERE conversation_id = c.id AND state = 'pending')
"""
_PENDING = "SELECT field, value FROM edits WHERE conversation_id = ? AND state = 'pending'"
_PENDING_IDS = "SELECT id FROM edits WHERE conversation_id = ? AND field = ? AND state = 'pending'"
_FULFIL = """
UPDATE edits SET state = 'pushed', settled_at = ?, detail = 'already so on Canvas'
WHERE conversation_id = ? AND field = ? AND state = 'pending'
"""
_FETCHED = "UPDATE conversations SET fetched_at = ? WHERE id = ?"
_PARTICIPANTS = "SELECT user_id, position FROM conversation_participants WHERE conversation_id = ?"
_SET_PARTICIPANT = """
INSERT INTO conversation_participants (conversation_id, user_id, position) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET position = excluded.position
"""
_DROP_PARTICIPANT = "DELETE FROM conversation_participants WHERE conversation_id = ? AND user_id = ?"
_ROLES = "SELECT context_code, roles FROM conversation_contexts WHERE conversation_id = ?"
_SET_ROLES = """
INSERT INTO conversation_contexts (conversation_id, context_code, roles) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET roles = excluded.roles
"""
_UNREMOVED = """
SELECT id FROM messages
WHERE conversation_id = ? AND removed_at IS NULL AND id IN (SELECT value FROM json_each(?))
"""
_ATTACHMENT_STATE = """
UPDATE attachments SET state = ?2, sha256 = coalesce(?3, sha256), stored_size = coalesce(?4, stored_size),
  error = ?5, url = coalesce(?6, url),
  fetched_at = CASE WHEN ?2 IN ('stored', 'gone') THEN ?7 ELSE fetched_at END
WHERE id = ?1
"""
_MEDIA_STATE = """
UPDATE media_comments SET state = ?3, sha256 = ?4, stored_size = ?5, error = ?6,
  fetched_at = CASE WHEN ?3 IN ('stored', 'gone') THEN ?7 ELSE fetched_at END
WHERE message_id = ?1 AND media_id = ?2
"""
_ATTACHMENT_STANDS = """
SELECT EXISTS (SELECT 1 FROM attachments WHERE id = ?1 AND state = ?2 AND ?2 NOT IN ('stored', 'gone')
  AND coalesce(?3, sha256) IS sha256 AND coalesce(?4, stored_size) IS stored_size AND error IS ?5
  AND substr(coalesce(?6, url), 1, instr(coalesce(?6, url) || '?', '?'))
    IS substr(url, 1, instr(url || '?', '?')))
"""
_MEDIA_STANDS = """
SELECT EXISTS (SELECT 1 FROM media_comments WHERE message_id = ?1 AND media_id = ?2 AND state = ?3
  AND ?3 NOT IN ('stored', 'gone') AND sha256 IS ?4 AND stored_size IS ?5 AND error IS ?6)
"""
_OWNER = "SELECT coalesce(as_user_id, user_id) FROM account"
_BODIES = "SELECT id, body FROM messages WHERE id IN (SELECT value FROM json_each(?))"
_BODY = "UPDATE messages SET body = ? WHERE id = ?"
DERIVED_TABLES = (
    "account",
    "users",
    "contexts",
    "conversations",
    "conversation_participants",
    "conversation_contexts",
    "messages",
    "message_recipients",
    "forwarded_messages",
    "attachments",
    "message_attachments",
    "media_comments",
    "revisions",
)
"""The tables whose rows follow from receipts, in the order that foreign keys want."""

_LISTS = "GET /api/v1/conversations"
SCOPES = ("inbox", "unread", "archived", "sent", "starred")
"""The lists whose ids have receipts. The key of a receipt is the place of its list, from 1."""
# What tells a list row from the stored row, without what may differ from one kind of answer to the next.
_COMPARED = tuple(
    CONTENT_COLUMNS.index(column)
    for column in CONTENT_COLUMNS
    if column not in {"context_name", "private", "avatar_url", "extra"}
)


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What saving one answer did. ``changed`` is true for new things and for whatever made a revision."""

    new: bool
    changed: bool
    new_messages: int = 0
    new_attachment_ids: tuple[int, ...] = ()


class Ingest:
    """Writes answers into an archive; one for each sync run (``run_id`` marks its receipts and revisions).

    ``receipts`` is false for the fold, which repeats receipts that exist.
    """

    def __init__(
        self, db: sqlite3.Connection, clock: Clock, run_id: int | None = None, *, receipts: bool = True
    ) -> None:
        self._clock = clock
        self._db = db
        self._cursor = db.cursor()
        self._cursor.row_factory = None  # plain tuples: faster, and comparable
        self._log = RevisionLog(self._cursor, run_id)
        self._people = PeopleWriter(self._cursor, self._log)
        self._receipts = ReceiptWriter(self._cursor, run_id) if receipts else None

    def close(self) -> None:
        """Let go of the connection: a statement that lives on would keep the closed database open."""
        self._cursor.close()

    def save_conversation(
        self, conv: Conversation, *, complete: bool = True, address: str | None = None
    ) -> SaveResult:
        """Write one conversation.

        An answer with messages is taken as the whole thread, as ``GET /conversations/:id`` gives it:
        stored messages that it lacks are marked removed. With ``complete=False`` (the answer to sending
        a message holds only that one) its messages are added, and the rest waits for the next sync.
        An answer without messages is a list row: see ``save_summary``.

        ``address`` is the method and path of the request, when it is no ``GET /conversations/:id``.

        Raises MalformedAnswer when Canvas names a state that does not exist.
        """
        if conv.messages is None:
            return self.save_summary(conv, address=address)
        _require_known_state(conv)
        now = iso(self._clock.now())
        with self._written():
            self._note_thread(conv, now, complete=complete, address=address)
            return self._save(conv, now, whole=complete)

    def save_conversations(self, answers: Sequence[Conversation]) -> list[SaveResult]:
        """Write several whole answers, as ``save_conversation`` does one by one; return what each one did.

        Those that are new and meet nothing known are inserted together, which costs a fraction.

        Raises MalformedAnswer as ``save_conversation`` does; the caller's transaction is then to be given up.
        """
        for conv in answers:
            _require_known_state(conv)
        saved = []
        now = iso(self._clock.now())
        with self._written():
            new = NewThreads(self._cursor, self._people, answers, now)
            for conv in answers:
                arrived = new.take(conv)
                if arrived is None:
                    new.write()
                    self._log.write()
                    saved.append(self.save_conversation(conv))
                else:
                    self._note_thread(conv, now)
                    saved.append(SaveResult(True, True, arrived.messages, arrived.attachment_ids))
            new.write()
        return saved

    def save_summary(
        self, conv: Conversation, *, address: str | None = None, named: bool | None = None
    ) -> SaveResult:
        """Write a list row: the flags, and that the conversation is there.

        When the row's content equals the stored one, new names of people and of the context are taken over.
        When it differs nothing else is written: the stored fingerprint stays the old one until the messages
        are fetched, so that an interruption cannot hide them. An unknown conversation is inserted with
        ``fetched_at`` NULL, which says the same.

        ``named`` says whether the row's names of known people count. By default, the first row of a run does.
        """
        _require_known_state(conv)
        now = iso(self._clock.now())
        if named is None:
            named = self._people.is_news(named_in(conv, ())[0])
        with self._written():
            before = self._rows_written()
            saved = self._save(conv, now, whole=False, named=named)
            self._log.write()
            if self._rows_written() != before:
                kind = "row" if named else "row_unnamed"
                self._note(kind, conv.id, address or _LISTS, now, conv.raw)
        return saved

    def save_summaries(self, rows: Sequence[Conversation]) -> list[SaveResult]:
        """Write several list rows, as ``save_summary`` does one by one; return what each one did.

        Nearly all rows of a list say what is stored: those are told from the others with a few statements
        for all of them, and nothing is written for them.
        """
        named = [named_in(row, ()) for row in rows]
        self._people.recall(named)
        found = self._cursor.execute(_SETTLED, (ids_json(row.id for row in rows),))
        settled = {conversation_id: tuple(told) for conversation_id, *told in found}
        saved = []
        for row, (people, contexts) in zip(rows, named, strict=True):
            if _says_the_same(row, settled.get(row.id)) and self._people.remembers(people, contexts):
                saved.append(SaveResult(new=False, changed=False))
            else:
                settled.pop(row.id, None)  # a list may name a conversation twice
                saved.append(self.save_summary(row))
        return saved

    def save_flags(
        self,
        conversation_id: int,
        *,
        starred: bool | None = None,
        workflow_state: str | None = None,
        subscribed: bool | None = None,
        address: str = _LISTS,
    ) -> bool:
        """Write flags learned from membership in a scope; return whether Canvas's side changed."""
        told: dict[str, Json] = {
            field: value
            for field, value in zip(FIELDS, (starred, workflow_state, subscribed), strict=True)
            if value is not None
        }
        payload: dict[str, Json] = {"id": conversation_id, **told}
        return self._save_flags("flags", conversation_id, told, address, payload)

    def save_answered_flags(self, answer: Conversation) -> bool:
        """Write the flags of a conversation as Canvas showed it when edits were sent; see ``save_flags``."""
        address = f"/api/v1/conversations/{answer.id}"
        return self._save_flags("pushed", answer.id, _flags_of(answer), address, answer.raw)

    def mark_removed(
        self,
        conversation_id: int,
        *,
        address: str | None = None,
        status: int = 404,
        answer: Json = None,
        unlisted: bool = False,
    ) -> bool:
        """Note that a conversation is gone from Canvas; return whether that is news. Nothing is deleted.

        ``unlisted``: the lists of this run do not name it, as their receipts show.
        """
        stored = self._stored(conversation_id)
        if stored is None or stored["removed_at"] is not None:
            return False
        now = iso(self._clock.now())
        with self._written():
            where = address or _show(conversation_id)
            self._note(
                "removal",
                conversation_id,
                where,
                now,
                {"unlisted": True} if unlisted else answer,
                status=status,
            )
            self._write_columns(conversation_id, {"removed_at": now}, {"removed_at": None}, now)
        return True

    def mark_messages_removed(self, conversation_id: int, message_ids: Iterable[int]) -> int:
        """Note that single messages are gone from Canvas; return for how many that is news."""
        wanted = ids_json(message_ids)
        present = [row[0] for row in self._cursor.execute(_UNREMOVED, (conversation_id, wanted))]
        now = iso(self._clock.now())
        if present:
            with self._written():
                address = f"POST /api/v1/conversations/{conversation_id}/remove_messages"
                payload: dict[str, Json] = {"id": conversation_id, "message_ids": [*present]}
                self._note("messages_removed", conversation_id, address, now, payload)
                ingest_messages.mark_removed(self._cursor, self._log, present, now)
        return len(present)

    def save_courses(self, courses: Iterable[Course]) -> int:
        """Take over the course list; return how many contexts are new or changed.

        :calls: the result of GET /api/v1/courses
        """
        now = iso(self._clock.now())
        with self._written():
            touched = self._people.save_courses(courses, now)
            if touched:
                self._note("courses", None, "GET /api/v1/courses", now, [course.raw for course in touched])
        return len(touched)

    def save_attachment_state(
        self,
        attachment_id: int,
        state: str,
        *,
        sha256: str | None = None,
        stored_size: int | None = None,
        error: str | None = None,
        url: str | None = None,
        record: JsonObject | None = None,
    ) -> None:
        """Note what became of downloading an attachment; what is ``None`` keeps its value, but ``error``.

        ``record`` is what Canvas said of the file, when it was asked.
        """
        told: tuple[Json, ...] = (attachment_id, state, sha256, stored_size, clean(error), clean(url))
        if self._cursor.execute(_ATTACHMENT_STANDS, told).fetchone()[0]:
            return
        now = iso(self._clock.now())
        with self._written():
            payload: JsonObject = dict(
                zip(("id", "state", "sha256", "stored_size", "error", "url"), told, strict=True)
            )
            if record is not None:
                payload["record"] = record
            self._note("file", attachment_id, f"GET /files/{attachment_id}", now, payload)
            self._cursor.execute(_ATTACHMENT_STATE, (*told, now))

    def save_media_state(
        self,
        message_id: int,
        media_id: str,
        state: str,
        *,
        sha256: str | None = None,
        stored_size: int | None = None,
        error: str | None = None,
    ) -> None:
        """Note what became of downloading a recording."""
        told: tuple[Json, ...] = (message_id, media_id, state, sha256, stored_size, clean(error))
        if self._cursor.execute(_MEDIA_STANDS, told).fetchone()[0]:
            return
        now = iso(self._clock.now())
        with self._written():
            names = ("message_id", "media_id", "state", "sha256", "stored_size", "error")
            payload = dict(zip(names, told, strict=True))
            self._note("media", message_id, f"GET /media_objects/{media_id}", now, payload)
            self._cursor.execute(_MEDIA_STATE, (*told, now))

    def save_account(self, row: Mapping[str, Json]) -> None:
        """Write whose mailbox the archive holds: the columns of ``account`` but for the id."""
        now = iso(self._clock.now())
        with self._written():
            self._note("account", None, "GET /api/v1/users/self", now, dict(row))
            _insert(self._cursor, "account", ("id", *row), [(1, *row.values())])
            settle_all_direct(self._cursor)

    def save_user(self, user: User) -> None:
        """Note what Canvas says of the owner, if that is news. Raises MalformedAnswer for anybody else.

        :calls: the result of GET /api/v1/users/self
        """
        owner = self._cursor.execute(_OWNER).fetchone()
        if owner is None or owner[0] != user.id:
            raise MalformedAnswer(f"User {user.id} is not the owner of the archive.")
        self._note_news("user", user.id, "GET /api/v1/users/self", user.raw)

    def save_ids(self, scope: str, ids: Iterable[int]) -> None:
        """Note which conversations a list names, if that is news.

        :calls: the result of GET /api/v1/conversations
        """
        payload: JsonObject = {"scope": scope, "ids": [*sorted(set(ids))]}
        self._note_news("ids", SCOPES.index(scope) + 1, f"{_LISTS}?scope={scope}", payload)

    def save_rows(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Json]]) -> None:
        """Insert rows of an older archive as they are.

        Raises MalformedAnswer for a table or a column that is not derived from receipts.
        """
        known = _derived_columns(self._cursor, table)
        if not known.issuperset(columns):
            raise MalformedAnswer(f"Table {table} has no such columns: {', '.join(columns)}.")
        _insert(self._cursor, table, columns, rows)
        if table in ("conversations", "conversation_participants"):
            ids = {int(str(row[0])) for row in rows}
            settle_direct(self._cursor, sorted(ids))

    def save_bodies(self, *, decode: Iterable[int] = (), sent: Mapping[int, str] | None = None) -> None:
        """Write stored bodies in another form: nothing changed on Canvas, so there is no revision.

        Those of ``decode`` had entities and are decoded. Those of ``sent`` were decoded by mistake, and
        become what Canvas sent. Raises MalformedAnswer for one that is not the decoded text of what was sent.
        """
        wanted, back = sorted(decode), dict(sorted((sent or {}).items()))
        if not wanted and not back:
            return
        ids = ids_json([*wanted, *back])
        stored = dict(self._cursor.execute(_BODIES, (ids,)).fetchall())
        for message_id, text in back.items():
            if stored.get(message_id) != decoded(text):
                raise MalformedAnswer(f"Message {message_id} is not stored as what Canvas sent, decoded.")
        bodies = {**{one: decoded(stored[one]) for one in wanted if one in stored}, **back}
        with self._written():
            texts: dict[str, Json] = {str(message_id): text for message_id, text in back.items()}
            payload: dict[str, Json] = {"decoded": [*wanted], "sent": texts}
            self._note("bodies", None, _LISTS, iso(self._clock.now()), payload)
            self._cursor.executemany(_BODY, [(body, message_id) for message_id, body in bodies.items()])

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Write the receipts and revisions that the block noted, or forget them when it fails."""
        try:
            yield
            if self._receipts is not None:
                self._receipts.write()
            self._log.write()
        except BaseException as error:
            self._log.forget()
            if self._receipts is not None:
                self._receipts.forget()
            if isinstance(error, RecursionError):
                raise MalformedAnswer("Canvas answered with data nested too deeply.") from None
            raise

    def _note(
        self,
        kind: str,
        key: int | None,
        address: str,
        now: str,
        payload: Json,
        *,
        status: int = 200,
        texts: str = "raw",
    ) -> None:
        if self._receipts is not None:
            self._receipts.add(kind, key, address, now, payload, status=status, texts=texts)

    def _note_news(self, kind: str, key: int, address: str, payload: JsonObject) -> None:
        if self._receipts is not None and self._receipts.is_news(kind, key, payload):
            with self._written():
                self._note(kind, key, address, iso(self._clock.now()), payload)

    def _note_thread(
        self, conv: Conversation, now: str, *, complete: bool = True, address: str | None = None
    ) -> None:
        kind = "thread" if complete else "part"
        self._note(kind, conv.id, address or _show(conv.id), now, conv.raw, texts=conv.texts)

    def _rows_written(self) -> int:
        """Return how many rows of the archive this connection has written so far."""
        return self._db.total_changes - self._people.writes_of_its_own

    def _save_flags(
        self, kind: str, conversation_id: int, told: Mapping[str, Json], address: str, payload: Json
    ) -> bool:
        stored = self._stored(conversation_id)
        if stored is None:
            return False
        answer = {field: int(value) if isinstance(value, bool) else value for field, value in told.items()}
        now = iso(self._clock.now())
        with self._written():
            changed = self._write_flags(conversation_id, stored, answer, now, {})
            if changed:
                self._note(kind, conversation_id, address, now, payload)
        return changed

    def _save(self, conv: Conversation, now: str, *, whole: bool, named: bool = True) -> SaveResult:
        messages = distinct_messages(conv.messages or ())
        stored = self._stored(conv.id)
        content = content_row(conv)
        equal = stored is not None and _same_content(stored, content)
        if whole or equal or stored is None or messages:
            self._people.save(*named_in(conv, messages.values()), now, whole=whole, rename=named)
        if stored is None:
            flags = (int(conv.starred), conv.workflow_state, int(conv.subscribed)) * 2
            CONVERSATIONS.run(self._cursor, [(conv.id, *flags, *content, now, now if whole else None)])
            changed = True
        else:
            columns: dict[str, object] = {}
            if stored["removed_at"] is not None:
                columns["removed_at"] = None
            if whole:
                columns.update(zip(CONTENT_COLUMNS, content, strict=True))
            elif equal and conv.context_name is not None:
                columns["context_name"] = clean(conv.context_name)
            changed = self._write_flags(conv.id, stored, _flags_of(conv), now, columns)
            if whole:
                self._cursor.execute(_FETCHED, (now, conv.id))
        if whole or stored is None:
            changed |= self._write_participants(conv, now, known=stored is not None)
            settle_direct(self._cursor, [conv.id])
            self._write_roles(conv, known=stored is not None)
        changed |= len(self._log) > 0
        if conv.messages is None:
            return SaveResult(stored is None, changed)
        thread = {message.id for message in conv.messages if message.id > 0}
        written = ingest_messages.save_messages(
            self._cursor, self._log, conv.id, messages, thread, now, whole=whole
        )
        attachments = tuple(written.new_attachment_ids)
        return SaveResult(stored is None, changed or written.changed, written.new_messages, attachments)

    def _stored(self, conversation_id: int) -> dict[str, object] | None:
        row = self._cursor.execute(_STORED, (conversation_id,)).fetchone()
        return None if row is None else dict(zip(_STORED_COLUMNS, row, strict=True))

    def _write_flags(
        self,
        conversation_id: int,
        stored: Mapping[str, object],
        answer: Mapping[str, object],
        now: str,
        columns: Mapping[str, object],
    ) -> bool:
        """Write flags and other columns in one UPDATE; return whether anything worth a revision changed."""
        pending = dict(self._cursor.execute(_PENDING, (conversation_id,)).fetchall())
        update: FlagUpdate = merge_flags(stored, answer, pending)
        differing = {column: value for column, value in columns.items() if stored[column] != value}
        before, _ = changed_columns(stored, {k: v for k, v in differing.items() if k != "avatar_url"})
        before.update(update.remote_before)
        self._write_columns(conversation_id, {**differing, **update.columns}, before, now)
        for field in update.fulfilled:
            edits = [row[0] for row in self._cursor.execute(_PENDING_IDS, (conversation_id, field))]
            with journaled(self._cursor, "edits", edits):
                self._cursor.execute(_FULFIL, (now, conversation_id, field))
        return bool(before)

    def _write_columns(
        self, conversation_id: int, columns: Mapping[str, object], before: Mapping[str, object], now: str
    ) -> None:
        if columns:
            assignments = ", ".join(f"{column} = ?" for column in columns)
            self._cursor.execute(
                f"UPDATE conversations SET {assignments} WHERE id = ?",  # noqa: S608 (column names are ours)
                (*columns.values(), conversation_id),
            )
        if before:
            after = {column: columns[column] for column in before}
            self._log.add("conversations", conversation_id, now, before, after)

    def _write_participants(self, conv: Conversation, now: str, *, known: bool) -> bool:
        wanted = {person.id: position for position, person in enumerate(conv.participants)}
        if not wanted:
            return False  # an answer that names nobody says nothing about who takes part
        have = dict(self._cursor.execute(_PARTICIPANTS, (conv.id,)).fetchall()) if known else {}
        if have == wanted:
            return False
        gone = have.keys() - wanted.keys()
        for user_id in sorted(gone):
            row_id = f"{conv.id}/{user_id}"
            self._log.add("conversation_participants", row_id, now, {"position": have[user_id]}, {})
            self._cursor.execute(_DROP_PARTICIPANT, (conv.id, user_id))
        moved = [(conv.id, user_id, at) for user_id, at in wanted.items() if have.get(user_id) != at]
        self._cursor.executemany(_SET_PARTICIPANT, moved)
        joined = wanted.keys() - have.keys()
        if known:
            for user_id in sorted(joined):
                row_id = f"{conv.id}/{user_id}"
                self._log.add("conversation_participants", row_id, now, {}, {"position": wanted[user_id]})
        return bool(gone or joined)

    def _write_roles(self, conv: Conversation, *, known: bool) -> None:
        if not conv.audience_contexts:
            return
        have = dict(self._cursor.execute(_ROLES, (conv.id,)).fetchall()) if known else {}
        for code, roles in conv.audience_contexts.items():
            key, text = clean(code) or "", words_json(tuple(roles))
            if have.get(key) != text:
                self._cursor.execute(_SET_ROLES, (conv.id, key, text))


def _insert(
    cursor: sqlite3.Cursor, table: str, columns: Sequence[str], rows: Iterable[Sequence[Json]]
) -> None:
    names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    cursor.executemany(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608 (names are ours)


def _derived_columns(cursor: sqlite3.Cursor, table: str) -> set[str]:
    if table not in DERIVED_TABLES:
        return set()
    return {row[0] for row in cursor.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _require_known_state(conv: Conversation) -> None:
    if conv.workflow_state not in STATES:
        raise MalformedAnswer(f"Conversation {conv.id} is in an unknown state: {conv.workflow_state!r}.")


def _show(conversation_id: int) -> str:
    return f"GET /api/v1/conversations/{conversation_id}"


def _flags_of(conv: Conversation) -> dict[str, Json]:
    return {
        "starred": int(conv.starred),
        "workflow_state": conv.workflow_state,
        "subscribed": int(conv.subscribed),
    }


def _says_the_same(row: Conversation, settled: tuple[object, ...] | None) -> bool:
    """Return whether a list row has the flags and the context's name that are stored."""
    if settled is None:
        return False
    *flags, context_name = settled
    same_name = row.context_name is None or clean(row.context_name) == context_name
    return same_name and flags == list(_flags_of(row).values())


def _same_content(stored: Mapping[str, object], content: tuple[object, ...]) -> bool:
    def same(column: str, value: object) -> bool:
        # The order of the audience follows who wrote last.
        return stored[column] == value or (
            column == "audience" and sorted(json.loads(str(stored[column]))) == sorted(json.loads(str(value)))
        )

    return all(same(CONTENT_COLUMNS[index], content[index]) for index in _COMPARED)
