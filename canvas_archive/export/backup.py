"""A backup is a folder with a copy of the database, of the attachments, and a list of hashes over it all.

    backup.json             whose archive, when, how much
    archive-<hash>.db       the database as SQLite's online backup gives it, also while a sync is running
    config.toml             the archive's options; redaction.key and identity.key, where there are any
    files/ab/ab12…          attachments; those already there from an earlier backup are not copied again
    signatures/             the archive's signed heads, where there are any
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
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
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
from canvas_archive.export.checks import (
    Check,
    ProgressCallback,
    check_contents,
    check_evidence,
    check_foreign_keys,
    check_integrity,
)
from canvas_archive.export.copies import copy_file, make_private, sync_file
from canvas_archive.export.custody import copy_database
from canvas_archive.export.manifest import MANIFEST, hash_file, hash_files, read_manifest, walk
from canvas_archive.export.moment import clock_for_output
from canvas_archive.export.pseudonyms import KEY_NAME
from canvas_archive.machine import machine_trouble
from canvas_archive.store import Archive
from canvas_archive.store.adoption import IDENTITY_NAME
from canvas_archive.store.blobs import readable_blob
from canvas_archive.store.config import CONFIG_NAME
from canvas_archive.store.folder import FILES_NAME, SIGNATURES_NAME
from canvas_archive.store.private import (
    PARTIAL,
    is_regular,
    read_regular,
    require_folder,
    require_regular,
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
_CLOCKS_DIFFER = 86_400.0
"""Seconds by which the clocks of two disks may differ at most."""
_WRITTEN = re.compile(r"archive-.*\.db|.*\.partial", re.DOTALL)
DATABASE = re.compile(r"archive-[0-9a-f]{16}\.db").fullmatch
"""Matches the name of a backup's database."""

BLOB = rf"{FILES_NAME}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})"
"""The name of an attachment in a backup, as a pattern; the second group is its hash."""

SIGNATURE = rf"{SIGNATURES_NAME}/[A-Za-z0-9-]{{1,60}}\.(?:txt|sig|tsr)"
"""The name of a signed statement or its signature, in a backup and in an archive, as a pattern."""

_BLOBS = """
SELECT sha256 FROM attachments WHERE state = 'stored'
UNION SELECT sha256 FROM media_comments WHERE state = 'stored'
UNION SELECT json_extract(value, '$.sha256')
  FROM outbox, json_each(payload, '$.enclosures') WHERE state IN ('queued', 'sending', 'failed')
"""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup or a restoration did; sizes in bytes, attachments by their SHA-256.

    ``checked_files`` of an earlier backup were read again, ``repaired`` ones copied again. ``damaged`` ones
    have no sound copy any more. ``missing`` ones are nowhere, ``lost`` ones only in the backup.
    """

    folder: Path
    messages: int
    files: int
    copied_files: int
    copied_bytes: int
    missing: tuple[str, ...] = ()
    checked_files: int = 0
    repaired: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def backup(
    folder: Path, dest: Path, *, clock: Clock | None = None, progress: ProgressCallback | None = None
) -> BackupReport:
    """Write or refresh a backup of the archive in ``folder``, dated by ``clock``.

    Everything that is written is read back and compared; what an earlier backup left is read again, and
    repaired where it is damaged. Raises ForeignFolder when ``dest`` holds anything but a backup, WrongAccount
    when that is of another mailbox, VerificationFailed when a copy differs, or when the archive is not what
    its own records say: the backup before is kept then.
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
        before = set(dest.glob("archive-*.db"))
        result = _Copied()
        try:
            database = _copy_database(archive.db, dest, progress)
            with closing(open_copy(dest / database)) as copy:
                messages = copy.execute("SELECT count(*) FROM messages").fetchone()[0]
                _copy_blobs(copy, archive.files_dir, dest, result, progress)
        except ArchiveError:
            if begun and (dest / RECORD).exists() and not result.copied:
                # The backup before is left exactly as it was.
                for path in (*(set(dest.glob("archive-*.db")) - before), dest / UNFINISHED):
                    path.unlink()
            raise
        settings = {
            name: read_regular(archive.folder / name, _MOST_BYTES)
            for name in SMALL
            if name == CONFIG_NAME or os.path.lexists(archive.folder / name)
        } | _signatures(dest, archive.folder)
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
        _switch(dest, database, {RECORD: text.encode("utf-8"), **settings})
        _sweep(dest, database)
    return BackupReport(
        dest,
        messages,
        result.files,
        result.copied,
        result.size,
        tuple(result.missing),
        result.checked,
        tuple(result.repaired),
        tuple(result.damaged),
        tuple(result.lost),
    )


