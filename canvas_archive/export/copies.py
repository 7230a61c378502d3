"""Private copies of files: read back, compared with what they should be, and brought to the disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from canvas_archive.errors import VerificationFailed
from canvas_archive.export.manifest import hash_file
from canvas_archive.store.private import CREATE, open_regular, require_way

_CHUNK = 1 << 20


def copy_file(source: Path, target: Path, *, expect: str, below: Path) -> None:
    """Copy a file to a private one, bring it to the disk, read it back and compare.

    Raises VerificationFailed when the SHA-256 of what was written is not the one to ``expect``, UnusableFile
    when the source is a link or no file, or the way to it from ``below`` is a link.
    """
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with (
            open_regular(source, below=below) as file,
            os.fdopen(os.open(partial, CREATE, 0o600), "wb") as out,
        ):
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
    """Make a folder and those between it and ``top``, each mode 0700.

    Raises UnusableFile when one of those below ``top`` is a link or no folder.
    """
    missing: list[Path] = []
    with contextlib.suppress(FileNotFoundError):
        require_way(folder / "file", top)
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
