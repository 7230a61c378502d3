"""Files for their owner alone, written in one step."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from canvas_archive.errors import UnusableFile
from canvas_archive.store.private import (
    PARTIAL,
    is_regular,
    open_regular,
    read_regular,
    touch_private,
    write_private,
)
from tests.odd_support import ODD, put_odd


def test_it_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "new", b"one\ntwo")
    finally:
        os.umask(before)
    assert (tmp_path / "new").read_bytes() == b"one\ntwo"
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_what_fails_keeps_the_old_file_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept"
    write_private(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]


def test_a_leftover_is_in_nobody_s_way_and_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"not ours")
    (tmp_path / f"file{PARTIAL}").symlink_to(elsewhere)
    write_private(tmp_path / "file", b"ours")
    assert (tmp_path / "file").read_bytes() == b"ours"
    assert elsewhere.read_bytes() == b"not ours"


def test_a_file_system_that_cannot_flush_folders_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def files_alone(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", files_alone)
    write_private(tmp_path / "new", b"one")
    assert (tmp_path / "new").read_bytes() == b"one"


@pytest.mark.parametrize("odd", ODD)
def test_only_a_file_is_opened(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "file"
    put_odd(path, odd)
    assert not is_regular(path)
    for opens in (open_regular, lambda path: read_regular(path, 10), touch_private):
        with pytest.raises(UnusableFile, match=r"file is a(?:n?) .*, not a file"):
            opens(path)
    if odd == "folder":
        with pytest.raises(UnusableFile, match="is a folder"):
            write_private(path, b"new")
    else:
        write_private(path, b"new")
        assert path.read_bytes() == b"new" and is_regular(path)


def test_the_way_to_a_file_holds_no_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "real" / "inner" / "file").write_bytes(b"x")
    (tmp_path / "led").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "led").symlink_to(tmp_path / "real" / "inner")
    open_regular(tmp_path / "led" / "inner" / "file", below=tmp_path / "led").close()
    for way, below in (("led/inner/file", tmp_path), ("real/led/file", tmp_path / "real")):
        with pytest.raises(UnusableFile, match="led is a symbolic link, not a folder"):
            open_regular(tmp_path / way, below=below)


def test_a_file_that_is_exchanged_while_it_is_opened_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"ours")
    (tmp_path / "other").write_bytes(b"theirs")
    real = os.open

    def exchanged(path: Path, flags: int) -> int:
        (tmp_path / "other").replace(tmp_path / "file")
        return real(path, flags)

    monkeypatch.setattr(os, "open", exchanged)
    with pytest.raises(UnusableFile, match="was replaced while it was opened"):
        open_regular(tmp_path / "file")


def test_a_link_that_appears_before_the_opening_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"ours")
    real = os.open

    def linked(path: Path, flags: int) -> int:
        (tmp_path / "file").unlink()
        (tmp_path / "file").symlink_to("/etc/passwd")
        return real(path, flags)

    monkeypatch.setattr(os, "open", linked)
    with pytest.raises(UnusableFile):
        open_regular(tmp_path / "file")


def test_a_small_file_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read_regular(tmp_path / "file", 10) == b"0123456789"
    with pytest.raises(UnusableFile, match="more than 9 bytes"):
        read_regular(tmp_path / "file", 9)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none", 9)
