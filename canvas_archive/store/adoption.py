"""Which archives are this person's own: made here, or adopted with ``canvas-archive adopt``.

An archive is a folder, and folders are handed around. One that somebody else made names the Canvas that a
token would be sent to and the command that would be run for one, and brings an index of its own. So until
its new owner says so, it is only read: nothing is written to it, nothing that came with it is run or loaded,
and no token goes anywhere on its behalf.

Nobody can make an archive that passes for one of this user's. Two secrets see to that:

    identity.key    in the archive's folder: a random line for every user who made or adopted it. It is in
                    backups of the folder, never in an export, a bag or the database.
    adopted.key     in this user's state folder: a random key that never leaves it.

The file ``adopted`` beside that key has one line per archive: a keyed hash (HMAC-SHA256) of a line of
``identity.key`` and the account row. A moved or restored copy has both. A setting of ``config.toml`` that
grants something (see ``config.powers``) has a line of its own: one that is changed has to be agreed to again.

Where the state folder does not last (a container with nothing but the archive mounted),
``CANVAS_ARCHIVE_ADOPTED=1`` says that whatever archive is opened is the user's own.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from canvas_archive.errors import ArchiveError, BadInput, NotAdopted
from canvas_archive.places import state_folder
from canvas_archive.store.config import CONFIG_NAME, Config, Grant, config_without, powers, shortened
from canvas_archive.store.connection import path_of
from canvas_archive.store.private import CREATE, read_regular, write_private

FILE_NAME = "adopted"
KEY_NAME = "adopted.key"
IDENTITY_NAME = "identity.key"
ALL_ADOPTED = "CANVAS_ARCHIVE_ADOPTED"
MOST_IDENTITIES = 16
"""How many users and machines an archive remembers; the oldest is forgotten."""

_KEY_BYTES = 32
_ACCOUNT = "SELECT base_url, user_id, as_user_id, created_at FROM account"
_IDENTITY = re.compile(r"^[0-9a-f]{64}$", re.MULTILINE)

Who = tuple[str, int, "int | None", str]
"""The account row of an archive: Canvas, user, custodian, and the second it was made in."""


def state_file() -> Path:
    """Return the file that remembers; it need not exist. Raises BadInput where there is no folder for it."""
    return state_folder() / FILE_NAME


def key_file() -> Path:
    """Return the file of the key that everything remembered is hashed with; it need not exist."""
    return state_file().with_name(KEY_NAME)


def _all_adopted() -> bool:
    return os.environ.get(ALL_ADOPTED) == "1"


def who_of(db: sqlite3.Connection) -> Who | None:
    """Return the account row of an open archive; ``None`` when it cannot be read."""
    try:
        row = db.execute(_ACCOUNT).fetchone()
    except sqlite3.DatabaseError:
        return None
    return None if row is None else (row[0], row[1], row[2], row[3])


def _folder_of(db: sqlite3.Connection) -> Path:
    return (path_of(db) or Path()).parent


def is_adopted(db: sqlite3.Connection) -> bool:
    """Return whether the archive was made or adopted by this user."""
    who = who_of(db)
    return who is not None and (_all_adopted() or _is_known(_folder_of(db), who))


_States = tuple["tuple[int, ...] | None", ...]

_known: dict[tuple[Path, Path, Who], _States] = {}
"""Archives found to be this user's by both secrets, and the states of the files that said so."""

_MOST_KNOWN = 64
_SETTLED = 3 * 10**9
"""Nanoseconds after which a file that changes has another time than before, on every file system."""


def _is_known(folder: Path, who: Who) -> bool:
    """Return whether the archive is this user's; from the cache, while none of the three files has changed.

    Cached is only an archive known by both secrets, by files that have not changed for a while.
    """
    try:
        state = state_folder()
        before = _states(folder, state)
        if _known.get((folder, state, who)) == before:
            return True
    except (BadInput, OSError):  # reading says what that means
        return _Memory.of(folder, who).knows_archive()
    memory = _Memory.of(folder, who)
    if not memory.knows("archive"):
        return memory.knew_archive()
    changed = max((moment for one in before if one is not None for moment in one[-2:]), default=0)
    if changed + _SETTLED < time.time_ns() and _states(folder, state) == before:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[folder, state, who] = before
    return True


