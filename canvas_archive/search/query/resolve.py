"""From the names in a query to ids: people, courses, and the states that only the tables know."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from canvas_archive.errors import UnknownName
from canvas_archive.search.index.analysis import terms
from canvas_archive.search.query.operators import KINDS
from canvas_archive.search.query.spelling import listed, nearest_names
from canvas_archive.search.query.tree import Kind, Numbered, Sized
from canvas_archive.store.derived_columns import COURSE_KEY
from canvas_archive.store.folders import FOLDERS

AbsentNames = set[tuple[str, str]]
"""Names of a query that an archive does not know, each with its operator."""

_MOST_NAMED = 5

_OWNER = "SELECT coalesce(as_user_id, user_id) FROM account"
_USER = "SELECT id FROM users WHERE id = ?"
# SQLite finds the few candidates. Names with apostrophes are candidates always, and those with accents: they
# have fewer characters than bytes.
_CANDIDATES = """
SELECT id, name, full_name FROM users
WHERE name LIKE ?1 OR full_name LIKE ?1 OR instr(name, '''') OR instr(full_name, '''')
   OR length(name) <> length(CAST(name AS BLOB)) OR length(full_name) <> length(CAST(full_name AS BLOB))
"""
_ANY_NAME = "SELECT id, name, full_name FROM users"
_CONTEXTS = "SELECT code, name, course_code, canvas_id FROM contexts"
_UNRESOLVED = f"""
SELECT DISTINCT {COURSE_KEY}, c.context_name, NULL, NULL FROM conversations c
WHERE c.course IS NULL AND {COURSE_KEY} IS NOT NULL
"""  # noqa: S608 (constants)


PEOPLE_OPERATORS = frozenset({"from", "to", "with", "--with"})
"""What takes a person's name: operators of a query, and an option of exports."""


@dataclass(frozen=True, slots=True)
class StateSets:
    """A state as sets: messages of these conversations, or these messages; ``writer`` narrows it further.

    ``inverse`` turns the sets around; ``others`` means messages that ``writer`` did not write.
    """

    conversations: frozenset[int] | None = None
    messages: frozenset[int] = frozenset()
    inverse: bool = False
    writer: int | None = None
    others: bool = False


def owner_id(db: sqlite3.Connection) -> int:
    """Return the user id of the person whose mailbox this is; 0 when the archive has no account."""
    row = db.execute(_OWNER).fetchone()
    return int(row[0]) if row else 0


def people(db: sqlite3.Connection, role: str, name: str, absent: AbsentNames | None = None) -> list[int]:
    """Return the users meant by a name: every word of it begins a part of theirs; or an id; or ``me``.

    When nobody in the archive is called so, adds the name to ``absent``. Without ``absent``, raises
    UnknownName with the nearest names.
    """
    if name.lower() == "me":
        return [owner_id(db)]
    if name.isdecimal() and len(name) < 19:
        row = db.execute(_USER, (int(name),)).fetchone()
        if row:
            return [int(row[0])]
    wanted = terms(name)
    found = []
    if wanted:
        longest = max(wanted, key=len)
        rows = db.execute(_CANDIDATES, (f"%{longest}%",))
        found = [row[0] for row in rows if _begins_all(wanted, _name_terms(row[1] or "", row[2] or ""))]
    if not found:
        if absent is None:
            raise unknown_name(role, name, known_names(db, role))
        absent.add((role, name))
    return found


def courses(
    db: sqlite3.Connection, name: str, operator: str = "course", absent: AbsentNames | None = None
) -> list[str]:
    """Return the keys of the courses and groups meant by a name, a course code or an id.

    What is called exactly so is meant alone; else all in whose names each word begins a word. When none is
    called so, adds the name to ``absent``. Without ``absent``, raises UnknownName that names what there is.
    """
    wanted = terms(name)
    typed = name.strip().casefold()
    rows = [tuple(row) for query in (_CONTEXTS, _UNRESOLVED) for row in db.execute(query)]
    for place in (0, 3, 2, 1):  # the code, the id, the course code, the name
        exact = [row[0] for row in rows if typed and str(row[place] or "").casefold() == typed]
        if exact:
            return exact
    found = [
        row[0]
        for row in rows
        if wanted and _begins_all(wanted, _name_terms(row[1] or "", row[2] or ""), numbers_whole=True)
    ]
    if found:
        return found
    if absent is None:
        raise unknown_name(operator, name, known_names(db, operator))
    absent.add((operator, name))
    return []


def known_names(db: sqlite3.Connection, operator: str) -> list[str]:
    """Return the names an archive knows that the operator could mean: of people, or of courses and groups."""
    if operator in PEOPLE_OPERATORS:
        return [row[1] or row[2] or "" for row in db.execute(_ANY_NAME)]
    return [row[1] for query in (_CONTEXTS, _UNRESOLVED) for row in db.execute(query) if row[1]]


def unknown_name(
    operator: str, name: str, known: Iterable[str], where: str = "in this archive"
) -> UnknownName:
    """Return the error for a name that is not among the known ones; it suggests the nearest of them."""
    wanted = terms(name)
    shown = f"{operator} {name}" if operator.startswith("--") else f"{operator}:{name}"
    if operator in PEOPLE_OPERATORS:
        return UnknownName(f"'{shown}': nobody {where} is called so.{_meant(wanted, known)}")
    names = sorted(set(known))
    hint = _meant(wanted, names) or _some_of(names)
    return UnknownName(f"'{shown}': no course or group {where} is called so.{hint}")


@lru_cache(maxsize=50_000)
def _name_terms(*names: str) -> frozenset[str]:
    return frozenset(term for name in names for term in terms(name))


def _begins_all(wanted: Sequence[str], parts: frozenset[str], *, numbers_whole: bool = False) -> bool:
    return all(
        word in parts
        or (
            not (numbers_whole and word.isdecimal())
            and any(part.startswith(word) for part in parts)
        )
        for word in wanted
    )  # fmt: skip


def _meant(wanted: Sequence[str], names: Iterable[str]) -> str:
    """Return a question for what is spelt nearly so; empty when nothing is."""
    near = nearest_names(wanted, ((name, _name_terms(name)) for name in names))
    return f" Did you mean {listed(near)}?" if near else ""


def _some_of(names: Sequence[str]) -> str:
    """Return a sentence with the first of what there is; empty when there is nothing."""
    if not names:
        return ""
    more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return f" There {'are' if len(names) > 1 else 'is'} {listed([*names[:_MOST_NAMED], *more], 'and')}."


_CONVERSATIONS = {
    "starred": "starred = 1",
    "unstarred": "starred = 0",
    "unread": "workflow_state = 'unread'",
    "read": "workflow_state = 'read'",
    "archived": "workflow_state = 'archived'",
    "private": "private = 1",
    "group": "private = 0",
    "subscribed": "subscribed = 1",
    "unsubscribed": "subscribed = 0",
    "removed": FOLDERS["removed"].members(),
    "inbox": FOLDERS["inbox"].members(),
    **{f"in {name}": FOLDERS[name].members() for name in ("sent", "archived", "starred", "unread")},
}
_REMOVED_MESSAGES = "SELECT id FROM messages WHERE removed_at IS NOT NULL"
# States that most conversations are in are looked up by their exceptions.
_COMPLEMENTS = {"unstarred": "starred", "subscribed": "unsubscribed"}


def state_sets(db: sqlite3.Connection, name: str) -> StateSets:
    """Return what ``is:`` or ``in:`` with this name means, as the tables have it now."""
    if name == "received":
        return StateSets(writer=owner_id(db), others=True)
    if name == "sent":
        return StateSets(_conversations(db, "in sent"), writer=owner_id(db))
    if name in _COMPLEMENTS:
        return StateSets(_conversations(db, _COMPLEMENTS[name]), inverse=True)
    messages: frozenset[int] = frozenset()
    if name == "removed":
        messages = frozenset(row[0] for row in db.execute(_REMOVED_MESSAGES))
    return StateSets(_conversations(db, name), messages)


def _conversations(db: sqlite3.Connection, name: str) -> frozenset[int]:
    condition = _CONVERSATIONS[name]
    query = f"SELECT id FROM conversations WHERE {condition}"  # noqa: S608 (one of the constants above)
    return frozenset(row[0] for row in db.execute(query))


_CARRYING = (
    "SELECT f.message_id FROM message_attachments f JOIN attachments a ON a.id = f.attachment_id WHERE "
)


def attached_sets(db: sqlite3.Connection, node: Kind | Sized) -> StateSets:
    """Return the messages that carry a file of a kind or a size."""
    if isinstance(node, Sized):
        comparison = ">" if node.relation == "larger" else "<"
        rows = db.execute(f"{_CARRYING} coalesce(a.size, a.stored_size) {comparison} ?", (node.size,))
    else:
        types, endings = KINDS[node.name]
        patterns = [f"{type_}%" for type_ in types] + [f"%.{ending}" for ending in endings]
        conditions = ["a.content_type LIKE ?"] * len(types)
        conditions += ["coalesce(a.display_name, a.filename) LIKE ?"] * len(endings)
        rows = db.execute(_CARRYING + " OR ".join(conditions), patterns)
    return StateSets(frozenset(), frozenset(row[0] for row in rows))


def numbered_sets(node: Numbered) -> StateSets:
    """Return the messages of a conversation, and with ``id:`` the message of that number."""
    number = frozenset({node.number})
    return StateSets(number, number if node.what == "id" else frozenset())
