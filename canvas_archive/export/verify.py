"""Checking an archive against its own records: the database (see ``checks``), then files, index, permissions.

Nothing is changed by it.
"""

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
from canvas_archive.export.checks import (
    Check,
    ProgressCallback,
    check_account,
    check_completeness,
    check_contents,
    check_evidence,
    check_foreign,
    check_foreign_keys,
    check_integrity,
    check_journal,
    check_local_rows,
    check_schema,
    check_states,
    check_totals,
    findings,
)
from canvas_archive.export.listing import is_foreign
from canvas_archive.export.rehash import check_blobs, state_path
from canvas_archive.export.signatures import check_signatures
from canvas_archive.signing.stored import NOBODY, Trust
from canvas_archive.store import connect_readonly
from canvas_archive.store.adoption import is_adopted
from canvas_archive.store.folder import DB_NAME, FILES_NAME, SEARCH_NAME, require_usable


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """``chain_head`` is a head noted earlier; ``resume`` goes on where re-hashing was interrupted.

    ``trust`` says whose signatures and time stamps prove anything.
    """

    files: bool = True
    jobs: int = 4
    resume: bool = False
    chain_head: str | None = None
    trust: Trust = NOBODY


def verify_archive(
    folder: Path,
    options: VerifyOptions | None = None,
    progress: ProgressCallback | None = None,
) -> Iterator[Check]:
    """Yield the checks of the archive in ``folder`` as they are done.

    ``progress`` is called with what is being checked, how far it is, and the total (0: unknown).

    Raises UnusableFile when a link, a FIFO or a device is where a file or folder of an archive belongs.
    """
    options = options or VerifyOptions()
    progress = progress or (lambda name, done, total: None)
    require_usable(folder)
    try:
        db = connect_readonly(folder / DB_NAME)
    except ArchiveError as error:
        yield Check("database", False, str(error))
        return
    with closing(db), _InThread(folder / DB_NAME) as integrity:
        held: list[Check] = []
        try:
            db.execute("BEGIN")  # one snapshot: a sync that ends meanwhile must not look like tampering
            for name, look in _rows_looks(folder, db, options, progress):
                if integrity.is_done and not integrity.result.ok:
                    break
                progress(name, 0, 0)
                held.append(_looked(name, look, db))
            db.execute("COMMIT")
        except Exception:
            # What a damaged database does to a check may be anything, and it is not worth telling.
            if integrity.result.ok:
                raise
        progress("database", 0, 0)
        yield integrity.result
        if not integrity.result.ok:
            return  # whatever a damaged database says next is worth nothing
        yield from held
        for name, check in _other_looks(folder, db, options, progress):
            progress(name, 0, 0)
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
    folder: Path, db: sqlite3.Connection, options: VerifyOptions, progress: ProgressCallback
) -> tuple[tuple[str, Callable[[], Check]], ...]:
    """Return the checks of what the database says. They take no notice of files."""
    return (
        ("foreign keys", lambda: check_foreign_keys(db)),
        ("schema", lambda: check_schema(db)),
        ("account", lambda: check_account(folder, db)),
        ("completeness", lambda: check_completeness(db)),
        ("counts", lambda: check_totals(db)),
        ("edits", lambda: check_journal(db)),
        ("journal", lambda: check_local_rows(db)),
        ("states", lambda: check_states(db)),
        ("chain", lambda: check_evidence(db, options.chain_head)),
        ("contents", lambda: check_contents(db, progress)),
    )


def _other_looks(
    folder: Path, db: sqlite3.Connection, options: VerifyOptions, progress: ProgressCallback
) -> Iterator[tuple[str, Callable[[], Iterable[Check]]]]:
    if options.files:
        yield "attachments", lambda: check_files(folder, db, options, progress)
    yield "signatures", lambda: check_signatures(folder, db, options.trust)
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


def check_files(
    folder: Path, db: sqlite3.Connection, options: VerifyOptions, progress: ProgressCallback
) -> Iterator[Check]:
    """Read every stored attachment again and compare it with its name; look for files nobody knows."""
    result = check_blobs(
        folder / FILES_NAME,
        db,
        jobs=options.jobs,
        state_file=state_path(folder),
        resume=options.resume,
        progress=lambda done, total: progress("attachments", done, total),
    )
    yield findings(
        "attachments",
        result.bad,
        f"{result.checked:,} files match their SHA-256"
        + (f" ({result.skipped:,} more in an earlier run)" if result.skipped else ""),
        "{count} attachments are missing or altered: sync again, or restore a backup",
    )
    if result.foreign:
        yield check_foreign(result.foreign)
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
    skipped = f"; {state.skipped:,} cannot be indexed: their rows are damaged" if state.skipped else ""
    return Check("index", True, f"{state.total:,} messages indexed{waiting}{skipped}")


def _has_index(folder: Path) -> bool:
    search = folder / SEARCH_NAME
    return search.is_dir() and not all(is_foreign(path.name) for path in search.iterdir())


def check_permissions(folder: Path) -> Check:
    """See that nobody else on the machine can read the archive."""
    if os.name != "posix":  # pragma: no cover - Windows
        return Check("permissions", True, "not looked at on this system")
    open_to_others = [
        str(path)
        for path in (folder, *sorted(folder.iterdir()), *sorted((folder / FILES_NAME).glob("*")))
        if not path.is_symlink() and not is_foreign(path.name) and path.stat().st_mode & 0o077
    ]
    return findings(
        "permissions",
        open_to_others,
        "only you can read it",
        f"others can read {{count}} files or folders: chmod -R go= {folder}",
    )
