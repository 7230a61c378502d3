"""Keyrings of every kind: named but not installed, broken, silent, unprotected. Each is one sentence."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring.backend
import keyring.core
import keyring.errors
import pytest

from canvas_archive import keyrings
from canvas_archive.cli import run
from canvas_archive.credentials import TOKEN_VARIABLE, save_in_keyring
from canvas_archive.sandbox import Sandbox
from tests.folder_keyring import Keyring

pytestmark = pytest.mark.sampled

PLAIN = "tests.test_machine_keyrings.PlaintextKeyring"
CONFIGURED = "keyrings.alt.file.PlaintextKeyring"


class PlaintextKeyring(Keyring):
    """As keyrings.alt has one."""

    priority = 0.5  # type: ignore[assignment]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(conversations=3) as made:
        yield made


@pytest.fixture
def mail(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive whose token is in no environment."""
    folder = tmp_path / "mail"
    monkeypatch.setenv("CANVAS_ARCHIVE", str(folder))
    monkeypatch.setenv("FOLDER_KEYRING", str(tmp_path / "keyring.json"))
    monkeypatch.setattr(keyrings, "_silent", set())
    monkeypatch.setenv(TOKEN_VARIABLE, sandbox.token)
    assert run(["-q", "init", sandbox.url]) == 0
    monkeypatch.delenv(TOKEN_VARIABLE)
    return folder


def raising(error: BaseException) -> Callable[..., Any]:
    def ask(*_: object) -> Any:
        raise error

    return ask


def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: str) -> None:
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "python_keyring").mkdir(parents=True)
    (tmp_path / "config" / "python_keyring" / "keyringrc.cfg").write_text(lines)


def broken_by_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    configure(monkeypatch, tmp_path, f"[backend]\ndefault-keyring={CONFIGURED}\n")
    return f"keyringrc.cfg names {CONFIGURED}: install it beside canvas-archive or remove that line"


def broken_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    configure(monkeypatch, tmp_path, "default-keyring without a section\n")
    return "The system keyring cannot be used (MissingSectionHeaderError"


def named(name: str) -> Callable[[pytest.MonkeyPatch, Path], str]:
    def break_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)
        return f"PYTHON_KEYRING_BACKEND names {name or 'nothing'}: install it"

    return break_it


def failing(error: BaseException) -> Callable[[pytest.MonkeyPatch, Path], str]:
    def break_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
        monkeypatch.setattr("keyring.core._keyring_backend", Keyring())
        for name in ("get_password", "set_password"):
            monkeypatch.setattr(Keyring, name, raising(error))
        return f"The keyring tests.folder_keyring.Keyring cannot be used ({type(error).__name__}"

    return break_it


def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    never = threading.Event()
    monkeypatch.setattr("keyring.core._keyring_backend", Keyring())
    for name in ("get_password", "set_password"):
        monkeypatch.setattr(Keyring, name, lambda *_: never.wait(30))
    monkeypatch.setattr(keyrings, "KEYRING_SECONDS", 0.05)
    return "The keyring tests.folder_keyring.Keyring does not answer"


BROKEN: dict[str, Callable[[pytest.MonkeyPatch, Path], str]] = {
    "its file names what is not installed": broken_by_its_file,
    "its file is none": broken_file,
    "the variable names no module": named("garbage"),
    "the variable names what is not installed": named(CONFIGURED),
    "the variable names no keyring": named("os.path"),
    "the variable names what is no class of it": named("pathlib.Path"),
    "the variable is empty": named(""),
    "it is locked": failing(keyring.errors.KeyringLocked("Failed to unlock the collection!")),
    "an error of its own": failing(RuntimeError("org.freedesktop.DBus.Error.NoReply")),
    "its package is incomplete": failing(ModuleNotFoundError("No module named 'Crypto'")),
    "it ends the program": failing(SystemExit(3)),
    "it is silent": silent,
}


@pytest.mark.thorough
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_keyring_is_named_by_every_command_and_stops_only_what_needs_it(
    case: str,
    sandbox: Sandbox,
    mail: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sentence = BROKEN[case](monkeypatch, tmp_path)
    capsys.readouterr()
    for arguments, code in ((["sync"], 3), (["status"], 0), (["doctor"], 3), (["token"], 3)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{sandbox.token}\n"))
        assert run(arguments) == code, arguments
        told = "".join(capsys.readouterr())
        assert "Unexpected" not in told and sandbox.token not in told
        assert arguments == ["status"] or sentence in told, told
        if code and arguments != ["doctor"]:
            assert "CANVAS_API_TOKEN" in told and len(told.splitlines()) == 1, told
    monkeypatch.setenv(TOKEN_VARIABLE, sandbox.token)
    assert run(["sync", "-q"]) == 0
    assert run(["doctor"]) == 0
    told = capsys.readouterr().out
    assert sentence in told or "tests.folder_keyring.Keyring" in told  # nothing was read from it


def test_a_keyring_that_repeats_the_token_in_its_error(
    sandbox: Sandbox, mail: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ValueError(f"cannot store {sandbox.token}"))(monkeypatch, mail)
    monkeypatch.setattr(sys, "stdin", io.StringIO(sandbox.token))
    assert run(["token"]) == 3
    assert "cannot store …" in capsys.readouterr().err


def test_a_silent_keyring_is_waited_for_once(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent(monkeypatch, mail)
    assert run(["sync"]) == 3
    monkeypatch.setattr(keyrings, "KEYRING_SECONDS", 3600.0)
    assert run(["sync"]) == 3


# -- in plain text -----------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_keyring_in_plain_text_needs_consent(
    sandbox: Sandbox,
    mail: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", PLAIN)
    capsys.readouterr()

    def token(*options: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(sandbox.token))
        return run(["token", *options]), "".join(capsys.readouterr())

    code, told = token()
    assert code == 2 and PLAIN in told and "plain text" in told and "--allow-plaintext-keyring" in told
    assert not (tmp_path / "keyring.json").exists()
    code, told = token("--allow-plaintext-keyring")
    assert code == 0 and sandbox.token in (tmp_path / "keyring.json").read_text()
    # What is there is used; doctor says what it is worth.
    assert run(["sync", "-q"]) == 0
    assert run(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert any(line.startswith("warn  keyring") and "plain text" in line for line in shown.splitlines()), (
        shown
    )


def test_where_a_chain_of_keyrings_would_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from keyring.backends.chainer import ChainerBackend

    monkeypatch.setattr(ChainerBackend, "backends", [PlaintextKeyring(), Keyring()])
    monkeypatch.setattr(ChainerBackend, "priority", 10)
    monkeypatch.setattr("keyring.core._keyring_backend", ChainerBackend())
    found = keyrings.find_keyring()
    assert found is not None and found.is_plain and found.name == PLAIN


def test_a_keyring_that_protects_is_not_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDER_KEYRING", str(tmp_path / "keyring.json"))
    monkeypatch.setattr("keyring.core._keyring_backend", Keyring())
    found = keyrings.find_keyring()
    assert found is not None and not found.is_plain
    save_in_keyring("https://school.example", "7~abc")
    assert found.read("https://school.example") == "7~abc"
