"""The list of a hand-over: ``fleet.json`` beside the packages of many custodians.

It names every package with the hashes of its manifests, which bind every file. So a package that is missing,
was added or took another's place is found. A signature of the list binds the list itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.errors import ForeignFolder, UnusableFile
from canvas_archive.export.checks import Check, findings
from canvas_archive.export.context import GENERATOR
from canvas_archive.export.manifest import hash_file
from canvas_archive.export.signatures import check_statements, list_hashes
from canvas_archive.model import Json, JsonObject
from canvas_archive.signing.statement import Statement
from canvas_archive.signing.stored import SIGNATURE, STAMP, STATEMENT, Means, Signed, Trust, sign_into
from canvas_archive.store.folder import SIGNATURES_NAME
from canvas_archive.store.private import read_regular, require_folder, write_private

LIST = "fleet.json"
LIST_TYPE = "canvas-archive fleet list"
_MOST_BYTES = 256 << 20
_LEFT_BY_SYSTEMS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Package:
    """What one custodian's package is: its folder, what is in it, and how its collection stands."""

    user_id: int
    name: str | None
    folder: str
    status: str
    succeeded_at: str | None
    counts: JsonObject
    records: int
    head: str

    def to_json(self, root: Path) -> JsonObject:
        """Return its row, with the hashes of its manifests."""
        return {
            "user_id": self.user_id,
            "name": self.name,
            "folder": self.folder,
            "status": self.status,
            "succeeded_at": self.succeeded_at,
            "counts": self.counts,
            "chain": {"records": self.records, "head": self.head},
            "manifests": dict(list_hashes(root / self.folder)),
        }


def is_list(folder: Path) -> bool:
    """Return whether a folder has the list of a hand-over."""
    return _document(folder) is not None


def _document(folder: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(read_regular(folder / LIST, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and document.get("type") == LIST_TYPE else None


def require_place(folder: Path) -> None:
    """Raise ForeignFolder when another file has the list's name: a fleet's own memory, above all."""
    if os.path.lexists(folder / LIST) and not is_list(folder):
        raise ForeignFolder(
            f"{folder / LIST} is not the list of a hand-over, and would be replaced. Name another folder."
        )


def write_list(
    folder: Path,
    base_url: str,
    packages: Sequence[Package],
    without: dict[str, Sequence[int]],
    means: Means,
    *,
    clock: Clock = SYSTEM,
) -> Signed | None:
    """Write the list, and sign it where there is something to sign with.

    ``without`` names the custodians that have no package here, by the reason. Signatures of an earlier list
    are removed. Raises what ``sign_into`` raises; the list is written by then.
    """
    place = folder / SIGNATURES_NAME
    if os.path.lexists(place):
        require_folder(place)
        for path in place.iterdir():
            if path.suffix in (STATEMENT, SIGNATURE, STAMP):
                path.unlink()
    rows: list[Json] = [one.to_json(folder) for one in packages]
    reasons: JsonObject = {reason: list(user_ids) for reason, user_ids in without.items()}
    document: JsonObject = {
        "type": LIST_TYPE,
        "generator": GENERATOR,
        "base_url": base_url,
        "custodians": rows,
        "without": reasons,
    }
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    write_private(folder / LIST, text.encode("utf-8", "replace"))
    if not means:
        return None
    statement = Statement(base_url, iso(clock.now()), hashes=((LIST, hash_file(folder / LIST)[0]),))
    return sign_into(folder, statement, means)


def check_list(folder: Path, trust: Trust) -> Iterator[Check]:
    """Check the list of a hand-over against the packages, and its signatures; not the packages' content."""
    document = _document(folder) or {}
    try:
        rows = _rows(document)
    except (KeyError, TypeError, ValueError, AttributeError):
        yield Check("fleet list", False, f"{LIST} was changed: it is not as this program writes it")
        return
    items = [item for name, manifests in rows.items() if (item := _package_differs(folder, name, manifests))]
    known = {LIST, SIGNATURES_NAME, *_LEFT_BY_SYSTEMS, *rows}
    items += [
        f"{name}: is not in the list" for name in sorted({path.name for path in folder.iterdir()} - known)
    ]
    yield findings(
        "fleet list",
        items,
        f"{len(rows):,} packages are those of the list",
        "{count} packages are missing, were added or took the place of others",
    )

    def differs(statement: Statement) -> str | None:
        if statement.hashes != ((LIST, hash_file(folder / LIST)[0]),):
            return f"{LIST} was changed since it was signed"
        return None if statement.canvas == document.get("base_url") else "it is of another Canvas"

    yield from check_statements(folder, trust, differs)


def _rows(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the folders of a list with their manifests. Raises an error for anything else."""
    rows: dict[str, dict[str, str]] = {}
    for row in document["custodians"]:
        name = row["folder"]
        if not isinstance(name, str) or Path(name).name != name or name in ("", ".", "..") or name in rows:
            raise ValueError("not the name of a folder, or one that is listed twice")
        rows[name] = {str(key): str(value) for key, value in row["manifests"].items()}
        if not rows[name]:
            raise ValueError("a package without a manifest")
    return rows


def _package_differs(folder: Path, name: str, manifests: dict[str, str]) -> str | None:
    """Return how a package is not the listed one; ``None`` when it is."""
    try:
        require_folder(folder / name)
        here = dict(list_hashes(folder / name))
    except FileNotFoundError:
        return f"{name}: is missing"
    except UnusableFile as error:
        return f"{name}: {error.reason}"
    except OSError as error:
        return f"{name}: cannot be read ({error.strerror})"
    for key in sorted({*manifests, *here}):
        if manifests.get(key) != here.get(key):
            return f"{name}: is not the listed package ({key} differs)"
    return None


def packages_of(folder: Path) -> list[str]:
    """Return the folders that a list names and that are there. An unreadable list names none."""
    try:
        rows = _rows(_document(folder) or {})
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
    return [name for name in rows if (folder / name).is_dir() and not (folder / name).is_symlink()]
