"""The steps from one version of the schema to the next; ``PRAGMA user_version`` counts those applied.

A released migration is never edited: a change of the schema is a new one at the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from canvas_archive.store import derived_columns, schema, views
from canvas_archive.store.journal import JOURNAL, LOCAL, append_statement


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its name in sqlite-utils' own table, and what it does inside one transaction."""

    name: str
    apply: Callable[[sqlite3.Connection], None]


def m001_first_schema(db: sqlite3.Connection) -> None:
    """Create the tables, indexes, views and triggers of the first version."""
    for script in (schema.TABLES, schema.INDEXES, schema.VIEWS, schema.TRIGGERS):
        for statement in statements(script):
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")


LARGE_MAILBOXES = """
DROP INDEX conversations_inbox;
DROP INDEX messages_conversation;
DROP INDEX messages_created;
DROP INDEX attachments_sha256;
CREATE INDEX conversations_inbox ON conversations (last_message_at, id)
  WHERE workflow_state <> 'archived' AND last_message_at IS NOT NULL AND removed_at IS NULL;
CREATE INDEX conversations_gone ON conversations (latest_at, id) WHERE removed_at IS NOT NULL;
CREATE INDEX messages_conversation ON messages (conversation_id, created_at, id, author_id, generated);
CREATE INDEX messages_created ON messages (created_at, id, conversation_id);
CREATE INDEX attachments_sha256 ON attachments (sha256, stored_size);
CREATE INDEX attachments_created ON attachments (created_at, id);
CREATE INDEX edits_waiting ON edits (id) WHERE state = 'pending';
CREATE INDEX edits_unsettling ON edits (id) WHERE state IN ('conflict', 'reverted', 'gone');
CREATE INDEX edits_settled ON edits (id) WHERE state IN ('pushed', 'discarded');
DROP VIEW pending_edits;
CREATE VIEW pending_edits AS
SELECT e.id, e.conversation_id, c.subject, e.field, e.base_value, e.value, e.made_at, e.origin
FROM edits e CROSS JOIN conversations c ON c.id = e.conversation_id
WHERE e.state = 'pending'
ORDER BY e.id;
DROP VIEW inbox;
CREATE VIEW inbox AS
SELECT * FROM threads
WHERE workflow_state <> 'archived' AND last_message_at IS NOT NULL AND removed_at IS NULL
ORDER BY last_message_at DESC, id DESC;
"""
"""The second version: indexes that hold all that a list, a count or a chart reads, so that no row is opened.

``workflow_state <> 'archived'`` is the inbox in words that no index by state can answer: SQLite walks the
inbox's own, which is in order already and holds nothing else, however much is archived. The CROSS JOIN says
that the few edits are walked, and not the conversations, whatever the statistics of an empty journal say.
"""


def m002_large_mailboxes(db: sqlite3.Connection) -> None:
    """Exchange the indexes that made pages slow at a million messages, and the inbox's view with them."""
    for statement in statements(LARGE_MAILBOXES):
        db.execute(statement)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone():
        # Statistics of a dropped index are gone with it: without, SQLite would not trust the new ones.
        db.execute("PRAGMA analysis_limit = 1000")
        for table in ("conversations", "messages", "attachments", "edits"):
            db.execute(f"ANALYZE {table}")


PROBLEMS_REST = """
ALTER TABLE problems ADD COLUMN next_at TEXT;
ALTER TABLE problems ADD COLUMN accepted_at TEXT;
ALTER TABLE problems ADD COLUMN fingerprint INTEGER;
"""


def m003_problems_rest(db: sqlite3.Connection) -> None:
    """Let problems rest until their next try; those that exist are due at once."""
    for statement in statements(PROBLEMS_REST):
        db.execute(statement)


