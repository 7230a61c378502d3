"""The views of an archive: where a question in SQL starts.

DuckDB reads them as well. Its parser, and the SQLite of 2021 in it, must understand every one: no
``CROSS JOIN … ON``, no ``IS NOT`` between values, no ``IS DISTINCT FROM``.
"""

from __future__ import annotations

_OWNER = "(SELECT coalesce(as_user_id, user_id) FROM account)"
_NAME = "coalesce({u}.name, 'User ' || {u}.id)"
_COURSE = "coalesce(x.name, c.context_name)"

_THREADS = f"""
CREATE VIEW threads AS
SELECT
  c.id, c.subject, c.workflow_state, c.starred, c.subscribed, c.private,
  c.context_code, {_COURSE} AS context_name,
  (SELECT group_concat(name, ', ') FROM (
     SELECT {_NAME.format(u="u")} AS name
     FROM conversation_participants p JOIN users u ON u.id = p.user_id
     WHERE p.conversation_id = c.id AND p.direct = 1 AND p.user_id <> {_OWNER}
     ORDER BY p.position)) AS people,
  c.message_count, c.last_message, c.last_message_at, c.last_authored_message_at, c.latest_at, c.removed_at,
  c.course, x.course_code, x.term
FROM conversations c LEFT JOIN contexts x ON x.code = c.course;

CREATE VIEW inbox AS
SELECT * FROM threads
WHERE workflow_state <> 'archived' AND last_message_at IS NOT NULL AND removed_at IS NULL
ORDER BY last_message_at DESC, id DESC;

CREATE VIEW sent AS
SELECT * FROM threads
WHERE last_authored_message_at IS NOT NULL AND removed_at IS NULL
ORDER BY last_authored_message_at DESC, id DESC;

CREATE VIEW pending_edits AS
SELECT e.id, e.conversation_id, c.subject, e.field, e.base_value, e.value, e.made_at, e.origin
FROM edits e CROSS JOIN conversations c
WHERE c.id = e.conversation_id AND e.state = 'pending'
ORDER BY e.id;
"""  # noqa: S608 (constants)

_PEOPLE = f"""
CREATE VIEW participants_direct AS
SELECT p.conversation_id, p.user_id, {_NAME.format(u="u")} AS name, p.position,
  CASE WHEN p.user_id = {_OWNER} THEN 1 ELSE 0 END AS me
FROM conversation_participants p JOIN users u ON u.id = p.user_id
WHERE p.direct = 1;

CREATE VIEW course_roles AS
SELECT p.user_id, k.context_code, k.roles, max(coalesce(c.fetched_at, c.first_seen_at)) AS seen_at
FROM conversation_contexts k
JOIN conversations c ON c.id = k.conversation_id
JOIN conversation_participants p ON p.conversation_id = c.id
WHERE k.roles <> '[]' AND c.audience = '[' || p.user_id || ']'
GROUP BY p.user_id, k.context_code;
"""  # noqa: S608 (constants)

_MESSAGES = f"""
CREATE VIEW messages_full AS
SELECT
  m.id, m.conversation_id, c.subject, m.created_at, m.author_id, {_NAME.format(u="u")} AS author,
  CASE WHEN m.author_id = {_OWNER} THEN 1 ELSE 0 END AS mine,
  (SELECT group_concat(name, ', ') FROM (
     SELECT {_NAME.format(u="w")} AS name
     FROM message_recipients r JOIN users w ON w.id = r.user_id
     WHERE r.message_id = m.id AND r.user_id <> m.author_id
     ORDER BY r.user_id)) AS recipients,
  (SELECT count(*) FROM message_recipients r
   WHERE r.message_id = m.id AND r.user_id <> m.author_id) AS recipient_count,
  c.course, {_COURSE} AS course_name, x.course_code, x.term,
  c.private, m.body, m.removed_at, c.removed_at AS conversation_removed_at
FROM messages m
JOIN conversations c ON c.id = m.conversation_id
JOIN users u ON u.id = m.author_id
LEFT JOIN contexts x ON x.code = c.course
WHERE m.generated = 0;

CREATE VIEW replies AS
SELECT
  q.conversation_id, q.id AS question_id, q.created_at AS asked_at, q.author_id AS asked_by,
  a.id AS answer_id, a.created_at AS answered_at, a.author_id AS answered_by,
  CASE WHEN q.author_id = {_OWNER} THEN 0 ELSE 1 END AS by_me,
  (strftime('%s', a.created_at) - strftime('%s', q.created_at)) / 3600.0 AS hours
FROM (
  SELECT m.*, (
    SELECT n.id FROM messages n
    WHERE n.conversation_id = m.conversation_id AND n.generated = 0
      AND n.created_at >= m.created_at AND (n.created_at > m.created_at OR n.id > m.id)
      AND (n.author_id = {_OWNER}) <> (m.author_id = {_OWNER})
    ORDER BY n.created_at, n.id LIMIT 1) AS answer
  FROM messages m
  WHERE m.generated = 0 AND m.conversation_id IS NOT NULL
) q
JOIN messages a ON a.id = q.answer;
"""  # noqa: S608 (constants)

