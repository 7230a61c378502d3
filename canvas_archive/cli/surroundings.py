"""What ``doctor`` finds around an archive: the user's home, the locale, the keyring, the way to Canvas."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from canvas_archive.errors import ArchiveError, BadInput, KeyringUnusable

State: TypeAlias = Literal["ok", "warning", "failed", "skipped"]
ODD_IN_PATHS = "#?%"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``detail`` says what was found and, when it is not well, what to do."""

    name: str
    state: State
    detail: str


Check: TypeAlias = Callable[[], Iterable[Finding]]


def guarded(name: str, check: Check) -> tuple[list[Finding], ArchiveError | None]:
    """Run a check to its end, whatever happens in it; return what it found and the error that ended it."""
    findings: list[Finding] = []
    try:
        findings.extend(check())
    except ArchiveError as error:
        return [*findings, Finding(name, "failed", str(error))], error
    except Exception as error:
        from canvas_archive.machine import machine_trouble

        known = machine_trouble(error)
        if known is not None:
            return [*findings, Finding(name, "failed", str(known))], known
        what = f"cannot be looked at ({type(error).__name__}: {error})"
        return [*findings, Finding(name, "warning", what)], None
    return findings, None


def checks(base_url: str | None) -> Iterator[tuple[str, Check]]:
    """Yield what to look at, by name; ``base_url`` is the archive's Canvas, where that is known."""
    yield "home", _home
    yield "locale", _locale
    yield "keyring", _keyring
    yield "proxy", lambda: _proxy(base_url)
    yield "certificates", lambda: _certificates(base_url)
    yield "TLS", _tls


def _home() -> Iterator[Finding]:
    from canvas_archive.places import home, state_folder

    found = home()
    try:
        state = state_folder()
    except BadInput as error:
        yield Finding("home", "warning", str(error))
        return
    place = next(path for path in (state, *state.parents) if path.exists())
    if not os.access(place, os.W_OK):
        yield Finding(
            "home",
            "warning",
            f"{place} cannot be written, so it cannot be remembered which archives are yours: set "
            "XDG_STATE_HOME to a folder that lasts, or CANVAS_ARCHIVE_ADOPTED=1",
        )
        return
    yield Finding("home", "ok", f"{found or 'none'}; archives of yours are remembered in {state}")


def _locale() -> Iterator[Finding]:
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "").startswith("utf8"):
        yield Finding("locale", "ok", "UTF-8")
        return
    what = f"file names are written as {encoding}, which lacks many letters: set LC_ALL=C.UTF-8"
    yield Finding("locale", "warning", what)


def _keyring() -> Iterator[Finding]:
    from canvas_archive.keyrings import find_keyring

    try:
        ring = find_keyring()
    except KeyringUnusable as error:
        yield Finding("keyring", "warning", str(error))
        return
    if ring is None:
        what = "none here (cron, containers and ssh often reach none)"
        yield Finding("keyring", "skipped", what)
    elif ring.is_plain:
        what = f"{ring.name} may store the token in plain text; prefer another keyring or a token_command"
        yield Finding("keyring", "warning", what)
    else:
        yield Finding("keyring", "ok", ring.name)


def _proxy(base_url: str | None) -> Iterator[Finding]:
    import httpx

    from canvas_archive.canvas.address import origin_of
    from canvas_archive.canvas.proxies import proxy_for

    url = base_url or "https://canvas.invalid"
    where = base_url or "any Canvas"
    proxy = proxy_for(origin_of(httpx.URL(url)))
    yield Finding("proxy", "ok", f"{where} is reached {f'through {proxy}' if proxy else 'directly'}")


def _certificates(base_url: str | None) -> Iterator[Finding]:
    from canvas_archive.canvas.certificates import client_context, named, system_certificates

    try:
        client_context()
    except BadInput as error:
        if base_url is None or base_url.startswith("https://"):
            raise
        yield Finding("certificates", "warning", str(error))
        return
    own = sys.platform in ("win32", "darwin")
    known = ["the system's own" if own else str(system_certificates())]
    known += [f"{path} ({variable})" for variable, path in named()]
    yield Finding("certificates", "ok", f"trusted are {', '.join(known)}")


def _tls() -> Iterator[Finding]:
    import ssl

    yield Finding("TLS", "ok", f"1.2 or newer, by {ssl.OPENSSL_VERSION}")
    if os.environ.get("SSLKEYLOGFILE"):
        what = "SSLKEYLOGFILE is set: canvas-archive writes no keys there, but other programs do"
        yield Finding("TLS", "warning", what)


def folder_checks(folder: Path) -> Iterator[Finding]:
    """Yield what an archive's folder is like: a medium that can only be read, a path that tools misread."""
    if not os.access(folder, os.W_OK):
        what = f"{folder} can only be read: reading, export and backup work; sync, edits and push do not"
        yield Finding("medium", "warning", what)
    odd = "".join(letter for letter in ODD_IN_PATHS if letter in str(folder))
    if odd:
        what = f"{odd} in {folder} means something else in addresses: other programs may open another file"
        yield Finding("path", "warning", what)
