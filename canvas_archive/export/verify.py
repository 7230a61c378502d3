"""Checking an archive against its own records. Nothing is changed by it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from canvas_archive.errors import ArchiveError
from canvas_archive.export.rehash import check_blobs
from canvas_archive.model import JsonObject
from canvas_archive.store import connect_readonly
from canvas_archive.store.adoption import is_adopted
from canvas_archive.store.chain import chain_head, check_chain
from canvas_archive.store.config import CONFIG_NAME, read_config
from canvas_archive.store.folder import DB_NAME, FILES_NAME, SEARCH_NAME
from canvas_archive.store.migrations import MIGRATIONS, known_version, schema_version
from canvas_archive.store.seals import check_seals

MOST_ITEMS = 1000
"""How many findings of one check are listed; the rest is counted."""

# What SQLite, sqlite-utils and ANALYZE keep for themselves.
_NOT_OURS = ("sqlite_", "_sqlite_")

_MISSING_MESSAGES = """
SELECT c.id, c.message_count,
  (SELECT count(*) FROM messages m
   WHERE m.conversation_id = c.id AND m.generated = 0 AND m.removed_at IS NULL) AS held
FROM conversations c
WHERE c.removed_at IS NULL AND (c.fetched_at IS NULL OR held < c.message_count)
ORDER BY c.id
"""
_FIELDS = ("starred", "workflow_state", "subscribed")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it holds, in words, and what does not."""

    name: str
    ok: bool
    detail: str
    items: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        """Return the check as a JSON object."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "items": list(self.items)}


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """``chain_head`` is a head noted earlier; ``resume`` goes on where re-hashing was interrupted."""

    files: bool = True
    jobs: int = 4
    resume: bool = False
    chain_head: str | None = None


def verify_archive(
    folder: Path,
    options: VerifyOptions | None = None,
    tell: Callable[[str, int, int], None] | None = None,
) -> Iterator[Check]:
    """Yield the checks of the archive in ``folder`` as they are done.

    ``tell`` hears what is being looked at, how far it is and how much there is (0: unknown).
    """
    options = options or VerifyOptions()
    tell = tell or (lambda name, done, total: None)
    try:
        db = connect_readonly(folder / DB_NAME)
    except ArchiveError as error:
        yield Check("database", False, str(error))
        return
    with closing(db), _InThread(folder / DB_NAME) as integrity:
        held: list[Check] = []
        try:
            db.execute("BEGIN")  # one snapshot: a sync that ends meanwhile must not look like tampering
            for name, look in _rows_looks(folder, db, options, tell):
                if integrity.is_done and not integrity.result.ok:
                    break
                tell(name, 0, 0)
                held.append(_looked(name, look, db))
            db.execute("COMMIT")
        except Exception:
            # What a damaged database does to a check may be anything, and it is not worth telling.
            if integrity.result.ok:
                raise
        tell("database", 0, 0)
        yield integrity.result
        if not integrity.result.ok:
            return  # whatever a damaged database says next is worth nothing
        yield from held
        for name, check in _other_looks(folder, db, options, tell):
            tell(name, 0, 0)
            try:
                yield from check()
            except (sqlite3.DatabaseError, ValueError, OSError) as error:
                yield _not_looked(name, error)


class _InThread:
    """SQLite's own check on a connection of its own: it takes long, and needs no Python while it does."""

    def __init__(self, path: Path) -> None:
        self._db = connect_readonly(path)
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(check_integrity, self._db)

    def __enter__(self) -> _InThread:
        return self

    def __exit__(self, *exception: object) -> None:
        self._db.interrupt()
        self._pool.shutdown()
        self._db.close()

    @property
    def is_done(self) -> bool:
        return self._future.done()

    @property
    def result(self) -> Check:
        """What was found; waits for it."""
        return self._future.result()


def _rows_looks(
    folder: Path, db: sqlite3.Connection, options: VerifyOptions, tell: Callable[[str, int, int], None]
) -> tuple[tuple[str, Callable[[], Check]], ...]:
    """Return the checks of what the database says. They take no notice of files."""
    return (
        ("foreign keys", lambda: check_foreign_keys(db)),
        ("schema", lambda: check_schema(db)),
        ("account", lambda: check_account(folder, db)),
        ("completeness", lambda: check_completeness(db)),
        ("edits", lambda: check_journal(db)),
        ("states", lambda: check_states(db)),
        ("chain", lambda: check_evidence(db, options.chain_head)),
        ("contents", lambda: check_contents(db, tell)),
    )


def _other_looks(
    folder: Path, db: sqlite3.Connection, options: VerifyOptions, tell: Callable[[str, int, int], None]
) -> Iterator[tuple[str, Callable[[], Iterable[Check]]]]:
    if options.files:
        yield "attachments", lambda: check_files(folder, db, options, tell)
    yield "index", lambda: (check_search_index(folder, db),)
    yield "permissions", lambda: (check_permissions(folder),)


