"""The tables, views and triggers of an archive, as SQL text. The SQL contract of the project.

An edit is an UPDATE: changing ``starred``, ``workflow_state`` or ``subscribed`` of a conversation with
any SQLite client writes a journal row in ``edits``, by trigger. The syncer is told apart without a flag:
it always moves the column together with its ``remote_`` twin, and a column that equals its twin is no
edit. Setting a column back to its twin discards the pending edit.

Triggers also keep ``index_queue``: the ids of messages whose search document is out of date.
"""

from __future__ import annotations

APPLICATION_ID = 0x43764172

TABLES = """
CREATE TABLE account (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  base_url TEXT NOT NULL,
  user_id INTEGER NOT NULL,
  name TEXT,
  as_user_id INTEGER,
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  name TEXT,
  full_name TEXT,
  pronouns TEXT,
  avatar_url TEXT,
  first_seen_at TEXT NOT NULL,
  extra TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra))
) STRICT;

CREATE TABLE contexts (
  code TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  canvas_id INTEGER,
  name TEXT,
  course_code TEXT,
  term TEXT,
  extra TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra))
) STRICT;

CREATE TABLE conversations (
  id INTEGER PRIMARY KEY,
  subject TEXT,
  context_code TEXT,
  context_name TEXT,
  private INTEGER NOT NULL DEFAULT 0 CHECK (private IN (0, 1)),
  starred INTEGER NOT NULL DEFAULT 0 CHECK (starred IN (0, 1)),
  workflow_state TEXT NOT NULL CHECK (workflow_state IN ('read', 'unread', 'archived')),
  subscribed INTEGER NOT NULL DEFAULT 1 CHECK (subscribed IN (0, 1)),
  remote_starred INTEGER NOT NULL DEFAULT 0 CHECK (remote_starred IN (0, 1)),
  remote_workflow_state TEXT NOT NULL CHECK (remote_workflow_state IN ('read', 'unread', 'archived')),
  remote_subscribed INTEGER NOT NULL DEFAULT 1 CHECK (remote_subscribed IN (0, 1)),
  message_count INTEGER NOT NULL DEFAULT 0,
  last_message TEXT,
  last_message_at TEXT,
  last_authored_message TEXT,
  last_authored_message_at TEXT,
  properties TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(properties)),
  audience TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(audience)),
  avatar_url TEXT,
  removed_at TEXT,
  first_seen_at TEXT NOT NULL,
  fetched_at TEXT,
  extra TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra)),
  latest_at TEXT GENERATED ALWAYS AS
    (max(coalesce(last_message_at, ''), coalesce(last_authored_message_at, ''))) VIRTUAL
) STRICT;

CREATE TABLE conversation_participants (
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  position INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE conversation_contexts (
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  context_code TEXT NOT NULL REFERENCES contexts (code),
  roles TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(roles)),
  PRIMARY KEY (conversation_id, context_code)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
  id INTEGER PRIMARY KEY,
  conversation_id INTEGER REFERENCES conversations (id),
  author_id INTEGER NOT NULL REFERENCES users (id),
  created_at TEXT NOT NULL,
  body TEXT NOT NULL,
  generated INTEGER NOT NULL DEFAULT 0 CHECK (generated IN (0, 1)),
  removed_at TEXT,
  first_seen_at TEXT NOT NULL,
  extra TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra))
) STRICT;

CREATE TABLE message_recipients (
  message_id INTEGER NOT NULL REFERENCES messages (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  PRIMARY KEY (message_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE forwarded_messages (
  message_id INTEGER NOT NULL REFERENCES messages (id),
  forwarded_message_id INTEGER NOT NULL REFERENCES messages (id),
  position INTEGER NOT NULL,
  PRIMARY KEY (message_id, forwarded_message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE attachments (
  id INTEGER PRIMARY KEY,
  display_name TEXT,
  filename TEXT,
  content_type TEXT,
  size INTEGER,
  created_at TEXT,
  url TEXT,
  state TEXT NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'stored', 'gone', 'refused', 'failed')),
  sha256 TEXT CHECK (sha256 IS NULL OR length(sha256) = 64),
  stored_size INTEGER,
  fetched_at TEXT,
  error TEXT,
  extra TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra)),
  CHECK (state <> 'stored' OR (sha256 IS NOT NULL AND stored_size IS NOT NULL))
) STRICT;

CREATE TABLE message_attachments (
  message_id INTEGER NOT NULL REFERENCES messages (id),
  attachment_id INTEGER NOT NULL REFERENCES attachments (id),
  position INTEGER NOT NULL,
  PRIMARY KEY (message_id, attachment_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE media_comments (
  message_id INTEGER NOT NULL REFERENCES messages (id),
  media_id TEXT NOT NULL,
  media_type TEXT,
  display_name TEXT,
  content_type TEXT,
  url TEXT,
  state TEXT NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'stored', 'gone', 'refused', 'failed')),
  sha256 TEXT CHECK (sha256 IS NULL OR length(sha256) = 64),
  stored_size INTEGER,
  fetched_at TEXT,
  error TEXT,
  PRIMARY KEY (message_id, media_id),
  CHECK (state <> 'stored' OR (sha256 IS NOT NULL AND stored_size IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE edits (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  field TEXT NOT NULL CHECK (field IN ('starred', 'workflow_state', 'subscribed')),
  base_value TEXT NOT NULL,
  value TEXT NOT NULL,
  made_at TEXT NOT NULL,
  origin TEXT NOT NULL DEFAULT 'sql',
  state TEXT NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'pushed', 'conflict', 'discarded', 'gone', 'reverted')),
  settled_at TEXT,
  detail TEXT
) STRICT;

CREATE TABLE sync_runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  mode TEXT NOT NULL CHECK (mode IN ('full', 'quick')),
  started_at TEXT NOT NULL,
  finished_at TEXT,
  status TEXT NOT NULL DEFAULT 'running'
    CHECK (status IN ('running', 'ok', 'partial', 'failed', 'interrupted')),
  complete INTEGER NOT NULL DEFAULT 0 CHECK (complete IN (0, 1)),
  requests INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  counts TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(counts)),
  error TEXT
) STRICT;

CREATE TABLE revisions (
  revision INTEGER PRIMARY KEY AUTOINCREMENT,
  "table" TEXT NOT NULL,
  id TEXT NOT NULL,
  seen_at TEXT NOT NULL,
  sync_run_id INTEGER REFERENCES sync_runs (id),
  before TEXT NOT NULL CHECK (json_valid(before)),
  after TEXT NOT NULL CHECK (json_valid(after))
) STRICT;

CREATE TABLE problems (
  kind TEXT NOT NULL,
  item_id TEXT NOT NULL,
  error TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 1,
  first_at TEXT NOT NULL,
  last_at TEXT NOT NULL,
  PRIMARY KEY (kind, item_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE saved_searches (
  name TEXT PRIMARY KEY,
  query TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE attachment_texts (
  sha256 TEXT PRIMARY KEY,
  text TEXT,
  error TEXT,
  extracted_at TEXT NOT NULL
) STRICT;

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('send', 'reply')),
  conversation_id INTEGER,
  payload TEXT NOT NULL CHECK (json_valid(payload)),
  queued_at TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sending', 'sent', 'failed', 'discarded')),
  sent_at TEXT,
  sent_ids TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(sent_ids)),
  detail TEXT
) STRICT;

CREATE TABLE index_queue (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id INTEGER NOT NULL
) STRICT;

CREATE TABLE evidence_chain (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('sync_runs', 'edits', 'revisions', 'seals')),
  row_key INTEGER NOT NULL,
  state TEXT,
  content TEXT CHECK (content IS NULL OR json_valid(content)),
  digest TEXT NOT NULL CHECK (length(digest) = 64),
  previous TEXT NOT NULL,
  chain TEXT NOT NULL UNIQUE CHECK (length(chain) = 64)
) STRICT;

CREATE TABLE seals (
  kind TEXT NOT NULL,
  key INTEGER NOT NULL,
  block INTEGER NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  revision INTEGER NOT NULL,
  PRIMARY KEY (kind, key, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE seal_queue (
  kind TEXT NOT NULL,
  key INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
"""

