"""Whose mailbox an archive holds: its one row of ``account``."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from canvas_archive.errors import ForeignFolder
from canvas_archive.store.connection import path_of


@dataclass(frozen=True, slots=True)
class Account:
    """Whose mailbox an archive holds; ``user_id`` is the token's owner."""

    base_url: str
    user_id: int
    name: str | None
    as_user_id: int | None
    created_at: str

    @property
    def owner_id(self) -> int:
        """Return the person whose mailbox it is: the custodian when masquerading, else the token's owner."""
        return self.as_user_id or self.user_id


def read_account(db: sqlite3.Connection) -> Account:
    """Return the account of an archive. Raises ForeignFolder for a database that is none."""
    try:
        row = db.execute("SELECT base_url, user_id, name, as_user_id, created_at FROM account").fetchone()
    except sqlite3.OperationalError as error:
        if not str(error).startswith("no such"):
            raise  # the machine's trouble, which says nothing about whose database it is
        row = None
    if row is None:
        raise ForeignFolder(f"{path_of(db)} is a database, but not an archive of canvas-archive.")
    return Account(*row)