def _signatures(*folders: Path) -> dict[str, bytes]:
    """Return the signatures in the folders by their names: what was signed once stays in the backup."""
    found = {}
    for folder in folders:
        if os.path.lexists(folder / SIGNATURES_NAME):
            require_folder(folder / SIGNATURES_NAME)
            for path in sorted((folder / SIGNATURES_NAME).iterdir()):
                name = f"{SIGNATURES_NAME}/{path.name}"
                if re.fullmatch(SIGNATURE, name):
                    found[name] = read_regular(path, _MOST_BYTES)
    return found


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
        if entry.name in (FILES_NAME, SIGNATURES_NAME):
            require_folder(entry)
        elif entry.name in (RECORD, MANIFEST, UNFINISHED, *SMALL) or _WRITTEN.fullmatch(entry.name):
            require_regular(entry)


def _copy_database(live: sqlite3.Connection, dest: Path, progress: ProgressCallback) -> str:
    partial = dest / "archive.db.partial"
    partial.unlink(missing_ok=True)
    write_private(partial, b"")
    try:
        copy_database(live, partial)
        found = next((check for check in _checks(partial, progress) if not check.ok), None)
    except sqlite3.DatabaseError as error:
        trouble = machine_trouble(error)
        if trouble is not None and not isinstance(trouble, VerificationFailed):
            partial.unlink()
            raise trouble from error
        found = Check("database", False, str(error))
    if found is not None:
        partial.unlink()
        what = found.items[0] if found.items else found.detail
        state = "damaged" if found.name == "database" else f"not what its own records say ({found.name})"
        raise VerificationFailed(
            f"The archive's database is {state}: {what}. No backup was made of it. "
            "See 'canvas-archive verify', and restore an earlier backup."
        )
    name = f"archive-{hash_file(partial)[0][:16]}.db"
    sync_file(partial)
    partial.replace(dest / name)
    return name


def _checks(copy: Path, progress: ProgressCallback) -> Iterator[Check]:
    """Yield the checks that show a damaged or a forged database."""
    with closing(open_copy(copy)) as db:
        db.row_factory = sqlite3.Row
        yield check_integrity(db)
        yield check_foreign_keys(db)
        yield check_evidence(db, None)
        yield check_contents(db, progress)


