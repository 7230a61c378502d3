"""What is known of whose an archive is, where the machine does not let it be read."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import pytest

from canvas_archive.errors import BadInput, ForeignFolder, NotAdopted
from canvas_archive.store import Archive, adoption
from canvas_archive.store.account import read_account
from canvas_archive.store.config import read_config, write_config
from tests.store_support import create

pytestmark = pytest.mark.sampled


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    create(tmp_path / "mail").close()
    return tmp_path / "mail"


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the list of adopted archives be unreadable, for this reason."""

    def read_bytes(path: Path) -> bytes:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "read_bytes", read_bytes)


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


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which archives' memory is read from its files; files count as settled right after they were written."""
    folders: list[Path] = []
    read = adoption._Memory.of

    def noted(folder: Path, who: adoption.Who) -> adoption._Memory:
        folders.append(folder)
        return read(folder, who)

    monkeypatch.setattr(adoption._Memory, "of", noted)
    monkeypatch.setattr(adoption, "_SETTLED", 0)
    return folders


def test_an_adopted_archive_is_cached_until_a_file_changes(archive: Path, reads: list[Path]) -> None:
    with Archive.open(archive) as opened:
        reads.clear()
        assert all(adoption.is_adopted(opened.db) for _ in range(3))
        assert len(reads) <= 1
        for path in (adoption.state_file(), archive / "identity.key", adoption.key_file()):
            before = path.read_bytes()
            path.write_bytes(before[::-1])  # as many bytes
            assert not adoption.is_adopted(opened.db), path
            assert not adoption.is_adopted(opened.db), path
            path.write_bytes(before)
            assert adoption.is_adopted(opened.db), path
            away = path.rename(path.with_name("away"))
            assert not adoption.is_adopted(opened.db), path
            away.rename(path)
            assert adoption.is_adopted(opened.db), path


