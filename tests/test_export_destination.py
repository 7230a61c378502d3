"""The folder an export is made in goes away whatever happens."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.export.destination import staging


def test_it_goes_with_all_that_was_begun_also_where_few_files_may_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda path, **options: None)  # it opens two for every level
    with pytest.raises(ZeroDivisionError), staging(tmp_path / "out") as stage:
        inner = stage / "export" / "data"
        inner.mkdir(parents=True)
        (inner / "messages.jsonl").write_text("half of it")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_destination_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="Nothing can be written to"), staging(tmp_path / "file" / "out"):
        pytest.fail("there is nowhere to make it")


KILLED = """
import os, signal, sys
from pathlib import Path
from canvas_archive.export.destination import staging

with staging(Path(sys.argv[1])) as stage:
    (stage / "export").mkdir()
    (stage / "export" / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path: Path) -> None:
    dest = tmp_path / "out"
    assert subprocess.run([sys.executable, "-c", KILLED, str(dest)], check=False).returncode == -9
    (left,) = tmp_path.iterdir()
    assert (left / "export" / "half").exists()
    with staging(tmp_path / "another"):
        assert left.exists()  # it is not that one's
    with staging(dest) as stage:
        assert list(tmp_path.iterdir()) == [stage]
        with staging(dest) as second:  # what another process is writing is not touched
            assert stage.exists() and second != stage
    assert list(tmp_path.iterdir()) == []


def test_what_only_looks_like_a_leftover_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "in-use").write_text("mine")
    (tmp_path / ".out.partial-abcd_123").symlink_to(elsewhere, target_is_directory=True)
    (tmp_path / ".out.partial-notours").mkdir()
    (tmp_path / ".out.partial-aaaaaaaa").write_text("a file")
    (tmp_path / ".out.partial-bbbbbbbb").mkdir()  # nothing says that an export made it
    before = sorted(tmp_path.rglob("*"))
    with staging(tmp_path / "out"):
        pass
    assert sorted(tmp_path.rglob("*")) == before