def open_copy(path: Path) -> sqlite3.Connection:
    """Open a database that nobody writes to, for reading, so that nothing appears beside it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


@dataclass
class _Copied:
    files: int = 0
    copied: int = 0
    size: int = 0
    checked: int = 0
    missing: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def _copy_blobs(
    db: sqlite3.Connection, files_dir: Path, dest: Path, result: _Copied, progress: ProgressCallback
) -> None:
    """Bring every attachment into the backup: those that are sound there stay, the others are copied."""
    rows = {f"{FILES_NAME}/{digest[:2]}/{digest}" for (digest,) in db.execute(_BLOBS)}
    sound, damaged = _look_at_copies(dest, result, progress)
    _check_sources(files_dir, dest, sound & rows, result)
    # What only an earlier backup needed is repaired like the rest, where the archive still has it.
    wanted = sorted((rows | damaged) - sound)
    result.files = len(sound & rows)
    for number, name in enumerate(wanted, start=1):
        progress("attachments", number, len(wanted))
        digest = name.rpartition("/")[2]
        if readable_blob(files_dir, digest) is None:
            (result.damaged if name in damaged else result.missing).append(digest)
            continue
        make_private((dest / name).parent, dest)
        if os.path.lexists(dest / name):
            require_regular(dest / name)
        copy_file(files_dir / digest[:2] / digest, dest / name, expect=digest, below=files_dir)
        result.files += name in rows
        result.copied += 1
        result.size += (dest / name).stat().st_size
        if name in damaged:
            result.repaired.append(digest)


def _look_at_copies(dest: Path, result: _Copied, progress: ProgressCallback) -> tuple[set[str], set[str]]:
    """Read the attachments of earlier backups; return the names of the sound ones, and of the others."""
    names = [name for name in _stored(dest) if re.fullmatch(BLOB, name)]
    sound: set[str] = set()
    damaged: set[str] = set()
    for number, (name, hashes) in enumerate(hash_files(dest, names), start=1):
        progress("earlier copies", number, len(names))
        is_sound = not isinstance(hashes, OSError) and hashes[0] == name.rpartition("/")[2]
        (sound if is_sound else damaged).add(name)
    result.checked = len(names)
    return sound, damaged


def _check_sources(files_dir: Path, dest: Path, names: set[str], result: _Copied) -> None:
    """Note attachments that only the backup has. Raises VerificationFailed for one that was altered.

    The content is compared where the disk says that it may have changed since the backup before.
    """
    since = 0.0
    with contextlib.suppress(OSError):
        since = (dest / MANIFEST).stat().st_mtime - _CLOCKS_DIFFER
    changed = []
    for name in sorted(names):
        path = readable_blob(files_dir, name.rpartition("/")[2])
        if path is None:
            result.lost.append(name.rpartition("/")[2])
        elif path.lstat().st_ctime > since:
            changed.append(f"{path.parent.name}/{path.name}")
    for name, hashes in hash_files(files_dir, changed):
        if isinstance(hashes, OSError) or hashes[0] != name.rpartition("/")[2]:
            raise VerificationFailed(
                f"{files_dir / name} was altered; the backup has a sound copy, and was left as it was. "
                "See 'canvas-archive verify' for what else is wrong."
            )


def _switch(dest: Path, database: str, small: dict[str, bytes]) -> None:
    """Make what was copied the backup; interrupted anywhere, the folder is the old backup or the new one."""
    # Blobs of earlier backups that no row of this one refers to stay: nothing is ever deleted.
    listed = {name: {found[2]} for name in _stored(dest) if (found := re.fullmatch(BLOB, name))}
    listed[database] = {hash_file(dest / database)[0]}
    listed.update((name, {sha256(data).hexdigest()}) for name, data in small.items())
    both = {name: set(values) for name, values in listed.items()}
    with contextlib.suppress(OSError, ValueError):
        for value, name in read_manifest(dest / MANIFEST):
            if is_regular(dest / name):
                both.setdefault(name, set()).add(value)
        _write_manifest(dest, both)
    for name, data in small.items():
        make_private((dest / name).parent, dest)
        write_private(dest / name, data)
        if hash_file(dest / name)[0] not in listed[name]:
            raise VerificationFailed(f"{dest / name} could not be written: what was read back differs.")
    _write_manifest(dest, listed)


def _write_manifest(dest: Path, listed: dict[str, set[str]]) -> None:
    text = "".join(f"{value}  {name}\n" for name in sorted(listed) for value in sorted(listed[name]))
    write_private(dest / MANIFEST, text.encode("utf-8"))
    sync_folder(dest)


def _stored(dest: Path) -> Iterator[str]:
    """Yield the names of all that lies among the attachments of a backup."""
    return walk(dest / FILES_NAME, f"{FILES_NAME}/") if (dest / FILES_NAME).is_dir() else iter(())


def _sweep(dest: Path, database: str) -> None:
    for path in dest.glob("archive-*.db"):
        if path.name != database:
            path.unlink()
    partial = [dest / name for name in _stored(dest) if name.endswith(PARTIAL)]
    partial += dest.glob(f"{SIGNATURES_NAME}/*{PARTIAL}")
    for path in (*dest.glob(f"*{PARTIAL}"), *partial, dest / UNFINISHED):
        path.unlink(missing_ok=True)
