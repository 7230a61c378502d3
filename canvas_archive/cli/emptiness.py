"""An archive into which nothing was pulled yet, told apart from one in which nothing is found."""

from __future__ import annotations

import sqlite3

NOTHING_PULLED = "No messages downloaded yet. Run: canvas-archive sync"
_ANY = "SELECT EXISTS (SELECT 1 FROM sync_runs) OR EXISTS (SELECT 1 FROM conversations)"


def was_pulled(db: sqlite3.Connection) -> bool:
    """Return whether there ever was a sync, or anything to show for one."""
    return bool(db.execute(_ANY).fetchone()[0])
