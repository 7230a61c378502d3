"""What is known of whose an archive is, where the machine does not let it be read."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from canvas_archive.errors import ForeignFolder
from canvas_archive.store import Archive, adoption, folder
from tests.store_support import create


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    create(tmp_path / "mail").close()
    return tmp_path / "mail"


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the list of adopted archives be unreadable, for this reason."""

    def read_text(path: Path, *rest: object) -> str:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "read_text", read_text)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_too_few_open_files_are_told_as_such(
    archive: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with Archive.open(archive) as opened:
        assert opened.adopted
        refuse(monkeypatch, number)
        with pytest.raises(OSError, match=os.strerror(number)):
            opened.require_adopted()


def test_a_list_that_may_not_be_read_adopts_nothing(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Archive.open(archive) as opened:
        refuse(monkeypatch, errno.EACCES)
        assert not adoption.is_adopted(opened.db)


class Failing:
    """A database in which nothing can be read."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    def execute(self, sql: str) -> None:
        raise sqlite3.OperationalError(self._sentence)


def test_a_database_that_cannot_be_read_is_not_called_foreign(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        folder._read_account(Failing("unable to open database file"), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ForeignFolder, match="not an archive"):
        folder._read_account(Failing("no such table: account"), tmp_path)  # type: ignore[arg-type]


def test_only_the_beginning_of_a_line_adopts(archive: Path) -> None:
    path = adoption.state_file()
    with Archive.open(archive) as opened:
        who = adoption.identity(opened.db)
        assert who is not None and adoption.is_adopted(opened.db)
        for text in (f"x{who} /mail", f"{who}0 /mail", f"0000 /a folder \x0b{who} /mail", f"0000 {who}", ""):
            path.write_text(text + "\n")
            assert not adoption.is_adopted(opened.db), text
        for text in (f"{who}", f"0000 /other\n{who} /mail", f"{who} "):
            path.write_text(text + "\n")
            assert adoption.is_adopted(opened.db), text