def _looked(name: str, look: Callable[[], Check], db: sqlite3.Connection) -> Check:
    """Return what a check finds; a table that is missing or holds nonsense must not hide the others."""
    try:
        try:
            return look()
        except sqlite3.OperationalError:
            # A changed byte can make a text that is none: taken as it is, its row can be named.
            db.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
            return look()
        finally:
            db.text_factory = str
    except (sqlite3.DatabaseError, ValueError, OSError) as error:
        return _not_looked(name, error)


def _not_looked(name: str, error: Exception) -> Check:
    return Check(name, False, f"could not be looked at ({type(error).__name__}: {error})")


def findings(name: str, items: list[str], good: str, bad: str) -> Check:
    """Return a check that holds when nothing was found; ``bad`` may use ``{count}``."""
    if not items:
        return Check(name, True, good)
    listed = items[:MOST_ITEMS]
    if len(items) > MOST_ITEMS:
        listed.append(f"and {len(items) - MOST_ITEMS:,} more")
    return Check(name, False, bad.format(count=f"{len(items):,}"), tuple(listed))


def check_integrity(db: sqlite3.Connection) -> Check:
    """Let SQLite read every page."""
    try:
        found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(100)") if row[0] != "ok"]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    return findings("database", found, "SQLite finds no damage", "the database is damaged: restore a backup")


def check_foreign_keys(db: sqlite3.Connection) -> Check:
    """Look for rows that point to rows which do not exist."""
    found = [f"{row[0]} row {row[1]} -> {row[2]}" for row in db.execute("PRAGMA foreign_key_check")]
    return findings(
        "foreign keys", found, "every reference leads somewhere", "{count} references lead nowhere"
    )


def check_schema(db: sqlite3.Connection) -> Check:
    """Compare tables, indexes, views and triggers with those of a newly made archive."""
    if schema_version(db) != known_version():
        return Check("schema", False, f"schema {schema_version(db)}; this program writes {known_version()}")
    with closing(sqlite3.connect(":memory:")) as fresh:
        for step in MIGRATIONS:
            step.apply(fresh)
        expected = _schema_of(fresh)
    present = _schema_of(db)
    items = [f"{kind} {name}: missing" for kind, name in expected.keys() - present.keys()]
    items += [
        f"{kind} {name}: changed"
        for (kind, name), sql in expected.items()
        if present.get((kind, name), sql) != sql
    ]
    extra = sorted(present.keys() - expected.keys())
    # A table or view of one's own harms nothing; a trigger can rewrite whatever is stored.
    items += [f"trigger {name}: not of this program" for kind, name in extra if kind == "trigger"]
    others = [f"{kind} {name}" for kind, name in extra if kind != "trigger"]
    note = f" (besides: {', '.join(others)})" if others else ""
    return findings(
        "schema",
        sorted(items),
        f"tables, views and triggers are untouched{note}",
        "{count} parts were changed",
    )


def _schema_of(db: sqlite3.Connection) -> dict[tuple[str, str], str]:
    return {
        (row[0], row[1]): row[2]
        for row in db.execute("SELECT type, name, sql, tbl_name FROM sqlite_master WHERE sql IS NOT NULL")
        if not row[3].startswith(_NOT_OURS)
    }


def check_account(folder: Path, db: sqlite3.Connection) -> Check:
    """Compare the configuration with the account the database belongs to."""
    rows = db.execute("SELECT base_url, as_user_id FROM account").fetchall()
    if len(rows) != 1:
        return Check("account", False, f"the database belongs to {len(rows)} accounts instead of one")
    try:
        config = read_config(folder / CONFIG_NAME)
    except ArchiveError as error:
        return Check("account", False, str(error))
    if (config.base_url, config.as_user_id) != tuple(rows[0]):
        return Check("account", False, f"{CONFIG_NAME} names another mailbox than the database")
    return Check("account", True, f"one mailbox at {config.base_url}")


def check_completeness(db: sqlite3.Connection) -> Check:
    """Compare the stored messages of each conversation with the number Canvas gave."""
    items = []
    for number, count, held in map(tuple, db.execute(_MISSING_MESSAGES)):
        if held < count:
            items.append(f"conversation {number}: {held} of {count} messages stored")
        else:
            items.append(f"conversation {number}: listed by Canvas, not fetched yet")
    total = db.execute("SELECT count(*) FROM conversations").fetchone()[0]
    return findings(
        "completeness",
        items,
        f"{total:,} conversations hold all the messages Canvas counted",
        "{count} conversations lack messages: run 'canvas-archive sync --full'",
    )


def check_journal(db: sqlite3.Connection) -> Check:
    """Compare the pending edits with the columns they are about: neither may be without the other."""
    items = []
    for field in _FIELDS:
        for row in db.execute(
            f"SELECT e.id, e.conversation_id FROM edits e JOIN conversations c ON c.id = e.conversation_id "  # noqa: S608 (constants)
            f"WHERE e.field = '{field}' AND e.state = 'pending' AND CAST(c.{field} AS TEXT) IS NOT e.value"
        ):
            items.append(f"edit {row[0]} of conversation {row[1]}: {field} is not what the edit says")
        for row in db.execute(
            f"SELECT c.id FROM conversations c WHERE c.{field} IS NOT c.remote_{field} AND NOT EXISTS "  # noqa: S608 (constants)
            f"(SELECT 1 FROM edits e WHERE e.conversation_id = c.id AND e.field = '{field}' "
            "AND e.state NOT IN ('pushed', 'discarded'))"
        ):
            items.append(f"conversation {row[0]}: {field} differs from Canvas without an edit")
    return findings("edits", items, "the journal matches the conversations", "{count} edits do not match")


