"""Searches saved under a name, in the table ``saved_searches``."""

from __future__ import annotations

import difflib
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from canvas_archive.clock import iso
from canvas_archive.errors import BadInput
from canvas_archive.search.query.language import parse
from canvas_archive.store.connection import transaction
from canvas_archive.store.journal import journaled

LONGEST_NAME = 100

_ALL = "SELECT name, query, created_at FROM saved_searches ORDER BY name COLLATE NOCASE"
_ONE = "SELECT query FROM saved_searches WHERE name = ?"
_SAVE = """
INSERT INTO saved_searches (name, query, created_at) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET query = excluded.query, created_at = excluded.created_at
"""
_FORGET = "DELETE FROM saved_searches WHERE name = ?"


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A query under a name."""

    name: str
    query: str
    created_at: str


def saved_searches(db: sqlite3.Connection) -> list[SavedSearch]:
    """Return all saved searches by name."""
    return [SavedSearch(*row) for row in db.execute(_ALL)]


def saved_query(db: sqlite3.Connection, name: str) -> str:
    """Return the query saved under a name. Raises BadInput, with the nearest names, when there is none."""
    row = db.execute(_ONE, (name,)).fetchone()
    if row is None:
        names = [search.name for search in saved_searches(db)]
        near = difflib.get_close_matches(name, names, n=1) or names[:5]
        hint = f" There is {', '.join(near)}." if near else " None has been saved yet."
        raise BadInput(f"No search is saved as '{name}'.{hint}")
    return str(row[0])


def save_search(db: sqlite3.Connection, name: str, query: str, *, now: datetime) -> None:
    """Save a query under a name, replacing what was there. Raises BadInput for a query that cannot be."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput(f"A saved search needs a name of 1 to {LONGEST_NAME} printable characters.")
    parse(query, now=now)
    with transaction(db), journaled(db, "saved_searches", [name]):
        db.execute(_SAVE, (name, query, iso(now)))


def forget_search(db: sqlite3.Connection, name: str) -> None:
    """Delete a saved search. Raises BadInput when there is none by that name."""
    saved_query(db, name)
    with transaction(db), journaled(db, "saved_searches", [name]):
        db.execute(_FORGET, (name,))
