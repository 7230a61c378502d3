"""The system keyring, where a token is kept: whichever one this machine has, and whatever it does.

A keyring is other people's code with other people's settings: it may be named but not installed, locked, out
of reach of ``cron``, raise anything, or wait for a dialogue that nobody sees. Each becomes one sentence.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from canvas_archive.errors import KeyringUnusable
from canvas_archive.secret import Secret, without_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SERVICE = "canvas-archive"
BACKEND_VARIABLE = "PYTHON_KEYRING_BACKEND"
KEYRING_SECONDS = 60.0
"""How long a keyring may take: it may ask its owner to unlock it."""

RECOMMENDED = 1
"""The ``priority`` from which on the keyring library recommends a backend."""

_REPAIR = "unlock or repair it"

_silent: set[str] = set()
"""The keyrings that did not answer in time: this process does not wait for them again."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """A keyring that can be asked, by the name of its backend."""

    name: str
    is_plain: bool
    """Whether it may keep passwords in plain text, readable by whoever reads the user's files."""
    _backend: Any

    def read(self, account: str) -> Secret | None:
        """Return what is kept for an account. Raises KeyringUnusable."""
        found = _asked(self.name, lambda: self._backend.get_password(SERVICE, account))
        return Secret(found) if found else None

    def write(self, account: str, token: str) -> None:
        """Keep a token for an account. Raises KeyringUnusable."""
        _asked(self.name, lambda: self._backend.set_password(SERVICE, account, str(token)))

    def delete(self, account: str) -> bool:
        """Remove what is kept for an account; return whether there was anything. Raises KeyringUnusable."""
        if not self.read(account):
            return False
        _asked(self.name, lambda: self._backend.delete_password(SERVICE, account))
        return True


def find_keyring() -> Keyring | None:
    """Return this machine's keyring, ``None`` where it has none. Raises KeyringUnusable for a broken one."""
    return _asked("", _opened)


def _opened() -> Keyring | None:
    import keyring

    backend: Any = keyring.get_keyring()
    if type(backend).__module__ == "keyring.backends.chainer" and backend.backends:
        first = backend.backends[0]  # where a new password goes
    else:
        first = backend
    name = f"{type(first).__module__}.{type(first).__qualname__}"
    if backend.priority <= 0 or name.startswith(("keyring.backends.fail.", "keyring.backends.null.")):
        return None
    return Keyring(name, "plaintext" in name.lower() or first.priority < RECOMMENDED, backend)


def _asked(name: str, question: Callable[[], T]) -> T:
    """Ask a keyring within its time; the thread that asks one that never answers ends with the process."""
    shown = f"The keyring {name}" if name else "The system keyring"
    if name in _silent:
        raise KeyringUnusable(f"{shown} does not answer.", _REPAIR)
    answers: list[T] = []
    failures: list[str] = []

    def ask() -> None:
        try:
            answers.append(question())
        except BaseException as error:  # whatever it is, it comes from a backend
            said = " ".join(without_tokens(str(error)).split())[:200]
            failures.append(f"{type(error).__name__}: {said}" if said else type(error).__name__)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(KEYRING_SECONDS)
    if answers:
        return answers[0]
    if failures:
        repair = _REPAIR if name else _choice()
        raise KeyringUnusable(f"{shown} cannot be used ({failures[0]}).", repair)
    _silent.add(name)
    raise KeyringUnusable(f"{shown} does not answer within {KEYRING_SECONDS:.0f} seconds.", _REPAIR)


def _choice() -> str:
    """Return how to choose another backend than the one that cannot be opened, as a clause."""
    if BACKEND_VARIABLE in os.environ:
        named = os.environ[BACKEND_VARIABLE] or "nothing"
        return f"{BACKEND_VARIABLE} names {named}: install it beside canvas-archive or unset the variable"
    try:
        from configparser import RawConfigParser

        from keyring.util.platform_ import config_root

        path = os.path.join(str(config_root()), "keyringrc.cfg")  # noqa: PTH118 (text or path, by version)
        settings = RawConfigParser()
        settings.read(path, encoding="utf-8")
        named = settings.get("backend", "default-keyring")
    except Exception:  # no such file, no home, or not as the library writes it
        return "repair it"
    return f"{path} names {named}: install it beside canvas-archive or remove that line"