def check_states(db: sqlite3.Connection) -> Check:
    """Look for states that nothing will ever lead out of."""
    items = [
        f"sync run {row[0]} is marked as running, but a later one was started"
        for row in db.execute(
            "SELECT id FROM sync_runs WHERE status = 'running' AND id < (SELECT max(id) FROM sync_runs)"
        )
    ]
    items += [
        f"sync run {row[0]} is finished, but not dated"
        for row in db.execute("SELECT id FROM sync_runs WHERE status <> 'running' AND finished_at IS NULL")
    ]
    items += [
        f"edit {row[0]} is {row[1]}, but not dated"
        for row in db.execute(
            "SELECT id, state FROM edits WHERE state NOT IN ('pending', 'conflict') AND settled_at IS NULL"
        )
    ]
    return findings("states", items, "no run or edit is stuck", "{count} runs or edits are stuck")


def check_evidence(db: sqlite3.Connection, expected_head: str | None) -> Check:
    """Recompute the hash chain of sync runs, edits, revisions and seals."""
    items = [
        f"{fault.source} {fault.row_key}: {fault.sentence}"
        for fault in check_chain(db, expected_head=expected_head)
    ]
    head = chain_head(db)
    return findings(
        "chain",
        items,
        f"{head.seq:,} records, head {head.chain}",
        "the history was tampered with ({count} findings; the first is the first bad row)",
    )


def check_contents(db: sqlite3.Connection, tell: Callable[[str, int, int], None]) -> Check:
    """Compare every message, conversation, person and attachment with its seal."""
    report = check_seals(db, most_faults=MOST_ITEMS, tell=lambda done, total: tell("contents", done, total))
    items = [f"{fault.kind} {fault.key}: {fault.sentence}" for fault in report.faults]
    waiting = f"; {report.waiting:,} wait for the end of the first sync" if report.waiting else ""
    return findings(
        "contents", items, f"{report.matching:,} rows match their seals{waiting}", "{count} rows were altered"
    )


def check_files(
    folder: Path, db: sqlite3.Connection, options: VerifyOptions, tell: Callable[[str, int, int], None]
) -> Iterator[Check]:
    """Read every stored attachment again and compare it with its name; look for files nobody knows."""
    result = check_blobs(
        folder / FILES_NAME,
        db,
        jobs=options.jobs,
        state_file=folder / "verify.state",
        resume=options.resume,
        tell=lambda done, total: tell("attachments", done, total),
    )
    yield findings(
        "attachments",
        result.bad,
        f"{result.checked:,} files match their SHA-256"
        + (f" ({result.skipped:,} more in an earlier run)" if result.skipped else ""),
        "{count} attachments are missing or altered: sync again, or restore a backup",
    )
    if result.unknown and _sync_unfinished(db):
        # A download that was complete when its sync was killed: the next one finds it, and writes it down.
        waiting = f"{len(result.unknown):,} of a sync that did not finish wait for the next one"
        yield Check("unknown files", True, waiting)
        return
    yield findings(
        "unknown files",
        result.unknown,
        "every file belongs to an attachment",
        "{count} files belong to nothing",
    )


def _sync_unfinished(db: sqlite3.Connection) -> bool:
    row = db.execute("SELECT status FROM sync_runs ORDER BY id DESC LIMIT 1").fetchone()
    return row is not None and row[0] in ("running", "interrupted", "failed")


def check_search_index(folder: Path, db: sqlite3.Connection) -> Check:
    """Compare the search index with the database."""
    from canvas_archive.search import check_index

    if not is_adopted(db):
        return Check("index", True, "not looked at: it came with an archive that is not adopted")
    state = check_index(db, folder / SEARCH_NAME)
    if not state.total and not (folder / SEARCH_NAME / "record.json").exists() and not _has_index(folder):
        return Check("index", True, "there is no search index yet: run 'canvas-archive index'")
    if state.problem:
        return Check("index", False, f"{state.problem} Run 'canvas-archive index --rebuild'.")
    waiting = f"; {state.pending:,} wait to be indexed" if state.pending else ""
    return Check("index", True, f"{state.total:,} messages indexed{waiting}")


def _has_index(folder: Path) -> bool:
    search = folder / SEARCH_NAME
    return search.is_dir() and any(search.iterdir())


def check_permissions(folder: Path) -> Check:
    """See that nobody else on the machine can read the archive."""
    if os.name != "posix":  # pragma: no cover - Windows
        return Check("permissions", True, "not looked at on this system")
    open_to_others = [
        str(path)
        for path in (folder, *sorted(folder.iterdir()), *sorted((folder / FILES_NAME).glob("*")))
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    return findings(
        "permissions",
        open_to_others,
        "only you can read it",
        f"others can read {{count}} files or folders: chmod -R go= {folder}",
    )
