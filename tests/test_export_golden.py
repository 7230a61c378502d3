"""What other programs read, as it was when somebody last looked at it closely.

``UPDATE_GOLDEN=1 pytest tests/test_export_golden.py`` writes the files anew; look at the difference then.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from canvas_archive import __version__
from canvas_archive.export.run import Request, export
from tests.export_support import rsmf_manifest, small_archive

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    archive = small_archive(folder / "archive")
    formats = ("jsonl", "csv", "mbox", "html", "rsmf")
    export(Request(archive, archive / "archive.db", archive / "files", folder / "out", formats, bag=True))
    return folder / "out" / "data"


def jsonl(root: Path) -> bytes:
    lines = (root / "conversations.jsonl").read_text("utf-8").splitlines(keepends=True)
    last = json.loads(lines[-1])
    del last["record_sha256"]  # depends on the version below
    return "".join((*lines[:-1], json.dumps(last, indent=1) + "\n")).encode("utf-8")


def custody(root: Path) -> bytes:
    document = json.loads((root / "custody.json").read_text("utf-8"))
    del document["database"]["sha256"]  # depends on the version of SQLite
    assert len(bytes.fromhex(document["chain"]["head"])) == 32
    document["chain"]["head"] = "HEAD"  # it covers the random salts of the receipts
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def rsmf(root: Path) -> bytes:
    manifest = rsmf_manifest(root / "rsmf" / "65" / "conversation-101.rsmf")
    return (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


FILES = {
    "conversations.jsonl": jsonl,
    "messages.csv": lambda root: (root / "messages.csv").read_bytes(),
    "messages.mbox": lambda root: (root / "messages.mbox").read_bytes(),
    "thread-102.html": lambda root: (root / "html" / "threads" / "66" / "102.html").read_bytes(),
    "rsmf-101.json": rsmf,
    "custody.json": custody,
    "gaps.csv": lambda root: (root / "gaps.csv").read_bytes(),
}


@pytest.mark.parametrize("name", FILES)
def test_golden(exported: Path, name: str) -> None:
    made = re.sub(
        re.escape(f"canvas-archive {__version__}").encode(), b"canvas-archive VERSION", FILES[name](exported)
    )
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_bytes(made)
    assert made == (GOLDEN / name).read_bytes()
