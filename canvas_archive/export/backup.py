"""A backup is a folder with a copy of the database, of the attachments, and a list of hashes over it all.

    backup.json             whose archive, when, how much
    archive-<hash>.db       the database as SQLite's online backup gives it, also while a sync is running
    config.toml             the archive's options; redaction.key and identity.key, where there are any
    files/ab/ab12…          attachments; those already there from an earlier backup are not copied again
    manifest-sha256.txt     the hash of every other file; written last, it makes the backup a backup

The database has its hash in its name, so that the one before stays good until the new manifest is in place;
while the small files change, the manifest allows both of their contents. ``backup.unfinished`` says that a
backup was begun: what no manifest lists then is left over, not foreign. The search index is not copied: it is
derived, and made anew when a backup is restored (see ``restore``).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from canvas_archive import __version__
from canvas_archive.clock import Clock, iso
from canvas_archive.errors import (
    ArchiveError,
    BadInput,
    ForeignFolder,
    UnusableFile,
    VerificationFailed,
    WrongAccount,
)
from canvas_archive.export.copies import copy_file, make_private, sync_file
from canvas_archive.export.custody import copy_database
from canvas_archive.export.manifest import MANIFEST, hash_file, read_manifest, walk
from canvas_archive.export.moment import clock_for_output
from canvas_archive.export.redact import KEY_NAME
from canvas_archive.machine import machine_trouble
from canvas_archive.store import Archive
from canvas_archive.store.adoption import IDENTITY_NAME
from canvas_archive.store.blobs import readable_blob
from canvas_archive.store.config import CONFIG_NAME
from canvas_archive.store.folder import FILES_NAME
from canvas_archive.store.private import (
    PARTIAL,
    is_regular,
    read_regular,
    require_folder,
    require_regular,
    require_way,
    sync_folder,
    touch_private,
    write_private,
)

RECORD = "backup.json"
RECORD_TYPE = "canvas-archive backup"
UNFINISHED = "backup.unfinished"
SMALL = (CONFIG_NAME, KEY_NAME, IDENTITY_NAME)
"""The small files of an archive that a backup holds; the last two only where there are any."""

_MOST_BYTES = 1 << 20
_WRITTEN = re.compile(r"archive-.*\.db|.*\.partial", re.DOTALL)
BLOB = rf"{FILES_NAME}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})"
"""The name of an attachment in a backup, as a pattern; the second group is its hash."""

_BLOBS = """
SELECT sha256, max(stored_size) FROM (
  SELECT sha256, stored_size FROM attachments WHERE state = 'stored'
  UNION ALL SELECT sha256, stored_size FROM media_comments WHERE state = 'stored'
  UNION ALL SELECT json_extract(value, '$.sha256'), json_extract(value, '$.size')
    FROM outbox, json_each(payload, '$.enclosures') WHERE state IN ('queued', 'sending', 'failed'))
GROUP BY sha256 ORDER BY sha256
"""

ProgressCallback = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup or a restoration did; sizes in bytes. ``missing`` blobs were not there to copy."""

    folder: Path
    messages: int
    files: int
    copied_files: int
    copied_bytes: int
    missing: tuple[str, ...] = ()


def backup(
    folder: Path, dest: Path, *, clock: Clock | None = None, progress: ProgressCallback | None = None
) -> BackupReport:
    """Write or refresh a backup of the archive in ``folder``, dated by ``clock``.

    Everything that is written is read back and compared. Raises ForeignFolder when ``dest`` holds anything
    but a backup, WrongAccount when that is of another mailbox, VerificationFailed when a copy differs.
    """
    progress = progress or (lambda what, done, total: None)
    clock = clock or clock_for_output()
    with Archive.open(folder) as archive:
        if dest.resolve().is_relative_to(archive.folder.resolve()):
            raise BadInput(
                f"{dest} lies inside the archive. Back up to another folder, best on another disk."
            )
        account = archive.account
        begun = _claim(dest, account.base_url, account.owner_id)
        progress("database", 0, 0)
        try:
            database = _copy_database(archive.db, dest)
        except ArchiveError:
            if begun and (dest / RECORD).exists():
                (dest / UNFINISHED).unlink()  # the backup before is left exactly as it was
            raise
        with closing(open_copy(dest / database)) as copy:
            messages = copy.execute("SELECT count(*) FROM messages").fetchone()[0]
            known = _known_hashes(dest)
            result = _copy_blobs(copy, archive.files_dir, dest, known, progress)
        settings = {
            name: read_regular(archive.folder / name, _MOST_BYTES)
            for name in SMALL
            if name == CONFIG_NAME or os.path.lexists(archive.folder / name)
        }
        record = {
            "type": RECORD_TYPE,
            "generator": f"canvas-archive {__version__}",
            "base_url": account.base_url,
            "user_id": account.owner_id,
            "name": account.name,
            "made_at": iso(clock.now()),
            "database": database,
            "messages": messages,
            "files": result.files,
        }
        text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
        _switch(dest, database, {RECORD: text.encode("utf-8"), **settings}, result.hashes)
        _sweep(dest, database)
    return BackupReport(dest, messages, result.files, result.copied, result.size, tuple(result.missing))


def read_record(folder: Path) -> dict[str, object] | None:
    """Return what a backup says about itself; ``None`` when the folder holds no backup.

    Raises UnusableFile when a link, a FIFO or a device is where its record belongs.
    """
    try:
        document = json.loads(read_regular(folder / RECORD, _MOST_BYTES))
    except UnusableFile:
        raise
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and document.get("type") == RECORD_TYPE else None