def _states(folder: Path, state: Path) -> _States:
    """Return which files there are and when each last changed; ``None`` for one that is missing."""
    found: list[tuple[int, ...] | None] = []
    for look, path in (
        (os.lstat, f"{folder}{os.sep}{IDENTITY_NAME}"),
        (os.stat, f"{state}{os.sep}{FILE_NAME}"),
        (os.stat, f"{state}{os.sep}{KEY_NAME}"),
    ):
        try:
            one = look(path)
        except FileNotFoundError:
            found.append(None)
        else:
            found.append(_state(one))
    return tuple(found)


def _state(one: os.stat_result) -> tuple[int, ...]:
    return one.st_dev, one.st_ino, one.st_mode, one.st_size, one.st_mtime_ns, one.st_ctime_ns


def require_adopted(db: sqlite3.Connection, folder: Path) -> None:
    """Raise NotAdopted for an archive that this user neither made nor adopted."""
    if not is_adopted(db):
        raise NotAdopted(
            f"The archive in {folder} was made on another machine or by somebody else, so it is only read. "
            "If it is yours, or you trust whoever gave it to you: canvas-archive adopt"
        )


def unagreed(db: sqlite3.Connection, config: Config) -> list[Grant]:
    """Return what the archive's own settings would grant, and this user has not agreed to."""
    asked = powers(config)
    if not asked or _all_adopted():
        return []
    who = who_of(db)
    if who is None:
        return asked
    memory = _Memory.of(_folder_of(db), who)
    return [power for power in asked if not (memory.knows_archive() and memory.knows_power(power))]


def agreed_config(db: sqlite3.Connection, config: Config) -> Config:
    """Return the settings that count: without those that grant something this user has not agreed to."""
    return config_without(config, unagreed(db, config))


def require_agreed(db: sqlite3.Connection, config: Config, name: str, folder: Path) -> None:
    """Raise NotAdopted when the setting called ``name`` is not agreed to."""
    for power in unagreed(db, config):
        if power.name == name:
            raise NotAdopted(
                f"{folder / CONFIG_NAME} names a {name} that you have not agreed to yet: "
                f"{shortened(power.value)}. It does not count. If it is yours: canvas-archive adopt"
            )


def remember(folder: Path, who: Who, agreed: Iterable[Grant] = ()) -> None:
    """Remember an archive as this user's own, and what its settings grant as agreed to.

    The folder gets a new line in ``identity.key`` unless it has one of this user's. Raises BadInput when
    something cannot be written down.
    """
    try:
        key = _key() or _make_key()
        memory = _Memory.of(folder, who)
        if not memory.knows("archive"):
            identity = os.urandom(_KEY_BYTES).hex()
            kept = [*memory.identities[-MOST_IDENTITIES + 1 :], identity]
            write_private(folder / IDENTITY_NAME, "".join(f"{one}\n" for one in kept).encode("ascii"))
            memory = _Memory(folder, who, memory.text, key, (identity,))
        _append(folder, memory.new_marks(agreed))
    except (BadInput, OSError) as error:
        if _all_adopted():
            return
        if isinstance(error, BadInput):
            raise
        where = error.filename or state_file()
        raise BadInput(
            f"{where} cannot be written ({error.strerror or error}); it remembers which archives are yours. "
            f"Make that folder writable, set XDG_STATE_HOME to one that is, or set {ALL_ADOPTED}=1."
        ) from error


def renew(db: sqlite3.Connection, folder: Path, config: Config) -> None:
    """Remember anew, with both secrets, what a version before them remembered of this folder.

    What cannot be written down now is tried again when the archive is next written to.
    """
    who = who_of(db)
    if who is None or (folder / IDENTITY_NAME).exists():
        return
    memory = _Memory.of(folder, who)
    if memory.knew_archive():
        agreed = [power for power in powers(config) if memory.knows_power(power)]
        with suppress(ArchiveError, OSError):
            remember(folder, who, agreed)
            _append(folder, [f"{_RENEWED}{memory.old_digest()}"])


_RENEWED = "renewed-"
"""The beginning of a line that ends another one, of a version before this: it counts no more."""


def _append(folder: Path, marks: Iterable[str]) -> None:
    # The path is for people who look into the file; it means nothing.
    shown = str(folder).encode("ascii", "backslashreplace").decode().replace("\n", " ").replace("\r", " ")
    lines = "".join(f"{mark} {shown}\n" for mark in marks)
    if not lines:
        return
    path = state_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, lines.encode("ascii"))
    finally:
        os.close(descriptor)


