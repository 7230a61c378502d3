"""Where a token is looked for, in which order, and what a keyring that does not work does."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import pytest

from canvas_archive.credentials import (
    TOKEN_VARIABLE,
    URL_VARIABLE,
    find_token,
    save_in_keyring,
    token_from_command,
    token_from_keyring,
    token_source,
)
from canvas_archive.errors import CredentialProblem, TokenMissing, TokenRefused
from canvas_archive.secret import token_text
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
    save_in_keyring(URL, "of-the-host")
    save_in_keyring(URL, "of-ada", user_id=7)
    assert str(find_token(URL)) == "of-the-host"
    assert str(find_token(f"{URL}/path", user_id=7)) == "of-ada"
    assert str(find_token(URL, user_id=8)) == "of-the-host"
    assert token_from_keyring("https://other.example.edu") is None
    assert token_source(URL) == "keyring"


def test_the_environment_comes_first_then_the_command(kept: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    save_in_keyring(URL, "kept")
    command = f"{sys.executable} -c 'print(\"told\")'"
    assert str(find_token(URL, token_command=command)) == "told"
    assert token_source(URL, token_command=command) == "command"
    monkeypatch.setenv(TOKEN_VARIABLE, "set")
    assert str(find_token(URL, token_command=command)) == "set"
    monkeypatch.setenv(URL_VARIABLE, "https://other.example.edu")
    assert str(find_token(URL)) == "kept"  # the variable is for another host


def test_a_machine_without_a_keyring() -> None:
    for ask in (
        lambda: save_in_keyring(URL, "token"),
        lambda: token_from_keyring(URL),
        lambda: find_token(URL),
    ):
        with pytest.raises(CredentialProblem, match=r"There is no system keyring here .*CANVAS_API_TOKEN"):
            ask()  # the tests' own: keyring.backends.null
    assert token_source(URL) is None


# -- what is copied along ----------------------------------------------------------------------------------

TOKEN = "7~AbCdEf0123456789"
COPIED = {
    "as it is": TOKEN,
    "a line end of Windows": f"{TOKEN}\r\n",
    "blanks and lines": f"\n\n  {TOKEN}\t\n",
    "a byte order mark": f"\ufeff{TOKEN}",
    "quotes": f'"{TOKEN}"',
    "typed quotes": f"\u201c{TOKEN}\u201d",
    "a header": f"Authorization: Bearer {TOKEN}",
    "a bearer": f"bearer {TOKEN}",
    "a line of .env": f'CANVAS_API_TOKEN="{TOKEN}"',
    "a line of a shell": f"export CANVAS_API_TOKEN='{TOKEN}'",
    "a blank of a web page": f"\xa0{TOKEN}\u200b",
}


@pytest.mark.parametrize("case", COPIED)
def test_what_is_copied_along_with_a_token_is_dropped(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = COPIED[case]
    monkeypatch.setenv(TOKEN_VARIABLE, text)
    assert str(find_token(URL)) == TOKEN
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        if encoding in ("utf-16-le", "utf-16-be") and not text.isascii():
            continue  # nothing says then what it is
        assert str(token_text(text.encode(encoding))) == TOKEN, encoding
    assert str(token_text(f"\r\n{text}\nanother line".encode())) == TOKEN
    assert repr(token_text(text)) == "Secret(hidden)"


@pytest.mark.parametrize(
    "text", ["7~Ab CdEf", "7~AbCdéf", "7~Ab\x07Cd", "7~Ab'Cd", '"7~AbCd', "Bearer 7~Ab Cd"]
)
def test_a_variable_that_holds_no_token_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, text)
    with pytest.raises(TokenRefused, match=f"^{TOKEN_VARIABLE} gives no access token") as caught:
        find_token(URL)
    assert "Ab" not in str(caught.value)


def test_a_variable_of_blanks_is_none(monkeypatch: pytest.MonkeyPatch, kept: Keyring) -> None:
    save_in_keyring(URL, "kept")
    for text in ("", " \t ", "\ufeff", '""'):
        monkeypatch.setenv(TOKEN_VARIABLE, text)
        assert str(find_token(URL)) == "kept"


# -- the command -------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="it is for /bin/sh")
def test_the_command_is_run_as_in_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TOKEN_FOLDER", str(tmp_path / "two words"))
    (tmp_path / "two words").mkdir()
    (tmp_path / "two words" / "canvas").write_bytes(f"\ufeff{TOKEN}\r\n".encode("utf-16"))
    (tmp_path / "token").write_text(f"# mine\ntoken: {TOKEN}\n")
    for command in (
        "cat ~/'two words'/canvas",
        'cat "$TOKEN_FOLDER/canvas"',
        "cat ${HOME}/two\\ words/canvas",
        "grep token: ~/token | cut -d' ' -f2",
        f"test -e ~/none || echo $(echo {TOKEN})",
    ):
        assert str(token_from_command(command)) == TOKEN, command


@pytest.mark.skipif(os.name != "posix", reason="it is for /bin/sh")
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("no-such-program --canvas", r"\(no-such-program --canvas\) ended with exit code 127: .*not found"),
        ("echo 'gpg: no key' >&2; echo more >&2; exit 2", r"ended with exit code 2: gpg: no key\. Run it"),
        (f"echo {TOKEN}; echo 'bad {TOKEN}' >&2; false", r"\(echo …; echo 'bad …' .*exit code 1: bad …\."),
        ("true", r"\(true\) printed nothing\. Run it in a terminal"),
        ("echo 'not a token'", "token_command gives no access token"),
        ("echo 'unclosed", "ended with exit code 2"),
        ("x" * 5000, r"\(…\) ended with exit code"),
    ],
)
def test_a_command_that_fails_says_how(command: str, sentence: str) -> None:
    with pytest.raises(CredentialProblem, match=sentence) as caught:
        token_from_command(command)
    assert TOKEN not in str(caught.value) and len(str(caught.value)) < 600 and "\n" not in str(caught.value)


def test_the_program_runs_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["canvas-archive", "--version"])
    monkeypatch.delitem(sys.modules, "canvas_archive.__main__", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("canvas_archive", run_name="__main__")
    assert ended.value.code == 0
    assert "canvas-archive" in capsys.readouterr().out
