"""Private copies of files: read back, compared with what they should be, and brought to the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from canvas_archive.errors import VerificationFailed
from canvas_archive.export.manifest import hash_file
from canvas_archive.store.private import CREATE

_CHUNK = 1 << 20


def copy_file(source: Path, target: Path, *, expect: str) -> None:
    """Copy a file to a private one, bring it to the disk, read it back and compare.

    Raises VerificationFailed when the SHA-256 of what was written is not the one to ``expect``.
    """
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(partial, CREATE, 0o600), "wb") as out, source.open("rb") as file:
            if source.is_symlink():
                raise VerificationFailed(f"{source} is a symbolic link: what it leads to is not copied.")
            shutil.copyfileobj(file, out, _CHUNK)
            out.flush()
            os.fsync(out.fileno())
        found = hash_file(partial)[0]
    except FileNotFoundError as error:
        partial.unlink(missing_ok=True)
        raise VerificationFailed(f"{error.filename} is missing.") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if found != expect:
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