ACTS = """
CREATE TABLE acts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  command TEXT NOT NULL,
  conversation_id INTEGER,
  message_ids TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(message_ids)),
  recipients INTEGER,
  request TEXT NOT NULL,
  parameters TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(parameters)),
  user_id INTEGER NOT NULL,
  as_user_id INTEGER,
  begun_at TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'begun' CHECK (state IN ('begun', 'done', 'refused', 'unknown')),
  ended_at TEXT,
  answer TEXT,
  result_ids TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(result_ids)),
  CHECK ((state = 'begun') = (ended_at IS NULL))
) STRICT;

CREATE TRIGGER acts_begun BEFORE INSERT ON acts
WHEN NEW.state <> 'begun' OR EXISTS (SELECT 1 FROM acts WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'acts is append-only: an act is written before its request is sent'); END;
CREATE TRIGGER acts_fixed BEFORE UPDATE ON acts
WHEN OLD.state <> 'begun' OR NEW.state = 'begun' OR NEW.id <> OLD.id OR NEW.command <> OLD.command
  OR NEW.conversation_id IS NOT OLD.conversation_id OR NEW.message_ids <> OLD.message_ids
  OR NEW.recipients IS NOT OLD.recipients OR NEW.request <> OLD.request OR NEW.parameters <> OLD.parameters
  OR NEW.user_id <> OLD.user_id OR NEW.as_user_id IS NOT OLD.as_user_id OR NEW.begun_at <> OLD.begun_at
BEGIN SELECT RAISE(ABORT, 'acts is append-only: an act is settled once and never changes'); END;
CREATE TRIGGER acts_kept BEFORE DELETE ON acts
BEGIN SELECT RAISE(ABORT, 'acts is append-only'); END;
"""


def m004_acts(db: sqlite3.Connection) -> None:
    """Create the journal of acts, and let the evidence chain take it in: its records stay as they are."""
    for statement in statements(ACTS):
        db.execute(statement)
    _chain_takes(db, "acts", after="edits")


def _chain_takes(db: sqlite3.Connection, source: str, *, after: str) -> None:
    """Let the evidence chain hold records of another source; SQLite changes a CHECK only with its table."""
    owned = db.execute(
        "SELECT type, sql FROM sqlite_master WHERE tbl_name = 'evidence_chain' AND sql IS NOT NULL"
    ).fetchall()
    (table,) = (sql for kind, sql in map(tuple, owned) if kind == "table")
    db.execute("ALTER TABLE evidence_chain RENAME TO evidence_chain_before")
    db.execute(table.replace(f"'{after}', ", f"'{after}', '{source}', ", 1))
    db.execute("INSERT INTO evidence_chain SELECT * FROM evidence_chain_before ORDER BY seq")
    db.execute("DROP TABLE evidence_chain_before")
    for kind, sql in map(tuple, owned):
        if kind != "table":
            db.execute(sql)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone():
        db.execute("PRAGMA analysis_limit = 1000")
        db.execute("ANALYZE evidence_chain")


TEXT_READERS = """
ALTER TABLE attachment_texts ADD COLUMN reader TEXT NOT NULL DEFAULT '0';
"""


def m005_text_readers(db: sqlite3.Connection) -> None:
    """Record what read each attached file: one without a text is read again by another reader."""
    for statement in statements(TEXT_READERS):
        db.execute(statement)


_SEALS = r"""
SELECT type, name FROM sqlite_master
WHERE name IN ('seals', 'seal_queue') OR (type = 'trigger' AND name LIKE 'seal\_%' ESCAPE '\')
ORDER BY type = 'table'
"""
RECEIPTS = """
CREATE TABLE receipts (
  id INTEGER PRIMARY KEY,
  run_id INTEGER,
  source TEXT NOT NULL CHECK (source IN ('api', 'capture', 'dap', 'migration')),
  kind TEXT NOT NULL,
  key INTEGER,
  address TEXT,
  at TEXT NOT NULL,
  status INTEGER,
  texts TEXT NOT NULL CHECK (texts IN ('raw', 'entities') OR texts LIKE 'entities:%'),
  base INTEGER,
  packing INTEGER NOT NULL,
  salt BLOB,
  payload BLOB
) STRICT;

CREATE TABLE erased (
  receipt_id INTEGER PRIMARY KEY,
  commitment TEXT NOT NULL CHECK (length(commitment) = 64),
  at TEXT NOT NULL,
  held_in TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(held_in))
) STRICT;

CREATE INDEX receipts_key ON receipts (key, kind);

CREATE TRIGGER receipts_kept BEFORE DELETE ON receipts
BEGIN SELECT RAISE(ABORT, 'receipts is append-only'); END;
CREATE TRIGGER receipts_fixed BEFORE UPDATE ON receipts
BEGIN SELECT RAISE(ABORT, 'receipts is append-only'); END;
CREATE TRIGGER receipts_in_order AFTER INSERT ON receipts
WHEN NEW.id < (SELECT max(id) FROM receipts)
BEGIN SELECT RAISE(ABORT, 'receipts is append-only'); END;
"""