INDEXES = """
CREATE INDEX conversations_inbox ON conversations (last_message_at, id) WHERE removed_at IS NULL;
CREATE INDEX conversations_latest ON conversations (latest_at, id);
CREATE INDEX conversations_state ON conversations (workflow_state, last_message_at, id);
CREATE INDEX conversations_sent ON conversations (last_authored_message_at, id)
  WHERE last_authored_message_at IS NOT NULL;
CREATE INDEX conversations_starred ON conversations (latest_at, id) WHERE starred = 1;
CREATE INDEX conversations_removed ON conversations (removed_at, id) WHERE removed_at IS NOT NULL;
CREATE INDEX conversations_unfetched ON conversations (id) WHERE fetched_at IS NULL;
CREATE INDEX conversations_context ON conversations (context_code, latest_at, id);
CREATE INDEX conversation_participants_user ON conversation_participants (user_id, conversation_id);
CREATE INDEX conversation_contexts_context ON conversation_contexts (context_code, conversation_id);
CREATE INDEX messages_conversation ON messages (conversation_id, created_at, id);
CREATE INDEX messages_author ON messages (author_id, created_at);
CREATE INDEX messages_created ON messages (created_at, id);
CREATE INDEX messages_removed ON messages (removed_at, id) WHERE removed_at IS NOT NULL;
CREATE INDEX message_recipients_user ON message_recipients (user_id, message_id);
CREATE INDEX forwarded_messages_forwarded ON forwarded_messages (forwarded_message_id);
CREATE INDEX message_attachments_attachment ON message_attachments (attachment_id);
CREATE INDEX attachments_state ON attachments (state) WHERE state <> 'stored';
CREATE INDEX attachments_sha256 ON attachments (sha256);
CREATE UNIQUE INDEX edits_pending ON edits (conversation_id, field) WHERE state = 'pending';
CREATE INDEX edits_conversation ON edits (conversation_id);
CREATE INDEX revisions_row ON revisions ("table", id);
CREATE INDEX evidence_chain_row ON evidence_chain (source, row_key, seq);
"""

