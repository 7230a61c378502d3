"""Attachment bytes: named by their hash, written once, resumed after an interruption."""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from canvas_archive.errors import BadInput, UnusableFile
from canvas_archive.store.blobs import LEAST_TAKEN, BlobWriter, blob_path, clean_parts

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


posix = pytest.mark.skipif(os.name != "posix", reason="symbolic links, pipes")


def outside(tmp_path: Path) -> Path:
    """Return a folder that must stay as it is: one file in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "victim").write_text("mine")
    return folder


def untouched(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["victim"] and (
        folder / "victim"
    ).read_text() == "mine"


@posix
@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_only_a_regular_file_is_written_to(tmp_path: Path, kind: str) -> None:
    elsewhere, files = outside(tmp_path), tmp_path / "files"
    (files / ".incoming").mkdir(parents=True)
    part = files / ".incoming" / "5.part"
    if kind == "folder":
        part.mkdir()
    elif kind == "pipe":
        os.mkfifo(part)
    else:
        part.symlink_to(elsewhere / ("victim" if kind == "link" else "new"))
    with pytest.raises(UnusableFile, match=r"5\.part is .*, not a file"):
        BlobWriter(files, 5)
    assert untouched(elsewhere)


@posix
@pytest.mark.parametrize("name", ["files", "files/.incoming", f"files/{DIGEST[:2]}"])
def test_no_folder_is_a_link(tmp_path: Path, name: str) -> None:
    elsewhere, files = outside(tmp_path), tmp_path / "files"
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(elsewhere)
    with pytest.raises(UnusableFile, match=f"{name} is a symbolic link"), BlobWriter(files, 5) as sink:
        sink.write(DATA)
        sink.commit()
    assert untouched(elsewhere)


@posix
def test_a_link_in_the_place_of_a_blob_is_replaced(tmp_path: Path) -> None:
    elsewhere, files = outside(tmp_path), tmp_path / "files"
    copy = tmp_path / "copy"
    copy.write_bytes(DATA)  # of the right size, so that only the link tells
    path = blob_path(files, DIGEST)
    path.parent.mkdir(parents=True)
    path.symlink_to(copy)
    with BlobWriter(files, 5) as sink:
        sink.write(DATA)
        assert not sink.commit().known
    assert not path.is_symlink() and path.read_bytes() == DATA
    assert untouched(elsewhere) and copy.read_bytes() == DATA


@posix
def test_a_hard_link_in_the_place_of_a_part_is_not_written_to(tmp_path: Path) -> None:
    elsewhere, files = outside(tmp_path), tmp_path / "files"
    (files / ".incoming").mkdir(parents=True)
    os.link(elsewhere / "victim", files / ".incoming" / "5.part")
    with BlobWriter(files, 5) as sink:
        assert sink.size == 0
        sink.write(DATA)
        assert sink.commit().sha256 == DIGEST
    assert untouched(elsewhere)


def test_nothing_stays_of_a_download_that_brought_nothing(tmp_path: Path) -> None:
    with BlobWriter(tmp_path, 5) as sink:
        sink.write(DATA)
        sink.restart()
    assert list((tmp_path / ".incoming").iterdir()) == []


def test_parts_that_nobody_wants_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / ".incoming"
    assert clean_parts(tmp_path, ()) == 0
    folder.mkdir()
    being_copied = LEAST_TAKEN - 7
    for number in (5, 6, 7, -8, being_copied):
        (folder / f"{number}.part").write_bytes(DATA if number != 7 else b"")
    (folder / "notes.txt").write_text("somebody's")
    assert clean_parts(tmp_path, {5, 7, -8}) == 2
    left = {"5.part", "-8.part", f"{being_copied}.part", "notes.txt"}
    assert {path.name for path in folder.iterdir()} == left
    os.utime(folder / f"{being_copied}.part", (0, 0))
    assert clean_parts(tmp_path, {5, -8}) == 1
