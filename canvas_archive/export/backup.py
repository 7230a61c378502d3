"""A backup is a folder with a copy of the database, of the attachments, and a list of hashes over it all.

    backup.json             whose archive, when, how much
    archive-<hash>.db       the database as SQLite's online backup gives it, also while a sync is running
    config.toml             the archive's options; redaction.key, where there is one
    files/ab/ab12…          attachments; those already there from an earlier backup are not copied again
    manifest-sha256.txt     the hash of every other file; written last, it makes the backup a backup

The database has its hash in its name, so that the one before stays good until the new manifest is in place;
while the small files change, the manifest allows both of their contents. ``backup.unfinished`` says that a
backup was begun: what no manifest lists then is left over, not foreign; ``restore.unfinished`` says that of a
folder that is being restored into. The search index is not copied: it is derived, and made anew when a backup
is restored.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from canvas_archive import __version__
from canvas_archive.clock import Clock, iso
from canvas_archive.errors import ArchiveError, BadInput, ForeignFolder, VerificationFailed, WrongAccount
from canvas_archive.export.custody import copy_database
from canvas_archive.export.manifest import MANIFEST, hash_file, read_manifest, walk
from canvas_archive.export.moment import clock_for_output
from canvas_archive.export.redact import KEY_NAME
from canvas_archive.machine import machine_trouble
from canvas_archive.store import Archive
from canvas_archive.store.blobs import readable_blob
from canvas_archive.store.config import CONFIG_NAME
from canvas_archive.store.folder import DB_NAME, FILES_NAME, SEARCH_NAME, require_free_folder
from canvas_archive.store.private import CREATE, sync_folder, write_private

RECORD = "backup.json"
RECORD_TYPE = "canvas-archive backup"
UNFINISHED = "backup.unfinished"
RESTORING = "restore.unfinished"
_COPY_CHUNK = 1 << 20
_DATABASE = re.compile(r"archive-[0-9a-f]{16}\.db")

_BLOBS = """
SELECT sha256, max(stored_size) FROM (
  SELECT sha256, stored_size FROM attachments WHERE state = 'stored'
  UNION ALL SELECT sha256, stored_size FROM media_comments WHERE state = 'stored'
  UNION ALL SELECT json_extract(value, '$.sha256'), json_extract(value, '$.size')
    FROM outbox, json_each(payload, '$.enclosures') WHERE state IN ('queued', 'sending', 'failed'))
GROUP BY sha256 ORDER BY sha256
"""

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup or a restoration did; sizes in bytes. ``missing`` blobs were not there to copy."""

    folder: Path
    messages: int
    files: int
    copied_files: int
    copied_bytes: int
    missing: tuple[str, ...] = ()