VIEWS = """
CREATE VIEW threads AS
SELECT
  c.id, c.subject, c.workflow_state, c.starred, c.subscribed, c.private,
  c.context_code, coalesce(x.name, c.context_name) AS context_name,
  (SELECT group_concat(name, ', ') FROM (
     SELECT coalesce(u.name, 'User ' || u.id) AS name
     FROM conversation_participants p JOIN users u ON u.id = p.user_id
     WHERE p.conversation_id = c.id AND p.user_id <> (SELECT coalesce(as_user_id, user_id) FROM account)
     ORDER BY p.position)) AS people,
  c.message_count, c.last_message, c.last_message_at, c.last_authored_message_at, c.latest_at, c.removed_at
FROM conversations c LEFT JOIN contexts x ON x.code = c.context_code;

CREATE VIEW inbox AS
SELECT * FROM threads
WHERE +workflow_state IN ('read', 'unread') AND last_message_at IS NOT NULL AND removed_at IS NULL
ORDER BY last_message_at DESC, id DESC;

CREATE VIEW sent AS
SELECT * FROM threads
WHERE last_authored_message_at IS NOT NULL AND removed_at IS NULL
ORDER BY last_authored_message_at DESC, id DESC;

CREATE VIEW pending_edits AS
SELECT e.id, e.conversation_id, c.subject, e.field, e.base_value, e.value, e.made_at, e.origin
FROM edits e JOIN conversations c ON c.id = e.conversation_id
WHERE e.state = 'pending'
ORDER BY e.id;
"""

_EDIT_TRIGGER = """
CREATE TRIGGER edit_{field} AFTER UPDATE OF {field} ON conversations
WHEN NEW.{field} IS NOT OLD.{field}
BEGIN
  INSERT INTO edits (conversation_id, field, base_value, value, made_at)
    SELECT NEW.id, '{field}',
           coalesce((SELECT base_value FROM edits
                     WHERE conversation_id = NEW.id AND field = '{field}' AND state = 'pending'),
                    CAST(NEW.remote_{field} AS TEXT)),
           CAST(NEW.{field} AS TEXT), strftime('%Y-%m-%dT%H:%M:%SZ', 'now')
    WHERE NEW.{field} IS NOT NEW.remote_{field}
    ON CONFLICT (conversation_id, field) WHERE state = 'pending'
    DO UPDATE SET value = excluded.value, made_at = excluded.made_at, origin = 'sql';
  UPDATE edits SET state = 'discarded', settled_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now'),
                   detail = 'set back'
    WHERE conversation_id = NEW.id AND field = '{field}' AND state = 'pending'
      AND NEW.{field} IS NEW.remote_{field};
END;
"""

