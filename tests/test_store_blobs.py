"""Attachment bytes: named by their hash, written once, resumed after an interruption."""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.store.blobs import BlobWriter, blob_path

DATA = b"%PDF-1.7 " + bytes(range(256)) * 40
DIGEST = sha256(DATA).hexdigest()


def stored(files_dir: Path) -> list[Path]:
    """Return every file but what is still arriving."""
    return [path for path in files_dir.rglob("*") if path.is_file() and ".incoming" not in path.parts]


def test_bytes_get_the_name_of_their_hash(tmp_path: Path) -> None:
    with BlobWriter(tmp_path, 5) as sink:
        assert sink.write(DATA[:100]) == 100
        sink.write(DATA[100:])
        blob = sink.commit()
    assert (blob.sha256, blob.size, blob.known) == (DIGEST, len(DATA), False)
    assert blob.path == blob_path(tmp_path, DIGEST) == tmp_path / DIGEST[:2] / DIGEST
    assert blob.path.read_bytes() == DATA
    if os.name == "posix":
        assert stat.S_IMODE(blob.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(blob.path.parent.stat().st_mode) == 0o700
    assert list((tmp_path / ".incoming").iterdir()) == []
    assert stored(tmp_path) == [blob.path]


def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    for attachment_id, known in ((5, False), (6, True)):
        with BlobWriter(tmp_path, attachment_id) as sink:
            sink.write(DATA)
            assert sink.commit().known is known
    assert len(stored(tmp_path)) == 1
    assert list((tmp_path / ".incoming").iterdir()) == []


def test_a_stored_blob_that_was_cut_short_is_replaced(tmp_path: Path) -> None:
    path = blob_path(tmp_path, DIGEST)
    path.parent.mkdir()
    path.write_bytes(DATA[:10])
    with BlobWriter(tmp_path, 5) as sink:
        sink.write(DATA)
        assert not sink.commit().known
    assert path.read_bytes() == DATA


def test_an_interrupted_download_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), BlobWriter(tmp_path, 5) as sink:
        sink.write(DATA[:4000])
        raise ConnectionError
    with BlobWriter(tmp_path, 5) as sink:
        assert sink.size == sink.tell() == 4000
        sink.write(DATA[4000:])
        assert sink.commit().sha256 == DIGEST


@pytest.mark.parametrize("how", ["restart", "seek", "truncate"])
def test_a_download_that_begins_again_forgets_what_was_there(tmp_path: Path, how: str) -> None:
    with BlobWriter(tmp_path, 5) as sink:
        sink.write(b"half of something else")
        sink.flush()
    with BlobWriter(tmp_path, 5) as sink:
        if how == "restart":
            sink.restart()
        elif how == "seek":
            sink.seek(0)
        else:
            sink.truncate(0)
        assert sink.size == 0
        sink.write(DATA)
        assert sink.commit().sha256 == DIGEST


def test_bytes_are_only_appended(tmp_path: Path) -> None:
    with BlobWriter(tmp_path, 5) as sink:
        sink.write(DATA)
        assert sink.seek(0, os.SEEK_END) == len(DATA) == sink.truncate()
        with pytest.raises(ValueError, match="appended"):
            sink.seek(10)


def test_a_discarded_download_leaves_nothing(tmp_path: Path) -> None:
    with BlobWriter(tmp_path, 5) as sink:
        sink.write(DATA)
        sink.discard()
    with BlobWriter(tmp_path, 5) as sink:
        assert sink.size == 0


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "AB" * 32, "a" * 63, "a" * 64 + "\n"])
def test_only_hashes_become_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="SHA-256"):
        blob_path(tmp_path, name)


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".incoming").mkdir()
    (tmp_path / "victim").write_text("mine")
    (tmp_path / ".incoming" / "5.part").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        BlobWriter(tmp_path, 5)
    assert (tmp_path / "victim").read_text() == "mine"
