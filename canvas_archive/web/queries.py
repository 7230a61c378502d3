"""The SQL of the mail pages. Everything a visitor chose is a bound parameter.

Lists are paged by key, never by OFFSET: page 500 costs what page 1 costs. Counts come from covering
indexes.
"""

from __future__ import annotations

from canvas_archive.store import folders
from canvas_archive.store.runs import LAST_TEXTS

ACCOUNT = """
SELECT a.base_url, a.name, coalesce(a.as_user_id, a.user_id) AS owner_id, a.created_at,
       a.as_user_id IS NOT NULL AS masquerading,
       coalesce(u.name, a.name) AS owner_name
FROM account a LEFT JOIN users u ON u.id = coalesce(a.as_user_id, a.user_id)
"""

CONTEXTS = """
SELECT code, kind, name, course_code, term,
       (SELECT max(c.latest_at) FROM conversations c WHERE c.course = x.code) AS latest_at
FROM contexts x ORDER BY x.kind, x.canvas_id, x.code
"""
"""In the order of their ids, so that neighbours get different colours and keep them."""

COUNTS = f"""
SELECT {", ".join(f"{folder.count()} AS {folder.name}" for folder in folders.FOLDERS.values())},
  (SELECT count(*) FROM edits WHERE state = 'pending') AS pending,
  (SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')) AS outbox,
  (SELECT count(*) FROM problems WHERE kind <> 'ghost' AND accepted_at IS NULL) AS problems
"""  # noqa: S608 (constants)
LAST_SYNC = "SELECT started_at, finished_at, status, error FROM sync_runs ORDER BY id DESC LIMIT 1"


EMPTY = {
    "inbox": "Your inbox is empty.",
    "unread": "Everything is read.",
    "starred": "Nothing is starred. The star at the end of a row keeps a conversation here.",
    "archived": "Nothing is archived.",
    "sent": "You have not written any of these conversations.",
    "removed": "Canvas has removed no conversation. Those that it removes stay here.",
}
"""What the emptiness of each folder means."""


def folder_order(name: str) -> str:
    """Return the column a folder's page is sorted and dated by: never the time a sync missed something."""
    return "latest_at" if name == folders.REMOVED else folders.FOLDERS[name].order


_ROW = f"""c.id, c.subject, c.workflow_state, c.starred, c.message_count, c.properties, c.course,
       c.context_name, c.removed_at, c.last_message, c.last_authored_message,
       c.last_message_at, c.last_authored_message_at, {LAST_TEXTS} AS texts"""


def listing(
    where: str, order: str, *, source: str = "conversations c", top: bool = False, newer: bool = False
) -> str:
    """Compose one page of a list from the constants of this module.

    ``:at, :id`` is the key the page starts after, which a page at the ``top`` has none of; ``:limit`` rows.
    (One statement for both, ``:id IS NULL OR …``, would walk from the top to a page it can seek to.)
    """
    sign, direction = (">", "ASC") if newer else ("<", "DESC")
    at = order if "." in order else f"c.{order}"
    after = "" if top else f"AND ({at}, c.id) {sign} (:at, :id) "
    return (
        f"SELECT {_ROW}, {at} AS at FROM {source} "  # noqa: S608 (constants above)
        f"WHERE {where} {after}"
        f"ORDER BY {at} {direction}, c.id {direction} LIMIT :limit"
    )


def counting(where: str, order: str, *, source: str = "conversations c") -> str:
    """Compose the count of what a list has above a key (``:at, :id``)."""
    at = order if "." in order else f"c.{order}"
    return f"SELECT count(*) FROM {source} WHERE {where} AND ({at}, c.id) > (:at, :id)"  # noqa: S608 (constants)


def total(where: str, *, source: str = "conversations c") -> str:
    """Compose the count of a list."""
    return f"SELECT count(*) FROM {source} WHERE {where}"  # noqa: S608 (constants)


def everything(where: str, *, source: str = "conversations c") -> str:
    """Compose the ids of a whole list, at most ``:limit``."""
    return f"SELECT c.id, c.removed_at FROM {source} WHERE {where} LIMIT :limit"  # noqa: S608 (constants)


LAST_IN_PERIOD = """
SELECT max(created_at) AS at FROM messages
WHERE conversation_id = :id AND created_at >= :start AND created_at < :end
"""
ORDERED_BY = "SELECT {order} AS at FROM conversations WHERE id = :id"
IN_COURSE = "c.course = :code"
WITH_PERSON = "p.user_id = :person AND p.direct = 1 AND c.id = p.conversation_id"
WITH_PERSON_SOURCE = "conversation_participants p CROSS JOIN conversations c"
WITH_BUSY_PERSON = (
    "EXISTS (SELECT 1 FROM conversation_participants p"
    " WHERE p.conversation_id = c.id AND p.user_id = :person AND p.direct = 1)"
)
"""For someone in thousands of conversations: walk them by date instead of sorting them all."""

