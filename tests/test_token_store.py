"""The file of a token: private, written in one step, and refused when others could have changed it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from canvas_archive import token_store
from canvas_archive.credentials import find_token, known_expiry, save_in_file, save_in_keyring
from canvas_archive.errors import CredentialProblem, KeyringUnusable, TokenMissing
from canvas_archive.token_store import (
    TokenRecord,
    delete_record,
    digest_of,
    read_record,
    record_path,
    write_record,
)

URL = "https://school.example"
ACCOUNT = f"{URL}#7"
SECRET = "7~AbCdEf0123456789"

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")


@pytest.fixture
def place() -> Path:
    """The file of a saved token."""
    save_in_file(URL, SECRET, 7, expires_at="2027-01-01T00:00:00Z")
    return record_path(ACCOUNT)


def test_what_is_saved_is_found_for_that_person_alone(place: Path) -> None:
    found = find_token(f"{URL}:443/courses", user_id=7)
    assert (str(found), found.source) == (SECRET, "file")
    assert SECRET not in repr(found) and SECRET not in repr(read_record(ACCOUNT))
    assert known_expiry(URL, user_id=7) == "2027-01-01T00:00:00Z" and known_expiry(URL, user_id=8) is None
    for url, user in ((URL, 8), ("https://school.example:8443", 7), ("http://school.example", 7)):
        with pytest.raises(TokenMissing):
            find_token(url, user_id=user)
    assert delete_record(ACCOUNT) and not delete_record(ACCOUNT) and not list(place.parent.iterdir())


@posix
def test_file_and_folders_are_private(place: Path) -> None:
    modes = [path.stat().st_mode & 0o777 for path in (place, place.parent, place.parent.parent)]
    assert modes[:2] == [0o600, 0o700] and not modes[2] & 0o022


def readable(place: Path) -> None:
    place.chmod(0o640)


def a_link(place: Path) -> None:
    place.rename(place.with_name("elsewhere"))
    place.symlink_to(place.with_name("elsewhere"))


def a_linked_folder(place: Path) -> None:
    moved = place.parent.with_name("moved")
    place.parent.rename(moved)
    place.parent.symlink_to(moved)


def a_pipe(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


def an_open_folder(place: Path) -> None:
    place.parent.chmod(0o770)


def an_open_configuration(place: Path) -> None:
    place.parent.parent.chmod(0o777)


def damaged(place: Path) -> None:
    place.write_text("{")


def a_list(place: Path) -> None:
    place.write_text("[]")


@posix
@pytest.mark.sampled
@pytest.mark.parametrize(
    "spoil",
    [readable, a_link, a_linked_folder, a_pipe, an_open_folder, an_open_configuration, damaged, a_list],
)
def test_a_file_that_others_can_touch_is_refused_in_one_sentence(
    spoil: Callable[[Path], None], place: Path
) -> None:
    spoil(place)
    with pytest.raises(CredentialProblem) as caught:
        find_token(URL, user_id=7)
    said = str(caught.value)
    assert SECRET not in said and "\n" not in said
    assert said.endswith("run: canvas-archive login") or "Run: chmod go-w" in said
    assert known_expiry(URL, user_id=7) is None


@posix
def test_a_file_of_somebody_else_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.geteuid()
    monkeypatch.setattr(token_store.os, "geteuid", lambda: mine + 1)
    with pytest.raises(CredentialProblem, match="belongs to another user"):
        read_record(ACCOUNT)


@posix
@pytest.mark.parametrize("spoil", [readable, a_link, damaged])
def test_a_new_token_takes_the_place_of_a_file_that_is_refused(
    spoil: Callable[[Path], None], place: Path
) -> None:
    spoil(place)
    save_in_file(URL, "7~another0123456789", 7)
    assert str(find_token(URL, user_id=7)) == "7~another0123456789" and not place.is_symlink()


def test_a_failed_write_leaves_the_old_token(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("canvas_archive.store.private.os.fsync", fail)
    with pytest.raises(CredentialProblem, match="No space left"):
        write_record(ACCOUNT, TokenRecord(digest_of("x")))
    assert str(find_token(URL, user_id=7)) == SECRET


def test_no_keyring_leaves_the_file_alone(place: Path) -> None:
    with pytest.raises(KeyringUnusable, match="There is no system keyring"):
        save_in_keyring(URL, "7~another0123456789", 7)
    assert str(find_token(URL, user_id=7)) == SECRET


def test_a_user_without_a_home_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canvas_archive.places.home", lambda: None)
    assert read_record(ACCOUNT) is None and not delete_record(ACCOUNT)