def _read(find: Callable[[], Path]) -> bytes:
    """Return a file of this user's, or nothing; too few open files say nothing about whose an archive is."""
    try:
        return find().read_bytes()
    except BadInput:  # there is no folder to remember anything in
        return b""
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return b""


_lines: dict[Path, tuple[tuple[int, ...], str]] = {}
"""The state of the file that was read last, and its text: a search of a fleet asks for each archive."""


def _remembered() -> str:
    """Return the lines that this user remembers; from the cache, while the file has not changed."""
    try:
        path = state_file()
        before = _state(path.stat())
    except (BadInput, OSError):
        return _read(state_file).decode("ascii", "replace")
    known = _lines.get(path)
    if known is not None and known[0] == before:
        return known[1]
    text = _read(state_file).decode("ascii", "replace")
    with suppress(OSError):
        if max(before[-2:]) + _SETTLED < time.time_ns() and _state(path.stat()) == before:
            _lines.clear()
            _lines[path] = (before, text)
    return text


def _key() -> bytes | None:
    key = _read(key_file)
    return key if len(key) == _KEY_BYTES else None


def _make_key() -> bytes:
    """Make this user's key, once: of two processes that try, both get the same."""
    path = key_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        with os.fdopen(os.open(made, CREATE, 0o600), "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(made)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                made.replace(path)
    finally:
        made.unlink(missing_ok=True)
    key = _key()
    if key is None:
        raise BadInput(
            f"{path} is no key: it has not {_KEY_BYTES} bytes. Remove it; then adopt your archives again."
        )
    return key


@dataclass(frozen=True, slots=True)
class _Memory:
    """What this user remembers, looked at for one archive."""

    folder: Path
    who: Who
    text: str
    key: bytes | None
    identities: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, who: Who) -> _Memory:
        """Return what is remembered now."""
        try:
            identity = read_regular(folder / IDENTITY_NAME, 1 << 16).decode("ascii", "replace")
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            identity = ""
        text = _remembered()
        found = tuple(_IDENTITY.findall(identity)[-MOST_IDENTITIES:])
        return cls(folder, who, f"\n{text}", _key(), found)

    def knows(self, *what: str) -> bool:
        """Return whether the archive, or a setting of it, is remembered with both secrets."""
        return any(self._has(mark) for mark in self._marks(what))

    def knows_archive(self) -> bool:
        """Return whether the archive is this user's, also by the lines of a version before."""
        return self.knows("archive") or self.knew_archive()

    def knows_power(self, power: Grant) -> bool:
        """Return whether a setting is agreed to, also by the lines of a version before."""
        if self.knows("setting", power.name, power.value):
            return True
        if not self.knew_archive():
            return False
        # That version asked about the command alone; all other settings counted.
        return power.name != "token_command" or self._has(_digest(self.old_digest(), power.value))

    def old_digest(self) -> str:
        """Return the hash by which a version before knew the archive: anybody can make it."""
        return _digest(*self.who)

    def knew_archive(self) -> bool:
        """Return whether a version before remembered this very folder, and none since.

        That version hashed nothing but the account, which others may know; so the folder has to be the one.
        """
        if self.identities:
            return False
        digest = self.old_digest()
        found = re.findall(rf"\n(?:{_RENEWED})?{digest} ([^\n]*)", self.text)
        if f"\n{_RENEWED}{digest} " in self.text:
            return False
        return any(_is_folder(line, self.folder) for line in found)

    def new_marks(self, agreed: Iterable[Grant]) -> list[str]:
        """Return the lines that are missing for this archive and these settings."""
        wanted = [("archive",), *(("setting", power.name, power.value) for power in agreed)]
        return [self._marks(what)[-1] for what in wanted if not self.knows(*what)]

    def _marks(self, what: tuple[str, ...]) -> list[str]:
        if self.key is None:
            return []
        texts = (json.dumps([*what, identity, *self.who]) for identity in self.identities)
        return [hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest() for text in texts]

    def _has(self, mark: str) -> bool:
        # Looked for in the text as it is: every search asks, and the file may have a line for many archives.
        line = f"\n{mark}"
        return f"{line}\n" in self.text or f"{line} " in self.text or self.text.endswith(line)


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _is_folder(shown: str, folder: Path) -> bool:
    """Return whether a line is about this folder: its path, with other than ASCII letters escaped."""
    for path in (shown, shown.encode("ascii", "replace").decode("unicode_escape", "replace")):
        with suppress(OSError, ValueError):
            if Path(path).samefile(folder):
                return True
    return False