PERIOD_SOURCE = """(SELECT conversation_id, max(created_at) AS at FROM messages
  WHERE created_at >= :start AND created_at < :end AND conversation_id IS NOT NULL
  GROUP BY conversation_id) h CROSS JOIN conversations c"""
PERIOD_WHERE = "c.id = h.conversation_id"

PERIOD_IN_COURSE = f"{PERIOD_WHERE} AND {IN_COURSE}"
PERIOD_WITH_PERSON = f"{PERIOD_WHERE} AND {WITH_BUSY_PERSON}"
COUNT_COURSE = "SELECT count(*) FROM conversations c WHERE c.course = :code"
COUNT_PERSON = "SELECT count(*) FROM conversation_participants WHERE user_id = :person AND direct = 1"

PEOPLE_OF = """
SELECT p.conversation_id, u.id, coalesce(u.name, 'User ' || u.id) AS name
FROM conversation_participants p JOIN users u ON u.id = p.user_id
WHERE p.conversation_id IN (SELECT value FROM json_each(:ids)) AND p.direct = 1
ORDER BY p.conversation_id, p.position
"""

PERSON = "SELECT id, coalesce(name, 'User ' || id) AS name, full_name, pronouns FROM users WHERE id = :person"
PERSON_WROTE = """
SELECT count(*) AS n, min(created_at) AS first, max(created_at) AS last FROM messages
WHERE author_id = :person
"""

TO_PERSON = """
SELECT m.created_at FROM conversation_participants p
CROSS JOIN messages m ON m.conversation_id = p.conversation_id
WHERE p.user_id = :person AND p.direct = 1 AND m.author_id = :owner
"""
COURSE_TIMES = """
SELECT m.created_at, m.author_id = :owner AS mine
FROM conversations c JOIN messages m ON m.conversation_id = c.id WHERE c.course = :code
"""

SPAN = (
    "SELECT (SELECT min(created_at) FROM messages) AS first, (SELECT max(created_at) FROM messages) AS last"
)
PERIODS_ALL = """
SELECT (SELECT count(*) FROM messages
        WHERE created_at >= json_extract(p.value, '$[0]') AND created_at < json_extract(p.value, '$[1]')) AS n
FROM json_each(:periods) p ORDER BY p.key
"""
PERIODS_BY = """
SELECT (SELECT count(*) FROM messages WHERE author_id = :person
          AND created_at >= json_extract(p.value, '$[0]') AND created_at < json_extract(p.value, '$[1]')) AS n
FROM json_each(:periods) p ORDER BY p.key
"""
"""Counts per period come from ranges of covering indexes: no body is read."""

TALLIES = """
SELECT course, count(*) AS conversations FROM conversations WHERE course IS NOT NULL GROUP BY course
"""
UNREAD_TALLIES = """
SELECT course, count(*) AS unread FROM conversations
WHERE workflow_state = 'unread' AND +removed_at IS NULL AND course IS NOT NULL GROUP BY course
"""
CORRESPONDENTS = """
SELECT u.id, (SELECT count(*) FROM messages WHERE author_id = u.id) AS n
FROM users u ORDER BY n DESC, u.id
"""
"""Counted person by person from the covering index: a third of the time of one GROUP BY over all messages."""

CALLED = """
SELECT id FROM users WHERE name LIKE :like ESCAPE '\\' OR full_name LIKE :like ESCAPE '\\'
"""
PEOPLE = """
SELECT u.id, coalesce(u.name, 'User ' || u.id) AS name, u.full_name, u.pronouns,
       (SELECT max(created_at) FROM messages WHERE author_id = u.id) AS last
FROM users u WHERE u.id IN (SELECT value FROM json_each(:ids))
"""