_FILES = f"""
CREATE VIEW attachments_full AS
SELECT
  'file' AS kind, f.id AS attachment_id, NULL AS media_id, coalesce(f.display_name, f.filename) AS name,
  f.content_type, coalesce(f.stored_size, f.size) AS bytes, f.state, f.sha256, f.error,
  m.id AS message_id, m.conversation_id, c.subject, m.created_at, m.author_id,
  {_NAME.format(u="u")} AS author, c.course, {_COURSE} AS course_name
FROM message_attachments l
JOIN attachments f ON f.id = l.attachment_id
JOIN messages m ON m.id = l.message_id
JOIN users u ON u.id = m.author_id
LEFT JOIN conversations c ON c.id = m.conversation_id
LEFT JOIN contexts x ON x.code = c.course
UNION ALL
SELECT
  'recording', NULL, r.media_id, r.display_name, r.content_type, r.stored_size, r.state, r.sha256, r.error,
  m.id, m.conversation_id, c.subject, m.created_at, m.author_id, {_NAME.format(u="u")},
  c.course, {_COURSE}
FROM media_comments r
JOIN messages m ON m.id = r.message_id
JOIN users u ON u.id = m.author_id
LEFT JOIN conversations c ON c.id = m.conversation_id
LEFT JOIN contexts x ON x.code = c.course;
"""  # noqa: S608 (constants)

OWN_RECEIPTS = "kind IN ('pushed', 'removal', 'messages_removed', 'part', 'flags')"
"""The receipts that may be the answer to what a person did here; one of a GET is not."""

_CHANGES = f"""
CREATE VIEW joinings AS
SELECT
  p.conversation_id, c.subject, p.user_id, {_NAME.format(u="u")} AS name, r.seen_at, r.sync_run_id, r.revision
FROM revisions r
JOIN conversation_participants p
  ON p.conversation_id = CAST(substr(r.id, 1, instr(r.id, '/') - 1) AS INTEGER)
  AND p.user_id = CAST(substr(r.id, instr(r.id, '/') + 1) AS INTEGER)
JOIN conversations c ON c.id = p.conversation_id
JOIN users u ON u.id = p.user_id
WHERE r."table" = 'conversation_participants' AND r.before = '{{}}' AND p.direct = 1;

CREATE VIEW changes_on_canvas AS
SELECT
  r.revision, r.seen_at, r.sync_run_id, r."table", r.id, j."key" AS "column",
  json_extract(r.before, '$."' || j."key" || '"') AS before,
  json_extract(r.after, '$."' || j."key" || '"') AS after
FROM revisions r, json_each(CASE r.after WHEN '{{}}' THEN r.before ELSE r.after END) j
WHERE NOT (r."table" IN ('users', 'contexts', 'attachments')
           AND json_extract(r.before, '$."' || j."key" || '"') IS NULL)
  AND NOT (r."table" = 'conversation_participants' AND r.before = '{{}}' AND EXISTS (
    SELECT 1 FROM conversation_participants p
    WHERE p.conversation_id = CAST(substr(r.id, 1, instr(r.id, '/') - 1) AS INTEGER)
      AND p.user_id = CAST(substr(r.id, instr(r.id, '/') + 1) AS INTEGER) AND p.direct = 0))
  AND NOT (r."table" IN ('conversations', 'messages') AND EXISTS (
    SELECT 1 FROM receipts o
    WHERE o.key = CASE r."table" WHEN 'conversations' THEN CAST(r.id AS INTEGER)
        ELSE (SELECT m.conversation_id FROM messages m WHERE m.id = CAST(r.id AS INTEGER)) END
      AND o.at = r.seen_at AND o.{OWN_RECEIPTS} AND o.address NOT LIKE 'GET %'));
"""  # noqa: S608 (constants)

DROPPED = """
DROP VIEW inbox;
DROP VIEW sent;
DROP VIEW threads;
DROP VIEW pending_edits;
"""
"""The views before the seventh version."""

INDEXES = f"""
CREATE INDEX receipts_own ON receipts (key, at) WHERE {OWN_RECEIPTS};
"""

VIEWS = _THREADS + _PEOPLE + _MESSAGES + _FILES + _CHANGES