TRIGGERS = (
    "".join(_EDIT_TRIGGER.format(field=field) for field in ("starred", "workflow_state", "subscribed"))  # noqa: S608 (constants)
    + """
CREATE TRIGGER edit_subscribed_private BEFORE UPDATE OF subscribed ON conversations
WHEN NEW.private = 1 AND NEW.subscribed IS NOT OLD.subscribed
     AND NEW.subscribed IS NOT NEW.remote_subscribed
BEGIN
  SELECT RAISE(ABORT, 'a private conversation has no subscription: Canvas ignores it');
END;

CREATE TRIGGER conversations_kept BEFORE DELETE ON conversations
BEGIN SELECT RAISE(ABORT, 'an archive keeps its conversations: removed_at marks what is gone'); END;
CREATE TRIGGER messages_kept BEFORE DELETE ON messages
BEGIN SELECT RAISE(ABORT, 'an archive keeps its messages: removed_at marks what is gone'); END;
CREATE TRIGGER revisions_kept BEFORE DELETE ON revisions
BEGIN SELECT RAISE(ABORT, 'revisions is append-only'); END;
CREATE TRIGGER revisions_fixed BEFORE UPDATE ON revisions
BEGIN SELECT RAISE(ABORT, 'revisions is append-only'); END;
CREATE TRIGGER edits_kept BEFORE DELETE ON edits
BEGIN SELECT RAISE(ABORT, 'the edit journal is kept: discard an edit by setting the column back'); END;
CREATE TRIGGER evidence_chain_kept BEFORE DELETE ON evidence_chain
BEGIN SELECT RAISE(ABORT, 'evidence_chain is append-only'); END;
CREATE TRIGGER evidence_chain_fixed BEFORE UPDATE ON evidence_chain
BEGIN SELECT RAISE(ABORT, 'evidence_chain is append-only'); END;
CREATE TRIGGER seals_kept BEFORE DELETE ON seals
BEGIN SELECT RAISE(ABORT, 'seals is append-only'); END;
CREATE TRIGGER seals_fixed BEFORE UPDATE ON seals
BEGIN SELECT RAISE(ABORT, 'seals is append-only'); END;

CREATE TRIGGER seal_message AFTER INSERT ON messages
BEGIN INSERT OR IGNORE INTO seal_queue VALUES ('messages', NEW.id); END;
CREATE TRIGGER seal_conversation AFTER INSERT ON conversations
BEGIN INSERT OR IGNORE INTO seal_queue VALUES ('conversations', NEW.id); END;
CREATE TRIGGER seal_user AFTER INSERT ON users
BEGIN INSERT OR IGNORE INTO seal_queue VALUES ('users', NEW.id); END;
CREATE TRIGGER seal_attachment_new AFTER INSERT ON attachments
BEGIN INSERT OR IGNORE INTO seal_queue VALUES ('attachments', NEW.id); END;
CREATE TRIGGER seal_attachment_stored AFTER UPDATE OF sha256, stored_size ON attachments
WHEN NEW.sha256 IS NOT OLD.sha256 OR NEW.stored_size IS NOT OLD.stored_size
BEGIN INSERT OR IGNORE INTO seal_queue VALUES ('attachments', NEW.id); END;

CREATE TRIGGER index_message_new AFTER INSERT ON messages
WHEN NEW.conversation_id IS NOT NULL
BEGIN INSERT INTO index_queue (message_id) VALUES (NEW.id); END;
CREATE TRIGGER index_message_changed AFTER UPDATE OF body, author_id, created_at, conversation_id ON messages
WHEN NEW.conversation_id IS NOT NULL AND (NEW.body IS NOT OLD.body OR NEW.author_id IS NOT OLD.author_id
     OR NEW.created_at IS NOT OLD.created_at OR NEW.conversation_id IS NOT OLD.conversation_id)
BEGIN INSERT INTO index_queue (message_id) VALUES (NEW.id); END;
CREATE TRIGGER index_conversation_changed AFTER UPDATE OF subject, context_code, context_name ON conversations
WHEN NEW.subject IS NOT OLD.subject OR NEW.context_code IS NOT OLD.context_code
     OR NEW.context_name IS NOT OLD.context_name
BEGIN INSERT INTO index_queue (message_id) SELECT id FROM messages WHERE conversation_id = NEW.id; END;
CREATE TRIGGER index_user_renamed AFTER UPDATE OF name, full_name ON users
WHEN NEW.name IS NOT OLD.name OR NEW.full_name IS NOT OLD.full_name
BEGIN
  INSERT INTO index_queue (message_id)
    SELECT id FROM messages WHERE author_id = NEW.id AND conversation_id IS NOT NULL
    UNION SELECT message_id FROM message_recipients WHERE user_id = NEW.id;
END;
CREATE TRIGGER index_context_renamed AFTER UPDATE OF name, course_code, term ON contexts
WHEN NEW.name IS NOT OLD.name OR NEW.course_code IS NOT OLD.course_code OR NEW.term IS NOT OLD.term
BEGIN
  INSERT INTO index_queue (message_id)
    SELECT m.id FROM conversations c JOIN messages m ON m.conversation_id = c.id
    WHERE c.context_code = NEW.code;
END;
CREATE TRIGGER index_attachment_linked AFTER INSERT ON message_attachments
BEGIN INSERT INTO index_queue (message_id) VALUES (NEW.message_id); END;
CREATE TRIGGER index_attachment_changed AFTER UPDATE OF display_name, sha256 ON attachments
WHEN NEW.display_name IS NOT OLD.display_name OR NEW.sha256 IS NOT OLD.sha256
BEGIN
  INSERT INTO index_queue (message_id)
    SELECT message_id FROM message_attachments WHERE attachment_id = NEW.id;
END;
"""
)

INDEX_STATE = """CREATE TABLE index_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  record TEXT NOT NULL CHECK (json_valid(record))
) STRICT"""
"""The table that the search index makes when it is first built, and ``adopt`` drops."""