def _claim(dest: Path, base_url: str, user_id: int) -> bool:
    """Make or check the folder and mark the backup as begun; return whether it was not so marked before."""
    if dest.is_file():
        raise ForeignFolder(f"{dest} is a file; a backup is a folder.")
    if dest.is_dir() and any(dest.iterdir()):
        record = read_record(dest)
        unfinished = os.path.lexists(dest / UNFINISHED)
        _refuse_odd(dest)
        if record is None and not unfinished:
            raise ForeignFolder(f"{dest} holds something that is not a backup; nothing was written there.")
        if record is not None and (record.get("base_url"), record.get("user_id")) != (base_url, user_id):
            raise WrongAccount(
                f"{dest} holds the backup of user {record.get('user_id')} at {record.get('base_url')}. "
                "Choose another folder."
            )
    dest.mkdir(mode=0o700, parents=True, exist_ok=True)
    dest.chmod(0o700)
    # A backup that is interrupted can be taken up again.
    begun = not os.path.lexists(dest / UNFINISHED)
    touch_private(dest / UNFINISHED)
    return begun


def _refuse_odd(dest: Path) -> None:
    """Raise UnusableFile when a link, a FIFO or a folder is where a file of the backup belongs."""
    for entry in dest.iterdir():
        if entry.name == FILES_NAME:
            require_folder(entry)
        elif entry.name in (RECORD, MANIFEST, UNFINISHED, *SMALL) or _WRITTEN.fullmatch(entry.name):
            require_regular(entry)


def _copy_database(live: sqlite3.Connection, dest: Path) -> str:
    partial = dest / "archive.db.partial"
    partial.unlink(missing_ok=True)
    write_private(partial, b"")
    try:
        copy_database(live, partial)
        with closing(sqlite3.connect(partial.absolute())) as copy:
            found = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(10)")]
    except sqlite3.DatabaseError as error:
        trouble = machine_trouble(error)
        if trouble is not None and not isinstance(trouble, VerificationFailed):
            partial.unlink()
            raise trouble from error
        found = [str(error)]
    if found != ["ok"]:
        partial.unlink()
        raise VerificationFailed(
            f"The archive's database is damaged ({found[0]}); no backup was made of it. "
            "Restore an earlier one."
        )
    name = f"archive-{hash_file(partial)[0][:16]}.db"
    sync_file(partial)
    partial.replace(dest / name)
    return name


def open_copy(path: Path) -> sqlite3.Connection:
    """Open a database that nobody writes to, for reading, so that nothing appears beside it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


@dataclass
class _Copied:
    files: int
    copied: int
    size: int
    missing: list[str]
    hashes: dict[str, str]


def _copy_blobs(
    db: sqlite3.Connection, files_dir: Path, dest: Path, known: dict[str, str], progress: ProgressCallback
) -> _Copied:
    rows = db.execute(_BLOBS).fetchall()
    result = _Copied(0, 0, 0, [], {})
    for number, (digest, size) in enumerate(rows, start=1):
        progress("attachments", number, len(rows))
        name = f"{FILES_NAME}/{digest[:2]}/{digest}"
        source, target = files_dir / digest[:2] / digest, dest / name
        result.hashes[name] = digest
        if known.get(name) == digest and _is_copied(target, dest, size):
            result.files += 1
            continue
        if readable_blob(files_dir, digest) is None:
            result.missing.append(digest)
            del result.hashes[name]
            continue
        make_private(target.parent, dest)
        copy_file(source, target, expect=digest, below=files_dir)
        result.files += 1
        result.copied += 1
        result.size += size
    return result


def _is_copied(target: Path, dest: Path, size: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        require_way(target, dest)
        return require_regular(target).st_size == size
    return False


def _known_hashes(dest: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        return {name: value for value, name in read_manifest(dest / MANIFEST)}
    return {}


def _switch(dest: Path, database: str, small: dict[str, bytes], blobs: dict[str, str]) -> None:
    """Make what was copied the backup; interrupted anywhere, the folder is the old backup or the new one."""
    listed = {name: {value} for name, value in blobs.items()}
    # Blobs of earlier backups that no row of this one refers to stay: nothing is ever deleted.
    for name in walk(dest / FILES_NAME, f"{FILES_NAME}/") if (dest / FILES_NAME).is_dir() else ():
        if found := re.fullmatch(BLOB, name):
            listed.setdefault(name, {found[2]})
    listed[database] = {hash_file(dest / database)[0]}
    listed.update((name, {sha256(data).hexdigest()}) for name, data in small.items())
    both = {name: set(values) for name, values in listed.items()}
    with contextlib.suppress(OSError, ValueError):
        for value, name in read_manifest(dest / MANIFEST):
            if is_regular(dest / name):
                both.setdefault(name, set()).add(value)
        _write_manifest(dest, both)
    for name, data in small.items():
        write_private(dest / name, data)
        if hash_file(dest / name)[0] not in listed[name]:
            raise VerificationFailed(f"{dest / name} could not be written: what was read back differs.")
    _write_manifest(dest, listed)


def _write_manifest(dest: Path, listed: dict[str, set[str]]) -> None:
    text = "".join(f"{value}  {name}\n" for name in sorted(listed) for value in sorted(listed[name]))
    write_private(dest / MANIFEST, text.encode("utf-8"))
    sync_folder(dest)


def _sweep(dest: Path, database: str) -> None:
    for path in dest.glob("archive-*.db"):
        if path.name != database:
            path.unlink()
    copied = walk(dest / FILES_NAME, f"{FILES_NAME}/") if (dest / FILES_NAME).is_dir() else ()
    partial = [dest / name for name in copied if name.endswith(PARTIAL)]
    for path in (*dest.glob(f"*{PARTIAL}"), *partial, dest / UNFINISHED):
        path.unlink(missing_ok=True)
