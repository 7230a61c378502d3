"""The folder an export is made in goes away whatever happens."""

from __future__ import annotations

import shutil
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