def m006_receipts(db: sqlite3.Connection) -> None:
    """Create the receipts, write one for every row that an earlier version left, and drop the seals.

    The records of seals stay in the evidence chain: heads that were noted earlier are found in it.
    """
    for statement in statements(RECEIPTS):
        db.execute(statement)
    _chain_takes(db, "receipts", after="acts")
    _add_journal(db)
    from canvas_archive.store.migration_receipts import convert  # here: it is needed once

    convert(db)
    for kind, name in db.execute(_SEALS).fetchall():
        db.execute(f"DROP {kind} {name}")


_EDITS = "SELECT CAST(id AS TEXT) AS key FROM edits WHERE conversation_id = NEW.id AND field = '{field}'"


def _add_journal(db: sqlite3.Connection) -> None:
    """Create the journal of local rows, write those there are into it, and let the chain take it in."""
    for statement in statements(JOURNAL):
        db.execute(statement)
    for table, local in LOCAL.items():
        db.execute(append_statement(table, f"SELECT {local.key} AS key FROM {table}"))  # noqa: S608 (constants)
    for field in ("starred", "workflow_state", "subscribed"):
        _let_trigger_write(db, f"edit_{field}", _EDITS.format(field=field))
    _chain_takes(db, "journal", after="acts")


def _let_trigger_write(db: sqlite3.Connection, name: str, keys: str) -> None:
    """Let a trigger that changes edits write them into the journal: as found before, and as they are then."""
    sql: str = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
    head, body = sql.removesuffix("END").split("BEGIN\n", 1)
    found, after = (append_statement("edits", keys, found=found).strip() for found in (True, False))
    db.execute(f"DROP TRIGGER {name}")
    db.execute(f"{head}BEGIN\n{found};\n{body}{after};\nEND")


_INDEXED_AGAIN = """
INSERT INTO index_queue (message_id)
SELECT m.id FROM conversations c JOIN messages m ON m.conversation_id = c.id
WHERE c.context_name <> '' AND coalesce(c.context_code, '') = '';
DROP TRIGGER index_conversation_changed;
DROP TRIGGER index_context_renamed;
CREATE TRIGGER index_conversation_changed AFTER UPDATE OF subject, course, context_name ON conversations
WHEN NEW.subject IS NOT OLD.subject OR NEW.course IS NOT OLD.course
     OR NEW.context_name IS NOT OLD.context_name
BEGIN INSERT INTO index_queue (message_id) SELECT id FROM messages WHERE conversation_id = NEW.id; END;
CREATE TRIGGER index_context_renamed AFTER UPDATE OF name, course_code, term ON contexts
WHEN NEW.name IS NOT OLD.name OR NEW.course_code IS NOT OLD.course_code OR NEW.term IS NOT OLD.term
BEGIN
  INSERT INTO index_queue (message_id)
    SELECT m.id FROM conversations c JOIN messages m ON m.conversation_id = c.id
    WHERE c.course = NEW.code;
END;
"""
"""The search finds a conversation by its course, also one that Canvas names without a code."""


def m007_courses_and_views(db: sqlite3.Connection) -> None:
    """Give every conversation its one course, tell who takes part from who was forwarded, and add views."""
    for script in (views.DROPPED, derived_columns.COLUMNS):
        for statement in statements(script):
            db.execute(statement)
    derived_columns.settle_all_direct(db.cursor())
    for script in (derived_columns.TRIGGERS, _INDEXED_AGAIN, views.INDEXES, views.VIEWS):
        for statement in statements(script):
            db.execute(statement)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone():
        db.execute("PRAGMA analysis_limit = 1000")
        for table in ("conversations", "conversation_participants", "contexts", "receipts"):
            db.execute(f"ANALYZE {table}")


MIGRATIONS: tuple[Migration, ...] = (
    Migration("m001_first_schema", m001_first_schema),
    Migration("m002_large_mailboxes", m002_large_mailboxes),
    Migration("m003_problems_rest", m003_problems_rest),
    Migration("m004_acts", m004_acts),
    Migration("m005_text_readers", m005_text_readers),
    Migration("m006_receipts", m006_receipts),
    Migration("m007_courses_and_views", m007_courses_and_views),
)


def known_version() -> int:
    """Return the schema version this program writes."""
    return len(MIGRATIONS)


def statements(script: str) -> Iterator[str]:
    """Split SQL text into its statements (a trigger is one), so that they can run inside a transaction."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending.strip()
            pending = ""
    if pending.strip():
        raise ValueError(f"unfinished SQL statement: {pending.strip()[:60]}")