CONVERSATION = """
SELECT first_seen_at, fetched_at, last_message_at, last_authored_message_at, latest_at
FROM conversations WHERE id = :id
"""
EXTENT = """
SELECT count(*) AS n, coalesce(sum(NOT generated), 0) AS written,
       min(created_at) FILTER (WHERE NOT generated) AS first,
       max(created_at) FILTER (WHERE NOT generated) AS last
FROM messages WHERE conversation_id = :id
"""
PLACE = "SELECT created_at FROM messages WHERE id = :message AND conversation_id = :id"
REPLY_TO = "SELECT removed_at FROM conversations WHERE id = :id"
SUGGESTED = """
SELECT coalesce(u.full_name, u.name) FROM users u
WHERE u.id <> :owner AND coalesce(u.full_name, u.name) IS NOT NULL
ORDER BY (SELECT max(created_at) FROM messages WHERE author_id = u.id) DESC LIMIT :limit
"""
OLDER_MESSAGES = """
SELECT created_at, id FROM messages WHERE conversation_id = :id AND (created_at, id) < (:at, :message)
ORDER BY created_at DESC, id DESC LIMIT :limit
"""
NEWER_MESSAGES = """
SELECT created_at, id FROM messages WHERE conversation_id = :id AND (created_at, id) > (:at, :message)
ORDER BY created_at, id LIMIT :limit
"""
WRITTEN_BEFORE = """
SELECT count(*) FROM messages
WHERE conversation_id = :id AND (created_at, id) < (:at, :message) AND NOT generated
"""
HOMES_OF = """
SELECT id, conversation_id FROM messages
WHERE id IN (SELECT value FROM json_each(:ids)) AND conversation_id IS NOT NULL
"""
_REMOTE = """CASE e.field WHEN 'starred' THEN CAST(c.remote_starred AS TEXT)
                    WHEN 'subscribed' THEN CAST(c.remote_subscribed AS TEXT)
                    ELSE c.remote_workflow_state END AS remote"""
EDITS_OF = f"""
SELECT e.field, e.base_value, e.value, e.state, {_REMOTE}
FROM edits e JOIN conversations c ON c.id = e.conversation_id
WHERE e.conversation_id = :id AND e.state IN ('pending', 'conflict', 'reverted') ORDER BY e.id DESC LIMIT 20
"""  # noqa: S608 (constants)
REVISIONS_OF = """
SELECT count(*) FROM revisions WHERE "table" = 'conversations' AND id = CAST(:id AS TEXT)
"""

PENDING_EDITS = f"""
SELECT e.id, e.conversation_id, c.subject, e.field, e.base_value, e.value, e.made_at, e.origin, e.state,
       e.settled_at, e.detail,
       {_REMOTE}
FROM edits e CROSS JOIN conversations c ON c.id = e.conversation_id WHERE e.state = 'pending'
ORDER BY e.id DESC LIMIT :limit
"""  # noqa: S608 (constants)
SETTLED_EDITS = """
SELECT e.id, e.conversation_id, c.subject, e.field, e.base_value, e.value, e.made_at, e.origin, e.state,
       e.settled_at, e.detail
FROM edits e CROSS JOIN conversations c ON c.id = e.conversation_id
WHERE e.state IN ('pushed', 'discarded') ORDER BY e.id DESC LIMIT :limit
"""
ACTS = """
SELECT a.id, a.command, a.conversation_id, c.subject, a.recipients, a.begun_at, a.state, a.ended_at, a.answer
FROM acts a LEFT JOIN conversations c ON c.id = a.conversation_id ORDER BY a.id DESC LIMIT :limit
"""
UNSETTLING_EDITS = SETTLED_EDITS.replace("'pushed', 'discarded'", "'conflict', 'reverted', 'gone'")

STORED_BYTES = """
SELECT coalesce(sum(size), 0) FROM (SELECT max(stored_size) AS size FROM attachments
  WHERE sha256 IS NOT NULL GROUP BY sha256)
"""
SYNC_RUNS = "SELECT * FROM sync_runs ORDER BY id DESC LIMIT :limit"
PROBLEMS = """
SELECT kind, item_id, error, attempts, first_at, last_at, next_at FROM problems
WHERE kind <> 'ghost' AND accepted_at IS NULL ORDER BY last_at DESC, kind, item_id LIMIT :limit
"""
STATES_OF = """
SELECT id, starred, workflow_state, removed_at FROM conversations
WHERE id IN (SELECT value FROM json_each(:ids))
"""
NAMES_LIKE = """
SELECT coalesce(full_name, name) FROM users
WHERE name LIKE :like ESCAPE '\\' OR full_name LIKE :like ESCAPE '\\' LIMIT :limit
"""
SAVED_SEARCHES = "SELECT name, query FROM saved_searches ORDER BY name"

ATTACHMENT = """
SELECT coalesce(display_name, filename) AS name, state, sha256 FROM attachments WHERE id = :id
"""
RECORDING = """
SELECT coalesce(display_name, media_id) AS name, media_type, content_type, state, sha256
FROM media_comments WHERE message_id = :message AND media_id = :media
"""