def test_the_list_is_read_once_for_many_archives(
    archive: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[object] = []
    read = adoption._read
    monkeypatch.setattr(adoption, "_lines", {})
    monkeypatch.setattr(adoption, "_read", lambda find: (found.append(find), read(find))[1])
    with Archive.open(archive) as opened:
        found.clear()
        for _ in range(3):
            adoption._known.clear()
            assert adoption.is_adopted(opened.db)
        assert found.count(adoption.state_file) <= 1
        with adoption.state_file().open("ab") as file:
            file.write(b"one more line\n")
        assert adoption._remembered().endswith("one more line\n")


def test_a_file_that_changed_just_now_is_read_again(
    archive: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "_SETTLED", 3600 * 10**9)
    with Archive.open(archive) as opened:
        reads.clear()
        assert all(adoption.is_adopted(opened.db) for _ in range(3))
        assert len(reads) == 3


def test_a_cached_answer_is_for_one_state_folder(
    archive: Path, reads: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Archive.open(archive) as opened:
        assert adoption.is_adopted(opened.db)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
        assert not adoption.is_adopted(opened.db)
        monkeypatch.setenv("XDG_STATE_HOME", "not/whole")
        assert not adoption.is_adopted(opened.db)


def test_few_archives_are_cached(archive: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "_known", dict.fromkeys(range(adoption._MOST_KNOWN)))
    with Archive.open(archive) as opened:
        assert adoption.is_adopted(opened.db)
    assert len(adoption._known) == 1


class Failing:
    """A database in which nothing can be read."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    def execute(self, sql: str) -> None:
        raise sqlite3.OperationalError(self._sentence)


def test_a_database_that_cannot_be_read_is_not_called_foreign() -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        read_account(Failing("unable to open database file"))  # type: ignore[arg-type]
    with closing(sqlite3.connect(":memory:")) as db, pytest.raises(ForeignFolder, match="not an archive"):
        read_account(db)


def test_only_the_beginning_of_a_line_adopts(archive: Path) -> None:
    path = adoption.state_file()
    with Archive.open(archive) as opened:
        lines = path.read_text().splitlines()
        mark = next(line for line in lines if line.endswith(str(archive))).partition(" ")[0]
        for text in (
            f"x{mark} /mail",
            f"{mark}0 /mail",
            f"0000 /a folder \x0b{mark} /mail",
            f"0000 {mark}",
            "",
        ):
            path.write_text(text + "\n")
            assert not adoption.is_adopted(opened.db), text
        for text in (f"{mark}", f"0000 /other\n{mark} /mail", f"{mark} "):
            path.write_text(text + "\n")
            assert adoption.is_adopted(opened.db), text


# -- what identifies an archive ------------------------------------------------------------------------------


def is_own(folder: Path) -> bool:
    with Archive.open(folder) as opened:
        return opened.adopted


def test_the_same_account_in_another_archive_is_another_archive(archive: Path, tmp_path: Path) -> None:
    create(tmp_path / "forged", remembered=False).close()
    with Archive.open(archive) as one, Archive.open(tmp_path / "forged") as other:
        assert one.account == other.account
    assert is_own(archive) and not is_own(tmp_path / "forged")
    (tmp_path / "forged" / "identity.key").write_text("0" * 64 + "\n")
    assert not is_own(tmp_path / "forged")


def test_both_secrets_are_private_and_neither_is_remembered_in_the_other_s_place(archive: Path) -> None:
    identity = (archive / "identity.key").read_text().strip()
    key = adoption.key_file().read_bytes()
    assert len(bytes.fromhex(identity)) == len(key) == 32
    for path in (archive / "identity.key", adoption.key_file(), adoption.state_file()):
        assert os.name != "posix" or path.stat().st_mode & 0o077 == 0
    text = adoption.state_file().read_text()
    assert identity not in text and key.hex() not in text
    assert key.hex() not in (archive / "identity.key").read_text()


@pytest.mark.parametrize("lost", ["identity.key", "adopted.key"])
def test_without_one_of_the_secrets_an_archive_is_not_known(
    archive: Path, tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    create(tmp_path / "own").close()
    assert is_own(tmp_path / "own") and not is_own(archive)
    (tmp_path / "own" if lost == "identity.key" else adoption.state_file().parent).joinpath(lost).unlink()
    assert not is_own(tmp_path / "own")
    with pytest.raises(NotAdopted):
        Archive.open(tmp_path / "own", write=True)


def test_a_key_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    adoption.key_file().parent.mkdir()
    adoption.key_file().write_bytes(b"short")
    with pytest.raises(BadInput, match=r"adopted\.key is no key"):
        create(tmp_path / "own")


def test_an_archive_used_on_two_machines_is_adopted_once_on_each(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    assert not is_own(archive)
    with Archive.open(archive, write=True, adopting=True) as opened:
        opened.adopt()
    assert is_own(archive)
    monkeypatch.undo()
    assert is_own(archive)
    assert len((archive / "identity.key").read_text().split()) == 2


def test_what_the_giver_knows_is_not_what_the_new_owner_remembers(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (archive / "identity.key").read_bytes()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "new owner"))
    with Archive.open(archive, write=True, adopting=True) as opened:
        opened.adopt()
    (archive / "identity.key").write_bytes(given)  # a later archive of the giver's
    assert not is_own(archive)


@pytest.mark.thorough
def test_the_list_of_identities_does_not_grow_for_ever(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(adoption.MOST_IDENTITIES + 3):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state {number}"))
        with Archive.open(archive, write=True, adopting=True) as opened:
            opened.adopt()
            opened.adopt()
        assert is_own(archive)
    assert len((archive / "identity.key").read_text().split()) == adoption.MOST_IDENTITIES
    assert adoption.state_file().read_text().count("\n") == 1


MAKE_KEY = """
import sys
from canvas_archive.store import adoption
sys.stdin.readline()
print(adoption._make_key().hex())
"""


@pytest.mark.thorough
def test_two_processes_make_one_key(tmp_path: Path) -> None:
    surroundings = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    made = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE_KEY], stdin=PIPE, stdout=PIPE, text=True, env=surroundings
        )
        for _ in range(3)
    ]
    for process in made:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate()[0] for process in made}
    assert len(keys) == 1 and len(bytes.fromhex(keys.pop())) == 32
    assert [path.name for path in (tmp_path / "canvas-archive").iterdir()] == ["adopted.key"]


def test_a_file_system_without_hard_links_takes_a_key_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(Path, "hardlink_to", refused)
    key = adoption._make_key()
    assert adoption._make_key() == key == adoption.key_file().read_bytes()
    assert [path.name for path in adoption.key_file().parent.iterdir()] == ["adopted.key"]


# -- archives of a version before ----------------------------------------------------------------------------


def as_before(folder: Path, *, command: str | None = None) -> str:
    """Leave of an archive what the version before left of it; return the line that remembers it."""
    (folder / "identity.key").unlink()
    with Archive.open(folder) as opened:
        account = opened.account
    values = (account.base_url, account.user_id, account.as_user_id, account.created_at)
    digest = adoption._digest(*values)
    lines = [digest, *([adoption._digest(digest, command)] if command else [])]
    shown = str(folder).encode("ascii", "backslashreplace").decode()
    adoption.state_file().write_text("".join(f"{line} {shown}\n" for line in lines))
    return digest


@pytest.mark.parametrize("name", ["mail", "Büro 東京"])
def test_what_was_adopted_before_stays_one_s_own(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / name
    create(folder).close()
    config = replace(
        read_config(folder / "config.toml"), token_command="pass canvas", allowed_hosts=("mail.example",)
    )
    write_config(folder / "config.toml", config)
    as_before(folder, command="pass canvas")
    with Archive.open(folder) as opened:
        assert opened.adopted and opened.config == config
    assert not (folder / "identity.key").exists()  # reading writes nothing
    for _ in range(2):
        with Archive.open(folder, write=True) as opened:
            assert opened.adopted and opened.config == config
    assert (folder / "identity.key").exists()
    folder.rename(tmp_path / "moved")
    assert is_own(tmp_path / "moved")


def test_an_old_line_is_no_pass_for_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hash is of nothing but the account, which a bag's custody.json tells everybody."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    create(tmp_path / "mail").close()
    create(tmp_path / "forged", remembered=False).close()
    as_before(tmp_path / "mail")
    assert is_own(tmp_path / "mail") and not is_own(tmp_path / "forged")
    Archive.open(tmp_path / "mail", write=True).close()
    shutil.rmtree(tmp_path / "mail")
    (tmp_path / "forged").rename(tmp_path / "mail")  # the line counts once, not for whatever lies there later
    assert not is_own(tmp_path / "mail")


def test_where_nothing_can_be_written_down_the_old_line_goes_on_counting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    create(tmp_path / "mail").close()
    as_before(tmp_path / "mail")

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(adoption, "write_private", full)
    with Archive.open(tmp_path / "mail", write=True) as opened:
        assert opened.adopted
    assert is_own(tmp_path / "mail")
