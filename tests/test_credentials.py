"""Where a token is looked for, in which order, and what a keyring that does not work does."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import keyring.errors
import pytest

from canvas_archive.credentials import (
    TOKEN_VARIABLE,
    URL_VARIABLE,
    find_token,
    store_token,
    token_from_keyring,
    token_source,
)
from canvas_archive.errors import TokenMissing
from tests.folder_keyring import Keyring

URL = "https://canvas.example.edu"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    """A system keyring that is a file, and no token in the environment."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.setenv("FOLDER_KEYRING", str(tmp_path / "keyring.json"))
    ring = Keyring()
    monkeypatch.setattr("keyring.core._keyring_backend", ring)
    return ring


def test_the_keyring_keeps_a_token_for_each_host_and_person(kept: Keyring) -> None:
    with pytest.raises(TokenMissing):
        find_token(URL)
    assert token_source(URL) is None
    assert store_token(URL, "of-the-host")
    assert store_token(URL, "of-ada", user_id=7)
    assert str(find_token(URL)) == "of-the-host"
    assert str(find_token(f"{URL}/path", user_id=7)) == "of-ada"
    assert str(find_token(URL, user_id=8)) == "of-the-host"
    assert token_from_keyring("https://other.example.edu") is None
    assert token_source(URL) == "the system keyring"


def test_the_environment_comes_first_then_the_command(kept: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    store_token(URL, "kept")
    command = f"{sys.executable} -c 'print(\"told\")'"
    assert str(find_token(URL, token_command=command)) == "told"
    assert token_source(URL, token_command=command) == "token_command"
    monkeypatch.setenv(TOKEN_VARIABLE, "set")
    assert str(find_token(URL, token_command=command)) == "set"
    monkeypatch.setenv(URL_VARIABLE, "https://other.example.edu")
    assert str(find_token(URL)) == "kept"  # the variable is for another host


def test_a_keyring_that_fails_is_none(kept: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any) -> Any:
        raise keyring.errors.KeyringLocked("it is locked")

    monkeypatch.setattr(Keyring, "get_password", locked)
    monkeypatch.setattr(Keyring, "set_password", locked)
    assert token_from_keyring(URL) is None
    assert not store_token(URL, "token")


def test_a_keyring_that_keeps_nothing_is_none() -> None:
    assert not store_token(URL, "token")  # the tests' own: keyring.backends.null


def test_the_program_runs_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["canvas-archive", "--version"])
    monkeypatch.delitem(sys.modules, "canvas_archive.__main__", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("canvas_archive", run_name="__main__")
    assert ended.value.code == 0
    assert "canvas-archive" in capsys.readouterr().out