def backup(folder: Path, dest: Path, *, clock: Clock | None = None, tell: Tell | None = None) -> BackupReport:
    """Write or refresh a backup of the archive in ``folder``, dated by ``clock``.

    Everything that is written is read back and compared. Raises ForeignFolder when ``dest`` holds anything
    but a backup, WrongAccount when that is of another mailbox, VerificationFailed when a copy differs.
    """
    tell = tell or (lambda what, done, total: None)
    clock = clock or clock_for_output()
    with Archive.open(folder) as archive:
        if dest.resolve().is_relative_to(archive.folder.resolve()):
            raise BadInput(
                f"{dest} lies inside the archive. Back up to another folder, best on another disk."
            )
        account = archive.account
        begun = _claim(dest, account.base_url, account.owner_id)
        tell("database", 0, 0)
        try:
            database = _copy_database(archive.db_path, dest)
        except ArchiveError:
            if begun and (dest / RECORD).exists():
                (dest / UNFINISHED).unlink()  # the backup before is left exactly as it was
            raise
        with closing(_open_copy(dest / database)) as copy:
            messages = copy.execute("SELECT count(*) FROM messages").fetchone()[0]
            known = _known_hashes(dest)
            result = _copy_blobs(copy, archive.files_dir, dest, known, tell)
        settings = {
            name: _own_bytes(archive.folder / name)
            for name in (CONFIG_NAME, KEY_NAME)
            if name == CONFIG_NAME or (archive.folder / name).is_file()
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


def _own_bytes(path: Path) -> bytes:
    if path.is_symlink():
        raise ForeignFolder(
            f"{path} is a symbolic link: what it leads to is not copied. Nothing was changed."
        )
    return path.read_bytes()


def read_record(folder: Path) -> dict[str, object] | None:
    """Return what a backup says about itself; ``None`` when the folder holds no backup."""
    try:
        document = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.get("type") == RECORD_TYPE else None


def _claim(dest: Path, base_url: str, user_id: int) -> bool:
    """Make or check the folder and mark the backup as begun; tell whether it was not so marked before."""
    if dest.is_file():
        raise ForeignFolder(f"{dest} is a file; a backup is a folder.")
    if dest.is_dir() and any(dest.iterdir()):
        record = read_record(dest)
        unfinished = (dest / UNFINISHED).exists()
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
    begun = not (dest / UNFINISHED).exists()
    (dest / UNFINISHED).touch(mode=0o600)
    return begun


def _copy_database(source: Path, dest: Path) -> str:
    partial = dest / "archive.db.partial"
    partial.unlink(missing_ok=True)
    write_private(partial, b"")
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as live:
            copy_database(live, partial)
            with closing(sqlite3.connect(partial)) as copy:
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


def _open_copy(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


@dataclass
class _Copied:
    files: int
    copied: int
    size: int
    missing: list[str]
    hashes: dict[str, str]


def _copy_blobs(
    db: sqlite3.Connection, files_dir: Path, dest: Path, known: dict[str, str], tell: Tell
) -> _Copied:
    rows = db.execute(_BLOBS).fetchall()
    result = _Copied(0, 0, 0, [], {})
    for number, (digest, size) in enumerate(rows, start=1):
        tell("attachments", number, len(rows))
        name = f"{FILES_NAME}/{digest[:2]}/{digest}"
        source, target = files_dir / digest[:2] / digest, dest / name
        result.hashes[name] = digest
        if known.get(name) == digest and target.is_file() and target.stat().st_size == size:
            result.files += 1
            continue
        if readable_blob(files_dir, digest) is None:
            result.missing.append(digest)
            del result.hashes[name]
            continue
        make_private(target.parent, dest)
        copy_file(source, target, expect=digest)
        result.files += 1
        result.copied += 1
        result.size += size
    return result


def _known_hashes(dest: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        return {name: value for value, name in read_manifest(dest / MANIFEST)}
    return {}


def _switch(dest: Path, database: str, small: dict[str, bytes], blobs: dict[str, str]) -> None:
    """Make what was copied the backup; interrupted anywhere, the folder is the old backup or the new one."""
    listed = {name: {value} for name, value in blobs.items()}
    # Blobs of earlier backups that no row of this one refers to stay: nothing is ever deleted.
    for name in walk(dest / FILES_NAME, f"{FILES_NAME}/") if (dest / FILES_NAME).is_dir() else ():
        if not name.endswith(".partial"):
            listed.setdefault(name, {name.rpartition("/")[2]})
    listed[database] = {hash_file(dest / database)[0]}
    listed.update((name, {sha256(data).hexdigest()}) for name, data in small.items())
    both = {name: set(values) for name, values in listed.items()}
    with contextlib.suppress(OSError, ValueError):
        for value, name in read_manifest(dest / MANIFEST):
            if (dest / name).is_file():
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
    for path in (*dest.glob("*.partial"), *dest.glob(f"{FILES_NAME}/*/*.partial"), dest / UNFINISHED):
        path.unlink(missing_ok=True)


def restore(source: Path, folder: Path, *, tell: Tell | None = None) -> BackupReport:
    """Make an archive in ``folder`` (new or empty) from a backup; every file is checked on its way.

    Raises ForeignFolder or GuardRefused when ``folder`` is not free, VerificationFailed when the backup is
    not what its manifest says. Nothing is left behind then.
    """
    tell = tell or (lambda what, done, total: None)
    record = read_record(source)
    if record is None or not (source / MANIFEST).is_file():
        raise BadInput(f"{source} is no complete backup: it has no {RECORD} or no {MANIFEST}.")
    if _is_left_by_restore(folder):
        _clear(folder, keep=True)
    require_free_folder(folder)
    try:
        entries: dict[str, set[str]] = {}
        for value, name in read_manifest(source / MANIFEST):
            entries.setdefault(name, set()).add(value)
    except (ValueError, UnicodeDecodeError) as error:
        raise VerificationFailed(f"The backup's manifest is damaged: {error}.") from error
    existed = folder.exists()
    make_private(folder, folder)
    (folder / RESTORING).touch(mode=0o600)
    try:
        report = _restore_into(source, folder, record, entries, tell)
    except BaseException:
        _clear(folder, keep=existed)
        raise
    with Archive.open(folder):
        pass  # it opens: the folder is an archive
    return report


def _restore_into(
    source: Path, folder: Path, record: dict[str, object], entries: dict[str, set[str]], tell: Tell
) -> BackupReport:
    database = str(record.get("database"))
    if database not in entries or CONFIG_NAME not in entries:
        raise VerificationFailed(f"The backup's manifest lacks {database} or {CONFIG_NAME}.")
    files = size = 0
    for number, (name, values) in enumerate(entries.items(), start=1):
        tell("files", number, len(entries))
        if name == RECORD:
            if hash_file(source / name)[0] not in values:
                raise VerificationFailed(f"{source / name} is not what the manifest says.")
            continue
        if _DATABASE.fullmatch(name) and name != database:
            continue  # the one of the backup before, or of the one that was interrupted
        # The database gets its name last: until then the folder is no archive.
        target = folder / (f"{DB_NAME}.unfinished" if name == database else name)
        make_private(target.parent, folder)
        found = next(iter(values)) if len(values) == 1 else hash_file(source / name)[0]
        copy_file(source / name, target, expect=found if found in values else min(values))
        size += target.stat().st_size
        files += name.startswith(f"{FILES_NAME}/")
    for name in (FILES_NAME, SEARCH_NAME):
        make_private(folder / name, folder)
    (folder / f"{DB_NAME}.unfinished").replace(folder / DB_NAME)
    (folder / RESTORING).unlink()
    with closing(_open_copy(folder / DB_NAME)) as db:
        messages = db.execute("SELECT count(*) FROM messages").fetchone()[0]
    return BackupReport(folder, messages, files, files, size)


def _is_left_by_restore(folder: Path) -> bool:
    """Tell whether a folder holds an interrupted restoration and nothing else."""
    if not (folder / RESTORING).is_file():
        return False
    ours = {RESTORING, FILES_NAME, SEARCH_NAME, CONFIG_NAME, KEY_NAME, f"{DB_NAME}.unfinished"}
    return all(path.name.removesuffix(".partial") in ours for path in folder.iterdir())


def _clear(folder: Path, *, keep: bool) -> None:
    # The mark goes last, so that an interruption leaves a folder that can be cleared again.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RESTORING):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if not keep:
        folder.rmdir()


def copy_file(source: Path, target: Path, *, expect: str | None = None) -> None:
    """Copy a file to a private one, bring it to the disk, read it back and compare.

    Raises VerificationFailed when the source is not what is expected, or the copy is not the source.
    """
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        wanted = expect or hash_file(source)[0]
        with os.fdopen(os.open(partial, CREATE, 0o600), "wb") as out, source.open("rb") as file:
            if source.is_symlink():
                raise VerificationFailed(f"{source} is a symbolic link: what it leads to is not copied.")
            shutil.copyfileobj(file, out, _COPY_CHUNK)
            out.flush()
            os.fsync(out.fileno())
        found = hash_file(partial)[0]
    except FileNotFoundError as error:
        partial.unlink(missing_ok=True)
        raise VerificationFailed(f"{error.filename} is missing.") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if found != wanted:
        partial.unlink(missing_ok=True)
        raise VerificationFailed(
            f"{source} does not match its recorded SHA-256. "
            "Run 'canvas-archive verify' to see what else is wrong."
        )
    partial.replace(target)


def make_private(folder: Path, top: Path) -> None:
    """Make a folder and those between it and ``top``, each mode 0700."""
    missing: list[Path] = []
    path = folder
    while not path.is_dir():
        missing.append(path)
        if path == top:
            path.parent.mkdir(parents=True, exist_ok=True)
            break
        path = path.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700)
    if folder == top:
        folder.chmod(0o700)


def sync_file(path: Path) -> None:
    """Bring a file's bytes to the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
