"""BagIt 1.0 (RFC 8493) around an export: declaration, description, and hashes of everything, twice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from canvas_archive.export.manifest import walk, write_manifests

ALGORITHMS = ("sha256", "sha512")
DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD = "data"
PROFILE = "https://raw.githubusercontent.com/canvas-archive/canvas-archive/main/docs/bagit-profile.json"
"""The BagIt profile that describes these bags: what ``bag-info.txt`` says, and which hashes there are."""


def write_bag(folder: Path, info: Iterable[tuple[str, str]]) -> None:
    """Make a bag of ``folder``, whose payload lies in ``data`` already.

    ``info`` are the lines of ``bag-info.txt`` besides those that every bag has: its profile and its size.
    """
    manifests = {name: folder / f"manifest-{name}.txt" for name in ALGORITHMS}
    payload = folder / PAYLOAD
    size, count = write_manifests(payload, walk(payload), manifests, below=folder)
    _write(folder / "bagit.txt", DECLARATION)
    lines = [("BagIt-Profile-Identifier", PROFILE), *info, ("Payload-Oxum", f"{size}.{count}")]
    _write(folder / "bag-info.txt", "".join(f"{label}: {_one_line(value)}\n" for label, value in lines))
    tags = sorted(path.name for path in folder.iterdir() if path.is_file())
    write_manifests(folder, tags, {name: folder / f"tagmanifest-{name}.txt" for name in ALGORITHMS})


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "replace"))


def _one_line(value: str) -> str:
    return " ".join(value.split()) or "-"
