"""An archive from a backup (see ``backup``): into a new folder, every file checked on its way."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from contextlib import closing
from pathlib import Path

from canvas_archive.errors import BadInput, NotAdopted, VerificationFailed
from canvas_archive.export.backup import (
    BLOB,
    DATABASE,
    RECORD,
    SIGNATURE,
    SMALL,
    BackupReport,
    open_copy,
    read_record,
)
from canvas_archive.export.checks import ProgressCallback
from canvas_archive.export.copies import copy_file, make_private
from canvas_archive.export.manifest import MANIFEST, hash_file, read_manifest
from canvas_archive.store import Archive
from canvas_archive.store.config import CONFIG_NAME
from canvas_archive.store.folder import (
    DB_NAME,
    FILES_NAME,
    SEARCH_NAME,
    SIGNATURES_NAME,
    require_free_folder,
)
from canvas_archive.store.private import is_regular, touch_private

RESTORING = "restore.unfinished"
_SMALL = frozenset({RECORD, *SMALL})
_BLOB = re.compile(BLOB).fullmatch
_SIGNATURE = re.compile(SIGNATURE).fullmatch


def restore(source: Path, folder: Path, *, progress: ProgressCallback | None = None) -> BackupReport:
    """Make an archive in ``folder`` (new or empty) from a backup; every file is checked on its way.

    Raises ForeignFolder or GuardRefused when ``folder`` is not free, VerificationFailed when the backup is
    not what its manifest says. Nothing is left behind then.
    """
    progress = progress or (lambda what, done, total: None)
    record = read_record(source)
    if record is None or not os.path.lexists(source / MANIFEST):
        raise BadInput(f"{source} is no complete backup: it has no {RECORD} or no {MANIFEST}.")
    if _is_left_by_restore(folder):
        _clear(folder, keep=True)
    require_free_folder(folder)
    entries = _entries(source / MANIFEST)
    existed = folder.exists()
    make_private(folder, folder)
    touch_private(folder / RESTORING)
    try:
        report = _restore_into(source, folder, record, entries, progress)
    except BaseException:
        _clear(folder, keep=existed)
        raise
    with contextlib.suppress(NotAdopted):  # an older version's, which is upgraded when it is adopted
        Archive.open(folder).close()  # it opens: the folder is an archive
    return report


def _entries(manifest: Path) -> dict[str, set[str]]:
    """Return the files of a backup with the hashes each may have."""
    entries: dict[str, set[str]] = {}
    try:
        for value, name in read_manifest(manifest):
            entries.setdefault(name, set()).add(value)
    except ValueError as error:
        raise VerificationFailed(f"The backup's manifest is damaged: {error}.") from error
    # Above all no search index, which is loaded as it lies there.
    known = (DATABASE, _BLOB, _SIGNATURE)
    foreign = [name for name in entries if name not in _SMALL and not any(is_one(name) for is_one in known)]
    if foreign:
        raise VerificationFailed(
            f"The backup's manifest lists {foreign[0]}, which no backup of this version has. "
            "It was altered, or made by a newer version: update canvas-archive."
        )
    return entries


def _restore_into(
    source: Path,
    folder: Path,
    record: dict[str, object],
    entries: dict[str, set[str]],
    progress: ProgressCallback,
) -> BackupReport:
    database = str(record.get("database"))
    if database not in entries or CONFIG_NAME not in entries:
        raise VerificationFailed(f"The backup's manifest lacks {database} or {CONFIG_NAME}.")
    files = size = 0
    for number, (name, values) in enumerate(entries.items(), start=1):
        progress("files", number, len(entries))
        if name == RECORD:
            if hash_file(source / name, below=source)[0] not in values:
                raise VerificationFailed(f"{source / name} is not what the manifest says.")
            continue
        if DATABASE(name) and name != database:
            continue  # the one of the backup before, or of the one that was interrupted
        # The database gets its name last: until then the folder is no archive.
        target = folder / (f"{DB_NAME}.unfinished" if name == database else name)
        make_private(target.parent, folder)
        found = next(iter(values)) if len(values) == 1 else hash_file(source / name, below=source)[0]
        copy_file(source / name, target, expect=found if found in values else min(values), below=source)
        size += target.stat().st_size
        files += name.startswith(f"{FILES_NAME}/")
    for name in (FILES_NAME, SEARCH_NAME):
        make_private(folder / name, folder)
    (folder / f"{DB_NAME}.unfinished").replace(folder / DB_NAME)
    (folder / RESTORING).unlink()
    with closing(open_copy(folder / DB_NAME)) as db:
        messages = db.execute("SELECT count(*) FROM messages").fetchone()[0]
    return BackupReport(folder, messages, files, files, size)


def _is_left_by_restore(folder: Path) -> bool:
    """Return whether a folder holds an interrupted restoration and nothing else."""
    if not is_regular(folder / RESTORING):
        return False
    ours = {RESTORING, FILES_NAME, SEARCH_NAME, SIGNATURES_NAME, *SMALL, f"{DB_NAME}.unfinished"}
    return all(path.name.removesuffix(".partial") in ours for path in folder.iterdir())


def _clear(folder: Path, *, keep: bool) -> None:
    # The mark goes last, so that an interruption leaves a folder that can be cleared again.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RESTORING):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if not keep:
        folder.rmdir()
