"""What the tests of receipts share: an archive of the small school, changed by hand where a test needs it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from canvas_archive.derive.compare import check_derived
from canvas_archive.sandbox import Sandbox
from canvas_archive.store.receipt_reading import OF_CONVERSATION
from canvas_archive.store.receipts import commitments
from tests.sandbox_support import small_mailbox
from tests.sync_support import Pair, bind


@contextmanager
def small_archive(folder: Path) -> Iterator[Pair]:
    """Yield an archive of the small school after two syncs; between them, Dr. Dee wrote once more in 100."""
    with pytest.MonkeyPatch.context() as monkeypatch, Sandbox(mailbox=small_mailbox()) as sandbox:
        pair = bind(sandbox, folder, monkeypatch)
        pair.sync(mode="full")
        sandbox.school.receive(100, 4, "One more <thing>.\x1b[31m")
        pair.sync(mode="full")
        yield pair


def copy_of(pair: Pair, folder: Path) -> Pair:
    """Return the archive copied into a folder of the test's own."""
    shutil.copytree(pair.folder, folder)
    return Pair(pair.sandbox, folder)


@contextmanager
def unguarded(folder: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection without triggers; they are there again when it is closed."""
    with closing(sqlite3.connect(folder / "archive.db", isolation_level=None)) as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        db.execute("BEGIN")
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        yield db
        for _, text in triggers:
            db.execute(text)
        db.execute("COMMIT")


def erase(
    db: sqlite3.Connection, conversation: int, held_in: list[str], *, keep: tuple[str, ...] = ()
) -> list[int]:
    """Destroy salt and text of all receipts about a conversation, and the rows that followed from them alone.

    The commitments stay, and the rows of the tables in ``keep``. Returns the numbers of the receipts.
    """
    kinds = ", ".join(f"'{kind}'" for kind in OF_CONVERSATION)
    found = db.execute(f"SELECT id FROM receipts WHERE key = ? AND kind IN ({kinds})", (conversation,))
    numbers = [row[0] for row in found]
    for number in numbers:
        ((_, commitment),) = commitments(db, number, number)
        db.execute(
            "INSERT INTO erased VALUES (?, ?, '2026-05-01T00:00:00Z', ?)",
            (number, commitment, json.dumps(held_in)),
        )
        db.execute("UPDATE receipts SET salt = NULL, payload = NULL WHERE id = ?", (number,))
    for fault in (one for one in check_derived(db).faults if one.table not in keep):
        keys = [row[1] for row in db.execute(f"PRAGMA table_info({fault.table})") if row[5]]
        where = " || '/' || ".join(f'"{key}"' for key in keys)
        db.execute(f"DELETE FROM {fault.table} WHERE {where} = ?", (fault.row,))
    return numbers
