"""The sample mailbox, exported: a few conversations byte by byte, and the hash of every file of the whole.

    UPDATE_GOLDEN=1 pytest -n 0 tests/test_export_golden_sample.py

writes ``golden/sample`` anew; look at the difference then. ``golden/sample/some`` holds the conversations of
``SOME`` (forwarded messages, attachments, recordings, groups) in every format that is text;
``golden/sample/whole-sha256.txt`` has a line for each file of an export of everything. Of Parquet, whose
bytes depend on the version of pyarrow, the rows are hashed. The program's version is taken out everywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet
import pytest

from canvas_archive import __version__
from canvas_archive.export.formats import FORMATS
from canvas_archive.export.run import Request, export
from canvas_archive.export.selection import Selection
from tests.export_support import tree
from tests.sample_support import sample_archive

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]

GOLDEN = Path(__file__).parent / "golden" / "sample"
SOME = (700006, 700008, 700018, 700025, 700131, 700164)
TEXTS = tuple(name for name in FORMATS if name not in ("parquet", "sqlite"))

_LEFT_OUT = ("export.json", "manifest-sha256.txt")  # hashes of files with the version in them
_VERSION = re.compile(re.escape(f"canvas-archive {__version__}").encode())
_RECORD_HASH = re.compile(rb',"record_sha256":"[0-9a-f]{64}"\}\n\Z')  # covers the version, too


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_archive(tmp_path_factory.mktemp("golden-sample") / "archive")


def exported(archive: Path, dest: Path, formats: tuple[str, ...], ids: tuple[int, ...] = ()) -> Path:
    export(Request(archive, archive / "archive.db", archive / "files", dest, formats, Selection(ids=ids)))
    return dest


def without_version(data: bytes) -> bytes:
    return _RECORD_HASH.sub(b"}\n", _VERSION.sub(b"canvas-archive VERSION", data))


def shown(folder: Path) -> dict[str, bytes]:
    """Return the files that are kept as they are: what is about the conversations themselves."""
    found = {name: without_version(data) for name, data in tree(folder).items()}
    parts = ("conversations.jsonl", "messages.", "eml/", "rsmf/", "html/threads/", "html/index.html")
    return {name: data for name, data in found.items() if name.startswith(parts)}


def hashes(folder: Path) -> Iterator[tuple[str, str]]:
    for name, data in tree(folder).items():
        if name.endswith(".parquet"):
            yield name, hash_of_rows(folder / name)
        elif name.endswith(".db"):
            yield name, hash_of_database(folder / name)
        elif name not in _LEFT_OUT:
            yield name, hashlib.sha256(without_version(data)).hexdigest()


def hash_of_rows(path: Path) -> str:
    table = pyarrow.parquet.ParquetFile(path).read()
    digest = hashlib.sha256(repr([(field.name, str(field.type)) for field in table.schema]).encode())
    for row in table.to_pylist():
        digest.update(json.dumps(row, ensure_ascii=False, default=str).encode("utf-8"))
    return digest.hexdigest()


def hash_of_database(path: Path) -> str:
    """The file itself names the version of SQLite that wrote it."""
    with closing(sqlite3.connect(path)) as db:
        return hashlib.sha256(without_version("\n".join(db.iterdump()).encode("utf-8"))).hexdigest()


def test_some_conversations(archive: Path, tmp_path: Path) -> None:
    made = shown(exported(archive, tmp_path / "out", TEXTS, SOME))
    if os.environ.get("UPDATE_GOLDEN"):
        shutil.rmtree(GOLDEN / "some", ignore_errors=True)
        for name, data in made.items():
            (GOLDEN / "some" / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / "some" / name).write_bytes(data)
    expected = tree(GOLDEN / "some")
    assert sorted(made) == sorted(expected)
    for name, data in made.items():
        assert data == expected[name], name


def test_the_whole_mailbox(archive: Path, tmp_path: Path) -> None:
    out = exported(archive, tmp_path / "out", tuple(FORMATS))
    made = [f"{digest}  {name}" for name, digest in hashes(out)]
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / "whole-sha256.txt").write_text("".join(f"{line}\n" for line in made), "utf-8")
    expected = (GOLDEN / "whole-sha256.txt").read_text("utf-8").splitlines()
    assert sorted(set(made) ^ set(expected), key=lambda line: line[66:]) == []
